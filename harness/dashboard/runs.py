"""The runs of a directory, newest first, from the first and the last line of their journals."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from harness.journal import Follower, JournalInvalid, RunStarted

SHOWN = 40
LAST_LINE_AT_MOST = 8192
CLOCKS_DIFFER = 2.0  # seconds by which a process may seem to have started after its own first line


@dataclass(frozen=True, slots=True)
class Run:
    """`id` is the directory relative to the runs' own. `live`: not ended, and its process is there."""

    id: str
    journal: Path
    scenario: str
    title: dict[str, Any]
    target: str
    started: float
    ended: bool
    live: bool
    verdict: str | None

    def as_dict(self) -> dict[str, Any]:
        names = ("id", "scenario", "title", "target", "started", "ended", "live", "verdict")
        return {name: getattr(self, name) for name in names}


class Runs:
    """Reads each first line once; `find` knows the ids it has listed, and no path that a client makes up."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._first: dict[Path, RunStarted] = {}

    def all(self) -> list[Run]:
        paths = {*self.directory.glob("*/journal.jsonl"), *self.directory.glob("*/*/journal.jsonl")}
        found = [run for path in paths if (run := self._run(path)) is not None]
        return sorted(found, key=lambda run: run.started, reverse=True)[:SHOWN]

    def find(self, wanted: str) -> Run | None:
        return next((run for run in self.all() if run.id == wanted), None)

    def _run(self, path: Path) -> Run | None:
        """None where there is no whole first line yet, or this version cannot read it."""
        started = self._first.get(path) or _started(path)
        if started is None:
            return None
        self._first[path] = started
        ended = b'"event":"RunEnded"' in _last_line(path)
        return Run(
            id=path.parent.relative_to(self.directory).as_posix(),
            journal=path,
            scenario=str(started.scenario.get("id", "")),
            title=dict(started.scenario.get("title") or {}),
            target=started.target,
            started=started.at,
            ended=ended,
            live=not ended and _alive(started),
            verdict=_verdict(path.with_name("result.json")) if ended else None,
        )


def _started(path: Path) -> RunStarted | None:
    try:
        events = Follower(path).new(at_most=200_000)
    except JournalInvalid:
        return None
    return events[0] if events and isinstance(events[0], RunStarted) else None


def _last_line(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - LAST_LINE_AT_MOST))
        return file.read().rstrip(b"\n").rpartition(b"\n")[2]


def _alive(started: RunStarted) -> bool:
    """Whether the process that began the journal is still there, and not another one with its number."""
    if started.pid is None:
        return False
    try:
        process = psutil.Process(started.pid)
        return process.create_time() <= started.at + CLOCKS_DIFFER and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _verdict(path: Path) -> str | None:
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["verdict"])
    except (OSError, ValueError, KeyError):
        return None
