"""From a built image to a running task, through ECR: `docker push` for containers, `rehearse build --push` for both runtimes."""

import asyncio
import base64
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness import images, owner
from harness.emulator.runtime.base import CannotPull, ContainerSpec, Runtime, not_found
from harness.emulator.runtime.docker import DockerRuntime
from harness.emulator.runtime.process import ProcessRuntime
from harness.runner.sweep import sweep_tasks
from tests.emulator.conftest import ROOT, Running, start_emulator, stop_emulator

needs_registry = pytest.mark.skipif(images.find_distribution()[0] is None, reason=images.find_distribution()[1])


def until(condition: Callable[[], Any], within: float = 60.0) -> Any:
    deadline = time.monotonic() + within
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {within} s; last seen: {value!r}"
        time.sleep(0.1)
    return value


@dataclass
class Shell:
    """Runs commands as a user of the emulator does, with a Docker configuration of their own."""

    aws: Running
    docker_config: Path

    def run(self, *command: str, given: str = "") -> tuple[int, str]:
        """(exit code, everything it said)."""
        env = {
            **os.environ,
            "DOCKER_CONFIG": str(self.docker_config),
            "REHEARSAL_HOME": str(self.aws.home),
            "PYTHONPATH": str(ROOT),
            "AWS_ENDPOINT_URL": self.aws.url,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }
        done = subprocess.run(
            command, input=given, env=env, capture_output=True, text=True, timeout=120, encoding="utf-8"
        )
        return done.returncode, done.stdout + done.stderr

    def rehearse(self, *arguments: str) -> tuple[int, str]:
        return self.run(sys.executable, "-m", "harness.cli", *arguments)

    def password(self) -> str:
        """Of the AWS CLI where it works, else of boto3."""
        if shutil.which("aws") and self.run("aws", "--version")[0] == 0:
            code, said = self.run("aws", "ecr", "get-login-password")
            assert code == 0, said
            return said.strip()
        token = self.aws.client("ecr").get_authorization_token()["authorizationData"][0]["authorizationToken"]
        return base64.b64decode(token).decode().partition(":")[2]

    def login(self, host: str) -> None:
        code, said = self.run("docker", "login", "--username", "AWS", "--password-stdin", host, given=self.password())
        assert (code, "Login Succeeded" in said) == (0, True), said


@pytest.fixture(scope="module")
def docker_shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    home = tmp_path_factory.mktemp("docker-registry")
    for revision in ("v1", "v2"):
        images.build(home, "docker", revision=revision)
    running = start_emulator(home, "--runtime", "docker")
    shell = Shell(running, tmp_path_factory.mktemp("docker-config"))
    host = made(shell)[1].partition("/")[0]
    yield shell
    stop_emulator(running)
    assert list((home / "registry").iterdir()) == []
    # What a push leaves in the engine when its tag moves on is its user's to remove.
    names = shell.run("docker", "images", "--digests", "--format", "{{.Repository}}@{{.Digest}}")[1].split()
    for name in names:
        if name.startswith(f"{host}/"):
            shell.run("docker", "rmi", name)


@pytest.fixture(scope="module")
def process_shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    running = start_emulator(tmp_path_factory.mktemp("process-registry"))
    yield Shell(running, tmp_path_factory.mktemp("docker-config"))
    stop_emulator(running)


def made(shell: Shell, **settings: Any) -> tuple[str, str]:
    """A new repository: name and URI."""
    name = f"app-{secrets.token_hex(4)}"
    repository = shell.aws.client("ecr").create_repository(repositoryName=name, **settings)["repository"]
    return name, repository["repositoryUri"]


PRINTS_ITS_VERSION = ["python3", "-c", "import os; print('version', os.environ['APP_VERSION']); raise SystemExit(7)"]


def ran(shell: Shell, image: str, command: Sequence[str] = PRINTS_ITS_VERSION) -> dict[str, Any]:
    """RunTask of an image whose command ends at once: the stopped task."""
    ecs, family = shell.aws.client("ecs"), f"f{secrets.token_hex(4)}"
    ecs.create_cluster(clusterName=family)
    container = {
        "name": "app",
        "image": image,
        "command": command,
    }
    ecs.register_task_definition(
        family=family,
        containerDefinitions=[container],
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        cpu="256",
        memory="512",
    )
    task = ecs.run_task(
        cluster=family,
        taskDefinition=family,
        launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": {"subnets": [subnet(shell)]}},
    )["tasks"][0]["taskArn"]

    def stopped() -> Any:
        found = ecs.describe_tasks(cluster=family, tasks=[task])["tasks"][0]
        return found if found["lastStatus"] == "STOPPED" else None

    return dict(until(stopped))


def other_architecture() -> str:
    return {"amd64": "arm64", "arm64": "amd64"}[images.architecture_of_this_machine()]


def on_ec2(runtime: Runtime, image: str) -> tuple[int, str]:
    """A container of a task on EC2: how it ended, and what it said."""

    async def story() -> tuple[int, str]:
        await runtime.prepare()
        try:
            await runtime.pull(image, "EC2")
            container = await runtime.start(ContainerSpec(task_id="t1", name="app", image=image, launch_type="EC2"))
            end = await container.wait()
            return end.code, (await container.logs()).strip().removeprefix("standard_init_linux.go: ")
        finally:
            await runtime.close()

    return asyncio.run(story())


def subnet(shell: Shell) -> str:
    return str(shell.aws.client("ec2").describe_subnets()["Subnets"][0]["SubnetId"])


def exit_code(task: dict[str, Any]) -> Any:
    return task["containers"][0].get("exitCode", task.get("stoppedReason"))


# ---- containers


@needs_registry
@pytest.mark.docker
def test_image_that_was_pushed_runs_by_tag_and_by_digest(docker_shell: Shell):
    shell, ecr = docker_shell, docker_shell.aws.client("ecr")
    name, uri = made(shell)
    shell.login(uri.partition("/")[0])
    assert shell.run("docker", "tag", "sampleapp:v1", f"{uri}:v1")[0] == 0
    code, said = shell.run("docker", "push", f"{uri}:v1")
    assert code == 0, said
    details = ecr.describe_images(repositoryName=name)["imageDetails"][0]
    assert f"digest: {details['imageDigest']}" in said
    assert details["imageTags"] == ["v1"]
    assert details["imageSizeInBytes"] > 1_000_000
    shell.run("docker", "rmi", f"{uri}:v1")
    by_aws_name = f"475882391631.dkr.ecr.us-east-1.amazonaws.com/{name}"
    for image in (f"{uri}:v1", f"{uri}@{details['imageDigest']}", f"{by_aws_name}:v1"):
        assert exit_code(ran(shell, image)) == 7, image
    assert "lastRecordedPullTime" in ecr.describe_images(repositoryName=name)["imageDetails"][0]
    missing = ran(shell, f"{by_aws_name}:v9")
    assert missing["stopCode"] == "TaskFailedToStart"
    assert missing["stoppedReason"] == (
        f"CannotPullContainerError: pull image manifest has been retried 7 time(s): failed to resolve ref {by_aws_name}:v9: "
        f"{by_aws_name}:v9: not found"
    )


@needs_registry
@pytest.mark.docker
@pytest.mark.slow
def test_task_runs_what_the_tag_means_now(docker_shell: Shell):
    shell = docker_shell
    name, uri = made(shell)
    shell.login(uri.partition("/")[0])
    digests = []
    for revision in ("v1", "v2"):
        shell.run("docker", "tag", f"sampleapp:{revision}", f"{uri}:latest")
        assert shell.run("docker", "push", f"{uri}:latest")[0] == 0
        digests.append(shell.aws.client("ecr").describe_images(repositoryName=name, imageIds=[{"imageTag": "latest"}]))
        assert exit_code(ran(shell, f"{uri}:latest")) == 7
    first, second = (one["imageDetails"][0]["imageDigest"] for one in digests)
    assert first != second
    shell.aws.client("ecr").batch_delete_image(repositoryName=name, imageIds=[{"imageDigest": first}])
    gone = ran(shell, f"{uri}@{first}")  # a rollback to an image that is gone (F.29)
    assert "not found" in gone["stoppedReason"]
    shell.run("docker", "rmi", f"{uri}:latest")


@needs_registry
@pytest.mark.docker
def test_docker_push_is_refused_as_ecr_refuses_it(docker_shell: Shell):
    shell = docker_shell
    name, uri = made(shell, imageTagMutability="IMMUTABLE")
    host = uri.partition("/")[0]
    for revision, tag in (("v1", "v1"), ("v2", "again")):
        shell.run("docker", "tag", f"sampleapp:{revision}", f"{uri}:{tag}")
    shell.run("docker", "logout", host)
    code, said = shell.run("docker", "push", f"{uri}:v1")
    assert (code, "no basic auth credentials" in said) == (1, True), said
    shell.login(host)
    assert shell.run("docker", "push", f"{uri}:v1")[0] == 0
    shell.run("docker", "tag", "sampleapp:v2", f"{uri}:v1")
    code, said = shell.run("docker", "push", f"{uri}:v1")
    assert code == 1
    assert (
        f"tag invalid: The image tag 'v1' already exists in the '{name}' repository and cannot be overwritten because the "
        "tag is immutable."
    ) in said
    shell.run("docker", "tag", "sampleapp:v1", f"{host}/nobody-made-it:v1")
    code, said = shell.run("docker", "push", f"{host}/nobody-made-it:v1")
    assert code == 1
    assert (
        "name unknown: The repository with name 'nobody-made-it' does not exist in the registry with id '123456789012'"
    ) in said
    for tag in (f"{uri}:v1", f"{uri}:again", f"{host}/nobody-made-it:v1"):
        shell.run("docker", "rmi", tag)


@needs_registry
@pytest.mark.docker
def test_image_of_another_architecture_fails_as_the_launch_type_has_it(docker_shell: Shell):
    shell = docker_shell
    _, uri = made(shell)
    images.build_foreign(shell.aws.home, "docker", revision="wrong", architecture=other_architecture())
    shell.login(uri.partition("/")[0])
    shell.run("docker", "tag", "sampleapp:wrong", f"{uri}:wrong")
    code, said = shell.run("docker", "push", f"{uri}:wrong")
    assert code == 0, said
    assert exit_code(ran(shell, f"{uri}:wrong", command=[])) == (
        "CannotPullContainerError: pull image manifest has been retried 7 time(s): image Manifest does not contain "
        f"descriptor matching platform 'linux/{images.architecture_of_this_machine()}'."
    )
    shell.run("docker", "rmi", f"{uri}:wrong")
    container = on_ec2(DockerRuntime(shell.aws.home), "sampleapp:wrong")
    assert container == (1, "exec /app: exec format error")
    shell.run("docker", "rmi", "sampleapp:wrong")
    code, said = shell.rehearse("build", "--platform", f"linux/{other_architecture()}")
    assert (
        code,
        f"the base image rehearse-base:latest is for linux/{images.architecture_of_this_machine()}" in said,
    ) == (
        3,
        True,
    ), said


@needs_registry
@pytest.mark.docker
def test_build_push_really_pushes(docker_shell: Shell):
    shell = docker_shell
    name, uri = made(shell)
    code, said = shell.rehearse("build", "--revision", "v1", "--push", f"{name}:stable")
    assert code == 0, said
    details = shell.aws.client("ecr").describe_images(repositoryName=name)["imageDetails"][0]
    assert said.splitlines() == ["sampleapp:v1", f"{uri}:stable@{details['imageDigest']}"]
    assert exit_code(ran(shell, f"{uri}:stable")) == 7
    shell.run("docker", "rmi", f"{uri}:stable")
    code, said = shell.rehearse("build", "--revision", "v1", "--push", "nobody-made-it")
    assert code == 3
    assert "The repository with name 'nobody-made-it' does not exist" in said


# ---- processes


def test_process_image_is_pushed_and_runs_by_tag_and_by_digest(process_shell: Shell):
    shell, ecr = process_shell, process_shell.aws.client("ecr")
    name, uri = made(shell)
    code, said = shell.rehearse("build", "--revision", "v5", "--push", name)
    assert code == 0, said
    details = ecr.describe_images(repositoryName=name)["imageDetails"][0]
    assert said.splitlines() == ["sampleapp:v5", f"{uri}:v5@{details['imageDigest']}"]
    assert ecr.list_images(repositoryName=name)["imageIds"] == [
        {"imageDigest": details["imageDigest"], "imageTag": "v5"}
    ]
    manifest = ecr.batch_get_image(repositoryName=name, imageIds=[{"imageTag": "v5"}])["images"][0]["imageManifest"]
    assert json.loads(manifest)["config"]["mediaType"] == images.PROCESS_IMAGE
    assert shell.rehearse("build", "--revision", "v5", "--push", name) == (0, said), "the same again is no error"
    (shell.aws.home / "images/sampleapp/v5/manifest.json").unlink()
    for image in (
        f"{uri}:v5",
        f"{uri}@{details['imageDigest']}",
        f"123456789012.dkr.ecr.us-east-1.amazonaws.com/{name}:v5",
        f"123456789012.dkr.ecr.us-east-1.localhost.localstack.cloud:4566/{name}:v5",
    ):
        assert exit_code(ran(shell, image)) == 7, image
    assert "failed to resolve ref" in exit_code(ran(shell, f"{uri}:v6"))


def test_process_image_of_another_architecture_fails_as_the_launch_type_has_it(process_shell: Shell):
    shell = process_shell
    _, uri = made(shell)
    platform = f"linux/{other_architecture()}"
    assert shell.rehearse("build", "--revision", "wrong", "--platform", platform, "--push", uri)[0] == 0
    assert "descriptor matching platform" in exit_code(ran(shell, f"{uri}:wrong"))
    code, said = on_ec2(ProcessRuntime(shell.aws.home), "sampleapp:wrong")
    assert (code, said) == (1, f"exec {sys.executable}: exec format error")


def test_build_push_is_refused_for_an_immutable_tag(process_shell: Shell):
    name, _ = made(process_shell, imageTagMutability="IMMUTABLE")
    push = ("--push", f"{name}:prod")
    assert process_shell.rehearse("build", "--revision", "v1", *push)[0] == 0
    code, said = process_shell.rehearse("build", "--revision", "v2", *push)
    assert (code, "cannot be overwritten because the tag is immutable" in said) == (3, True), said


def test_build_push_without_an_emulator_says_what_to_start(tmp_path: Path):
    shell = Shell(Running("http://127.0.0.1:1", tmp_path, None), tmp_path)  # type: ignore[arg-type]
    code, said = shell.rehearse("build", "--push", "app")
    assert (code, "rehearse up --detach" in said) == (3, True), said


@pytest.mark.parametrize("launch_type", ["FARGATE", "EC2"])
def test_missing_image_is_named_in_the_words_of_the_launch_type(launch_type: str, tmp_path: Path):
    words = {
        "FARGATE": r"pull image manifest has been retried 7 time\(s\): failed to resolve ref app:no: app:no: not found",
        "EC2": r"Error response from daemon: pull access denied for app, repository does not exist or may require 'docker login'",
    }
    with pytest.raises(CannotPull, match=f"^CannotPullContainerError: {words[launch_type]}$"):
        asyncio.run(ProcessRuntime(tmp_path).pull("app:no", launch_type))


def test_missing_tag_on_ec2_has_dockers_words():
    text = not_found("127.0.0.1:5000/app", "EC2", repository=True)
    assert text == (
        "CannotPullContainerError: Error response from daemon: manifest for 127.0.0.1:5000/app:latest not found: manifest unknown"
    )


# ---- the registry's process


def registries(home: Path) -> list[psutil.Process]:
    """Of the emulator with this state directory."""
    lines = (json.loads(line.read_text(encoding="utf-8")) for line in (home / "ledger").glob("*.json"))
    return [psutil.Process(line["pid"]) for line in lines if line["task"] == "registry"]


@needs_registry
def test_registry_ends_with_the_emulator_and_is_swept_after_a_crash(tmp_path: Path):
    for crash in (False, True):
        running = start_emulator(tmp_path)
        made(Shell(running, tmp_path))
        (registry,) = registries(tmp_path)
        folders = [folder for folder in registry.cmdline() if folder.endswith("registry.yml")]
        if crash:
            os.kill(running.process.pid, signal.SIGKILL)
            running.process.wait(10)
            assert running.process.stdout is not None
            running.process.stdout.close()
            assert any("docker-registry" in line or "registry" in line for line in sweep_tasks(tmp_path))
            assert sweep_tasks(tmp_path) == []
        else:
            stop_emulator(running)
        assert owner.ended([registry])
        assert not Path(folders[0]).parent.exists()
        assert not [path for path in (tmp_path / "registry").iterdir() if path.is_dir()]


@needs_registry
@pytest.mark.docker
def test_image_that_a_crashed_emulator_pulled_is_swept(tmp_path: Path):
    running = start_emulator(tmp_path, "--runtime", "docker")
    shell = Shell(running, tmp_path / "docker-config")
    _, uri = made(shell)
    shell.login(uri.partition("/")[0])
    images.build_foreign(tmp_path, "docker", revision="swept", architecture=other_architecture())
    shell.run("docker", "tag", "sampleapp:swept", f"{uri}:v1")
    assert shell.run("docker", "push", f"{uri}:v1")[0] == 0
    shell.run("docker", "rmi", f"{uri}:v1", "sampleapp:swept")
    ran(shell, f"{uri}:v1", command=[])  # pulled, and refused
    running.process.kill()
    running.process.wait(10)
    assert running.process.stdout is not None
    running.process.stdout.close()
    assert any(line.startswith(f"image {uri}@sha256:") for line in sweep_tasks(tmp_path))
    assert uri not in shell.run("docker", "images", "--digests")[1]
    assert sweep_tasks(tmp_path) == []


def test_without_a_registry_records_work_and_a_push_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("REHEARSE_REGISTRY", "no-such-program")
    running = start_emulator(tmp_path)
    shell, ecr = Shell(running, tmp_path), running.client("ecr")
    name, uri = made(shell)
    assert shell.rehearse("build", "--revision", "v1", "--push", name)[0] == 0
    assert exit_code(ran(shell, f"{uri}:v1")) == 7
    with pytest.raises(ecr.exceptions.ClientError, match=r"apt-get install docker-registry"):
        ecr.initiate_layer_upload(repositoryName=name)
    data = ecr.get_authorization_token()["authorizationData"][0]
    upload = urllib.request.Request(
        f"{data['proxyEndpoint']}/v2/{name}/blobs/uploads/",
        method="POST",
        data=b"",
        headers={"Authorization": f"Basic {data['authorizationToken']}"},
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(upload, timeout=10)
    with caught.value as error:
        assert error.code == 405
        assert "apt-get install docker-registry" in json.load(error)["errors"][0]["message"]
    assert "no no-such-program on PATH" in shell.rehearse("doctor", "--json")[1]
    stop_emulator(running)
