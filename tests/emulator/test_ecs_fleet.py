"""ECS on an auto scaling group, as in the series: boto3 against the whole emulator, EC2 and Auto Scaling answered by moto."""

import base64
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest
from botocore.exceptions import ClientError

from harness import clock
from tests.emulator.conftest import Running

T = TypeVar("T")


def until(met: Callable[[], T], within: float = 20.0) -> T:
    """What `met` answers, once it is true."""
    deadline = clock.monotonic() + within
    while not (answer := met()):
        assert clock.monotonic() < deadline, f"still not after {within} s: {answer!r}"
        clock.pause(0.1)
    return answer


@dataclass
class Stack:
    """A cluster, and an auto scaling group whose instances' user data names it."""

    aws: Running
    name: str = field(default_factory=lambda: f"fleet-{uuid.uuid4().hex[:8]}")

    def __post_init__(self) -> None:
        self.ecs, self.ec2, self.asg = (self.aws.client(name) for name in ("ecs", "ec2", "autoscaling"))
        self.ecs.create_cluster(clusterName=self.name)

    def group(self, *, desired: int, at_most: int, kind: str = "t3.micro", cluster: str = "", **more: Any) -> str:
        data = f"#!/bin/bash\necho ECS_CLUSTER={cluster or self.name} >> /etc/ecs/ecs.config\n"
        template = self.ec2.create_launch_template(
            LaunchTemplateName=self.name,
            LaunchTemplateData={
                "ImageId": "ami-03cf127a",
                "InstanceType": kind,
                "UserData": base64.b64encode(data.encode()).decode(),
            },
        )["LaunchTemplate"]
        subnet = self.ec2.describe_subnets()["Subnets"][0]["SubnetId"]
        self.asg.create_auto_scaling_group(
            AutoScalingGroupName=self.name,
            MinSize=0,
            MaxSize=at_most,
            DesiredCapacity=desired,
            VPCZoneIdentifier=subnet,
            LaunchTemplate={"LaunchTemplateId": template["LaunchTemplateId"], "Version": "$Latest"},
            **more,
        )
        return str(self.described()["AutoScalingGroupARN"])

    def described(self) -> dict[str, Any]:
        groups = self.asg.describe_auto_scaling_groups(AutoScalingGroupNames=[self.name])["AutoScalingGroups"]
        return dict(groups[0])

    def instances(self) -> list[dict[str, Any]]:
        arns = self.ecs.list_container_instances(cluster=self.name)["containerInstanceArns"]
        if not arns:
            return []
        answer = self.ecs.describe_container_instances(cluster=self.name, containerInstances=arns)
        return list(answer["containerInstances"])

    def definition(self, memory: int = 300) -> str:
        answer = self.ecs.register_task_definition(
            family=self.name,
            containerDefinitions=[
                {
                    "name": "app",
                    "image": "sampleapp:v1",
                    "memory": memory,
                    "stopTimeout": 2,
                    "portMappings": [{"containerPort": 8080}],
                }
            ],
        )
        return str(answer["taskDefinition"]["taskDefinitionArn"])

    def tasks(self, status: str = "RUNNING") -> list[dict[str, Any]]:
        arns = self.ecs.list_tasks(cluster=self.name, desiredStatus=status)["taskArns"]
        return list(self.ecs.describe_tasks(cluster=self.name, tasks=arns)["tasks"]) if arns else []

    def provider(self, arn: str, **more: Any) -> None:
        self.ecs.create_capacity_provider(
            name=f"p-{self.name}",
            autoScalingGroupProvider={"autoScalingGroupArn": arn, "managedScaling": {"status": "ENABLED"}, **more},
        )
        self.ecs.put_cluster_capacity_providers(
            cluster=self.name,
            capacityProviders=[f"p-{self.name}"],
            defaultCapacityProviderStrategy=[{"capacityProvider": f"p-{self.name}", "weight": 1}],
        )

    def down(self) -> None:
        for arn in self.ecs.list_services(cluster=self.name)["serviceArns"]:
            self.ecs.delete_service(cluster=self.name, service=arn, force=True)
        for task in self.tasks():
            self.ecs.stop_task(cluster=self.name, task=task["taskArn"])
        if self.asg.describe_auto_scaling_groups(AutoScalingGroupNames=[self.name])["AutoScalingGroups"]:
            self.asg.delete_auto_scaling_group(AutoScalingGroupName=self.name, ForceDelete=True)


@pytest.fixture
def stack(aws: Running) -> Iterator[Stack]:
    stack = Stack(aws)
    yield stack
    stack.down()


def test_instances_of_a_group_join_the_cluster_of_their_user_data_with_what_their_type_has(stack: Stack):
    stack.group(desired=2, at_most=2)
    first, second = stack.instances()
    assert {first["ec2InstanceId"], second["ec2InstanceId"]} == {
        one["InstanceId"] for one in stack.described()["Instances"]
    }
    registered = {one["name"]: one.get("integerValue") for one in first["registeredResources"]}
    assert (registered["CPU"], registered["MEMORY"]) == (2048, 923)
    attributes = {one["name"]: one.get("value") for one in first["attributes"]}
    assert attributes["ecs.instance-type"] == "t3.micro"
    assert (first["status"], first["agentConnected"]) == ("ACTIVE", True)
    cluster = stack.ecs.describe_clusters(clusters=[stack.name])["clusters"][0]
    assert cluster["registeredContainerInstancesCount"] == 2


def test_instances_of_another_cluster_do_not_join(stack: Stack):
    stack.group(desired=1, at_most=1, cluster="elsewhere")
    assert stack.instances() == []


def test_tasks_of_a_terminated_instance_end_and_the_service_replaces_them(stack: Stack):
    stack.group(desired=1, at_most=2)
    stack.ecs.create_service(
        cluster=stack.name, serviceName="web", taskDefinition=stack.definition(), desiredCount=1, launchType="EC2"
    )
    (task,) = until(lambda: [one for one in stack.tasks() if one["lastStatus"] == "RUNNING"])
    (instance,) = stack.instances()
    stack.asg.set_desired_capacity(AutoScalingGroupName=stack.name, DesiredCapacity=2)
    stack.asg.terminate_instance_in_auto_scaling_group(
        InstanceId=instance["ec2InstanceId"], ShouldDecrementDesiredCapacity=True
    )

    def moved() -> list[dict[str, Any]]:
        return [one for one in stack.tasks() if one["lastStatus"] == "RUNNING" and one["taskArn"] != task["taskArn"]]

    until(moved)
    stopped = stack.ecs.describe_tasks(cluster=stack.name, tasks=[task["taskArn"]])["tasks"][0]
    assert stopped["stoppedReason"] == f"Host EC2 (instance {instance['ec2InstanceId']}) terminated."


@pytest.mark.slow
def test_capacity_provider_lets_tasks_wait_raises_the_group_to_its_bound_and_lowers_it_again(stack: Stack):
    arn = stack.group(desired=0, at_most=2)
    stack.provider(arn)
    stack.ecs.create_service(
        cluster=stack.name, serviceName="web", taskDefinition=stack.definition(700), desiredCount=3
    )
    waiting = until(lambda: stack.tasks() if len(stack.tasks()) == 3 else [])
    assert {task["lastStatus"] for task in waiting} == {"PROVISIONING"}
    assert {task["capacityProviderName"] for task in waiting} == {f"p-{stack.name}"}

    def states() -> list[str]:
        return sorted(task["lastStatus"] for task in stack.tasks())

    until(lambda: states() == ["PROVISIONING", "RUNNING", "RUNNING"])
    assert stack.described()["DesiredCapacity"] == 2
    events = stack.ecs.describe_services(cluster=stack.name, services=["web"])["services"][0]["events"]
    assert not [event for event in events if "unable to place" in event["message"]]
    assert {one["capacityProviderName"] for one in stack.instances()} == {f"p-{stack.name}"}

    stack.ecs.update_service(cluster=stack.name, service="web", desiredCount=1)
    until(lambda: states() == ["RUNNING"])
    (task,) = stack.tasks()
    until(lambda: stack.described()["DesiredCapacity"] == 1, 40)
    assert [one["taskArn"] for one in stack.tasks() if one["lastStatus"] == "RUNNING"] == [task["taskArn"]]


def test_group_is_refused_where_it_cannot_be_a_provider(stack: Stack):
    arn = stack.group(desired=0, at_most=1)
    with pytest.raises(ClientError, match="does not exist"):
        stack.provider(arn + "x")
    with pytest.raises(ClientError, match="instance protection from scale in"):
        stack.provider(arn, managedTerminationProtection="ENABLED")
    stack.provider(arn)
    with pytest.raises(ClientError, match="associated with cluster"):
        stack.ecs.delete_capacity_provider(capacityProvider=f"p-{stack.name}")
    stack.ecs.put_cluster_capacity_providers(
        cluster=stack.name, capacityProviders=["FARGATE"], defaultCapacityProviderStrategy=[]
    )
    assert (
        stack.ecs.delete_capacity_provider(capacityProvider=f"p-{stack.name}")["capacityProvider"]["status"]
        == "INACTIVE"
    )
    with pytest.raises(ClientError, match="not associated with the cluster"):
        stack.ecs.run_task(
            cluster=stack.name,
            taskDefinition=stack.definition(),
            capacityProviderStrategy=[{"capacityProvider": f"p-{stack.name}"}],
        )
