"""The calls of the GitHub deploy action, made by the JavaScript SDK it is built on (tests/clients/github_deploy.mjs)."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.clients import packages
from tests.emulator.clients import environment
from tests.emulator.release import Release

CLIENTS = Path(__file__).parent.parent / "clients"
pytestmark = pytest.mark.slow  # the SDK's waiter looks every 15 s


def action(aws: Any, release: Release, folder: Path, **inputs: Any) -> "subprocess.CompletedProcess[str]":
    """What the action would do with a task definition of v2 and these inputs."""
    arn = release.register("v2", **inputs.pop("faults", {}))
    shown = release.ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]
    (folder / "td.json").write_text(
        json.dumps({**shown, "registeredAt": str(shown["registeredAt"]), "volumes": []}), encoding="utf-8"
    )
    properties = {
        "taskDefinition": "<TASK_DEFINITION>",
        "loadBalancerInfo": {"containerName": "app", "containerPort": inputs.pop("port", 8080)},
    }
    resources = [{"TargetService": {"type": "AWS::ECS::Service", "properties": properties}}]
    (folder / "appspec.json").write_text(json.dumps({"version": 0.0, "resources": resources}), encoding="utf-8")
    given = {
        "taskDefinition": str(folder / "td.json"),
        "appspec": str(folder / "appspec.json"),
        "cluster": release.name,
        "service": "web",
        "application": release.application,
        "group": release.group,
        **inputs,
    }
    return subprocess.run(
        ["node", str(CLIENTS / "github_deploy.mjs"), json.dumps(given)],
        env={**environment(aws, folder), "REHEARSE_NODE_MODULES": str(packages())},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
        encoding="utf-8",
    )


def test_action_that_waits_is_green_when_the_deployment_succeeded(aws: Any, tmp_path: Path):
    packages()
    release = Release(aws, test_listener=False).up()
    done = action(aws, release, tmp_path, wait=True)
    assert done.returncode == 0, done.stderr
    assert "Will wait for 31 minutes" in done.stdout  # 30 of its own, 1 of the termination wait, 0 of the ready wait
    outputs = json.loads(done.stdout.splitlines()[-1])
    assert release.info(outputs["codedeploy-deployment-id"])["status"] == "Succeeded"
    assert release.version() == "v2"


def test_action_that_waits_is_red_when_the_deployment_failed(aws: Any, tmp_path: Path):
    packages()
    release = Release(aws, test_listener=False).up()
    done = action(aws, release, tmp_path, wait=True, port=9090)
    assert done.returncode == 1, done.stdout
    assert "ECS_UPDATE_ERROR" in done.stderr
    assert release.version() == "v1"


def test_action_that_does_not_wait_is_green_although_the_deployment_fails(aws: Any, tmp_path: Path):
    packages()
    release = Release(aws, test_listener=False).up()
    done = action(aws, release, tmp_path, port=9090)
    assert done.returncode == 0, done.stderr
    outputs = json.loads(done.stdout.splitlines()[-1])
    assert release.ended(outputs["codedeploy-deployment-id"])["status"] == "Failed"


def test_action_says_what_is_wrong_with_the_service(aws: Any, tmp_path: Path):
    packages()
    release = Release(aws, test_listener=False).up()
    done = action(aws, release, tmp_path, service="nothing")
    assert done.returncode == 1
    assert "is MISSING" in done.stderr
