"""The popular survey: made, answered and checked through the API alone."""

import json
import secrets
import sys

from runtime import Function, binary, event

SECRET = secrets.token_urlsafe(48)
OFTEN = ["never", "seldom", "often", "always", "don't know"]
COLOURS = ["red", "green", "blue", "none"]
SAID = [f"a few words of {name}, as people write them" for name in ("ada", "bo", "cleo", "dan", "eve")]

# 20 questions, mostly of single choice, and for each the answers that it gets.
KINDS = [
    *[({"type": "single_choice", "replyContent": OFTEN}, OFTEN)] * 12,
    *[({"type": "multi_choice", "replyContent": COLOURS}, [["red"], ["green", "blue"], ["red", "green", "blue"]])] * 2,
    *[({"type": "scale"}, [1, 2, 3, 4, 5])] * 2,
    ({"type": "nps"}, list(range(11))),
    ({"type": "boolean"}, [True, False]),
    ({"type": "number"}, [0, 3, 7, 12, 40, 41, 99, 250]),
    ({"type": "short_text"}, SAID),
]


def call(name, url, *args, **kwargs):
    """One invocation of a function; what it answered."""
    with Function(binary(name), DATABASE_URL=url, JWT_SECRET_KEY=SECRET) as function:
        answer = function.invoke(event(*args, **kwargs))[1]
    if answer["statusCode"] >= 300:
        sys.exit(f"{name} answered {answer}")
    return json.loads(answer["body"])


class Survey:
    """A survey that is open to all, and what was acknowledged to those who answered it."""

    def __init__(self, url):
        self.url = url
        user = call("register", url, "POST", "/register",
                    body={"username": "ada", "email": "ada@example.com", "password": "correct horse"})
        self.owner = {"authorization": f"Bearer {user['access_token']}"}
        self.path = {"idSurvey": call("add-survey", url, "POST", "/surveys", headers=self.owner, body={
            "name": "Popular", "dueDate": "2099-12-31", "publicStats": True,
            "questions": [{"content": f"Question {n}?", "required": True, **kind} for n, (kind, _) in enumerate(KINDS, 1)],
        })["id"]}
        made = call("get-survey-questions", url, "GET", "/surveys/{idSurvey}/questions", path=self.path)["questions"]
        self.questions = [{"id": question["id"], "values": values} for question, (_, values) in zip(made, KINDS, strict=True)]
        self.counts = [[0] * len(question["values"]) for question in self.questions]
        self.acknowledged = 0
        self.submit = event("PUT", "/surveys/{idSurvey}/responses/{idResponse}", path=self.path, body={})
        self.read = event("GET", "/surveys/{idSurvey}/stats", path=self.path)

    def note(self, report):
        """Add what a run of the driver was acknowledged."""
        self.acknowledged += report["acknowledged"]
        self.counts = [[a + b for a, b in zip(*both)] for both in zip(self.counts, report["counts"], strict=True)]

    def differences(self):
        """Where the API says another thing than it acknowledged."""
        results = call("get-survey-stats", self.url, "GET", "/surveys/{idSurvey}/stats", path=self.path)
        for result, question, counts in zip(results, self.questions, self.counts, strict=True):
            told, right = tell(result), add_up(result["type"], list(zip(question["values"], counts)))
            if told != right:
                yield f"{result['content']} ({result['type']}) has {told} in the results, and {right} were acknowledged"
        survey, = call("get-surveys", self.url, "GET", "/surveys", headers=self.owner)["surveys"]
        if survey["subCount"] != self.acknowledged:
            yield f"the list says {survey['subCount']} responses, and {self.acknowledged} were acknowledged"


def tell(result):
    """What the results of a question say: its votes, and what is counted of them."""
    summary, kind = result["summary"], result["type"]
    if kind in ("single_choice", "multi_choice"):
        return result["votes"], {option["value"]: option["count"] for option in summary["options"]}
    if kind in ("scale", "nps", "boolean"):
        return result["votes"], {str(each["value"]): each["count"] for each in summary["values"]}
    if kind == "number":
        return result["votes"], {name: summary[name] for name in ("count", "sum", "min", "max")}
    return result["votes"], {}


def add_up(kind, answers):
    """The same of acknowledged answers, as pairs of the answer and how often it was given."""
    votes = sum(n for _, n in answers)
    if kind == "multi_choice":
        return votes, {colour: sum(n for chosen, n in answers if colour in chosen) for colour in COLOURS}
    if kind in ("single_choice", "scale", "nps", "boolean"):
        return votes, {str(value): n for value, n in answers}
    if kind == "number":
        given = [value for value, n in answers if n]
        return votes, {"count": votes, "sum": sum(value * n for value, n in answers), "min": min(given), "max": max(given)}
    return votes, {}
