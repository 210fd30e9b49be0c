"""Layers, one by one: what SDK clients use instead of `docker push`. They go into the registry behind the front."""

from __future__ import annotations

import re
import uuid

from harness.emulator.cloud import Answer, AwsError, Caller, Request
from harness.emulator.services.ecr_base import Base
from harness.emulator.services.ecr_repositories import named
from harness.emulator.services.ecr_state import Repository, Upload

PART_SIZE = 10 * 1024 * 1024
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class Layers(Base):
    async def batch_check_layer_availability(self, caller: Caller, request: Request) -> Answer:
        repository = self.repository(caller, request)
        layers, failures = [], []
        for digest in request["layerDigests"]:
            if not DIGEST.fullmatch(digest):
                reason = {"failureCode": "InvalidLayerDigest", "failureReason": "Invalid layer digest"}
                failures.append({"layerDigest": digest, **reason})
            elif (size := await self.pushes.layer_size(repository, digest)) is None:
                layers.append({"layerDigest": digest, "layerAvailability": "UNAVAILABLE"})
            else:
                layers.append({"layerDigest": digest, "layerAvailability": "AVAILABLE", "layerSize": size})
        return {"layers": layers, "failures": failures}

    async def initiate_layer_upload(self, caller: Caller, request: Request) -> Answer:
        repository = self.repository(caller, request)
        session = await self.pushes.session()
        async with session.post(self.distribution.url(repository.stored_as, "blobs/uploads/")) as answer:
            location = _next(answer.status, answer.headers.get("Location"), repository)
        upload_id = str(uuid.uuid4())
        repository.uploads[upload_id] = Upload(location)
        return {"uploadId": upload_id, "partSize": PART_SIZE}

    async def upload_layer_part(self, caller: Caller, request: Request) -> Answer:
        repository, upload = self._upload(caller, request)
        first, last, part = request["partFirstByte"], request["partLastByte"], request["layerPartBlob"]
        if first != upload.received or last - first + 1 != len(part):
            raise AwsError(
                "InvalidLayerPartException",
                f"Invalid layer part upload for upload with id '{request['uploadId']}': the last valid byte received is "
                f"{upload.received - 1}",
            )
        session = await self.pushes.session()
        url = self.distribution.url(repository.stored_as, upload.location)
        headers = {"Content-Type": "application/octet-stream", "Content-Range": f"{first}-{last}"}
        async with session.patch(url, data=part, headers=headers) as answer:
            upload.location = _next(answer.status, answer.headers.get("Location"), repository)
        upload.received = last + 1
        return {**named(repository), "uploadId": request["uploadId"], "lastByteReceived": last}

    async def complete_layer_upload(self, caller: Caller, request: Request) -> Answer:
        repository, upload = self._upload(caller, request)
        digest, upload_id = request["layerDigests"][0], request["uploadId"]
        if not upload.received:
            raise AwsError("EmptyUploadException", f"No layer parts were uploaded for upload with id '{upload_id}'")
        if await self.pushes.layer_size(repository, digest) is not None:
            raise AwsError(
                "LayerAlreadyExistsException",
                f"Layer with digest '{digest}' already exists in the repository with name '{repository.name}' in the "
                f"registry with id '{caller.account}'",
            )
        session = await self.pushes.session()
        joint = "&" if "?" in upload.location else "?"
        url = self.distribution.url(repository.stored_as, f"{upload.location}{joint}digest={digest}")
        async with session.put(url) as answer:
            if answer.status != 201:
                raise AwsError("InvalidLayerException", f"Layer with digest '{digest}' is not what was uploaded")
        del repository.uploads[upload_id]
        return {**named(repository), "uploadId": upload_id, "layerDigest": digest}

    async def get_download_url_for_layer(self, caller: Caller, request: Request) -> Answer:
        """A link to the front, good for an hour."""
        repository, digest = self.repository(caller, request), request["layerDigest"]
        if await self.pushes.layer_size(repository, digest) is None:
            raise AwsError(
                "LayersNotFoundException",
                f"Layers with digests '[{digest}]' do not exist in the repository with name '{repository.name}' in the "
                f"registry with id '{caller.account}'",
            )
        front = await self.front(repository.caller)
        return {"layerDigest": digest, "downloadUrl": front.link(f"/v2/{repository.name}/blobs/{digest}")}

    def _upload(self, caller: Caller, request: Request) -> tuple[Repository, Upload]:
        repository = self.repository(caller, request)
        upload = repository.uploads.get(request["uploadId"])
        if upload is None:
            raise AwsError(
                "UploadNotFoundException",
                f"Upload with id '{request['uploadId']}' could not be found for the repository with name "
                f"'{repository.name}' in the registry with id '{caller.account}'",
            )
        return repository, upload


def _next(status: int, location: str | None, repository: Repository) -> str:
    """Where the next part goes, below the repository."""
    if status != 202 or location is None:
        raise AwsError("ServerException", f"the registry answered {status} to an upload", 500)
    return location.removeprefix(f"/v2/{repository.stored_as}/")
