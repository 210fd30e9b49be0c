"""What was made, and how to remove it again: a line before every create, so that a half-made stack can be removed as well."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from botocore.exceptions import ClientError

from harness import clock
from harness.driver.session import error_code
from harness.errors import HarnessError

# What a service says of something that is not there (any more), or was never made.
GONE = (
    "ApplicationDoesNotExistException",
    "ClusterNotFoundException",
    "DeploymentConfigDoesNotExistException",
    "DeploymentGroupDoesNotExistException",
    "InvalidGroup.NotFound",
    "InvalidInternetGatewayID.NotFound",
    "InvalidSubnetID.NotFound",
    "InvalidInstanceID.NotFound",
    "InvalidVpcID.NotFound",
    "ListenerNotFound",
    "LoadBalancerNotFound",
    "NoSuchEntity",
    "ResourceNotFound",
    "ResourceNotFoundException",
    "ServiceNotActiveException",
    "ServiceNotFoundException",
    "TargetGroupNotFound",
)
IN_USE = (
    "ClusterContainsContainerInstancesException",
    "ClusterContainsServicesException",
    "ClusterContainsTasksException",
    "DependencyViolation",
    "ResourceInUse",
)
IN_USE_WITHIN = 60.0  # seconds that something may still be in use by what was removed before it


@dataclass(frozen=True, slots=True)
class Step:
    what: str
    remove: Callable[[], object]


class Undo:
    """Removes in reverse order, what is already gone included; nothing that fails stops the rest."""

    def __init__(self) -> None:
        self._steps: list[Step] = []
        self._lock = threading.Lock()

    def later(self, what: str, remove: Callable[[], object]) -> None:
        """Say, before it is made, how `what` is removed."""
        with self._lock:
            self._steps.append(Step(what, remove))

    def everything(self) -> list[str]:
        """Remove all of it. Returns one line for each thing that could not be removed; those stay, for another try."""
        left: list[tuple[Step, str]] = []
        while True:
            with self._lock:
                if not self._steps:
                    self._steps = [step for step, _ in reversed(left)]
                    return [f"{step.what} ({why})" for step, why in left]
                step = self._steps.pop()
            if why := _removed(step):
                left.append((step, why))


def _removed(step: Step) -> str | None:
    """None when it is gone, else why it is not."""
    deadline = clock.monotonic() + IN_USE_WITHIN
    while True:
        try:
            step.remove()
            return None
        except ClientError as error:
            code = error_code(error)
            if code in GONE:
                return None
            if code not in IN_USE or clock.monotonic() > deadline:
                return f"{code}: {error.response['Error'].get('Message', '')}"
        except HarnessError as error:
            return str(error)
        clock.pause(0.5)
