"""Metric math: `parse` an expression once, `evaluate` it on datapoints.

A value is a number, a series ({time: value}, a time without a datapoint is absent), or a list of series. Series meet where both
have a datapoint. A division by zero has no datapoint, as in AWS: an error rate without requests is missing, not zero.
"""

from __future__ import annotations

import math
import operator
import re
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from harness.emulator.cloud import AwsError

Series = dict[float, float]
Value = float | Series | list[Series]

TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\.\d+)|(?P<name>[A-Za-z_]\w*)|(?P<text>\"[^\"]*\"|'[^']*')"
    r"|(?P<sign><=|>=|==|!=|&&|\|\||[-+*/^<>(),\[\]]))"
)


@dataclass(frozen=True, slots=True)
class Number:
    value: float


@dataclass(frozen=True, slots=True)
class Text:
    value: str


@dataclass(frozen=True, slots=True)
class Name:
    id: str


@dataclass(frozen=True, slots=True)
class Binary:
    sign: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Negative:
    of: Node


@dataclass(frozen=True, slots=True)
class Array:
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Call:
    function: str
    arguments: tuple[Node, ...]


Node = Number | Text | Name | Binary | Negative | Array | Call


@dataclass(frozen=True, slots=True)
class Scope:
    """What an expression can see: values by id, the times of the datapoints asked for, seconds of a period as they really pass."""

    values: Mapping[str, Value]
    metrics: Sequence[str]  # ids of the metrics, without the expressions, for METRICS()
    times: Sequence[float]
    period: float


def invalid(text: str, why: str) -> AwsError:
    return AwsError("ValidationError", f"Error in expression '{text}': {why}")


# ---- reading


def parse(text: str) -> Node:
    """The expression as a tree. Raises AwsError(ValidationError) that says what is wrong; an unknown function is named."""
    return _Parser(text).whole()


LEVELS: tuple[tuple[str, ...], ...] = (
    ("OR", "||"),
    ("AND", "&&"),
    ("==", "!=", "<", ">", "<=", ">="),
    ("+", "-"),
    ("*", "/"),
)
WORDS = ("AND", "OR")


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(self._split())
        self._next = 0

    def _split(self) -> Iterator[tuple[str, str]]:
        at, text = 0, self._text.rstrip()
        while at < len(text):
            found = TOKEN.match(text, at)
            if found is None:
                raise self._wrong(f"unexpected '{text[at:].lstrip()[0]}'")
            kind = str(found.lastgroup)
            word = found[kind]
            yield ("sign", word.upper()) if kind == "name" and word.upper() in WORDS else (kind, word)
            at = found.end()

    def whole(self) -> Node:
        node = self._level(0)
        if self._next < len(self._tokens):
            raise self._wrong(f"unexpected '{self._tokens[self._next][1]}'")
        return node

    def _level(self, level: int) -> Node:
        if level == len(LEVELS):
            return self._power()
        node = self._level(level + 1)
        while (sign := self._sign(*LEVELS[level])) is not None:
            node = Binary({"||": "OR", "&&": "AND"}.get(sign, sign), node, self._level(level + 1))
        return node

    def _power(self) -> Node:
        if self._sign("-"):
            return Negative(self._power())
        base = self._atom()
        return Binary("^", base, self._power()) if self._sign("^") else base

    def _atom(self) -> Node:
        if self._sign("("):
            node = self._level(0)
            self._expect(")")
            return node
        if self._sign("["):
            return Array(self._list("]"))
        kind, word = self._take()
        match kind:
            case "number":
                return Number(float(word))
            case "text":
                return Text(word[1:-1])
            case "name" if self._sign("("):
                return self._call(word)
            case "name":
                return Name(word)
        raise self._wrong(f"unexpected '{word}'")

    def _call(self, word: str) -> Call:
        if word.upper() not in FUNCTIONS:
            raise self._wrong(f"unknown function {word}; these are emulated: {', '.join(FUNCTIONS)}")
        arguments, (least, most) = self._list(")"), FUNCTIONS[word.upper()].arguments
        if not least <= len(arguments) <= most:
            raise self._wrong(
                f"{word} has {len(arguments)} arguments, and takes {least if least == most else f'{least} to {most}'}"
            )
        return Call(word.upper(), arguments)

    def _list(self, end: str) -> tuple[Node, ...]:
        if self._sign(end):
            return ()
        items = [self._level(0)]
        while self._sign(","):
            items.append(self._level(0))
        self._expect(end)
        return tuple(items)

    def _sign(self, *signs: str) -> str | None:
        if self._next < len(self._tokens) and self._tokens[self._next] in [("sign", sign) for sign in signs]:
            self._next += 1
            return self._tokens[self._next - 1][1]
        return None

    def _expect(self, sign: str) -> None:
        if not self._sign(sign):
            raise self._wrong(f"'{sign}' is missing")

    def _take(self) -> tuple[str, str]:
        if self._next == len(self._tokens):
            raise self._wrong("it ends too early")
        self._next += 1
        return self._tokens[self._next - 1]

    def _wrong(self, why: str) -> AwsError:
        return invalid(self._text, why)


def names(node: Node) -> set[str]:
    """The ids an expression refers to; REPEAT and LINEAR are FILL's own words."""
    match node:
        case Name():
            return {node.id} - {"REPEAT", "LINEAR"}
        case Binary():
            return names(node.left) | names(node.right)
        case Negative():
            return names(node.of)
        case Array(items=parts) | Call(arguments=parts):
            return set().union(*(names(part) for part in parts))
    return set()


# ---- computing


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
            return _each(lambda value: -value, evaluate(node.of, scope))
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


def _number(compute: Callable[..., float], *values: float) -> float | None:
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
    if isinstance(left, dict):
        if isinstance(right, dict):
            return _present((at, _number(compute, one, right[at])) for at, one in left.items() if at in right)
        return _present((at, _number(compute, one, right)) for at, one in left.items())
    if isinstance(right, dict):
        return _present((at, _number(compute, left, one)) for at, one in right.items())
    return _plain(_number(compute, left, right))


def _present(points: Iterator[tuple[float, float | None]]) -> Series:
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


def _reduced(compute: Callable[[Sequence[float]], float]) -> Function:
    """Of one series a number; of an array, a series of what each time has."""

    def reduce(scope: Scope, given: tuple[Node, ...]) -> Value:
        value = evaluate(given[0], scope)
        if isinstance(value, dict):
            return compute(list(value.values())) if value else {}
        if isinstance(value, list):
            times = sorted({at for series in value for at in series})
            return {at: compute([series[at] for series in value if at in series]) for at in times}
        return compute([value])

    return Function((1, 1), reduce)


def _over_time(compute: Callable[[Scope, Series], Series]) -> Function:
    def apply(scope: Scope, given: tuple[Node, ...]) -> Value:
        value = evaluate(given[0], scope)
        return [compute(scope, one) for one in value] if isinstance(value, list) else compute(scope, _series(value))

    return Function((1, 1), apply)


def _diff(_: Scope, series: Series) -> Series:
    return {after: series[after] - series[before] for before, after in pairwise(sorted(series))}


def _rate(_: Scope, series: Series) -> Series:
    return {
        at: change / (at - before)
        for (at, change), before in zip(_diff(_, series).items(), sorted(series), strict=False)
    }


def _running_sum(_: Scope, series: Series) -> Series:
    total, sums = 0.0, {}
    for at in sorted(series):
        total += series[at]
        sums[at] = total
    return sums


def _if(scope: Scope, given: tuple[Node, ...]) -> Value:
    """IF(condition, then, else); without `else`, times where the condition is false have no datapoint."""
    condition, then = evaluate(given[0], scope), evaluate(given[1], scope)
    otherwise: Value = evaluate(given[2], scope) if len(given) == 3 else {}
    if isinstance(condition, (int, float)):
        return then if condition else otherwise
    return _present((at, _at(then if holds else otherwise, at)) for at, holds in _series(condition).items())


def _at(value: Value, at: float) -> float | None:
    return _series(value).get(at) if isinstance(value, (dict, list)) else value


def _fill(scope: Scope, given: tuple[Node, ...]) -> Value:
    value = evaluate(given[0], scope)
    if isinstance(value, list):
        return [_filled(one, given[1], scope) for one in value]
    return _filled(_series(value), given[1], scope)


def _filled(series: Series, how: Node, scope: Scope) -> Series:
    match how:
        case Name(id="REPEAT"):
            return _present((at, _before(series, at)) for at in scope.times)
        case Name(id="LINEAR"):
            return _present((at, _between(series, at)) for at in scope.times)
    filler = evaluate(how, scope)
    return _present((at, series.get(at, _at(filler, at))) for at in scope.times)


def _before(series: Series, at: float) -> float | None:
    earlier = [time for time in series if time <= at]
    return series[max(earlier)] if earlier else None


def _between(series: Series, at: float) -> float | None:
    earlier, later = [time for time in series if time <= at], [time for time in series if time >= at]
    if not earlier or not later:
        return None
    start, end = max(earlier), min(later)
    return series[start] + (series[end] - series[start]) * ((at - start) / (end - start) if end > start else 0)


def _metrics(scope: Scope, given: tuple[Node, ...]) -> Value:
    """METRICS(), or those whose id contains the text."""
    part = given[0].value if given and isinstance(given[0], Text) else ""
    return _as_list([scope.values[id] for id in scope.metrics if part in id])


FUNCTIONS: dict[str, Function] = {
    "SUM": _reduced(math.fsum),
    "AVG": _reduced(statistics.fmean),
    "MIN": _reduced(min),
    "MAX": _reduced(max),
    "STDDEV": _reduced(statistics.pstdev),
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
    "PERIOD": Function((1, 1), lambda scope, given: scope.period),
    "METRICS": Function((0, 1), _metrics),
}
