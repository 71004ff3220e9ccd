"""What must hold for the deployed stack, whatever the template looks like. Each rule is a function that yields its
findings; a rule that finds nothing to examine is a finding itself.

What a function may do and reach is derived from what it is given: a DATABASE_URL obliges its role to allow exactly that
database user, a JWT_SECRET_ARN exactly that secret. So a permission too many is as wrong as one too few.
"""
import ipaddress
import json
import re

RULES = []

# The endpoints that neither make nor read a token. Every other endpoint needs the keys.
WITHOUT_TOKENS = {"active-surveys", "add-reply", "health", "submit-response", "users"}
# The endpoints that hash passwords.
HASHING = {"register", "login"}
# The functions without a route.
JOBS = {"migrate", "purge"}

HOST = {False: "${Database.Endpoint.Address}", True: "${DatabaseProxy.Endpoint}"}
SERVER = {False: "${Database.DBClusterResourceId}", True: "${DatabaseProxy.DBProxyArn}.split(':')[6]"}
DATABASE_USER = "arn:${{AWS::Partition}}:rds-db:${{AWS::Region}}:${{AWS::AccountId}}:dbuser:{server}/{user}"

# AWS's policies of a function in a VPC that is traced. They name `*`, because the network interfaces and trace segments
# they allow do not exist before the function runs. From inside the VPC no other API can be reached with them.
BASE_POLICIES = {
    "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole",
    "arn:aws:iam::aws:policy/service-role/AWSLambdaVPCAccessExecutionRole",
    "arn:aws:iam::aws:policy/AWSXrayWriteOnlyAccess",
}

# Every `*` of our own, with its reason.
WILDCARDS = {
    ("DataKey", "Action", "kms:*"): "the usual key policy: the account decides by IAM",
    ("DataKey", "Resource", "*"): "in a key policy `*` is the key itself",
    ("S3Endpoint", "Principal", "*"): "the address is pre-signed by CloudFormation's own account",
    ("S3Endpoint", "Resource", "arn:${AWS::Partition}:s3:::cloudformation-custom-resource-response-*/*"):
        "CloudFormation's buckets, named after the Region without its dashes",
    ("SecretsEndpoint", "Principal", "*"): "narrowed to this account by a condition",
}

CORS_HEADERS = set("""authorization content-type accept if-match username email password name desc
    duedate isactive idsurvey content type idquestion id""".split())
CORS_EXPOSED = {"etag", "link", "location", "retry-after", "www-authenticate"}
LOGGED = {"requestTime", "requestId", "routeKey", "status", "responseLatency", "integrationLatency", "responseLength",
          "error.message", "integrationErrorMessage"}
ALARMS = {("AWS/ApiGateway", "5xx"), ("AWS/ApiGateway", "Latency"), ("${AWS::StackName}", "FunctionErrors"),
          ("AWS/Lambda", "Throttles"), ("AWS/Lambda", "Errors"), ("AWS/RDS", "ACUUtilization")}


def rule(function):
    RULES.append(function)
    return function


def findings(stack):
    """All findings as (name of the rule, text)."""
    for check in RULES:
        try:
            for text in check(stack):
                yield check.__name__, text
        except (LookupError, ValueError, TypeError, AttributeError) as error:
            # a template so different that the rule cannot read it is no pass
            yield check.__name__, f"cannot be examined: {type(error).__name__}: {error}"


# ---------------------------------------------------------------------------------------------------- reading the stack


def functions(stack):
    """(logical id, folder name, properties) of every function, never none."""
    found = stack.of("AWS::Lambda::Function")
    return [(name, stack.folders[name], properties) for name, properties in found.items()]


def environment(function):
    return function["Environment"]["Variables"]


def routes(stack):
    """{(METHOD, path): logical id of the function} of the API."""
    found = {}
    for path, methods in stack.one("AWS::ApiGatewayV2::Api")[1]["Body"]["paths"].items():
        for method, operation in methods.items():
            if method == "options":
                continue
            uri = operation["x-amazon-apigateway-integration"]["uri"]
            match = re.search(r"/functions/\$\{(\w+)\.Arn\}/invocations$", uri)
            found[method.upper(), path] = match[1] if match else uri
    if len(found) < 20:
        raise LookupError(f"only {len(found)} routes")
    return found


def statements(document):
    for statement in document["Statement"]:
        yield statement, {
            key: [statement[key]] if isinstance(statement.get(key), (str, dict)) else statement.get(key, [])
            for key in ("Action", "Resource", "Principal")
        }


def permissions(stack, role):
    """({(action, resource)}, {policies of AWS}) of a role."""
    documents = [p["PolicyDocument"] for p in role.get("Policies", [])]
    foreign = set()
    for arn in role.get("ManagedPolicyArns", []):
        own = re.fullmatch(r"\$\{(\w+)\}", arn)
        if own:
            documents.append(stack.resources[own[1]]["Properties"]["PolicyDocument"])
        else:
            foreign.add(arn)
    allowed = {
        (action, resource)
        for document in documents
        for statement, parts in statements(document)
        for action in parts["Action"]
        for resource in parts["Resource"]
        if statement["Effect"] == "Allow"
    }
    return allowed, foreign


def proxied(stack):
    return stack.parameters["UseProxy"] == "true"


# ---------------------------------------------------------------------------------------------------- functions


@rule
def functions_have_their_settings(stack):
    reachable = set(routes(stack).values())
    for name, folder, function in functions(stack):
        want = {
            "Runtime": "provided.al2023",
            "Handler": "bootstrap",
            "Architectures": [stack.parameters["Architecture"]],
            "TracingConfig": {"Mode": stack.parameters["Tracing"]},
        }
        for key, value in want.items():
            if function.get(key) != value:
                yield f"{name}: {key} is {function.get(key)}, not {value}"
        logging = function.get("LoggingConfig", {})
        if logging.get("LogFormat") != "JSON" or logging.get("LogGroup") != "${FunctionLogs}":
            yield f"{name}: does not log JSON to FunctionLogs"
        if folder in JOBS:
            if name in reachable:
                yield f"{name}: a job must not have a route"
            continue
        if name not in reachable:
            yield f"{name}: has no route"
        if not 25 <= function["Timeout"] < 30:
            yield f"{name}: times out after {function['Timeout']} s; a paused database needs 25 s, the gateway gives up at 30"
        if folder in HASHING and function["MemorySize"] < 1769:
            yield f"{name}: hashes passwords with less than a vCPU ({function['MemorySize']} MB)"
        if folder not in HASHING and function["MemorySize"] > 512:
            yield f"{name}: has {function['MemorySize']} MB and hashes nothing"


@rule
def functions_have_their_environment(stack):
    for name, folder, function in functions(stack):
        variables = environment(function)
        want = {"STAGE": stack.parameters["Stage"], "DATABASE_AUTH": "iam"}
        user, host = ("canvass_owner", HOST[False]) if folder == "migrate" else ("canvass_app", HOST[proxied(stack)])
        want["DATABASE_URL"] = f"postgresql://{user}@{host}:5432/canvass"
        if folder not in WITHOUT_TOKENS | JOBS:
            want["JWT_SECRET_ARN"] = "${JwtSecret.Id}"
            want["JWT_KEY_SET"] = stack.parameters["JwtKeySet"]
        for key in sorted(want.keys() | variables.keys()):
            if want.get(key) != variables.get(key):
                yield f"{name}: {key} is {variables.get(key)!r}, not {want.get(key)!r}"


@rule
def functions_may_do_what_they_need_and_no_more(stack):
    roles = {}
    for name, folder, function in functions(stack):
        role = re.fullmatch(r"\$\{(\w+)\.Arn\}", function["Role"])[1]
        if role in roles:
            yield f"{name}: shares its role with {roles[role]}"
        roles[role] = name
        properties = stack.resources[role]["Properties"]

        url = re.fullmatch(r"postgresql://(\w+)@(\$\{[\w.]+\}):5432/canvass", environment(function).get("DATABASE_URL", ""))
        if not url:
            yield f"{name}: has no DATABASE_URL to derive its permissions from"
            continue
        server = SERVER[url[2] == HOST[True]]
        need = {("rds-db:connect", DATABASE_USER.format(server=server, user=url[1]))}
        if folder == "migrate":
            need.add(("rds-db:connect", DATABASE_USER.format(server=server, user="canvass_migrate")))
        if "JWT_SECRET_ARN" in environment(function):
            need.add(("secretsmanager:GetSecretValue", "${JwtSecret.Id}"))
            need.add(("kms:Decrypt", "${DataKey.Arn}"))

        allowed, foreign = permissions(stack, properties)
        for action, resource in sorted(need - allowed):
            yield f"{name}: must be allowed {action} on {resource}"
        for action, resource in sorted(allowed - need):
            yield f"{name}: has no use for {action} on {resource}"
        if foreign != BASE_POLICIES:
            yield f"{name}: policies of AWS are {sorted(foreign)}, not {sorted(BASE_POLICIES)}"
        trust = [p["Principal"] for _, p in statements(properties["AssumeRolePolicyDocument"])]
        if trust != [[{"Service": ["lambda.amazonaws.com"]}]]:
            yield f"{name}: its role is trusted to {trust}"


@rule
def keys_are_decrypted_for_secrets_manager_alone(stack):
    found = 0
    for policy in stack.of("AWS::IAM::ManagedPolicy").values():
        for statement, parts in statements(policy["PolicyDocument"]):
            if "kms:Decrypt" in parts["Action"]:
                found += 1
                via = statement.get("Condition", {}).get("StringEquals", {}).get("kms:ViaService", "")
                if not via.startswith("secretsmanager."):
                    yield "kms:Decrypt is allowed outside of Secrets Manager"
    if not found:
        yield "nobody may decrypt the secret"


@rule
def no_wildcards_but_the_reasoned_ones(stack):
    def documents(value):
        if isinstance(value, dict):
            if isinstance(value.get("Statement"), list):
                yield value
            for inner in value.values():
                yield from documents(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from documents(inner)

    seen, unused = 0, set(WILDCARDS)
    for name, resource in stack.resources.items():
        for document in documents(resource["Properties"]):
            for statement, parts in statements(document):
                seen += 1
                if {"NotAction", "NotResource", "NotPrincipal"} & statement.keys():
                    yield f"{name}: a statement allows all but something"
                for key, values in parts.items():
                    for value in values:
                        for text in value.values() if isinstance(value, dict) else [value]:
                            if "*" in str(text):
                                unused.discard((name, key, text))
                                if (name, key, text) not in WILDCARDS:
                                    yield f"{name}: {key} {text} has a wildcard"
    if seen < len(stack.of("AWS::Lambda::Function")):
        yield f"only {seen} policy statements were found"
    for name, key, text in sorted(unused):
        yield f"{name}: the exception for {key} {text} is not needed any more"


# ---------------------------------------------------------------------------------------------------- API


@rule
def routes_lead_to_functions_that_admit_them(stack):
    admitted = {}
    for name, permission in stack.of("AWS::Lambda::Permission").items():
        if permission["Principal"] != "apigateway.amazonaws.com" or permission["Action"] != "lambda:InvokeFunction":
            yield f"{name}: admits {permission['Principal']} to {permission['Action']}"
        admitted.setdefault(permission["SourceArn"], set()).add(permission["FunctionName"])
    ids = {name for name, _, _ in functions(stack)}
    for (method, path), function in sorted(routes(stack).items()):
        if function not in ids:
            yield f"{method} {path} leads to {function}, which is no function of this stack"
        source = "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/*/" + method
        source += re.sub(r"\{[^}]+\}", "*", path)
        if admitted.pop(source, set()) != {"${" + function + "}"}:
            yield f"{method} {path}: the gateway may not invoke {function}"
    for source in admitted:
        yield f"{source} is admitted without a route"


@rule
def debugging_routes_are_for_dev(stack):
    debugging = {f"{method} {path}" for method, path in routes(stack) if path == "/users"}
    want = {"GET /users", "DELETE /users"} if stack.parameters["Stage"] == "dev" else set()
    if debugging != want:
        yield f"stage {stack.parameters['Stage']} has {sorted(debugging)}, not {sorted(want)}"


@rule
def routes_are_throttled(stack):
    stage = stack.one("AWS::ApiGatewayV2::Stage")[1]
    limits = ("ThrottlingRateLimit", "ThrottlingBurstLimit")
    default = stage.get("DefaultRouteSettings", {})
    if not all(default.get(limit, 0) > 0 for limit in limits):
        yield "the stage has no throttle"
        return
    table = routes(stack)
    settings = stage.get("RouteSettings", {})
    for key in sorted(settings.keys() - {f"{method} {path}" for method, path in table}):
        yield f"the throttle of {key} belongs to no route, and the deployment would fail"
    for (method, path), function in sorted(table.items()):
        folder = stack.folders.get(function)
        public_write = folder in WITHOUT_TOKENS and method != "GET" and folder != "users"
        if folder not in HASHING and not public_write:
            continue
        own = settings.get(f"{method} {path}", {})
        if not all(0 < own.get(limit, 0) < default[limit] for limit in limits):
            yield f"{method} {path} has no throttle tighter than the stage's"


@rule
def browsers_are_let_in(stack):
    cors = stack.one("AWS::ApiGatewayV2::Api")[1]["Body"].get("x-amazon-apigateway-cors", {})
    if not stack.parameters["CorsOrigins"]:
        if cors:
            yield f"pages of {cors.get('allowOrigins')} are let in unasked"
        return
    if cors.get("allowOrigins") != stack.parameters["CorsOrigins"].split(","):
        yield f"origins are {cors.get('allowOrigins')}, not those of CorsOrigins"
    missing = CORS_HEADERS - {h.lower() for h in cors.get("allowHeaders", [])}
    if missing:
        yield f"headers not allowed: {sorted(missing)}"
    missing = CORS_EXPOSED - {h.lower() for h in cors.get("exposeHeaders", [])}
    if missing:
        yield f"headers not exposed: {sorted(missing)}"
    missing = {method for method, _ in routes(stack)} | {"PUT", "PATCH"}
    missing -= set(cors.get("allowMethods", []))
    if missing:
        yield f"methods not allowed: {sorted(missing)}"
    if cors.get("allowCredentials"):
        yield "credentials are allowed, but nothing uses cookies"


@rule
def the_access_log_tells_no_secrets(stack):
    settings = stack.one("AWS::ApiGatewayV2::Stage")[1].get("AccessLogSettings", {})
    if settings.get("DestinationArn") != "${ApiLogs.Arn}":
        yield "the access log does not go to ApiLogs"
    line = settings.get("Format", "")
    try:
        values = json.loads(line).values()
    except ValueError:
        yield "the access log is not JSON"
        return
    logged = {str(value).lstrip("$").replace("context.", "", 1) for value in values}
    for name in sorted(logged - LOGGED):
        yield f"the access log has {name}, which is not on the list of harmless variables"
    for name in sorted({"requestId", "routeKey", "status"} - logged):
        yield f"the access log lacks {name}"


@rule
def logs_end(stack):
    for name, group in stack.of("AWS::Logs::LogGroup").items():
        if str(group.get("RetentionInDays")) != stack.parameters["LogRetentionDays"]:
            yield f"{name} is kept for {group.get('RetentionInDays')} days, not LogRetentionDays"


# ---------------------------------------------------------------------------------------------------- jobs


@rule
def code_starts_after_its_schema(stack):
    name, migration = stack.one("Custom::Migration")
    folders = {folder: name for name, folder in stack.folders.items()}
    migrate = folders["migrate"]
    if migration["ServiceToken"] != f"${{{migrate}.Arn}}":
        yield f"{name} does not call {migrate}"
    if migration.get("SchemaVersion") != stack.parameters["SchemaVersion"]:
        yield f"{name} does not change with SchemaVersion, so new migrations would not run"
    if migration.get("Database") != "${Database.DBClusterResourceId}":
        yield f"{name} does not change with the database, so a restored one would stay as old as it is"
    timeout = stack.resources[migrate]["Properties"]["Timeout"]
    if not timeout < int(migration.get("ServiceTimeout", 3600)) <= timeout + 60:
        yield f"{name} waits {migration.get('ServiceTimeout', 3600)} s for a function that ends after {timeout} s"
    needs = {"DatabaseWriter", "S3Endpoint"} | set(stack.of("AWS::EC2::SubnetRouteTableAssociation"))
    for need in sorted(needs - stack.depends_on(name)):
        yield f"{name} does not wait for {need}"
    for function in sorted(set(stack.folders) - {migrate}):
        if name not in stack.depends_on(function):
            yield f"{function} would change before the schema: it lacks DependsOn: {name}"
    retries = [c["MaximumRetryAttempts"] for c in stack.of("AWS::Lambda::EventInvokeConfig").values()
               if c["FunctionName"] == f"${{{migrate}}}"]
    if retries != [0]:
        yield f"{migrate} is repeated after a crash"


@rule
def purge_runs_daily(stack):
    name, schedule = stack.one("AWS::Scheduler::Schedule")
    fields = re.fullmatch(r"cron\((.+)\)", schedule["ScheduleExpression"])
    fields = fields[1].split() if fields else []
    # minute hour day-of-month month day-of-week year; exactly one of the two days is `?`
    if len(fields) != 6 or (fields[2] == "?") == (fields[4] == "?"):
        yield f"{name}: {schedule['ScheduleExpression']} is no cron expression of the scheduler"
    folders = {folder: name for name, folder in stack.folders.items()}
    target, role = schedule["Target"]["Arn"], re.fullmatch(r"\$\{(\w+)\.Arn\}", schedule["Target"]["RoleArn"])[1]
    if target != f"${{{folders['purge']}.Arn}}":
        yield f"{name} calls {target}"
    allowed, foreign = permissions(stack, stack.resources[role]["Properties"])
    if allowed != {("lambda:InvokeFunction", target)} or foreign:
        yield f"{name}: its role allows {sorted(allowed)} and {sorted(foreign)}"
    if schedule.get("State", "ENABLED") != "ENABLED":
        yield f"{name} is off"


# ---------------------------------------------------------------------------------------------------- data


@rule
def the_database_is_safe(stack):
    name, cluster = stack.one("AWS::RDS::DBCluster")
    want = {
        "Engine": "aurora-postgresql",
        "StorageEncrypted": True,
        "KmsKeyId": "${DataKey.Arn}",
        "DeletionProtection": True,
        "EnableIAMDatabaseAuthentication": True,
        "DatabaseName": "canvass",
        "SnapshotIdentifier": stack.parameters["SnapshotIdentifier"] or None,
        # RDS refuses a master user for a database that is restored
        "MasterUsername": None if stack.parameters["SnapshotIdentifier"] else "canvass_owner",
        "MasterUserAuthenticationType": None if stack.parameters["SnapshotIdentifier"] else "iam-db-auth",
    }
    for key, value in want.items():
        if cluster.get(key) != value:
            yield f"{name}: {key} is {cluster.get(key)}, not {value}"
    for key in ("MasterUserPassword", "ManageMasterUserPassword"):
        if key in cluster:
            yield f"{name}: {key} makes a password, which nobody needs"
    if cluster.get("BackupRetentionPeriod", 1) < 7:
        yield f"{name}: backups are kept for less than a week"
    major = int(str(cluster["EngineVersion"]).split(".")[0])
    if major < 17:
        yield f"{name}: PostgreSQL {major} is older than the migrations need"
    for key in ("DeletionPolicy", "UpdateReplacePolicy"):
        if stack.resources[name].get(key) not in ("Snapshot", "Retain"):
            yield f"{name}: {key} loses the data"

    for instance, properties in stack.of("AWS::RDS::DBInstance").items():
        if properties.get("PubliclyAccessible") is not False:
            yield f"{instance} is public"
    group = stack.one("AWS::RDS::DBClusterParameterGroup")[1]
    if group["Family"] != f"aurora-postgresql{major}":
        yield f"parameters of {group['Family']} for PostgreSQL {major}"
    if group["Parameters"].get("rds.force_ssl") != "1":
        yield "connections without TLS are accepted"
    idle = int(group["Parameters"].get("idle_session_timeout", 0))
    if not proxied(stack) and not 0 < idle <= 300_000:
        yield "idle connections are kept, so the database never pauses"
    capacity = cluster["ServerlessV2ScalingConfiguration"]
    if (float(capacity["MinCapacity"]) == 0) != ("SecondsUntilAutoPause" in capacity):
        yield f"{name}: SecondsUntilAutoPause and MinCapacity {capacity['MinCapacity']} exclude each other"


@rule
def the_proxy_is_off_until_wanted(stack):
    if stack.source["Parameters"]["UseProxy"].get("Default") != "false":
        yield "RDS Proxy is on by default"
    proxies = stack.of("AWS::RDS::DBProxy", optional=True)
    if bool(proxies) != proxied(stack):
        yield f"UseProxy is {stack.parameters['UseProxy']} and the proxies are {sorted(proxies)}"
    for name, proxy in proxies.items():
        if proxy.get("RequireTLS") is not True or proxy.get("DefaultAuthScheme") != "IAM_AUTH" or "Auth" in proxy:
            yield f"{name}: TLS and IAM must be required on both sides"
        role = re.fullmatch(r"\$\{(\w+)\.Arn\}", proxy["RoleArn"])[1]
        allowed, foreign = permissions(stack, stack.resources[role]["Properties"])
        want = {("rds-db:connect", DATABASE_USER.format(server=SERVER[False], user="canvass_app"))}
        if allowed != want or foreign:
            yield f"{name}: its role allows {sorted(allowed)} and {sorted(foreign)}"
        stack.one("AWS::RDS::DBProxyTargetGroup")


@rule
def the_keys_are_safe(stack):
    name, secret = stack.one("AWS::SecretsManager::Secret")
    generate = secret.get("GenerateSecretString", {})
    try:
        template = json.loads(generate.get("SecretStringTemplate", ""))
    except ValueError:
        template = {}
    if "SecretString" in secret or template.get("signing") != generate.get("GenerateStringKey"):
        yield f"{name}: the signing key is not the generated one"
    if generate.get("PasswordLength", 32) < 64 or not generate.get("ExcludePunctuation"):
        yield f"{name}: the key is not 64 letters and digits"
    if secret.get("KmsKeyId") != "${DataKey.Arn}":
        yield f"{name} is not encrypted with DataKey"
    key = stack.one("AWS::KMS::Key")
    if key[1].get("EnableKeyRotation") is not True:
        yield f"{key[0]} does not rotate"
    for kept in (name, key[0]):
        for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
            if stack.resources[kept].get(policy) != "Retain":
                yield f"{kept}: {policy} is not Retain"


# ---------------------------------------------------------------------------------------------------- network


@rule
def the_network_has_no_way_out(stack):
    _, vpc = stack.one("AWS::EC2::VPC")
    for kind in ("InternetGateway", "NatGateway", "EgressOnlyInternetGateway", "VPCGatewayAttachment", "Route",
                 "VPCPeeringConnection", "TransitGatewayAttachment"):
        for name in stack.of(f"AWS::EC2::{kind}", optional=True):
            yield f"{name}: a {kind} leads out of the private network"
    subnets = stack.of("AWS::EC2::Subnet")
    if len({s["AvailabilityZone"] for s in subnets.values()}) < 2:
        yield "the subnets are in one zone"
    for name, subnet in subnets.items():
        if subnet.get("MapPublicIpOnLaunch"):
            yield f"{name} gives public addresses"
        if not ipaddress.ip_network(subnet["CidrBlock"]).subnet_of(ipaddress.ip_network(vpc["CidrBlock"])):
            yield f"{name} lies outside of the VPC"
    private = sorted("${" + name + "}" for name in subnets)
    for name, _, function in functions(stack):
        if sorted(function.get("VpcConfig", {}).get("SubnetIds", [])) != private:
            yield f"{name} does not stand in the private subnets"
    endpoints = {e["ServiceName"].rsplit(".", 1)[1]: e for e in stack.of("AWS::EC2::VPCEndpoint").values()}
    if set(endpoints) != {"s3", "secretsmanager"}:
        yield f"endpoints lead to {sorted(endpoints)}"
    for service, endpoint in endpoints.items():
        if "PolicyDocument" not in endpoint:
            yield f"the endpoint of {service} may be used for anything"
    if not endpoints["secretsmanager"].get("PrivateDnsEnabled"):
        yield "functions would look for Secrets Manager on the internet"


@rule
def security_groups_form_the_paths_and_no_others(stack):
    """Who may open a connection to whom, against who has to."""
    groups = stack.of("AWS::EC2::SecurityGroup")
    for kind in ("Ingress", "Egress"):
        for name in stack.of(f"AWS::EC2::SecurityGroup{kind}", optional=True):
            yield f"{name}: write the rule into its group, where the check and the reader see it"
    vpc = "${Vpc.CidrBlock}"

    def ports(rule):
        return range(rule["FromPort"], rule["ToPort"] + 1) if rule["IpProtocol"] == "tcp" else range(65536)

    def admits(server, client, port):
        return any(r.get("SourceSecurityGroupId") == f"${{{client}}}" and port in ports(r)
                   for r in groups[server].get("SecurityGroupIngress", []))

    def calls(client, port):
        egress = groups[client].get("SecurityGroupEgress")
        # a group without a rule may call everything
        return egress is None or any(r.get("CidrIp") in (vpc, "0.0.0.0/0") and port in ports(r) for r in egress)

    for name, group in groups.items():
        for r in group.get("SecurityGroupIngress", []):
            if "SourceSecurityGroupId" not in r:
                yield f"{name} admits {r.get('CidrIp') or r.get('CidrIpv6')}, not a security group"
            elif len(ports(r)) != 1:
                yield f"{name} admits {r['SourceSecurityGroupId']} to more than one port"

    # members: which group stands before which callers and servers
    members = {name: function["VpcConfig"]["SecurityGroupIds"] for name, _, function in functions(stack)}
    for kind, key in (("RDS::DBCluster", "VpcSecurityGroupIds"), ("RDS::DBProxy", "VpcSecurityGroupIds"),
                      ("EC2::VPCEndpoint", "SecurityGroupIds")):
        for name, properties in stack.of(f"AWS::{kind}", optional=kind == "RDS::DBProxy").items():
            members[name] = properties.get(key, [])
    members = {name: {g[2:-1] for g in ids} for name, ids in members.items()}

    have = {
        (caller, server, port)
        for caller, own in members.items()
        for server, theirs in members.items()
        for port in (5432, 443)
        if caller != server and any(calls(c, port) and admits(s, c, port) for c in own for s in theirs)
    }
    answers = {
        (caller, "S3Endpoint", 443) for caller, own in members.items()
        if any(r.get("CidrIp") == "0.0.0.0/0" and 443 in ports(r) for g in own for r in groups[g].get("SecurityGroupEgress", []))
    }

    servers = {HOST[False]: "Database", HOST[True]: "DatabaseProxy"}
    need, answering = set(), set()
    for name, folder, function in functions(stack):
        variables = environment(function)
        need.add((name, servers[re.search(r"@(\$\{[\w.]+\}):", variables["DATABASE_URL"])[1]], 5432))
        if "JWT_SECRET_ARN" in variables:
            need.add((name, "SecretsEndpoint", 443))
        if folder == "migrate":
            answering.add((name, "S3Endpoint", 443))
    if proxied(stack):
        need.add(("DatabaseProxy", "Database", 5432))

    for caller, server, port in sorted(need - have) + sorted(answering - answers):
        yield f"{caller} cannot reach {server} on port {port}"
    for caller, server, port in sorted(have - need) + sorted(answers - answering):
        yield f"{caller} has no business with {server} on port {port}"
    for name, group in groups.items():
        for r in group.get("SecurityGroupEgress") or [{"CidrIp": "everywhere"}]:
            harmless = r.get("CidrIp") in (vpc, "127.0.0.1/32") or (r.get("CidrIp") == "0.0.0.0/0" and len(ports(r)) == 1)
            if not harmless:
                yield f"{name} may call {r.get('CidrIp') or r.get('CidrIpv6')}"


# ---------------------------------------------------------------------------------------------------- operation


@rule
def alarms_ring(stack):
    alarms = stack.of("AWS::CloudWatch::Alarm")
    watched = {(a["Namespace"], a["MetricName"]) for a in alarms.values()}
    for namespace, metric in sorted(ALARMS - watched):
        yield f"nobody watches {namespace} {metric}"
    for name, alarm in alarms.items():
        if alarm.get("AlarmActions") != ["${Alarms}"]:
            yield f"{name} tells nobody"
        if alarm.get("ActionsEnabled") is False:
            yield f"{name} is off"
        for dimension in alarm.get("Dimensions", []):
            if dimension["Value"][2:-1] not in stack.resources:
                yield f"{name} watches {dimension['Value']}"
    errors = stack.one("AWS::Logs::MetricFilter")[1]
    if errors["LogGroupName"] != "${FunctionLogs}" or errors["MetricTransformations"][0]["MetricName"] != "FunctionErrors":
        yield "the errors in the functions' log are not counted"
    mail = stack.of("AWS::SNS::Subscription", optional=True)
    if bool(mail) != bool(stack.parameters["AlarmEmail"]):
        yield "AlarmEmail is not what is subscribed to the alarms"
    json.loads(stack.one("AWS::CloudWatch::Dashboard")[1]["DashboardBody"])


@rule
def names_carry_the_stack(stack):
    """Two stages in one account must not fight over a name."""
    named = {"FunctionName", "RoleName", "ManagedPolicyName", "LogGroupName", "DashboardName", "AlarmName", "TopicName",
             "DBClusterIdentifier", "DBInstanceIdentifier", "DBProxyName", "DBSubnetGroupName", "GroupName",
             "DBClusterParameterGroupName", "AliasName", "BucketName"}
    for name, resource in stack.resources.items():
        keys = named | ({"Name"} if resource["Type"] in ("AWS::Scheduler::Schedule", "AWS::SecretsManager::Secret") else set())
        for key in sorted(keys & resource["Properties"].keys()):
            if "${" not in str(resource["Properties"][key]):
                yield f"{name}: {key} {resource['Properties'][key]} is the same in every stack"


@rule
def the_operator_is_told(stack):
    wanted = {"ApiUrl", "JwtSecretArn", "DatabaseCluster", "MigrateFunction", "AlarmTopic", "DashboardUrl"}
    missing = wanted - stack.outputs.keys()
    if missing:
        yield f"outputs lack {sorted(missing)}"
