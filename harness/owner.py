"""Which process a thing belongs to. A pid alone is another process's after a while; with the time that it started, it is not."""

from __future__ import annotations

import psutil

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
