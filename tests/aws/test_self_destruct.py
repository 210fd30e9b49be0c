"""The self-destruct function, really run by the scheduler: after its time nothing that bears the tag is left, itself included."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from harness import __version__, compression, images
from harness.aws import load_image
from harness.driver import Session, capacity, load_tasks
from harness.driver.elbv2 import LoadBalancer
from harness.driver.names import Names
from harness.driver.network import Network
from harness.driver.stack import Stack
from harness.load.plan import TASK_MASTER
from harness.scenario import Scenario, load
from tests.aws.stacked import Deployment, until
from tests.emulator.conftest import ROOT, Running, emulator_with_images


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home = tmp_path_factory.mktemp("self-destruct")
    load_image.build(home, "process", images.architecture_of_this_machine())
    with emulator_with_images(home, "--compress", "60") as running:
        yield running


class TaggedSession(Session):
    """A run's session on AWS: what it makes bears the deployment's tags and the run's."""

    more: dict[str, str]

    @property
    def tags(self) -> dict[str, str]:
        return {**self.more, "rehearsal:run": self.run_id}


def scenario(folder: Path) -> Scenario:
    """The canary scenario, with a deployment configuration of its own."""
    written = (ROOT / "scenarios" / "02-happy-canary.yaml").read_text(encoding="utf-8")
    own = written.replace("CodeDeployDefault.ECSCanary10Percent5Minutes", "{canary: {percent: 20, interval: 1m}}")
    assert own != written
    path = folder / "02-happy-canary.yaml"
    path.write_text(own, encoding="utf-8")
    return load(path)


def stacks(deployment: Deployment, expires: str) -> None:
    deployment.make("self-destruct", ExpiresAt=expires)
    deployment.make("registry", RepositoryName=f"rehearsal-{deployment.id}")
    deployment.make("roles", RepositoryName=f"rehearsal-{deployment.id}")
    deployment.make("network", "network-lean", CallerCidr="127.0.0.1/32")
    deployment.make("certificate", DomainName="shop.example.com")
    deployment.make("cluster", "cluster-lean")
    taken = deployment.taking("TaskSecurityGroup", "BalancerSecurityGroup", "ExecutionRoleArn")
    deployment.make("locust", **taken, ImageUri=f"{load_image.NAME}:{__version__}")


def provisioned(emulator: Running, deployment: Deployment, folder: Path) -> Stack:
    """What a scenario's driver makes, a deployment under way included."""
    session, out = TaggedSession(region="us-east-1", endpoint=emulator.url, run_id="r1"), deployment.outputs
    session.more = deployment.tags
    network = Network(
        vpc=out["VpcId"],
        subnets=tuple(out["PublicSubnets"].split(",")),
        security_group=out["BalancerSecurityGroup"],
        cluster=out["ClusterName"],
        codedeploy_role=out["CodeDeployRoleArn"],
        execution_role=out["ExecutionRoleArn"],
        hook_role=out["HookRoleArn"],
        limited_codedeploy_role=out["LimitedCodeDeployRoleArn"],
    )
    told = scenario(folder)

    def reach(load_balancer: LoadBalancer, port: int) -> str:
        return f"http://{load_balancer.dns_name}:{port}"  # nobody asks: this deployment is not let finish

    stack = Stack(told, compression.compression_for(told, 60), session, network, Names(told.id, deployment.id), reach)
    stack.provision()
    capacity.instance_profile(session, stack.undo, stack.names.own_cluster(session.tags))
    worker_that_nobody_stops(session, out)
    stack.deploy(told.release.to)
    return stack


def worker_that_nobody_stops(session: Session, out: dict[str, str]) -> None:
    """Of Locust, whose run was killed: it keeps cluster and network from going."""
    ground = load_tasks.LoadGround(
        task_definition=out["LoadTaskDefinitionArn"],
        log_group=out["LoadLogGroupName"],
        most=int(out["LoadWorkers"]),
        cluster=out["ClusterName"],
        subnets=tuple(out["TaskSubnets"].split(",")),
        security_group=out["TaskSecurityGroup"],
        public=True,
        way=lambda address, port: (address, port),
    )
    (worker,), failures = load_tasks.run(session, ground, 1, {TASK_MASTER: "127.0.0.1:9"})
    assert failures == []
    until(lambda: load_tasks.look(session, ground, [worker])[0].status == "RUNNING", 20, "the worker to run")


def in_utc(after: float) -> str:
    return f"{datetime.now(UTC) + timedelta(seconds=after):%Y-%m-%dT%H:%M:%S}"


def zone_records(emulator: Running, deployment: Deployment) -> None:
    """ACM's validation record, as CloudFormation leaves it in the zone on AWS."""
    record = {
        "Name": "_x.shop.example.com",
        "Type": "CNAME",
        "TTL": 300,
        "ResourceRecords": [{"Value": "_y.acm-validations.aws"}],
    }
    emulator.client("route53").change_resource_record_sets(
        HostedZoneId=deployment.outputs["HostedZoneId"],
        ChangeBatch={"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]},
    )


def own_stacks(emulator: Running, deployment: Deployment) -> list[str]:
    found = emulator.client("cloudformation").describe_stacks()["Stacks"]
    return [one["StackName"] for one in found if one["StackName"].startswith(deployment.name(""))]


@pytest.mark.slow
def test_after_its_time_nothing_is_left(emulator: Running, tmp_path: Path):
    deployment, api = Deployment(emulator.client), emulator.client("scheduler")
    stacks(deployment, "2099-01-01T00:00:00")
    stack = provisioned(emulator, deployment, tmp_path)
    zone_records(emulator, deployment)
    emulator.client("logs").create_log_group(logGroupName=f"/aws/lambda/{stack.hooks['AfterAllowTestTraffic']}")
    there = [arn.split(":", 5)[2] for arn in deployment.left()]
    assert {"ecs", "elasticloadbalancing", "codedeploy", "cloudwatch", "lambda", "ec2", "cloudformation"} <= set(there)
    made = emulator.client("codedeploy").list_deployment_configs()["deploymentConfigsList"]
    assert f"{stack.names.stem}-config" in made

    # the time to live is changed as `aws up` changes it: by another plan of the same stack
    changed = deployment.update("self-destruct", ExpiresAt=in_utc(2))
    assert ("Schedule", "Modify", "False") in changed
    until(lambda: not own_stacks(emulator, deployment), 75, "the stacks to be gone")

    assert deployment.left() == []
    assert api.list_schedules()["Schedules"] == []
    groups = emulator.client("logs").describe_log_groups()["logGroups"]
    assert [one["logGroupName"] for one in groups] == []
    roles = emulator.client("iam").list_roles()["Roles"]
    assert [one["RoleName"] for one in roles if one["RoleName"].startswith("rehearsal-")] == []
    assert emulator.client("iam").list_instance_profiles()["InstanceProfiles"] == []
    configs = emulator.client("codedeploy").list_deployment_configs()["deploymentConfigsList"]
    assert [one for one in configs if not one.startswith("CodeDeployDefault.")] == []
    assert emulator.client("route53").list_hosted_zones()["HostedZones"] == []
    assert emulator.client("ecs").list_task_definitions()["taskDefinitionArns"] == []
