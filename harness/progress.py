"""What a run shows while it runs: one line per scenario, live in a terminal, a plain line per change elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TextIO

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from harness import look


@dataclass(frozen=True, slots=True)
class Status:
    """One scenario now. `phase` is a word for a reader; weights are production's, in percent; `gap` in seconds."""

    scenario: str
    phase: str = "waiting"
    blue: float | None = None
    green: float | None = None
    rate: float = 0.0
    requests: int = 0
    failed: int = 0
    gap: float = 0.0

    @property
    def weights(self) -> str:
        return "" if self.blue is None or self.green is None else f"{self.blue:g}/{self.green:g}"


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


class Progress(Protocol):
    def show(self, statuses: Sequence[Status]) -> None:
        """The present state of every scenario; called several times a second."""

    def close(self) -> None: ...


def progress(stream: TextIO | None = None) -> Progress:
    """Live where `stream` (default: standard error) is a terminal, else plain lines."""
    stream = stream or sys.stderr
    return Terminal(stream) if stream.isatty() else Plain(stream)


class Plain:
    """A line when a scenario's phase or weights change."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._shown = stream, dict[str, tuple[str, str]]()

    def show(self, statuses: Sequence[Status]) -> None:
        for status in statuses:
            now = (status.phase, status.weights)
            if self._shown.get(status.scenario) != now and status.phase != "waiting":
                self._shown[status.scenario] = now
                print(plain(status), file=self._stream, flush=True)

    def close(self) -> None:
        self._stream.flush()


def plain(status: Status) -> str:
    """`happy-canary: AllowTraffic, blue/green 90/10, 412 requests, 0 failed`"""
    parts = [status.phase]
    if status.weights:
        parts.append(f"blue/green {status.weights}")
    if status.requests:
        parts.append(f"{status.requests} requests, {status.failed} failed")
    return f"{status.scenario}: {', '.join(parts)}"


class Terminal:
    """A table that is drawn again in place."""

    def __init__(self, stream: TextIO) -> None:
        self._live = Live(console=Console(file=stream), refresh_per_second=4, transient=True, auto_refresh=False)
        self._live.start()

    def show(self, statuses: Sequence[Status]) -> None:
        self._live.update(table(statuses), refresh=True)

    def close(self) -> None:
        self._live.stop()


def table(statuses: Sequence[Status]) -> Table:
    drawn = Table(box=None, pad_edge=False)
    for heading in ("scenario", "phase", "blue/green", "req/s", "requests", "failed", "longest gap"):
        drawn.add_column(heading, justify="left" if heading in ("scenario", "phase") else "right", no_wrap=True)
    for status in statuses:
        drawn.add_row(
            status.scenario,
            status.phase,
            status.weights,
            f"{status.rate:.0f}" if status.requests else "",
            str(status.requests or ""),
            Text(str(status.failed), "red") if status.failed else "",
            f"{status.gap:.2f} s" if status.requests else "",
        )
    return drawn


def print_endings(endings: Sequence[Ending], out: str, stream: TextIO | None = None) -> None:
    """One line per scenario, then one verdict line."""
    console = Console(file=stream or sys.stdout, highlight=False, soft_wrap=True)
    width = max((len(ending.scenario) for ending in endings), default=0)
    for ending in endings:
        console.print(Text(ending_line(ending, width), look.verdict(ending.verdict).style))
    console.print(verdict_line(endings, out), markup=False)


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
