"""The Docker runtime: a task's containers are containers of the local engine, their ports published on 127.0.0.1.

The Docker SDK blocks, so every call of it runs in a thread. Labels say what is ours, also after a crash.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from docker.client import DockerClient
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.types.containers import Ulimit

from harness import engine, images
from harness.emulator.runtime.base import (
    CannotPull,
    CannotStart,
    ContainerSpec,
    Exit,
    ImageSource,
    StoredImage,
    not_found,
    wrong_platform,
)
from harness.errors import TargetUnavailable

T = TypeVar("T")
log = logging.getLogger("rehearse.emulator")
HOME_LABEL = "rehearsal.home"
LOG_LINES = 2000
MOST_LINES = 20_000  # read at once for whoever follows the output
LONGEST_WAIT = 24 * 3600  # seconds an engine call may take: waiting for a container's end is one
PULLED = "ledger/pulled-images"  # in the state directory: a line for each name that we gave to an image
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
        self._pulled: set[str] = set()  # names that only we gave to images, to be removed at the end
        self.registry: ImageSource | None = None

    async def prepare(self) -> None:
        try:
            self._client = await self.run(partial(engine.connect, LONGEST_WAIT, THREADS))
        except DockerException as error:
            raise TargetUnavailable(
                f"the Docker engine does not answer ({error}); start it, or use --runtime process"
            ) from error

    async def run(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    async def pull(self, image: str, launch_type: str = "FARGATE") -> None:
        await self._pulled_as(image, launch_type)

    async def _pulled_as(self, image: str, launch_type: str) -> str:
        """What the engine calls the image: of a local repository, else a local one, else one that another registry has.

        Of another architecture it is refused on Fargate; on EC2 it is pulled, and dies of `exec format error` (D.2). Raises CannotPull.
        """
        stored = self.registry.find(image, launch_type) if self.registry else None
        name = f"{stored.name}@{stored.digest}" if stored else image
        try:
            found = await self.run(lambda: self._client.images.get(name))
        except ImageNotFound:
            found = await self.run(
                lambda: self._pull_stored(image, stored) if stored else self._pull(image, launch_type)
            )
        if launch_type != "EC2" and found.attrs.get("Architecture") not in (
            "",
            None,
            images.architecture_of_this_machine(),
        ):
            raise CannotPull(wrong_platform(f"linux/{images.architecture_of_this_machine()}"))
        return name

    def _pull_stored(self, image: str, stored: StoredImage) -> Any:
        if stored.config is not None:
            raise CannotPull(
                f"CannotPullContainerError: {image} is an image of the process runtime, and tasks are containers here"
            )
        login = {"username": stored.user, "password": stored.password}
        self._note(f"{stored.name}@{stored.digest}")
        try:
            found = self._client.images.pull(stored.name, tag=stored.digest, auth_config=login)
        except DockerException as error:
            raise CannotPull(f"CannotPullContainerError: Error response from daemon: {_explanation(error)}") from error
        return found

    def _pull(self, image: str, launch_type: str) -> Any:
        name, tag = images.split(image)
        if "/" not in name:  # ours, and not built: no registry has it
            raise CannotPull(not_found(image, launch_type))
        try:
            return self._client.images.pull(name, tag=tag)
        except DockerException as error:
            raise CannotPull(not_found(image, launch_type)) from error

    async def start(self, spec: ContainerSpec) -> DockerContainer:
        image = await self._pulled_as(spec.image, spec.launch_type)
        try:
            raw = await self.run(lambda: self._create_and_start(spec, image))
        except DockerException as error:
            raise CannotStart(
                f"CannotStartContainerError: Error response from daemon: {_explanation(error)}"
            ) from error
        container = DockerContainer(self, raw, spec, _addresses(raw, spec.ports))
        self._containers.add(container)
        container.ended.add_done_callback(lambda _: self._containers.discard(container))
        return container

    def _create_and_start(self, spec: ContainerSpec, image: str) -> Any:
        raw = self._client.containers.create(
            image,
            command=list(spec.command) or None,
            environment=dict(spec.environment),
            labels={**spec.labels, HOME_LABEL: home_label(self.home), "rehearsal.task": spec.task_id},
            ports={f"{port}/tcp": ("127.0.0.1", None) for port in spec.ports},
            mem_limit=spec.memory_mib * 1024 * 1024 if spec.memory_mib else None,
            ulimits=[Ulimit(name=name, soft=soft, hard=hard) for name, (soft, hard) in spec.ulimits.items()] or None,
            detach=True,
            use_config_proxy=False,  # ~/.docker/config.json is for who types `docker run`; ECS adds none
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
        await asyncio.gather(*(self.run(partial(self._drop, name)) for name in self._pulled))
        (self.home / PULLED).unlink(missing_ok=True)
        self._threads.shutdown(wait=False)
        if hasattr(self, "_client"):
            self._client.close()

    def _note(self, name: str) -> None:
        """Before the pull, so that a crash leaves a list."""
        self._pulled.add(name)
        ledger = self.home / PULLED
        ledger.parent.mkdir(parents=True, exist_ok=True)
        with ledger.open("a", encoding="utf-8") as lines:
            lines.write(f"{name}\n")

    def _drop(self, name: str) -> None:
        """The registry goes, and its port with it: the name would mean nothing."""
        try:
            self._client.images.remove(name)
        except NotFound:
            return  # it could not be pulled, or its user removed it
        except APIError as error:  # somebody else's container still runs it
            log.warning("image %s stays: %s", name, _explanation(error))


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


def _explanation(error: Exception) -> str:
    return str(getattr(error, "explanation", None) or error)


def sweep(home: Path) -> list[str]:
    """Remove the containers that a crashed emulator of `home` left; nothing where no engine answers."""
    removed = []
    with contextlib.suppress(engine.NoEngine), engine.connected(30) as client:
        for container in client.containers.list(all=True, filters={"label": f"{HOME_LABEL}={home_label(home)}"}):
            container.remove(force=True, v=True)
            removed.append(f"container {container.short_id}: {container.name}")
        removed += _sweep_images(client, home / PULLED)
    return removed


def _sweep_images(client: DockerClient, ledger: Path) -> list[str]:
    """Names that a crashed emulator gave to images; images that have another name stay."""
    removed = []
    for name in set(ledger.read_text(encoding="utf-8").split()) if ledger.is_file() else ():
        with contextlib.suppress(NotFound):
            client.images.remove(name)
            removed.append(f"image {name}")
    ledger.unlink(missing_ok=True)
    return removed
