"""Metric math: `parse` an expression once, `evaluate` it on datapoints.

A value is a number, a series ({time: value}, a time without a datapoint is absent), or a list of series. As in AWS, arithmetic on two
series takes 0 where one of them has no datapoint, and a division by zero has none: an error rate is 0 without errors, and missing
without requests.
"""

from __future__ import annotations

import math
import operator
import statistics
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from harness.emulator.cloud import AwsError
from harness.emulator.services.cloudwatch_expression import (
    Array,
    Binary,
    Call,
    Name,
    Negative,
    Node,
    Number,
    Text,
    invalid,
    nodes,
    read,
)

Series = dict[float, float]
Value = float | Series | list[Series]
FILLERS = ("REPEAT", "LINEAR")


@dataclass(frozen=True, slots=True)
class Scope:
    """What an expression can see: values by id, the times of the datapoints asked for, seconds of a period as they really pass."""

    values: Mapping[str, Value]
    metrics: Sequence[str]  # ids of the metrics, without the expressions, for METRICS()
    times: Sequence[float]  # ascending
    period: float


def parse(text: str) -> Node:
    """The expression as a tree. Raises AwsError(ValidationError) that says what is wrong; an unknown function is named."""
    tree = read(text)
    for node in nodes(tree):
        if not isinstance(node, Call):
            continue
        if node.function not in FUNCTIONS:
            raise invalid(text, f"unknown function {node.function}; these are emulated: {', '.join(FUNCTIONS)}")
        given, (least, most) = len(node.arguments), FUNCTIONS[node.function].arguments
        if not least <= given <= most:
            takes = f"{least}" if least == most else f"{least} to {most}"
            raise invalid(text, f"{node.function} has {given} arguments, and takes {takes}")
    return tree


def names(tree: Node) -> set[str]:
    """The ids an expression refers to, which begin with a lower case letter: REPEAT is FILL's own word."""
    return {node.id for node in nodes(tree) if isinstance(node, Name) and node.id not in FILLERS}


def evaluate(node: Node, scope: Scope) -> Value:
    """Raises AwsError(ValidationError) where a value has a shape that the operation does not take."""
    match node:
        case Number():
            return node.value
        case Name():
            if node.id not in scope.values:
                raise AwsError(
                    "ValidationError", f"The expression refers to {node.id}, which is not the Id of a metric"
                )
            return scope.values[node.id]
        case Negative():
            return _each(operator.neg, evaluate(node.of, scope))
        case Binary():
            return _both(SIGNS[node.sign], evaluate(node.left, scope), evaluate(node.right, scope))
        case Array():
            return _as_list([evaluate(item, scope) for item in node.items])
        case Call():
            return FUNCTIONS[node.function].compute(scope, node.arguments)
    raise AwsError("ValidationError", f'The text "{node.value}" is no value of an expression')


def _truth(test: Callable[[float, float], bool]) -> Callable[[float, float], float]:
    return lambda left, right: 1.0 if test(left, right) else 0.0


SIGNS: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "^": operator.pow,
    "==": _truth(operator.eq),
    "!=": _truth(operator.ne),
    "<": _truth(operator.lt),
    ">": _truth(operator.gt),
    "<=": _truth(operator.le),
    ">=": _truth(operator.ge),
    "AND": _truth(lambda left, right: bool(left) and bool(right)),
    "OR": _truth(lambda left, right: bool(left) or bool(right)),
}


def _number(compute: Callable[..., float], *values: object) -> float | None:
    """None where there is no such number: a division by zero, a root of a negative, an overflow."""
    try:
        result = compute(*values)
    except (ZeroDivisionError, OverflowError, ValueError):
        return None
    return float(result) if isinstance(result, (int, float)) and math.isfinite(result) else None


def _each(compute: Callable[[float], float], value: Value) -> Value:
    match value:
        case dict():
            return _present((at, _number(compute, one)) for at, one in value.items())
        case list():
            return [_series(_each(compute, one)) for one in value]
    return _plain(_number(compute, value))


def _both(compute: Callable[[float, float], float], left: Value, right: Value) -> Value:
    if isinstance(left, list) and isinstance(right, list):
        raise AwsError(
            "ValidationError", "Two arrays of time series cannot be combined; reduce one, with SUM for example"
        )
    if isinstance(left, list):
        return [_series(_both(compute, one, right)) for one in left]
    if isinstance(right, list):
        return [_series(_both(compute, left, one)) for one in right]
    if isinstance(left, dict) or isinstance(right, dict):
        return _present((at, _number(compute, _or_0(left, at), _or_0(right, at))) for at in _times(left, right))
    return _plain(_number(compute, left, right))


def _times(*values: Value) -> list[float]:
    return sorted({at for value in values if isinstance(value, dict) for at in value})


def _or_0(value: float | Series, at: float) -> float:
    return value.get(at, 0.0) if isinstance(value, dict) else value


def _present(points: Iterable[tuple[float, float | None]]) -> Series:
    return {at: value for at, value in points if value is not None}


def _plain(value: float | None) -> Value:
    """A number that does not exist is a series without datapoints."""
    return {} if value is None else value


def _series(value: Value) -> Series:
    if not isinstance(value, dict):
        raise AwsError("ValidationError", "The expression must be a single time series here")
    return value


def _as_list(values: Sequence[Value]) -> list[Series]:
    found: list[Series] = []
    for value in values:
        found.extend(value if isinstance(value, list) else [_series(value)])
    return found


# ---- functions


@dataclass(frozen=True, slots=True)
class Function:
    """`arguments` is (least, most); `compute` gets them unevaluated."""

    arguments: tuple[int, int]
    compute: Callable[[Scope, tuple[Node, ...]], Value]


def _mapped(compute: Callable[[float], float]) -> Function:
    return Function((1, 1), lambda scope, given: _each(compute, evaluate(given[0], scope)))


def _reduced(compute: Callable[[Sequence[float]], float], *, missing: float | None = None) -> Function:
    """Of one series a number; of an array, a series of what each time has, with `missing` for a series that has nothing then."""

    def reduce(scope: Scope, given: tuple[Node, ...]) -> Value:
        value = evaluate(given[0], scope)
        if not isinstance(value, list):
            return _plain(_number(compute, list(_series(value).values())))
        found = (
            (at, [one for series in value if (one := series.get(at, missing)) is not None]) for at in _times(*value)
        )
        return _present((at, _number(compute, present)) for at, present in found)

    return Function((1, 1), reduce)


def _over_time(compute: Callable[[Series], Iterable[tuple[float, float]]]) -> Function:
    def apply(scope: Scope, given: tuple[Node, ...]) -> Value:
        value = evaluate(given[0], scope)
        found = [
            _present((at, _number(float, result)) for at, result in compute(series)) for series in _as_list([value])
        ]
        return found if isinstance(value, list) else found[0]

    return Function((1, 1), apply)


def _diff(series: Series) -> Iterable[tuple[float, float]]:
    return ((after, series[after] - series[before]) for before, after in pairwise(sorted(series)))


def _rate(series: Series) -> Iterable[tuple[float, float]]:
    return ((after, (series[after] - series[at]) / (after - at)) for at, after in pairwise(sorted(series)))


def _running_sum(series: Series) -> Iterable[tuple[float, float]]:
    total = 0.0
    for at in sorted(series):
        total += series[at]
        yield at, total


def _if(scope: Scope, given: tuple[Node, ...]) -> Value:
    """IF(condition, then, else). True without a `then` is 0; false without an `else`, or no condition, is no datapoint."""
    condition, then = evaluate(given[0], scope), evaluate(given[1], scope)
    otherwise: Value = evaluate(given[2], scope) if len(given) == 3 else {}
    if isinstance(condition, (int, float)):
        return then if condition else otherwise
    return _present(
        (at, _at(then, at, 0.0) if holds else _at(otherwise, at)) for at, holds in _series(condition).items()
    )


def _at(value: Value, at: float, missing: float | None = None) -> float | None:
    return _series(value).get(at, missing) if isinstance(value, (dict, list)) else value


def _fill(scope: Scope, given: tuple[Node, ...]) -> Value:
    value = evaluate(given[0], scope)
    found = [_filled(one, given[1], scope) for one in _as_list([value])]
    return found if isinstance(value, list) else found[0]


def _filled(series: Series, how: Node, scope: Scope) -> Series:
    match how:
        case Name(id="REPEAT"):
            return _repeated(series, scope.times)
        case Name(id="LINEAR"):
            known = sorted(series)
            return _present((at, _between(series, known, at)) for at in scope.times)
    filler = evaluate(how, scope)
    return _present((at, series[at] if at in series else _at(filler, at)) for at in scope.times)


def _repeated(series: Series, times: Sequence[float]) -> Series:
    found, last = {}, None
    for at in times:
        last = series.get(at, last)
        if last is not None:
            found[at] = last
    return found


def _between(series: Series, known: Sequence[float], at: float) -> float | None:
    """On the line between the neighbours; nothing outside of them."""
    if at in series:
        return series[at]
    after = bisect_left(known, at)
    if not 0 < after < len(known):
        return None
    start, end = known[after - 1], known[after]
    return series[start] + (series[end] - series[start]) * (at - start) / (end - start)


def _metrics(scope: Scope, given: tuple[Node, ...]) -> Value:
    """METRICS(), or those whose id contains the text."""
    if given and not isinstance(given[0], Text):
        raise AwsError("ValidationError", "METRICS takes a text in quotes")
    part = given[0].value if given and isinstance(given[0], Text) else ""
    return _as_list([scope.values[id] for id in scope.metrics if part in id])


def _period(scope: Scope, given: tuple[Node, ...]) -> Value:
    if not (isinstance(given[0], Name) and given[0].id in scope.metrics):
        raise AwsError("ValidationError", "PERIOD takes the Id of a metric")
    return scope.period


def _time_series(scope: Scope, given: tuple[Node, ...]) -> Value:
    value = evaluate(given[0], scope)
    if isinstance(value, (dict, list)):
        raise AwsError("ValidationError", "TIME_SERIES takes a number")
    return dict.fromkeys(scope.times, value)


FUNCTIONS: dict[str, Function] = {
    "SUM": _reduced(math.fsum),
    "AVG": _reduced(statistics.fmean, missing=0.0),
    "MIN": _reduced(min),
    "MAX": _reduced(max),
    "STDDEV": _reduced(statistics.pstdev),
    "DATAPOINT_COUNT": _reduced(len),
    "METRIC_COUNT": Function((1, 1), lambda scope, given: float(len(_as_list([evaluate(given[0], scope)])))),
    "ABS": _mapped(abs),
    "CEIL": _mapped(math.ceil),
    "FLOOR": _mapped(math.floor),
    "LOG": _mapped(math.log),
    "LOG10": _mapped(math.log10),
    "DIFF": _over_time(_diff),
    "RATE": _over_time(_rate),
    "RUNNING_SUM": _over_time(_running_sum),
    "IF": Function((2, 3), _if),
    "FILL": Function((2, 2), _fill),
    "TIME_SERIES": Function((1, 1), _time_series),
    "PERIOD": Function((1, 1), _period),
    "METRICS": Function((0, 1), _metrics),
}
