"""Images on their way to AWS: of the cluster's architecture, into the stack's repository, named by digest from then on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import images
from harness.driver import Session, ecr
from harness.driver.ecs import image_of
from harness.errors import TargetUnavailable, UsageError
from harness.scenario import Scenario


@dataclass(frozen=True, slots=True)
class Pushed:
    """`reference` is what a task definition says: `<repository uri>@sha256:...`, or a tag that was never pushed."""

    reference: str
    digest: str | None


def push_all(
    session: Session, home: Path, runtime: str, repository: str, architecture: str, scenarios: Sequence[Scenario]
) -> dict[str, Pushed]:
    """`sampleapp:v2` to what it is now called, for every version of the scenarios; they are built already. Raises HarnessError."""
    pushed = dict[str, Pushed]()
    for scenario in scenarios:
        for version in (scenario.release.from_, scenario.release.to):
            image = image_of(scenario.service, version)
            kind = version.fault.kind if version.fault else None
            if kind == "missing_tag":
                uri = ecr.repository_uri(session, repository)
                pushed[image] = Pushed(f"{uri}:{tag_of(image)}", None)
            elif image not in pushed:
                meant = None if kind == "wrong_architecture" else architecture
                pushed[image] = push_one(session, home, runtime, repository, meant, image)
    return pushed


def push_one(
    session: Session, home: Path, runtime: str, repository: str, architecture: str | None, image: str
) -> Pushed:
    """`architecture` None: whatever it is built for. Raises HarnessError."""
    if architecture is not None:
        refuse_mismatch(home, runtime, image, architecture)
    uri = ecr.repository_uri(session, repository)
    digest = _push(session, home, runtime, repository, uri, image)
    return Pushed(f"{uri}@{digest}", digest)


def tag_of(image: str) -> str:
    """All of a rehearsal's images share one repository: `shop/web:v2` is its tag `shop-web-v2`."""
    name, tag = images.split(image)
    return f"{name.replace('/', '-')}-{tag}"[-128:]


def refuse_mismatch(home: Path, runtime: str, image: str, architecture: str) -> None:
    """Raises UsageError before it becomes `exec format error` in a task."""
    has = architecture_of(home, runtime, image)
    if has != architecture:
        raise UsageError(
            f"{image} is built for linux/{has}, and the cluster runs linux/{architecture}: there it would die with exec format "
            f"error; build it with --platform linux/{architecture}, or choose the architecture (lean) or instance_type (seed) in "
            "[aws] of rehearsal.toml"
        )


def architecture_of(home: Path, runtime: str, image: str) -> str:
    """Raises UsageError where there is no such image, TargetUnavailable where the engine does not answer."""
    if runtime == "process":
        manifest = images.find_process_image(home, image)
        if manifest is None:
            raise UsageError(f"there is no image {image}; rehearse build makes one")
        return manifest.architecture
    from docker.errors import DockerException, ImageNotFound

    from harness import engine

    try:
        with engine.connected(images.ENGINE_TIMEOUT) as client:
            return str(client.images.get(image).attrs["Architecture"])
    except ImageNotFound as error:
        raise UsageError(f"there is no image {image}; rehearse build makes one") from error
    except DockerException as error:
        raise TargetUnavailable(f"no Docker engine answers ({error})") from error


def _push(session: Session, home: Path, runtime: str, repository: str, uri: str, image: str) -> str:
    """Its digest in the repository. Where tasks are processes (the emulator), a repository keeps the manifest alone."""
    tag = tag_of(image)
    if runtime == "process":
        manifest = images.find_process_image(home, image)
        if manifest is None:
            raise TargetUnavailable(f"{image} is not among the images of {home} any more")
        return ecr.put_image(session, repository, images.as_oci(manifest), tag)
    login = ecr.login(session)
    images.push_docker(image, uri, tag, login.user, login.password)
    return ecr.digest_of(session, repository, tag)
