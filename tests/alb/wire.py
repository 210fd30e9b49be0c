"""Raw HTTP on both sides of a proxy: a scripted target, a client that reads answers strictly, and HAProxy to compare with."""

import asyncio
import os
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness import clock
from harness.emulator.alb.messages import Target
from tests.alb.conftest import Balancer, balancer, forward

PROXIES = ("rehearse", "haproxy")
TIMES = 3  # parsed; parsed and remembered; from the memo
SHARED: ContextVar[Balancer] = ContextVar("SHARED")
Script = Callable[["Talk"], Awaitable[None]]


@dataclass
class Message:
    """A request or an answer as it was framed on the wire."""

    line: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""

    def get(self, name: str) -> bytes | None:
        """The value of a header, None where there is none; it must not come twice."""
        found = [value for key, value in self.headers if key == name.lower().encode()]
        assert len(found) <= 1, f"{name} came {len(found)} times"
        return found[0] if found else None

    @property
    def status(self) -> int:
        return int(self.line.split()[1])


async def read_head(reader: asyncio.StreamReader) -> Message:
    first, *lines = (await reader.readuntil(b"\r\n\r\n"))[:-4].split(b"\r\n")
    pairs = [line.partition(b":") for line in lines]
    return Message(first, [(name.lower(), value.strip()) for name, _, value in pairs])


async def read_chunks(reader: asyncio.StreamReader) -> tuple[bytes, list[bytes]]:
    """Payload and trailers."""
    body, trailers = b"", []
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        body += await reader.readexactly(size)
        assert await reader.readexactly(2) == b"\r\n"
    while (line := await reader.readuntil(b"\r\n")) != b"\r\n":
        trailers.append(line)
    return body, trailers


async def read_message(reader: asyncio.StreamReader, *, bodiless: bool = False) -> Message:
    """A head and the body it announces; an answer without any framing ends with the connection."""
    message = await read_head(reader)
    answer = message.line.startswith(b"HTTP/")
    if bodiless or (answer and (message.status < 200 or message.status in (204, 304))):
        return message
    if message.get("transfer-encoding") == b"chunked":
        message.body, trailers = await read_chunks(reader)
        assert trailers == []
    elif (length := message.get("content-length")) is not None:
        message.body = await reader.readexactly(int(length))
    elif answer:
        message.body = await reader.read()
    return message


@dataclass
class Talk:
    """One connection, seen from the target or from a client."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, data: bytes, *, bodiless: bool = False) -> Message:
        self.writer.write(data)
        return await self.answer(bodiless=bodiless)

    async def answer(self, *, bodiless: bool = False) -> Message:
        async with asyncio.timeout(10):
            return await read_message(self.reader, bodiless=bodiless)

    async def rest(self) -> bytes:
        """Everything until the other side closes or resets."""
        async with asyncio.timeout(10):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""


class Scripted:
    """A target. `requests` are those that came in full; `script` answers each of them, or takes the connection over from its head on."""

    def __init__(self) -> None:
        self.requests: list[Message] = []
        self.broken = 0  # requests that broke off
        self.connections = 0
        self.reply = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
        self.script: Script | None = None

    async def start(self) -> "Scripted":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 20)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                if self.script is not None:
                    await self.script(Talk(reader, writer))
                    break
                message = await read_message(reader)
                self.requests.append(message)
                writer.write(self.reply)
                await writer.drain()
        except asyncio.IncompleteReadError as error:
            self.broken += bool(error.partial) or reader.at_eof()
        except ConnectionError:
            self.broken += 1
        finally:
            writer.close()

    def close(self) -> None:
        self._server.close()


@dataclass
class Front:
    """A proxy in front of one scripted target. `lb` is ours, None where HAProxy stands."""

    port: int
    target: Scripted
    lb: Balancer | None = None
    open: list[Talk] = field(default_factory=list)

    async def connect(self) -> Talk:
        talk = Talk(*await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 20))
        self.open.append(talk)
        return talk

    async def until(self, condition: Callable[[], object], within: float = 10.0) -> None:
        deadline = clock.monotonic() + within
        while not condition():
            assert clock.monotonic() < deadline, f"waited {within} s; the target has seen {self.target.requests}"
            await clock.Wall().sleep(0.01)


@asynccontextmanager
async def front(proxy: str = "rehearse", attributes: dict[str, str] | None = None) -> AsyncIterator[Front]:
    target = await Scripted().start()
    behind = ours(target, attributes or {}) if proxy == "rehearse" else haproxy(target)
    try:
        async with behind as made:
            try:
                yield made
            finally:
                for talk in made.open:
                    talk.writer.close()
    finally:
        target.close()


@asynccontextmanager
async def ours(target: Scripted, attributes: dict[str, str]) -> AsyncIterator[Front]:
    """A balancer of its own, or the one that `on` keeps for all times that a case is run."""
    async with AsyncExitStack() as stack:
        shared = SHARED.get(None)
        lb = Balancer(shared.plane) if shared is not None else await stack.enter_async_context(balancer())
        begun, lb.attributes = clock.now(), attributes
        lb.plane.on_access = lambda rows: lb.rows.extend(row for row in rows if row.time >= begun)
        await lb.plane.put_target_group(
            "blue", {"HealthCheckEnabled": False}, {"deregistration_delay.timeout_seconds": "1"}
        )
        await lb.plane.register("blue", [Target("10.0.0.1", target.port, ("127.0.0.1", target.port))])
        await lb.rules(forward({"blue": 1}))
        yield Front(lb.port, target, lb)
        await lb.plane.delete_target_group("blue")


@asynccontextmanager
async def haproxy(target: Scripted) -> AsyncIterator[Front]:
    if shutil.which("haproxy") is None:
        missing = "haproxy is not installed: nothing to compare with (apt install haproxy)"
        if os.environ.get("REHEARSE_REQUIRE_DOCKER") == "1" or os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "haproxy.cfg")
        config.write_text(
            "defaults\n mode http\n retries 0\n timeout connect 2s\n timeout client 10s\n timeout server 10s\n timeout tunnel 10s\n"
            f"frontend f\n bind 127.0.0.1:{port}\n default_backend b\n"
            f"backend b\n server s 127.0.0.1:{target.port}\n",
            encoding="utf-8",
        )
        process = await asyncio.create_subprocess_exec(
            "haproxy", "-db", "-f", str(config), stderr=asyncio.subprocess.DEVNULL
        )
        try:
            made = Front(port, target)
            while not await _listens(port):
                assert process.returncode is None, "haproxy has ended"
                await clock.Wall().sleep(0.01)
            yield made
        finally:
            process.kill()
            await process.wait()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def _again_and_again(test: Callable[..., Awaitable[None]], times: int) -> None:
    async with balancer() as lb:
        SHARED.set(lb)
        for _ in range(times):
            await test("rehearse")


def on(*proxies: str, times: int = TIMES) -> Callable[[Callable[..., Awaitable[None]]], object]:
    """Run an async test for each proxy, which it gets as `proxy`: ours, three times on the same listener, so that every case goes down
    the slow path and is then answered by what the memo has kept of it. `times` is for cases that wait, and see to that by themselves."""

    def decorate(test: Callable[..., Awaitable[None]]) -> object:
        @pytest.mark.parametrize("proxy", proxies or PROXIES)
        def run(proxy: str) -> None:
            asyncio.run(_again_and_again(test, times) if proxy == "rehearse" else test(proxy))  # type: ignore[arg-type]

        run.__name__, run.__doc__ = test.__name__, test.__doc__
        return run

    return decorate
