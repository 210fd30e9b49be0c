"""Signs where an encoding is not UTF-8: each has one in ASCII, of the same width, that still tells met from unmet.

All of them are replaced then, also those that the encoding has: EUC-KR has ■ and no ✔, and its terminals draw ■ two cells wide.
"""

from __future__ import annotations

import codecs
import io
import os
import sys
from pathlib import Path
from typing import TextIO

IN_ASCII = str.maketrans(
    "✔✘⚠≠⊘♥" + "■▲○●□·•" + "▶⏸→←↓↑↩⇄" + "…–—−×÷≤≥" + "‘’“”\N{NO-BREAK SPACE}",
    "+x!#/+" + "#^o*=.*" + ">=><v^<~" + "~---x/<>" + "''\"\" ",
)
ERRORS = "rehearse"  # the name of the error handler
_BYTES = range(0xDC80, 0xDD00)  # how Python carries a byte of a file's name that it could not decode
KOREAN = "가"


class InAscii(io.TextIOWrapper):
    """A stream of an old encoding."""

    def write(self, text: str, /) -> int:
        super().write(text.translate(IN_ASCII))
        return len(text)


def prepare() -> None:
    """Standard output and error of a program of ours: nothing that is printed raises UnicodeEncodeError from here on."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if type(stream) is io.TextIOWrapper:
            setattr(sys, name, prepared(stream))


def tolerate() -> None:
    """The same for a process that is somebody else's, as of a test: its streams stay what they are."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=ERRORS)


def prepared(stream: io.TextIOWrapper) -> io.TextIOWrapper:
    """The stream that is to be written to from now on; `stream` itself where its encoding has every sign."""
    if shows_all(stream.encoding):
        stream.reconfigure(errors=ERRORS)
        return stream
    encoding, by_line, at_once = stream.encoding, stream.line_buffering, stream.write_through
    return InAscii(stream.detach(), encoding, ERRORS, line_buffering=by_line, write_through=at_once)


def shows_all(encoding: str) -> bool:
    return codecs.lookup(encoding).name.startswith("utf")


def shows_korean(encoding: str) -> bool:
    try:
        KOREAN.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def encoding_of(stream: TextIO | None) -> str:
    """What is written to it becomes bytes by this; what is no file, as in tests, takes everything."""
    return getattr(stream, "encoding", None) or "utf-8"


def path_for(stream: TextIO | None, path: Path | str) -> str:
    """A path that can be pasted: where the encoding is not that of files' names, its very bytes, as `ls` writes them."""
    if shows_all(encoding_of(stream)):
        return str(path)
    return os.fsencode(path).decode("ascii", "surrogateescape")


def _instead(error: UnicodeError) -> tuple[str | bytes, int]:
    """For one character at a time. Raises what is no error of writing."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    character = error.object[error.start]
    if ord(character) in _BYTES:
        return bytes([ord(character) - 0xDC00]), error.start + 1
    return chr(IN_ASCII.get(ord(character), ord("?"))), error.start + 1


codecs.register_error(ERRORS, _instead)
