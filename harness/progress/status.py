"""One scenario now, taken from its picture in one go: what the terminal draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from harness.picture import Clocked, Picture
from harness.words import Word

SHIFTED = ("production", "test")


@dataclass(frozen=True, slots=True)
class News:
    """`number` rises within a scenario; `at` is seconds since the deployment began (or the run, before there is one)."""

    number: int
    at: float
    kind: str
    told: Word


@dataclass(frozen=True, slots=True)
class Side:
    version: str
    states: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Status:
    """`doing` is a lifecycle event, one of AWS's statuses or a phase; weights are production's, in percent; `gap` in seconds."""

    scenario: str
    doing: str = "waiting"
    verbose: str = ""
    blue: float | None = None
    green: float | None = None
    rate: float = 0.0
    requests: int = 0
    failed: int = 0
    gap: float = 0.0
    clock: Clocked | None = None
    whole: Clocked | None = None
    lifecycle: tuple[tuple[str, str, float | None], ...] = ()
    sides: tuple[tuple[str, Side], ...] = ()
    alarms: tuple[tuple[str, str], ...] = ()
    news: tuple[News, ...] = ()

    @property
    def weights(self) -> str:
        return "" if self.blue is None or self.green is None else f"{self.blue:g}/{self.green:g}"


class Progress(Protocol):
    def show(self, statuses: Sequence[Status]) -> None:
        """The present state of every scenario; called several times a second."""

    def close(self) -> None: ...


def status_of(scenario: str, picture: Picture, now: float) -> Status:
    """Call it where nobody adds to the picture meanwhile."""
    now = picture.at if picture.ended else now
    first, weights, known = (
        next(iter(picture.deployments.values()), None),
        picture.weights.get("production"),
        picture.scenario,
    )
    zero = (first.started or first.created or first.at) if first else (picture.run.at if picture.run else now)
    return Status(
        scenario=scenario,
        doing=picture.doing,
        verbose=f"{known.versions['blue']} → {known.versions['green']}, {first.config}" if known and first else "",
        blue=weights[0] if weights else None,
        green=weights[1] if weights else None,
        rate=0.0 if picture.ended else picture.users.rate(now),
        requests=picture.users.requests,
        failed=picture.users.failed,
        gap=picture.users.gap(now),
        clock=picture.clocks(now),
        whole=picture.deployment_clock(now),
        lifecycle=tuple((one.name, one.status, _took(one.started, one.ended, now)) for one in picture.events),
        sides=tuple((side, _side(picture, side)) for side in ("blue", "green")) if known else (),
        alarms=tuple((one.name, one.state) for one in picture.alarms.values()),
        news=tuple(
            News(int(one["n"]), one["at"] - zero, one["kind"], Word(one["text"], one["ko"])) for one in picture.news
        ),
    )


def _took(started: float | None, ended: float | None, now: float) -> float | None:
    return None if started is None else (ended or now) - started


def _side(picture: Picture, side: str) -> Side:
    seen = picture.targets.get(side)
    states = tuple((state, count) for state, count in seen.states.items() if count) if seen else ()
    return Side(picture.scenario.versions[side] if picture.scenario else "", states)
