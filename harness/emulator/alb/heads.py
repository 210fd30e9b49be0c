"""The heads that one listener has read: parsed, judged by its desync mitigation mode, and shaped for its targets (C.7)."""

from __future__ import annotations

import re

from harness.emulator.alb.head import Head, parse, plain, refused
from harness.emulator.alb.memo import Memo
from harness.emulator.alb.options import Options

VALID_NAME = re.compile(rb"[-A-Za-z0-9]++")  # ALB's own idea of a valid header field
HOST_OF_OLD_CLIENTS = b"127.0.0.1"  # HTTP/1.0 may do without a Host, a target of HTTP/1.1 may not


class Heads:
    """`memo` holds what came twice; a change of options starts a new one, since shape and refusal depend on them."""

    def __init__(self, options: Options, port: int, scheme: str) -> None:
        self.options, self.port = options, port
        self.default_port = port == {"http": 80, "https": 443}[scheme]
        self.memo: Memo[Head] = Memo()

    def quick(self, data: bytes) -> Head | None:
        """The head at the beginning of `data`, where it is plain: no mode refuses one. Otherwise `read` must look for its end."""
        head = plain(data)
        if head is not None:
            head.outgoing = self._shape(head)
        return head

    def read(self, raw: bytes) -> Head:
        """The head in `raw`, which ends with its empty line; `status` and `outgoing` are filled in."""
        head = parse(raw)
        if refused(head, self.options.desync):
            head.status = 400
        if not head.status:
            head.outgoing = self._shape(head)
        return head

    def learn(self, raw: bytes, head: Head) -> None:
        """Remember a head that came a second time: unique ones would only push the others out."""
        if not head.status:
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
