"""Writes the results of a run into README.md, between two marks, and its plots beside this file."""

from pathlib import Path

import budgets
import plots

ROOT = Path(__file__).resolve().parents[2]
PLOTS = Path(__file__).parent / "plots"
BEGIN, END = "<!-- begin bench: written by make bench-readme; edits are lost -->", "<!-- end bench -->"


def table(titles, rows):
    """The first column is text, the others are numbers."""
    lines = [titles, ["---", *["--:"] * (len(titles) - 1)], *rows]
    return "\n".join("| " + " | ".join(map(str, cells)) + " |" for cells in lines)


def number(value):
    return f"{value:,.0f}" if value == int(value) or value >= 100 else f"{value:.2f}"


def amount(number, budget):
    return f"{number} {budget.unit}".strip()


def promises(results):
    return table(["", "measured", "budget"], [
        [budget.what, amount(number(value), budget) + ("" if holds else " **missed**"), amount(f"{budget.limit:,g}", budget)]
        for budget, value, _, holds in budgets.judge(results)])


def endpoints(results):
    titles = "p50 ms", "bare ms", "function CPU ms", "database CPU ms", "WAL bytes", "round trips", "resident MB", "zipped MB"
    return table(["", *titles], [[
        f"`{case['route']}` {case['what']}",
        *(f"{case[name]:.2f}" for name in ("p50_ms", "bare_p50_ms", "function_ms", "database_ms")),
        f"{case['wal_bytes']:,.0f}", case["round_trips"],
        *(f"{megabytes:.1f}" for megabytes in (case["resident_mb"], results["packages"][case["function"]])),
    ] for case in results["cases"].values()])


def grown(results):
    sizes = results["growth"]["responses"]
    return table(["CPU ms by responses", *(f"{int(size):,}" for size in sizes)], [
        [results["cases"][name]["what"],
         *(f"{each[name]['function_ms'] + each[name]['database_ms']:.2f}" for each in sizes.values())]
        for name in next(iter(sizes.values()))])


def others(results):
    return table(["", "theirs, published", "Canvass"], [[what, theirs, ours(results)] for what, theirs, ours in budgets.OTHERS])


def reworded(results):
    start = results["starts"]["keys and database"]["ratio"]
    worked, name = max((case["ratio"], name) for name, case in results["cases"].items() if name in budgets.WORKED_OUT)
    return (f"by its words a start with a database is {start:.1f} × a function that does nothing, of 2, "
            f"and `{name}` takes {worked:.2f} × bare, of 1.2")


def text(results):
    pictures = "\n".join(f"![{title}](infra/bench/plots/{name}.svg)\n" for name, title in (
        ("latency", "A warm request of each endpoint, beside a bare function"),
        ("grown", "What grows with the number of responses"),
        ("submit", "What a submit costs, before and now")))
    return f"""\
Measured on {results['date']} by `{results['command']}`: release binaries, driven as Lambda drives them over its Runtime API on
loopback; PostgreSQL on the same machine over a Unix socket, without `fsync`; {results['machine']}. A *bare* function sends the
database the same statements, reads what comes back, and sends the client the same answer, with nothing between. CPU is counted by
the kernel.

{promises(results)}

Two of these are worded otherwise than in the design ({reworded(results)}); infra/bench/budgets.py says why.

{pictures}
<details><summary>Every endpoint</summary>

{endpoints(results)}

</details>
<details><summary>Growth, and what others take</summary>

{grown(results)}

{others(results)}

</details>
"""


def write(results):
    readme = ROOT / "README.md"
    before, found, rest = readme.read_text().partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not (found and ended):
        raise SystemExit(f"README.md has no place for it: a line {BEGIN}, and below it a line {END}")
    plots.draw(results, PLOTS)
    readme.write_text(f"{before}{BEGIN}\n{text(results)}{END}{after}")
