"""The process runtime: an image of the local store runs as a process of its own, in its own process group.

What was started is found again after a crash in two ways: a ledger line (pid and start time) and a marker in the environment.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import resource
import shutil
import signal
import socket
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil

from harness import images, owner, proxies
from harness.clock import Clock, Wall
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
from harness.emulator.runtime.inside import Inside, lines_of
from harness.emulator.runtime.warm import Process, Warm, can_be_forked, waits_for_its_emulator

MARKER = "REHEARSAL_TASK_OF"  # in the environment of everything started from a state directory
PORTS = range(20000, 30000)  # below the ephemeral range, so that no outgoing connection takes one
LOCALE = "C.UTF-8"
LOG_SHOWN = 64 * 1024
MEMORY_LOOK = 0.5
PAGE = os.sysconf("SC_PAGE_SIZE")
SIGKILLED = 128 + signal.SIGKILL


class ProcessRuntime:
    name = "process"

    def __init__(self, home: Path, clock: Clock | None = None) -> None:
        self.home, self._clock = home.resolve(), clock or Wall()
        self._ports = _free_ports()
        self._containers: set[ProcessContainer] = set()
        self.registry: ImageSource | None = None
        self._warm: Warm | None = None

    async def prepare(self) -> None:
        for folder in ("ledger", "logs"):
            (self.home / folder).mkdir(parents=True, exist_ok=True)

    async def pull(self, image: str, launch_type: str = "FARGATE") -> None:
        self._manifest(image, launch_type)

    def _manifest(self, image: str, launch_type: str) -> images.Manifest:
        """The image, or CannotPull with the texts of D.2."""
        stored = self.registry.find(image, launch_type) if self.registry else None
        manifest = _stored(image, stored) if stored else images.find_process_image(self.home, image)
        if manifest is None:
            raise CannotPull(not_found(image, launch_type))
        if launch_type != "EC2" and manifest.architecture != images.architecture_of_this_machine():
            raise CannotPull(wrong_platform(f"linux/{images.architecture_of_this_machine()}"))
        return manifest

    async def start(self, spec: ContainerSpec) -> ProcessContainer:
        manifest = self._manifest(spec.image, spec.launch_type)
        port = next(self._ports)
        closed = {other: next(self._ports) for other in spec.ports if other != manifest.port}
        log = self.home / "logs" / f"{spec.task_id}-{spec.name}.log"
        environment = self._environment(manifest, spec, port)
        process = await self._process(spec, _argv(manifest, spec), manifest.workdir, environment, log)
        addresses = {other: ("127.0.0.1", port if other == manifest.port else closed[other]) for other in spec.ports}
        container = ProcessContainer(
            process, spec, addresses, log, self.home / "ledger" / f"{process.pid}.json", self._clock
        )
        container.inside = Inside(manifest.workdir, environment, addresses)
        self._containers.add(container)
        container.ended.add_done_callback(lambda _: self._containers.discard(container))
        return container

    async def _process(
        self, spec: ContainerSpec, argv: Sequence[str], workdir: str, environment: Mapping[str, str], log: Path
    ) -> Process:
        """In a session of its own, forked where it can be. Raises CannotStart."""
        if can_be_forked(argv, workdir, environment, ground()) and not spec.ulimits:
            self._warm = self._warm or Warm({**ground(), MARKER: str(self.home)})
            if (forked := await self._warm.fork(argv, workdir, environment, log)) is not None:
                return forked
        try:
            with log.open("ab") as output:
                process = await asyncio.create_subprocess_exec(
                    *argv,
                    cwd=workdir,
                    env=environment,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            await _limit(process, spec)
        except (OSError, ValueError) as error:
            raise CannotStart(f"CannotStartContainerError: {error}") from error
        return process

    def _environment(self, manifest: images.Manifest, spec: ContainerSpec, port: int) -> dict[str, str]:
        """The image's and the task's variables, and nothing of the emulator's own. A proxy among them is for none of this machine."""
        ours = {"HOST": "127.0.0.1", "PORT": str(port), MARKER: str(self.home), "PYTHONUNBUFFERED": "1"}
        return proxies.for_what_runs_here({**ground(), **manifest.environment, **spec.environment, **ours})

    async def close(self) -> None:
        """Kill what still runs, and wait until it is gone."""
        containers = list(self._containers)
        for container in containers:
            container.kill()
        await asyncio.gather(*(container.wait() for container in containers))
        if self._warm is not None:
            await self._warm.close()


def ground() -> dict[str, str]:
    """What every task and function has, below what is said for it. The locale is that of AWS's and of most languages' images: theirs
    must not depend on what a developer's terminal speaks."""
    inherited = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return {**inherited, "LANG": LOCALE}


async def _limit(process: asyncio.subprocess.Process, spec: ContainerSpec) -> None:
    """Its ulimits, right after it was started; what it starts inherits them. Raises OSError or ValueError, and then it is gone."""
    try:
        for name, limits in spec.ulimits.items():
            number = getattr(resource, f"RLIMIT_{name.upper()}", None)
            if number is None or not hasattr(resource, "prlimit"):
                raise ValueError(f"this system sets no ulimit {name}")
            resource.prlimit(process.pid, number, limits)
    except (OSError, ValueError):
        process.kill()
        await process.wait()
        raise


def _argv(manifest: images.Manifest, spec: ContainerSpec) -> tuple[str, ...]:
    """What runs. An image of another architecture, which EC2 pulls, dies with the kernel's words (D.2)."""
    argv = spec.command or manifest.argv
    if manifest.architecture == images.architecture_of_this_machine():
        return argv
    return ("/bin/sh", "-c", 'echo "exec $0: exec format error" >&2; exit 1', argv[0])


def _stored(image: str, stored: StoredImage) -> images.Manifest:
    """The image that `rehearse build --push` put into a repository. Raises CannotPull for one that `docker push` put there."""
    manifest = images.manifest_of(stored.config) if stored.config is not None else None
    if manifest is None:
        raise CannotPull(
            f"CannotPullContainerError: {image} is a container's image, and tasks are processes here: push it with "
            "rehearse build --push, or use the Docker runtime"
        )
    return manifest


class ProcessContainer:
    """One process group. `ended` is settled with its Exit; `inside` is set right after it was made. `folders` are what a crash would
    leave of it, for `sweep`."""

    inside: Inside

    def __init__(
        self,
        process: Process,
        spec: ContainerSpec,
        addresses: Mapping[int, tuple[str, int]],
        log: Path,
        ledger: Path,
        clock: Clock,
        folders: Sequence[Path] = (),
    ) -> None:
        self._process, self._spec, self._log, self._ledger, self._clock = process, spec, log, ledger, clock
        self.addresses = addresses
        self._reason = ""
        line = {"pid": process.pid, "started": _start_time(process.pid), "task": spec.task_id}
        self._ledger.write_text(json.dumps({**line, "folders": [str(folder) for folder in folders]}), encoding="utf-8")
        self.ended: asyncio.Task[Exit] = asyncio.create_task(self._watch())

    async def wait(self) -> Exit:
        return await asyncio.shield(self.ended)

    async def stop(self) -> Exit:
        if not self.ended.done():
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)
            timer = asyncio.ensure_future(self._clock.sleep(self._spec.stop_timeout))
            await asyncio.wait({self.ended, timer}, return_when=asyncio.FIRST_COMPLETED)
            timer.cancel()
            if not self.ended.done():
                self.kill()
        return await self.wait()

    async def execute(self, command: Sequence[str]) -> int:
        return await self.inside.run(command)

    async def output(self, after: str) -> tuple[list[str], str]:
        return lines_of(self._log, int(after or 0), ended=self.ended.done())

    def kill(self) -> None:
        """SIGKILL for the whole group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    async def logs(self) -> str:
        with self._log.open("rb") as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - LOG_SHOWN))
            return log.read().decode(errors="replace")

    async def _watch(self) -> Exit:
        limit = asyncio.ensure_future(self._watch_memory())
        code = await self._process.wait()
        limit.cancel()
        self.kill()  # what the first process left of its group
        self._ledger.unlink(missing_ok=True)
        return Exit(code if code >= 0 else 128 - code, self._reason)

    async def _watch_memory(self) -> None:
        """Nothing but a container has a hard limit: look at the group's memory, and kill it when it is over."""
        while self._spec.memory_mib is not None:
            await self._clock.sleep(MEMORY_LOOK)
            if group_memory(self._process.pid) > self._spec.memory_mib * 1024 * 1024:
                self._reason = "OutOfMemoryError: Container killed due to memory usage"
                self.kill()
                return


def group_memory(pid: int) -> int:
    """Bytes that a process and its descendants hold for themselves."""
    total = 0
    with contextlib.suppress(psutil.NoSuchProcess, OSError):
        for one in (pid, *_descendants(pid)):
            with contextlib.suppress(psutil.NoSuchProcess, OSError):
                total += _resident(one)
    return total


def _resident(pid: int) -> int:
    """Straight from the kernel where it says so: this is asked twice a second for every task."""
    statm = Path(f"/proc/{pid}/statm")
    if not statm.exists():
        return int(psutil.Process(pid).memory_info().rss)
    return int(statm.read_text(encoding="utf-8").split()[1]) * PAGE


def _descendants(pid: int) -> Iterator[int]:
    """As the kernel lists them, by thread; psutil's search through all processes costs ten times as much."""
    threads = Path(f"/proc/{pid}/task")
    if not (threads / str(pid) / "children").exists():
        yield from (child.pid for child in psutil.Process(pid).children(recursive=True))
        return
    for thread in threads.iterdir():
        for child in map(int, (thread / "children").read_text(encoding="utf-8").split()):
            yield child
            yield from _descendants(child)


def _start_time(pid: int) -> float:
    try:
        return psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return 0.0


def _free_ports() -> Iterator[int]:
    """Ports of the range that nothing listens on now; each emulator begins somewhere else."""
    start = os.getpid() * 37 % len(PORTS)
    for offset in itertools.count(start):
        port = PORTS[offset % len(PORTS)]
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        yield port


def sweep(home: Path) -> list[str]:
    """Kill what a crashed emulator of `home` left running: by ledger (pid and start time) and by the environment marker."""
    home, removed, killed = home.resolve(), [], []
    for process in _left_behind(home):
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            name = " ".join(process.cmdline())[:80]
            os.killpg(os.getpgid(process.pid), signal.SIGKILL)
            killed.append(process)
            removed.append(f"process {process.pid}: {name}")
    owner.ended(killed)
    for line in (home / "ledger").glob("*.json"):
        removed += _remove_folders(line)
        line.unlink(missing_ok=True)
    return removed


def _remove_folders(line: Path) -> Iterator[str]:
    """What the ledger says went with a process."""
    with contextlib.suppress(ValueError):
        for folder in map(Path, json.loads(line.read_text(encoding="utf-8")).get("folders", ())):
            if folder.is_dir():
                shutil.rmtree(folder)
                yield f"folder {folder}"


def _left_behind(home: Path) -> Iterator[psutil.Process]:
    known = {}
    for line in (home / "ledger").glob("*.json"):
        with contextlib.suppress(ValueError):
            entry = json.loads(line.read_text(encoding="utf-8"))
            known[entry["pid"]] = entry["started"]
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if not owner.runs(process):
                continue
            listed = known.get(process.pid) == process.create_time()
            marked = process.environ().get(MARKER) == str(home) and not waits_for_its_emulator(process)
            if listed or marked:
                yield process
