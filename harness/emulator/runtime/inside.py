"""What a process has instead of a container's inside: commands run beside it in its environment, and its log file line by line."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

AT_ONCE = 1024 * 1024  # bytes of log
CANNOT_RUN = 127
LOOPBACK = re.compile(r"(?<![\w.])(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\]):(\d+)(?!\d)")


@dataclass(frozen=True, slots=True)
class Inside:
    """`addresses` is where each containerPort really listens."""

    workdir: str
    environment: Mapping[str, str]
    addresses: Mapping[int, tuple[str, int]]

    async def run(self, command: Sequence[str]) -> int:
        """The exit code; when cancelled, nothing of the command is left."""
        try:
            process = await asyncio.create_subprocess_exec(
                *map(self._reach, command),
                cwd=self.workdir,
                env=self.environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError:
            return CANNOT_RUN
        try:
            return await process.wait()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()

    def _reach(self, word: str) -> str:
        """A task definition says `localhost:8080`, the container's own port; a process listens elsewhere, and is reached there."""

        def really(found: re.Match[str]) -> str:
            host, port = self.addresses.get(int(found[1]), ("", 0))
            return f"{host}:{port}" if port else found[0]

        return LOOPBACK.sub(really, word)


def lines_of(log: Path, start: int, *, ended: bool) -> tuple[list[str], str]:
    """Lines from byte `start` on and the next cursor; a line without its end only when no more will come."""
    with log.open("rb") as file:
        file.seek(start)
        data = file.read(AT_ONCE)
    whole = (
        data
        if ended and len(data) < AT_ONCE
        else data[: data.rfind(b"\n") + 1] or (data if len(data) == AT_ONCE else b"")
    )
    return whole.decode(errors="replace").splitlines(), str(start + len(whole))
