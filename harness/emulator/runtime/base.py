"""What a runtime does: turn a container specification into something that really runs, and stop it as ECS does.

Both runtimes (Docker, processes) pass one conformance suite, tests/runtimes/. Runtimes know nothing of ECS resources; the
scheduler gives a task its states, stop codes and events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


class CannotPull(Exception):
    """The image cannot be had. The message is ECS's `CannotPullContainerError: ...` text (stoppedReason)."""


class CannotStart(Exception):
    """The container could not be created or started; the message is ECS's text (`CannotStartContainerError: ...`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSpec:
    """One container of a task. `ports` are containerPorts; `memory_mib` is a hard limit where the runtime can hold one."""

    task_id: str
    name: str
    image: str
    environment: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()  # empty: the image's own
    ports: tuple[int, ...] = ()
    stop_timeout: float = 30.0
    memory_mib: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Exit:
    """How a container ended: exit code as Docker counts (128 + signal), and a reason where there is one (`OutOfMemoryError: ...`)."""

    code: int
    reason: str = ""


class Container(Protocol):
    """A started container."""

    @property
    def addresses(self) -> Mapping[int, tuple[str, int]]:
        """Where each containerPort really listens; a port the image does not listen on maps to a closed port."""

    async def wait(self) -> Exit:
        """Return when it has ended, however it ended. Several may wait."""

    async def stop(self) -> Exit:
        """SIGTERM, SIGKILL after `stop_timeout`; then remove everything it left. Safe to call twice, and after its end."""

    async def logs(self) -> str:
        """Standard output and error so far, newest 64 KiB; still readable after `stop`."""

    async def execute(self, command: Sequence[str]) -> int:
        """Run a command inside, in the container's environment; its exit code (126 or 127 where it cannot be run)."""

    async def output(self, after: str) -> tuple[list[str], str]:
        """Whole lines printed since a cursor (at first ""), and the next cursor; once it has ended, what is left too."""


class Runtime(Protocol):
    """Makes containers. `home` (the rehearsal's state directory) names what belongs to us."""

    name: str

    async def prepare(self) -> None:
        """Check that it can work; raises TargetUnavailable with what to do about it."""

    async def pull(self, image: str) -> None:
        """Make sure the image is there; raises CannotPull."""

    async def start(self, spec: ContainerSpec) -> Container:
        """Start it. Raises CannotPull or CannotStart; nothing is left behind when it raises."""

    async def close(self) -> None:
        """Stop and remove everything still running, at once (SIGKILL)."""


class Sweeper(Protocol):
    def __call__(self, home: Path) -> list[str]:
        """Remove what a crashed emulator of `home` left running; returns one line for each thing removed."""
