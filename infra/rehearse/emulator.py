#!/usr/bin/env python3
"""MiniStack, and beside it the door of Aurora, which MiniStack leaves out: a server in front of a local PostgreSQL that
lets in whoever Aurora would let in.

- TLS only, with a certificate for its name;
- the password is an IAM token: signed by the credentials of the function's role, for this host, port and user, and not
  older than 15 minutes;
- the role must be allowed rds-db:connect for this user on this cluster;
- the user must have been granted rds_iam.

Both run in one process, because only MiniStack knows the secret keys of the credentials it hands out.

Environment: DOOR_HOST, DOOR_PORT; DOOR_CERTIFICATE (PEM with key); DOOR_SOCKET, DOOR_SUPERUSER: the PostgreSQL behind.
"""
import os
import select
import socket
import ssl
import struct
import sys
import threading
import time

import boto3
import pg8000.native
from ministack import app
from ministack.core import iam_actions
from ministack.core.rds_iam import VerifiedRdsToken, verify_rds_iam_token
from ministack.services import sts

HOST, PORT = os.environ["DOOR_HOST"], int(os.environ["DOOR_PORT"])
SOCKET, SUPERUSER = os.environ["DOOR_SOCKET"], os.environ["DOOR_SUPERUSER"]
REGION, ACCOUNT = os.environ["MINISTACK_REGION"], "000000000000"

SSL_REQUEST, PROTOCOL_3 = 80877103, 196608


class Refused(Exception):
    """What the client is told, in the words of Aurora where it has some."""


def admit(user, token, database):
    """Raise Refused unless Aurora would let `user` in with `token`."""
    key = token.partition("X-Amz-Credential=")[2].partition("%2F")[0]
    if key in sts._sessions:  # the sessions that MiniStack gives to functions have no end; those of Lambda do
        sts._sessions[key].setdefault("Expiration", time.time() + 3600)
    identity = verify_rds_iam_token(token, hostname=HOST, port=PORT, db_user=user, region=REGION, account_id=ACCOUNT)
    if not isinstance(identity, VerifiedRdsToken):
        raise Refused(f"PAM authentication failed for user {user}: {identity.code}")

    client = {"endpoint_url": os.environ["AWS_ENDPOINT_URL"], "region_name": REGION}
    # One, and for the time of a restore the one in its place as well.
    clusters = boto3.client("rds", **client).describe_db_clusters()["DBClusters"]
    role = identity.principal_arn.split("/")[1]

    def may_connect(cluster):
        [decision] = boto3.client("iam", **client).simulate_principal_policy(
            PolicySourceArn=f"arn:aws:iam::{ACCOUNT}:role/{role}",
            ActionNames=["rds-db:connect"],
            ResourceArns=[f"arn:aws:rds-db:{REGION}:{ACCOUNT}:dbuser:{cluster['DbClusterResourceId']}/{user}"],
        )["EvaluationResults"]
        return decision["EvalDecision"] == "allowed"

    if not any(map(may_connect, clusters)):
        raise Refused(f"PAM authentication failed for user {user}: {role} lacks rds-db:connect")

    behind = pg8000.native.Connection(SUPERUSER, unix_sock=SOCKET, database=database)
    try:
        granted = behind.run("SELECT count(*) FROM pg_roles "
                             "WHERE rolname = :user AND pg_has_role(oid, 'rds_iam', 'member')", user=user)
    finally:
        behind.close()
    if granted != [[1]]:
        raise Refused(f'password authentication failed for user "{user}" (it was not granted rds_iam)')


def serve(client, tls):
    try:
        length, code = struct.unpack("!II", exactly(client, 8))
        if code != SSL_REQUEST:
            exactly(client, length - 8)
            return refuse(client, "no pg_hba.conf entry, no encryption")
        client.sendall(b"S")
        client = tls.wrap_socket(client, server_side=True)
        startup = exactly(client, 4)
        startup += exactly(client, struct.unpack("!I", startup)[0] - 4)
        if struct.unpack("!I", startup[4:8])[0] != PROTOCOL_3:
            return
        words = startup[8:].split(b"\0")
        parameters = dict(zip(words[::2], words[1::2]))
        user, database = parameters[b"user"].decode(), parameters[b"database"].decode()
        client.sendall(b"R" + struct.pack("!II", 8, 3))  # AuthenticationCleartextPassword
        kind, length = struct.unpack("!cI", exactly(client, 5))
        password = exactly(client, length - 4).rstrip(b"\0").decode()
        if kind != b"p":
            return
        try:
            admit(user, password, database)
        except Refused as refusal:
            return refuse(client, str(refusal))
        with socket.socket(socket.AF_UNIX) as server:
            server.connect(SOCKET)
            server.sendall(startup)
            relay(client, server)
    except (OSError, struct.error):
        pass  # the client is gone, or never meant to speak PostgreSQL
    finally:
        client.close()


def relay(client, server):
    while True:
        readable = [client] if client.pending() else select.select([client, server], [], [])[0]
        for source, sink in ((client, server), (server, client)):
            if source in readable:
                data = source.recv(65536)
                if not data:
                    return
                sink.sendall(data)


def refuse(client, text):
    fields = b"SFATAL\0VFATAL\0C28000\0M" + text.encode() + b"\0\0"
    client.sendall(b"E" + struct.pack("!I", len(fields) + 4) + fields)
    client.settimeout(1)
    while client.recv(1024):  # a close with words of the client unread would take ours from it
        pass


def exactly(source, size):
    data = b""
    while len(data) < size:
        more = source.recv(size - len(data))
        if not more:
            raise ConnectionError
        data += more
    return data


def know_conditional_writes(known=iam_actions._s3_object_context):
    """The condition key s3:if-none-match, which MiniStack does not know yet."""
    def context(action, query, path, headers):
        condition = headers.get("if-none-match") if action == "s3:PutObject" else None
        return {**known(action, query, path, headers), **({"s3:if-none-match": condition} if condition else {})}
    iam_actions._s3_object_context = context


def listen():
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(os.environ["DOOR_CERTIFICATE"])
    door = socket.create_server(("127.0.0.1", PORT), backlog=64)

    def accept():
        while True:
            client, _ = door.accept()
            threading.Thread(target=serve, args=(client, tls), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


if __name__ == "__main__":
    know_conditional_writes()
    listen()
    sys.argv[1:] = []
    app.main()
