"""What the master knows of its workers: who was heard of, who has ended, who is lost. One that is lost is told as trouble, for then
the traffic is no longer what the scenario asks for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from harness import clock
from harness.load.plan import Plan

SILENT = 5.0  # seconds; a worker reports ten times a second, also when there is nothing to report
CLOCKS_APART = 0.5  # seconds; with more, a worker's times are not the deployment's


class Workers:
    """All of a plan, by their index from 0."""

    def __init__(self, plan: Plan) -> None:
        self._plan, self._began = plan, 0.0
        self._heard: dict[int, float] = {}
        self._done = dict.fromkeys(range(plan.workers), 0)
        self._pids: dict[int, int] = {}
        self._ends: dict[int, Mapping[str, int]] = {}
        self._lost: dict[int, str] = {}
        self._apart: set[int] = set()

    def begin(self) -> None:
        self._began = clock.monotonic()
        self._heard = dict.fromkeys(range(self._plan.workers), self._began)

    @property
    def here(self) -> list[int]:
        """Those that have neither ended nor are lost."""
        return [index for index in range(self._plan.workers) if index not in self._ends and index not in self._lost]

    def heard(self, told: Mapping[str, Any]) -> None:
        index = told["index"]
        self._heard[index], self._pids[index] = clock.monotonic(), told["pid"]
        self._done[index] += len(told["rows"])
        apart = told["now"] - clock.now()
        if abs(apart) > CLOCKS_APART and index not in self._apart:
            self._apart.add(index)
            trouble(f"the clock of {self._name(index)} is {apart:+.1f} s off: times of its requests cannot be used")

    def end(self, told: Mapping[str, int]) -> None:
        if told["index"] not in self._lost:
            self._ends[told["index"]] = told

    def lose(self, index: int, why: str) -> None:
        if index in self.here:
            self._lost[index] = why
            trouble(f"{self._name(index)} was lost: {why}")

    def lose_process(self, pid: int, why: str) -> None:
        """The worker of a process that has ended; one that was never heard of is lost when it has been silent for long."""
        for index, known in self._pids.items():
            if known == pid:
                self.lose(index, why)

    def lose_silent(self) -> None:
        now = clock.monotonic()
        for index in self.here:
            if now - self._heard[index] > SILENT:
                self.lose(index, f"not heard of for {SILENT:g} s")

    def total(self) -> dict[str, int]:
        """ProbeEnded's counts. What a lost worker would have sent was planned as well."""
        elapsed = clock.monotonic() - self._began
        share = int(elapsed * self._plan.options.rate / self._plan.workers)
        missing = {index: {"planned": share, "done": self._done[index], "late": 0} for index in self._lost}
        ends = [*self._ends.values(), *missing.values()]
        return {name: sum(one[name] for one in ends) for name in ("planned", "done", "late")}

    def _name(self, index: int) -> str:
        return f"Locust worker {index + 1} of {self._plan.workers}"


def say(*lines: Mapping[str, object]) -> None:
    """Journal lines, on standard output."""
    print("\n".join(json.dumps(line, separators=(",", ":")) for line in lines), flush=True)


def trouble(message: str) -> None:
    say({"event": "Trouble", "at": clock.now(), "step": "traffic", "message": message})
