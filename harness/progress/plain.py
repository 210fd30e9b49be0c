"""Plain lines: for logs, for screen readers, and wherever a cursor cannot be moved. No colour, no drawing, nothing is overwritten."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from harness import look
from harness.picture import Clocked
from harness.progress.status import News, Status
from harness.words import ENGLISH, Speech

WORTH_A_LINE = ("failed", "alarm", "alarm_off", "action", "refused", "rollback", "health", "task")


class Plain:
    """A line when a scenario's phase or weights change, and one for each thing that a reader may have to act on."""

    def __init__(self, stream: TextIO, say: Speech = ENGLISH) -> None:
        self._stream, self._say = stream, say
        self._shown, self._told = dict[str, tuple[str, str]](), dict[str, int]()

    def show(self, statuses: Sequence[Status]) -> None:
        for status in statuses:
            self._news(status)
            now = (status.doing, status.weights)
            if self._shown.get(status.scenario) != now and status.doing != "waiting":
                self._shown[status.scenario] = now
                self._line(plain(status, self._say))

    def _news(self, status: Status) -> None:
        told = self._told.get(status.scenario, -1)
        for news in status.news:
            if news.number > told and news.kind in WORTH_A_LINE:
                self._line(f"{status.scenario}: {told_at(news, self._say)}")
        if status.news:
            self._told[status.scenario] = status.news[-1].number

    def _line(self, text: str) -> None:
        print(text, file=self._stream, flush=True)

    def close(self) -> None:
        self._stream.flush()


def told_at(news: News, say: Speech) -> str:
    """`at 4.7 s: alarm target-5xx: ALARM.`"""
    return say("at", seconds=f"{news.at:.1f}", told=" ".join(say.of(news.told).split()))


def plain(status: Status, say: Speech) -> str:
    """`happy-canary: AllowTraffic, blue/green 90/10, here 3.1 s and 9.4 s to come, on AWS 74 s ..., 412 requests (25/s), 0 failed`"""
    parts = [doing(status.doing, say)]
    if status.weights:
        parts.append(say("weights_line", weights=status.weights))
    parts += clocks(status.clock, say)
    if status.requests:
        made = "requests_paced" if status.rate else "requests_made"
        parts.append(say(made, count=status.requests, rate=f"{status.rate:.0f}"))
        parts += [say("failed_count", count=status.failed), say("gap", seconds=f"{status.gap:.2f} s")]
    return f"{status.scenario}: {', '.join(parts)}"


def clocks(clock: Clocked | None, say: Speech) -> list[str]:
    """On both clocks; nothing before there is something to tell."""
    if clock is None or clock.remaining is None or clock.aws_remaining is None:
        return []
    return [
        say("clock_here", elapsed=duration(clock.elapsed), remaining=duration(clock.remaining)),
        say("clock_aws", elapsed=duration(clock.aws_elapsed), remaining=duration(clock.aws_remaining)),
    ]


def doing(name: str, say: Speech) -> str:
    """A phase, a lifecycle event or one of AWS's statuses, which stay as they are; that of a rollback is named so."""
    if name in look.PHASES:
        return say.of(look.PHASES[name])
    before, _, status = name.partition(" ")
    return say("rollback_status", status=status) if before == "rollback" else say.known(name)


def duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    if seconds < 10:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 60:.0f} min"
