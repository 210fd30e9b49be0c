"""What the scenario does on the way: each action at its moment of the deployment, once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from harness.driver import Stack, cloudwatch, codedeploy, ecs, elbv2
from harness.errors import StepFailed
from harness.observer import View
from harness.scenario import (
    END_MOMENTS,
    Action,
    Continue,
    DeployAgain,
    KillTask,
    RepointListener,
    Scale,
    SetAlarm,
    Stop,
    Version,
)


@dataclass
class Planned:
    """One action, and when its moment was first seen (monotonic seconds)."""

    number: int  # its place in `during`, from 1
    action: Action
    moment: float | None = None
    done: bool = False


class Agenda:
    """The actions of a scenario. `real` turns declared seconds into real ones."""

    def __init__(self, actions: Iterable[Action], real: Callable[[float], float]) -> None:
        self._planned = [Planned(number, action) for number, action in enumerate(actions, 1)]
        self._real = real

    def before(self) -> list[Planned]:
        """What is done just before the deployment."""
        now = [planned for planned in self._planned if planned.action.at == "Before"]
        for planned in now:
            planned.done = True
        return now

    def due(self, view: View, deployment: str, now: float) -> list[Planned]:
        """Actions whose time has come, each only once. `now` is monotonic."""
        ready = []
        for planned in self._planned:
            if planned.done:
                continue
            if planned.moment is None and has_come(planned.action, view, deployment):
                planned.moment = now
            if planned.moment is not None and now >= planned.moment + self._real(planned.action.after):
                planned.done = True
                ready.append(planned)
        return ready

    def waits_for_the_end(self, view: View, deployment: str) -> bool:
        """Whether an action is still to come after the deployment's end: its moment was the end, or it succeeded meanwhile."""
        seen = view.deployments.get(deployment)
        succeeded = seen is not None and seen.status == "Succeeded"
        return any(
            not one.done and one.moment is not None and (succeeded or one.action.at in END_MOMENTS)
            for one in self._planned
        )

    @property
    def missed(self) -> list[Action]:
        return [planned.action for planned in self._planned if not planned.done]


def has_come(action: Action, view: View, deployment: str) -> bool:
    """Whether the deployment is at the action's moment: the event has started, and green has the weight."""
    seen = view.deployments.get(deployment)
    if seen is None:
        return False
    if action.at == "RolledBack":
        rollback = view.deployments.get(seen.rollback_id or "")
        come = rollback is not None and rollback.status == "Succeeded"
    elif action.at in ("Ready", *END_MOMENTS):
        come = seen.status == action.at
    else:
        event = view.event(deployment, action.at)
        come = event is not None and event.started is not None
    return come and (action.weight is None or (view.green or 0.0) >= action.weight)


def describe(action: Action) -> str:
    """`stop at AllowTraffic, rollback: true`"""
    options = action.model_dump(mode="json", exclude={"do", "at", "after", "error"}, exclude_none=True)
    told = "".join(f", {name}: {value}" for name, value in options.items())
    return f"{action.do} at {action.at}{told}"


def perform(action: Action, stack: Stack, view: View, deployment: str) -> str | None:
    """Do it. Returns the id of a deployment it created. Raises ClientError with AWS's refusal, StepFailed where it cannot be done."""
    session = stack.session
    match action:
        case Stop():
            codedeploy.stop_deployment(session, deployment, action.rollback)
        case Continue():
            ready = view.deployments[deployment].status == "Ready"
            codedeploy.continue_deployment(session, deployment, "READY_WAIT" if ready else "TERMINATION_WAIT")
        case Scale():
            ecs.scale(session, stack.network.cluster, stack.group.service, action.to)
        case KillTask():
            _kill_task(stack, action)
        case DeployAgain():
            return stack.deploy(_version(stack, action.to))
        case RepointListener():
            _repoint(stack, action)
        case SetAlarm():
            cloudwatch.set_alarm(session, stack.alarms[action.alarm], action.state)
    return None


def _version(stack: Stack, name: str) -> Version:
    release = stack.scenario.release
    return release.from_ if release.from_.version == name else release.to


def _kill_task(stack: Stack, action: KillTask) -> None:
    version = stack.scenario.release.from_ if action.of == "blue" else stack.scenario.release.to
    service, cluster = stack.group.service, stack.network.cluster
    tasks = ecs.tasks_of(stack.session, cluster, service, stack.task_definition(version).arn)
    if not tasks:
        raise StepFailed("kill_task", f"there is no running {action.of} task")
    ecs.kill_task(stack.session, cluster, tasks[0])


def _repoint(stack: Stack, action: RepointListener) -> None:
    listener = stack.production_listener if action.listener == "production" else stack.test_listener
    if listener is None:
        raise StepFailed("repoint_listener", "there is no test listener")
    target_group = stack.blue_target_group if action.to == "blue" else stack.green_target_group
    elbv2.repoint(stack.session, listener, target_group)
