"""A journal, folded once into what expectations ask about. It holds only what real AWS can show: API reads and the probe's requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import cast

from pydantic import ValidationError

from harness.journal import (
    ActionTaken,
    AlarmSeen,
    DeploymentSeen,
    E,
    Event,
    JournalInvalid,
    LifecycleSeen,
    ProbeEnded,
    RequestDone,
    RunEnded,
    RunStarted,
    SteadyState,
    TargetHealthSeen,
    TornDown,
    Trouble,
    WeightsSeen,
)
from harness.scenario import Scenario

ENDED = ("Succeeded", "Failed", "Stopped")
ANSWERED_AT_LEAST = 95.0  # percent of the planned requests that the probe must have told about
SILENCE_AT_MOST = 2.0  # seconds, or two of the rate's intervals


@dataclass
class Evidence:
    """Raises JournalInvalid where there is no RunStarted, or its scenario is not one that this version can read."""

    events: Sequence[Event]
    run: RunStarted = field(init=False)
    scenario: Scenario = field(init=False)

    def __post_init__(self) -> None:
        started = self.all(RunStarted)
        if not started:
            raise JournalInvalid("there is no RunStarted in the journal: nothing is known of what was run")
        self.run = started[0]
        try:
            self.scenario = Scenario.model_validate(self.run.scenario)
        except ValidationError as error:
            raise JournalInvalid(f"its scenario cannot be read by this version: {error.errors()[0]['msg']}") from error

    @cached_property
    def _kinds(self) -> dict[type, list[Event]]:
        """Sorted once: a journal of a hundred thousand requests is not gone through for every question."""
        found: dict[type, list[Event]] = {}
        for event in self.events:
            found.setdefault(type(event), []).append(event)
        return found

    def all(self, kind: type[E]) -> list[E]:
        """The events of one kind, in the order written."""
        return cast(list[E], self._kinds.get(kind, []))

    # ---- users

    @cached_property
    def requests(self) -> list[RequestDone]:
        """In the order they were due."""
        return sorted(self.all(RequestDone), key=lambda one: one.due)

    @cached_property
    def good(self) -> list[RequestDone]:
        """Answers with 2xx or 3xx, in the order they arrived."""
        return sorted((one for one in self.requests if is_good(one)), key=lambda one: one.at)

    @cached_property
    def probe(self) -> ProbeEnded | None:
        ended = self.all(ProbeEnded)
        return ended[-1] if ended else None

    # ---- the deployment

    @cached_property
    def deployments(self) -> dict[str, DeploymentSeen]:
        """The last of each, in the order they were first seen."""
        return {one.id: one for one in self.all(DeploymentSeen)}

    @cached_property
    def deployment(self) -> DeploymentSeen | None:
        """The one the run created first, as it was last seen."""
        return next((one for one in self.deployments.values() if one.rollback_of is None), None)

    @cached_property
    def rollback(self) -> DeploymentSeen | None:
        first = self.deployment
        if first is None:
            return None
        return next((one for one in self.deployments.values() if one.rollback_of == first.id), None)

    @cached_property
    def lifecycle(self) -> dict[str, LifecycleSeen]:
        """Lifecycle events of the first deployment, each as last seen."""
        first = self.deployment
        seen = self.all(LifecycleSeen)
        return {one.name: one for one in seen if first is not None and one.deployment == first.id}

    @cached_property
    def weights(self) -> list[WeightsSeen]:
        """Changes of the production listener."""
        return [one for one in self.all(WeightsSeen) if one.route == "production"]

    @cached_property
    def alarms(self) -> list[AlarmSeen]:
        return self.all(AlarmSeen)

    @cached_property
    def actions(self) -> list[ActionTaken]:
        return self.all(ActionTaken)

    def action(self, name: str) -> ActionTaken | None:
        """The first such action that AWS did not refuse."""
        return next((one for one in self.actions if one.action == name and one.error is None), None)

    @cached_property
    def green_was_healthy(self) -> bool:
        return any(one.side == "green" and one.states.get("healthy", 0) > 0 for one in self.all(TargetHealthSeen))

    # ---- times

    @cached_property
    def shift_began(self) -> float | None:
        """When production traffic began to move: AllowTraffic's own start."""
        event = self.lifecycle.get("AllowTraffic")
        return event.started if event is not None else None

    @cached_property
    def blue_restored(self) -> float | None:
        """When production was last seen to come back to blue alone, after green had some of it."""
        restored, green_had_some = None, False
        for change in self.weights:
            if change.green > 0:
                green_had_some, restored = True, None
            elif green_had_some and restored is None and change.blue > 0:
                restored = change.at
        return restored

    # ---- the run itself

    @cached_property
    def steady(self) -> SteadyState | None:
        seen = self.all(SteadyState)
        return seen[-1] if seen else None

    @cached_property
    def ended(self) -> RunEnded | None:
        seen = self.all(RunEnded)
        return seen[-1] if seen else None

    @cached_property
    def unsupported(self) -> str | None:
        return next((one.message for one in self.all(Trouble) if one.step == "unsupported"), None)

    @property
    def broke_off(self) -> str:
        """Why the run did not come to its end, empty where it did."""
        if self.ended is None:
            return "the journal breaks off"
        return "" if self.ended.complete else self.ended.reason or "the run broke off"

    @cached_property
    def traffic_lacks(self) -> str:
        """Why the probe's requests do not tell what users met, empty where they cover the deployment from start to end."""
        ends = [one.completed for one in self.deployments.values() if one.completed is not None]
        if not self.requests:
            return "no request was made"
        if not self.deployments:
            return "no deployment was seen"
        allowed = max(SILENCE_AT_MOST, 2 / self.scenario.traffic.rate)
        if ends and (silent := max(ends) - self.requests[-1].due) > allowed:
            return f"the last request was sent {silent:.1f} s before the deployment ended"
        lost = [one.message for one in self.all(Trouble) if one.step == "traffic"]
        if lost:
            return "; ".join(lost)
        if self.probe is None and self.ended is not None and self.broke_off:
            return f"the probe never came to its end: {self.broke_off}"
        if self.probe is not None and 100 * self.probe.done < ANSWERED_AT_LEAST * self.probe.planned:
            return f"the probe told of {self.probe.done} of its {self.probe.planned} requests"
        return ""

    @cached_property
    def left(self) -> tuple[str, ...]:
        seen = self.all(TornDown)
        return seen[-1].left if seen else ()


def is_good(request: RequestDone) -> bool:
    return request.status is not None and 200 <= request.status < 400
