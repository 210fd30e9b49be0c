"""The data plane's process: `python -m harness.emulator.alb FD [LOGS]`: its end of a socket pair, and where access logs go.

It ends when the other end closes.
"""

from __future__ import annotations

import asyncio
import gc
import resource
import signal
import socket
import sys
from pathlib import Path

import uvloop

from harness.emulator.alb.control import Control

LONGEST_ORDER = 16 * 1024 * 1024
MOST_FILES = 65536  # where the system sets no limit


def allow_many_connections() -> None:
    """Each is an open file: as many as the system lets us have, not the 1,024 that a shell begins with."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (MOST_FILES if hard == resource.RLIM_INFINITY else hard, hard))


async def main(descriptor: int, logs: Path | None) -> None:
    connection = socket.socket(fileno=descriptor)
    reader, writer = await asyncio.open_connection(sock=connection, limit=LONGEST_ORDER)
    await Control(writer, logs).serve(reader)


if __name__ == "__main__":
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches the whole terminal; the emulator decides when this ends
    allow_many_connections()
    gc.freeze()
    gc.set_threshold(
        50_000, 20, 50
    )  # finished requests wait a few ms for the log: nothing to look for in them every 700
    uvloop.run(main(int(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None))
