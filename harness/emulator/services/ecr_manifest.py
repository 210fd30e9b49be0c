"""Reading image manifests: Docker's schema 2 and OCI's, single images and indexes of several.

An image of the process runtime is an OCI manifest as well: it has no layers, and its configuration, the runtime's own manifest, is
embedded as OCI's `data`. So it needs no registry to be kept, and has a digest like any other image.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from typing import Any

DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
OCI = "application/vnd.oci.image.manifest.v1+json"
INDEXES = (
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.index.v1+json",
)
MEDIA_TYPES = (DOCKER, OCI, *INDEXES)


@dataclass(frozen=True, slots=True)
class Blob:
    """A layer or configuration: digest and bytes. `data` where it is embedded."""

    digest: str
    size: int
    media_type: str
    data: bytes | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """`text` is kept to the byte: the digest is of it. `images` are digests that an index refers to."""

    text: str
    digest: str
    media_type: str
    config: Blob | None
    layers: tuple[Blob, ...]
    images: tuple[str, ...] = ()

    @property
    def needed(self) -> list[Blob]:
        """What a registry must have before the manifest makes sense."""
        blobs = (*((self.config,) if self.config else ()), *self.layers)
        return [blob for blob in blobs if blob.data is None]

    @property
    def size(self) -> int:
        """Bytes of what it refers to."""
        return sum(blob.size for blob in (*((self.config,) if self.config else ()), *self.layers))


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def read(text: str, media_type: str | None = None) -> Manifest:
    """The manifest in `text`; `media_type` is what its sender calls it. Raises ValueError with what is wrong."""
    try:
        raw = json.loads(text)
    except ValueError:
        raise ValueError("Invalid JSON syntax") from None
    if not isinstance(raw, dict) or raw.get("schemaVersion") != 2:
        raise ValueError("schemaVersion must be 2")
    kind = raw.get("mediaType") or media_type or OCI
    if kind not in MEDIA_TYPES:
        raise ValueError(f"mediaType {kind} is not one of {', '.join(MEDIA_TYPES)}")
    if media_type and media_type != kind:
        raise ValueError(f"mediaType {kind} is not the {media_type} that it was sent as")
    digest = digest_of(text.encode())
    try:
        if kind in INDEXES:
            return Manifest(text, digest, kind, None, (), tuple(one["digest"] for one in raw["manifests"]))
        layers = tuple(_blob(one) for one in raw["layers"])
        return Manifest(text, digest, kind, _blob(raw["config"]), layers)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a manifest of type {kind}: {error} is missing or misshapen") from None


def _blob(raw: Any) -> Blob:
    data = _embedded(raw) if "data" in raw else None
    return Blob(str(raw["digest"]), int(raw["size"]), str(raw.get("mediaType", "")), data)


def _embedded(raw: Any) -> bytes:
    try:
        data = base64.b64decode(raw["data"], validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("data is not base64") from None
    if digest_of(data) != raw["digest"]:
        raise ValueError(f"data does not have the digest {raw['digest']}")
    return data
