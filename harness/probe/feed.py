"""Starts the probe's process and reads what it says."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence

from pydantic import TypeAdapter, ValidationError

from harness.errors import StepFailed
from harness.journal import ProbeEnded, RequestDone, WebsocketEnded

Line = RequestDone | ProbeEnded | WebsocketEnded
_LINE: TypeAdapter[Line] = TypeAdapter(Line)


class Feed:
    """One probe. `on_line` is called from a thread of the feed's own, with every answer and, last, the probe's end."""

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
        self._timeout, self._on_line, self.ended = timeout, on_line, False
        command = [
            sys.executable,
            "-m",
            "harness.probe",
            "--url",
            url,
            "--rate",
            f"{rate:g}",
            "--timeout",
            f"{timeout:g}",
        ]
        command += more
        if host_header:
            command += ["--host-header", host_header]
        # A session of its own: Ctrl-C is for the runner, which ends the probe in its turn.
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env=_environment(),
        )
        self._reader = threading.Thread(target=self._read, name="probe feed", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for text in lines:
                try:
                    line = _LINE.validate_json(text)
                except ValidationError:
                    continue  # the end of a probe that was killed in the middle of a line
                self.ended = isinstance(line, ProbeEnded)
                self._on_line(line)

    def stop(self) -> None:
        """Send no more, wait for what is under way, and for the last line. Raises StepFailed when the probe broke off."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            code = self._process.wait(self._timeout + 10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._reader.join(10)
        if code or not self.ended:
            raise StepFailed("probe", f"broke off with exit code {code}")

    @property
    def running(self) -> bool:
        return self._process.poll() is None


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONUNBUFFERED": "1"}
