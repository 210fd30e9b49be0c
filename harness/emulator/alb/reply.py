"""The head of a target's answer: from bytes to what a client gets of it. What contradicts itself is refused, and becomes a 502. No I/O."""

from __future__ import annotations

import re

from harness.emulator.alb.framing import Body, Chunks, Length, UntilClose

LARGEST = 32 * 1024  # C.5
STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?")
HEADER = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]++):[ \t]*+([^\0\r\n]*+)")
OURS = frozenset((b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade", b"trailer"))


STAYS, CLOSES = b"Connection: keep-alive\r\n\r\n", b"Connection: close\r\n\r\n"


class BadAnswer(ValueError):
    """The target's answer is not HTTP: the client gets 502."""


class Reply:
    """`lines` go to the client as they are; framing, Connection and the empty line are still to come. `length` is None where none was
    given. `plain`: an answer of HTTP/1.1 with a length, that leaves its connection open; `stays` is its whole head for a client whose
    connection stays open too, and `size` what comes of it with the body. Nobody writes to it after `parse`, but the log to `logged`."""

    __slots__ = ("chunked", "keep_alive", "length", "lines", "logged", "plain", "size", "status", "stays", "upgrade")

    def __init__(self, status: int) -> None:
        self.status, self.lines, self.stays, self.upgrade = status, b"", b"", b""
        self.logged, self.size = b"", 0
        self.length: int | None = None
        self.chunked = self.plain = False
        self.keep_alive = True

    def body(self, method: bytes) -> Body:
        """A reader for the body that follows (RFC 9112 section 6.3)."""
        if method == b"HEAD" or self.status in (204, 304):
            return Length(0)
        if self.chunked:
            return Chunks()
        return UntilClose() if self.length is None else Length(self.length)


def parse(raw: bytes, inserted: bytes = b"") -> Reply:
    """The head in `raw`, which ends with its empty line. `inserted`: lines that a final answer gets in place of the target's own.
    Raises BadAnswer."""
    lines = raw[:-4].split(b"\r\n")
    found = STATUS_LINE.fullmatch(lines[0])
    if found is None or len(raw) > LARGEST:
        raise BadAnswer("no status line, or a head that is too large")
    reply = Reply(int(found[2]))
    reply.keep_alive = http11 = found[1] == b"1"
    kept = [b"HTTP/1.1" + lines[0][8:]]
    for line in lines[1:]:
        field = HEADER.fullmatch(line)
        if field is None:
            raise BadAnswer("bad header")
        name = field[1].lower()
        if name == b"content-length":
            if _length(reply, field[2]):
                kept.append(b"Content-Length: %d" % (reply.length or 0))
        elif name in OURS:
            _ours(reply, name, field[2])
        else:
            kept.append(line)
    if reply.chunked and (reply.length is not None or not http11):
        raise BadAnswer("chunks, and a length or HTTP/1.0")
    if inserted and reply.status >= 200:
        ours = {line.partition(b":")[0].lower() for line in inserted.split(b"\r\n")}
        kept = [line for line in kept if line.partition(b":")[0].lower() not in ours]
    else:
        inserted = b""
    reply.lines = b"\r\n".join(kept) + b"\r\n" + inserted
    reply.stays = reply.lines + STAYS
    reply.size = len(reply.stays) + (reply.length or 0)
    reply.plain = (
        reply.status >= 200 and reply.keep_alive and reply.length is not None and reply.status not in (204, 304)
    )
    return reply


def _length(reply: Reply, value: bytes) -> bool:
    """Note a Content-Length; false where the same one came before."""
    digits = value.strip(b" \t")
    if not digits.isdigit() or len(digits) > 19 or reply.length not in (None, int(digits)):
        raise BadAnswer("bad length")
    first, reply.length = reply.length is None, int(digits)
    return first


def _ours(reply: Reply, name: bytes, value: bytes) -> None:
    """Headers that are about this connection only."""
    lower = value.strip(b" \t").lower()
    if name == b"transfer-encoding":
        if lower != b"chunked" or reply.chunked:
            raise BadAnswer("bad transfer encoding")
        reply.chunked = True
    elif name == b"connection":
        tokens = [token.strip(b" \t") for token in lower.split(b",")]
        reply.keep_alive = b"close" not in tokens and (reply.keep_alive or b"keep-alive" in tokens)
    elif name == b"upgrade":
        reply.upgrade = value.strip(b" \t")
