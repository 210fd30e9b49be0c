"""What a runtime does: turn a container specification into something that really runs, and stop it as ECS does.

Both runtimes (Docker, processes) pass one conformance suite, tests/runtimes/. Runtimes know nothing of ECS resources; the
scheduler gives a task its states, stop codes and events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from harness import images


class CannotPull(Exception):
    """The image cannot be had. The message is ECS's `CannotPullContainerError: ...` text (stoppedReason)."""


class CannotStart(Exception):
    """The container could not be created or started; the message is ECS's text (`CannotStartContainerError: ...`)."""


def not_found(image: str, launch_type: str, *, repository: bool = False) -> str:
    """Of an image that no registry has (D.2). EC2 says what Docker says, and that depends on whether there is such a repository."""
    if launch_type != "EC2":
        return (
            "CannotPullContainerError: pull image manifest has been retried 7 time(s): "
            f"failed to resolve ref {image}: {image}: not found"
        )
    name, _, digest = image.partition("@")
    name, tag = images.split(name)
    said = (
        f"manifest for {image if digest else f'{name}:{tag}'} not found: manifest unknown"
        if repository
        else f"pull access denied for {name}, repository does not exist or may require 'docker login'"
    )
    return f"CannotPullContainerError: Error response from daemon: {said}"


def wrong_platform(platform: str) -> str:
    """Of an image that is not for this machine (D.2): on Fargate only, EC2 pulls it and it dies. `platform` as `linux/amd64`."""
    return (
        "CannotPullContainerError: pull image manifest has been retried 7 time(s): image Manifest does not contain "
        f"descriptor matching platform '{platform}'."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredImage:
    """An image of a local repository: `<name>@<digest>` pulls it. `config` is what a process image embeds; None for a container's."""

    name: str
    digest: str
    config: bytes | None
    user: str
    password: str = field(repr=False)


class ImageSource(Protocol):
    """The local repositories, as a runtime sees them."""

    def find(self, image: str, launch_type: str) -> StoredImage | None:
        """None where the name is not of a local repository. Raises CannotPull where it is, and the image is not there."""


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
    launch_type: str = "FARGATE"  # how an image that cannot run here fails (D.2)
    ulimits: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # name -> (soft, hard), -1 is unlimited


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
    registry: ImageSource | None  # set by whoever puts the emulator together

    async def prepare(self) -> None:
        """Check that it can work; raises TargetUnavailable with what to do about it."""

    async def pull(self, image: str, launch_type: str = "FARGATE") -> None:
        """Make sure the image is there; raises CannotPull in the launch type's words."""

    async def start(self, spec: ContainerSpec) -> Container:
        """Start it. Raises CannotPull or CannotStart; nothing is left behind when it raises."""

    async def close(self) -> None:
        """Stop and remove everything still running, at once (SIGKILL)."""


class Sweeper(Protocol):
    def __call__(self, home: Path) -> list[str]:
        """Remove what a crashed emulator of `home` left running; returns one line for each thing removed."""
