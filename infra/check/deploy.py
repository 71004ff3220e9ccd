#!/usr/bin/env python3
"""What `sam deploy` has to be told, by how far the stack has come: `deploy.py dev`. Prints options for it, or says why not to.

- Until a first deployment has succeeded, what failed is kept: a rollback would be refused by the protected database, and take
  the log along that says why. (A stack that was made so asks for it again with each try. CloudFormation user guide,
  "Stack failure options".)
- What CloudFormation would do without a question, and nobody wants: a database restored from a snapshot becomes an empty one
  when the parameter goes; functions lose their way when the proxy goes or comes in one step.
"""
import sys

from check import deployments

UNFINISHED = {"REVIEW_IN_PROGRESS", "CREATE_FAILED", "UPDATE_FAILED"}
DEAD = {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED"}


def options(stack, wanted):
    """`stack` as CloudFormation describes it, or None; `wanted` are the parameters of samconfig.toml. ValueError says why not."""
    if stack is None or stack["StackStatus"] in UNFINISHED:
        return ["--disable-rollback"]
    if stack["StackStatus"] in DEAD:
        raise ValueError(f"the stack is in {stack['StackStatus']}, from which nothing leads on but its deletion (infra/README.md)")
    now = {p["ParameterKey"]: p["ParameterValue"] for p in stack.get("Parameters", [])}
    if now.get("SnapshotIdentifier") and not wanted.get("SnapshotIdentifier"):
        raise ValueError(f"without SnapshotIdentifier={now['SnapshotIdentifier']} the database would be replaced by an empty one")
    proxy = {now.get("UseProxy", "false"), wanted.get("UseProxy", "false")}
    if proxy == {"true", "false"}:
        raise ValueError("between UseProxy=false and UseProxy=true deploy UseProxy=ready, so that both ways are open")
    return []


def describe(name):
    import boto3
    from botocore.exceptions import ClientError

    try:
        [stack] = boto3.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    return stack


if __name__ == "__main__":
    stage = sys.argv[1]
    try:
        print(*options(describe(f"canvass-{stage}"), deployments()[stage]))
    except ValueError as refusal:
        sys.exit(f"Not deployed: {refusal}")
