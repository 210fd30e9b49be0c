"""Where a body ends: by its length, or by chunks, which are taken apart strictly (RFC 9112 sections 6 and 7). No I/O.

A reader is fed bytes and returns (payload, rest): `rest` is None while the body goes on, and else what follows it.
"""

from __future__ import annotations

import re

LONGEST_LINE = 4096  # a chunk's size with its extensions
LARGEST_TRAILERS = 64 * 1024
SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*+(?:;[\t\x20-\x7e\x80-\xff]*+)?")
TRAILER = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++:[\t\x20-\x7e\x80-\xff]*+")


class BadFraming(ValueError):
    """The body cannot be followed to its end; nothing behind it can be trusted."""


class Length:
    """A body of `left` bytes."""

    __slots__ = ("left",)

    def __init__(self, left: int) -> None:
        self.left = left

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        size = len(data)
        if size < self.left:
            self.left -= size
            return data, None
        left, self.left = self.left, 0
        return (data, b"") if size == left else (data[:left], data[left:])


class UntilClose:
    """A body that ends with its connection."""

    __slots__ = ()

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        return data, None


class Chunks:
    """A chunked body. Extensions and trailers are read and dropped; a bare LF, or anything else that is not to the letter, is refused."""

    __slots__ = ("ended", "held", "in_trailers", "left", "trailers")

    def __init__(self) -> None:
        self.held, self.left, self.trailers = b"", 0, 0
        self.ended = False  # a chunk's data is through, the CRLF behind it is not
        self.in_trailers = False

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        """Raises BadFraming."""
        if self.held:
            data, self.held = self.held + data, b""
        parts: list[bytes] = []
        at: int | None = 0
        while at is not None:
            if self.left:
                at = self._data(data, at, parts)
            elif self.ended:
                at = self._data_end(data, at)
            else:
                line_end = data.find(b"\r\n", at)
                if line_end < 0:
                    self._hold(data[at:])
                    break
                line, at = data[at:line_end], line_end + 2
                if self._line(line):
                    return b"".join(parts), data[at:]
        return parts[0] if len(parts) == 1 else b"".join(parts), None

    def _data(self, data: bytes, at: int, parts: list[bytes]) -> int | None:
        part = data[at : at + self.left]
        if part:
            parts.append(part)
        self.left -= len(part)
        self.ended = not self.left
        return at + len(part) if self.ended else None

    def _data_end(self, data: bytes, at: int) -> int | None:
        found = data[at : at + 2]
        if found != b"\r\n"[: len(found)]:
            raise BadFraming("no CRLF behind a chunk")
        if len(found) < 2:
            self.held = found
            return None
        self.ended = False
        return at + 2

    def _line(self, line: bytes) -> bool:
        """A size line, or a trailer; true when it was the last line of the body."""
        if self.in_trailers:
            if not line:
                return True
            self.trailers += len(line)
            if self.trailers > LARGEST_TRAILERS or TRAILER.fullmatch(line) is None:
                raise BadFraming("bad trailer")
            return False
        found = SIZE.fullmatch(line)
        if found is None or len(line) > LONGEST_LINE:
            raise BadFraming("bad chunk size")
        self.left = int(found[1], 16)
        self.in_trailers = not self.left
        return False

    def _hold(self, part: bytes) -> None:
        """The beginning of a line."""
        if len(part) > LONGEST_LINE or b"\n" in part:
            raise BadFraming("a line without end")
        self.held = part


Body = Length | UntilClose | Chunks
