"""What happens inside a task: container health checks that really run, dependencies, logs, overrides, failures in EC2's words."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest

from harness import images
from harness.emulator.cloud import AwsError
from harness.emulator.runtime.base import not_found
from harness.emulator.services.ecs_container_checks import check_container, health_check, log_options, refuse_unemulated
from tests.emulator.conftest import Running
from tests.emulator.ecs_on_ec2 import OnEc2, told_on_ec2
from tests.emulator.ecs_story import RUN, Emulated, put_image, told_in
from tests.emulator.test_ecs_fleet import until

IMAGES = {
    "sleeper:1": "exec sleep 600",
    "exits:1": "exit 3",
    "prints:1": "echo first; echo second; sleep 0.2; printf last; exit 1",
    "listens:1": "exec python3 -S -m http.server --bind 127.0.0.1 $PORT",
    "marks:1": 'trap \'date +%s%N > "$OUT-$NAME"; exit 0\' TERM; : > "$OUT-$NAME"; while :; do sleep 0.02; done',
}
Story = Callable[[Callable[[Emulated], Awaitable[None]]], None]


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return lambda told: told_in(tmp_path, IMAGES, told)


def check(*command: str, **more: int) -> dict[str, Any]:
    return {"healthCheck": {"command": list(command), "interval": 5, "timeout": 2, "retries": 1, **more}}


# ---- health checks; they run every 5 s at the soonest


def test_health_check_runs_inside_and_makes_the_task_healthy(story: Story, tmp_path: Path):
    async def told(ecs: Emulated) -> None:
        # the container's environment, its own port by the number of the task definition, and its working directory
        command = f'[ "$COLOUR" = blue ] && [ "$PWD" = "{tmp_path}" ] && python3 -S -c "{_connect(8080)}"'
        environment = [{"name": "COLOUR", "value": "blue"}]
        arn = await ecs.run(await ecs.register("listens:1", environment=environment, **check("CMD-SHELL", command)))
        running = await ecs.at(arn, "RUNNING")
        assert (running["healthStatus"], running["containers"][0]["healthStatus"]) == ("UNKNOWN", "UNKNOWN")

        async def healthy() -> bool:
            task = await ecs.task(arn)
            return (task["healthStatus"], task["containers"][0]["healthStatus"]) == ("HEALTHY", "HEALTHY")

        await ecs.until(healthy, 9)

    story(told)


def _connect(port: int) -> str:
    return f"import urllib.request as r; r.urlopen('http://localhost:{port}/')"


def test_service_replaces_a_task_that_fails_its_health_check(story: Story):
    async def told(ecs: Emulated) -> None:
        definition = await ecs.register("sleeper:1", **check("CMD", "false"))
        await ecs.call("CreateService", serviceName="web", taskDefinition=definition, desiredCount=1, **RUN)

        async def stopped() -> dict[str, Any] | None:
            return next((task for task in await ecs.tasks("STOPPED") if task["lastStatus"] == "STOPPED"), None)

        task = await ecs.until(stopped, 15)
        assert (task["stopCode"], task["stoppedReason"]) == (
            "ServiceSchedulerInitiated",
            "Task failed container health checks",
        )
        assert task["healthStatus"] == "UNHEALTHY"
        assert "(service web) (task) failed container health checks." in await ecs.messages()
        assert (await ecs.service())["deployments"][0]["failedTasks"] == 1

    story(told)


def test_task_outside_a_service_goes_on_when_it_is_unhealthy_and_a_hung_check_is_a_failed_one(story: Story):
    async def told(ecs: Emulated) -> None:
        arn = await ecs.run(await ecs.register("sleeper:1", **check("CMD-SHELL", "sleep 60")))

        async def unhealthy() -> bool:
            return bool((await ecs.task(arn))["healthStatus"] == "UNHEALTHY")

        await ecs.until(unhealthy, 12)
        assert (await ecs.task(arn))["lastStatus"] == "RUNNING"

    story(told)


def test_container_waits_until_the_one_it_depends_on_is_healthy(story: Story):
    async def told(ecs: Emulated) -> None:
        sidecar = {"name": "sidecar", "image": "sleeper:1", "essential": False, **check("CMD", "true")}
        depends = [{"containerName": "sidecar", "condition": "HEALTHY"}]
        arn = await ecs.run(await ecs.register("sleeper:1", sidecar, dependsOn=depends))

        async def only_the_sidecar() -> bool:
            states = {one["name"]: one["lastStatus"] for one in (await ecs.task(arn))["containers"]}
            return states == {"app": "PENDING", "sidecar": "RUNNING"}

        await ecs.until(only_the_sidecar)
        running = cast(dict[str, Any], await ecs.until(lambda: _running(ecs, arn), 12))
        assert running["containers"][1]["healthStatus"] == "HEALTHY"

    story(told)


async def _running(ecs: Emulated, arn: str) -> dict[str, Any] | None:
    task = await ecs.task(arn)
    return task if task["lastStatus"] == "RUNNING" else None


def test_dependency_that_does_not_come_up_in_its_start_timeout_fails_the_task(story: Story):
    async def told(ecs: Emulated) -> None:
        slow = {"name": "slow", "image": "sleeper:1", "essential": False, "startTimeout": 2, **check("CMD", "false")}
        depends = [{"containerName": "slow", "condition": "HEALTHY"}]
        stopped = await ecs.at(await ecs.run(await ecs.register("sleeper:1", slow, dependsOn=depends)), "STOPPED")
        assert stopped["stopCode"] == "TaskFailedToStart"
        assert stopped["stoppedReason"] == "TaskDependencyError: container slow did not become healthy"

    story(told)


def test_containers_stop_before_those_they_depend_on(story: Story, tmp_path: Path):
    async def told(ecs: Emulated) -> None:
        def named(name: str) -> dict[str, Any]:
            return {"environment": [{"name": "NAME", "value": name}]}

        proxy = {"name": "proxy", "image": "marks:1", **named("proxy")}
        depends = [{"containerName": "proxy", "condition": "START"}]
        arn = await ecs.run(await ecs.register("marks:1", proxy, dependsOn=depends, **named("app")))
        files = [tmp_path / "told-app", tmp_path / "told-proxy"]

        async def listening() -> bool:
            return all(file.exists() for file in files)

        await ecs.until(listening)
        await ecs.call("StopTask", task=arn)
        await ecs.at(arn, "STOPPED")
        app, proxy_end = (int(file.read_text(encoding="utf-8")) for file in files)
        assert app < proxy_end

    story(told)


# ---- logs


def log_to(group: str, **more: str) -> dict[str, Any]:
    return {"logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": group, **more}}}


def test_log_that_cannot_be_written_does_not_hurt_the_task(story: Story):
    async def told(ecs: Emulated) -> None:
        arn = await ecs.run(await ecs.register(**log_to("/forbidden")))
        await ecs.at(arn, "RUNNING")

        async def tried() -> bool:
            return any(name == "logs:CreateLogGroup" for name, _ in ecs.elsewhere.asked)

        await ecs.until(tried)
        assert (await ecs.task(arn))["lastStatus"] == "RUNNING"

    story(told)


def test_everything_a_container_prints_is_in_cloudwatch_logs(aws: Running):
    ecs, logs, ec2 = aws.client("ecs"), aws.client("logs"), aws.client("ec2")
    put_image(aws.home, "prints:1", ["/bin/sh", "-c", IMAGES["prints:1"]])
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    ecs.create_cluster(clusterName="logs")
    ecs.register_task_definition(
        family="prints",
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        executionRoleArn="arn:aws:iam::123456789012:role/x",
        cpu="256",
        memory="512",
        containerDefinitions=[
            {"name": "app", "image": "prints:1", **log_to("/ecs/app", **{"awslogs-stream-prefix": "web"})}
        ],
    )
    network = {"awsvpcConfiguration": {"subnets": [subnet]}}
    (task,) = ecs.run_task(cluster="logs", taskDefinition="prints", launchType="FARGATE", networkConfiguration=network)[
        "tasks"
    ]
    stream = f"web/app/{task['taskArn'].rpartition('/')[2]}"

    def lines() -> list[str]:
        try:
            events = logs.get_log_events(logGroupName="/ecs/app", logStreamName=stream)["events"]
        except logs.exceptions.ResourceNotFoundException:
            return []
        return [event["message"] for event in events]

    until(lambda: "last" in lines())
    assert lines() == ["first", "second", "last"]


def test_fargate_without_logs_or_secrets_asks_nobody_but_for_its_subnets(story: Story):
    async def told(ecs: Emulated) -> None:
        await ecs.at(await ecs.run(await ecs.register()), "RUNNING")
        assert {name for name, _ in ecs.elsewhere.asked} == {"ec2:DescribeSubnets"}

    story(told)


# ---- EC2's own ways to fail (D.2)


def test_image_of_another_architecture_starts_and_dies_on_ec2(tmp_path: Path):
    async def told(ecs: OnEc2) -> None:
        manifest = tmp_path / "images" / "app" / "1" / "manifest.json"
        document = json.loads(manifest.read_text(encoding="utf-8"))
        other = {"amd64": "arm64", "arm64": "amd64"}[images.architecture_of_this_machine()]
        manifest.write_text(json.dumps({**document, "architecture": other}), encoding="utf-8")
        await ecs.join("i-1")
        answer = await ecs.call("RunTask", taskDefinition=await ecs.definition(), launchType="EC2")
        stopped = await ecs.at(answer["tasks"][0]["taskArn"], "STOPPED")
        assert (stopped["stopCode"], stopped["containers"][0]["exitCode"]) == ("EssentialContainerExited", 1)
        assert "startedAt" in stopped

    told_on_ec2(tmp_path, told, balanced=False)


def test_missing_image_is_told_in_dockers_words_on_ec2():
    assert not_found("app:2", "EC2") == (
        "CannotPullContainerError: Error response from daemon: pull access denied for app, "
        "repository does not exist or may require 'docker login'"
    )
    registry = "123456789012.dkr.ecr.us-east-1.amazonaws.com/app:2"
    assert not_found(registry, "EC2", repository=True).endswith(f"manifest for {registry} not found: manifest unknown")


# ---- overrides, tags, protection


def test_overrides_of_command_and_size_count(story: Story):
    async def told(ecs: Emulated) -> None:
        definition = await ecs.register(command=["sleep", "600"])
        override = {"containerOverrides": [{"name": "app", "command": ["/bin/sh", "-c", "exit 7"]}], "memory": "1024"}
        stopped = await ecs.at(await ecs.run(definition, overrides=override), "STOPPED")
        assert (stopped["containers"][0]["exitCode"], stopped["memory"]) == (7, "1024")
        files = {"name": "app", "environmentFiles": [{"type": "s3", "value": "arn"}]}
        with pytest.raises(AwsError, match=r"environmentFiles is not emulated"):
            await ecs.run(definition, overrides={"containerOverrides": [files]})

    story(told)


def test_tags_come_from_service_definition_request_and_ecs(story: Story):
    async def told(ecs: Emulated) -> None:
        definition = await ecs.register()
        tags = [{"key": "team", "value": "shop"}]
        await ecs.call(
            "CreateService",
            serviceName="web",
            taskDefinition=definition,
            desiredCount=1,
            tags=tags,
            propagateTags="SERVICE",
            enableECSManagedTags=True,
            **RUN,
        )

        async def first() -> list[dict[str, Any]]:
            return await ecs.tasks()

        (task,) = await ecs.until(first)
        shown = await ecs.call("ListTagsForResource", resourceArn=task["taskArn"])
        assert {one["key"]: one["value"] for one in shown["tags"]} == {
            "team": "shop",
            "aws:ecs:clusterName": "default",
            "aws:ecs:serviceName": "web",
        }
        answer = await ecs.call(
            "RunTask",
            taskDefinition=definition,
            tags=tags,
            enableECSManagedTags=True,
            group="batch",
            startedBy="me",
            **RUN,
        )
        (ran,) = answer["tasks"]
        assert {one["key"] for one in ran["tags"]} == {"team", "aws:ecs:clusterName"}
        assert (ran["group"], ran["startedBy"]) == ("batch", "me")
        assert (await ecs.call("ListTasks", startedBy="me"))["taskArns"] == [ran["taskArn"]]

    story(told)


def test_protected_task_survives_scaling_in(story: Story):
    async def told(ecs: Emulated) -> None:
        await ecs.call("CreateService", serviceName="web", taskDefinition=await ecs.register(), desiredCount=2, **RUN)

        async def both() -> list[dict[str, Any]] | None:
            tasks = [task for task in await ecs.tasks() if task["lastStatus"] == "RUNNING"]
            return tasks if len(tasks) == 2 else None

        youngest = max(await ecs.until(both), key=lambda task: task["createdAt"])["taskArn"]
        protect = {"cluster": "default", "tasks": [youngest]}
        answer = await ecs.call("UpdateTaskProtection", **protect, protectionEnabled=True, expiresInMinutes=5)
        assert answer["protectedTasks"][0]["protectionEnabled"] is True
        await ecs.call("UpdateService", service="web", desiredCount=0)

        async def one_left() -> bool:
            return [task["taskArn"] for task in await ecs.tasks()] == [youngest]

        await ecs.until(one_left)
        await ecs.call("UpdateTaskProtection", **protect, protectionEnabled=False)

        async def none_left() -> bool:
            return not await ecs.tasks()

        await ecs.until(none_left)

    story(told)


# ---- what is refused by name


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"container": {"logConfiguration": {"logDriver": "splunk"}}}, "splunk"),
        ({"container": log_to("g", **{"awslogs-datetime-format": "%Y"})}, "awslogs-datetime-format"),
        ({"runtimePlatform": {"operatingSystemFamily": "WINDOWS_SERVER_2022_CORE"}}, "WINDOWS_SERVER_2022_CORE"),
    ],
)
def test_definition_with_a_value_that_would_have_no_effect_is_refused_by_name(change: dict[str, Any], names: str):
    container = {"name": "app", "portMappings": [], **change.pop("container", {})}
    with pytest.raises(AwsError, match=names) as error:
        refuse_unemulated({**change, "containerDefinitions": [container]})
    assert error.value.code == "NotImplemented"


def test_health_check_has_dockers_defaults_and_bounds():
    read = health_check({"healthCheck": {"command": ["CMD-SHELL", "true"]}})
    assert read is not None
    assert (read.interval, read.timeout, read.retries, read.start_period) == (30, 5, 3, 0)
    assert health_check({}) is None
    for wrong in ({"command": ["true"]}, {"command": ["CMD", "true"], "interval": 1}):
        with pytest.raises(AwsError) as error:
            health_check({"healthCheck": wrong})
        assert error.value.code == "ClientException"
    assert log_options({"logConfiguration": {"logDriver": "json-file"}}) is None


@pytest.mark.parametrize(
    ("container", "says"),
    [
        (log_to("g", log_key="log", labels="a"), "Log driver awslogs disallows options: labels, log_key"),
        ({"ulimits": [{"name": "nofile", "softLimit": 2, "hardLimit": 1}]}, "nofile must not be above its hard limit"),
    ],
)
def test_container_that_ecs_would_not_register_is_refused(container: dict[str, Any], says: str):
    with pytest.raises(AwsError, match=says) as error:
        check_container(container)
    assert error.value.code == "ClientException"
    check_container({"ulimits": [{"name": "nofile", "softLimit": 2, "hardLimit": -1}]})
