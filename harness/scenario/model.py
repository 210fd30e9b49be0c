"""A scenario as a value: frozen pydantic models, one per part of the file. Durations are seconds, rates requests per second.

`Scenario.model_dump(mode="json")` and `Scenario.model_validate` are each other's inverse: the journal carries the whole scenario.
"""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from harness.scenario.service import (
    IMAGE_FAULTS,
    TASK_DEFINITION_FAULTS,
    AskedRequest,
    Capacity,
    Fault,
    FaultKind,
    HealthCheck,
    Release,
    Service,
    SteadyState,
    Traffic,
    Version,
    VersionFrom,
)
from harness.scenario.values import Count, Duration, Flag, Part, Path, Percent, Text, Versions

__all__ = [
    "IMAGE_FAULTS",
    "TASK_DEFINITION_FAULTS",
    "AskedRequest",
    "Capacity",
    "Fault",
    "FaultKind",
    "HealthCheck",
    "Release",
    "Service",
    "SteadyState",
    "Traffic",
    "Version",
    "VersionFrom",
]
LifecycleEvent = Literal[
    "BeforeInstall",
    "Install",
    "AfterInstall",
    "AllowTestTraffic",
    "AfterAllowTestTraffic",
    "BeforeAllowTraffic",
    "AllowTraffic",
    "AfterAllowTraffic",
]
"""In CodeDeploy's order (A.3.1)."""
HookEvent = Literal["BeforeInstall", "AfterInstall", "AfterAllowTestTraffic", "BeforeAllowTraffic", "AfterAllowTraffic"]
Moment = Literal["Before", LifecycleEvent, "Ready", "Succeeded", "Failed", "Stopped", "RolledBack"]
RollbackEvent = Literal["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"]
LIFECYCLE_EVENTS: tuple[str, ...] = get_args(LifecycleEvent)
TEST_EVENTS = ("AllowTestTraffic", "AfterAllowTestTraffic")
END_MOMENTS = ("Succeeded", "Failed", "Stopped", "RolledBack")


# ---- how it is deployed


class Step(Part):
    percent: Annotated[int, Field(strict=True, ge=1, le=99)]
    interval: Annotated[Duration, Field(ge=60)]


class Shift(Part):
    """Give green `weight` percent of production, then wait `wait` declared seconds."""

    weight: int
    wait: float


ALL_AT_ONCE = "CodeDeployDefault.ECSAllAtOnce"
_SHORT_NAME = "all_at_once"
PREDEFINED: dict[str, tuple[str, int, float]] = {  # A.4: kind, percent, seconds between shifts
    ALL_AT_ONCE: ("all_at_once", 100, 0.0),
    "CodeDeployDefault.ECSLinear10PercentEvery1Minutes": ("linear", 10, 60.0),
    "CodeDeployDefault.ECSLinear10PercentEvery3Minutes": ("linear", 10, 180.0),
    "CodeDeployDefault.ECSCanary10Percent5Minutes": ("canary", 10, 300.0),
    "CodeDeployDefault.ECSCanary10Percent15Minutes": ("canary", 10, 900.0),
}
ConfigName = Literal[
    "CodeDeployDefault.ECSAllAtOnce",
    "CodeDeployDefault.ECSLinear10PercentEvery1Minutes",
    "CodeDeployDefault.ECSLinear10PercentEvery3Minutes",
    "CodeDeployDefault.ECSCanary10Percent5Minutes",
    "CodeDeployDefault.ECSCanary10Percent15Minutes",
]


class DeploymentConfig(Part):
    """One of: a predefined configuration by `name`, or a `canary` or `linear` of one's own."""

    name: ConfigName | None = None
    canary: Step | None = None
    linear: Step | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(choice is not None for choice in (self.name, self.canary, self.linear)) != 1:
            raise ValueError("write one of: a predefined name, {canary: {...}}, {linear: {...}} or all_at_once")
        return self

    @property
    def shifts(self) -> tuple[Shift, ...]:
        """Green's weights in order, each with the declared wait after it; the first is applied at once (A.3.5)."""
        kind, percent, interval = self._routing()
        weights = {"all_at_once": [100], "canary": [percent, 100], "linear": [*range(percent, 100, percent), 100]}[kind]
        return tuple(Shift(weight=weight, wait=0.0 if weight == 100 else interval) for weight in weights)

    def _routing(self) -> tuple[str, int, float]:
        if self.name is not None:
            return PREDEFINED[self.name]
        if self.canary is not None:
            return "canary", self.canary.percent, self.canary.interval
        assert self.linear is not None
        return "linear", self.linear.percent, self.linear.interval


def _config(value: Any) -> Any:
    return {"name": ALL_AT_ONCE if value == _SHORT_NAME else value} if isinstance(value, str) else value


class Hook(Part):
    """What a lifecycle hook function checks: `repeat` times the same request; every answer must have `status` and, as a part of
    its JSON body, `json`. `via` says through which listener.

    `never_calls_back`: it ends without telling CodeDeploy. `callback_denied`: it tries, and its own role may not call
    PutLifecycleEventHookExecutionStatus. `without_permission`: CodeDeploy may not invoke it.
    """

    get: Path | None = None
    via: Literal["test", "production"] = "test"
    status: Annotated[int, Field(ge=100, le=599)] = 200
    json_: Annotated[dict[str, Any] | None, Field(alias="json")] = None
    repeat: Annotated[int, Field(ge=1, le=100)] = 1
    never_calls_back: Flag = False
    callback_denied: Flag = False
    without_permission: Flag = False

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if self.get is None and not (self.never_calls_back or self.callback_denied or self.without_permission):
            raise ValueError("say what it checks, such as `get: /`, or how it breaks: `never_calls_back: true`")
        return self


AlarmMetric = Literal["target_5xx_percent", "target_5xx_count", "elb_5xx_count", "target_response_time"]


class Alarm(Part):
    """A CloudWatch alarm on the whole service (LoadBalancer dimension): in ALARM when the metric is over `threshold` in
    `datapoints_to_alarm` of the last `evaluation_periods`; `missing_data` is what a period without data counts for.

    `target_5xx_percent` is 100 x 5xx / requests; `target_response_time` is the average, in seconds.
    """

    metric: AlarmMetric
    threshold: Annotated[float, Field(ge=0)]
    period: Annotated[Duration, Field(ge=60)] = 60.0
    evaluation_periods: Annotated[int, Field(ge=1, le=10)] = 1
    datapoints_to_alarm: Annotated[int, Field(ge=1, le=10)] | None = None
    missing_data: Literal["not_breaching", "breaching", "ignore", "missing"] = "not_breaching"

    @property
    def is_count(self) -> bool:
        return self.metric.endswith("_count")


class Deploy(Part):
    """`ready_wait`, `terminate_blue_after`, the config's intervals and the alarms' periods are deployment time, which is compressed.

    `give_up_after` is how long the runner lets the deployment come up to its first shift; then it stops it, with rollback.
    """

    controller: Literal["codedeploy", "ecs"] = "codedeploy"
    config: Annotated[
        DeploymentConfig,
        BeforeValidator(_config, json_schema_input_type=ConfigName | Literal["all_at_once"] | DeploymentConfig),
    ] = DeploymentConfig(name="CodeDeployDefault.ECSAllAtOnce")
    test_listener: Flag = True
    hooks: dict[HookEvent, Hook] = Field(default_factory=dict)
    alarms: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,100}$")], Alarm] = Field(default_factory=dict)
    rollback_on: tuple[RollbackEvent, ...] = ()
    ready_wait: Annotated[Duration, Field(ge=0, le=2880 * 60)] = 0.0
    terminate_blue_after: Annotated[Duration, Field(ge=0, le=2880 * 60)] = 300.0
    give_up_after: Annotated[Duration, Field(gt=0)] = 600.0


# ---- what is done on the way


class During(Part):
    """Something done `after` (deployment time) a moment of the deployment: just before it, the start of a lifecycle event, Ready,
    its end, or the end of its rollback; where `weight` is given, from when production gives green that many percent.

    `error` is the AWS error code it should meet. It is judged: done with that error, or without any, or it is unmet.
    """

    at: Moment
    weight: Annotated[int, Field(ge=1, le=100)] | None = None
    after: Duration = 0.0
    error: str | None = None


class Stop(During):
    """StopDeployment; `rollback` is its autoRollbackEnabled, the group's setting where it is not given."""

    do: Literal["stop"]
    rollback: Flag | None = None


class Continue(During):
    """ContinueDeployment: at Ready ends the ready wait, later the termination wait."""

    do: Literal["continue"]


class Scale(During):
    """UpdateService with another desired count."""

    do: Literal["scale"]
    to: Annotated[int, Field(ge=0, le=50)]


class KillTask(During):
    """One task of that side is stopped (StopTask), and the deployment knows nothing of it."""

    do: Literal["kill_task"]
    of: Literal["blue", "green"]


class DeployAgain(During):
    """A second CreateDeployment, of that version. Its `error` is CreateDeployment's, or the one the new deployment ends with."""

    do: Literal["deploy"]
    to: str


class RepointListener(During):
    """ModifyListener by a stranger: everything to that side's target group."""

    do: Literal["repoint_listener"]
    to: Literal["blue", "green"]
    listener: Literal["production", "test"] = "production"


class SetAlarm(During):
    """SetAlarmState."""

    do: Literal["set_alarm"]
    alarm: str
    state: Literal["OK", "ALARM", "INSUFFICIENT_DATA"] = "ALARM"


Action = Annotated[
    Stop | Continue | Scale | KillTask | DeployAgain | RepointListener | SetAlarm, Field(discriminator="do")
]


# ---- what should come of it


class UsersExpectation(Part):
    """What the simulated users may meet. A request has failed when no answer came, or one that is not 2xx or 3xx.

    `max_unavailable` bounds the longest time between two good answers; `max_p50` ... the latency of answers, counted from when
    the request was due. `min_failed` is for a trap, which must hurt; `failed_with` lists the only codes that failed answers had.
    With fewer than `min_requests` nothing is concluded.
    """

    min_requests: Annotated[int, Field(ge=1)] = 100
    max_failed: Count | None = None
    max_failed_percent: Percent | None = None
    min_failed: Count | None = None
    failed_with: tuple[Annotated[int, Field(ge=400, le=599)], ...] | None = None
    max_unavailable: Duration | None = None
    max_p50: Duration | None = None
    max_p95: Duration | None = None
    max_p99: Duration | None = None


class RollbackExpectation(Part):
    """Real seconds from the trigger to production being back on blue."""

    within: Duration
    of: Literal["alarm", "hook", "request", "give_up", "failure"]


class GreenProductionRequests(Part):
    """Requests through the production listener that green answered before CodeDeploy gave it any production traffic."""

    max: Count


class Websockets(Part):
    """Of the long-lived connections: how many the service may, and must, have cut before the users themselves leave."""

    max_cut: Count | None = None
    min_cut: Count | None = None


class Expect(Part):
    """`cause: alarm` goes with `outcome: stopped` too: an alarm of the group stops a deployment in any case, and only
    DEPLOYMENT_STOP_ON_ALARM in `deploy.rollback_on` makes it roll back. `exit_codes` are those of all tasks of a side that
    stopped, at least one of them.
    """

    outcome: Literal["succeeded", "rolled_back", "failed", "stopped"]
    failed_at: LifecycleEvent | None = None
    cause: Literal["alarm", "hook", "unhealthy", "timeout", "request"] | None = None
    versions_seen: tuple[Versions, ...] | None = None
    live_at_end: str | None = None
    users: UsersExpectation | None = None
    rollback: RollbackExpectation | None = None
    green_production_requests: GreenProductionRequests | None = None
    events: tuple[LifecycleEvent, ...] | None = None
    exit_codes: dict[Literal["blue", "green"], tuple[Annotated[int, Field(ge=0, le=255)], ...]] = Field(
        default_factory=dict
    )
    websockets: Websockets | None = None

    @property
    def min_requests(self) -> int:
        """How many requests it takes to conclude anything."""
        return (self.users or UsersExpectation()).min_requests


class Scenario(Part):
    """One story. `tags` choose it (`core`), `title` and `why` tell it."""

    scenario: Literal["v1"]
    id: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,46}[a-z0-9])?$")]
    title: Text
    why: Text | None = None
    tags: tuple[str, ...] = ()
    service: Service = Service()
    steady_state: SteadyState = SteadyState()
    traffic: Traffic = Traffic()
    release: Release
    deploy: Deploy = Deploy()
    during: tuple[Action, ...] = ()
    expect: Expect

    @model_validator(mode="after")
    def _parts_fit_together(self) -> Self:
        from harness.scenario.rules import problems  # the rules read the finished models

        if found := problems(self):
            raise PydanticCustomError("rules", "{problems}", {"problems": found})
        return self

    @cached_property
    def hash(self) -> str:
        """SHA-256 of what is run and expected; its prose (title, why, tags) may change without changing it."""
        told = self.model_dump(mode="json", exclude={"title", "why", "tags"})
        return hashlib.sha256(json.dumps(told, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    @property
    def versions(self) -> dict[str, str]:
        """Side to version."""
        return {"blue": self.release.from_.version, "green": self.release.to.version}
