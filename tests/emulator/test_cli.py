"""What the AWS CLI shows and how it ends, with only AWS_ENDPOINT_URL and fake credentials set."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.emulator.clients import AWS, cli
from tests.emulator.release import Release

pytestmark = pytest.mark.skipif(not AWS.is_file(), reason=f"the AWS CLI is not installed beside this Python ({AWS})")
HOUR = 60  # minutes; one minute for the emulator of these tests, which is compressed by 60


def definition_file(release: Release, folder: Path, revision: str) -> str:
    """What `aws ecs describe-task-definition` printed, with another image: the file a pipeline keeps."""
    arn = release.register(revision)
    shown = release.ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]
    path = folder / "taskdef.json"
    keys = ("family", "networkMode", "requiresCompatibilities", "cpu", "memory", "containerDefinitions")
    path.write_text(json.dumps({key: shown[key] for key in keys}), encoding="utf-8")
    return str(path)


def appspec_file(folder: Path, port: int = 8080) -> str:
    path = folder / "appspec.yaml"
    path.write_text(
        "version: 0.0\n"
        "Resources:\n"
        "  - TargetService:\n"
        "      Type: AWS::ECS::Service\n"
        "      Properties:\n"
        "        TaskDefinition: <TASK_DEFINITION>\n"
        "        LoadBalancerInfo:\n"
        "          ContainerName: app\n"
        f"          ContainerPort: {port}\n",
        encoding="utf-8",
    )
    return str(path)


def deploy(aws: Any, release: Release, folder: Path, *more: str, port: int = 8080) -> Any:
    files = [definition_file(release, folder, "v2"), appspec_file(folder, port)]
    names = ["--cluster", release.name, "--service", "web"]
    given = ["--task-definition", files[0], "--codedeploy-appspec", files[1], *names, *more]
    return cli(aws, folder, "ecs", "deploy", *given)


@pytest.mark.slow
def test_ecs_deploy_finds_the_default_names_and_says_what_it_did(aws: Any, tmp_path: Path):
    release = Release(aws, test_listener=False)
    release.application, release.group = f"AppECS-{release.name}-web", f"DgpECS-{release.name}-web"
    release.up()
    done = deploy(aws, release, tmp_path)
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stdout.splitlines() if line]
    assert re.fullmatch(rf"Successfully registered new ECS task definition arn:\S+/{release.name}:\d+", said[0])
    created = re.fullmatch(r"Successfully created deployment (d-[A-Z0-9]{9})", said[1])
    assert created
    assert said[2] == f"Waiting for {created[1]} to succeed (will wait up to 30 minutes)..."
    assert re.fullmatch(r"Successfully deployed arn:\S+ to service 'web'", said[3])
    assert release.info(created[1])["status"] == "Succeeded"
    assert release.version() == "v2"


@pytest.mark.slow
def test_ecs_deploy_with_given_names_exits_255_when_the_deployment_fails(aws: Any, tmp_path: Path):
    release = Release(aws, test_listener=False).up()
    names = ("--codedeploy-application", release.application, "--codedeploy-deployment-group", release.group)
    done = deploy(aws, release, tmp_path, *names, port=9090)
    assert done.returncode == 255, done.stdout
    assert "Waiter DeploymentSuccessful failed" in done.stderr
    assert release.version() == "v1"


def test_ecs_deploy_of_another_service_is_refused_by_the_client_itself(aws: Any, tmp_path: Path):
    release = Release(aws, test_listener=False).up()
    names = ("--codedeploy-application", release.application, "--codedeploy-deployment-group", release.group)
    other = cli(aws, tmp_path, "ecs", "deploy", "--service", "nothing", "--cluster", release.name, *names,
                "--task-definition", definition_file(release, tmp_path, "v2"), "--codedeploy-appspec", appspec_file(tmp_path))  # fmt: skip
    assert other.returncode == 255
    assert f"Service 'nothing' not found in cluster '{release.name}'" in other.stderr


def test_deploy_commands_create_wait_look_and_continue(aws: Any, tmp_path: Path):
    settings = {
        "terminateBlueInstancesOnDeploymentSuccess": {"action": "TERMINATE", "terminationWaitTimeInMinutes": 2 * HOUR},
        "deploymentReadyOption": {"actionOnTimeout": "CONTINUE_DEPLOYMENT"},
    }
    release = Release(aws, test_listener=False, blueGreenDeploymentConfiguration=settings).up()
    content = (
        Path(appspec_file(tmp_path)).read_text(encoding="utf-8").replace("<TASK_DEFINITION>", release.register("v2"))
    )
    revision = json.dumps({"revisionType": "AppSpecContent", "appSpecContent": {"content": content}})
    names = ("--application-name", release.application, "--deployment-group-name", release.group)
    made = cli(aws, tmp_path, "deploy", "create-deployment", *names, "--revision", revision)
    assert made.returncode == 0, made.stderr
    deployment = json.loads(made.stdout)["deploymentId"]
    release.until(lambda: release.info(deployment)["instanceTerminationWaitTimeStarted"])

    target = cli(aws, tmp_path, "deploy", "get-deployment-target", "--deployment-id", deployment,
                 "--target-id", f"{release.name}:web")  # fmt: skip
    shown = json.loads(target.stdout)["deploymentTarget"]["ecsTarget"]
    assert [event["status"] for event in shown["lifecycleEvents"]] == ["Succeeded"] * 6
    listed = cli(aws, tmp_path, "deploy", "list-deployments", *names, "--include-only-statuses", "InProgress")
    assert json.loads(listed.stdout)["deployments"] == [deployment]

    wait = ("deploy", "continue-deployment", "--deployment-id", deployment, "--deployment-wait-type")
    early = cli(aws, tmp_path, *wait, "READY_WAIT")
    assert early.returncode == 255
    assert "DeploymentIsNotInReadyStateException" in early.stderr
    assert cli(aws, tmp_path, *wait, "TERMINATION_WAIT").returncode == 0
    assert release.ended(deployment)["status"] == "Succeeded"
    ended = cli(aws, tmp_path, "deploy", "wait", "deployment-successful", "--deployment-id", deployment)
    assert ended.returncode == 0, ended.stderr
    health = cli(aws, tmp_path, "elbv2", "describe-target-health", "--target-group-arn", release.groups["green"])
    (one,) = json.loads(health.stdout)["TargetHealthDescriptions"]
    assert one["TargetHealth"] == {"State": "healthy"}


def test_stopped_deployment_makes_the_waiter_exit_255(aws: Any, tmp_path: Path):
    settings = {
        "terminateBlueInstancesOnDeploymentSuccess": {"action": "TERMINATE"},
        "deploymentReadyOption": {"actionOnTimeout": "STOP_DEPLOYMENT", "waitTimeInMinutes": 24 * HOUR},
    }
    release = Release(aws, test_listener=False, blueGreenDeploymentConfiguration=settings).up()
    deployment = release.deploy(release.register("v2"))
    release.until(lambda: release.info(deployment)["status"] == "Ready")
    stopping = ("deploy", "stop-deployment", "--deployment-id", deployment)
    stopped = cli(aws, tmp_path, *stopping, "--no-auto-rollback-enabled")
    assert stopped.returncode == 0, stopped.stderr
    assert json.loads(stopped.stdout)["status"] == "Pending"
    assert release.ended(deployment)["status"] == "Stopped"
    ended = cli(aws, tmp_path, "deploy", "wait", "deployment-successful", "--deployment-id", deployment)
    assert ended.returncode == 255
    assert "terminal failure state" in ended.stderr
    again = cli(aws, tmp_path, *stopping)
    assert "DeploymentAlreadyCompletedException" in again.stderr


@pytest.mark.slow
def test_ecs_waiters_see_running_tasks_and_a_service_that_is_gone(aws: Any, tmp_path: Path):
    release = Release(aws, test_listener=False).up()
    in_cluster = ("--cluster", release.name)
    tasks = json.loads(cli(aws, tmp_path, "ecs", "list-tasks", *in_cluster).stdout)["taskArns"]
    assert cli(aws, tmp_path, "ecs", "wait", "tasks-running", *in_cluster, "--tasks", *tasks).returncode == 0
    deleted = cli(aws, tmp_path, "ecs", "delete-service", *in_cluster, "--service", "web", "--force")
    assert deleted.returncode == 0, deleted.stderr
    gone = cli(aws, tmp_path, "ecs", "wait", "services-inactive", *in_cluster, "--services", "web")
    assert gone.returncode == 0, gone.stderr
