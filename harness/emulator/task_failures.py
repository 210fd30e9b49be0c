"""How a start fails on EC2, where Docker says it in its own words and pulls an image of any architecture (D.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.emulator.runtime.base import CannotPull, Exit

NOT_FOUND = "failed to resolve ref"
OTHER_PLATFORM = "does not contain descriptor matching platform"


def is_wrong_architecture(error: CannotPull) -> bool:
    return OTHER_PLATFORM in str(error)


def pull_text_on_ec2(text: str, images: Sequence[str]) -> str:
    """The runtimes speak as Fargate does; of an image that is not there, Docker says whether its repository is public."""
    image = next((image for image in images if image in text), None)
    if NOT_FOUND not in text or image is None:
        return text
    if "." in image.partition("/")[0]:
        return f"CannotPullContainerError: Error response from daemon: manifest for {image} not found: manifest unknown"
    repository = image.partition(":")[0]
    return (
        f"CannotPullContainerError: Error response from daemon: pull access denied for {repository}, "
        "repository does not exist or may require 'docker login'"
    )


class ExecFormatError:
    """A container whose image is for another architecture: it starts, and is over at once."""

    addresses: Mapping[int, tuple[str, int]] = {}

    def __init__(self, image: str, code: int) -> None:
        self._end = Exit(code)
        self._line = f"exec {image}: exec format error"

    async def wait(self) -> Exit:
        return self._end

    async def stop(self) -> Exit:
        return self._end

    async def logs(self) -> str:
        return f"{self._line}\n"

    async def execute(self, command: Sequence[str]) -> int:
        return 126

    async def output(self, after: str) -> tuple[list[str], str]:
        return ([] if after else [self._line]), "over"
