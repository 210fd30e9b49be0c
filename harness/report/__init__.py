"""Reports of a run, made from its journal alone: `write(directory)`."""

from __future__ import annotations

from pathlib import Path

from harness import journal
from harness.errors import HarnessError
from harness.report import junit, page, result
from harness.report.facts import facts_of

__all__ = ["write"]


def write(directory: Path) -> None:
    """Judge `directory/journal.jsonl` and write result.json, junit.xml and report.html beside it.

    Raises JournalInvalid, with the path, for a journal that cannot be read or does not say what was run.
    """
    path = directory / "journal.jsonl"
    events = journal.read(path)
    try:
        facts = facts_of(events)
    except journal.JournalInvalid as error:
        raise journal.JournalInvalid(f"{path}: {error}") from error
    _write(directory / "result.json", result.text(facts))
    _write(directory / "junit.xml", junit.text(facts))
    _write(directory / "report.html", page.text(facts))


def _write(path: Path, text: str) -> None:
    """As a whole or not at all: a reader never meets half a report."""
    draft = path.with_name(f".{path.name}.draft")
    try:
        draft.write_text(text, encoding="utf-8", errors="replace")
        draft.replace(path)
    except OSError as error:
        raise HarnessError(f"{path} cannot be written: {error}") from error
