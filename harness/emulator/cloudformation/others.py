"""AWS::ECR, Lambda, CloudWatch, CertificateManager, and CDK's note: types of one resource or two each."""

from __future__ import annotations

import io
import zipfile
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


class Repository(Kind):
    type, name = "AWS::ECR::Repository", "RepositoryName"
    stack_tags = True
    LATER = ("LifecyclePolicy", "RepositoryPolicyText", "EmptyOnDelete")  # not of CreateRepository

    async def create(self, at: At, properties: Properties) -> Made:
        named = {"RepositoryName": at.name(256, lower=True), **at.tagged(without(properties, *self.LATER))}
        repository = (await at.send("ecr", "CreateRepository", named))["repository"]
        attributes = {"Arn": repository["repositoryArn"], "RepositoryUri": repository["repositoryUri"]}
        made = Made(repository["repositoryName"], attributes)
        try:
            await self._policies(at, made, {}, properties)
        except AwsError:
            await self.delete(at, made, properties)
            raise
        return made

    async def _policies(self, at: At, made: Made, old: Properties, new: Properties) -> None:
        repository, names = {"RepositoryName": made.physical_id}, changed(old, new)
        if "LifecyclePolicy" in names:
            put = new.get("LifecyclePolicy")
            operation = "PutLifecyclePolicy" if put else "DeleteLifecyclePolicy"
            await at.send("ecr", operation, {**repository, **(put or {})})
        if "RepositoryPolicyText" in names:
            text = new.get("RepositoryPolicyText")
            operation = "SetRepositoryPolicy" if text else "DeleteRepositoryPolicy"
            await at.send("ecr", operation, {**repository, **({"PolicyText": text} if text else {})})

    async def update(self, at: At, made: Made, old: Properties, new: Properties) -> Made:
        repository, names = {"RepositoryName": made.physical_id}, changed(old, new)
        mutability = ("ImageTagMutability", "ImageTagMutabilityExclusionFilters")
        if names & set(mutability):
            given = {"ImageTagMutability": "MUTABLE", **only(new, *mutability)}
            await at.send("ecr", "PutImageTagMutability", {**repository, **given})
        if "ImageScanningConfiguration" in names:
            scanning = new.get("ImageScanningConfiguration", {"ScanOnPush": False})
            await at.send(
                "ecr", "PutImageScanningConfiguration", {**repository, "ImageScanningConfiguration": scanning}
            )
        await self._policies(at, made, old, new)
        put, gone = tag_changes(old, new)
        if put:
            await at.call("ecr", "TagResource", resourceArn=made.attributes["Arn"], tags=put)
        if gone:
            await at.call("ecr", "UntagResource", resourceArn=made.attributes["Arn"], tagKeys=gone)
        return made

    async def delete(self, at: At, made: Made, properties: Properties) -> None:
        """With its images where EmptyOnDelete says so; else a repository with images fails the deletion, as on AWS."""
        force = str(properties.get("EmptyOnDelete", False)).lower() == "true"
        await at.call("ecr", "DeleteRepository", repositoryName=made.physical_id, force=force)


class Alarm(Kind):
    """Alarms have one call for making and changing: PutMetricAlarm replaces the whole."""

    type, name = "AWS::CloudWatch::Alarm", "AlarmName"
    stack_tags = True

    async def create(self, at: At, properties: Properties) -> Made:
        name = properties.get("AlarmName") or at.name(255)
        await at.send("cloudwatch", "PutMetricAlarm", {**at.tagged(properties), "AlarmName": name})
        return Made(name, {"Arn": at.caller.arn("cloudwatch", f"alarm:{name}")})

    async def update(self, at: At, made: Made, old: Properties, new: Properties) -> Made:
        given = {**without(new, "Tags"), "AlarmName": made.physical_id}
        await at.send("cloudwatch", "PutMetricAlarm", given)
        put, gone = tag_changes(old, new)
        if put:
            await at.call("cloudwatch", "TagResource", ResourceARN=made.attributes["Arn"], Tags=put)
        if gone:
            await at.call("cloudwatch", "UntagResource", ResourceARN=made.attributes["Arn"], TagKeys=gone)
        return made

    async def delete(self, at: At, made: Made, properties: Properties) -> None:
        await at.call("cloudwatch", "DeleteAlarms", AlarmNames=[made.physical_id])


class Certificate(Kind):
    """Whoever answers ACM issues it; DNS validation is not waited for there."""

    type = "AWS::CertificateManager::Certificate"
    stack_tags = True

    async def create(self, at: At, properties: Properties) -> Made:
        options = properties.get("DomainValidationOptions") or []
        given = without(properties, "DomainValidationOptions", "CertificateTransparencyLoggingPreference")
        domains = [only(one, "DomainName", "ValidationDomain") for one in options if "ValidationDomain" in one]
        if domains:
            given["DomainValidationOptions"] = domains
        arn = (await at.send("acm", "RequestCertificate", at.tagged(given)))["CertificateArn"]
        return Made(arn, {"CertificateArn": arn})

    async def update(self, at: At, made: Made, old: Properties, new: Properties) -> Made:
        if other := sorted(changed(old, new) - {"Tags"}):
            raise invalid(f"updating {other[0]} of {self.type} is not emulated by rehearse")
        put, gone = tag_changes(old, new)
        if put:
            await at.call("acm", "AddTagsToCertificate", CertificateArn=made.physical_id, Tags=put)
        if gone:
            tags = [{"Key": key} for key in gone]
            await at.call("acm", "RemoveTagsFromCertificate", CertificateArn=made.physical_id, Tags=tags)
        return made

    async def delete(self, at: At, made: Made, properties: Properties) -> None:
        await at.call("acm", "DeleteCertificate", CertificateArn=made.physical_id)


class Function(Kind):
    type, name = "AWS::Lambda::Function", "FunctionName"
    stack_tags = True

    async def create(self, at: At, properties: Properties) -> Made:
        """The call is made as Lambda has it: tags are a map, an inline text is a zip with one file."""
        given = {"FunctionName": at.name(64), **at.tagged(properties)}
        given["Code"] = code_of(given)
        if "Tags" in given:
            given["Tags"] = {tag["Key"]: tag["Value"] for tag in given["Tags"]}
        function = await at.send("lambda", "CreateFunction", given)
        return Made(function["FunctionName"], {"Arn": function["FunctionArn"]})

    async def update(self, at: At, made: Made, old: Properties, new: Properties) -> Made:
        named, names = {"FunctionName": made.physical_id}, changed(old, new) - {"FunctionName"}
        if "Code" in names:
            await at.send("lambda", "UpdateFunctionCode", {**named, **code_of(new)})
        settings = names - {"Code", "Tags"}
        if gone := sorted(name for name in settings if name not in new):
            raise invalid(f"removing {gone[0]} of {self.type} is not emulated by rehearse")
        if settings:
            await at.send("lambda", "UpdateFunctionConfiguration", {**named, **only(new, *settings)})
        put, removed = tag_changes(old, new)
        if put:
            tags = {tag["Key"]: tag["Value"] for tag in put}
            await at.call("lambda", "TagResource", Resource=made.attributes["Arn"], Tags=tags)
        if removed:
            await at.call("lambda", "UntagResource", Resource=made.attributes["Arn"], TagKeys=removed)
        return made

    async def delete(self, at: At, made: Made, properties: Properties) -> None:
        await at.call("lambda", "DeleteFunction", FunctionName=made.physical_id)


def code_of(properties: Properties) -> dict[str, Any]:
    """FunctionCode of the API: ZipFile, which is a program's text in a template, becomes a zip with it as index.py or index.js."""
    code = dict(properties["Code"])
    if isinstance(text := code.get("ZipFile"), str):
        ending = "py" if str(properties.get("Runtime", "")).startswith("python") else "js"
        zipped = io.BytesIO()
        with zipfile.ZipFile(zipped, "w") as archive:
            archive.writestr(zipfile.ZipInfo(f"index.{ending}"), text)
        code["ZipFile"] = zipped.getvalue()
    return code


class Permission(Kind):
    type = "AWS::Lambda::Permission"

    async def create(self, at: At, properties: Properties) -> Made:
        sid = at.name(100)
        await at.send("lambda", "AddPermission", {**properties, "StatementId": sid})
        return Made(sid, {"Id": sid})

    async def delete(self, at: At, made: Made, properties: Properties) -> None:
        try:
            await at.send(
                "lambda", "RemovePermission", {"StatementId": made.physical_id, **only(properties, "FunctionName")}
            )
        except AwsError as error:
            if not is_gone(error):
                raise


class Metadata(Kind):
    """AWS::CDK::Metadata: a note of CDK's that AWS, too, keeps and does nothing with."""

    type = "AWS::CDK::Metadata"

    def check(self, properties: Properties) -> None:
        return

    def replaced_by(self, old: Properties, new: Properties) -> set[str]:
        return set()

    async def create(self, at: At, properties: Properties) -> Made:
        return Made(at.name())

    async def update(self, at: At, made: Made, old: Properties, new: Properties) -> Made:
        return made

    async def delete(self, at: At, made: Made, properties: Properties) -> None:
        return


KINDS = (Repository(), Alarm(), Certificate(), Function(), Permission(), Metadata())
