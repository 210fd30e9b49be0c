"""The heads that one listener has read: parsed, judged by its desync mitigation mode, and shaped for its targets (C.7)."""

from __future__ import annotations

import re
from typing import NamedTuple

from harness.emulator.alb.desync import Tier
from harness.emulator.alb.head import LARGEST_PLAIN, Head, parse, plain, refused
from harness.emulator.alb.memo import Memo
from harness.emulator.alb.options import Options

VALID_NAME = re.compile(rb"[-A-Za-z0-9]++")  # ALB's own idea of a valid header field
HOST_OF_OLD_CLIENTS = b"127.0.0.1"  # HTTP/1.0 may do without a Host, a target of HTTP/1.1 may not

# What differs between two heads of one client: the request line, and some headers whose value means nothing to us.
REQUEST_LINE = re.compile(
    rb"(?!TRACE |CONNECT |HEAD )([A-Z]++) ((/[\x21-\x3e\x40-\x7e]*+)(?:\?([\x21-\x7e]*+))?) HTTP/1\.1(?=\r\n)"
)
VARYING = re.compile(
    rb"\r\n(?:[Cc]ookie|[Rr]eferer|[Ii]f-[Nn]one-[Mm]atch|[Ii]f-[Mm]odified-[Ss]ince|[Rr]ange|[Xx]-[Rr]equest-[Ii][Dd]|traceparent|tracestate"
    rb"):[\t\x20-\x7e\x80-\xff]*+(?=\r\n)"
)
CONNECTION = re.compile(rb"\r\nconnection:[^\r]*+(?=\r\n)", re.IGNORECASE)


class Common(NamedTuple):
    """What heads have in common that differ only in what varies. `edits`: lines to replace on the way to a target, beside `connection`."""

    head: Head
    connection: bytes
    edits: tuple[tuple[bytes, bytes], ...]


class Heads:
    """`memo` holds heads that came twice, `commons` what is left of plain ones without what varies. A change of options starts new ones,
    since shape and refusal depend on them."""

    def __init__(self, options: Options, port: int, scheme: str) -> None:
        self.options, self.port = options, port
        self.default_port = port == {"http": 80, "https": 443}[scheme]
        self.memo: Memo[Head] = Memo()
        self.commons: Memo[Common] = Memo()

    def quick(self, data: bytes) -> Head | None:
        """The head at the beginning of `data`, where it is plain: no mode refuses one. Otherwise `read` must look for its end."""
        rest, line = b"", REQUEST_LINE.match(data)
        if line is not None and data[-4:] == b"\r\n\r\n" and len(data) <= LARGEST_PLAIN:
            rest = VARYING.sub(b"", data[line.end() :])
            if (common := self.commons.known.get(rest)) is not None:
                return self._varied(data, line, common)
        head = plain(data)
        if head is not None:
            head.outgoing = self._shape(head)
            head.simple = head.method != b"HEAD"
            if rest and head.size == len(data):
                self._notice(rest, head)
        return head

    def _varied(self, data: bytes, line: re.Match[bytes], common: Common) -> Head:
        """A head that differs from a plain one, seen before, only in what varies.

        It is as valid as that one was: REQUEST_LINE and VARYING check what they cut out, whole lines each, and a line more or less
        makes a plain head no less plain. Since `data` ends with an empty line, no line can have been cut out from behind the head.
        """
        head = Head()
        head.method, head.uri, head.path, query = line.groups()
        head.query = query or b""
        head.common, head.host, head.size, head.simple = common.head, common.head.host, len(data), True
        out = (data.replace(common.connection, b"", 1) if common.connection else data)[:-2]
        head._lines = out
        for old, new in common.edits:
            out = out.replace(old, new, 1)
        head.outgoing = out
        return head

    def _notice(self, rest: bytes, head: Head) -> None:
        """Remember what is left without what varies, when it comes for the second time."""
        if self.commons.second(rest):
            connection = CONNECTION.search(rest)
            self.commons.learn(rest, Common(head, connection[0] if connection else b"", self._edits(rest, head)))

    def _edits(self, rest: bytes, head: Head) -> tuple[tuple[bytes, bytes], ...]:
        """What `_shape` does, line by line; the end of a line is that of the next one's beginning, so that only whole lines fit."""
        edits = []
        host = self._host(head.host)
        for line in rest.split(b"\r\n")[1:-2]:
            name = line.partition(b":")[0]
            if name.lower() == b"host" and host != head.host:
                edits.append((b"\r\n%b\r\n" % line, b"\r\nHost: %b\r\n" % host))
            elif self.options.drop_invalid and VALID_NAME.fullmatch(name) is None:
                edits.append((b"\r\n%b\r\n" % line, b"\r\n"))
        return tuple(edits)

    def forget(self, now: float) -> None:
        """Called every second or so; `now` is seconds since the epoch."""
        self.memo.forget(now)
        self.commons.forget(now)

    def read(self, raw: bytes) -> Head:
        """The head in `raw`, which ends with its empty line; `status` and `outgoing` are filled in."""
        head = parse(raw)
        if refused(head, self.options.desync):
            head.status = 400
        if not head.status:
            head.outgoing = self._shape(head)
            head.simple = all(
                (
                    *(head.keep_alive, head.method != b"HEAD", head.tier < Tier.AMBIGUOUS),
                    *(not head.length, not head.upgrade, head.xff is None, not head.trace),
                )
            )
        return head

    def learn(self, raw: bytes, head: Head) -> None:
        """Remember a head that has no body, when it comes for the second time."""
        if not head.status and not head.length and self.memo.second(raw):
            self.memo.learn(raw, head)

    def _shape(self, head: Head) -> bytes:
        host = self._host(head.host)
        if host == head.host and not self.options.drop_invalid:
            return head.lines()
        kept = [(name, value) for name, value in head.all_fields() if name.lower() != b"host"]
        if self.options.drop_invalid:
            kept = [field for field in kept if VALID_NAME.fullmatch(field[0])]
        return head.lines(((b"Host", host), *kept))

    def _host(self, host: bytes) -> bytes:
        """The listener's port is added to a Host without one, unless it is the protocol's own, or the Host is to be preserved."""
        if not host:
            return HOST_OF_OLD_CLIENTS
        if self.options.preserve_host or self.default_port or re.search(rb":\d+$", host):
            return host
        return b"%b:%d" % (host, self.port)
