"""Putting an image into a repository, however it comes: PutImage, `docker push`, `rehearse build --push`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import aiohttp

from harness.emulator.cloud import AwsError, Cloud
from harness.emulator.services import ecr_manifest
from harness.emulator.services.ecr_distribution import Distribution, NoRegistry
from harness.emulator.services.ecr_manifest import Blob, Manifest
from harness.emulator.services.ecr_state import TAG, Image, Repository, check_pattern, invalid


class Push:
    """`expire` evaluates a repository's lifecycle policy."""

    def __init__(self, cloud: Cloud, distribution: Distribution, expire: Callable[[Repository], None]) -> None:
        self._cloud, self._distribution, self._expire = cloud, distribution, expire

    async def put(self, repository: Repository, text: str, media_type: str | None, tag: str | None) -> Image:
        """Check a manifest and keep it. Raises AwsError; an immutable tag, and a layer that is missing, are such errors."""
        try:
            manifest = ecr_manifest.read(text, media_type)
        except ValueError as error:
            raise invalid("ImageManifest", str(error)) from None
        if tag:
            check_pattern("imageTag", TAG, tag)
        self.refuse_immutable(repository, tag)
        if manifest.digest not in repository.images:
            await self._check_parts(repository, manifest)
            if manifest.needed or manifest.images:
                await self._store(repository, manifest)
        self.refuse_immutable(repository, tag)  # another push may have been faster
        image = repository.put(Image(manifest, self._size(repository, manifest), self._cloud.clock.now()), tag)
        self._expire(repository)
        self._cloud.changed.ring()
        return image

    def refuse_immutable(self, repository: Repository, tag: str | None) -> None:
        if tag and repository.tagged(tag) and not repository.mutability.allows(tag):
            raise AwsError(
                "ImageTagAlreadyExistsException",
                f"The image tag '{tag}' already exists in the '{repository.name}' repository and cannot be overwritten "
                "because the tag is immutable.",
            )

    def _size(self, repository: Repository, manifest: Manifest) -> int:
        """Of an index, that of its largest image, as ECR says."""
        return max((repository.images[one].size for one in manifest.images), default=0) or manifest.size

    async def _check_parts(self, repository: Repository, manifest: Manifest) -> None:
        where = f"repository with name '{repository.name}' in the registry with id '{repository.caller.account}'"
        if missing := [one for one in manifest.images if one not in repository.images]:
            raise AwsError(
                "ReferencedImagesNotFoundException",
                f"Images with digests '[{', '.join(missing)}]' required for pushing image into {where} do not exist",
            )
        if lacking := await self._missing(repository, manifest.needed):
            raise AwsError(
                "LayersNotFoundException",
                f"Layers with digests '[{', '.join(lacking)}]' required for pushing image into {where} do not exist",
            )

    async def _missing(self, repository: Repository, blobs: list[Blob]) -> list[str]:
        sizes = await asyncio.gather(*(self.layer_size(repository, blob.digest) for blob in blobs))
        return [blob.digest for blob, size in zip(blobs, sizes, strict=True) if size is None]

    async def layer_size(self, repository: Repository, digest: str) -> int | None:
        """Bytes of a layer or configuration that the registry has for the repository; None where it has not. Raises AwsError."""
        session = await self.session()
        async with session.head(self._distribution.url(repository.stored_as, f"blobs/{digest}")) as answer:
            return int(answer.headers["Content-Length"]) if answer.status == 200 else None

    async def _store(self, repository: Repository, manifest: Manifest) -> None:
        """By digest: tags are kept by ECR's records alone."""
        session = await self.session()
        url = self._distribution.url(repository.stored_as, f"manifests/{manifest.digest}")
        headers = {"Content-Type": manifest.media_type}
        async with session.put(url, data=manifest.text.encode(), headers=headers) as answer:
            if answer.status != 201:
                raise invalid("ImageManifest", f"the registry refuses it: {await answer.text()}")

    async def session(self) -> aiohttp.ClientSession:
        """Raises AwsError where no registry runs."""
        try:
            return await self._distribution.session()
        except NoRegistry as error:
            raise AwsError("NotImplemented", f"ecr: layers are not emulated here: {error}", 501) from error
