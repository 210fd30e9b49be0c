"""`python -m harness.probe`: answers as journal lines on standard output, until SIGTERM or the end of standard input.

The parent holds standard input open: when it dies, however it dies, the probe ends as well.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import signal
import sys
from urllib.parse import urlsplit

import uvloop

from harness import clock
from harness.probe.client import Answer, Client, Options

FLUSH_EVERY = 0.05


def main() -> None:
    options = _options()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # a stall piles up connections
    try:
        uvloop.run(probe(options))
    except BrokenPipeError:  # nobody reads any more
        os._exit(1)


def _options() -> Options:
    parser = argparse.ArgumentParser(prog="python -m harness.probe", description=__doc__.partition("\n")[0])
    parser.add_argument("--url", required=True, help="of the listener, with the path to ask")
    parser.add_argument("--host-header", help="default: host and port of --url")
    parser.add_argument("--rate", type=float, required=True, help="requests per second")
    parser.add_argument("--timeout", type=float, default=10.0, help="seconds")
    parser.add_argument("--version-header", default="x-app-version")
    asked = parser.parse_args()
    url = urlsplit(asked.url)
    if url.scheme != "http" or not url.hostname:
        parser.error(f"--url is {asked.url}; it must be http://host:port/path")
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    host_header = asked.host_header or url.netloc
    return Options(url.hostname, url.port or 80, host_header, path, asked.rate, asked.timeout, asked.version_header)


async def probe(options: Options) -> None:
    lines = Lines()
    client = Client(options, lambda answer: lines.put(request_done(answer)))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, client.stop)
    loop.add_reader(sys.stdin.fileno(), _read_end, loop, client)
    lines.start(loop)
    await client.run()
    ended = {"event": "ProbeEnded", "planned": client.planned, "done": client.done, "late": client.late}
    lines.put({**ended, "at": clock.now()})
    lines.flush()


def _read_end(loop: asyncio.AbstractEventLoop, client: Client) -> None:
    if not os.read(sys.stdin.fileno(), 4096):
        loop.remove_reader(sys.stdin.fileno())
        client.stop()


def request_done(answer: Answer) -> dict[str, object]:
    """The journal's RequestDone. Not made with its class: pydantic takes longer to import than the probe to start."""
    return {
        "event": "RequestDone",
        "at": answer.done,
        "seq": answer.seq,
        "due": answer.due,
        "sent": answer.sent,
        "status": answer.status,
        "version": answer.version,
        "error": answer.error,
    }


class Lines:
    """Standard output, written in batches: a system call for each answer would cost more than the answer."""

    def __init__(self) -> None:
        self._waiting: list[str] = []

    def put(self, line: dict[str, object]) -> None:
        self._waiting.append(json.dumps(line, separators=(",", ":")))

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        self.flush()
        loop.call_later(FLUSH_EVERY, self.start, loop)

    def flush(self) -> None:
        if self._waiting:
            print("\n".join(self._waiting), flush=True)
            self._waiting.clear()


if __name__ == "__main__":
    main()
