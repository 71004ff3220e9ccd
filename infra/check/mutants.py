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
from stack import TEMPLATE, Stack, parse, plant

PERMISSIONS, NETWORK = "functions_may_do_what_they_need_and_no_more", "security_groups_form_the_paths_and_no_others"

MUTANTS = [
    # permissions
    ("an endpoint that may not read its secret", PERMISSIONS, "GetSurveys",
     "[!Ref ConnectAsApp, !Ref ReadJwtSecret]", "[!Ref ConnectAsApp]"),
    ("an endpoint that may read a secret it has no use for", PERMISSIONS, "AddReply",
     "[!Ref ConnectAsApp]", "[!Ref ConnectAsApp, !Ref ReadJwtSecret]"),
    ("a misspelt action", PERMISSIONS, "ReadJwtSecret", "GetSecretValue", "GetSecretVaule"),
    ("the database user of another function", PERMISSIONS, "ConnectAsApp", "/canvass_app", "/canvass_owner"),
    ("a migration that may not become canvass_migrate", PERMISSIONS, "Migrate", "/canvass_migrate", "/canvass_app"),
    ("an administrator", PERMISSIONS, "Login", "!Ref ReadJwtSecret]", "!Ref ReadJwtSecret, AdministratorAccess]"),
    ("any action on the database", "no_wildcards_but_the_reasoned_ones", "ConnectAsApp", "rds-db:connect", "rds-db:*"),
    ("any secret", "no_wildcards_but_the_reasoned_ones", "ReadJwtSecret",
     "Resource: !GetAtt JwtSecret.Id", 'Resource: "*"'),
    ("a key for everything", "keys_are_decrypted_for_secrets_manager_alone", "ReadJwtSecret",
     '"kms:ViaService"', '"aws:SourceVpc"'),
    # environment
    ("a password in the environment", "functions_have_their_environment", "Globals",
     "canvass_app@", "canvass_app:secret@"),
    ("a function that does not authenticate by IAM", "functions_have_their_environment", "Globals",
     "DATABASE_AUTH: iam", "DATABASE_AUTH: password"),
    ("keys for an endpoint that knows no tokens", "functions_have_their_environment", "ActiveSurveys",
     "Events:", "Environment: { Variables: { JWT_SECRET_ARN: !GetAtt JwtSecret.Id } }\n      Events:"),
    ("a time limit beyond the gateway's", "functions_have_their_settings", "Globals", "Timeout: 29", "Timeout: 60"),
    ("password hashes on a tenth of a vCPU", "functions_have_their_settings", "Login", "MemorySize: 1769", "MemorySize: 256"),
    # API
    ("the debugging route in production", "debugging_routes_are_for_dev", "Users", "Condition: IsDev", "Metadata: {}"),
    ("a login without a throttle", "routes_are_throttled", "Api", '"POST /login": {', '"POST /logout/access": {'),
    ("a throttle for a route that does not exist", "routes_are_throttled", "Api",
     '"POST /addreply"', '"POST /addanswer"'),
    ("no throttle at all", "routes_are_throttled", "Api", "ThrottlingRateLimit: 1000, ThrottlingBurstLimit: 500", ""),
    ("a header that browsers may not send", "browsers_are_let_in", "Api", "password, ", ""),
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
    ("a cron expression with five fields", "purge_runs_daily", "Purge", "cron(17 3 * * ? *)", "cron(17 3 * * *)"),
    ("a schedule that two stages fight over", "names_carry_the_stack", "Purge",
     "Name: !Sub ${AWS::StackName}-purge", "Name: purge"),
    # data
    ("a public database", "the_database_is_safe", "DatabaseWriter",
     "PubliclyAccessible: false", "PubliclyAccessible: true"),
    ("a database without deletion protection", "the_database_is_safe", "Database",
     "DeletionProtection: true", "DeletionProtection: false"),
    ("data that goes with the stack", "the_database_is_safe", "Database", "DeletionPolicy: Snapshot", "DeletionPolicy: Delete"),
    ("an owner with a password", "the_database_is_safe", "Database",
     "MasterUserAuthenticationType: !If [IsRestored, !Ref AWS::NoValue, iam-db-auth]", "ManageMasterUserPassword: true"),
    ("a restore that RDS refuses", "the_database_is_safe", "Database",
     "!If [IsRestored, !Ref AWS::NoValue, canvass_owner]", "canvass_owner"),
    ("connections without TLS", "the_database_is_safe", "DatabaseParameters", 'rds.force_ssl: "1"', 'rds.force_ssl: "0"'),
    ("a proxy that nobody asked for", "the_proxy_is_off_until_wanted", "UseProxy",
     'Default: "false"', 'Default: "true"'),
    ("a proxy that takes passwords", "the_proxy_is_off_until_wanted", "DatabaseProxy",
     "DefaultAuthScheme: IAM_AUTH", "DefaultAuthScheme: NONE"),
    ("keys that go with the stack", "the_keys_are_safe", "JwtSecret", "DeletionPolicy: Retain", "DeletionPolicy: Delete"),
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
    ("an endpoint to anybody's bucket", "the_network_has_no_way_out", "S3Endpoint", "PolicyDocument:", "Metadata:"),
    # operation
    ("an alarm that tells nobody", "alarms_ring", "PurgeFailed", "AlarmActions: [!Ref Alarms]", "ActionsEnabled: true"),
    ("failures that nobody watches", "alarms_ring", "ApiFailures", "MetricName: 5xx", "MetricName: 4xx"),
    ("an address that nobody is told", "the_operator_is_told", "Outputs", "  ApiUrl:", "  Url:"),
    # what the translator and the linter see
    ("a misspelt property of SAM", "translate", "Purge", "Timeout: 300", "Timeuot: 300"),
    ("a misspelt property", "cfn-lint", "Database", "MaxCapacity: !Ref", "MaximumCapacity: !Ref"),
    ("a version that does not exist", "cfn-lint", "Database", 'EngineVersion: "18.4"', 'EngineVersion: "18.444"'),
    ("a reference to nothing", "cfn-lint", "DatabaseWriter", "!Ref Database", "!Ref Databse"),
    ("an attribute that does not exist", "cfn-lint", "Globals",
     "!GetAtt Database.Endpoint.Address", "!GetAtt Database.EndPoint.Address"),
    ("a value that does not exist", "cfn-lint", "Globals", "LogFormat: JSON", "LogFormat: JSN"),
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


def survive_translation():
    """Mistakes of the translator's making: they cannot be written in the template."""
    parameters = check.deployments()["prod"]

    stack = Stack(parse(TEMPLATE.read_text()), **parameters)
    permission = next(name for name in stack.of("AWS::Lambda::Permission") if name.startswith("Login"))
    del stack.resources[permission]
    yield "a route that the gateway may not invoke", stack

    stack = Stack(parse(TEMPLATE.read_text()), **parameters)
    body = stack.one("AWS::ApiGatewayV2::Api")[1]["Body"]
    body["paths"]["/login"]["post"]["x-amazon-apigateway-integration"]["uri"] = "arn:aws:lambda:::function:nobody"
    yield "a route to a function of somebody else", stack

    stack = Stack(parse(TEMPLATE.read_text()), **parameters)
    stack.one("AWS::ApiGatewayV2::Api")[1]["Body"]["paths"] = {}
    yield "an API without routes", stack


def survive_files():
    """Mistakes in the folders beside the template, each as (name, findings)."""
    source = parse(TEMPLATE.read_text())
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
    for name, stack in survive_translation():
        planted += 1
        if not any(kind == "routes_lead_to_functions_that_admit_them" for kind, _ in check.policy.findings(stack)):
            survivors.append(f"routes_lead_to_functions_that_admit_them did not find {name}")
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
