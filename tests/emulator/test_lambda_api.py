"""Lambda functions as resources: their shape, code, tags and policy, and what is refused."""

import base64
import hashlib
import json
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from tests.emulator.conftest import Running
from tests.emulator.lambda_story import ECHO, ROLE, Functions, refusal, zipped


@pytest.fixture
def functions(aws: Running) -> Iterator[Functions]:
    made = Functions(aws)
    yield made
    made.remove_all()


# ---- functions as resources


def test_function_has_the_shape_of_awss(functions: Functions):
    code = zipped(ECHO)
    name = functions.create(
        code={"ZipFile": code}, Tags={"a": "b"}, Environment={"Variables": {"A": "1"}}, Description="checks"
    )
    functions.client.get_waiter("function_active_v2").wait(FunctionName=name)
    functions.client.get_waiter("function_updated_v2").wait(FunctionName=name)
    found = functions.client.get_function(FunctionName=name)
    shown = found["Configuration"]
    assert found["Tags"] == {"a": "b"}
    assert shown["FunctionArn"] == f"arn:aws:lambda:us-east-1:123456789012:function:{name}"
    assert shown["CodeSha256"] == base64.b64encode(hashlib.sha256(code).digest()).decode()
    assert shown["CodeSize"] == len(code)
    assert shown["LastModified"].endswith("+0000")
    expected = {
        "Runtime": "python3.12",
        "Handler": "index.handler",
        "Role": ROLE,
        "Timeout": 3,
        "MemorySize": 128,
        "Description": "checks",
        "Environment": {"Variables": {"A": "1"}},
        "Version": "$LATEST",
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "PackageType": "Zip",
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{name}"},
    }
    assert expected.items() <= shown.items()
    again = functions.client.get_function_configuration(FunctionName=name)
    assert again["RevisionId"] == shown["RevisionId"]


def test_function_is_found_by_name_arn_and_parts_of_it(functions: Functions):
    name = functions.create()
    arn = f"arn:aws:lambda:us-east-1:123456789012:function:{name}"
    for spelled in (
        name,
        arn,
        f"123456789012:function:{name}",
        f"function:{name}",
        f"{arn}:$LATEST",
        f"{name}:$LATEST",
    ):
        assert functions.client.get_function_configuration(FunctionName=spelled)["FunctionArn"] == arn
    assert functions.invoke(arn, 1) == ({"echo": 1}, None)
    assert functions.client.get_function(FunctionName=name, Qualifier="$LATEST")


def test_code_can_come_from_s3(functions: Functions):
    s3, bucket = functions.aws.client("s3"), f"b{secrets.token_hex(4)}"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="code.zip", Body=zipped(ECHO))
    name = functions.create(code={"S3Bucket": bucket, "S3Key": "code.zip"})
    assert functions.invoke(name, 1) == ({"echo": 1}, None)
    code, message, _ = refusal(functions.create, code={"S3Bucket": bucket, "S3Key": "absent.zip"})
    assert code == "InvalidParameterValueException"
    assert "S3 Error Code: NoSuchKey" in message


def test_updated_code_is_what_runs(functions: Functions):
    name = functions.create()
    assert functions.invoke(name, 1) == ({"echo": 1}, None)
    before = functions.client.get_function_configuration(FunctionName=name)
    new = zipped("def handler(event, context): return 'new'")
    dry = functions.client.update_function_code(FunctionName=name, ZipFile=new, DryRun=True)
    assert dry["CodeSha256"] == before["CodeSha256"]
    after = functions.client.update_function_code(FunctionName=name, ZipFile=new, RevisionId=before["RevisionId"])
    assert after["CodeSha256"] != before["CodeSha256"]
    assert after["RevisionId"] != before["RevisionId"]
    assert functions.invoke(name, 1) == ("new", None)
    stale = refusal(
        functions.client.update_function_code, FunctionName=name, ZipFile=new, RevisionId=before["RevisionId"]
    )
    assert stale[::2] == ("PreconditionFailedException", 412)


def test_listing_has_pages_and_keeps_to_its_region(functions: Functions):
    elsewhere = functions.aws.client("lambda", region_name="eu-west-3")
    names = sorted(functions.create(FunctionName=f"page-{secrets.token_hex(3)}") for _ in range(3))
    pages = functions.client.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 1})
    listed = [one["FunctionName"] for page in pages for one in page["Functions"]]
    assert [name for name in listed if name in names] == names
    assert elsewhere.list_functions()["Functions"] == []


def test_tags_are_added_listed_and_removed(functions: Functions):
    name = functions.create(Tags={"a": "1"})
    arn = functions.client.get_function_configuration(FunctionName=name)["FunctionArn"]
    functions.client.tag_resource(Resource=arn, Tags={"b": "2", "c": "3"})
    functions.client.untag_resource(Resource=arn, TagKeys=["a", "c"])
    assert functions.client.list_tags(Resource=arn)["Tags"] == {"b": "2"}


def test_permissions_are_statements_of_the_policy(functions: Functions):
    client, name = functions.client, functions.create()
    assert refusal(client.get_policy, FunctionName=name)[::2] == ("ResourceNotFoundException", 404)
    request = {
        "FunctionName": name,
        "StatementId": "alarm",
        "Action": "lambda:InvokeFunction",
        "Principal": "lambda.alarms.cloudwatch.amazonaws.com",
        "SourceArn": "arn:aws:cloudwatch:us-east-1:123456789012:alarm:x",
    }
    added = json.loads(client.add_permission(**request)["Statement"])
    assert added["Principal"] == {"Service": "lambda.alarms.cloudwatch.amazonaws.com"}
    assert added["Condition"] == {"ArnLike": {"AWS:SourceArn": request["SourceArn"]}}
    assert json.loads(client.get_policy(FunctionName=name)["Policy"])["Statement"] == [added]
    assert refusal(client.add_permission, **request)[::2] == ("ResourceConflictException", 409)
    client.remove_permission(FunctionName=name, StatementId="alarm")
    assert refusal(client.remove_permission, FunctionName=name, StatementId="alarm")[0] == "ResourceNotFoundException"


# ---- refusals


def test_function_that_does_not_exist_is_named_by_its_arn(functions: Functions):
    said = "Function not found: arn:aws:lambda:us-east-1:123456789012:function:absent"
    expected = ("ResourceNotFoundException", said, 404)
    assert refusal(functions.client.invoke, FunctionName="absent") == expected
    assert refusal(functions.client.get_function, FunctionName="absent") == expected
    assert refusal(functions.client.delete_function, FunctionName="absent") == expected
    assert refusal(functions.client.list_tags, Resource=said.split(": ")[1]) == expected
    name = functions.create()
    assert refusal(functions.client.invoke, FunctionName=name, Qualifier="live")[1].endswith(f"{name}:live")
    foreign = f"arn:aws:lambda:eu-west-1:123456789012:function:{name}"
    assert "not reachable in this region" in refusal(functions.client.invoke, FunctionName=foreign)[1]


def test_function_of_the_same_name_is_a_conflict(functions: Functions):
    name = functions.create()
    expected = ("ResourceConflictException", f"Function already exist: {name}", 409)
    assert refusal(functions.create, FunctionName=name) == expected


@pytest.mark.parametrize(
    ("settings", "code", "said"),
    [
        ({"Runtime": "nodejs20.x"}, "InvalidParameterValueException", "Runtime nodejs20.x is not emulated"),
        ({"Runtime": "python2.7"}, "InvalidParameterValueException", "Runtime python2.7 is not emulated"),
        ({"PackageType": "Image"}, "InvalidParameterValueException", "PackageType Image is not emulated"),
        ({"code": {"ImageUri": "a/b"}}, "InvalidParameterValueException", "ImageUri is not emulated"),
        ({"code": {"ZipFile": b"no zip"}}, "InvalidParameterValueException", "Could not unzip uploaded file"),
        ({"code": {"S3Bucket": "only"}}, "InvalidParameterValueException", "Please provide a source"),
        (
            {"Timeout": 901},
            "ValidationException",
            "'timeout' failed to satisfy constraint: Member must have value less",
        ),
        ({"MemorySize": 20000}, "ValidationException", "'memorySize' failed to satisfy constraint"),
        ({"Role": "hook"}, "ValidationException", "'role' failed to satisfy constraint"),
        ({"FunctionName": "not a name"}, "ValidationException", "'functionName' failed to satisfy constraint"),
        (
            {"Environment": {"Variables": {"AWS_REGION": "x"}}},
            "InvalidParameterValueException",
            "Reserved keys used in this request: AWS_REGION",
        ),
        ({"Environment": {"Variables": {"A": "x" * 4096}}}, "InvalidParameterValueException", "exceeded the 4KB limit"),
        (
            {"Layers": ["arn:aws:lambda:us-east-1:1:layer:x:1"]},
            "NotImplemented",
            "CreateFunction with Layers is not emulated",
        ),
        ({"Publish": True}, "NotImplemented", "CreateFunction with Publish is not emulated"),
    ],
)
def test_wrong_setting_is_refused_by_name(functions: Functions, settings: dict[str, Any], code: str, said: str):
    found, message, _ = refusal(functions.create, **settings)
    assert found == code
    assert said in message


def test_runtime_and_handler_are_needed(functions: Functions):
    message = refusal(functions.client.create_function, FunctionName="x", Role=ROLE, Code={"ZipFile": zipped(ECHO)})[1]
    assert message.startswith("Runtime and Handler are mandatory")


def test_payload_must_be_json_and_not_too_large(functions: Functions):
    name = functions.create()
    broken = refusal(functions.client.invoke, FunctionName=name, Payload=b"{")
    assert broken[::2] == ("InvalidRequestContentException", 400)
    large = refusal(functions.client.invoke, FunctionName=name, InvocationType="Event", Payload=b" " * 1048577)
    assert large[::2] == ("RequestTooLargeException", 413)
