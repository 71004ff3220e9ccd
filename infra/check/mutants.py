#!/usr/bin/env python3
"""Guards the guards: plants one mistake after the other into the template and demands that the check finds it, by the
rule that is there for it. A mistake that survives means that a rule has gone blind.

Each mutant names the rule, the resource (or section) it changes, the text it looks for and the text it puts there.
"""
import multiprocessing
import sys
import tempfile
from pathlib import Path

import check
from stack import TEMPLATE, parse, plant

PERMISSIONS, NETWORK = "functions_may_do_what_they_need_and_no_more", "security_groups_form_the_paths_and_no_others"
ENVIRONMENT, ROUTES = "functions_have_their_environment", "routes_are_those_of_the_contract"
DATABASE, ENDPOINTS = "the_database_opens_by_iam_alone", "vpc_endpoints_pass_what_functions_need_and_no_more"

MUTANTS = [
    # permissions
    ("an endpoint that may not read its secret", PERMISSIONS, "GetSurveys",
     "[!Ref ConnectAsApp, !Ref ReadJwtSecret]", "[!Ref ConnectAsApp]"),
    ("an endpoint that may read a secret it has no use for", PERMISSIONS, "AddReply",
     "[!Ref ConnectAsApp]", "[!Ref ConnectAsApp, !Ref ReadJwtSecret]"),
    ("documentation that may use the database", PERMISSIONS, "Docs", "Events:", "Policies: [!Ref ConnectAsApp]\n      Events:"),
    ("a misspelt action", PERMISSIONS, "ReadJwtSecret", "GetSecretValue", "GetSecretVaule"),
    ("the database user of another function", PERMISSIONS, "ConnectAsApp", "/canvass_app", "/canvass_owner"),
    ("a migration that may not become canvass_migrate", PERMISSIONS, "Migrate", "/canvass_migrate", "/canvass_app"),
    ("an administrator", PERMISSIONS, "Login", "!Ref ReadJwtSecret]", "!Ref ReadJwtSecret, AdministratorAccess]"),
    ("any action on the database", PERMISSIONS, "ConnectAsApp", "rds-db:connect", "rds-db:*"),
    ("any secret", PERMISSIONS, "ReadJwtSecret", "Resource: !GetAtt JwtSecret.Id", 'Resource: "*"'),
    ("a key for everything", "keys_are_decrypted_for_secrets_manager_alone", "ReadJwtSecret",
     '"kms:ViaService"', '"aws:SourceVpc"'),
    ("an endpoint to anybody's bucket", ENDPOINTS, "S3Endpoint", "PolicyDocument:", "Metadata:"),
    ("an endpoint to every secret", ENDPOINTS, "SecretsEndpoint", "Resource: !GetAtt JwtSecret.Id", 'Resource: "*"'),
    ("an endpoint for roles of other accounts", ENDPOINTS, "SecretsEndpoint", '"aws:PrincipalAccount"', '"aws:ResourceAccount"'),
    # environment
    ("a password in the environment", ENVIRONMENT, "Globals", "canvass_app@", "canvass_app:secret@"),
    ("a function that does not authenticate by IAM", ENVIRONMENT, "Globals", "DATABASE_AUTH: iam", "DATABASE_AUTH: password"),
    ("keys for an endpoint that knows no tokens", ENVIRONMENT, "ActiveSurveys",
     "Events:", "Environment: { Variables: { JWT_SECRET_ARN: !GetAtt JwtSecret.Id } }\n      Events:"),
    ("documentation with a database", ENVIRONMENT, "Docs", "DATABASE_URL: !Ref AWS::NoValue", "OTHER: !Ref AWS::NoValue"),
    ("debugging without its key", ENVIRONMENT, "Users", "DEBUGGING_KEY:", "DEBUG_KEY:"),
    ("a time limit beyond the gateway's", "functions_fit_their_work", "Globals", "Timeout: 29", "Timeout: 60"),
    ("password hashes on a tenth of a vCPU", "functions_fit_their_work", "Login", "MemorySize: 1769", "MemorySize: 256"),
    # API
    ("the debugging route in production", ROUTES, "Users", "Condition: IsDev", "Metadata: {}"),
    ("a route that the contract does not know", ROUTES, "Login", "Path: /login", "Path: /signin"),
    ("a route to another function", ROUTES, "Login", "lambda/login/", "lambda/register/"),
    ("a function that can be called without the gateway", ROUTES, "Login",
     "Events:", "FunctionUrlConfig: { AuthType: NONE }\n      Events:"),
    ("a login without a throttle", "routes_are_throttled", "Api", '"POST /login": {', '"POST /logout/access": {'),
    ("a looser throttle", "routes_are_throttled", "Api", "ThrottlingRateLimit: 20,", "ThrottlingRateLimit: 200,"),
    ("no throttle at all", "routes_are_throttled", "Api", "ThrottlingRateLimit: 1000, ThrottlingBurstLimit: 500", ""),
    ("a header that browsers may not send", "browsers_are_let_in", "Api", "password, ", ""),
    ("a header that pages cannot read", "browsers_are_let_in", "Api", ", content-disposition", ""),
    ("every origin", "browsers_are_let_in", "Api", '!Split [",", !Ref CorsOrigins]', '["*"]'),
    ("passwords in the access log", "the_access_log_tells_no_secrets", "Api",
     '{"time":"$context.requestTime"', '{"password":"$context.request.header.password"'),
    ("a log for ever", "logs_end", "FunctionLogs", "RetentionInDays: !Ref LogRetentionDays", ""),
    # order
    ("code before its schema", "code_starts_after_its_schema", "Login", "DependsOn: Migration", "Metadata: {}"),
    ("a migration without a way to answer", "code_starts_after_its_schema", "Migration",
     "DatabaseWriter, S3Endpoint,", "DatabaseWriter,"),
    ("a migration that runs once and never again", "code_starts_after_its_schema", "Migration",
     "!Ref SchemaVersion", '"1"'),
    ("a restored database without its migrations", "code_starts_after_its_schema", "Migration",
     "!GetAtt Database.DBClusterResourceId", "canvass"),
    ("a cron expression with five fields", "the_schedule_can_be_read", "Purge", "cron(17 3 * * ? *)", "cron(17 3 * * *)"),
    ("a schedule that two stages fight over", "names_carry_the_stack", "Purge",
     "Name: !Sub ${AWS::StackName}-purge", "Name: purge"),
    # data
    ("a database without deletion protection", "the_data_outlives_the_stack", "Database",
     "DeletionProtection: true", "DeletionProtection: false"),
    ("data that goes with the stack", "the_data_outlives_the_stack", "Database",
     "DeletionPolicy: Snapshot", "DeletionPolicy: Delete"),
    ("keys that go with the stack", "the_data_outlives_the_stack", "JwtSecret",
     "DeletionPolicy: Retain", "DeletionPolicy: Delete"),
    ("an owner with a password", DATABASE, "Database",
     "MasterUserAuthenticationType: !If [IsRestored, !Ref AWS::NoValue, iam-db-auth]", "ManageMasterUserPassword: true"),
    ("a restore that RDS refuses", DATABASE, "Database",
     "!If [IsRestored, !Ref AWS::NoValue, canvass_owner]", "canvass_owner"),
    ("connections without TLS", DATABASE, "DatabaseParameters", 'rds.force_ssl: "1"', 'rds.force_ssl: "0"'),
    ("a database that never pauses", "the_database_pauses_and_keeps_quiet", "DatabaseParameters", '"120000"', '"0"'),
    ("addresses in the database's log", "the_database_pauses_and_keeps_quiet", "DatabaseParameters",
     "log_error_verbosity: terse", "log_error_verbosity: default"),
    ("a proxy that takes passwords", "the_proxy_opens_by_iam_alone", "DatabaseProxy",
     "DefaultAuthScheme: IAM_AUTH", "DefaultAuthScheme: NONE"),
    ("a key that signs and does not exist", "the_keys_can_be_used", "JwtSecret", '"signing":"k1"', '"signing":"k0"'),
    # network
    ("an open port", NETWORK, "DatabaseServer", "SourceSecurityGroupId: !Ref Migrator", "CidrIp: 0.0.0.0/0"),
    ("a migration that cannot reach the database", NETWORK, "Migrator",
     "FromPort: 5432, ToPort: 5432", "FromPort: 5433, ToPort: 5433"),
    ("a migration that cannot answer", NETWORK, "Migrator", "CidrIp: 0.0.0.0/0", "CidrIp: 10.9.0.0/16"),
    ("an endpoint that cannot reach Secrets Manager", NETWORK, "AddSurvey",
     "[!Ref DatabaseClients, !Ref SecretReaders]", "[!Ref DatabaseClients]"),
    ("a public endpoint before Secrets Manager", NETWORK, "AddReply",
     "[!Ref DatabaseClients]", "[!Ref DatabaseClients, !Ref SecretReaders]"),
    ("a database that calls out", NETWORK, "DatabaseServer", "CidrIp: 127.0.0.1/32", "CidrIp: 0.0.0.0/0"),
    ("functions beside the proxy", NETWORK, "DatabaseServer",
     "!If [UseProxy, !Ref DatabaseProxyServer, !Ref DatabaseClients]", "!Ref DatabaseClients"),
    ("an internet gateway", "the_network_has_no_way_out", "Vpc",
     "  Vpc:", "  Gateway:\n    Type: AWS::EC2::InternetGateway\n\n  Vpc:"),
    ("an endpoint in the open", "the_network_has_no_way_out", "Health",
     "VpcConfig: { SubnetIds: [!Ref PrivateSubnetA, !Ref PrivateSubnetB], SecurityGroupIds: [!Ref DatabaseClients] }", ""),
    ("documentation in the network", "the_network_has_no_way_out", "Docs",
     "Events:", "VpcConfig: { SubnetIds: [!Ref PrivateSubnetA], SecurityGroupIds: [!Ref DatabaseClients] }\n      Events:"),
    # operation
    ("an alarm that tells nobody", "alarms_ring", "PurgeFailed", "AlarmActions: [!Ref Alarms]", "ActionsEnabled: true"),
    ("errors that nobody counts", "alarms_ring", "FunctionErrorLines", "MetricName: FunctionErrors", "MetricName: Errors"),
    # what the translator and the linter see
    ("a misspelt property of SAM", "translate", "Purge", "Timeout: 300", "Timeuot: 300"),
    ("a misspelt property", "cfn-lint", "Database", "MaxCapacity: !Ref", "MaximumCapacity: !Ref"),
    ("a version that does not exist", "cfn-lint", "Database", 'EngineVersion: "18.4"', 'EngineVersion: "18.444"'),
    ("a reference to nothing", "cfn-lint", "DatabaseWriter", "!Ref Database", "!Ref Databse"),
    ("a value that does not exist", "cfn-lint", "Globals", "LogFormat: JSON", "LogFormat: JSN"),
    ("a subnet outside of its network", "cfn-lint", "PrivateSubnetB", "10.0.16.0/20", "10.1.16.0/20"),
]


def survives(mutant):
    """Why the check did not find the mistake, or None."""
    name, rule, where, old, new = mutant
    source, found = parse(plant(TEMPLATE.read_text(), where, old, new)), []
    for parameters in check.deployments().values():
        found += check.lint(source) if rule == "cfn-lint" else check.examine(source, parameters)
        if rule in {kind for kind, _ in found}:
            return None
    return f"{rule} did not find {name}" + "".join(f"\n        {kind}: {text}" for kind, text in found)


def survive_files():
    """Mistakes in what stands beside the template, each as (name, findings)."""
    source = parse(TEMPLATE.read_text())
    reply = check.policy.CONTRACT["paths"]["/addreply"]["post"]
    throttle = reply.pop("x-throttle")
    yield "replies without a throttle", [text for _, text in check.rules(source) if "tighter" in text]
    reply["x-throttle"] = throttle
    yield "a misspelt setting", list(check.settings(source, check.SAMCONFIG.read_text().replace("CorsOrigins", "CorsOrigin")))
    names = {check.folder(r) for r in source["Resources"].values() if r["Type"] == "AWS::Serverless::Function"}
    with tempfile.TemporaryDirectory() as directory:
        functions, target = Path(directory, "functions"), Path(directory, "lambda")
        for name in names:
            (functions / name).mkdir(parents=True)
            (functions / name / "Cargo.toml").touch()
            (target / name).mkdir(parents=True)
            (target / name / "bootstrap").write_bytes(b"\x7fELF" + bytes(14) + b"\xb7\0")
            (target / name / "bootstrap").chmod(0o755)
        assert not list(check.crates(source, functions)) and not list(check.binaries(source, target, "arm64"))

        yield "binaries of another architecture", list(check.binaries(source, target, "x86_64"))
        (target / "login" / "bootstrap").unlink()
        yield "a function without a binary", list(check.binaries(source, target, "arm64"))
        (functions / "login" / "Cargo.toml").unlink()
        yield "a function without a crate", list(check.crates(source, functions))
        (functions / "login" / "Cargo.toml").touch()
        (functions / "forgotten").mkdir()
        (functions / "forgotten" / "Cargo.toml").touch()
        yield "a crate without a function", list(check.crates(source, functions))


def main():
    source = parse(TEMPLATE.read_text())
    if list(check.settings(source)) or list(check.rules(source)):
        print("FAILED  the template has findings of its own: run check.py first")
        return True

    survivors = []
    # the slow ones first, two at a time
    order = sorted(MUTANTS, key=lambda mutant: mutant[1] != "cfn-lint")
    with multiprocessing.Pool(2) as pool:
        survivors += filter(None, pool.imap_unordered(survives, order))
    planted = len(MUTANTS)
    for name, found in survive_files():
        planted += 1
        if not found:
            survivors.append(f"nothing found {name}")

    for survivor in survivors:
        print(f"FAILED  {survivor}")
    print(f"{planted - len(survivors)} of {planted} mutants found")
    return bool(survivors)


if __name__ == "__main__":
    sys.exit(main())
