"""The data plane's process: `python -m harness.emulator.alb FD`, FD being its end of a socket pair. It ends when the other end closes."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import sys

import uvloop

from harness.emulator.alb.control import Control

LONGEST_ORDER = 16 * 1024 * 1024


async def main(descriptor: int) -> None:
    connection = socket.socket(fileno=descriptor)
    reader, writer = await asyncio.open_connection(sock=connection, limit=LONGEST_ORDER)
    await Control(writer).serve(reader)


if __name__ == "__main__":
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches the whole terminal; the emulator decides when this ends
    gc.freeze()
    uvloop.run(main(int(sys.argv[1])))
