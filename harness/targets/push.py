"""`rehearse build --push`: an image that was just built goes into an ECR repository of a running emulator."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

from harness import images
from harness.driver import ecr
from harness.driver.session import Session
from harness.errors import TargetUnavailable, UsageError
from harness.targets import emulators, starting


def push(home: Path, emulator: emulators.Emulator, image: str, asked: str) -> str:
    """`<repositoryUri>:<tag>@<digest>`. `asked` is a repository's name or URI, with a tag or the image's own. Raises HarnessError."""
    reference = images.Reference.of(asked)
    if reference.digest:
        raise UsageError(f"--push {asked}: an image is pushed by tag, its digest comes of itself")
    tag = reference.tag if asked.endswith(f":{reference.tag}") else images.split(image)[1]
    with closing(Session(region=_region(reference), endpoint=emulator.endpoint, run_id="build")) as session:
        uri = ecr.repository_uri(session, reference.repository)
        if emulator.runtime == "docker":
            login = ecr.login(session)
            images.push_docker(image, uri, tag, login.user, login.password)
            digest = ecr.digest_of(session, reference.repository, tag)
        else:
            manifest = images.find_process_image(home, image)
            if manifest is None:
                raise TargetUnavailable(f"{image} is not among the images of {home} any more")
            digest = ecr.put_image(session, reference.repository, images.as_oci(manifest), tag)
    return f"{uri}:{tag}@{digest}"


def _region(reference: images.Reference) -> str:
    """The name's own, else the shell's, else the default."""
    chosen = (os.environ.get(name) for name in ("AWS_REGION", "AWS_DEFAULT_REGION"))
    return reference.region or next(filter(None, chosen), starting.REGION)
