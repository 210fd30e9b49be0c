"""Which version users met, and when. An answer that names no version was served by nobody."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate, groupby

from harness.expectations.base import Result, compared, unknown
from harness.expectations.evidence import Evidence
from harness.journal import RequestDone

TOLERANCE = 0.02  # seconds in which the order of sending and the order of routing may differ
PHASE_AT_LEAST = 1.5  # seconds of one version alone that a reader would call a phase
CHANCE = 1e-4  # what is less likely is no chance: of a tenth of 20 requests/s none comes for over 4 s
AT_END = 1.0  # seconds of the last traffic that say what is live

Phase = frozenset[str]
Answer = tuple[float, str]
_State = tuple[int, Phase]


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
    if not met and matches(answers, wanted, chance=1):
        why = "a phase of one version alone is too short: beside the mixture it may be chance"
        return unknown("versions_seen", shown, why, len(answers))
    measured = wanted if met else phases(answers)
    return compared("versions_seen", [told(phase) for phase in measured], shown, met=met, n=len(answers))


def in_routing_order(requests: list[RequestDone]) -> list[Answer]:
    """(sent, version) of every answer with a version; those sent within the tolerance of each other keep versions together."""
    ordered: list[Answer] = []
    for sent, version in sorted((one.sent, one.version) for one in requests if one.version):
        place = len(ordered)
        while place and ordered[place - 1][1] != version and sent - ordered[place - 1][0] <= TOLERANCE:
            place -= 1
        if place and ordered[place - 1][1] != version:
            place = len(ordered)
        ordered.insert(place, (sent, version))
    return ordered


def matches(answers: list[Answer], wanted: list[Phase], chance: float = CHANCE) -> bool:
    """Whether the answers (sent, version) fall into the wanted phases, in order, with nothing else between.

    A phase of several has each of them, and where it is the last, still has at the end. A phase of one version alone, but for
    the first, lasts `PHASE_AT_LEAST`; next to a phase of several it also has so many answers that the share of its version
    there would bring them with a probability under `chance`: a single answer of v1 between two of v2 is no phase of its own,
    and thirty of v1 in a row are none where nine in ten are v1's. The first is what was before the deployment.
    """
    if not answers or not wanted:
        return False
    mirrored = [(-sent, version) for sent, version in reversed(answers)]
    forwards = _Walk(answers, wanted, chance, shorter=0)
    backwards = _Walk(mirrored, wanted[::-1], chance, shorter=len(wanted) - 1)
    return forwards.ends(_still_mixed(forwards)) and backwards.ends()


@dataclass(frozen=True, slots=True)
class _Begun:
    """A phase that the answers so far allow: the number of its first answer, and how many of them chance would not bring."""

    first: int
    needs: int


@dataclass(frozen=True, slots=True)
class _Walk:
    """One way through the answers, in time or against it. `shorter` is the phase that may be as short as it likes."""

    answers: list[Answer]
    wanted: list[Phase]
    chance: float
    shorter: int

    def ends(self, allowed: Callable[[_Begun], bool] = lambda _: True) -> bool:
        """Whether it can end as the last phase, begun so that it is `allowed`."""
        # Every (phase, versions met in it) that the answers so far allow, with the begin that is complete first: a regular
        # expression would backtrack for hours here.
        tally = _Tally(self.answers)
        reached = {(0, Phase()): _Begun(0, 0)}
        for number, (_, version) in enumerate(self.answers):
            following: dict[_State, _Begun] = {}
            for state, begun in reached.items():
                for after, candidate in self._after(state, begun, number, version, tally):
                    known = following.get(after)
                    if known is None or _complete_at(candidate) < _complete_at(known):
                        following[after] = candidate
            reached = following
            if not reached:
                return False
        last, end = len(self.wanted) - 1, len(self.answers)
        return any(
            state[0] == last and self._complete(state, begun, end) and allowed(begun)
            for state, begun in reached.items()
        )

    def _after(
        self, state: _State, begun: _Begun, number: int, version: str, tally: _Tally
    ) -> Iterator[tuple[_State, _Begun]]:
        """Where one more answer leads: it belongs to the same phase, or, where that is complete, begins the next."""
        index, met = state
        if version in self.wanted[index]:
            yield (index, met | {version}), begun
        following = index + 1
        if following == len(self.wanted) or version not in self.wanted[following]:
            return
        if self._complete(state, begun, number):
            alone_after_mix = len(self.wanted[index]) > 1 and len(self.wanted[following]) == 1
            share = tally.share(version, begun.first, number, self.before(index)) if alone_after_mix else (0, 0)
            yield (following, Phase([version])), _Begun(number, too_many(*share, self.chance))

    def before(self, index: int) -> Phase:
        """The phase before one, empty before the first."""
        return self.wanted[index - 1] if index else Phase()

    def _complete(self, state: _State, begun: _Begun, end: int) -> bool:
        index, met = state
        if met != self.wanted[index] or len(met) > 1:
            return met == self.wanted[index]
        lasted = self.answers[end - 1][0] - self.answers[begun.first][0]
        return index == self.shorter or (end - begun.first >= begun.needs and lasted >= PHASE_AT_LEAST)


class _Tally:
    """How many answers of each version there are before each answer, and from where to where it and its neighbours are of one."""

    def __init__(self, answers: list[Answer]) -> None:
        self._versions = [version for _, version in answers]
        self._before = {
            one: [0, *accumulate(version == one for version in self._versions)] for one in set(self._versions)
        }
        self._rows: list[tuple[int, int]] = []
        for _, row in groupby(self._versions):
            begin, size = len(self._rows), len(list(row))
            self._rows += [(begin, begin + size)] * size

    def share(self, version: str, first: int, end: int, before: Phase) -> tuple[int, int]:
        """(answers of `version`, all answers) of a mixture from `first` on and before `end`, without the first and last that may
        as well belong to the phase `before`, and to one of `version` alone after it."""
        if before == {self._versions[first]}:
            first = min(self._rows[first][1], end)
        if first < end and self._versions[end - 1] == version:
            end = max(self._rows[end - 1][0], first)
        count = self._before[version]
        return count[end] - count[first], end - first


def too_many(of_it: int, of_all: int, chance: float = CHANCE) -> int:
    """So many answers of a version in a row come with a probability under `chance`, where `of_it` of `of_all` are its own."""
    if of_it in (0, of_all) or chance == 1:
        return 1
    return math.ceil(math.log(chance) / math.log(of_it / of_all))


def _complete_at(begun: _Begun) -> tuple[int, int]:
    return begun.first + begun.needs, begun.first


def _still_mixed(walk: _Walk) -> Callable[[_Begun], bool]:
    """Where the last phase is of several: whether what the answers end with of one version alone is no phase of its own."""
    answers, (ended, version) = walk.answers, walk.answers[-1]
    if len(walk.wanted[-1]) == 1:
        return lambda _: True
    tail = next((n for n in range(len(answers) - 1, -1, -1) if answers[n][1] != version), -1) + 1
    tally, before = _Tally(answers), walk.before(len(walk.wanted) - 1)

    def allowed(begun: _Begun) -> bool:
        short = ended - answers[tail][0] < PHASE_AT_LEAST
        return short or len(answers) - tail < too_many(*tally.share(version, begun.first, tail, before))

    return allowed


def phases(answers: list[Answer]) -> list[Phase]:
    """What a reader would call the phases: rows of one version that chance does not explain, and what lies between them."""
    rows = [(version, list(group)) for version, group in groupby(answers, key=lambda one: one[1])]
    found: list[Phase] = []
    mixed: set[str] = set()
    since: Counter[str] = Counter()
    for index, (version, row) in enumerate(rows):
        long = row[-1][0] - row[0][0] >= PHASE_AT_LEAST and len(row) >= too_many(since[version], since.total())
        if long or index == 0:
            if len(mixed) > 1:
                found.append(frozenset(mixed))
            found.append(frozenset([version]))
            mixed, since = set(), Counter()
        else:
            mixed |= {version, rows[index - 1][0]}
            since[version] += len(row)
    if len(mixed) > 1:
        found.append(frozenset(mixed))
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
