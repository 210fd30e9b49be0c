"""Requests per second through the load balancer, as a ratio to HAProxy (where it is installed) and to no proxy at all.

    .venv/bin/python benchmarks/load_balancer.py [seconds]

One backend, 16 kept-alive connections, the contestants one after the other in the same run. All of it shares the machine's cores,
so only the ratios mean something.
"""

import asyncio
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop

from harness.emulator.alb.plane import Plane, Target

CONNECTIONS = 16
REQUEST = b"GET /hello HTTP/1.1\r\nHost: example.com\r\nUser-Agent: benchmark\r\nAccept: */*\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, World!"
BACKEND = """
import asyncio, sys, uvloop
ANSWER = {answer!r}
class Backend(asyncio.Protocol):
    def connection_made(self, transport): self.transport = transport
    def data_received(self, data): self.transport.write(ANSWER * data.count(b"\\r\\n\\r\\n"))
async def main():
    server = await asyncio.get_running_loop().create_server(Backend, "127.0.0.1", {port})
    print("ready", flush=True)
    await server.serve_forever()
uvloop.run(main())
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class User(asyncio.Protocol):
    """Sends the next request when the whole answer is here."""

    def __init__(self) -> None:
        self.count, self.buffer, self.latest = 0, b"", 0.0
        self.times: list[float] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.send()

    def send(self) -> None:
        self.latest = time.perf_counter()
        self.transport.write(REQUEST)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if self.buffer.endswith(b"Hello, World!"):
            self.times.append(time.perf_counter() - self.latest)
            self.buffer = b""
            self.send()


async def measure(port: int, seconds: float) -> tuple[float, float]:
    """Requests per second, and the 99th percentile in milliseconds."""
    loop = asyncio.get_running_loop()
    users = [(await loop.create_connection(User, "127.0.0.1", port))[1] for _ in range(CONNECTIONS)]
    await asyncio.sleep(0.5)
    for user in users:
        user.times.clear()
    await asyncio.sleep(seconds)
    times = sorted(value for user in users for value in user.times)
    for user in users:
        user.transport.close()
    return len(times) / seconds, 1000 * times[int(len(times) * 0.99)]


async def direct(backend: int, seconds: float) -> tuple[float, float]:
    return await measure(backend, seconds)


async def ours(backend: int, seconds: float) -> tuple[float, float]:
    plane = Plane()
    await plane.start()
    try:
        await plane.put_target_group("group", {"HealthCheckEnabled": False}, {})
        await plane.register("group", [Target("10.0.0.1", 80, ("127.0.0.1", backend))])
        action = {"Type": "forward", "TargetGroupArn": "group"}
        rules = [{"RuleArn": "default", "Priority": "default", "Conditions": [], "Actions": [action]}]
        port = await plane.put_listener(
            "listener", load_balancer="app/benchmark/1", protocol="HTTP", port=free_port(), attributes={}, rules=rules
        )
        return await measure(port, seconds)
    finally:
        await plane.close()


async def haproxy(backend: int, seconds: float) -> tuple[float, float]:
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "haproxy.cfg")
        config.write_text(
            "global\n nbthread 1\n log stdout format raw local0\ndefaults\n mode http\n log global\n option httplog\n"
            " option forwardfor\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n"
            f"frontend f\n bind 127.0.0.1:{port}\n default_backend b\nbackend b\n server s 127.0.0.1:{backend}\n"
        )
        process = subprocess.Popen(["haproxy", "-f", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            await asyncio.sleep(1)
            return await measure(port, seconds)
        finally:
            process.kill()
            process.wait()


async def main(seconds: float) -> None:
    backend = free_port()
    process = subprocess.Popen(
        [sys.executable, "-c", BACKEND.format(answer=ANSWER, port=backend)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    contestants: dict[str, Callable[[int, float], Awaitable[tuple[float, float]]]] = {
        "no proxy": direct,
        "rehearse": ours,
    }
    if shutil.which("haproxy"):
        contestants["haproxy"] = haproxy
    else:
        print("haproxy is not installed: no ratio to it")
    try:
        results = {name: await contestant(backend, seconds) for name, contestant in contestants.items()}
    finally:
        process.kill()
        process.wait()
    for name, (rate, p99) in results.items():
        ratios = ", ".join(
            f"{rate / other:.2f} x {against}" for against, (other, _) in results.items() if against != name
        )
        print(f"{name:10} {rate:8.0f} requests/s   p99 {p99:6.2f} ms   {ratios}")


if __name__ == "__main__":
    uvloop.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 3))
