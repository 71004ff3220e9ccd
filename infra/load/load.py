#!/usr/bin/env python3
"""Many functions at once on one popular survey, through a pooler: `make load`.

500 processes of the release binary submit-response share 20 connections of PostgreSQL through PgBouncer, each handed one
response after another, while others read the results. The driver beside this plays Lambda. Nothing may fail, and in the end
the API must say exactly what was acknowledged, question by question and option by option. Needs the release binaries of
`make build`; prints a table and writes target/load/results.json. PostgreSQL waits for the disk as in production (fsync), all
of it is on this machine, and everything ends with this.

On AWS a function has a processor of its own. Here all share this machine's, so that throughput is what its cores give to
functions, pooler and PostgreSQL together; what each takes for a response has a column of its own.
"""

import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from statistics import median
from unittest.mock import patch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "infra" / "local"))
import postgres  # noqa: E402 (the path comes first)
import processes  # noqa: E402
from meter import CORES, Meter, bottleneck, memory  # noqa: E402
from newer import Unavailable, keeps, newer  # noqa: E402
from pooler import pgbouncer  # noqa: E402
from runtime import binary  # noqa: E402
from survey import SECRET, Survey  # noqa: E402

FOLDER = ROOT / "target" / "load"
CONNECTIONS = 20  # of PostgreSQL, behind a pooler or each of a function of its own
GROWTH = 1, 10, 100, 500
MOST = GROWTH[-1]
READERS, PAUSE = 2, 0.2  # who reads the results, and the seconds from an answer to the next request
SECONDS = float(os.environ.get("LOAD_SECONDS") or 5)  # of a run, after
WARM_UP = 0.5
ROUNDS = 3  # of what is compared, in turn
BUDGET = 0.8  # of the throughput of as many clients as connections


class Driver:
    """Lambda for many functions, as a process beside this one."""

    def __init__(self, functions):
        self.process = processes.background([FOLDER / "release" / "driver", str(functions)], text=True,
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.port, self.used = int(self.process.stdout.readline()), 0

    def run(self, **run):
        print(json.dumps(run), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        return json.loads(line) if line else sys.exit("the driver has ended")


class Functions:
    """Processes of submit-response, and of get-survey-stats as readers, on one database."""

    def __init__(self, driver, log, number, url, prepare):
        self.driver, self.log = driver, log
        self.settings = {"DATABASE_URL": url, "DATABASE_PREPARE": prepare, "JWT_SECRET_KEY": SECRET}
        self.processes, self.numbers = {}, {}
        for name, many in ("submit-response", number), ("get-survey-stats", READERS):
            self.numbers[name] = range(driver.used, driver.used + many)
            driver.used += many
            self.processes[name] = [self.start(name, each) for each in self.numbers[name]]

    def start(self, name, number):
        return processes.background([binary(name)], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env={
            **self.settings, "AWS_LAMBDA_RUNTIME_API": f"http://127.0.0.1:{self.driver.port}/{number}",
            "AWS_LAMBDA_FUNCTION_NAME": name, "AWS_LAMBDA_FUNCTION_VERSION": "1", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "AWS_LAMBDA_LOG_LEVEL": "ERROR"})

    def pids(self, name):
        return [process.pid for process in self.processes[name]]

    def end(self):
        processes.end(*(process for several in self.processes.values() for process in several))


class Load:
    """The survey under load, and what was measured."""

    def __init__(self, url, server, driver, log):
        self.url, self.server, self.driver, self.log = url, server, driver, log
        self.survey, self.results, self.errors = Survey(url), [], Counter()

    @contextmanager
    def functions(self, number, url, prepare):
        """So many functions, which have had their first requests."""
        started = Functions(self.driver, self.log, number, url, prepare)
        try:
            errors = self.submit(started, number, 0.5)["errors"]
            if errors:
                sys.exit(f"The functions don't work, and {self.log.name} may tell why: {errors}")
            yield started
        finally:
            started.end()

    def submit(self, functions, clients, seconds):
        """Have so many of these functions answer the survey, and its readers read meanwhile; what the driver reports."""
        report = self.driver.run(
            seconds=WARM_UP + seconds, warmUp=WARM_UP, clients=list(functions.numbers["submit-response"])[:clients],
            readers=list(functions.numbers["get-survey-stats"]), pause=PAUSE, submit=self.survey.submit, read=self.survey.read,
            questions=self.survey.questions, stored=self.survey.acknowledged)
        self.survey.note(report)
        return report

    def measure(self, what, functions, clients, pooler=None):
        """The same with everybody's accounts taken; printed and kept."""
        meter = Meter(self.url, self.server, SECONDS, driver=[self.driver.process.pid],
                      functions=functions.pids("submit-response"), readers=functions.pids("get-survey-stats"),
                      **({"pooler": [pooler.pid]} if pooler else {}))
        report = self.submit(functions, clients, SECONDS)
        measured = meter.read()
        self.errors.update(report["errors"])
        if not report["acknowledged"]:
            sys.exit(f"{what}: nothing was acknowledged, {dict(self.errors)}")
        result = {
            "what": what, "clients": clients, "perSecond": report["perSecond"],
            "submits": report["submits"], "reads": report["reads"], "errors": report["errors"],
            "cpuMs": {name: 1000 * seconds / report["acknowledged"] for name, seconds in measured["cpu"].items()},
            "measured": measured, "limitedBy": bottleneck(measured)}
        self.results.append(result)
        show(result)
        return result

    def compare(self, pooled, pooler, own, how):
        """500 clients over the pooled connections, in turn with one for each connection: its own, and a pooled one."""
        runs = {"own": [], "few": [], "many": []}
        for _ in range(ROUNDS):
            runs["own"].append(self.measure(f"{CONNECTIONS} over their own, {how}", own, CONNECTIONS))
            runs["few"].append(self.measure(f"{CONNECTIONS} over {CONNECTIONS} pooled, {how}", pooled, CONNECTIONS, pooler))
            runs["many"].append(self.measure(f"{MOST} over {CONNECTIONS} pooled, {how}", pooled, MOST, pooler))

        def ratio(few, of):
            return median(of(a) / of(b) for a, b in zip(runs["many"], runs[few]))

        connections = len(pooler.show("SERVERS"))
        to_own, to_few = (ratio(few, lambda run: run["perSecond"]) for few in ("own", "few"))
        cpu = ratio("own", lambda run: sum(run["cpuMs"].values()))
        print(f"  {MOST} clients over {connections} connections of {pooler.version} do {to_own:.2f} x what {CONNECTIONS} do "
              f"over their own (budget {BUDGET}),\n  for {cpu:.2f} x the CPU a response, and {to_few:.2f} x what "
              f"{CONNECTIONS} do over pooled ones.\n", flush=True)
        return {"pooler": pooler.version, "statements": how, "connections": connections, "toOwnConnections": to_own,
                "cpuToOwnConnections": cpu, "toFewThroughPooler": to_few,
                "held": to_own >= BUDGET and connections <= CONNECTIONS}


def head():
    print(f"\n{'':30}{'responses':>9}{'p50':>8}{'p99':>8}{'results p50':>13}{'p99':>7}   CPU ms a response{'':21}cores busy,\n"
          f"{'clients and connections':30}{'/s':>9}{'ms':>8}{'ms':>8}{'ms':>13}{'ms':>7}   {'PostgreSQL':>10}{'pooler':>8}"
          f"{'function':>9}{'driver':>8}{'of ' + str(CORES):>7}{'by others':>11}")


def show(result):
    submits, reads, cpu, measured = result["submits"], result["reads"], result["cpuMs"], result["measured"]
    print(f"{result['what']:30}{result['perSecond']:9.0f}{submits['p50_ms']:8.1f}{submits['p99_ms']:8.1f}"
          f"{reads['p50_ms']:13.1f}{reads['p99_ms']:7.1f}   {cpu['PostgreSQL']:10.2f}{cpu.get('pooler', 0):8.2f}"
          f"{cpu['functions']:9.2f}{cpu['driver']:8.2f}{measured['busy']:7.2f}{measured['others']:11.2f}\n"
          f"    limited by {result['limitedBy']}", flush=True)


def small_pooler(load, home, sockets):
    """The pooler of this machine, with statements that need no names: growth, and the budget."""
    with pgbouncer(home, sockets, pool_size=CONNECTIONS) as pooler, \
            load.functions(CONNECTIONS, load.url, "off") as own, load.functions(MOST, pooler.url, "off") as pooled:
        resident, private = memory(pooled.pids("submit-response"))
        print(f"{MOST} processes of submit-response behind {pooler.version}, each of {resident:.1f} MB, {private:.1f} of them "
              "shared with no other.\nClients never pause: the more there are, the longer each waits for its turn.")
        head()
        for clients in GROWTH[:-1]:
            load.measure(f"{clients} over {CONNECTIONS} pooled, unnamed", pooled, clients, pooler)
        return load.compare(pooled, pooler, own, "unnamed") | {"residentMB": resident, "privateMB": private}


def keeping_pooler(load, home, sockets, at_hand):
    """The default, named statements, through a pooler that keeps them; nothing where there is none."""
    try:
        path = {} if keeps(at_hand) else {"PGBOUNCER": str(newer(FOLDER / "newer"))}
    except Unavailable as why:
        print(f"Named statements, the default, were not tried: {at_hand} loses them, and there is no newer one ({why})")
        return None
    with patch.dict(os.environ, path), \
            pgbouncer(home, sockets, pool_size=CONNECTIONS, max_prepared_statements=200) as pooler, \
            load.functions(CONNECTIONS, load.url, "on") as own, load.functions(MOST, pooler.url, "on") as pooled:
        return load.compare(pooled, pooler, own, "named")


def losing_pooler(load, home, sockets):
    """What DATABASE_PREPARE=off is for: how many fail without it, through a pooler that loses named statements."""
    with pgbouncer(home, sockets, pool_size=CONNECTIONS) as pooler:
        functions = Functions(load.driver, load.log, CONNECTIONS, pooler.url, "on")
        try:
            report = load.submit(functions, CONNECTIONS, 2)
        finally:
            functions.end()
    failed = sum(report["errors"].values())
    print(f"Without DATABASE_PREPARE=off, {failed} of {failed + report['acknowledged']} requests through {pooler.version} fail")
    return {"failed": failed, "acknowledged": report["acknowledged"]}


TOOLS = ["--quiet", "-p", "shared", "--features", "migrations", "--example"]


def tool(name, url):
    """Run an example of the library on the database; whether it was content. If not, what it printed is shown."""
    done = subprocess.run(["cargo", "run", *TOOLS, name], cwd=ROOT, env=os.environ | {"DATABASE_URL": url},
                          stdout=subprocess.PIPE, text=True)
    print(done.stdout if done.returncode else "", end="")
    return done.returncode == 0


def check(load):
    """Whether nothing failed, and everything that was acknowledged is there exactly once."""
    for error, number in load.errors.most_common(10):
        print(f"{number} x {error}")
    differences = list(load.survey.differences())
    print(*differences, sep="\n", end="\n" if differences else "")
    recounted = tool("recount", load.url)
    print(f"{load.survey.acknowledged} responses were acknowledged, {sum(load.errors.values())} requests failed; results and "
          f"list {'differ' if differences else 'say exactly that'}, and a recount {'agrees' if recounted else 'differs'}")
    return not load.errors and not differences and recounted


def measure(url, home, log):
    """All of it; what is to be written down, and whether everything held."""
    server, sockets = int((home / "data" / "postmaster.pid").read_text().split()[0]), postgres.socket_dir(home)
    driver = Driver(2 * (MOST + CONNECTIONS) + CONNECTIONS + 5 * READERS)  # all that are started below
    try:
        load = Load(url, server, driver, log)
        unnamed = small_pooler(load, FOLDER / "pooler", sockets)
        named = keeping_pooler(load, FOLDER / "newer-pooler", sockets, unnamed["pooler"])
        exact, acknowledged = check(load), load.survey.acknowledged
        lost = None if keeps(unnamed["pooler"]) else losing_pooler(load, FOLDER / "pooler", sockets)
    finally:
        processes.end(driver.process)
    others = max(result["measured"]["others"] for result in load.results)
    if others > 0.1 * CORES:
        print(f"Others on this machine took up to {others:.2f} of its {CORES} cores meanwhile: it can do more than this")
    held = exact and all(comparison["held"] for comparison in (unnamed, named) if comparison)
    return held, {"acknowledged": acknowledged, "errors": load.errors, "exact": exact, "held": held,
                  "comparisons": [unnamed, named], "withoutTheSetting": lost, "runs": load.results}


def main():
    processes.on_signals(processes.leave)
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(files, min(most, 4096)), most))  # sockets of driver and pooler
    FOLDER.mkdir(parents=True, exist_ok=True)
    home = FOLDER / "postgres"
    shutil.rmtree(home, ignore_errors=True)
    subprocess.run(["cargo", "build", *TOOLS, "migrate", "--example", "recount"], cwd=ROOT, check=True)
    began = time.monotonic()
    try:
        with open(FOLDER / "functions.log", "w") as log, postgres.server(home) as url:
            if not tool("migrate", url):
                sys.exit("The migration failed")
            held, results = measure(url, home, log)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    machine = {"cores": CORES, "architecture": platform.machine(), "system": platform.platform()}
    (FOLDER / "results.json").write_text(json.dumps({"date": str(date.today()), "machine": machine, "command": "make load",
                                                     "secondsOfARun": SECONDS, **results}, indent=1))
    print(f"{'All held' if held else 'That did not hold'}, in {time.monotonic() - began:.0f} s; "
          f"written to {(FOLDER / 'results.json').relative_to(ROOT)}")
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    main()
