"""Metric samples as CloudWatch keeps them: aggregated by time, read back as statistics of a period.

What is new is kept by tenths of a second, because a compressed alarm's period is a few seconds and its edges must be sharp. What is
older is folded into ten seconds, with the values that percentiles need to three digits: an hour of load is megabytes, not gigabytes.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.emulator.cloud import AwsError

RESOLUTION = 10  # buckets a second
COARSE_SECONDS = 10  # of an older bucket; every period that is not compressed is a multiple
SHARP_SECONDS = 120.0  # how long tenths of a second are kept, unless an alarm needs them longer
KEPT_SECONDS = 3 * 3600.0
TIDY_SECONDS = 5.0
PAST_SECONDS, FUTURE_SECONDS = 14 * 86400.0, 2 * 3600.0  # where AWS takes a sample's timestamp
TOLERANCE = 1e-3  # of a bucket: n * period and (n - 1) * period + period differ by rounding
PLAIN = ("SampleCount", "Sum", "Average", "Minimum", "Maximum")
RANKED = re.compile(r"(p|tm)(\d{1,2}(?:\.\d{1,10})?|100)")


@dataclass(frozen=True, slots=True, order=True)
class Metric:
    """A metric's identity: the same name with other dimensions is another metric."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...] = ()

    @staticmethod
    def of(raw: Mapping[str, Any], namespace: str | None = None) -> Metric:
        """From anything of the API that has MetricName, Dimensions and, unless given, Namespace."""
        dimensions = tuple(sorted((one["Name"], one["Value"]) for one in raw.get("Dimensions") or ()))
        return Metric(namespace or raw.get("Namespace", ""), raw["MetricName"], dimensions)

    def render(self) -> dict[str, Any]:
        dimensions = [{"Name": name, "Value": value} for name, value in self.dimensions]
        return {"Namespace": self.namespace, "MetricName": self.name, "Dimensions": dimensions}


@dataclass(slots=True)
class Samples:
    """What was reported within some time. `values` (value: how often) is empty where only a statistic set was given."""

    sum: float = 0.0
    count: float = 0.0
    minimum: float = math.inf
    maximum: float = -math.inf
    values: dict[float, float] = field(default_factory=dict)

    def add(self, other: Samples, *, values: bool = True) -> None:
        """`values` only where a percentile will be asked for: there can be thousands."""
        self.sum += other.sum
        self.count += other.count
        self.minimum = min(self.minimum, other.minimum)
        self.maximum = max(self.maximum, other.maximum)
        if values:
            for value, count in other.values.items():
                self.values[value] = self.values.get(value, 0) + count

    def rounded(self) -> Samples:
        """The same with every value to three digits, so that there are at most some hundred."""
        values: dict[float, float] = {}
        for value, count in self.values.items():
            short = float(f"{value:.3g}")
            values[short] = values.get(short, 0) + count
        return Samples(self.sum, self.count, self.minimum, self.maximum, values)

    @staticmethod
    def of(datum: Mapping[str, Any]) -> Samples:
        """From a MetricDatum: Value, or Values with Counts, or StatisticValues. Raises AwsError for none or for two."""
        given = [name for name in ("Value", "Values", "StatisticValues") if datum.get(name) is not None]
        if len(given) != 1:
            raise AwsError(
                "InvalidParameterCombination" if given else "MissingParameter",
                f"The metric datum {datum['MetricName']} must have one of Value, Values and StatisticValues.",
            )
        match given[0]:
            case "Value":
                return _of_values([datum["Value"]], [1])
            case "Values":
                return _of_values(datum["Values"], datum.get("Counts") or [1] * len(datum["Values"]))
        return _of_statistics(datum["StatisticValues"])

    def statistic(self, name: str) -> float | None:
        """None where there is no such number: nothing reported, or a percentile of a statistic set."""
        if self.count == 0:
            return None
        match name:
            case "SampleCount":
                return self.count
            case "Sum":
                return self.sum
            case "Average":
                return self.sum / self.count
            case "Minimum":
                return self.minimum
            case "Maximum":
                return self.maximum
        return self._ranked(name)

    def _ranked(self, name: str) -> float | None:
        found = RANKED.fullmatch(name)
        if found is None:
            raise bad_statistic(name)
        if self.minimum == self.maximum:
            return self.minimum
        if not math.isclose(sum(self.values.values()), self.count):
            return None
        rank = self.count * float(found[2]) / 100
        value = self._percentile(rank) if found[1] == "p" else self._trimmed_mean(rank)
        return None if value is None else min(max(value, self.minimum), self.maximum)

    def _percentile(self, rank: float) -> float:
        """The smallest value that at least `rank` of the samples do not exceed."""
        seen = 0.0
        for value in sorted(self.values):
            seen += self.values[value]
            if seen >= rank:
                return value
        return self.maximum

    def _trimmed_mean(self, rank: float) -> float | None:
        left, total = rank, 0.0
        for value in sorted(self.values):
            taken = min(left, self.values[value])
            total, left = total + taken * value, left - taken
            if left <= 0:
                break
        return total / rank if rank else None


def _of_statistics(given: Mapping[str, float]) -> Samples:
    _check_numbers([given[name] for name in ("Sum", "SampleCount", "Minimum", "Maximum")])
    return Samples(given["Sum"], given["SampleCount"], given["Minimum"], given["Maximum"])


def _of_values(values: Sequence[float], counts: Sequence[float]) -> Samples:
    if len(values) != len(counts):
        raise bad_value("The parameters Values and Counts must have the same number of elements.")
    _check_numbers([*values, *counts])
    samples = Samples()
    for value, count in zip(values, counts, strict=True):
        if count > 0:
            samples.sum += value * count
            samples.count += count
            samples.values[value] = samples.values.get(value, 0) + count
    if samples.values:
        samples.minimum, samples.maximum = min(samples.values), max(samples.values)
    return samples


def _check_numbers(numbers: Iterable[float]) -> None:
    if not all(math.isfinite(number) for number in numbers):
        raise bad_value("The value NaN or Infinity for parameter MetricData.Value is invalid.")


def bad_value(message: str) -> AwsError:
    return AwsError("InvalidParameterValue", message)


def check_time(at: float, now: float) -> float:
    """A sample's timestamp itself. Raises AwsError for one that AWS refuses."""
    if now - PAST_SECONDS <= at <= now + FUTURE_SECONDS:
        return at
    raise bad_value("The parameter MetricData.Timestamp must be within the last two weeks and the next two hours.")


def check_statistic(name: str) -> str:
    """The statistic itself. Raises AwsError for one that does not exist here."""
    if name not in PLAIN and RANKED.fullmatch(name) is None:
        raise bad_statistic(name)
    return name


def bad_statistic(name: str) -> AwsError:
    known = ", ".join(PLAIN)
    return AwsError("ValidationError", f"The statistic {name} is not emulated: it must be one of {known}, pNN, tmNN")


class Series:
    """The samples of one metric in one unit, in time order. A key is a time in tenths of a second."""

    def __init__(self) -> None:
        self._times: list[int] = []
        self._buckets: dict[int, Samples] = {}
        self._folded = 0  # everything before this key is in coarse buckets

    def add(self, at: float, samples: Samples) -> None:
        key = math.floor(at * RESOLUTION + TOLERANCE)
        self._add(_coarse(key) if key < self._folded else key, samples)

    def _add(self, key: int, samples: Samples) -> None:
        if key not in self._buckets:
            self._buckets[key] = Samples()
            insort(self._times, key)
        self._buckets[key].add(samples)

    def within(self, start: float, end: float) -> Iterable[Samples]:
        """Everything in `[start, end)`, to a tenth of a second."""
        first, last = (bisect_left(self._times, math.ceil(edge * RESOLUTION - TOLERANCE)) for edge in (start, end))
        return (self._buckets[key] for key in self._times[first:last])

    def tidy(self, forget_before: float, fold_before: float) -> None:
        """Drop what is older than the first time; fold what is older than the second into coarse buckets."""
        old = bisect_left(self._times, math.floor(forget_before * RESOLUTION))
        for key in self._times[:old]:
            del self._buckets[key]
        del self._times[:old]
        border = max(self._folded, _coarse(math.floor(fold_before * RESOLUTION)))
        first, last = (bisect_left(self._times, key) for key in (self._folded, border))
        fine = [(key, self._buckets.pop(key)) for key in self._times[first:last]]
        del self._times[first:last]
        self._folded = border
        for key, samples in fine:
            self._add(_coarse(key), samples)
        for key in {_coarse(key) for key, _ in fine}:
            self._buckets[key] = self._buckets[key].rounded()

    @property
    def latest(self) -> float | None:
        return self._times[-1] / RESOLUTION if self._times else None


def _coarse(key: int) -> int:
    return key - key % (COARSE_SECONDS * RESOLUTION)


class Metrics:
    """All metrics of a region. Times are seconds since the epoch."""

    def __init__(self) -> None:
        self._series: dict[Metric, dict[str, Series]] = {}
        self._sharp, self._kept, self._tidied = SHARP_SECONDS, KEPT_SECONDS, 0.0

    def put(self, metric: Metric, unit: str, at: float, samples: Samples, now: float) -> None:
        """What is older than `KEPT_SECONDS`, or than any alarm looks back, is forgotten."""
        series = self._series.setdefault(metric, {}).setdefault(unit, Series())
        if samples.count > 0 and at > now - self._kept:
            series.add(at, samples)
        if now - self._tidied >= TIDY_SECONDS:
            self._tidy(now)

    def _tidy(self, now: float) -> None:
        """All series, also of load balancers that are gone and will never be reported again."""
        self._tidied = now
        for units in self._series.values():
            for series in units.values():
                series.tidy(now - self._kept, now - self._sharp)

    def keep_for(self, period: float, seconds: float) -> None:
        """An alarm with this period (real seconds) looks `seconds` back: coarse buckets may not straddle its periods."""
        self._kept = max(self._kept, seconds)
        if period % COARSE_SECONDS:
            self._sharp = max(self._sharp, seconds)

    def aggregate(
        self, metric: Metric, start: float, end: float, unit: str | None = None, *, values: bool = True
    ) -> Samples:
        """Everything reported in `[start, end)`; in `unit` only, where one is given; `values` for percentiles."""
        total = Samples()
        for other, series in self._series.get(metric, {}).items():
            if unit is None or unit == other:
                for samples in series.within(start, end):
                    total.add(samples, values=values)
        return total

    def statistic(
        self, metric: Metric, name: str, starts: Iterable[float], period: float, unit: str | None = None
    ) -> dict[float, float]:
        """The datapoints of the periods that begin at `starts`; a period without data has none."""
        ranked = name not in PLAIN
        found = ((at, self.aggregate(metric, at, at + period, unit, values=ranked).statistic(name)) for at in starts)
        return {at: value for at, value in found if value is not None}

    def known(self) -> list[Metric]:
        return sorted(self._series)

    def unit_of(self, metric: Metric) -> str:
        return next(iter(self._series.get(metric, {})), "None")

    def latest(self, metric: Metric) -> float | None:
        times = [series.latest for series in self._series.get(metric, {}).values()]
        return max((at for at in times if at is not None), default=None)


def period_starts(start: float, end: float, period: float) -> list[float]:
    """The beginnings, at multiples of `period` since the epoch, of the periods that meet `[start, end)`."""
    first, last = math.floor(start / period + 1e-9), math.ceil(end / period - 1e-9)
    return [n * period for n in range(first, last)]
