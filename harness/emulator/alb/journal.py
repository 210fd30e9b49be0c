"""What becomes of finished requests in the data plane: its access logs and metrics, in small batches beside the traffic."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable
from pathlib import Path

from harness import clock
from harness.emulator.alb.access_log import KEPT_ROWS, AccessLog
from harness.emulator.alb.exchange import Ended, whole
from harness.emulator.alb.messages import AccessRow, Datum
from harness.emulator.alb.metrics import Meter

BATCH = 0.02  # seconds that rows wait
MORE = 0.005  # and seconds between two steps of writing, where there are too many rows for one
MOST_NEWS = 100  # rows that are told to the emulator at once; the logs have them all


class Journal:
    """`folder` is where the logs go; None: nowhere."""

    def __init__(self, folder: Path | None) -> None:
        self.meter, self.gauges = Meter(), list[Datum]()
        self._folder = folder
        self._logs: dict[str, AccessLog] = {}
        self._ended: list[Ended] = []
        self._due = False
        self.watched = False  # whether anybody at the emulator wants rows
        self._news: deque[Ended] = deque(maxlen=MOST_NEWS)

    def configure(self, load_balancer: str, *, own_format: bool) -> None:
        self.settle()
        if self._folder is not None:
            self._log_of(self._folder, load_balancer).own_format = own_format

    def add(self, one: Ended) -> None:
        """Exactly once for each request that has ended. What is made of it can wait: here it would cost the next one's latency."""
        self._ended.append(one)
        if not self._due:
            self._wake(BATCH)

    def _wake(self, after: float) -> None:
        self._due = True
        asyncio.get_running_loop().call_later(after, self._step)

    def _step(self) -> None:
        self._due = False
        self.settle()
        more = [log.flush() for log in self._logs.values()]
        if any(more):
            self._wake(MORE)

    def close(self) -> None:
        """Write all that is left."""
        self.settle()
        for log in self._logs.values():
            log.flush(KEPT_ROWS)
            log.close()

    def settle(self) -> None:
        """Count and log what has ended since."""
        ended, self._ended = self._ended, []
        if not ended:
            return
        self.meter.add(ended, clock.now())
        if self.watched:
            self._news.extend(ended)
        if self._folder is None:
            return
        by_balancer: defaultdict[str, list[Ended]] = defaultdict(list)
        for one in ended:
            client = one[3] if isinstance(one, tuple) else one.client
            by_balancer[client.listener.load_balancer].append(one)
        for load_balancer, some in by_balancer.items():
            self._log_of(self._folder, load_balancer).write(some)

    def news(self, targets: Callable[[str], int]) -> tuple[list[AccessRow], list[Datum]]:
        """The latest rows, and all metrics since the last time."""
        self.settle()
        rows = [whole(one).row() for one in self._news]
        data = [*self.meter.drain(targets), *self.gauges]
        self._news.clear()
        self.gauges.clear()
        return rows, data

    def cut(self, load_balancer: str) -> tuple[Path, int]:
        self.settle()
        return self._log_of(self._folder, load_balancer).cut() if self._folder is not None else (Path(), 0)

    def _log_of(self, folder: Path, load_balancer: str) -> AccessLog:
        """Named for the load balancer; with its id too where another region has one of the same name."""
        if load_balancer not in self._logs:
            _, name, number = load_balancer.split("/")
            taken = {other.split("/")[1] for other in self._logs}
            self._logs[load_balancer] = AccessLog(folder, f"{name}-{number}" if name in taken else name)
        return self._logs[load_balancer]
