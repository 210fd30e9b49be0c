"""The promises that need load, or size, to be seen: flips, drains, a body larger than the memory, thousands of idle connections."""

import asyncio
import resource
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psutil
import pytest

from harness.emulator.alb.messages import Target
from tests.alb.conftest import Balancer, balancer, forward, story
from tests.alb.wire import Front, Talk, front, read_head

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Named(asyncio.Protocol):
    """A target that answers its name."""

    def __init__(self, name: bytes) -> None:
        self.answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(name), name)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(self.answer * data.count(b"\r\n\r\n"))  # type: ignore[attr-defined]


class User:
    """Asks again and again on one connection; `seen` counts (status, body)."""

    def __init__(self, port: int, seen: Counter[tuple[int, bytes]]) -> None:
        self.port, self.seen, self.stopped = port, seen, False

    async def run(self) -> None:
        talk: Talk | None = None
        while not self.stopped:
            if talk is None:
                talk = Talk(*await asyncio.open_connection("127.0.0.1", self.port))
            answer = await talk.ask(GET)
            self.seen[answer.status, answer.body] += 1
            if answer.get("connection") == b"close":
                talk.writer.close()
                talk = None
        if talk is not None:
            talk.writer.close()


@asynccontextmanager
async def users(lb: Balancer, count: int) -> AsyncIterator[Counter[tuple[int, bytes]]]:
    """Load while the block runs. An exception of any user, a broken connection above all, fails the test."""
    seen: Counter[tuple[int, bytes]] = Counter()
    crowd = [User(lb.port, seen) for _ in range(count)]
    async with asyncio.TaskGroup() as tasks:
        for one in crowd:
            tasks.create_task(one.run())
        yield seen
        for one in crowd:
            one.stopped = True


async def named(lb: Balancer, group: str, *names: str, delay: int = 1) -> list[Target]:
    """A group with targets that answer their names."""
    await lb.plane.put_target_group(
        group, {"HealthCheckEnabled": False}, {"deregistration_delay.timeout_seconds": str(delay)}
    )
    loop, targets = asyncio.get_running_loop(), []
    for number, name in enumerate(names):
        server = await loop.create_server(lambda name=name: Named(name.encode()), "127.0.0.1", 0)
        lb.backends.append(server)  # type: ignore[arg-type]  # closed like a backend
        targets.append(Target(f"10.0.0.{number + 1}", 80, ("127.0.0.1", server.sockets[0].getsockname()[1])))
    await lb.plane.register(group, targets)
    return targets


@story
async def test_thousand_changes_of_weights_under_load_fail_no_request():
    async with balancer() as lb:
        await named(lb, "blue", "blue")
        await named(lb, "green", "green")
        await lb.split(100, 0)
        async with users(lb, 8) as seen:
            for turn in range(1000):
                group = ("green", "blue")[turn % 2]
                await lb.rules(forward({group: 100}))
                before = seen.copy()
                await lb.until(lambda before=before: sum((seen - before).values()) > 0)
        assert set(seen) == {(200, b"blue"), (200, b"green")}
        assert min(seen.values()) > 100


@story
async def test_no_request_that_began_after_the_acknowledgement_goes_to_the_old_group():
    async with balancer() as lb:
        await named(lb, "blue", "blue")
        await named(lb, "green", "green")
        await lb.split(100, 0)
        talk = Talk(*await asyncio.open_connection("127.0.0.1", lb.port))
        for turn in range(500):
            group = ("green", "blue")[turn % 2]
            await lb.rules(forward({group: 100}))
            assert (await talk.ask(GET)).body == group.encode()
        talk.writer.close()


@story
async def test_hundred_rounds_of_deregistering_a_target_under_load_fail_no_request():
    async with balancer() as lb:
        targets = await named(lb, "blue", "one", "two", "three")
        await lb.rules(forward({"blue": 1}))
        async with users(lb, 8) as seen:
            for turn in range(100):
                leaving = targets[turn % 3]
                await lb.plane.deregister("blue", [(leaving.id, leaving.port)])
                before = seen.copy()
                await lb.until(lambda before=before: sum((seen - before).values()) > 20)
                await lb.plane.register("blue", [leaving])
        assert {status for status, _ in seen} == {200}
        assert {body for _, body in seen} == {b"one", b"two", b"three"}


def resident(it: Front) -> float:
    """MB of the data plane."""
    assert it.lb is not None
    assert it.lb.plane._process is not None
    return psutil.Process(it.lb.plane._process.pid).memory_info().rss / 2**20


@story
async def test_gigabyte_passes_both_ways_through_fifty_megabytes():
    size, piece = 1 << 30, bytes(1 << 20)
    async with front() as it:

        async def script(talk: Talk) -> None:
            """Take a body, then send one; slowly at first, so that back-pressure must hold the sender."""
            await read_head(talk.reader)
            taken = 0
            while taken < size:
                taken += len(await talk.reader.read(1 << 16 if taken < 1 << 22 else 1 << 20))
                if taken < 1 << 22:
                    await asyncio.sleep(0.001)
            talk.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
            for _ in range(size // len(piece)):
                talk.writer.write(piece)
                await talk.writer.drain()

        it.target.script = script
        before = resident(it)
        client = await it.connect()
        client.writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size)
        most = before
        for number in range(size // len(piece)):
            client.writer.write(piece)
            await client.writer.drain()
            if number % 16 == 0:
                most = max(most, resident(it))
        assert (await read_head(client.reader)).status == 200
        left = size
        while left:
            part = await client.reader.read(1 << 16 if size - left < 1 << 22 else 1 << 20)
            left -= len(part)
            if size - left < 1 << 22:
                await asyncio.sleep(0.001)
                most = max(most, resident(it))
        most = max(most, resident(it))
        assert most - before < 50, f"{before:.0f} MB became {most:.0f} MB"


@story
async def test_five_thousand_idle_connections_cost_others_nothing():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 6000)), hard))
    async with front(attributes={"idle_timeout.timeout_seconds": "60"}) as it:
        before = resident(it)
        idle = []
        for number in range(5000):
            _, writer = await asyncio.open_connection("127.0.0.1", it.port)
            if number % 2:
                writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")  # half of them with half a head
            idle.append(writer)
        client = await it.connect()
        for _ in range(50):
            assert (await client.ask(GET)).status == 200
        assert resident(it) - before < 100
        for writer in idle:
            writer.close()
