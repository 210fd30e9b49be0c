"""From a request's metrics and expressions to values: shared by GetMetricData and the alarms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.emulator.cloud import AwsError
from harness.emulator.services import cloudwatch_math as expression
from harness.emulator.services.cloudwatch_alarms import Source
from harness.emulator.services.cloudwatch_metrics import Metric, Metrics, check_statistic


def sources_of(queries: Sequence[Mapping[str, Any]]) -> tuple[Source, ...]:
    """MetricDataQuery structures. Raises AwsError(ValidationError) for what cannot be computed."""
    sources = tuple(_source(query) for query in queries)
    ids = [source.id for source in sources]
    if len(set(ids)) < len(ids):
        raise AwsError("ValidationError", "The values for parameter id in Metrics must be unique")
    for source in sources:
        if source.tree is not None and (unknown := expression.names(source.tree) - set(ids)):
            raise AwsError(
                "ValidationError",
                f"Error in expression '{source.id}': {', '.join(sorted(unknown))} is no Id of a metric",
            )
        _refuse_circle(source, {one.id: one for one in sources}, ())
    return sources


def _source(query: Mapping[str, Any]) -> Source:
    identifier, label = query["Id"], query.get("Label", "")
    if not identifier[:1].islower():
        raise AwsError("ValidationError", f"The Id {identifier} must begin with a lower case letter")
    if (text := query.get("Expression")) is not None:
        if text.lstrip().upper().startswith(("SELECT", "SEARCH")):
            raise AwsError("ValidationError", f"Metrics Insights and SEARCH are not emulated: {text}")
        return Source(identifier, expression=text, tree=expression.parse(text), label=label)
    if (stat := query.get("MetricStat")) is None:
        raise AwsError("ValidationError", f"The metric query {identifier} must have either MetricStat or Expression")
    return Source(identifier, Metric.of(stat["Metric"]), check_statistic(stat["Stat"]), stat.get("Unit"), label=label)


def _refuse_circle(source: Source, sources: Mapping[str, Source], path: tuple[str, ...]) -> None:
    if source.id in path:
        raise AwsError(
            "ValidationError", f"The expressions refer to each other in a circle: {' -> '.join((*path, source.id))}"
        )
    if source.tree is not None:
        for name in expression.names(source.tree):
            _refuse_circle(sources[name], sources, (*path, source.id))


def values_of(
    sources: Sequence[Source], metrics: Metrics, starts: Sequence[float], period: float
) -> dict[str, expression.Series]:
    """The series of every source at `starts`; `period` in seconds as they really pass. Raises AwsError(ValidationError)."""
    found: dict[str, expression.Value] = {}
    for source in _in_order(sources):
        if source.metric is not None:
            found[source.id] = metrics.statistic(source.metric, source.statistic, starts, period, source.unit)
        elif source.tree is not None:
            plain = [one.id for one in sources if one.metric is not None]
            found[source.id] = expression.evaluate(source.tree, expression.Scope(found, plain, starts, period))
    return {name: _spread(value, starts) for name, value in found.items() if not isinstance(value, list)}


def _in_order(sources: Sequence[Source]) -> list[Source]:
    """Metrics first, then each expression after those it refers to."""
    ordered = [source for source in sources if source.tree is None]
    waiting = [source for source in sources if source.tree is not None]
    while waiting:
        known = {source.id for source in ordered}
        ready = [source for source in waiting if source.tree is not None and expression.names(source.tree) <= known]
        if not ready:
            raise AwsError("ValidationError", f"The expression {waiting[0].id} cannot be computed")
        ordered += ready
        waiting = [source for source in waiting if source not in ready]
    return ordered


def _spread(value: float | expression.Series, starts: Sequence[float]) -> expression.Series:
    """A plain number is the same at every time."""
    return value if isinstance(value, dict) else dict.fromkeys(starts, float(value))
