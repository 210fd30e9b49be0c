"""Waiting for something to become true, and remembering what was last seen when it does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from harness import clock
from harness.errors import WaitTimedOut

Seen = TypeVar("Seen")


def until(
    look: Callable[[], Seen],
    within: float,
    waiting_for: str,
    *,
    done: Callable[[Seen], bool] = bool,
    every: float = 0.25,
    pause: Callable[[float], None] = clock.pause,
) -> Seen:
    """What `look` saw when `done` was first true of it. Looks at least once, and once more when the time is up.

    `pause` may raise to break the wait off. Raises WaitTimedOut with what was last seen.
    """
    deadline = clock.monotonic() + within
    while True:
        late = clock.monotonic() >= deadline
        seen = look()
        if done(seen):
            return seen
        if late:
            raise WaitTimedOut(waiting_for, within, seen)
        pause(max(0.0, min(every, deadline - clock.monotonic())))
