"""The PostgreSQL that the functions work on: databases as copies of one another, and what the server has spent."""

import os
import sys
import time
from urllib.parse import quote, unquote, urlsplit

import pg8000.native


def cpu(pid):
    """Milliseconds of CPU that a process has used, to the nanosecond: the clock of clock_getcpuclockid(3), on Linux."""
    return time.clock_gettime_ns((~pid << 3) | 2) / 1e6


class Server:
    """The throwaway server at TEST_DATABASE_URL."""

    def __init__(self):
        parts = urlsplit(os.environ.get("TEST_DATABASE_URL") or sys.exit("TEST_DATABASE_URL is not set: use `make bench`"))
        self.folder, self.user = unquote(parts.netloc.rpartition("@")[2].partition(":")[0]), unquote(parts.username)
        if not self.folder.startswith("/"):
            sys.exit("TEST_DATABASE_URL must name a Unix socket: the server's CPU is read from this machine")
        self.socket = f"{self.folder}/.s.PGSQL.{parts.port or 5432}"
        self.admin = pg8000.native.Connection(self.user, unix_sock=self.socket, database="postgres")
        self.made = 0
        # Vacuum at moments of its own choosing would be counted with whatever runs then. Here it is done once a database.
        self.configure("SET autovacuum = off")

    def configure(self, change):
        self.admin.run(f"ALTER SYSTEM {change}")
        self.admin.run("SELECT pg_reload_conf()")

    def url(self, database):
        return f"postgresql://{self.user}@{quote(self.folder, safe='')}/{database}"

    def create(self, template="template0"):
        """A new database, empty or a copy; its name."""
        self.made += 1
        name = f"bench_{self.made}"
        self.await_end(template)
        self.admin.run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        self.admin.run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        return name

    def drop(self, name):
        self.admin.run(f"DROP DATABASE {name} WITH (FORCE)")

    def run(self, database, *statements, **parameters):
        connection = pg8000.native.Connection(self.user, unix_sock=self.socket, database=database)
        try:
            return [connection.run(statement, **parameters) for statement in statements][-1]
        finally:
            connection.close()

    def tidy(self, database):
        """What autovacuum would have done by now."""
        self.run(database, "VACUUM ANALYZE", "CHECKPOINT")

    def backends(self, database):
        """The processes that serve connections to a database."""
        return [pid for [pid] in self.admin.run("SELECT pid FROM pg_stat_activity WHERE datname = :name", name=database)]

    def await_end(self, database):
        """Wait until the last process of clients that were killed is gone."""
        while self.backends(database):
            time.sleep(0.01)

    def wal(self):
        """Where the log of changes has got to, in bytes."""
        [[position]] = self.admin.run("SELECT pg_current_wal_insert_lsn() - '0/0'")
        return int(position)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.configure("RESET autovacuum")
        self.admin.close()
