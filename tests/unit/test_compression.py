"""The two clocks: a rehearsal is never kinder for being fast, and driver and emulator reckon alike."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import compression
from harness.emulator.deploy import timetable
from harness.emulator.settings import Settings
from harness.errors import UsageError
from harness.scenario import Scenario

CANARY = "CodeDeployDefault.ECSCanary10Percent5Minutes"
LINEAR = "CodeDeployDefault.ECSLinear10PercentEvery1Minutes"
ALARM = {"metric": "target_5xx_percent", "threshold": 5, "period": "1m"}


def scenario(deploy: dict[str, Any] | None = None, **more: Any) -> Scenario:
    told = {
        "scenario": "v1",
        "id": "a",
        "title": "a",
        "release": {"from": {"version": "v1"}, "to": {"version": "v2"}},
        "deploy": deploy or {},
        "expect": {"outcome": "succeeded"},
    }
    return Scenario.model_validate({**told, **more})


def slow_start(seconds: float | None) -> dict[str, Any]:
    fault = {"kind": "slow_start", **({"seconds": seconds} if seconds else {})}
    return {"from": {"version": "v1"}, "to": {"version": "v2", "fault": fault}}


# ---- the factor


def test_auto_takes_at_most_60():
    assert compression.compression_for(scenario()).factor == 60


def test_auto_leaves_every_period_of_an_alarm_two_and_a_half_seconds():
    plan = compression.compression_for(scenario({"alarms": {"a": ALARM}}, traffic={"rate": "100/s"}))
    assert plan.factor == 24
    assert [wait.effective for wait in plan.alarm_periods] == [2.5]


def test_auto_leaves_every_period_of_an_alarm_twenty_requests():
    plan = compression.compression_for(scenario({"alarms": {"a": ALARM}}, traffic={"rate": "2/s"}))
    assert plan.factor == 6
    assert plan.alarm_periods[0].effective * 2 == 20


def test_auto_goes_by_the_most_demanding_alarm():
    alarms = {"slow": {**ALARM, "period": "5m"}, "quick": ALARM}
    assert compression.compression_for(scenario({"alarms": alarms}, traffic={"rate": "100/s"})).factor == 24


def test_auto_is_never_below_one():
    plan = compression.compression_for(scenario({"alarms": {"a": ALARM}}, traffic={"rate": "6/m"}))
    assert (plan.factor, plan.tags) == (1, {})


@pytest.mark.parametrize("asked", [0, 0.99, -3, math.nan, math.inf])
def test_factor_that_cannot_be_says_what_would_be_right(asked: float):
    with pytest.raises(UsageError, match="it must be auto, or a number that is 1 or more"):
        compression.compression_for(scenario(), asked)


def test_deployment_time_is_divided_and_user_time_is_not():
    told = scenario({"config": LINEAR, "ready_wait": "2m", "alarms": {"a": ALARM}})
    plan = compression.compression_for(told, 10)
    assert [wait.effective for wait in plan.waits[:-1]] == [6.0] * 9
    assert plan.ready_wait is not None
    assert (plan.ready_wait.effective, plan.alarm_periods[0].effective, plan.real(20)) == (12.0, 6.0, 2.0)
    assert told.service.health_check.detection == 12.0


def test_uncompressed_nothing_is_changed_and_nothing_is_tagged():
    told = scenario({"config": CANARY, "terminate_blue_after": "1m"})
    plan = compression.compression_for(told, 1)
    assert [(wait.declared, wait.effective) for wait in plan.waits] == [(300, 300), (60, 60)]
    assert (plan.give_up_after_seconds, plan.tags) == (600, {})


def test_tags_carry_factor_and_floor_to_the_emulator():
    plan = compression.compression_for(scenario(), 60)
    assert plan.tags == {"rehearsal:compression": "60", "rehearsal:floor": "14"}


# ---- the detection floor


def test_floor_is_what_an_unhealthy_green_needs_to_show():
    check = {"interval": "10s", "timeout": "5s", "unhealthy": 3}
    assert compression.floor(scenario(service={"health_check": check}), 60) == 3 * 10 + 5 + 2


def test_floor_is_what_the_slowest_alarm_needs_to_show():
    alarms = {"a": {**ALARM, "evaluation_periods": 3, "datapoints_to_alarm": 2}, "b": ALARM}
    assert compression.floor(scenario({"alarms": alarms}), 6) == pytest.approx(3 * 60 / 6 + 10 / 6 + 2)


def test_poll_of_the_alarms_is_a_quarter_of_a_second_at_least():
    told = scenario({"alarms": {"a": {**ALARM, "evaluation_periods": 10}}})
    assert compression.floor(told, 50) == pytest.approx(10 * 60 / 50 + 0.25 + 2)


def test_last_wait_is_stretched_to_the_floor():
    plan = compression.compression_for(scenario(), 60)
    assert [wait.why for wait in plan.waits] == ["termination wait"]
    assert (plan.waits[0].declared, plan.last_wait_at_least, plan.floor_seconds) == (300, 14, 14)


def test_stretching_goes_on_backwards_where_the_last_wait_is_too_short():
    assert compression.effective([300, 10], 60, 14) == pytest.approx([5.0, 9.0])
    assert compression.effective([300, 2], 60, 14) == pytest.approx([12.0, 2.0])
    assert compression.effective([300, 0], 60, 14) == pytest.approx([14.0, 0.0])


def test_scenario_with_shorter_waits_than_the_floor_gets_all_it_declared():
    assert compression.effective([3, 4], 60, 14) == [3, 4]
    plan = compression.compression_for(scenario({"terminate_blue_after": "0m"}), 60)
    assert [wait.effective for wait in plan.waits] == [0]


def test_waits_longer_than_the_floor_are_only_divided():
    assert compression.effective([600, 600], 10, 14) == [60, 60]


# ---- giving up


def test_giving_up_takes_twenty_seconds_at_least():
    assert compression.compression_for(scenario({"give_up_after": "10m"}), 60).give_up_after_seconds == 20


@pytest.mark.parametrize(("seconds", "at_least"), [(25, 45), (None, 30)])
def test_giving_up_waits_for_a_slow_start(seconds: float | None, at_least: float):
    told = scenario({"give_up_after": "10m"}, release=slow_start(seconds))
    assert compression.compression_for(told, 60).give_up_after_seconds == at_least


def test_giving_up_waits_for_the_health_checks():
    check = {"interval": "30s", "healthy": 5}
    told = scenario({"give_up_after": "10m"}, service={"health_check": check})
    assert compression.compression_for(told, 60).give_up_after_seconds == 160


def test_giving_up_is_never_later_than_declared():
    assert compression.compression_for(scenario({"give_up_after": "15s"}), 60).give_up_after_seconds == 15


def test_giving_up_is_compressed_where_there_is_time_enough():
    assert compression.compression_for(scenario({"give_up_after": "60m"}), 60).give_up_after_seconds == 60


# ---- never kinder, whatever is asked; and the emulator reckons alike

waits = st.lists(st.floats(0, 2880 * 60), min_size=1, max_size=12)
factors = st.floats(1, 1000)
floors = st.floats(0, 600)


@given(waits, factors, floors)
def test_no_wait_is_longer_than_declared_and_together_they_reach_the_floor(
    declared: list[float], factor: float, floor: float
):
    real = compression.effective(declared, factor, floor)
    assert all(0 <= one <= wait + 1e-6 for one, wait in zip(real, declared, strict=True))
    assert all(one >= wait / factor - 1e-6 for one, wait in zip(real, declared, strict=True))
    assert math.fsum(real) >= min(floor, math.fsum(declared)) - 1e-6


@given(waits, factors, floors)
def test_driver_and_emulator_agree_on_every_wait(declared: list[float], factor: float, floor: float):
    ours, theirs = compression.effective(declared, factor, floor), timetable.effective(declared, factor, floor)
    assert ours == pytest.approx(theirs, abs=1e-6)


alarms = st.lists(
    st.tuples(st.integers(1, 60), st.integers(1, 10)).map(
        lambda drawn: {**ALARM, "period": f"{drawn[0]}m", "evaluation_periods": drawn[1]}
    ),
    max_size=3,
)
checks = st.fixed_dictionaries(
    {
        "interval": st.integers(10, 300).map("{}s".format),
        "timeout": st.integers(2, 9).map("{}s".format),
        "unhealthy": st.integers(2, 10),
    }
)


@given(alarms, checks, factors)
def test_driver_and_emulator_agree_on_the_floor(declared: list[dict[str, Any]], check: dict[str, Any], factor: float):
    told = scenario({"alarms": {f"alarm-{i}": one for i, one in enumerate(declared)}}, service={"health_check": check})
    health = told.service.health_check
    theirs = timetable.floor(
        [timetable.HealthCheck(health.interval, health.timeout, health.unhealthy)] * 2,
        [timetable.AlarmPeriods(one.period, one.evaluation_periods, factor) for one in told.deploy.alarms.values()],
        max(Settings().alarm_poll_seconds / factor, compression.ALARM_POLL_AT_LEAST),
    )
    assert compression.floor(told, factor) == pytest.approx(theirs)


@given(alarms, st.sampled_from([CANARY, LINEAR, "all_at_once"]), st.integers(0, 60), factors)
def test_plan_is_never_kinder_than_the_scenario_declares(
    declared: list[dict[str, Any]], config: str, minutes: int, factor: float
):
    deploy = {
        "config": config,
        "terminate_blue_after": f"{minutes}m",
        "alarms": {f"alarm-{i}": one for i, one in enumerate(declared)},
    }
    plan = compression.compression_for(scenario(deploy), factor)
    total = math.fsum(wait.declared for wait in plan.waits)
    assert math.fsum(wait.effective for wait in plan.waits) >= min(plan.floor_seconds, total) - 1e-6
    assert all(wait.effective <= wait.declared + 1e-6 for wait in plan.waits)


def test_driver_and_emulator_poll_alarms_alike():
    assert Settings().alarm_poll_seconds == compression.ALARM_POLL
    assert timetable.MARGIN == compression.MARGIN
