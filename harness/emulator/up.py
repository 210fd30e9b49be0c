"""Puts one emulator together, runs it until it is told to stop, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

from harness import clock, images
from harness.emulator import bind, settings, upstream
from harness.emulator.alb.plane import Plane
from harness.emulator.cloud import Cloud
from harness.emulator.delegate import Delegate, delegate_of, drives_of
from harness.emulator.front import Fronts
from harness.emulator.runtime.base import ImageSource, Runtime, StoredImage
from harness.emulator.runtime.process import ProcessRuntime
from harness.emulator.server import Server
from harness.emulator.services import SERVICES, handlers_of
from harness.errors import TargetUnavailable, UsageError

log = logging.getLogger("rehearse.emulator")
TASK_KEYS = ("taskArn", "lastStatus", "group", "taskDefinitionArn", "startedBy")


@dataclass(frozen=True, slots=True)
class Options:
    """What `rehearse up` was given. `port` 0 is a free one; `runtime` is auto, docker or process."""

    home: Path
    port: int = 4566
    runtime: str = "auto"
    compress: float = 1.0
    delegate: str = "moto"
    drive: tuple[str, ...] = ()  # `ecs,elbv2=URL`: another endpoint executes them, our CodeDeploy drives them
    settings_file: Path = Path("rehearsal.toml")


class Emulator:
    """One AWS endpoint with everything behind it."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._stop = asyncio.Event()
        self.why = ""  # of the runtime
        self.fronts: Fronts | None = None
        self._drives: dict[str, str] = {}

    async def run(self) -> None:
        """Until SIGTERM, SIGINT or /_rehearsal/down. Raises HarnessError when it cannot start."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._stop.set)
        self._drives = drives_of(self._options.drive)
        delegate = delegate_of(self._options.delegate, self._drives)
        runtime, self.why = choose_runtime(self._options)
        print(f"{runtime.name} runtime ({self.why})", file=sys.stderr, flush=True)
        plane = Plane(self._options.home / "logs" / "alb")
        try:
            await runtime.prepare()
            await plane.start()
            cloud = self._cloud(runtime, plane, delegate)
            self.fronts = Fronts(cloud, self._drives["elbv2"]) if self._drives else None
            server = Server(cloud, delegate, self.status, self._stop.set, self.fronts)
            try:
                await self._serve(server)
            finally:
                await server.close()
                await cloud.close()
                if self.fronts is not None:
                    await self.fronts.close()
        finally:
            await runtime.close()
            await plane.close()
            await delegate.close()

    def _cloud(self, runtime: Runtime, plane: Plane, delegate: Delegate) -> Cloud:
        self.cloud = Cloud(
            clock=clock.Wall(),
            settings=settings.load(self._options.settings_file),
            runtime=runtime,
            plane=plane,
            home=self._options.home,
            compression=self._options.compress,
            fallback=delegate.call,
            fallback_in_use=delegate.in_use,
            key_of=delegate.key_of,
        )
        for name in SERVICES:
            if name not in self._drives:
                self.cloud.services.offer(name, partial(_handlers, name, self.cloud))
        runtime.registry = Registry(self.cloud)
        return self.cloud

    async def _serve(self, server: Server) -> None:
        try:
            port = await server.start(self._options.port)
        except OSError as error:
            raise TargetUnavailable(
                f"port {self._options.port} of {bind.address()} cannot be had ({error.strerror}); "
                "choose another with --port, or 0 for a free one"
            ) from error
        self.cloud.endpoint = f"http://127.0.0.1:{port}"
        record = self._options.home / "emulators" / f"{port}.json"
        record.parent.mkdir(parents=True, exist_ok=True)
        record.write_text(json.dumps({"started": clock.now(), **self.status()}), encoding="utf-8")
        naming = asyncio.create_task(self._name_the_silent())
        try:
            print(f"ready {self.cloud.endpoint}", flush=True)
            await self._stop.wait()
        finally:
            naming.cancel()
            record.unlink(missing_ok=True)

    async def _name_the_silent(self) -> None:
        """No error, and nobody waits for it: of two that start side by side, the other may be the slower one."""
        for url in sorted({self._options.delegate, *self._drives.values()} - {"moto"}):
            if not await upstream.answers(url):
                print(
                    f"{url} does not answer yet; what is for it is refused until it does", file=sys.stderr, flush=True
                )

    def status(self) -> dict[str, Any]:
        """The contract of `rehearse status --json`."""
        made: dict[str, Any] = self.cloud.services.made
        elbv2, ecs = self.fronts or made.get("elbv2"), made.get("ecs")
        tasks = ecs.tasks() if ecs is not None else []
        return {
            "endpoint": self.cloud.endpoint,
            "pid": os.getpid(),
            "runtime": self.cloud.runtime.name,
            "runtime_why": self.why,
            "load_balancers": elbv2.reachable() if elbv2 is not None else [],
            "tasks": [{key: task.get(key) for key in TASK_KEYS} for task in tasks],
            "services": sorted(self.cloud.services),
            "delegate": self._options.delegate,
            "compress": self._options.compress,
            "drive": sorted(self._options.drive),
            "drives": self._drives,
            "bind": bind.address(),
        }


def _handlers(service: str, cloud: Cloud) -> object:
    return handlers_of(service)(cloud)


class Registry:
    """Images of ECR, for a runtime."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def find(self, image: str, launch_type: str) -> StoredImage | None:
        found: StoredImage | None = cast(ImageSource, self._cloud.services["ecr"]).find(image, launch_type)
        return found


def choose_runtime(options: Options) -> tuple[Runtime, str]:
    """The runtime, and why this one."""
    home = options.home
    if options.runtime == "process":
        return ProcessRuntime(home), "asked for"
    from harness.emulator.runtime.docker import DockerRuntime  # its SDK is a tenth of the start

    ready, why = images.docker_ready()
    if options.runtime == "docker":
        if not ready:
            raise TargetUnavailable(f"--runtime docker: {why}; start the engine, or use --runtime process")
        return DockerRuntime(home), "asked for"
    if options.runtime != "auto":
        raise UsageError(f"--runtime {options.runtime}: it must be auto, docker or process")
    return (DockerRuntime(home) if ready else ProcessRuntime(home)), why


def report(message: str) -> None:
    print(f"rehearse: {message}", file=sys.stderr, flush=True)
