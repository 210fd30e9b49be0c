"""The heads that one listener has read: parsed, judged by its desync mitigation mode, and shaped for its targets (C.7)."""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import copy
from typing import NamedTuple

from harness.emulator.alb.desync import Tier
from harness.emulator.alb.head import LARGEST_PLAIN, Head, parse, plain, refused
from harness.emulator.alb.memo import Memo
from harness.emulator.alb.options import Options

VALID_NAME = re.compile(rb"[-A-Za-z0-9]++")  # ALB's own idea of a valid header field
HOST_OF_OLD_CLIENTS = b"127.0.0.1"  # HTTP/1.0 may do without a Host, a target of HTTP/1.1 may not

# What differs between two heads of one client: the request line, and some headers whose value means nothing to us. A URI with a quote
# or a backslash, which JSON would have to escape, is left to the others.
LINE = rb"(?!TRACE |CONNECT |HEAD )([A-Z]++) (/[\x21\x23-\x5b\x5d-\x7e]*+) HTTP/1\.1"
VALUE = rb"[\t\x20-\x7e\x80-\xff]*+"
NAMES = rb"[Cc]ookie|[Rr]eferer|[Ii]f-[Nn]one-[Mm]atch|[Ii]f-[Mm]odified-[Ss]ince|[Rr]ange|[Xx]-[Rr]equest-[Ii][Dd]|traceparent|tracestate"
REQUEST_LINE = re.compile(LINE + rb"(?=\r\n)")
VARYING = re.compile(rb"(\r\n(?:%b):)%b(?=\r\n)" % (NAMES, VALUE))
CONNECTION = re.compile(rb"\r\nconnection:[^\r]*+(?=\r\n)", re.IGNORECASE)
WORTHWHILE = 32  # times that something alike must come before it gets an expression of its own, which takes half a millisecond to make
HOPELESS = 64  # heads
MOST_LAYOUTS = 4  # of heads that are alike but for what varies
LONGEST_LAYOUT = 2048


class Layout(NamedTuple):
    """All of a head as one expression, with groups for the request line, its method and URI, and each value that varies; and what goes
    to a target, with a place for the request line and each value."""

    fits: Callable[[bytes], re.Match[bytes] | None]
    sent: bytes


class Common:
    """What heads have in common that differ only in what varies. `edits`: lines to replace on the way to a target, beside `connection`."""

    __slots__ = ("connection", "described", "edits", "head", "layouts", "met")

    def __init__(self, head: Head, connection: bytes, edits: tuple[tuple[bytes, bytes], ...]) -> None:
        self.head, self.connection, self.edits = head, connection, edits
        self.layouts: list[Layout] = []
        self.met = 0  # times that a head came whose layout was not known
        self.described = b""  # what every line of the access log says of them: filled in by the log

    def sent(self, text: bytes) -> bytes:
        """Whole lines of such a head as they go to a target."""
        if self.connection:
            text = text.replace(self.connection, b"", 1)
        for old, new in self.edits:
            text = text.replace(old, new, 1)
        return text

    def learn(self, lines: bytes) -> None:
        """Remember how a head is laid out that comes often; `lines` is what is behind its request line."""
        self.met += 1
        if self.met < WORTHWHILE or len(self.layouts) >= MOST_LAYOUTS or len(lines) > LONGEST_LAYOUT:
            return
        fits, sent, begin = b"(%b)" % LINE, b"%b", 0
        for found in VARYING.finditer(lines):
            piece, begin = lines[begin : found.end(1)], found.end()
            fits += b"%b(%b)" % (re.escape(piece), VALUE)
            sent += self.sent(piece).replace(b"%", b"%%") + b"%b"
        fits += re.escape(lines[begin:])
        sent += self.sent(lines[begin:])[:-2].replace(b"%", b"%%")
        self.met = 0
        self.layouts.append(Layout(re.compile(fits).fullmatch, sent))


class Heads:
    """`memo` holds heads that came twice, `commons` what is left of plain ones without what varies. A change of options starts new ones,
    since shape and refusal depend on them."""

    def __init__(self, options: Options, port: int, scheme: str) -> None:
        self.options, self.port = options, port
        self.dropped = options.not_passed_on
        self.default_port = port == {"http": 80, "https": 443}[scheme]
        self.memo: Memo[Head] = Memo()
        self.commons: Memo[Common] = Memo()
        self._missed = 0  # heads in a row that were not alike to one before

    def _is_hopeful(self) -> bool:
        """Whether to look for what a head has in common with others: where none had anything for long, only now and then."""
        self._missed += 1
        return self._missed < HOPELESS or self._missed % 8 == 0

    def again(self, data: bytes, common: Common) -> Head | None:
        """The next head of a client whose last one had `common`: where all of `data` is one that is laid out like one before.

        It is as valid as that one was: it is the same but for the request line and for values that vary, and those are checked here.
        Since it ends where that one did, with an empty line, nothing can be behind it.
        """
        if len(data) <= LARGEST_PLAIN:
            for fits, sent in common.layouts:
                if (found := fits(data)) is not None:
                    line, method, uri, *values = found.groups()
                    return _alike(data, method, uri, common, sent % (line, *values))
        return None

    def quick(self, data: bytes) -> Head | None:
        """The head at the beginning of `data`, where it is plain: no mode refuses one. Otherwise `read` must look for its end."""
        rest, line = b"", REQUEST_LINE.match(data) if self._is_hopeful() else None
        if line is not None and data[-4:] == b"\r\n\r\n" and len(data) <= LARGEST_PLAIN:
            lines = data[line.end() :]
            rest = VARYING.sub(b"", lines)
            if (common := self.commons.known.get(rest)) is not None:
                # As in `again`: VARYING cuts out whole lines, and a line more or less makes a plain head no less plain.
                if (known := self.again(data, common)) is not None:
                    return known
                common.learn(lines)
                self._missed = 0
                return _alike(data, line[1], line[2], common, line[0] + common.sent(lines)[:-2])
        head = plain(data)
        if head is not None:
            head.outgoing = self._shape(head)
            head.simple = head.method != b"HEAD"
            if rest and head.size == len(data):
                self._notice(rest, head)
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
            elif self._is_dropped(name):
                edits.append((b"\r\n%b\r\n" % line, b"\r\n"))
        return tuple(edits)

    def forget(self, now: float) -> bool:
        """Called every second or so; `now` is seconds since the epoch. Whether what was learned is forgotten."""
        forgotten = self.memo.forget(now)
        if forgotten:
            re.purge()  # it keeps every expression, and so what layouts are made of
        return self.commons.forget(now) or forgotten

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
        if host == head.host and not self.options.drop_invalid and not self.dropped:
            return head.lines()
        return self._with_host(head, host)

    def rewritten(self, head: Head, host: bytes, uri: bytes) -> bytes:
        """What a target gets of a head with another Host and URI (transforms)."""
        other = copy(head)
        other.uri = uri
        return self._with_host(other, self._host(host))

    def _with_host(self, head: Head, host: bytes) -> bytes:
        kept = [field for field in head.all_fields() if field[0].lower() != b"host" and not self._is_dropped(field[0])]
        return head.lines(((b"Host", host), *kept))

    def _is_dropped(self, name: bytes) -> bool:
        return name.lower() in self.dropped or (self.options.drop_invalid and VALID_NAME.fullmatch(name) is None)

    def _host(self, host: bytes) -> bytes:
        """The listener's port is added to a Host without one, unless it is the protocol's own, or the Host is to be preserved."""
        if not host:
            return HOST_OF_OLD_CLIENTS
        if self.options.preserve_host or self.default_port or re.search(rb":\d+$", host):
            return host
        return b"%b:%d" % (host, self.port)


def _alike(data: bytes, method: bytes, uri: bytes, common: Common, outgoing: bytes) -> Head:
    """A head that differs from a plain one, seen before, only in what varies."""
    head = Head()
    head.method, head.uri, head.outgoing, head.simple = method, uri, outgoing, True
    head.common, head.host, head.size, head.raw = common, common.head.host, len(data), data
    return head
