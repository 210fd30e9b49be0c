"""The only file that reads or spends time.

Two kinds of waiting, never mixed:

* `sleep` races with real traffic (health checks, deregistration delay, stopTimeout, an app's start) and is never compressed.
* `idle` is where AWS merely waits (canary and linear intervals, ready and termination wait, alarm periods). A `Compressed`
  clock divides it, and reports every wait with both durations.

`now` is wall time, always: only `Manual`, for unit tests, makes both instant.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol, TypeVar

T = TypeVar("T")

now = time.time
monotonic = time.monotonic
pause = time.sleep


def utc(at: float | None = None) -> datetime:
    """`at` (seconds since the epoch, default now) as an aware UTC datetime."""
    return datetime.fromtimestamp(now() if at is None else at, UTC)


def iso(at: float) -> str:
    """`2026-11-23T10:15:30.123Z`, the form used in journals, logs and reports."""
    return utc(at).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Waited:
    """One wait that AWS would have spent doing nothing: seconds as declared, and as really waited."""

    why: str
    declared: float
    effective: float
    since: float


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since the epoch, wall time."""

    async def sleep(self, seconds: float) -> None:
        """Wait in real time; never compressed."""

    async def idle(self, seconds: float, why: str, *, at_least: float = 0.0) -> None:
        """Wait where AWS merely waits: may be compressed, but not below `at_least` (nor above `seconds`)."""


class Wall:
    """Real time, uncompressed."""

    def now(self) -> float:
        return now()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def idle(self, seconds: float, why: str, *, at_least: float = 0.0) -> None:
        await self.sleep(seconds)


class Compressed:
    """`idle` divided by `factor`; every idle wait is handed to `record` before it begins."""

    def __init__(self, base: Clock, factor: float, record: Callable[[Waited], None] = lambda waited: None) -> None:
        if factor < 1:
            raise ValueError(f"compression is {factor}; it must be 1 or more")
        self._base, self.factor, self._record = base, factor, record

    def now(self) -> float:
        return self._base.now()

    async def sleep(self, seconds: float) -> None:
        await self._base.sleep(seconds)

    def effective(self, seconds: float, at_least: float = 0.0) -> float:
        """What `idle` would really wait for a declared wait of `seconds`."""
        return min(seconds, max(seconds / self.factor, at_least))

    async def idle(self, seconds: float, why: str, *, at_least: float = 0.0) -> None:
        effective = self.effective(seconds, at_least)
        self._record(Waited(why, seconds, effective, self.now()))
        await self._base.sleep(effective)


class Manual:
    """A clock for unit tests: time moves only by `advance`, and then at once."""

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._now, self._order = start, itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            return await asyncio.sleep(0)
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._order), woken))
        return await woken

    async def idle(self, seconds: float, why: str, *, at_least: float = 0.0) -> None:
        await self.sleep(seconds)

    async def advance(self, seconds: float) -> None:
        """Let `seconds` pass; everything due on the way runs, in order."""
        end = self._now + seconds
        await self._settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            self._now, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                woken.set_result(None)
            await self._settle()
        self._now = end

    async def _settle(self) -> None:
        for _ in range(50):
            await asyncio.sleep(0)


async def within(clock: Clock, seconds: float, awaitable: Awaitable[T]) -> T:
    """The result of `awaitable`, or TimeoutError after `seconds` of real time; the loser is cancelled and awaited."""
    work = asyncio.ensure_future(awaitable)
    timer = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait({work, timer}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            raise TimeoutError
        return work.result()
    finally:
        for task in (work, timer):
            task.cancel()
        await asyncio.gather(work, timer, return_exceptions=True)
