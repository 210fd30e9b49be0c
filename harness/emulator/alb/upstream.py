"""One connection to a target: send a request, read the answer, hand it to the client, wait for the next."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from harness import clock
from harness.clock import Wall
from harness.emulator.alb.exchange import Exchange
from harness.emulator.alb.framing import BadFraming, Body, Chunks, Length, UntilClose
from harness.emulator.alb.reply import CLOSES, LARGEST, STAYS, BadAnswer, Reply
from harness.emulator.alb.targets import DRAINING, MOST_IDLE, Member

if TYPE_CHECKING:
    from harness.emulator.alb.client import Client

CONNECT_TIMEOUT = 10.0  # C.5


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
        upstream.begin(client, exchange, clock.now())
    else:  # the client left meanwhile
        upstream.park(clock.now())
    return None


def write_at_once(transport: asyncio.Transport) -> None:
    """Have uvloop write when it is told to, not at the end of its turn, which costs a microsecond more; what the socket does not take
    pauses the writer. A transport of TLS would pause it after every write."""
    if transport.get_extra_info("sslcontext") is None:
        transport.set_write_buffer_limits(high=0)


def _unreachable(client: Client, exchange: Exchange, status: int, reason: str) -> None:
    if client.current is exchange:
        client.fail(exchange, status, reason)


class Upstream(asyncio.Protocol):
    """`body` reads the answer's body, None while its head is still to come. `parked` is when it began to wait for a request."""

    __slots__ = (
        "body",
        "buffer",
        "client",
        "exchange",
        "full",
        "held",
        "keep_alive",
        "member",
        "parked",
        "transport",
    )

    def __init__(self, member: Member) -> None:
        self.member = member
        self.client: Client | None = None
        self.exchange: Exchange | None = None
        self.body: Body | None = None
        self.buffer = b""
        self.full = False  # the socket to the target takes no more for now
        self.held = False  # we read no more, since the client takes no more
        self.keep_alive = False
        self.parked = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        write_at_once(self.transport)
        self.member.group.connected += 1
        self.member.connections.add(self)

    def begin(self, client: Client, exchange: Exchange, now: float) -> None:
        """Send the request, as far as it is here. `now` is seconds since the epoch."""
        self.client, self.exchange, self.body = client, exchange, None
        exchange.upstream = self
        head, exchange.sent_at = exchange.outgoing(client), now
        if exchange.pending:
            head += b"".join(exchange.pending)
            exchange.pending, exchange.pending_size = None, 0
        self.transport.write(head)
        if client.full:
            self.hold(held=True)
        if client.paused or not exchange.complete:
            client.steer()

    def park(self, now: float) -> None:
        """Keep the connection for another request, unless the target leaves or what was sent to it is still on its way."""
        member = self.member
        if self.full or member.health is DRAINING or len(member.idle) >= MOST_IDLE:
            self.transport.close()
            return
        if self.held:
            self.hold(held=False)
        self.parked = now
        member.idle.append(self)

    def abandon(self) -> None:
        """The target is gone, or its drain has run out: whoever waits for it gets 502 (C.4), a tunnel is cut."""
        client, exchange = self.client, self.exchange
        if client is None or exchange is None:
            self.drop()
        elif client.tunnel is self:
            client.transport.close()
        else:
            self.drop()
            client.fail(exchange, 502, "DeregistrationDelayOver")

    def drop(self) -> None:
        """Break off; the caller tells whoever waits for this exchange."""
        self._let_go()
        self.transport.abort()

    def close(self) -> None:
        """End a tunnel: what was written still goes out."""
        self._let_go()
        self.transport.close()

    def _let_go(self) -> None:
        if self.exchange is not None:
            self.exchange.upstream = None
        self.client = self.exchange = None

    # ---- the answer

    def data_received(self, data: bytes) -> None:
        client, exchange = self.client, self.exchange
        if exchange is not None and exchange.passing and client is not None and not self.buffer and self.body is None:
            end = data.find(b"\r\n\r\n") + 4
            reply = client.listener.replies.known.get(data[:end])
            if (
                reply is not None
                and len(data) - end == reply.length
                and self._pass(client, exchange, reply, data[end:])
            ):
                return
        if client is None or exchange is None:
            self.transport.close()  # bytes that nobody asked for
        elif self.body is not None:
            self._body(client, exchange, data)
        elif client.tunnel is self:
            client.active = clock.now()
            exchange.sent += len(data)
            client.transport.write(data)
        else:
            try:
                self._head(client, exchange, data)
            except BadAnswer:
                self.drop()
                client.fail(exchange, 502, "BadAnswer")

    def _pass(self, client: Client, exchange: Exchange, reply: Reply, body: bytes) -> bool:
        """A whole answer in one piece, with a head that was parsed before, to a request with a simple head: most of them. What `_whole`
        does, with nothing to look out for; false where there is something. The exchange is left as new, for the client's next request."""
        if not exchange.keep_alive or exchange.sticky is not None or exchange.add_headers:
            return False
        if client.buffer or client.ended or client.paused:
            return False
        now, rule = clock.now(), exchange.rule
        assert rule is not None
        client.transport.write(reply.stays + body)
        self.client, self.exchange, client.current = None, None, None
        self.member.in_flight -= 1
        self.park(now)
        client.active, client.ready, client.spent = now, True, exchange
        client.listener.record(
            (exchange.arrived, now, exchange.traced, client, exchange.head, self.member, rule, reply)
        )
        exchange.rule = exchange.member = exchange.upstream = None
        exchange.passing, exchange.sent_at, exchange.traced = False, 0.0, 0
        return True

    def _head(self, client: Client, exchange: Exchange, data: bytes) -> None:
        """Heads until the final one."""
        if self.buffer:
            data, self.buffer = self.buffer + data, b""
        while (end := data.find(b"\r\n\r\n") + 4) >= 4:
            reply, data = client.listener.reply(data[:end]), data[end:]
            if reply.status >= 200 or reply.status == 101:
                self._final(client, exchange, reply, data)
                return
            if exchange.head.v11:  # an interim answer goes to a client that knows them (RFC 9110 section 15.2)
                client.transport.write(reply.lines + b"\r\n")
        if len(data) > LARGEST or b"\n\n" in data:
            raise BadAnswer("a head without end")
        self.buffer = data

    def _final(self, client: Client, exchange: Exchange, reply: Reply, rest: bytes) -> None:
        if reply.status == 101:
            self._switch(client, exchange, reply, rest)
            return
        if len(rest) == reply.length and reply.plain and exchange.complete and exchange.method != b"HEAD":
            self._whole(client, exchange, reply, rest)
            return
        exchange.status, exchange.first_byte = reply.status, clock.now()
        client.active = exchange.first_byte
        self._answer(client, exchange, reply, rest)

    def _whole(self, client: Client, exchange: Exchange, reply: Reply, body: bytes) -> None:
        """All of the answer is here: one write, and the connection is free again. One look at the clock serves all its times."""
        exchange.first_byte = exchange.ended = now = clock.now()
        if exchange.keep_alive and exchange.sticky is None and not exchange.add_headers:
            out = reply.stays + body
        else:
            out = reply.lines + exchange.added(reply.lines) + (STAYS if exchange.keep_alive else CLOSES) + body
        exchange.status, exchange.answered, exchange.sent = reply.status, True, len(out)
        client.transport.write(out)
        self.client = self.exchange = exchange.upstream = None
        if exchange.reuse:
            self.park(now)
        else:
            self._let_go()
            self.transport.close()
        client.finish(exchange, reply.status)

    def _answer(self, client: Client, exchange: Exchange, reply: Reply, rest: bytes) -> None:
        """Pass the head on with our own framing, then as much of the body as is here, in one write."""
        self.body, self.keep_alive = reply.body(exchange.method), reply.keep_alive
        framing = b""
        if reply.chunked and exchange.head.v11:
            framing = b"Transfer-Encoding: chunked\r\n"
        if isinstance(self.body, UntilClose):
            self.keep_alive = exchange.keep_alive = False
        elif isinstance(self.body, Chunks) and not exchange.head.v11:
            exchange.keep_alive = False
        stays = exchange.keep_alive and exchange.complete
        head = reply.lines + framing + exchange.added(reply.lines) + (STAYS if stays else CLOSES)
        exchange.answered = True
        if rest or (isinstance(self.body, Length) and not self.body.left):
            self._body(client, exchange, rest, head)
        else:
            exchange.sent += len(head)
            client.transport.write(head)

    def _body(self, client: Client, exchange: Exchange, data: bytes, head: bytes = b"") -> None:
        """A part of the body, with the head in front where it is the first; chunks are taken apart and made anew."""
        assert self.body is not None
        client.active = clock.now()
        try:
            part, rest = self.body.feed(data)
        except BadFraming:
            self.drop()
            client.fail(exchange, 502, "BadChunk")
            return
        if exchange.head.v11 and isinstance(self.body, Chunks):
            part = b"%x\r\n%b\r\n" % (len(part), part) if part else b""
            if rest is not None:
                part += b"0\r\n\r\n"
        out = head + part
        if out:
            exchange.sent += len(out)
            client.transport.write(out)
        if rest is not None:
            self._done(client, exchange, surplus=bool(rest))

    def _done(self, client: Client, exchange: Exchange, *, surplus: bool) -> None:
        """The answer is through. A target that said more than it announced is not asked again on this connection."""
        assert exchange.status is not None
        self._let_go()
        if self.keep_alive and exchange.complete and exchange.reuse and not surplus:
            self.park(clock.now())
        else:
            self.transport.close()
        client.finish(exchange, exchange.status)

    def _switch(self, client: Client, exchange: Exchange, reply: Reply, rest: bytes) -> None:
        """101: from here on bytes pass both ways until either side closes, those first that came early."""
        if not exchange.head.upgrade:
            raise BadAnswer("101 unasked")
        exchange.status, exchange.first_byte, exchange.answered = 101, clock.now(), True
        protocol = reply.upgrade or exchange.head.upgrade
        head = (
            reply.lines
            + b"Connection: upgrade\r\nUpgrade: "
            + protocol
            + b"\r\n"
            + exchange.added(reply.lines)
            + b"\r\n"
        )
        exchange.sent += len(head) + len(rest)
        client.transport.write(head + rest)
        client.tunnel = self
        early, client.buffer = client.buffer, b""
        if early:
            self.transport.write(early)
        client.steer()

    # ---- its end

    def connection_lost(self, error: Exception | None) -> None:
        client, exchange = self.client, self.exchange
        self.member.connections.discard(self)
        self._let_go()
        if client is None or exchange is None:
            if self in self.member.idle:
                self.member.idle.remove(self)
        elif client.tunnel is self:
            client.current, client.tunnel = None, None
            client._end(exchange, 101, "-")
            client.transport.close()
        elif isinstance(self.body, UntilClose) and error is None:
            assert exchange.status is not None
            client.finish(exchange, exchange.status)
        else:  # closed or reset with a request outstanding: 502, and no second try (C.6)
            client.fail(exchange, 502, "TargetClosed")

    def hold(self, *, held: bool) -> None:
        """Read on only while the client takes what is read."""
        if held != self.held and not self.transport.is_closing():
            self.held = held
            (self.transport.pause_reading if held else self.transport.resume_reading)()

    def pause_writing(self) -> None:
        self.full = True
        if self.client is not None:
            self.client.steer()

    def resume_writing(self) -> None:
        self.full = False
        if self.client is not None:
            self.client.steer()
