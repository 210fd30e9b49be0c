"""ECR as boto3 sees it: repositories, images, layers, policies, and the errors of each."""

import asyncio
import base64
import gzip
import hashlib
import http.client
import json
import secrets
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness import images
from harness.clock import Manual
from harness.emulator.alb.plane import Plane
from harness.emulator.cloud import Caller, Cloud
from harness.emulator.runtime.process import ProcessRuntime
from harness.emulator.services import ecr_lifecycle
from harness.emulator.services.ecr import Ecr
from harness.emulator.services.ecr_manifest import OCI, read
from harness.emulator.services.ecr_state import Image
from harness.emulator.settings import Settings
from tests.emulator.conftest import Running
from tests.emulator.lambda_story import refusal

ACCOUNT = "123456789012"
needs_registry = pytest.mark.skipif(images.find_distribution()[0] is None, reason=images.find_distribution()[1])


@pytest.fixture
def ecr(aws: Running) -> Any:
    return aws.client("ecr")


@pytest.fixture
def repository(ecr: Any) -> Iterator[str]:
    name = f"team/app-{secrets.token_hex(4)}"
    ecr.create_repository(repositoryName=name)
    yield name
    if name in [one["repositoryName"] for one in ecr.describe_repositories()["repositories"]]:
        ecr.delete_repository(repositoryName=name, force=True)


def manifest(version: str) -> str:
    """A process image's: it needs no layers."""
    return images.as_oci(images.Manifest(("true",), "/", {"APP_VERSION": version}, "amd64", 8080))


def digest_of(text: str | bytes) -> str:
    return f"sha256:{hashlib.sha256(text if isinstance(text, bytes) else text.encode()).hexdigest()}"


def put(ecr: Any, repository: str, version: str, tag: str | None = None) -> str:
    tagged = {"imageTag": tag} if tag else {}
    answer = ecr.put_image(repositoryName=repository, imageManifest=manifest(version), **tagged)
    return str(answer["image"]["imageId"]["imageDigest"])


def tags_in(ecr: Any, repository: str) -> set[str | None]:
    return {one.get("imageTag") for one in ecr.list_images(repositoryName=repository)["imageIds"]}


# ---- repositories


def test_repository_has_the_shape_of_awss_and_a_uri_that_docker_reaches(ecr: Any):
    name = f"shape-{secrets.token_hex(4)}"
    made = ecr.create_repository(repositoryName=name, tags=[{"Key": "team", "Value": "blue"}])["repository"]
    shown = ecr.describe_repositories(repositoryNames=[name])["repositories"][0]
    assert shown == made
    assert shown["repositoryArn"] == f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/{name}"
    assert shown["registryId"] == ACCOUNT
    assert shown["imageTagMutability"] == "MUTABLE"
    assert shown["imageScanningConfiguration"] == {"scanOnPush": False}
    assert shown["encryptionConfiguration"] == {"encryptionType": "AES256"}
    host, _, path = shown["repositoryUri"].partition("/")
    assert path == name
    assert ecr.get_authorization_token()["authorizationData"][0]["proxyEndpoint"] == f"http://{host}"
    assert ecr.delete_repository(repositoryName=name)["repository"] == made
    assert refusal(ecr.describe_repositories, repositoryNames=[name]) == (
        "RepositoryNotFoundException",
        f"The repository with name '{name}' does not exist in the registry with id '{ACCOUNT}'",
        400,
    )


def test_repository_that_exists_is_refused_with_awss_text(ecr: Any, repository: str):
    assert refusal(ecr.create_repository, repositoryName=repository) == (
        "RepositoryAlreadyExistsException",
        f"The repository with name '{repository}' already exists in the registry with id '{ACCOUNT}'",
        400,
    )


@pytest.mark.parametrize("name", ["App", "a//b", "-a", "a_", "a b"])
def test_repository_name_that_aws_would_not_take_is_refused(ecr: Any, name: str):
    code, message, _ = refusal(ecr.create_repository, repositoryName=name)
    assert code == "InvalidParameterException"
    assert message.startswith(
        "Invalid parameter at 'repositoryName' failed to satisfy constraint: 'must satisfy regular"
    )


def test_repositories_of_two_regions_are_two_registries(aws: Running, ecr: Any, repository: str):
    seoul = aws.client("ecr", region_name="ap-northeast-2")
    assert seoul.describe_repositories()["repositories"] == []
    there = seoul.create_repository(repositoryName=repository)["repository"]
    here = ecr.describe_repositories(repositoryNames=[repository])["repositories"][0]
    assert there["repositoryUri"] != here["repositoryUri"]
    seoul.delete_repository(repositoryName=repository)


def test_repository_with_images_is_deleted_by_force_only(ecr: Any, repository: str):
    put(ecr, repository, "v1")
    assert refusal(ecr.delete_repository, repositoryName=repository)[:2] == (
        "RepositoryNotEmptyException",
        f"The repository with name '{repository}' in registry with id '{ACCOUNT}' cannot be deleted because it still "
        "contains images",
    )
    ecr.delete_repository(repositoryName=repository, force=True)
    assert refusal(ecr.list_images, repositoryName=repository)[0] == "RepositoryNotFoundException"


def test_repositories_are_shown_in_pages(ecr: Any):
    names = sorted(f"page-{secrets.token_hex(4)}" for _ in range(3))
    for name in names:
        ecr.create_repository(repositoryName=name)
    pages = ecr.get_paginator("describe_repositories").paginate(PaginationConfig={"PageSize": 2})
    seen = [one["repositoryName"] for page in pages for one in page["repositories"]]
    assert [name for name in seen if name in names] == names
    for name in names:
        ecr.delete_repository(repositoryName=name)


def test_tags_of_a_repository_are_kept(ecr: Any, repository: str):
    arn = ecr.describe_repositories(repositoryNames=[repository])["repositories"][0]["repositoryArn"]
    ecr.tag_resource(resourceArn=arn, tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    ecr.untag_resource(resourceArn=arn, tagKeys=["a"])
    assert ecr.list_tags_for_resource(resourceArn=arn)["tags"] == [{"Key": "b", "Value": "2"}]
    assert refusal(ecr.list_tags_for_resource, resourceArn=f"{arn}x")[0] == "RepositoryNotFoundException"


def test_repository_policy_is_kept_and_its_absence_has_awss_text(ecr: Any, repository: str):
    assert refusal(ecr.get_repository_policy, repositoryName=repository)[:2] == (
        "RepositoryPolicyNotFoundException",
        f"Repository policy does not exist for the repository with name '{repository}' in the registry with id '{ACCOUNT}'",
    )
    text = json.dumps({"Version": "2012-10-17", "Statement": []})
    ecr.set_repository_policy(repositoryName=repository, policyText=text)
    assert ecr.get_repository_policy(repositoryName=repository)["policyText"] == text
    ecr.delete_repository_policy(repositoryName=repository)
    assert refusal(ecr.delete_repository_policy, repositoryName=repository)[0] == "RepositoryPolicyNotFoundException"
    assert (
        refusal(ecr.set_repository_policy, repositoryName=repository, policyText="no")[0] == "InvalidParameterException"
    )


def test_settings_of_a_repository_can_be_changed(ecr: Any, repository: str):
    ecr.put_image_scanning_configuration(repositoryName=repository, imageScanningConfiguration={"scanOnPush": True})
    filters = [{"filterType": "WILDCARD", "filter": "dev*"}]
    ecr.put_image_tag_mutability(
        repositoryName=repository,
        imageTagMutability="IMMUTABLE_WITH_EXCLUSION",
        imageTagMutabilityExclusionFilters=filters,
    )
    shown = ecr.describe_repositories(repositoryNames=[repository])["repositories"][0]
    assert shown["imageScanningConfiguration"] == {"scanOnPush": True}
    assert shown["imageTagMutability"] == "IMMUTABLE_WITH_EXCLUSION"
    assert shown["imageTagMutabilityExclusionFilters"] == filters
    code, _, _ = refusal(
        ecr.put_image_tag_mutability,
        repositoryName=repository,
        imageTagMutability="IMMUTABLE",
        imageTagMutabilityExclusionFilters=filters,
    )
    assert code == "InvalidParameterException"


# ---- images


def test_image_is_shown_by_tag_and_by_digest(ecr: Any, repository: str):
    digest = put(ecr, repository, "v1", "v1")
    assert digest == digest_of(manifest("v1"))
    put(ecr, repository, "v1", "latest")
    untagged = put(ecr, repository, "v2")
    details = ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": "latest"}])["imageDetails"][0]
    assert details["imageDigest"] == digest
    assert details["imageTags"] == ["v1", "latest"]
    assert details["imageManifestMediaType"] == OCI
    assert details["artifactMediaType"] == images.PROCESS_IMAGE
    assert details["imageSizeInBytes"] == json.loads(manifest("v1"))["config"]["size"]
    assert abs(details["imagePushedAt"] - datetime.now(UTC)) < timedelta(minutes=1)
    listed = ecr.list_images(repositoryName=repository)["imageIds"]
    assert {"imageDigest": untagged} in listed
    assert {"imageDigest": digest, "imageTag": "v1"} in listed
    for status, count in {"TAGGED": 2, "UNTAGGED": 1, "ANY": 3}.items():
        assert len(ecr.list_images(repositoryName=repository, filter={"tagStatus": status})["imageIds"]) == count


def test_manifest_comes_back_to_the_byte(ecr: Any, repository: str):
    text = manifest("v1") + "\n "
    digest = ecr.put_image(repositoryName=repository, imageManifest=text, imageTag="v1")["image"]["imageId"][
        "imageDigest"
    ]
    answer = ecr.batch_get_image(
        repositoryName=repository,
        imageIds=[{"imageTag": "v1"}, {"imageTag": "no"}, {"imageTag": "v1", "imageDigest": digest_of("")}],
    )
    assert [(one["imageManifest"], one["imageId"]["imageDigest"]) for one in answer["images"]] == [(text, digest)]
    assert digest == digest_of(text)
    assert [(one["failureCode"], one["failureReason"]) for one in answer["failures"]] == [
        ("ImageNotFound", "Requested image not found"),
        ("ImageNotFound", "Requested image not found"),
    ]


def test_missing_image_has_awss_text(ecr: Any, repository: str):
    assert refusal(ecr.describe_images, repositoryName=repository, imageIds=[{"imageTag": "no"}])[:2] == (
        "ImageNotFoundException",
        "The image with imageId {imageDigest:'null', imageTag:'no'} does not exist within the repository with name "
        f"'{repository}' in the registry with id '{ACCOUNT}'",
    )


def test_tag_moves_to_the_image_that_was_put_last(ecr: Any, repository: str):
    first, second = put(ecr, repository, "v1", "latest"), put(ecr, repository, "v2", "latest")
    assert first != second
    details = {
        one["imageDigest"]: one.get("imageTags")
        for one in ecr.describe_images(repositoryName=repository)["imageDetails"]
    }
    assert details == {first: None, second: ["latest"]}


def test_same_image_under_the_same_tag_is_refused(ecr: Any, repository: str):
    digest = put(ecr, repository, "v1", "v1")
    assert refusal(ecr.put_image, repositoryName=repository, imageManifest=manifest("v1"), imageTag="v1")[:2] == (
        "ImageAlreadyExistsException",
        f"Image with digest '{digest}' and tag 'v1' already exists in the repository with name '{repository}' in registry "
        f"with id '{ACCOUNT}'",
    )


def test_immutable_tag_is_not_overwritten_but_an_excluded_one_is(ecr: Any, repository: str):
    ecr.put_image_tag_mutability(
        repositoryName=repository,
        imageTagMutability="IMMUTABLE_WITH_EXCLUSION",
        imageTagMutabilityExclusionFilters=[{"filterType": "WILDCARD", "filter": "dev-*"}],
    )
    put(ecr, repository, "v1", "v1")
    put(ecr, repository, "v1", "dev-1")
    assert refusal(ecr.put_image, repositoryName=repository, imageManifest=manifest("v2"), imageTag="v1")[:2] == (
        "ImageTagAlreadyExistsException",
        f"The image tag 'v1' already exists in the '{repository}' repository and cannot be overwritten because the tag is "
        "immutable.",
    )
    moved = put(ecr, repository, "v2", "dev-1")
    assert (
        ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": "dev-1"}])["imageDetails"][0][
            "imageDigest"
        ]
        == moved
    )


def test_image_is_deleted_with_its_last_tag_and_by_digest_with_all(ecr: Any, repository: str):
    digest = put(ecr, repository, "v1", "a")
    put(ecr, repository, "v1", "b")
    other = put(ecr, repository, "v2", "c")
    gone = ecr.batch_delete_image(repositoryName=repository, imageIds=[{"imageTag": "a"}])["imageIds"]
    assert gone == [{"imageDigest": digest, "imageTag": "a"}]
    assert tags_in(ecr, repository) == {"b", "c"}
    ecr.batch_delete_image(repositoryName=repository, imageIds=[{"imageTag": "b"}])
    assert [one["imageDigest"] for one in ecr.describe_images(repositoryName=repository)["imageDetails"]] == [other]
    answer = ecr.batch_delete_image(
        repositoryName=repository, imageIds=[{"imageDigest": other}, {"imageTag": "no"}, {}]
    )
    assert answer["imageIds"] == [{"imageDigest": other, "imageTag": "c"}]
    assert [one["failureCode"] for one in answer["failures"]] == ["ImageNotFound", "MissingDigestAndTag"]
    assert tags_in(ecr, repository) == set()


def test_index_needs_its_images_and_keeps_them(ecr: Any, repository: str):
    def index(digest: str) -> str:
        kind = "application/vnd.oci.image.index.v1+json"
        return json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": [{"digest": digest, "mediaType": OCI}]})

    code, message, _ = refusal(
        ecr.put_image, repositoryName=repository, imageManifest=index(digest_of("")), imageTag="i"
    )
    assert code == "ReferencedImagesNotFoundException"
    assert digest_of("") in message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "Invalid JSON syntax"),
        ('{"schemaVersion": 1}', "schemaVersion must be 2"),
        ('{"schemaVersion": 2, "mediaType": "text/plain"}', "mediaType text/plain is not one of"),
        ('{"schemaVersion": 2, "layers": []}', "'config' is missing"),
    ],
)
def test_manifest_that_is_none_is_refused(ecr: Any, repository: str, text: str, says: str):
    code, message, _ = refusal(ecr.put_image, repositoryName=repository, imageManifest=text, imageTag="v1")
    assert code == "InvalidParameterException"
    assert message.startswith("Invalid parameter at 'ImageManifest' failed to satisfy constraint: '")
    assert says in message


def test_configuration_that_is_not_what_its_digest_says_is_refused(ecr: Any, repository: str):
    raw = json.loads(manifest("v1"))
    raw["config"]["data"] = base64.b64encode(b"{}").decode()
    code, message, _ = refusal(ecr.put_image, repositoryName=repository, imageManifest=json.dumps(raw))
    assert (code, "does not have the digest" in message) == ("InvalidParameterException", True)


# ---- layers


@needs_registry
def test_layers_in_parts_make_an_image_that_can_be_downloaded(ecr: Any, repository: str):
    layer, config = gzip.compress(secrets.token_bytes(300_000)), b'{"architecture":"amd64","os":"linux"}'
    text = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "size": len(config),
                "digest": digest_of(config),
            },
            "layers": [
                {
                    "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                    "size": len(layer),
                    "digest": digest_of(layer),
                }
            ],
        }
    )
    code, message, _ = refusal(ecr.put_image, repositoryName=repository, imageManifest=text, imageTag="v1")
    assert code == "LayersNotFoundException"
    assert digest_of(layer) in message
    upload(ecr, repository, layer, parts=3)
    upload(ecr, repository, config)
    digests = [digest_of(layer), digest_of(b"other"), "md5:1"]
    checked = ecr.batch_check_layer_availability(repositoryName=repository, layerDigests=digests)
    assert [(one["layerAvailability"], one.get("layerSize")) for one in checked["layers"]] == [
        ("AVAILABLE", len(layer)),
        ("UNAVAILABLE", None),
    ]
    assert [one["failureCode"] for one in checked["failures"]] == ["InvalidLayerDigest"]
    ecr.put_image(repositoryName=repository, imageManifest=text, imageTag="v1")
    details = ecr.describe_images(repositoryName=repository)["imageDetails"][0]
    assert details["imageSizeInBytes"] == len(layer) + len(config)
    url = ecr.get_download_url_for_layer(repositoryName=repository, layerDigest=digest_of(layer))["downloadUrl"]
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert answer.read() == layer
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url.partition("?")[0], timeout=10)
    assert caught.value.code == 401
    caught.value.close()


def upload(ecr: Any, repository: str, content: bytes, parts: int = 1) -> None:
    upload_id = ecr.initiate_layer_upload(repositoryName=repository)["uploadId"]
    size = -(-len(content) // parts)
    for first in range(0, len(content), size):
        part = content[first : first + size]
        ecr.upload_layer_part(
            repositoryName=repository,
            uploadId=upload_id,
            partFirstByte=first,
            partLastByte=first + len(part) - 1,
            layerPartBlob=part,
        )
    ecr.complete_layer_upload(repositoryName=repository, uploadId=upload_id, layerDigests=[digest_of(content)])


@needs_registry
def test_uploads_that_go_wrong_have_awss_codes(ecr: Any, repository: str):
    upload_id = ecr.initiate_layer_upload(repositoryName=repository)["uploadId"]
    part = {"repositoryName": repository, "uploadId": upload_id, "layerPartBlob": b"abc"}
    assert refusal(ecr.upload_layer_part, **part, partFirstByte=5, partLastByte=7)[0] == "InvalidLayerPartException"
    complete = {"repositoryName": repository, "uploadId": upload_id, "layerDigests": [digest_of(b"xyz")]}
    assert refusal(ecr.complete_layer_upload, **complete)[0] == "EmptyUploadException"
    ecr.upload_layer_part(**part, partFirstByte=0, partLastByte=2)
    assert refusal(ecr.complete_layer_upload, **complete)[0] == "InvalidLayerException"
    assert refusal(ecr.complete_layer_upload, **{**complete, "uploadId": "no"})[0] == "UploadNotFoundException"
    upload(ecr, repository, b"twice")
    with pytest.raises(ecr.exceptions.LayerAlreadyExistsException):
        upload(ecr, repository, b"twice")


@needs_registry
def test_layers_of_a_deleted_repository_are_gone(ecr: Any, repository: str):
    upload(ecr, repository, b"layer")
    ecr.delete_repository(repositoryName=repository)
    ecr.create_repository(repositoryName=repository)
    checked = ecr.batch_check_layer_availability(repositoryName=repository, layerDigests=[digest_of(b"layer")])
    assert checked["layers"][0]["layerAvailability"] == "UNAVAILABLE"


@needs_registry
def test_large_layer_passes_through_with_flat_memory(aws: Running, ecr: Any, repository: str):
    size, part = 256 * 1024 * 1024, secrets.token_bytes(1024 * 1024)
    data = ecr.get_authorization_token()["authorizationData"][0]
    headers = {"Authorization": f"Basic {data['authorizationToken']}"}
    emulator = psutil.Process(aws.process.pid)
    before, digest = emulator.memory_info().rss, hashlib.sha256()
    connection = http.client.HTTPConnection(data["proxyEndpoint"].removeprefix("http://"), timeout=60)
    highest = [before]

    def parts() -> Iterator[bytes]:
        for _ in range(size // len(part)):
            digest.update(part)
            highest.append(emulator.memory_info().rss)
            yield part

    def answered(method: str, path: str, status: int, body: Any = None) -> http.client.HTTPResponse:
        connection.request(method, path, body, headers, encode_chunked=not isinstance(body, bytes | None))
        answer = connection.getresponse()
        assert answer.status == status, answer.read()
        return answer

    def location(answer: http.client.HTTPResponse) -> str:
        answer.read()
        return str(answer.headers["Location"]).removeprefix(data["proxyEndpoint"])

    where = location(answered("POST", f"/v2/{repository}/blobs/uploads/", 202))
    where = location(answered("PATCH", where, 202, parts()))
    where = location(answered("PUT", f"{where}&digest=sha256:{digest.hexdigest()}", 201))
    back, again = answered("GET", where, 200), hashlib.sha256()
    while content := back.read(1024 * 1024):
        again.update(content)
        highest.append(emulator.memory_info().rss)
    connection.close()
    assert again.hexdigest() == digest.hexdigest()
    assert max(highest) - before < 40 * 1024 * 1024


# ---- lifecycle policies


def policy(*rules: dict[str, Any]) -> str:
    made = [{"rulePriority": n, "selection": rule, "action": {"type": "expire"}} for n, rule in enumerate(rules, 1)]
    return json.dumps({"rules": made})


UNTAGGED = {"tagStatus": "untagged", "countType": "imageCountMoreThan", "countNumber": 1}
NEWEST_TWO = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 2}


def test_lifecycle_policy_expires_images_with_the_next_push(ecr: Any, repository: str):
    ecr.put_lifecycle_policy(repositoryName=repository, lifecyclePolicyText=policy(NEWEST_TWO))
    for version in ("v1", "v2", "v3"):
        put(ecr, repository, version, version)
    assert tags_in(ecr, repository) == {"v2", "v3"}
    shown = ecr.get_lifecycle_policy(repositoryName=repository)
    assert shown["lifecyclePolicyText"] == policy(NEWEST_TWO)
    assert "lastEvaluatedAt" in shown
    ecr.delete_lifecycle_policy(repositoryName=repository)
    assert refusal(ecr.get_lifecycle_policy, repositoryName=repository)[:2] == (
        "LifecyclePolicyNotFoundException",
        f"Lifecycle policy does not exist for the repository with name '{repository}' in the registry with id '{ACCOUNT}'",
    )


def test_lifecycle_preview_says_what_would_expire_and_expires_nothing(ecr: Any, repository: str):
    for version in ("v1", "v2", "v3"):
        put(ecr, repository, version, version)
    assert (
        refusal(ecr.get_lifecycle_policy_preview, repositoryName=repository)[0]
        == "LifecyclePolicyPreviewNotFoundException"
    )
    ecr.start_lifecycle_policy_preview(repositoryName=repository, lifecyclePolicyText=policy(NEWEST_TWO))
    ecr.get_waiter("lifecycle_policy_preview_complete").wait(repositoryName=repository)
    shown = ecr.get_lifecycle_policy_preview(repositoryName=repository)
    assert [(one["imageTags"], one["appliedRulePriority"]) for one in shown["previewResults"]] == [(["v1"], 1)]
    assert shown["summary"]["expiringImageTotalCount"] == 1
    assert tags_in(ecr, repository) == {"v1", "v2", "v3"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("no", "Could not map policyString into LifecyclePolicy."),
        ("{}", 'object has missing required properties (["rules"])'),
        (policy({"tagStatus": "any", "countType": "imageCountMoreThan"}), '(["countNumber"])'),
        (policy({**UNTAGGED, "tagStatus": "tagged"}), "tagged needs either tagPrefixList or tagPatternList"),
        (policy({**UNTAGGED, "countNumber": 0}), "minimum: 1, found: 0"),
        (policy({**UNTAGGED, "countType": "sinceImagePushed"}), "countUnit must be days"),
        (policy(NEWEST_TWO, UNTAGGED), "tagStatus any must have the highest rulePriority"),
    ],
)
def test_lifecycle_policy_that_aws_would_not_take_is_refused(ecr: Any, repository: str, text: str, says: str):
    padded = text.ljust(100)  # the model's least length
    code, message, _ = refusal(ecr.put_lifecycle_policy, repositoryName=repository, lifecyclePolicyText=padded)
    assert code == "InvalidParameterException"
    assert says in message


def aged(days: float, *tags: str) -> Image:
    text = manifest(f"{days} {tags}")
    return Image(read(text), 1, pushed_at=1000 * 86400 - days * 86400, tags=list(tags))


def expired(text: str, *images: Image) -> list[tuple[list[str], int]]:
    gone = ecr_lifecycle.expired(ecr_lifecycle.read(text), images, 1000 * 86400)
    return [(image.tags, rule.priority) for image, rule in gone]


def test_age_expires_what_was_pushed_longer_ago():
    rule = {
        "tagStatus": "tagged",
        "tagPrefixList": ["dev"],
        "countType": "sinceImagePushed",
        "countUnit": "days",
        "countNumber": 14,
    }
    seen = expired(policy(rule), aged(14.1, "dev1"), aged(13.9, "dev2"), aged(30, "prod"), aged(30))
    assert seen == [(["dev1"], 1)]


def test_rule_with_several_patterns_wants_all_of_them():
    rule = {
        "tagStatus": "tagged",
        "tagPatternList": ["*prod*", "v*"],
        "countType": "imageCountMoreThan",
        "countNumber": 1,
    }
    assert expired(policy(rule), aged(3, "v1", "prod-a"), aged(2, "v2"), aged(1, "v3", "my-prod")) == [
        (["v1", "prod-a"], 1)
    ]


def test_image_that_one_rule_expires_still_counts_for_the_next_but_expires_once():
    first = {"tagStatus": "tagged", "tagPrefixList": ["a"], "countType": "imageCountMoreThan", "countNumber": 1}
    seen = expired(policy(first, NEWEST_TWO), aged(4, "a1"), aged(3, "a2"), aged(2, "b1"), aged(1, "b2"))
    assert seen == [(["a1"], 1), (["a2"], 2)]


def test_time_alone_expires_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("REHEARSE_REGISTRY", "none")  # its start is waited for in real time

    async def story() -> set[str]:
        clock = Manual()
        cloud = Cloud(clock=clock, settings=Settings(), runtime=ProcessRuntime(tmp_path), plane=Plane(), home=tmp_path)
        service, caller = Ecr(cloud), Caller()
        await service.create_repository(caller, {"repositoryName": "app"})
        rule = {"tagStatus": "any", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 2}
        service.put_lifecycle_policy(caller, {"repositoryName": "app", "lifecyclePolicyText": policy(rule)})
        for tag in ("old", "young"):
            await service.put_image(caller, {"repositoryName": "app", "imageManifest": manifest(tag), "imageTag": tag})
            await clock.advance(1.9 * 86400 if tag == "old" else 0.2 * 86400)
        await cloud.close()
        return {one["imageTag"] for one in service.list_images(caller, {"repositoryName": "app"})["imageIds"]}

    assert asyncio.run(story()) == {"young"}


# ---- the registry as a whole


def test_authorization_token_is_a_new_one_each_time_and_lasts_twelve_hours(ecr: Any):
    first, second = (ecr.get_authorization_token()["authorizationData"][0] for _ in range(2))
    user, _, password = base64.b64decode(first["authorizationToken"]).decode().partition(":")
    assert user == "AWS"
    assert len(password) >= 32
    assert first["authorizationToken"] != second["authorizationToken"]
    left = first["expiresAt"] - datetime.now(UTC)
    assert timedelta(hours=11, minutes=59) < left <= timedelta(hours=12)


def test_registry_lets_nobody_in_without_a_token(ecr: Any):
    data = ecr.get_authorization_token()["authorizationData"][0]
    assert ping(data["proxyEndpoint"], data["authorizationToken"]) == (200, None)
    assert ping(data["proxyEndpoint"], None)[0] == 401
    wrong = base64.b64encode(b"AWS:no").decode()
    assert ping(data["proxyEndpoint"], wrong) == (403, "Your Authorization Token is invalid.")
    other_user = base64.b64encode(b"me:" + base64.b64decode(data["authorizationToken"])[4:]).decode()
    assert ping(data["proxyEndpoint"], other_user)[0] == 403


def ping(endpoint: str, token: str | None) -> tuple[int, str | None]:
    headers = {"Authorization": f"Basic {token}"} if token else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(f"{endpoint}/v2/", headers=headers), timeout=10) as answer:
            return answer.status, None
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)["errors"][0]["message"]


def test_registry_policy_and_scanning_configuration_are_kept(aws: Running):
    ecr = aws.client("ecr", region_name="eu-west-1")
    assert refusal(ecr.get_registry_policy)[:2] == (
        "RegistryPolicyNotFoundException",
        f"Registry policy does not exist in the registry with id '{ACCOUNT}'",
    )
    ecr.put_registry_policy(policyText="{}")
    assert ecr.get_registry_policy()["policyText"] == "{}"
    ecr.delete_registry_policy()
    rules = [{"scanFrequency": "SCAN_ON_PUSH", "repositoryFilters": [{"filter": "*", "filterType": "WILDCARD"}]}]
    ecr.put_registry_scanning_configuration(scanType="BASIC", rules=rules)
    assert ecr.get_registry_scanning_configuration()["scanningConfiguration"] == {"scanType": "BASIC", "rules": rules}
    ecr.put_replication_configuration(replicationConfiguration={"rules": []})
    assert ecr.describe_registry() | {"ResponseMetadata": None} == {
        "registryId": ACCOUNT,
        "replicationConfiguration": {"rules": []},
        "ResponseMetadata": None,
    }


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("start_image_scan", {"repositoryName": "aa", "imageId": {"imageTag": "v1"}}),
        ("describe_image_scan_findings", {"repositoryName": "aa", "imageId": {"imageTag": "v1"}}),
        ("create_pull_through_cache_rule", {"ecrRepositoryPrefix": "aa", "upstreamRegistryUrl": "quay.io"}),
        ("put_registry_scanning_configuration", {"scanType": "ENHANCED"}),
        (
            "put_replication_configuration",
            {
                "replicationConfiguration": {
                    "rules": [{"destinations": [{"region": "us-west-2", "registryId": ACCOUNT}]}]
                }
            },
        ),
    ],
)
def test_what_is_not_emulated_is_refused_by_name(ecr: Any, operation: str, request_: dict[str, Any]):
    code, message, status = refusal(getattr(ecr, operation), **request_)
    assert (code, status) == ("NotImplemented", 501)
    assert f"ecr:{operation.title().replace('_', '')}" in message
