"""An emulator of a test's own: ECS, real processes, and (with `balanced`) a real load balancer, called in process."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

from harness import images
from harness.clock import Wall
from harness.emulator.alb.plane import Plane
from harness.emulator.cloud import AwsError, Caller, Cloud
from harness.emulator.runtime.process import ProcessRuntime
from harness.emulator.services.ecs import Ecs
from harness.emulator.services.elbv2 import Elbv2
from harness.emulator.settings import Settings

CALLER = Caller()
NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-a"]}}
RUN = {"launchType": "FARGATE", "networkConfiguration": NETWORK}


class Elsewhere:
    """What other services answer: subnets, one parameter, one secret, alarms, logs. `asked` is what they were asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.alarms: dict[str, str] = {}  # name -> state

    async def __call__(self, caller: Caller, service: str, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        self.asked.append((f"{service}:{operation}", request))
        if operation == "DescribeAlarms":
            alarms = [{"AlarmName": name, "StateValue": self.alarms[name]} for name in request["AlarmNames"]]
            return {"MetricAlarms": [{**alarm, "Period": 1, "EvaluationPeriods": 1} for alarm in alarms]}
        if service == "logs" and request["logGroupName"] != "/forbidden":
            return {}
        if operation == "DescribeSubnets":
            return {
                "Subnets": [
                    {"SubnetId": name, "CidrBlock": block, "AvailabilityZone": f"us-east-1{name[-1]}", "VpcId": "vpc-1"}
                    for name, block in zip(request["SubnetIds"], ("10.0.0.0/24", "10.0.1.0/24"), strict=False)
                ]
            }
        if operation == "DescribeSecurityGroups":
            return {"SecurityGroups": [{"GroupId": "sg-1", "GroupName": "default", "VpcId": "vpc-1"}]}
        if operation == "DescribeInstances":
            return {"Reservations": []}
        if operation == "CreateNetworkInterface":
            return {"NetworkInterface": {"NetworkInterfaceId": f"eni-{len(self.asked)}"}}
        if operation == "DeleteNetworkInterface":
            return {}
        if operation == "GetParameters":
            return {"Parameters": [{"Value": "hunter2"}] if request["Names"] == ["/app/password"] else []}
        if operation == "GetSecretValue":
            return {"SecretString": json.dumps({"user": "ada"})}
        raise AwsError("NotImplemented", f"{service}:{operation}")


class Emulated:
    """ECS and the process runtime, and the calls that tests make."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    @property
    def elsewhere(self) -> Elsewhere:
        return cast(Elsewhere, self.cloud.fallback)

    async def call(self, operation: str, **request: Any) -> dict[str, Any]:
        return await self.cloud.call(CALLER, "ecs", operation, **request)

    async def as_codedeploy(self, operation: str, **request: Any) -> dict[str, Any]:
        caller = Caller(access_key="codedeploy.amazonaws.com")
        return await self.cloud.call(caller, "ecs", operation, cluster="default", service="web", **request)

    async def elb(self, operation: str, **request: Any) -> dict[str, Any]:
        return await self.cloud.call(CALLER, "elbv2", operation, **request)

    async def register(self, image: str = "sleeper:1", *others: dict[str, Any], **app: Any) -> str:
        answer = await self.call(
            "RegisterTaskDefinition",
            family=app.pop("family", "app"),
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            executionRoleArn=f"arn:aws:iam::{CALLER.account}:role/execution",
            cpu="256",
            memory="512",
            containerDefinitions=[
                {"name": "app", "image": image, "portMappings": [{"containerPort": 8080}], **app},
                *others,
            ],
        )
        return str(answer["taskDefinition"]["taskDefinitionArn"])

    async def run(self, definition: str, **request: Any) -> str:
        answer = await self.call("RunTask", taskDefinition=definition, **RUN, **request)
        return str(answer["tasks"][0]["taskArn"])

    async def task(self, arn: str) -> dict[str, Any]:
        return cast(dict[str, Any], (await self.call("DescribeTasks", tasks=[arn]))["tasks"][0])

    async def service(self, name: str = "web") -> dict[str, Any]:
        return cast(dict[str, Any], (await self.call("DescribeServices", services=[name]))["services"][0])

    async def messages(self) -> list[str]:
        """Oldest first, ids of tasks and deployments left out."""
        return [_without_ids(event["message"]) for event in reversed((await self.service())["events"])]

    async def tasks(self, status: str = "RUNNING") -> list[dict[str, Any]]:
        arns = (await self.call("ListTasks", serviceName="web", desiredStatus=status))["taskArns"]
        return (await self.call("DescribeTasks", tasks=arns))["tasks"] if arns else []

    async def until(self, met: Callable[[], Awaitable[Any]], within: float = 10.0) -> Any:
        """What `met` answers, once it is true; says what it was last."""
        deadline = self.cloud.clock.now() + within
        while not (answer := await met()):
            assert self.cloud.clock.now() < deadline, f"still not after {within} s: {answer!r}"
            await self.cloud.changed.wait(self.cloud.clock, 0.1)
        return answer

    async def at(self, arn: str, status: str) -> dict[str, Any]:
        """The task, once it has this status."""

        async def there() -> dict[str, Any] | None:
            task = await self.task(arn)
            return task if task["lastStatus"] == status else None

        return cast(dict[str, Any], await self.until(there))


def _without_ids(message: str) -> str:
    words = message.replace("(task ", "(task:").split(" ")
    words = ["(task)" + word.partition(")")[2] if word.startswith("(task:") else word for word in words]
    return " ".join(
        "ecs-svc" + word.partition("/")[2].lstrip("0123456789") if word.startswith("ecs-svc/") else word
        for word in words
    )


def put_image(home: Path, image: str, argv: list[str]) -> None:
    """An image of the process runtime, listening on 8080."""
    name, tag = images.split(image)
    folder = home / "images" / name / tag
    folder.mkdir(parents=True)
    manifest = {
        "argv": argv,
        "workdir": str(home),
        "environment": {"OUT": str(home / "told")},
        "architecture": images.architecture_of_this_machine(),
        "port": 8080,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


@asynccontextmanager
async def emulated(home: Path, *, balanced: bool) -> AsyncIterator[Emulated]:
    runtime, plane = ProcessRuntime(home), Plane()
    await runtime.prepare()
    settings = Settings(unchecked_healthy_seconds=0.2, alarm_poll_seconds=0.2, failed_deployment_seconds=1.0)
    cloud = Cloud(clock=Wall(), settings=settings, runtime=runtime, plane=plane, home=home, fallback=Elsewhere())
    cloud.services["ecs"] = Ecs(cloud)
    if balanced:
        await plane.start()
        cloud.services["elbv2"] = Elbv2(cloud)
    try:
        emulated = Emulated(cloud)
        await emulated.call("CreateCluster")
        yield emulated
    finally:
        await cloud.close()
        await runtime.close()
        if balanced:
            await plane.close()


def told_in(
    home: Path, scripts: Mapping[str, str], told: Callable[[Emulated], Awaitable[None]], *, balanced: bool = False
) -> None:
    """Run the coroutine `told` with an emulator whose images run these shell scripts."""
    for image, script in scripts.items():
        put_image(home, image, ["/bin/sh", "-c", script])

    async def whole() -> None:
        async with emulated(home, balanced=balanced) as emulator:
            await told(emulator)

    asyncio.run(whole())
