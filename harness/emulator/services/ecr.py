"""ECR (E): repositories, and a registry that Docker really pushes to and pulls from.

Scanning, replication, pull-through caches, archiving and signing are not emulated.
"""

from __future__ import annotations

from harness import images
from harness.emulator.cloud import Caller
from harness.emulator.runtime.base import CannotPull, StoredImage, not_found
from harness.emulator.services.ecr_front import USER, Front
from harness.emulator.services.ecr_images import Images
from harness.emulator.services.ecr_layers import Layers
from harness.emulator.services.ecr_registry import Registry
from harness.emulator.services.ecr_repositories import Repositories
from harness.emulator.services.ecr_state import Image


class Ecr(Repositories, Images, Layers, Registry):
    # ---- for the runtimes

    def find(self, image: str, launch_type: str) -> StoredImage | None:
        """What an image of a task definition is here; None where it is no repository's. Raises CannotPull (D.2)."""
        reference = images.Reference.of(image)
        front = self._front_of(reference)
        if front is None and reference.region is None:
            return None
        found = self._image(front, reference) if front else None
        if front is None or found is None:
            known = front is not None and reference.repository in self.regions[front.caller].repositories
            raise CannotPull(not_found(image, launch_type, repository=known))
        found.pulled_at = self.cloud.clock.now()  # also where the engine has it already, and asks for nothing
        return StoredImage(
            name=f"{front.host}/{reference.repository}",
            digest=found.digest,
            config=found.manifest.config.data if found.manifest.config else None,
            user=USER,
            password=front.inside,
        )

    def _image(self, front: Front, reference: images.Reference) -> Image | None:
        """Where a digest is given, it counts, whatever the tag."""
        repository = self.regions[front.caller].repositories.get(reference.repository)
        if repository is None:
            return None
        return repository.find(None if reference.digest else reference.tag, reference.digest)

    def _front_of(self, reference: images.Reference) -> Front | None:
        if reference.region is not None:
            return self.opened(Caller(reference.region))
        return next((one for one in self.fronts() if one.host == reference.host), None)
