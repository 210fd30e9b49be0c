"""Revisions: AppSpec files, given in the request or kept in S3, and what an application knows of them (A.2)."""

from __future__ import annotations

import hashlib
from typing import Any

from harness.emulator.cloud import Answer, AwsError, Caller, Request
from harness.emulator.services import codedeploy_render as render
from harness.emulator.services.codedeploy_base import Base, page
from harness.emulator.services.codedeploy_state import Revision


class Revisions(Base):
    async def register_application_revision(self, caller: Caller, request: Request) -> Answer:
        app = self.application(caller, request)
        if not (given := request.get("revision")):
            raise AwsError("RevisionRequiredException", "The revision is required.")
        if given.get("revisionType") == "S3":  # an object is first read by the deployment that uses it
            _check_s3(given.get("s3Location", {}))
            revision = self.register(caller, app.name, given, "")
        else:
            revision = self.register(caller, app.name, given, await self.app_spec_text(caller, given))
        revision.description = request.get("description", revision.description)
        return {}

    def get_application_revision(self, caller: Caller, request: Request) -> Answer:
        """The only call that returns the AppSpec's text."""
        app = self.application(caller, request)
        if not (asked := request.get("revision")):
            raise AwsError("RevisionRequiredException", "The revision is required.")
        if (revision := app.revisions.get(revision_key(asked))) is None:
            raise AwsError("RevisionDoesNotExistException", "The revision could not be found")
        return {
            "applicationName": app.name,
            "revision": revision.location,
            "revisionInfo": render.revision_info(revision),
        }

    def batch_get_application_revisions(self, caller: Caller, request: Request) -> Answer:
        app = self.application(caller, request)
        asked = request.get("revisions", [])
        if len(asked) > 25:
            raise AwsError("BatchLimitExceededException", "The maximum number of revisions in one call is 25.")
        found = [app.revisions[key] for key in map(revision_key, asked) if key in app.revisions]
        return {
            "applicationName": app.name,
            "revisions": [
                {"revisionLocation": one.location, "genericRevisionInfo": render.revision_info(one)} for one in found
            ],
            "errorMessage": "A revision could not be found" if len(found) < len(asked) else None,
        }

    def list_application_revisions(self, caller: Caller, request: Request) -> Answer:
        app = self.application(caller, request)
        keys = {"registerTime": "registered", "firstUsedTime": "first_used", "lastUsedTime": "last_used"}
        if (by := request.get("sortBy", "registerTime")) not in keys:
            raise AwsError("InvalidSortByException", f"{by} is none of {', '.join(keys)}.")
        if (order := request.get("sortOrder", "ascending")) not in ("ascending", "descending"):
            raise AwsError("InvalidSortOrderException", f"{order} is neither ascending nor descending.")
        ordered = sorted(
            (one for one in app.revisions.values() if _matches(one, request)),
            key=lambda one: getattr(one, keys[by]) or 0.0,
            reverse=order == "descending",
        )
        return page([render.location(one.location) for one in ordered], request, "revisions")

    async def app_spec_text(self, caller: Caller, revision: dict[str, Any]) -> str:
        """The AppSpec that a revision location points at."""
        match revision.get("revisionType"):
            case "AppSpecContent":
                content = revision.get("appSpecContent", {})
            case "String":
                content = revision.get("string", {})
            case "S3":
                return await self._from_s3(caller, revision.get("s3Location", {}))
            case other:
                raise AwsError(
                    "InvalidRevisionException", f"An ECS deployment takes AppSpecContent or S3 revisions, not {other}."
                )
        text, claimed = content.get("content"), content.get("sha256")
        if not text:
            raise AwsError(
                "InvalidRevisionException", "An AppSpec file is required, but could not be found in the revision"
            )
        wrong = claimed and claimed != hashlib.sha256(text.encode()).hexdigest()
        if wrong and self.cloud.settings.sha256_mismatch == "refuse":
            raise AwsError("InvalidRevisionException", "The sha256 of the revision is not that of its content.")
        return str(text)

    async def _from_s3(self, caller: Caller, location: dict[str, Any]) -> str:
        """The object's text, of the version and with the eTag that the location names."""
        _check_s3(location)
        where = f"s3://{location['bucket']}/{location['key']}"
        version = {"VersionId": location["version"]} if location.get("version") else {}
        try:
            answer = await self.cloud.call(
                caller, "s3", "GetObject", Bucket=location["bucket"], Key=location["key"], **version
            )
        except AwsError as error:
            raise AwsError("InvalidRevisionException", f"{where}: {error}") from error
        if location.get("eTag") and location["eTag"].strip('"') != answer.get("ETag", "").strip('"'):
            raise AwsError("InvalidRevisionException", f"{where}: its eTag is {answer.get('ETag')}")
        try:
            return bytes(answer["Body"]).decode()
        except UnicodeDecodeError as error:
            raise AwsError("InvalidRevisionException", f"{where} is not text: {error}") from error

    def register(self, caller: Caller, application: str, given: dict[str, Any], text: str) -> Revision:
        """The application's revision for this location, made on first use."""
        digest = hashlib.sha256(text.encode()).hexdigest()
        location = dict(given)
        if location["revisionType"] == "AppSpecContent":
            location["appSpecContent"] = {"content": text, "sha256": digest}
        revisions = self.states[caller].applications[application].revisions
        return revisions.setdefault(revision_key(location), Revision(location, self.cloud.clock.now()))


def revision_key(location: dict[str, Any]) -> str:
    """What makes two revisions the same one."""
    if location.get("revisionType") == "S3":
        s3 = location.get("s3Location", {})
        return "s3:" + "/".join(str(s3.get(key, "")) for key in ("bucket", "key", "version", "eTag"))
    content = location.get("appSpecContent") or location.get("string") or {}
    return "sha256:" + (content.get("sha256") or hashlib.sha256((content.get("content") or "").encode()).hexdigest())


def _matches(one: Revision, request: Request) -> bool:
    """The filters of ListApplicationRevisions."""
    s3, deployed = one.location.get("s3Location", {}), request.get("deployed", "ignore")
    if deployed not in ("include", "exclude", "ignore"):
        raise AwsError("InvalidDeployedStateFilterException", f"{deployed} is none of include, exclude, ignore.")
    return (
        request.get("s3Bucket") in (None, s3.get("bucket"))
        and str(s3.get("key", "")).startswith(request.get("s3KeyPrefix", ""))
        and (deployed == "ignore" or (deployed == "include") == bool(one.last_used))
    )


def _check_s3(location: dict[str, Any]) -> None:
    if not location.get("bucket") or not location.get("key"):
        raise AwsError("InvalidRevisionException", "An S3 revision names a bucket and a key.")
    if location.get("bundleType") not in ("YAML", "JSON"):
        raise AwsError("InvalidRevisionException", "BundleType must be either YAML or JSON")
