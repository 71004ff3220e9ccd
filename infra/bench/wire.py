"""Between a function and PostgreSQL: counts round trips on the wire, and writes down what the function sends.

A round trip begins when the client sends something while no answer to it is outstanding. What it sends before the server is
ready again (pipelined) belongs to the same one, however many statements that are.

    with Recorder(server) as recorder, Function(…, DATABASE_URL=recorder.url("a_database")) as function:
        function.invoke(…)
        recorder.take()  # the round trips since the last take, each a list of what was sent
"""

import os
import select
import shutil
import socket
import struct
import tempfile
import threading
from urllib.parse import quote

SOCKET = ".s.PGSQL.5432"


class Recorder:
    """A Unix socket in front of the server's."""

    def __init__(self, server):
        self.server, self.lock, self.trips = server, threading.Lock(), []
        self.folder = tempfile.mkdtemp(prefix="bench-", dir="/tmp")  # the path of a socket must be short
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(os.path.join(self.folder, SOCKET))
        self.listener.listen()
        threading.Thread(target=self.accept, daemon=True).start()

    def url(self, database):
        return f"postgresql://{self.server.user}@{quote(self.folder, safe='')}/{database}"

    def take(self):
        with self.lock:
            taken, self.trips = self.trips, []
        return taken

    def accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:  # closed
                return
            threading.Thread(target=Conversation(self, client).run, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Conversation:
    """One connection. The startup alone has no letter in front; a Unix socket has no TLS."""

    def __init__(self, recorder, client):
        self.recorder, self.client, self.server = recorder, client, socket.socket(socket.AF_UNIX)
        self.server.connect(recorder.server.socket)
        self.statements = {}    # by name: SQL and types
        self.outstanding = 1    # how often the server has yet to say that it is ready; first after the startup
        self.waiting = True     # whether what the client sends now belongs to a round trip that has begun
        self.started = False
        self.sent, self.answered = b"", b""

    def run(self):
        with self.client, self.server:
            try:
                while True:
                    for readable in select.select([self.client, self.server], [], [])[0]:
                        data = readable.recv(1 << 20)
                        if not data:
                            return
                        if readable is self.client:
                            self.of_client(data)
                            self.server.sendall(data)
                        else:
                            self.of_server(data)
                            self.client.sendall(data)
            except OSError:  # one side was killed
                pass

    def of_client(self, data):
        self.sent += data
        if not self.started:
            length = int.from_bytes(self.sent[:4])
            if len(self.sent) < max(length, 4):
                return
            if length == 8:
                raise ValueError("the client asks for TLS")
            self.sent, self.started = self.sent[length:], True
        messages, self.sent = split(self.sent)
        for kind, body in messages:
            if kind == b"X":
                continue
            with self.recorder.lock:
                if not self.waiting:
                    self.recorder.trips.append([])
                    self.waiting = True
                self.note(kind, body)
            self.outstanding += kind in (b"S", b"Q")

    def note(self, kind, body):
        if kind == b"P":
            name, sql, rest = text(body)
            self.statements[name] = {"sql": sql, "types": list(struct.unpack_from(f">{count(rest)}I", rest, 2))}
        elif kind == b"B":
            self.recorder.trips[-1].append({**self.statements[body.split(b"\0")[1].decode()], "values": values(body)})
        elif kind == b"Q":
            self.recorder.trips[-1].append({"sql": body[:-1].decode()})

    def of_server(self, data):
        messages, self.answered = split(self.answered + data)
        for kind, _ in messages:
            if kind == b"Z":
                self.outstanding -= 1
                self.waiting = self.outstanding > 0


def split(data):
    """The whole messages in it, and the rest."""
    messages = []
    while len(data) >= 5:
        end = 1 + int.from_bytes(data[1:5])
        if len(data) < end:
            break
        messages.append((data[:1], data[5:end]))
        data = data[end:]
    return messages, data


def count(data):
    return int.from_bytes(data[:2])


def text(body):
    """Two texts that end with a zero, and what is behind them."""
    first, second, rest = body.split(b"\0", 2)
    return first.decode(), second.decode(), rest


def values(body):
    """The parameters of a Bind, as hexadecimal digits of PostgreSQL's binary form; None for NULL."""
    rest = body.split(b"\0", 2)[2]
    formats = struct.unpack_from(f">{count(rest)}H", rest, 2)
    rest = rest[2 + 2 * len(formats):]
    found, rest, number = [], rest[2:], count(rest)
    if number and set(formats) != {1}:
        raise ValueError("a parameter in text form")
    for _ in range(number):
        [length] = struct.unpack_from(">i", rest)
        found.append(None if length < 0 else rest[4:4 + length].hex())
        rest = rest[4 + max(length, 0):]
    return found
