"""The traffic of a scenario by Locust's master and workers on ECS: tasks of the stack `locust`, heard through the master's log.

Nobody reaches the machine that the run is on: it starts the tasks, reads what the master prints, and stops them.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from botocore.exceptions import ClientError

from harness import clock
from harness.driver import Session, load_tasks
from harness.driver.load_tasks import LoadGround, LoadTask
from harness.errors import HarnessError, StepFailed
from harness.journal import ProbeEnded, RequestDone, Trouble
from harness.load.plan import TASK_MASTER, TASK_PLAN, TASK_SECONDS, Plan
from harness.load.workers import CLOCKS_APART
from harness.probe.feed import ENDS_WITHIN, Line, line_of

COMES_WITHIN = 480.0  # seconds: Fargate starts the master, then the workers; they meet, and the first answer is read
MASTER_WITHIN = 240.0  # for the master's task to run
LOG_LAGS = 30.0  # at most, from what a master prints to what can be read
LOOK_EVERY, TASKS_EVERY = 0.5, 2.0
REASON = "the scenario is over"


@dataclass
class Offset:
    """How far this machine's clock is ahead of AWS's, in seconds: a range that each answer narrows, as its Date is a whole second."""

    low: float = -math.inf
    high: float = math.inf

    def narrow(self, before: float, after: float, date: float) -> None:
        """An answer that was asked for at `before`, had at `after`, and made in the second that began at `date`."""
        self.low, self.high = max(self.low, before - date - 1), min(self.high, after - date)

    @property
    def too_much(self) -> float | None:
        """At least so far, where it is certainly more than times can bear; None where it need not be."""
        return next((one for one in (max(self.low, 0.0), min(self.high, 0.0)) if abs(one) > CLOCKS_APART), None)


class EcsFeed:
    """As probe.feed's LineFeed, but the process is a task. `on_line` is called from a thread of the feed's own."""

    def __init__(
        self,
        plan: Callable[[], Plan],
        session: Session,
        ground: LoadGround,
        *,
        seconds: float,
        on_line: Callable[[Line], None],
    ) -> None:
        """`plan` is asked for in the feed's thread, as it may wait. After `seconds` the tasks end by themselves."""
        self._plan, self._session, self._ground = plan, session, ground
        self._seconds, self._on_line, self.ended = seconds, on_line, False
        self._timeout, self._requests, self._why = 0.0, 0, ""
        self._tasks: list[str] = []
        self._offset, self._told_offset = Offset(), False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="Locust on ECS", daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> None:
        """Send no more, wait for what is under way, and for the last line. Raises StepFailed when it broke off."""
        self._stopping.set()
        self._thread.join()
        if not self.ended:
            raise StepFailed("Locust on ECS", f"broke off{self._why}")

    # ---- the feed's thread

    def _run(self) -> None:
        try:
            plan = self._plan()
            self._timeout = plan.options.timeout
            if (master := self._start(plan)) is not None:
                self._follow(master)
        except (ClientError, HarnessError) as error:
            self._why = f": {error}"
        finally:
            self._stop_tasks()

    def _start(self, plan: Plan) -> str | None:
        """The master's ARN, once its workers are started too; None where it is to stop before. Raises ClientError, HarnessError."""
        lasts = {TASK_SECONDS: f"{self._seconds:.0f}"}
        master = self._run_tasks(1, {TASK_PLAN: json.dumps(plan.told(), separators=(",", ":")), **lasts})[0]
        seen = self._until_running(master)
        if seen is None:
            return None
        host, port = self._ground.way(seen.address or "", load_tasks.PORT)
        self._run_tasks(plan.workers, {TASK_MASTER: f"{host}:{port}", **lasts})
        return master

    def _run_tasks(self, count: int, environment: Mapping[str, str]) -> list[str]:
        began = len(self._tasks)
        while (missing := count - (len(self._tasks) - began)) > 0:
            started, failures = load_tasks.run(self._session, self._ground, missing, environment)
            self._tasks += started
            if failures or not started:
                raise StepFailed("ecs:RunTask", "; ".join(failures) or "no task was started")
        return self._tasks[began:]

    def _until_running(self, master: str) -> LoadTask | None:
        deadline = clock.monotonic() + MASTER_WITHIN
        while not self._stopping.wait(LOOK_EVERY):
            seen = next(iter(load_tasks.look(self._session, self._ground, [master])), None)
            if seen is not None and seen.status == "RUNNING" and seen.address:
                return seen
            if seen is not None and seen.status in ("DEPROVISIONING", "STOPPED"):
                raise StepFailed("Locust's master", f"its task ended: {seen.why}")
            if clock.monotonic() > deadline:
                raise StepFailed("Locust's master", f"its task does not run after {MASTER_WITHIN:.0f} s ({seen})")
        return None

    def _follow(self, master: str) -> None:
        """Until its last line. Raises StepFailed where it ends without one, or where that cannot be read."""
        token: str | None = None
        deadline, next_look, why = math.inf, 0.0, ""
        told_to_stop = False
        while not self.ended:
            token, some = self._read(master, token)
            now = clock.monotonic()
            if self._stopping.is_set() and not told_to_stop:
                told_to_stop = True
                load_tasks.stop(self._session, self._ground, master, REASON)
                deadline = min(deadline, now + self._timeout + ENDS_WITHIN + LOG_LAGS)
            if not why and now >= next_look:
                next_look = now + TASKS_EVERY
                why = self._ended_why(master)
                deadline = min(deadline, now + LOG_LAGS) if why else deadline
            if now > deadline:
                raise StepFailed("Locust's master", why or "its last line cannot be read")
            if not some and not self.ended:
                clock.pause(LOOK_EVERY)

    def _ended_why(self, master: str) -> str:
        seen = load_tasks.look(self._session, self._ground, [master])
        return f"its task ended: {seen[0].why}" if seen and seen[0].status == "STOPPED" else ""

    def _read(self, master: str, token: str | None) -> tuple[str | None, bool]:
        """The next token, and whether there was anything new."""
        before = clock.now()
        page = load_tasks.log_page(self._session, self._ground, master, token)
        if page.date is not None:
            self._offset.narrow(before, clock.now(), page.date)
            self._tell_offset()
        for text in page.lines:
            if (line := line_of(text)) is not None:
                self._hear(line)
        return page.token or token, bool(page.lines)

    def _hear(self, line: Line) -> None:
        if isinstance(line, RequestDone):
            self._requests += 1
        if isinstance(line, Trouble):
            self._why = f": {line.message}"
        if isinstance(line, ProbeEnded):
            self.ended = True
            if self._requests < line.done:
                self._trouble(
                    f"{line.done - self._requests} of {line.done} answers were lost on the way through the log"
                )
        self._on_line(line)

    def _tell_offset(self) -> None:
        apart = self._offset.too_much
        if apart is not None and not self._told_offset:
            self._told_offset = True
            self._trouble(
                f"this machine's clock is at least {apart:+.1f} s off AWS's, which the workers have: the times of their requests "
                "cannot be held against those of this journal"
            )

    def _stop_tasks(self) -> None:
        for arn in self._tasks:
            try:
                load_tasks.stop(self._session, self._ground, arn, REASON)
            except (ClientError, HarnessError) as error:
                self._trouble(
                    f"task {arn.rpartition('/')[2]} was not stopped ({error}): it ends by itself, or with aws down"
                )

    def _trouble(self, message: str) -> None:
        self._on_line(Trouble(at=clock.now(), step="traffic", message=message))
