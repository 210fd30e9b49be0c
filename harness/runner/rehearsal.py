"""The story of one rehearsal: provision, steady state, traffic, deploy, act on the way, settle, tear down."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from harness import clock, compression
from harness.driver import Network, Session, Stack, codedeploy, error_code, until
from harness.driver.ecs import image_of
from harness.driver.elbv2 import PRODUCTION_PORT, TEST_PORT
from harness.driver.names import Names
from harness.errors import HarnessError, Interrupted, StepFailed, WaitTimedOut
from harness.journal import (
    ActionTaken,
    Event,
    Journal,
    PhaseEntered,
    PhaseName,
    Provisioned,
    RequestDone,
    RunEnded,
    RunStarted,
    SteadyState,
    TaskStopped,
    TornDown,
    Trouble,
    Waited,
)
from harness.observer import Observer, View, code_of
from harness.picture import Picture
from harness.probe.feed import Line, LineFeed
from harness.probe.summary import Summary
from harness.progress import Status, status_of
from harness.runner import during, steady, users
from harness.runner.ecs_feed import COMES_WITHIN, EcsFeed
from harness.runner.patience import Patience
from harness.runner.versions import versions, whoami
from harness.scenario import Scenario
from harness.targets.base import Target

LOOK = 0.1  # seconds between two decisions
WAITS_EVERY = 1.0  # seconds between two questions for waits that have begun
STEADY_WITHIN = 180.0  # beside the time the app itself takes to start
STEADY_WITHIN_UNCOMPRESSED = (
    600.0  # where AWS's own speed counts: to place, pull and start, and until a new name is known
)
SETTLE = 2.0  # real seconds of traffic after the end and its drain: what is live then is what users are left with
DRAIN_AT_MOST = 30.0  # of which users are watched
LOAD_SPARE = 300.0  # seconds that tasks which nobody stops outlive the longest run
log = logging.getLogger("rehearse.runner")
NOT_IMPLEMENTED = "NotImplemented"  # how an emulated target refuses, by name, what it does not do
PATIENCE = 900.0  # beyond every wait that was declared; CodeDeploy's own limits end a deployment before that


@dataclass
class Rehearsal:
    """One scenario on one target. `run` never raises for what happens in it: the journal in `directory` tells."""

    scenario: Scenario
    plan: compression.Plan
    target: Target
    session: Session
    network: Network
    directory: Path
    unique: str
    commit: str | None
    interrupted: threading.Event
    home: Path
    locust_listens: str | None = None
    phase: str = "waiting"
    seconds: float = 0.0
    left: list[str] = field(default_factory=list)
    leaving: Callable[[], None] = lambda: None  # called once, when only the tear-down is to come
    broke_off: str = ""
    unsupported: str = ""
    summary: Summary = field(default_factory=Summary)
    picture: Picture = field(default_factory=Picture)
    _folding: threading.Lock = field(default_factory=threading.Lock)
    _last_wait: int = -1
    _unwritable: OSError | None = None
    _exited: set[str] = field(default_factory=set)

    def run(self) -> None:
        began = clock.monotonic()
        try:
            with Journal(self.directory / "journal.jsonl") as journal:
                self._journal = journal
                self._recorded()
        except OSError as error:  # nothing was begun
            self.broke_off = f"the journal cannot be opened: {error}"
        finally:
            self.seconds, self.phase = clock.monotonic() - began, "done"

    def _recorded(self) -> None:
        self._write(self._started())
        try:
            self._story()
        finally:
            reason = self.broke_off or (f"unsupported: {self.unsupported}" if self.unsupported else "")
            self._write(RunEnded(at=clock.now(), complete=not reason, reason=reason))

    def _story(self) -> None:
        stack = Stack(
            self.scenario,
            self.plan,
            self.session,
            self.network,
            Names(self.scenario.id, self.unique),
            self.target.reach,
        )
        try:
            self._provision(stack)
            if self._steady(stack):
                self._rehearse(stack)
        except Interrupted:
            self.broke_off = "interrupted"
        except Exception as error:  # noqa: BLE001 - told as trouble; a bug of ours must not keep the tear-down from running
            self._trouble(error)
        finally:
            self._tear_down(stack)

    def _provision(self, stack: Stack) -> None:
        self._enter("provision")
        stack.provision()
        self._write(
            Provisioned(
                at=clock.now(),
                resources=dict(stack.resources),
                endpoint=self.target.endpoint,
                region=self.target.region,
                listeners=self._listeners(stack),
                images=self._images(),
            )
        )

    def _listeners(self, stack: Stack) -> dict[str, str]:
        ports = {"production": PRODUCTION_PORT} | ({"test": TEST_PORT} if stack.test_listener else {})
        return {route: stack.url(port) for route, port in ports.items()}

    def _images(self) -> dict[str, str]:
        """`sampleapp:v2@sha256:...` per version; without the digest where nobody knows it."""
        release, found = self.scenario.release, {}
        for version in (release.from_, release.to):
            image = image_of(self.scenario.service, version)
            digest = self.target.digest(image)
            found[version.version] = f"{image}@{digest}" if digest else image
        return found

    def _steady(self, stack: Stack) -> bool:
        """Wait until all has been well for as long as the scenario says. Not reaching it is a finding, not a failure."""
        self._enter("steady_state")
        well_since: float | None = None

        def look() -> str:
            nonlocal well_since
            lacking = steady.missing(stack)
            well_since = None if lacking else (well_since or clock.monotonic())
            so_long = clock.monotonic() - well_since if well_since else 0.0
            return lacking or ("" if so_long >= self.scenario.steady_state.for_ else f"well for {so_long:.1f} s")

        try:
            within = STEADY_WITHIN if self.target.compresses else STEADY_WITHIN_UNCOMPRESSED
            until(look, within, "a steady state", done=lambda lacking: not lacking, every=0.5, pause=self._pause)
        except WaitTimedOut as timeout:
            self._write(SteadyState(at=clock.now(), reached=False, detail=str(timeout.last_seen)))
            return False
        self._write(SteadyState(at=clock.now(), reached=True))
        return True

    def _rehearse(self, stack: Stack) -> None:
        """With users on the site from before the deployment until after its end."""
        with self._observed(stack) as observer, self._users(stack):
            agenda = during.Agenda(self.scenario.during, self.plan.real)
            self._enter("deploy")
            for planned in agenda.before():
                self._perform(stack, observer, planned, "")
            deployment = stack.deploy(self.scenario.release.to)
            observer.follow(deployment)
            self._act("deploy", f"{self.scenario.release.to.version} as {deployment}")
            self._follow(stack, observer, deployment, agenda)
            self._enter("settle")
            self._settle()

    def _settle(self) -> None:
        """Users stay on through the drain; where exit codes are expected, until such a task was seen to end."""
        service = self.scenario.service
        self._pause(SETTLE + min(service.deregistration_delay, DRAIN_AT_MOST))
        wanted = set(self.scenario.expect.exit_codes)
        deadline = clock.monotonic() + service.stop_timeout + SETTLE
        while not wanted <= self._exited and clock.monotonic() < deadline:
            self._pause(LOOK)

    @contextmanager
    def _observed(self, stack: Stack) -> Iterator[Observer]:
        observer = Observer(stack, self._write, self.target.look_every)
        observer.start()
        try:
            yield observer
        finally:
            observer.stop()
            self._record_waits(stack.group.name)

    @contextmanager
    def _users(self, stack: Stack) -> Iterator[None]:
        feed, within = self._feed(stack)
        try:
            until(
                lambda: self.summary.requests or not feed.running,
                within,
                "the users' first answer",
                every=0.05,
                pause=self._pause,
            )
            if not feed.running:
                feed.stop()  # which says why
            yield
        finally:
            feed.stop()

    def _feed(self, stack: Stack) -> tuple[LineFeed | EcsFeed, float]:
        """The traffic, and the seconds that its first answer may take."""
        ground, listen = self.target.load, self.locust_listens
        if self.scenario.traffic.engine == "locust" and ground is not None and listen is None:
            seconds = COMES_WITHIN + self._longest + LOAD_SPARE
            return users.feed_on_ecs(self.scenario, stack, ground, self._on_line, seconds=seconds), COMES_WITHIN
        url, host = stack.url(PRODUCTION_PORT), stack.load_balancer.dns_name
        feed = users.feed(self.scenario, url, host, self._on_line, home=self.home, listen=listen)
        return feed, users.WORKERS_COME_WITHIN if listen else users.FIRST_ANSWER_WITHIN

    @property
    def _longest(self) -> float:
        """Seconds after which a deployment that has not ended is given up."""
        return self.plan.give_up_after_seconds + self.plan.waits_seconds + PATIENCE

    def _on_line(self, line: Line) -> None:
        if isinstance(line, RequestDone):
            self.summary.add(line)
        self._write(line)

    def _follow(self, stack: Stack, observer: Observer, deployment: str, agenda: during.Agenda) -> None:
        """Until every deployment has ended: do what the scenario does on the way, and give up when green does not come up."""
        patience = Patience(self.plan.give_up_after_seconds, clock.monotonic(), _seen=observer.rounds)
        began, gave_up, next_waits = clock.monotonic(), False, 0.0
        limit = self._longest
        while True:
            view, now = observer.view, clock.monotonic()
            for planned in agenda.due(view, deployment, now):
                self._perform(stack, observer, planned, deployment)
            if view.settled and observer.view.settled and not agenda.waits_for_the_end(view, deployment):
                break
            if not gave_up and patience.gone(now, observer.rounds) and not _shifted(view, deployment):
                gave_up = True
                self._give_up(stack, deployment)
            if now - began > limit:
                raise WaitTimedOut(f"deployment {deployment} to end", limit, view.deployments.get(deployment))
            if now >= next_waits:
                next_waits = now + WAITS_EVERY
                self._record_waits_so_far(stack.group.name)
            self._pause(LOOK)
        for action in agenda.missed:
            message = f"{during.describe(action)}: the moment never came"
            self._write(Trouble(at=clock.now(), step="during", message=message))

    def _perform(self, stack: Stack, observer: Observer, planned: during.Planned, deployment: str) -> None:
        """AWS's refusal is what some scenarios are about: it goes into the journal, not up."""
        action, number = planned.action, planned.number
        try:
            created = during.perform(action, stack, observer.view, deployment)
        except (ClientError, HarnessError) as error:
            return self._act(action.do, f"{during.describe(action)}: {error}", code_of(error), number=number)
        if created:
            observer.follow(created)
        told = during.describe(action) + (f" as {created}" if created else "")
        return self._act(action.do, told, number=number, deployment=created)

    def _give_up(self, stack: Stack, deployment: str) -> None:
        seconds = self.plan.give_up_after_seconds
        try:
            codedeploy.stop_deployment(stack.session, deployment, rollback=True)
        except ClientError as error:
            return self._act("give_up", str(error), error_code(error))
        return self._act("give_up", f"no shift after {seconds:.0f} s: stopped with rollback")

    def _tear_down(self, stack: Stack) -> None:
        self.leaving()
        self._enter("teardown")
        self.left = stack.remove()
        self._write(TornDown(at=clock.now(), left=tuple(self.left)))

    # ---- the journal

    def _started(self) -> RunStarted:
        return RunStarted(
            at=clock.now(),
            scenario=self.scenario.model_dump(mode="json"),
            scenario_hash=self.scenario.hash,
            target=self.target.name,
            runtime=self.target.runtime,
            compression=self.plan.factor,
            versions=versions(),
            commit=self.commit,
            by=whoami(),
            executed=dict(self.target.executed),
            not_shown=dict(self.target.not_shown(self.scenario)),
            pid=os.getpid(),
        )

    def _record_waits(self, group: str) -> None:
        """Those that have begun since it was last called. An extra lane, from the emulator only."""
        for wait in self.target.waits(self._last_wait):
            self._last_wait = wait["n"]
            if wait["deployment_group"] == group:
                self._write(
                    Waited(at=wait["since"], why=wait["why"], declared=wait["declared"], effective=wait["effective"])
                )

    def _record_waits_so_far(self, group: str) -> None:
        """So that who looks on sees both clocks; what could not be had now is recorded at the end."""
        try:
            self._record_waits(group)
        except HarnessError as error:
            log.info("%s: the waits so far: %s", self.scenario.id, error)

    def _write(self, event: Event) -> None:
        """A journal that can no longer be written ends the story at its next `_pause`; the tear-down goes on."""
        try:
            self._journal.write(event)
        except OSError as error:
            self._unwritable = error
        with self._folding:
            self.picture.add(event)
        if isinstance(event, TaskStopped) and event.side and event.exit_code is not None:
            self._exited.add(event.side)

    def _enter(self, phase: PhaseName) -> None:
        self.phase = phase
        self._write(PhaseEntered(at=clock.now(), phase=phase))

    def _act(self, action: str, detail: str, error: str | None = None, **more: Any) -> None:
        self._write(ActionTaken(at=clock.now(), action=action, detail=detail, error=error, **more))

    def _trouble(self, error: Exception) -> None:
        """The end of this rehearsal, but not of the others beside it. A bug of ours goes to the log with its traceback."""
        told = str(error) if isinstance(error, ClientError | HarnessError) else f"{type(error).__name__}: {error}"
        if not isinstance(error, ClientError | HarnessError):
            log.exception("%s broke off", self.scenario.id, exc_info=error)
        if isinstance(error, ClientError) and error_code(error) == NOT_IMPLEMENTED:
            self.unsupported = told
            self._write(Trouble(at=clock.now(), step="unsupported", message=told, fatal=True))
            return
        self.broke_off = f"{self.phase.replace('_', ' ')}: {told}"
        self._write(Trouble(at=clock.now(), step=self.phase, message=told, fatal=True))

    def _pause(self, seconds: float) -> None:
        """Wait, unless the run is interrupted or has lost its journal: then tear-down is next."""
        if self.interrupted.wait(seconds):
            raise Interrupted("interrupted")
        if self._unwritable:
            raise StepFailed("writing the journal", self._unwritable)

    @property
    def status(self) -> Status:
        """For the live view."""
        with self._folding:
            return status_of(self.scenario.id, self.picture, clock.now())


def _shifted(view: View, deployment: str) -> bool:
    """Whether green has come up: the shift has begun, or the deployment is over or waits for a person."""
    seen = view.deployments.get(deployment)
    event = view.event(deployment, "AllowTraffic")
    begun = event is not None and event.started is not None
    return begun or (seen is not None and (seen.finished or seen.status == "Ready"))
