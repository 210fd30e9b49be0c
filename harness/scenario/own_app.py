"""`[app]` of rehearsal.toml: a team's own application, so that its scenarios say only what is special about them."""

from __future__ import annotations

from pathlib import Path as File
from typing import Annotated, Any

from pydantic import Field, ValidationError

from harness import text
from harness.errors import UsageError
from harness.scenario.messages import nearest
from harness.scenario.service import VersionFrom
from harness.scenario.values import Part, Path

FILE = File("rehearsal.toml")
SECTIONS = ("app", "aws", "emulator")  # of rehearsal.toml; the others are read where they are used


class OwnApp(Part):
    """Defaults of `service` in every scenario that names no other image.

    A version's image is `<image>:<version>`; where `folder` is given, `rehearse run` builds it from there. `command` is for tasks
    that are processes: it must listen on the HOST and PORT of its environment (a container listens on `port`, as its image says).
    """

    image: Annotated[str, Field(min_length=1)]
    port: Annotated[int, Field(ge=1, le=65535)] = 8080
    health_path: Path = "/healthz"
    environment: dict[str, str] = Field(default_factory=dict)
    version: VersionFrom = VersionFrom(header="X-App-Version")
    folder: str | None = None
    command: tuple[str, ...] = ()

    def under(self, scenario: dict[str, Any]) -> dict[str, Any]:
        """A scenario as it was read, with these defaults below what it says itself."""
        service = scenario.get("service") or {}
        if not isinstance(service, dict) or service.get("image", self.image) != self.image:
            return scenario
        defaults = {
            "image": self.image,
            "container_port": self.port,
            "version_from": self.version.model_dump(exclude_none=True),
        }
        merged = {**defaults, **service}
        for key, below in (("health_check", {"path": self.health_path}), ("environment", self.environment)):
            said = service.get(key) or {}
            merged[key] = {**below, **said} if isinstance(said, dict) else said
        return {**scenario, "service": merged}


def load_own_app(file: File = FILE) -> OwnApp | None:
    """The app of `file`; None where there is no such file, or no [app] in it. Raises UsageError."""
    if not file.is_file():
        return None
    told = text.toml(file)
    for section in told:
        if section not in SECTIONS:
            raise UsageError(f"{file}: [{section}] is no section of it{nearest(section, SECTIONS)}")
    if "app" not in told:
        return None
    try:
        return OwnApp.model_validate(told["app"], by_alias=True, by_name=False)
    except ValidationError as invalid:
        raise UsageError(f"{file}: [app] {_first(invalid)}") from invalid


def _first(invalid: ValidationError) -> str:
    error = min(invalid.errors(), key=lambda one: one["type"] != "extra_forbidden")  # a typo is why another is missing
    name = ".".join(map(str, error["loc"]))
    if error["type"] == "extra_forbidden":
        known = list(OwnApp.model_fields)
        return f"{name} is no key{nearest(name, known) or '; known here: ' + ', '.join(known)}"
    if error["type"] == "missing":
        return f"{name} is missing"
    return f"{name} is {error['input']!r}: {error['msg']}"
