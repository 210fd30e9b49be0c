"""compare.html: both timelines one over the other on one scale, and a table in which every difference is marked."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from markupsafe import Markup

from harness.report import chart
from harness.report.compare import Comparison, Pair
from harness.report.facts import Facts
from harness.report.page import NARROW, WIDE, environment
from harness.report.timeline import timeline_of

GROUPS = (("verdicts", "verdicts"), ("lifecycle", "on_aws_clock"), ("users", "users"), ("about", "about"))


def write(comparison: Comparison, out: Path) -> Path:
    """`out` is a directory, or a file that ends in .html; the path written. Raises OSError."""
    path = out if out.suffix == ".html" else out / "compare.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text(comparison), encoding="utf-8", errors="replace")
    return path


def text(comparison: Comparison) -> str:
    rows = [row for pair in comparison.pairs for row in pair.rows]
    return (
        environment()
        .get_template("compare.html.j2")
        .render(
            comparison=comparison,
            pairs=[(pair, _charts(pair, index)) for index, pair in enumerate(comparison.pairs)],
            differences=sum(not row.same for row in rows),
            groups=GROUPS,
        )
    )


def _charts(pair: Pair, index: int) -> list[tuple[str, Facts, list[Markup]]]:
    """(A or B, its facts, a wide and a narrow chart); both runs from the same second to the same second."""
    if pair.a is None or pair.b is None:
        return []
    runs: list[tuple[str, Facts, Any]] = [
        (name, facts, timeline_of(facts)) for name, facts in (("A", pair.a), ("B", pair.b))
    ]
    drawn = [run for run in runs if not run[2].empty]
    start, end = min((one.start for *_, one in drawn), default=0.0), max((one.end for *_, one in drawn), default=1.0)
    return [
        (name, facts, [_drawn(timeline, width, kind, f"{name}{index}", start, end) for width, kind in SIZES])
        for name, facts, timeline in drawn
    ]


SIZES = ((WIDE, "wide"), (NARROW, "narrow"))


def _drawn(timeline: Any, width: int, kind: str, name: str, start: float, end: float) -> Markup:
    return chart.draw(dataclasses.replace(timeline, start=start, end=end), width, kind, f"{kind}-{name}")
