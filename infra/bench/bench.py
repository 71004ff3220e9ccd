#!/usr/bin/env python3
"""Measures what the design promises, every endpoint of it, and fails where a budget is missed: `make bench`.

    bench.py                  everything, kept in target/bench/results.json, with plots of it
    bench.py --only WORD…     what has one of these words in its name: a case, `starts`, `packages`, `growth`; nothing is kept
    bench.py --readme         the table and the plots of the last run, into README.md and infra/bench/plots

A function is driven as Lambda drives it: this program is its Runtime API, hands it one event after another over loopback and
takes the time until the answer is back. Needs the release binaries of `make build`, and runs on the database at
TEST_DATABASE_URL, which infra/local/postgres.py makes.

Environment:
  BENCH_OF   another checkout with its binaries, to be measured in place of this one
"""

import argparse
import datetime
import json
import os
import platform
import statistics
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "infra" / "local"))

import budgets  # noqa: E402 (the path comes first)
import contract  # noqa: E402
import growth  # noqa: E402
import measure  # noqa: E402
import plots  # noqa: E402
import readme  # noqa: E402
from cases import SOME, WARM, all_cases  # noqa: E402
from server import Server  # noqa: E402
from world import World, recount  # noqa: E402

KEPT = ROOT / "target" / "bench" / "results.json"
COLUMNS = [("p50 ms", "p50_ms", ".2f"), ("bare", "bare_p50_ms", ".2f"), ("ratio", "ratio", ".2f"),
           ("function ms", "function_ms", ".2f"), ("database ms", "database_ms", ".2f"), ("WAL", "wal_bytes", ",.0f"),
           ("trips", "round_trips", "d"), ("MB", "resident_mb", ".1f"), ("answer kB", "answer_kb", ".1f")]
START_KINDS = {"keys and database": "get-surveys", "database": "active-surveys", "static": "docs"}


def line(name, cells):
    print(f"{name:32}" + "".join(f"{cell:>13}" for cell in cells), flush=True)


def measure_cases(server, chosen):
    world = World(server, victims=WARM + SOME)
    recount(server, world.database)
    line("", [title for title, _, _ in COLUMNS])
    measured = {}
    for case in filter(lambda case: chosen(case.name), all_cases(world)):
        world.renew()
        found = measure.measure(server, case, world.database)
        # A miss is no accident if it is one in two of three.
        if budgets.is_missed_by(case, found):
            all_three = [found, *(measure.measure(server, case, world.database) for _ in range(2))]
            found = {name: statistics.median(each[name] for each in all_three) for name in found}
        line(case.name, [f"{found[key]:{form}}" for _, key, form in COLUMNS])
        measured[case.name] = {"what": case.what, "route": case.route, "function": case.function, **found}
    return measured


def measure_starts(server):
    database = server.create()
    contract.example("migrate", server.url(database))
    binaries = {"hello": measure.BARE / "hello", "bare, connected": measure.BARE / "sql",
                **{kind: contract.binary(name) for kind, name in START_KINDS.items()}}
    found = measure.starts(binaries, server.url(database))
    for name, each in found.items():
        line(f"start, {name}", [f"{each['ms']:.1f} ms", f"{each['ratio']:.2f} ×"])
    return found


def measure_growth(server):
    along = {"responses": growth.along_responses(server), "questions": growth.along_questions(server)}
    for unit, sizes in along.items():
        for name in next(iter(sizes.values())):
            line(name, [f"{costs[name]['function_ms'] + costs[name]['database_ms']:.2f} ms" for costs in sizes.values()])
        line(f"(CPU in all, by {unit})", [f"{size:,}" for size in sizes])
    return {unit: {str(size): costs for size, costs in sizes.items()} for unit, sizes in along.items()}


def processor():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{name}, {os.cpu_count()} cores"


def run(chosen):
    results = {"date": datetime.date.today().isoformat(), "machine": processor(),
               "command": "make bench", "cases": {}, "starts": {}, "packages": {}, "growth": {}}
    with Server() as server:
        results["cases"] = measure_cases(server, chosen)
        if chosen("starts"):
            results["starts"] = measure_starts(server)
        if chosen("packages"):
            results["packages"] = {name: contract.zipped(name) for name in contract.FUNCTIONS}
        if chosen("growth"):
            results["growth"] = measure_growth(server)
    return results


def report(results):
    """Print each budget and what was measured; whether all of them hold."""
    print()
    judged = list(budgets.judge(results))
    for budget, value, of, holds in judged:
        print(f"{'   ' if holds else 'NO '} {budget.what:56} {value:9,.2f} of {budget.limit:,g} {budget.unit:6} {of}")
    return all(holds for *_, holds in judged)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--only", nargs="+", metavar="WORD")
    arguments.add_argument("--readme", action="store_true")
    chosen = arguments.parse_args()
    if chosen.readme:
        return readme.write(json.loads(KEPT.read_text()))
    began = time.monotonic()
    results = run(lambda name: not chosen.only or any(word in name for word in chosen.only))
    if not chosen.only:
        KEPT.write_text(json.dumps(results, indent=1))
        plots.draw(results, KEPT.parent)
    kept = report(results)
    print(f"\nmeasured in {time.monotonic() - began:.0f} s")
    sys.exit(0 if kept else 1)


if __name__ == "__main__":
    main()
