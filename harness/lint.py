"""Warns of what is allowed in a scenario and yet rarely meant. Errors come first: a file that cannot be loaded has only those."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness import compression, scenario
from harness.errors import ScenarioInvalid
from harness.scenario import Alarm, OwnApp, Scenario
from harness.scenario.file import line_of, read


@dataclass(frozen=True, slots=True)
class Finding:
    """`line` is 1-based, 0 where the whole file is meant."""

    level: Literal["error", "warning"]
    line: int
    message: str


SAMPLE_APP = "sampleapp"
Advice = tuple[tuple[str | int, ...], str]


def lint(path: Path | str, app: OwnApp | None = None) -> list[Finding]:
    """Everything there is to say about the scenario in `path`, by line; `app` has the defaults it stands on."""
    path = Path(path)
    try:
        text = read(path)
    except ScenarioInvalid as error:
        return [Finding("error", error.line, error.message)]
    loaded, problems = scenario.examine(text, app)
    if loaded is None:
        return [Finding("error", problem.line, problem.message) for problem in sorted(set(problems))]
    found = [Finding("warning", line_of(text, where), message) for rule in RULES for where, message in rule(loaded)]
    return sorted(found, key=lambda finding: finding.line)


def counts_are_not_rates(told: Scenario) -> Iterator[Advice]:
    for name, alarm in told.deploy.alarms.items():
        if alarm.is_count:
            yield (
                ("deploy", "alarms", name, "metric"),
                f"{name} counts: a count grows with traffic and shrinks under compression; use target_5xx_percent",
            )


def alarms_come_in_time(told: Scenario) -> Iterator[Advice]:
    """Two periods must fit before green gets everything: the first may have begun before the shift."""
    before_all = sum(shift.wait for shift in told.deploy.config.shifts)
    for name, alarm in told.deploy.alarms.items():
        needs = alarm.period * (alarm.evaluation_periods + 1)
        if needs > before_all:
            yield (
                ("deploy", "alarms", name),
                f"{name} cannot be relied on to fire before 100 %: it needs {needs / 60:g} minutes, and green has all of "
                f"production {_after(before_all)}",
            )


def alarms_can_breach(told: Scenario) -> Iterator[Advice]:
    """Green's share at its first shift must be able to push a percentage over its threshold."""
    shifts = told.deploy.config.shifts
    if len(shifts) == 1:
        return
    before_all = max(shift.weight for shift in shifts[:-1])
    for name, alarm in told.deploy.alarms.items():
        if alarm.metric == "target_5xx_percent" and alarm.threshold >= before_all:
            yield (
                ("deploy", "alarms", name, "threshold"),
                f"{name} cannot fire before 100 %: green has at most {before_all} % of the requests, so even if all of "
                f"them fail the rate does not exceed {alarm.threshold:g} %",
            )


def alarms_are_listened_to(told: Scenario) -> Iterator[Advice]:
    if told.deploy.alarms and "DEPLOYMENT_STOP_ON_ALARM" not in told.deploy.rollback_on:
        yield (
            ("deploy", "alarms"),
            "an alarm stops the deployment but does not roll it back: rollback_on lacks DEPLOYMENT_STOP_ON_ALARM",
        )


def periods_see_requests(told: Scenario) -> Iterator[Advice]:
    for name, alarm in told.deploy.alarms.items():
        if _requests(told, alarm) < compression.REQUESTS_PER_PERIOD:
            yield (
                ("deploy", "alarms", name, "period"),
                f"{name} sees fewer than {compression.REQUESTS_PER_PERIOD} requests in a period even uncompressed",
            )


def _requests(told: Scenario, alarm: Alarm) -> float:
    return alarm.period * told.traffic.rate


def green_is_checked_during_install(told: Scenario) -> Iterator[Advice]:
    """A.3.4: without a test listener, all at once, the idle target group may be on no listener at all."""
    if not told.deploy.test_listener and len(told.deploy.config.shifts) == 1:
        yield (
            ("deploy", "test_listener"),
            "all at once without a test listener: green's target group may be on no listener during Install, and then "
            "nothing checks its health before users meet it",
        )


def drains_outlast_requests(told: Scenario) -> Iterator[Advice]:
    service = told.service
    if service.stop_timeout < 5 and service.deregistration_delay < 5:
        yield ("service",), "with a drain and a stop timeout under 5 s, requests in flight are cut"


def faults_of_answers_meet_users(told: Scenario) -> Iterator[Advice]:
    """The sample app knows a health check by its path alone."""
    fault = told.release.to.fault
    aimed = fault is not None and fault.kind in ("http_status", "latency", "wrong_body") and fault.where != "health"
    if aimed and _path(told.traffic.path) == _path(told.service.health_check.path):
        yield (
            ("traffic", "path"),
            "users ask for the path of the health checks, which such a fault leaves alone: they will not meet it",
        )


def _path(with_query: str) -> str:
    return with_query.partition("?")[0]


def waits_for_green_end_before_it_could(told: Scenario) -> Iterator[Advice]:
    check = told.service.health_check
    needs = compression.start_up(told)
    if told.deploy.give_up_after < needs:
        yield (
            ("deploy", "give_up_after"),
            f"a healthy green needs about {needs:g} s to start and pass {check.healthy} health checks",
        )


def slow_starts_end_before_ecs_replaces_the_task(told: Scenario) -> Iterator[Advice]:
    """The first health check comes with the registration: the last that may fail is soon, but for a grace period."""
    check, slow = told.service.health_check, compression.slow_start(told)
    patience = max((check.unhealthy - 1) * check.interval, told.service.grace_period)
    if slow >= patience and slow and told.expect.outcome == "succeeded":
        yield (
            ("release", "to", "fault"),
            f"green cannot succeed: it starts {slow:g} s late, and ECS replaces a task that fails its health checks for about "
            f"{patience:g} s; raise service.grace_period, or health_check.unhealthy or interval",
        )


def canaries_outlast_health_checks(told: Scenario) -> Iterator[Advice]:
    """Green gets everything before its health checks could have called it unhealthy."""
    detection = told.service.health_check.detection
    before_all = sum(shift.wait for shift in told.deploy.config.shifts)
    if 0 < before_all < detection:
        yield (
            ("deploy", "config"),
            f"green has all of production after {before_all:g} s, and its health checks need {detection:g} s to call it "
            "unhealthy: shorten service.health_check, or wait longer",
        )


def faults_are_ones_the_app_knows(told: Scenario) -> Iterator[Advice]:
    """FAULT_* is the sample app's; an image or a task definition can be wrong for every app."""
    fault = told.release.to.fault
    if fault is not None and fault.environment() and told.service.image != SAMPLE_APP:
        yield (
            ("release", "to", "fault"),
            f"the fault {fault.kind} rides in the environment as FAULT_*: {told.service.image} must break by it itself",
        )


def alarms_clear(told: Scenario) -> Iterator[Advice]:
    """CloudWatch has such counts only when there are any, so with `ignore` an alarm stays as it is."""
    for name, alarm in told.deploy.alarms.items():
        if alarm.is_count and alarm.missing_data in ("ignore", "missing"):
            yield (
                ("deploy", "alarms", name, "missing_data"),
                f"{name} never clears: its metric is only there when it is not 0, and `{alarm.missing_data}` leaves it in ALARM",
            )


def users_stay_where_they_are(told: Scenario) -> Iterator[Advice]:
    if told.service.sticky is not None and told.traffic.sessions is None:
        yield ("service", "sticky"), "nobody keeps a cookie, so nobody is sticky: add traffic.sessions"


def outcome_is_backed_by_users(told: Scenario) -> Iterator[Advice]:
    if told.expect.users is None:
        yield (
            ("expect",),
            "nothing is expected for the users: without `users` a deployment may fail every request and pass",
        )


RULES: tuple[Callable[[Scenario], Iterator[Advice]], ...] = (
    counts_are_not_rates,
    alarms_come_in_time,
    alarms_can_breach,
    alarms_are_listened_to,
    periods_see_requests,
    green_is_checked_during_install,
    drains_outlast_requests,
    faults_of_answers_meet_users,
    waits_for_green_end_before_it_could,
    slow_starts_end_before_ecs_replaces_the_task,
    canaries_outlast_health_checks,
    faults_are_ones_the_app_knows,
    alarms_clear,
    users_stay_where_they_are,
    outcome_is_backed_by_users,
)


def _after(seconds: float) -> str:
    return f"after {seconds / 60:g} minutes" if seconds else "at once"
