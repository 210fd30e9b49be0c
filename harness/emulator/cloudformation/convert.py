"""CloudFormation's spelling of a request to the API's: `HealthCheckPath` is `HealthCheckPath` or `healthCheckPath`, "80" is 80.

Members are found in botocore's model of the operation, whatever the case of their letters. What the model does not have is
refused by name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any, cast

from botocore.model import ListShape, MapShape, OperationModel, Shape, StringShape, StructureShape
from botocore.utils import parse_timestamp

from harness.emulator.cloud import Request
from harness.emulator.cloudformation.functions import invalid
from harness.emulator.wire import service_model

OTHERWISE = {
    "GroupSet": "Groups"
}  # a member that CloudFormation calls otherwise: an instance's network interface has it


def request_of(
    service: str, operation: str, properties: Mapping[str, Any], renamed: Mapping[str, str] | None = None
) -> Request:
    """The operation's request. `renamed` has properties that the API calls otherwise. Raises ValidationError."""
    shape = _operation(service, operation).input_shape
    given = {(renamed or {}).get(name, name): value for name, value in properties.items()}
    found: Request = to_api(shape, given, "")
    return found


@cache
def _operation(service: str, operation: str) -> OperationModel:
    return cast(OperationModel, service_model(service).operation_model(operation))


def to_api(shape: Shape, value: Any, path: str) -> Any:
    match shape:
        case StructureShape():
            return _structure(shape, value, path)
        case ListShape():
            items = value if isinstance(value, list) else [value]
            return [to_api(shape.member, item, f"{path}[{number}]") for number, item in enumerate(items)]
        case MapShape():
            if not isinstance(value, dict):
                raise invalid(f"Value of property {path} must be an object")
            return {key: to_api(shape.value, item, f"{path}.{key}") for key, item in value.items()}
    return _scalar(shape, value, path)


def _structure(shape: StructureShape, value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise invalid(f"Value of property {path} must be an object")
    members = {name.lower(): name for name in shape.members}
    answer = {}
    for key, item in value.items():
        name, at = members.get(str(OTHERWISE.get(key, key)).lower()), f"{path}.{key}".lstrip(".")
        if name is None:
            raise invalid(f"Encountered unsupported property {at}")
        answer[name] = to_api(shape.members[name], item, at)
    return answer


def _scalar(shape: Shape, value: Any, path: str) -> Any:
    try:
        match shape.type_name:
            case "integer" | "long":
                return int(value)
            case "float" | "double":
                return float(value)
            case "boolean":
                return _boolean(value)
            case "timestamp":
                return parse_timestamp(value)
            case "string":
                return _text(shape, value)
    except (TypeError, ValueError):
        raise invalid(f"Value of property {path} must be of type {shape.type_name}") from None
    return value


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() not in ("true", "false"):
        raise ValueError
    return str(value).lower() == "true"


def _text(shape: Shape, value: Any) -> str:
    """Numbers and truth values as text, documents (policies) as JSON; an enum keeps its own letters. Raises ValueError for a list."""
    if isinstance(value, list):
        raise ValueError
    if isinstance(value, dict):
        return json.dumps(value)
    text = str(value).lower() if isinstance(value, bool) else str(value)
    words = shape.enum if isinstance(shape, StringShape) else []
    return next((word for word in words if word.lower() == text.lower()), text)
