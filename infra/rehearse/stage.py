"""What a rehearsal stands on: the database, the emulator, the deployment in it and its API."""
import copy
import datetime
import io
import json
import os
import platform
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import boto3
import pg8000.native
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent / "check"))
from check import binaries  # noqa: E402
from stack import TEMPLATE, Stack, parse  # noqa: E402

REGION, NAME = "eu-central-1", "canvass-rehearsal"
ORIGIN = "https://app.example.com"
DEBUGGING_KEY = secrets.token_urlsafe(48)
HOST = "localhost"  # of the database: what the certificate and the IAM tokens are made for

# What `adapted` does to the template, in its order.
CHANGED = [
    "the routes stand in the body of the API, which MiniStack does not read: written out as resources",
    "the database's address is the door's, and the functions trust the door's authority (DATABASE_CA)",
    "the attribute CidrBlock of the VPC, which MiniStack does not know: written out",
    "the architecture is this machine's",
    "MiniStack is told of the condition key s3:if-none-match",
    "the bucket of the keys is reached without TLS, which MiniStack does not speak: its policy is left out",
]


# ---------------------------------------------------------------------------------------------------- output


@contextmanager
def step(name):
    start = time.monotonic()
    if sys.stdout.isatty():
        print(f"  …   {name}", end="\r", flush=True)
    try:
        yield
    except BaseException:
        print(f"FAILED  {name}")
        raise
    print(f"  ok  {name} ({time.monotonic() - start:.1f} s)", flush=True)


def expect(condition, text):
    if not condition:
        raise AssertionError(text)


def wait_for(what, seconds, condition):
    """The first true value of `condition()`, looked for again and again."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.2)
    raise AssertionError(f"{what} did not happen within {seconds} s")


# ---------------------------------------------------------------------------------------------------- database


class Database:
    """The throwaway PostgreSQL, made to look like an Aurora cluster that has just been created."""

    def __init__(self, url):
        parts = urlsplit(url)
        folder = unquote(parts.netloc.rpartition("@")[2].partition(":")[0])
        self.superuser = unquote(parts.username)
        self.socket = f"{folder}/.s.PGSQL.{parts.port or 5432}"
        expect(folder.startswith("/"), "TEST_DATABASE_URL must name a Unix socket")

    def run(self, sql, login=None, database="canvass", **parameters):
        connection = pg8000.native.Connection(login or self.superuser, unix_sock=self.socket, database=database)
        try:
            return connection.run(sql, **parameters)
        finally:
            connection.close()

    def prepare(self):
        [[tables]] = self.run("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        expect(tables == 0, "the database canvass of TEST_DATABASE_URL has tables: it must be one to be thrown away")
        # The master user of RDS is no superuser: it may make roles and databases, and hand out rds_iam.
        self.run("CREATE ROLE rds_iam")
        self.run("CREATE ROLE rds_superuser")
        self.run("GRANT rds_iam TO rds_superuser WITH ADMIN OPTION")
        self.run("CREATE ROLE canvass_owner LOGIN CREATEROLE CREATEDB IN ROLE rds_superuser, rds_iam")
        self.run("ALTER DATABASE canvass OWNER TO canvass_owner")

    def poison(self, name):
        """Another database, where the first migration must fail."""
        self.run(f"CREATE DATABASE {name} OWNER canvass_owner")
        self.run("CREATE TABLE users (conflict text)", database=name)


def certify(folder):
    """An authority of our own and a certificate of it for the door: (authority, certificate with its key)."""
    now, day = datetime.datetime.now(datetime.timezone.utc), datetime.timedelta(days=1)

    def certificate(name, key, issuer, issuer_key, extension):
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
            .public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now - day).not_valid_after(now + day)
            .add_extension(extension, critical=False)
            .sign(issuer_key, hashes.SHA256())
            .public_bytes(serialization.Encoding.PEM)
        )

    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority, own = folder / "authority.pem", folder / "door.pem"
    folder.mkdir(exist_ok=True)
    authority.write_bytes(certificate("Authority", authority_key, "Authority", authority_key,
                                      x509.BasicConstraints(ca=True, path_length=0)))
    own.write_bytes(certificate(HOST, key, "Authority", authority_key, x509.SubjectAlternativeName([x509.DNSName(HOST)]))
                    + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                        serialization.NoEncryption()))
    return authority, own


# ---------------------------------------------------------------------------------------------------- emulator


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Emulator:
    """MiniStack with the door of the database, in a process of its own."""

    def __init__(self, folder, database):
        self.folder, self.port, self.door = folder, free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.trusted, certificate = certify(folder)
        self.stranger, _ = certify(folder / "stranger")
        # A clean environment: MiniStack hands its own to the functions.
        self.environment = {
            "PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder),
            "AUTH": "true",  # enforce IAM
            "LOG_LEVEL": "WARNING",
            "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(self.port), "SFTP_ENABLED": "0", "IOT_MTLS_ENABLED": "0",
            "MINISTACK_REGION": REGION, "AWS_DEFAULT_REGION": REGION, "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
            "DOOR_HOST": HOST, "DOOR_PORT": str(self.door), "DOOR_CERTIFICATE": str(certificate),
            "DOOR_SOCKET": database.socket, "DOOR_SUPERUSER": database.superuser,
        }

    def __enter__(self):
        self.log = open(self.folder / "emulator.log", "wb")
        self.process = subprocess.Popen([sys.executable, HERE / "emulator.py"], env=self.environment, cwd=self.folder,
                                        stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True)

        def ready():
            expect(self.process.poll() is None, f"MiniStack did not start:\n{self.tail()}")
            try:
                return urllib.request.urlopen(f"{self.url}/_ministack/health", timeout=1).status == 200
            except OSError:
                return False
        wait_for("the start of MiniStack", 60, ready)
        return self

    def __exit__(self, *_):
        # The functions are its children and share its session, which is ours to end as a whole.
        for how in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, how)
                self.process.wait(10)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue
        self.log.close()

    def client(self, service):
        return boto3.client(service, endpoint_url=self.url, region_name=REGION,
                            aws_access_key_id="test", aws_secret_access_key="test")

    def complaints(self, lines=10):
        logs = self.client("logs")
        try:
            pages = logs.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{NAME}")
            events = [event["message"].strip() for page in pages for event in page["events"]]
        except logs.exceptions.ResourceNotFoundException:
            return "none"
        return "\n".join([e for e in events if re.search(r"ERROR|WARN|rror", e)][-lines:])

    def tail(self, lines=20):
        return "\n".join((self.folder / "emulator.log").read_text(errors="replace").splitlines()[-lines:])


# ---------------------------------------------------------------------------------------------------- deployment


def adapted(template, emulator):
    """The template as MiniStack can take it. CHANGED says what is done."""
    resources = template["Resources"] = copy.deepcopy(template["Resources"])

    def unfold(value, condition=None):
        """What an Fn::If of the translator holds, with its condition."""
        if isinstance(value, dict) and "Fn::If" in value:
            name, chosen, _ = value["Fn::If"]
            return unfold(chosen, name)
        return value, condition

    del resources["JwtKeysOverTls"]
    for name, api in [(n, r) for n, r in resources.items() if r["Type"] == "AWS::ApiGatewayV2::Api"]:
        body = api["Properties"].pop("Body")
        api["Properties"].update(Name=body["info"]["title"], ProtocolType="HTTP",
                                 CorsConfiguration=body["x-amazon-apigateway-cors"])
        for path, methods in body["paths"].items():
            methods, condition = unfold(methods)
            for method, operation in methods.items():
                operation, _ = unfold(operation)
                integration = operation["x-amazon-apigateway-integration"]
                title = re.sub(r"\W", "", f"{method}{path}")
                extra = {"Condition": condition} if condition else {}
                resources[f"Integration{title}"] = {**extra, "Type": "AWS::ApiGatewayV2::Integration", "Properties": {
                    "ApiId": {"Ref": name}, "IntegrationType": "AWS_PROXY", "IntegrationUri": unfold(integration["uri"])[0],
                    "PayloadFormatVersion": integration["payloadFormatVersion"]}}
                resources[f"Route{title}"] = {**extra, "Type": "AWS::ApiGatewayV2::Route", "Properties": {
                    "ApiId": {"Ref": name}, "RouteKey": f"{method.upper()} {path}",
                    "Target": {"Fn::Join": ["/", ["integrations", {"Ref": f"Integration{title}"}]]}}}

    for function in (r["Properties"] for r in resources.values() if r["Type"] == "AWS::Lambda::Function"):
        variables = function["Environment"]["Variables"]
        if "Fn::Sub" not in variables["DATABASE_URL"]:
            continue  # a function without a database
        url = variables["DATABASE_URL"]["Fn::Sub"]
        url = url if isinstance(url, str) else url[0]
        variables["DATABASE_URL"] = re.sub(r"@\$\{[\w.]+\}:5432/", f"@{HOST}:{emulator.door}/", url)
        variables.setdefault("DATABASE_CA", str(emulator.trusted))

    cidr = json.dumps({"Fn::GetAtt": ["Vpc", "CidrBlock"]})
    template = json.dumps(template)
    expect(cidr in template, "nobody asks for Vpc.CidrBlock any more: this change can go")
    return json.loads(template.replace(cidr, '"10.0.0.0/16"'))


class Deployment:
    """The stack in the emulator."""

    def __init__(self, emulator):
        self.emulator = emulator
        self.text = TEMPLATE.read_text()
        self.cloudformation = emulator.client("cloudformation")
        architecture = {"aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), "x86_64")
        self.parameters = {"Stage": "dev", "SchemaVersion": "00000001", "CorsOrigins": ORIGIN, "DebuggingKey": DEBUGGING_KEY,
                           "Architecture": architecture}

    def upload(self):
        """The binaries, as `sam deploy` would send them."""
        source = parse(self.text)
        faults = list(binaries(source, ROOT / "target" / "lambda", self.parameters["Architecture"]))
        expect(not faults, "\n".join(text for _, text in faults))
        self.s3 = self.emulator.client("s3")
        self.s3.create_bucket(Bucket="artifacts", CreateBucketConfiguration={"LocationConstraint": REGION})
        for name in Stack(source, **self.parameters).folders.values():
            package = io.BytesIO()
            with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.write(ROOT / "target" / "lambda" / name / "bootstrap", "bootstrap")
            self.s3.put_object(Bucket="artifacts", Key=f"{name}.zip", Body=package.getvalue())

    def deploy(self, text=None, keep=False, **changes):
        """Create or update the stack; the state it ends in. With `keep`, what failed stays as it is, as `make deploy` wants it
        until a first deployment has succeeded."""
        self.parameters.update(changes)
        template = adapted(Stack(parse(text or self.text), **self.parameters).template, self.emulator)
        # too large to be sent along, as on AWS
        self.s3.put_object(Bucket="artifacts", Key="template.json", Body=json.dumps(template))
        arguments = {
            "StackName": NAME,
            "TemplateURL": f"{self.emulator.url}/artifacts/template.json",
            "Capabilities": ["CAPABILITY_IAM"],
            "Parameters": [{"ParameterKey": k, "ParameterValue": v} for k, v in self.parameters.items()],
            "DisableRollback": keep,
        }
        self.since = datetime.datetime.now(datetime.timezone.utc)
        existing = [s for s in self.cloudformation.list_stacks()["StackSummaries"]
                    if s["StackName"] == NAME and s["StackStatus"] != "DELETE_COMPLETE"]
        getattr(self.cloudformation, "update_stack" if existing else "create_stack")(**arguments)
        return self.settled()

    def take_back(self):
        """Undo a first deployment that failed, as the README has it; the state the stack ends in."""
        self.cloudformation.rollback_stack(StackName=NAME, RetainExceptOnCreate=True)
        return self.settled()

    def delete(self):
        self.cloudformation.delete_stack(StackName=NAME)

        def gone():
            try:
                [stack] = self.cloudformation.describe_stacks(StackName=NAME)["Stacks"]
            except self.cloudformation.exceptions.ClientError:
                return True
            expect(not stack["StackStatus"].endswith("FAILED"), f"{stack['StackStatus']}: {stack.get('StackStatusReason')}")
            return stack["StackStatus"] == "DELETE_COMPLETE"
        wait_for("the deletion", 120, gone)

    def settled(self):
        def state():
            [stack] = self.cloudformation.describe_stacks(StackName=NAME)["Stacks"]
            return None if stack["StackStatus"].endswith("IN_PROGRESS") else stack["StackStatus"]
        return wait_for("the end of the deployment", 300, state)

    def events(self, resource=None):
        """What has happened to the stack since the last deployment began, newest first."""
        pages = self.cloudformation.get_paginator("describe_stack_events").paginate(StackName=NAME)
        return [e for page in pages for e in page["StackEvents"]
                if e["Timestamp"] >= self.since and resource in (None, e["LogicalResourceId"])]

    def complaints(self):
        return "\n".join(f"{e['LogicalResourceId']}: {e.get('ResourceStatusReason', '')}" for e in self.events()
                         if "FAILED" in e["ResourceStatus"])

    def output(self, key):
        [stack] = self.cloudformation.describe_stacks(StackName=NAME)["Stacks"]
        return {o["OutputKey"]: o["OutputValue"] for o in stack["Outputs"]}[key]

    def physical(self, resource):
        return self.cloudformation.describe_stack_resource(StackName=NAME, LogicalResourceId=resource)[
            "StackResourceDetail"]["PhysicalResourceId"]

    def keys(self):
        stored = self.s3.get_object(Bucket=self.physical("JwtKeys"), Key="jwt-keys.json")
        return json.loads(stored["Body"].read())

    def put_keys(self, keys):
        self.s3.put_object(Bucket=self.physical("JwtKeys"), Key="jwt-keys.json", Body=json.dumps(keys))

    def empty(self, bucket):
        listed = self.s3.list_object_versions(Bucket=bucket)
        for version in listed.get("Versions", []) + listed.get("DeleteMarkers", []):
            self.s3.delete_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])

    @property
    def api_url(self):
        # where MiniStack serves the API to clients that cannot set a Host header
        api = urlsplit(self.output("ApiUrl")).hostname.split(".")[0]
        return f"{self.emulator.url}/_aws/execute-api/{api}"


# ---------------------------------------------------------------------------------------------------- API


class Api:
    def __init__(self, url):
        self.url = url

    def call(self, method, path, body=None, token=None, headers=()):
        """(status, headers, JSON or text) of a request."""
        headers = dict(headers)
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if body is not None:
            headers["Content-Type"], body = "application/json", json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=35) as answer:
                status, headers, text = answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as answer:
            status, headers, text = answer.code, answer.headers, answer.read()
        try:
            return status, headers, json.loads(text or b"null")
        except ValueError:
            return status, headers, text.decode(errors="replace")

    def must(self, status, method, path, body=None, token=None):
        got, _, answer = self.call(method, path, body, token)
        expect(got == status, f"{method} {path} answered {got}, not {status}: {answer}")
        return answer
