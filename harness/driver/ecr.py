"""ECR, as far as pushing an image needs it."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from botocore.exceptions import ClientError

from harness.driver.session import Session
from harness.errors import StepFailed


@dataclass(frozen=True, slots=True)
class Login:
    """What `docker login` takes."""

    user: str
    password: str


def repository_uri(session: Session, name: str) -> str:
    """Where Docker pushes to. Raises StepFailed."""
    try:
        found = session.call("ecr", "describe_repositories", repositoryNames=[name])
    except ClientError as error:
        raise StepFailed("ecr:DescribeRepositories", error) from error
    return str(found["repositories"][0]["repositoryUri"])


def login(session: Session) -> Login:
    try:
        data = session.call("ecr", "get_authorization_token")["authorizationData"][0]
    except ClientError as error:
        raise StepFailed("ecr:GetAuthorizationToken", error) from error
    user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
    return Login(user, password)


def put_image(session: Session, name: str, manifest: str, tag: str) -> str:
    """Its digest; that of an image that is there already under this tag, too. Raises StepFailed."""
    try:
        return str(_put(session, name, manifest, tag)["imageId"]["imageDigest"])
    except ClientError as error:
        if error.response["Error"]["Code"] != "ImageAlreadyExistsException":
            raise StepFailed("ecr:PutImage", error) from error
    return digest_of(session, name, tag)


def _put(session: Session, name: str, manifest: str, tag: str) -> dict[str, dict[str, str]]:
    image: dict[str, dict[str, str]] = session.call(
        "ecr", "put_image", repositoryName=name, imageManifest=manifest, imageTag=tag
    )["image"]
    return image


def digest_of(session: Session, name: str, tag: str) -> str:
    """Raises StepFailed."""
    try:
        found = session.call("ecr", "describe_images", repositoryName=name, imageIds=[{"imageTag": tag}])
    except ClientError as error:
        raise StepFailed("ecr:DescribeImages", error) from error
    return str(found["imageDetails"][0]["imageDigest"])
