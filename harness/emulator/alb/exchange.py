"""One request and its answer, on their way through the load balancer."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from harness import clock
from harness.emulator.alb.messages import AccessRow
from harness.emulator.alb.rules import Rule
from harness.emulator.alb.stickiness import Sticky
from harness.emulator.alb.targets import Member

if TYPE_CHECKING:
    from harness.emulator.alb.upstream import Upstream

# Rewritten on the way to the target; everything else passes as it came.
REPLACED = frozenset(
    b"connection keep-alive proxy-connection transfer-encoding content-length upgrade "
    b"x-forwarded-for x-forwarded-proto x-forwarded-port x-amzn-trace-id".split()
)
MOST_FORWARDED_IPS = 30


class Exchange:
    __slots__ = (
        "answered",
        "arrived",
        "chunked",
        "client_ip",
        "complete",
        "content_length",
        "error",
        "first_byte",
        "headed",
        "headers",
        "host",
        "keep_alive",
        "location",
        "member",
        "method",
        "path",
        "pending",
        "pending_size",
        "query",
        "received",
        "rule",
        "sent",
        "sent_at",
        "size",
        "status",
        "sticky",
        "trace",
        "upgrade",
        "upstream",
        "url",
        "v11",
    )

    def __init__(self, client_ip: str) -> None:
        self.client_ip = client_ip
        self.method, self.url, self.path, self.query, self.host, self.trace = b"-", b"", b"", b"", b"", b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.content_length: bytes | None = None
        self.upgrade: bytes | None = None
        self.chunked = self.headed = self.complete = self.answered = False
        self.v11 = self.keep_alive = True
        self.error = self.size = self.received = self.sent = self.pending_size = 0
        self.status: int | None = None
        self.pending: list[bytes] = []
        self.upstream: Upstream | None = None
        self.member: Member | None = None
        self.rule: Rule | None = None
        self.sticky: Sticky | None = None
        self.location = "-"  # where a redirect sent the client
        self.arrived = clock.now()
        self.sent_at = self.first_byte = 0.0

    def header(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.headers if key.lower() == name]

    def routed(self) -> None:
        """Split the URL for the rules; an absolute form counts by its path."""
        target = self.url
        if not target.startswith(b"/") and b"://" in target:
            target = b"/" + target.split(b"://", 1)[1].partition(b"/")[2]
        self.path, _, self.query = target.partition(b"?")

    def too_many_hops(self) -> bool:
        return sum(value.count(b",") + 1 for value in self.header(b"x-forwarded-for")) > MOST_FORWARDED_IPS

    def head(self, peer: bytes, forwarded: bytes) -> bytes:
        """The request head as the target gets it (C.7)."""
        lines = [self.method, b" ", self.url, b" HTTP/1.1\r\n"]
        for name, value in self.headers:
            if name.lower() not in REPLACED:
                lines += (name, b": ", value, b"\r\n")
        if self.chunked:
            lines.append(b"Transfer-Encoding: chunked\r\n")
        elif self.content_length is not None:
            lines += (b"Content-Length: ", self.content_length, b"\r\n")
        if self.upgrade:
            lines += (b"Connection: upgrade\r\nUpgrade: ", self.upgrade, b"\r\n")
        came_from = b", ".join([*self.header(b"x-forwarded-for"), peer])
        self.trace = self._trace()
        lines += (b"X-Forwarded-For: ", came_from, b"\r\n", forwarded, b"X-Amzn-Trace-Id: ", self.trace, b"\r\n\r\n")
        return b"".join(lines)

    def _trace(self) -> bytes:
        """A new Root, or a Self beside the client's own."""
        new = b"1-%08x-%024x" % (int(self.arrived), random.getrandbits(96))
        given = next(iter(self.header(b"x-amzn-trace-id")), b"")
        return b"Self=" + new + b";" + given if b"Root=" in given else b"Root=" + new

    def row(self, load_balancer: str, port: int, client: str, status: int, reason: str) -> AccessRow:
        """Its line in the access log, now that it has ended."""
        now, member = clock.now(), self.member
        agent = next(iter(self.header(b"user-agent")), b"-")
        return AccessRow(
            time=self.arrived,
            load_balancer=load_balancer,
            listener_port=port,
            client=client,
            target=member.name if member else "-",
            target_group=member.group.arn if member else "",
            request_time=self.sent_at - self.arrived if self.sent_at else -1.0,
            target_time=self.first_byte - self.sent_at if self.first_byte else -1.0,
            response_time=now - self.first_byte if self.first_byte else -1.0,
            elb_status=status,
            target_status=self.status,
            received_bytes=self.received + self.size,
            sent_bytes=self.sent,
            method=self.method.decode("latin-1"),
            url=self.url.decode("latin-1"),
            protocol="HTTP/1.1" if self.v11 else "HTTP/1.0",
            user_agent=agent.decode("latin-1"),
            trace_id=self.trace.decode("latin-1"),
            rule_priority=self.rule.priority if self.rule else "-1",
            actions=type(self.rule.action).__name__ if self.rule else "-",
            error_reason=reason,
            host=self.host.decode("latin-1") or "-",
            redirect_url=self.location,
        )
