"""Container instances of a test's own, registered as their agents would; a load balancer with a target group of instances."""

import json
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest

from harness.emulator.cloud import AwsError
from harness.emulator.services.ecs_fleet import CAPABILITIES
from tests.emulator.ecs_story import Emulated, put_image, told_in

# Answers everything with its version, and /healthz with the status in the file $HEALTH (200 where there is none).
APP = """
import http.server, os, pathlib
class App(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        file = pathlib.Path(os.environ.get("HEALTH", "/nowhere"))
        status = int(file.read_text()) if self.path == "/healthz" and file.exists() else 200
        body = os.environ["VERSION"].encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), App).serve_forever()
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class OnEc2(Emulated):
    """ECS with instances; `group` is a target group of instances behind the load balancer's listener at `port`."""

    def __init__(self, ecs: Emulated, home: Path) -> None:
        super().__init__(ecs.cloud)
        self.home = home
        self.group = self.listener = ""
        self.port = free_port()

    async def join(self, ec2_id: str, cpu: int = 2048, memory: int = 923, **attributes: str) -> str:
        """ARN of a new container instance, by default the size of a t3.micro."""
        identity = {"instanceId": ec2_id, "availabilityZone": attributes.pop("zone", "us-east-1a")}
        resources = [
            {"name": name, "type": "INTEGER", "integerValue": value}
            for name, value in (("CPU", cpu), ("MEMORY", memory))
        ]
        answer = await self.call(
            "RegisterContainerInstance",
            instanceIdentityDocument=json.dumps(identity),
            totalResources=resources,
            attributes=[{"name": name} for name in CAPABILITIES]
            + [{"name": name, "value": value} for name, value in attributes.items()],
        )
        return str(answer["containerInstance"]["containerInstanceArn"])

    async def instance(self, arn: str) -> dict[str, Any]:
        answer = await self.call("DescribeContainerInstances", containerInstances=[arn])
        return cast(dict[str, Any], answer["containerInstances"][0])

    async def left(self, arn: str) -> dict[str, Any]:
        resources = (await self.instance(arn))["remainingResources"]
        return {one["name"]: one.get("integerValue", one.get("stringSetValue")) for one in resources}

    async def definition(self, version: str = "1", host_port: int = 0, memory: int = 400, **app: Any) -> str:
        """A bridge task of the app, on container port 8080."""
        environment = [
            {"name": "VERSION", "value": version},
            {"name": "HEALTH", "value": str(self.home / f"health-{version}")},
        ]
        container = {
            "name": "app",
            "image": "app:1",
            "memory": memory,
            "cpu": 256,
            "environment": environment,
            "stopTimeout": 2,
            "portMappings": [{"containerPort": 8080, "hostPort": host_port}],
            **app,
        }
        mode = container.pop("networkMode", "bridge")
        family = container.pop("family", "app")
        constraints = container.pop("placementConstraints", [])
        answer = await self.call(
            "RegisterTaskDefinition",
            family=family,
            networkMode=mode,
            containerDefinitions=[container],
            placementConstraints=constraints,
        )
        return str(answer["taskDefinition"]["taskDefinitionArn"])

    async def balance(self) -> None:
        answer = await self.elb("CreateLoadBalancer", Name="web", Subnets=["subnet-a", "subnet-b"])
        self.group = await self.target_group("instances")
        made = await self.elb(
            "CreateListener",
            LoadBalancerArn=answer["LoadBalancers"][0]["LoadBalancerArn"],
            Protocol="HTTP",
            Port=self.port,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": self.group}],
        )
        self.listener = made["Listeners"][0]["ListenerArn"]

    async def target_group(self, name: str, kind: str = "instance") -> str:
        """Its health is checked more often than AWS allows, so that a test takes seconds."""
        answer = await self.elb(
            "CreateTargetGroup",
            Name=name,
            Protocol="HTTP",
            Port=80,
            VpcId="vpc-1",
            TargetType=kind,
            HealthCheckPath="/healthz",
            HealthCheckIntervalSeconds=5,
            HealthCheckTimeoutSeconds=2,
        )
        arn = str(answer["TargetGroups"][0]["TargetGroupArn"])
        delay = {"Key": "deregistration_delay.timeout_seconds", "Value": "1"}
        answer = await self.elb("ModifyTargetGroupAttributes", TargetGroupArn=arn, Attributes=[delay])
        attributes = {one["Key"]: one["Value"] for one in answer["Attributes"]}
        (group,) = (await self.elb("DescribeTargetGroups", TargetGroupArns=[arn]))["TargetGroups"]
        await self.cloud.plane.put_target_group(arn, {**group, "HealthCheckIntervalSeconds": 0.5}, attributes)
        return arn

    def balancers(self, group: str = "") -> list[dict[str, Any]]:
        return [{"targetGroupArn": group or self.group, "containerName": "app", "containerPort": 8080}]

    async def create_service(self, definition: str, desired: int = 1, **request: Any) -> dict[str, Any]:
        request = {"launchType": "EC2", **request}
        if "capacityProviderStrategy" in request:
            del request["launchType"]
        answer = await self.call(
            "CreateService", serviceName="web", taskDefinition=definition, desiredCount=desired, **request
        )
        return cast(dict[str, Any], answer["service"])

    async def running(self, count: int, definition: str | None = None) -> list[dict[str, Any]]:
        """The tasks of the service, once exactly so many run and no other is on its way."""

        async def met() -> list[dict[str, Any]] | None:
            tasks = await self.tasks()
            right = [t for t in tasks if t["lastStatus"] == "RUNNING" and definition in (None, t["taskDefinitionArn"])]
            return right if len(right) == len(tasks) == count else None

        return cast(list[dict[str, Any]], await self.until(met, 15))

    async def says(self, text: str) -> str:
        """The first event of the service with this text, once there is one."""

        async def met() -> str | None:
            return next((message for message in await self.messages() if text in message), None)

        return cast(str, await self.until(met, 15))


Told = Callable[[OnEc2], Awaitable[None]]
Story = Callable[[Told], None]


def told_on_ec2(home: Path, told: Told, *, balanced: bool = True) -> None:
    put_image(home, "app:1", [sys.executable, "-S", "-c", APP])

    async def whole(ecs: Emulated) -> None:
        on_ec2 = OnEc2(ecs, home)
        if balanced:
            await on_ec2.balance()
        await told(on_ec2)

    told_in(home, {"exits:1": "exit 3"}, whole, balanced=balanced)


async def refused(call: Awaitable[Any]) -> tuple[str, str]:
    with pytest.raises(AwsError) as error:
        await call
    return error.value.code, error.value.message
