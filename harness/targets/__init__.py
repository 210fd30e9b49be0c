"""Where a scenario runs. A target starts, reaches and stops; it never deploys: the driver does, the same way everywhere."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.targets.base import Asked, Target

TARGETS = ("local", "localstack", "aws")


def opened(asked: Asked) -> AbstractContextManager[Target]:
    """The target as a context: started on entry, stopped and swept on exit. Raises HarnessError.

    Imported here, because the command line only needs the names of targets, and theirs are slow.
    """
    from harness.targets import aws, local, localstack

    match asked.target:
        case "local":
            return local.opened(asked)
        case "localstack":
            return localstack.opened(asked)
        case "aws":
            return aws.opened(asked)
    raise UsageError(f"{asked.target} is not a target; there are {', '.join(TARGETS)}")
