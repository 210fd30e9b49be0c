"""Directories that a command writes to."""

from __future__ import annotations

import os
from pathlib import Path

from harness import clock
from harness.errors import UsageError

ELSEWHERE = "choose another place: REHEARSAL_HOME for all that is kept, --out for a run's reports"


def of_a_new_run(runs: Path) -> Path:
    """A directory in `runs` by the time it begins, UTC. A run of the same second has it too (`RunAsked.numbered`)."""
    return runs / clock.utc().strftime("%Y-%m-%dT%H-%M-%S")


def made(path: Path, what: str) -> Path:
    """`path`, made where it is missing. Raises UsageError, which calls it `what`, where it cannot be made or written to."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{what} {path} cannot be made ({error.strerror}); {ELSEWHERE}") from error
    if not os.access(path, os.W_OK):
        raise UsageError(f"{what} {path} cannot be written to; {ELSEWHERE}")
    return path
