"""A run as it stands, folded from its journal one event at a time: what the dashboard and the terminal draw.

Its size is bounded however long the run is. Times are epoch seconds; `now` is the reader's, for what is still going on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from harness import compression, look
from harness.journal import (
    ActionTaken,
    AlarmSeen,
    DeploymentSeen,
    Event,
    LifecycleSeen,
    PhaseEntered,
    ProbeEnded,
    Provisioned,
    RequestDone,
    RunEnded,
    RunStarted,
    ServiceEventSeen,
    SteadyState,
    TargetHealthSeen,
    TaskSeen,
    TaskSetSeen,
    TaskStopped,
    TornDown,
    Trouble,
    Waited,
    WeightsSeen,
)
from harness.scenario import LIFECYCLE_EVENTS, Scenario
from harness.words import Word, word

SECONDS_KEPT, NEWS_KEPT, ERRORS_KEPT, STOPPED_KEPT = 180, 30, 5, 8
TEXT_AT_MOST = 300
ENDED = ("Succeeded", "Failed", "Stopped")
ROUTES = ("production", "test")
LATE = 0.5  # seconds after which an answer that is not in the journal is an open gap, and not merely on its way there


@dataclass
class Clocked:
    """Something that takes time, on both clocks: seconds so far and still to come, here and as AWS would take.

    `remaining` is None where it ends when something happens, not when a time is over.
    """

    name: str
    elapsed: float
    remaining: float | None
    aws_elapsed: float
    aws_remaining: float | None


@dataclass
class Second:
    """Requests that were due in one second, by who answered; failed ones in `failed` alone."""

    at: int
    blue: int = 0
    green: int = 0
    nobody: int = 0
    failed: int = 0


@dataclass
class Users:
    requests: int = 0
    failed: int = 0
    longest_gap: float = 0.0
    last_good: float | None = None
    planned: int | None = None
    seconds: deque[Second] = field(default_factory=lambda: deque(maxlen=SECONDS_KEPT))
    errors: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=ERRORS_KEPT))

    def gap(self, now: float) -> float:
        """The longest time between two good answers, one that is still open included."""
        open_now = now - self.last_good if self.last_good is not None and self.planned is None else 0.0
        return max(self.longest_gap, open_now) if open_now > LATE else self.longest_gap

    def rate(self, now: float) -> float:
        """Requests per second over the last two whole seconds."""
        return sum(_total(one) for one in self.seconds if int(now) - 2 <= one.at < int(now)) / 2


def _total(one: Second) -> int:
    return one.blue + one.green + one.nobody + one.failed


class Picture:
    """`add` every event in order; `as_dict` is all a page needs, as plain JSON values."""

    def __init__(self) -> None:
        self.run: RunStarted | None = None
        self.scenario: Scenario | None = None
        self.phase = "waiting"
        self.since = 0.0
        self.at = 0.0
        self.provisioned: Provisioned | None = None
        self.weights: dict[str, tuple[float, float]] = {}
        self.deployments: dict[str, DeploymentSeen] = {}
        self.lifecycle: dict[str, dict[str, LifecycleSeen]] = {}
        self.waits: list[Waited] = []
        self.targets: dict[str, TargetHealthSeen] = {}
        self.task_sets: dict[str, TaskSetSeen] = {}
        self.tasks: dict[str, TaskSeen] = {}
        self.stopped: deque[TaskStopped] = deque(maxlen=STOPPED_KEPT)
        self.alarms: dict[str, AlarmSeen] = {}
        self.users = Users()
        self.news: deque[dict[str, Any]] = deque(maxlen=NEWS_KEPT)
        self.troubles: deque[str] = deque(maxlen=ERRORS_KEPT)
        self._told = 0
        self.steady: SteadyState | None = None
        self.ended: RunEnded | None = None

    def add(self, event: Event) -> None:
        self.at = max(self.at, event.at)
        take: Callable[[Any], None] | None = getattr(self, f"_{type(event).__name__}", None)
        if take is not None:
            take(event)

    # ---- one for each kind of event, by its name

    def _RunStarted(self, event: RunStarted) -> None:
        self.run, self.scenario = event, Scenario.model_validate(event.scenario)
        self._tell(event.at, "run", word("news_run", target=event.target, runtime=event.runtime or "AWS"))

    def _PhaseEntered(self, event: PhaseEntered) -> None:
        self.phase, self.since = event.phase, event.at

    def _Provisioned(self, event: Provisioned) -> None:
        self.provisioned = event

    def _SteadyState(self, event: SteadyState) -> None:
        self.steady = event
        if not event.reached:
            self._tell(event.at, "failed", word("news_unsteady", why=event.detail))

    def _RequestDone(self, event: RequestDone) -> None:
        users = self.users
        users.requests += 1
        good = event.status is not None and 200 <= event.status < 400
        second = self._second(int(event.due))
        kind = self.side_of(event.version) if good else "failed"
        setattr(second, kind, getattr(second, kind) + 1)
        if not good:
            users.failed += 1
            users.errors.append(
                {"at": event.at, "status": event.status, "version": event.version, "text": _short(event.error or "")}
            )
            return
        if users.last_good is not None:
            users.longest_gap = max(users.longest_gap, event.at - users.last_good)
        users.last_good = max(event.at, users.last_good or 0.0)

    def _second(self, at: int) -> Second:
        """Answers come out of order; one from before what is kept counts for the oldest second."""
        seconds = self.users.seconds
        if not seconds:
            seconds.append(Second(at))
        while seconds[-1].at < at:
            seconds.append(Second(max(seconds[-1].at + 1, at - SECONDS_KEPT)))
        return seconds[max(0, len(seconds) - 1 - (seconds[-1].at - at))]

    def _ProbeEnded(self, event: ProbeEnded) -> None:
        self.users.planned = event.planned

    def _DeploymentSeen(self, event: DeploymentSeen) -> None:
        before = self.deployments.get(event.id)
        self.deployments[event.id] = event
        if before is None or before.status != event.status:
            why = f": {event.error_code}: {event.error_message or ''}" if event.error_code else ""
            what = "news_rollback" if event.rollback_of else "news_deployment"
            kind = "rollback" if event.rollback_of and before is None else _tone(event.status)
            self._tell(event.at, kind, word(what, id=event.id, status=event.status, why=why))

    def _LifecycleSeen(self, event: LifecycleSeen) -> None:
        self.lifecycle.setdefault(event.deployment, {})[event.name] = event
        if event.status not in ("Pending", "Skipped"):
            said = f": {event.diagnostics}" if event.diagnostics and event.status == "Failed" else ""
            at = event.ended or event.started or event.at
            self._tell(at, _tone(event.status), word("news_event", name=event.name, status=event.status, why=said))

    def _Waited(self, event: Waited) -> None:
        if event.at not in {one.at for one in self.waits}:
            self.waits.append(event)

    def _WeightsSeen(self, event: WeightsSeen) -> None:
        self.weights[event.route] = (event.blue, event.green)
        route = word(event.route) if event.route in ROUTES else event.route
        told = word("news_weights", route=route, blue=f"{event.blue:g}", green=f"{event.green:g}")
        self._tell(event.at, "weights", told)

    def _TargetHealthSeen(self, event: TargetHealthSeen) -> None:
        self.targets[event.side] = event
        told = _states(event)
        bad = any(state in ("unhealthy", "unavailable") for state in event.states)
        why = f" ({', '.join(event.reasons)})" if bad and event.reasons else ""
        side = _side(event.side)
        self._tell(event.at, "failed" if bad else "health", word("news_targets", side=side, states=told, why=why))

    def _TaskSetSeen(self, event: TaskSetSeen) -> None:
        self.task_sets[event.id] = event

    def _TaskSeen(self, event: TaskSeen) -> None:
        if event.task in {one.task for one in self.stopped}:
            return
        before, self.tasks[event.task] = self.tasks.get(event.task), event
        if before is None or before.status != event.status:
            told = word("news_task", side=_side(event.side), task=event.task[:8], status=event.status)
            self._tell(event.at, "task", told)

    def _TaskStopped(self, event: TaskStopped) -> None:
        self.tasks.pop(event.task, None)
        self.stopped.append(event)
        key, kind = (
            "news_stopped" if event.exit_code is None else "news_stopped_code",
            "failed" if event.exit_code else "task",
        )
        told = word(key, side=_side(event.side), task=event.task[:8], reason=event.reason, code=event.exit_code)
        self._tell(event.at, kind, told)

    def _ServiceEventSeen(self, event: ServiceEventSeen) -> None:
        if "unable" in event.message or "unhealthy" in event.message:
            self._tell(event.created, "failed", Word(event.message, event.message))

    def _AlarmSeen(self, event: AlarmSeen) -> None:
        known = event.name in self.alarms
        self.alarms[event.name] = event
        if known or event.state == "ALARM":
            kind = "alarm" if event.state == "ALARM" else "alarm_off"
            self._tell(event.since, kind, word("news_alarm", name=event.name, state=event.state, reason=event.reason))

    def _ActionTaken(self, event: ActionTaken) -> None:
        kind = "refused" if event.error else "deploy" if event.action == "deploy" else "action"
        key = "news_refused" if event.error else "news_action"
        self._tell(event.at, kind, word(key, action=event.action, detail=event.detail, error=event.error))

    def _Trouble(self, event: Trouble) -> None:
        self.troubles.append(_short(f"{event.step}: {event.message}"))
        self._tell(event.at, "failed", word("news_action", action=event.step, detail=event.message))

    def _TornDown(self, event: TornDown) -> None:
        if event.left:
            self._tell(event.at, "failed", word("news_left", things=", ".join(event.left)))

    def _RunEnded(self, event: RunEnded) -> None:
        self.ended, self.phase, self.since = event, "done", event.at

    def _tell(self, at: float, kind: str, told: Word) -> None:
        en, ko = (_short(one.strip()) for one in told)
        self.news.append({"n": self._told, "at": at, "kind": kind, "text": en, "ko": ko})
        self._told += 1

    # ---- what is asked of it

    def side_of(self, version: str | None) -> str:
        """blue, green or nobody."""
        versions = self.scenario.versions if self.scenario is not None else {}
        return next((side for side, name in versions.items() if version == name), "nobody")

    @property
    def deployment(self) -> DeploymentSeen | None:
        """The newest, so that a rollback is what is shown once there is one."""
        return next(reversed(self.deployments.values()), None)

    @property
    def events(self) -> list[LifecycleSeen]:
        """Lifecycle events of the newest deployment, in AWS's order."""
        newest = self.deployment
        seen = self.lifecycle.get(newest.id, {}) if newest else {}
        order = {name: index for index, name in enumerate(LIFECYCLE_EVENTS)}
        return sorted(seen.values(), key=lambda one: order.get(one.name, len(order)))

    @property
    def doing(self) -> str:
        """One word for now: the lifecycle event while deploying, AWS's status where it waits, else the phase."""
        newest = self.deployment
        if self.phase != "deploy" or newest is None:
            return self.phase
        if newest.status in ENDED or newest.status in ("Created", "Queued", "Ready"):
            return f"rollback {newest.status}" if newest.rollback_of else newest.status
        running = [one.name for one in self.events if one.status == "InProgress"]
        if running:
            return running[0]
        return "termination wait" if self.events and all(one.ended for one in self.events) else "between events"

    def clocks(self, now: float) -> Clocked | None:
        """What goes on while deploying, with its time on both clocks."""
        doing, newest = self.doing, self.deployment
        if self.phase != "deploy" or newest is None or newest.status in ENDED:
            return None
        running = next((one for one in self.events if one.name == doing), None)
        ended = [one.ended for one in self.events if one.ended is not None]
        began = running.started if running else max(ended) if doing == "termination wait" else newest.started
        began = newest.created or newest.at if began is None else began
        return _clocked(doing, began, now, self._waits_of(began, doing))

    def deployment_clock(self, now: float) -> Clocked | None:
        """The first deployment as a whole, from its start; what remains is what AWS would still wait at least."""
        first = next((one for one in self.deployments.values() if not one.rollback_of), None)
        began = (first.started or first.created) if first else None
        if first is None or began is None:
            return None
        until = first.completed or now
        waits = [_span(one.declared, one.effective, one.at) for one in self.waits if one.at >= began]
        if first.status not in ENDED:
            waits += [_span(one.declared, one.effective, None) for one in self._planned()]
        return _clocked(first.status, began, until, waits)

    def _waits_of(self, began: float, doing: str) -> list[tuple[float, float, float | None]]:
        """Those of one lifecycle event: what has begun since, and in AllowTraffic what is still to come before its end."""
        begun = [_span(one.declared, one.effective, one.at) for one in self.waits if one.at >= began - 0.5]
        if doing == "AllowTraffic":
            begun += [
                _span(one.declared, one.effective, None) for one in self._planned() if one.why != "termination wait"
            ]
        elif doing == "termination wait":
            begun += [_span(one.declared, one.effective, None) for one in self._planned()]
        return begun

    def _planned(self) -> list[compression.Wait]:
        """Waits that have not begun."""
        if self.scenario is None or self.run is None or any(one.rollback_of for one in self.deployments.values()):
            return []
        plan = compression.compression_for(self.scenario, self.run.compression)
        return [one for one in plan.waits if one.why not in {begun.why for begun in self.waits}]

    def failures(self) -> list[dict[str, Any]]:
        """The last errors, newest first: of users, tasks, calls."""
        told = [one for one in self.news if one["kind"] in ("failed", "refused", "alarm")]
        requests = [
            {
                "at": one["at"],
                "kind": "failed",
                "text": f"{one['status'] or one['text']} {one['version'] or ''}".strip(),
            }
            for one in self.users.errors
        ]
        return sorted([*told, *requests], key=lambda one: float(one["at"]), reverse=True)[:ERRORS_KEPT]


def _span(declared: float, effective: float, at: float | None) -> tuple[float, float, float | None]:
    return declared, effective, at


def _clocked(name: str, began: float, now: float, waits: list[tuple[float, float, float | None]]) -> Clocked:
    """`waits` are (declared, effective, when it began or None). Between waits both clocks run alike."""
    elapsed = max(0.0, now - began)
    saved = remaining = aws_remaining = 0.0
    for declared, effective, at in waits:
        spent = 0.0 if at is None else min(max(0.0, now - at), effective)
        factor = declared / effective if effective else 1.0
        saved += spent * (factor - 1)
        remaining += effective - spent
        aws_remaining += (effective - spent) * factor
    if not waits:
        return Clocked(name, elapsed, None, elapsed, None)
    return Clocked(name, elapsed, remaining, elapsed + saved, aws_remaining)


def _side(side: str | None) -> Word | str:
    seen = look.SIDES.get(side or "")
    return Word(seen.en, seen.ko) if seen else side or ""


def _states(event: TargetHealthSeen) -> Word:
    """`2 healthy, 1 draining`, or that there are none."""
    seen = [
        word("count_of", count=count, state=Word(known.en, known.ko) if (known := look.HEALTH.get(state)) else state)
        for state, count in event.states.items()
        if count
    ]
    if not seen:
        return word("no_targets")
    return Word(", ".join(one.en for one in seen), ", ".join(one.ko for one in seen))


def _tone(status: str) -> str:
    return "failed" if status in ("Failed", "Stopped") else "lifecycle"


def _short(text: str) -> str:
    return text if len(text) <= TEXT_AT_MOST else f"{text[: TEXT_AT_MOST - 1]}…"
