"""What the faults happen to: a PostgreSQL that waits for the disk, a PgBouncer before it, a proxy that can fall silent."""

import ctypes
import os
import selectors
import signal
import socket
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "infra" / "local"))
import postgres  # noqa: E402 (the path comes first)
import processes  # noqa: E402
from unprivileged import identity  # noqa: E402

PATIENCE = 30  # seconds, for the server to be up, recovery included


class Refused(Exception):
    """The server lets nobody in, or has ended the session."""


class Session:
    """A session on the server, as small as can be: hundreds of them are wanted, and a psql for each would take seconds."""

    def __init__(self, sockets, application="faults"):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        settings = f"user\0canvass\0database\0canvass\0application_name\0{application}\0\0"
        try:
            self.socket.connect(str(sockets / postgres.SOCKET))
            self.stream = self.socket.makefile("rb")
            self.ask(b"", (3 << 16).to_bytes(4, "big") + settings.encode())
        except (OSError, Refused) as error:
            self.close()
            raise Refused(str(error)) from None

    def run(self, sql):
        return self.ask(b"Q", sql.encode() + b"\0")

    def ask(self, kind, body):
        """Send a message, and give the rows that come back."""
        try:
            self.socket.sendall(kind + (len(body) + 4).to_bytes(4, "big") + body)
            return self.rows()
        except OSError as error:
            raise Refused(str(error)) from None

    def rows(self):
        """Read until the server is ready for more; the rows that came, as lists of texts."""
        rows, error = [], None
        while True:
            kind, size = self.stream.read(1), self.stream.read(4)
            body = self.stream.read(int.from_bytes(size, "big") - 4) if size else b""
            if kind == b"E":
                error = dict((field[:1], field[1:].decode()) for field in body.split(b"\0") if field)
            if kind == b"D":
                rows.append(list(columns(body)))
            if kind == b"Z" and not error:
                return rows
            if not kind or error and (kind == b"Z" or error[b"S"] != "ERROR"):
                raise Refused(error[b"M"] if error else "the session was ended")

    def close(self):
        self.socket.close()


def columns(body):
    at = 2
    while at < len(body):
        size = int.from_bytes(body[at:at + 4], "big", signed=True)
        at += 4
        yield None if size < 0 else body[at:at + size].decode()
        at += max(size, 0)


class Server:
    """The database's server, with its data in `home`. For `make run` infra/local/postgres.py keeps one up; here it is to go
    down, so this uses what that is made of."""

    def __init__(self, home):
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.home, self.become, self.process = home, identity(postgres.program("postgres"), home), None
        self.sockets = postgres.socket_dir(home)
        self.url = f"postgresql://canvass@{quote(str(self.sockets), safe='')}/canvass"
        postgres.initialise(home, self.become)

    def prepare(self):
        """In its processes: be nobody, and end with us."""
        if self.become:
            self.become()
        processes.end_with_us(signal.SIGQUIT)

    def start(self):
        """Start it, and wait until it has recovered and lets in clients. Called by the main thread alone: with the thread
        that started it, Linux would end it."""
        with open(self.home / "alive.lock", "w") as alive:
            postgres.lock(alive)
            self.process = postgres.start(self.home, self.sockets, self.prepare, True, alive)
        deadline = time.monotonic() + PATIENCE
        while not self.is_up():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start:\n{self.log()}")
            time.sleep(0.02)

    def is_up(self):
        with suppress(Refused):
            Session(self.sockets).close()
            return True
        return False

    def revive(self):
        """Wait until it is up; where it has ended, as after a crash that it can't recover from, start it again."""
        while not self.is_up():
            if self.process.poll() is not None:
                return self.start()
            time.sleep(0.02)

    def stop(self, how=signal.SIGINT):
        """End it ("fast", as an administrator does), and wait until the last of its processes is gone."""
        if self.process:
            postgres.stop(self.home, how)
            self.process.wait()

    def tell(self, how):
        """Send a signal to all of its processes. The first makes the others: while that stands still there are no new ones."""
        first = self.process.pid
        for process in [first, *Path(f"/proc/{first}/task/{first}/children").read_text().split()]:
            with suppress(ProcessLookupError):
                os.kill(int(process), how)

    def pause(self):
        os.kill(self.process.pid, signal.SIGSTOP)
        self.tell(signal.SIGSTOP)

    def resume(self):
        self.tell(signal.SIGCONT)

    def crash(self):
        """End all of it at once, as a power cut does, though what was handed to the system still reaches the disk."""
        os.kill(self.process.pid, signal.SIGSTOP)
        self.tell(signal.SIGKILL)
        self.stop(signal.SIGKILL)

    def run(self, *statements):
        """Run statements in one session, even on a server that is read-only; the rows of the last."""
        session = Session(self.sockets)
        try:
            session.run("SET default_transaction_read_only = off")
            return [session.run(sql) for sql in statements][-1]
        finally:
            session.close()

    def log(self):
        return (self.home / "server.log").read_text(errors="replace")


class Proxy:
    """Passes on what functions and server say to each other, until it is told to fall silent: then nothing of it gets
    through any more, and neither side is told. So does a network that has forgotten a connection."""

    def __init__(self, home, server):
        home.mkdir(mode=0o700)
        self.server, self.sockets = server, postgres.socket_dir(home)
        self.url = f"postgresql://canvass@{quote(str(self.sockets), safe='')}/canvass"
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.sockets / postgres.SOCKET))
        self.listener.listen(64)
        self.selector, self.peers = selectors.DefaultSelector(), {}
        self.silenced, self.is_silent = [], False
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.lock = threading.Lock()
        threading.Thread(target=self.forward, daemon=True).start()

    def forward(self):
        while True:
            for key, _ in self.selector.select(0.05):
                with self.lock:
                    if key.fileobj is self.listener:
                        self.take()
                    elif key.fileobj in self.peers:
                        self.pass_on(key.fileobj)

    def take(self):
        client, upstream = self.listener.accept()[0], socket.socket(socket.AF_UNIX)
        if self.is_silent:
            self.silenced += [client]
            return
        try:
            upstream.connect(str(self.server.sockets / postgres.SOCKET))
        except OSError:
            return client.close()
        for one, other in (client, upstream), (upstream, client):
            self.peers[one] = other
            self.selector.register(one, selectors.EVENT_READ)

    def pass_on(self, one):
        other = self.peers[one]
        try:
            data = one.recv(1 << 16)
            if data:
                return other.sendall(data)
        except OSError:
            pass
        for end in one, other:
            self.selector.unregister(end)
            del self.peers[end]
            end.close()

    def silence(self):
        """Forget all connections, and those that are made until `speak`. None of them comes back. How many there were."""
        with self.lock:
            forgotten, self.is_silent = list(self.peers), True
            for end in forgotten:
                self.selector.unregister(end)
            self.silenced += forgotten
            self.peers.clear()
            return len(forgotten) // 2

    def speak(self):
        with self.lock:
            self.is_silent = False


class NoSmallDisk(Exception):
    """Why there is none."""


@contextmanager
def small_disk(folder, size):
    """Mount a file system of `size` bytes on `folder`, which only this program and the processes that it starts will see. Who
    isn't root does it as root of a user namespace, which not every system allows."""
    libc, uid, gid = ctypes.CDLL(None, use_errno=True), os.geteuid(), os.getegid()

    def attempt(what, code):
        if code:
            raise NoSmallDisk(f"{what}: {os.strerror(ctypes.get_errno())}")

    if sys.platform != "linux":
        raise NoSmallDisk("only Linux lets a program have a file system of its own")
    new_mounts, new_user, private, nosuid_nodev = 0x20000, 0x10000000, 0x44000, 6
    if libc.unshare(new_mounts):
        attempt("no mount namespace", libc.unshare(new_mounts | new_user))
        for file, text in ("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1"):
            Path("/proc/self", file).write_text(text)
    attempt("mounts can't be made private", libc.mount(None, b"/", None, private, None))
    folder.mkdir(mode=0o700)
    options = f"size={size},mode=0700,uid={uid},gid={gid}".encode()
    attempt("no tmpfs", libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", nosuid_nodev, options))
    try:
        yield folder
    finally:
        libc.umount2(os.fsencode(folder), 2)  # MNT_DETACH


def fill(folder):
    """Leave no room in the file system of `folder`; the file that takes it."""
    ballast = folder / "ballast"
    with open(ballast, "wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"\0" * 65536)
    return ballast
