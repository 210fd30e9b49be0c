"""Tasks of the sample app are forked from a Python that has imported their libraries: each import takes longer than a task's whole
life of answering. Any other image, and an environment that Python itself would read, is executed."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import os
import re
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import psutil

from harness import clock, images

PARENT = Path(__file__).with_name("warm_parent.py")
STARTS_WITHIN = 10.0
# Variables that are read when an interpreter starts, or gunicorn is imported; the parent sees to PYTHONUNBUFFERED itself.
READ_EARLY = re.compile(r"PYTHON(?!UNBUFFERED$)|LANG$|LC_|WEB_CONCURRENCY$|FORWARDED_ALLOW_IPS$|XDG_RUNTIME_DIR$")
log = logging.getLogger("rehearse.emulator")


class Process(Protocol):
    """What is needed of asyncio's subprocesses."""

    @property
    def pid(self) -> int: ...

    async def wait(self) -> int: ...

    def send_signal(self, signal: int) -> None: ...


class Forked:
    """A task's first process, a child of the warm parent."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def wait(self) -> int:
        return await asyncio.shield(self.ended)

    def send_signal(self, signal: int) -> None:
        """Raises ProcessLookupError after its end, when the number may be somebody else's."""
        if self.ended.done():
            raise ProcessLookupError
        os.kill(self.pid, signal)

    def kill(self) -> None:
        """SIGKILL for the whole group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


def can_be_forked(argv: Sequence[str], workdir: str, environment: Mapping[str, str], parent: Mapping[str, str]) -> bool:
    """`parent` is the environment that the warm parent itself was started with."""
    ours = tuple(argv[:3]) == (sys.executable, "-m", "gunicorn") and Path(workdir) == images.SAMPLE_APP
    return ours and not any(READ_EARLY.match(name) and parent.get(name) != value for name, value in environment.items())


def waits_for_its_emulator(process: psutil.Process) -> bool:
    """Whether it is the warm parent itself, and who started it still lives. Its tasks have its command line, and another parent."""
    command = process.cmdline()
    return str(PARENT) in command and command[-1] == str(process.ppid())


class Warm:
    """The parent of one runtime, started at first use."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._numbers = itertools.count()
        self._writer: asyncio.StreamWriter | None = None
        self._starting = asyncio.Lock()
        self._asked: dict[int, asyncio.Future[Forked]] = {}
        self._running: dict[int, Forked] = {}
        self._reading: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None

    async def fork(
        self, argv: Sequence[str], workdir: str, environment: Mapping[str, str], output: Path
    ) -> Forked | None:
        """A task that runs `python -m module arguments`; None where the parent cannot be had, and why is in the log."""
        try:
            async with self._starting:
                writer = self._writer or await self._start()
            number = next(self._numbers)
            self._asked[number] = asyncio.get_running_loop().create_future()
            asked = {"id": number, "module": argv[2], "arguments": [*argv[3:]], "workdir": workdir}
            writer.write(json.dumps({**asked, "environment": {**environment}, "log": str(output)}).encode() + b"\n")
            return await clock.within(clock.Wall(), STARTS_WITHIN, self._asked[number])
        except (OSError, TimeoutError) as error:
            log.warning("the sample app starts cold: %s: %s", type(error).__name__, error)
            return None

    async def _start(self) -> asyncio.StreamWriter:
        ours, theirs = socket.socketpair()
        try:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", str(PARENT), str(theirs.fileno()), str(os.getpid())),
                cwd=images.SAMPLE_APP,  # what gunicorn, too, looks at when it is imported
                env=self._environment,
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        finally:
            theirs.close()
        reader, self._writer = await asyncio.open_unix_connection(sock=ours)
        self._reading = asyncio.create_task(self._read(reader))
        return self._writer

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while line := await reader.readline():
                self._heard(json.loads(line))
        finally:
            self._lost()

    def _heard(self, message: Mapping[str, Any]) -> None:
        if "id" in message:
            forked = self._running[message["pid"]] = Forked(message["pid"])
            asked = self._asked.pop(message["id"])
            if asked.done():  # nobody waits for it any more
                forked.kill()
            else:
                asked.set_result(forked)
        elif (ended := self._running.pop(message["pid"], None)) is not None:
            ended.ended.set_result(message["code"])

    def _lost(self) -> None:
        """The parent is gone: nobody could say any more how its tasks end, so they end."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        for asked in self._asked.values():
            if not asked.done():
                asked.set_exception(ConnectionError("the warm parent has ended"))
        self._asked.clear()
        for forked in self._running.values():
            forked.kill()
            forked.ended.set_result(-signal.SIGKILL)
        self._running.clear()

    async def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        if self._process is not None:
            await self._process.wait()
        if self._reading is not None:
            await self._reading
