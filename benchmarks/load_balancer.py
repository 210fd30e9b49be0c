"""Our load balancer beside HAProxy and nginx: throughput, latency, memory, and what a change of weights costs.

    .venv/bin/python benchmarks/load_balancer.py [--rounds 5] [--seconds 3] [--only throughput,latency,memory,flips]

Linux only; wrk, nginx, haproxy and taskset must be installed. The proxies share core 0, the load and the backend core 1, in alternating
rounds: on a machine that others use as well, only the ratios mean something. benchmarks/README.md has results and caveats.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import re
import statistics
import sys
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import uvloop
from contestants import LOAD_CORE, Contestant, backend, haproxy, missing, nginx, rehearse

HERE = Path(__file__).parent
UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


@dataclass
class Measured:
    rate: float  # requests/s
    p50: float  # ms
    p99: float
    cpu: float  # microseconds of the proxy per request
    errors: int


async def wrk(one: Contestant, connections: int, seconds: float, script: str = "") -> Measured:
    command = ["taskset", "-c", str(LOAD_CORE), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    command += ["-s", str(HERE / script)] if script else []
    before = one.cpu()
    process = await asyncio.create_subprocess_exec(
        *command, f"http://127.0.0.1:{one.port}/hello", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    text = (await process.communicate())[0].decode()
    spent = one.cpu() - before
    percentile = {kind: float(value) * UNITS[unit] for kind, value, unit in re.findall(r"(\d+)%\s+([\d.]+)(us|ms|s)", text)}
    count = int(re.search(r"(\d+) requests in", text)[1])  # type: ignore[index]
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1])  # type: ignore[index]
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    broken = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    errors = int(bad[1]) if bad else 0
    errors += sum(map(int, broken.groups())) if broken else 0
    return Measured(rate, percentile["50"], percentile["99"], 1e6 * spent / max(count, 1), errors)


async def throughput(contestants: list[Contestant], rounds: int, seconds: float) -> None:
    for title, connections, script in (
        ("the same head again and again, 64 connections", 64, ""),
        ("every head unique and browser-like, 64 connections", 64, "unique.lua"),
        ("one connection", 1, ""),
    ):
        results: dict[str, list[Measured]] = {one.name: [] for one in contestants}
        for _ in range(rounds):
            for one in contestants:
                results[one.name].append(await wrk(one, connections, seconds, script))
        print(f"\n{title}\n\n| | requests/s | x HAProxy | p50 ms | p99 ms | p99 x HAProxy | CPU µs/request | errors |")
        print("| --- | --- | --- | --- | --- | --- | --- | --- |")
        for name, runs in results.items():
            yard = results["HAProxy"]
            ratio = statistics.median(run.rate / other.rate for run, other in zip(runs, yard, strict=True))
            tail = statistics.median(run.p99 / other.p99 for run, other in zip(runs, yard, strict=True))
            middle = [statistics.median(getattr(run, key) for run in runs) for key in ("rate", "p50", "p99", "cpu")]
            errors = sum(run.errors for run in runs)
            print(f"| {name} | {middle[0]:.0f} | {ratio:.2f} | {middle[1]:.2f} | {middle[2]:.2f} | {tail:.2f} | {middle[3]:.1f} | {errors} |")
        sys.stdout.flush()


async def main(arguments: argparse.Namespace) -> None:
    os.sched_setaffinity(0, {LOAD_CORE})
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        target = await stack.enter_async_context(backend(folder))
        contestants = [
            await stack.enter_async_context(haproxy(folder, target)),
            await stack.enter_async_context(rehearse(folder, target)),
        ]
        if not arguments.quick:
            contestants += [
                await stack.enter_async_context(haproxy(folder, target, log=False)),
                await stack.enter_async_context(nginx(folder, target)),
            ]
        await throughput(contestants, arguments.rounds, arguments.seconds)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=int, default=3)
    options.add_argument("--quick", action="store_true", help="HAProxy and ours only")
    if absent := missing():
        sys.exit(f"not installed: {', '.join(absent)}")
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(main(options.parse_args()))
