"""The architecture of the series: ECS on an EC2 auto scaling group, bridge tasks with dynamic ports, a target group of instances,
and a blue/green deployment by CodeDeploy; and how it gets stuck where there is no room for two fleets (F 4 and 5)."""

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from tests.emulator.conftest import Running
from tests.emulator.release import Release


class OnEc2(Release):
    """One EC2 instance whose user data names the cluster."""

    target_type = "instance"

    def __init__(self, aws: Running, *, host_port: int = 0, memory: int = 300, **group: Any) -> None:
        super().__init__(aws, **group)
        self.host_port, self.memory = host_port, memory

    def _service(self) -> None:
        ec2, asg = self.aws.client("ec2"), self.aws.client("autoscaling")
        data = f"#!/bin/bash\necho ECS_CLUSTER={self.name} >> /etc/ecs/ecs.config\n"
        template = ec2.create_launch_template(
            LaunchTemplateName=self.name,
            LaunchTemplateData={
                "ImageId": "ami-03cf127a",
                "InstanceType": "t3.micro",
                "UserData": base64.b64encode(data.encode()).decode(),
            },
        )["LaunchTemplate"]
        asg.create_auto_scaling_group(
            AutoScalingGroupName=self.name,
            MinSize=1,
            MaxSize=2,
            DesiredCapacity=1,
            VPCZoneIdentifier=self.subnets[0],
            LaunchTemplate={"LaunchTemplateId": template["LaunchTemplateId"]},
        )
        super()._service()

    def _placing(self) -> dict[str, Any]:
        return {"launchType": "EC2"}

    def register(self, revision: str, **environment: str) -> str:
        container = {
            "name": "app",
            "image": f"sampleapp:{revision}",
            "memory": self.memory,
            "portMappings": [{"containerPort": 8080, "hostPort": self.host_port}],
            "environment": [{"name": name, "value": value} for name, value in environment.items()],
            "stopTimeout": 5,
        }
        made = self.ecs.register_task_definition(family=self.name, containerDefinitions=[container])
        return str(made["taskDefinition"]["taskDefinitionArn"])

    def events_of_service(self) -> list[str]:
        (service,) = self.ecs.describe_services(cluster=self.name, services=["web"])["services"]
        return [event["message"] for event in service["events"]]

    def down(self) -> None:
        self.ecs.delete_service(cluster=self.name, service="web", force=True)
        self.aws.client("autoscaling").delete_auto_scaling_group(AutoScalingGroupName=self.name, ForceDelete=True)


@pytest.fixture
def made(aws: Running) -> Iterator[Any]:
    releases: list[OnEc2] = []

    def make(**options: Any) -> OnEc2:
        releases.append(OnEc2(aws, **options))
        return releases[-1].up()

    yield make
    for release in releases:
        release.down()


@pytest.mark.slow
def test_blue_green_on_one_instance_with_dynamic_ports(made: Any):
    release = made()
    assert release.version() == "v1"
    targets = release.elb.describe_target_health(TargetGroupArn=release.groups["blue"])["TargetHealthDescriptions"]
    assert [one["Target"]["Id"][:2] for one in targets] == ["i-"]
    assert all(32768 <= one["Target"]["Port"] <= 60999 for one in targets)
    deployment = release.deploy(release.register("v2"))
    assert release.ended(deployment)["status"] == "Succeeded"
    assert release.version() == "v2"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "event"),
    [
        ({"host_port": 8080}, "is already using a port required by your task"),
        ({"memory": 512}, "has insufficient memory available"),
    ],
    ids=["fixed-port", "memory"],
)
def test_install_is_stuck_where_one_instance_has_no_room_for_green(made: Any, options: dict[str, Any], event: str):
    release = made(**options)
    deployment = release.deploy(release.register("v2"))
    release.until(lambda: any(event in message for message in release.events_of_service()))
    assert release.events(deployment)["Install"] == "InProgress"
    assert release.version() == "v1"
    green = next(one for one in _task_sets(release) if one.get("externalId") == deployment)
    assert (green["runningCount"], green["pendingCount"], green["stabilityStatus"]) == (0, 0, "STABILIZING")
    release.aws.client("autoscaling").set_desired_capacity(AutoScalingGroupName=release.name, DesiredCapacity=2)
    assert release.ended(deployment)["status"] == "Succeeded"
    assert release.version() == "v2"


def _task_sets(release: Release) -> list[dict[str, Any]]:
    return list(release.ecs.describe_services(cluster=release.name, services=["web"])["services"][0]["taskSets"])
