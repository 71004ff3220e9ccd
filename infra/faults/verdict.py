"""What is stored in the end, held against what the clients know."""

import subprocess
import time
from collections import Counter, defaultdict
from copy import deepcopy
from datetime import datetime

from clients import ELSE, GOOD, MANY, RESPONSES, STATS, WHEN, WHICH, WHO

PATIENCE = 30  # seconds, for what is being stored to be stored, once nobody sends any more


def gather(row):
    """What the API says of the row's survey, and what the recount says of the database."""
    facts = {"responses": list(every_response(row)), "results": ask(row, "get-survey-stats", STATS),
             "count": ask(row, "survey", "/surveys/{idSurvey}")["subCount"]}
    recount = subprocess.run([row.stage.recount], env={"DATABASE_URL": row.server.url}, capture_output=True, text=True)
    return facts | {"differences": (recount.stdout + recount.stderr).splitlines() if recount.returncode else []}


def ask(row, name, route, **query):
    """What a new function answers to the owner, directly from the server."""
    headers = {"authorization": f"Bearer {row.token}"}
    return row.stage.must(200, name, "GET", route, {"idSurvey": row.survey}, headers, query=query)


def every_response(row):
    query, deadline = {"limit": 1000}, time.monotonic() + PATIENCE
    while True:
        page = ask(row, "get-responses", RESPONSES, **query)
        yield from page["responses"]
        if "next" not in page:
            return
        query["after"] = page["next"]
        if not page["responses"]:  # something is being stored just now
            if time.monotonic() > deadline:
                raise RuntimeError(f"{PATIENCE} seconds after the last request, responses are still being stored")
            time.sleep(0.1)


def judge(sent, facts, questions, stood_still=None):
    """All that is wrong, as lines of text. `sent` is what the clients sent and know of it."""
    complaints = list(facts["differences"])
    stored = defaultdict(list)
    for response in facts["responses"]:
        stored[name(response["answers"], questions)].append(response)
    for one in sent:
        complaints += judge_one(one, stored.pop(one.name, []), stood_still)
    complaints += [f"{responses} is stored, and nobody sent it" for responses in stored.values()]
    return [*complaints, *judge_results(facts, questions)]


def name(answers, questions):
    """The name that a response, or a reply to either of two questions, has in its answers."""
    return answers.get(questions[WHO]) or answers.get(questions[ELSE], {}).get("name")


def judge_one(sent, stored, stood_still):
    what = f"{sent.name} ({'deleted' if sent.deleted else 'acknowledged' if sent.created_at else 'never acknowledged'})"
    least, most = int(bool(sent.created_at and not sent.deleting)), int(not sent.deleted)
    if not least <= len(stored) <= most:
        yield f"{what} is stored {len(stored)} times"
    for response in stored:
        if response["answers"] != sent.answers or response["single"] != sent.single:
            yield f"{what} was {sent.answers}, and stored is {response}"
        if sent.id not in (None, response["id"]):
            yield f"{what} had the id {sent.id}, and stored is {response['id']}"
        if not sent.single and sent.created_at not in (None, response["createdAt"]):
            yield f"{what} was said to be of {sent.created_at}, and stored is {response['createdAt']}"
        if stood_still and stood_still[0] < sent.began < stood_still[1]:
            # What is stored has the database's time, not that of a function, which read its clock long before.
            if datetime.fromisoformat(response["createdAt"]).timestamp() < stood_still[1]:
                yield f"{what} is dated {response['createdAt']}, when the database stood still"


def judge_results(facts, questions):
    """What was counted, against what is stored."""
    answers = [[r["answers"][question] for r in facts["responses"] if question in r["answers"]] for question in questions]
    numbers, days = answers[MANY], answers[WHEN]
    summaries = [result["summary"] for result in facts["results"]]
    which, good = (Counter(dict((v["value"], v["count"]) for v in values)) for values in (
        summaries[WHICH]["options"], summaries[GOOD]["values"]))
    singles = Counter(question for r in facts["responses"] if r["single"] for question in r["answers"])
    whole = sum(not response["single"] for response in facts["responses"])
    for what, counted, stored in (
            ("votes", [result["votes"] for result in facts["results"]], list(map(len, answers))),
            ("options", +which, Counter(answers[WHICH])),
            ("points of the scale", +good, Counter(answers[GOOD])),
            ("count and sum", [summaries[MANY]["count"], summaries[MANY]["sum"]], [len(numbers), sum(numbers)]),
            ("least and greatest", [summaries[MANY]["min"], summaries[MANY]["max"]],
             [min(numbers, default=None), max(numbers, default=None)]),
            ("first and last day", [summaries[WHEN]["min"], summaries[WHEN]["max"]],
             [min(days, default=None), max(days, default=None)]),
            ("subCount", facts["count"], whole + max(singles.values(), default=0))):
        if counted != stored:
            yield f"the {what} are said to be {counted}, and stored are {stored}"


def blind_spots(sent, facts, questions):
    """A check that can't fail is none: what `judge` doesn't see of things that are wrong on purpose. `sent` and `facts` are
    those of a row in which nothing is."""
    def lose(sent, facts, victim):
        facts["responses"].remove(victim)

    def double(sent, facts, victim):
        facts["responses"].append(victim | {"id": "another"})

    def invent(sent, facts, victim):
        victim["answers"][questions[WHO]] = "nobody"

    def change(sent, facts, victim):
        victim["answers"][questions[WHICH]] = "eel"

    def undelete(sent, facts, victim):
        next(one for one in sent if one.id == victim["id"]).deleted = True

    def date_anew(sent, facts, victim):
        victim["createdAt"] = "2001-01-01T00:00:00Z"

    def vote_twice(sent, facts, victim):
        facts["results"][WHICH]["votes"] += 1

    def add_wrongly(sent, facts, victim):
        facts["results"][MANY]["summary"]["sum"] += 1

    def miscount(sent, facts, victim):
        facts["count"] += 1

    def differ(sent, facts, victim):
        facts["differences"].append("survey …: responses 2, there are 1")

    if not judge(sent, facts, questions, stood_still=(0, time.time())):
        yield "the checks don't see times that are not the database's"
    for spoil in lose, double, invent, change, undelete, date_anew, vote_twice, add_wrongly, miscount, differ:
        spoiled, its_facts = deepcopy(sent), deepcopy(facts)
        spoil(spoiled, its_facts, next(response for response in its_facts["responses"] if not response["single"]))
        if not judge(spoiled, its_facts, questions):
            yield f"the checks don't see when something is wrong: {spoil.__name__}"
