"""What a resource type must know to be made, changed and deleted; and which types there are."""

from __future__ import annotations

import json
import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from harness.emulator.cloud import Answer, AwsError, Caller, Cloud
from harness.emulator.cloudformation.convert import request_of
from harness.emulator.cloudformation.functions import invalid

Properties = Mapping[str, Any]
LETTERS = string.ascii_uppercase + string.digits


@dataclass(frozen=True, slots=True)
class Spec:
    """A type as AWS's registry has it: its properties, those it needs, and those whose change makes a new resource."""

    properties: frozenset[str]
    required: frozenset[str]
    replace: frozenset[str]


@cache
def specs() -> Mapping[str, Spec]:
    """From types.json, which `tests/emulator/cloudformation_types.py` writes from cfn-lint's copy of AWS's registry."""
    raw = json.loads(Path(__file__).with_name("types.json").read_text(encoding="utf-8"))
    return {
        name: Spec(*(frozenset(one[key]) for key in ("properties", "required", "replace"))) for name, one in raw.items()
    }


@dataclass(frozen=True, slots=True)
class Made:
    """A resource that is there: what Ref gives, and what GetAtt gives by attribute. `handle` is its kind's own."""

    physical_id: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    handle: Any = None


@dataclass(frozen=True, slots=True)
class At:
    """Where a resource is made: for whom, in which stack, under which logical id."""

    cloud: Cloud
    caller: Caller
    stack_name: str
    logical_id: str
    type: str
    tags: Mapping[str, str]
    wanted: frozenset[str] = frozenset()  # the attributes that the template asks for

    async def call(self, service: str, operation: str, /, **request: Any) -> Answer:
        return await self.cloud.call(self.caller, service, operation, **request)

    async def send(
        self, service: str, operation: str, properties: Properties, renamed: Mapping[str, str] | None = None
    ) -> Answer:
        """Call `operation` with properties in CloudFormation's spelling. Raises AwsError."""
        return await self.call(service, operation, **request_of(service, operation, properties, renamed))

    def name(self, longest: int = 128, *, lower: bool = False) -> str:
        """A name as CloudFormation makes one: stack, logical id and twelve letters or digits."""
        ending = "".join(secrets.choice(LETTERS) for _ in range(12))
        room = longest - len(ending) - 2
        logical = self.logical_id[: max(room // 2, room - len(self.stack_name))]
        name = f"{self.stack_name[: room - len(logical)].rstrip('-')}-{logical}-{ending}"
        return name.lower() if lower else name

    def tagged(self, properties: Properties) -> dict[str, Any]:
        """The properties with the stack's tags added; the resource's own win."""
        return tagged(properties, self.tags)


def tagged(properties: Properties, tags: Mapping[str, str]) -> dict[str, Any]:
    """The properties with the stack's `tags` added, in the order of their keys, which says nothing; the resource's own win."""
    merged: dict[str, Any] = {key: {"Key": key, "Value": value} for key, value in tags.items()}
    merged |= {tag["Key"]: tag for tag in properties.get("Tags") or []}
    if not merged:
        return {key: value for key, value in properties.items() if key != "Tags"}
    return {**properties, "Tags": [merged[key] for key in sorted(merged)]}


class Kind:
    """A resource type. `name` is the property that names its resources, where one does; `stack_tags`: whether they reach it;
    `moving`: attributes that are others after an update, so that who asks for one changes, too."""

    type: ClassVar[str]
    name: ClassVar[str] = ""
    stack_tags: ClassVar[bool] = False
    moving: ClassVar[frozenset[str]] = frozenset()

    @property
    def spec(self) -> Spec:
        return specs()[self.type]

    def check(self, properties: Properties) -> None:
        """Raises ValidationError for properties that the type does not have, or lacks."""
        if extra := sorted(set(properties) - self.spec.properties):
            raise invalid(f"Encountered unsupported property {extra[0]}; {self.type} does not have it")
        if missing := sorted(self.spec.required - set(properties)):
            raise invalid(f"Property {missing[0]} cannot be empty.")

    def replaced_by(self, old: Properties, new: Properties) -> set[str]:
        """The changed properties that cannot be changed on the resource itself."""
        return changed(old, new) & self.spec.replace

    async def create(self, at: At, properties: Properties) -> Made:
        raise NotImplementedError

    async def update(self, at: At, made: Made, old: Properties, new: Properties) -> Made:
        """Change what is there. Raises AwsError, also where the change is not emulated."""
        raise invalid(f"updating {', '.join(sorted(changed(old, new)))} of {self.type} is not emulated by rehearse")

    async def delete(self, at: At, made: Made, properties: Properties) -> None:
        raise NotImplementedError

    async def settle(self, at: At, made: Made, properties: Properties) -> None:
        """Return when the resource works; most do at once. Raises AwsError where it never will."""

    async def refresh(self, at: At, made: Made) -> Made:
        """With the attributes that the template asks for now."""
        return made


def changed(old: Properties, new: Properties) -> set[str]:
    return {name for name in {*old, *new} if old.get(name) != new.get(name)}


def without(properties: Properties, *names: str) -> dict[str, Any]:
    return {key: value for key, value in properties.items() if key not in names}


def only(properties: Properties, *names: str) -> dict[str, Any]:
    return {key: properties[key] for key in names if key in properties}


def tag_changes(old: Properties, new: Properties) -> tuple[list[dict[str, str]], list[str]]:
    """(tags to set, keys to remove)."""
    before, after = ({tag["Key"]: tag["Value"] for tag in one.get("Tags") or []} for one in (old, new))
    put = [{"Key": key, "Value": value} for key, value in after.items() if before.get(key) != value]
    return put, [key for key in before if key not in after]


async def retag_in_ec2(at: At, resource: str, old: Properties, new: Properties) -> None:
    """Bring the tags of `resource`, by its EC2 id, from `old` to `new`."""
    put, gone = tag_changes(old, new)
    if put:
        await at.call("ec2", "CreateTags", Resources=[resource], Tags=put)
    if gone:
        await at.call("ec2", "DeleteTags", Resources=[resource], Tags=[{"Key": key} for key in gone])


def is_gone(error: AwsError) -> bool:
    """Whether a deletion found nothing left to delete, which is what it wants."""
    return any(word in error.code for word in ("NotFound", "DoesNotExist", "NoSuch", "NotActive"))
