"""Errors that a user meets, and the exit code each one ends in.

    HarnessError                    3  the environment or the target
      UsageError                    2  the command line asks for something that cannot be
      ScenarioInvalid               2  a scenario file, with path, line and column
      TargetUnavailable             3  nothing answers, or the wrong thing answers
      StepFailed                    3  one of our calls to the target failed
      WaitTimedOut                  3  what was waited for, and what was last seen
      Unsupported                   5  the target cannot do it (only under --strict)
      LeftBehind                    6  teardown or sweep could not remove everything
      Interrupted                 130  Ctrl-C, after cleaning up

Outcomes are values, not exceptions: a failed deployment or an unmet expectation never appears here.
"""

from __future__ import annotations

import errno
import resource
from collections.abc import Sequence
from pathlib import Path

EXIT_MET, EXIT_UNMET, EXIT_USAGE, EXIT_TARGET, EXIT_INCONCLUSIVE, EXIT_UNSUPPORTED, EXIT_LEFT_BEHIND = range(7)
EXIT_INTERRUPTED = 130


NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def lacking(error: Exception) -> str:
    """What the machine has too little of, where an error is no bug of ours; else empty."""
    if not isinstance(error, OSError):
        return ""
    if error.errno == errno.EMFILE:
        most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return f"{most} open files are too few; raise the limit: ulimit -n 256"
    return f"{error.filename or 'standard output'}: {error.strerror}" if error.errno in NO_ROOM else ""


class HarnessError(Exception):
    """Base of everything that ends a command with one clear line."""

    exit_code = EXIT_TARGET


class UsageError(HarnessError):
    exit_code = EXIT_USAGE


class ScenarioInvalid(UsageError):
    """A scenario that cannot be run; `line` and `column` are 1-based, 0 where the whole file is meant."""

    def __init__(self, message: str, *, path: Path | str, line: int = 0, column: int = 0) -> None:
        self.path, self.line, self.column, self.message = Path(path), line, column, message
        where = f"{path}:{line}:{column}" if line else str(path)
        super().__init__(f"{where}: {message}")


class TargetUnavailable(HarnessError):
    pass


class StepFailed(HarnessError):
    def __init__(self, step: str, cause: object) -> None:
        self.step, self.cause = step, cause
        super().__init__(f"{step}: {cause}")


class WaitTimedOut(HarnessError):
    def __init__(self, waiting_for: str, seconds: float, last_seen: object) -> None:
        self.waiting_for, self.last_seen = waiting_for, last_seen
        super().__init__(f"waited {seconds:.0f} s for {waiting_for}; last seen: {last_seen}")


class Unsupported(HarnessError):
    exit_code = EXIT_UNSUPPORTED

    def __init__(self, target: str, what: str, why: str) -> None:
        self.target, self.what, self.why = target, what, why
        super().__init__(f"{what} is not supported on {target}: {why}")


class LeftBehind(HarnessError):
    exit_code = EXIT_LEFT_BEHIND

    def __init__(self, leftovers: Sequence[str]) -> None:
        self.leftovers = tuple(leftovers)
        super().__init__("left behind: " + ", ".join(leftovers))


class Interrupted(HarnessError):
    exit_code = EXIT_INTERRUPTED
