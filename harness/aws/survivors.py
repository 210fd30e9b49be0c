"""What is still there after a removal: asked by tag, and asked of every service, since neither knows everything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from botocore.exceptions import ClientError

from harness import clock
from harness.aws.found import DEPLOYMENT, STACK, pages, tagged
from harness.aws.leftovers import KINDS, pairs, short
from harness.driver import Session, error_code
from harness.driver.undo import GONE

INDEX_LAGS = 60.0  # seconds: the tagging API may go on naming what is gone
EVERY = 3.0
GONE_STATES = ("terminated", "shutting-down", "deleted", "deleting")
NOTHING_MORE = (
    ":task-definition/",
    ":listener/",
    ":listener-rule/",
    ":deploymentgroup:",
)  # costs nothing, or goes with its owner


def survivors(session: Session, deployment: str) -> list[str]:
    """One line for each thing of the deployment's that is there. What only the tagging API names gets its time to be forgotten."""
    by_service = sorted(set(_by_service(session, deployment)))
    deadline = clock.monotonic() + INDEX_LAGS
    while True:
        by_tag = [arn for arn in _by_tag(session, deployment) if not any(short(arn) in line for line in by_service)]
        if not by_tag or clock.monotonic() > deadline:
            return by_service + [f"by its tag: {arn}" for arn in by_tag]
        clock.pause(EVERY)


def _by_tag(session: Session, deployment: str) -> list[str]:
    found = [arn for arn, _ in tagged(session, {DEPLOYMENT: deployment})]
    return sorted(arn for arn in found if not any(mark in arn for mark in NOTHING_MORE) and not _gone(session, arn))


def _gone(session: Session, arn: str) -> bool:
    """Terminated instances are named for an hour."""
    if ":instance/" not in arn:
        return False
    try:
        answer = session.call("ec2", "describe_instances", InstanceIds=[arn.rpartition("/")[2]])
    except ClientError as error:
        return error_code(error) in GONE
    states = [one["State"]["Name"] for found in answer["Reservations"] for one in found["Instances"]]
    return all(state in GONE_STATES for state in states)


def _by_service(session: Session, deployment: str) -> Iterator[str]:
    for kind in KINDS:
        for name, tags in kind.listed(session):
            if tags.get(DEPLOYMENT) == deployment:
                yield f"{kind.name} {short(name)}"
    for look in (_stacks, _ec2, _repositories, _log_groups, _schedules, _groups, _own_roles):
        yield from look(session, deployment)


def _stacks(session: Session, deployment: str) -> Iterator[str]:
    for one in pages(session, "cloudformation", "describe_stacks", "Stacks"):
        name = STACK.fullmatch(one["StackName"])
        if name is not None and name["deployment"] == deployment and one["StackStatus"] != "DELETE_COMPLETE":
            yield f"stack {one['StackName']} ({one['StackStatus']})"


EC2: Sequence[tuple[str, str, str, str]] = (
    ("VPC", "describe_vpcs", "Vpcs", "VpcId"),
    ("subnet", "describe_subnets", "Subnets", "SubnetId"),
    ("security group", "describe_security_groups", "SecurityGroups", "GroupId"),
    ("internet gateway", "describe_internet_gateways", "InternetGateways", "InternetGatewayId"),
    ("route table", "describe_route_tables", "RouteTables", "RouteTableId"),
    ("network interface", "describe_network_interfaces", "NetworkInterfaces", "NetworkInterfaceId"),
    ("VPC endpoint", "describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId"),
    ("address", "describe_addresses", "Addresses", "AllocationId"),
    ("volume", "describe_volumes", "Volumes", "VolumeId"),
    ("launch template", "describe_launch_templates", "LaunchTemplates", "LaunchTemplateId"),
)


def _ec2(session: Session, deployment: str) -> Iterator[str]:
    wanted = [{"Name": f"tag:{DEPLOYMENT}", "Values": [deployment]}]
    for name, operation, member, identity in EC2:
        for one in pages(session, "ec2", operation, member, Filters=wanted):
            if str(one.get("State", "")).lower() not in GONE_STATES:
                yield f"{name} {one[identity]}"
    alive = [*wanted, {"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]}]
    for reservation in pages(session, "ec2", "describe_instances", "Reservations", Filters=alive):
        yield from (f"instance {one['InstanceId']}" for one in reservation["Instances"])


def _repositories(session: Session, deployment: str) -> Iterator[str]:
    for one in pages(session, "ecr", "describe_repositories", "repositories"):
        if one["repositoryName"].startswith(f"rehearsal-{deployment}"):
            yield f"repository {one['repositoryName']}"


def _log_groups(session: Session, deployment: str) -> Iterator[str]:
    """The self-destruct's and the tasks'; those of hook functions bear no tag and go with their functions."""
    for prefix in (f"/aws/lambda/rehearsal-{deployment}-", f"/rehearsal/{deployment}/"):
        for one in pages(session, "logs", "describe_log_groups", "logGroups", logGroupNamePrefix=prefix):
            yield f"log group {one['logGroupName']}"


def _schedules(session: Session, deployment: str) -> Iterator[str]:
    for one in pages(session, "scheduler", "list_schedules", "Schedules", NamePrefix=f"rehearsal-{deployment}-"):
        yield f"schedule {one['Name']}"


def _groups(session: Session, deployment: str) -> Iterator[str]:
    for one in pages(session, "autoscaling", "describe_auto_scaling_groups", "AutoScalingGroups"):
        if pairs(one.get("Tags")).get(DEPLOYMENT) == deployment:
            yield f"auto scaling group {one['AutoScalingGroupName']}"


def _own_roles(session: Session, deployment: str) -> Iterator[str]:
    """The stacks' roles are called after them."""
    for one in pages(session, "iam", "list_roles", "Roles"):
        if one["RoleName"].startswith(f"rehearsal-{deployment}-"):
            yield f"role {one['RoleName']}"
