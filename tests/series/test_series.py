"""docs/SERIES.md, run as a reader types it: every block of a part in bash, with the AWS CLI, Docker and rehearse on the PATH."""

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import requests

from harness import images
from tests.emulator.clients import AWS, environment, until
from tests.emulator.conftest import ROOT, Running, start_emulator, stop_emulator

BLOCK = re.compile(r"^```bash ?([a-z ]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HELLO, SECOND = "Hello, World!\n", "This is Second Deployment!\n"
REGION = "ap-northeast-2"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not AWS.is_file(), reason=f"the AWS CLI is not installed beside this Python ({AWS})"),
]


def parts() -> list[list[tuple[str, str]]]:
    """[(for whom, commands)] of each part of the page."""
    text = (ROOT / "docs/SERIES.md").read_text(encoding="utf-8")
    return [
        [(found[1], found[2]) for found in BLOCK.finditer(section)]
        for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:8]
    ]


@cache
def base_image() -> str:
    """The one that this engine has; docker_ready says that there is one."""
    names = [name for name in (os.environ.get("REHEARSE_BASE_IMAGE"), *images.BASE_IMAGES) if name]
    inspected = (subprocess.run(["docker", "image", "inspect", name], capture_output=True) for name in names)
    return next(name for name, done in zip(names, inspected, strict=True) if done.returncode == 0)


@dataclass
class Reader:
    """Who types the page in a folder with the app; variables and functions last from one part to the next."""

    aws: Running
    folder: Path
    runtime: str

    def type(self, commands: str) -> str:
        """What it printed; fails with everything it said. A command that fails ends the part."""
        memory = self.folder / ".memory"
        script = f"set -euo pipefail; test ! -f {memory} || source {memory}; set -a\n{commands}\n"
        keep = f"{{ export -p; declare -f; }} > {memory}\n"
        done = subprocess.run(
            ["bash", "-c", script + keep],
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
            encoding="utf-8",
        )
        assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        return done.stdout

    def part(self, blocks: list[tuple[str, str]]) -> str:
        """The output of its last block."""
        said = ""
        for whom, commands in blocks:
            if whom in ("", self.runtime):
                said = self.type(commands)
        return said

    def environment(self) -> dict[str, str]:
        """Of a reader's shell: PATH begins with a `rehearse` and an `aws` of this Python."""
        given = environment(self.aws, self.folder)
        return {
            **given,
            "PATH": f"{self.folder / 'bin'}:{AWS.parent}:{given['PATH']}",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "DOCKER_CONFIG": str(self.folder / ".docker"),
            "DOCKER_BUILDKIT": "0",
            "BUILD_ARGS": f"--build-arg BASE_IMAGE={base_image() if self.runtime == 'docker' else ''}",
            "REHEARSAL_HOME": str(self.aws.home),
            "PYTHONPATH": str(ROOT),
        }

    def status(self) -> Any:
        return json.loads(self.type("rehearse status --json"))

    def page(self, port: int) -> requests.Response:
        """As a browser gets it from the port of this machine that `rehearse status` shows."""
        (balancer,) = self.status()["load_balancers"]
        url = next(one["url"] for one in balancer["listeners"] if one["port"] == port)
        # The certificate's authority is nobody's; that it is the right certificate has its test in test_elbv2_https.py.
        names = {"Host": "www.hello.test"}
        return requests.get(f"{url}/", headers=names, timeout=10, allow_redirects=False, verify=False)


def reader_of(home: Path, folder: Path, runtime: str) -> Reader:
    shutil.copytree(ROOT / "tests/series/app", folder, dirs_exist_ok=True)
    (folder / "bin").mkdir()
    command = folder / "bin/rehearse"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m harness.cli "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    return Reader(start_emulator(home, "--compress", "60", "--runtime", runtime), folder, runtime)


@pytest.fixture(
    params=[
        "process",
        pytest.param("docker", marks=[pytest.mark.docker]),
    ]
)
def reader(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Reader]:
    if request.param == "docker" and (found := images.find_distribution())[0] is None:
        pytest.skip(found[1])
    one = reader_of(tmp_path / "home", tmp_path / "hello", request.param)
    yield one
    if request.param == "docker":
        uri = one.type('printf "%s" "$URI"')
        stop_emulator(one.aws)
        one.type(f"docker rmi --force hello:v1 {uri}:v1 {uri}:v2")
    else:
        stop_emulator(one.aws)


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
def test_the_series_from_an_empty_account_to_the_second_deployment(reader: Reader):
    one, two, three, four, five, six, seven = parts()
    reader.part(one)
    assert (
        reader.type("aws ecr list-images --repository-name hello --query 'imageIds[].imageTag' --output text") == "v1\n"
    )

    reader.part(two)
    checked = "aws ec2 describe-instance-attribute --instance-id $NAT --attribute sourceDestCheck --query SourceDestCheck.Value"
    assert reader.type(checked) == "false\n"
    route = "aws ec2 describe-route-tables --route-table-ids $PRIVATE --query 'RouteTables[].Routes[?InstanceId!=null][].InstanceId'"
    assert reader.type(f"{route} --output text") == reader.type("echo $NAT")

    reader.part(three)
    issued = "aws acm describe-certificate --certificate-arn $CERTIFICATE --query Certificate.Status --output text"
    assert reader.type(issued) == "ISSUED\n"

    reader.part(four)
    moved = reader.page(80)
    assert (moved.status_code, moved.headers["Location"]) == (301, "https://www.hello.test:443/")
    assert reader.page(443).status_code == 503

    assert reader.part(five).endswith(HELLO)
    assert reader.page(443).text == HELLO
    assert len(reader.type("aws ecs list-container-instances --cluster hello --output text").splitlines()) == 1

    reader.part(six)
    tasks = reader.type("aws ecs list-tasks --cluster hello --query taskArns --output text").split()
    assert len(tasks) == 2
    assert reader.page(443).text == HELLO

    assert reader.part(seven).endswith(SECOND)
    assert reader.page(443).text == SECOND
    logged = reader.type("aws deploy list-deployments --application-name hello --deployment-group-name web "
                         "--include-only-statuses Succeeded --query 'length(deployments)'")  # fmt: skip
    assert logged == "2\n"
    until(lambda: len(reader.status()["tasks"]) == 2)
    shown = reader.type("rehearse status")
    for port in (80, 443, 8080):
        assert re.search(rf"^  hello:{port}  https?://127\.0\.0\.1:\d+$", shown, re.MULTILINE), shown


def test_waiter_ends_for_a_service_that_ecs_itself_deploys(aws: Running, tmp_path: Path):
    """The page says so; CodeDeploy's services never end it (reference I.9)."""
    name, container = f"s{secrets.token_hex(3)}", '[{"name": "app", "image": "sampleapp:v1", "memory": 128}]'
    reader = Reader(aws, tmp_path, "process")
    reader.type(
        f"""
        aws ecs create-cluster --cluster-name {name}
        VPC=$(aws ec2 create-vpc --cidr-block 10.0.0.0/16 --query Vpc.VpcId --output text)
        SUBNET=$(aws ec2 create-subnet --vpc-id $VPC --cidr-block 10.0.0.0/24 --query Subnet.SubnetId --output text)
        aws ecs register-task-definition --family {name} --network-mode awsvpc --requires-compatibilities FARGATE \
          --cpu 256 --memory 512 --container-definitions '{container}'
        aws ecs create-service --cluster {name} --service-name web --task-definition {name} --desired-count 1 \
          --launch-type FARGATE --network-configuration "awsvpcConfiguration={{subnets=[$SUBNET]}}"
        aws ecs wait services-stable --cluster {name} --services web
        """
    )
    shown = f"aws ecs describe-services --cluster {name} --services web --query 'services[0].[runningCount,length(deployments)]'"
    assert json.loads(reader.type(shown)) == [
        1,
        1,
    ]  # what the waiter waits for; the rollout is COMPLETED when the task counts as healthy
    state = (
        f"aws ecs describe-services --cluster {name} --services web --query 'services[0].deployments[0].rolloutState'"
    )
    until(lambda: json.loads(reader.type(state)) == "COMPLETED")
    reader.type(f"aws ecs delete-service --cluster {name} --service web --force")
