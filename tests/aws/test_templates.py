"""Each template on paper: AWS's registry of types (cfn-lint), AWS's list of actions (parliament), and what the project promises."""

import ast
import json
import re
import subprocess
import sys
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from harness.emulator.cloudformation.functions import references
from harness.emulator.cloudformation.template import read
from tests.aws.stacked import TEMPLATES

PATHS = sorted(TEMPLATES.glob("*.yaml"))
NAMES = [path.stem for path in PATHS]
LONGEST = 10240  # characters of a role's own policies together
PARAMETERS = {"Deployment": "k3f9a", "RepositoryName": "shop"}
PSEUDO = {"AWS::Partition": "aws", "AWS::Region": "ap-northeast-2", "AWS::AccountId": "123456789012"}
UNKNOWN_TO_PARLIAMENT = "lambda:SourceFunctionArn"  # Lambda puts it into every call of a function's code
SERVICE_OF = {"elbv2": "elasticloadbalancing", "resourcegroupstaggingapi": "tag"}


@cache
def template(path: Path) -> Any:
    return read(path.read_text(encoding="utf-8"))


def test_cfn_lint_finds_nothing_in_any_template():
    lint = "import sys; from cfnlint.runner import main; sys.exit(main())"
    command = [sys.executable, "-c", lint, "--format", "json", "--regions", "ap-northeast-2", "us-east-1", "--"]
    done = subprocess.run([*command, *map(str, PATHS)], capture_output=True, text=True, check=False, encoding="utf-8")
    assert (done.returncode, json.loads(done.stdout or "[]")) == (0, []), done.stderr


@pytest.mark.parametrize("path", PATHS, ids=NAMES)
def test_template_is_read_alone(path: Path):
    """Cross references go by parameters; every parameter is described and used."""
    found, text = template(path), path.read_text(encoding="utf-8")
    assert "Fn::ImportValue" not in json.dumps(found)
    assert len(text.encode()) <= 51200
    used = {name for name, _ in references({key: found.get(key) for key in ("Resources", "Outputs", "Conditions")})}
    for name, one in found["Parameters"].items():
        assert one["Description"]
        assert name in used or name == "Deployment", f"{path.name}: {name} is not used"


@pytest.mark.parametrize("path", PATHS, ids=NAMES)
def test_names_in_a_template_begin_with_the_deployment(path: Path):
    """That is how roles are limited to it, and how leftovers are found."""
    for logical, one in template(path)["Resources"].items():
        for key, value in (one.get("Properties") or {}).items():
            if key.endswith("Name") and isinstance(value, dict) and "Fn::Sub" in value and key != "ServiceName":
                spelled = value["Fn::Sub"]
                assert "rehearsal-${Deployment}" in spelled or spelled.startswith("/rehearsal/${Deployment}/"), (
                    logical,
                    key,
                )


def plain(value: Any) -> Any:
    """A policy as it is written, with names of this test's."""
    if isinstance(value, list):
        return [plain(one) for one in value]
    if not isinstance(value, dict):
        return value
    if "Fn::Sub" in value:
        return re.sub(r"\$\{([^}]+)\}", lambda found: {**PSEUDO, **PARAMETERS}[found[1]], value["Fn::Sub"])
    if "Fn::GetAtt" in value:
        return {
            "ExecutionRole": "arn:aws:iam::123456789012:role/tasks",
            "Function": "arn:aws:lambda:ap-northeast-2:123456789012:function:f",
        }[value["Fn::GetAtt"][0]]
    return {**PSEUDO, **PARAMETERS}[value["Ref"]] if "Ref" in value else {key: plain(one) for key, one in value.items()}


def policies(path: Path) -> list[tuple[str, Any]]:
    """Those of a role, and those that stand alone because several roles have them."""
    return [
        (f"{path.stem}.{name}.{one['PolicyName']}", plain(one["PolicyDocument"]))
        for name, resource in template(path)["Resources"].items()
        for one in _policies_of(resource["Type"], resource.get("Properties") or {})
    ]


def _policies_of(kind: str, properties: dict[str, Any]) -> list[Any]:
    return [properties] if kind == "AWS::IAM::Policy" else list(properties.get("Policies", []))


def findings(document: Any) -> list[Any]:
    """Of parliament, which leaves its own files open."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import parliament

        return list(parliament.analyze_policy_string(json.dumps(document)).findings)


POLICIES = [found for path in PATHS for found in policies(path)]


@pytest.mark.parametrize(("name", "document"), POLICIES, ids=[name for name, _ in POLICIES])
def test_policy_has_nothing_that_a_checker_flags(name: str, document: Any):
    """No unknown action, no star where the action knows a resource, no resource that the action does not know."""
    flagged = [one for one in findings(document) if UNKNOWN_TO_PARLIAMENT not in str(one.detail)]
    assert not flagged, [(one.issue, one.detail) for one in flagged]


@pytest.mark.parametrize("path", PATHS, ids=NAMES)
def test_policies_of_a_role_fit_into_it(path: Path):
    sizes: dict[str, int] = {}
    for name, document in policies(path):
        role = name.split(".")[1]
        sizes[role] = sizes.get(role, 0) + len(json.dumps(document, separators=(",", ":")))
    assert all(size < LONGEST for size in sizes.values()), sizes


def source(name: str, logical: str) -> str:
    return str(template(TEMPLATES / f"{name}.yaml")["Resources"][logical]["Properties"]["Code"]["ZipFile"])


def calls(code: str) -> set[str]:
    """Actions that a function's code asks for: strings after a service's name, in `call`, `by` and `client(...)`."""
    found = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("call", "by"):
            words = [one.value for one in node.args[:2] if isinstance(one, ast.Constant)]
            if len(words) == 2:
                found.add((words[0], words[1]))
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "get_paginator":
            (operation,) = (one.value for one in node.args if isinstance(one, ast.Constant))
            client: Any = node.func.value  # type: ignore[attr-defined]
            found.add((client.args[0].value, operation))
    return {
        f"{SERVICE_OF.get(service, service)}:{''.join(part.title() for part in operation.split('_'))}"
        for service, operation in found
    }


def test_self_destruct_may_do_what_its_code_does():
    allowed = {
        action
        for name, document in POLICIES
        if name.startswith("self-destruct.FunctionRole")
        for statement in document["Statement"]
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }
    asked = calls(source("self-destruct", "Function"))
    assert len(asked) >= 20
    assert not asked - allowed


@pytest.mark.parametrize(("name", "logical"), [("self-destruct", "Function"), ("service", "Hook")])
def test_inline_code_is_readable_python(name: str, logical: str):
    code = source(name, logical)
    assert ast.get_docstring(ast.parse(code))
    assert max(map(len, code.splitlines())) <= 140
