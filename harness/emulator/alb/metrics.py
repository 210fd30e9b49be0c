"""The load balancer's metrics, folded from finished requests in the data plane itself (C.9): what is published is never per request.

What is about targets is told by availability zone as well, where the targets' zones are known. `RejectedConnectionCount` is never
reported: there is no largest number of connections here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from harness.emulator.alb.exchange import Ended
from harness.emulator.alb.messages import Datum
from harness.emulator.alb.reply import Reply
from harness.emulator.alb.rules import Rule
from harness.emulator.alb.targets import Member

if TYPE_CHECKING:
    from harness.emulator.alb.listener import Listener

RESOLUTION = 0.1  # seconds that share a datum
TICKS = 10_000  # response times are kept to a tenth of a millisecond
CONNECT_ERRORS = ("ConnectionRefused", "ConnectTimeout")
ACTIONS = {"Redirect": "HTTP_Redirect_Count", "FixedResponse": "HTTP_Fixed_Response_Count"}
Place = tuple[str, str, str, float]  # load balancer, target group or "", availability zone or "", time
Alike = tuple["Listener", Member | None, int | None, int, Rule | None, str]
Outcome = tuple[bool, int | None, int, str, str]  # a target was chosen, its status, ours, action, reason


class Meter:
    """Counts what happened since it was last drained. A metric is published only where it is not zero, as ALB does."""

    def __init__(self) -> None:
        self._outcomes: Counter[tuple[Place, Outcome]] = Counter()
        self._times: defaultdict[Place, Counter[int]] = defaultdict(Counter)
        self._extra: Counter[tuple[str, Place]] = Counter()

    def add(self, finished: Iterable[Ended], now: float) -> None:
        """Count requests that have ended. Most are alike, so they are first sorted by what they share."""
        at = round(now // RESOLUTION * RESOLUTION, 1)
        alike: defaultdict[Alike, list[float]] = defaultdict(list)
        passed: defaultdict[tuple[Listener, Member, Reply, Rule], list[float]] = defaultdict(list)
        for one in finished:
            if isinstance(one, tuple):
                arrived, answered, _, client, _, target, rule, reply = one
                passed[client.listener, target, reply, rule].append(answered - arrived)
            else:
                key = (one.client.listener, one.member, one.status, one.elb_status, one.rule, one.error_reason)
                alike[key].append(one.first_byte - one.sent_at)
        for (where, target, reply, rule), waits in passed.items():
            alike[where, target, reply.status, reply.status, rule, "-"] += waits
        for (listener, member, target_status, status, matched, reason), waits in alike.items():
            group, zone = (member.group.arn, member.target.zone) if member else ("", "")
            place = (listener.load_balancer, group, zone, at)
            action = type(matched.action).__name__ if matched else "-"
            self._outcomes[place, (member is not None, target_status, status, action, reason)] += len(waits)
            if member is not None and target_status is not None:
                self._times[place].update([int(wait * TICKS) for wait in waits])

    def count(self, name: str, load_balancer: str, number: int, now: float) -> None:
        """Something of a load balancer that is no request."""
        if number:
            self._extra[name, (load_balancer, "", "", round(now // RESOLUTION * RESOLUTION, 1))] += number

    def drain(self, targets: Callable[[str], int]) -> list[Datum]:
        """What was counted, by load balancer and by target group; `targets` says how many a group has."""
        counts, times = self._extra, self._times
        outcomes, self._outcomes = self._outcomes, Counter()
        self._extra, self._times = Counter(), defaultdict(Counter)
        shares: Counter[Place] = Counter()
        for (place, outcome), number in outcomes.items():
            for name, where in _counted(place, outcome):
                counts[name, where] += number
            if place[1] and outcome[0]:
                shares[place[0], place[1], "", place[3]] += number
        return [
            *(Datum(name, *place, "Count", [1.0], [float(number)]) for (name, place), number in counts.items()),
            *(
                Datum("RequestCountPerTarget", *place, "Count", [number / max(1, targets(place[1]))], [1.0])
                for place, number in shares.items()
            ),
            *_response_times(times),
        ]


def _counted(place: Place, outcome: Outcome) -> Iterator[tuple[str, Place]]:
    """The counts that one request adds to: a target's by group and zone as well, the load balancer's own not."""
    balancer = (place[0], "", "", place[3])
    chosen, target_status, status, action, reason = outcome
    own, both = [], ["RequestCount"] if chosen else []
    if target_status is not None and target_status >= 200:
        both.append(f"HTTPCode_Target_{target_status // 100}XX_Count")
    elif 300 <= status < 600:
        own.append(f"HTTPCode_ELB_{status // 100}XX_Count")
        own += [f"HTTPCode_ELB_{status}_Count"] if status in (500, 502, 503, 504) else []
    if action in ACTIONS:
        own.append(ACTIONS[action])
    if reason in CONNECT_ERRORS:
        both.append("TargetConnectionErrorCount")
    for name in own:
        yield name, balancer
    for name in both:
        for where in _wheres(place):
            yield name, where


def _wheres(place: Place) -> set[Place]:
    """Where something counts that is about a target: all that CloudWatch has a metric for (C.9)."""
    balancer, group, zone, at = place
    return {(balancer, one, other, at) for one in ("", group) for other in ("", zone)}


def _response_times(times: dict[Place, Counter[int]]) -> Iterator[Datum]:
    """By target group and zone, and of all of them together."""
    together: defaultdict[Place, Counter[int]] = defaultdict(Counter)
    for place, values in times.items():
        for where in _wheres(place):
            together[where].update(values)
    for place, values in together.items():
        yield Datum(
            "TargetResponseTime",
            *place,
            "Seconds",
            [ticks / TICKS for ticks in values],
            [float(one) for one in values.values()],
        )


def gauge(name: str, load_balancer: str, target_group: str, number: int, now: float, zone: str = "") -> Datum:
    """One reading of something that is, not happens: hosts, open connections."""
    return Datum(name, load_balancer, target_group, zone, round(now, 1), "Count", [float(number)], [1.0])
