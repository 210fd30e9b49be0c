"""The rules between the parts of a scenario: each is one small function that yields where it is broken, and what would be right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from harness.scenario.values import as_duration

if TYPE_CHECKING:
    from harness.scenario.model import Scenario

Where = tuple[str | int, ...]
Problem = tuple[Where, str]
TEST_EVENTS = ("AllowTestTraffic", "AfterAllowTestTraffic")


def problems(scenario: Scenario) -> list[Problem]:
    """Every rule that the scenario breaks, with the path of keys to the place."""
    return [problem for rule in RULES for problem in rule(scenario)]


def versions_can_be_told_apart(scenario: Scenario) -> Iterator[Problem]:
    if scenario.release.from_.version == scenario.release.to.version:
        yield ("release", "to", "version"), "`from` and `to` have the same version, so nobody could tell who answered"


def health_check_ends_before_the_next(scenario: Scenario) -> Iterator[Problem]:
    check = scenario.service.health_check
    if check.timeout >= check.interval:
        yield ("service", "health_check", "timeout"), "the timeout must be shorter than the interval"


def waits_are_whole_minutes(scenario: Scenario) -> Iterator[Problem]:
    """CodeDeploy and CloudWatch take minutes."""
    deploy = scenario.deploy
    waits: dict[Where, float] = {
        ("deploy", "ready_wait"): deploy.ready_wait,
        ("deploy", "terminate_blue_after"): deploy.terminate_blue_after,
    }
    for kind in ("canary", "linear"):
        if step := getattr(deploy.config, kind):
            waits["deploy", "config", kind, "interval"] = step.interval
    waits |= {("deploy", "alarms", name, "period"): alarm.period for name, alarm in deploy.alarms.items()}
    for where, seconds in waits.items():
        if seconds % 60:
            yield where, f"{as_duration(seconds)} is not a whole number of minutes, and AWS takes nothing else here"


def shift_ends_within_two_days(scenario: Scenario) -> Iterator[Problem]:
    total = sum(shift.wait for shift in scenario.deploy.config.shifts)
    if total > 2880 * 60:
        yield ("deploy", "config"), f"the traffic shift takes {total / 60:.0f} minutes; it must take at most 2880"


def test_traffic_has_a_listener(scenario: Scenario) -> Iterator[Problem]:
    if scenario.deploy.test_listener:
        return
    for name, hook in scenario.deploy.hooks.items():
        if name in TEST_EVENTS:
            yield ("deploy", "hooks", name), f"{name} needs `test_listener: true`"
        elif hook.via == "test":
            yield ("deploy", "hooks", name, "via"), "`via: test` needs `test_listener: true`"
    for i, action in enumerate(scenario.during):
        if action.at in TEST_EVENTS:
            yield ("during", i, "at"), f"{action.at} never comes without `test_listener: true`"
    for i, event in enumerate(scenario.expect.events or ()):
        if event in TEST_EVENTS:
            yield ("expect", "events", i), f"{event} never comes without `test_listener: true`"


def alarms_are_enough_to_alarm(scenario: Scenario) -> Iterator[Problem]:
    for name, alarm in scenario.deploy.alarms.items():
        if (alarm.datapoints_to_alarm or 1) > alarm.evaluation_periods:
            yield (
                ("deploy", "alarms", name, "datapoints_to_alarm"),
                f"only {alarm.evaluation_periods} periods are evaluated; it must be at most that",
            )


def cause_alarm_can_happen(scenario: Scenario) -> Iterator[Problem]:
    if scenario.expect.cause != "alarm":
        return
    if not scenario.deploy.alarms:
        yield ("expect", "cause"), "`cause: alarm` needs an alarm in `deploy.alarms`"
    rolls_back = scenario.expect.outcome == "rolled_back"  # an alarm that is not in rollback_on still stops (A.5.1)
    if rolls_back and "DEPLOYMENT_STOP_ON_ALARM" not in scenario.deploy.rollback_on:
        yield ("expect", "cause"), "`cause: alarm` needs DEPLOYMENT_STOP_ON_ALARM in `deploy.rollback_on`"


def cause_hook_can_happen(scenario: Scenario) -> Iterator[Problem]:
    if scenario.expect.cause == "hook" and not scenario.deploy.hooks:
        yield ("expect", "cause"), "`cause: hook` needs a hook in `deploy.hooks`"


def cause_request_can_happen(scenario: Scenario) -> Iterator[Problem]:
    if scenario.expect.cause == "request" and not any(action.do == "stop" for action in scenario.during):
        yield ("expect", "cause"), "`cause: request` needs a `do: stop` in `during`"


def versions_are_released(scenario: Scenario) -> Iterator[Problem]:
    known = list(scenario.versions.values())
    right = f"it must be {known[0]} (from) or {known[1]} (to)"
    expect = scenario.expect
    for i, phase in enumerate(expect.versions_seen or ()):
        if i and expect.versions_seen and set(phase) == set(expect.versions_seen[i - 1]):
            yield ("expect", "versions_seen", i), "this phase is the same as the one before: together they are one"
        for version in phase:
            if version not in known:
                yield ("expect", "versions_seen", i), f"{version} is not released here; {right}"
    if expect.live_at_end is not None and expect.live_at_end not in known:
        yield ("expect", "live_at_end"), f"{expect.live_at_end} is not released here; {right}"
    for i, action in enumerate(scenario.during):
        if action.do == "deploy" and action.to not in known:
            yield ("during", i, "to"), f"{action.to} is not released here; {right}"


def rollback_is_asked_for(scenario: Scenario) -> Iterator[Problem]:
    expect = scenario.expect
    if expect.outcome == "rolled_back" and not scenario.deploy.rollback_on:
        yield ("expect", "outcome"), "`rolled_back` needs `deploy.rollback_on`: without it CodeDeploy never rolls back"
    if expect.rollback is not None and expect.outcome != "rolled_back":
        yield ("expect", "rollback"), f"there is no rollback to measure where the outcome is {expect.outcome}"


def rollback_has_its_trigger(scenario: Scenario) -> Iterator[Problem]:
    rollback, deploy = scenario.expect.rollback, scenario.deploy
    if rollback is None:
        return
    where: Where = ("expect", "rollback", "of")
    if rollback.of == "alarm" and not deploy.alarms:
        yield where, "`of: alarm` needs an alarm in `deploy.alarms`"
    if rollback.of == "alarm" and "DEPLOYMENT_STOP_ON_ALARM" not in deploy.rollback_on:
        yield where, "`of: alarm` needs DEPLOYMENT_STOP_ON_ALARM in `deploy.rollback_on`: an alarm alone only stops"
    if rollback.of == "hook" and not deploy.hooks:
        yield where, "`of: hook` needs a hook in `deploy.hooks`"
    if rollback.of == "request" and not any(action.do == "stop" for action in scenario.during):
        yield where, "`of: request` needs a `do: stop` in `during`"


def success_has_no_failure(scenario: Scenario) -> Iterator[Problem]:
    expect = scenario.expect
    if expect.outcome == "succeeded":
        for key in ("failed_at", "cause"):
            if getattr(expect, key) is not None:
                yield ("expect", key), f"a deployment that succeeded has no `{key}`"


def during_moments_come(scenario: Scenario) -> Iterator[Problem]:
    for i, action in enumerate(scenario.during):
        if action.at == "RolledBack" and not scenario.deploy.rollback_on:
            yield ("during", i, "at"), "RolledBack never comes without `deploy.rollback_on`"
        if action.at == "Before" and action.do in ("stop", "continue"):
            yield ("during", i, "do"), f"before the deployment there is nothing to {action.do}"
        if action.at == "Ready" and not scenario.deploy.ready_wait:
            yield ("during", i, "at"), "Ready never comes without `deploy.ready_wait`"
        if action.do == "set_alarm" and action.alarm not in scenario.deploy.alarms:
            known = ", ".join(scenario.deploy.alarms) or "none"
            yield ("during", i, "alarm"), f"{action.alarm} is no alarm of this scenario; known: {known}"
        weights = [shift.weight for shift in scenario.deploy.config.shifts]
        if action.weight is not None and action.weight not in weights:
            yield ("during", i, "weight"), f"production never gives green {action.weight} %; it gives {weights}"


def whole_seconds(scenario: Scenario) -> Iterator[Problem]:
    """ECS and ELBv2 take whole seconds here."""
    service = scenario.service
    for name in ("deregistration_delay", "stop_timeout", "grace_period", "sticky"):
        if (seconds := getattr(service, name)) is not None and seconds % 1:
            yield (
                ("service", name),
                f"{as_duration(seconds)} is not a whole number of seconds, and AWS takes nothing else here",
            )


def capacity_has_room_for_fixed_ports(scenario: Scenario) -> Iterator[Problem]:
    capacity = scenario.service.capacity
    if capacity is not None and capacity.host_port and scenario.service.desired_count > capacity.instances:
        yield (
            ("service", "capacity", "host_port"),
            f"not even blue fits: a fixed host port is taken once per instance, and {scenario.service.desired_count} tasks "
            f"have {capacity.instances}",
        )


def websockets_are_opened(scenario: Scenario) -> Iterator[Problem]:
    if scenario.expect.websockets is not None and scenario.traffic.websockets is None:
        yield ("expect", "websockets"), "`websockets` needs `traffic.websockets`"


def locust_can_make_the_traffic(scenario: Scenario) -> Iterator[Problem]:
    traffic = scenario.traffic
    if traffic.engine != "locust":
        if traffic.workers is not None:
            yield ("traffic", "workers"), "`workers` are Locust's: add `engine: locust`"
        return
    if traffic.websockets is not None:
        yield (
            ("traffic", "websockets"),
            "Locust's workers open no WebSockets: leave out `websockets`, or `engine: locust`",
        )
    if traffic.sessions is not None and traffic.sessions < traffic.shared_by:
        yield (
            ("traffic", "sessions"),
            f"{traffic.shared_by} workers share the users: `sessions` must be at least {traffic.shared_by}",
        )


def test_listener_is_repointed_where_there_is_one(scenario: Scenario) -> Iterator[Problem]:
    for i, action in enumerate(scenario.during):
        if action.do == "repoint_listener" and action.listener == "test" and not scenario.deploy.test_listener:
            yield ("during", i, "listener"), "`listener: test` needs `test_listener: true`"


RULES: tuple[Callable[[Scenario], Iterator[Problem]], ...] = (
    versions_can_be_told_apart,
    health_check_ends_before_the_next,
    waits_are_whole_minutes,
    shift_ends_within_two_days,
    test_traffic_has_a_listener,
    alarms_are_enough_to_alarm,
    cause_alarm_can_happen,
    cause_hook_can_happen,
    cause_request_can_happen,
    versions_are_released,
    rollback_is_asked_for,
    rollback_has_its_trigger,
    success_has_no_failure,
    during_moments_come,
    whole_seconds,
    capacity_has_room_for_fixed_ports,
    websockets_are_opened,
    locust_can_make_the_traffic,
    test_listener_is_repointed_where_there_is_one,
)
