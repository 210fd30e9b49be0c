"""How stacks, resources, events and change sets look in the API."""

from __future__ import annotations

from typing import Any

from harness import clock
from harness.emulator.cloudformation.state import ChangeSet, Event, Resource, Stack

Raw = dict[str, Any]
NOT_CHECKED = {"StackDriftStatus": "NOT_CHECKED"}
RESOURCE_NOT_CHECKED = {"StackResourceDriftStatus": "NOT_CHECKED"}


def _present(raw: Raw) -> Raw:
    return {key: value for key, value in raw.items() if value not in (None, "", [])}


def tags(given: Any) -> list[Raw]:
    return [{"Key": key, "Value": value} for key, value in given.items()]


def parameters(stack: Stack) -> list[Raw]:
    """NoEcho values are stars."""
    declared = stack.template.get("Parameters") or {}
    return [
        _present(
            {
                "ParameterKey": name,
                "ParameterValue": "****" if _silent(declared.get(name, {})) else value,
                "ResolvedValue": stack.resolved.get(name),
            }
        )
        for name, value in stack.given.items()
    ]


def _silent(declared: Raw) -> bool:
    return str(declared.get("NoEcho", False)).lower() == "true"


def stack(one: Stack) -> Raw:
    return {
        **_present(
            {
                "StackId": one.id,
                "StackName": one.name,
                "Description": one.template.get("Description"),
                "StackStatusReason": one.reason,
                "LastUpdatedTime": clock.utc(one.updated) if one.updated else None,
                "DeletionTime": clock.utc(one.deleted) if one.deleted else None,
                "Parameters": parameters(one),
                "RoleARN": one.options.get("RoleARN"),
                "TimeoutInMinutes": one.options.get("TimeoutInMinutes"),
            }
        ),
        "CreationTime": clock.utc(one.created),
        "StackStatus": one.status,
        "DisableRollback": bool(one.options.get("DisableRollback", False)),
        "EnableTerminationProtection": bool(one.options.get("EnableTerminationProtection", False)),
        "NotificationARNs": one.options.get("NotificationARNs", []),
        "Capabilities": one.options.get("Capabilities", []),
        "Outputs": [
            _present(
                {
                    "OutputKey": out.key,
                    "OutputValue": out.value,
                    "Description": out.description,
                    "ExportName": out.export,
                }
            )
            for out in one.outputs
        ],
        "Tags": tags(one.tags),
        "DriftInformation": NOT_CHECKED,
    }


def summary(one: Stack) -> Raw:
    shown = stack(one)
    names = (
        "StackId",
        "StackName",
        "CreationTime",
        "StackStatus",
        "LastUpdatedTime",
        "DeletionTime",
        "StackStatusReason",
        "DriftInformation",
    )
    answer = {name: shown[name] for name in names if name in shown}
    return {**answer, **_present({"TemplateDescription": shown.get("Description")})}


def resource(of: Stack, one: Resource) -> Raw:
    """StackResource; the other listings call its Timestamp LastUpdatedTimestamp."""
    return {
        "StackName": of.name,
        "StackId": of.id,
        **resource_summary(one),
        "Timestamp": clock.utc(one.at),
    }


def resource_summary(one: Resource) -> Raw:
    return {
        "LogicalResourceId": one.logical_id,
        "ResourceType": one.type,
        "ResourceStatus": one.status,
        "DriftInformation": RESOURCE_NOT_CHECKED,
        **_present({"PhysicalResourceId": one.physical_id, "ResourceStatusReason": one.reason}),
    }


def event(of: Stack, one: Event) -> Raw:
    return {
        "StackId": of.id,
        "StackName": of.name,
        "EventId": one.id,
        "LogicalResourceId": one.logical_id,
        "PhysicalResourceId": one.physical_id,
        "ResourceType": one.type,
        "Timestamp": clock.utc(one.at),
        "ResourceStatus": one.status,
        **_present({"ResourceStatusReason": one.reason, "ClientRequestToken": one.token}),
    }


def change_set_summary(of: Stack, one: ChangeSet) -> Raw:
    return {
        "ChangeSetId": one.id,
        "ChangeSetName": one.name,
        "StackId": of.id,
        "StackName": of.name,
        "CreationTime": clock.utc(one.created),
        "Status": one.status,
        "ExecutionStatus": one.execution,
        "IncludeNestedStacks": False,
        **_present({"StatusReason": one.reason, "Description": one.request.get("Description")}),
    }


def change_set(of: Stack, one: ChangeSet) -> Raw:
    return {
        **change_set_summary(of, one),
        "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in one.given.items()],
        "Tags": tags(one.tags),
        "Capabilities": one.request.get("Capabilities", []),
        "NotificationARNs": one.request.get("NotificationARNs", []),
        "Changes": [{"Type": "Resource", "ResourceChange": change} for change in one.changes],
    }
