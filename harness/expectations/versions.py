"""Which version users met, and when. An answer that names no version was served by nobody."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from harness.expectations.base import Result, compared, unknown
from harness.expectations.evidence import Evidence
from harness.journal import RequestDone

TOLERANCE = 0.02  # seconds in which the order of sending and the order of routing may differ
PHASE_AT_LEAST = 1.5  # seconds of one version alone that a reader would call a phase
STILL_MIXED = 5.0  # seconds: of a tenth of 20 requests/s one is missing for so long once in forty thousand times
AT_END = 1.0  # seconds of the last traffic that say what is live

Phase = frozenset[str]


def judge(evidence: Evidence) -> list[Result]:
    expect = evidence.scenario.expect
    results = []
    if expect.versions_seen is not None:
        wanted = [frozenset(phase) for phase in expect.versions_seen]
        results.append(_versions_seen(evidence, wanted))
    if expect.live_at_end is not None:
        results.append(_live_at_end(evidence, expect.live_at_end))
    if expect.green_production_requests is not None:
        results.append(_green_before_the_shift(evidence, expect.green_production_requests.max))
    return results


# ---- the sequence of phases


def _versions_seen(evidence: Evidence, wanted: list[Phase]) -> Result:
    answers = in_routing_order(evidence.requests)
    shown = [told(phase) for phase in wanted]
    if len(answers) < evidence.scenario.expect.min_requests:
        return unknown("versions_seen", shown, "too few answers", len(answers))
    if evidence.traffic_lacks:
        return unknown("versions_seen", shown, evidence.traffic_lacks, len(answers))
    met = matches(answers, wanted)
    measured = wanted if met else phases(answers)
    return compared("versions_seen", [told(phase) for phase in measured], shown, met=met, n=len(answers))


def in_routing_order(requests: list[RequestDone]) -> list[tuple[float, str]]:
    """(sent, version) of every answer with a version; those sent within the tolerance of each other keep versions together."""
    ordered: list[tuple[float, str]] = []
    for sent, version in sorted((one.sent, one.version) for one in requests if one.version):
        place = len(ordered)
        while place and ordered[place - 1][1] != version and sent - ordered[place - 1][0] <= TOLERANCE:
            place -= 1
        if place and ordered[place - 1][1] != version:
            place = len(ordered)
        ordered.insert(place, (sent, version))
    return ordered


def matches(answers: list[tuple[float, str]], wanted: list[Phase]) -> bool:
    """Whether the answers (sent, version) fall into the wanted phases, in order, with nothing else between.

    A phase of several has each of them, and where it is the last, still has at the end. A phase of one version alone lasts
    `PHASE_AT_LEAST`, but for the first: a single answer of v1 between two of v2 is no phase of its own.
    """
    # Every (phase, versions met in it) that the answers so far allow, with the earliest time it can have begun: a regular
    # expression would backtrack for hours here.
    reached = {(0, Phase()): answers[0][0]} if wanted and answers else {}
    before = answers[0][0] if answers else 0.0
    for sent, version in answers:
        following: dict[tuple[int, Phase], float] = {}
        for state, since in reached.items():
            for after, begun in _after(state, since, before, (sent, version), wanted):
                following[after] = min(begun, following.get(after, begun))
        reached, before = following, sent
        if not reached:
            return False
    last = len(wanted) - 1
    whole = any(
        index == last and met == wanted[index] and _long_enough(index, since, before, wanted)
        for (index, met), since in reached.items()
    )
    return whole and _lasts(answers, wanted[-1])


def _after(
    state: tuple[int, Phase], since: float, before: float, answer: tuple[float, str], wanted: list[Phase]
) -> Iterator[tuple[tuple[int, Phase], float]]:
    """Where one more answer leads: it belongs to the same phase, or, where that is complete, begins the next."""
    (index, met), (sent, version) = state, answer
    if version in wanted[index]:
        yield (index, met | {version}), since
    complete = met == wanted[index] and _long_enough(index, since, before, wanted)
    if complete and index + 1 < len(wanted) and version in wanted[index + 1]:
        yield (index + 1, Phase([version])), sent


def _long_enough(index: int, since: float, until: float, wanted: list[Phase]) -> bool:
    return index == 0 or len(wanted[index]) > 1 or until - since >= PHASE_AT_LEAST


def _lasts(answers: list[tuple[float, str]], phase: Phase) -> bool:
    """Whether every version of the last phase still answers at the end."""
    ends = {version: sent for sent, version in answers}
    return len(phase) == 1 or all(answers[-1][0] - ends[version] <= STILL_MIXED for version in phase)


def phases(answers: list[tuple[float, str]]) -> list[Phase]:
    """What a reader would call the phases: long runs of one version, and what lies between them."""
    runs = [(version, list(group)) for version, group in groupby(answers, key=lambda one: one[1])]
    found: list[Phase] = []
    mixed: set[str] = set()
    for index, (version, group) in enumerate(runs):
        long = group[-1][0] - group[0][0] >= PHASE_AT_LEAST
        if long or index in (0, len(runs) - 1):
            if len(mixed) > 1:
                found.append(frozenset(mixed))
            found.append(frozenset([version]))
            mixed = set()
        else:
            mixed |= {version, runs[index - 1][0], runs[index + 1][0]}
    return [phase for index, phase in enumerate(found) if index == 0 or phase != found[index - 1]]


def told(phase: Phase) -> str:
    return "+".join(sorted(phase))


# ---- at the end, and before the shift


def _live_at_end(evidence: Evidence, wanted: str) -> Result:
    """What the last second of traffic was answered by: one version alone, or it is not live; `nobody` where none named one."""
    if not any(one.version for one in evidence.requests):
        return unknown("live_at_end", wanted, "no answer named a version")
    if evidence.traffic_lacks:
        return unknown("live_at_end", wanted, evidence.traffic_lacks, len(evidence.requests))
    last = [one for one in evidence.requests if one.sent >= evidence.requests[-1].sent - AT_END]
    versions = sorted({one.version for one in last if one.version})
    return compared("live_at_end", "+".join(versions) or "nobody", wanted, met=versions == [wanted], n=len(last))


def _green_before_the_shift(evidence: Evidence, most: int) -> Result:
    """Production requests that green answered before AllowTraffic began."""
    green = evidence.scenario.release.to.version
    began = evidence.shift_began
    before = [one for one in evidence.requests if began is None or one.at < began]
    served = sum(one.version == green for one in before)
    n = sum(one.version is not None for one in before)
    if served > most:
        return compared("green_production_requests", served, most, met=False, n=n)
    if not n or evidence.deployment is None:
        return unknown("green_production_requests", most, "no answer before the shift named a version")
    return compared("green_production_requests", served, most, met=True, n=n)
