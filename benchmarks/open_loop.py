"""Requests at a fixed rate, whatever comes back: `open_loop.py PORT SECONDS [RATE]` prints p50, p99 and p99.9 in ms from when each was due.

It exits with 1 where a request failed. A process of its own: what is measured must not share an interpreter with what measures.
"""

import asyncio
import sys
import time

import uvloop

CONNECTIONS = 32
REQUEST = b"GET /hello HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: open-loop\r\nAccept: */*\r\n\r\n"


class Connection(asyncio.Protocol):
    """One request at a time; `free` takes it back when its answer, of one read here, has come."""

    def __init__(self, free: list["Connection"], times: list[float]) -> None:
        self.free, self.times, self.due, self.failed = free, times, 0.0, 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.free.append(self)

    def ask(self, due: float) -> None:
        self.due = due
        self.transport.write(REQUEST)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self.failed += not data.startswith(b"HTTP/1.1 200")
        self.times.append(time.monotonic() - self.due)
        self.free.append(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.failed += 1


async def main(port: int, seconds: float, rate: float) -> None:
    loop, free, times = asyncio.get_running_loop(), [], []
    made = [
        (await loop.create_connection(lambda: Connection(free, times), "127.0.0.1", port))[1]
        for _ in range(CONNECTIONS)
    ]
    began, count, waiting = time.monotonic() + 0.1, 0, []
    while count < seconds * rate:
        now = time.monotonic()
        while began + count / rate <= now:
            waiting.append(began + count / rate)
            count += 1
        while waiting and free:
            free.pop().ask(waiting.pop(0))
        await asyncio.sleep(max(0.0002, began + count / rate - time.monotonic()))
    while len(times) < count - len(waiting):  # noqa: ASYNC110 the answers come to callbacks
        await asyncio.sleep(0.01)
    failed = sum(one.failed for one in made)
    times.sort()
    print(*(f"{1000 * times[int(len(times) * part)]:.2f}" for part in (0.5, 0.99, 0.999)))
    sys.exit(1 if failed else 0)


uvloop.run(main(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]) if len(sys.argv) > 3 else 1000))
