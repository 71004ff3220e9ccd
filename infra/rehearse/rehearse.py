#!/usr/bin/env python3
"""Deploys the stack without an account and uses it: `make rehearse`.

The template, translated and adapted where the emulator demands it; the release binaries of target/lambda; a throwaway
PostgreSQL behind a door that lets in whoever Aurora would (emulator.py); MiniStack for everything else, with IAM
enforced. All of it listens on loopback only and is gone afterwards. What this cannot show is printed at the end.

Environment:
  TEST_DATABASE_URL   a PostgreSQL on a Unix socket, to be thrown away (`postgres.py throwaway` sets it)
  JOURNEY             a command to run with API_URL set, such as the journeys of infra/e2e; none by default
"""
import datetime
import os
import re
import shlex
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import pg8000.native

from stage import CHANGED, DEBUGGING_KEY, HOST, NAME, ORIGIN, ROOT, Api, Database, Deployment, Emulator, expect, step, wait_for
from stack import Stack, parse, plant  # below infra/check, which stage has put on the path

NOT_SHOWN = [
    "Aurora itself: pausing and waking up, failover, backups, its parameter group, the versions it has in your Region",
    "the network: security groups, the endpoint and its policy",
    "IAM for the custom resource and the scheduler, Lambda permissions, KMS (its policy and kms:Decrypt)",
    "throttles, access logs, the alarms' metrics, X-Ray, the dashboard",
    "CORS as API Gateway does it, its limits on size and time, TLS to the API and to AWS",
    "real cold starts, quotas, prices",
    "how a first deployment that failed is gone on with (MiniStack updates no such stack; that it can be taken back is shown)",
    "RDS Proxy, and the data and the version of a snapshot (MiniStack makes another cluster, and that is all)",
    "whether AWS accepts each property in your Region (cfn-lint knows the schemas, not the accounts)",
]


def journey(api):
    """Through every endpoint once, so that each of them has shown that its role, its keys and its database fit."""
    ada = {"username": "ada", "email": "ada@example.com", "password": "correct horse battery"}
    api.must(200, "GET", "/health")
    api.must(201, "POST", "/register", ada)
    tokens = api.must(200, "POST", "/login", ada)
    access, refresh = tokens["access_token"], tokens["refresh_token"]
    survey = api.must(201, "POST", "/surveys", {"name": "Pets", "dueDate": "2999-12-31"}, access)["id"]
    question = api.must(201, "POST", f"/surveys/{survey}/questions", {"content": "Cats?", "type": "x-mood"}, access)["id"]
    expect(api.must(200, "GET", "/surveys", token=access)["surveys"][0]["id"] == survey, "it is not among the owner's")
    expect(api.must(200, "GET", "/surveys/active")["surveys"][0]["id"] == survey, "it is not among the active ones")
    found = api.must(200, "GET", f"/surveys/{survey}/questions")["questions"]
    expect([q["id"] for q in found] == [question], f"its questions are {found}")
    api.must(200, "GET", f"/surveys/{survey}")
    api.must(200, "PATCH", f"/surveys/{survey}", {"desc": "Which ones?"}, access)
    api.must(200, "PATCH", f"/questions/{question}", {"content": "Dogs?"}, access)
    api.must(200, "PUT", f"/surveys/{survey}/questions/order", {"order": [question]}, access)
    single = api.must(201, "POST", f"/questions/{question}/replies", {"reply": "yes"})["id"]
    response = api.must(201, "POST", f"/surveys/{survey}/responses", {"answers": {question: "no"}})["id"]
    found = api.must(200, "GET", f"/surveys/{survey}/responses", token=access)["responses"]
    expect([r["id"] for r in found] == [single, response], f"its responses are {found}")
    expect(api.must(200, "GET", f"/surveys/{survey}/stats", token=access)[0]["votes"], "nothing was counted")
    found = api.must(200, "GET", f"/surveys/{survey}/responses/{response}", token=access)
    expect(found["answers"] == {question: "no"}, f"the response is {found}")
    api.must(200, "DELETE", f"/surveys/{survey}/responses/{response}", token=access)
    copy = api.must(201, "POST", f"/surveys/{survey}/duplicate", {}, access)["id"]
    api.must(200, "DELETE", f"/surveys/{copy}", token=access)
    access = api.must(200, "POST", "/token/refresh", token=refresh)["access_token"]
    api.must(401, "GET", "/users")
    api.must(200, "GET", "/users", token=DEBUGGING_KEY)
    api.must(200, "GET", "/openapi.json")
    api.must(200, "POST", "/logout/access", token=access)
    api.must(401, "GET", "/surveys", token=access)
    api.must(200, "POST", "/logout/refresh", token=refresh)
    api.must(401, "POST", "/token/refresh", token=refresh)


def every_route_is_served(api, stack):
    """No route of the template ends at the gateway: a function answers each, be it by complaining."""
    [body] = [r["Body"] for r in stack.of("AWS::ApiGatewayV2::Api").values()]
    routes = [(method.upper(), path) for path, methods in body["paths"].items() for method in methods]
    expect(len(routes) > 20, f"only {len(routes)} routes")
    for method, path in routes:
        path = re.sub(r"\{\w+\}", "00000000-0000-7000-8000-000000000000", path)
        status, _, answer = api.call(method, path, {} if method in ("POST", "PUT", "PATCH") else None)
        expect(status < 500 and answer != {"message": "Not Found"}, f"{method} {path} answered {status} {answer}")
    return len(routes)


def rehearse(folder):
    database = Database(os.environ.get("TEST_DATABASE_URL") or sys.exit("TEST_DATABASE_URL is not set: use `make rehearse`"))
    with step("a database as Aurora hands it over"):
        database.prepare()
        database.poison("poisoned")
    with ExitStack() as running:
        with step("MiniStack and the database's door"):
            emulator = running.enter_context(Emulator(folder, database))
        try:
            play(emulator, database)
        except BaseException:
            print(f"\nThe functions' last complaints:\n{emulator.complaints()}\n\nThe emulator's last lines:\n{emulator.tail()}")
            raise
    [[left]] = database.run("SELECT count(*) FROM pg_stat_activity WHERE usename LIKE 'canvass\\_%'")
    expect(left == 0, f"{left} connections of functions are still open")


def play(emulator, database):
    deployment = Deployment(emulator)

    def must_end_in(state, *arguments, **keywords):
        got = deployment.deploy(*arguments, **keywords)
        expect(got == state, f"the deployment ended in {got}, not {state}:\n{deployment.complaints()}")

    with step("the door opens to nobody without TLS, and to nobody with a password"):
        trusting = ssl.create_default_context(cafile=str(emulator.trusted))
        for tls, reason in ((False, "no encryption"), (trusting, "PAM authentication failed")):
            try:
                pg8000.native.Connection("canvass_owner", host=HOST, port=emulator.door, database="canvass",
                                         password="secret", ssl_context=tls)
            except pg8000.native.DatabaseError as error:
                expect(reason in str(error), f"refused for another reason: {error}")
            else:
                raise AssertionError("the door is open")
    with step("upload of the release binaries"):
        deployment.upload()
    broken = plant(deployment.text, "Migrate", ":5432/canvass", ":5432/poisoned")
    with step("a first deployment fails, can be looked at, and is taken back without a rest"):
        must_end_in("CREATE_FAILED", broken, keep=True)
        expect("users" in deployment.complaints(), f"nothing names the failing statement: {deployment.complaints()}")
        expect(emulator.complaints() != "none", "the log went with the failure")
        # a bucket with something in it stays: the README has it emptied first
        deployment.empty(deployment.physical("JwtKeys"))
        state = deployment.take_back()
        expect(state == "ROLLBACK_COMPLETE", f"it ended in {state}:\n{deployment.complaints()}")
        deployment.delete()
        left = [*emulator.client("s3").list_buckets()["Buckets"], *emulator.client("rds").describe_db_clusters()["DBClusters"],
                *emulator.client("logs").describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{NAME}")["logGroups"]]
        expect([bucket["Name"] for bucket in left] == ["artifacts"], f"left: {left}")
    with step("first deployment, migrations included"):
        must_end_in("CREATE_COMPLETE", keep=True)
    api = Api(deployment.api_url)

    with step("canvass_migrate owns the tables, canvass_app uses them and defines nothing"):
        [[owners]] = database.run("SELECT array_agg(DISTINCT tableowner) FROM pg_tables WHERE schemaname = 'public'")
        expect(owners == ["canvass_migrate"], f"tables belong to {owners}")
        for user in ("canvass_app", "canvass_migrate"):
            [role] = database.run("SELECT rolsuper, rolcreaterole, rolcreatedb, pg_has_role(oid, 'rds_superuser', 'member'), "
                                  "pg_has_role(oid, 'rds_iam', 'member') FROM pg_roles WHERE rolname = :user", user=user)
            expect(role == [False, False, False, False, True], f"{user} has the rights {role}")
        database.run("SELECT count(*) FROM users", login="canvass_app")
        for forbidden in ("CREATE TABLE mine (x int)", "DROP TABLE users", "ALTER TABLE users ADD mine int", "TRUNCATE users"):
            try:
                database.run(forbidden, login="canvass_app")
            except pg8000.native.DatabaseError as error:
                expect(error.args[0].get("C") == "42501", f"canvass_app: {forbidden}: {error}")
            else:
                raise AssertionError(f"canvass_app may {forbidden}")

    with step("a journey through every endpoint, each with its own role"):
        journey(api)
    with step("every route is served"):
        every_route_is_served(api, Stack(parse(deployment.text), **deployment.parameters))
    with step("a page of another origin is let in"):
        status, answer, _ = api.call("OPTIONS", "/addsurvey", headers={
            "Origin": ORIGIN, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,duedate"})
        expect(status < 300 and answer["Access-Control-Allow-Origin"] == ORIGIN, f"the preflight was answered {status}\n{answer}")
        allowed = answer["Access-Control-Allow-Headers"].lower()
        expect("duedate" in allowed and "authorization" in allowed, f"allowed headers: {allowed}")
    if os.environ.get("JOURNEY"):
        with step(os.environ["JOURNEY"]):
            done = subprocess.run(shlex.split(os.environ["JOURNEY"]), cwd=ROOT, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True,
                                  env={**os.environ, "API_URL": api.url, "DEBUGGING_KEY": DEBUGGING_KEY})
            expect(done.returncode == 0, done.stdout)

    with step("the target of the schedule removes what has expired and nothing else"):
        database.run("INSERT INTO revoked_tokens (jti, expires_at) VALUES "
                     "('00000000-0000-7000-8000-000000000001', now() - interval '1 day'), "
                     "('00000000-0000-7000-8000-000000000002', now() + interval '1 day')")
        scheduler = emulator.client("scheduler")
        schedule = scheduler.get_schedule(Name=f"{NAME}-purge")
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
        scheduler.create_schedule(Name="now", ScheduleExpression=f"at({now})", ActionAfterCompletion="DELETE",
                                  Target=schedule["Target"], FlexibleTimeWindow=schedule["FlexibleTimeWindow"])

        def left():
            return [str(row[0])[-1] for row in database.run("SELECT jti FROM revoked_tokens WHERE jti::text LIKE '00000000%'")]
        wait_for("the purge", 40, lambda: "1" not in left())
        expect(left() == ["2"], f"tokens left: {left()}")

    with step("an update with new migrations, which leaves the keys as they are"):
        keys = deployment.keys()
        must_end_in("UPDATE_COMPLETE", SchemaVersion="00000002")
        expect(deployment.keys() == keys, "the keys were made a second time")
        expect(deployment.events("Migration"), "the migrations did not run")
        api.must(200, "GET", "/health")
    with step("a release that is older than the database, as after a rollback"):
        database.run("INSERT INTO refinery_schema_history (version, name, applied_on, checksum) "
                     "VALUES (9999, 'of_a_later_release', '2999-01-01T00:00:00Z', '1')")
        must_end_in("UPDATE_COMPLETE", SchemaVersion="00000003")
        database.run("DELETE FROM refinery_schema_history WHERE version = 9999")

    with step("a key is replaced, and nobody is logged out"):
        user = {"username": "grace", "email": "grace@example.com", "password": "correct horse battery"}
        old = api.must(201, "POST", "/register", user)["access_token"]

        def edit(**changes):
            keys = {**deployment.keys(), **changes}
            deployment.put_keys({name: key for name, key in keys.items() if key})
            must_end_in("UPDATE_COMPLETE", JwtKeySet=f"set {len(changes)}{sorted(changes)}")
            return api.must(200, "POST", "/login", user)["access_token"]
        first = edit(k2="another key, " + 32 * "2")
        second = edit(signing="k2")
        for token in (old, first, second):
            api.must(200, "GET", "/surveys", token=token)
        edit(k1=None)
        for status, token in ((401, old), (401, first), (200, second)):
            api.must(status, "GET", "/surveys", token=token)

    with step("one function may not read the keys, one may not connect, one does not know the database's authority"):
        text = plant(deployment.text, "GetSurveys", "[!Ref ConnectAsApp, !Ref ReadJwtKeys]", "[!Ref ConnectAsApp]")
        text = plant(text, "Health", "Policies: [!Ref ConnectAsApp]", "Policies: []")
        text = plant(text, "Health", "Events:", "Environment: { Variables: { RESTARTED: once } }\n      Events:")
        text = plant(text, "ActiveSurveys", "Events:",
                     f"Environment: {{ Variables: {{ DATABASE_CA: {emulator.stranger} }} }}\n      Events:")
        must_end_in("UPDATE_COMPLETE", text, JwtKeySet="2")  # another key set restarts those that have read the keys
        for path in ("/surveys", "/health", "/surveys/active"):
            status, _, answer = api.call("GET", path, token="nobody")
            expect(status >= 500, f"GET {path} answered {status}: {answer}")
        api.must(200, "GET", "/users", token=DEBUGGING_KEY)  # the others go on
        must_end_in("UPDATE_COMPLETE", JwtKeySet="3")
        api.must(401, "GET", "/surveys", token="nobody")
        api.must(200, "GET", "/health")
        api.must(200, "GET", "/surveys/active")

    with step("a release whose migration fails is rolled back, and the old one goes on"):
        text = plant(broken, "Health", "Events:", "Timeout: 28\n      Events:")
        must_end_in("UPDATE_ROLLBACK_COMPLETE", text, SchemaVersion="00000004")
        [reason] = [e["ResourceStatusReason"] for e in deployment.events("Migration") if e["ResourceStatus"] == "UPDATE_FAILED"]
        expect("users" in reason, f"the reason does not name the failing statement: {reason}")
        touched = {e["LogicalResourceId"] for e in deployment.events() if e["ResourceType"] == "AWS::Lambda::Function"}
        expect(touched == {"Migrate"}, f"functions were touched before the migrations had succeeded: {sorted(touched)}")
        deployment.parameters["SchemaVersion"] = "00000003"
        api.must(200, "GET", "/health")
    print(f"        CloudFormation was told: {reason[:200]}")

    rds = emulator.client("rds")
    with step("another database takes the place of this one, from a snapshot, and the functions go over to it"):
        [before] = rds.describe_db_clusters()["DBClusters"]
        rds.create_db_cluster_snapshot(DBClusterIdentifier=before["DBClusterIdentifier"], DBClusterSnapshotIdentifier="before")
        must_end_in("UPDATE_COMPLETE", SnapshotIdentifier="before", FormerDatabase=before["DbClusterResourceId"])
        expect(deployment.events("Migration"), "the restored database was not migrated")
        [after] = rds.describe_db_clusters()["DBClusters"]
        expect(after["DbClusterResourceId"] != before["DbClusterResourceId"], "it is the old one still")
        api.must(200, "GET", "/health")
        must_end_in("UPDATE_COMPLETE", FormerDatabase="")
        api.must(200, "GET", "/health")

    with step("deletion"):
        bucket = deployment.physical("JwtKeys")
        deployment.delete()
        expect(not emulator.client("lambda").list_functions()["Functions"], "functions are left")
        expect(not rds.describe_db_clusters()["DBClusters"], "the cluster is left")
        expect(rds.describe_db_cluster_snapshots()["DBClusterSnapshots"], "no snapshot was kept")
        expect(emulator.client("s3").head_object(Bucket=bucket, Key="jwt-keys.json"), "the keys were not kept")
        [[rows]] = database.run("SELECT count(*) FROM users")
        expect(rows, "the data went with the stack")


def main():
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="canvass-rehearsal-") as folder:
        rehearse(Path(folder))
    print(f"\nrehearsed in {time.monotonic() - start:.0f} s\n\nChanged for the emulator:")
    print("\n".join(f"  - {line}" for line in CHANGED))
    print("Not shown by this, see the first-deployment checks in infra/README.md:")
    print("\n".join(f"  - {line}" for line in NOT_SHOWN))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the emulator is ended too
    try:
        main()
    except AssertionError as failure:
        sys.exit(f"\n{failure}")
