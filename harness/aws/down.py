"""Removing a deployment, found by its tags: what runs left, then the stacks, the self-destruct last; and then looking for survivors."""

from __future__ import annotations

from typing import Any

from harness.aws import found, leftovers
from harness.aws.found import Stack, pages
from harness.aws.ground import DELETION
from harness.aws.stacks import Stacks, delete_all
from harness.aws.survivors import survivors
from harness.driver import Session


def bring_down(stacks: Stacks, deployment: str) -> list[str]:
    """One line for each thing that is still there; none where all is gone. Raises ClientError, HarnessError."""
    session = stacks.session
    there = next((one for one in found.deployments(session) if one.id == deployment), None)
    left = leftovers.remove_all(session, deployment, stacks.show)
    if there is not None:
        for line in left:
            stacks.show(f"still there: {line}")
        _empty_zone(session, there.stacks.get("certificate"))
        groups = [
            one.outputs["HookSecurityGroup"] for one in there.stacks.values() if "HookSecurityGroup" in one.outputs
        ]
        left += delete_all(stacks, there.stacks, DELETION, lambda: _free_interfaces(session, groups))
    return list(dict.fromkeys([*left, *survivors(session, deployment)]))


def _free_interfaces(session: Session, groups: list[str]) -> None:
    """Those that Lambda let go of but has not cleared away: a security group is in use by them."""
    if not groups:
        return
    wanted = [{"Name": "group-id", "Values": groups}, {"Name": "status", "Values": ["available"]}]
    for one in pages(session, "ec2", "describe_network_interfaces", "NetworkInterfaces", Filters=wanted):
        session.call("ec2", "delete_network_interface", NetworkInterfaceId=one["NetworkInterfaceId"])


def _empty_zone(session: Session, certificate: Stack | None) -> None:
    """ACM's validation record is no resource of the stack, and a zone that has it cannot be deleted."""
    if certificate is None or certificate.parameters.get("HostedZoneId") or "HostedZoneId" not in certificate.outputs:
        return
    zone = certificate.outputs["HostedZoneId"]
    records: list[dict[str, Any]] = list(
        pages(session, "route53", "list_resource_record_sets", "ResourceRecordSets", HostedZoneId=zone)
    )
    for record in records:
        if record["Type"] == "CNAME" and record["Name"].startswith("_"):
            change = {"Changes": [{"Action": "DELETE", "ResourceRecordSet": record}]}
            session.call("route53", "change_resource_record_sets", HostedZoneId=zone, ChangeBatch=change)
