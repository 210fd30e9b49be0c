"""AWS itself: not built yet."""

from __future__ import annotations

from contextlib import AbstractContextManager

from harness.errors import UsageError
from harness.targets.base import Asked, Target


def opened(asked: Asked) -> AbstractContextManager[Target]:
    raise UsageError("the aws target is not built yet; --target local runs the same scenario")
