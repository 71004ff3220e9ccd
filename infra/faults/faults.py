#!/usr/bin/env python3
"""Breaks what Canvass stands on, in one way after another, and shows that nothing is lost: `make faults`.

A row of the table is one fault. Clients (clients.py) answer a survey, read its results and delete responses, through release
binaries that are driven as Lambda drives them (infra/local/runtime.py). These reach a PostgreSQL that waits for the disk,
directly or through a PgBouncer in transaction mode (stage.py). Meanwhile the row breaks something and mends it (below). Then it
is checked (row.py, verdict.py) that
  - every acknowledged response is there exactly once, with its answers, and what was never acknowledged at most once;
  - what was deleted stays deleted;
  - counters, results and recount agree with what is stored;
  - every answer in between was one that the contract documents (documented.py), and every failure a 503 with Retry-After;
  - everybody was served again within the row's time, counted from when the fault was mended.
The checks themselves are tried on the first row, in which nothing is broken: they must see what is then made wrong on purpose.

    faults.py                      some minutes
    faults.py --quick --seed 1     a minute or two: each fault in one way, and shorter
    faults.py --only crash         the rows with that in their name

What is random (answers, pauses, who is hit and when) follows from the seed, which is printed; how threads and processes happen
to run does not. CHECKOUT names another checkout, whose binaries are tried instead. Exits with 1 if a row fails.
"""

import argparse
import os
import re
import secrets
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from stage import ROOT, NoSmallDisk, Refused, Session, fill, processes, small_disk  # also puts infra/local on the path

from clients import Submitter
from documented import Contract
from row import Row, staged
from verdict import blind_spots

CHECKOUT = Path(os.environ.get("CHECKOUT") or ROOT)
LOG = ROOT / ".local" / "faults.log"  # what the functions complain about
SMALL = 160 << 20  # bytes, of the small disk: an empty database takes about 60 MB
KILL = "SELECT state, pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'canvass'"
FAULTS = []
NOT_SHOWN = """
Not shown:
  - A function's clock that jumps. Linux gives a process a clock of its own only for the time since the start, and libfaketime
    replaces functions of the C library (LD_PRELOAD), which would be another program. Shown is, by a server that stands still,
    that what is stored has the database's time.
  - A power cut, which loses what the system has and the disk has not: here the system lives on when the server is killed.
  - Aurora's failover and RDS Proxy themselves."""


@dataclass
class Fault:
    """A way to break something: `act` does it and mends it."""

    title: str
    ways: tuple  # to the database; the first is the one of a quick run
    act: Callable
    within: float  # seconds, after the mending, for everybody to be served again
    patience: float = None  # seconds, for an answer; where it is None, clients wait a few seconds
    harmless: bool = False
    disk: str = "large"


def fault(title, *ways, **more):
    """Makes a row of a function for each way to the database."""
    return lambda act: FAULTS.append(Fault(title, ways, act, **more))


@fault("nothing", "PgBouncer", "directly", within=1, harmless=True)
def nothing(row):
    time.sleep(row.hold)


@fault("connections killed", "PgBouncer", "directly", within=2)
def connections_killed(row):
    killed = killed_at_work = 0
    until = time.monotonic() + row.hold
    while time.monotonic() < until:
        which = row.random.choice(["state = 'active'", f"random() < {row.random.random():.2f}"])
        states = row.server.run(KILL + f" AND {which}")
        killed += len(states)
        killed_at_work += sum(state == "active" for [state, _] in states)
        time.sleep(row.random.uniform(0, 0.1))
    row.note = f"{killed} killed, {killed_at_work} of them at work"
    row.expect(killed_at_work, "none was at work when it was killed")


@fault("server restarted", "PgBouncer", "directly", within=3)
def server_restarted(row):
    for _ in range(1 if row.quick else 3):
        row.server.stop()
        time.sleep(row.random.uniform(0, 1))
        row.server.start()


@fault("server crashed", "directly", "PgBouncer", within=3)
def server_crashed(row):
    for _ in range(1 if row.quick else 3):
        row.server.crash()
        time.sleep(row.random.uniform(0, 1))
        row.server.start()
        row.expect("automatic recovery in progress" in row.server.log(), "the server had nothing to recover from")


@fault("server paused", "PgBouncer", "directly", within=3)
def server_paused(row):
    row.server.pause()
    began = time.time()
    try:
        time.sleep(row.hold)
    finally:
        row.stood_still = began, time.time()
        row.server.resume()


@fault("socket silent", "proxy", within=30, patience=29)
def socket_silent(row):
    row.note = f"{row.proxy.silence()} connections"
    time.sleep(row.hold)
    row.proxy.speak()


@fault("pooler restarted", "PgBouncer", within=2)
def pooler_restarted(row):
    for how in [signal.SIGTERM, signal.SIGKILL] * (1 if row.quick else 3):
        row.pooler.stop(how)
        time.sleep(row.random.uniform(0, 0.5))
        row.pooler.start()
        time.sleep(row.random.uniform(0.2, 0.5))


@fault("too many connections", "directly", "PgBouncer", within=3)
def too_many_connections(row):
    mine, others = Session(row.server.sockets), []
    try:
        while mine.run(KILL):  # whatever is free again is for the others
            try:
                while True:
                    others.append(Session(row.server.sockets, "others"))
            except Refused as refused:
                row.note = f"{len(others)} others: {refused}"
        time.sleep(row.hold)
    finally:
        for session in [mine, *others]:
            session.close()


@fault("read-only, as after a failover", "directly", "PgBouncer", within=3)
def read_only(row):
    row.server.run("ALTER DATABASE canvass SET default_transaction_read_only = on", KILL)
    time.sleep(row.hold)
    row.server.run("ALTER DATABASE canvass RESET default_transaction_read_only")
    if row.through == "PgBouncer":  # which keeps sessions, and can't know what they are
        row.server.run(KILL)


@fault("disk full", "directly", "PgBouncer", within=5, disk="small")
def disk_full(row):
    with full_disk(row):
        time.sleep(row.hold)


@fault("disk full, also for the WAL", "PgBouncer", "directly", within=5, disk="small")
def wal_full(row):
    with full_disk(row):
        until = time.monotonic() + row.hold
        while time.monotonic() < until:
            with suppress(Refused):  # once there is no file for the next changes, the server panics
                row.server.run("SELECT pg_switch_wal()")
            time.sleep(0.02)
    row.expect("PANIC" in row.note, "there was always room for the WAL")


@contextmanager
def full_disk(row):
    ballast, before = fill(row.server.home), len(row.server.log())
    yield
    ballast.unlink()
    full = re.findall(r"\b([A-Z]+): .*No space left on device", row.server.log()[before:])
    row.note = ", ".join(f"{count} × {severity}" for severity, count in sorted(Counter(full).items()))
    row.expect(full, "the disk was never full")
    row.server.revive()


@fault("functions frozen", "directly", within=3)
def functions_frozen(row):
    row.may_go_on.clear()  # Lambda freezes a function between two requests
    while not all(client.is_waiting for client in row.clients):
        time.sleep(0.01)
    functions = [function for client in row.clients for function in client.functions.values()]
    for function in functions:
        function.freeze()
    row.note = f"{len(functions)} functions, {len(row.server.run(KILL))} connections killed"
    time.sleep(3 if row.quick else 60)
    for function in functions:
        function.thaw()
    row.may_go_on.set()


@fault("functions killed at work", "PgBouncer", "directly", within=2)
def functions_killed(row):
    until = time.monotonic() + row.hold
    while time.monotonic() < until:
        victim = row.random.choice([client for client in row.clients if isinstance(client, Submitter)])
        while not victim.working_since and time.monotonic() < until:
            time.sleep(0.0005)
        time.sleep(row.random.uniform(0, 0.004))
        if function := victim.functions.get("submit-response"):
            function.kill()
        time.sleep(row.random.uniform(0, 0.1))
    hit = sum(attempt.outcome == "ended" for attempt in row.attempts())
    row.note = f"{hit} killed in the middle of a request"
    row.expect(hit, "none was at work when it was killed")


COLUMNS = {"fault": 30, "through": 9, "requests": 8, "acknowledged": 12, "deleted": 7, "503": 4, "no answer": 9, "retried": 7,
           "slowest": 7, "good again": 11, "verdict": 0}


def line(*columns):
    left = "fault", "through", "verdict"
    return "  ".join(f"{text:{'<' if name in left else '>'}{width}}" for text, (name, width) in zip(columns, COLUMNS.items()))


def report(row, complaints):
    attempts, sent, took = row.attempts(), row.sent(), row.good_again()
    outcomes = Counter(attempt.outcome for attempt in attempts)
    print(line(row.fault.title, row.through, len(attempts), sum(bool(one.created_at) for one in sent),
               sum(one.deleted for one in sent), outcomes[503], outcomes["silent"] + outcomes["ended"],
               sum(attempt.retry for attempt in attempts), f"{max(one.ended - one.began for one in attempts):.2f} s",
               f"{'never' if took is None else f'{took:.2f}'} < {row.fault.within} s",
               ("FAILED" if complaints else "good") + (f" ({row.note})" if row.note else "")), flush=True)
    for complaint in complaints[:10]:
        print(f"    {complaint[:1000]}")
    if len(complaints) > 10:
        print(f"    … and {len(complaints) - 10} more", flush=True)


class Stages:
    """A stage on each disk, made when it is first asked for."""

    def __init__(self, running, home, log):
        self.running, self.home, self.log = running, home, log
        self.contract, self.made, self.disks = Contract(CHECKOUT), {}, {"large": home / "large"}
        try:  # first of all, since a program with threads may not
            self.disks["small"] = running.enter_context(small_disk(home / "small", SMALL))
        except NoSmallDisk as reason:
            print(f"!!! NOT TESTED: a full disk. This system lets us have no small one: {reason}", flush=True)

    def on(self, disk):
        if disk not in self.made:
            place = self.home / f"before-{disk}"
            place.mkdir()
            if disk == "small":  # what the server says of its disk needs another
                (self.disks[disk] / "server.log").symlink_to(place / "server.log")
            self.made[disk] = self.running.enter_context(staged(place, self.disks[disk], CHECKOUT, self.contract, self.log))
        return self.made[disk]


def play(fault, through, stages, chosen):
    """Play a row, and print it; whether it is good."""
    row = Row(stages.on(fault.disk), fault, through, chosen.seed, chosen.quick)
    complaints = row.run()
    if fault.harmless and not complaints:
        complaints = list(blind_spots(row.sent(), row.facts, row.questions))
    report(row, complaints)
    return not complaints


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seed", default=secrets.token_hex(4))
    parser.add_argument("--only", default="")
    chosen = parser.parse_args()
    processes.on_signals(processes.leave)
    print(f"Seed {chosen.seed}", flush=True)
    LOG.parent.mkdir(exist_ok=True)
    rows = [(fault, through) for fault in FAULTS if chosen.only in fault.title
            for through in (fault.ways[:1] if chosen.quick else fault.ways)]
    with ExitStack() as running:
        home = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="canvass-", ignore_cleanup_errors=True)))
        stages = Stages(running, home, running.enter_context(open(LOG, "wb")))
        print(line(*COLUMNS), flush=True)
        try:
            good = [play(*row, stages, chosen) for row in rows if row[0].disk in stages.disks]
        finally:
            processes.finish()
    print(NOT_SHOWN)
    if not rows:
        sys.exit(f"no row has {chosen.only} in its name")
    if not all(good):
        sys.exit(f"{good.count(False)} of {len(good)} rows failed; what the functions complained about is in {LOG}")
    if len(good) < len(rows) and os.environ.get("CI"):
        sys.exit("not all rows could be tried")


if __name__ == "__main__":
    main()
