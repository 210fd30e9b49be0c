"""One connection from a client: parse requests, route each anew, pass answers back in order."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from harness import clock
from harness.emulator.alb import answers
from harness.emulator.alb.exchange import Exchange
from harness.emulator.alb.rules import FixedResponse, Forward, Redirect
from harness.emulator.alb.upstream import Upstream, connect

if TYPE_CHECKING:
    from harness.emulator.alb.listener import Listener

LONGEST_LINE = 16 * 1024  # request line, or one header (C.5)
LARGEST_HEAD = 64 * 1024
MOST_PENDING = 256 * 1024  # of a body, until the target's connection stands
SINGLE = frozenset((b"host", b"content-length"))


class Client(asyncio.Protocol):
    """`current` is the exchange being answered, `reading` the one whose request is still arriving; others wait in `queue`."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.current: Exchange | None = None
        self.reading: Exchange | None = None
        self.queue: deque[Exchange] = deque()
        self.tunnel: Upstream | None = None
        self.early = b""  # bytes behind an upgrade that is not granted yet
        self.closing = False
        self.active = clock.now()

    # ---- the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.parser = HttpRequestParser(self)
        peer = transport.get_extra_info("peername") or ("127.0.0.1", 0)
        self.ip, self.peer = peer[0].encode(), f"{peer[0]}:{peer[1]}"
        self.listener.clients.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.listener.clients.discard(self)
        self.closing = True
        if self.tunnel is not None:
            self.tunnel.transport.close()
        current, self.current = self.current, None
        if current is not None:  # the client went away: logged as 460, nobody sees it (C.6)
            if current.upstream is not None:
                current.upstream.abandon()
            self._end(current, 460, "ClientClosed")

    def eof_received(self) -> bool:
        return self.current is not None  # a half-close: finish the answer first

    def data_received(self, data: bytes) -> None:
        if self.tunnel is not None:
            self.tunnel.transport.write(data)
        elif self.early:
            self.early += data
        elif not self.closing:
            self._parse(data)

    def _parse(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except HttpParserUpgrade as upgrade:
            self.early = data[upgrade.args[0] :]
        except HttpParserError:
            self._refuse(400)
        else:
            arriving = self.reading
            if arriving is not None and not arriving.headed:
                arriving.size += len(data)
                if arriving.size > 2 * LARGEST_HEAD:
                    self._refuse(400)

    def check_idle(self, since: float) -> None:
        """Close, or answer 408 or 504, when nothing has happened since `since` (C.5)."""
        current = self.current
        if self.tunnel is not None or self.active > since:
            return
        if current is not None and current.upstream is not None and not current.answered:
            current.upstream.abandon()
            self.fail(current, 504 if current.complete else 408, "Timeout")
        elif current is None and self.reading is not None and not self.reading.headed:
            self._refuse(408)
        elif current is None:
            self.transport.close()

    def close_when_idle(self) -> None:
        self.closing = True
        if self.current is None:
            self.transport.close()

    # ---- parser callbacks

    def on_message_begin(self) -> None:
        self.reading = Exchange(self.ip.decode())

    def on_url(self, part: bytes) -> None:
        arriving = self._arriving
        arriving.url += part
        if len(arriving.url) > LONGEST_LINE:
            arriving.error = 414

    def on_header(self, name: bytes, value: bytes) -> None:
        arriving = self._arriving
        if arriving.headed:
            return  # trailers are dropped
        arriving.size += len(name) + len(value) + 4
        if len(name) + len(value) > LONGEST_LINE or arriving.size > LARGEST_HEAD:
            arriving.error = 400
            return
        key = name.lower()
        if key in SINGLE and arriving.header(key):
            arriving.error = 400
        arriving.headers.append((name, value))
        if key == b"host":
            arriving.host = value
        elif key == b"content-length":
            arriving.content_length = value
        elif key == b"transfer-encoding":
            arriving.chunked = True
            if value.strip().lower() != b"chunked":
                arriving.error = 501

    def on_headers_complete(self) -> None:
        arriving = self._arriving
        arriving.headed = True
        arriving.method = self.parser.get_method()
        arriving.v11 = self.parser.get_http_version() == "1.1"
        arriving.keep_alive = self.parser.should_keep_alive()
        arriving.complete = not arriving.chunked and arriving.content_length in (None, b"0")
        if self.parser.should_upgrade():
            arriving.upgrade = next(iter(arriving.header(b"upgrade")), None)
        ambiguous = arriving.chunked and (arriving.content_length is not None or not arriving.v11)
        if ambiguous or (arriving.v11 and not arriving.host) or arriving.method == b"CONNECT":
            arriving.error = arriving.error or 400
        elif arriving.too_many_hops():
            arriving.error = arriving.error or 463
        if arriving.error:
            arriving.keep_alive, self.closing = False, True
        if self.current is None:
            self._begin(arriving)
        else:
            self.queue.append(arriving)
            self.steer()

    def on_body(self, part: bytes) -> None:
        arriving = self._arriving
        arriving.received += len(part)
        self._pass_on(arriving, b"%x\r\n%b\r\n" % (len(part), part) if arriving.chunked else part)

    def on_message_complete(self) -> None:
        arriving = self._arriving
        arriving.complete = True
        if arriving.chunked:
            self._pass_on(arriving, b"0\r\n\r\n")

    @property
    def _arriving(self) -> Exchange:
        assert self.reading is not None
        return self.reading

    def _pass_on(self, exchange: Exchange, part: bytes) -> None:
        """A part of a request body: to the target, or kept until its connection stands."""
        if exchange.upstream is not None:
            exchange.upstream.transport.write(part)
        elif not exchange.error and not exchange.answered:
            exchange.pending.append(part)
            exchange.pending_size += len(part)
            self.steer()

    # ---- one exchange

    def _begin(self, exchange: Exchange) -> None:
        self.current = exchange
        self.active = clock.now()
        if exchange.error:
            self.fail(exchange, exchange.error, "BadRequest")
            return
        exchange.routed()
        exchange.rule = rule = self.listener.route(exchange)
        match rule.action if rule else None:
            case Forward() as forward:
                self._forward(exchange, forward)
            case FixedResponse(status, content_type, body):
                close, bare = self._must_close(exchange), exchange.method == b"HEAD"
                self._answer(exchange, status, answers.fixed(status, content_type, body, close=close, head_only=bare))
            case Redirect() as redirect:
                close, bare = self._must_close(exchange), exchange.method == b"HEAD"
                where = exchange.location = redirect.location(exchange, self.listener.scheme, self.listener.port)
                code = int(redirect.status.removeprefix("HTTP_"))
                self._answer(exchange, code, answers.redirect(redirect.status, where, close=close, head_only=bare))
            case None:
                self.fail(exchange, 503, "NoRule")

    def _forward(self, exchange: Exchange, forward: Forward) -> None:
        """Group, target and count in one step; nothing is awaited between them."""
        member = forward.take(exchange)
        if member is None:
            self.fail(exchange, 503, "NoTargets")
            return
        exchange.member = member
        while member.idle:
            upstream = member.idle.pop()
            if not upstream.transport.is_closing():
                upstream.begin(self, exchange)
                return
        asyncio.ensure_future(connect(self, exchange, member))  # noqa: RUF006 it ends by itself within the connect timeout

    def fail(self, exchange: Exchange, status: int, reason: str) -> None:
        """One of the load balancer's own error pages; where an answer has begun, the client must see it broken."""
        if exchange.answered:
            self._end(exchange, status, reason)
            self.current = None
            self.transport.abort()
            return
        page = answers.error(status, close=self._must_close(exchange), head_only=exchange.method == b"HEAD")
        self._answer(exchange, status, page, reason)

    def _answer(self, exchange: Exchange, status: int, page: bytes, reason: str = "-") -> None:
        exchange.keep_alive = not self._must_close(exchange)
        exchange.answered = True
        exchange.sent += len(page)
        self.transport.write(page)
        self.finish(exchange, status, reason)

    def _must_close(self, exchange: Exchange) -> bool:
        """An answer before the end of the request leaves no way to find the next one."""
        return not exchange.keep_alive or not exchange.complete

    def finish(self, exchange: Exchange, status: int, reason: str = "-") -> None:
        """The answer is out: log it, and go on with the next request or close."""
        self._end(exchange, status, reason)
        self.current, self.active = None, clock.now()
        if not exchange.keep_alive or not exchange.complete or (self.closing and not self.queue):
            self.closing = True
            self.transport.close()
            return
        if exchange.upgrade:  # refused: go on as plain HTTP
            self.parser, self.reading = HttpRequestParser(self), None
            early, self.early = self.early, b""
            if early:
                asyncio.get_running_loop().call_soon(self.data_received, early)
        if self.queue:
            following = self.queue.popleft()
            self.current = following
            asyncio.get_running_loop().call_soon(self._begin, following)
        self.steer()

    def _end(self, exchange: Exchange, status: int, reason: str) -> None:
        """Exactly once for each exchange: it is no longer in flight, and it is logged."""
        if exchange.member is not None:
            exchange.member.in_flight -= 1
        listener = self.listener
        listener.record(exchange.row(listener.load_balancer, listener.port, self.peer, status, reason), self.transport)

    def _refuse(self, status: int) -> None:
        """The request that is arriving cannot be read: answer, and close."""
        if self.closing:
            return
        self.closing = True
        arriving = self.reading
        if arriving is None or arriving.complete:
            arriving = Exchange(self.ip.decode())
        arriving.error, arriving.complete, arriving.keep_alive = status, True, False
        if self.current is None:
            self._begin(arriving)
        elif arriving is self.current:  # the framing broke inside a body on its way to a target
            if arriving.upstream is not None:
                arriving.upstream.abandon()
            self.fail(arriving, status, "BadRequest")
        elif arriving not in self.queue:
            self.queue.append(arriving)

    # ---- back-pressure

    def steer(self) -> None:
        """Read on only when what was read has somewhere to go."""
        current = self.current
        held = current is not None and (
            current.pending_size > MOST_PENDING if current.upstream is None else current.upstream.full
        )
        if self.transport.is_closing():
            return
        if self.queue or held:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def pause_writing(self) -> None:
        self._source(reading=False)

    def resume_writing(self) -> None:
        self._source(reading=True)

    def _source(self, *, reading: bool) -> None:
        upstream = self.tunnel or (self.current.upstream if self.current is not None else None)
        if upstream is not None and not upstream.transport.is_closing():
            (upstream.transport.resume_reading if reading else upstream.transport.pause_reading)()
