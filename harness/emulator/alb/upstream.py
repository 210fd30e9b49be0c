"""One connection to a target: send a request, read the answer, hand it to the client, wait for the next."""

from __future__ import annotations

import asyncio
import re
from enum import Enum, auto
from typing import TYPE_CHECKING, cast

from httptools import HttpParserError, HttpResponseParser

from harness import clock
from harness.clock import Wall
from harness.emulator.alb.exchange import Exchange
from harness.emulator.alb.targets import MOST_IDLE, Member

if TYPE_CHECKING:
    from harness.emulator.alb.client import Client

CONNECT_TIMEOUT = 10.0  # C.5
LARGEST_HEAD = 32 * 1024
STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5]\d\d)(?:[ \r\n]|$)")
FORBIDDEN = re.compile(rb"[\0\r\n]")


class Reading(Enum):
    HEAD = auto()
    LENGTH = auto()
    CHUNKS = auto()
    UNTIL_CLOSE = auto()
    TUNNEL = auto()


class BadAnswer(ValueError):
    """The target's answer is not HTTP: the client gets 502."""


async def connect(client: Client, exchange: Exchange, member: Member) -> None:
    """Open a connection for `exchange`; 504 when nobody answers within 10 s, 502 when it is refused (C.6)."""
    where = member.target.connect
    if where is None:
        await Wall().sleep(CONNECT_TIMEOUT)
        return _unreachable(client, exchange, 504, "ConnectTimeout")
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            _, upstream = await asyncio.get_running_loop().create_connection(
                lambda: Upstream(member), *where, ssl=member.group.tls
            )
    except TimeoutError:
        return _unreachable(client, exchange, 504, "ConnectTimeout")
    except OSError:
        return _unreachable(client, exchange, 502, "ConnectionRefused")
    if client.current is exchange:
        upstream.begin(client, exchange)
    else:  # the client left meanwhile
        upstream.park()
    return None


def _unreachable(client: Client, exchange: Exchange, status: int, reason: str) -> None:
    if client.current is exchange:
        client.fail(exchange, status, reason)


class Upstream(asyncio.Protocol):
    def __init__(self, member: Member) -> None:
        self.member = member
        self.client: Client | None = None
        self.exchange: Exchange | None = None
        self.reading = Reading.HEAD
        self.buffer = b""
        self.left = 0
        self.full = False  # the socket to the target takes no more for now
        self.keep_alive = self.ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.member.group.connected += 1

    def begin(self, client: Client, exchange: Exchange) -> None:
        """Send the request, as far as it is here."""
        self.client, self.exchange, self.reading = client, exchange, Reading.HEAD
        exchange.upstream = self
        self.member.busy.add(self)
        pending, exchange.pending, exchange.pending_size = b"".join(exchange.pending), [], 0
        self.transport.write(exchange.head(client.ip, client.listener.forwarded) + pending)
        exchange.sent_at = clock.now()
        client.steer()

    def park(self) -> None:
        """Keep the connection for another request, unless the target leaves."""
        self.member.busy.discard(self)
        if self.member.state == "draining" or len(self.member.idle) >= MOST_IDLE:
            self.transport.close()
        else:
            self.member.idle.append(self)

    def abandon(self) -> None:
        """Break off: whoever waits for this exchange is told by the caller, or, for a drain that ran out, by the loss below."""
        client, exchange = self.client, self.exchange
        self._let_go()
        self.transport.abort()
        if (
            client is not None
            and exchange is not None
            and client.current is exchange
            and self.member.state in ("draining", "gone")
        ):
            client.fail(exchange, 502, "DeregistrationDelayOver")

    def _let_go(self) -> None:
        self.member.busy.discard(self)
        if self.exchange is not None:
            self.exchange.upstream = None
        self.client = self.exchange = None

    # ---- the answer

    def data_received(self, data: bytes) -> None:
        client, exchange = self.client, self.exchange
        if self.reading is Reading.TUNNEL and client is not None:
            client.transport.write(data)
        elif client is None or exchange is None:
            self.transport.close()  # bytes that nobody asked for
        elif self.reading is Reading.HEAD:
            try:
                self._head(client, exchange, data)
            except BadAnswer:
                self._let_go()
                self.transport.abort()
                client.fail(exchange, 502, "BadAnswer")
        else:
            self._body(client, exchange, data)

    def _head(self, client: Client, exchange: Exchange, data: bytes) -> None:
        if self.buffer:
            data, self.buffer = self.buffer + data, b""
        end = data.find(b"\r\n\r\n")
        if end < 0:
            if len(data) > LARGEST_HEAD:
                raise BadAnswer("head too large")
            self.buffer = data
            return None
        head, rest = data[:end], data[end + 4 :]
        found = STATUS_LINE.match(head)
        if found is None:
            raise BadAnswer("no status line")
        status = int(found[2])
        if status == 101:
            return self._switch(client, exchange, head, rest)
        if status < 200:
            if exchange.v11:
                client.transport.write(data[: end + 4])
            return self._head(client, exchange, rest) if rest else None
        exchange.status, exchange.first_byte = status, clock.now()
        self._answer(client, exchange, head, rest, http11=found[1] == b"1")
        return None

    def _answer(self, client: Client, exchange: Exchange, head: bytes, rest: bytes, *, http11: bool) -> None:
        """Pass the head on with our own framing, then the body."""
        lines = head.split(b"\r\n")
        kept, length, chunked, self.keep_alive = _headers(lines[1:], http11=http11)
        if exchange.sticky is not None:
            kept += exchange.sticky.cookies(kept)
        out = [b"HTTP/1.1" + lines[0][8:], *kept]
        assert exchange.status is not None
        if exchange.method == b"HEAD" or exchange.status in (204, 304):
            self.reading, self.left = Reading.LENGTH, 0
        elif chunked:
            self.reading, self.ended, self.chunks = Reading.CHUNKS, False, HttpResponseParser(self)
            self.chunks.feed_data(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            if exchange.v11:
                out.append(b"Transfer-Encoding: chunked")
        elif length is not None:
            self.reading, self.left = Reading.LENGTH, length
        else:
            self.reading, self.keep_alive = Reading.UNTIL_CLOSE, False
        if self.reading is Reading.UNTIL_CLOSE or (chunked and not exchange.v11):
            exchange.keep_alive = False
        stays = exchange.keep_alive and exchange.complete
        out.append(b"Connection: keep-alive\r\n\r\n" if stays else b"Connection: close\r\n\r\n")
        exchange.answered = True
        self._write_first(client, exchange, b"\r\n".join(out), rest)

    def _write_first(self, client: Client, exchange: Exchange, head: bytes, rest: bytes) -> None:
        """Head and what came with it in one write, where the body has a length."""
        exchange.sent += len(head)
        if self.reading is Reading.LENGTH and len(rest) <= self.left:
            client.transport.write(head + rest)
            exchange.sent += len(rest)
            self.left -= len(rest)
            if not self.left:
                self._done()
            return
        client.transport.write(head)
        if rest or (self.reading is Reading.LENGTH and not self.left):
            self._body(client, exchange, rest)

    def _body(self, client: Client, exchange: Exchange, data: bytes) -> None:
        client.active = clock.now()
        exchange.sent += len(data)
        if self.reading is Reading.LENGTH:
            if len(data) > self.left:
                data, self.keep_alive = data[: self.left], False
            client.transport.write(data)
            self.left -= len(data)
            if not self.left:
                self._done()
        elif self.reading is Reading.CHUNKS:
            if exchange.v11:
                client.transport.write(data)
            try:
                self.chunks.feed_data(data)
            except HttpParserError:
                self._let_go()
                self.transport.abort()
                client.fail(exchange, 502, "BadChunk")
                return
            if self.ended:
                self._done()
        else:
            client.transport.write(data)

    def on_body(self, part: bytes) -> None:
        """Chunks are taken apart for a client of HTTP/1.0."""
        if self.exchange is not None and not self.exchange.v11 and self.client is not None:
            self.client.transport.write(part)

    def on_message_complete(self) -> None:
        self.ended = True

    def _done(self) -> None:
        client, exchange = self.client, self.exchange
        assert client is not None
        assert exchange is not None
        assert exchange.status is not None
        self._let_go()
        if self.keep_alive and exchange.complete:
            self.park()
        else:
            self.transport.close()
        client.finish(exchange, exchange.status)

    def _switch(self, client: Client, exchange: Exchange, head: bytes, rest: bytes) -> None:
        """101: from here on bytes pass both ways until either side closes."""
        if not exchange.upgrade:
            raise BadAnswer("101 unasked")
        exchange.status, exchange.first_byte, exchange.answered = 101, clock.now(), True
        lines = head.split(b"\r\n")
        upgrade = next((line for line in lines if line.lower().startswith(b"upgrade:")), b"Upgrade: websocket")
        kept, *_ = _headers(lines[1:], http11=True)
        client.transport.write(b"\r\n".join([lines[0], *kept, b"Connection: upgrade", upgrade]) + b"\r\n\r\n" + rest)
        self.reading, client.tunnel = Reading.TUNNEL, self
        early, client.early = client.early, b""
        if early:
            self.transport.write(early)

    # ---- its end

    def connection_lost(self, error: Exception | None) -> None:
        client, exchange = self.client, self.exchange
        self._let_go()
        if client is None or exchange is None:
            if self in self.member.idle:
                self.member.idle.remove(self)
        elif self.reading is Reading.TUNNEL:
            client.current, client.tunnel = None, None
            client._end(exchange, 101, "-")
            client.transport.close()
        elif self.reading is Reading.UNTIL_CLOSE and error is None:
            assert exchange.status is not None
            client.finish(exchange, exchange.status)
        else:  # closed or reset with a request outstanding: 502, and no second try (C.6)
            client.fail(exchange, 502, "TargetClosed")

    def pause_writing(self) -> None:
        self.full = True
        if self.client is not None:
            self.client.steer() if self.reading is not Reading.TUNNEL else self.client.transport.pause_reading()

    def resume_writing(self) -> None:
        self.full = False
        if self.client is not None:
            self.client.steer() if self.reading is not Reading.TUNNEL else self.client.transport.resume_reading()


def _headers(lines: list[bytes], *, http11: bool) -> tuple[list[bytes], int | None, bool, bool]:
    """(lines to pass on, content length, chunked, keep-alive) of a target's head. Raises BadAnswer on framing that contradicts itself."""
    kept: list[bytes] = []
    length: int | None = None
    chunked, keep_alive = False, http11
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not name or name[-1:] in b" \t" or line[:1] in b" \t" or FORBIDDEN.search(line):
            raise BadAnswer("bad header")
        value = value.strip()
        match name.lower():
            case b"content-length":
                if not value.isdigit() or (length is not None and length != int(value)):
                    raise BadAnswer("bad length")
                if length is None:
                    kept.append(line)
                length = int(value)
            case b"transfer-encoding":
                if value.lower() != b"chunked" or chunked:
                    raise BadAnswer("bad transfer encoding")
                chunked = True
            case b"connection":
                keep_alive = b"close" not in value.lower() and (keep_alive or b"keep-alive" in value.lower())
            case b"keep-alive" | b"proxy-connection" | b"upgrade":
                pass
            case _:
                kept.append(line)
    if chunked and length is not None:
        raise BadAnswer("length and chunks")
    return kept, length, chunked, keep_alive
