"""What a program does by the Python client that follows from the contract: `make contract` generates it, checks the types
of this against it, and runs it."""
import os
import uuid
from typing import TypeVar

from canvass import AuthenticatedClient, Client
from canvass.api.accounts import register
from canvass.api.questions import list_questions
from canvass.api.responses import put_response, submit_response
from canvass.api.results import get_results
from canvass.api.surveys import add_survey
from canvass.models import (
    Created,
    InvalidAnswersProblem,
    MatrixRules,
    NewMatrixQuestion,
    NewOwnQuestion,
    NewResponse,
    NewResponseAnswers,
    NewScaleQuestion,
    NewSingleChoiceQuestion,
    NewSurvey,
    OptionSettings,
    QuestionList,
    Registered,
    Registration,
    ScaleQuestion,
    ScaleResult,
    ScaleRules,
    SingleChoiceQuestion,
)

T = TypeVar("T")


def only(kind: type[T], value: object) -> T:
    assert isinstance(value, kind), value
    return value


anyone = Client(os.environ["API_URL"])

username = str(uuid.uuid4())
registration = Registration(username, f"{username}@example.com", "correct horse")
registered = only(Registered, register.sync(client=anyone, body=registration))
ada = AuthenticatedClient(os.environ["API_URL"], registered.access_token)

survey = NewSurvey(
    name="Pets",
    due_date="2099-12-31",
    public_stats=True,
    questions=[
        NewSingleChoiceQuestion(
            content="Which pet?",
            type_="single_choice",
            required=True,
            reply_content=["cat", OptionSettings("dog", label="A dog")],
        ),
        NewScaleQuestion(content="How happy are you with it?", type_="scale", reply_content=ScaleRules(min_=1, max_=5)),
        NewMatrixQuestion(
            content="How often?",
            type_="matrix",
            reply_content=MatrixRules(rows=["walk", "play"], columns=["daily", "never"], min_rows=1),
        ),
        NewOwnQuestion(content="Where?", type_="x-map", reply_content={"zoom": 3}),
    ],
)
id_survey = only(Created, add_survey.sync(client=ada, body=survey)).id

# The questions, each with what its type makes of it.
choice, scale, matrix, own = only(QuestionList, list_questions.sync(id_survey, client=ada)).questions
answers = {
    str(only(SingleChoiceQuestion, choice).id): "dog",
    str(scale.id): only(ScaleRules, only(ScaleQuestion, scale).reply_content).max_,
}

# A response, twice: it is stored once.
body = NewResponse(NewResponseAnswers.from_dict(answers))
id_response = uuid.uuid4()
for status in (201, 200):
    assert put_response.sync_detailed(id_survey, id_response, client=anyone, body=body).status_code == status

# A response that isn't good, and what is wrong with it.
bad = NewResponse(NewResponseAnswers.from_dict({str(scale.id): 9}))
problem = only(InvalidAnswersProblem, submit_response.sync(id_survey, client=anyone, body=bad))
faults = [(fault.question, fault.code.value) for fault in problem.faults]
assert faults == [(str(choice.id), "required"), (str(scale.id), "too_large")], faults

# The results.
results = only(list, get_results.sync(id_survey, client=ada))
assert only(ScaleResult, results[1]).summary.mean == 5

# The responses, as a file, for which the client has no type.
csv = ada.get_httpx_client().get(f"/surveys/{id_survey}/responses", params={"format": "csv"}).text
header, row, _ = csv.split("\r\n")
assert header.split(",")[1] == "createdAt" and row.split(",")[3] == "dog", csv
print("The Python client is at home")
