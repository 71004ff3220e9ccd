"""Draws the results: text that stays text, in the reader's own font, on no background, so that it can be read on a light and
on a dark page. The same results give the same bytes.
"""

import matplotlib
from matplotlib.figure import Figure

from budgets import FLOOR, LANDED
from cases import FLASKFORMS

INK, OURS, BARE, SECOND = "#6e7781", "#3b82d6", "#d97b29", "#8fb8e8"  # each stands out from white and from near black
LINES = ["#3b82d6", "#d97b29", "#3fa66b", "#b45fc4", "#c9554d", "#8a8f2f"]
STYLE = {
    "svg.fonttype": "none", "svg.hashsalt": "canvass", "font.family": "sans-serif",
    "font.sans-serif": ["system-ui", "Segoe UI", "DejaVu Sans", "sans-serif"], "font.size": 9,
    "text.color": INK, "axes.edgecolor": INK, "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK,
    "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 10, "axes.titlelocation": "left",
}
GROWTH = {"results": "results", "own-surveys": "own surveys, 100", "active-surveys": "active surveys, 98",
          "page": "page of 100", "page-csv": "page of 100, CSV", "submit-20": "submit"}


def save(figure, folder, name):
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{name}.svg", transparent=True, bbox_inches="tight", metadata={"Date": None, "Creator": None})


def latency(results):
    """Each endpoint beside the bare function, on a logarithmic scale: the same ratio is the same distance everywhere."""
    cases = [(name, case) for name, case in results["cases"].items() if not name.startswith(FLASKFORMS)]
    cases.sort(key=lambda each: each[1]["p50_ms"])
    ours, bare = ([case[measure] for _, case in cases] for measure in ("p50_ms", "bare_p50_ms"))
    figure = Figure(figsize=(7, 0.16 * len(cases) + 0.6))
    axes = figure.subplots()
    rows = range(len(cases))
    axes.hlines(rows, bare, ours, color=SECOND, linewidth=3)
    axes.plot(bare, rows, "|", color=BARE, markersize=7, markeredgewidth=2, label="bare, with the same SQL")
    axes.plot(ours, rows, "o", color=OURS, markersize=4, label="Canvass")
    for row, value, floor in zip(rows, ours, bare):
        note(axes, f"{value:.2f}", max(value, floor), row)
    axes.set_xscale("log")
    ticks = [each for each in (0.03, 0.1, 0.3, 1, 3, 10, 30, 100) if min(ours) <= each <= max(ours)]
    axes.set_xticks(ticks, [f"{each:g}" for each in ticks])
    axes.minorticks_off()
    axes.set_yticks(rows, [name for name, _ in cases], fontsize=8)
    axes.set_ylim(-0.6, len(cases) - 0.4)
    axes.tick_params(axis="y", length=0)
    axes.set_title("A warm request, median, ms")
    axes.legend(frameon=False, loc="lower right")
    return figure


def note(axes, text, x, y):
    axes.annotate(text, (x, y), xytext=(5, 0), textcoords="offset points", va="center", fontsize=8)


def grown(results):
    """CPU of a request by the number of responses to the survey."""
    sizes = results["growth"]["responses"]
    figure = Figure(figsize=(7, 3))
    axes = figure.subplots()
    numbers = [int(size) for size in sizes]
    for (name, label), colour in zip(GROWTH.items(), LINES):
        spent = [costs[name]["function_ms"] + costs[name]["database_ms"] for costs in sizes.values()]
        axes.plot(numbers, spent, "o-", color=colour, markersize=4, linewidth=1.5, label=label)
    axes.set_xscale("log")
    axes.set_xticks(numbers, [f"{number:,}" for number in numbers])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.set_xlabel("responses to the survey")
    axes.set_title("Function and database CPU of a request, ms")
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def submit(results):
    """What a response costs, before, now, and at the least."""
    rows, labels = [], []
    for name, answers in ("submit-20", "20 answers"), ("submit-1", "1 answer"):
        rows += [LANDED[name], results["cases"][name]]
        labels += [f"{answers}, 2026-11-24", f"{answers}, now"]
    rows, labels = [*rows, {"function_ms": 0, **FLOOR}], [*labels, "one row, 2 indexes"]
    figure = Figure(figsize=(7, 1.9))
    time, log = figure.subplots(1, 2, sharey=True)
    places = range(len(rows))[::-1]
    database = [row["database_ms"] for row in rows]
    function = [row["function_ms"] for row in rows]
    time.barh(places, database, color=OURS, height=0.6, label="database")
    time.barh(places, function, left=database, color=SECOND, height=0.6, label="function")
    log.barh(places, [row["wal_bytes"] for row in rows], color=BARE, height=0.6)
    for axes, totals, form in ((time, map(sum, zip(database, function)), ".2f"),
                               (log, [row["wal_bytes"] for row in rows], ",.0f")):
        for place, total in zip(places, totals):
            note(axes, f"{total:{form}}", total, place)
        axes.tick_params(axis="y", length=0)
    time.set_yticks(places, labels)
    time.set_title("CPU of a submit, ms")
    time.legend(frameon=False, ncols=2, loc="upper left", bbox_to_anchor=(-0.03, -0.15))
    log.set_title("WAL of a submit, bytes")
    log.xaxis.set_major_formatter("{x:,.0f}")
    return figure


def draw(results, folder):
    with matplotlib.rc_context(STYLE):
        for plot in latency, grown, submit:
            save(plot(results), folder, plot.__name__)
