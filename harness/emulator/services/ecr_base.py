"""What the ECR operations share: state by region, the front that Docker speaks to, pages."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from harness.emulator.cloud import AwsError, Caller, Cloud, Regional, Request
from harness.emulator.services.ecr_distribution import Distribution
from harness.emulator.services.ecr_front import Front
from harness.emulator.services.ecr_lifecycle import expired
from harness.emulator.services.ecr_push import Push
from harness.emulator.services.ecr_state import Region, Repository, invalid

LISTED = 100


class Base:
    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.regions: Regional[Region] = Regional(Region)
        self.distribution = Distribution(cloud)
        self.pushes = Push(cloud, self.distribution, self.expire)
        self._fronts: dict[tuple[str, str], Front] = {}
        self._opening, self._ticking = asyncio.Lock(), False

    def repository(self, caller: Caller, request: Request) -> Repository:
        """Raises RepositoryNotFoundException."""
        return self.regions[caller].repository(request.get("registryId", caller.account), request["repositoryName"])

    # ---- the front of a region

    async def front(self, caller: Caller) -> Front:
        """Listens from its first use on; so does the registry behind it, where there is one."""
        async with self._opening:
            key = (caller.account, caller.region)
            if key not in self._fronts:
                front = Front(self.cloud, caller, self.regions[caller], self.distribution, self.pushes)
                await front.start(self.cloud.settings.registry_port if not self._fronts else 0)
                self._fronts[key] = front
            return self._fronts[key]

    def fronts(self) -> list[Front]:
        return list(self._fronts.values())

    def opened(self, caller: Caller) -> Front | None:
        """The front of a region that has been used before."""
        return self._fronts.get((caller.account, caller.region))

    # ---- lifecycle

    def expire(self, repository: Repository) -> None:
        """Evaluate a repository's lifecycle policy now."""
        if repository.lifecycle is None:
            return
        now = self.cloud.clock.now()
        repository.evaluated_at = now
        for image, _ in expired(repository.lifecycle.rules, list(repository.images.values()), now):
            if not repository.referenced(image.digest):
                repository.remove(image)

    def begin_to_expire(self) -> None:
        """AWS evaluates a policy within a day of a change; here it is looked at every so often."""
        if not self._ticking:
            self._ticking = True
            self.cloud.spawn(self._expire_all(), "lifecycle policies")

    async def _expire_all(self) -> None:
        while True:
            await self.cloud.clock.sleep(self.cloud.settings.ecr_lifecycle_seconds)
            for _, region in self.regions.items():
                for repository in region:
                    self.expire(repository)


def tags_of(pairs: Sequence[Mapping[str, str]]) -> dict[str, str]:
    return {pair["Key"]: pair.get("Value", "") for pair in pairs}


def page(request: Mapping[str, Any], key: str, items: Sequence[Any]) -> dict[str, Any]:
    """One page of `items` by nextToken and maxResults. Raises AwsError for a token that is none of ours."""
    token, size = request.get("nextToken") or "0", request.get("maxResults", LISTED)
    if not token.isdecimal():
        raise invalid("nextToken", "must be a token of an earlier answer")
    start, following = int(token), int(token) + size
    return {key: list(items[start:following]), **({"nextToken": str(following)} if following < len(items) else {})}


def no_such(what: str, code: str, repository: Repository) -> AwsError:
    return AwsError(
        code,
        f"{what} does not exist for the repository with name '{repository.name}' in the registry with id "
        f"'{repository.caller.account}'",
    )
