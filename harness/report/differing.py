"""Two timelines made comparable: one extent, one scale of requests, and in each a mark at whatever the other does not have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

from harness import look
from harness.report.compare import differing_events
from harness.report.facts import Facts
from harness.report.svg import number
from harness.report.timeline import Bucket, Difference, Mark, Timeline, Weight, extent, timeline_of
from harness.report.words import Word, word

PERCENT_ALIKE = 0.5  # of production's requests
SHORTEST = 0.5  # seconds: that the same step comes a moment later in one run is no difference


def timelines(a: Facts, b: Facts) -> tuple[Timeline, Timeline]:
    """Either may be empty; then nothing is marked in the other."""
    drawn = [extent(one) for one in (a, b) if not timeline_of(one).empty]
    over = (min(start for start, _ in drawn), max(end for _, end in drawn)) if drawn else (0.0, 1.0)
    one, other = timeline_of(a, over), timeline_of(b, over)
    top = max(one.top, other.top)
    one, other = replace(one, top=top), replace(other, top=top)
    if one.empty or other.empty:
        return one, other
    events = differing_events(a, b)
    return _marked(one, other, "B", events), _marked(other, one, "A", events)


def _marked(mine: Timeline, other: Timeline, name: str, events: set[tuple[bool, str]]) -> Timeline:
    theirs = {band.key for band in other.bands}
    return replace(
        mine,
        other=name,
        bands=tuple(replace(band, differs=band.key in events or band.key not in theirs) for band in mine.bands),
        marks=tuple(_marks(mine.marks, other.marks)),
        differences=(*_weights(mine, other, name), *_failures(mine, other, name)),
    )


def _marks(mine: Sequence[Mark], theirs: Sequence[Mark]) -> Iterable[Mark]:
    """A moment differs where the other run has none of its kind and name, whenever it was."""
    left = Counter((mark.kind, mark.text if mark.kind != "rollback" else "") for mark in theirs)
    for mark in mine:
        key = mark.kind, mark.text if mark.kind != "rollback" else ""
        left[key] -= 1
        yield replace(mark, differs=left[key] < 0)


def _weights(mine: Timeline, other: Timeline, name: str) -> list[Difference]:
    """Stretches of both runs in which production's weights were not the same, with the other's."""
    since, until = max(mine.since, other.since), min(mine.until, other.until)
    changes = sorted({since, until, *(one.at for one in (*mine.weights, *other.weights))})
    edges = [at for at in changes if since <= at <= until]
    found: list[Difference] = []
    for start, end in pairwise(edges):
        here, there = _weight_at(mine.weights, start), _weight_at(other.weights, start)
        if here and there and abs(here.green - there.green) > PERCENT_ALIKE and end - start >= SHORTEST:
            found.append(Difference(start, end, "weights", word("other_weights", other=name, weights=_told(there))))
    return _joined(found)


def _weight_at(weights: Sequence[Weight], at: float) -> Weight | None:
    """What was first seen counts for the time before it, as it is drawn."""
    return next((one for one in reversed(weights) if one.at <= at), weights[0] if weights else None)


def _told(weight: Weight) -> str:
    blue, green = look.SIDES["blue"].symbol, look.SIDES["green"].symbol
    return f"{blue} {number(weight.blue)} {green} {number(weight.green)}"


def _failures(mine: Timeline, other: Timeline, name: str) -> list[Difference]:
    """Stretches in which both had requests and only one of them failures."""
    theirs = {bucket.start: bucket for bucket in other.buckets}
    found = []
    for bucket in mine.buckets:
        there = theirs.get(bucket.start)
        if there is not None and bool(bucket.failed) != bool(there.failed):
            told = _failed(bucket, name)
            end = min(bucket.start + mine.width, mine.until)
            found.append(Difference(max(bucket.start, mine.since), end, "failed", told))
    return _joined(found)


def _failed(bucket: Bucket, name: str) -> Word:
    return word("only_here_failed" if bucket.failed else "only_other_failed", other=name)


def _joined(found: Sequence[Difference]) -> list[Difference]:
    """Neighbours that say the same as one."""
    joined: list[Difference] = []
    for one in found:
        if joined and joined[-1].told == one.told and one.start - joined[-1].end < SHORTEST:
            joined[-1] = replace(joined[-1], end=one.end)
        else:
            joined.append(one)
    return joined
