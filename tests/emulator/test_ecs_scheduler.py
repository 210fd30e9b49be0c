"""Services behind a real load balancer, with real processes as tasks: health, steady state, replacement, draining, task sets."""

import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest

from harness.emulator.cloud import AwsError
from tests.emulator.ecs_story import RUN, Emulated, put_image, told_in

# An app whose health is a file: it answers /healthz with the status in $HEALTH, everything else with 200.
APP = """
import http.server, os, pathlib
class App(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        status = int(pathlib.Path(os.environ["HEALTH"]).read_text()) if self.path == "/healthz" else 200
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), App).serve_forever()
"""
DRAIN = 1  # seconds, deregistration delay
Told = Callable[["Behind"], Awaitable[None]]
Story = Callable[[Told], None]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Behind(Emulated):
    """A load balancer, `blue` on its listener, `green` and `idle` not, and a file for the health of each image."""

    def __init__(self, ecs: Emulated, home: Path) -> None:
        super().__init__(ecs.cloud)
        self.home = home
        self.blue = self.green = self.listener = ""
        self.port = 0

    async def balance(self) -> None:
        balancer = await self.elb("CreateLoadBalancer", Name="web", Subnets=["subnet-a", "subnet-b"])
        self.blue, self.green = [await self.target_group(name) for name in ("blue", "green")]
        answer = await self.elb(
            "CreateListener",
            LoadBalancerArn=balancer["LoadBalancers"][0]["LoadBalancerArn"],
            Protocol="HTTP",
            Port=free_port(),
            DefaultActions=_forward({self.blue: 100}),
        )
        self.listener = answer["Listeners"][0]["ListenerArn"]

    async def target_group(self, name: str) -> str:
        answer = await self.elb(
            "CreateTargetGroup",
            Name=name,
            Protocol="HTTP",
            Port=80,
            VpcId="vpc-1",
            TargetType="ip",
            HealthCheckPath="/healthz",
            HealthCheckIntervalSeconds=5,
            HealthCheckTimeoutSeconds=2,
            UnhealthyThresholdCount=2,
        )
        arn = str(answer["TargetGroups"][0]["TargetGroupArn"])
        await self.hasten(arn)
        return arn

    async def hasten(self, arn: str, drain: int = DRAIN) -> None:
        """Check health more often than AWS allows (every 5 s), so that a test takes seconds."""
        delay = {"Key": "deregistration_delay.timeout_seconds", "Value": str(drain)}
        answer = await self.elb("ModifyTargetGroupAttributes", TargetGroupArn=arn, Attributes=[delay])
        attributes = {one["Key"]: one["Value"] for one in answer["Attributes"]}
        (group,) = (await self.elb("DescribeTargetGroups", TargetGroupArns=[arn]))["TargetGroups"]
        await self.cloud.plane.put_target_group(arn, {**group, "HealthCheckIntervalSeconds": 0.5}, attributes)

    async def route(self, weights: dict[str, int]) -> None:
        await self.elb("ModifyListener", ListenerArn=self.listener, DefaultActions=_forward(weights))

    def health(self, image: str, status: int) -> None:
        path = self.home / image.replace(":", "-")
        path.with_suffix(".draft").write_text(str(status), encoding="utf-8")
        path.with_suffix(".draft").replace(path)

    async def revision(self, image: str, status: int = 200) -> str:
        """A task definition of an image, whose health check answers `status`."""
        self.health(image, status)
        health = {"name": "HEALTH", "value": str(self.home / image.replace(":", "-"))}
        return await self.register(image, environment=[health], stopTimeout=2)

    async def create_service(self, desired: int = 1, status: int = 200, **changes: Any) -> dict[str, Any]:
        request = {
            "serviceName": "web",
            "taskDefinition": await self.revision("app:1", status),
            "desiredCount": desired,
            "deploymentController": {"type": "CODE_DEPLOY"},
            "loadBalancers": _balancers(self.blue),
            **RUN,
            **changes,
        }
        return cast(dict[str, Any], (await self.call("CreateService", **request))["service"])

    async def create_green(self, status: int = 200) -> str:
        answer = await self.as_codedeploy(
            "CreateTaskSet",
            taskDefinition=await self.revision("app:2", status),
            loadBalancers=_balancers(self.green),
            externalId="d-1",
            **RUN,
        )
        return str(answer["taskSet"]["id"])

    async def steady(self, count: int = 1) -> list[dict[str, Any]]:
        """The task sets, once there are so many and all are in their steady state."""

        async def met() -> list[dict[str, Any]] | None:
            task_sets = (await self.service())["taskSets"]
            right = [
                one for one in task_sets if one["stabilityStatus"] == "STEADY_STATE" and one["status"] != "DRAINING"
            ]
            return right if len(right) == len(task_sets) == count else None

        return cast(list[dict[str, Any]], await self.until(met, 15))

    async def states(self, group: str) -> list[str]:
        answer = await self.elb("DescribeTargetHealth", TargetGroupArn=group)
        return sorted(one["TargetHealth"]["State"] for one in answer["TargetHealthDescriptions"])

    async def stopped(self, code: str) -> dict[str, Any]:
        """The first task that has stopped for this reason."""

        async def met() -> dict[str, Any] | None:
            tasks = [task for task in await self.tasks("STOPPED") if task["lastStatus"] == "STOPPED"]
            return next((task for task in tasks if task["stopCode"] == code), None)

        return cast(dict[str, Any], await self.until(met, 25))

    def named(self, group: str) -> str:
        return f"(target-group {group})"


def _balancers(group: str) -> list[dict[str, Any]]:
    return [{"targetGroupArn": group, "containerName": "app", "containerPort": 8080}]


def _forward(weights: dict[str, int]) -> list[dict[str, Any]]:
    groups = [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in weights.items()]
    return [{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}]


@pytest.fixture
def story(tmp_path: Path) -> Story:
    """Runs one coroutine with an emulator and a load balancer of its own."""
    for image in ("app:1", "app:2"):
        put_image(tmp_path, image, [sys.executable, "-S", "-c", APP])

    def run(told: Told) -> None:
        async def balanced(ecs: Emulated) -> None:
            behind = Behind(ecs, tmp_path)
            await behind.balance()
            await told(behind)

        told_in(tmp_path, {}, balanced, balanced=True)

    return run


async def refused(call: Awaitable[Any]) -> tuple[str, str]:
    with pytest.raises(AwsError) as error:
        await call
    return error.value.code, error.value.message


def test_service_registers_its_tasks_and_is_steady_once_they_are_healthy(story: Story):
    async def told(ecs: Behind) -> None:
        created = await ecs.create_service(desired=2)
        assert (created["deployments"], created["taskSets"][0]["status"]) == ([], "PRIMARY")
        (blue,) = await ecs.steady()
        assert (blue["computedDesiredCount"], blue["runningCount"], blue["pendingCount"]) == (2, 2, 0)
        assert "externalId" not in blue
        assert blue["taskSetArn"].endswith(f":task-set/default/web/{blue['id']}")
        assert await ecs.states(ecs.blue) == ["healthy", "healthy"]

        async def settled() -> bool:
            return "steady state" in (await ecs.messages())[-1]

        await ecs.until(settled)
        messages = await ecs.messages()
        assert messages[:2] == [
            "(service web) updated computedDesiredCount for taskSet ecs-svc to 2.",
            "(service web) has started 2 tasks: (task) (task).",
        ]
        assert messages[-2:] == [
            "(service web, taskSet ecs-svc) updated state to STEADY_STATE.",
            "(service web) has reached a steady state.",
        ]
        registered = messages[2:-2]
        assert registered in (
            [f"(service web) registered 2 targets in {ecs.named(ecs.blue)}"],
            [f"(service web) registered 1 targets in {ecs.named(ecs.blue)}"] * 2,
        )

    story(told)


def test_task_set_behind_an_unused_target_group_is_steady_without_being_healthy(story: Story):
    async def told(ecs: Behind) -> None:
        await ecs.create_service()
        await ecs.steady()
        await ecs.create_green(status=503)
        await ecs.steady(2)
        assert await ecs.states(ecs.green) == ["unused"]

    story(told)


def test_unhealthy_green_is_replaced_and_never_steady(story: Story):
    async def told(ecs: Behind) -> None:
        await ecs.route({ecs.blue: 100, ecs.green: 0})
        await ecs.create_service()
        await ecs.steady()
        green = await ecs.create_green(status=503)
        task = await ecs.stopped("ServiceSchedulerInitiated")
        assert task["stoppedReason"] == f"Task failed ELB health checks in {ecs.named(ecs.green)}"
        assert task["startedBy"] == green
        unhealthy = (
            f"(service web) (task) (port 8080) is unhealthy in {ecs.named(ecs.green)} "
            "due to (reason Health checks failed with these codes: [503])"
        )
        assert unhealthy in await ecs.messages()
        assert f"(service web, taskSet {green}) updated state to STEADY_STATE." not in [
            event["message"] for event in (await ecs.service())["events"]
        ]
        ecs.health("app:2", 200)
        await ecs.steady(2)

    story(told)


def test_grace_period_keeps_an_unhealthy_task_but_does_not_make_it_steady(story: Story):
    async def told(ecs: Behind) -> None:
        await ecs.create_service(status=503, healthCheckGracePeriodSeconds=300)

        async def unhealthy() -> bool:
            return await ecs.states(ecs.blue) == ["unhealthy"]

        await ecs.until(unhealthy, 15)
        service = await ecs.service()
        assert service["taskSets"][0]["stabilityStatus"] == "STABILIZING"
        assert not [event for event in service["events"] if "is unhealthy" in event["message"]]
        await ecs.call("UpdateService", service="web", healthCheckGracePeriodSeconds=0)
        await ecs.stopped("ServiceSchedulerInitiated")

    story(told)


def test_deleted_task_set_drains_before_its_tasks_are_stopped_and_then_is_gone(story: Story):
    async def told(ecs: Behind) -> None:
        await ecs.create_service(desired=2)
        (blue,) = await ecs.steady()
        green = await ecs.create_green()
        await ecs.steady(2)
        tasks = [task for task in await ecs.tasks() if task["startedBy"] == blue["id"]]
        await ecs.route({ecs.green: 100})
        await ecs.as_codedeploy("UpdateServicePrimaryTaskSet", primaryTaskSet=green)
        service = await ecs.service()
        assert service["loadBalancers"] == _balancers(ecs.green)
        assert service["taskDefinition"].endswith("app:2")
        assert {one["id"]: one["status"] for one in service["taskSets"]} == {blue["id"]: "ACTIVE", green: "PRIMARY"}

        answer = await ecs.as_codedeploy("DeleteTaskSet", taskSet=blue["id"], force=True)
        assert (answer["taskSet"]["status"], answer["taskSet"]["scale"]["value"]) == ("DRAINING", 0.0)

        async def draining() -> bool:
            return await ecs.states(ecs.blue) == ["draining", "draining"]

        await ecs.until(draining)
        asked = ecs.cloud.clock.now()
        for task in tasks:
            described = await ecs.task(task["taskArn"])
            assert (described["lastStatus"], described["desiredStatus"]) == ("DEACTIVATING", "STOPPED")
            assert described["containers"][0]["lastStatus"] == "RUNNING"
        (left,) = await ecs.steady()
        assert left["id"] == green
        for task in tasks:
            described = await ecs.task(task["taskArn"])
            assert described["stoppedReason"] == f"Scaling activity initiated by (taskSet {blue['id']})"
            assert described["stoppingAt"].timestamp() - asked >= DRAIN - 0.3
        assert await ecs.states(ecs.blue) == []
        messages = await ecs.messages()
        told = [
            f"(service web) deregistered 2 targets in {ecs.named(ecs.blue)}",
            "(service web, taskSet ecs-svc) has begun draining connections on 2 tasks.",
            "(service web) has stopped 2 running tasks: (task) (task).",
        ]
        assert [message for message in messages if message in told] == told

    story(told)


def test_desired_count_scales_every_task_set(story: Story):
    async def told(ecs: Behind) -> None:
        await ecs.create_service()
        await ecs.steady()
        await ecs.create_green()
        await ecs.steady(2)
        await ecs.call("UpdateService", service="web", desiredCount=2)

        async def both() -> bool:
            return [one["runningCount"] for one in (await ecs.service())["taskSets"]] == [2, 2]

        await ecs.until(both)

    story(told)


def test_killed_task_is_replaced_and_leaves_its_target_group(story: Story):
    async def told(ecs: Behind) -> None:
        await ecs.create_service(desired=2)
        await ecs.steady()
        victim = next((ecs.home / "ledger").glob("*.json"))
        os.killpg(int(victim.stem), signal.SIGKILL)
        task = await ecs.stopped("EssentialContainerExited")
        assert task["stoppedReason"] == "Essential container in task exited"
        assert task["containers"][0]["exitCode"] == 137

        async def replaced() -> bool:
            return await ecs.states(ecs.blue) == ["healthy", "healthy"]

        await ecs.until(replaced, 15)

    story(told)


def test_user_stopping_a_task_does_not_wait_for_its_drain(story: Story):
    async def told(ecs: Behind) -> None:
        await ecs.hasten(ecs.blue, drain=300)
        await ecs.create_service()
        await ecs.steady()
        (task,) = await ecs.tasks()
        await ecs.call("StopTask", task=task["taskArn"], reason="now")
        stopped = await ecs.stopped("UserInitiated")
        assert stopped["stoppedReason"] == "now"

        async def draining() -> bool:
            return "draining" in await ecs.states(ecs.blue)

        await ecs.until(draining)

    story(told)


def test_service_is_deleted_even_when_its_target_group_is_gone_first(story: Story):
    async def told(ecs: Behind) -> None:
        await ecs.create_service()
        await ecs.steady()
        await ecs.elb("DeleteListener", ListenerArn=ecs.listener)
        await ecs.elb("DeleteTargetGroup", TargetGroupArn=ecs.blue)
        await ecs.call("DeleteService", service="web", force=True)

        async def inactive() -> bool:
            return str((await ecs.service())["status"]) == "INACTIVE"

        await ecs.until(inactive)

    story(told)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"taskDefinition": "app"}, "Unable to update task definition"),
        ({"networkConfiguration": RUN["networkConfiguration"]}, "Unable to update network parameters"),
        ({"forceNewDeployment": True}, "Cannot force a new deployment"),
    ],
)
def test_what_codedeploy_deploys_cannot_be_updated(story: Story, change: dict[str, Any], text: str):
    async def told(ecs: Behind) -> None:
        await ecs.create_service(desired=0)
        assert await refused(ecs.call("UpdateService", service="web", **change)) == (
            "InvalidParameterException",
            f"{text} on services with a CODE_DEPLOY deployment controller. Use AWS CodeDeploy to trigger a new deployment.",
        )

    story(told)


def test_user_cannot_change_the_task_sets_of_codedeploy(story: Story):
    async def told(ecs: Behind) -> None:
        service = await ecs.create_service(desired=0)
        of = {"cluster": "default", "service": "web"}
        task_set = service["taskSets"][0]["id"]
        for call in (
            ecs.call("CreateTaskSet", taskDefinition="app", **of, **RUN),
            ecs.call("DeleteTaskSet", taskSet=task_set, force=True, **of),
            ecs.call("UpdateServicePrimaryTaskSet", primaryTaskSet=task_set, **of),
        ):
            code, message = await refused(call)
            assert code == "InvalidParameterException"
            assert "Use AWS CodeDeploy" in message

    story(told)


def test_target_group_of_instances_takes_no_awsvpc_tasks(story: Story):
    async def told(ecs: Behind) -> None:
        answer = await ecs.elb("CreateTargetGroup", Name="instances", Protocol="HTTP", Port=80, VpcId="vpc-1")
        group = answer["TargetGroups"][0]["TargetGroupArn"]
        code, message = await refused(ecs.create_service(loadBalancers=_balancers(group)))
        assert (code, "has target type instance" in message) == ("InvalidParameterException", True)
        code, message = await refused(ecs.create_service(loadBalancers=_balancers(group + "x")))
        assert (code, "does not exist" in message) == ("InvalidParameterException", True)

    story(told)
