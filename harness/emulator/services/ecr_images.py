"""Images: listing, reading, putting and deleting them."""

from __future__ import annotations

from typing import Any

from harness.emulator.cloud import Answer, AwsError, Caller, Request, not_emulated
from harness.emulator.services.ecr_base import Base, page
from harness.emulator.services.ecr_manifest import MEDIA_TYPES, digest_of
from harness.emulator.services.ecr_repositories import named
from harness.emulator.services.ecr_state import Image, Raw, Repository, invalid

NOT_FOUND = ("ImageNotFound", "Requested image not found")
WITHOUT_BOTH = ("MissingDigestAndTag", "Invalid request parameters: both tag and digest cannot be null")
MISMATCH = ("ImageTagDoesNotMatchDigest", "Requested image tag does not match the digest")
REFERENCED = ("ImageReferencedByManifestList", "Requested image referenced by manifest list: [{}]")


class Failure(Exception):
    """One image of a batch could not be had: AWS's failureCode and failureReason."""


class Images(Base):
    def list_images(self, caller: Caller, request: Request) -> Answer:
        """One line for each tag, and one for an image without tags."""
        chosen = filtered(self.repository(caller, request), request)
        return page(request, "imageIds", [one for image in chosen for one in ids_of(image)])

    def describe_images(self, caller: Caller, request: Request) -> Answer:
        repository = self.repository(caller, request)
        if ids := request.get("imageIds"):
            images = [self._existing(repository, one) for one in ids]
            return {"imageDetails": [_details(repository, image) for image in images]}
        return page(request, "imageDetails", [_details(repository, one) for one in filtered(repository, request)])

    def _existing(self, repository: Repository, asked: Raw) -> Image:
        image = repository.find(asked.get("imageTag"), asked.get("imageDigest"))
        if image is None:
            spelled = (
                f"{{imageDigest:'{asked.get('imageDigest', 'null')}', imageTag:'{asked.get('imageTag', 'null')}'}}"
            )
            raise AwsError(
                "ImageNotFoundException",
                f"The image with imageId {spelled} does not exist within the repository with name '{repository.name}' in "
                f"the registry with id '{repository.caller.account}'",
            )
        return image

    def batch_get_image(self, caller: Caller, request: Request) -> Answer:
        repository, accepted = self.repository(caller, request), request.get("acceptedMediaTypes")
        images, failures = [], []
        for asked in request["imageIds"]:
            try:
                image = _wanted(repository, asked)
            except Failure as failure:
                failures.append(_failed(asked, failure))
                continue
            if accepted and image.manifest.media_type not in accepted:
                raise not_emulated("ecr", f"BatchGetImage(converting {image.manifest.media_type})")
            images.append(_image(repository, image, asked.get("imageTag")))
        return {"images": images, "failures": failures}

    def batch_delete_image(self, caller: Caller, request: Request) -> Answer:
        """By digest an image goes with all its tags; by tag only the tag, and the image with its last one."""
        repository = self.repository(caller, request)
        deleted, failures = [], []
        for asked in request["imageIds"]:
            try:
                deleted += _delete(repository, asked)
            except Failure as failure:
                failures.append(_failed(asked, failure))
        return {"imageIds": deleted, "failures": failures}

    async def put_image(self, caller: Caller, request: Request) -> Answer:
        """The layers must be there; another tag for an image that is there needs none."""
        repository, text, tag = self.repository(caller, request), request["imageManifest"], request.get("imageTag")
        digest = digest_of(text.encode())
        if request.get("imageDigest", digest) != digest:
            raise AwsError(
                "ImageDigestDoesNotMatchException",
                f"The digest of the manifest is '{digest}', not '{request['imageDigest']}'",
            )
        kept = repository.images.get(digest)
        if kept and (not tag or tag in kept.tags):
            raise _already(repository, digest, tag)
        media_type = request.get("imageManifestMediaType")
        if media_type is not None and media_type not in MEDIA_TYPES:
            raise invalid("imageManifestMediaType", f"must be one of {', '.join(MEDIA_TYPES)}")
        image = await self.pushes.put(repository, text, media_type, tag)
        return {"image": _image(repository, image, tag)}


def filtered(repository: Repository, request: Request) -> list[Image]:
    """In the order of their digests, as stable as pages need it. `filter` chooses by tagStatus and imageStatus."""
    asked = request.get("filter", {})
    status = asked.get("tagStatus", "ANY")
    if asked.get("imageStatus", "ACTIVE") not in ("ACTIVE", "ANY"):
        return []  # nothing is archived here
    found = sorted(repository.images.values(), key=lambda image: image.digest)
    return [image for image in found if status == "ANY" or (status == "TAGGED") == bool(image.tags)]


def ids_of(image: Image) -> list[Raw]:
    return [{"imageDigest": image.digest, "imageTag": tag} for tag in image.tags] or [{"imageDigest": image.digest}]


def _details(repository: Repository, image: Image) -> Raw:
    config = image.manifest.config
    return {
        **named(repository),
        "imageDigest": image.digest,
        **({"imageTags": list(image.tags)} if image.tags else {}),
        "imageSizeInBytes": image.size,
        "imagePushedAt": image.pushed_at,
        "imageManifestMediaType": image.manifest.media_type,
        **({"artifactMediaType": config.media_type} if config else {}),
        **({"lastRecordedPullTime": image.pulled_at} if image.pulled_at else {}),
        "imageStatus": "ACTIVE",
    }


def _image(repository: Repository, image: Image, tag: str | None) -> Raw:
    return {
        **named(repository),
        "imageId": {"imageDigest": image.digest, **({"imageTag": tag} if tag else {})},
        "imageManifest": image.manifest.text,
        "imageManifestMediaType": image.manifest.media_type,
    }


def _already(repository: Repository, digest: str, tag: str | None) -> AwsError:
    tagged = f" and tag '{tag}'" if tag else ""
    return AwsError(
        "ImageAlreadyExistsException",
        f"Image with digest '{digest}'{tagged} already exists in the repository with name '{repository.name}' in registry "
        f"with id '{repository.caller.account}'",
    )


def _wanted(repository: Repository, asked: Raw) -> Image:
    """Raises Failure."""
    tag, digest = asked.get("imageTag"), asked.get("imageDigest")
    if not tag and not digest:
        raise Failure(*WITHOUT_BOTH)
    image = repository.find(tag, digest)
    if image is None:
        raise Failure(*(MISMATCH if tag and digest and digest in repository.images else NOT_FOUND))
    return image


def _delete(repository: Repository, asked: Raw) -> list[Raw]:
    image, tag = _wanted(repository, asked), asked.get("imageTag")
    goes = tag is None or image.tags == [tag]
    if goes and repository.referenced(image.digest):
        by = next(one.digest for one in repository.images.values() if image.digest in one.manifest.images)
        raise Failure(REFERENCED[0], REFERENCED[1].format(by))
    if tag is not None:
        image.tags.remove(tag)
    gone = ids_of(image) if tag is None else [{"imageDigest": image.digest, "imageTag": tag}]
    if goes:
        repository.remove(image)
    return gone


def _failed(asked: Raw, failure: Failure) -> Raw:
    code, reason = failure.args
    known: dict[str, Any] = {key: asked[key] for key in ("imageDigest", "imageTag") if key in asked}
    return {"imageId": known, "failureCode": code, "failureReason": reason}
