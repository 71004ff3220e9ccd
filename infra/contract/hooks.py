"""What Schemathesis needs to know about this API, and its settings can't say. Loaded by schemathesis.toml."""
import json
import os
import re

import schemathesis
from hypothesis import strategies as st
from schemathesis.openapi.checks import RejectedPositiveData

# What no schema can say, by what the server says to it.
UNSAYABLE = re.compile(
    "|".join(
        [
        ]
    )
    or "(?!)"
)


@schemathesis.deserializer("text/csv", "application/x-ndjson")
def text(context, response):
    return response.text


# What edits and deletions are about, so that all others find what they are about as it was.
VICTIMS = json.loads(os.environ["VICTIMS"])
TAKING = {"editSurvey", "deleteSurvey", "editQuestion", "deleteQuestion", "deleteResponse"}


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.operation.definition.raw.get("operationId") in TAKING:
        case.path_parameters = {name: VICTIMS.get(value, value) for name, value in case.path_parameters.items()}
    # The local gateway answers 500 by itself to JSON that is not UTF-8, unless the Content-Type says that it is no text. To
    # the functions the Content-Type makes no difference.
    body = getattr(case.body, "data", case.body)
    if isinstance(body, bytes):
        try:
            body.decode()
        except UnicodeDecodeError:
            case.headers["Content-Type"] = "application/octet-stream"


@schemathesis.hook
def filter_failure(context, failure, case, response):
    if isinstance(failure, RejectedPositiveData) and response.status_code == 400:
        errors = response.json().get("errors", {})
        return not errors or not all(UNSAYABLE.search(text) for text in errors.values())
    return True
