"""Lifecycle policies: reading their rules, and which images they expire. Pure: the caller says what time it is.

As in ECR's guide: rules apply by rulePriority; an image that a rule expires is still counted by later rules, and each image is
expired by one rule at most; an image must match every prefix or pattern of a rule.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Protocol, TypeVar

from harness.emulator.cloud import AwsError, not_emulated

DAY = 24 * 3600
RULE = ({"rulePriority", "selection", "action"}, {"description"})
SELECTION = ({"tagStatus", "countType", "countNumber"}, {"tagPrefixList", "tagPatternList", "countUnit"})
# What is newer than this emulator: refused by name.
NOT_EMULATED = {"sinceImagePulled", "sinceImageTransitioned", "transition"}


class Aged(Protocol):
    """What a rule looks at."""

    tags: list[str]
    pushed_at: float


A = TypeVar("A", bound=Aged)


@dataclass(frozen=True, slots=True)
class Rule:
    """`count` images are kept at most (imageCountMoreThan), or images of more than `count` days go (sinceImagePushed)."""

    priority: int
    tag_status: str
    patterns: tuple[str, ...]
    count_type: str
    count: int

    def selects(self, image: Aged) -> bool:
        match self.tag_status:
            case "untagged":
                return not image.tags
            case "tagged":
                return bool(image.tags) and all(
                    any(fnmatchcase(tag, pattern) for tag in image.tags) for pattern in self.patterns
                )
        return True

    def expires(self, images: Iterable[A], now: float) -> list[A]:
        """Of all images those that this rule would expire, oldest first."""
        selected = sorted(filter(self.selects, images), key=lambda image: image.pushed_at)
        if self.count_type == "imageCountMoreThan":
            return selected[: max(0, len(selected) - self.count)]
        return [image for image in selected if now - image.pushed_at > self.count * DAY]


def expired(rules: Sequence[Rule], images: Sequence[A], now: float) -> list[tuple[A, Rule]]:
    """What a policy expires, each with its rule, by rule and age."""
    gone: dict[int, tuple[A, Rule]] = {}
    for rule in sorted(rules, key=lambda one: one.priority):
        for image in rule.expires(images, now):
            gone.setdefault(id(image), (image, rule))
    return list(gone.values())


# ---- reading


def read(text: str) -> tuple[Rule, ...]:
    """The rules of a policy's text. Raises InvalidParameterException, or NotImplemented for what is not emulated."""
    try:
        raw = json.loads(text)
    except ValueError:
        raise _invalid("Could not map policyString into LifecyclePolicy.") from None
    if not isinstance(raw, dict) or not isinstance(raw.get("rules"), list):
        raise _invalid('object has missing required properties (["rules"])')
    rules = tuple(map(_rule, raw["rules"]))
    if len({rule.priority for rule in rules}) < len(rules):
        raise _invalid("Rule priorities must be unique.")
    last = max((rule.priority for rule in rules), default=0)
    if any(rule.tag_status == "any" and rule.priority != last for rule in rules):
        raise _invalid("A rule with tagStatus any must have the highest rulePriority.")
    return rules


def _rule(raw: Any) -> Rule:
    _properties(raw, *RULE)
    _properties(raw["action"], {"type"}, {"targetStorageClass"})
    selection = raw["selection"]
    _properties(selection, *SELECTION)
    _refuse_newer(raw["action"]["type"], selection["countType"])
    _one_of(raw["action"]["type"], ("expire",))
    _one_of(selection["tagStatus"], ("any", "tagged", "untagged"))
    _one_of(selection["countType"], ("imageCountMoreThan", "sinceImagePushed"))
    _numbers(raw["rulePriority"], selection["countNumber"])
    if (selection["countType"] == "sinceImagePushed") != (selection.get("countUnit") == "days"):
        raise _invalid("countUnit must be days where countType is sinceImagePushed, and is not allowed elsewhere")
    return Rule(
        raw["rulePriority"],
        selection["tagStatus"],
        _patterns(selection),
        selection["countType"],
        selection["countNumber"],
    )


def _patterns(selection: dict[str, Any]) -> tuple[str, ...]:
    prefixes, patterns = selection.get("tagPrefixList"), selection.get("tagPatternList")
    if (selection["tagStatus"] == "tagged") != (bool(prefixes) != bool(patterns)):
        raise _invalid("tagStatus tagged needs either tagPrefixList or tagPatternList; no other tagStatus takes one")
    return tuple(patterns or [f"{prefix}*" for prefix in prefixes or ()])


def _refuse_newer(action: Any, count_type: Any) -> None:
    for word in (action, count_type):
        if word in NOT_EMULATED:
            raise not_emulated("ecr", f"PutLifecyclePolicy({word})")


def _properties(raw: Any, required: set[str], optional: set[str]) -> None:
    if not isinstance(raw, dict):
        raise _invalid('instance type does not match any allowed primitive type (allowed: ["object"])')
    if missing := required - raw.keys():
        raise _invalid(f"object has missing required properties ({json.dumps(sorted(missing))})")
    if unknown := raw.keys() - required - optional:
        raise _invalid(
            f"object instance has properties which are not allowed by the schema: ({json.dumps(sorted(unknown))})"
        )


def _one_of(value: Any, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise _invalid(
            f"instance value ({json.dumps(value)}) not found in enum (possible values: {json.dumps(allowed)})"
        )


def _numbers(*values: Any) -> None:
    for value in values:
        if type(value) is not int or value < 1:
            raise _invalid(f"numeric instance is lower than the required minimum (minimum: 1, found: {value})")


def _invalid(why: str) -> AwsError:
    return AwsError(
        "InvalidParameterException",
        "Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: "
        f"'Lifecycle policy validation failure: {why}'",
    )
