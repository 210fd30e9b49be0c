"""Every resource type that is emulated."""

from __future__ import annotations

from collections.abc import Mapping

from harness.emulator.cloudformation import (
    called,
    codedeploy,
    compute,
    ecs,
    elbv2,
    iam,
    others,
    schedules,
    security_groups,
    storage,
)
from harness.emulator.cloudformation.functions import invalid
from harness.emulator.cloudformation.kinds import Kind

KINDS: Mapping[str, Kind] = {
    kind.type: kind
    for part in (called, codedeploy, compute, ecs, elbv2, iam, others, schedules, security_groups, storage)
    for kind in part.KINDS
}


def kind_of(name: str) -> Kind:
    """Raises ValidationError, which names the type."""
    if name not in KINDS:
        raise invalid(
            f"Template format error: the resource type {name} is not emulated by rehearse (see docs/EMULATED.md)"
        )
    return KINDS[name]
