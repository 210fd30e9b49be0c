"""Who bears tags: each service of ours is asked by the operations that everybody has; the delegate lists its own.

As on AWS, not everything that has tags is known here: IAM roles and schedules are not, and IAM's other resources are in us-east-1 alone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from harness.emulator.cloud import AwsError, Caller, Cloud

ECS_AT_ONCE = 10  # services in one DescribeServices
ENDED = ("terminated", "shutting-down")
GLOBAL_REGION = "us-east-1"
Tagged = tuple[str, dict[str, str]]  # an ARN and its tags


@dataclass(frozen=True, slots=True)
class Asking:
    """On behalf of whom."""

    cloud: Cloud
    caller: Caller

    async def call(self, service: str, operation: str, /, **request: Any) -> Any:
        return await self.cloud.call(self.caller, service, operation, **request)

    async def all(
        self,
        service: str,
        operation: str,
        member: str,
        tokens: tuple[str, str] = ("nextToken", "nextToken"),
        /,
        **request: Any,
    ) -> list[Any]:
        """`member` of every page; `tokens` are the answer's and the request's name of the token."""
        found: list[Any] = []
        page: dict[str, Any] = {}
        while True:
            answer = await self.call(service, operation, **request, **page)
            found += answer.get(member) or []
            if not answer.get(tokens[0]):
                return found
            page = {tokens[1]: answer[tokens[0]]}


def pairs(tags: Any) -> dict[str, str]:
    """`[{"Key", "Value"}]` in either case of letters, or a map."""
    if isinstance(tags, dict):
        return dict(tags)
    return {tag.get("Key", tag.get("key")): tag.get("Value", tag.get("value", "")) for tag in tags or ()}


async def elbv2(ask: Asking) -> AsyncIterator[Tagged]:
    markers = ("NextMarker", "Marker")
    balancers = await ask.all("elbv2", "DescribeLoadBalancers", "LoadBalancers", markers)
    groups = await ask.all("elbv2", "DescribeTargetGroups", "TargetGroups", markers)
    arns = [one["TargetGroupArn"] for one in groups]
    for balancer in balancers:
        arn = balancer["LoadBalancerArn"]
        arns.append(arn)
        for listener in await ask.all("elbv2", "DescribeListeners", "Listeners", markers, LoadBalancerArn=arn):
            rules = await ask.all("elbv2", "DescribeRules", "Rules", markers, ListenerArn=listener["ListenerArn"])
            arns += [listener["ListenerArn"], *(one["RuleArn"] for one in rules if not one["IsDefault"])]
    for some in batches(arns, 20):
        for one in (await ask.call("elbv2", "DescribeTags", ResourceArns=some))["TagDescriptions"]:
            yield one["ResourceArn"], pairs(one["Tags"])


async def ecs(ask: Asking) -> AsyncIterator[Tagged]:
    for cluster in await ask.all("ecs", "ListClusters", "clusterArns"):
        described = await ask.call("ecs", "DescribeClusters", clusters=[cluster], include=["TAGS"])
        for one in described["clusters"]:
            yield one["clusterArn"], pairs(one.get("tags"))
        async for tagged in _in_cluster(ask, cluster):
            yield tagged
    for definition in await ask.all("ecs", "ListTaskDefinitions", "taskDefinitionArns"):
        answer = await ask.call("ecs", "ListTagsForResource", resourceArn=definition)
        yield definition, pairs(answer["tags"])
    for one in (await ask.call("ecs", "DescribeCapacityProviders", include=["TAGS"]))["capacityProviders"]:
        yield one["capacityProviderArn"], pairs(one.get("tags"))


async def _in_cluster(ask: Asking, cluster: str) -> AsyncIterator[Tagged]:
    """Services, their task sets, tasks and container instances."""
    for some in batches(await ask.all("ecs", "ListServices", "serviceArns", cluster=cluster), ECS_AT_ONCE):
        answer = await ask.call("ecs", "DescribeServices", cluster=cluster, services=some, include=["TAGS"])
        for one in answer["services"]:
            yield one["serviceArn"], pairs(one.get("tags"))
            for task_set in one.get("taskSets") or ():
                yield task_set["taskSetArn"], pairs(task_set.get("tags"))
    for some in batches(await ask.all("ecs", "ListTasks", "taskArns", cluster=cluster), 100):
        for one in (await ask.call("ecs", "DescribeTasks", cluster=cluster, tasks=some, include=["TAGS"]))["tasks"]:
            yield one["taskArn"], pairs(one.get("tags"))


async def codedeploy(ask: Asking) -> AsyncIterator[Tagged]:
    for application in await ask.all("codedeploy", "ListApplications", "applications"):
        arns = [ask.caller.arn("codedeploy", f"application:{application}")]
        groups = await ask.all("codedeploy", "ListDeploymentGroups", "deploymentGroups", applicationName=application)
        arns += [ask.caller.arn("codedeploy", f"deploymentgroup:{application}/{group}") for group in groups]
        for arn in arns:
            yield arn, pairs((await ask.call("codedeploy", "ListTagsForResource", ResourceArn=arn))["Tags"])


async def cloudwatch(ask: Asking) -> AsyncIterator[Tagged]:
    for alarm in await ask.all("cloudwatch", "DescribeAlarms", "MetricAlarms", ("NextToken", "NextToken")):
        answer = await ask.call("cloudwatch", "ListTagsForResource", ResourceARN=alarm["AlarmArn"])
        yield alarm["AlarmArn"], pairs(answer["Tags"])


async def functions(ask: Asking) -> AsyncIterator[Tagged]:
    for one in await ask.all("lambda", "ListFunctions", "Functions", ("NextMarker", "Marker")):
        yield one["FunctionArn"], pairs((await ask.call("lambda", "ListTags", Resource=one["FunctionArn"]))["Tags"])


async def ecr(ask: Asking) -> AsyncIterator[Tagged]:
    for one in await ask.all("ecr", "DescribeRepositories", "repositories"):
        answer = await ask.call("ecr", "ListTagsForResource", resourceArn=one["repositoryArn"])
        yield one["repositoryArn"], pairs(answer["tags"])


async def cloudformation(ask: Asking) -> AsyncIterator[Tagged]:
    for one in await ask.all("cloudformation", "DescribeStacks", "Stacks", ("NextToken", "NextToken")):
        yield one["StackId"], pairs(one.get("Tags"))


async def delegated(ask: Asking) -> AsyncIterator[Tagged]:
    """What the delegate lists by itself, and what moto's list leaves out. Nothing where it was asked for nothing yet."""
    if ask.cloud.fallback is None or not ask.cloud.fallback_in_use():
        return
    ended = await _ended_instances(ask)
    token = ""
    while True:
        page = {"PaginationToken": token} if token else {}
        answer = await ask.cloud.fallback(ask.caller, "resourcegroupstaggingapi", "GetResources", page)
        for one in answer["ResourceTagMappingList"]:
            if one["ResourceARN"] not in ended:
                yield one["ResourceARN"], pairs(one["Tags"])
        token = answer.get("PaginationToken", "")
        if not token:
            break
    for source in (_network, _identity):
        async for tagged in source(ask):
            yield tagged


async def _ended_instances(ask: Asking) -> set[str]:
    """EC2 shows a terminated instance for an hour: it is no survivor."""
    filters = [{"Name": "instance-state-name", "Values": list(ENDED)}]
    found = await ask.all("ec2", "DescribeInstances", "Reservations", ("NextToken", "NextToken"), Filters=filters)
    return {ask.caller.arn("ec2", f"instance/{one['InstanceId']}") for part in found for one in part["Instances"]}


async def _network(ask: Asking) -> AsyncIterator[Tagged]:
    tokens = ("NextToken", "NextToken")
    for one in await ask.all("ec2", "DescribeVpcEndpoints", "VpcEndpoints", tokens):
        if one["State"] not in ("deleted", "deleting"):
            yield ask.caller.arn("ec2", f"vpc-endpoint/{one['VpcEndpointId']}"), pairs(one.get("Tags"))
    for one in await ask.all("ec2", "DescribeLaunchTemplates", "LaunchTemplates", tokens):
        yield ask.caller.arn("ec2", f"launch-template/{one['LaunchTemplateId']}"), pairs(one.get("Tags"))
    for one in (await ask.call("ec2", "DescribeAddresses"))["Addresses"]:
        if "AllocationId" in one:
            yield ask.caller.arn("ec2", f"elastic-ip/{one['AllocationId']}"), pairs(one.get("Tags"))


async def _identity(ask: Asking) -> AsyncIterator[Tagged]:
    if ask.caller.region != GLOBAL_REGION:
        return
    for one in (await ask.call("iam", "ListOpenIDConnectProviders"))["OpenIDConnectProviderList"]:
        arn = one["Arn"]
        try:
            answer = await ask.call("iam", "ListOpenIDConnectProviderTags", OpenIDConnectProviderArn=arn)
        except AwsError as error:
            if error.code != "NoSuchEntity":  # it went between the two calls
                raise
            continue
        yield arn, pairs(answer["Tags"])


def batches(items: Sequence[str], size: int) -> list[list[str]]:
    return [list(items[begin : begin + size]) for begin in range(0, len(items), size)]


Source = Callable[[Asking], AsyncIterator[Tagged]]
SOURCES: tuple[Source, ...] = (
    elbv2,
    ecs,
    codedeploy,
    cloudwatch,
    functions,
    ecr,
    cloudformation,
    delegated,
)
