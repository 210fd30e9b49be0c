"""The journal: everything a run saw and did, as JSON lines, complete up to the last line after a crash.

One event is one line, `{"event": "<class name>", "at": ..., ...}`. Writers append; expectations and reports read nothing else,
so a run can be judged again without any target. Times are seconds since the epoch, wall time; `at` is when the run saw or did it.

*Blue* is the target group, task set and version that served production when the run began, *green* the other one, whatever
their names are.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from harness import clock
from harness.errors import HarnessError

Side = Literal["blue", "green"]
Route = Literal["production", "test"]
PhaseName = Literal["provision", "steady_state", "deploy", "settle", "teardown"]


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    at: float


class RunStarted(_Event):
    """First line. `scenario` is the whole scenario as loaded (`Scenario.model_dump(mode="json")`): nothing else is needed to judge.

    `executed` says who executes each service, where that is not the target alone. `not_shown` names expectations that the target
    cannot show, and why (`users` is all of `users.*`).
    `pid` is the process that writes: a journal without an end is a live run while it lives.
    """

    event: Literal["RunStarted"] = "RunStarted"
    scenario: dict[str, Any]
    scenario_hash: str
    target: str
    runtime: str | None
    compression: float
    versions: dict[str, str]
    commit: str | None
    by: str | None = None
    executed: dict[str, str] = {}
    not_shown: dict[str, str] = {}
    pid: int | None = None


class PhaseEntered(_Event):
    event: Literal["PhaseEntered"] = "PhaseEntered"
    phase: PhaseName


class Provisioned(_Event):
    """What the driver made: role ("production_listener", "blue_target_group", ...) to ARN or name.

    `endpoint` (None for AWS itself) and `region` say where its API is, `listeners` where a person reaches each route, `images`
    which image, by its digest, each version runs. No credential is ever in here.
    """

    event: Literal["Provisioned"] = "Provisioned"
    resources: dict[str, str]
    endpoint: str | None = None
    region: str = ""
    listeners: dict[str, str] = {}
    images: dict[str, str] = {}


class SteadyState(_Event):
    """The end of the wait for a steady state before the deployment; `detail` says what was missing."""

    event: Literal["SteadyState"] = "SteadyState"
    reached: bool
    detail: str = ""


class RequestDone(_Event):
    """One request of the probe through the production listener. `due` was fixed before the run; latency for users is `at - due`.

    `status` is None where no answer came (`error` says why); `version` is None where the answer names none.
    """

    event: Literal["RequestDone"] = "RequestDone"
    seq: int
    due: float
    sent: float
    status: int | None
    version: str | None
    error: str | None = None


class ProbeEnded(_Event):
    """The probe's own health: `planned` by the schedule; `late` were sent over 50 ms after they were due, our own fault."""

    event: Literal["ProbeEnded"] = "ProbeEnded"
    planned: int
    done: int
    late: int


class WebsocketEnded(_Event):
    """One of the users' long-lived connections: `cut` where the service ended it, False where the user left at the end.

    `opened` is None where it never opened; `error` says why, or how it was cut.
    """

    event: Literal["WebsocketEnded"] = "WebsocketEnded"
    number: int
    opened: float | None
    cut: bool
    error: str | None = None


class DeploymentSeen(_Event):
    """A change in what GetDeployment says; `rollback_id` and `rollback_of` are rollbackInfo's two links."""

    event: Literal["DeploymentSeen"] = "DeploymentSeen"
    id: str
    status: str
    creator: str
    config: str
    error_code: str | None = None
    error_message: str | None = None
    rollback_id: str | None = None
    rollback_of: str | None = None
    created: float | None = None
    started: float | None = None
    completed: float | None = None


class LifecycleSeen(_Event):
    """A change of one lifecycle event of the deployment target; `started` and `ended` are the target's own times."""

    event: Literal["LifecycleSeen"] = "LifecycleSeen"
    deployment: str
    name: str
    status: str
    started: float | None = None
    ended: float | None = None
    diagnostics: str | None = None


class WeightsSeen(_Event):
    """A change of a listener's forward action, in percent of its total; both 0 where it forwards to neither."""

    event: Literal["WeightsSeen"] = "WeightsSeen"
    route: Route
    blue: float
    green: float


class TargetHealthSeen(_Event):
    """A change in a target group's health: count of targets per state, and the state of each target (`address:port`)."""

    event: Literal["TargetHealthSeen"] = "TargetHealthSeen"
    side: Side
    states: dict[str, int]
    reasons: tuple[str, ...] = ()
    targets: dict[str, str] = {}


class TaskSetSeen(_Event):
    event: Literal["TaskSetSeen"] = "TaskSetSeen"
    id: str
    side: Side
    status: str
    stability: str
    desired: int
    running: int
    pending: int


class TaskSeen(_Event):
    """A change of a task that has not stopped; `address` is its own, as targets name it."""

    event: Literal["TaskSeen"] = "TaskSeen"
    task: str
    side: Side | None
    version: str | None
    status: str
    address: str | None = None


class TaskStopped(_Event):
    event: Literal["TaskStopped"] = "TaskStopped"
    task: str
    side: Side | None
    stop_code: str
    reason: str
    exit_code: int | None


class ServiceEventSeen(_Event):
    event: Literal["ServiceEventSeen"] = "ServiceEventSeen"
    created: float
    message: str


class AlarmSeen(_Event):
    """A change of an alarm's state; `since` is StateUpdatedTimestamp."""

    event: Literal["AlarmSeen"] = "AlarmSeen"
    name: str
    state: Literal["OK", "ALARM", "INSUFFICIENT_DATA"]
    since: float
    reason: str


class ActionTaken(_Event):
    """Something the run itself did: `deploy`, a `during` action, or `give_up`. `error` holds an AWS error code it met.

    `number` is the action's place in `during`, from 1; `deployment` the id of a deployment that it created.
    """

    event: Literal["ActionTaken"] = "ActionTaken"
    action: str
    detail: str = ""
    error: str | None = None
    number: int | None = None
    deployment: str | None = None


class Waited(_Event):
    """An extra lane, from the emulator only: a wait of AWS's that was compressed. Never part of a verdict."""

    event: Literal["Waited"] = "Waited"
    why: str
    declared: float
    effective: float


class Trouble(_Event):
    """The run itself met a problem (a call that failed and was tried again, a step that could not be done)."""

    event: Literal["Trouble"] = "Trouble"
    step: str
    message: str
    fatal: bool = False


class TornDown(_Event):
    """What the tear-down could not remove; empty is clean."""

    event: Literal["TornDown"] = "TornDown"
    left: tuple[str, ...] = ()


class RunEnded(_Event):
    """Last line. `complete` is False when the run was interrupted or broke off."""

    event: Literal["RunEnded"] = "RunEnded"
    complete: bool
    reason: str = ""


Event = Annotated[
    RunStarted
    | PhaseEntered
    | Provisioned
    | SteadyState
    | RequestDone
    | ProbeEnded
    | WebsocketEnded
    | DeploymentSeen
    | LifecycleSeen
    | WeightsSeen
    | TargetHealthSeen
    | TaskSetSeen
    | TaskSeen
    | TaskStopped
    | ServiceEventSeen
    | AlarmSeen
    | ActionTaken
    | Waited
    | Trouble
    | TornDown
    | RunEnded,
    Field(discriminator="event"),
]
_EVENT: TypeAdapter[Event] = TypeAdapter(Event)
E = TypeVar("E", bound=_Event)


class JournalInvalid(HarnessError):
    """A journal that cannot be read: path, line and what is wrong with it."""


class Journal:
    """Appends events to `path`; each `write` is one whole line, flushed, safe from several threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._lock = threading.Lock()

    def write(self, event: Event) -> None:
        line = _line(event) + b"\n"
        with self._lock:
            os.write(self._file, line)

    def close(self) -> None:
        os.close(self._file)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _line(event: Event) -> bytes:
    """JSON in UTF-8; `?` for a byte of a path that is not, as Python carries it."""
    try:
        return event.model_dump_json().encode()
    except PydanticSerializationError:
        return json.dumps(event.model_dump(mode="json"), ensure_ascii=False).encode(errors="replace")


def read(path: Path) -> list[Event]:
    """Every event of a journal, in the order written. A half line at the very end (a crash) is left out; any other is an error."""
    if not path.is_file():
        raise JournalInvalid(f"{path}: there is no such journal")
    return list(_parse(path))


def _parse(path: Path) -> Iterator[Event]:
    lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        try:
            yield _EVENT.validate_json(line)
        except ValidationError as error:
            if number == len(lines):
                return
            raise JournalInvalid(f"{path}:{number}: not a journal line: {error.errors()[0]['msg']}") from error


class Follower:
    """Reads a journal that is still written, a piece at a time; what was read is not kept."""

    def __init__(self, path: Path) -> None:
        self.path, self._offset, self._half, self._line = path, 0, b"", 0

    def new(self, at_most: int = 4_000_000) -> list[Event]:
        """Events of the next `at_most` bytes; empty where there is nothing new, or no such file yet. Raises JournalInvalid."""
        try:
            with self.path.open("rb") as file:
                file.seek(self._offset)
                read = file.read(at_most)
        except FileNotFoundError:
            return []
        self._offset += len(read)
        *lines, self._half = (self._half + read).split(b"\n")
        return [event for line in lines if (event := self._event(line)) is not None]

    def _event(self, line: bytes) -> Event | None:
        self._line += 1
        try:
            return _EVENT.validate_json(line) if line else None
        except ValidationError as error:
            raise JournalInvalid(f"{self.path}:{self._line}: not a journal line: {error.errors()[0]['msg']}") from error


def follow(path: Path, every: float = 0.2) -> Iterator[Event]:
    """Events as they are written, until RunEnded. Waits for a journal that is not there yet, and for ever where none ends."""
    follower = Follower(path)
    while True:
        events = follower.new()
        for event in events:
            yield event
            if isinstance(event, RunEnded):
                return
        if not events:
            clock.pause(every)


def of(events: list[Event], kind: type[E]) -> list[E]:
    """The events of one kind, in order."""
    return [event for event in events if isinstance(event, kind)]
