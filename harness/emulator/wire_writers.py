"""Values of a botocore shape as JSON and as XML.

A shape's writer is worked out once and kept: an answer has hundreds of members, and a model is slow to ask (docs/decisions/0005). Members
are looked up as they first occur, so that shapes may contain themselves.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any
from xml.sax.saxutils import escape

from botocore.model import ListShape, MapShape, Shape, StructureShape

_SPECIAL = re.compile("[&<>\r]")


def to_json(shape: Shape, value: Any) -> Any:
    """`value` as JSON has it: members of the model alone, under their wire names, nothing that is None."""
    return _json_writer(shape)(value)


@cache
def _json_writer(shape: Shape) -> Callable[[Any], Any]:
    match shape:
        case StructureShape():
            return _json_structure(shape)
        case ListShape():
            item = _json_writer(shape.member)
            return _as_it_is if item is _as_it_is else lambda value: [item(one) for one in value]
        case MapShape():
            each = _json_writer(shape.value)
            return _as_it_is if each is _as_it_is else lambda value: {key: each(item) for key, item in value.items()}
    match shape.type_name:
        case "timestamp":
            return lambda value: round(value.timestamp(), 3) if isinstance(value, datetime) else value
        case "blob":
            return lambda value: base64.b64encode(value).decode() if isinstance(value, bytes) else value
    return _as_it_is


def _as_it_is(value: Any) -> Any:
    return value


def _json_structure(shape: StructureShape) -> Callable[[Any], Any]:
    names = _wire_names(shape)
    writers: dict[str, Callable[[Any], Any]] = {}

    def write(value: Mapping[str, Any]) -> dict[str, Any]:
        found = {}
        for key, item in value.items():
            if item is not None and key in names:
                writer = writers.get(key) or writers.setdefault(key, _json_writer(shape.members[key]))
                found[names[key]] = item if writer is _as_it_is else writer(item)  # most members
        return found

    return write


def to_xml(shape: Shape, value: Any, tag: str) -> str:
    """`value` as an element called `tag`."""
    return _xml_writer(shape, tag)(value)


@cache
def _xml_writer(shape: Shape, tag: str) -> Callable[[Any], str]:
    match shape:
        case StructureShape():
            return _xml_structure(shape, tag)
        case ListShape():
            flat = shape.serialization.get("flattened")
            item = _xml_writer(shape.member, tag if flat else shape.member.serialization.get("name", "member"))
            if flat:
                return lambda value: "".join([item(one) for one in value])
            return lambda value: f"<{tag}>{''.join([item(one) for one in value])}</{tag}>"
        case MapShape():
            return lambda value: f"<{tag}>{''.join(_xml_entry(shape, *entry) for entry in value.items())}</{tag}>"
    return lambda value: f"<{tag}>{escaped(text_of(value))}</{tag}>"


def _xml_structure(shape: StructureShape, tag: str) -> Callable[[Any], str]:
    names = _wire_names(shape)
    writers: dict[str, Callable[[Any], str]] = {}

    def write(value: Mapping[str, Any]) -> str:
        parts = []
        for key, item in value.items():
            if item is not None and key in names:
                writer = writers.get(key) or writers.setdefault(key, _xml_writer(shape.members[key], names[key]))
                parts.append(writer(item))
        return f"<{tag}>{''.join(parts)}</{tag}>"

    return write


def _xml_entry(shape: MapShape, key: Any, value: Any) -> str:
    key_name = shape.key.serialization.get("name", "key")
    value_name = shape.value.serialization.get("name", "value")
    return f"<entry>{to_xml(shape.key, key, key_name)}{to_xml(shape.value, value, value_name)}</entry>"


def _wire_names(shape: StructureShape) -> dict[str, str]:
    return {key: member.serialization.get("name", key) for key, member in shape.members.items()}


def escaped(text: str) -> str:
    """For XML; a parser would read a bare carriage return as a line feed."""
    if _SPECIAL.search(text) is None:
        return text
    return escape(text, {"\r": "&#13;"})


def text_of(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)
