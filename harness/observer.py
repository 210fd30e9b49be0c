"""Reads what AWS shows of a deployment and writes every change into the journal.

One thread per scenario. What moves users (listener weights) is read most often, what explains them less often: every read costs
the machine that runs the whole rehearsal, and on AWS counts against the API's rate limits.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from harness import clock
from harness.driver import Stack, cloudwatch, codedeploy, ecs, elbv2
from harness.driver.codedeploy import DeploymentView, LifecycleEvent
from harness.driver.session import error_code
from harness.errors import HarnessError
from harness.journal import (
    AlarmSeen,
    DeploymentSeen,
    Event,
    LifecycleSeen,
    ServiceEventSeen,
    Side,
    TargetHealthSeen,
    TaskSeen,
    TaskSetSeen,
    TaskStopped,
    Trouble,
    WeightsSeen,
)

TICK = 0.25
LINK_WITHIN = 5.0  # A.5.1: rollbackInfo is written only after the status has changed
SHIFTING = ("BeforeAllowTraffic", "AllowTraffic", "AfterAllowTraffic")


@dataclass(frozen=True, slots=True)
class View:
    """The latest of everything, for whoever decides what to do next. Deployments in the order they were first seen."""

    deployments: Mapping[str, DeploymentView] = field(default_factory=dict)
    lifecycle: Mapping[str, Mapping[str, LifecycleEvent]] = field(default_factory=dict)
    blue: float | None = None
    green: float | None = None
    settled: bool = False
    """Every deployment has finished, with any rollback there may be."""

    def event(self, deployment: str, name: str) -> LifecycleEvent | None:
        return self.lifecycle.get(deployment, {}).get(name)


class Observer:
    """`follow` a deployment to see its life, and its rollback's; `view` is replaced as a whole, never changed."""

    def __init__(self, stack: Stack, write: Callable[[Event], None], every: float = TICK) -> None:
        self.view, self.rounds = View(), 0
        self._stack, self._session, self._write, self._every = stack, stack.session, write, every
        self._followed: list[str] = []
        self._finished_at: dict[str, float] = {}
        self._last: dict[object, object] = {}
        self._alarm_history = cloudwatch.AlarmHistory(self._session, list(stack.alarms.values()))
        self._sides: dict[str, Side] = {}
        self._stopped_tasks: set[str] = set()
        self._troubles: set[str] = set()
        self._newest_event = clock.now()
        self._stop, self._changing = threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._run, name=f"observer {stack.scenario.id}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def follow(self, deployment: str) -> None:
        with self._changing:
            if deployment not in self._followed:
                self._followed.append(deployment)
                self.view = dataclasses.replace(self.view, settled=False)

    def stop(self) -> None:
        """Look at everything once more, and end."""
        self._stop.set()
        self._thread.join(60)

    # ---- the round

    def _run(self) -> None:
        looks: tuple[tuple[int, Callable[[], None]], ...] = (
            (2, self._deployments),
            (4, self._service),
            (4, self._health),
            (4, self._alarms),
            (4, self._live_tasks),
            (8, self._tasks),
        )
        turn, took = 0, 0.0
        while not self._stop.wait(max(self._every, took)):  # a target that answers slowly is not asked the harder
            began = clock.monotonic()
            if turn % 2 == 0 or self._shifting():
                self._attempt(self._weights)
            for offset, (every, look) in enumerate(looks):
                if (turn + offset) % every == 0:
                    self._attempt(look)
            turn += 1
            self.rounds, took = turn, clock.monotonic() - began
        for look in (self._weights, *(look for _, look in looks)):
            self._attempt(look)

    def _attempt(self, look: Callable[[], None]) -> None:
        """A read that fails is tried again at its next turn; the journal says so once."""
        try:
            look()
        except (ClientError, HarnessError) as error:
            what = f"{look.__name__.strip('_')}: {error}"
            if what not in self._troubles:
                self._troubles.add(what)
                self._write(Trouble(at=clock.now(), step="observe", message=what))

    def _shifting(self) -> bool:
        return any(
            (event := events.get(name)) is not None and event.status == "InProgress"
            for events in self.view.lifecycle.values()
            for name in SHIFTING
        )

    def _update(self, **parts: Any) -> None:
        with self._changing:
            self.view = dataclasses.replace(self.view, **parts)

    def _changed(self, key: object, value: object) -> bool:
        if self._last.get(key) == value:
            return False
        self._last[key] = value
        return True

    # ---- what is read

    def _weights(self) -> None:
        stack = self._stack
        listeners = {stack.production_listener: "production"}
        if stack.test_listener:
            listeners[stack.test_listener] = "test"
        for arn, percentages in elbv2.weights(self._session, list(listeners)).items():
            blue = percentages.get(stack.blue_target_group, 0.0)
            green = percentages.get(stack.green_target_group, 0.0)
            route = listeners[arn]
            if route == "production":
                self._update(blue=blue, green=green)
            if self._changed(("weights", route), (blue, green)):
                self._write(
                    WeightsSeen(
                        at=clock.now(), route="test" if route == "test" else "production", blue=blue, green=green
                    )
                )

    def _deployments(self) -> None:
        for deployment in list(self._followed):
            if self._over(deployment):
                continue
            seen = codedeploy.get_deployment(self._session, deployment)
            self._lifecycle(deployment)  # after the status: of a finished deployment this is the last word
            self._see(seen)
            if seen.rollback_id:
                self.follow(seen.rollback_id)
        with self._changing:
            settled = bool(self._followed) and all(self._over(one) for one in self._followed)
            self.view = dataclasses.replace(self.view, settled=settled)

    def _over(self, deployment: str) -> bool:
        seen = self.view.deployments.get(deployment)
        if seen is None or not seen.finished:
            return False
        waiting = seen.status != "Succeeded" and seen.rollback_id is None and seen.creator != "codeDeployRollback"
        return not waiting or clock.monotonic() - self._finished_at[deployment] > LINK_WITHIN

    def _see(self, seen: DeploymentView) -> None:
        if seen.finished:
            self._finished_at.setdefault(seen.id, clock.monotonic())
        self._update(deployments={**self.view.deployments, seen.id: seen})
        if self._changed(seen.id, seen):
            self._write(DeploymentSeen(at=clock.now(), **dataclasses.asdict(seen)))

    def _lifecycle(self, deployment: str) -> None:
        events = codedeploy.lifecycle_events(self._session, self._stack.group, deployment)
        by_name = {event.name: event for event in events}
        self._update(lifecycle={**self.view.lifecycle, deployment: by_name})
        for event in events:
            if self._changed((deployment, event.name), event):
                self._write(LifecycleSeen(at=clock.now(), deployment=deployment, **dataclasses.asdict(event)))

    def _service(self) -> None:
        seen = ecs.describe(self._session, self._stack.network.cluster, self._stack.group.service)
        if seen is None:
            return
        for task_set in seen.task_sets:
            side = self._side(task_set.target_group)
            if side is not None:
                self._sides[task_set.id] = side
                self._task_set(task_set, side)
        for event in reversed(seen.events):
            created = event["createdAt"].timestamp()
            if created >= self._newest_event and self._changed(("event", event["id"]), True):
                self._newest_event = created
                self._write(ServiceEventSeen(at=clock.now(), created=created, message=event["message"]))

    def _task_set(self, seen: ecs.TaskSet, side: Side) -> None:
        if self._changed(seen.id, seen):
            self._write(
                TaskSetSeen(
                    at=clock.now(),
                    id=seen.id,
                    side=side,
                    status=seen.status,
                    stability=seen.stability,
                    desired=seen.desired,
                    running=seen.running,
                    pending=seen.pending,
                )
            )

    def _side(self, target_group: str | None) -> Side | None:
        if target_group == self._stack.blue_target_group:
            return "blue"
        return "green" if target_group == self._stack.green_target_group else None

    def _health(self) -> None:
        groups: tuple[tuple[Side, str], ...] = (
            ("blue", self._stack.blue_target_group),
            ("green", self._stack.green_target_group),
        )
        for side, target_group in groups:
            seen = elbv2.target_health(self._session, target_group)
            if self._changed(("health", side), seen):
                self._write(
                    TargetHealthSeen(
                        at=clock.now(),
                        side=side,
                        states=dict(seen.states),
                        reasons=seen.reasons,
                        targets=dict(seen.targets),
                    )
                )

    def _alarms(self) -> None:
        if not self._stack.alarms:
            return
        short = {full: name for name, full in self._stack.alarms.items()}
        for seen in self._alarm_history.look():
            if seen.state in ("OK", "ALARM", "INSUFFICIENT_DATA"):
                self._write(
                    AlarmSeen.model_validate(
                        {
                            "at": clock.now(),
                            "name": short[seen.name],
                            "state": seen.state,
                            "since": seen.since,
                            "reason": seen.reason,
                        }
                    )
                )

    def _live_tasks(self) -> None:
        stack = self._stack
        for task in ecs.live_tasks(self._session, stack.network.cluster, stack.group.service):
            if self._changed(("task", task.arn), task):
                self._write(
                    TaskSeen(
                        at=clock.now(),
                        task=task.arn.rpartition("/")[2],
                        side=self._side_of(task),
                        version=self._version_of(task),
                        status=task.status,
                        address=task.address,
                    )
                )

    def _tasks(self) -> None:
        stack = self._stack
        new = ecs.stopped_tasks(self._session, stack.network.cluster, stack.group.service, self._stopped_tasks)
        for task in new:
            self._stopped_tasks.add(task.arn)
            self._write(
                TaskStopped(
                    at=clock.now(),
                    task=task.arn.rpartition("/")[2],
                    side=self._side_of(task),
                    stop_code=task.stop_code,
                    reason=task.reason,
                    exit_code=task.exit_code,
                )
            )

    def _version_of(self, task: ecs.LiveTask) -> str | None:
        known = self._stack.task_definitions.items()
        return next((version for version, one in known if one.arn == task.task_definition), None)

    def _side_of(self, task: ecs.LiveTask | ecs.StoppedTask) -> Side | None:
        """By its task set; by its task definition where the task does not name one."""
        if task.task_set in self._sides:
            return self._sides[task.task_set]
        versions = self._stack.scenario.versions
        sides: tuple[Side, ...] = ("blue", "green")
        for side in sides:
            known = self._stack.task_definitions.get(versions[side])
            if known is not None and known.arn == task.task_definition:
                return side
        return None


def code_of(error: Exception) -> str:
    """The AWS error code of a failed call, or the name of our own error."""
    return error_code(error) if isinstance(error, ClientError) else type(error).__name__
