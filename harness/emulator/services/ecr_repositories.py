"""Repositories: their settings, tags, policies and lifecycle policies."""

from __future__ import annotations

import json
from typing import Any

from harness.emulator.cloud import Answer, AwsError, Caller, Request
from harness.emulator.services import ecr_lifecycle
from harness.emulator.services.ecr_base import Base, no_such, page, tags_of
from harness.emulator.services.ecr_state import (
    NAME,
    Lifecycle,
    Mutability,
    Preview,
    Raw,
    Repository,
    check_pattern,
    invalid,
)


class Repositories(Base):
    """Scanning and encryption are kept and shown, without effect: nothing is scanned here, and storage is not encrypted."""

    # ---- repositories

    async def create_repository(self, caller: Caller, request: Request) -> Answer:
        name, region = request["repositoryName"], self.regions[caller]
        check_pattern("repositoryName", NAME, name)
        if not 2 <= len(name) <= 256:
            raise invalid("repositoryName", "must have a length between 2 and 256")
        self._refuse_existing(caller, name)
        mutability = mutability_of(request)
        await self.front(caller)
        self._refuse_existing(caller, name)  # the front's start took its time
        region.repositories[name] = repository = Repository(
            caller,
            name,
            self.cloud.clock.now(),
            mutability,
            encryption_of(caller, request.get("encryptionConfiguration")),
            scan_on_push=request.get("imageScanningConfiguration", {}).get("scanOnPush", False),
            tags=tags_of(request.get("tags", ())),
        )
        return {"repository": self._render(repository)}

    def _refuse_existing(self, caller: Caller, name: str) -> None:
        if name in self.regions[caller].repositories:
            raise AwsError(
                "RepositoryAlreadyExistsException",
                f"The repository with name '{name}' already exists in the registry with id '{caller.account}'",
            )

    def describe_repositories(self, caller: Caller, request: Request) -> Answer:
        region, registry = self.regions[caller], request.get("registryId", caller.account)
        if names := request.get("repositoryNames"):
            return {"repositories": [self._render(region.repository(registry, name)) for name in names]}
        found = [self._render(one) for one in region if one.caller.account == registry]
        return page(request, "repositories", found)

    async def delete_repository(self, caller: Caller, request: Request) -> Answer:
        repository = self.repository(caller, request)
        if repository.images and not request.get("force"):
            raise AwsError(
                "RepositoryNotEmptyException",
                f"The repository with name '{repository.name}' in registry with id '{caller.account}' cannot be deleted "
                "because it still contains images",
            )
        del self.regions[caller].repositories[repository.name]
        await self.distribution.forget(repository.stored_as)
        return {"repository": self._render(repository)}

    def _render(self, repository: Repository) -> Raw:
        """repositoryUri is where Docker really finds it (docs/decisions/0003)."""
        front = self.opened(repository.caller)
        assert front is not None  # a repository is made with its front
        return {
            "repositoryArn": repository.arn,
            "registryId": repository.caller.account,
            "repositoryName": repository.name,
            "repositoryUri": f"{front.host}/{repository.name}",
            "createdAt": repository.created_at,
            **repository.mutability.render(),
            "imageScanningConfiguration": {"scanOnPush": repository.scan_on_push},
            "encryptionConfiguration": repository.encryption,
        }

    # ---- settings

    def put_image_tag_mutability(self, caller: Caller, request: Request) -> Answer:
        repository = self.repository(caller, request)
        repository.mutability = mutability_of(request)
        return {**named(repository), **repository.mutability.render()}

    def put_image_scanning_configuration(self, caller: Caller, request: Request) -> Answer:
        repository = self.repository(caller, request)
        repository.scan_on_push = request["imageScanningConfiguration"].get("scanOnPush", False)
        return {**named(repository), "imageScanningConfiguration": {"scanOnPush": repository.scan_on_push}}

    # ---- policies: kept and shown; every caller may do everything here

    def set_repository_policy(self, caller: Caller, request: Request) -> Answer:
        repository = self.repository(caller, request)
        repository.policy = policy_text(request["policyText"])
        return {**named(repository), "policyText": repository.policy}

    def get_repository_policy(self, caller: Caller, request: Request) -> Answer:
        repository = self.repository(caller, request)
        if repository.policy is None:
            raise no_such("Repository policy", "RepositoryPolicyNotFoundException", repository)
        return {**named(repository), "policyText": repository.policy}

    def delete_repository_policy(self, caller: Caller, request: Request) -> Answer:
        answer = self.get_repository_policy(caller, request)
        self.repository(caller, request).policy = None
        return answer

    # ---- lifecycle policies

    def put_lifecycle_policy(self, caller: Caller, request: Request) -> Answer:
        repository, text = self.repository(caller, request), request["lifecyclePolicyText"]
        repository.lifecycle = Lifecycle(text, ecr_lifecycle.read(text))
        self.begin_to_expire()
        return {**named(repository), "lifecyclePolicyText": text}

    def get_lifecycle_policy(self, caller: Caller, request: Request) -> Answer:
        repository = self.repository(caller, request)
        if repository.lifecycle is None:
            raise no_such("Lifecycle policy", "LifecyclePolicyNotFoundException", repository)
        evaluated = {"lastEvaluatedAt": repository.evaluated_at} if repository.evaluated_at else {}
        return {**named(repository), "lifecyclePolicyText": repository.lifecycle.text, **evaluated}

    def delete_lifecycle_policy(self, caller: Caller, request: Request) -> Answer:
        answer = self.get_lifecycle_policy(caller, request)
        repository = self.repository(caller, request)
        repository.lifecycle = repository.evaluated_at = None
        return answer

    def start_lifecycle_policy_preview(self, caller: Caller, request: Request) -> Answer:
        """Evaluated at once; AWS takes a while."""
        repository = self.repository(caller, request)
        text = request.get("lifecyclePolicyText") or self.get_lifecycle_policy(caller, request)["lifecyclePolicyText"]
        images = list(repository.images.values())
        expiring = ecr_lifecycle.expired(ecr_lifecycle.read(text), images, self.cloud.clock.now())
        repository.preview = Preview(text, tuple(expiring))
        return {**named(repository), "lifecyclePolicyText": text, "status": "IN_PROGRESS"}

    def get_lifecycle_policy_preview(self, caller: Caller, request: Request) -> Answer:
        repository = self.repository(caller, request)
        preview = repository.preview
        if preview is None:
            raise no_such("Lifecycle policy preview", "LifecyclePolicyPreviewNotFoundException", repository)
        results = [
            {
                "imageTags": list(image.tags),
                "imageDigest": image.digest,
                "imagePushedAt": image.pushed_at,
                "action": {"type": "EXPIRE"},
                "appliedRulePriority": rule.priority,
            }
            for image, rule in preview.expiring
        ]
        return {
            **named(repository),
            "lifecyclePolicyText": preview.text,
            "status": "COMPLETE",
            **page(request, "previewResults", results),
            "summary": {"expiringImageTotalCount": len(results)},
        }

    # ---- tags

    def tag_resource(self, caller: Caller, request: Request) -> Answer:
        self._by_arn(caller, request).tags.update(tags_of(request["tags"]))
        return {}

    def untag_resource(self, caller: Caller, request: Request) -> Answer:
        tags = self._by_arn(caller, request).tags
        for key in request["tagKeys"]:
            tags.pop(key, None)
        return {}

    def list_tags_for_resource(self, caller: Caller, request: Request) -> Answer:
        tags = self._by_arn(caller, request).tags
        return {"tags": [{"Key": key, "Value": value} for key, value in tags.items()]}

    def _by_arn(self, caller: Caller, request: Request) -> Repository:
        arn = request["resourceArn"]
        start = caller.arn("ecr", "repository/")
        if not arn.startswith(start):
            raise invalid("resourceArn", f"must be the ARN of a repository of this region, {start}...")
        return self.regions[caller].repository(caller.account, arn.removeprefix(start))


def named(repository: Repository) -> Raw:
    return {"registryId": repository.caller.account, "repositoryName": repository.name}


def mutability_of(request: Request) -> Mutability:
    """Exclusion filters belong to the two modes that have exclusions, and to no other."""
    mode = request.get("imageTagMutability", "MUTABLE")
    filters = tuple(one["filter"] for one in request.get("imageTagMutabilityExclusionFilters", ()))
    if mode.endswith("_WITH_EXCLUSION") != bool(filters):
        raise invalid(
            "imageTagMutabilityExclusionFilters",
            "must be given with IMMUTABLE_WITH_EXCLUSION or MUTABLE_WITH_EXCLUSION, and only then",
        )
    return Mutability(mode, filters)


def encryption_of(caller: Caller, asked: Any) -> Raw:
    if not asked:
        return {"encryptionType": "AES256"}
    if asked["encryptionType"] == "AES256":
        if "kmsKey" in asked:
            raise invalid("kmsKey", "can only be given where encryptionType is KMS or KMS_DSSE")
        return dict(asked)
    return {"kmsKey": caller.arn("kms", "alias/aws/ecr"), **asked}


def policy_text(text: str) -> str:
    """Only its form is looked at. Raises InvalidParameterException."""
    try:
        readable = isinstance(json.loads(text), dict)
    except ValueError:
        readable = False
    if not readable:
        raise invalid("PolicyText", "Invalid repository policy provided")
    return text
