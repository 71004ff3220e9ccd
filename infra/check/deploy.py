#!/usr/bin/env python3
"""What `sam deploy` has to be told beside samconfig.toml: `deploy.py dev target/deployment.toml`. Adds to that file, prints options,
or says why not to deploy.

- A parameter that samconfig.toml doesn't set gets its default. SAM would take its last value instead, so that a line that was taken
  out would go on working.
- Until a first deployment has succeeded, what failed is kept: a rollback would be refused by the protected database, and take
  the log along that says why. (A stack that was made so asks for it again with each try. CloudFormation user guide,
  "Stack failure options".)
- What CloudFormation would do without a question, and nobody wants: a database restored from a snapshot becomes an empty one
  when the parameter goes; functions lose their way when the proxy goes or comes in one step.
"""
import os
import sys

REGION = os.environ.get("AWS_DEFAULT_REGION")  # before `stack` sets one for the translator

from check import GIVEN, TEMPLATE, deployments, parse  # noqa: E402
from stack import defaults  # noqa: E402

UNFINISHED = {"REVIEW_IN_PROGRESS", "CREATE_FAILED"}
DEAD = {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED"}


def wanted(stage, source):
    """The parameters of a stage: samconfig.toml's, and the defaults of all others but those that each deployment is given."""
    own = deployments()[stage]
    return {**{name: value for name, value in defaults(source).items() if name not in (*GIVEN, "Architecture")}, **own}


def options(stack, parameters):
    """`stack` as CloudFormation describes it, or None. ValueError says why not."""
    if stack is None or stack["StackStatus"] in UNFINISHED:
        if parameters.get("UseProxy", "false") != "false":
            raise ValueError("the proxy needs a database that is there: first deploy with UseProxy=false")
        return ["--disable-rollback"]
    if stack["StackStatus"] in DEAD:
        raise ValueError(f"the stack is in {stack['StackStatus']}, from which nothing leads on but its deletion (infra/README.md)")
    now = {p["ParameterKey"]: p["ParameterValue"] for p in stack.get("Parameters", [])}
    if now.get("SnapshotIdentifier") and not parameters.get("SnapshotIdentifier"):
        raise ValueError(f"without SnapshotIdentifier={now['SnapshotIdentifier']} the database would be replaced by an empty one")
    if {now.get("UseProxy", "false"), parameters.get("UseProxy", "false")} == {"true", "false"}:
        raise ValueError("between UseProxy=false and UseProxy=true deploy UseProxy=ready, so that both ways are open")
    return ["--disable-rollback"] if stack["StackStatus"] == "UPDATE_FAILED" else []


def describe(name):
    import boto3
    from botocore.exceptions import ClientError

    if not REGION:
        raise ValueError("export AWS_DEFAULT_REGION, such as eu-central-1")
    try:
        [stack] = boto3.client("cloudformation", region_name=REGION).describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    return stack


def main(stage, file):
    parameters = wanted(stage, parse(TEMPLATE.read_text()))
    chosen = options(describe(f"canvass-{stage}"), parameters)
    with open(file, "a") as given:
        given.writelines(f'{name} = "{value}"\n' for name, value in parameters.items() if name not in deployments()[stage])
    print(*chosen)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except ValueError as refusal:
        sys.exit(f"Not deployed: {refusal}")
