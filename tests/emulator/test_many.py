"""Twenty services that deploy at the same time, in two regions and two accounts, are kept apart."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from tests.emulator.release import Release

ACCOUNTS = ("111111111111", "222222222222")
REGIONS = ("us-east-1", "eu-west-1")
EACH = 5


@dataclass(frozen=True)
class Place:
    """The emulator as one account sees it in one region; what `Release` needs of it."""

    aws: Any
    account: str
    region: str

    @property
    def url(self) -> str:
        return str(self.aws.url)

    def client(self, service: str) -> Any:
        return self.aws.client(service, region_name=self.region, aws_access_key_id=self.account)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_twenty_services_deploy_at_once_in_two_regions_and_two_accounts(aws: Any):
    places = [Place(aws, account, region) for account in ACCOUNTS for region in REGIONS]
    releases = [Release(place, test_listener=False) for place in places for _ in range(EACH)]
    for number, release in enumerate(releases):
        release.name = release.application = f"n{number % EACH}-{number // EACH}"
    with ThreadPoolExecutor(len(releases)) as threads:
        list(threads.map(Release.up, releases))
        deployments = list(threads.map(lambda release: release.deploy(release.register("v2")), releases))
        running = list(threads.map(lambda one: one[0].info(one[1])["status"], zip(releases, deployments, strict=True)))
        assert set(running) <= {"Created", "InProgress"}, "they all run at the same time"
        ended = list(threads.map(lambda one: one[0].ended(one[1], 180), zip(releases, deployments, strict=True)))
    assert [info["status"] for info in ended] == ["Succeeded"] * len(releases), ended
    assert len(set(deployments)) == len(releases)
    for release in releases:
        assert release.version() == "v2"
        assert release.weights() == {"green": 100, "blue": 0}
    for place in places:
        mine = {one.application for one in releases if one.aws is place}
        assert set(place.client("codedeploy").list_applications()["applications"]) == mine
        arns = place.client("ecs").list_clusters()["clusterArns"]
        assert {arn.rsplit("/", 1)[-1] for arn in arns} == mine
        assert all(arn.startswith(f"arn:aws:ecs:{place.region}:{place.account}:") for arn in arns)
        balancers = place.client("elbv2").describe_load_balancers()["LoadBalancers"]
        assert {one["LoadBalancerName"] for one in balancers} == mine
    stranger = deployments[0]
    other = places[-1].client("codedeploy")
    with pytest.raises(other.exceptions.DeploymentDoesNotExistException):
        other.get_deployment(deploymentId=stranger)


@pytest.fixture(autouse=True)
def nothing_left(aws: Any) -> Iterator[None]:
    """Twenty services are stopped again, so that later tests have the machine."""
    yield
    for account in ACCOUNTS:
        for region in REGIONS:
            ecs = Place(aws, account, region).client("ecs")
            for cluster in ecs.list_clusters()["clusterArns"]:
                ecs.delete_service(cluster=cluster, service="web", force=True)
