"""From a request's metrics and expressions to values: shared by GetMetricData and the alarms."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from harness.emulator.cloud import AwsError
from harness.emulator.services import cloudwatch_math as expression
from harness.emulator.services.cloudwatch_alarms import Source
from harness.emulator.services.cloudwatch_metrics import Metric, Metrics, check_statistic

ID = re.compile(r"[a-z][A-Za-z0-9_]*")
TRIAL = {0.0: 1.0, 60.0: 2.0}  # made-up datapoints of every metric, to learn what shape an expression has


def invalid(message: str) -> AwsError:
    return AwsError("ValidationError", message)


def check_period(period: float, short: Sequence[int] = (1, 5, 10, 20, 30)) -> None:
    """`short`: the periods below a minute that are allowed."""
    if period not in short and (period <= 0 or period % 60):
        raise invalid(f"The parameter Period must be {', '.join(map(str, short))} or a multiple of 60, not {period}")


def sources_of(queries: Sequence[Mapping[str, Any]]) -> tuple[Source, ...]:
    """MetricDataQuery structures, in the order of their computation. Raises AwsError(ValidationError) for what cannot be computed."""
    sources = [_source(query) for query in queries]
    ids = {source.id for source in sources}
    if len(ids) < len(sources):
        raise invalid("The values for parameter id in Metrics must be unique")
    for source in sources:
        if source.tree is not None and (unknown := expression.names(source.tree) - ids):
            raise invalid(f"Error in expression '{source.id}': {', '.join(sorted(unknown))} is no Id of a metric")
    ordered = _in_order(sources)
    _try(ordered, {query["Id"] for query in queries if query.get("ReturnData", True)})
    return ordered


def _source(query: Mapping[str, Any]) -> Source:
    identifier, label = query["Id"], query.get("Label", "")
    if ID.fullmatch(identifier) is None:
        raise invalid(
            f"The Id {identifier} must be letters, digits and underscores, and begin with a lower case letter"
        )
    text, stat = query.get("Expression"), query.get("MetricStat")
    if (text is None) == (stat is None):
        raise invalid(f"The metric query {identifier} must have either MetricStat or Expression")
    if stat is not None:
        metric, statistic = Metric.of(stat["Metric"]), check_statistic(stat["Stat"])
        return Source(identifier, metric, statistic, stat.get("Unit"), label=label)
    assert text is not None
    if text.lstrip().upper().startswith(("SELECT", "SEARCH")):
        raise invalid(f"Metrics Insights and SEARCH are not emulated: {text}")
    return Source(identifier, expression=text, tree=expression.parse(text), label=label)


def _in_order(sources: Sequence[Source]) -> tuple[Source, ...]:
    """Metrics first, then each expression after those it refers to."""
    ordered = [source for source in sources if source.tree is None]
    waiting = {source.id: (source, expression.names(source.tree)) for source in sources if source.tree is not None}
    while waiting:
        ready = [source for source, needed in waiting.values() if not needed & waiting.keys()]
        if not ready:
            raise invalid(f"The expressions refer to each other in a circle: {', '.join(waiting)}")
        ordered += ready
        for source in ready:
            del waiting[source.id]
    return tuple(ordered)


def _try(sources: Sequence[Source], returned: set[str]) -> None:
    """Compute everything once, so that a wrong shape is refused now and not found at every evaluation."""
    found: dict[str, expression.Value] = {source.id: TRIAL for source in sources if source.tree is None}
    for source in sources:
        if source.tree is None:
            continue
        try:
            value = expression.evaluate(source.tree, expression.Scope(found, _metric_ids(sources), list(TRIAL), 60.0))
        except AwsError as error:
            raise invalid(f"Error in expression '{source.id}': {error.message}") from error
        if source.id in returned and not isinstance(value, dict):
            shape = "an array of time series" if isinstance(value, list) else "a number; TIME_SERIES makes it a series"
            raise invalid(f"Error in expression '{source.id}': the result must be one time series, and is {shape}")
        found[source.id] = value


def values_of(
    sources: Sequence[Source], metrics: Metrics, starts: Sequence[float], period: float
) -> dict[str, expression.Series]:
    """The series of every source at `starts`; `period` in seconds as they really pass."""
    found: dict[str, expression.Value] = {}
    for source in sources:
        if source.metric is not None:
            found[source.id] = metrics.statistic(source.metric, source.statistic, starts, period, source.unit)
        elif source.tree is not None:
            found[source.id] = expression.evaluate(
                source.tree, expression.Scope(found, _metric_ids(sources), starts, period)
            )
    return {name: _spread(value, starts) for name, value in found.items() if not isinstance(value, list)}


def _metric_ids(sources: Sequence[Source]) -> list[str]:
    return [source.id for source in sources if source.tree is None]


def _spread(value: float | expression.Series, starts: Sequence[float]) -> expression.Series:
    """A plain number, as IF can give, is the same at every time."""
    return value if isinstance(value, dict) else dict.fromkeys(starts, float(value))
