"""The Docker runtime: a task's containers are containers of the local engine, their ports published on 127.0.0.1.

The Docker SDK blocks, so every call of it runs in a thread. Labels say what is ours, also after a crash.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from docker.client import DockerClient
from docker.errors import APIError, DockerException, ImageNotFound, NotFound

from harness import images
from harness.emulator.runtime.base import CannotPull, CannotStart, ContainerSpec, Exit
from harness.errors import TargetUnavailable

T = TypeVar("T")
HOME_LABEL = "rehearsal.home"
LOG_LINES = 2000
MOST_LINES = 20_000  # read at once for whoever follows the output
LONGEST_WAIT = 24 * 3600  # seconds an engine call may take: waiting for a container's end is one
THREADS = 64  # each running container occupies one with its wait


def home_label(home: Path) -> str:
    """What the containers of a state directory are labelled with."""
    return hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:16]


class DockerRuntime:
    name = "docker"

    def __init__(self, home: Path) -> None:
        self.home = home.resolve()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="docker")
        self._containers: set[DockerContainer] = set()

    async def prepare(self) -> None:
        try:
            self._client = await self.run(lambda: DockerClient.from_env(timeout=LONGEST_WAIT, max_pool_size=THREADS))
            await self.run(self._client.ping)
        except DockerException as error:
            raise TargetUnavailable(
                f"the Docker engine does not answer ({error}); start it, or use --runtime process"
            ) from error

    async def run(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    async def pull(self, image: str) -> None:
        """A local image, or one that a registry has; of another architecture is refused as on Fargate (D.2)."""
        try:
            found = await self.run(lambda: self._client.images.get(image))
        except ImageNotFound:
            found = await self.run(lambda: self._pull(image))
        architecture = found.attrs.get("Architecture")
        if architecture not in ("", None, images.architecture_of_this_machine()):
            raise CannotPull(
                "CannotPullContainerError: pull image manifest has been retried 7 time(s): image Manifest does not contain "
                f"descriptor matching platform 'linux/{images.architecture_of_this_machine()}'."
            )

    def _pull(self, image: str) -> Any:
        name, tag = images.split(image)
        if "/" not in name:  # ours, and not built: no registry has it
            raise CannotPull(_not_found(image))
        try:
            return self._client.images.pull(name, tag=tag)
        except DockerException as error:
            raise CannotPull(f"{_not_found(image)}") from error

    async def start(self, spec: ContainerSpec) -> DockerContainer:
        await self.pull(spec.image)
        try:
            raw = await self.run(lambda: self._create_and_start(spec))
        except DockerException as error:
            raise CannotStart(
                f"CannotStartContainerError: Error response from daemon: {_explanation(error)}"
            ) from error
        container = DockerContainer(self, raw, spec, _addresses(raw, spec.ports))
        self._containers.add(container)
        container.ended.add_done_callback(lambda _: self._containers.discard(container))
        return container

    def _create_and_start(self, spec: ContainerSpec) -> Any:
        raw = self._client.containers.create(
            spec.image,
            command=list(spec.command) or None,
            environment=dict(spec.environment),
            labels={**spec.labels, HOME_LABEL: home_label(self.home), "rehearsal.task": spec.task_id},
            ports={f"{port}/tcp": ("127.0.0.1", None) for port in spec.ports},
            mem_limit=spec.memory_mib * 1024 * 1024 if spec.memory_mib else None,
            detach=True,
        )
        try:
            raw.start()
            raw.reload()
        except DockerException:
            raw.remove(force=True)
            raise
        return raw

    async def close(self) -> None:
        containers = list(self._containers)
        await asyncio.gather(*(container.kill() for container in containers))
        await asyncio.gather(*(container.wait() for container in containers))
        self._threads.shutdown(wait=False)
        if hasattr(self, "_client"):
            self._client.close()


class DockerContainer:
    """A running container; removed when it has ended, with its logs kept."""

    def __init__(
        self, runtime: DockerRuntime, raw: Any, spec: ContainerSpec, addresses: Mapping[int, tuple[str, int]]
    ) -> None:
        self._runtime, self._raw, self._spec = runtime, raw, spec
        self.addresses = addresses
        self._logs: str | None = None
        self._stamped: str | None = None  # all of its output with timestamps, once it has ended
        self.ended: asyncio.Task[Exit] = asyncio.create_task(self._watch())

    async def wait(self) -> Exit:
        return await asyncio.shield(self.ended)

    async def stop(self) -> Exit:
        if not self.ended.done():
            await self._unless_gone(lambda: self._raw.stop(timeout=round(self._spec.stop_timeout)))
        return await self.wait()

    async def kill(self) -> None:
        await self._unless_gone(self._raw.kill)

    async def logs(self) -> str:
        return self._logs if self._logs is not None else await self._runtime.run(self._read_logs)

    def _read_logs(self) -> str:
        return str(self._raw.logs(tail=LOG_LINES).decode(errors="replace"))

    async def execute(self, command: Sequence[str]) -> int:
        try:
            return int((await self._runtime.run(lambda: self._raw.exec_run(list(command)))).exit_code)
        except APIError:  # it has ended meanwhile, or is not yet to be entered
            return 126

    async def output(self, after: str) -> tuple[list[str], str]:
        """The cursor is the engine's timestamp of the last line: fixed width, so that text order is time order."""
        text = (
            self._stamped if self._stamped is not None else await self._runtime.run(lambda: self._read_stamped(after))
        )
        pairs = [line.partition(" ")[::2] for line in text.splitlines()]
        fresh = [(stamp, line) for stamp, line in pairs if stamp > after]
        return [line for _, line in fresh], fresh[-1][0] if fresh else after

    def _read_stamped(self, after: str) -> str:
        since = datetime.fromisoformat(after[:19] + "+00:00") if after else None
        return str(self._raw.logs(timestamps=True, since=since, tail=MOST_LINES).decode(errors="replace"))

    async def _unless_gone(self, call: Callable[[], object]) -> None:
        """Its end may come first: then there is nothing left to do."""
        try:
            await self._runtime.run(call)
        except NotFound:
            return
        except APIError as error:
            if error.status_code != 409:
                raise

    async def _watch(self) -> Exit:
        try:
            code = (await self._runtime.run(self._raw.wait))["StatusCode"]
            await self._runtime.run(self._raw.reload)
            out_of_memory = self._raw.attrs["State"].get("OOMKilled", False)
            self._logs = await self._runtime.run(self._read_logs)
            self._stamped = await self._runtime.run(lambda: self._read_stamped(""))
        except NotFound:
            return Exit(137, "removed by someone else")
        await self._unless_gone(lambda: self._raw.remove(v=True, force=True))
        return Exit(code, "OutOfMemoryError: Container killed due to memory usage" if out_of_memory else "")


def _addresses(raw: Any, ports: tuple[int, ...]) -> dict[int, tuple[str, int]]:
    """Where Docker published each containerPort; one that the image does not listen on answers with a reset."""
    published = raw.attrs["NetworkSettings"]["Ports"]
    found = {port: published.get(f"{port}/tcp") for port in ports}
    return {port: ("127.0.0.1", int(bindings[0]["HostPort"])) for port, bindings in found.items() if bindings}


def _not_found(image: str) -> str:
    return f"CannotPullContainerError: pull image manifest has been retried 7 time(s): failed to resolve ref {image}: {image}: not found"


def _explanation(error: Exception) -> str:
    return str(getattr(error, "explanation", None) or error)


def sweep(home: Path) -> list[str]:
    """Remove the containers that a crashed emulator of `home` left; nothing where no engine answers."""
    try:
        client = DockerClient.from_env(timeout=30)
    except DockerException:
        return []
    removed = []
    try:
        for container in client.containers.list(all=True, filters={"label": f"{HOME_LABEL}={home_label(home)}"}):
            container.remove(force=True, v=True)
            removed.append(f"container {container.short_id}: {container.name}")
    finally:
        client.close()
    return removed
