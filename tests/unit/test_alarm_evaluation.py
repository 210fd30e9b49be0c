"""Alarm states against the tables of the CloudWatch user guide, and evaluation as time passes, on a clock moved by hand.

In a table, data points are oldest first: `0` is within the threshold, `X` breaches it, `-` is missing.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import clock
from harness.emulator.cloud import AwsError, Caller, Cloud
from harness.emulator.services.cloudwatch import CloudWatch
from harness.emulator.services.cloudwatch_alarms import (
    Datapoint,
    Missing,
    Rule,
    State,
    Verdict,
    judge,
    reason,
    reason_data,
)
from harness.emulator.services.cloudwatch_query import sources_of
from harness.emulator.settings import Settings

TREATMENTS: tuple[Missing, ...] = ("missing", "ignore", "breaching", "notBreaching")
STATES: tuple[State, ...] = ("OK", "ALARM", "INSUFFICIENT_DATA")
SOURCE = {"Id": "m1", "MetricStat": {"Metric": {"Namespace": "n", "MetricName": "x"}, "Period": 60, "Stat": "Sum"}}
NAMESPACE = "AWS/ApplicationELB"


def rule(to_alarm: int, periods: int, missing: Missing = "missing", operator: str = "GreaterThanThreshold") -> Rule:
    return Rule(sources_of([SOURCE]), "m1", 60, operator, 5.0, periods, to_alarm, missing)


def points(text: str) -> list[Datapoint | None]:
    values = {"0": 1.0, "X": 9.0}
    found = [Datapoint(60.0 * n, values[word]) if word in values else None for n, word in enumerate(text.split())]
    return found[::-1]


@pytest.mark.parametrize(
    ("data", "expected"),
    [  # MISSING, IGNORE, BREACHING, NOT BREACHING; `same` retains the state
        ("0 - X - X", "OK OK OK OK"),
        ("0 - - - -", "OK OK OK OK"),
        ("- - - - 0", "OK OK OK OK"),
        ("- - - - -", "INSUFFICIENT_DATA same ALARM OK"),
        ("0 X X - X", "ALARM ALARM ALARM ALARM"),
        ("- - X - -", "ALARM same ALARM OK"),
        ("X - - - -", "ALARM same ALARM OK"),
    ],
)
@pytest.mark.parametrize("before", STATES)
def test_three_of_three_is_judged_as_the_guide_says(data: str, expected: str, before: State):
    for treatment, state in zip(TREATMENTS, expected.split(), strict=True):
        found = judge(rule(3, 3, treatment), points(data), before).state
        assert found == (before if state == "same" else state), treatment


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("0 - X - X", "ALARM ALARM ALARM ALARM"),
        ("0 0 X 0 X", "ALARM ALARM ALARM ALARM"),
        ("0 - X - -", "OK OK ALARM OK"),
        ("- - - - 0", "OK OK ALARM OK"),
        ("- - - X -", "ALARM same ALARM OK"),
    ],
)
@pytest.mark.parametrize("before", STATES)
def test_two_of_three_is_judged_as_the_guide_says(data: str, expected: str, before: State):
    for treatment, state in zip(TREATMENTS, expected.split(), strict=True):
        found = judge(rule(2, 3, treatment), points(data), before).state
        assert found == (before if state == "same" else state), treatment


@pytest.mark.parametrize("data", ["- - - - X", "- - - X -"])
def test_alarm_is_not_premature(data: str):
    assert judge(rule(3, 3), points(data), "OK").state == "OK"


def test_fired_alarm_of_a_metric_that_ended_clears_only_when_its_datapoint_is_out_of_range():
    """A.5.1: why a 5xx alarm can be stuck although missing data is not breaching."""
    one = rule(1, 1, "notBreaching")
    states = [judge(one, points(data), "ALARM").state for data in ("- - X", "- X -", "X - -", "- - -")]
    assert states == ["ALARM", "ALARM", "ALARM", "OK"]


@pytest.mark.parametrize(
    ("operator", "breaching"),
    [
        ("GreaterThanThreshold", [6]),
        ("GreaterThanOrEqualToThreshold", [5, 6]),
        ("LessThanThreshold", [4]),
        ("LessThanOrEqualToThreshold", [4, 5]),
    ],
)
def test_operator_compares_with_the_threshold(operator: str, breaching: list[float]):
    assert [value for value in (4, 5, 6) if rule(1, 1, operator=operator).breaches(value)] == breaching


# ---- properties

DATA = st.lists(st.sampled_from("0X-"), min_size=5, max_size=5).map(" ".join)
FULL = st.lists(st.sampled_from("0X"), min_size=5, max_size=5).map(" ".join)
COUNTS = st.sampled_from([(m, n) for n in (1, 2, 3) for m in range(1, n + 1)])


@given(FULL, COUNTS, st.sampled_from(TREATMENTS), st.sampled_from(STATES))
def test_without_gaps_only_the_newest_datapoints_count(
    data: str, counts: tuple[int, int], missing: Missing, before: State
):
    to_alarm, periods = counts
    breaching = data.split()[-periods:].count("X")
    verdict = judge(rule(to_alarm, periods, missing), points(data), before)
    assert verdict.state == ("ALARM" if breaching >= to_alarm else "OK")


@given(DATA, COUNTS, st.sampled_from(TREATMENTS), st.sampled_from(STATES))
def test_enough_datapoints_make_the_treatment_irrelevant(
    data: str, counts: tuple[int, int], missing: Missing, before: State
):
    to_alarm, periods = counts
    real = [word for word in data.split() if word != "-"][-periods:]
    if len(real) == periods:
        verdict = judge(rule(to_alarm, periods, missing), points(data), before)
        assert verdict == Verdict("ALARM" if real.count("X") >= to_alarm else "OK", verdict.compared, 0)


@given(DATA, COUNTS, st.sampled_from(STATES))
def test_treatments_are_ordered_by_severity(data: str, counts: tuple[int, int], before: State):
    found = {treatment: judge(rule(*counts, treatment), points(data), before).state for treatment in TREATMENTS}
    if found["notBreaching"] == "ALARM":
        assert set(found.values()) == {"ALARM"}
    if found["missing"] == "ALARM":
        assert found["breaching"] == "ALARM"
    assert "INSUFFICIENT_DATA" not in (found["breaching"], found["notBreaching"])


@given(DATA, COUNTS, st.sampled_from(TREATMENTS), st.sampled_from(STATES))
def test_every_verdict_has_a_reason(data: str, counts: tuple[int, int], missing: Missing, before: State):
    used = rule(*counts, missing)
    verdict = judge(used, points(data), before)
    assert reason(used, verdict).endswith(".")
    document = json.loads(reason_data(used, verdict, 600.0))
    assert document["threshold"] == 5.0
    assert len(document["recentDatapoints"]) == len(verdict.compared)


# ---- reasons


@pytest.mark.parametrize(
    ("data", "missing", "text"),
    [
        (
            "0 0 0 0 X",
            "missing",
            "Threshold Crossed: 2 out of the last 3 datapoints [1.0 (01/01/70 00:03:00), 1.0 (01/01/70 00:02:00)] were not greater "
            "than the threshold (5.0) (minimum 2 datapoints for ALARM -> OK transition).",
        ),
        (
            "0 0 X 0 X",
            "missing",
            "Threshold Crossed: 2 out of the last 3 datapoints [9.0 (01/01/70 00:04:00), 9.0 (01/01/70 00:02:00)] were greater "
            "than the threshold (5.0) (minimum 2 datapoints for OK -> ALARM transition).",
        ),
        ("- - - - -", "missing", "Insufficient Data: 3 datapoints were unknown."),
        (
            "- - - - -",
            "notBreaching",
            "Threshold Crossed: no datapoints were received for 3 periods and 3 missing datapoints were treated as [NonBreaching].",
        ),
    ],
)
def test_reason_is_worded_as_by_aws(data: str, missing: Missing, text: str):
    used = rule(2, 3, missing)
    assert reason(used, judge(used, points(data), "OK")) == text


# ---- as time passes


class Story:
    """CloudWatch on a clock that is moved by hand; compressed by `factor`."""

    def __init__(self, factor: float) -> None:
        self.clock = clock.Manual(1_699_999_980.0)  # a multiple of 60
        nothing = cast(Any, None)  # CloudWatch meets neither runtime nor load balancer
        self.cloud = Cloud(
            clock=self.clock,
            settings=Settings(),
            runtime=nothing,
            plane=nothing,
            home=Path(),
            compression=factor,
        )
        self.caller = Caller()
        self.cloudwatch = CloudWatch(self.cloud)

    def put(self, name: str, value: float) -> None:
        datum = {"MetricName": name, "Value": value, "Unit": "Count"}
        self.cloudwatch.put_metric_data(self.caller, {"Namespace": NAMESPACE, "MetricData": [datum]})

    def alarm(self, **changes: Any) -> None:
        request = {
            "AlarmName": "a",
            "ComparisonOperator": "GreaterThanThreshold",
            "Threshold": 5.0,
            "EvaluationPeriods": 1,
            "TreatMissingData": "notBreaching",
            **changes,
        }
        self.cloudwatch.put_metric_alarm(self.caller, request)

    @property
    def state(self) -> str:
        return str(self.cloudwatch.describe_alarms(self.caller, {})["MetricAlarms"][0]["StateValue"])


def percent(period: int = 60) -> list[dict[str, Any]]:
    """The alarm of a rehearsal: 100 * 5xx / requests."""
    sums = [
        {
            "Id": identifier,
            "ReturnData": False,
            "MetricStat": {"Metric": {"Namespace": NAMESPACE, "MetricName": name}, "Period": period, "Stat": "Sum"},
        }
        for identifier, name in (("m5xx", "HTTPCode_Target_5XX_Count"), ("requests", "RequestCount"))
    ]
    return [{"Id": "percent", "Expression": "100 * m5xx / requests"}, *sums]


def tell(factor: float, story: Callable[[Story], Awaitable[None]]) -> None:
    async def run() -> None:
        one = Story(factor)
        try:
            await story(one)
        finally:
            await one.cloud.close()

    asyncio.run(run())


def test_period_is_divided_by_the_compression():
    async def story(one: Story) -> None:
        one.alarm(Metrics=percent())
        one.put("RequestCount", 100)
        one.put("HTTPCode_Target_5XX_Count", 10)
        await one.clock.advance(2.8)
        assert one.state == "OK"
        await one.clock.advance(0.2)  # 2.5 s, and 0.4 s until a period is published
        assert one.state == "ALARM"

    tell(24, story)


def test_tag_decides_the_compression_of_an_alarm():
    async def story(one: Story) -> None:
        one.alarm(Metrics=percent(), Tags=[{"Key": "rehearsal:compression", "Value": "60"}])
        one.put("RequestCount", 100)
        one.put("HTTPCode_Target_5XX_Count", 10)
        await one.clock.advance(1.5)
        assert one.state == "ALARM"

    tell(1, story)


def test_error_rate_clears_at_once_when_requests_go_on_without_errors():
    """The count of errors is not published when it is 0; the rate is 0 all the same, because there were requests."""

    async def story(one: Story) -> None:
        one.alarm(Metrics=percent())
        one.put("RequestCount", 100)
        one.put("HTTPCode_Target_5XX_Count", 10)
        await one.clock.advance(3)
        assert one.state == "ALARM"
        one.put("RequestCount", 100)
        await one.clock.advance(2.5)
        assert one.state == "OK"

    tell(24, story)


def test_errors_now_and_then_are_no_alarm_that_wants_three_of_three():
    async def story(one: Story) -> None:
        one.alarm(Metrics=percent(), EvaluationPeriods=3)
        await one.clock.advance(0.1)
        for errors in (10, 0, 10, 0, 10, 0):
            one.put("RequestCount", 100)
            if errors:
                one.put("HTTPCode_Target_5XX_Count", errors)
            await one.clock.advance(2.5)
            assert one.state == "OK"

    tell(24, story)


def test_error_rate_sticks_when_the_requests_end_too():
    async def story(one: Story) -> None:
        one.alarm(Metrics=percent())
        one.put("RequestCount", 100)
        one.put("HTTPCode_Target_5XX_Count", 10)
        await one.clock.advance(3 + 2 * 2.5)
        assert one.state == "ALARM"
        await one.clock.advance(2.5)
        assert one.state == "OK"

    tell(24, story)


def test_state_that_was_set_holds_until_the_next_evaluation():
    async def story(one: Story) -> None:
        one.alarm(Metrics=percent())
        await one.clock.advance(0.5)
        one.cloudwatch.set_alarm_state(one.caller, {"AlarmName": "a", "StateValue": "ALARM", "StateReason": "a test"})
        await one.clock.advance(2.3)
        assert one.state == "ALARM"
        await one.clock.advance(0.2)
        assert one.state == "OK"

    tell(24, story)


def test_tag_that_changes_nothing_does_not_evaluate():
    async def story(one: Story) -> None:
        one.alarm(Metrics=percent())
        await one.clock.advance(0.5)
        one.cloudwatch.set_alarm_state(one.caller, {"AlarmName": "a", "StateValue": "ALARM", "StateReason": "a test"})
        arn = one.cloudwatch.describe_alarms(one.caller, {})["MetricAlarms"][0]["AlarmArn"]
        one.cloudwatch.tag_resource(one.caller, {"ResourceARN": arn, "Tags": [{"Key": "team", "Value": "a"}]})
        await one.clock.advance(0.5)
        assert one.state == "ALARM"

    tell(24, story)


def test_updated_alarm_is_judged_by_its_new_rule():
    async def story(one: Story) -> None:
        one.alarm(Metrics=percent())
        one.put("RequestCount", 100)
        one.put("HTTPCode_Target_5XX_Count", 10)
        await one.clock.advance(3)
        assert one.state == "ALARM"
        one.alarm(Metrics=percent(), Threshold=50.0)
        await one.clock.advance(0.1)
        assert one.state == "OK"

    tell(24, story)


def test_deleted_alarm_is_not_evaluated_any_more():
    async def story(one: Story) -> None:
        one.alarm(Metrics=percent())
        await one.clock.advance(0.1)
        one.cloudwatch.delete_alarms(one.caller, {"AlarmNames": ["a"]})
        await one.clock.advance(10)
        assert not one.cloud._tasks

    tell(24, story)


def test_action_that_fails_is_in_the_history():
    async def story(one: Story) -> None:
        one.alarm(Metrics=percent(), AlarmActions=["arn:aws:sns:us-east-1:123456789012:nowhere"])
        await one.clock.advance(0.1)
        one.cloudwatch.set_alarm_state(one.caller, {"AlarmName": "a", "StateValue": "ALARM", "StateReason": "a test"})
        await one.clock.advance(0.1)
        items = one.cloudwatch.describe_alarm_history(one.caller, {"HistoryItemType": "Action"})["AlarmHistoryItems"]
        assert [item["HistorySummary"].split(".")[0] for item in items] == [
            "Failed to execute action arn:aws:sns:us-east-1:123456789012:nowhere"
        ]

    tell(24, story)


@pytest.mark.parametrize("factor", ["0", "0.5", "inf", "nan", "fast", ""])
def test_wrong_compression_is_refused(factor: str):
    async def story(one: Story) -> None:
        with pytest.raises(AwsError, match="rehearsal:compression"):
            one.alarm(Metrics=percent(), Tags=[{"Key": "rehearsal:compression", "Value": factor}])
        assert one.cloudwatch.describe_alarms(one.caller, {})["MetricAlarms"] == []

    tell(1, story)
