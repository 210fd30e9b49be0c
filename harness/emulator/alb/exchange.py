"""One request and its answer, on their way through the load balancer."""

from __future__ import annotations

import itertools
import secrets
from typing import TYPE_CHECKING

from harness import clock
from harness.emulator.alb.desync import Tier
from harness.emulator.alb.framing import Body
from harness.emulator.alb.head import Head
from harness.emulator.alb.messages import AccessRow
from harness.emulator.alb.reply import Reply
from harness.emulator.alb.rules import Rule
from harness.emulator.alb.stickiness import Sticky
from harness.emulator.alb.targets import Member
from harness.emulator.alb.tls import NOT_SECURED, Secured

if TYPE_CHECKING:
    from harness.emulator.alb.client import Client
    from harness.emulator.alb.upstream import Upstream

# Trace ids need to differ, not to be secret: drawing random bits for every request would cost more than all the rest of this file.
# A template with one place, for a running number of twelve digits, once the second of arrival is filled in.
TRACES = b"Root=1-%%08x-%b%%%%d" % secrets.token_hex(6).encode()
next_trace = itertools.count(10**11).__next__


# A request with a simple head that was sent on at once, and whose answer came in one piece: all that is kept of it for the log and the
# metrics. Seconds of arrival and of the answer, the number in the trace id, and who took part.
Passed = tuple[float, float, int, "Client", Head, Member, Rule, Reply]


class Exchange:
    """`arrived`, `sent_at` and `first_byte` are seconds since the epoch, 0 where it has not come to that.

    `add_headers` is for whoever routes: whole header lines that the client gets beside the target's own. `keep_alive` and `reuse` say
    whether the client's and the target's connection may serve another request. `traced` is the number in our own trace id, 0 before it
    was sent on. `passing`: it may end as `Passed`. The defaults sit in the class: a request with a simple head sets only what differs.
    """

    passing = False

    body: Body | None = None
    add_headers = b""
    rewritten = b""  # what a target gets in place of the head's own `outgoing`
    sticky: Sticky | None = None
    location = "-"  # where a redirect sent the client
    keep_alive = reuse = complete = True
    answered = False
    received = sent = pending_size = 0
    pending: list[bytes] | None = None
    status: int | None = None
    upstream: Upstream | None = None
    member: Member | None = None
    rule: Rule | None = None
    sent_at = first_byte = 0.0
    traced = 0
    ended = 0.0
    elb_status = 0
    error_reason = "-"
    secured: Secured | None = None

    def __init__(self, head: Head, client: Client) -> None:
        self.head, self.client, self.arrived = head, client, clock.now()
        if not head.simple:
            self._begin(head)

    def _begin(self, head: Head) -> None:
        self.keep_alive = head.keep_alive
        if head.length:
            self.complete, self.body = False, head.body()
        if head.tier >= Tier.AMBIGUOUS:  # whatever else it may have meant to somebody must not meet another request
            self.keep_alive = self.reuse = False

    @property
    def method(self) -> bytes:
        return self.head.method

    @property
    def host(self) -> bytes:
        return self.head.host

    @property
    def path(self) -> bytes:
        return self.head.path

    @property
    def query(self) -> bytes:
        return self.head.query

    @property
    def client_ip(self) -> str:
        return self.client.ip

    @property
    def trace(self) -> bytes:
        """The trace id that the target got: ours, or ours in front of the client's; empty where nothing was sent on."""
        if not self.traced:
            return b""
        trace, given = TRACES % int(self.arrived) % self.traced, self.head.trace
        return b"Self" + trace[4:] + b";" + given if b"Root=" in given else trace

    def header(self, name: bytes) -> list[bytes]:
        return self.head.header(name)

    def added(self, reply: bytes) -> bytes:
        """Header lines that the client gets beside those of the target's own head."""
        if self.sticky is None:
            return self.add_headers
        return self.add_headers + b"".join(line + b"\r\n" for line in self.sticky.cookies(reply.split(b"\r\n")))

    def outgoing(self, client: Client) -> bytes:
        """The request head as the target gets it (C.7)."""
        head, listener = self.head, client.listener
        self.traced = next_trace()
        if head.simple or (head.xff is None and not head.trace):
            if not client.since <= self.arrived < client.until:
                client.turn(int(self.arrived))
            return (self.rewritten or head.outgoing) + client.tail % self.traced
        came_from = _came_from(head.xff, client.origin, listener.options.xff)
        out = self.rewritten or head.outgoing
        return b"%bX-Amzn-Trace-Id: %b\r\n%b%b\r\n" % (out, self.trace, came_from, client.told)

    @classmethod
    def of(cls, passed: Passed) -> Exchange:
        """The whole of what has ended as `Passed`."""
        arrived, answered, traced, client, head, member, rule, reply = passed
        exchange = cls(head, client)
        exchange.arrived = exchange.sent_at = arrived
        exchange.first_byte = exchange.ended = answered
        exchange.traced, exchange.member, exchange.rule = traced, member, rule
        exchange.status, exchange.elb_status = reply.status, reply.status
        exchange.answered, exchange.sent = True, reply.size
        return exchange

    def times(self) -> tuple[float, float, float]:
        """Seconds until it was sent on, until the target answered, and until the end; -1 where it has not come to that."""
        if not self.sent_at:
            return -1.0, -1.0, -1.0
        if not self.first_byte:
            return self.sent_at - self.arrived, -1.0, -1.0
        return self.sent_at - self.arrived, self.first_byte - self.sent_at, self.ended - self.first_byte

    def row(self) -> AccessRow:
        """All that is known of it, once it has ended."""
        member, head, listener = self.member, self.head, self.client.listener
        request_time, target_time, response_time = self.times()
        secured = self.secured or NOT_SECURED
        return AccessRow(
            time=self.arrived,
            load_balancer=listener.load_balancer,
            listener_port=listener.port,
            client=self.client.peer,
            target=member.name if member else "-",
            target_group=member.group.arn if member else "",
            request_time=request_time,
            target_time=target_time,
            response_time=response_time,
            elb_status=self.elb_status,
            target_status=self.status,
            received_bytes=self.received + head.size,
            sent_bytes=self.sent,
            method=head.method.decode("latin-1"),
            url=head.uri.decode("latin-1"),
            protocol="HTTP/1.1" if head.v11 else "HTTP/1.0",
            user_agent=head.user_agent().decode("latin-1"),
            trace_id=self.trace.decode("latin-1"),
            rule_priority=self.rule.priority if self.rule else "-1",
            actions=type(self.rule.action).__name__ if self.rule else "-",
            error_reason=self.error_reason,
            classification=head.classification,
            classification_reason=head.reason,
            host=self.host.decode("latin-1") or "-",
            redirect_url=self.location,
            ssl_cipher=secured.cipher,
            ssl_protocol=secured.protocol,
            domain_name=secured.domain_name,
            cert_arn=secured.cert_arn,
        )


Ended = Exchange | Passed


def whole(ended: Ended) -> Exchange:
    return Exchange.of(ended) if isinstance(ended, tuple) else ended


def _came_from(given: bytes | None, client: bytes, mode: str) -> bytes:
    """The X-Forwarded-For line by the mode of the load balancer, or nothing."""
    if mode == "remove" or (mode == "preserve" and given is None):
        return b""
    if given is not None:
        client = given if mode == "preserve" else given + b", " + client
    return b"X-Forwarded-For: %b\r\n" % client
