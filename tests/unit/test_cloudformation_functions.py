"""Intrinsic functions and templates, without an emulator."""

from typing import Any

import pytest

from harness.emulator.cloud import AwsError
from harness.emulator.cloudformation import functions
from harness.emulator.cloudformation.convert import request_of
from harness.emulator.cloudformation.every import KINDS
from harness.emulator.cloudformation.functions import Scope
from harness.emulator.cloudformation.kinds import specs
from harness.emulator.cloudformation.template import parameter_values, read

SCOPE = Scope(
    pseudo={"AWS::Region": "us-east-1"},
    parameters={"Name": "shop", "Items": ["a", "b"]},
    mappings={"Map": {"one": {"two": "three"}}},
    conditions={"Yes": {"Fn::Equals": [{"Ref": "Name"}, "shop"]}, "No": {"Fn::Not": [{"Condition": "Yes"}]}},
    exports={"there": "value"},
    zones=("us-east-1a", "us-east-1b"),
    made={"Thing": ("thing-1", {"Arn": "arn:thing", "Nested.Value": "deep"})},
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"Ref": "Name"}, "shop"),
        ({"Ref": "Thing"}, "thing-1"),
        ({"Fn::GetAtt": ["Thing", "Arn"]}, "arn:thing"),
        ({"Fn::GetAtt": "Thing.Nested.Value"}, "deep"),
        ({"Fn::Sub": "${Name}-${Thing.Arn}-${!Literal}-${AWS::Region}"}, "shop-arn:thing-${Literal}-us-east-1"),
        ({"Fn::Sub": ["${x}/${Name}", {"x": {"Ref": "Thing"}}]}, "thing-1/shop"),
        ({"Fn::Join": ["-", ["a", {"Ref": "Name"}, 3]]}, "a-shop-3"),
        ({"Fn::Select": ["1", {"Fn::Split": [",", "a,b"]}]}, "b"),
        ({"Fn::FindInMap": ["Map", "one", "two"]}, "three"),
        ({"Fn::If": ["Yes", 1, 2]}, 1),
        ({"Fn::If": ["No", 1, 2]}, 2),
        ({"Fn::ImportValue": "there"}, "value"),
        ({"Fn::GetAZs": ""}, ["us-east-1a", "us-east-1b"]),
        ({"Fn::Base64": "hi"}, "aGk="),
        ({"Fn::Cidr": ["10.0.0.0/16", 2, 8]}, ["10.0.0.0/24", "10.0.1.0/24"]),
        ({"a": {"Ref": "AWS::NoValue"}, "b": [{"Ref": "AWS::NoValue"}, 1]}, {"b": [1]}),
    ],
)
def test_a_function_comes_to_its_value(value: Any, expected: Any):
    assert SCOPE.resolve(value) == expected


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"Fn::GetAtt": ["Thing", "Colour"]}, "Colour"),
        ({"Fn::ImportValue": "nowhere"}, "No export named nowhere"),
        ({"Fn::FindInMap": ["Map", "one", "five"]}, "Map::one::five"),
        ({"Fn::Select": [5, ["a"]]}, "index 5"),
        ({"Fn::Length": []}, "Fn::Length is not emulated"),
    ],
)
def test_a_function_that_has_no_value_says_so(value: Any, said: str):
    with pytest.raises(AwsError, match=said):
        SCOPE.resolve(value)


def test_short_forms_and_dates_are_read():
    resources = read(
        "Resources:\n  A: {Type: T, Properties: {a: !GetAtt B.C.D, b: !Sub '${B}', d: 2012-10-17}}\n  B: {Type: T}"
    )["Resources"]
    assert resources["A"]["Properties"] == {
        "a": {"Fn::GetAtt": ["B", "C.D"]},
        "b": {"Fn::Sub": "${B}"},
        "d": "2012-10-17",
    }
    assert functions.dependencies("A", resources) == {"B"}


@pytest.mark.parametrize(
    ("declared", "given", "said"),
    [
        ({"Type": "Number", "MinValue": 2}, "1", "MinValue"),
        ({"Type": "Number"}, "many", "must be a number"),
        ({"Type": "String", "AllowedPattern": "[a-z]+"}, "A", "pattern"),
        ({"Type": "String", "AllowedValues": ["a"], "ConstraintDescription": "only a"}, "b", "only a"),
        ({"Type": "String", "MinLength": 3}, "ab", "MinLength"),
        ({"Type": "Colour"}, "red", "Unrecognized parameter type"),
    ],
)
def test_a_parameter_keeps_its_constraints(declared: dict[str, Any], given: str, said: str):
    with pytest.raises(AwsError, match=said):
        parameter_values({"Parameters": {"P": declared}}, {"P": given})


def test_properties_become_members_whatever_the_case_of_their_letters():
    given = {"Name": "n", "HealthCheckIntervalSeconds": "5", "Matcher": {"HttpCode": 200}, "HealthCheckEnabled": "true"}
    assert request_of("elbv2", "CreateTargetGroup", given) == {
        "Name": "n", "HealthCheckIntervalSeconds": 5, "Matcher": {"HttpCode": "200"}, "HealthCheckEnabled": True,
    }  # fmt: skip
    deep = {"ECSServices": [{"ClusterName": "c", "Nonsense": 1}]}
    with pytest.raises(AwsError, match=r"ECSServices\[0\].Nonsense"):
        request_of("codedeploy", "CreateDeploymentGroup", deep)


def test_every_kind_is_in_the_registry():
    assert set(KINDS) - set(specs()) == {"AWS::CDK::Metadata"}
