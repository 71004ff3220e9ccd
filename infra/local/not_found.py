"""The function behind every path and method that has no route, which `cargo lambda watch` calls `_`.

It answers as API Gateway does: 404, and to the question of a browser whether a page may call (a preflight) the origins,
methods and headers of the contract. Without it, such a request would wait for ever.
"""

import http.client
import json
import os
from contextlib import suppress

ORIGINS = [origin.strip() for origin in os.environ["CORS_ORIGINS"].split(",")]
EXPOSED = {"access-control-expose-headers": os.environ["CORS_EXPOSE_HEADERS"]}
ALLOWED = {"access-control-allow-methods": os.environ["CORS_ALLOW_METHODS"],
           "access-control-allow-headers": os.environ["CORS_ALLOW_HEADERS"],
           "access-control-max-age": os.environ["CORS_MAX_AGE"]}

address, _, path = os.environ["AWS_LAMBDA_RUNTIME_API"].partition("//")[2].partition("/")
runtime = http.client.HTTPConnection(address)


def call(method, what, body=None):
    runtime.request(method, f"/{path}/2018-06-01/runtime/invocation/{what}", body)
    response = runtime.getresponse()
    return response.headers, response.read()


def answer(request):
    headers, method = request["headers"], request["requestContext"]["http"]["method"]
    origin = headers.get("origin")
    preflight = method == "OPTIONS" and origin and "access-control-request-method" in headers
    status, body = (204, None) if preflight else (404, '{"message":"Not Found"}')
    answered = {} if preflight else {"content-type": "application/json"}
    if origin and ("*" in ORIGINS or origin in ORIGINS):
        answered |= {"access-control-allow-origin": origin, "vary": "origin", **EXPOSED, **(ALLOWED if preflight else {})}
    return {"statusCode": status, "headers": answered, "body": body, "multiValueHeaders": {}, "cookies": [],
            "isBase64Encoded": False}


with suppress(OSError, http.client.HTTPException):  # the gateway has ended
    while True:
        headers, request = call("GET", "next")
        call("POST", f"{headers['lambda-runtime-aws-request-id']}/response", json.dumps(answer(json.loads(request))))
