"""How a run ended: a line per scenario, the verdict table of what a reader must look at, and one verdict line."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness import look


@dataclass(frozen=True, slots=True)
class Judged:
    """One expectation, as result.json has it."""

    name: str
    verdict: str
    measured: Any
    limit: Any
    n: int


@dataclass(frozen=True, slots=True)
class Ending:
    """One scenario at the end. `why` is what a reader needs to know first, empty where all is well."""

    scenario: str
    verdict: str
    outcome: str
    requests: int
    failed: int
    gap: float
    seconds: float
    why: str = ""
    report: str = ""
    expectations: tuple[Judged, ...] = ()


def print_endings(endings: Sequence[Ending], out: str, stream: TextIO | None = None) -> None:
    """The table of a single scenario, and of each of several that is not met."""
    stream = stream or sys.stdout
    console = Console(file=stream, highlight=False, soft_wrap=True)
    width = max((len(ending.scenario) for ending in endings), default=0)
    for ending in endings:
        console.print(Text(ending_line(ending, width), look.verdict(ending.verdict).style))
        if ending.expectations and (len(endings) == 1 or ending.verdict != "met"):
            _print_table(console, ending)
    console.print(verdict_line(endings, out), markup=False)


def _print_table(console: Console, ending: Ending) -> None:
    if console.is_terminal and not console.is_dumb_terminal:
        return console.print(table(ending.expectations), soft_wrap=False)
    for one in ending.expectations:
        line = f"  {look.verdict(one.verdict).symbol} {one.name}: {one.verdict}, {shown(one.measured)}, limit {shown(one.limit)}, n {one.n}"
        console.print(line, markup=False)
    return None


def table(expectations: Sequence[Judged]) -> Table:
    made = Table(box=None, pad_edge=True)
    for heading in ("verdict", "expectation", "measured", "limit", "n"):
        made.add_column(
            heading, justify="right" if heading == "n" else "left", overflow="fold", no_wrap=heading == "expectation"
        )
    for one in expectations:
        seen = look.verdict(one.verdict)
        verdict = Text(f"{seen.symbol} {seen.en}", seen.style, no_wrap=True)
        made.add_row(verdict, Text(one.name), Text(shown(one.measured)), Text(shown(one.limit)), f"{one.n}")
    return made


def shown(value: object) -> str:
    if value is None:
        return "–"
    return " → ".join(map(str, value)) if isinstance(value, list) else str(value)


def ending_line(ending: Ending, width: int) -> str:
    users = f"{ending.requests} requests, {ending.failed} failed, longest gap {ending.gap:.2f} s"
    line = (
        f"{look.verdict(ending.verdict).symbol} {ending.scenario:<{width}}  {ending.verdict}: {ending.outcome}, {users}"
    )
    return f"{line}, {ending.seconds:.0f} s" + (f" - {ending.why}" if ending.why else "")


def verdict_line(endings: Sequence[Ending], out: str) -> str:
    """`7 of 8 met, 1 unmet (5xx-after-cutover); reports in .rehearsal/runs/...`"""
    met = sum(ending.verdict == "met" for ending in endings)
    parts = [f"{met} of {len(endings)} met"]
    for verdict in ("unmet", "inconclusive", "unsupported"):
        named = [ending.scenario for ending in endings if ending.verdict == verdict]
        if named:
            parts.append(f"{len(named)} {verdict} ({', '.join(named)})")
    return f"{', '.join(parts)}; reports in {out}"
