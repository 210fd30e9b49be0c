"""How a run ended, for CI: one line that is easy to grep, and a table for GitHub's step summary."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from harness import look
from harness.progress import Ending

VERDICTS = ("met", "unmet", "inconclusive", "unsupported")
VARIABLE = "GITHUB_STEP_SUMMARY"


def verdict_line(endings: Sequence[Ending], code: int) -> str:
    """`rehearse-verdict: unmet (met 7, unmet 1, inconclusive 0, unsupported 0; exit code 1)`, always in this form.

    The word is that of the worst scenario; where something else went wrong (the target, what was left behind) it is `error`.
    """
    count = {verdict: sum(one.verdict == verdict for one in endings) for verdict in VERDICTS}
    word = next((verdict for verdict in ("unmet", "inconclusive") if count[verdict]), "error" if code else "met")
    if word == "met" and endings and not count["met"]:
        word = "unsupported"
    if code == 5:
        word = "unsupported"
    told = ", ".join(f"{verdict} {number}" for verdict, number in count.items())
    return f"rehearse-verdict: {word} ({told}; exit code {code})"


def append_step_summary(endings: Sequence[Ending], line: str) -> None:
    """To the file that GitHub Actions names; nothing where there is none."""
    if file := os.environ.get(VARIABLE):
        with Path(file).open("a", encoding="utf-8") as summary:
            summary.write(markdown(endings, line))


def markdown(endings: Sequence[Ending], line: str) -> str:
    rows = [
        "### Rehearsals",
        "",
        "| | scenario | verdict | outcome | requests | failed | longest gap | seconds | why |",
        "| --- | --- | --- | --- | ---: | ---: | ---: | ---: | --- |",
        *(_row(one) for one in endings),
        "",
        f"`{line}`",
        "",
    ]
    return "\n".join(rows) + "\n"


def _row(one: Ending) -> str:
    cells = (
        look.verdict(one.verdict).symbol,
        one.scenario,
        one.verdict,
        one.outcome,
        str(one.requests),
        str(one.failed),
        f"{one.gap:.2f} s",
        f"{one.seconds:.0f}",
        one.why,
    )
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _cell(text: str) -> str:
    """In one line, and without what Markdown or HTML would make of it."""
    plain = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return plain.replace("\\", "\\\\").replace("|", "\\|")
