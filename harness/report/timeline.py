"""A run as series and bands, in seconds since the deployment started: what the chart draws."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from harness.expectations.evidence import is_good
from harness.journal import RequestDone, TargetHealthSeen
from harness.report.facts import Facts, Span
from harness.report.words import Word

BUCKETS_AT_MOST = 240
WIDTHS = (1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0)
FAILED, FAILURES_TOLD, FAILURE_AT_MOST = 3, 3, 60  # the column; kinds of a bucket; letters of each
WAIT_SHOWN = 0.5  # seconds of an end without events that is shown as the termination wait


@dataclass(frozen=True, slots=True)
class Band:
    name: str
    status: str
    start: float
    end: float
    rollback: bool = False
    differs: bool = False  # from the run it is compared with

    @property
    def key(self) -> tuple[bool, str]:
        return self.rollback, self.name


@dataclass(frozen=True, slots=True)
class Weight:
    """From `at` on, percent of production's requests."""

    at: float
    blue: float
    green: float


@dataclass(frozen=True, slots=True)
class Bucket:
    """Requests that were due in `width` seconds from `start`, by who answered; failed ones are counted in `failed` alone.

    `failures` says what they were, most frequent first: `("500 v2", 3)`.
    """

    start: float
    blue: int
    green: int
    nobody: int
    failed: int
    failures: tuple[tuple[str, int], ...] = ()

    @property
    def total(self) -> int:
        return self.blue + self.green + self.nobody + self.failed


@dataclass(frozen=True, slots=True)
class Health:
    """From `at` on, a side's targets per state."""

    at: float
    side: str
    states: tuple[tuple[str, int], ...]

    @property
    def healthy(self) -> int:
        return dict(self.states).get("healthy", 0)


@dataclass(frozen=True, slots=True)
class TargetLife:
    """One target (`address:port`) of a side: (from, until, state), in order."""

    side: str
    target: str
    spans: tuple[tuple[float, float, str], ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment: kind is `deploy`, `action`, `refused`, `alarm`, `alarm_off`, `rollback` or `over`; `text` names what it is of."""

    at: float
    kind: str
    text: str
    differs: bool = False


@dataclass(frozen=True, slots=True)
class Difference:
    """A stretch in which this run and the one it is compared with differ: `kind` is `weights` or `failed`, `told` the other's side."""

    start: float
    end: float
    kind: str
    told: Word


@dataclass(frozen=True, slots=True)
class Break:
    """A wait that was compressed: `declared` seconds are shown as the distance from `start` to `end`."""

    start: float
    end: float
    declared: float
    effective: float
    why: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """`width` is the buckets' seconds; `blue` and `green` are the versions of the two sides; `top` the most requests per second.

    `since` and `until` are where this run itself began and ended: the same as `start` and `end` but for two runs on one scale.
    `other` names the run that it is compared with, and `differences` where they differ; both are empty in a report.
    """

    start: float
    end: float
    width: float
    blue: str
    green: str
    bands: tuple[Band, ...]
    weights: tuple[Weight, ...]
    buckets: tuple[Bucket, ...]
    health: tuple[Health, ...]
    targets: tuple[TargetLife, ...]
    marks: tuple[Mark, ...]
    breaks: tuple[Break, ...]
    top: float
    since: float
    until: float
    other: str = ""
    differences: tuple[Difference, ...] = ()

    @property
    def empty(self) -> bool:
        return not (self.bands or self.buckets or self.weights)


def timeline_of(facts: Facts, over: tuple[float, float] | None = None) -> Timeline:
    """`over` is the stretch to tell of, by default all of it."""
    since, until = extent(facts)
    start, end = over or (since, until)
    width = next((one for one in WIDTHS if (end - start) / one <= BUCKETS_AT_MOST), WIDTHS[-1])
    buckets = _buckets(facts, width)
    return Timeline(
        start=start,
        end=end,
        width=width,
        blue=facts.evidence.scenario.versions["blue"],
        green=facts.evidence.scenario.versions["green"],
        bands=_bands(facts, until),
        weights=tuple(Weight(one.at - facts.zero, one.blue, one.green) for one in facts.evidence.weights),
        buckets=buckets,
        health=_health(facts),
        targets=_targets(facts, until),
        marks=_marks(facts),
        breaks=_breaks(facts),
        top=_top(buckets, width, since, until),
        since=since,
        until=until,
    )


def covered(at: float, width: float, since: float, until: float) -> float:
    """Seconds of a bucket that are inside the run: its requests were made in these. A fifth of it at least."""
    return max(min(at + width, until) - max(at, since), width / 5)


def _top(buckets: Sequence[Bucket], width: float, since: float, until: float) -> float:
    """The most requests per second of a whole bucket: a rate of three requests in a tenth of a second says nothing."""
    whole = [one for one in buckets if since <= one.start and one.start + width <= until]
    return max((one.total / width for one in whole or buckets), default=0.0)


def extent(facts: Facts) -> tuple[float, float]:
    """From the first request (or the deployment) to the last; the long tear-down is not part of the picture."""
    requests, spans = facts.evidence.requests, [*facts.lifecycle, *facts.deployments]
    times = [one for span in spans for one in (span.started, span.ended) if one is not None]
    times += [requests[0].due, max(one.at for one in requests[-200:])] if requests else []
    times = times or [facts.zero, facts.end]
    start, end = min(times) - facts.zero, max(times) - facts.zero
    return start, max(end, start + 1.0)


def _bands(facts: Facts, end: float) -> tuple[Band, ...]:
    """Lifecycle events that ran; and the wait between the last one and the deployment's own end."""
    rollbacks = {one.id for one in facts.evidence.deployments.values() if one.rollback_of}
    bands = [
        Band(
            one.name,
            one.status,
            one.started - facts.zero,
            end if one.ended is None else one.ended - facts.zero,
            one.deployment in rollbacks,
        )
        for one in facts.lifecycle
        if one.started is not None and one.status != "Skipped"
    ]
    return (*bands, *_termination(facts, bands, end))


def _termination(facts: Facts, bands: Sequence[Band], end: float) -> list[Band]:
    first, ran = facts.evidence.deployment, [band.end for band in bands if not band.rollback]
    spans = [one for one in facts.lifecycle if first is not None and one.deployment == first.id]
    if first is None or not ran or any(one.status != "Succeeded" for one in spans):
        return []
    until = end if first.completed is None else first.completed - facts.zero
    return [Band("", first.status, max(ran), until)] if until - max(ran) >= WAIT_SHOWN else []


def _buckets(facts: Facts, width: float) -> tuple[Bucket, ...]:
    """From whole multiples of `width`, only those with a request; one pass, for runs of a hundred thousand requests."""
    sides = {version: column for column, version in enumerate(facts.evidence.scenario.versions.values())}
    counts: dict[int, list[int]] = {}
    failures: dict[int, Counter[str]] = {}
    for one in facts.evidence.requests:
        index, column = math.floor((one.due - facts.zero) / width), _column(one, sides)
        counts.setdefault(index, [0, 0, 0, 0])[column] += 1
        if column == FAILED:
            failures.setdefault(index, Counter())[_failure(one)] += 1
    told = {index: tuple(seen.most_common(FAILURES_TOLD)) for index, seen in failures.items()}
    return tuple(
        Bucket(index * width, blue, green, nobody, failed, told.get(index, ()))
        for index, (blue, green, nobody, failed) in sorted(counts.items())
    )


def _failure(one: RequestDone) -> str:
    """`500 v2`, `502`, or what went wrong where there was no answer; of which there can be no end of kinds."""
    status = one.status if one.status is not None else (one.error or "no answer")[:FAILURE_AT_MOST]
    return f"{status} {(one.version or '')[:FAILURE_AT_MOST]}".strip()


def _column(one: RequestDone, sides: dict[str, int]) -> int:
    return sides.get(one.version or "", 2) if is_good(one) else FAILED


def _health(facts: Facts) -> tuple[Health, ...]:
    seen = facts.evidence.all(TargetHealthSeen)
    return tuple(Health(one.at - facts.zero, one.side, tuple(sorted(one.states.items()))) for one in seen)


def _targets(facts: Facts, end: float) -> tuple[TargetLife, ...]:
    """Each in the order first seen; a target that is not named any more is gone. Empty for journals that do not name them."""
    seen = facts.evidence.all(TargetHealthSeen)
    lives: dict[tuple[str, str], list[tuple[float, float, str]]] = {}
    for side in ("blue", "green"):
        changes = [one for one in seen if one.side == side]
        ends = [*(one.at - facts.zero for one in changes[1:]), end]
        for one, until in zip(changes, ends, strict=False):  # a side that was never seen has only the end
            for target, state in one.targets.items():
                _prolong(lives.setdefault((side, target), []), one.at - facts.zero, until, state)
    return tuple(TargetLife(*key, tuple(spans)) for key, spans in lives.items())


def _prolong(spans: list[tuple[float, float, str]], start: float, until: float, state: str) -> None:
    if spans and spans[-1][1:] == (start, state):
        spans[-1] = (spans[-1][0], until, state)
    else:
        spans.append((start, until, state))


def _marks(facts: Facts) -> tuple[Mark, ...]:
    evidence = facts.evidence
    actions = [
        Mark(one.at, "deploy" if one.action == "deploy" else "action", one.action)
        if one.error is None
        else Mark(one.at, "refused", f"{one.action}: {one.error}")
        for one in evidence.actions
    ]
    red: set[str] = set()
    alarms = []
    for alarm in evidence.alarms:
        if alarm.state == "ALARM":
            red.add(alarm.name)
            alarms.append(Mark(alarm.since, "alarm", alarm.name))
        elif alarm.state == "OK" and alarm.name in red:
            red.discard(alarm.name)
            alarms.append(Mark(alarm.since, "alarm_off", alarm.name))
    ends = [Mark(at, "over", one.status) for one in facts.deployments if (at := one.ended) is not None]
    starts = [Mark(at, "rollback", one.deployment) for one in _rollbacks(facts) if (at := one.started) is not None]
    found = sorted([*actions, *alarms, *ends, *starts], key=lambda mark: mark.at)
    return tuple(Mark(one.at - facts.zero, one.kind, one.text) for one in found)


def _rollbacks(facts: Facts) -> list[Span]:
    rolled = {one.id for one in facts.evidence.deployments.values() if one.rollback_of}
    return [one for one in facts.deployments if one.deployment in rolled]


def _breaks(facts: Facts) -> tuple[Break, ...]:
    return tuple(
        Break(
            wait.started - facts.zero,
            wait.started + wait.spent - facts.zero,
            wait.declared,
            wait.effective,
            wait.why,
        )
        for wait in facts.waits
        if wait.compressed
    )
