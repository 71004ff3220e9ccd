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
import deploy
from stack import TEMPLATE, parse, plant

PERMISSIONS, NETWORK = "functions_may_do_what_they_need_and_no_more", "security_groups_form_the_paths_and_no_others"
MADE_ONCE = "keys_are_made_once_and_used_by_s3_alone"
ENVIRONMENT, ROUTES = "functions_have_their_environment", "routes_are_those_of_the_contract"
DATABASE, ENDPOINTS = "the_database_opens_by_iam_alone", "vpc_endpoints_pass_what_functions_need_and_no_more"

MUTANTS = [
    # permissions
    ("an endpoint that may not read its keys", PERMISSIONS, "GetSurveys",
     "[!Ref ConnectAsApp, !Ref ReadJwtKeys]", "[!Ref ConnectAsApp]"),
    ("an endpoint that may read keys it has no use for", PERMISSIONS, "AddReply",
     "[!Ref ConnectAsApp]", "[!Ref ConnectAsApp, !Ref ReadJwtKeys]"),
    ("documentation that may use the database", PERMISSIONS, "Docs", "Events:", "Policies: [!Ref ConnectAsApp]\n      Events:"),
    ("a misspelt action", PERMISSIONS, "ReadJwtKeys", "GetObject", "GetObjcet"),
    ("a key that nobody may decrypt", PERMISSIONS, "ReadJwtKeys", "kms:Decrypt", "kms:Encrypt"),
    ("a migration that may not make the keys", PERMISSIONS, "Migrate", "s3:PutObject", "s3:PutObjectTagging"),
    ("a migration that may not encrypt the keys", PERMISSIONS, "Migrate", "kms:GenerateDataKey", "kms:GenerateMac"),
    ("a migration that may read the keys", PERMISSIONS, "Migrate", "Action: s3:PutObject", "Action: [s3:PutObject, s3:GetObject]"),
    ("a migration that may overwrite the keys", MADE_ONCE, "Migrate", '"s3:if-none-match": "false"', '"s3:if-match": "false"'),
    ("functions that lose login while a proxy comes or goes", PERMISSIONS, "ConnectAsApp",
     "- !Sub arn:${AWS::Partition}:rds-db:${AWS::Region}:${AWS::AccountId}:dbuser:${Database.DBClusterResourceId}/canvass_app",
     "- !If [HasProxy, !Ref AWS::NoValue, !Sub "
     "'arn:${AWS::Partition}:rds-db:${AWS::Region}:${AWS::AccountId}:dbuser:${Database.DBClusterResourceId}/canvass_app']"),
    ("a proxy that is ready and may not be used", PERMISSIONS, "ConnectAsApp", "- HasProxy", "- UseProxy"),
    ("functions that lose login while a database is restored", PERMISSIONS, "ConnectAsApp",
     "dbuser:${FormerDatabase}", "dbuser:${Database.DBClusterResourceId}"),
    ("the database user of another function", PERMISSIONS, "ConnectAsApp", "/canvass_app", "/canvass_owner"),
    ("a migration that may not become canvass_migrate", PERMISSIONS, "Migrate", "/canvass_migrate", "/canvass_app"),
    ("an administrator", PERMISSIONS, "Login", "!Ref ReadJwtKeys]", "!Ref ReadJwtKeys, AdministratorAccess]"),
    ("any action on the database", PERMISSIONS, "ConnectAsApp", "rds-db:connect", "rds-db:*"),
    ("any object", PERMISSIONS, "ReadJwtKeys", "${JwtKeys.Arn}/jwt-keys.json", "${JwtKeys.Arn}/*"),
    ("a key for everything", MADE_ONCE, "ReadJwtKeys", '"kms:ViaService"', '"aws:SourceVpc"'),
    ("an endpoint to anybody's bucket", ENDPOINTS, "S3Endpoint", "PolicyDocument:", "Metadata:"),
    ("an endpoint that doesn't pass the keys", ENDPOINTS, "S3Endpoint", "[s3:GetObject, s3:PutObject]", "s3:PutObject"),
    ("an endpoint to buckets that are named like CloudFormation's", ENDPOINTS, "S3Endpoint", "response-${Region}/*", "response-*/*"),
    ("an endpoint to every object", ENDPOINTS, "S3Endpoint", "${JwtKeys.Arn}/jwt-keys.json", "arn:aws:s3:::*"),
    ("an endpoint for roles of other accounts", ENDPOINTS, "S3Endpoint", '"aws:PrincipalAccount"', '"aws:ResourceAccount"'),
    ("an endpoint that is paid for", ENDPOINTS, "S3Endpoint", "VpcEndpointType: Gateway", "VpcEndpointType: Interface"),
    # environment
    ("a password in the environment", ENVIRONMENT, "Globals", "canvass_app@", "canvass_app:secret@"),
    ("a function that does not authenticate by IAM", ENVIRONMENT, "Globals", "DATABASE_AUTH: iam", "DATABASE_AUTH: password"),
    ("keys for an endpoint that knows no tokens", ENVIRONMENT, "ActiveSurveys",
     "Events:", "Environment: { Variables: { JWT_KEYS_URL: !Sub 's3://${JwtKeys}/jwt-keys.json' } }\n      Events:"),
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
    ("a database that a burst doesn't fit into", "a_burst_fits_into_the_database", "MaxCapacity", "Default: 4", "Default: 2"),
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
    ("endpoints that come before the proxy's targets", "code_starts_after_its_schema", "Migration",
     "!Ref DatabaseProxyTargets", "!Ref DatabaseProxy"),
    ("a cron expression with five fields", "the_schedule_can_be_read", "Purge", "cron(17 3 * * ? *)", "cron(17 3 * * *)"),
    ("a schedule that two stages fight over", "names_carry_the_stack", "Purge",
     "Name: !Sub ${AWS::StackName}-purge", "Name: purge"),
    # data
    ("a database without deletion protection", "the_data_outlives_the_stack", "Database",
     "[IsDev, false, true]", "[IsDev, false, false]"),
    ("a trial that can't be taken back", "a_first_deployment_that_failed_leaves_nothing", "Database",
     "!If [IsDev, false, true]", "true"),
    ("an orphan of a failed deployment", "a_first_deployment_that_failed_leaves_nothing", "DataKey",
     "DeletionPolicy: RetainExceptOnCreate", "DeletionPolicy: Retain"),
    ("a log that goes before it was read", "a_first_deployment_that_failed_leaves_nothing", "FunctionLogs",
     "DeletionPolicy: RetainExceptOnCreate", "DeletionPolicy: Delete"),
    ("data that goes with the stack", "the_data_outlives_the_stack", "Database",
     "DeletionPolicy: Snapshot", "DeletionPolicy: Delete"),
    ("keys that go with the stack", "the_data_outlives_the_stack", "JwtKeys",
     "DeletionPolicy: RetainExceptOnCreate", "DeletionPolicy: Delete"),
    ("an owner with a password", DATABASE, "Database",
     "MasterUserAuthenticationType: !If [IsRestored, !Ref AWS::NoValue, iam-db-auth]", "ManageMasterUserPassword: true"),
    ("a restore that RDS refuses", DATABASE, "Database",
     "!If [IsRestored, !Ref AWS::NoValue, canvass_owner]", "canvass_owner"),
    ("connections without TLS", DATABASE, "DatabaseParameters", 'rds.force_ssl: "1"', 'rds.force_ssl: "0"'),
    ("a database that never pauses", "the_database_pauses_and_keeps_quiet", "Migration", "120]", "0]"),
    ("a proxy whose own connections are ended", "the_database_pauses_and_keeps_quiet", "Migration",
     "!If [HasProxy, 0, 120]", "120"),
    ("a restore as an older version", "the_database_pauses_and_keeps_quiet", "Database", "!Ref EngineVersion", '"18.4"'),
    ("sessions of the owner that never end", "the_database_pauses_and_keeps_quiet", "DatabaseParameters", '"120000"', '"0"'),
    ("addresses in the database's log", "the_database_pauses_and_keeps_quiet", "DatabaseParameters",
     "log_error_verbosity: terse", "log_error_verbosity: default"),
    ("a proxy that takes passwords", "the_proxy_opens_by_iam_alone", "DatabaseProxy",
     "DefaultAuthScheme: IAM_AUTH", "DefaultAuthScheme: NONE"),
    ("keys under a key of everybody's", "the_keys_can_be_used", "JwtKeys", ", KMSMasterKeyID: !GetAtt DataKey.Arn", ""),
    ("keys that can't be taken back", "the_keys_can_be_used", "JwtKeys", "Status: Enabled } #", "Status: Suspended } #"),
    ("keys in public", "the_keys_can_be_used", "JwtKeys", "BlockPublicPolicy: true", "BlockPublicPolicy: false"),
    ("keys in clear", "the_keys_can_be_used", "JwtKeysOverTls", '"aws:SecureTransport": "false"', '"aws:SecureTransport": "true"'),
    ("keys for whoever asks", "the_keys_can_be_used", "JwtKeysOverTls", "Effect: Deny", "Effect: Allow"),
    ("a key for every account", "the_keys_can_be_used", "DataKey",
     'Principal: { AWS: !Sub "arn:${AWS::Partition}:iam::${AWS::AccountId}:root" }', 'Principal: { AWS: "*" }'),
    ("former keys that stay for ever", "the_keys_can_be_used", "JwtKeys", "Status: Enabled, Noncurrent", "Status: Disabled, Noncurrent"),
    # network
    ("an open port", NETWORK, "DatabaseServer", "SourceSecurityGroupId: !Ref Migrator", "CidrIp: 0.0.0.0/0"),
    ("a migration that cannot reach the database", NETWORK, "Migrator",
     "FromPort: 5432, ToPort: 5432", "FromPort: 5433, ToPort: 5433"),
    ("a migration that cannot answer", NETWORK, "Migrator", "CidrIp: 0.0.0.0/0", "CidrIp: 10.9.0.0/16"),
    ("an endpoint that cannot reach its keys", NETWORK, "AddSurvey",
     "[!Ref DatabaseClients, !Ref KeyReaders]", "[!Ref DatabaseClients]"),
    ("a public endpoint on the way to the keys", NETWORK, "AddReply",
     "[!Ref DatabaseClients]", "[!Ref DatabaseClients, !Ref KeyReaders]"),
    ("a database that calls out", NETWORK, "DatabaseServer", "CidrIp: 127.0.0.1/32", "CidrIp: 0.0.0.0/0"),
    ("functions that lose the database while a proxy comes or goes", NETWORK, "DatabaseServer",
     "SourceSecurityGroupId: !Ref DatabaseClients", "SourceSecurityGroupId: !If [HasProxy, !Ref Migrator, !Ref DatabaseClients]"),
    ("a proxy that cannot reach the database", NETWORK, "DatabaseServer", "- HasProxy", "- IsDev"),
    ("a proxy that functions can't reach before they use it", NETWORK, "DatabaseProxyServer",
     "SourceSecurityGroupId: !Ref DatabaseClients", "SourceSecurityGroupId: !If [UseProxy, !Ref DatabaseClients, !Ref Migrator]"),
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
    ("a version that does not exist", "cfn-lint", "Database", "!Ref EngineVersion", '"18.444"'),
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
        if rule in {kind for kind, text in found if not text.startswith("cannot be examined")}:
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
    stack = {"StackStatus": "UPDATE_COMPLETE", "Parameters": []}
    assert deploy.options(stack, {"UseProxy": "ready"}) == []
    yield "a first deployment that is rolled back", deploy.options(None, {})
    yield "a second try that is refused", deploy.options({"StackStatus": "CREATE_FAILED"}, {})
    yield "a third try that is refused", deploy.options({"StackStatus": "UPDATE_FAILED"}, {})
    assert deploy.wanted("prod", source).keys() | check.GIVEN.keys() | {"Architecture"} == source["Parameters"].keys()
    yield "a parameter that keeps its last value", [name for name in ("FormerDatabase",) if deploy.wanted("prod", source)[name] == ""]
    for name, status, now, wanted in (
        ("a proxy before its database", "CREATE_FAILED", {}, {"UseProxy": "true"}),
        ("a stack that leads nowhere", "ROLLBACK_COMPLETE", {}, {}),
        ("a database that becomes empty", "UPDATE_FAILED", {"SnapshotIdentifier": "before"}, {}),
        ("a proxy that comes in one step", "UPDATE_COMPLETE", {"UseProxy": "false"}, {"UseProxy": "true"}),
        ("a proxy that goes in one step", "UPDATE_COMPLETE", {"UseProxy": "true"}, {}),
    ):
        parameters = [{"ParameterKey": key, "ParameterValue": value} for key, value in now.items()]
        try:
            deploy.options({"StackStatus": status, "Parameters": parameters}, wanted)
        except ValueError as refusal:
            yield name, [refusal]
        else:
            yield name, []
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
