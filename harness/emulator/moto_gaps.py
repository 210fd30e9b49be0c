"""Where moto answers otherwise than AWS, and a client stumbles over it: put right in moto's own state, after its answer.

Each entry names the operation and has a test in tests/emulator/test_moto_gaps.py that fails without it. All run in moto's thread.
"""

from __future__ import annotations

from collections.abc import Callable

from harness.emulator.cloud import Caller


def put_right(caller: Caller, operation: str) -> None:
    """After moto has answered `operation` for the caller."""
    if (correction := AFTER.get(operation)) is not None:
        correction(caller)


def _tags_of_the_template_alone(caller: Caller) -> None:
    """The tags of a launch template are no part of its data; moto lists them there, and Terraform wants to take them out."""
    from moto.ec2.models import ec2_backends

    for template in ec2_backends[caller.account][caller.region].launch_templates.values():
        for version in template.versions:
            given = version.data.get("TagSpecifications", [])
            kept = [one for one in given if one["ResourceType"] != "launch-template"]
            if len(kept) != len(given):
                version.data["TagSpecifications"] = kept


AFTER: dict[str, Callable[[Caller], None]] = {"CreateLaunchTemplate": _tags_of_the_template_alone}
