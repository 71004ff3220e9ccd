#!/usr/bin/env python3
"""Checks the deployment without an account: `python infra/check/check.py [--binaries target/lambda]`.

1. sam validate --lint     the template as written
2. settings                samconfig.toml names parameters that exist
3. cfn-lint                its translation to plain CloudFormation, where the linter sees what SAM generates
4. policy.py               what must hold for the deployed stack: permissions, network, data, alarms, and the routes of
                           the contract
5. crates                  each function of the template is a crate in functions/, and the other way round
6. binaries                each has a bootstrap of the right architecture (only with --binaries, after `make build`)

Each of them sees what the others miss. mutants.py proves that they do.
"""
import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import policy
from stack import TEMPLATE, Stack, folder, parse

ROOT = TEMPLATE.parent.parent
SAMCONFIG = TEMPLATE.parent / "samconfig.toml"

# What `make deploy` adds to the settings of a stage.
GIVEN = {"SchemaVersion": "0123456789ab", "DebuggingKey": "k" * 32}

# W2001, W1028: the translator writes the values of parameters in place of their names, which then look unused and
# whose conditions look decided.
IGNORED = ["W2001", "W1028"]

MACHINES = {"arm64": 0xB7, "x86_64": 0x3E}  # e_machine in the header of an ELF file


def sam_validate():
    environment = {**os.environ, "SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "eu-central-1"}
    sam = Path(sys.executable).with_name("sam")
    run = subprocess.run([sam, "validate", "--lint", "--template", TEMPLATE], env=environment,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if run.returncode:
        yield "sam validate", run.stdout.strip()


def deployments(samconfig=None):
    """The parameters that the rules are held against: those of samconfig.toml, and what no stage has turned on."""
    import tomlkit  # comes with aws-sam-cli

    def of(stage):
        entries = stages[stage]["deploy"]["parameters"]["parameter_overrides"]
        return {**GIVEN, **dict(entry.split("=", 1) for entry in entries if not entry.startswith("file://"))}

    stages = tomlkit.parse(samconfig or SAMCONFIG.read_text()).unwrap()
    return {
        "dev": of("dev"),
        "prod": of("prod"),
        "prod turned around": {
            **of("prod"), "UseProxy": "true", "MinCapacity": "0.5", "CorsOrigins": "", "AlarmEmail": "", "DebuggingKey": "",
            "SnapshotIdentifier": "before", "EngineVersion": "18.5", "FormerDatabase": "cluster-ABC", "Architecture": "x86_64", "Tracing": "PassThrough",
        },
        "prod on the way to the proxy": {**of("prod"), "UseProxy": "ready", "MinCapacity": "0.5"},
    }


def settings(source, samconfig=None):
    """SAM passes over a misspelt parameter without a word."""
    for name, parameters in deployments(samconfig).items():
        for parameter in sorted(parameters.keys() - source["Parameters"].keys()):
            yield "settings", f"samconfig.toml sets {parameter} for {name}, which is no parameter of the template"
        if parameters.get("Stage") != name.split()[0]:
            yield "settings", f"samconfig.toml deploys stage {parameters.get('Stage')} as {name}"


def lint(source):
    """cfn-lint on the translated template."""
    from cfnlint.api import ManualArgs, lint as cfn_lint  # half a second to import, which policy mutants do without

    template = Stack(source, **deployments()["dev"]).template
    for match in cfn_lint(json.dumps(template), config=ManualArgs(ignore_checks=IGNORED, regions=["eu-central-1"])):
        yield "cfn-lint", f"{match.rule.id} {match.message} ({'/'.join(map(str, match.path or []))})"


def examine(source, parameters):
    """policy.py on one deployment."""
    try:
        yield from policy.findings(Stack(source, **parameters))
    except (ValueError, KeyError) as error:
        yield "translate", str(error)


def rules(source):
    """policy.py on every deployment. What is wrong in several of them is told once."""
    found, held = {}, deployments()
    for name, parameters in held.items():
        for finding in examine(source, parameters):
            found.setdefault(finding, []).append(name)
    for (rule, text), names in found.items():
        yield rule, text if len(names) == len(held) else f"{text} ({', '.join(names)})"


def crates(source, directory):
    """The functions of the template and the crates below functions/ are the same."""
    template = {folder(r) for r in source["Resources"].values() if r["Type"] == "AWS::Serverless::Function"}
    if not template:
        yield "crates", "the template has no function"
    here = {path.parent.name for path in directory.glob("*/Cargo.toml")}
    for name in sorted(template - here):
        yield "crates", f"{name} is in the template, but {directory.name}/{name} is no crate"
    for name in sorted(here - template):
        yield "crates", f"{directory.name}/{name} is a crate, but the template does not deploy it"


def binaries(source, directory, architecture):
    """Every function has its executable, built for the architecture that Lambda is told."""
    for resource in source["Resources"].values():
        if resource["Type"] != "AWS::Serverless::Function":
            continue
        path = directory / folder(resource) / "bootstrap"
        if not os.access(path, os.X_OK):
            yield "binaries", f"{path} is missing or not executable: run `make build`"
            continue
        with open(path, "rb") as file:
            header = file.read(20)
        if header[:4] != b"\x7fELF" or int.from_bytes(header[18:20], "little") != MACHINES[architecture]:
            yield "binaries", f"{path} is not built for {architecture}"


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--binaries", type=Path, metavar="DIR", help="also check the executables in this folder")
    arguments.add_argument("--architecture", choices=MACHINES, default="arm64")
    options = arguments.parse_args()

    source = parse(TEMPLATE.read_text())
    steps = [
        ("sam validate --lint", sam_validate()),
        ("settings", settings(source)),
        ("cfn-lint, translated", lint(source)),
        (f"policy, {len(policy.RULES)} rules on {len(deployments())} deployments", rules(source)),
        ("crates", crates(source, ROOT / "functions")),
    ]
    if options.binaries:
        steps.append((f"binaries, {options.architecture}", binaries(source, options.binaries, options.architecture)))

    failed = False
    for name, step in steps:
        found = list(step)
        print(f"{'FAILED' if found else 'ok':6}  {name}", flush=True)
        for kind, text in found:
            print(f"        {kind}: {text}")
        failed |= bool(found)
    return failed


if __name__ == "__main__":
    sys.exit(main())
