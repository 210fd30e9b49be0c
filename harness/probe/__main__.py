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
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from urllib.parse import urlsplit

import uvloop

from harness import clock
from harness.probe.asks import Ask
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
    parser = argparse.ArgumentParser(prog="python -m harness.probe", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--url", required=True, help="of the listener, with the path to ask")
    parser.add_argument("--host-header", help="default: host and port of --url")
    parser.add_argument("--rate", type=float, required=True, help="requests per second")
    parser.add_argument("--timeout", type=float, default=10.0, help="seconds")
    parser.add_argument("--version-header", default="x-app-version")
    parser.add_argument("--version-json", help="instead of the header: a dotted path into the JSON body")
    parser.add_argument("--requests", default="[]", help="JSON list of what to ask, instead of the path of --url")
    parser.add_argument("--sessions", type=int, default=0, help="users that keep cookies; 0: nobody does")
    parser.add_argument("--websockets", type=int, default=0, help="connections to keep open beside the requests")
    parser.add_argument("--websocket-path", default="/ws")
    asked = parser.parse_args()
    url = urlsplit(asked.url)
    if url.scheme != "http" or not url.hostname:
        parser.error(f"--url is {asked.url}; it must be http://host:port/path")
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    return Options(
        host=url.hostname,
        port=url.port or 80,
        host_header=asked.host_header or url.netloc,
        asks=tuple(Ask(**one) for one in json.loads(asked.requests)) or (Ask(path),),
        rate=asked.rate,
        timeout=asked.timeout,
        sessions=asked.sessions,
        version_header=asked.version_header,
        version_json=tuple(asked.version_json.split(".")) if asked.version_json else (),
        websockets=asked.websockets,
        websocket_path=asked.websocket_path,
    )


async def probe(options: Options) -> None:
    lines = Lines()
    client = Client(options, lambda answer: lines.put(request_done(answer)))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, client.stop)
    loop.add_reader(sys.stdin.fileno(), _read_end, loop, client)
    lines.start(loop)
    async with long_lived(options, lines):
        await client.run()
    ended = {"event": "ProbeEnded", "planned": client.planned, "done": client.done, "late": client.late}
    lines.put({**ended, "at": clock.now()})
    lines.flush()


@asynccontextmanager
async def long_lived(options: Options, lines: Lines) -> AsyncIterator[None]:
    """The users with WebSockets, beside the others and until they all leave together."""
    if not options.websockets:
        yield
        return
    from harness.probe.websockets import Crowd  # aiohttp takes longer to import than the probe to start

    crowd = Crowd(
        f"ws://{options.host}:{options.port}{options.websocket_path}",
        options.host_header,
        options.websockets,
        lambda ended: lines.put({"event": "WebsocketEnded", **asdict(ended)}),
    )
    running = asyncio.ensure_future(crowd.run())
    try:
        yield
    finally:
        crowd.leave()
        await running


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
