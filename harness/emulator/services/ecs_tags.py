"""Tags of any ECS resource, and account settings."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from harness.emulator.cloud import Answer, Caller, Request
from harness.emulator.services.ecs_lookup import Raw, caller_arn, invalid, page, tags_in, tags_out
from harness.emulator.services.ecs_state import Region, Tags

if TYPE_CHECKING:
    from harness.emulator.services.ecs import Ecs

ACCOUNT_SETTINGS = {  # name -> what an account has without setting it
    "serviceLongArnFormat": "enabled",
    "taskLongArnFormat": "enabled",
    "containerInstanceLongArnFormat": "enabled",
    "awsvpcTrunking": "disabled",
    "containerInsights": "disabled",
    "fargateFIPSMode": "disabled",
    "tagResourceAuthorization": "off",
    "fargateTaskRetirementWaitPeriod": "7",
    "guardDutyActivate": "off",
    "defaultLogDriverMode": "non-blocking",
    "fargateEventWindows": "disabled",
}


class Tagged(Protocol):
    arn: str
    tags: Tags


def tags_of(region: Region, arn: str) -> Tags:
    """The tags of the resource, to read or to change. Raises InvalidParameterException."""
    task_sets = (task_set for service in region.services() for task_set in service.task_sets)
    everything: Iterable[Tagged] = itertools.chain(
        region.clusters.values(),
        region.services(),
        region.definitions(),
        region.tasks(),
        task_sets,
        region.instances(),
        region.providers.values(),
    )
    for resource in everything:
        if resource.arn == arn:
            return resource.tags
    raise invalid("The specified resource does not exist. Specify a valid resource and try again.")


def tag_resource(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    tags_of(ecs.regions[caller], request["resourceArn"]).update(tags_in(request))
    return {}


def untag_resource(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    tags = tags_of(ecs.regions[caller], request["resourceArn"])
    for key in request["tagKeys"]:
        tags.pop(key, None)
    return {}


def list_tags_for_resource(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    return {"tags": tags_out(tags_of(ecs.regions[caller], request["resourceArn"]))}


# ---- account settings: recorded and shown, without effect


def put_account_setting(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    return _put(ecs, caller, request, request.get("principalArn") or caller_arn(caller))


def put_account_setting_default(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    return _put(ecs, caller, request, caller_arn(caller))


def _put(ecs: Ecs, caller: Caller, request: Request, principal: str) -> Answer:
    name, value = request["name"], request["value"]
    if name not in ACCOUNT_SETTINGS:
        raise invalid(f"{name} is not a valid account setting name.")
    ecs.regions[caller].account_settings[principal, name] = value
    return {"setting": _setting(name, value, principal)}


def delete_account_setting(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    principal, name = request.get("principalArn") or caller_arn(caller), request["name"]
    value = ecs.regions[caller].account_settings.pop((principal, name), ACCOUNT_SETTINGS.get(name, ""))
    return {"setting": _setting(name, value, principal)}


def list_account_settings(ecs: Ecs, caller: Caller, request: Request) -> Answer:
    """Those that were set; with `effectiveSettings`, all of them."""
    principal = request.get("principalArn") or caller_arn(caller)
    chosen = {name: value for (who, name), value in ecs.regions[caller].account_settings.items() if who == principal}
    settings = {**ACCOUNT_SETTINGS, **chosen} if request.get("effectiveSettings") else chosen
    name, value = request.get("name"), request.get("value")
    found = [
        _setting(key, setting, principal)
        for key, setting in settings.items()
        if (name is None or key == name) and (value is None or setting == value)
    ]
    shown, more = page(request, "account-settings", found)
    return {"settings": shown, **more}


def _setting(name: str, value: str, principal: str) -> Raw:
    return {"name": name, "value": value, "principalArn": principal, "type": "user"}
