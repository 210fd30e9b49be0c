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
        return abs(psutil.Process(int(pid)).create_time() - float(started)) < CLOCK_SET
    except (ValueError, psutil.NoSuchProcess):
        return False


def wait_for_the_end(killed: Sequence[psutil.Process]) -> None:
    """A moment: the kernel ends what was killed when it comes to it, and whoever looks again must not find it."""
    deadline = clock.monotonic() + KILLED_WITHIN
    while any(map(_runs, killed)) and clock.monotonic() < deadline:
        clock.pause(0.01)


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
