"""Verdicts as values. An expectation that was not evaluated is never met."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["met", "unmet", "inconclusive", "unsupported"]
WORST_FIRST: tuple[Verdict, ...] = ("unmet", "inconclusive", "unsupported", "met")
Value = str | int | float | bool | list[str] | None


@dataclass(frozen=True, slots=True)
class Result:
    """One expectation: what was measured beside its limit, from `n` pieces of evidence."""

    name: str
    verdict: Verdict
    measured: Value
    limit: Value
    n: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """All of a scenario. `outcome` is None where the deployment did not come to an end."""

    verdict: Verdict
    outcome: str | None
    results: tuple[Result, ...]
    why: str = ""


def compared(name: str, measured: Value, limit: Value, *, met: bool, n: int, detail: str = "") -> Result:
    return Result(name, "met" if met else "unmet", measured, limit, n, detail)


def unknown(name: str, limit: Value, why: str, n: int = 0) -> Result:
    """Not enough evidence."""
    return Result(name, "inconclusive", None, limit, n, why)


def worst(results: Sequence[Result]) -> Verdict:
    """Of no expectation at all nothing can be said."""
    verdicts = {result.verdict for result in results}
    return next((verdict for verdict in WORST_FIRST if verdict in verdicts), "inconclusive")
