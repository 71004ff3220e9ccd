"""One request after another to a warm function, and to a bare one that sends the database the same: what each costs.

First the function is watched through a recorder: round trips, the log that is written, and what it sends. Then it and the
bare function, which repeats the recording, answer in turn, each on a copy of the same database, so that both do the same
work and meet the same noise. CPU is counted by the kernel: of the function's process, and of the database's process for it.
"""

import base64
import json
import sys
import tempfile
from statistics import median

import contract
from cases import WARM
from runtime import ROOT, Function
from server import cpu
from wire import Recorder
from world import SETTINGS

BARE = ROOT / "target" / "bench" / "release"


class Run:
    """A running function on a database, and what its requests have cost so far."""

    def __init__(self, server, binary, database, **env):
        url = {"DATABASE_URL": server.url(database)} if database else {}
        self.server, self.database = server, database
        self.function = Function(binary, **{**url, **SETTINGS, **env})
        self.seconds = []

    def invoke(self, case, event):
        took, self.answer = self.function.invoke(event)
        case.check(self.answer)
        self.seconds.append(took)

    def begin(self):
        """Count from here on."""
        self.seconds = []
        self.backends = self.server.backends(self.database) if self.database else []
        self.before = self.spent()

    def spent(self):
        return cpu(self.function.pid), sum(map(cpu, self.backends))

    def costs(self):
        function, database = (after - before for after, before in zip(self.spent(), self.before))
        times = len(self.seconds)
        return {"p50_ms": median(self.seconds) * 1000, "function_ms": function / times, "database_ms": database / times,
                "resident_mb": self.function.resident()}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.function.close()


def in_turn(runs, events, case):
    """Each answers its list of events, one at a time; what they cost."""
    for number, each in enumerate(zip(*events)):
        if number == WARM:
            for run in runs:
                run.begin()
        for run, event in zip(runs, each):
            run.invoke(case, event)
    return [run.costs() for run in runs]


def record(server, case, template, events):
    """What the function sends for each event and what it answers; with the most round trips of a warm request, and its WAL."""
    database = server.create(template)
    requests = []
    with Recorder(server) as recorder, Run(server, contract.binary(case.function), database,
                                           DATABASE_URL=recorder.url(database)) as run:
        recorder.take()
        for number, event in enumerate(events):
            if number == WARM:
                before = server.wal()
            run.invoke(case, event)
            requests.append(recorder.take())
        wal = (server.wal() - before) / case.times
    server.drop(database)
    answer = run.answer
    body, binary = answer.get("body") or "", answer.get("isBase64Encoded", False)
    recording = {
        "requests": [[sent for sent in trips if sent] for trips in requests],
        "answer": {"status": answer.get("statusCode", 200), "headers": answer.get("headers") or {}, "binary": binary,
                   "body": base64.b64decode(body).hex() if binary else body},
    }
    return recording, {"round_trips": max(map(len, requests[WARM:])), "wal_bytes": wal, "answer_kb": len(body) / 1000}


def measure(server, case, template):
    """Everything about one case, on copies of the database `template`; on none if the function needs none."""
    events = case.events()
    recording, counted = record(server, case, template, events)
    databases = [server.create(template) if contract.database(case.function) else None for _ in range(2)]
    if databases[0] and not counted["round_trips"]:
        sys.exit(f"{case.name} sends the database nothing that the recorder sees")
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(recording, file)
        file.flush()
        hashes = {"HASHES": "yes"} if contract.hashes(case.function) else {}
        with Run(server, contract.binary(case.function), databases[0]) as ours, \
                Run(server, BARE / "sql", databases[1], RECORDING=file.name, **hashes) as bare:
            before = server.wal()
            costs, floor = in_turn([ours, bare], [events, events], case)
            wal = (server.wal() - before) / len(events)
    for name in filter(None, databases):
        server.drop(name)
    # A floor that writes less than what stands on it was not sent the same.
    if wal < 1.8 * counted["wal_bytes"] - 100:
        sys.exit(f"{case.name} writes {counted['wal_bytes']:.0f} bytes of WAL, and the bare function {wal - counted['wal_bytes']:.0f}")
    return {**costs, **counted, **{f"bare_{name}": value for name, value in floor.items()},
            # each request against the one beside it, which met the same noise
            "ratio": median(a / b for a, b in zip(ours.seconds, bare.seconds)), "signed": "authorization" in events[0]["headers"]}


def starts(binaries, database_url, times=25):
    """Median seconds from the start of a process to its first poll, started in turn."""
    taken = {name: [] for name in binaries}
    for _ in range(times):
        for name, path in binaries.items():
            with Function(path, DATABASE_URL=database_url, **SETTINGS) as function:
                taken[name].append(function.start * 1000)
    return {name: median(each) for name, each in taken.items()}
