"""The picture, drawn again in place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from rich.console import Console
from rich.live import Live

from harness.progress.drawing import drawn
from harness.progress.status import Status
from harness.words import ENGLISH, Speech


class Terminal:
    """NO_COLOR is respected; what does not fit the window is cut at its right edge, never wrapped into the next line."""

    def __init__(self, stream: TextIO, say: Speech = ENGLISH) -> None:
        self._say = say
        self._console = Console(file=stream, highlight=False)
        self._live = Live(console=self._console, transient=True, auto_refresh=False)
        self._live.start()

    def show(self, statuses: Sequence[Status]) -> None:
        if statuses:
            self._live.update(drawn(statuses, self._console.width, self._say), refresh=True)

    def close(self) -> None:
        self._live.stop()
