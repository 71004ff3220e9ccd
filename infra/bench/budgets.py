"""What the design promises and what others take: each figure once, beside the words of section 7 of the design that it
comes from. `make load` has the budget of 500 clients, and infra/CAPACITY.md that of a month at rest.

Two say something else than the design, since its words ask for what no function can do:
- A bare function sends on what it got. Where something is worked out (questions or answers are checked or counted,
  results added up, a table written) that work is in no floor: there it is bounded by itself, a quarter of a millisecond.
- A function that does nothing but connect takes more than twice as long to start as one that does nothing: the server makes
  a process for it. So a start with a connection is held against that one.
"""

from typing import Callable, NamedTuple

import contract


RATIO = 1.2  # a warm request against bare
WORKED_OUT = {"add-survey", "flaskforms-add-survey", "submit-1", "submit-20", "submit-mixed", "put-response", "put-again",
              "delete-response", "results", "results-public", "page-csv", "answers"}


class Budget(NamedTuple):
    what: str
    measured: Callable  # of the results: (value, of what) for everything that the budget is for
    limit: float
    unit: str
    source: str


def of(case, *measures):
    """One case, as the sum of some measures."""
    def measured(results):
        found = results["cases"].get(case)
        return [(sum(found[each] for each in measures), case)] if found else []
    return measured


def each(measure, among=lambda name, case: True):
    """Every case, or those that the budget is for."""
    return lambda results: [(case[measure], name) for name, case in results["cases"].items() if among(name, case)]


def growth(case, along="responses", measures=("database_ms",)):
    """What the largest size costs as a multiple of what the smallest does."""
    def measured(results):
        sizes = sorted((int(size), sum(cases[case][each] for each in measures))
                       for size, cases in results["growth"].get(along, {}).items())
        return [(sizes[-1][1] / sizes[0][1], f"{sizes[-1][0]:,} against {sizes[0][0]:,} {along}")] if sizes else []
    return measured


def start(kind, floor):
    def measured(results):
        if not results["starts"]:
            return []
        ours, bare = results["starts"][kind]["ms"], results["starts"][floor]["ms"]
        return [(ours / bare, f"{ours:.1f} ms")]
    return measured


def own_work(results):
    return [(case["p50_ms"] - case["bare_p50_ms"], name) for name, case in results["cases"].items() if name in WORKED_OUT]


def package(among):
    return lambda results: [(size, name) for name, size in results["packages"].items() if among(name)]


def is_request(case):
    return bool(contract.operation(case["route"]))


def reads(case):
    return case["route"].startswith("GET ")


def sends_on(name, _):
    """Nothing is worked out, nor compressed, which is worth its time on the way to the client."""
    return name not in WORKED_OUT and not name.endswith("-gzip")


BUDGETS = [
    Budget("warm, against bare with the same SQL", each("ratio", sends_on), RATIO, "×",
           "GET /health: warm ≤ 1.2 × a bare lambda_http + tokio-postgres function with the same SQL, for every endpoint"),
    Budget("warm, beyond bare, where something is worked out", own_work, 0.25, "ms", "in place of the same"),
    Budget("98 active surveys of 20 questions, database", of("active-surveys", "database_ms"), 0.2, "ms",
           "list of 98 active surveys of 20 questions: database ≤ 0.2 ms"),
    Budget("the same, growth with questions", growth("active-surveys", "questions"), 1.2, "×",
           "no growth with questions or responses"),
    Budget("the same, growth with responses", growth("active-surveys"), 1.2, "×", "no growth with questions or responses"),
    Budget("own surveys, 100, database", of("own-surveys", "database_ms"), 0.25, "ms",
           "own surveys, 100, with token: database ≤ 0.25 ms"),
    Budget("response with 1 of 20 answers, round trips", of("submit-1", "round_trips"), 1, "", "one round trip warm"),
    Budget("response with 1 of 20 answers, database", of("submit-1", "database_ms"), 0.2, "ms",
           "response with 1 of 20 answers: one round trip warm; database ≤ 0.2 ms"),
    Budget("response with 20 of 20 choices, round trips", of("submit-20", "round_trips"), 1, "", "one round trip warm"),
    Budget("response with 20 of 20 choices, database", of("submit-20", "database_ms"), 0.25, "ms",
           "response with 20 of 20 choices: one round trip warm; database ≤ 0.25 ms"),
    Budget("response with 20 of 20 choices, WAL", of("submit-20", "wal_bytes"), 4000, "bytes", "WAL ≤ 4,000"),
    Budget("results of 20 questions, function and database", of("results", "function_ms", "database_ms"), 1.2, "ms",
           "results of 20 questions, 900 responses: ≤ 1.2 ms in all without raw answers"),
    Budget("the same, growth with responses", growth("results", measures=("function_ms", "database_ms")), 1.2, "×",
           "1,000,000 responses ≤ 1.2 × 1,000"),
    Budget("page of 100 responses, database", of("page", "database_ms"), 0.6, "ms", "page of 100 responses: database ≤ 0.6 ms"),
    Budget("start, static, against bare", start("static", "hello"), 2, "×",
           "process start to first poll of the Runtime API, database connection included: ≤ 2 × a bare lambda_http hello"),
    Budget("start, with database, against bare that connects", start("database", "bare, connected"), 1.2, "×", "in place of the same"),
    Budget("start, with keys and database, against the same", start("keys and database", "bare, connected"), 1.2, "×",
           "in place of the same"),
    Budget("round trips, whoever calls", each("round_trips", lambda _, case: is_request(case) and not case["signed"]), 1, "",
           "round trips to PostgreSQL on a warm connection: public request 1"),
    Budget("round trips, reading with a token", each("round_trips", lambda _, case: case["signed"] and reads(case)),
           1, "", "authenticated read 1 (pipelined or one statement)"),
    Budget("round trips, writing with a token", each("round_trips", lambda _, case: case["signed"] and not reads(case)),
           2, "", "write ≤ 2, whatever the number of questions or answers"),
    Budget("package, zipped", package(lambda name: name != "docs"), 2.5, "MB", "package of a function, zipped: ≤ 2.5 MB"),
    Budget("package of the documentation, zipped", package(lambda name: name == "docs"), 4, "MB",
           "the pages' and documentation's functions ≤ 4 MB"),
    Budget("resident", each("resident_mb", lambda _, case: not contract.hashes(case["function"])), 8, "MB", "resident ≤ 8 MB"),
    Budget("resident, of those that hash passwords", each("resident_mb", lambda _, case: contract.hashes(case["function"])),
           35, "MB",
           "login: resident ≤ 35 MB after any number of logins"),
]

# Where a submit stood on 2026-11-24, and the least that it can cost: "the floor, one row with 2 indexes: 0.09 ms, 1,277".
LANDED = {"submit-1": {"function_ms": 0.25, "database_ms": 0.33, "wal_bytes": 1364},
          "submit-20": {"function_ms": 0.27, "database_ms": 0.64, "wal_bytes": 13963}}
FLOOR = {"database_ms": 0.09, "wal_bytes": 1277}


def range_of_cpu(results):
    spent = [case["function_ms"] for case in results["cases"].values() if not contract.hashes(case["function"])]
    return f"{min(spent):.2f} to {max(spent):.2f} ms"


def results_at(responses):
    def measured(results):
        costs = results["growth"]["responses"][str(responses)]["flaskforms-results"]
        return f"{costs['function_ms'] + costs['database_ms']:.1f} ms, of 20 × {responses:,}"
    return measured


def started(results):
    return f"{results['starts']['keys and database']['ms']:.1f} ms"


# "What others need for the same", as the design has it, beside ours.
OTHERS = [
    ("flaskForms: function CPU of a request", "2.0 to 3.6 ms", range_of_cpu),
    ("flaskForms: results of 20 × 1,000 replies", "360 ms", results_at(1_000)),
    ("flaskForms: results of 20 × 20,000 replies", "9,400 ms", results_at(100_000)),
    ("AWS's Node client + pg: start", "140 to 250 ms", started),
    ("AWS's Python client + psycopg 3: start", "210 to 270 ms", started),
    ("the two, warm", "0.30 and 0.35 ms", lambda results: f"{results['cases']['health']['p50_ms']:.2f} ms"),
    ("the two, resident", "68 and 37 MB", lambda results: f"{results['cases']['health']['resident_mb']:.1f} MB"),
]


def is_missed_by(case, found):
    """Whether what was found of this case alone is above a budget."""
    alone = {"cases": {case.name: {"route": case.route, "function": case.function, **found}},
             "starts": {}, "packages": {}, "growth": {}}
    return any(not holds for *_, holds in judge(alone))


def judge(results):
    """Each budget that something was measured for: (budget, the largest value, of what, whether it holds)."""
    for budget in BUDGETS:
        found = sorted(budget.measured(results), reverse=True)
        if found:
            missed = sum(round(value, 2) > budget.limit for value, _ in found)
            (value, of), more = found[0], f", and {missed - 1} more" if missed > 1 else ""
            yield budget, value, of + more, not missed
