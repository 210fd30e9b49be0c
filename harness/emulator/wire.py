"""AWS wire protocols, server side, from botocore's service models: JSON 1.0/1.1, query (form in, XML out), and REST-JSON.

The codec is chosen from the request, never from the model's `protocol`: botocore sends CloudWatch as JSON where other clients send
the query form. `decode` finds operation and parameters, `encode` and `encode_error` render in the protocol the caller speaks.
"""

from __future__ import annotations

import base64
import json
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any, Literal, cast
from urllib.parse import parse_qs, parse_qsl, unquote

from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape
from botocore.utils import parse_timestamp
from botocore.validate import ParamValidator

from harness.emulator.cloud import AwsError
from harness.emulator.wire_writers import escaped, text_of, to_json, to_xml

Protocol = Literal["json", "query", "rest-json"]
Parameters = dict[str, Any]
Read = tuple[str, Callable[[OperationModel], Parameters]]  # the operation's name, and how to read its parameters
INVALID_PARAMETER = ("InvalidParameterException", "InvalidParameterValueException")
SERVER_FAULTS = {"ServerException"}  # ECS's; its model says `fault`, which botocore does not load
# A botocore session would import clients, waiters and documentation: a fifth of the start. ~/.aws/models says nothing here.
_LOADER = Loader([Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
_VALIDATOR = ParamValidator()
_ENCODE = json.JSONEncoder(check_circular=False).encode  # what a writer made has no circles: a third of the time
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
# What reading a body that is no JSON, no form, or of the wrong shape can raise; dateutil raises RuntimeError for the year 10**300.
_UNREADABLE = (ValueError, TypeError, AttributeError, KeyError, OverflowError, RuntimeError)


@cache
def service_model(service: str) -> ServiceModel:
    """botocore's model of a service; raises botocore's UnknownServiceError."""
    return ServiceModel(_LOADER.load_service_model(service, "service-2"), service)


@dataclass(frozen=True)
class WireRequest:
    """An HTTP request. `target` is path and query string as they were sent; header names are lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @cached_property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(self.target.partition("?")[2], keep_blank_values=True)


@dataclass(frozen=True, slots=True)
class WireAnswer:
    status: int
    content_type: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Codec:
    """How one caller speaks to one service. `operation` is None until it is known (an error may come before)."""

    service: str
    protocol: Protocol
    json_version: str = "1.1"
    operation: OperationModel | None = None

    @property
    def model(self) -> ServiceModel:
        return service_model(self.service)


# ---- request to parameters


def from_json(shape: Shape, value: Any) -> Any:
    match shape:
        case StructureShape():
            names = {member.serialization.get("name", key): (key, member) for key, member in shape.members.items()}
            known = ((names[key], item) for key, item in value.items() if key in names and item is not None)
            return {key: from_json(member, item) for (key, member), item in known}
        case ListShape():
            if not isinstance(value, list):
                raise TypeError(f"expected a list, not {type(value).__name__}")
            return [from_json(shape.member, item) for item in value]
        case MapShape():
            return {key: from_json(shape.value, item) for key, item in value.items()}
    return _scalar(shape, value)


def from_query(shape: Shape, form: Mapping[str, str], prefix: str = "") -> Any:
    """The value at `prefix` of a query form; None where nothing is there."""
    match shape:
        case StructureShape():
            dot = f"{prefix}." if prefix else ""
            found = {
                key: from_query(member, form, dot + member.serialization.get("name", key))
                for key, member in shape.members.items()
            }
            given = {key: value for key, value in found.items() if value is not None}
            return given if given or not prefix or prefix in form else None
        case ListShape():
            flat = shape.serialization.get("flattened")
            base = prefix if flat else f"{prefix}.{shape.member.serialization.get('name', 'member')}"
            items = _numbered(lambda number: from_query(shape.member, form, f"{base}.{number}"))
            return items or ([] if prefix in form else None)
        case MapShape():
            base = prefix if shape.serialization.get("flattened") else f"{prefix}.entry"
            key_name, value_name = (
                shape.key.serialization.get("name", "key"),
                shape.value.serialization.get("name", "value"),
            )
            keys = _numbered(lambda number: form.get(f"{base}.{number}.{key_name}"))
            return {
                key: from_query(shape.value, form, f"{base}.{number}.{value_name}")
                for number, key in enumerate(keys, 1)
            } or None
    return None if (raw := form.get(prefix)) is None else _scalar(shape, raw)


def _numbered(get: Callable[[int], Any]) -> list[Any]:
    """What `get` finds under 1, 2, 3 and so on, up to the first gap."""
    items: list[Any] = []
    while (item := get(len(items) + 1)) is not None:
        items.append(item)
    return items


def _scalar(shape: Shape, value: Any) -> Any:
    match shape.type_name:
        case "timestamp":
            return parse_timestamp(value)
        case "blob":
            return base64.b64decode(value)
        case "integer" | "long" if isinstance(value, str):
            return int(value)
        case "float" | "double" if isinstance(value, str):
            return float(value)
        case "boolean" if isinstance(value, str):
            return value.lower() == "true"
    return value


# ---- which service, which operation


def operation_of(codec: Codec, name: str) -> OperationModel:
    if name not in codec.model.operation_names:
        raise AwsError(
            "InvalidAction" if codec.protocol == "query" else "UnknownOperationException",
            f"{name} is not an operation of {codec.service}",
            400 if codec.protocol == "query" else 404,
        )
    return cast(OperationModel, codec.model.operation_model(name))


def decode(codec: Codec, request: WireRequest) -> tuple[Codec, Parameters]:
    """The codec with its operation, and validated parameters. Raises AwsError; a body that cannot be read is the client's error."""
    try:
        name, parameters = _READ[codec.protocol](codec, request)
    except _UNREADABLE as error:
        raise AwsError(_malformed(codec), f"The request could not be read: {error}", 400) from error
    operation = operation_of(codec, name)
    found = Codec(codec.service, codec.protocol, codec.json_version, operation)
    try:
        given = parameters(operation)
    except _UNREADABLE as error:
        raise AwsError(_malformed(codec), f"{name}: the request could not be read: {error}", 400) from error
    if operation.input_shape is not None:
        report = _VALIDATOR.validate(given, operation.input_shape)
        if report.has_errors():
            raise AwsError(_invalid(found), report.generate_report())
    return found, given


def _read_json(codec: Codec, request: WireRequest) -> Read:
    document = json.loads(request.body or b"{}")
    name = request.headers["x-amz-target"].partition(".")[2]
    return name, lambda operation: from_json(operation.input_shape, document) if operation.input_shape else {}


def _read_query(codec: Codec, request: WireRequest) -> Read:
    """A form in the body, or the same names in the query string of a GET."""
    form = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
    form = form or {name: values[-1] for name, values in request.query.items()}
    if "Action" not in form:
        raise AwsError("MissingAction", "The request is missing an action", 400)
    for name, value in form.items():
        if _NOT_XML.search(value):
            raise AwsError(_malformed(codec), f"{name} has characters that XML cannot carry", 400)
    return form["Action"], lambda operation: from_query(operation.input_shape, form) if operation.input_shape else {}


def _read_rest(codec: Codec, request: WireRequest) -> Read:
    name, labels = match_rest(codec.service, request)
    return name, lambda operation: _rest_parameters(operation, labels, request)


_READ: Mapping[Protocol, Callable[[Codec, WireRequest], Read]] = {
    "json": _read_json,
    "query": _read_query,
    "rest-json": _read_rest,
}


@dataclass(frozen=True, slots=True)
class _Route:
    """How a REST operation is asked for. `required`: names and values that its query string must have."""

    method: str
    path: re.Pattern[str]
    required: Mapping[str, list[str]]
    operation: str

    def matches(self, request: WireRequest) -> re.Match[str] | None:
        if self.method != request.method or any(
            request.query.get(key) != value for key, value in self.required.items()
        ):
            return None
        return self.path.fullmatch(request.path)


@cache
def _rest_routes(service: str) -> list[_Route]:
    """The most specific first."""
    routes = []
    for name in service_model(service).operation_names:
        http = service_model(service).operation_model(name).http
        path, _, required = http["requestUri"].partition("?")
        pattern = re.sub(
            r"\\\{(\w+)(\\\+)?\\\}", lambda m: f"(?P<{m[1]}>{'.+' if m[2] else '[^/]+'})", re.escape(path.rstrip("/"))
        )
        routes.append(_Route(http["method"], re.compile(pattern + "/?"), parse_qs(required), name))
    return sorted(routes, key=lambda route: (-len(route.required), -len(route.path.pattern)))


def match_rest(service: str, request: WireRequest) -> tuple[str, dict[str, str]]:
    """(operation, path labels). Raises AwsError where no operation has this path."""
    for route in _rest_routes(service):
        if found := route.matches(request):
            return route.operation, {key: unquote(value) for key, value in found.groupdict().items()}
    raise AwsError("UnknownOperationException", f"{request.method} {request.path} is no operation of {service}", 404)


def _rest_parameters(operation: OperationModel, labels: Mapping[str, str], request: WireRequest) -> Parameters:
    shape = operation.input_shape
    if shape is None:
        return {}
    found = {key: _located(member, key, labels, request) for key, member in shape.members.items()}
    given = {key: value for key, value in found.items() if value is not None}
    payload = shape.serialization.get("payload")
    if payload and shape.members[payload].type_name == "blob":
        return {**given, payload: request.body}
    if request.body:
        document = from_json(shape.members[payload] if payload else shape, json.loads(request.body))
        given |= {payload: document} if payload else document
    return given


def _located(member: Shape, key: str, labels: Mapping[str, str], request: WireRequest) -> Any:
    """A parameter that travels in the path, the query string or a header; None for one that does not, or was not given."""
    name = member.serialization.get("name", key)
    match member.serialization.get("location"):
        case "uri":
            values = [labels[name]] if name in labels else []
        case "querystring":
            values = request.query.get(name, [])
        case "header":
            values = [request.headers[name.lower()]] if name.lower() in request.headers else []
        case _:
            return None
    if isinstance(member, ListShape):
        return [_scalar(member.member, value) for value in values] or None
    return _scalar(member, values[-1]) if values else None


def _malformed(codec: Codec) -> str:
    return "MalformedInput" if codec.protocol == "query" else "SerializationException"


def _invalid(codec: Codec) -> str:
    """The service's own name for a parameter that is wrong."""
    if codec.protocol == "query":
        return "ValidationError"
    names = {shape.name for shape in codec.model.error_shapes}
    known = (name for name in ("ValidationException", *INVALID_PARAMETER) if name in names)
    return next(known, "ValidationException")


# ---- answers


def encode(codec: Codec, result: Mapping[str, Any]) -> WireAnswer:
    """The answer of an operation that succeeded."""
    operation, request_id = codec.operation, str(uuid.uuid4())
    assert operation is not None
    shape = operation.output_shape
    headers = {"x-amzn-RequestId": request_id}
    match codec.protocol:
        case "query":
            inner = (
                to_xml(shape, result, shape.serialization.get("resultWrapper", f"{operation.name}Result"))
                if shape
                else ""
            )
            body = (
                f'<{operation.name}Response xmlns="{codec.model.metadata["xmlNamespace"]}">{inner}'
                f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{operation.name}Response>"
            )
            return WireAnswer(200, "text/xml", body.encode(), headers)
        case "json":
            text = _ENCODE(to_json(shape, result)) if shape else "{}"
            return WireAnswer(200, f"application/x-amz-json-{codec.json_version}", text.encode(), headers)
    return _encode_rest(operation, result, headers)


def _encode_rest(operation: OperationModel, result: Mapping[str, Any], headers: dict[str, str]) -> WireAnswer:
    shape = operation.output_shape
    status = int(operation.http.get("responseCode", 200))
    if shape is None:
        return WireAnswer(status, "application/json", b"", headers)
    body_members: dict[str, Any] = {}
    for key, member in shape.members.items():
        if (value := result.get(key)) is None:
            continue
        match member.serialization.get("location"):
            case "header":
                headers[member.serialization.get("name", key)] = text_of(value)
            case "statusCode":
                status = int(value)
            case _:
                body_members[key] = value
    payload = shape.serialization.get("payload")
    if payload and shape.members[payload].type_name == "blob":
        return WireAnswer(status, "application/octet-stream", body_members.get(payload, b""), headers)
    document = (
        to_json(shape.members[payload], body_members.get(payload, {})) if payload else to_json(shape, body_members)
    )
    return WireAnswer(status, "application/json", json.dumps(document).encode(), headers)


def encode_error(codec: Codec, error: AwsError) -> WireAnswer:
    """An error in the shape that the caller's SDK reads; the status is the model's where the error names none.

    A query code can differ from the JSON name of the same error (`ValidationError`, `ValidationException`): `error.code` may be either.
    """
    name, query_code, modelled = _spellings(codec, error.code)
    status, request_id = error.status or modelled, str(uuid.uuid4())
    headers, fault = {"x-amzn-RequestId": request_id}, "Receiver" if status >= 500 else "Sender"
    if codec.protocol == "query":
        body = (
            f'<ErrorResponse xmlns="{codec.model.metadata["xmlNamespace"]}"><Error><Type>{fault}</Type>'
            f"<Code>{escaped(query_code)}</Code><Message>{escaped(error.message)}</Message></Error>"
            f"<RequestId>{request_id}</RequestId></ErrorResponse>"
        )
        return WireAnswer(status, "text/xml", body.encode(), headers)
    headers["x-amzn-ErrorType"] = name
    if "awsQueryCompatible" in codec.model.metadata:
        headers["x-amzn-query-error"] = f"{query_code};{fault}"
    document = json.dumps({"__type": name, "message": error.message, "Message": error.message})
    kind = "application/json" if codec.protocol == "rest-json" else f"application/x-amz-json-{codec.json_version}"
    return WireAnswer(status, kind, document.encode(), headers)


def refuse_smithy(protocol: str) -> WireAnswer:
    """The answer to a Smithy RPC v2 request, in CBOR where its SDK reads nothing else (section 0 of the reference)."""
    code, said = (
        "UnsupportedProtocol",
        f"rehearse does not speak {protocol}: configure the SDK to use AWS JSON 1.1 or query",
    )
    headers = {"x-amzn-RequestId": str(uuid.uuid4()), "x-amzn-ErrorType": code, "smithy-protocol": protocol}
    if not protocol.endswith("cbor"):
        return WireAnswer(415, "application/json", json.dumps({"__type": code, "message": said}).encode(), headers)
    texts = [_cbor_text(text) for text in ("__type", code, "message", said)]
    return WireAnswer(415, "application/cbor", b"\xa2" + b"".join(texts), headers)  # a map of two


def _cbor_text(text: str) -> bytes:
    """RFC 8949, major type 3 with a length of two bytes."""
    data = text.encode()
    return b"\x79" + len(data).to_bytes(2, "big") + data


def _spellings(codec: Codec, code: str) -> tuple[str, str, int]:
    """(name in JSON, code in XML, HTTP status) of an error; a shape of that very name comes before one with that XML code."""
    shapes = sorted(codec.model.error_shapes, key=lambda shape: shape.name != code)
    for shape in shapes:
        meta = shape.metadata.get("error", {})
        query_code = meta.get("code", shape.name)
        if code in (shape.name, query_code):
            usual = 500 if shape.name in SERVER_FAULTS else 400
            return shape.name, query_code, int(meta.get("httpStatusCode", usual))
    return code, code, 400
