"""What the chart says when it is pointed at, or walked through by keyboard: data and one small script inside the page.

The page's policy allows this script by its hash and no other: text of a task could not run even if it came out as markup.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from importlib.resources import files

from markupsafe import Markup

from harness import look
from harness.report.timeline import Band, Bucket, Timeline
from harness.report.words import Word, word


@cache
def script() -> Markup:
    return Markup((files("harness.report") / "templates" / "moments.js").read_text(encoding="utf-8"))  # our own file


def policy(allowed: str) -> str:
    digest = base64.b64encode(hashlib.sha256(allowed.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'; base-uri 'none'"
    )


def data(timeline: Timeline, run: str = "") -> Markup:
    """As JSON that cannot end the element it is in. `run` is named where the page has several."""
    told = {
        "run": run,
        "width": timeline.width,
        "buckets": [_bucket(one) for one in timeline.buckets],
        "bands": [
            [round(one.start, 2), round(one.end, 2), _band(one), one.status, look.lifecycle(one.status).symbol]
            for one in timeline.bands
        ],
        "weights": [[round(one.at, 2), one.blue, one.green] for one in timeline.weights],
        "health": [[round(one.at, 2), one.side, [list(state) for state in one.states]] for one in timeline.health],
        "marks": [[round(one.at, 2), look.MOMENTS[one.kind], one.text] for one in timeline.marks],
        "differences": [[round(one.start, 2), round(one.end, 2), list(one.told)] for one in timeline.differences],
        "words": {name: list(one) for name, one in _words().items()},
    }
    text = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _bucket(one: Bucket) -> list[object]:
    row: list[object] = [round(one.start, 2), one.blue, one.green, one.nobody, one.failed]
    return [*row, list(map(list, one.failures))] if one.failures else row


def _band(band: Band) -> list[str]:
    told = Word(band.name, band.name) if band.name else word("termination wait")
    before = [f"{one}: " if band.rollback else "" for one in word("rollback")]
    differs = f"{look.DIFFERS} " if band.differs else ""
    return [f"{differs}{first}{name}" for first, name in zip(before, told, strict=True)]


def _words() -> dict[str, Word]:
    sides = {name: Word(f"{one.symbol} {one.en}", f"{one.symbol} {one.ko}") for name, one in look.SIDES.items()}
    states = {f"health {name}": Word(one.en, one.ko) for name, one in look.HEALTH.items()}
    failed = Word(f"{look.FAILURE.symbol} {look.FAILURE.en}", f"{look.FAILURE.symbol} {look.FAILURE.ko}")
    names = {name: word(name) for name in ("lane_weights", "requests", "chart", "seconds")}
    return {**sides, **states, **names, "failed": failed}
