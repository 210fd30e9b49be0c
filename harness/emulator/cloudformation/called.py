"""Types that are one call to make and one to delete: rows of a table, for the services that the delegate answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.emulator.cloud import AwsError
from harness.emulator.cloudformation.convert import request_of
from harness.emulator.cloudformation.functions import invalid
from harness.emulator.cloudformation.kinds import (
    At,
    Kind,
    Made,
    Properties,
    Spec,
    changed,
    is_gone,
    retag_in_ec2,
    specs,
    without,
)

TO_VOLUMES = "PropagateTagsToVolumeOnCreation"  # of an instance: the call has a tag specification for each type
REF = "$ref"  # in a request of the table: what Ref of the resource gives


@dataclass(frozen=True, slots=True)
class Then:
    """A call for each of the properties that the creating call does not take. `fixed` may have REF or `$Property`."""

    operation: str
    properties: tuple[str, ...]
    fixed: Mapping[str, Any]
    in_value: bool = False  # EC2 takes an attribute as {"Value": it}


@dataclass(frozen=True, slots=True)
class Row:
    """One type. `answer` is the path to the resource in the creating call's answer, `ref` and `attributes` paths from there.

    A path that begins with `$` is a property of the resource. `tags` is what EC2 calls the type in TagSpecifications.
    """

    type: str
    service: str
    create: str
    ref: str
    delete: str
    key: Mapping[str, Any]
    answer: str = ""
    name: str = ""
    named: int = 0  # the length of a name made for it
    attributes: Mapping[str, str] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    then: tuple[Then, ...] = ()
    tags: str = ""


class Called(Kind):
    """A resource type by its row."""

    def __init__(self, row: Row) -> None:
        self.row = row
        self.type, self.name, self.stack_tags = row.type, row.name, bool(row.tags)  # type: ignore[misc]

    @property
    def spec(self) -> Spec:
        return specs()[self.row.type]

    async def create(self, at: At, properties: Properties) -> Made:
        row = self.row
        given = {**row.defaults, **(at.tagged(properties) if row.tags else properties)}
        if row.name and row.named:
            given = {row.name: at.name(row.named), **given}
        later = {name for then in row.then for name in then.properties}
        request = request_of(row.service, row.create, without(given, *later, *self._tags(), TO_VOLUMES), row.renamed)
        request |= self._tag_specification(given)
        answer = await at.call(row.service, row.create, **request)
        thing = _at_path(answer, row.answer)
        physical = _value(row.ref, thing, given)
        attributes = {name: _value(path, thing, given) for name, path in row.attributes.items()}
        made = Made(str(physical), {name: value for name, value in attributes.items() if value is not None})
        try:
            await self._then(at, made, {}, properties)
        except AwsError:
            await self.delete(at, made, properties)
            raise
        return made

    def _tags(self) -> tuple[str, ...]:
        return ("Tags",) if self.row.tags else ()

    def _tag_specification(self, given: Properties) -> dict[str, Any]:
        tags = given.get("Tags")
        if not tags or not self.row.tags:
            return {}
        tagged = [self.row.tags, "volume"] if str(given.get(TO_VOLUMES)).lower() == "true" else [self.row.tags]
        return {"TagSpecifications": [{"ResourceType": one, "Tags": tags} for one in tagged]}

    async def _then(self, at: At, made: Made, old: Properties, new: Properties) -> None:
        for then in self.row.then:
            for name in sorted(changed(old, new) & set(then.properties)):
                if name not in new:
                    raise invalid(f"removing {name} of {self.type} is not emulated by rehearse")
                value = {"Value": new[name]} if then.in_value else new[name]
                given = request_of(self.row.service, then.operation, {name: value})
                await at.call(self.row.service, then.operation, **_filled(then.fixed, made, new), **given)

    async def update(self, at: At, made: Made, old: Properties, new: Properties) -> Made:
        """What has a call of its own, and EC2's tags; no other change is emulated."""
        later = {name for then in self.row.then for name in then.properties}
        if other := sorted(changed(old, new) - later - set(self._tags())):
            raise invalid(f"updating {other[0]} of {self.type} is not emulated by rehearse")
        await self._then(at, made, old, new)
        await retag_in_ec2(at, made.physical_id, old, new)
        return made

    async def delete(self, at: At, made: Made, properties: Properties) -> None:
        try:
            await at.call(self.row.service, self.row.delete, **_filled(self.row.key, made, properties))
        except AwsError as error:
            if not is_gone(error):
                raise


def _at_path(value: Any, path: str) -> Any:
    for step in filter(None, path.split(".")):
        value = value[int(step)] if step.isdigit() else (value or {}).get(step)
    return value


def _value(path: str, thing: Any, properties: Properties) -> Any:
    """A `|` joins parts, as some physical ids are made."""
    if "|" in path:
        return "|".join(str(_value(part, thing, properties)) for part in path.split("|"))
    return properties.get(path[1:]) if path.startswith("$") else _at_path(thing, path)


def _filled(request: Any, made: Made, properties: Properties) -> Any:
    if isinstance(request, Mapping):
        filled = {key: _filled(value, made, properties) for key, value in request.items()}
        return {key: value for key, value in filled.items() if value is not None}
    if isinstance(request, list):
        return [_filled(value, made, properties) for value in request]
    if request == REF:
        return made.physical_id
    if isinstance(request, str) and request.startswith("$"):
        return made.attributes.get(request[1:], properties.get(request[1:]))
    return request


VPC_ATTRIBUTE = Then("ModifyVpcAttribute", ("EnableDnsHostnames", "EnableDnsSupport"), {"VpcId": REF}, True)
SUBNET_ATTRIBUTE = Then("ModifySubnetAttribute", ("MapPublicIpOnLaunch",), {"SubnetId": REF}, True)
ROWS = (
    Row(
        "AWS::EC2::VPC", "ec2", "CreateVpc", "VpcId", "DeleteVpc", {"VpcId": REF}, answer="Vpc", tags="vpc",
        attributes={"VpcId": "VpcId", "CidrBlock": "CidrBlock"}, then=(VPC_ATTRIBUTE,),
    ),
    Row(
        "AWS::EC2::Subnet", "ec2", "CreateSubnet", "SubnetId", "DeleteSubnet", {"SubnetId": REF}, answer="Subnet", tags="subnet",
        attributes={"SubnetId": "SubnetId", "AvailabilityZone": "AvailabilityZone", "VpcId": "VpcId", "CidrBlock": "CidrBlock"},
        then=(SUBNET_ATTRIBUTE,),
    ),
    Row(
        "AWS::EC2::InternetGateway", "ec2", "CreateInternetGateway", "InternetGatewayId", "DeleteInternetGateway",
        {"InternetGatewayId": REF}, answer="InternetGateway", tags="internet-gateway",
        attributes={"InternetGatewayId": "InternetGatewayId"},
    ),
    Row(
        "AWS::EC2::VPCGatewayAttachment", "ec2", "AttachInternetGateway", "IGW|$VpcId", "DetachInternetGateway",
        {"InternetGatewayId": "$InternetGatewayId", "VpcId": "$VpcId"},
    ),
    Row(
        "AWS::EC2::RouteTable", "ec2", "CreateRouteTable", "RouteTableId", "DeleteRouteTable", {"RouteTableId": REF},
        answer="RouteTable", tags="route-table", attributes={"RouteTableId": "RouteTableId"},
    ),
    Row(
        "AWS::EC2::Route", "ec2", "CreateRoute", "$RouteTableId|$DestinationCidrBlock", "DeleteRoute",
        {"RouteTableId": "$RouteTableId", "DestinationCidrBlock": "$DestinationCidrBlock"},
    ),
    Row(
        "AWS::EC2::SubnetRouteTableAssociation", "ec2", "AssociateRouteTable", "AssociationId", "DisassociateRouteTable",
        {"AssociationId": REF}, attributes={"Id": "AssociationId"},
    ),
    Row(
        "AWS::EC2::EIP", "ec2", "AllocateAddress", "PublicIp", "ReleaseAddress", {"AllocationId": "$AllocationId"},
        tags="elastic-ip", attributes={"AllocationId": "AllocationId", "PublicIp": "PublicIp"}, defaults={"Domain": "vpc"},
        then=(Then("AssociateAddress", ("InstanceId",), {"AllocationId": "$AllocationId"}),),
    ),
    Row(
        "AWS::EC2::NatGateway", "ec2", "CreateNatGateway", "NatGatewayId", "DeleteNatGateway", {"NatGatewayId": REF},
        answer="NatGateway", tags="natgateway", attributes={"NatGatewayId": "NatGatewayId"},
    ),
    Row(
        "AWS::EC2::Instance", "ec2", "RunInstances", "InstanceId", "TerminateInstances", {"InstanceIds": [REF]},
        answer="Instances.0", tags="instance", defaults={"MinCount": 1, "MaxCount": 1},
        attributes={
            "InstanceId": "InstanceId", "PrivateIp": "PrivateIpAddress", "PrivateDnsName": "PrivateDnsName", "VpcId": "VpcId",
            "PublicIp": "PublicIpAddress", "PublicDnsName": "PublicDnsName", "AvailabilityZone": "Placement.AvailabilityZone",
        },
        then=(Then("ModifyInstanceAttribute", ("SourceDestCheck",), {"InstanceId": REF}, True),),
    ),
    Row(
        "AWS::EC2::VPCEndpoint", "ec2", "CreateVpcEndpoint", "VpcEndpointId", "DeleteVpcEndpoints", {"VpcEndpointIds": [REF]},
        answer="VpcEndpoint", tags="vpc-endpoint", attributes={
            "Id": "VpcEndpointId", "CreationTimestamp": "CreationTimestamp", "NetworkInterfaceIds": "NetworkInterfaceIds",
        },
    ),
    Row(
        "AWS::SNS::Topic", "sns", "CreateTopic", "TopicArn", "DeleteTopic", {"TopicArn": REF}, name="TopicName", named=256,
        renamed={"TopicName": "Name"}, attributes={"TopicArn": "TopicArn", "TopicName": "$TopicName"},
    ),
    Row(
        "AWS::KMS::Key", "kms", "CreateKey", "KeyId", "ScheduleKeyDeletion", {"KeyId": REF}, answer="KeyMetadata",
        renamed={"KeyPolicy": "Policy"}, attributes={"Arn": "Arn", "KeyId": "KeyId"},
    ),
    Row(
        "AWS::KMS::Alias", "kms", "CreateAlias", "$AliasName", "DeleteAlias", {"AliasName": REF},
    ),
)  # fmt: skip
KINDS = tuple(Called(row) for row in ROWS)
