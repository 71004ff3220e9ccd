"""What grows with the number of responses, or of questions, and what doesn't.

A thousand responses are sent through the function that takes them. More are copies of those, made in the database by the
one function here that knows its tables; then all counters are computed anew, and a difference ends the run.
"""

from contextlib import ExitStack

import contract
from cases import WARM, all_cases
from measure import BLOCK, Run, in_turn
from world import World, recount

# Submitting last: the others are to find what was made.
ALONG_RESPONSES = ["results", "flaskforms-results", "own-surveys", "active-surveys", "page", "page-csv", "submit-20"]
ALONG_QUESTIONS = ["own-surveys", "active-surveys"]
FIRST, LAST = 1_000, 1_000_000
TIMES = 150


def multiply(server, database, survey, times):
    """Store every response of a survey of choices `times` times, as if so many had been sent, each at its moment."""
    server.run(database, f"""
        INSERT INTO responses (id, survey_id, single, hash, bytes, xid, created_at, answers)
        SELECT uuidv7(), survey_id, single, hash, bytes, xid, created_at, answers
        FROM responses, generate_series(2, {times}) WHERE survey_id = '{survey}'""", f"""
        UPDATE survey_counters SET
            changes = changes * {times},
            responses = responses * {times},
            counts = ARRAY(SELECT n * {times} FROM unnest(counts) WITH ORDINALITY AS c (n, place) ORDER BY place)
        WHERE survey_id = '{survey}'""")


def along_responses(server):
    """The cases at 1,000 responses and each power of ten up to a million."""
    world = World(server, responses=FIRST)
    databases = {FIRST: world.database}
    while (size := max(databases)) < LAST:
        databases[size * 10] = server.create(databases[size])
        multiply(server, databases[size * 10], world.popular, 10)
        server.tidy(databases[size * 10])
        recount(server, databases[size * 10])
        print(f"made {size * 10:,} responses, whose counters agree with them", flush=True)
    return at_each(server, ALONG_RESPONSES, {size: (world, database) for size, database in databases.items()})


def along_questions(server):
    """The lists, where each survey has a question and where it has twenty."""
    worlds = {count: World(server, questions=count, responses=10) for count in (1, 20)}
    return at_each(server, ALONG_QUESTIONS, {count: (world, world.database) for count, world in worlds.items()})


def at_each(server, names, sizes):
    """By size and name: what each case costs, measured on all sizes by turns."""
    found = {size: {} for size in sizes}
    for name in names:
        for world, _ in sizes.values():
            world.renew()
        with ExitStack() as files:
            cases = [next(case for case in all_cases(world) if case.name == name) for world, _ in sizes.values()]
            binary = contract.binary(cases[0].function)
            runs = [files.enter_context(Run(server, binary, database)) for _, database in sizes.values()]
            costs = in_turn(runs, [case.events()[:WARM + TIMES] for case in cases], cases[0], block=BLOCK)
        for size, each in zip(sizes, costs):
            found[size][name] = each
    for _, database in sizes.values():
        server.drop(database)
    return found
