"""What ECR keeps of one region: repositories, their images and policies, and what is set for the whole registry."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from harness.emulator.cloud import AwsError, Caller
from harness.emulator.services.ecr_lifecycle import Rule
from harness.emulator.services.ecr_manifest import Manifest

Raw = dict[str, Any]
NAME = "(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*"
TAG = "[a-zA-Z0-9_][a-zA-Z0-9._-]{0,299}"


@dataclass
class Image:
    """One image, by digest. `tags` in the order in which they were put; times in seconds since the epoch."""

    manifest: Manifest
    size: int
    pushed_at: float
    tags: list[str] = field(default_factory=list)
    pulled_at: float | None = None

    @property
    def digest(self) -> str:
        return self.manifest.digest


@dataclass(frozen=True, slots=True)
class Mutability:
    """Whether a tag may be moved to another image. `filters` are wildcards for the tags that are the exception."""

    mode: str = "MUTABLE"
    filters: tuple[str, ...] = ()

    def allows(self, tag: str) -> bool:
        excepted = any(fnmatchcase(tag, pattern) for pattern in self.filters)
        return self.mode.startswith("MUTABLE") != excepted

    def render(self) -> Raw:
        filters = [{"filterType": "WILDCARD", "filter": pattern} for pattern in self.filters]
        return {
            "imageTagMutability": self.mode,
            **({"imageTagMutabilityExclusionFilters": filters} if filters else {}),
        }


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """A lifecycle policy: its text as it was put, and the rules in it."""

    text: str
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Preview:
    """A finished lifecycle policy preview: what would expire, by digest, and the rule that says so."""

    text: str
    expiring: tuple[tuple[Image, Rule], ...]


@dataclass
class Upload:
    """A layer being uploaded in parts; `location` is where the registry takes the next one."""

    location: str
    received: int = 0


@dataclass
class Repository:
    caller: Caller
    name: str
    created_at: float
    mutability: Mutability
    encryption: Raw
    scan_on_push: bool = False
    tags: dict[str, str] = field(default_factory=dict)
    policy: str | None = None
    lifecycle: Lifecycle | None = None
    evaluated_at: float | None = None
    preview: Preview | None = None
    images: dict[str, Image] = field(default_factory=dict)  # by digest
    uploads: dict[str, Upload] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        return self.caller.arn("ecr", f"repository/{self.name}")

    @property
    def stored_as(self) -> str:
        """The repository's name in the storage, which all regions share."""
        return f"{self.caller.account}/{self.caller.region}/{self.name}"

    def tagged(self, tag: str) -> Image | None:
        return next((image for image in self.images.values() if tag in image.tags), None)

    def find(self, tag: str | None, digest: str | None) -> Image | None:
        """By digest, tag, or both, which must then agree."""
        image = self.images.get(digest) if digest else self.tagged(tag or "")
        return image if image is None or not (tag and digest) or tag in image.tags else None

    def put(self, image: Image, tag: str | None) -> Image:
        """Keep an image under its digest; `tag`, where given, moves to it. The only writer of `images` and of tags."""
        kept = self.images.setdefault(image.digest, image)
        if tag and tag not in kept.tags:
            if before := self.tagged(tag):
                before.tags.remove(tag)
            kept.tags.append(tag)
        return kept

    def remove(self, image: Image) -> None:
        del self.images[image.digest]

    def referenced(self, digest: str) -> bool:
        """Whether an image index of this repository needs the image."""
        return any(digest in image.manifest.images for image in self.images.values())


@dataclass
class Region:
    repositories: dict[str, Repository] = field(default_factory=dict)
    policy: str | None = None
    scanning: Raw = field(default_factory=lambda: {"scanType": "BASIC", "rules": []})

    def repository(self, registry_id: str, name: str) -> Repository:
        """Raises RepositoryNotFoundException."""
        repository = self.repositories.get(name)
        if repository is None or repository.caller.account != registry_id:
            raise AwsError(
                "RepositoryNotFoundException",
                f"The repository with name '{name}' does not exist in the registry with id '{registry_id}'",
            )
        return repository

    def __iter__(self) -> Iterator[Repository]:
        return iter(sorted(self.repositories.values(), key=lambda one: one.name))


def invalid(parameter: str, constraint: str) -> AwsError:
    return AwsError(
        "InvalidParameterException",
        f"Invalid parameter at '{parameter}' failed to satisfy constraint: '{constraint}'",
    )


def check_pattern(parameter: str, pattern: str, value: str) -> None:
    if not re.fullmatch(pattern, value):
        raise invalid(parameter, f"must satisfy regular expression '{pattern}'")
