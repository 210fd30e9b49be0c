"""One deployment: what was asked for, and how far it has come."""

from __future__ import annotations

import asyncio
import secrets
import string
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from harness.clock import Clock
from harness.emulator.deploy import status
from harness.emulator.deploy.appspec import AppSpec
from harness.emulator.deploy.routing import Routing

WITHOUT_TEST_LISTENER = (
    "BeforeInstall",
    "Install",
    "AfterInstall",
    "BeforeAllowTraffic",
    "AllowTraffic",
    "AfterAllowTraffic",
)
WITH_TEST_LISTENER = (
    *WITHOUT_TEST_LISTENER[:3],
    "AllowTestTraffic",
    "AfterAllowTestTraffic",
    *WITHOUT_TEST_LISTENER[3:],
)


class DeploymentFailed(Exception):
    """The deployment ends here as `Failed`: errorInformation's code and message (A.5.4)."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


class DeploymentStopped(DeploymentFailed):
    """The deployment ends here as `Stopped`. `rollback_event` is the auto-rollback event that it counts as."""

    def __init__(self, code: str, message: str, rollback_event: str, *, roll_back: bool | None = None) -> None:
        super().__init__(code, message)
        self.rollback_event, self.roll_back = rollback_event, roll_back


@dataclass(frozen=True, slots=True)
class Pair:
    """The two target groups of a deployment group, by name, and the listeners that route to them."""

    names: tuple[str, str]
    production_listener: str
    test_listener: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a deployment does, fixed when it is created. Waits are declared seconds."""

    cluster: str
    service: str
    pair: Pair
    routing: Routing
    app_spec: AppSpec
    ready_wait: float | None = None  # None: CONTINUE_DEPLOYMENT
    termination_wait: float = 0.0
    alarms: tuple[str, ...] = ()
    ignore_unreadable_alarms: bool = False
    rollback_events: frozenset[str] = frozenset()
    compression: float = 1.0
    floor: float | None = None  # real seconds; None: worked out from health checks and alarms


@dataclass(slots=True)
class LifecycleEvent:
    name: str
    status: str = "Pending"
    started: float | None = None
    ended: float | None = None
    diagnostics: str = ""


@dataclass(slots=True, kw_only=True)
class Deployment:
    """Live state. Only `become` and `event` (through `running`) write a status; only the supervisor ends a deployment."""

    id: str
    application: str
    group: str
    config_name: str
    created: float
    plan: Plan | None = None  # None on a rollback deployment until it starts, and where the AppSpec was unreadable
    creator: str = "user"
    description: str = ""
    status: str = "Created"
    events: dict[str, LifecycleEvent] = field(default_factory=dict)
    started: float | None = None
    completed: float | None = None
    error: DeploymentFailed | None = None
    rollback_id: str | None = None
    rollback_of: str | None = None
    target_arn: str = ""
    updated: float = 0.0
    blue_id: str | None = None
    green_id: str | None = None
    termination_wait_started: bool = False
    finishing: bool = False  # past the point of no return: blue is being deleted
    stop: asyncio.Future[DeploymentStopped] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    continue_ready: asyncio.Event = field(default_factory=asyncio.Event)
    continue_termination: asyncio.Event = field(default_factory=asyncio.Event)
    told: Callable[[str], None] = lambda status: None  # hears every status that the deployment takes on

    @property
    def ended(self) -> bool:
        return self.status in status.ENDED

    def become(self, wanted: str, at: float) -> None:
        self.status = status.move(status.DEPLOYMENT, self.id, self.status, wanted)
        self.updated = at
        if self.started is None and wanted != "Created":
            self.started = at
        if self.ended:
            self.completed = at
        self.told(wanted)

    def mark(self, name: str, wanted: str, at: float, diagnostics: str = "") -> None:
        """The only writer of a lifecycle event's status."""
        event = self.events[name]
        event.status = status.move(status.EVENT, f"{self.id} {name}", event.status, wanted)
        event.diagnostics = diagnostics or event.diagnostics
        self.updated = at
        if wanted == "InProgress":
            event.started = at
        elif wanted != "Skipped":
            event.ended = at

    @contextmanager
    def running(self, name: str, clock: Clock) -> Iterator[None]:
        """The lifecycle event `name` is InProgress inside, Succeeded after, Failed when anything is raised (also a cancel)."""
        self.mark(name, "InProgress", clock.now())
        try:
            yield
        except BaseException as error:
            self.mark(name, "Failed", clock.now(), str(error) if isinstance(error, DeploymentFailed) else "")
            raise
        self.mark(name, "Succeeded", clock.now())

    def skip_the_rest(self, at: float) -> None:
        for event in self.events.values():
            if event.status == "Pending":
                self.mark(event.name, "Skipped", at)


def new_id() -> str:
    """`d-` and nine characters of [A-Z0-9] (A.3.2)."""
    return "d-" + "".join(secrets.choice(string.ascii_uppercase + string.digits) for _ in range(9))


def events_of_rollback(pair: Pair, *, listed: bool) -> dict[str, LifecycleEvent]:
    """`listed`: every event, else AllowTraffic alone (H.6)."""
    return events_of(pair) if listed else {"AllowTraffic": LifecycleEvent("AllowTraffic")}


def events_of(pair: Pair) -> dict[str, LifecycleEvent]:
    """All lifecycle events of a deployment, Pending; without a test listener two are absent, not Skipped (A.3.1)."""
    names = WITH_TEST_LISTENER if pair.test_listener else WITHOUT_TEST_LISTENER
    return {name: LifecycleEvent(name) for name in names}
