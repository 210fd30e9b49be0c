"""Starts the process that makes the traffic, and reads what it says."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from pydantic import TypeAdapter, ValidationError

from harness import interpreter
from harness.errors import StepFailed
from harness.journal import ProbeEnded, RequestDone, Trouble, WebsocketEnded

Line = RequestDone | ProbeEnded | WebsocketEnded | Trouble
_LINE: TypeAdapter[Line] = TypeAdapter(Line)
ENDS_WITHIN = 10.0  # seconds beside a request's timeout


def line_of(text: str) -> Line | None:
    """What a line says; None for what is none, as the end of one that was killed in the middle."""
    try:
        return _LINE.validate_json(text)
    except ValidationError:
        return None


class LineFeed:
    """A process that makes traffic and says what came of it, a journal line for each request.

    `on_line` is called from a thread of the feed's own, with every line and, last, ProbeEnded. `who` names it in errors.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        timeout: float,
        on_line: Callable[[Line], None],
        who: str,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """`timeout` is a request's, `environment` is added to this process's own."""
        self._timeout, self._on_line, self._who, self.ended = timeout, on_line, who, False
        self._why = ""
        # A session of its own: Ctrl-C is for the runner, which ends the traffic in its turn.
        self._process = subprocess.Popen(
            # A Python in UTF-8 mode, whatever this one's is: a test's own process may be of another encoding.
            [os.fsencode(command[0]), *(word.encode(errors="surrogateescape") for word in command[1:])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**interpreter.inherited(), "PYTHONUNBUFFERED": "1", **environment},
            encoding="utf-8",
        )
        self._reader = threading.Thread(target=self._read, name=f"{who} feed", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for text in lines:
                if (line := line_of(text)) is None:
                    continue
                self.ended = isinstance(line, ProbeEnded)
                if isinstance(line, Trouble):
                    self._why = f": {line.message}"
                self._on_line(line)

    def stop(self) -> None:
        """Send no more, wait for what is under way, and for the last line. Raises StepFailed when it broke off."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            code = self._process.wait(self._timeout + ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._reader.join(10)
        if code or not self.ended:
            raise StepFailed(self._who, f"broke off with exit code {code}{self._why}")

    @property
    def running(self) -> bool:
        return self._process.poll() is None


class Feed(LineFeed):
    """One probe."""

    def __init__(
        self,
        url: str,
        *,
        rate: float,
        timeout: float,
        on_line: Callable[[Line], None],
        host_header: str | None = None,
        more: Sequence[str] = (),
    ) -> None:
        """`more` are further options of `python -m harness.probe`."""
        command = [sys.executable, "-m", "harness.probe"]
        command += ["--url", url, "--rate", f"{rate:g}", "--timeout", f"{timeout:g}", *more]
        if host_header:
            command += ["--host-header", host_header]
        super().__init__(command, timeout=timeout, on_line=on_line, who="probe")
