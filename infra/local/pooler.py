"""A PgBouncer of our own: one that is installed, or else Debian's package unpacked into target/, which needs no rights.

    with pgbouncer(home, server_sockets, pool_size=20) as pooler:
        …                         # pooler.url is the database behind it
        pooler.show("POOLS")      # a dictionary a row, of whatever its console can SHOW

It listens on a Unix socket, runs as an unprivileged user and ends with the program that started it. Debian 12 has
PgBouncer 1.18, which loses named statements in transaction mode: functions behind it need DATABASE_PREPARE=off.
"""

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from urllib.parse import quote

import processes
from postgres import ENV, ROOT, SOCKET, program, socket_dir
from unprivileged import identity

UNPACKED = ROOT / "target" / "pgbouncer"
PATIENCE = 10  # seconds, for a start or a stop


def apt(tool, *arguments):
    """Run one of apt's tools with lists of packages of our own, since those of the machine may be missing; what it printed."""
    for folder in "lists/partial", "cache/archives/partial":
        (UNPACKED / folder).mkdir(parents=True, exist_ok=True)
    options = [f"Dir::State::Lists={UNPACKED}/lists", f"Dir::Cache={UNPACKED}/cache", "APT::Sandbox::User=root"]
    command = [tool, "--quiet", "--quiet", *(f"--option={option}" for option in options), *arguments]
    done = subprocess.run(command, cwd=UNPACKED, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          env=os.environ | {"LC_ALL": "C"})
    if done.returncode:
        sys.exit(f"PgBouncer can't be had, {' '.join([tool, *arguments])} failed:\n{done.stdout}{done.stderr}"
                 "Install it yourself, or name one: PGBOUNCER=/path/to/it")
    return done.stdout


def unpack():
    """Unpack Debian's package, and of what it needs the libraries that this machine lacks; the path of a program to run."""
    started = UNPACKED / "run"
    if not started.exists():  # written last
        print("Unpacking Debian's PgBouncer …", file=sys.stderr)
        shutil.rmtree(UNPACKED, ignore_errors=True)
        apt("apt-get", "update")
        lines = apt("apt-get", "install", "--simulate", "--no-install-recommends", "pgbouncer").splitlines()
        missing = [line.split()[1] for line in lines if line.startswith("Inst ")]
        apt("apt-get", "download", *(name for name in missing if name == "pgbouncer" or name.startswith("lib")))
        for package in UNPACKED.glob("*.deb"):
            subprocess.run(["dpkg-deb", "--extract", package, UNPACKED], check=True)
        folders = {str(library.parent.relative_to(UNPACKED)) for library in UNPACKED.rglob("*.so.*")}
        started.write_text('#!/bin/sh\nhere=$(dirname "$0")\nLD_LIBRARY_PATH=%s exec "$here/usr/sbin/pgbouncer" "$@"\n'
                           % ":".join(f'"$here/{folder}"' for folder in sorted(folders)))
        started.chmod(0o755)
        for waste in [UNPACKED / "lists", UNPACKED / "cache"]:
            shutil.rmtree(waste)
    return str(started)


def find():
    """The path of a PgBouncer. Where none can be had this ends the program, for nothing here can do without one."""
    named = os.environ.get("PGBOUNCER") or shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if named:
        return named
    if not shutil.which("apt-get"):
        sys.exit("There is no PgBouncer here, and no apt-get to get one with. Install it, or name one: PGBOUNCER=/path/to/it")
    return unpack()


class Pooler:
    """A running PgBouncer. To be started, and started again, by a thread that lives as long as it is to run: Linux takes
    the end of that thread for the end of the program."""

    def __init__(self, home, settings, databases):
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.home, self.binary, self.process = home, find(), None
        self.sockets, self.become = socket_dir(home), identity(self.binary, home)
        self.version = subprocess.check_output([self.binary, "--version"], text=True).splitlines()[0]
        settings = {"unix_socket_dir": self.sockets, "listen_port": 5432, **settings}
        lines = ["[databases]", *databases, "[pgbouncer]", *(f"{name} = {value}" for name, value in settings.items())]
        (home / "pgbouncer.ini").write_text("\n".join([*lines, ""]))

    @property
    def pid(self):
        return self.process.pid

    def start(self):
        def prepare():
            if self.become:
                self.become()
            processes.end_with_us()

        for stale in self.sockets.glob(SOCKET + "*"):  # left by one that was killed
            stale.unlink()
        with open(self.home / "pgbouncer.log", "a") as log:
            self.process = subprocess.Popen([self.binary, self.home / "pgbouncer.ini"], stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, start_new_session=True, preexec_fn=prepare, env=ENV)
        deadline = time.monotonic() + PATIENCE
        while not (self.sockets / SOCKET).exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"PgBouncer did not start:\n{(self.home / 'pgbouncer.log').read_text()}")
            time.sleep(0.01)

    def stop(self, how=signal.SIGTERM):
        """End it, and all connections through it, at once."""
        if self.process.poll() is None:
            self.process.send_signal(how)
            processes.end(self.process, patience=PATIENCE)

    def restart(self, how=signal.SIGTERM):
        self.stop(how)
        self.start()

    def show(self, what):
        """What its console answers to SHOW: a dictionary of texts for each row."""
        command = [program("psql"), "--csv", "-qXh", self.sockets, "-U", "canvass", "-d", "pgbouncer", "-c", f"SHOW {what}"]
        return list(csv.DictReader(subprocess.check_output(command, env=ENV, text=True).splitlines()))


@contextmanager
def pgbouncer(home, server, database="canvass", user="canvass", pool_size=20, **settings):
    """A PgBouncer in transaction mode before the server whose socket is in the directory `server`; its files are in `home`,
    and `settings` are more lines of its pgbouncer.ini. Everybody who can open its socket is let in, as `user`."""
    host = str(server).replace("'", "''")
    pooler = Pooler(home, {"pool_mode": "transaction", "default_pool_size": pool_size, "max_client_conn": 1000,
                           "auth_type": "any", "log_connections": 0, "log_disconnections": 0} | settings,
                    [f"{database} = host='{host}' port=5432 dbname={database} user={user}"])
    pooler.url = f"postgresql://{user}@{quote(str(pooler.sockets), safe='')}/{database}"
    try:
        pooler.start()
        yield pooler
    finally:
        pooler.stop()
        if pooler.sockets != home:
            shutil.rmtree(pooler.sockets, ignore_errors=True)
