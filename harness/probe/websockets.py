"""Users with a long-lived connection: opened once, kept alive, and who ended it is what counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp

from harness import clock

ALIVE_EVERY = 5.0  # seconds between two pings, far below the load balancer's idle timeout of 60 s
OPEN_WITHIN = 10.0


@dataclass(frozen=True, slots=True)
class Ended:
    """`opened` is None for a connection that never opened; `cut` where it was not the user who left."""

    number: int
    at: float
    opened: float | None
    cut: bool
    error: str | None


class Crowd:
    """`count` connections to `url`; `report` is told of each when it has ended."""

    def __init__(self, url: str, host_header: str, count: int, report: Callable[[Ended], None]) -> None:
        self._url, self._headers, self._count = url, {"Host": host_header, "User-Agent": "rehearse-probe"}, count
        self._report = report
        self._left = asyncio.Event()

    async def run(self) -> None:
        """Until every connection has ended; `leave` makes the users go."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=OPEN_WITHIN)
        async with aiohttp.ClientSession(headers=self._headers, timeout=timeout) as session:
            await asyncio.gather(*(self._one(session, number) for number in range(self._count)))

    def leave(self) -> None:
        self._left.set()

    async def _one(self, session: aiohttp.ClientSession, number: int) -> None:
        opened: float | None = None
        try:
            async with asyncio.timeout(OPEN_WITHIN):
                connection = await session.ws_connect(self._url, heartbeat=ALIVE_EVERY)
            opened = clock.now()
            error = await self._stay(connection)
        except aiohttp.WSServerHandshakeError as refused:
            error = f"no upgrade: the answer was {refused.status}"
        except (OSError, TimeoutError, aiohttp.ClientError) as failed:
            error = f"{type(failed).__name__}: {failed}".rstrip(": ")
        self._report(Ended(number, clock.now(), opened, bool(error) and opened is not None, error))

    async def _stay(self, connection: aiohttp.ClientWebSocketResponse) -> str | None:
        """How the service ended it, None where the user left first."""
        hearing, leaving = asyncio.ensure_future(_hear(connection)), asyncio.ensure_future(self._left.wait())
        await asyncio.wait({hearing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        error = hearing.result() if hearing.done() else None
        for task in (hearing, leaving):
            task.cancel()
        await asyncio.gather(hearing, leaving, return_exceptions=True)
        await connection.close()
        return error


async def _hear(connection: aiohttp.ClientWebSocketResponse) -> str:
    async for message in connection:
        if message.type is aiohttp.WSMsgType.ERROR:
            break
    return f"closed with code {connection.close_code}" if connection.close_code else "cut without a close frame"
