"""An open-loop HTTP/1.1 client: no task per request, one timer for the schedule and one per request for its timeout.

Connections are used as a crowd of users would use them: kept and used again, but every tenth request opens a new one, and the
oldest idle one is then closed. Nothing is retried: what a browser would paper over, a user of an API sees.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import httptools

from harness import clock
from harness.probe.asks import LONGEST_BODY, Ask, Asks, keep, version_in
from harness.probe.pacer import Pacer

NEW_CONNECTION_EVERY = 10
LATE = 0.05  # seconds after its due time that a request was sent late, which is our own fault


@dataclass(frozen=True, slots=True)
class Options:
    """`host` and `port` are where the listener is reached; `host_header` is what the requests name.

    The version of an answer is in its `version_header`, or at the path `version_json` of its JSON body.
    """

    host: str
    port: int
    host_header: str
    asks: tuple[Ask, ...]
    rate: float
    timeout: float
    sessions: int = 0
    version_header: str = "x-app-version"
    version_json: tuple[str, ...] = ()
    websockets: int = 0
    websocket_path: str = "/ws"


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one request; times are wall times. `status` None: no answer, and `error` says why."""

    seq: int
    due: float
    sent: float
    done: float
    status: int | None
    version: str | None
    error: str | None

    @property
    def late(self) -> bool:
        return self.sent - self.due > LATE


class Request:
    """One request under way; it is answered exactly once."""

    __slots__ = ("answered", "cookies", "due", "sent", "seq", "text", "timer")

    def __init__(self, seq: int, due: float, sent: float, text: bytes, cookies: dict[str, str] | None) -> None:
        self.seq, self.due, self.sent, self.text, self.cookies, self.answered = seq, due, sent, text, cookies, False
        self.timer: asyncio.TimerHandle | None = None


class Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request on it; httptools calls the `on_...` methods."""

    def __init__(self, client: Client, first: Request) -> None:
        self._client, self.request = client, first
        self.busy, self._keep = True, True
        self._transport: asyncio.Transport | None = None
        self._status: int | None = None
        self._version: str | None = None
        self._framed = self._whole = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass of asyncio's
        self.send(self.request)

    def send(self, request: Request) -> None:
        assert self._transport is not None
        self.request, self.busy = request, True
        self._status, self._version, self._framed, self._whole = None, None, False, False
        self._body = b""
        self._parser = httptools.HttpResponseParser(self)
        self._transport.write(request.text)

    def data_received(self, data: bytes) -> None:
        if not self.busy:
            return self.close()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            return self._fail(f"not HTTP: {error}")
        if self._whole:
            self._finish()
        return None

    def on_header(self, name: bytes, value: bytes) -> None:
        lowered = name.lower()
        if lowered == self._client.version_header:
            self._version = value.decode("latin-1")
        elif lowered in (b"content-length", b"transfer-encoding"):
            self._framed = True
        elif lowered == b"set-cookie" and self.request.cookies is not None:
            keep(self.request.cookies, value.decode("latin-1"))

    def on_body(self, body: bytes) -> None:
        if self._client.version_json and len(self._body) < LONGEST_BODY:
            self._body += body

    def on_headers_complete(self) -> None:
        self._status = int(self._parser.get_status_code())

    def on_message_complete(self) -> None:
        self._whole, self._keep = True, bool(self._parser.should_keep_alive())

    def _finish(self) -> None:
        self.busy = False
        if self._client.version_json:
            self._version = version_in(self._body, self._client.version_json)
        self._client.answered(self.request, self._status, self._version, None)
        if self._keep and self.usable:
            self._client.idle.append(self)
        else:
            self.close()

    def _fail(self, why: str) -> None:
        self.busy = False
        self._client.answered(self.request, None, None, why)
        self.close()

    def connection_lost(self, error: Exception | None) -> None:
        self._client.forget(self)
        if not self.busy:
            return None
        if error is None and self._status is not None and not self._framed:  # a body that ends with the connection
            self._keep = False
            return self._finish()
        where = "in the middle of the answer" if self._status is not None else "before an answer"
        return self._fail(f"connection {'reset' if error else 'closed'} {where}")

    @property
    def usable(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """The request on it has timed out; its answer will not be read."""
        self.busy = False
        if self._transport is not None:
            self._transport.abort()


class Client:
    """Sends by the schedule until `stop`; hands every answer to `report`, in the order of the answers."""

    def __init__(self, options: Options, report: Callable[[Answer], None]) -> None:
        self.version_header, self.version_json = options.version_header.lower().encode(), options.version_json
        self._asks = Asks(options.asks, options.host_header, options.sessions)
        self.idle: deque[Connection] = deque()
        self.planned = self.done = self.late = 0
        self._options, self._report = options, report
        self._under_way: dict[int, Connection | asyncio.Task[None]] = {}
        self._stopped, self._quiet = asyncio.Event(), asyncio.Event()

    def stop(self) -> None:
        """Send no more; what is under way is still waited for."""
        self._stopped.set()

    async def run(self) -> None:
        """Return when stopped and every request is answered or timed out."""
        self._loop = asyncio.get_running_loop()
        self._pacer = Pacer(self._options.rate, self._loop.time())
        self._wall = clock.now() - self._pacer.start  # from the loop's time to wall time
        self._tick()
        await self._stopped.wait()
        self._next.cancel()
        if self._under_way:
            await self._quiet.wait()
        for connection in self.idle:
            connection.close()

    def _tick(self) -> None:
        """Send everything that is due, then wake for the next one: after a stall of ours several are sent at once, and late."""
        for seq in range(self.planned, self._pacer.due_by(self._loop.time())):
            self._send(seq)
        self._next = self._loop.call_at(self._pacer.due(self.planned), self._tick)

    def _send(self, seq: int) -> None:
        self.planned += 1
        request = Request(seq, self._wall + self._pacer.due(seq), clock.now(), *self._asks.of(seq))
        request.timer = self._loop.call_later(self._options.timeout, self._time_out, request)
        connection = None if seq % NEW_CONNECTION_EVERY == 0 else self._idle_connection()
        if connection is not None:
            self._under_way[seq] = connection
            connection.send(request)
        else:
            self._under_way[seq] = self._loop.create_task(self._connect(request))

    def _idle_connection(self) -> Connection | None:
        while self.idle:
            connection = self.idle.pop()
            if connection.usable:
                return connection
        return None

    async def _connect(self, request: Request) -> None:
        if len(self.idle) > 1:
            self.idle.popleft().close()
        try:
            _, connection = await self._loop.create_connection(
                lambda: Connection(self, request), self._options.host, self._options.port
            )
        except OSError as error:
            return self.answered(request, None, None, f"cannot connect: {error.strerror or error}")
        if not request.answered:
            self._under_way[request.seq] = connection
        return None

    def _time_out(self, request: Request) -> None:
        on = self._under_way.get(request.seq)
        if isinstance(on, Connection):
            on.abort()
        elif on is not None:
            on.cancel()
        self.answered(request, None, None, f"no answer within {self._options.timeout:g} s")

    def answered(self, request: Request, status: int | None, version: str | None, error: str | None) -> None:
        """Report a request, once: a connection may still be lost after its request timed out."""
        if request.answered:
            return
        request.answered = True
        if request.timer is not None:
            request.timer.cancel()
        answer = Answer(request.seq, request.due, request.sent, clock.now(), status, version, error)
        self.done += 1
        self.late += answer.late
        self._under_way.pop(request.seq, None)
        self._report(answer)
        if self._stopped.is_set() and not self._under_way:
            self._quiet.set()

    def forget(self, connection: Connection) -> None:
        if connection in self.idle:
            self.idle.remove(connection)
