"""Tasks that really run, as processes, without a load balancer: their states, ends, replacements. The load balancer's part is
in test_ecs_scheduler.py."""

import itertools
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest

from harness.emulator.cloud import AwsError
from tests.emulator.ecs_story import RUN, Emulated, told_in

IMAGES = {  # name -> what its process does
    "sleeper:1": "exec sleep 600",
    "sleeper:2": "exec sleep 601",
    "exits:1": "exit 3",
    "stubborn:1": "trap '' TERM; : > $OUT; while :; do sleep 0.05; done",
    "init:1": "sleep 0.2",
    "tells:1": 'env > "$OUT.draft"; mv "$OUT.draft" "$OUT"; exec sleep 600',
}


Story = Callable[[Callable[[Emulated], Awaitable[None]]], None]


@pytest.fixture
def story(tmp_path: Path) -> Story:
    """Runs one coroutine with an emulator of its own."""
    return lambda told: told_in(tmp_path, IMAGES, told)


# ---- one task


def test_task_goes_through_its_states_and_a_user_stops_it(story: Story):
    async def told(ecs: Emulated) -> None:
        seen: list[str] = []
        arn = await ecs.run(await ecs.register())
        seen.append((await ecs.task(arn))["lastStatus"])
        running = await ecs.at(arn, "RUNNING")
        details = {detail["name"]: detail["value"] for detail in running["attachments"][0]["details"]}
        container = running["containers"][0]
        assert details["privateIPv4Address"].startswith("10.0.0.")
        assert container["networkInterfaces"][0]["privateIpv4Address"] == details["privateIPv4Address"]
        assert (container["lastStatus"], container["healthStatus"]) == ("RUNNING", "UNKNOWN")
        assert (running["group"], running["desiredStatus"], running["availabilityZone"]) == (
            "family:app",
            "RUNNING",
            "us-east-1a",
        )
        assert running["createdAt"] <= running["pullStartedAt"] <= running["pullStoppedAt"] <= running["startedAt"]
        assert ecs.cloud.addresses.locate(details["privateIPv4Address"], 8080) is not None

        await ecs.call("StopTask", task=arn, reason="enough")
        stopped = await ecs.at(arn, "STOPPED")
        assert (stopped["stopCode"], stopped["stoppedReason"]) == ("UserInitiated", "enough")
        assert stopped["containers"][0]["exitCode"] == 143
        assert stopped["startedAt"] <= stopped["stoppingAt"] <= stopped["executionStoppedAt"] <= stopped["stoppedAt"]
        assert stopped["version"] > running["version"]
        assert ecs.cloud.addresses.known == {}
        assert (await ecs.call("ListTasks"))["taskArns"] == []
        assert (await ecs.call("ListTasks", desiredStatus="STOPPED"))["taskArns"] == [arn]
        assert seen == ["PROVISIONING"]

    story(told)


def test_task_that_ignores_sigterm_is_killed_after_its_stop_timeout(story: Story, tmp_path: Path):
    async def told(ecs: Emulated) -> None:
        arn = await ecs.run(await ecs.register("stubborn:1", stopTimeout=1))

        async def ignores() -> bool:
            return (tmp_path / "told").exists()

        await ecs.until(ignores)
        await ecs.call("StopTask", task=arn)
        stopped = await ecs.at(arn, "STOPPED")
        assert stopped["stoppedReason"] == "Task stopped by user"
        assert stopped["containers"][0]["exitCode"] == 137
        assert (stopped["executionStoppedAt"] - stopped["stoppingAt"]).total_seconds() >= 1

    story(told)


def test_image_that_is_not_there_fails_the_task_with_the_text_of_the_pull(story: Story):
    async def told(ecs: Emulated) -> None:
        stopped = await ecs.at(await ecs.run(await ecs.register("nowhere:9")), "STOPPED")
        assert stopped["stopCode"] == "TaskFailedToStart"
        assert stopped["stoppedReason"].startswith("CannotPullContainerError: ")
        assert stopped["containers"][0]["reason"] == stopped["stoppedReason"]
        assert "exitCode" not in stopped["containers"][0]
        assert "startedAt" not in stopped

    story(told)


def test_end_of_an_essential_container_ends_the_task_and_the_others(story: Story):
    async def told(ecs: Emulated) -> None:
        sidecar = {"name": "sidecar", "image": "sleeper:1", "essential": False}
        stopped = await ecs.at(await ecs.run(await ecs.register("exits:1", sidecar)), "STOPPED")
        assert (stopped["stopCode"], stopped["stoppedReason"]) == (
            "EssentialContainerExited",
            "Essential container in task exited",
        )
        assert [container["exitCode"] for container in stopped["containers"]] == [3, 143]

    story(told)


def test_end_of_another_container_leaves_the_task_running(story: Story):
    async def told(ecs: Emulated) -> None:
        arn = await ecs.run(await ecs.register("sleeper:1", {"name": "extra", "image": "exits:1", "essential": False}))

        async def extra_has_ended() -> bool:
            return "exitCode" in (await ecs.task(arn))["containers"][1]

        await ecs.until(extra_has_ended)
        assert (await ecs.task(arn))["lastStatus"] == "RUNNING"

    story(told)


def test_container_waits_for_the_end_of_the_one_it_depends_on(story: Story):
    async def told(ecs: Emulated) -> None:
        init = {"name": "init", "image": "init:1", "essential": False}
        depends = [{"containerName": "init", "condition": "SUCCESS"}]
        running = await ecs.at(await ecs.run(await ecs.register("sleeper:1", init, dependsOn=depends)), "RUNNING")
        assert {one["name"]: one["lastStatus"] for one in running["containers"]} == {
            "app": "RUNNING",
            "init": "STOPPED",
        }

        failing = {"name": "init", "image": "exits:1", "essential": False}
        stopped = await ecs.at(await ecs.run(await ecs.register("sleeper:1", failing, dependsOn=depends)), "STOPPED")
        assert stopped["stopCode"] == "TaskFailedToStart"
        assert "container init did not end with exit code 0" in stopped["stoppedReason"]

    story(told)


def test_environment_comes_from_definition_secrets_overrides_and_the_agent(story: Story, tmp_path: Path):
    async def told(ecs: Emulated) -> None:
        definition = await ecs.register(
            "tells:1",
            environment=[{"name": "COLOUR", "value": "blue"}, {"name": "SIZE", "value": "s"}],
            secrets=[
                {"name": "PASSWORD", "valueFrom": "arn:aws:ssm:us-east-1:123456789012:parameter/app/password"},
                {"name": "LOGIN", "valueFrom": "arn:aws:secretsmanager:us-east-1:123456789012:secret:db-x1:user::"},
            ],
        )
        override = {"containerOverrides": [{"name": "app", "environment": [{"name": "COLOUR", "value": "green"}]}]}
        await ecs.run(definition, overrides=override)

        async def told_by_the_task() -> bool:
            return (tmp_path / "told").exists()

        await ecs.until(told_by_the_task)
        told = dict(line.partition("=")[::2] for line in (tmp_path / "told").read_text(encoding="utf-8").splitlines())
        expected = {"COLOUR": "green", "SIZE": "s", "PASSWORD": "hunter2", "LOGIN": "ada", "AWS_REGION": "us-east-1"}
        assert expected.items() <= told.items()
        assert told["AWS_EXECUTION_ENV"] == "AWS_ECS_FARGATE"

    story(told)


def test_secret_that_is_not_there_fails_the_start(story: Story):
    async def told(ecs: Emulated) -> None:
        definition = await ecs.register(secrets=[{"name": "X", "valueFrom": "nowhere"}])
        stopped = await ecs.at(await ecs.run(definition), "STOPPED")
        assert stopped["stopCode"] == "TaskFailedToStart"
        assert stopped["stoppedReason"].endswith("unable to retrieve secret from ssm: invalid ssm parameters: nowhere")

    story(told)


def test_several_tasks_are_started_at_once_and_each_has_its_own_address(story: Story):
    async def told(ecs: Emulated) -> None:
        answer = await ecs.call("RunTask", taskDefinition=await ecs.register(), count=10, **RUN)
        running = [await ecs.at(task["taskArn"], "RUNNING") for task in answer["tasks"]]
        assert len({task["containers"][0]["networkInterfaces"][0]["privateIpv4Address"] for task in running}) == 10
        with pytest.raises(AwsError, match="Count must be between 1 and 10"):
            await ecs.call("RunTask", taskDefinition="app", count=11, **RUN)

    story(told)


# ---- a service without a load balancer


async def running(ecs: Emulated, count: int, definition: str | None = None) -> list[dict[str, Any]]:
    """The tasks of the service, once exactly so many run and no other is on its way."""

    async def met() -> list[dict[str, Any]] | None:
        tasks = await ecs.tasks()
        right = [t for t in tasks if t["lastStatus"] == "RUNNING" and definition in (None, t["taskDefinitionArn"])]
        return right if len(right) == len(tasks) == count else None

    return cast(list[dict[str, Any]], await ecs.until(met))


async def create_service(ecs: Emulated, definition: str, desired: int = 2) -> None:
    await ecs.call("CreateService", serviceName="web", taskDefinition=definition, desiredCount=desired, **RUN)


def test_service_starts_its_tasks_replaces_one_and_follows_its_desired_count(story: Story):
    async def told(ecs: Emulated) -> None:
        await create_service(ecs, await ecs.register())
        first = await running(ecs, 2)
        deployment = (await ecs.service())["deployments"][0]
        assert {task["startedBy"] for task in first} == {deployment["id"]}
        assert {task["group"] for task in first} == {"service:web"}

        await ecs.call("StopTask", task=first[0]["taskArn"])
        second = await running(ecs, 2)
        assert first[1]["taskArn"] in {task["taskArn"] for task in second}

        await ecs.call("UpdateService", service="web", desiredCount=3)
        await running(ecs, 3)
        await ecs.call("UpdateService", service="web", desiredCount=1)
        left = await running(ecs, 1)
        assert left[0]["taskArn"] == first[1]["taskArn"]  # the oldest stays
        scaled_in = [t for t in await ecs.tasks("STOPPED") if t["stopCode"] == "ServiceSchedulerInitiated"]
        assert {t["stoppedReason"] for t in scaled_in} == {
            f"Scaling activity initiated by (deployment {deployment['id']})"
        }

    story(told)


def test_rolling_update_replaces_every_task_and_completes(story: Story):
    async def told(ecs: Emulated) -> None:
        await create_service(ecs, await ecs.register())
        await running(ecs, 2)
        newer = await ecs.register("sleeper:2")
        await ecs.call("UpdateService", service="web", taskDefinition=newer)
        assert [one["status"] for one in (await ecs.service())["deployments"]] == ["PRIMARY", "ACTIVE"]

        async def completed() -> bool:
            deployments = (await ecs.service())["deployments"]
            return [one["rolloutState"] for one in deployments] == ["COMPLETED"]

        await ecs.until(completed)
        await running(ecs, 2, newer)
        service = await ecs.service()
        assert (service["taskDefinition"], service["runningCount"]) == (newer, 2)
        assert (await ecs.messages())[-2:] == [
            "(service web) (deployment ecs-svc) deployment completed.",
            "(service web) has reached a steady state.",
        ]

    story(told)


def test_service_whose_tasks_never_start_backs_off_and_says_so_once(story: Story):
    async def told(ecs: Emulated) -> None:
        await create_service(ecs, await ecs.register("nowhere:9"))

        async def says_so() -> bool:
            return any("unable to consistently start tasks" in message for message in await ecs.messages())

        await ecs.until(says_so)
        messages = await ecs.messages()
        assert messages[:3] == ["(service web) has started 2 tasks: (task) (task)."] * 3
        assert len([message for message in messages if "unable to consistently" in message]) == 1
        times = [event["createdAt"] for event in (await ecs.service())["events"] if "has started" in event["message"]][
            ::-1
        ]
        gaps = [(later - earlier).total_seconds() for earlier, later in itertools.pairwise(times)]
        assert gaps[0] >= 1
        assert gaps[1] >= 2

    story(told)


def test_service_whose_tasks_crash_after_running_is_not_said_to_be_unable_to_start(story: Story):
    async def told(ecs: Emulated) -> None:
        await create_service(ecs, await ecs.register("exits:1"), desired=1)

        async def three_crashed() -> bool:
            return len(await ecs.tasks("STOPPED")) >= 3

        await ecs.until(three_crashed)
        assert {task["stopCode"] for task in await ecs.tasks("STOPPED")} == {"EssentialContainerExited"}
        assert not any("unable to consistently" in message for message in await ecs.messages())

    story(told)


def test_deleted_service_stops_its_tasks_and_becomes_inactive(story: Story):
    async def told(ecs: Emulated) -> None:
        await create_service(ecs, await ecs.register())
        tasks = await running(ecs, 2)
        with pytest.raises(AwsError, match="The service cannot be stopped while it is scaled above 0"):
            await ecs.call("DeleteService", service="web")
        with pytest.raises(AwsError) as error:
            await ecs.call("DeleteCluster", cluster="default")
        assert error.value.code == "ClusterContainsServicesException"
        assert (await ecs.call("DeleteService", service="web", force=True))["service"]["status"] == "DRAINING"

        async def inactive() -> bool:
            return str((await ecs.service())["status"]) == "INACTIVE"

        await ecs.until(inactive)
        assert [(await ecs.task(task["taskArn"]))["lastStatus"] for task in tasks] == ["STOPPED", "STOPPED"]
        await ecs.call("DeleteCluster", cluster="default")

    story(told)


# ---- task sets of an EXTERNAL service


def test_task_sets_take_their_share_become_primary_and_are_gone_when_deleted(story: Story):
    async def told(ecs: Emulated) -> None:
        await ecs.call("CreateService", serviceName="web", desiredCount=4, deploymentController={"type": "EXTERNAL"})
        of = {"cluster": "default", "service": "web"}

        async def add(image: str, percent: float) -> str:
            scale = {"value": percent, "unit": "PERCENT"}
            answer = await ecs.call("CreateTaskSet", taskDefinition=await ecs.register(image), scale=scale, **of, **RUN)
            assert answer["taskSet"]["stabilityStatus"] == "STABILIZING"
            return str(answer["taskSet"]["id"])

        async def steady(*ids: str) -> list[dict[str, Any]] | None:
            task_sets = (await ecs.call("DescribeTaskSets", **of))["taskSets"]
            right = {one["id"] for one in task_sets} == set(ids)
            return task_sets if right and all(one["stabilityStatus"] == "STEADY_STATE" for one in task_sets) else None

        blue, green = await add("sleeper:1", 50), await add("sleeper:2", 25)
        counts = {one["id"]: one["runningCount"] for one in await ecs.until(lambda: steady(blue, green))}
        assert counts == {blue: 2, green: 1}

        await ecs.call("UpdateTaskSet", taskSet=green, scale={"value": 75, "unit": "PERCENT"}, **of)
        await ecs.call("UpdateServicePrimaryTaskSet", primaryTaskSet=green, **of)
        await ecs.call("DeleteTaskSet", taskSet=blue, force=True, **of)
        (left,) = await ecs.until(lambda: steady(green))
        assert (left["status"], left["computedDesiredCount"], left["runningCount"]) == ("PRIMARY", 3, 3)
        assert (await ecs.service())["taskDefinition"] == left["taskDefinition"]
        with pytest.raises(AwsError) as error:
            await ecs.call("UpdateTaskSet", taskSet=blue, scale={"value": 1, "unit": "PERCENT"}, **of)
        assert error.value.code == "TaskSetNotFoundException"

    story(told)


def test_closing_the_emulator_leaves_no_process(story: Story, tmp_path: Path):
    async def told(ecs: Emulated) -> None:
        await create_service(ecs, await ecs.register())
        await running(ecs, 2)
        assert len(list((tmp_path / "ledger").glob("*.json"))) == 2

    story(told)
    assert list((tmp_path / "ledger").glob("*.json")) == []
