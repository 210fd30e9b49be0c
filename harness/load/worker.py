"""`python -m harness.load.worker --master HOST:PORT`: one of Locust's workers, on this machine or another.

Locust says when to begin and to stop, and carries the results. What is sent, when, and what counts as an answer is the probe's own
client, in a thread of its own, so that a request means the same whoever sends it: an open loop, no retry, no redirect followed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import sys
import threading
from collections import deque
from collections.abc import Sequence
from typing import Any

os.environ["LOCUST_SKIP_MONKEY_PATCH"] = "1"  # Locust would make the client's thread a part of its own event loop

import gevent
import uvloop
from locust import User, task
from locust.env import Environment
from locust.runners import WorkerRunner

from harness import clock
from harness.load.plan import ENDED, OPTION, RESULTS, STOP, Plan
from harness.probe.client import Answer, Client

REPORT_EVERY = 0.1  # seconds
MASTER_SILENT = (
    6.0  # seconds without its heartbeat, which comes every second: then nobody hears of this worker's requests
)


class Crowd:
    """This worker's share of the traffic, in a thread; `answers` wait to be taken by Locust's side."""

    def __init__(self, plan: Plan, index: int) -> None:
        self.plan, self.index = plan, index
        self.answers: deque[Answer] = deque()
        self._client = Client(plan.share(index), self.answers.append)
        self._thread = threading.Thread(target=self._run, name="crowd", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._leaving = threading.Event()

    def begin(self) -> None:
        self._thread.start()

    def leave(self) -> None:
        """Send no more; what is under way is still waited for."""
        self._leaving.set()
        if self._loop is not None and self.here:
            self._loop.call_soon_threadsafe(self._client.stop)

    @property
    def here(self) -> bool:
        return self._thread.is_alive()

    @property
    def told(self) -> dict[str, int]:
        client = self._client
        return {"index": self.index, "planned": client.planned, "done": client.done, "late": client.late}

    def _run(self) -> None:
        if not self._leaving.wait(self.plan.starts_after(self.index)):
            uvloop.run(self._ask())

    async def _ask(self) -> None:
        self._loop = asyncio.get_running_loop()
        if self._leaving.is_set():
            self._client.stop()
        await self._client.run()


class Users(User):
    """What Locust starts: all users of this worker, who are one schedule. A second one, which Locust starts in place of a lost
    worker's, does nothing: what is lost is told, not made up for."""

    crowd: Crowd | None = None

    @task
    def ask(self) -> None:
        runner = self.environment.runner
        assert isinstance(runner, WorkerRunner)
        plan = Plan.of(vars(self.environment.parsed_options)[OPTION])
        if Users.crowd is not None or runner.worker_index >= plan.workers:
            return _idle()
        crowd = Users.crowd = Crowd(plan, runner.worker_index)
        crowd.begin()
        while crowd.here:
            gevent.sleep(REPORT_EVERY)
            _report(runner, crowd)
            if runner.last_heartbeat_timestamp and clock.now() - runner.last_heartbeat_timestamp > MASTER_SILENT:
                crowd.leave()
        _report(runner, crowd)
        runner.send_message(ENDED, crowd.told)
        return _idle()


def _idle() -> None:
    """Until Locust ends this user."""
    while True:
        gevent.sleep(60)


def _report(runner: WorkerRunner, crowd: Crowd) -> None:
    """To the master, with this machine's time; and to Locust's own statistics."""
    rows = []
    while crowd.answers:
        answer = crowd.answers.popleft()
        rows.append(crowd.plan.row(answer, crowd.index))
        runner.environment.events.request.fire(
            request_type="HTTP",
            name=crowd.plan.options.host_header,
            response_time=1000 * (answer.done - answer.due),
            response_length=0,
            exception=answer.error,
            context={},
        )
    runner.send_message(RESULTS, {"index": crowd.index, "pid": os.getpid(), "now": clock.now(), "rows": rows})


def leave(environment: Environment, msg: Any) -> None:
    if Users.crowd is not None:
        Users.crowd.leave()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m harness.load.worker", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--master", required=True, metavar="HOST:PORT", help="what `rehearse run` said it waits at")
    parser.add_argument("--with-stdin", action="store_true", help="end when standard input does")
    asked = parser.parse_args(arguments)
    host, _, port = asked.master.rpartition(":")
    if not host or not port.isdecimal():
        parser.error(f"--master is {asked.master}; it must be HOST:PORT")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # a stall piles up connections
    if asked.with_stdin:
        gevent.spawn(_end_with_standard_input)
    environment = Environment(user_classes=[Users])
    runner = environment.create_worker_runner(host, int(port))
    runner.register_message(STOP, leave)
    runner.greenlet.join()


def wait_for_the_end_of_standard_input() -> None:
    """Whoever holds it open has died then, however that came."""
    hub = gevent.get_hub()
    while True:
        hub.wait(hub.loop.io(sys.stdin.fileno(), 1))
        if not os.read(sys.stdin.fileno(), 4096):
            return


def _end_with_standard_input() -> None:
    wait_for_the_end_of_standard_input()
    os._exit(0)


if __name__ == "__main__":
    main()
