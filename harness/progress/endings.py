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
from harness.words import ENGLISH, EXPECTATIONS, Speech

TABLE_AT_LEAST = 56  # columns of a terminal: in fewer, a word would stand a letter to a line


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


def print_endings(endings: Sequence[Ending], out: str, stream: TextIO | None = None, say: Speech = ENGLISH) -> None:
    """The table of a single scenario, and of each of several that is not met."""
    stream = stream or sys.stdout
    console = Console(file=stream, highlight=False, soft_wrap=True)
    width = max((len(ending.scenario) for ending in endings), default=0)
    for ending in endings:
        console.print(Text(ending_line(ending, width, say), look.verdict(ending.verdict).style))
        if ending.expectations and (len(endings) == 1 or ending.verdict != "met"):
            _print_table(console, ending, say)
    console.print(verdict_line(endings, out, say), markup=False)


def _print_table(console: Console, ending: Ending, say: Speech) -> None:
    if console.is_terminal and not console.is_dumb_terminal and console.width >= TABLE_AT_LEAST:
        return console.print(table(ending.expectations, say), soft_wrap=False)
    for one in ending.expectations:
        console.print(f"  {judged_line(one, say)}", markup=False)
    return None


def judged_line(one: Judged, say: Speech) -> str:
    seen, values = look.verdict(one.verdict), {"measured": shown(one.measured), "limit": shown(one.limit), "n": one.n}
    return f"{seen.symbol} {say('judged_line', name=named(one.name, say), verdict=say.of(seen), **values)}"


def named(name: str, say: Speech) -> str:
    """As scenarios write it; in Korean with words before it."""
    return f"{EXPECTATIONS[name].ko} ({name})" if say.language == "ko" and name in EXPECTATIONS else name


def table(expectations: Sequence[Judged], say: Speech = ENGLISH) -> Table:
    """Long words are folded, never cut; the columns stay apart whatever letters they are written in."""
    made = Table(box=None, pad_edge=True)
    for key in ("verdict", "expectation", "measured", "limit"):
        fixed = key == "verdict" or (key == "expectation" and say.language == "en")
        made.add_column(say(key).lower(), justify="left", overflow="fold", no_wrap=fixed)
    made.add_column("n", justify="right", no_wrap=True)
    for one in expectations:
        seen = look.verdict(one.verdict)
        verdict = Text(f"{seen.symbol} {say.of(seen)}", seen.style)
        name = EXPECTATIONS[one.name].ko if say.language == "ko" and one.name in EXPECTATIONS else one.name
        made.add_row(verdict, Text(name), Text(shown(one.measured)), Text(shown(one.limit)), f"{one.n}")
    return made


def shown(value: object) -> str:
    if value is None:
        return "–"
    return " → ".join(map(str, value)) if isinstance(value, list) else str(value)


def ending_line(ending: Ending, width: int, say: Speech = ENGLISH) -> str:
    users = ", ".join(
        [
            say("requests_made", count=ending.requests),
            say("failed_count", count=ending.failed),
            say("gap", seconds=f"{ending.gap:.2f} s"),
        ]
    )
    seen, outcome = look.verdict(ending.verdict), say.known(f"outcome {ending.outcome}").removeprefix("outcome ")
    told = say("ending", verdict=say.of(seen), outcome=outcome, users=users, seconds=f"{ending.seconds:.0f}")
    return f"{seen.symbol} {ending.scenario:<{width}}  {told}" + (f" - {ending.why}" if ending.why else "")


def verdict_line(endings: Sequence[Ending], out: str, say: Speech = ENGLISH) -> str:
    """`7 of 8 met, 1 unmet (5xx-after-cutover); reports in .rehearsal/runs/...`"""
    met = sum(ending.verdict == "met" for ending in endings)
    parts = [say("met_of", met=met, all=len(endings))]
    for verdict in ("unmet", "inconclusive", "unsupported"):
        named = [ending.scenario for ending in endings if ending.verdict == verdict]
        if named:
            seen = say.of(look.verdict(verdict))
            parts.append(say("verdict_of", count=len(named), verdict=seen, scenarios=", ".join(named)))
    return f"{', '.join(parts)}; {say('reports_in', out=out)}"
