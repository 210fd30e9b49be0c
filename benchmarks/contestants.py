"""The proxies that are compared, each on core 0 with the same nginx backend on core 1, and each writing an access log."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from harness.emulator.alb.plane import Plane, Target

PROXY_CORE, LOAD_CORE = 0, 1
BODY = b"x" * 100


@dataclass
class Contestant:
    """A proxy that listens on `port`; `pid` is the process that does the work."""

    name: str
    port: int
    pid: int
    plane: Plane | None = None

    def resident(self) -> float:
        """MB."""
        process = psutil.Process(self.pid)
        family = [process, *process.children(recursive=True)]
        return max(one.memory_info().rss for one in family) / 2**20

    def cpu(self) -> tuple[float, float]:
        """Seconds of CPU so far, (user, system)."""
        process = psutil.Process(self.pid)
        times = [one.cpu_times() for one in (process, *process.children(recursive=True))]
        return float(sum(one.user for one in times)), float(sum(one.system for one in times))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def listens(port: int) -> None:
    for _ in range(500):
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(0.02)
    raise TimeoutError(f"nothing listens on port {port}")


@asynccontextmanager
async def program(core: int, *command: str, port: int, output: str = os.devnull) -> AsyncIterator[int]:
    """A process pinned to a core, that writes to `output`; its pid, once its port answers."""
    with open(output, "ab") as file:  # noqa: ASYNC230 nothing else runs yet
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.DEVNULL)
    os.sched_setaffinity(process.pid, {core})
    try:
        await listens(port)
        for child in psutil.Process(process.pid).children(recursive=True):
            os.sched_setaffinity(child.pid, {core})
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def nginx_config(folder: Path, name: str, port: int, server: str, upstream: str = "") -> str:
    path = folder / f"{name}.conf"
    log = f"access_log {folder}/{name}.log;" if upstream else "access_log off;"
    path.write_text(
        f"daemon off; worker_processes 1; pid {folder}/{name}.pid; error_log /dev/null;\n"
        "events { worker_connections 20000; }\n"
        f"http {{ {log} keepalive_requests 1000000000; client_body_temp_path {folder}; proxy_temp_path {folder};\n"
        f"  fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};\n  {upstream}\n"
        f"  server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ {server} }} }} }}\n",
        encoding="utf-8",
    )
    return str(path)


@asynccontextmanager
async def backend(folder: Path) -> AsyncIterator[int]:
    """nginx that answers 100 bytes from memory."""
    port = free_port()
    config = nginx_config(folder, "backend", port, f'default_type text/plain; return 200 "{BODY.decode()}";')
    async with program(LOAD_CORE, "nginx", "-c", config, port=port):
        yield port


@asynccontextmanager
async def nginx(folder: Path, target: int) -> AsyncIterator[Contestant]:
    port = free_port()
    proxy = 'proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; '
    proxy += "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"
    upstream = f"upstream up {{ server 127.0.0.1:{target}; keepalive 256; keepalive_requests 1000000000; }}"
    config = nginx_config(folder, "proxy", port, proxy, upstream)
    async with program(PROXY_CORE, "nginx", "-c", config, port=port) as pid:
        yield Contestant("nginx", port, pid)


@asynccontextmanager
async def haproxy(folder: Path, target: int, *, log: bool = True) -> AsyncIterator[Contestant]:
    port, path = free_port(), folder / f"haproxy-{log}.cfg"
    path.write_text(
        f"global\n nbthread 1\n maxconn 9000\n {'log stdout format raw local0' if log else ''}\n"
        f"defaults\n mode http\n {'log global' if log else ''}\n {'option httplog' if log else ''}\n option forwardfor\n"
        " timeout connect 5s\n timeout client 60s\n timeout server 60s\n"
        f"frontend f\n bind 127.0.0.1:{port} backlog 4096\n default_backend b\n"
        f"backend b\n http-reuse always\n server s 127.0.0.1:{target}\n",
        encoding="utf-8",
    )
    output = str(folder / "haproxy.log") if log else os.devnull
    async with program(PROXY_CORE, "haproxy", "-db", "-f", str(path), port=port, output=output) as pid:
        yield Contestant("HAProxy" if log else "HAProxy, no log", port, pid)


@asynccontextmanager
async def rehearse(
    folder: Path, target: int, *, groups: tuple[str, ...] = ("group",), listener: int = 80
) -> AsyncIterator[Contestant]:
    """Ours, with its log of every request and its metrics; the samples are taken apart in this process, as in the emulator."""
    plane = Plane(folder / "logs")
    await plane.start()
    assert plane._process is not None
    os.sched_setaffinity(plane._process.pid, {PROXY_CORE})
    try:
        for group in groups:
            await plane.put_target_group(group, {"HealthCheckEnabled": False}, {})
            await plane.register(group, [Target("10.0.0.1", 80, ("127.0.0.1", target))])
        port = await send(plane, groups[0], listener)
        yield Contestant("rehearse", port, plane._process.pid, plane)
    finally:
        await plane.close()


async def send(plane: Plane, group: str, listener: int = 80) -> int:
    """All traffic to one group."""
    action = {"Type": "forward", "TargetGroupArn": group}
    rules = [{"RuleArn": "default", "Priority": "default", "Conditions": [], "Actions": [action]}]
    return await plane.put_listener(
        "listener", load_balancer="app/benchmark/1", protocol="HTTP", port=listener, attributes={}, rules=rules
    )


def missing() -> list[str]:
    return [tool for tool in ("wrk", "nginx", "haproxy", "taskset") if shutil.which(tool) is None]
