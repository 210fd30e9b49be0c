"""What scenarios leave when their run is killed: found by its tags, and removed in an order in which each can go.

The tagging API is asked first, and every service itself as well: the API's index lags behind, and does not know everything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from harness import clock
from harness.aws.found import DEPLOYMENT, RUN, pages
from harness.driver import Session, codedeploy, ecs, until
from harness.driver.lambda_ import LOG_GROUP
from harness.driver.session import error_code
from harness.driver.undo import GONE
from harness.errors import HarnessError

Tags = Mapping[str, str]
Listed = Iterator[tuple[str, Tags]]
NAMED = re.compile(
    r"[a-zA-Z0-9_-]+-[0-9a-z]{5}[0-9a-z]{2}(-[A-Za-z0-9_-]+)?"
)  # driver.names: what runs call their things
AGAIN_WITHIN = 300.0  # seconds: what is in use by something that is on its way out
AGAIN_EVERY = 2.0
STOPS_WITHIN = 180.0  # the longest stop timeout, and its network interface


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of resource: `mark` is in its ARNs, `listed` asks the service for (ARN or name, tags)."""

    name: str
    mark: str
    listed: Callable[[Session], Listed]
    remove: Callable[[Session, str], object]


def remove_all(session: Session, deployment: str, show: Callable[[str], None] = print) -> list[str]:
    """Everything of the deployment's runs. One line for each that is left; those are tried until they are gone or time is up."""
    deadline = clock.monotonic() + AGAIN_WITHIN
    while True:
        left = [line for kind in KINDS for line in _remove(session, kind, deployment, show)]
        if not left or clock.monotonic() > deadline:
            return left
        clock.pause(AGAIN_EVERY)


def _remove(session: Session, kind: Kind, deployment: str, show: Callable[[str], None]) -> list[str]:
    left = []
    for name in found(session, kind, deployment):
        show(f"removing {kind.name} {short(name)}")
        try:
            kind.remove(session, name)
        except ClientError as error:
            if error_code(error) not in GONE:
                left.append(f"{kind.name} {short(name)} ({error_code(error)})")
        except HarnessError as error:
            left.append(f"{kind.name} {short(name)} ({error})")
    return left


def found(session: Session, kind: Kind, deployment: str) -> list[str]:
    """Of this deployment's runs, as the service itself tells."""
    return [name for name, tags in kind.listed(session) if tags.get(DEPLOYMENT) == deployment and RUN in tags]


def short(name: str) -> str:
    """An ARN without what is the same for all."""
    return name.split(":", 5)[-1] if name.startswith("arn:") else name


def ours(name: str) -> bool:
    """Whether it may be: only these are asked for their tags, one by one."""
    return NAMED.fullmatch(name) is not None


def pairs(listed: Sequence[Mapping[str, str]] | None) -> Tags:
    """Tags as most services give them, or as ECS does."""
    return {one.get("Key", one.get("key", "")): one.get("Value", one.get("value", "")) for one in listed or ()}


# ---- each service, asked


def applications(session: Session) -> Listed:
    account = session.call("sts", "get_caller_identity")["Account"]
    for name in pages(session, "codedeploy", "list_applications", "applications"):
        if ours(name):
            arn = f"arn:{_partition(session)}:codedeploy:{session.region}:{account}:application:{name}"
            yield arn, pairs(session.call("codedeploy", "list_tags_for_resource", ResourceArn=arn)["Tags"])


def _partition(session: Session) -> str:
    return "aws-cn" if session.region.startswith("cn-") else "aws"


def clusters(session: Session) -> Listed:
    arns = list(pages(session, "ecs", "list_clusters", "clusterArns"))
    for batch in _batches(arns, 100):
        for one in session.call("ecs", "describe_clusters", clusters=batch, include=["TAGS"])["clusters"]:
            if one["status"] == "ACTIVE":
                yield one["clusterArn"], pairs(one.get("tags"))


def services(session: Session) -> Listed:
    for cluster, _ in clusters(session):
        arns = list(pages(session, "ecs", "list_services", "serviceArns", cluster=cluster))
        for batch in _batches(arns, 10):
            answer = session.call("ecs", "describe_services", cluster=cluster, services=batch, include=["TAGS"])
            for one in answer["services"]:
                if one["status"] != "INACTIVE":
                    yield one["serviceArn"], pairs(one.get("tags"))


def tasks(session: Session) -> Listed:
    """Outside of services, which stop their own: those that have not stopped yet."""
    for cluster, _ in clusters(session):
        for wanted in ("RUNNING", "STOPPED"):
            arns = list(pages(session, "ecs", "list_tasks", "taskArns", cluster=cluster, desiredStatus=wanted))
            for batch in _batches(arns, 100):
                seen = session.call("ecs", "describe_tasks", cluster=cluster, tasks=batch, include=["TAGS"])["tasks"]
                for one in seen:
                    if one["lastStatus"] != "STOPPED" and not one.get("group", "").startswith("service:"):
                        yield one["taskArn"], pairs(one.get("tags"))


def task_definitions(session: Session) -> Listed:
    """Active ones, of families that are called as a scenario's."""
    for family in pages(session, "ecs", "list_task_definition_families", "families", status="ACTIVE"):
        if ours(family):
            for arn in pages(session, "ecs", "list_task_definitions", "taskDefinitionArns", familyPrefix=family):
                seen = session.call("ecs", "describe_task_definition", taskDefinition=arn, include=["TAGS"])
                yield arn, pairs(seen.get("tags"))


def load_balancers(session: Session) -> Listed:
    return _elbv2(session, "describe_load_balancers", "LoadBalancers", "LoadBalancerArn")


def target_groups(session: Session) -> Listed:
    return _elbv2(session, "describe_target_groups", "TargetGroups", "TargetGroupArn")


def _elbv2(session: Session, operation: str, member: str, arn: str) -> Listed:
    arns = [one[arn] for one in pages(session, "elbv2", operation, member)]
    for batch in _batches(arns, 20):
        for one in session.call("elbv2", "describe_tags", ResourceArns=batch)["TagDescriptions"]:
            yield one["ResourceArn"], pairs(one["Tags"])


def alarms(session: Session) -> Listed:
    for one in pages(session, "cloudwatch", "describe_alarms", "MetricAlarms"):
        if ours(one["AlarmName"]):
            tags = session.call("cloudwatch", "list_tags_for_resource", ResourceARN=one["AlarmArn"])["Tags"]
            yield one["AlarmArn"], pairs(tags)


def functions(session: Session) -> Listed:
    for one in pages(session, "lambda", "list_functions", "Functions"):
        if ours(one["FunctionName"]):
            yield one["FunctionArn"], session.call("lambda", "list_tags", Resource=one["FunctionArn"]).get("Tags") or {}


def instances(session: Session) -> Listed:
    wanted = [
        {"Name": "tag-key", "Values": [RUN]},
        {"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]},
    ]
    for reservation in pages(session, "ec2", "describe_instances", "Reservations", Filters=wanted):
        for one in reservation["Instances"]:
            yield one["InstanceId"], pairs(one.get("Tags"))


def instance_profiles(session: Session) -> Listed:
    for one in pages(session, "iam", "list_instance_profiles", "InstanceProfiles"):
        if ours(name := one["InstanceProfileName"]):
            seen = session.call("iam", "get_instance_profile", InstanceProfileName=name)["InstanceProfile"]
            yield name, pairs(seen.get("Tags"))


def roles(session: Session) -> Listed:
    for one in pages(session, "iam", "list_roles", "Roles"):
        if ours(name := one["RoleName"]):
            yield name, pairs(session.call("iam", "list_role_tags", RoleName=name)["Tags"])


def _batches(names: Sequence[str], size: int) -> Iterator[list[str]]:
    for begin in range(0, len(names), size):
        yield list(names[begin : begin + size])


# ---- and how each goes


def _application(session: Session, arn: str) -> None:
    """Its deployments would fight the removal for their task sets; a configuration of its own bears no tag, but its name."""
    name = arn.rpartition(":")[2]
    for group in pages(session, "codedeploy", "list_deployment_groups", "deploymentGroups", applicationName=name):
        one = codedeploy.Group(name, group, "", "")
        for deployment in codedeploy.active_deployments(session, one):
            _unless_gone(session, "codedeploy", "stop_deployment", deploymentId=deployment, autoRollbackEnabled=False)
        _unless_gone(session, "codedeploy", "delete_deployment_group", applicationName=name, deploymentGroupName=group)
    _unless_gone(session, "codedeploy", "delete_application", applicationName=name)
    _unless_gone(session, "codedeploy", "delete_deployment_config", deploymentConfigName=f"{name}-config")


def _service(session: Session, arn: str) -> None:
    _, cluster, name = arn.split("/")
    ecs.delete_service(session, cluster, name)


def _task(session: Session, arn: str) -> None:
    """Stopped, not only told to: a cluster with tasks in it cannot be deleted, nor the network that they are in."""
    cluster = arn.split("/")[1]
    session.call("ecs", "stop_task", cluster=cluster, task=arn)

    def stopped() -> bool:
        seen = session.call("ecs", "describe_tasks", cluster=cluster, tasks=[arn])["tasks"]
        return all(one["lastStatus"] == "STOPPED" for one in seen)

    until(stopped, within=STOPS_WITHIN, waiting_for=f"task {short(arn)} to stop", every=AGAIN_EVERY)


def _function(session: Session, arn: str) -> None:
    name = arn.rpartition(":")[2]
    session.call("lambda", "delete_function", FunctionName=name)
    _unless_gone(session, "logs", "delete_log_group", logGroupName=LOG_GROUP.format(function=name))


def _task_definition(session: Session, arn: str) -> None:
    session.call("ecs", "deregister_task_definition", taskDefinition=arn)
    session.call("ecs", "delete_task_definitions", taskDefinitions=[arn])


def _instance_profile(session: Session, name: str) -> None:
    profile = session.call("iam", "get_instance_profile", InstanceProfileName=name)["InstanceProfile"]
    for role in profile["Roles"]:
        session.call("iam", "remove_role_from_instance_profile", InstanceProfileName=name, RoleName=role["RoleName"])
    session.call("iam", "delete_instance_profile", InstanceProfileName=name)


def _role(session: Session, name: str) -> None:
    for policy in session.call("iam", "list_attached_role_policies", RoleName=name)["AttachedPolicies"]:
        session.call("iam", "detach_role_policy", RoleName=name, PolicyArn=policy["PolicyArn"])
    session.call("iam", "delete_role", RoleName=name)


def _by(service: str, operation: str, member: str, *, many: bool = False, short_name: bool = False) -> Any:
    def remove(session: Session, arn: str) -> None:
        name = arn.rpartition(":")[2] if short_name else arn
        session.call(service, operation, **{member: [name] if many else name})

    return remove


def _unless_gone(session: Session, service: str, operation: str, **request: Any) -> None:
    """Raises ClientError for anything but that it is not there, or over, already."""
    try:
        session.call(service, operation, **request)
    except ClientError as error:
        if error_code(error) not in (*GONE, "DeploymentAlreadyCompletedException"):
            raise


KINDS: Sequence[Kind] = (
    Kind("application", ":application:", applications, _application),
    Kind("service", ":service/", services, _service),
    Kind("task", ":task/", tasks, _task),
    Kind("load balancer", ":loadbalancer/", load_balancers, _by("elbv2", "delete_load_balancer", "LoadBalancerArn")),
    Kind("target group", ":targetgroup/", target_groups, _by("elbv2", "delete_target_group", "TargetGroupArn")),
    Kind("alarm", ":alarm:", alarms, _by("cloudwatch", "delete_alarms", "AlarmNames", many=True, short_name=True)),
    Kind("function", ":function:", functions, _function),
    Kind("task definition", ":task-definition/", task_definitions, _task_definition),
    Kind("instance", ":instance/", instances, _by("ec2", "terminate_instances", "InstanceIds", many=True)),
    Kind("cluster", ":cluster/", clusters, _by("ecs", "delete_cluster", "cluster")),
    Kind("instance profile", ":instance-profile/", instance_profiles, _instance_profile),
    Kind("role", ":role/", roles, _role),
)
