"""Both profiles through the emulator's CloudFormation, by change sets: made, answering, deployed to, updated, deleted."""

import json
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest
import requests
import urllib3

from tests.aws.stacked import Deployment, until
from tests.emulator.conftest import Running, emulator_with_images

LASTING = (
    *("ClusterName", "TaskSubnets", "TaskSecurityGroup", "AssignPublicIp", "HookSubnets", "HookSecurityGroup"),
    *("LoadBalancerArn", "DnsName", "TestPort", "ProductionListenerArn", "TestListenerArn", "BlueTargetGroupArn"),
    *("BlueTargetGroupName", "GreenTargetGroupName", "ExecutionRoleArn", "CodeDeployRoleArn", "HookRoleArn"),
)
NETWORK = ("VpcId", "PublicSubnets", "BalancerSecurityGroup")


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Compressed by 60: a canary's five minutes are five seconds."""
    with emulator_with_images(tmp_path_factory.mktemp("ground"), "--compress", "60") as running:
        yield running


@pytest.fixture(name="deployment")
def made_deployment(emulator: Running) -> Deployment:
    return Deployment(emulator.client)


def answer(emulator: Running, deployment: Deployment, port: int, path: str = "/version") -> Any:
    """A request to the real listener, where the emulator's status says it is."""
    balancers = requests.get(f"{emulator.url}/_rehearsal/status", timeout=10).json()["load_balancers"]
    (own,) = (one for one in balancers if one["arn"] == deployment.outputs["LoadBalancerArn"])
    (url,) = (one["url"] for one in own["listeners"] if one["port"] == port)
    with pytest.warns(urllib3.exceptions.InsecureRequestWarning) if url.startswith("https") else nullcontext():
        return requests.get(url + path, timeout=10, verify=False, allow_redirects=False)


def addresses(emulator: Running, deployment: Deployment) -> str:
    """The load balancer's private addresses, found as on AWS."""
    name = deployment.outputs["LoadBalancerArn"].partition(":loadbalancer/")[2]
    found = emulator.client("ec2").describe_network_interfaces(
        Filters=[{"Name": "description", "Values": [f"ELB {name}"]}]
    )["NetworkInterfaces"]
    assert len(found) == 2
    return ",".join(one["PrivateIpAddress"] for one in found)


def deploy(emulator: Running, deployment: Deployment, image: str) -> str:
    """A deployment of another image, with the stack's own hook; its status at the end."""
    ecs, codedeploy, out = emulator.client("ecs"), emulator.client("codedeploy"), deployment.outputs
    old = ecs.describe_task_definition(taskDefinition=out["TaskDefinitionArn"])["taskDefinition"]
    kept = ("family", "networkMode", "requiresCompatibilities", "cpu", "memory", "executionRoleArn", "runtimePlatform")
    container = {**old["containerDefinitions"][0], "image": image}
    new = ecs.register_task_definition(
        **{key: old[key] for key in kept if key in old}, containerDefinitions=[container]
    )["taskDefinition"]["taskDefinitionArn"]
    properties = {"TaskDefinition": new, "LoadBalancerInfo": {"ContainerName": "app", "ContainerPort": 8080}}
    content = {
        "version": 0.0,
        "Resources": [{"TargetService": {"Type": "AWS::ECS::Service", "Properties": properties}}],
        "Hooks": [{"AfterAllowTestTraffic": out["HookFunctionName"]}],
    }
    made = codedeploy.create_deployment(
        applicationName=out["ApplicationName"],
        deploymentGroupName=out["DeploymentGroupName"],
        revision={"revisionType": "AppSpecContent", "appSpecContent": {"content": json.dumps(content)}},
    )["deploymentId"]

    def ended() -> Any:
        status = codedeploy.get_deployment(deploymentId=made)["deploymentInfo"]["status"]
        return status if status in ("Succeeded", "Failed", "Stopped") else None

    return str(until(ended, 90, "the deployment to end"))


def tags_of(emulator: Running, arn: str) -> dict[str, str]:
    found = emulator.client("elbv2").describe_tags(ResourceArns=[arn])["TagDescriptions"][0]["Tags"]
    return {tag["Key"]: tag["Value"] for tag in found}


@pytest.mark.slow
def test_lean_profile_serves_deploys_and_goes(emulator: Running, deployment: Deployment):
    deployment.make("self-destruct", ExpiresAt="2099-01-01T00:00:00")
    deployment.make("registry", RepositoryName=f"rehearsal-{deployment.id}")
    deployment.make("network", "network-lean", CallerCidr="127.0.0.1/32")
    deployment.make("roles", RepositoryName=f"rehearsal-{deployment.id}", GitHubRepository="somebody/shop")
    deployment.make("cluster", "cluster-lean")
    deployment.make("balancer", **deployment.taking(*NETWORK), DeregistrationDelay=1)
    service = {
        **deployment.taking(*LASTING),
        "BalancerAddresses": addresses(emulator, deployment),
        "ImageUri": "sampleapp:v1",
        "DesiredCount": 1,
        "TerminationWait": 0,
    }
    deployment.make("service", **service)
    first = answer(emulator, deployment, 80)
    assert (first.status_code, first.json()["version"]) == (200, "v1")
    assert deploy(emulator, deployment, "sampleapp:v2") == "Succeeded"
    assert answer(emulator, deployment, 80).json()["version"] == "v2"
    log = emulator.home / "logs" / "lambda" / f"{deployment.outputs['HookFunctionName']}.log"
    assert "healthy" in log.read_text(encoding="utf-8")

    # the plan of an update says what it touches, and that nothing is made anew
    assert deployment.outputs["GitHubRoleArn"].startswith("arn:aws:iam::")
    group = deployment.physical("network", "BalancerGroup")
    changed = deployment.update("network", "network-lean", CallerCidr="127.0.0.2/32")
    assert changed == [("BalancerGroup", "Modify", "False")]
    assert deployment.physical("network", "BalancerGroup") == group
    nothing = deployment.plan("network", "network-lean", "UPDATE", CallerCidr="127.0.0.2/32")
    assert (nothing["Status"], nothing["ExecutionStatus"]) == ("FAILED", "UNAVAILABLE")

    # a longer time to live is a tag of every stack, and reaches the resources
    deployment.tags["rehearsal:expires"] = "2099-06-01T00:00:00Z"
    touched = deployment.update("balancer", **deployment.taking(*NETWORK), DeregistrationDelay=1)
    assert {action for _, action, _ in touched} == {"Modify"}
    assert {name for name, _, _ in touched} >= {"Balancer", "BlueTargets", "Production"}
    assert tags_of(emulator, deployment.outputs["LoadBalancerArn"])["rehearsal:expires"] == "2099-06-01T00:00:00Z"
    assert answer(emulator, deployment, 80).json()["version"] == "v2"

    (definition,) = (one for one in deployment.left() if ":task-definition/" in one)
    assert definition == deployment.outputs["TaskDefinitionArn"]
    deployment.delete()
    assert deployment.left() == []


@pytest.mark.slow
def test_seed_profile_serves_by_tls_from_instances_and_goes(emulator: Running, deployment: Deployment):
    deployment.make("network", "network-seed", CallerCidr="127.0.0.1/32", VpcCidr="10.77.0.0/16")
    deployment.make("certificate", DomainName="shop.example.com")
    deployment.make("roles", RepositoryName=f"rehearsal-{deployment.id}")
    capacity = {**deployment.taking("TaskSubnets", "TaskSecurityGroup"), "InstanceType": "t3.small"}
    deployment.make("cluster", "cluster-seed", **capacity, InstanceCount=1)
    named = {**deployment.taking("CertificateArn", "HostedZoneId"), "DomainName": "shop.example.com"}
    balancer = {**deployment.taking(*NETWORK), **named, "TargetType": "instance", "DeregistrationDelay": 1}
    deployment.make("balancer", **balancer)
    service = {
        **deployment.taking(*LASTING),
        "BalancerAddresses": addresses(emulator, deployment),
        "LaunchType": "EC2",
        "ImageUri": "sampleapp:v1",
        "DesiredCount": 1,
        "TerminationWait": 0,
    }
    deployment.make("service", **service)
    assert answer(emulator, deployment, 443).json()["version"] == "v1"
    assert answer(emulator, deployment, 80).headers["Location"].startswith("https://")
    assert deployment.outputs["Url"] == "https://shop.example.com"
    assert deploy(emulator, deployment, "sampleapp:v2") == "Succeeded"
    assert answer(emulator, deployment, 443).json()["version"] == "v2"

    # NAT: the packets of others pass, and come from one address
    ec2 = emulator.client("ec2")
    (nat,) = ec2.describe_instances(InstanceIds=[deployment.physical("network", "NatInstance")])["Reservations"][0][
        "Instances"
    ]
    assert nat["SourceDestCheck"] is False
    assert nat["MetadataOptions"]["HttpTokens"] == "required"
    tables = ec2.describe_route_tables(RouteTableIds=[deployment.physical("network", "PrivateRoutes")])["RouteTables"]
    assert nat["InstanceId"] in [one.get("InstanceId") for one in tables[0]["Routes"]]

    # a second instance is a change of the group; another type a new version of the launch template
    changed = deployment.update("cluster", "cluster-seed", **capacity, InstanceCount=2)
    assert changed == [("Instances", "Modify", "False")]
    ecs = emulator.client("ecs")
    until(
        lambda: (
            len(ecs.list_container_instances(cluster=deployment.outputs["ClusterName"])["containerInstanceArns"]) == 2
        ),
        20,
        "the second instance to join",
    )
    template = deployment.physical("cluster", "LaunchTemplate")
    changed = deployment.update("cluster", "cluster-seed", **{**capacity, "InstanceType": "t3.medium"}, InstanceCount=2)
    assert changed == [("Instances", "Modify", "False"), ("LaunchTemplate", "Modify", "False")]
    assert deployment.physical("cluster", "LaunchTemplate") == template
    versions = ec2.describe_launch_template_versions(LaunchTemplateId=template)["LaunchTemplateVersions"]
    assert [one["LaunchTemplateData"]["InstanceType"] for one in versions] == ["t3.small", "t3.medium"]

    deployment.delete()
    assert deployment.left() == []
