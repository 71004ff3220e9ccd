"""What must hold for the deployed stack, whatever the template looks like. Each rule is a function that yields its
findings; a rule that finds nothing to examine is a finding itself.

Which routes there are, and what the function behind each is to have, says the contract. What a function may do and reach
is derived from what it is given: a DATABASE_URL obliges its role to allow exactly that database user, a JWT_KEYS_URL
exactly that object. So a permission too many is as wrong as one too few.

The contract is read here by itself, from the document as it is served: a check never shares the code it checks.
"""
import json
import re

from stack import TEMPLATE

RULES = []

CONTRACT = json.loads((TEMPLATE.parents[1] / "functions" / "docs" / "openapi.json").read_text())
# The functions without a route.
JOBS = {"migrate", "purge"}

HOST = {False: "${Database.Endpoint.Address}", True: "${DatabaseProxy.Endpoint}"}
CLUSTER, PROXY = "${Database.DBClusterResourceId}", "${DatabaseProxy.DBProxyArn}.split(':')[6]"
KEYS = "${JwtKeys.Arn}/jwt-keys.json"
DATABASE_USER = "arn:${{AWS::Partition}}:rds-db:${{AWS::Region}}:${{AWS::AccountId}}:dbuser:{server}/{user}"

# AWS's policies of a function that is traced, and of one in a VPC. They name `*`, because the network interfaces and
# trace segments they allow do not exist before the function runs. From inside the VPC no other API can be reached with
# them.
BASE_POLICIES = {
    "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole",
    "arn:aws:iam::aws:policy/AWSXrayWriteOnlyAccess",
}
VPC_POLICY = "arn:aws:iam::aws:policy/service-role/AWSLambdaVPCAccessExecutionRole"

LOGGED = {"requestTime", "requestId", "routeKey", "status", "responseLatency", "integrationLatency", "responseLength",
          "error.message", "integrationErrorMessage"}


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
    return found


def operations(stack):
    """{(METHOD, path): operation} of the contract, those of this stage."""
    return {
        (method.upper(), path): operation
        for path, item in CONTRACT["paths"].items()
        for method, operation in item.items()
        if isinstance(operation, dict) and operation.get("x-stage", stack.parameters["Stage"]) == stack.parameters["Stage"]
    }


def credentials(operation):
    """What an operation asks for: the names of the schemes, with None where it can do without."""
    choices = operation.get("security", CONTRACT.get("security")) or [{}]
    return {scheme for choice in choices for scheme in choice or [None]}


def statements(document):
    for statement in document["Statement"]:
        yield statement, {
            key: [statement[key]] if isinstance(statement.get(key), (str, dict)) else statement.get(key, [])
            for key in ("Action", "Resource", "Principal")
        }


def allowed(documents):
    """{(action, resource)}"""
    return {
        (action, resource)
        for document in documents
        for statement, parts in statements(document)
        for action in parts["Action"] or ["anything but"]
        for resource in parts["Resource"] or ["anything but"]
        if statement["Effect"] == "Allow"
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
    return allowed(documents), foreign


def proxied(stack):
    return stack.parameters["UseProxy"] == "true"


def has_proxy(stack):
    return stack.parameters["UseProxy"] != "false"


def connections(stack):
    """How many the database takes, at least: 189 with a maximum of 1 unit and more than in proportion with more, but 2,000
    with a minimum below 1 (AWS re:Post, "Working of max_connections for Amazon Aurora PostgreSQL Serverless")."""
    most = 5000 if float(stack.parameters["MinCapacity"]) >= 1 else 2000
    return min(189 * float(stack.parameters["MaxCapacity"]), most)


# ---------------------------------------------------------------------------------------------------- functions


@rule
def functions_fit_their_work(stack):
    hashing = {o["x-function"] for o in operations(stack).values() if o.get("x-hashes-passwords")}
    for name, folder, function in functions(stack):
        logging = function.get("LoggingConfig", {})
        if logging.get("LogFormat") != "JSON" or logging.get("LogGroup") != "${FunctionLogs}":
            yield f"{name}: does not log JSON to FunctionLogs, where its failures are counted"
        if folder not in JOBS and not 25 <= function["Timeout"] < 30:
            yield f"{name}: times out after {function['Timeout']} s; a paused database needs 25 s, the gateway gives up at 30"
        if (function["MemorySize"] >= 1769) != (folder in hashing):
            yield f"{name}: has {function['MemorySize']} MB; a vCPU is for hashing passwords, and that takes one"


@rule
def functions_have_their_environment(stack):
    needs = {}
    for operation in operations(stack).values():
        needs.setdefault(operation["x-function"], []).append(operation)
    for name, folder, function in functions(stack):
        want, own = {"STAGE": stack.parameters["Stage"]}, needs.get(folder, [])
        if all(o.get("x-database", True) for o in own):
            user, host = ("canvass_owner", HOST[False]) if folder == "migrate" else ("canvass_app", HOST[proxied(stack)])
            want |= {"DATABASE_AUTH": "iam", "DATABASE_URL": f"postgresql://{user}@{host}:5432/canvass"}
        if any(o["x-keys"] for o in own) or folder == "migrate":
            want["JWT_KEYS_URL"] = "s3://${JwtKeys}/jwt-keys.json"
        if any(o["x-keys"] for o in own):
            want["JWT_KEY_SET"] = stack.parameters["JwtKeySet"]
        if any("debuggingKey" in credentials(o) for o in own):
            want["DEBUGGING_KEY"] = stack.parameters["DebuggingKey"]
        variables = environment(function)
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

        need = set()
        if folder == "migrate":
            for user in ("canvass_owner", "canvass_migrate"):
                need.add(("rds-db:connect", DATABASE_USER.format(server=CLUSTER, user=user)))
            need |= {("s3:PutObject", KEYS), ("kms:GenerateDataKey", "${DataKey.Arn}"), ("kms:Decrypt", "${DataKey.Arn}")}
        elif "DATABASE_URL" in environment(function):
            # functions change over one by one, so what they leave and what they go to is allowed together
            servers = [CLUSTER] + [PROXY] * has_proxy(stack) + list(filter(None, [stack.parameters["FormerDatabase"]]))
            need |= {("rds-db:connect", DATABASE_USER.format(server=server, user="canvass_app")) for server in servers}
        if "JWT_KEY_SET" in environment(function):
            need |= {("s3:GetObject", KEYS), ("kms:Decrypt", "${DataKey.Arn}")}

        may, foreign = permissions(stack, properties)
        for action, resource in sorted(need - may):
            yield f"{name}: must be allowed {action} on {resource}"
        for action, resource in sorted(may - need):
            yield f"{name}: has no use for {action} on {resource}"
        base = BASE_POLICIES | ({VPC_POLICY} if "VpcConfig" in function else set())
        if foreign != base:
            yield f"{name}: policies of AWS are {sorted(foreign)}, not {sorted(base)}"
        trust = [p["Principal"] for _, p in statements(properties["AssumeRolePolicyDocument"])]
        if trust != [[{"Service": ["lambda.amazonaws.com"]}]]:
            yield f"{name}: its role is trusted to {trust}"


@rule
def keys_are_made_once_and_used_by_s3_alone(stack):
    documents = [policy["PolicyDocument"] for policy in stack.of("AWS::IAM::ManagedPolicy").values()]
    documents += [p["PolicyDocument"] for role in stack.of("AWS::IAM::Role").values() for p in role.get("Policies", [])]
    found = set()
    for statement, parts in (pair for document in documents for pair in statements(document)):
        conditions = statement.get("Condition", {})
        for action in parts["Action"]:
            found.add(action)
            via = conditions.get("StringEquals", {}).get("kms:ViaService", "")
            if action.startswith("kms:") and via != "s3.${AWS::Region}.amazonaws.com":
                yield f"{action} is allowed outside of S3"
            if action == "s3:PutObject" and conditions.get("Null") != {"s3:if-none-match": "false"}:
                yield "the keys may be put in the place of others"
    for action in sorted({"kms:Decrypt", "kms:GenerateDataKey", "s3:GetObject", "s3:PutObject"} - found):
        yield f"nobody is allowed {action}"


@rule
def vpc_endpoints_pass_what_functions_need_and_no_more(stack):
    """Whoever stands in the network can use an endpoint, and not only with our roles: its policy is the way out for data."""
    name, endpoint = stack.one("AWS::EC2::VPCEndpoint")
    if (endpoint["ServiceName"], endpoint["VpcEndpointType"]) != ("com.amazonaws.${AWS::Region}.s3", "Gateway"):
        yield f"{name} leads to {endpoint['ServiceName']}, or costs something at rest"
    if set(endpoint["RouteTableIds"]) != {f"${{{table}}}" for table in stack.of("AWS::EC2::RouteTable")}:
        yield f"{name} is not in every route table"
    # of CloudFormation, in its account; another name may be anybody's
    bucket = "arn:${AWS::Partition}:s3:::cloudformation-custom-resource-response-${AWS::Region}.split('-').join('')/*"
    want = {("s3:PutObject", bucket), ("s3:GetObject", KEYS), ("s3:PutObject", KEYS)}
    document = endpoint.get("PolicyDocument", {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
    passed = allowed([document])
    if passed != want:
        yield f"{name} passes {sorted(passed)}, not {sorted(want)}"
    for statement, parts in statements(document):
        account = statement.get("Condition", {}).get("StringEquals", {}).get("aws:PrincipalAccount")
        if parts["Resource"] != [bucket] and account != "${AWS::AccountId}":
            yield f"{name} passes roles of other accounts"


# ---------------------------------------------------------------------------------------------------- API


@rule
def routes_are_those_of_the_contract(stack):
    have = {route: stack.folders.get(function, function) for route, function in routes(stack).items()}
    want = {route: operation["x-function"] for route, operation in operations(stack).items()}
    for method, path in sorted(have.keys() | want.keys()):
        if have.get((method, path)) != want.get((method, path)):
            yield f"{method} {path} leads to {have.get((method, path))}, not {want.get((method, path))}"
    for folder in sorted(set(stack.folders.values()) - JOBS - set(want.values())):
        yield f"{folder} has no route"
    for name in stack.of("AWS::Lambda::Url", optional=True):
        yield f"{name} goes round the gateway"


@rule
def routes_are_throttled(stack):
    stage = stack.one("AWS::ApiGatewayV2::Stage")[1]

    def limits(settings):
        return {"rate": settings.get("ThrottlingRateLimit"), "burst": settings.get("ThrottlingBurstLimit")}

    default = CONTRACT["x-throttle"]
    if limits(stage.get("DefaultRouteSettings", {})) != default:
        yield f"the stage's throttle is {limits(stage.get('DefaultRouteSettings', {}))}, not {default}"
    have = {route: limits(settings) for route, settings in stage.get("RouteSettings", {}).items()}
    want = {f"{method} {path}": o["x-throttle"] for (method, path), o in operations(stack).items() if "x-throttle" in o}
    for route in sorted(have.keys() | want.keys()):
        if have.get(route) != want.get(route):
            yield f"{route} is throttled by {have.get(route)}, not {want.get(route)}"
    # what costs a vCPU, and what anyone may write
    for (method, path), operation in sorted(operations(stack).items()):
        open_to_all = method != "GET" and None in credentials(operation)
        own = operation.get("x-throttle", default)
        if (open_to_all or operation.get("x-hashes-passwords")) and not all(0 < own[limit] < default[limit] for limit in own):
            yield f"{method} {path} has no throttle tighter than the stage's"


@rule
def browsers_are_let_in(stack):
    cors = stack.one("AWS::ApiGatewayV2::Api")[1]["Body"].get("x-amazon-apigateway-cors", {})
    origins = stack.parameters["CorsOrigins"]
    methods = {method for method, _ in operations(stack)}
    want = {**CONTRACT["x-cors"], "allowOrigins": origins.split(","), "allowMethods": sorted(methods)} if origins else {}
    have = {**cors, "allowMethods": sorted(cors["allowMethods"])} if "allowMethods" in cors else cors
    for key in sorted(have.keys() | want.keys()):
        if have.get(key) != want.get(key):
            yield f"{key} is {have.get(key)}, not {want.get(key)}"


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
    if has_proxy(stack) and migration.get("Proxy") != "${DatabaseProxyTargets}":
        yield f"{name}, and with it the endpoints, does not wait for the proxy's targets"
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
def the_schedule_can_be_read(stack):
    name, schedule = stack.one("AWS::Scheduler::Schedule")
    fields = schedule["ScheduleExpression"].removeprefix("cron(").removesuffix(")").split()
    # minute hour day-of-month month day-of-week year; exactly one of the two days is `?`
    if len(fields) != 6 or (fields[2] == "?") == (fields[4] == "?"):
        yield f"{name}: {schedule['ScheduleExpression']} is no cron expression of the scheduler"


# ---------------------------------------------------------------------------------------------------- data


@rule
def the_data_outlives_the_stack(stack):
    """Its loss must take more than one mistake."""
    for kind in ("RDS::DBCluster", "S3::Bucket", "KMS::Key"):
        for name in stack.of(f"AWS::{kind}"):
            for key in ("DeletionPolicy", "UpdateReplacePolicy"):
                if stack.resources[name].get(key) not in ("Retain", "RetainExceptOnCreate", "Snapshot"):
                    yield f"{name}: {key} loses it"
    name, cluster = stack.one("AWS::RDS::DBCluster")
    if stack.parameters["Stage"] == "prod" and cluster.get("DeletionProtection") is not True:
        yield f"{name} is not protected from deletion"


@rule
def a_first_deployment_that_failed_leaves_nothing(stack):
    """What is kept for ever would stay as an orphan, and a database that is protected would keep the stack from going."""
    name, cluster = stack.one("AWS::RDS::DBCluster")
    if stack.parameters["Stage"] == "dev" and cluster.get("DeletionProtection") is not False:
        yield f"{name}: is protected, so a stack for trying out can't be taken back"
    for kept, resource in stack.resources.items():
        if "Retain" == resource.get("DeletionPolicy"):
            yield f"{kept} is retained although it was just made: RetainExceptOnCreate"
    for kept in ("DataKey", "JwtKeys", "FunctionLogs"):
        if stack.resources[kept].get("DeletionPolicy") != "RetainExceptOnCreate":
            yield f"{kept}: DeletionPolicy is {stack.resources[kept].get('DeletionPolicy')}"


@rule
def a_burst_fits_into_the_database(stack):
    """The tokens of a full bucket arrive at once, each in a function of its own, which holds a connection. (Behind the proxy
    they wait for one.)"""
    burst, spare = CONTRACT["x-throttle"]["burst"], 10  # the migration, the purge, somebody who looks
    if not proxied(stack) and burst + spare > connections(stack):
        yield f"a burst of {burst} needs more than the {connections(stack):.0f} connections that MaxCapacity holds"


@rule
def the_database_opens_by_iam_alone(stack):
    name, cluster = stack.one("AWS::RDS::DBCluster")
    restored = stack.parameters["SnapshotIdentifier"]
    want = {
        "EnableIAMDatabaseAuthentication": True,
        "SnapshotIdentifier": restored or None,
        # RDS refuses a master user for a database that is restored
        "MasterUsername": None if restored else "canvass_owner",
        "MasterUserAuthenticationType": None if restored else "iam-db-auth",
        # passwords, which nobody needs
        "MasterUserPassword": None,
        "ManageMasterUserPassword": None,
    }
    for key, value in want.items():
        if cluster.get(key) != value:
            yield f"{name}: {key} is {cluster.get(key)}, not {value}"
    if stack.one("AWS::RDS::DBClusterParameterGroup")[1]["Parameters"].get("rds.force_ssl") != "1":
        yield "connections without TLS are accepted"


@rule
def the_database_pauses_and_keeps_quiet(stack):
    name, cluster = stack.one("AWS::RDS::DBCluster")
    group = stack.one("AWS::RDS::DBClusterParameterGroup")[1]
    if cluster["EngineVersion"] != stack.parameters["EngineVersion"]:
        yield f"{name} is of version {cluster['EngineVersion']}, whatever version its snapshot is of"
    if group["Family"] != f"aurora-postgresql{cluster['EngineVersion'].split('.')[0]}":
        yield f"parameters of {group['Family']} for PostgreSQL {cluster['EngineVersion']}"
    for where, idle in (("role", int(stack.one("Custom::Migration")[1].get("IdleSessionSeconds", 0))),
                        ("group", int(group["Parameters"].get("idle_session_timeout", 0)) / 1000)):
        if not has_proxy(stack) and not 0 < idle <= 300:
            yield f"idle connections are kept (by the {where}), so the database never pauses"
        if has_proxy(stack) and idle:
            yield f"the proxy's own connections would be ended (by the {where})"
    capacity = cluster["ServerlessV2ScalingConfiguration"]
    if (float(capacity["MinCapacity"]) == 0) != ("SecondsUntilAutoPause" in capacity):
        yield f"{name}: SecondsUntilAutoPause and MinCapacity {capacity['MinCapacity']} exclude each other"
    if group["Parameters"].get("log_error_verbosity") != "terse":
        yield "the database's log quotes usernames and addresses"


@rule
def the_proxy_opens_by_iam_alone(stack):
    proxies = stack.of("AWS::RDS::DBProxy", optional=not has_proxy(stack))
    for name, proxy in proxies.items():
        if proxy.get("RequireTLS") is not True or proxy.get("DefaultAuthScheme") != "IAM_AUTH" or "Auth" in proxy:
            yield f"{name}: TLS and IAM must be required on both sides"
        role = re.fullmatch(r"\$\{(\w+)\.Arn\}", proxy["RoleArn"])[1]
        may, foreign = permissions(stack, stack.resources[role]["Properties"])
        if may != {("rds-db:connect", DATABASE_USER.format(server=CLUSTER, user="canvass_app"))} or foreign:
            yield f"{name}: its role allows {sorted(may)} and {sorted(foreign)}"


@rule
def the_keys_can_be_used(stack):
    """By the functions, which decrypt with DataKey, and by nobody else."""
    name, bucket = stack.one("AWS::S3::Bucket")
    [encryption] = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    default = encryption["ServerSideEncryptionByDefault"]
    if (default["SSEAlgorithm"], default.get("KMSMasterKeyID")) != ("aws:kms", "${DataKey.Arn}"):
        yield f"{name} is not encrypted with DataKey"
    if bucket.get("VersioningConfiguration") != {"Status": "Enabled"}:
        yield f"{name}: keys that are overwritten by mistake are lost"
    blocks = bucket.get("PublicAccessBlockConfiguration", {})
    if [blocks.get(b) for b in ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")] != [True] * 4:
        yield f"{name} may be made public"
    _, policy = stack.one("AWS::S3::BucketPolicy")
    arn = f"${{{name}.Arn}}"
    want = [{"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": [arn, f"{arn}/*"],
             "Condition": {"Bool": {"aws:SecureTransport": "false"}}}]
    if policy["Bucket"] != f"${{{name}}}" or policy["PolicyDocument"]["Statement"] != want:
        yield f"{name}: its own policy is another than to deny whatever comes without TLS"
    if bucket.get("OwnershipControls") != {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}:
        yield f"{name} may have objects of others"
    [expiry] = bucket["LifecycleConfiguration"]["Rules"]
    if (expiry["Status"], expiry.get("NoncurrentVersionExpiration")) != ("Enabled", {"NoncurrentDays": 90}):
        yield f"{name} keeps former keys for another time than the README says"
    key, properties = stack.one("AWS::KMS::Key")
    principals = [p["Principal"] for _, p in statements(properties["KeyPolicy"])]
    if principals != [[{"AWS": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}]]:
        yield f"{key} can be used by {principals}"


# ---------------------------------------------------------------------------------------------------- network


@rule
def the_network_has_no_way_out(stack):
    for kind in ("InternetGateway", "NatGateway", "EgressOnlyInternetGateway", "VPCGatewayAttachment", "Route",
                 "VPCPeeringConnection", "TransitGatewayAttachment"):
        for name in stack.of(f"AWS::EC2::{kind}", optional=True):
            yield f"{name}: a {kind} leads out of the private network"
    private = {f"${{{name}}}" for name in stack.of("AWS::EC2::Subnet")}
    for name, _, function in functions(stack):
        # outside of the network a function could call anybody, but one that is given nothing has nothing to tell
        given = {"DATABASE_URL", "JWT_KEYS_URL"} & environment(function).keys()
        if set(function.get("VpcConfig", {}).get("SubnetIds", [])) != (private if given else set()):
            yield f"{name} {'does not stand in the private subnets' if given else 'has no business in the VPC'}"


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
    members = {name: function.get("VpcConfig", {}).get("SecurityGroupIds", []) for name, _, function in functions(stack)}
    for kind in ("RDS::DBCluster", "RDS::DBProxy"):
        for name, properties in stack.of(f"AWS::{kind}", optional=kind == "RDS::DBProxy").items():
            members[name] = properties.get("VpcSecurityGroupIds", [])
    members = {name: {g[2:-1] for g in ids} for name, ids in members.items()}

    have = {
        (caller, server, port)
        for caller, own in members.items()
        for server, theirs in members.items()
        for port in (5432, 443)
        if caller != server and any(calls(c, port) and admits(s, c, port) for c in own for s in theirs)
    }
    storage = {
        (caller, "S3Endpoint", 443) for caller, own in members.items()
        if any(r.get("CidrIp") == "0.0.0.0/0" and 443 in ports(r) for g in own for r in groups[g].get("SecurityGroupEgress", []))
    }

    need = set()
    for name, folder, function in functions(stack):
        variables = environment(function)
        if "DATABASE_URL" in variables:
            need.add((name, "Database", 5432))
            if has_proxy(stack) and folder != "migrate":
                need.add((name, "DatabaseProxy", 5432))
        if "JWT_KEYS_URL" in variables:
            need.add((name, "S3Endpoint", 443))
    if has_proxy(stack):
        need.add(("DatabaseProxy", "Database", 5432))

    have |= storage
    for caller, server, port in sorted(need - have):
        yield f"{caller} cannot reach {server} on port {port}"
    for caller, server, port in sorted(have - need):
        yield f"{caller} has no business with {server} on port {port}"
    for name, group in groups.items():
        for r in group.get("SecurityGroupEgress") or [{"CidrIp": "everywhere"}]:
            harmless = r.get("CidrIp") in (vpc, "127.0.0.1/32") or (r.get("CidrIp") == "0.0.0.0/0" and list(ports(r)) == [443])
            if not harmless:
                yield f"{name} may call {r.get('CidrIp') or r.get('CidrIpv6')}"


# ---------------------------------------------------------------------------------------------------- operation


@rule
def alarms_ring(stack):
    counted = {(m["MetricNamespace"], m["MetricName"])
               for f in stack.of("AWS::Logs::MetricFilter").values() for m in f["MetricTransformations"]}
    for name, alarm in stack.of("AWS::CloudWatch::Alarm").items():
        if alarm.get("AlarmActions") != ["${Alarms}"] or alarm.get("ActionsEnabled") is False:
            yield f"{name} tells nobody"
        if not alarm["Namespace"].startswith("AWS/") and (alarm["Namespace"], alarm["MetricName"]) not in counted:
            yield f"{name} watches {alarm['MetricName']}, which nothing counts"
    json.loads(stack.one("AWS::CloudWatch::Dashboard")[1]["DashboardBody"])


@rule
def names_carry_the_stack(stack):
    """Two stages in one account must not fight over a name."""
    named = {"FunctionName", "RoleName", "ManagedPolicyName", "LogGroupName", "DashboardName", "AlarmName", "TopicName",
             "DBClusterIdentifier", "DBInstanceIdentifier", "DBProxyName", "DBSubnetGroupName", "GroupName",
             "DBClusterParameterGroupName", "AliasName", "BucketName"}
    for name, resource in stack.resources.items():
        keys = named | ({"Name"} if resource["Type"] == "AWS::Scheduler::Schedule" else set())
        for key in sorted(keys & resource["Properties"].keys()):
            if "${" not in str(resource["Properties"][key]):
                yield f"{name}: {key} {resource['Properties'][key]} is the same in every stack"
