"""The wire codec against botocore's own serialiser and parser: what one side writes, the other reads."""

import json
import string
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.awsrequest import HeadersDict
from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.emulator import emulated, wire
from harness.emulator.cloud import AwsError
from harness.emulator.wire import Codec, WireRequest

SPOKEN = [  # (service, protocol) pairs that clients of today use
    ("ecs", "json"),
    ("codedeploy", "json"),
    ("ecr", "json"),
    ("cloudwatch", "json"),
    ("cloudwatch", "query"),
    ("elbv2", "query"),
    ("ecr", "json"),
    ("cloudformation", "query"),
    ("resourcegroupstaggingapi", "json"),
]
DEEPEST = 5
TEXT = st.text(st.characters(exclude_categories=("Cc", "Cs", "Cn")), max_size=8)


# ---- values of a shape


def values(shape: Shape, depth: int = 0) -> st.SearchStrategy[Any]:
    least = shape.metadata.get("min", 0)
    match shape:
        case StructureShape():
            return structures(shape, depth)
        case ListShape():
            most = least if depth > DEEPEST else max(least, 2)
            return st.lists(values(shape.member, depth + 1), min_size=least, max_size=most)
        case MapShape():
            fewest = (
                0 if depth <= 1 else 1
            )  # deeper, an empty map leaves an empty structure, which queries cannot carry
            return st.dictionaries(values(shape.key), values(shape.value, depth + 1), min_size=fewest, max_size=2)
    return scalars(shape, least)


def scalars(shape: Shape, least: float) -> st.SearchStrategy[Any]:
    match shape.type_name:
        case "string":
            return st.sampled_from(shape.enum) if shape.enum else TEXT.map(lambda text: text.ljust(int(least), "x"))
        case "integer" | "long":
            return st.integers(int(least), 2**31 - 1)
        case "float" | "double":
            return st.floats(least, 1e9, allow_nan=False)
        case "boolean":
            return st.booleans()
        case "timestamp":
            return st.integers(0, 4_000_000_000).map(lambda second: datetime.fromtimestamp(second, UTC))
        case "blob":
            return st.binary(min_size=int(least), max_size=8)
    raise AssertionError(f"{shape.name} is a {shape.type_name}")


def structures(shape: StructureShape, depth: int) -> st.SearchStrategy[dict[str, Any]]:
    """Never empty where it can be helped: an empty structure does not exist in the query protocol."""
    if getattr(shape, "is_tagged_union", False):
        return st.sampled_from(sorted(shape.members)).flatmap(
            lambda key: st.fixed_dictionaries({key: values(shape.members[key], depth + 1)})
        )
    required = {key: values(shape.members[key], depth + 1) for key in shape.required_members}
    optional = {key: key for key in shape.members if key not in required}
    if depth > DEEPEST:
        plain = (StructureShape, ListShape, MapShape)
        optional = {key: key for key in optional if not isinstance(shape.members[key], plain)}
    if not optional:
        return st.fixed_dictionaries(required)
    least = 0 if required else 1
    return st.sets(st.sampled_from(sorted(optional)), min_size=least, max_size=4).flatmap(
        lambda keys: st.fixed_dictionaries(required | {key: values(shape.members[key], depth + 1) for key in keys})
    )


def seen(value: Any) -> Any:
    """What the protocols can tell apart: an empty structure or map is the same as none."""
    match value:
        case dict():
            return {key: shown for key, item in value.items() if (shown := seen(item)) not in ({}, None)}
        case list():
            return [seen(item) for item in value]
        case datetime():
            return round(value.timestamp(), 3)
        case float():
            return pytest.approx(value)
    return value


# ---- one trip in each direction


def operations(service: str) -> list[OperationModel]:
    model = wire.service_model(service)
    return [model.operation_model(name) for name in model.operation_names]


def sent(operation: OperationModel, protocol: Any, parameters: dict[str, Any]) -> WireRequest:
    """The HTTP request that botocore would send."""
    made = create_serializer(protocol, include_validation=False).serialize_to_request(parameters, operation)
    body = made["body"]
    if isinstance(body, dict):
        body = urlencode(body, doseq=True)
    content = body.encode() if isinstance(body, str) else body
    headers = {name.lower(): value for name, value in made["headers"].items()}
    return WireRequest(made["method"], made["url_path"], headers, content)


def check_request(service: str, protocol: Any, operation: OperationModel, data: st.DataObject) -> None:
    parameters = data.draw(values(operation.input_shape)) if operation.input_shape else {}
    codec, read = wire.decode(Codec(service, protocol), sent(operation, protocol, parameters))
    assert codec.operation is not None
    assert codec.operation.name == operation.name
    assert seen(parameters) == seen(read)


def check_answer(service: str, protocol: Any, operation: OperationModel, data: st.DataObject) -> None:
    result = data.draw(values(operation.output_shape)) if operation.output_shape else {}
    answer = wire.encode(Codec(service, protocol, operation=operation), result)
    received = {"status_code": answer.status, "headers": HeadersDict(answer.headers), "body": answer.body}
    read = create_parser(protocol).parse(received, operation.output_shape)
    assert read.pop("ResponseMetadata")["RequestId"]
    empty_in_xml = {key: value for key, value in result.items() if value not in ([], {})}
    assert seen(empty_in_xml) == {key: value for key, value in seen(read).items() if value not in ([], {})}


quick = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize(("service", "protocol"), SPOKEN)
@quick
@given(data=st.data())
def test_any_request_arrives_as_botocore_sent_it(service: str, protocol: str, data: st.DataObject):
    check_request(service, protocol, data.draw(st.sampled_from(operations(service))), data)


@pytest.mark.parametrize(("service", "protocol"), SPOKEN)
@quick
@given(data=st.data())
def test_any_answer_is_read_by_botocore_as_it_was_given(service: str, protocol: str, data: st.DataObject):
    check_answer(service, protocol, data.draw(st.sampled_from(operations(service))), data)


def test_every_service_of_ours_is_spoken_here():
    """The REST requests of Lambda and of EventBridge Scheduler have tests of their own."""
    assert {service for service, _ in SPOKEN} == set(emulated.SERVICES) - {"lambda", "scheduler"}


@pytest.mark.slow
@pytest.mark.parametrize(("service", "protocol"), SPOKEN)
def test_every_operation_of_every_service_makes_the_round_trip(service: str, protocol: str):
    for operation in operations(service):
        both_ways(service, protocol, operation)


def both_ways(service: str, protocol: str, operation: OperationModel) -> None:
    @settings(max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(data=st.data())
    def check(data: st.DataObject) -> None:
        check_request(service, protocol, operation, data)
        check_answer(service, protocol, operation, data)

    check()


# ---- what cannot be read


def refusal(service: str, protocol: Any, body: bytes, operation: str = "", **headers: str) -> AwsError:
    target = {"x-amz-target": f"prefix.{operation}"} if protocol == "json" else {}
    with pytest.raises(AwsError) as refused:
        wire.decode(Codec(service, protocol), WireRequest("POST", "/", {**target, **headers}, body))
    return refused.value


UNREADABLE = [
    b"{",
    b"[]",
    b"null",
    b'"text"',
    b"\xff\xfe",
    b'{"services": "web"}',
    b'{"services": {"a": 1}}',
    b'{"services": [null]}',
    b"[" * 100_000,
]


@pytest.mark.parametrize("body", UNREADABLE, ids=lambda body: repr(body[:24]))
def test_json_that_cannot_be_read_is_the_clients_error(body: bytes):
    error = refusal("ecs", "json", body, "DescribeServices")
    assert error.code in ("SerializationException", "InvalidParameterException")
    assert wire.encode_error(Codec("ecs", "json"), error).status == 400


@pytest.mark.parametrize("moment", [1e300, "yesterday", {}, float("nan"), [1]], ids=str)
def test_timestamp_that_is_none_is_the_clients_error(moment: Any):
    body = json.dumps({"createTimeRange": {"start": moment}}).encode()
    assert refusal("codedeploy", "json", body, "ListDeployments").code == "SerializationException"


@given(body=st.binary(max_size=60))
def test_no_body_whatever_breaks_the_codec(body: bytes):
    for service, protocol, headers in (
        ("ecs", "json", {"x-amz-target": "x.CreateService"}),
        ("elbv2", "query", {}),
        ("elbv2", "query", {}),
    ):
        content = b"Action=CreateRule&" + body if protocol == "query" else body
        with pytest.raises(AwsError):
            wire.decode(Codec(service, protocol), WireRequest("POST", "/", headers, content))  # type: ignore[arg-type]


def test_form_without_an_action_is_missing_it():
    assert refusal("elbv2", "query", b"Version=2015-12-01").code == "MissingAction"


def test_number_that_is_none_in_a_form_is_malformed():
    body = b"Action=DescribeLoadBalancers&Version=2015-12-01&PageSize=many"
    assert refusal("elbv2", "query", body).code == "MalformedInput"


def test_form_with_a_control_character_is_malformed_because_xml_could_not_answer_it():
    body = b"Action=DescribeLoadBalancers&Version=2015-12-01&Names.member.1=a%01b"
    assert refusal("elbv2", "query", body).code == "MalformedInput"


@pytest.mark.parametrize(
    ("service", "protocol", "operation", "body", "code"),
    [
        ("ecs", "json", "CreateService", b"{}", "InvalidParameterException"),
        ("codedeploy", "json", "CreateDeploymentGroup", b"{}", "ValidationException"),
        ("cloudwatch", "json", "PutMetricAlarm", b"{}", "ValidationException"),
        ("elbv2", "query", "", b"Action=CreateTargetGroup", "ValidationError"),
        ("cloudwatch", "query", "", b"Action=PutMetricAlarm", "ValidationError"),
    ],
)
def test_missing_parameter_is_named_with_the_services_own_code(
    service: str, protocol: str, operation: str, body: bytes, code: str
):
    error = refusal(service, protocol, body, operation)
    assert error.code == code
    assert "Missing required parameter" in error.message


def test_operation_of_no_model_is_unknown():
    unknown = refusal("ecs", "json", b"{}", "MakeCoffee")
    assert (unknown.code, unknown.status) == ("UnknownOperationException", 404)
    assert "MakeCoffee" in unknown.message
    unknown = refusal("elbv2", "query", b"Action=MakeCoffee")
    assert (unknown.code, unknown.status) == ("InvalidAction", 400)


# ---- errors as SDKs read them


@pytest.mark.parametrize(
    ("service", "protocol", "code", "status"),
    [
        ("ecs", "json", "ServiceNotFoundException", 400),
        ("ecs", "json", "ServerException", 500),
        ("elbv2", "query", "PriorityInUse", 400),
        ("cloudwatch", "query", "InvalidParameterValue", 400),
        ("lambda", "rest-json", "ResourceNotFoundException", 404),
        ("lambda", "rest-json", "TooManyRequestsException", 429),
    ],
)
def test_error_has_the_models_status_and_the_shape_botocore_reads(service: str, protocol: Any, code: str, status: int):
    said = 'not <found> & "quoted"\r\né'
    answer = wire.encode_error(Codec(service, protocol), AwsError(code, said))
    received = {"status_code": answer.status, "headers": HeadersDict(answer.headers), "body": answer.body}
    read = create_parser(protocol).parse(received, None)
    assert (answer.status, read["Error"]["Code"], read["Error"]["Message"]) == (status, code, said)
    assert answer.headers["x-amzn-RequestId"]


# ---- REST


@pytest.mark.parametrize(
    ("method", "path", "operation", "labels"),
    [
        ("POST", "/2015-03-31/functions", "CreateFunction", {}),
        ("GET", "/2015-03-31/functions/", "ListFunctions", {}),
        ("GET", "/2015-03-31/functions/hook", "GetFunction", {"FunctionName": "hook"}),
        (
            "POST",
            "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Ahook/invocations",
            "Invoke",
            {"FunctionName": "arn:aws:lambda:us-east-1:123456789012:function:hook"},
        ),
    ],
)
def test_rest_path_names_its_operation(method: str, path: str, operation: str, labels: dict[str, str]):
    assert wire.match_rest("lambda", WireRequest(method, path, {}, b"")) == (operation, labels)


def test_rest_path_of_no_operation_is_unknown():
    with pytest.raises(AwsError, match=r"PATCH /2015-03-31/functions is no operation of lambda"):
        wire.match_rest("lambda", WireRequest("PATCH", "/2015-03-31/functions", {}, b""))


def test_rest_request_is_read_from_path_query_headers_and_body():
    request = WireRequest(
        "POST",
        "/2015-03-31/functions/hook/invocations?Qualifier=1",
        {"x-amz-invocation-type": "Event"},
        b'{"DeploymentId": "d-1"}',
    )
    _, read = wire.decode(Codec("lambda", "rest-json"), request)
    assert read == {
        "FunctionName": "hook",
        "Qualifier": "1",
        "InvocationType": "Event",
        "Payload": b'{"DeploymentId": "d-1"}',
    }


def test_rest_list_in_the_query_string_keeps_every_value():
    arn = "arn:aws:lambda:us-east-1:123456789012:function:hook"
    request = WireRequest("DELETE", f"/2017-03-31/tags/{arn}?tagKeys=a&tagKeys=b%2Cc", {}, b"")
    assert wire.decode(Codec("lambda", "rest-json"), request)[1] == {"Resource": arn, "TagKeys": ["a", "b,c"]}


def test_every_path_of_the_lambda_model_leads_to_its_own_operation():
    for operation in operations("lambda"):
        path = operation.http["requestUri"]
        labels = {
            member.serialization["name"]: "x"
            for member in (operation.input_shape.members.values() if operation.input_shape else ())
            if member.serialization.get("location") == "uri"
        }
        for name, value in labels.items():
            path = path.replace(f"{{{name}}}", value).replace(f"{{{name}+}}", value)
        assert not set("{}") & set(path), path
        assert wire.match_rest("lambda", WireRequest(operation.http["method"], path, {}, b""))[0] == operation.name


def test_answer_has_a_request_id_of_its_own():
    operation = wire.service_model("ecs").operation_model("ListClusters")
    ids = {wire.encode(Codec("ecs", "json", operation=operation), {}).headers["x-amzn-RequestId"] for _ in range(3)}
    assert len(ids) == 3
    assert all(set(one) <= set(string.hexdigits + "-") for one in ids)
