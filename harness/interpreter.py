"""How every Python process of ours runs: in UTF-8 mode, whatever the locale is, so that files' names, arguments, environments and what
libraries open are UTF-8. The locale decides about the terminal alone ([decision 12](../docs/decisions/0012-utf-8-and-the-terminal.md)).
"""

from __future__ import annotations

import locale
import os
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path

from harness import signs

# Whoever sets these means a program of their own: they change what ours say on a pipe, or turn a library's warning into a failure.
DROPPED = frozenset(
    {"PYTHONIOENCODING", "PYTHONWARNINGS", "PYTHONOPTIMIZE", "PYTHONINSPECT", "PYTHONSTARTUP", "PYTHONCOERCECLOCALE"}
)
# PYTHONSAFEPATH: a file in the directory where the user happens to be, as logging.py, is no part of ours.
OURS = {"PYTHONUTF8": "1", "PYTHONSAFEPATH": "1"}


def inherited(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment of a Python process that we start: this one's, without what would change how it runs."""
    return {**{name: value for name, value in environment.items() if name not in DROPPED}, **OURS}


def begin() -> None:
    """The first thing that a program of ours does. In UTF-8 mode the process stays what it is; otherwise it starts once more."""
    _open_what_is_closed()
    _tolerate_warnings()
    if _is_of_another_encoding():
        _start_in_utf8_mode()
    signs.prepare()


def typed(text: str) -> str:
    """An argument that is a text, not a file's name: what is no UTF-8 was typed in the terminal's encoding."""
    raw = os.fsencode(text)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode(signs.encoding_of(sys.stdout), errors="replace")


def _is_of_another_encoding() -> bool:
    """Not where somebody said -X utf8=0: a start with -X utf8 before it would change nothing."""
    chosen = sys.flags.utf8_mode or "utf8" in sys._xoptions
    return not chosen and not signs.shows_all(locale.getencoding()) and bool(sys.executable)


def _start_in_utf8_mode() -> None:
    """Never returns. The terminal's encoding goes along as Python's own setting; arguments and environment as they came, as bytes."""
    kept = {b"PYTHONIOENCODING": locale.getencoding().encode(), **os.environb, b"PYTHONUTF8": b"1"}
    os.execve(sys.executable, [os.fsencode(sys.executable), b"-X", b"utf8", *_arguments()], kept)


def _arguments() -> list[bytes]:
    """As the kernel has them, where it tells: what a C library decoded by its locale, Python's own codec may not encode again."""
    kernel = Path("/proc/self/cmdline")
    if kernel.exists():
        return kernel.read_bytes().split(b"\0")[1:-1]
    return [os.fsencode(word) for word in sys.orig_argv[1:]]


def _open_what_is_closed() -> None:
    """A descriptor below 3 that is closed, as by `<&-`, would be given to the next file, and a child would write into that."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest that is free: this number
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115  for the whole process


def _tolerate_warnings() -> None:
    """A warning of a library is shown to whoever asked for errors, and breaks nothing."""
    if any(option and "error".startswith(option.partition(":")[0]) for option in sys.warnoptions):
        warnings.simplefilter("default")
