"""Plain lines: for logs, for screen readers, and wherever a cursor cannot be moved. No colour, no drawing, nothing is overwritten."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from harness import look
from harness.picture import Clocked
from harness.progress.status import News, Status

WORTH_A_LINE = ("failed", "alarm", "alarm_off", "action", "refused", "rollback", "health", "task")


class Plain:
    """A line when a scenario's phase or weights change, and one for each thing that a reader may have to act on."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._shown, self._told = stream, dict[str, tuple[str, str]](), dict[str, int]()

    def show(self, statuses: Sequence[Status]) -> None:
        for status in statuses:
            self._news(status)
            now = (status.doing, status.weights)
            if self._shown.get(status.scenario) != now and status.doing != "waiting":
                self._shown[status.scenario] = now
                self._line(plain(status))

    def _news(self, status: Status) -> None:
        told = self._told.get(status.scenario, -1)
        for news in status.news:
            if news.number > told and news.kind in WORTH_A_LINE:
                self._line(f"{status.scenario}: {told_at(news)}")
        if status.news:
            self._told[status.scenario] = status.news[-1].number

    def _line(self, text: str) -> None:
        print(text, file=self._stream, flush=True)

    def close(self) -> None:
        self._stream.flush()


def told_at(news: News) -> str:
    """`at 4.7 s: alarm target-5xx: ALARM.`"""
    return f"at {news.at:.1f} s: {' '.join(news.text.split())}"


def plain(status: Status) -> str:
    """`happy-canary: AllowTraffic, blue/green 90/10, here 3.1 s, 9.4 s to come, on AWS 74 s, ..., 412 requests (25/s), 0 failed`"""
    parts = [doing(status.doing)]
    if status.weights:
        parts.append(f"blue/green {status.weights}")
    parts += clocks(status.clock)
    if status.requests:
        rate = f" ({status.rate:.0f}/s)" if status.rate else ""
        parts.append(f"{status.requests} requests{rate}, {status.failed} failed, longest gap {status.gap:.2f} s")
    return f"{status.scenario}: {', '.join(parts)}"


def clocks(clock: Clocked | None) -> list[str]:
    """On both clocks; nothing before there is something to tell."""
    if clock is None or clock.remaining is None or clock.aws_remaining is None:
        return []
    return [
        f"here {duration(clock.elapsed)} and {duration(clock.remaining)} to come",
        f"on AWS {duration(clock.aws_elapsed)} and {duration(clock.aws_remaining)} to come",
    ]


def doing(name: str) -> str:
    return look.PHASES[name][0] if name in look.PHASES else name


def duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    if seconds < 10:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 60:.0f} min"
