"""compare.html: both timelines one over the other on one scale, and a table; every difference is marked in both."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from harness.report import chart, moments
from harness.report.compare import Comparison, Pair
from harness.report.differing import timelines
from harness.report.facts import Facts
from harness.report.page import NARROW, WIDE, environment
from harness.report.timeline import Timeline

GROUPS = (("verdicts", "verdicts"), ("lifecycle", "on_aws_clock"), ("users", "users"), ("about", "about"))
SIZES = ((WIDE, "wide"), (NARROW, "narrow"))


@dataclass(frozen=True)
class Drawn:
    """One run's chart, wide and narrow, and what it says when it is pointed at; `name` is its letter and its pair's number."""

    letter: str
    name: str
    facts: Facts
    drawn: list[Markup]
    told: Markup


def write(comparison: Comparison, out: Path) -> Path:
    """`out` is a directory, or a file that ends in .html; the path written. Raises OSError."""
    path = out if out.suffix == ".html" else out / "compare.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text(comparison), encoding="utf-8", errors="replace")
    return path


def text(comparison: Comparison) -> str:
    rows = [row for pair in comparison.pairs for row in pair.rows]
    pairs = [(pair, _charts(pair, number)) for number, pair in enumerate(comparison.pairs)]
    script = moments.script()
    return (
        environment()
        .get_template("compare.html.j2")
        .render(
            comparison=comparison,
            pairs=pairs,
            moments=[(run.name, run.told) for _, charts in pairs for run in charts],
            script=script,
            policy=moments.policy(script),
            differences=sum(not row.same for row in rows),
            groups=GROUPS,
        )
    )


def _charts(pair: Pair, number: int) -> list[Drawn]:
    if pair.a is None or pair.b is None:
        return []
    runs = zip("AB", (pair.a, pair.b), timelines(pair.a, pair.b), strict=True)
    return [_drawn(letter, facts, timeline, number) for letter, facts, timeline in runs if not timeline.empty]


def _drawn(letter: str, facts: Facts, timeline: Timeline, number: int) -> Drawn:
    name = f"{letter}{number}"
    drawn = [chart.draw(timeline, width, kind, name, f"{number}") for width, kind in SIZES]
    return Drawn(letter, name, facts, drawn, moments.data(timeline, letter))
