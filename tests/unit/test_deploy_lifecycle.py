"""The deployment engine's story under a manual clock, against a small stand-in for the AWS side of its port."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from harness.clock import Compressed, Manual
from harness.emulator.cloud import AwsError
from harness.emulator.deploy.appspec import AppSpec
from harness.emulator.deploy.deployment import Deployment, DeploymentStopped, Pair, Plan, events_of
from harness.emulator.deploy.hooks import Hooks
from harness.emulator.deploy.lifecycle import BlueGreen
from harness.emulator.deploy.port import Port
from harness.emulator.deploy.routing import ECS_CONFIGS, Routing
from harness.emulator.deploy.supervisor import Supervisor
from harness.emulator.settings import Settings

ALL_EVENTS = [
    "BeforeInstall",
    "Install",
    "AfterInstall",
    "AllowTestTraffic",
    "AfterAllowTestTraffic",
    "BeforeAllowTraffic",
    "AllowTraffic",
    "AfterAllowTraffic",
]
DEFAULTS = Settings(created_seconds=0)
CANARY = ECS_CONFIGS["CodeDeployDefault.ECSCanary10Percent5Minutes"]


class Account:
    """The AWS side: one service, two target groups, two listeners, with exactly the operations the engine may call."""

    def __init__(self) -> None:
        self.task_sets = {"blue": "PRIMARY"}
        self.steady = True
        self.listeners: dict[str, dict[str, int]] = {"production": {"tg-blue": 1}, "test": {"tg-green": 1}}
        self.history: list[tuple[str, dict[str, int]]] = []
        self.alarms = {"red": "OK"}
        self.hook_answers: dict[str, str] = {}
        self.hooks = Hooks()
        self.invoked: list[str] = []
        self.refuse_task_set: AwsError | None = None

    async def call(self, service: str, operation: str, /, **request: Any) -> dict[str, Any]:
        return getattr(self, operation)(**request) or {}

    def DescribeServices(self, **_: Any) -> dict[str, Any]:
        sets = [self._task_set(name) for name in self.task_sets]
        controller = {"type": "CODE_DEPLOY"}
        return {
            "services": [
                {"status": "ACTIVE", "serviceArn": "arn:service", "deploymentController": controller, "taskSets": sets}
            ]
        }

    def _task_set(self, name: str) -> dict[str, Any]:
        steady = "STEADY_STATE" if self.steady or name == "blue" else "STABILIZING"
        return {
            "id": name,
            "taskSetArn": f"arn:{name}",
            "status": self.task_sets[name],
            "stabilityStatus": steady,
            "externalId": "d-TEST00001" if name == "green" else None,
            "loadBalancers": [{"targetGroupArn": f"tg-{name}"}],
        }

    def CreateTaskSet(self, **request: Any) -> dict[str, Any]:
        if self.refuse_task_set:
            raise self.refuse_task_set
        assert request["loadBalancers"][0]["targetGroupArn"] == "tg-green"
        self.task_sets["green"] = "ACTIVE"
        return {"taskSet": self._task_set("green")}

    def DeleteTaskSet(self, taskSet: str, **_: Any) -> None:
        self.task_sets[taskSet] = "DRAINING"

    def UpdateServicePrimaryTaskSet(self, primaryTaskSet: str, **_: Any) -> None:
        self.task_sets = {name: "PRIMARY" if name == primaryTaskSet else "ACTIVE" for name in self.task_sets}

    def DescribeTargetGroups(self, Names: list[str]) -> dict[str, Any]:
        check = {"HealthCheckIntervalSeconds": 5, "HealthCheckTimeoutSeconds": 2, "UnhealthyThresholdCount": 2}
        return {"TargetGroups": [{"TargetGroupName": name, "TargetGroupArn": f"tg-{name}", **check} for name in Names]}

    def DescribeRules(self, ListenerArn: str) -> dict[str, Any]:
        groups = [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in self.listeners[ListenerArn].items()]
        return {
            "Rules": [{"IsDefault": True, "Actions": [{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}]}]
        }

    def ModifyListener(self, ListenerArn: str, DefaultActions: list[dict[str, Any]]) -> None:
        groups = DefaultActions[0]["ForwardConfig"]["TargetGroups"]
        self.listeners[ListenerArn] = {group["TargetGroupArn"]: group["Weight"] for group in groups}
        self.history.append((ListenerArn, self.listeners[ListenerArn]))

    def DescribeAlarms(self, AlarmNames: list[str]) -> dict[str, Any]:
        return {
            "MetricAlarms": [{"AlarmName": name, "StateValue": self.alarms[name], "Period": 60} for name in AlarmNames]
        }

    def Invoke(self, FunctionName: str, Payload: bytes, **_: Any) -> dict[str, Any]:
        event = json.loads(Payload)
        self.invoked.append(FunctionName)
        if answer := self.hook_answers.get(FunctionName):
            self.hooks.callback(event["DeploymentId"], event["LifecycleEventHookExecutionId"], answer)
        return {}

    @property
    def production(self) -> list[int]:
        """Green's weight at every change of the production listener."""
        return [weights["tg-green"] for listener, weights in self.history if listener == "production"]


class Rehearsal:
    """One deployment on an Account, and what became of it."""

    def __init__(self, account: Account, plan: Plan, settings: Settings, compression: float) -> None:
        self.account, self.clock = account, Manual()
        self.deployment = Deployment(
            id="d-TEST00001",
            application="app",
            group="group",
            config_name="x",
            created=0,
            plan=plan,
            events=events_of(plan.pair),
        )
        clock = Compressed(self.clock, compression)
        port = Port(account.call, self.clock.sleep, compression)
        self.rollback: Deployment | None = None
        work = BlueGreen(self.deployment, plan, port, clock, account.hooks, settings)
        self.supervisor = Supervisor(work, self._new_rollback, lambda: None)

    def _new_rollback(self, failed: Deployment) -> Deployment:
        assert failed.ended
        pair = failed.plan.pair if failed.plan else None
        assert pair is not None
        self.rollback = Deployment(
            id="d-ROLLBACK1",
            application="app",
            group="group",
            config_name="x",
            created=0,
            events=events_of(pair),
            rollback_of=failed.id,
        )
        return self.rollback

    def statuses(self) -> dict[str, str]:
        return {event.name: event.status for event in self.deployment.events.values()}

    @property
    def ended_with(self) -> tuple[str, str | None]:
        return self.deployment.status, self.deployment.error.code if self.deployment.error else None


@asynccontextmanager
async def rehearsal(
    account: Account,
    routing: Routing = CANARY,
    *,
    test_listener: bool = True,
    hooks: dict[str, str] | None = None,
    settings: Settings = DEFAULTS,
    compression: float = 1,
    **plan: Any,
) -> AsyncIterator[Rehearsal]:
    pair = Pair(("blue", "green"), "production", "test" if test_listener else None)
    spec = AppSpec("app:2", "app", 8080, hooks=hooks or {})
    full = Plan(
        cluster="c", service="s", pair=pair, routing=routing, app_spec=spec, **{"termination_wait": 300.0, **plan}
    )
    one = Rehearsal(account, full, settings, compression)
    running = asyncio.ensure_future(one.supervisor.run())
    try:
        yield one
        if running.done():
            running.result()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def story(test: Any) -> Any:
    """Run an async test on an event loop of its own."""

    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(test(*args, **kwargs))

    run.__name__ = test.__name__
    run.__doc__ = test.__doc__
    return run


@story
async def test_deployment_runs_the_eight_events_in_order_and_ends_after_the_termination_wait():
    account = Account()
    async with rehearsal(account) as one:
        await one.clock.advance(599)
        assert one.deployment.status == "InProgress"
        assert set(one.statuses().values()) == {"Succeeded"}
        await one.clock.advance(2)
        assert one.ended_with == ("Succeeded", None)
    events = list(one.deployment.events.values())
    assert [event.name for event in events] == ALL_EVENTS
    started = [event.started for event in events]
    assert None not in started
    assert started == sorted(started)  # type: ignore[type-var]
    assert account.production == [10, 100]
    assert account.listeners["test"] == {"tg-green": 100, "tg-blue": 0}
    assert account.task_sets == {"blue": "DRAINING", "green": "PRIMARY"}


@story
async def test_deployment_without_test_listener_has_no_test_events_at_all():
    account = Account()
    async with rehearsal(account, test_listener=False) as one:
        await one.clock.advance(601)
    assert [name for name in ALL_EVENTS if "Test" not in name] == list(one.deployment.events)
    assert account.listeners["test"] == {"tg-green": 1}
    assert one.deployment.status == "Succeeded"


@story
async def test_linear_applies_its_first_step_at_once_and_ends_at_100():
    account = Account()
    async with rehearsal(account, Routing("TimeBasedLinear", 25, 1)) as one:
        await one.clock.advance(1)
        assert account.production == [25]
        await one.clock.advance(179)
        assert account.production == [25, 50, 75, 100]


@story
async def test_failing_hook_fails_its_event_skips_the_rest_and_rolls_back():
    account = Account()
    account.hook_answers = {"check": "Failed"}
    async with rehearsal(
        account, hooks={"AfterAllowTestTraffic": "check"}, rollback_events=frozenset({"DEPLOYMENT_FAILURE"})
    ) as one:
        await one.clock.advance(5)
    assert one.ended_with == ("Failed", "HOOK_EXECUTION_FAILURE")
    assert one.statuses()["AfterAllowTestTraffic"] == "Failed"
    assert [one.statuses()[name] for name in ALL_EVENTS[5:]] == ["Skipped"] * 3
    assert one.rollback is not None
    assert one.rollback.status == "Succeeded"
    assert account.listeners == {"production": {"tg-green": 0, "tg-blue": 100}, "test": {"tg-green": 0, "tg-blue": 100}}
    assert account.task_sets == {"blue": "PRIMARY", "green": "DRAINING"}
    assert 100 not in account.production


@story
async def test_hook_without_callback_fails_after_one_hour():
    account = Account()
    async with rehearsal(account, hooks={"BeforeInstall": "silent"}) as one:
        await one.clock.advance(3599)
        assert one.deployment.status == "InProgress"
        await one.clock.advance(2)
    assert one.ended_with == ("Failed", "HOOK_EXECUTION_FAILURE")
    assert account.invoked == ["silent"]
    assert "green" not in account.task_sets


@story
async def test_alarm_during_the_shift_stops_with_alarm_active_and_rolls_back():
    account = Account()
    async with rehearsal(account, alarms=("red",), rollback_events=frozenset({"DEPLOYMENT_STOP_ON_ALARM"})) as one:
        await one.clock.advance(60)
        assert one.statuses()["AllowTraffic"] == "InProgress"
        account.alarms["red"] = "ALARM"
        await one.clock.advance(11)
    assert one.ended_with == ("Stopped", "ALARM_ACTIVE")
    assert one.deployment.error is not None
    assert one.deployment.error.message.endswith("Activated alarms: <red>")
    assert one.statuses()["AllowTraffic"] == "Failed"
    assert one.rollback is not None
    assert account.production == [10, 0]


@story
async def test_alarm_that_is_already_red_stops_at_once_unless_the_setting_says_otherwise():
    account = Account()
    account.alarms["red"] = "ALARM"
    async with rehearsal(account, alarms=("red",)) as one:
        await one.clock.advance(1)
        assert one.ended_with == ("Stopped", "ALARM_ACTIVE")
    calm = Account()
    calm.alarms["red"] = "ALARM"
    async with rehearsal(
        calm, alarms=("red",), settings=Settings(alarm_at_start_stops=False, created_seconds=0)
    ) as one:
        await one.clock.advance(601)
        assert one.deployment.status == "Succeeded"


@story
async def test_stop_in_the_termination_wait_rolls_back_after_all_events_succeeded():
    account = Account()
    async with rehearsal(account) as one:
        await one.clock.advance(400)
        assert account.task_sets["green"] == "PRIMARY"
        one.deployment.stop.set_result(
            DeploymentStopped("MANUAL_STOP", "stop", "DEPLOYMENT_STOP_ON_REQUEST", roll_back=True)
        )
        await one.clock.advance(1)
    assert one.ended_with == ("Stopped", "MANUAL_STOP")
    assert set(one.statuses().values()) == {"Succeeded"}
    assert account.task_sets == {"blue": "PRIMARY", "green": "DRAINING"}
    assert account.production == [10, 100, 0]


@story
async def test_stop_without_rollback_leaves_listeners_and_task_sets_as_they_are():
    account = Account()
    async with rehearsal(account, rollback_events=frozenset({"DEPLOYMENT_STOP_ON_REQUEST"})) as one:
        await one.clock.advance(10)
        one.deployment.stop.set_result(
            DeploymentStopped("MANUAL_STOP", "stop", "DEPLOYMENT_STOP_ON_REQUEST", roll_back=False)
        )
        await one.clock.advance(1)
    assert one.rollback is None
    assert account.listeners["production"] == {"tg-green": 10, "tg-blue": 90}
    assert account.task_sets == {"blue": "PRIMARY", "green": "ACTIVE"}


@story
async def test_install_fails_after_sixty_minutes_of_an_unsteady_green():
    account = Account()
    account.steady = False
    async with rehearsal(account, rollback_events=frozenset({"DEPLOYMENT_FAILURE"})) as one:
        await one.clock.advance(3598)
        assert one.statuses()["Install"] == "InProgress"
        await one.clock.advance(4)
    assert one.ended_with == ("Failed", "TIMEOUT")
    assert "60 minutes" in (one.deployment.error.message if one.deployment.error else "")
    assert account.task_sets == {"blue": "PRIMARY", "green": "DRAINING"}


@story
async def test_green_that_stays_unsteady_after_the_shift_fails_the_deployment():
    account = Account()
    async with rehearsal(account, termination_wait=3600.0) as one:
        await one.clock.advance(310)
        account.steady = False
        await one.clock.advance(290)
        assert one.deployment.status == "InProgress"
        await one.clock.advance(15)
    assert one.ended_with == ("Failed", "ECS_UPDATE_ERROR")
    assert one.deployment.error is not None
    assert one.deployment.error.message == "CodeDeploy detected that the replacement task set is unhealthy."


@story
async def test_refused_task_set_embeds_the_error_of_ecs():
    account = Account()
    account.refuse_task_set = AwsError(
        "InvalidParameterException", "The container does not exist in the task definition."
    )
    async with rehearsal(account) as one:
        await one.clock.advance(1)
    assert one.ended_with == ("Failed", "ECS_UPDATE_ERROR")
    assert one.deployment.error is not None
    assert one.deployment.error.message.startswith(
        "The ECS service cannot be updated due to an unexpected error: The container does not exist in the task definition. "
        "(Service: AmazonECS; Status Code: 400; Error Code: InvalidParameterException; Request ID: "
    )


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        ({"tg-other": 1}, "Primary taskset target group must be behind listener production"),
        (
            {"tg-blue": 90, "tg-green": 10},
            "Green taskset target group cannot have non-zero weight prior to traffic shifting on listener",
        ),
        (
            {"tg-blue": 1, "tg-third": 0},
            r"Only target group in ECS deployment group \(tg-blue, tg-green\) can be set on listener",
        ),
    ],
)
def test_listener_that_was_repointed_fails_install_before_anything_is_created(weights: dict[str, int], says: str):
    async def run() -> None:
        account = Account()
        account.listeners["production"] = weights
        async with rehearsal(account) as one:
            await one.clock.advance(1)
        assert one.ended_with == ("Failed", "ELASTIC_LOAD_BALANCING_INVALID")
        assert one.deployment.error is not None
        assert re.search(says, one.deployment.error.message)
        assert "green" not in account.task_sets

    asyncio.run(run())


@story
async def test_ready_wait_holds_until_told_to_continue():
    account = Account()
    async with rehearsal(account, ready_wait=600.0) as one:
        await one.clock.advance(30)
        assert one.deployment.status == "Ready"
        assert account.production == []
        one.deployment.continue_ready.set()
        await one.clock.advance(1)
        assert account.production == [10]
        one.deployment.continue_termination.set()
        await one.clock.advance(301)
    assert one.deployment.status == "Succeeded"


@story
async def test_ready_wait_that_runs_out_stops_the_deployment():
    account = Account()
    async with rehearsal(account, ready_wait=600.0) as one:
        await one.clock.advance(602)
    assert one.deployment.status == "Stopped"
    assert one.deployment.error is not None
    assert one.deployment.error.message.endswith("This time out period is 10 minutes.")


@story
async def test_compressed_deployment_still_takes_the_detection_floor():
    account = Account()
    async with rehearsal(account, compression=60) as one:
        started = one.clock.now()
        while not one.deployment.ended:
            await one.clock.advance(0.5)
        # Two failed checks 5 s apart, their timeout of 2 s, and 2 s: 14 s, where 600 / 60 would be 10 s.
        assert 14 <= one.clock.now() - started < 15.5
