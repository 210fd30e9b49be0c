"""Resource Groups Tagging API: what bears which tags, over our services and the delegate's (tagging_sources.py).

Reading alone: tags are set by each service's own operations. There is no delay here, on AWS the answer is some seconds old.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from typing import Any

from harness.emulator.cloud import Answer, AwsError, Caller, Cloud, Request
from harness.emulator.services.tagging_sources import SOURCES, Asking, Tagged

PER_PAGE = 50


class Tagging:
    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    async def get_resources(self, caller: Caller, request: Request) -> Answer:
        """By ARN; a page's token is the last ARN of the one before."""
        filters, types = request.get("TagFilters", []), request.get("ResourceTypeFilters", [])
        arns = request.get("ResourceARNList")
        if arns and (filters or types or request.get("ResourcesPerPage")):
            raise invalid("ResourceARNList cannot be combined with filters or ResourcesPerPage")
        size, after = int(request.get("ResourcesPerPage") or PER_PAGE), _after(request.get("PaginationToken", ""))
        if not 1 <= size <= 100:
            raise invalid("ResourcesPerPage must be between 1 and 100")
        found = [
            (arn, tags)
            for arn, tags in await self._all(caller)
            if arn > after and (not arns or arn in arns) and has_type(arn, types) and has_tags(tags, filters)
        ]
        token = base64.b64encode(found[size - 1][0].encode()).decode() if len(found) > size else ""
        return {"ResourceTagMappingList": [_mapping(*one) for one in found[:size]], "PaginationToken": token}

    async def _all(self, caller: Caller) -> list[Tagged]:
        """By ARN, each once; what has no tags is not here."""
        found: dict[str, dict[str, str]] = {}
        for source in SOURCES:
            async for arn, tags in source(Asking(self._cloud, caller)):
                if tags:
                    found[arn] = tags
        return sorted(found.items())

    async def get_tag_keys(self, caller: Caller, request: Request) -> Answer:
        keys = sorted({key for _, tags in await self._all(caller) for key in tags})
        return {"TagKeys": keys, "PaginationToken": ""}

    async def get_tag_values(self, caller: Caller, request: Request) -> Answer:
        key = request["Key"]
        return {
            "TagValues": sorted({tags[key] for _, tags in await self._all(caller) if key in tags}),
            "PaginationToken": "",
        }


def invalid(message: str) -> AwsError:
    return AwsError("InvalidParameterException", message)


def _after(token: str) -> str:
    try:
        return base64.b64decode(token, validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise AwsError("PaginationTokenExpiredException", "The PaginationToken is not valid") from error


def has_type(arn: str, types: Sequence[str]) -> bool:
    """`ecs:service` or `ecs`; no filter is every type."""
    service, resource = arn.split(":", 5)[2], arn.split(":", 5)[5]
    kind = re.split(r"[:/]", resource)[0]
    return not types or service in types or f"{service}:{kind}" in types


def has_tags(tags: Mapping[str, str], filters: Sequence[Mapping[str, Any]]) -> bool:
    """Every filter's key is there, with one of its values where it has any."""
    return all(one["Key"] in tags and (not one.get("Values") or tags[one["Key"]] in one["Values"]) for one in filters)


def _mapping(arn: str, tags: Mapping[str, str]) -> Answer:
    return {"ResourceARN": arn, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
