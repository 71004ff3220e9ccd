"""Good clients: each knows what it sent and what it was told, and tries again what it may try again.

Every client is a thread with functions of its own, as each of them had a sandbox of Lambda's to itself. One that doesn't
answer in time is left alone, for who knows what it still does, and the client gets another.
"""

import json
import threading
import time
import traceback
import uuid

from runtime import Ended, Failed, Silent, event

RESPONSES = "/surveys/{idSurvey}/responses"
RESPONSE = "/surveys/{idSurvey}/responses/{idResponse}"
REPLIES = "/questions/{idQuestion}/replies"
STATS = "/surveys/{idSurvey}/stats"
START = 10  # seconds, for a function to start; INIT may take that long

QUESTIONS = [  # every response answers those that are required, and some of the others
    {"content": "Which?", "type": "single_choice", "required": True, "replyContent": ["ant", "bee", "cat", "dog"]},
    {"content": "Who are you?", "type": "short_text", "required": True},
    {"content": "How good?", "type": "scale"},
    {"content": "How many?", "type": "number"},
    {"content": "When?", "type": "date"},
    {"content": "What else?", "type": "x-note"},
]
WHICH, WHO, GOOD, MANY, WHEN, ELSE = range(len(QUESTIONS))


class Sent:
    """A response, or a reply sent alone, and what its client knows of it. Its name is nobody else's, and in its answers."""

    def __init__(self, name, id_, answers, single):
        self.name, self.id, self.answers, self.single = name, id_, answers, single
        self.began = time.time()
        self.created_at = None  # known once it is acknowledged
        self.deleting = self.deleted = False


class Attempt:
    """One request, and what came of it: a status, `silent` or `ended`."""

    def __init__(self, began, outcome, good, retry):
        self.began, self.ended, self.outcome, self.good, self.retry = began, time.monotonic(), outcome, good, retry


class Client(threading.Thread):
    """One of a row's clients. `act` is one thing that it does, over and over until the row is over."""

    def __init__(self, row, number, random):
        super().__init__(daemon=True, name=f"{type(self).__name__} {number}")
        self.row, self.number, self.random = row, number, random
        self.functions, self.left_alone = {}, []
        self.sent, self.attempts, self.complaints = [], [], []
        self.working_since, self.is_waiting = None, False
        self.count = 0

    def run(self):
        try:
            while not self.row.is_over:
                self.is_waiting = True
                self.row.may_go_on.wait()
                self.is_waiting = False
                self.act()
                time.sleep(self.random.uniform(*self.pause))
        except Exception:
            self.complaints.append(traceback.format_exc())

    def function(self, name):
        if name not in self.functions:
            self.functions[name] = self.row.function(name)
        return self.functions[name]

    def ask(self, name, method, route, path, body=None, good=(200,), retry=False):
        """One attempt: the answer, or None if there was none."""
        began, answer, outcome = time.monotonic(), None, None
        headers = {} if body is not None else {"authorization": f"Bearer {self.row.token}"}
        try:
            function = self.function(name)
            self.working_since = time.monotonic()
            answer = function.invoke(event(method, route, path, headers, body), self.row.patience)[1]
            outcome = answer["statusCode"]
        except Silent:
            outcome = "silent"
            self.left_alone += filter(None, [self.functions.pop(name, None)])
        except Ended:
            outcome = "ended"
            if ended := self.functions.pop(name, None):
                ended.close()
        except Failed as failure:
            self.complaints.append(f"{name} failed: {failure}")
        finally:
            self.working_since = None
        if answer and (complaint := self.row.contract.complaint(method, route, answer)):
            self.complaints.append(complaint)
        self.attempts.append(Attempt(began, outcome, outcome in good, retry))
        return answer

    def ask_until(self, good, *arguments, **keywords):
        """Attempts until one is answered with something other than 503: the answer, and whether there were more than one. The
        statuses in `good` are what is hoped for. Retry-After says five seconds; we are less patient, so as to see more."""
        began, retry = time.monotonic(), False
        while True:
            answer = self.ask(*arguments, **keywords, good=good, retry=retry)
            if answer and answer["statusCode"] != 503 or time.monotonic() > began + self.row.give_up:
                return answer, retry
            retry = True
            time.sleep(self.random.uniform(0.05, 0.4))

    def name_next(self):
        self.count += 1
        return f"{self.name} {self.count}"

    def path(self, sent):
        return {"idSurvey": self.row.survey, "idResponse": sent.id}

    def unexpected(self, what, answer):
        self.complaints.append(f"{what}: {answer['statusCode']} {answer['body']}" if answer else f"{what}: given up")

    def close(self):
        for function in list(self.functions.values()) + self.left_alone:
            function.close()


class Submitter(Client):
    """Answers the survey as a whole, under ids of its own: a retry has the same id and the same answers."""

    pause = 0.005, 0.03

    def act(self):
        random, name = self.random, self.name_next()
        answers = {WHICH: random.choice(QUESTIONS[WHICH]["replyContent"]), WHO: name}
        optional = {GOOD: random.randint(1, 5), MANY: random.randint(-1000, 1000), ELSE: {"note": [random.random(), name]},
                    WHEN: f"20{random.randint(10, 40)}-{random.randint(1, 12):02}-{random.randint(1, 28):02}"}
        answers |= {question: answer for question, answer in optional.items() if random.random() < 0.7}
        sent = Sent(name, str(uuid.UUID(int=random.getrandbits(128), version=4)),
                    {self.row.questions[question]: answer for question, answer in answers.items()}, single=False)
        self.sent.append(sent)
        answer, _ = self.ask_until((200, 201), "submit-response", "PUT", RESPONSE, self.path(sent), {"answers": sent.answers})
        if answer and answer["statusCode"] in (200, 201):
            sent.created_at = json.loads(answer["body"])["createdAt"]
        else:
            self.unexpected(f"{name} was not taken", answer)


class Replier(Client):
    """Answers one question alone, as flaskForms' clients do. There is no id to try again with, so it doesn't."""

    pause = 0.01, 0.05

    def act(self):
        name = self.name_next()
        question, reply = self.random.choice([(WHO, name), (ELSE, {"name": name})])
        question = self.row.questions[question]
        sent = Sent(name, None, {question: reply}, single=True)
        self.sent.append(sent)
        answer = self.ask("add-reply", "POST", REPLIES, {"idQuestion": question}, {"reply": reply}, good=(201,))
        if answer and answer["statusCode"] == 201:
            sent.id, sent.created_at = json.loads(answer["body"])["id"], True
        elif answer and answer["statusCode"] != 503:
            self.unexpected("a reply was not taken", answer)


class Owner(Client):
    """Deletes an acknowledged response now and then, which must stay deleted, also when it is sent once more."""

    pause = 0.1, 0.3

    def act(self):
        choices = [sent for sent in self.row.sent() if sent.created_at and not sent.deleting]
        if not choices:
            return
        sent = self.random.choice(choices)
        sent.deleting = True
        answer, retried = self.ask_until((200, 404), "response", "DELETE", RESPONSE, self.path(sent))
        # Where the first answer was lost, it may have been deleted already.
        sent.deleted = bool(answer) and (answer["statusCode"] == 200 or retried and answer["statusCode"] == 404)
        if not sent.deleted:
            return self.unexpected(f"{sent.name} was not deleted", answer)
        if not sent.single:
            answer, _ = self.ask_until((410,), "submit-response", "PUT", RESPONSE, self.path(sent), {"answers": sent.answers})
            if not answer or answer["statusCode"] != 410:
                self.unexpected(f"{sent.name} was sent again after it had been deleted", answer)


class Reader(Client):
    """Reads the results, which are exact at any time: what was acknowledged is counted, and nothing that nobody sent."""

    pause = 0.02, 0.1

    def act(self):
        acknowledged = [sent for sent in self.row.sent() if sent.created_at and not sent.single]
        answer, _ = self.ask_until((200,), "get-survey-stats", "GET", STATS, {"idSurvey": self.row.survey})
        if not answer or answer["statusCode"] != 200:
            return self.unexpected("no results", answer)
        votes = json.loads(answer["body"])[WHICH]["votes"]
        least = sum(not sent.deleting for sent in acknowledged)
        most = sum(not sent.single for sent in self.row.sent())
        if not least <= votes <= most:
            self.complaints.append(f"the results say {votes} responses, between {least} and {most} are possible")
