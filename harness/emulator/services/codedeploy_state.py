"""What CodeDeploy remembers in one region. Requests are kept as AWS spells them; the engine reads them through `plan_of`."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.emulator.deploy.appspec import AppSpec
from harness.emulator.deploy.deployment import Deployment, Pair, Plan
from harness.emulator.deploy.hooks import Hooks
from harness.emulator.deploy.routing import ECS_CONFIGS, Routing

Raw = Mapping[str, Any]


@dataclass
class Revision:
    """A registered revision, found by the SHA-256 of its AppSpec or by its S3 location."""

    location: dict[str, Any]
    registered: float
    first_used: float | None = None
    last_used: float | None = None
    groups: list[str] = field(default_factory=list)
    description: str = ""


@dataclass
class DeploymentGroup:
    """`raw` is the merged request of CreateDeploymentGroup and every UpdateDeploymentGroup since."""

    name: str
    application: str
    raw: dict[str, Any]
    compute_platform: str
    tags: dict[str, str] = field(default_factory=dict)
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    target_revision: dict[str, Any] | None = None
    last_attempted: str | None = None
    last_successful: str | None = None
    role_known: bool = False  # IAM knew its service role when the group was written

    @property
    def cluster(self) -> str:
        return str(self.raw["ecsServices"][0]["clusterName"])

    @property
    def service(self) -> str:
        return str(self.raw["ecsServices"][0]["serviceName"])

    @property
    def pair(self) -> Pair:
        raw = self.raw["loadBalancerInfo"]["targetGroupPairInfoList"][0]
        test = raw.get("testTrafficRoute", {}).get("listenerArns") or [None]
        names = [group["name"] for group in raw["targetGroups"]]
        return Pair((names[0], names[1]), raw["prodTrafficRoute"]["listenerArns"][0], test[0])


@dataclass
class Application:
    name: str
    compute_platform: str
    created: float
    tags: dict[str, str] = field(default_factory=dict)
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    groups: dict[str, DeploymentGroup] = field(default_factory=dict)
    revisions: dict[str, Revision] = field(default_factory=dict)


@dataclass
class CustomConfig:
    name: str
    compute_platform: str
    created: float
    routing: Routing
    id: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass
class Record:
    """A deployment with what the API shows of it beyond its own state."""

    deployment: Deployment
    group: DeploymentGroup
    request: dict[str, Any]
    snapshot: dict[str, Any]  # the group's settings when it was created
    revision: dict[str, Any] | None
    previous_revision: dict[str, Any] | None
    task_sets: list[dict[str, Any]] = field(default_factory=list)  # taskSetsInfo as last seen
    settled: bool = False  # nothing of it changes any more
    messages: list[str] = field(default_factory=list)  # deploymentStatusMessages


@dataclass
class CodeDeployState:
    applications: dict[str, Application] = field(default_factory=dict)
    configs: dict[str, CustomConfig] = field(default_factory=dict)
    deployments: dict[str, Record] = field(default_factory=dict)  # oldest first
    hooks: Hooks = field(default_factory=Hooks)
    triggers: asyncio.Lock = field(default_factory=asyncio.Lock)  # messages leave in the order of what they tell

    def routing(self, name: str) -> Routing | None:
        """The routing of an ECS deployment configuration, predefined or custom."""
        if name in self.configs:
            return self.configs[name].routing if self.configs[name].compute_platform == "ECS" else None
        return ECS_CONFIGS.get(name)

    def running(self) -> int:
        return sum(not record.deployment.ended for record in self.deployments.values())

    def active(self, group: DeploymentGroup) -> Record | None:
        """The deployment of `group` that has not ended, its termination wait and rollbacks included (A.5.5)."""
        return next(
            (record for record in self.deployments.values() if record.group is group and not record.deployment.ended),
            None,
        )


def alarms_of(raw: Raw) -> tuple[tuple[str, ...], bool]:
    """(alarm names, whether unreadable alarms are ignored) of an alarmConfiguration; none where it is off."""
    if not raw.get("enabled"):
        return (), False
    return tuple(alarm["name"] for alarm in raw.get("alarms", [])), bool(raw.get("ignorePollAlarmFailure"))


def rollback_events_of(raw: Raw) -> frozenset[str]:
    return frozenset(raw.get("events", [])) if raw.get("enabled") else frozenset()


def waits_of(raw: Raw) -> tuple[float | None, float]:
    """(ready wait or None, termination wait) in seconds, of a blueGreenDeploymentConfiguration."""
    ready = raw.get("deploymentReadyOption", {})
    ready_wait = ready.get("waitTimeInMinutes", 0) * 60.0 if ready.get("actionOnTimeout") == "STOP_DEPLOYMENT" else None
    terminate = raw.get("terminateBlueInstancesOnDeploymentSuccess", {})
    return ready_wait, terminate.get("terminationWaitTimeInMinutes", 0) * 60.0


def plan_of(group: DeploymentGroup, request: Raw, spec: AppSpec, routing: Routing, default_compression: float) -> Plan:
    """What a CreateDeployment on `group` will do; the request overrides alarms and automatic rollback (A.5.1)."""
    alarms, ignore = alarms_of(request.get("overrideAlarmConfiguration") or group.raw.get("alarmConfiguration", {}))
    rollback = request.get("autoRollbackConfiguration") or group.raw.get("autoRollbackConfiguration", {})
    ready_wait, termination_wait = waits_of(group.raw["blueGreenDeploymentConfiguration"])
    floor = group.tags.get("rehearsal:floor")
    return Plan(
        cluster=group.cluster,
        service=group.service,
        pair=group.pair,
        routing=routing,
        app_spec=spec,
        ready_wait=ready_wait,
        termination_wait=termination_wait,
        alarms=alarms,
        ignore_unreadable_alarms=ignore,
        rollback_events=rollback_events_of(rollback),
        compression=float(group.tags.get("rehearsal:compression", default_compression)),
        floor=float(floor) if floor else None,
    )
