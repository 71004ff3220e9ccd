"""The function behind every path and method that has no route, which `cargo lambda watch` calls `_`.

It answers as API Gateway does. Without it, such a request would wait for ever.
"""

import http.client
import json
import os
from contextlib import suppress

ANSWER = {"statusCode": 404, "headers": {"content-type": "application/json"}, "body": '{"message":"Not Found"}',
          "multiValueHeaders": {}, "cookies": [], "isBase64Encoded": False}

address, _, path = os.environ["AWS_LAMBDA_RUNTIME_API"].partition("//")[2].partition("/")
runtime = http.client.HTTPConnection(address)


def call(method, what, body=None):
    runtime.request(method, f"/{path}/2018-06-01/runtime/invocation/{what}", body)
    response = runtime.getresponse()
    response.read()
    return response.headers


with suppress(OSError, http.client.HTTPException):  # the gateway has ended
    while True:
        request = call("GET", "next")["lambda-runtime-aws-request-id"]
        call("POST", f"{request}/response", json.dumps(ANSWER))
