"""What a run shows in the terminal while it runs, and at its end. Live in a terminal, plain lines for logs and screen readers."""

from __future__ import annotations

import os
import sys
from typing import TextIO

from harness.progress.endings import Ending, Judged, print_endings
from harness.progress.plain import Plain
from harness.progress.status import Progress, Status, status_of
from harness.progress.terminal import Terminal
from harness.words import ENGLISH, Speech

__all__ = ["Ending", "Judged", "Progress", "Status", "print_endings", "progress", "status_of"]


def progress(stream: TextIO | None = None, say: Speech = ENGLISH) -> Progress:
    """Live where `stream` (default: standard error) is a terminal that can move its cursor, else plain lines."""
    stream = stream or sys.stderr
    return Terminal(stream, say) if stream.isatty() and os.environ.get("TERM") != "dumb" else Plain(stream, say)
