"""Which process a thing belongs to, and whether it is still there. A pid alone is another process's after a while; with the time that
it started, it is not."""

from __future__ import annotations

from collections.abc import Sequence

import psutil

from harness import clock

KILLED_WITHIN = 5.0  # seconds until SIGKILL has ended a process, on a busy machine
CLOCK_SET = 5.0  # seconds that start times may differ: they count from the boot, which moves when the clock is set


def this_process() -> str:
    """PID:START of this process, for a label or an environment."""
    own = psutil.Process()
    return f"{own.pid}:{own.create_time():.2f}"


def lives(owner: str) -> bool:
    """Whether the process that `this_process` named is still there. False for anything else."""
    pid, _, started = owner.partition(":")
    try:
        process = psutil.Process(int(pid))
        return abs(process.create_time() - float(started)) < CLOCK_SET and runs(process)
    except (ValueError, psutil.NoSuchProcess):
        return False


def ended(processes: Sequence[psutil.Process], within: float = KILLED_WITHIN) -> bool:
    """Wait until they have ended, `within` seconds at most; whether they have. psutil's own wait is for the reaping of those that
    another process started, and the first process of a container may do that late, or never."""
    deadline = clock.monotonic() + within
    while any(map(runs, processes)):
        if clock.monotonic() >= deadline:
            return False
        clock.pause(0.01)
    return True


def runs(process: psutil.Process) -> bool:
    """A zombie does not: nobody has asked for its exit code yet, and that is all."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
