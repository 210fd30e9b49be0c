"""`python -m harness.load`: Locust's master, with workers of its own or from elsewhere. Says on standard output what the probe
says, until the end of standard input: its parent holds that open, so that whoever dies, nobody goes on asking. Where nobody can,
in a task of ECS, it ends after `--seconds` by itself, and says so.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

os.environ["LOCUST_SKIP_MONKEY_PATCH"] = "1"  # nothing here but Locust's own greenlets

import gevent
from gevent.event import Event
from locust.env import Environment
from locust.exception import RPCError
from locust.rpc import Message
from locust.runners import MasterRunner

from harness import clock
from harness.load.plan import ENDED, OPTION, RESULTS, STOP, Plan, answer
from harness.load.worker import Users, wait_for_the_end_of_standard_input
from harness.load.workers import Workers, say, trouble
from harness.probe.__main__ import request_done

LOOK = 0.1  # seconds
OWN_WITHIN, OTHERS_WITHIN = 30.0, 120.0  # seconds for workers to come
END_WITHIN = 5.0  # seconds beside a request's timeout


class Master:
    """One rehearsal's traffic. `run` returns the exit code."""

    def __init__(
        self, plan: Plan, host: str, port: int, *, own: bool, within: float, seconds: float | None = None
    ) -> None:
        """`own` workers are processes of its own; others come to host and port from elsewhere, `within` seconds. With `seconds` its
        time is limited, and without it by standard input."""
        self.plan, self._own, self._within, self._seconds = plan, own, within, seconds
        options = argparse.Namespace(enable_rebalancing=False, headless=False, **{OPTION: plan.told()})
        environment = Environment(user_classes=[Users], parsed_options=options)
        self._runner: MasterRunner = environment.create_master_runner(host, port)
        self._runner.register_message(RESULTS, self._results)
        self._runner.register_message(ENDED, self._ended)
        self._address = f"{host}:{self._runner.server.port}"
        self._processes: list[subprocess.Popen[bytes]] = []
        self._stopping = Event()
        self._workers = Workers(plan)

    def stop(self, *_: object) -> None:
        self._stopping.set()

    def run(self) -> int:
        if self._seconds is None:
            gevent.spawn(wait_for_the_end_of_standard_input).link(self.stop)
        else:
            gevent.spawn_later(self._seconds, self._time_is_up, self._seconds)
        try:
            self._start_workers()
            if not self._all_came():
                return 1
            self._workers.begin()
            self._runner.start(self.plan.workers, self.plan.workers)
            while not self._stopping.wait(LOOK):
                self._look_for_lost()
            self._leave()
            say({"event": "ProbeEnded", "at": clock.now(), **self._workers.total()})
            return 0
        finally:
            self._end_workers()

    def _time_is_up(self, seconds: float) -> None:
        if not self._stopping.is_set():
            trouble(f"nobody stopped Locust's master for {seconds:.0f} s: it ends by itself")
            self.stop()

    def _start_workers(self) -> None:
        command = [sys.executable, "-m", "harness.load.worker", "--master", self._address]
        if not self._own:
            told = f"waiting for {self.plan.workers} Locust workers: python -m harness.load.worker --master {self._address}"
            print(told, file=sys.stderr, flush=True)
            return
        for _ in range(self.plan.workers):
            self._processes.append(
                subprocess.Popen([*command, "--with-stdin"], stdin=subprocess.PIPE, stdout=sys.stderr)
            )

    def _all_came(self) -> bool:
        deadline = clock.monotonic() + self._within
        while len(self._runner.clients.ready) < self.plan.workers:
            dead = [one for one in self._processes if one.poll() is not None]
            if self._stopping.is_set() or dead or clock.monotonic() > deadline:
                came = len(self._runner.clients.ready)
                why = f"one ended with exit code {dead[0].returncode}" if dead else f"within {self._within:.0f} s"
                trouble(f"{came} of {self.plan.workers} Locust workers came: {why}")
                return False
            gevent.sleep(LOOK)
        return True

    def _look_for_lost(self) -> None:
        for one in self._processes:
            if one.poll() is not None:
                self._workers.lose_process(one.pid, f"exit code {one.returncode}")
        self._workers.lose_silent()

    def _leave(self) -> None:
        """Every worker sends no more, and tells of what was still under way."""
        self._runner.send_message(STOP)
        deadline = clock.monotonic() + self.plan.options.timeout + END_WITHIN
        while self._workers.here and clock.monotonic() < deadline:
            self._look_for_lost()
            gevent.sleep(LOOK / 2)
        for index in self._workers.here:
            self._workers.lose(index, "it did not stop when it was told to")

    def _end_workers(self) -> None:
        for client in self._runner.clients.all:
            self._runner.server.send_to_client(Message("quit", None, client.id))
        gevent.sleep(LOOK)  # for the messages to leave; Locust's own quit waits for its statistics
        for one in self._processes:
            one.kill()
            one.wait()

    # ---- what workers say

    def _results(self, environment: Environment, msg: Any) -> None:
        self._workers.heard(msg.data)
        if msg.data["rows"]:
            say(*(request_done(answer(row)) for row in msg.data["rows"]))

    def _ended(self, environment: Environment, msg: Any) -> None:
        self._workers.end(msg.data)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m harness.load", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--plan", required=True, help="JSON of the traffic and its workers")
    parser.add_argument("--listen", default="127.0.0.1:0", metavar="HOST:PORT", help="where workers come to")
    parser.add_argument("--workers-from-elsewhere", action="store_true", help="start none, wait for them")
    parser.add_argument("--workers-within", type=float, metavar="SECONDS", help="how long to wait for them")
    parser.add_argument("--seconds", type=float, help="end after so many, instead of with standard input")
    asked = parser.parse_args(arguments)
    own, (host, _, port) = not asked.workers_from_elsewhere, asked.listen.rpartition(":")
    within = asked.workers_within or (OWN_WITHIN if own else OTHERS_WITHIN)
    try:
        master = Master(Plan.of(json.loads(asked.plan)), host, int(port), own=own, within=within, seconds=asked.seconds)
    except (RPCError, OSError) as error:
        trouble(f"Locust's master cannot listen at {asked.listen}: {error}")
        sys.exit(1)
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, master.stop)
    try:
        code = master.run()
    except BrokenPipeError:  # nobody reads any more; the workers end with their standard input
        os._exit(1)
    sys.exit(code)


if __name__ == "__main__":
    main()
