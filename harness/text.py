"""Files that people write: UTF-8, with or without a byte order mark. What is saved otherwise is said with the line."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from harness.errors import UsageError

OTHERWISE = "not UTF-8 text; save the file as UTF-8"


class NotUtf8(Exception):
    """`line` and `column` are 1-based, the column in bytes."""

    def __init__(self, line: int, column: int) -> None:
        self.line, self.column = line, column
        super().__init__(f"{line}:{column}: {OTHERWISE}")


def decoded(raw: bytes) -> str:
    """Raises NotUtf8. What is UTF-16 could be read as UTF-8 where it is English: its zeros betray it."""
    if b"\0" in raw:
        raise NotUtf8(*_place(raw, raw.index(b"\0")))
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotUtf8(*_place(raw, error.start)) from error


def _place(raw: bytes, start: int) -> tuple[int, int]:
    before = raw[:start]
    return before.count(b"\n") + 1, start - before.rfind(b"\n")


def toml(file: Path) -> dict[str, Any]:
    """What is in a TOML file. Raises UsageError with the file and the line."""
    try:
        return tomllib.loads(decoded(file.read_bytes()))
    except NotUtf8 as error:
        raise UsageError(f"{file}:{error.line}: {OTHERWISE}") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file}: {error}") from error
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from error
