"""Our load balancer beside HAProxy and nginx: throughput, latency, memory, and what a change of weights costs.

    .venv/bin/python benchmarks/load_balancer.py [--rounds 5] [--seconds 3] [--only throughput,added,latency,memory,flips]

Linux only; wrk, nginx, haproxy and taskset must be installed. The proxies share core 0, the load and the backend core 1, in alternating
rounds: on a machine that others use as well, only the ratios mean something. benchmarks/README.md has results and caveats.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import uvloop
from contestants import LOAD_CORE, Contestant, backend, haproxy, missing, nginx, rehearse, send

HERE = Path(__file__).parent
UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


@dataclass
class Measured:
    rate: float  # requests/s
    p50: float  # ms
    p99: float
    user: float  # microseconds of the proxy's CPU per request
    system: float
    errors: int

    @property
    def cpu(self) -> float:
        return self.user + self.system


async def wrk(one: Contestant, connections: int, seconds: float, script: str = "") -> Measured:
    command = ["taskset", "-c", str(LOAD_CORE), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    command += ["-s", str(HERE / script)] if script else []
    before = one.cpu()
    process = await asyncio.create_subprocess_exec(
        *command, f"http://127.0.0.1:{one.port}/hello", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    text = (await process.communicate())[0].decode()
    spent = [1e6 * (after - then) for then, after in zip(before, one.cpu(), strict=True)]
    percentile = {
        kind: float(value) * UNITS[unit] for kind, value, unit in re.findall(r"(\d+)%\s+([\d.]+)(us|ms|s)", text)
    }
    count = int(re.search(r"(\d+) requests in", text)[1])  # type: ignore[index]
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1])  # type: ignore[index]
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    broken = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    errors = int(bad[1]) if bad else 0
    errors += sum(map(int, broken.groups())) if broken else 0
    return Measured(rate, percentile["50"], percentile["99"], *(part / max(count, 1) for part in spent), errors)


async def throughput(contestants: list[Contestant], rounds: int, seconds: float) -> None:
    for title, connections, script in (
        ("the same head again and again, 64 connections", 64, ""),
        ("every head unique and browser-like, 64 connections", 64, "unique.lua"),
        ("every head unique, and every line of it, 64 connections", 64, "strange.lua"),
    ):
        results: dict[str, list[Measured]] = {one.name: [] for one in contestants}
        for _ in range(rounds):
            for one in contestants:
                results[one.name].append(await wrk(one, connections, seconds, script))
        print(
            f"\n{title}\n\n| | requests/s | x HAProxy | p50 ms | p99 ms | p99 x HAProxy "
            "| CPU µs/request (user + system) | CPU, HAProxy / it | errors |"
        )
        print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
        for name, runs in results.items():
            yard = results["HAProxy"]
            ratio = statistics.median(run.rate / other.rate for run, other in zip(runs, yard, strict=True))
            tail = statistics.median(run.p99 / other.p99 for run, other in zip(runs, yard, strict=True))
            middle = [
                statistics.median(getattr(run, key) for run in runs)
                for key in ("rate", "p50", "p99", "cpu", "user", "system")
            ]
            thrift = statistics.median(other.cpu / run.cpu for run, other in zip(runs, yard, strict=True))
            errors = sum(run.errors for run in runs)
            cells = [f"{middle[0]:.0f}", f"{ratio:.2f}", f"{middle[1]:.2f}", f"{middle[2]:.2f}", f"{tail:.2f}"]
            cells += [f"{middle[3]:.1f} ({middle[4]:.1f} + {middle[5]:.1f})", f"{thrift:.2f}"]
            print(f"| {name} | {' | '.join(cells)} | {errors} |")
        sys.stdout.flush()


async def added(contestants: list[Contestant], direct: Contestant, rounds: int, seconds: float) -> None:
    """What each adds to the latency of one connection that asks again and again."""
    runs: dict[str, list[Measured]] = {one.name: [] for one in (direct, *contestants)}
    for _ in range(rounds):
        for one in (direct, *contestants):
            runs[one.name].append(await wrk(one, 1, seconds))
    print("\none connection, µs\n\n| | p50 | added to it | p99 | CPU per request |\n| --- | --- | --- | --- | --- |")
    for name, some in runs.items():
        more = statistics.median(1000 * (run.p50 - own.p50) for run, own in zip(some, runs[direct.name], strict=True))
        p50, p99, cpu = (statistics.median(getattr(run, key) for run in some) for key in ("p50", "p99", "cpu"))
        spent = "" if name == direct.name else f"{cpu:.1f}"
        print(f"| {name} | {1000 * p50:.0f} | {more:.0f} | {1000 * p99:.0f} | {spent} |", flush=True)


async def latency(folder: Path, target: int, rounds: int, seconds: float) -> None:
    """1,000 requests/s whatever comes back, timed from when they were due; the API side idle, and then as busy as it can be."""
    async with rehearse(folder, target) as one, haproxy(folder, target) as other:
        for contestant in (one, other):  # on any core, as the emulator starts its own
            os.sched_setaffinity(contestant.pid, range(os.cpu_count() or 1))
        ways = (
            ("straight to the backend", target, False),
            ("through HAProxy", other.port, False),
            ("through us", one.port, False),
            ("straight, beside a busy API side", target, True),
            ("through HAProxy, beside the same", other.port, True),
            ("through us, beside the same", one.port, True),
        )
        runs: dict[str, list[tuple[float, ...]]] = {title: [] for title, _, _ in ways}
        for _ in range(rounds):
            for title, port, busy in ways:
                runs[title].append(await open_loop(port, seconds, busy=busy))
    print("\n1,000 requests/s open loop, ms from when each was due, medians (and best p99) of the rounds\n")
    print("| | p50 | p99 | best p99 | p99.9 |\n| --- | --- | --- | --- | --- |")
    for title, some in runs.items():
        p50, p99, p999 = (statistics.median(column) for column in zip(*some, strict=True))
        print(f"| {title} | {p50:.2f} | {p99:.2f} | {min(run[1] for run in some):.2f} | {p999:.2f} |", flush=True)


async def open_loop(port: int, seconds: float, *, busy: bool) -> tuple[float, ...]:
    """(p50, p99, p99.9). `busy`: this process, the API side of our data plane, computes all the while, as a Terraform apply or the
    import of moto would have it do. It may use any core, as the emulator may."""
    command = [sys.executable, str(HERE / "open_loop.py"), str(port), str(seconds)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    answer = asyncio.ensure_future(process.communicate())
    os.sched_setaffinity(0, range(os.cpu_count() or 1) if busy else {LOAD_CORE})
    while busy and not answer.done():
        sum(range(200_000))
        await asyncio.sleep(0)
    os.sched_setaffinity(0, {LOAD_CORE})
    return tuple(map(float, (await answer)[0].split()))


async def memory(contestants: list[Contestant]) -> None:
    print("\n5,000 idle connections\n\n| | MB before | MB with them |\n| --- | --- | --- |")
    for one in contestants:
        before = one.resident()
        idle = [(await asyncio.open_connection("127.0.0.1", one.port))[1] for _ in range(5000)]
        await asyncio.sleep(1)
        print(f"| {one.name} | {before:.0f} | {one.resident():.0f} |", flush=True)
        for writer in idle:
            writer.close()
        await asyncio.sleep(1)


async def flips(folder: Path, target: int, count: int) -> None:
    """All traffic to the other group, under load: when is the last request sent to the old one, counted from the acknowledgement?

    The access log tells when each request was sent on: a backend could only tell when it came to look at its socket.
    """
    async with rehearse(folder / "flips", target, groups=("blue", "green")) as one:
        assert one.plane is not None
        command = [sys.executable, str(HERE / "open_loop.py"), str(one.port), str(count * 0.012 + 1), "300"]
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        await asyncio.sleep(0.5)
        calm: list[
            tuple[str, float, float]
        ] = []  # the old group must get nothing from the acknowledgement until the next flip
        for turn in range(count):
            old, new = (("blue", "green"), ("green", "blue"))[turn % 2]
            await send(one.plane, new)
            acknowledged = time.time()
            await asyncio.sleep(0.01)
            calm.append((old, acknowledged, time.time()))
        await process.communicate()
    log = rows(folder / "flips" / "logs")
    late = [
        (arrived > begin, sent - begin)
        for group, arrived, sent in log
        for old, begin, end in calm
        if group == old and begin < sent < end
    ]
    print(f"\n{count} flips at 300 requests/s: {'SOME' if process.returncode else 'no'} request failed of {len(log)}.")
    print(f"Requests that came after the acknowledgement and went to the old group: {sum(new for new, _ in late)}.")
    print(f"Requests chosen before it and sent after it, since their connection was being made: {len(late)}, ", end="")
    print(f"at most {1e6 * max((after for _, after in late), default=0.0):.0f} µs after it.", flush=True)


def rows(logs: Path) -> list[tuple[str, float, float]]:
    """(target group, when the request came, when it was sent on) of all requests in a log."""
    found = []
    for path in sorted(logs.glob("*.jsonl")):
        for row in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
            arrived = datetime.fromisoformat(row["time"]).timestamp()
            found.append((row["target_group"], arrived, arrived + row["request_time"]))
    return found


async def main(arguments: argparse.Namespace) -> None:
    os.sched_setaffinity(0, {LOAD_CORE})
    wanted = arguments.only.split(",")
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        target = await stack.enter_async_context(backend(folder))
        if {"throughput", "added", "memory"} & set(wanted):
            contestants = [
                await stack.enter_async_context(haproxy(folder, target)),
                await stack.enter_async_context(haproxy(folder, target, log=False)),
                await stack.enter_async_context(nginx(folder, target)),
                await stack.enter_async_context(rehearse(folder, target)),
            ]
            if "throughput" in wanted:
                await throughput(contestants, arguments.rounds, arguments.seconds)
            if "added" in wanted:
                direct = Contestant("straight to the backend", target, os.getpid())
                await added(contestants, direct, arguments.rounds, arguments.seconds)
            if "memory" in wanted:
                await memory(contestants)
        if "latency" in wanted:
            await latency(folder, target, arguments.rounds, arguments.seconds)
        if "flips" in wanted:
            await flips(folder, target, 1000)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__ or "")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=int, default=3)
    options.add_argument("--only", default="throughput,added,latency,memory,flips")
    if absent := missing():
        sys.exit(f"not installed: {', '.join(absent)}")
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(main(options.parse_args()))
