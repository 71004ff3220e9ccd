"""One request after another to a warm function, and to a bare one that sends the database the same: what each costs.

Each pass has a copy of the same database. First the function is watched through a recorder: round trips, and what it sends.
Then it runs alone: memory, log, and CPU as the kernel counts it, of the function's process and of the database's process for
it. At last it and the bare function, which repeats the recording, answer in turn, so that both times meet the same noise.
"""

import base64
import json
import sys
import tempfile
from contextlib import contextmanager
from statistics import median, quantiles

import contract
from cases import WARM
from runtime import ROOT, Function
from server import cpu
from wire import Recorder
from world import SETTINGS

BARE = ROOT / "target" / "bench" / "release"
BLOCK = 25  # requests; what is measured is a whole number of them


class Run:
    """A running function on a database, and what its requests have cost so far."""

    def __init__(self, server, binary, database, **env):
        url = {"DATABASE_URL": server.url(database)} if database else {}
        if database:
            server.await_end(database)  # what is there from here on is this function's
        self.server, self.database = server, database
        self.function = Function(binary, **{**url, **SETTINGS, **env})
        self.backends, self.seconds, self.spent = [], [], []

    def invoke(self, case, event):
        took, self.answer = self.function.invoke(event)
        case.check(self.answer)
        self.seconds.append(took)
        if len(self.seconds) % BLOCK == 0:
            self.spent.append(self.spends())

    def begin(self):
        """Count from here on."""
        self.backends = self.server.backends(self.database) if self.database else []
        self.seconds, self.spent = [], [self.spends()]

    def spends(self):
        return cpu(self.function.pid), sum(map(cpu, self.backends)), self.server.wal()

    def costs(self):
        """What a request cost: CPU as the median of blocks, since others use the machine now and then; the log as the mean.
        That is the whole server's, and so this function's where no other ran meanwhile."""
        function, database, _ = (median(after - before for before, after in zip(each, each[1:])) for each in zip(*self.spent))
        wal = (self.spent[-1][2] - self.spent[0][2]) / len(self.seconds)
        return {"p50_ms": median(self.seconds) * 1000, "function_ms": function / BLOCK, "database_ms": database / BLOCK,
                "wal_bytes": wal, "resident_mb": self.function.resident()}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.function.close()


def in_turn(runs, events, case, block=1):
    """Each answers its list of events, so many at a time; what they cost."""
    for run, each in zip(runs, events):
        for event in each[:WARM]:
            run.invoke(case, event)
        run.begin()
    for at in range(WARM, len(events[0]), block):
        for run, each in zip(runs, events):
            for event in each[at:at + block]:
                run.invoke(case, event)
    return [run.costs() for run in runs]


def record(server, case, database, events):
    """What the function sends for each event and what it answers, and the most round trips of a warm request."""
    requests = []
    with Recorder(server) as recorder, Run(server, contract.binary(case.function), database,
                                           DATABASE_URL=recorder.url(database)) as run:
        recorder.take()
        for event in events:
            run.invoke(case, event)
            requests.append(recorder.take())
    answer = run.answer
    body, binary = answer.get("body") or "", answer.get("isBase64Encoded", False)
    recording = {
        "requests": [[sent for sent in trips if sent] for trips in requests],
        "answer": {"status": answer.get("statusCode", 200), "headers": answer.get("headers") or {}, "binary": binary,
                   "body": base64.b64decode(body).hex() if binary else body},
    }
    return recording, {"round_trips": max(map(len, requests[WARM:])), "answer_kb": len(body) / 1000}


@contextmanager
def copies(server, template, count):
    made = [server.create(template) for _ in range(count)]
    yield made
    for database in made:
        server.drop(database)


def measure(server, case, template):
    """Everything about one case, on copies of the database `template`."""
    events = case.events()
    stored = contract.database(case.function)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file, copies(server, template, 4) as databases:
        recording, counted = record(server, case, databases[0], events)
        if stored and not counted["round_trips"]:
            sys.exit(f"{case.name} sends the database nothing that the recorder sees")
        json.dump(recording, file)
        file.flush()

        def ours(database):
            return Run(server, contract.binary(case.function), database)

        def bare(database):
            hashes = {"HASHES": "yes"} if contract.hashes(case.function) else {}
            return Run(server, BARE / "sql", database if stored else None, RECORDING=file.name, **hashes)

        with ours(databases[1]) as run:
            [costs] = in_turn([run], [events], case)
        with ours(databases[2]) as run, bare(databases[3]) as floor:
            pair = in_turn([run, floor], [events, events], case)
            # each request against the one beside it
            ratio = median(a / b for a, b in zip(run.seconds, floor.seconds))
    # A floor that writes less than what stands on it was not sent the same.
    less = 2 * costs["wal_bytes"] - pair[0]["wal_bytes"]
    if less > 0.2 * costs["wal_bytes"] + 100:
        sys.exit(f"{case.name} writes {costs['wal_bytes']:.0f} bytes of WAL, and the bare function {less:.0f} less")
    return {**costs, **counted, "p50_ms": pair[0]["p50_ms"], "bare_p50_ms": pair[1]["p50_ms"], "ratio": ratio,
            "signed": "authorization" in events[0]["headers"]}


def starts(binaries, url, times=100):
    """Milliseconds from the start of a process to its first poll, by turns. A start is many turns of the scheduler's, which
    others can only lengthen: of each, what the fastest tenth stays below; and that as a multiple of the first's."""
    taken = {name: [] for name in binaries}
    for _ in range(times):
        for name, path in binaries.items():
            with Function(path, DATABASE_URL=url, **SETTINGS) as function:
                taken[name].append(function.start * 1000)
    undisturbed = {name: quantiles(each, n=10)[0] for name, each in taken.items()}
    first = next(iter(undisturbed.values()))
    return {name: {"ms": each, "ratio": each / first} for name, each in undisturbed.items()}
