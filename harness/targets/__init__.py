"""Where a scenario runs. A target starts, reaches and stops; it never deploys: the driver does, the same way everywhere."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from harness.errors import UsageError
from harness.targets import aws, local, localstack
from harness.targets.base import Asked, GoAhead, Target

TARGETS: dict[str, Callable[[Asked], AbstractContextManager[Target]]] = {
    "local": local.opened,
    "localstack": localstack.opened,
    "aws": aws.opened,
}


def opened(asked: Asked) -> AbstractContextManager[Target]:
    """The target as a context: started on entry, stopped and swept on exit. Raises HarnessError."""
    if asked.target not in TARGETS:
        raise UsageError(f"{asked.target} is not a target; there are {', '.join(TARGETS)}")
    return TARGETS[asked.target](asked)


__all__ = ["TARGETS", "Asked", "GoAhead", "Target", "opened"]
