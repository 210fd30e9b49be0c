"""Terraform's own AWS provider writes a stack, reads it back without a difference, and removes it; CodeDeploy releases into it."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from harness import clock
from tests.emulator.clients import environment, until
from tests.emulator.conftest import ROOT, Running, start_emulator, stop_emulator
from tests.terraform.client import Terraform, plugins
from tests.terraform.lists import account

HERE = Path(__file__).parent
REGION, NAME = "ap-northeast-2", "hello"
SECOND = "This is Second Deployment!"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_what_terraform_writes_of_a_load_balancer_reads_back_without_a_difference(aws: Running, tmp_path: Path):
    terraform = Terraform(aws, HERE / "load_balancer", tmp_path / "tf")
    terraform.apply()
    try:
        terraform.finds_no_changes()
    finally:
        terraform.destroy()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Running]:
    """An emulator with nothing in it."""
    plugins()
    running = start_emulator(tmp_path / "home", "--compress", "60")
    yield running
    stop_emulator(running)


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
def test_whole_stack_is_applied_released_into_and_destroyed_to_nothing(own: Running, tmp_path: Path):
    before = account(own, REGION)
    terraform = Terraform(own, HERE / "stack", tmp_path / "tf")
    terraform.apply("-target=aws_ecr_repository.this")
    build(own, "v1")
    build(own, "v2", "--message", SECOND)

    took(terraform.apply)
    assert [waited for waited in terraform.waited() if waited >= 1] == []  # all was ready at the provider's first look
    terraform.finds_no_changes()
    until(lambda: healthy(own) == 2)
    assert page(own) == "Hello, World!\n"

    two = "-var=image_tag=v2"
    terraform.apply(two)
    terraform.finds_no_changes(two)
    assert page(own) == "Hello, World!\n"
    deployment = deploy(own, terraform.run("output", "-raw", "task_definition"))
    assert deployment["status"] == "Succeeded"
    assert deployment["deploymentConfigName"] == f"{NAME}-canary"
    assert page(own) == f"{SECOND}\n"
    terraform.finds_no_changes(two)

    took(terraform.destroy, two)
    assert terraform.run("state", "list") == ""
    after = account(own, REGION)
    assert {name: found for name, found in after.items() if found != before[name]} == {}


def build(aws: Running, tag: str, *more: str) -> None:
    """An image of the sample app, in the repository."""
    done = subprocess.run(
        [sys.executable, "-m", "harness.cli", "build", "--revision", tag, "--push", f"{NAME}:{tag}", *more],
        env={
            **environment(aws, aws.home),
            "AWS_REGION": REGION,
            "REHEARSAL_HOME": str(aws.home),
            "PYTHONPATH": str(ROOT),
        },
        capture_output=True,
        text=True,
        check=False,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr


def deploy(aws: Running, task_definition: str) -> dict[str, Any]:
    codedeploy = aws.client("codedeploy", region_name=REGION)
    properties = {
        "TaskDefinition": task_definition,
        "LoadBalancerInfo": {"ContainerName": "app", "ContainerPort": 8080},
    }
    target = {"TargetService": {"Type": "AWS::ECS::Service", "Properties": properties}}
    content = json.dumps({"version": 0.0, "Resources": [target]})
    made = codedeploy.create_deployment(
        applicationName=NAME,
        deploymentGroupName=NAME,
        revision={"revisionType": "AppSpecContent", "appSpecContent": {"content": content}},
    )
    waiting = {"Delay": 1, "MaxAttempts": 120}
    codedeploy.get_waiter("deployment_successful").wait(deploymentId=made["deploymentId"], WaiterConfig=waiting)
    return dict(codedeploy.get_deployment(deploymentId=made["deploymentId"])["deploymentInfo"])


def healthy(aws: Running) -> int:
    elb = aws.client("elbv2", region_name=REGION)
    (blue,) = elb.describe_target_groups(Names=[f"{NAME}-blue"])["TargetGroups"]
    targets = elb.describe_target_health(TargetGroupArn=blue["TargetGroupArn"])["TargetHealthDescriptions"]
    return sum(one["TargetHealth"]["State"] == "healthy" for one in targets)


def page(aws: Running) -> str:
    """Through port 80's redirect to the page that the production listener serves; nobody's authority signed its certificate."""
    (balancer,) = requests.get(f"{aws.url}/_rehearsal/status", timeout=10).json()["load_balancers"]
    urls = {one["port"]: one["url"] for one in balancer["listeners"]}
    names = {"Host": f"www.{NAME}.test"}
    moved = requests.get(urls[80], headers=names, timeout=10, allow_redirects=False)
    assert (moved.status_code, moved.headers["Location"]) == (301, f"https://www.{NAME}.test:443/")
    return requests.get(urls[443], headers=names, timeout=10, verify=False).text


def took(work: Callable[..., object], *arguments: str) -> None:
    """Most of it the provider waits in any case: printed, for `pytest -rP`, and not judged."""
    start = clock.monotonic()
    work(*arguments)
    print(f"{work.__name__}: {clock.monotonic() - start:.1f} s")
