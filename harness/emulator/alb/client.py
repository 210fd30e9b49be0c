"""One connection from a client: read one request after the other, route each anew, answer in order (C.5-C.7)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from harness import clock
from harness.emulator.alb import answers
from harness.emulator.alb.exchange import TRACES, Exchange
from harness.emulator.alb.framing import BadFraming
from harness.emulator.alb.head import Head, end_of_head, too_large
from harness.emulator.alb.rewrite import Rewrite, RewriteFailed
from harness.emulator.alb.rules import FixedResponse, Forward, Redirect, Rule
from harness.emulator.alb.targets import Member
from harness.emulator.alb.upstream import Upstream, connect, write_at_once

if TYPE_CHECKING:
    from harness.emulator.alb.heads import Common
    from harness.emulator.alb.listener import Listener

MOST_PENDING = 256 * 1024  # of a body, until the target's connection stands
LINGER = 2.0  # seconds in which a client that we refused may still read why


class Client(asyncio.Protocol):
    """`current` is the exchange under way; there is one at a time, and what a client sends ahead waits in `buffer`, unread.

    `ready` means that nothing at all is under way or half read: only then may a memoised head be taken as it is.
    """

    __slots__ = (
        "active",
        "alike",
        "born",
        "buffer",
        "closing",
        "current",
        "ended",
        "expires",
        "forwarded",
        "full",
        "ip",
        "known",
        "listener",
        "logged",
        "origin",
        "paused",
        "peer",
        "ready",
        "since",
        "spent",
        "tail",
        "told",
        "transport",
        "tunnel",
        "until",
    )

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.current: Exchange | None = None
        self.tunnel: Upstream | None = None
        self.buffer = b""
        self.logged = b""  # what every line of the access log says of it: filled in by the log
        self.ready = True
        self.spent: Exchange | None = None  # one that has passed, as good as new
        self.closing = self.ended = self.paused = self.full = False
        self.active = self.born = clock.now()

    # ---- the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        listener, peer = self.listener, transport.get_extra_info("peername") or ("127.0.0.1", 0)
        self.ip, self.peer = str(peer[0]), f"{peer[0]}:{peer[1]}"
        write_at_once(self.transport)
        self.configure()
        listener.clients.add(self)

    def configure(self) -> None:
        """Take over the listener's options: what every request of this connection carries to its target (C.7)."""
        options, self.known = self.listener.options, self.listener.heads.memo.known
        self.expires = self.born + options.keep_alive
        self.origin: bytes = (self.peer if options.xff_port else self.ip).encode()
        xff = b"X-Forwarded-For: %b\r\n" % self.origin if options.xff == "append" else b""
        self.told: bytes = self.listener.forwarded + self._tls_lines(options.tls_headers)
        self.forwarded = xff.replace(b"%", b"%%") + self.told
        self.since: float = 0.0
        self.until: float = 0.0
        self.alike: Common | None = None  # what its last head shares with others: its next one most likely does

    def _tls_lines(self, names: tuple[str, ...]) -> bytes:
        """What a target is told of the client's TLS, where it is to be told."""
        if not names or (secured := self.transport.get_extra_info("ssl_object")) is None:
            return b""
        said = zip(names, (secured.version(), secured.cipher()[0]), strict=True)
        return "".join(f"{name}: {value}\r\n" for name, value in said).encode()

    def turn(self, second: int) -> None:
        """How the heads of requests end that arrive in another second: `tail` has a place for the number in the trace id."""
        self.since, self.until = float(second), second + 1.0
        self.tail: bytes = b"X-Amzn-Trace-Id: %b\r\n%b\r\n" % (TRACES % second, self.forwarded)

    def connection_lost(self, error: Exception | None) -> None:
        self.listener.clients.discard(self)
        self.closing, self.ready = True, False
        current, self.current = self.current, None
        if current is None:
            return
        if self.tunnel is not None:
            self.tunnel.close()
            self._end(current, 101, "-")
            return
        if current.upstream is not None:
            current.upstream.drop()
        # the client went away: logged as 460, nobody sees it (C.6)
        self._end(current, 460 if current.complete else 400, "ClientClosed")

    def eof_received(self) -> bool:
        """A half-close: what was asked in full is still answered, and a tunnel goes on the other way."""
        self.ended = True
        if self.tunnel is not None:
            if self.tunnel.transport.can_write_eof():  # TLS has no half-close
                self.tunnel.transport.write_eof()
            return True
        if self.closing:
            return False
        if self.current is None and self.buffer:
            self._refuse(400)
        elif self.current is not None and not self.current.complete:
            self._break_off(self.current, 400, "ClientClosed")
        return self.current is not None

    def data_received(self, data: bytes) -> None:
        if self.ready:
            head = self.known.get(data)
            if head is not None:
                (self._pass if head.simple else self.serve)(head)
                return
        current = self.current
        if self.closing:
            return
        if self.tunnel is not None:
            self.active = clock.now()
            self.tunnel.transport.write(data)
        elif current is None:
            self._read(self.buffer + data if self.buffer else data)
        elif current.complete:
            self.buffer += data
            self.steer()
        else:
            self.active = clock.now()
            self._body(current, data)

    # ---- reading

    def _read(self, data: bytes) -> None:
        """The beginning of a request, maybe all of it, maybe more."""
        heads = self.listener.heads
        if self.alike is not None and (head := heads.again(data, self.alike)) is not None:
            self.buffer = b""
            self._pass(head)
            return
        head = heads.quick(data)
        if head is None:
            data = data.lstrip(b"\r\n")
            head = self._read_with_care(data)
            if head is None:
                return
        self.buffer, self.alike = b"", head.common
        if head.size == len(data):
            heads.learn(data, head)
            self.serve(head)
        else:
            self.serve(head, data[head.size :])

    def _read_with_care(self, data: bytes) -> Head | None:
        """None where the head has not come in full; then it waits in `buffer`, or it is refused already."""
        if not data:
            self.buffer, self.ready = b"", True
            return None
        if self.ready:
            self.ready = False
            self.active = clock.now()  # from here on the whole head has one idle timeout
        end = end_of_head(data)
        if end >= 0:
            return self.listener.heads.read(data[:end])
        self.buffer = data
        if status := too_large(data) or (400 if self.ended else 0):
            self._refuse(status)
        return None

    def _pass(self, head: Head) -> None:
        """A request with a simple head, and nothing behind it: most of them. What `serve` does, with nothing to look out for."""
        self.ready = False
        if (exchange := self.spent) is None:
            exchange = Exchange(head, self)
        else:
            self.spent, exchange.head, exchange.arrived = None, head, clock.now()
        self.current, self.active, now = exchange, exchange.arrived, exchange.arrived
        if now > self.expires:
            exchange.keep_alive = False
        for rule in self.listener.rules:
            if not rule.conditions or rule.matches(exchange):
                break
        else:
            self.fail(exchange, 503, "NoRule")
            return
        exchange.rule, action = rule, rule.action
        if type(action) is not Forward or rule.rewrite is not None:
            self._act(exchange, rule)
            return
        exchange.member = member = (action.only or action).take(exchange)
        if member is not None and (upstream := member.spare(now, self.listener.options.idle_timeout)) is not None:
            exchange.passing = True
            upstream.begin(self, exchange, now)
        else:
            self._connect(exchange, member)

    def serve(self, head: Head, rest: bytes = b"") -> None:
        """A request that has been parsed, here or elsewhere; `rest` is what came behind its head."""
        self.ready = False
        exchange = self.current = Exchange(head, self)
        self.active = now = exchange.arrived
        if now > self.expires:
            exchange.keep_alive = False
        if head.simple and not rest:
            self._route(exchange)
        elif head.status:
            exchange.keep_alive = False
            self.buffer = rest
            self.fail(exchange, head.status, "BadRequest")
        elif exchange.body is not None:
            self._serve_with_body(exchange, rest)
        elif rest:
            self.buffer = rest
            self._route(exchange)
            self.steer()
        else:
            self._route(exchange)

    def _serve_with_body(self, exchange: Exchange, rest: bytes) -> None:
        if rest:
            self._body(exchange, rest)
        if self.current is not exchange:  # refused already, for its body
            return
        if self.ended and not exchange.complete:
            self._break_off(exchange, 400, "ClientClosed")
        else:
            self._route(exchange)
        if self.buffer:
            self.steer()

    def _body(self, exchange: Exchange, data: bytes) -> None:
        """A part of a request's body: on to the target, or kept until its connection stands."""
        assert exchange.body is not None
        try:
            part, rest = exchange.body.feed(data)
        except BadFraming:
            self._break_off(exchange, 400, "BadChunk")
            return
        exchange.received += len(part)
        if exchange.head.length < 0:
            part = b"%x\r\n%b\r\n" % (len(part), part) if part else b""
            if rest is not None:
                part += b"0\r\n\r\n"
        if rest is not None:
            exchange.complete, self.buffer = True, rest
        if exchange.upstream is not None:
            exchange.upstream.transport.write(part)
        else:
            if exchange.pending is None:
                exchange.pending = []
            exchange.pending.append(part)
            exchange.pending_size += len(part)
            self.steer()

    def _break_off(self, exchange: Exchange, status: int, reason: str) -> None:
        """One of the two will say no more; a target must not take a part of a request for the whole."""
        if not exchange.complete:
            exchange.keep_alive = False
        if exchange.upstream is not None:
            exchange.upstream.drop()
        self.fail(exchange, status, reason)

    def _refuse(self, status: int) -> None:
        """A request whose head has no end."""
        head = Head()
        head.size, head.status = len(self.buffer), status
        self.buffer = b""
        self.serve(head)

    # ---- one exchange

    def _route(self, exchange: Exchange) -> None:
        for rule in self.listener.rules:
            if not rule.conditions or rule.matches(exchange):
                break
        else:
            self.fail(exchange, 503, "NoRule")
            return
        exchange.rule = rule
        self._act(exchange, rule)

    def _act(self, exchange: Exchange, rule: Rule) -> None:
        match rule.action:
            case Forward() as forward:
                if rule.rewrite is None or self._rewrite(exchange, rule.rewrite):
                    self._forward(exchange, forward)
            case FixedResponse(status, content_type, body):
                self._answer(exchange, status, answers.fixed(status, content_type, body, self._manner(exchange)))
            case Redirect() as redirect:
                where = exchange.location = redirect.location(exchange, self.listener.scheme, self.listener.port)
                code = int(redirect.status.removeprefix("HTTP_"))
                self._answer(exchange, code, answers.redirect(redirect.status, where, self._manner(exchange)))

    def _rewrite(self, exchange: Exchange, rewrite: Rewrite) -> bool:
        """Another Host or URI for the target; rules, log and redirects go by the client's own. False where it failed."""
        head = exchange.head
        try:
            host, uri = rewrite.apply(head.host, head.uri)
        except RewriteFailed:
            self.fail(exchange, 500, "TransformFailed")
            return False
        if (host, uri) != (head.host, head.uri):
            exchange.rewritten = self.listener.heads.rewritten(head, host, uri)
        return True

    def _manner(self, exchange: Exchange) -> answers.Manner:
        options, close = self.listener.options, self._must_close(exchange)
        return answers.Manner(close, exchange.method == b"HEAD", options.server, self.listener.inserted)

    def _forward(self, exchange: Exchange, forward: Forward) -> None:
        """Group, target and count in one step; nothing is awaited between them. On a connection that is there, else on a new one."""
        exchange.member = member = forward.take(exchange)
        now, patience = exchange.arrived, self.listener.options.idle_timeout
        if member is not None and (upstream := member.spare(now, patience)) is not None:
            upstream.begin(self, exchange, now)
        else:
            self._connect(exchange, member)

    def _connect(self, exchange: Exchange, member: Member | None) -> None:
        if member is None:
            self.fail(exchange, 503, "NoTargets")
        else:
            asyncio.ensure_future(connect(self, exchange, member))  # noqa: RUF006 it ends by itself within the connect timeout

    def fail(self, exchange: Exchange, status: int, reason: str) -> None:
        """One of the load balancer's own error pages; where an answer has begun, the client must see it broken."""
        if exchange.answered:
            self._end(exchange, status, reason)
            self.current, self.closing = None, True
            self.transport.abort()
            return
        self._answer(exchange, status, answers.error(status, self._manner(exchange)), reason)

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
        self._end(exchange, status, reason, exchange.ended)
        self.current = None
        self.active = exchange.ended
        if not exchange.keep_alive or not exchange.complete or (self.ended and not self.buffer):
            self._close(lingering=not exchange.complete or bool(self.buffer) or bool(exchange.head.status))
        elif self.buffer:
            asyncio.get_running_loop().call_soon(self._read_on)
        else:
            self.ready = True
            if self.paused:
                self.steer()

    def _read_on(self) -> None:
        """A request that was sent ahead, now that it is its turn."""
        if self.current is None and not self.closing:
            data, self.buffer = self.buffer, b""
            self.ready = True
            self._read(data)
        self.steer()

    def _close(self, *, lingering: bool) -> None:
        """Close. A client that is still sending would get a reset in place of the answer: it gets an end, and LINGER to read it."""
        self.closing, self.ready, self.buffer = True, False, b""
        if lingering and not self.ended and self.transport.can_write_eof():
            self.transport.write_eof()
            self.active = clock.now()
            self.steer()
            asyncio.get_running_loop().call_later(LINGER, self.transport.close)
        else:
            self.transport.close()

    def _end(self, exchange: Exchange, status: int, reason: str, ended: float = 0.0) -> None:
        """Exactly once for each exchange: it is no longer in flight, and it is logged. `ended` saves a look at the clock."""
        if (member := exchange.member) is not None:
            member.in_flight -= 1
        exchange.elb_status, exchange.error_reason, exchange.ended = status, reason, ended or clock.now()
        self.listener.record(exchange)

    # ---- time

    def check_idle(self, now: float) -> None:
        """Close, or answer 408 or 504, when nothing has happened for the idle timeout, or the connection is too old (C.5)."""
        current, idle = self.current, now - self.active > self.listener.options.idle_timeout
        if current is None:
            if idle and self.buffer and not self.closing:
                self._refuse(408)
            elif (idle or now > self.expires) and not self.buffer:
                self.transport.close()
        elif idle and self.tunnel is not None:
            self.transport.close()
        elif idle and current.upstream is not None:
            self._break_off(current, 504 if current.complete else 408, "Timeout")

    def close_when_idle(self) -> None:
        """The listener goes: finish what is under way, begin nothing new."""
        if self.current is None:
            self._close(lingering=False)
        else:
            self.current.keep_alive = False

    # ---- back-pressure

    def steer(self) -> None:
        """Read on only when what was read has somewhere to go."""
        current = self.current
        held = current is not None and (
            bool(self.buffer)
            or (current.pending_size > MOST_PENDING if current.upstream is None else current.upstream.full)
        )
        if held != self.paused and not self.transport.is_closing():
            self.paused = held
            (self.transport.pause_reading if held else self.transport.resume_reading)()

    def pause_writing(self) -> None:
        self.full = True
        self._source()

    def resume_writing(self) -> None:
        self.full = False
        self._source()

    def _source(self) -> None:
        upstream = self.tunnel or (self.current.upstream if self.current is not None else None)
        if upstream is not None:
            upstream.hold(held=self.full)
