"""A real data plane in its own process, raw TCP targets, and a raw HTTP client."""

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from harness import clock
from harness.emulator.alb.client import Client
from harness.emulator.alb.exchange import Exchange
from harness.emulator.alb.head import parse
from harness.emulator.alb.listener import Listener
from harness.emulator.alb.plane import AccessRow, HealthChange, Plane, Target
from harness.emulator.alb.rules import FixedResponse, Forward, Redirect, Rule
from harness.emulator.alb.targets import Group, Member

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter, bytes], Awaitable[None]]
FAST = {
    "HealthCheckPath": "/healthz",
    "HealthCheckIntervalSeconds": 0.2,
    "HealthCheckTimeoutSeconds": 0.2,
    "UnhealthyThresholdCount": 2,
    "HealthyThresholdCount": 2,
}


def answer(body: bytes, status: str = "200 OK", headers: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


class Backend:
    """A target that answers its name, or whatever `respond` says; it keeps the head of every request but health checks."""

    def __init__(self, name: str) -> None:
        self.name, self.seen, self.health = name, [], 200
        self.respond: Handler | None = None
        self.connections = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def start(self) -> "Backend":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if head.startswith(b"GET /healthz"):
                    writer.write(answer(b"", f"{self.health} X"))
                    continue
                self.seen.append(head)
                await self.gate.wait()
                if self.respond is not None:
                    await self.respond(reader, writer, head)
                else:
                    writer.write(answer(b"" if head.startswith(b"HEAD") else self.name.encode()))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def target(self) -> Target:
        return Target("10.0.0.1", self.port, ("127.0.0.1", self.port))

    def close(self) -> None:
        self._server.close()


class Balancer:
    """A plane with the groups blue and green behind one listener; `split(blue, green)` sets weights."""

    def __init__(self, plane: Plane) -> None:
        self.plane = plane
        self.rows: list[AccessRow] = []
        self.health: dict[tuple[str, int], HealthChange] = {}
        self.changes: list[HealthChange] = []
        plane.on_access = self.rows.extend
        plane.on_health = self._heard
        self.attributes: dict[str, str] = {}
        self.backends: list[Backend] = []

    def _heard(self, change: HealthChange) -> None:
        self.changes.append(change)
        self.health[change.target_group, change.port] = change

    async def group(self, arn: str, *names: str, delay: float = 1, **check: Any) -> list[Backend]:
        """A target group with a backend for each name, all registered."""
        await self.plane.put_target_group(arn, {**FAST, **check}, {"deregistration_delay.timeout_seconds": str(delay)})
        backends = [await Backend(name).start() for name in names]
        self.backends += backends
        await self.plane.register(arn, [one.target() for one in backends])
        return backends

    async def split(self, blue: int, green: int) -> None:
        await self.rules(forward({"blue": blue, "green": green}))

    async def rules(self, default: dict[str, Any], *others: dict[str, Any]) -> None:
        rules = [*others, {"RuleArn": "default", "Priority": "default", "Conditions": [], "Actions": [default]}]
        self.port = await self.plane.put_listener(
            "listener", load_balancer="app/test/1", protocol="HTTP", port=80, attributes=self.attributes, rules=rules
        )

    async def healthy(self, *backends: Backend) -> None:
        await self.until(lambda: all(self.state(one) == "healthy" for one in backends))

    def state(self, backend: Backend) -> str | None:
        return next((change.state for (_, port), change in self.health.items() if port == backend.port), None)

    async def until(self, condition: Callable[[], Any], within: float = 10.0) -> Any:
        deadline = clock.monotonic() + within
        while not (value := condition()):
            assert clock.monotonic() < deadline, f"waited {within} s for it; health: {self.health}"
            await clock.Wall().sleep(0.02)
        return value

    async def raw(self, data: bytes, *, half_close: bool = False) -> bytes:
        """Send bytes on a new connection, return everything until the other side closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        if half_close:
            writer.write_eof()
        async with asyncio.timeout(10):
            received = await reader.read()
        writer.close()
        return received

    async def get(self, path: str = "/", headers: str = "") -> tuple[int, str]:
        """One request on a connection of its own: status and body."""
        received = await self.raw(
            f"GET {path} HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n{headers}\r\n".encode()
        )
        head, _, body = received.partition(b"\r\n\r\n")
        return int(head.split()[1]), body.decode()


ACTIONS = {
    "Forward": Forward((), ()),
    "FixedResponse": FixedResponse(200, "", ""),
    "Redirect": Redirect("HTTP_301", "", "", "", "", ""),
}


def ended(row: AccessRow) -> Exchange:
    """A request that has ended as `row` says."""
    client = Client(Listener("listener", row.load_balancer, row.listener_port, lambda exchange: None))
    client.ip, client.peer = "127.0.0.1", row.client
    head = parse(f"GET {row.url} HTTP/1.1\r\nHost: {row.host}\r\n\r\n".encode())
    exchange = Exchange(head, client)
    exchange.arrived, exchange.sent_at = row.time, row.time + max(0.0, row.request_time) + 1e-9
    exchange.first_byte = exchange.sent_at + row.target_time if row.target_time >= 0 else 0.0
    exchange.ended = exchange.first_byte + row.response_time
    exchange.status, exchange.elb_status, exchange.error_reason = row.target_status, row.elb_status, row.error_reason
    if row.target_group:
        exchange.member = Member(Group(row.target_group, lambda change: None), Target("10.0.0.1", 80, None))
    if row.actions in ACTIONS:
        exchange.rule = Rule(row.rule_priority, (), ACTIONS[row.actions], frozenset())
    return exchange


def forward(weights: dict[str, int]) -> dict[str, Any]:
    groups = [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in weights.items()]
    return {"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}


def rule(priority: int, condition: dict[str, Any], action: dict[str, Any]) -> dict[str, Any]:
    return {"RuleArn": f"rule-{priority}", "Priority": str(priority), "Conditions": [condition], "Actions": [action]}


@asynccontextmanager
async def balancer(logs: Path | None = None) -> AsyncIterator[Balancer]:
    plane = Plane(logs)
    await plane.start()
    one = Balancer(plane)
    try:
        yield one
    finally:
        await plane.close()
        for backend in one.backends:
            backend.close()


def story(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run an async test on an event loop of its own."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(test(*args, **kwargs))  # type: ignore[arg-type]

    return run
