"""Metric samples as CloudWatch keeps them: aggregated by time, read back as statistics of a period."""

from __future__ import annotations

import math
import re
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.emulator.cloud import AwsError

RESOLUTION = 10  # buckets a second: a compressed alarm period is a few seconds, its edges must be sharp
KEPT_SECONDS = 3 * 3600.0
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
    """What was reported within some time. `values` is empty where only a statistic set was given."""

    sum: float = 0.0
    count: float = 0.0
    minimum: float = math.inf
    maximum: float = -math.inf
    values: Counter[float] = field(default_factory=Counter)

    def add(self, other: Samples) -> None:
        self.sum += other.sum
        self.count += other.count
        self.minimum = min(self.minimum, other.minimum)
        self.maximum = max(self.maximum, other.maximum)
        for value, count in other.values.items():
            self.values[value] += count

    @staticmethod
    def of(datum: Mapping[str, Any]) -> Samples:
        """From a MetricDatum: Value, or Values with Counts, or StatisticValues. Raises AwsError for none or for two."""
        given = [name for name in ("Value", "Values", "StatisticValues") if datum.get(name) is not None]
        if len(given) != 1:
            raise AwsError(
                "InvalidParameterCombination" if given else "MissingParameter",
                f"The metric datum {datum['MetricName']} must have one of Value, Values and StatisticValues.",
            )
        if (statistics := datum.get("StatisticValues")) is not None:
            return _of_statistics(statistics)
        values: Sequence[float] = datum["Values"] if "Values" in given else [datum["Value"]]
        counts: Sequence[float] = datum.get("Counts") or [1.0] * len(values)
        return _of_values(values, counts)

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
        if not self.values or sum(self.values.values()) < self.count:
            return None
        rank = self.count * float(found[2]) / 100
        return self._percentile(rank) if found[1] == "p" else self._trimmed_mean(rank)

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
    return Samples(given["Sum"], given["SampleCount"], given["Minimum"], given["Maximum"])


def _of_values(values: Sequence[float], counts: Sequence[float]) -> Samples:
    if len(values) != len(counts):
        raise AwsError(
            "InvalidParameterValue", "The parameters Values and Counts must have the same number of elements."
        )
    if not all(math.isfinite(value) for value in values):
        raise AwsError("InvalidParameterValue", "The value NaN or Infinity for parameter MetricData.Value is invalid.")
    samples = Samples()
    for value, count in zip(values, counts, strict=True):
        if count > 0:
            samples.add(Samples(value * count, count, value, value, Counter({float(value): count})))
    return samples


def check_statistic(name: str) -> str:
    """The statistic itself. Raises AwsError for one that does not exist here."""
    if name not in PLAIN and RANKED.fullmatch(name) is None:
        raise bad_statistic(name)
    return name


def bad_statistic(name: str) -> AwsError:
    known = ", ".join(PLAIN)
    return AwsError(
        "InvalidParameterValue", f"The statistic {name} is not emulated: it must be one of {known}, pNN, tmNN"
    )


class Series:
    """The samples of one metric in one unit, in time order."""

    def __init__(self) -> None:
        self._times: list[int] = []
        self._buckets: dict[int, Samples] = {}

    def add(self, at: float, samples: Samples) -> None:
        key = math.floor(at * RESOLUTION)
        if key not in self._buckets:
            self._buckets[key] = Samples()
            insort(self._times, key)
        self._buckets[key].add(samples)

    def within(self, start: float, end: float) -> Iterable[Samples]:
        """Everything in `[start, end)`, to a tenth of a second."""
        first, last = (bisect_left(self._times, math.ceil(edge * RESOLUTION - 1e-6)) for edge in (start, end))
        return (self._buckets[key] for key in self._times[first:last])

    def prune(self, before: float) -> None:
        old = bisect_left(self._times, math.floor(before * RESOLUTION))
        for key in self._times[:old]:
            del self._buckets[key]
        del self._times[:old]

    @property
    def latest(self) -> float | None:
        return self._times[-1] / RESOLUTION if self._times else None


class Metrics:
    """All metrics of a region. Times are seconds since the epoch."""

    def __init__(self) -> None:
        self._series: dict[Metric, dict[str, Series]] = {}

    def put(self, metric: Metric, unit: str, at: float, samples: Samples, now: float) -> None:
        """What is older than `KEPT_SECONDS` is forgotten."""
        series = self._series.setdefault(metric, {}).setdefault(unit, Series())
        if samples.count > 0 and at > now - KEPT_SECONDS:
            series.add(at, samples)
        series.prune(now - KEPT_SECONDS)

    def aggregate(self, metric: Metric, start: float, end: float, unit: str | None = None) -> Samples:
        """Everything reported in `[start, end)`; in `unit` only, where one is given."""
        total = Samples()
        for other, series in self._series.get(metric, {}).items():
            if unit is None or unit == other:
                for samples in series.within(start, end):
                    total.add(samples)
        return total

    def statistic(
        self, metric: Metric, name: str, starts: Iterable[float], period: float, unit: str | None = None
    ) -> dict[float, float]:
        """The datapoints of the periods that begin at `starts`; a period without data has none."""
        found = ((at, self.aggregate(metric, at, at + period, unit).statistic(name)) for at in starts)
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
