"""Where moto answers otherwise than AWS, and a client stumbles over it: put right in moto's own state, after its answer.

Each entry names the operation and has a test in tests/emulator/test_moto_gaps.py that fails without it. All run in moto's thread.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from weakref import WeakSet

from harness.emulator.cloud import Caller
from harness.emulator.wire import WireRequest

KEEPS_INTERFACE = re.compile(rb"NetworkInterface\.\d+\.DeleteOnTermination=false")
PRIMARY = "Primary network interface"  # moto's description of an interface that it makes with an instance
_launched: WeakSet[Any] = WeakSet()  # instances that were looked at


def put_right(caller: Caller, operation: str, asked: WireRequest) -> None:
    """After moto has answered `operation` for the caller."""
    if (correction := AFTER.get(operation)) is not None:
        correction(caller, asked)


def _tags_of_the_template_alone(caller: Caller, asked: WireRequest) -> None:
    """The tags of a launch template are no part of its data; moto lists them there, and Terraform wants to take them out."""
    from moto.ec2.models import ec2_backends

    for template in ec2_backends[caller.account][caller.region].launch_templates.values():
        for version in template.versions:
            given = version.data.get("TagSpecifications", [])
            kept = [one for one in given if one["ResourceType"] != "launch-template"]
            if len(kept) != len(given):
                version.data["TagSpecifications"] = kept


def _interface_ends_with_its_instance(caller: Caller, asked: WireRequest) -> None:
    """An interface that was made with an instance ends with it, unless the launch says otherwise; moto's outlive it."""
    from moto.ec2.models import ec2_backends

    kept = KEEPS_INTERFACE.search(asked.body) is not None
    for reservation in ec2_backends[caller.account][caller.region].reservations.values():
        for instance in reservation.instances:
            if instance in _launched:
                continue
            _launched.add(instance)
            primary = instance.nics.get(0)
            if primary is not None and primary.description == PRIMARY and not kept:
                primary.delete_on_termination = True


def _interface_of_a_load_balancer(caller: Caller, asked: WireRequest) -> None:
    """It is ELB's, not the caller's, and in use: nobody deletes it by mistake."""
    from moto.ec2.models import ec2_backends

    for interface in ec2_backends[caller.account][caller.region].enis.values():
        if interface.description.startswith("ELB app/"):
            interface.requester_managed, interface.requester_id, interface.status = True, "amazon-elb", "in-use"


AFTER: dict[str, Callable[[Caller, WireRequest], None]] = {
    "CreateLaunchTemplate": _tags_of_the_template_alone,
    "CreateNetworkInterface": _interface_of_a_load_balancer,
    **dict.fromkeys(
        ("RunInstances", "CreateAutoScalingGroup", "UpdateAutoScalingGroup", "SetDesiredCapacity", "ExecutePolicy"),
        _interface_ends_with_its_instance,
    ),
}
