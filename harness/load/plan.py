"""What the master tells every worker, and what a worker tells of its requests; both as the lists and dicts that Locust carries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from harness.probe.asks import Ask
from harness.probe.client import Answer, Options

STOP, RESULTS, ENDED = "rehearse-stop", "rehearse-results", "rehearse-ended"  # types of Locust's custom messages
TASK_PLAN, TASK_MASTER, TASK_SECONDS = (f"REHEARSAL_LOAD_{name}" for name in ("PLAN", "MASTER", "SECONDS"))  # of a task
OPTION = "rehearse"  # of the parsed options that Locust's master sends with the users


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole traffic, `options` as for a single probe, and how many `workers` share it. `listeners` are host and port of each
    of the load balancer's addresses, which the workers divide among them; without any, all go to that of `options`."""

    options: Options
    workers: int
    listeners: tuple[tuple[str, int], ...] = ()

    def told(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Plan:
        asks = tuple(Ask(**one) for one in told["options"]["asks"])
        path = tuple(told["options"]["version_json"])
        options = Options(**{**told["options"], "asks": asks, "version_json": path})
        return cls(options, told["workers"], tuple((host, port) for host, port in told.get("listeners", ())))

    def share(self, index: int) -> Options:
        """What the worker with that index, from 0, asks: every `workers`-th request, of every `workers`-th user."""
        sessions = len(range(index, self.options.sessions, self.workers))
        here = self.options.host, self.options.port
        host, port = self.listeners[index % len(self.listeners)] if self.listeners else here
        return replace(self.options, host=host, port=port, rate=self.options.rate / self.workers, sessions=sessions)

    def starts_after(self, index: int) -> float:
        """Seconds that a worker waits, so that all of them together send at even distances."""
        return index / self.options.rate

    def row(self, answer: Answer, index: int) -> list[Any]:
        """An answer to a worker's own requests, numbered among those of all."""
        seq = answer.seq * self.workers + index
        return [seq, answer.due, answer.sent, answer.done, answer.status, answer.version, answer.error]


def answer(row: Sequence[Any]) -> Answer:
    return Answer(*row)
