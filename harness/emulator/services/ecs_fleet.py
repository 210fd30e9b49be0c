"""The EC2 instances that run an ECS agent, as container instances: an instance joins the cluster that its user data names.

EC2 is asked when an operation needs container instances, and again and again while a cluster has EC2 work; a rehearsal on Fargate
never asks it. An instance that EC2 no longer has is no container instance any more, and its tasks end with it.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import re
import secrets
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from harness.emulator.capacity import ContainerInstance, Room
from harness.emulator.cloud import AwsError, Caller
from harness.emulator.services.ecs_lookup import Raw
from harness.emulator.services.ecs_placing import place_waiting
from harness.emulator.services.ecs_scaling import scale
from harness.emulator.services.ecs_state import Cluster, Region, StopOrder

if TYPE_CHECKING:
    from harness.emulator.services.ecs import Ecs

ASK_AGAIN = 2.0  # seconds between two looks at EC2
GATHER = 0.1  # seconds: rings so close together are answered by one look
GROUP_TAG = "aws:autoscaling:groupName"
NAMES_CLUSTER = re.compile(r"\bECS_CLUSTER\s*=\s*[\"']?([A-Za-z0-9_-]+)")
ECS_IMAGE = re.compile(r"-ami-ecs-|amzn-ami-.*-amazon-ecs-optimized|bottlerocket-aws-ecs")
GONE = {"terminated", "shutting-down"}
ENDED = {**dict.fromkeys(GONE, "terminated"), "stopped": "stopped", "stopping": "stopped"}
CAPABILITIES = (  # what a current agent on Linux reports, as far as task definitions ask for it
    "com.amazonaws.ecs.capability.docker-remote-api.1.18",
    "com.amazonaws.ecs.capability.ecr-auth",
    "com.amazonaws.ecs.capability.task-iam-role",
    "com.amazonaws.ecs.capability.task-iam-role-network-host",
    "com.amazonaws.ecs.capability.logging-driver.awslogs",
    "com.amazonaws.ecs.capability.logging-driver.json-file",
    "com.amazonaws.ecs.capability.logging-driver.none",
    "ecs.capability.container-health-check",
    "ecs.capability.container-ordering",
    "ecs.capability.execution-role-awslogs",
    "ecs.capability.execution-role-ecr-pull",
    "ecs.capability.secrets.asm.environment-variables",
    "ecs.capability.secrets.ssm.environment-variables",
    "ecs.capability.task-eni",
)


class Fleet:
    """The instances of one account and region."""

    def __init__(self, ecs: Ecs, caller: Caller) -> None:
        self._ecs, self._caller = ecs, Caller(caller.region, caller.account, "ecs.amazonaws.com")
        self._asking = asyncio.Lock()
        self._asked_at = 0.0
        self._wanted: dict[str, str] = {}  # EC2 id -> the cluster that its agent joins; empty where there is no agent
        self._types: dict[str, Raw] = {}
        self._kept = False
        self._failed = ""

    @property
    def _region(self) -> Region:
        return self._ecs.regions[self._caller]

    async def look(self) -> None:
        """Ask EC2 now, and go on asking while there is EC2 work. Raises AwsError."""
        async with self._asking:
            await self._ask()
        place_waiting(self._ecs, self._region)
        self.keep()

    def keep(self) -> None:
        if not self._kept and self._has_work():
            self._kept = True
            self._ecs.cloud.spawn(self._keep(), f"container instances of {self._caller.region}")

    def _has_work(self) -> bool:
        region = self._region
        tasks = any(task.launch_type == "EC2" and task.status != "STOPPED" for task in region.tasks())
        joined = any(instance.from_ec2 for instance in region.instances())
        return bool(region.providers) or tasks or joined or any(map(_on_ec2, _settings_in(region)))

    async def _keep(self) -> None:
        clock, bell = self._ecs.cloud.clock, self._ecs.cloud.changed
        while self._has_work():
            seen = bell.count
            await self._turn()
            await clock.sleep(GATHER)
            await bell.wait(clock, ASK_AGAIN, seen=seen)
        self._kept = False

    async def _turn(self) -> None:
        """One look at the instances, the waiting tasks and the auto scaling groups; a delegate that fails is reported once."""
        try:
            due = self._ecs.now() >= self._asked_at + ASK_AGAIN
            if due:
                async with self._asking:
                    await self._ask()
            place_waiting(self._ecs, self._region)
            if due and await scale(self._ecs, self._caller, self._region):
                self._asked_at = 0.0
            self._failed = ""
        except AwsError as error:
            if error.message != self._failed:
                self._failed = error.message
                logging.getLogger("rehearse.emulator").warning("EC2 capacity: %s: %s", error.code, error.message)

    # ---- who is there

    async def _ask(self) -> None:
        found = {raw["InstanceId"]: raw for raw in await self._instances()}
        for ec2_id, raw in found.items():
            if raw["State"]["Name"] == "running":
                await self._meet(ec2_id, raw)
        for cluster in self._region.clusters.values():
            for instance in [one for one in cluster.instances.values() if one.from_ec2]:
                raw = found.get(instance.ec2_id, {"State": {"Name": "terminated"}})
                self._part(cluster, instance, raw["State"]["Name"])
        self._asked_at = self._ecs.now()

    async def _instances(self) -> list[Raw]:
        instances: list[Raw] = []
        page: dict[str, Any] = {}
        while True:
            answer = await self._call("ec2", "DescribeInstances", **page)
            instances += [one for reservation in answer.get("Reservations", ()) for one in reservation["Instances"]]
            if not answer.get("NextToken"):
                return instances
            page = {"NextToken": answer["NextToken"]}

    async def _meet(self, ec2_id: str, raw: Raw) -> None:
        """A running instance whose agent wants to join an existing cluster is registered there, once."""
        if ec2_id not in self._wanted:
            self._wanted[ec2_id] = await self._cluster_of(ec2_id, raw)
        cluster = self._region.clusters.get(self._wanted[ec2_id])
        if cluster is None or cluster.status != "ACTIVE":
            return
        known = next((one for one in cluster.instances.values() if one.ec2_id == ec2_id), None)
        if known is not None:
            known.agent_connected = True
            return
        kind = await self.type(raw["InstanceType"])
        instance = self._container_instance(cluster, ec2_id, raw, kind)
        cluster.instances[instance.id] = instance
        self._ecs.cloud.changed.ring()

    async def _cluster_of(self, ec2_id: str, raw: Raw) -> str:
        """`ECS_CLUSTER` of the user data; without it an ECS-optimised image joins `default` (E)."""
        answer = await self._call("ec2", "DescribeInstanceAttribute", InstanceId=ec2_id, Attribute="userData")
        text = base64.b64decode(answer.get("UserData", {}).get("Value") or "").decode(errors="replace")
        if found := NAMES_CLUSTER.findall(text):
            return str(found[-1])
        answer = await self._call("ec2", "DescribeImages", ImageIds=[raw["ImageId"]])
        optimised = any(ECS_IMAGE.search(image.get("Name", "")) for image in answer.get("Images", ()))
        return "default" if optimised else ""

    def forget(self, ec2_id: str) -> None:
        """It was deregistered by a user: its agent does not come back by itself."""
        self._wanted[ec2_id] = ""

    async def type(self, name: str) -> Raw:
        """An instance type, as DescribeInstanceTypes has it."""
        if name not in self._types:
            answer = await self._call("ec2", "DescribeInstanceTypes", InstanceTypes=[name])
            self._types[name] = answer["InstanceTypes"][0]
        return self._types[name]

    def _container_instance(self, cluster: Cluster, ec2_id: str, raw: Raw, kind: Raw) -> ContainerInstance:
        tags = {tag["Key"]: tag["Value"] for tag in raw.get("Tags", ())}
        architectures = kind.get("ProcessorInfo", {}).get("SupportedArchitectures", ["x86_64"])
        instance_id = secrets.token_hex(16)
        return ContainerInstance(
            id=instance_id,
            arn=self._caller.arn("ecs", f"container-instance/{cluster.name}/{instance_id}"),
            ec2_id=ec2_id,
            room=self.room(kind),
            attributes=standard_attributes(
                {
                    "ecs.ami-id": raw["ImageId"],
                    "ecs.availability-zone": raw["Placement"]["AvailabilityZone"],
                    "ecs.instance-type": raw["InstanceType"],
                    "ecs.subnet-id": raw.get("SubnetId"),
                    "ecs.vpc-id": raw.get("VpcId"),
                    "ecs.cpu-architecture": "arm64" if "arm64" in architectures else "x86_64",
                }
            ),
            registered_at=self._ecs.now(),
            auto_scaling_group=tags.get(GROUP_TAG, ""),
            from_ec2=True,
        )

    def room(self, kind: Raw) -> Room:
        """What an instance type offers to tasks; what the kernel and the agent keep of its memory is a setting."""
        settings, size = self._ecs.cloud.settings, kind["MemoryInfo"]["SizeInMiB"]
        kept = settings.instance_memory_kept_mib + size * settings.instance_memory_kept_percent / 100
        interfaces = kind.get("NetworkInfo", {}).get("MaximumNetworkInterfaces", 2) - 1
        return Room(kind["VCpuInfo"]["DefaultVCpus"] * 1024, int(size - kept), interfaces)

    def _part(self, cluster: Cluster, instance: ContainerInstance, state: str) -> None:
        """A stopped instance's agent is silent; a terminated one is gone. Its tasks have ended either way (D.2)."""
        ended = ENDED.get(state)
        if ended is None or (state not in GONE and not instance.agent_connected):
            return
        code = self._ecs.cloud.settings.host_ended_stop_code
        for task in cluster.tasks.values():
            if task.container_instance is instance:
                task.stop(StopOrder(code, f"Host EC2 (instance {instance.ec2_id}) {ended}."))
        instance.agent_connected = False
        if state in GONE:
            del cluster.instances[instance.id]
        self._ecs.cloud.changed.ring()

    async def _call(self, service: str, operation: str, **request: Any) -> Raw:
        return await self._ecs.cloud.call(self._caller, service, operation, **request)


def standard_attributes(own: dict[str, str | None]) -> dict[str, str | None]:
    """An instance's own attributes and its agent's capabilities."""
    return {**dict.fromkeys(CAPABILITIES), "ecs.os-type": "linux", **{k: v for k, v in own.items() if v is not None}}


def _settings_in(region: Region) -> Iterator[Mapping[str, Any]]:
    """Of every service that is not over, and of its task sets."""
    for service in region.services():
        if service.status != "INACTIVE":
            yield service.settings
            yield from (task_set.settings for task_set in service.task_sets)


def _on_ec2(settings: Mapping[str, Any]) -> bool:
    strategy = settings.get("capacityProviderStrategy")
    if strategy:
        return any(not one["capacityProvider"].startswith("FARGATE") for one in strategy)
    return settings.get("launchType") == "EC2"
