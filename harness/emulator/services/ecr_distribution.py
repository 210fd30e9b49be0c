"""The registry behind ECR's layers: CNCF's distribution, a child process on a Unix socket that nobody else can reach.

It is started with ECR's first use and ends with the emulator. A ledger line lets `rehearse sweep` end it after a crash.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import tempfile
from pathlib import Path

import aiohttp
from yarl import URL

from harness import images
from harness.clock import within
from harness.emulator.cloud import Cloud
from harness.emulator.runtime.base import ContainerSpec
from harness.emulator.runtime.process import MARKER, ProcessContainer

READY_WITHIN = 10.0
LOOK = 0.01
CHUNK = 256 * 1024  # bytes that are passed on at a time


class NoRegistry(Exception):
    """There is no registry here, or it does not start; the message says what to do."""


class Distribution:
    """`session()` speaks to it; `repositories` is where it keeps what each repository has."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud, self._starting = cloud, asyncio.Lock()
        self._child: ProcessContainer | None = None
        self._session: aiohttp.ClientSession | None = None
        self._home: Path | None = None

    async def session(self) -> aiohttp.ClientSession:
        """Starts it where it does not run. Raises NoRegistry."""
        async with self._starting:
            if self._session is None or self._child is None or self._child.ended.done():
                await self._start()
            assert self._session is not None
            return self._session

    def url(self, stored_as: str, rest: str) -> URL:
        """Of `/v2/<repository>/<rest>`; `rest` may have a query string."""
        return URL(f"http://registry/v2/{stored_as}/{rest}", encoded=True)

    async def forget(self, stored_as: str) -> None:
        """Drop what a deleted repository had. Layers that other repositories share stay with those."""
        if self._home is not None:
            folder = self._home / "docker/registry/v2/repositories" / stored_as
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _start(self) -> None:
        program, why = images.find_distribution()
        if program is None:
            raise NoRegistry(why)
        if self._home is None:
            self._make_folders()
        await self._close_session()
        log = self._storage.parent / f"{self._storage.name}.log"
        socket = self._socket_folder / "s"
        socket.unlink(missing_ok=True)
        process = await self._launch(program, self._write_configuration(socket), log)
        self._child = self._watched(process, log)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(path=str(socket), limit=0),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
            read_bufsize=CHUNK,
        )
        await self._until_ready(log)

    async def _launch(self, program: str, configuration: Path, log: Path) -> asyncio.subprocess.Process:
        """Raises NoRegistry."""
        try:
            with log.open("ab") as output:
                return await asyncio.create_subprocess_exec(
                    program,
                    "serve",
                    str(configuration),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env={"PATH": os.environ.get("PATH", ""), MARKER: str(self._cloud.home.resolve())},
                    start_new_session=True,
                )
        except OSError as error:
            raise NoRegistry(f"{program} cannot be started: {error}") from error

    def _make_folders(self) -> None:
        """Storage in the state directory; the socket elsewhere, as its path may have 107 characters at most."""
        root = self._cloud.home.resolve() / "registry"
        root.mkdir(parents=True, exist_ok=True)
        self._storage = self._home = Path(tempfile.mkdtemp(dir=root))
        self._socket_folder = Path(tempfile.mkdtemp(prefix="rehearse-registry-"))
        self._cloud.spawn(self._keep(), "registry")

    def _write_configuration(self, socket: Path) -> Path:
        """JSON is YAML, which distribution reads; but for JSON's pairs of escapes, as of an emoji in a path."""
        configuration = {
            "version": 0.1,
            "log": {"level": "warn", "accesslog": {"disabled": True}},
            "storage": {
                "filesystem": {"rootdirectory": str(self._storage)},
                "delete": {"enabled": True},
                "maintenance": {"uploadpurging": {"enabled": False}},
            },
            "http": {"net": "unix", "addr": str(socket), "relativeurls": True},
        }
        path = self._socket_folder / "registry.yml"
        path.write_text(json.dumps(configuration, ensure_ascii=False), encoding="utf-8", errors="surrogateescape")
        return path

    def _watched(self, process: asyncio.subprocess.Process, log: Path) -> ProcessContainer:
        home = self._cloud.home.resolve()
        ledger = home / "ledger" / f"{process.pid}.json"
        ledger.parent.mkdir(parents=True, exist_ok=True)
        spec = ContainerSpec(task_id="registry", name="registry", image="distribution", stop_timeout=2.0)
        folders = (self._storage, self._socket_folder)
        return ProcessContainer(process, spec, {}, log, ledger, self._cloud.clock, folders=folders)

    async def _until_ready(self, log: Path) -> None:
        try:
            await within(self._cloud.clock, READY_WITHIN, self._answers())
        except TimeoutError:
            said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:] or ["nothing"]
            raise NoRegistry(f"the registry does not start; it said: {said[0]}") from None

    async def _answers(self) -> None:
        assert self._session is not None
        assert self._child is not None
        while not self._child.ended.done():
            try:
                async with self._session.get("http://registry/v2/") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientConnectionError:
                await self._cloud.clock.sleep(LOOK)
        raise TimeoutError

    async def _close_session(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _keep(self) -> None:
        """Until the emulator closes; then nothing of it is left."""
        try:
            await asyncio.Event().wait()
        finally:
            await self._close_session()
            if self._child is not None and (not self._child.ended.done() or self._child.ended.cancelled()):
                self._child.kill()
                await asyncio.wait([self._child.ended])
            await asyncio.to_thread(shutil.rmtree, self._storage, ignore_errors=True)
            await asyncio.to_thread(shutil.rmtree, self._socket_folder, ignore_errors=True)
            (self._storage.parent / f"{self._storage.name}.log").unlink(missing_ok=True)
