"""What CloudWatch keeps of metric data: statistics, percentiles, periods, and how much memory they need."""

import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.emulator.cloud import AwsError
from harness.emulator.services.cloudwatch_metrics import (
    KEPT_SECONDS,
    SHARP_SECONDS,
    Metric,
    Metrics,
    Samples,
    check_statistic,
    period_starts,
)

NOW = 1_700_000_000.0
METRIC = Metric("n", "x")


def samples(*values: float) -> Samples:
    return Samples.of({"MetricName": "x", "Values": list(values)})


def kept(metrics: Metrics) -> int:
    """How many buckets there are."""
    return sum(len(series._times) for units in metrics._series.values() for series in units.values())


def time_passes(metrics: Metrics, now: float) -> None:
    """Any report tidies what others left behind."""
    metrics.put(Metric("n", "other"), "None", now, Samples(), now)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("SampleCount", 1000),
        ("Sum", 500500),
        ("Average", 500.5),
        ("Minimum", 1),
        ("Maximum", 1000),
        ("p0", 1),
        ("p50", 500),
        ("p95", 950),
        ("p99.9", 999),
        ("p99.95", 1000),
        ("p100", 1000),
        ("tm50", 250.5),
        ("tm99", 495.5),
        ("tm100", 500.5),
    ],
)
def test_statistic_of_the_numbers_up_to_a_thousand(name: str, expected: float):
    assert samples(*map(float, range(1, 1001))).statistic(check_statistic(name)) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["p", "p101", "p-1", "median", "average", "p99.", "tm", "IQM", "P99"])
def test_unknown_statistic_is_refused(name: str):
    with pytest.raises(AwsError, match="is not emulated") as error:
        check_statistic(name)
    assert error.value.code == "ValidationError"


@pytest.mark.parametrize(
    ("datum", "code"),
    [
        ({}, "MissingParameter"),
        ({"Value": 1.0, "Values": [1.0]}, "InvalidParameterCombination"),
        ({"Values": [1.0, 2.0], "Counts": [1.0]}, "InvalidParameterValue"),
        ({"Value": math.nan}, "InvalidParameterValue"),
        ({"Values": [1.0], "Counts": [math.inf]}, "InvalidParameterValue"),
        (
            {"StatisticValues": {"Sum": math.inf, "SampleCount": 1.0, "Minimum": 1.0, "Maximum": 1.0}},
            "InvalidParameterValue",
        ),
    ],
)
def test_wrong_datum_is_refused(datum: dict[str, Any], code: str):
    with pytest.raises(AwsError) as error:
        Samples.of({"MetricName": "x", **datum})
    assert error.value.code == code


def test_statistic_set_has_no_percentile_unless_all_values_are_the_same():
    two = {"Sum": 3.0, "SampleCount": 2.0, "Minimum": 1.0, "Maximum": 2.0}
    same = {"Sum": 4.0, "SampleCount": 2.0, "Minimum": 2.0, "Maximum": 2.0}
    assert Samples.of({"MetricName": "x", "StatisticValues": two}).statistic("p99") is None
    assert Samples.of({"MetricName": "x", "StatisticValues": two}).statistic("Average") == 1.5
    assert Samples.of({"MetricName": "x", "StatisticValues": same}).statistic("p99") == 2


def test_counts_weigh_their_values():
    weighed = Samples.of({"MetricName": "x", "Values": [1.0, 10.0, 5.0], "Counts": [98.0, 2.0, 0.0]})
    assert [weighed.statistic(name) for name in ("SampleCount", "Sum", "p98", "p99", "Maximum")] == [
        *(100, 118, 1, 10, 10)
    ]


def test_unit_is_asked_for_or_all_count():
    metrics = Metrics()
    for unit in ("Count", "Seconds"):
        metrics.put(METRIC, unit, NOW, samples(1.0), NOW)
    assert metrics.aggregate(METRIC, NOW, NOW + 1).count == 2
    assert metrics.aggregate(METRIC, NOW, NOW + 1, "Seconds").count == 1
    assert metrics.aggregate(METRIC, NOW, NOW + 1, "Percent").count == 0


def test_period_starts_are_multiples_since_the_epoch():
    assert period_starts(90, 180, 60) == [60, 120]
    assert period_starts(60, 61, 60) == [60]
    assert period_starts(60, 60, 60) == []


@given(
    st.lists(st.floats(0, 100, allow_nan=False), min_size=1, max_size=50),
    st.sampled_from([10, 20, 30, 60, 120, 300]),
    st.one_of(st.integers(1, 60), st.floats(1, 100)),
)
@example([n / 10 for n in range(1000)], 10, 6)
@example([n / 10 for n in range(1000)], 20, 3)
def test_sample_counts_in_exactly_one_period(offsets: list[float], period: int, factor: float):
    """Whatever the compression, and also when n * period has been rounded."""
    metrics, real = Metrics(), period / factor
    for offset in offsets:
        metrics.put(METRIC, "None", NOW + offset, samples(1.0), NOW)
    starts = period_starts(NOW - 2 * real, NOW + 100 + 2 * real, real)
    assert sum(metrics.statistic(METRIC, "SampleCount", starts, real).values()) == len(offsets)


@given(st.lists(st.floats(0.001, 1e6), min_size=1, max_size=60), st.floats(0, 100))
def test_folding_keeps_sums_and_nearly_the_percentiles(values: list[float], percent: float):
    metrics = Metrics()
    for n, value in enumerate(values):
        metrics.put(METRIC, "None", NOW + n / 10, samples(value), NOW + n / 10)
    sharp = metrics.aggregate(METRIC, NOW, NOW + 60)
    time_passes(metrics, NOW + SHARP_SECONDS + 100)
    folded = metrics.aggregate(METRIC, NOW, NOW + 60)
    assert kept(metrics) == 1
    for name in ("SampleCount", "Minimum", "Maximum"):
        assert folded.statistic(name) == sharp.statistic(name)
    assert folded.statistic("Sum") == pytest.approx(sharp.statistic("Sum"))
    rank = f"p{min(percent, 99):.0f}"
    assert folded.statistic(rank) == pytest.approx(sharp.statistic(rank), rel=0.006)


def test_sample_that_comes_late_is_counted_after_folding():
    metrics = Metrics()
    metrics.put(METRIC, "None", NOW, samples(1.0), NOW)
    time_passes(metrics, NOW + SHARP_SECONDS + 100)
    metrics.put(METRIC, "None", NOW + 3, samples(1.0), NOW + SHARP_SECONDS + 100)
    assert metrics.aggregate(METRIC, NOW, NOW + 10).count == 2
    assert kept(metrics) == 1


def test_alarm_with_a_short_period_keeps_tenths_of_a_second_longer():
    metrics = Metrics()
    metrics.keep_for(2.5, 1000)
    metrics.keep_for(60, 5000)
    for second in range(10):
        metrics.put(METRIC, "None", NOW + second, samples(1.0), NOW)
    time_passes(metrics, NOW + 900)
    assert kept(metrics) == 10
    time_passes(metrics, NOW + 1100)
    assert kept(metrics) == 1


def test_what_is_older_than_three_hours_is_forgotten_also_of_a_metric_that_ended():
    metrics, other = Metrics(), Metric("n", "y")
    metrics.put(METRIC, "None", NOW, samples(1.0), NOW)
    metrics.put(other, "None", NOW + KEPT_SECONDS + 20, samples(1.0), NOW + KEPT_SECONDS + 20)
    assert metrics.aggregate(METRIC, NOW, NOW + 10).count == 0
    assert kept(metrics) == 1
    assert metrics.known() == [METRIC, other]


def test_alarm_over_a_day_keeps_its_samples():
    metrics = Metrics()
    metrics.keep_for(3600, 26 * 3600)
    metrics.put(METRIC, "None", NOW, samples(1.0), NOW)
    time_passes(metrics, NOW + 25 * 3600)
    assert metrics.aggregate(METRIC, NOW, NOW + 10).count == 1


def test_ten_minutes_at_a_thousand_requests_a_second_stay_small():
    """Buckets and distinct values, which are what needs memory, are bounded by the sharp time and not by the load."""
    metrics = Metrics()
    for tenth in range(6000):
        at = NOW + tenth / 10
        values = [0.001 + (tenth * 100 + n) * 7919 % 600_000 / 1e7 for n in range(100)]
        metrics.put(METRIC, "Seconds", at, samples(*values), at)
    distinct = sum(len(bucket.values) for bucket in metrics._series[METRIC]["Seconds"]._buckets.values())
    assert metrics.aggregate(METRIC, NOW, NOW + 600).count == 600_000
    assert kept(metrics) < 1400
    assert distinct < 220_000
