"""The few AWS operations that a deployment needs, typed. CodeDeploy's role allows these and no others.

`Caller` is in process here; the same port over HTTP lets this engine drive ECS and ELBv2 behind another endpoint.
It does not read target health: CodeDeploy's role cannot, it relies on a task set's stabilityStatus.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from harness.emulator.cloud import AwsError
from harness.emulator.deploy.appspec import AppSpec
from harness.emulator.deploy.timetable import AlarmPeriods, HealthCheck


class Call(Protocol):
    """One AWS call: botocore service name, operation, request; raises AwsError."""

    def __call__(self, service: str, operation: str, /, **request: Any) -> Awaitable[dict[str, Any]]: ...


@dataclass(frozen=True, slots=True)
class TaskSet:
    id: str
    arn: str
    status: str
    stable: bool
    target_group: str | None
    desired: int
    pending: int
    running: int
    external_id: str | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """An ECS service; `settings` are what a new task set inherits where the AppSpec is silent (A.2)."""

    arn: str
    controller: str
    task_sets: tuple[TaskSet, ...]
    settings: Mapping[str, Any]

    @property
    def primary(self) -> TaskSet | None:
        return next((one for one in self.task_sets if one.status == "PRIMARY"), None)

    def made_by(self, deployment_id: str) -> TaskSet | None:
        """The replacement task set of a deployment: CodeDeploy writes its deployment id as externalId (A.6)."""
        return next((one for one in self.task_sets if one.external_id == deployment_id), None)

    def task_set(self, task_set_id: str | None) -> TaskSet | None:
        return next((one for one in self.task_sets if one.id == task_set_id), None)


@dataclass(frozen=True, slots=True)
class TargetGroup:
    name: str
    arn: str
    load_balancers: tuple[str, ...]
    health_check: HealthCheck


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a listener; `arn` is the listener's own for the default rule, which ModifyListener writes."""

    arn: str
    default: bool
    actions: tuple[dict[str, Any], ...]

    @property
    def weights(self) -> dict[str, int]:
        """Target group ARN to weight, of the forward action; empty where it forwards nowhere."""
        for action in self.actions:
            if action["Type"] == "forward":
                groups = action.get("ForwardConfig", {}).get("TargetGroups")
                return {
                    group["TargetGroupArn"]: group.get("Weight", 1)
                    for group in groups or [{"TargetGroupArn": action["TargetGroupArn"]}]
                }
        return {}


@dataclass(frozen=True, slots=True)
class Alarm:
    name: str
    state: str
    periods: AlarmPeriods


INHERITED = ("launchType", "platformVersion", "networkConfiguration", "capacityProviderStrategy", "serviceRegistries")


class Port:
    """`changed(at_most)` returns when something may have changed, or after `at_most` real seconds."""

    def __init__(self, call: Call, changed: Callable[[float], Awaitable[None]], compression: float = 1.0) -> None:
        self._send, self.changed, self._compression = call, changed, compression

    async def _call(self, service: str, operation: str, /, **request: Any) -> dict[str, Any]:
        """A call once sent is carried out, also when its deployment is stopped meanwhile: what follows must see its effect."""
        sent = asyncio.ensure_future(self._send(service, operation, **request))
        try:
            return await asyncio.shield(sent)
        except asyncio.CancelledError:
            await asyncio.wait({sent})
            raise

    # ---- ECS

    async def service(self, cluster: str, name: str) -> Service | None:
        """None where there is no active service of that name."""
        try:
            answer = await self._call("ecs", "DescribeServices", cluster=cluster, services=[name])
        except AwsError as error:
            if error.code == "ClusterNotFoundException":
                return None
            raise
        found = [service for service in answer.get("services", []) if service["status"] == "ACTIVE"]
        if not found:
            return None
        raw = found[0]
        return Service(
            arn=raw["serviceArn"],
            controller=raw.get("deploymentController", {}).get("type", "ECS"),
            task_sets=tuple(_task_set(one) for one in raw.get("taskSets", [])),
            settings={key: raw[key] for key in INHERITED if raw.get(key)},
        )

    async def create_task_set(
        self, cluster: str, service: Service, spec: AppSpec, target_group: str, deployment_id: str
    ) -> TaskSet:
        """The replacement task set at 100 %, registered into `target_group` (A.3.1 Install)."""
        own = {"platformVersion": spec.platform_version, "networkConfiguration": spec.network}
        settings = {**service.settings, **{key: value for key, value in own.items() if value is not None}}
        if spec.capacity_providers is not None:
            settings.pop("launchType", None)
            settings["capacityProviderStrategy"] = spec.capacity_providers
        answer = await self._call(
            "ecs",
            "CreateTaskSet",
            cluster=cluster,
            service=service.arn,
            externalId=deployment_id,
            taskDefinition=spec.task_definition,
            scale={"value": 100.0, "unit": "PERCENT"},
            loadBalancers=[
                {
                    "targetGroupArn": target_group,
                    "containerName": spec.container_name,
                    "containerPort": spec.container_port,
                }
            ],
            **settings,
        )
        return _task_set(answer["taskSet"])

    async def set_primary(self, cluster: str, service: str, task_set: str) -> None:
        await self._call(
            "ecs", "UpdateServicePrimaryTaskSet", cluster=cluster, service=service, primaryTaskSet=task_set
        )

    async def delete_task_set(self, cluster: str, service: str, task_set: str) -> None:
        """Scale it to 0 and let it drain; answers at once."""
        await self._call("ecs", "DeleteTaskSet", cluster=cluster, service=service, taskSet=task_set, force=True)

    # ---- ELBv2

    async def target_groups(self, names: Sequence[str]) -> dict[str, TargetGroup]:
        """By name. Raises AwsError TargetGroupNotFound."""
        answer = await self._call("elbv2", "DescribeTargetGroups", Names=list(names))
        return {
            raw["TargetGroupName"]: TargetGroup(
                raw["TargetGroupName"],
                raw["TargetGroupArn"],
                tuple(raw.get("LoadBalancerArns", [])),
                HealthCheck(
                    raw.get("HealthCheckIntervalSeconds", 30),
                    raw.get("HealthCheckTimeoutSeconds", 5),
                    raw.get("UnhealthyThresholdCount", 2),
                ),
            )
            for raw in answer["TargetGroups"]
        }

    async def load_balancer_of(self, listener: str) -> str:
        """ARN. Raises AwsError ListenerNotFound."""
        answer = await self._call("elbv2", "DescribeListeners", ListenerArns=[listener])
        return str(answer["Listeners"][0]["LoadBalancerArn"])

    async def rules(self, listener: str) -> list[Rule]:
        """Every rule of a listener, the default one too."""
        rules: list[Rule] = []
        marker: dict[str, Any] = {}
        while True:
            answer = await self._call("elbv2", "DescribeRules", ListenerArn=listener, **marker)
            for raw in answer["Rules"]:
                default = bool(raw["IsDefault"])
                rules.append(Rule(listener if default else raw["RuleArn"], default, tuple(raw["Actions"])))
            if not answer.get("NextMarker"):
                return rules
            marker = {"Marker": answer["NextMarker"]}

    async def forward(self, rule: Rule, weights: Mapping[str, int], *, keep_stickiness: bool = False) -> None:
        """Replace the forward action of `rule`; stickiness off, as CodeDeploy writes it (C.2). Answers once it is in force."""
        actions = [
            _forwarding(action, weights, keep_stickiness) if action["Type"] == "forward" else action
            for action in rule.actions
        ]
        if rule.default:
            await self._call("elbv2", "ModifyListener", ListenerArn=rule.arn, DefaultActions=actions)
        else:
            await self._call("elbv2", "ModifyRule", RuleArn=rule.arn, Actions=actions)

    # ---- CloudWatch, Lambda

    async def alarms(self, names: Sequence[str]) -> list[Alarm]:
        if not names:
            return []
        answer = await self._call("cloudwatch", "DescribeAlarms", AlarmNames=list(names))
        return [
            Alarm(
                raw["AlarmName"],
                raw["StateValue"],
                AlarmPeriods(_period(raw), raw.get("EvaluationPeriods", 1), self._compression),
            )
            for raw in answer.get("MetricAlarms", [])
        ]

    async def invoke(self, function: str, payload: Mapping[str, str], *, wait: bool) -> str | None:
        """Invoke a hook function. With `wait`, the error it raised, if any; else it runs on its own. Raises AwsError."""
        answer = await self._call(
            "lambda",
            "Invoke",
            FunctionName=function,
            InvocationType="RequestResponse" if wait else "Event",
            Payload=json.dumps(payload).encode(),
        )
        return answer.get("FunctionError")


def _forwarding(action: Mapping[str, Any], weights: Mapping[str, int], keep_stickiness: bool) -> dict[str, Any]:
    """A forward action over the groups of `weights`, in the order and, if wanted, with the stickiness of `action`."""
    off = {"Enabled": False}
    before = action.get("ForwardConfig", {}).get("TargetGroupStickinessConfig", off)
    config = {
        "TargetGroups": [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in weights.items()],
        "TargetGroupStickinessConfig": before if keep_stickiness else off,
    }
    order = {"Order": action["Order"]} if "Order" in action else {}
    return {"Type": "forward", "ForwardConfig": config, **order}


def _task_set(raw: Mapping[str, Any]) -> TaskSet:
    balancers = raw.get("loadBalancers") or [{}]
    return TaskSet(
        id=raw["id"],
        arn=raw["taskSetArn"],
        status=raw["status"],
        stable=raw.get("stabilityStatus") == "STEADY_STATE",
        target_group=balancers[0].get("targetGroupArn"),
        desired=raw.get("computedDesiredCount", 0),
        pending=raw.get("pendingCount", 0),
        running=raw.get("runningCount", 0),
        external_id=raw.get("externalId"),
    )


def _period(alarm: Mapping[str, Any]) -> float:
    """Declared seconds of one period; of a metric-math alarm, the longest of its metrics."""
    periods = [
        metric.get("Period") or metric.get("MetricStat", {}).get("Period") for metric in alarm.get("Metrics", [])
    ]
    return float(alarm.get("Period") or max((period for period in periods if period), default=60))
