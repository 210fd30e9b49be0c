"""AWS::Logs, SSM, Route53 and S3: what an architecture around our services is made with."""

from __future__ import annotations

import json
import re
from typing import Any

from harness.emulator.cloud import AwsError
from harness.emulator.cloudformation.functions import invalid
from harness.emulator.cloudformation.kinds import (
    At,
    Kind,
    Made,
    Properties,
    changed,
    is_gone,
    only,
    tag_changes,
    without,
)


async def drop(at: At, service: str, operation: str, **request: Any) -> None:
    try:
        await at.call(service, operation, **request)
    except AwsError as error:
        if not is_gone(error):
            raise


class LogGroup(Kind):
    type, name = "AWS::Logs::LogGroup", "LogGroupName"
    stack_tags = True

    async def create(self, at: At, properties: Properties) -> Made:
        name = properties.get("LogGroupName") or at.name(512)
        given = {**at.tagged(without(properties, "RetentionInDays")), "LogGroupName": name}
        if tags := given.pop("Tags", []):
            given["Tags"] = {tag["Key"]: tag["Value"] for tag in tags}
        await at.send("logs", "CreateLogGroup", given)
        await self._retain(at, name, properties)
        return Made(name, {"Arn": at.caller.arn("logs", f"log-group:{name}:*")})

    async def _retain(self, at: At, name: str, properties: Properties) -> None:
        if days := properties.get("RetentionInDays"):
            await at.call("logs", "PutRetentionPolicy", logGroupName=name, retentionInDays=int(days))

    async def update(self, at: At, made: Made, old: Properties, new: Properties) -> Made:
        if other := sorted(changed(old, new) - {"RetentionInDays", "Tags"}):
            raise invalid(f"updating {other[0]} of {self.type} is not emulated by rehearse")
        if "RetentionInDays" not in new:
            await at.call("logs", "DeleteRetentionPolicy", logGroupName=made.physical_id)
        await self._retain(at, made.physical_id, new)
        arn, (put, gone) = made.attributes["Arn"].removesuffix(":*"), tag_changes(old, new)
        if put:
            await at.call("logs", "TagResource", resourceArn=arn, tags={tag["Key"]: tag["Value"] for tag in put})
        if gone:
            await at.call("logs", "UntagResource", resourceArn=arn, tagKeys=gone)
        return made

    async def delete(self, at: At, made: Made, properties: Properties) -> None:
        await drop(at, "logs", "DeleteLogGroup", logGroupName=made.physical_id)


class Parameter(Kind):
    """Its tags are a map in a template, and a list in the API."""

    type, name = "AWS::SSM::Parameter", "Name"

    async def create(self, at: At, properties: Properties) -> Made:
        name = properties.get("Name") or at.name(512)
        given = {**without(properties, "Tags"), "Name": name}
        if tags := properties.get("Tags"):
            given["Tags"] = [{"Key": key, "Value": value} for key, value in tags.items()]
        await at.send("ssm", "PutParameter", given)
        return Made(name, only(properties, "Type", "Value"))

    async def update(self, at: At, made: Made, old: Properties, new: Properties) -> Made:
        if "Tags" in changed(old, new):
            raise invalid(f"updating Tags of {self.type} is not emulated by rehearse")
        await at.send("ssm", "PutParameter", {**without(new, "Tags"), "Name": made.physical_id, "Overwrite": True})
        return Made(made.physical_id, only(new, "Type", "Value"))

    async def delete(self, at: At, made: Made, properties: Properties) -> None:
        await drop(at, "ssm", "DeleteParameter", Name=made.physical_id)


class HostedZone(Kind):
    type = "AWS::Route53::HostedZone"

    async def create(self, at: At, properties: Properties) -> Made:
        if extra := sorted(set(properties) - {"Name", "HostedZoneConfig", "VPCs"}):
            raise invalid(f"{extra[0]} of {self.type} is not emulated by rehearse")
        vpcs = properties.get("VPCs") or []
        if len(vpcs) > 1:
            raise invalid(f"more than one of VPCs of {self.type} is not emulated by rehearse")
        given = {**only(properties, "Name", "HostedZoneConfig"), "CallerReference": at.name()}
        if vpcs:
            given["VPC"] = vpcs[0]
            given["HostedZoneConfig"] = {"PrivateZone": True, **(properties.get("HostedZoneConfig") or {})}
        answer = await at.send("route53", "CreateHostedZone", given)
        identity = answer["HostedZone"]["Id"].rpartition("/")[2]
        return Made(identity, {"Id": identity, "NameServers": answer.get("DelegationSet", {}).get("NameServers", [])})

    async def delete(self, at: At, made: Made, properties: Properties) -> None:
        await drop(at, "route53", "DeleteHostedZone", Id=made.physical_id)


class RecordSet(Kind):
    type = "AWS::Route53::RecordSet"
    APART = ("HostedZoneId", "HostedZoneName", "Comment")

    async def create(self, at: At, properties: Properties) -> Made:
        await self._change(at, "UPSERT", properties)
        return Made(properties["Name"])

    async def _change(self, at: At, action: str, properties: Properties) -> None:
        records = [{"Value": value} for value in properties.get("ResourceRecords") or []]
        record = without(properties, *self.APART, "ResourceRecords")
        if "AliasTarget" in record:
            record["AliasTarget"] = {"EvaluateTargetHealth": False, **record["AliasTarget"]}
        change = {
            "Action": action,
            "ResourceRecordSet": {**record, **({"ResourceRecords": records} if records else {})},
        }
        zone = properties.get("HostedZoneId") or await self._zone(at, properties.get("HostedZoneName", ""))
        given = {"HostedZoneId": zone, "ChangeBatch": {"Changes": [change]}}
        await at.send("route53", "ChangeResourceRecordSets", given)

    async def _zone(self, at: At, name: str) -> str:
        zones = (await at.call("route53", "ListHostedZonesByName", DNSName=name))["HostedZones"]
        found = [one["Id"] for one in zones if one["Name"].rstrip(".") == name.rstrip(".")]
        if not found:
            raise invalid(f"No hosted zone named {name} found")
        return str(found[0]).rpartition("/")[2]

    async def update(self, at: At, made: Made, old: Properties, new: Properties) -> Made:
        await self._change(at, "UPSERT", new)
        return made

    async def delete(self, at: At, made: Made, properties: Properties) -> None:
        try:
            await self._change(at, "DELETE", properties)
        except AwsError as error:
            if not is_gone(error) and error.code != "InvalidChangeBatch":
                raise


class Bucket(Kind):
    """Each setting is a call of its own; what is not in the table is refused by name."""

    type, name = "AWS::S3::Bucket", "BucketName"

    async def create(self, at: At, properties: Properties) -> Made:
        if extra := sorted(set(properties) - {"BucketName", "Tags", *SETTINGS}):
            raise invalid(f"{extra[0]} of {self.type} is not emulated by rehearse")
        name = properties.get("BucketName") or at.name(63, lower=True)
        where = {} if at.caller.region == "us-east-1" else {"LocationConstraint": at.caller.region}
        await at.call("s3", "CreateBucket", Bucket=name, **({"CreateBucketConfiguration": where} if where else {}))
        region = at.caller.region
        made = Made(
            name,
            {
                "Arn": f"arn:aws:s3:::{name}",
                "DomainName": f"{name}.s3.amazonaws.com",
                "RegionalDomainName": f"{name}.s3.{region}.amazonaws.com",
            },
        )
        try:
            await self._settings(at, made, {}, properties)
        except AwsError:
            await self.delete(at, made, properties)
            raise
        return made

    async def _settings(self, at: At, made: Made, old: Properties, new: Properties) -> None:
        for name in sorted(changed(old, new) & {"Tags", *SETTINGS}):
            if name not in new:
                raise invalid(f"removing {name} of {self.type} is not emulated by rehearse")
            operation, request = (
                ("PutBucketTagging", {"Tagging": {"TagSet": new["Tags"]}})
                if name == "Tags"
                else setting(name, new[name])
            )
            await at.send("s3", operation, {"Bucket": made.physical_id, **request})

    async def update(self, at: At, made: Made, old: Properties, new: Properties) -> Made:
        if extra := sorted(changed(old, new) - {"Tags", *SETTINGS}):
            raise invalid(f"updating {extra[0]} of {self.type} is not emulated by rehearse")
        await self._settings(at, made, old, new)
        return made

    async def delete(self, at: At, made: Made, properties: Properties) -> None:
        """A bucket with objects is not deleted, as on AWS."""
        await drop(at, "s3", "DeleteBucket", Bucket=made.physical_id)


def setting(name: str, value: Any) -> tuple[str, dict[str, Any]]:
    operation, member, rename = SETTINGS[name]
    return operation, {member: rename(value)}


def _encryption(value: Any) -> Any:
    rules = [
        {
            ("ApplyServerSideEncryptionByDefault" if key == "ServerSideEncryptionByDefault" else key): item
            for key, item in rule.items()
        }
        for rule in value["ServerSideEncryptionConfiguration"]
    ]
    return {"Rules": rules}


def _lifecycle(value: Any) -> Any:
    return {"Rules": [_lifecycle_rule(rule) for rule in value["Rules"]]}


LIFECYCLE = {"NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload", "Id", "Status"}


def _lifecycle_rule(rule: Any) -> Any:
    """The API wants a filter, and the days of an expiration in a structure."""
    answer = {("ID" if key == "Id" else key): item for key, item in rule.items() if key in LIFECYCLE}
    if extra := sorted(set(rule) - {*LIFECYCLE, "Prefix", "ExpirationInDays"}):
        raise invalid(f"LifecycleConfiguration.Rules.{extra[0]} of a bucket is not emulated by rehearse")
    if "ExpirationInDays" in rule:
        answer["Expiration"] = {"Days": rule["ExpirationInDays"]}
    return {**answer, "Filter": {"Prefix": rule.get("Prefix", "")}}


def _same(value: Any) -> Any:
    return value


def _dashed(value: Any) -> Any:
    """`PublicRead` is `public-read` in the API."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", str(value)).lower()


SETTINGS: dict[str, tuple[str, str, Any]] = {
    "AccessControl": ("PutBucketAcl", "ACL", _dashed),
    "VersioningConfiguration": ("PutBucketVersioning", "VersioningConfiguration", _same),
    "PublicAccessBlockConfiguration": ("PutPublicAccessBlock", "PublicAccessBlockConfiguration", _same),
    "BucketEncryption": ("PutBucketEncryption", "ServerSideEncryptionConfiguration", _encryption),
    "LifecycleConfiguration": ("PutBucketLifecycleConfiguration", "LifecycleConfiguration", _lifecycle),
}


class BucketPolicy(Kind):
    """The delegate does not read conditions, so a statement that denies what comes without TLS would deny everything.

    The emulator stands for an endpoint that is reached by TLS: such a statement never applies, and is not handed on.
    """

    type = "AWS::S3::BucketPolicy"

    async def create(self, at: At, properties: Properties) -> Made:
        document = properties["PolicyDocument"]
        applying = [one for one in document["Statement"] if one.get("Condition") not in INSECURE]
        if conditional := [one for one in applying if "Condition" in one]:
            raise invalid(
                f"Condition {json.dumps(conditional[0]['Condition'])} of {self.type} is not emulated by rehearse"
            )
        if applying:
            policy = json.dumps({**document, "Statement": applying})
            await at.call("s3", "PutBucketPolicy", Bucket=properties["Bucket"], Policy=policy)
        else:
            await drop(at, "s3", "DeleteBucketPolicy", Bucket=properties["Bucket"])
        return Made(properties["Bucket"])

    async def update(self, at: At, made: Made, old: Properties, new: Properties) -> Made:
        return await self.create(at, new)

    async def delete(self, at: At, made: Made, properties: Properties) -> None:
        await drop(at, "s3", "DeleteBucketPolicy", Bucket=properties["Bucket"])


INSECURE = tuple({"Bool": {"aws:SecureTransport": value}} for value in ("false", False))
KINDS = (LogGroup(), Parameter(), HostedZone(), RecordSet(), Bucket(), BucketPolicy())
