"""Templates and stacks, as the CloudFormation tests write and await them with the stock boto3."""

import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

CAPABILITIES = ["CAPABILITY_NAMED_IAM"]
NETWORK: dict[str, Any] = {
    "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.4.0.0/16"}},
    **{
        f"Subnet{side}": {
            "Type": "AWS::EC2::Subnet",
            "Properties": {
                "VpcId": {"Ref": "Vpc"},
                "CidrBlock": f"10.4.{number}.0/24",
                "AvailabilityZone": f"us-east-1{side.lower()}",
            },
        }
        for number, side in enumerate("AB")
    },
}
BALANCER: dict[str, Any] = {
    **NETWORK,
    "Balancer": {
        "Type": "AWS::ElasticLoadBalancingV2::LoadBalancer",
        "Properties": {"Subnets": [{"Ref": "SubnetA"}, {"Ref": "SubnetB"}]},
    },
    "Blue": {
        "Type": "AWS::ElasticLoadBalancingV2::TargetGroup",
        "Properties": {
            "Port": 8080,
            "Protocol": "HTTP",
            "TargetType": "ip",
            "VpcId": {"Ref": "Vpc"},
            "HealthCheckPath": "/healthz",
            "HealthCheckIntervalSeconds": 5,
            "HealthCheckTimeoutSeconds": 2,
            "HealthyThresholdCount": 2,
            "TargetGroupAttributes": [{"Key": "deregistration_delay.timeout_seconds", "Value": "1"}],
        },
    },
    "Listener": {
        "Type": "AWS::ElasticLoadBalancingV2::Listener",
        "Properties": {
            "LoadBalancerArn": {"Ref": "Balancer"},
            "Port": 80,
            "Protocol": "HTTP",
            "DefaultActions": [{"Type": "forward", "TargetGroupArn": {"Ref": "Blue"}}],
        },
    },
}


def definition(image: str = "sampleapp:v1", **container: Any) -> dict[str, Any]:
    app = {"Name": "app", "Image": image, "PortMappings": [{"ContainerPort": 8080}], "StopTimeout": 2, **container}
    properties = {
        "Cpu": "256",
        "Memory": "512",
        "NetworkMode": "awsvpc",
        "RequiresCompatibilities": ["FARGATE"],
        "ContainerDefinitions": [app],
    }
    return {"Type": "AWS::ECS::TaskDefinition", "Properties": properties}


def service(**properties: Any) -> dict[str, Any]:
    return {
        "Type": "AWS::ECS::Service",
        "Properties": {
            "Cluster": {"Ref": "Cluster"},
            "TaskDefinition": {"Ref": "Definition"},
            "DesiredCount": 1,
            "LaunchType": "FARGATE",
            "NetworkConfiguration": {"AwsvpcConfiguration": {"Subnets": [{"Ref": "SubnetA"}]}},
            **properties,
        },
    }


def template(resources: dict[str, Any], **sections: Any) -> str:
    return json.dumps({"Resources": resources, **sections})


def unique() -> str:
    return f"s{secrets.token_hex(3)}"


class Stacks:
    """CloudFormation through boto3."""

    def __init__(self, aws: Any) -> None:
        self.aws, self.api = aws, aws.client("cloudformation")

    def settled(self, name: str, within: float = 90) -> dict[str, Any]:
        """DescribeStacks' entry once nothing is in progress."""
        until = time.monotonic() + within
        while True:
            stack: dict[str, Any] = self.api.describe_stacks(StackName=name)["Stacks"][0]
            if not stack["StackStatus"].endswith("_IN_PROGRESS"):
                return stack
            assert time.monotonic() < until, f"{stack['StackStatus']} for {within} s"
            time.sleep(0.1)

    def create(self, name: str, body: str, **options: Any) -> dict[str, Any]:
        made = self.api.create_stack(StackName=name, TemplateBody=body, Capabilities=CAPABILITIES, **options)
        return self.settled(made["StackId"])

    def update(self, name: str, body: str, **options: Any) -> dict[str, Any]:
        self.api.update_stack(StackName=name, TemplateBody=body, Capabilities=CAPABILITIES, **options)
        return self.settled(name)

    def delete(self, name: str) -> dict[str, Any]:
        identity = self.api.describe_stacks(StackName=name)["Stacks"][0]["StackId"]
        self.api.delete_stack(StackName=name)
        return self.settled(identity)

    @contextmanager
    def stack(self, body: str, **options: Any) -> Iterator[str]:
        """The name of a stack that is CREATE_COMPLETE; it is deleted at the end, wholly."""
        name = unique()
        made = self.create(name, body, **options)
        assert made["StackStatus"] == "CREATE_COMPLETE", self.failures(name)
        yield name
        assert self.delete(name)["StackStatus"] == "DELETE_COMPLETE", self.failures(made["StackId"])

    def physical(self, name: str, logical: str) -> str:
        answer = self.api.describe_stack_resource(StackName=name, LogicalResourceId=logical)
        return str(answer["StackResourceDetail"]["PhysicalResourceId"])

    def outputs(self, name: str) -> dict[str, str]:
        stack = self.api.describe_stacks(StackName=name)["Stacks"][0]
        return {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", [])}

    def events(self, name: str) -> list[dict[str, Any]]:
        """The oldest first."""
        pages = self.api.get_paginator("describe_stack_events").paginate(StackName=name)
        return [event for page in pages for event in page["StackEvents"]][::-1]

    def statuses(self, name: str, logical: str) -> list[str]:
        return [one["ResourceStatus"] for one in self.events(name) if one["LogicalResourceId"] == logical]

    def failures(self, name: str) -> dict[str, str]:
        """Logical id to why it failed."""
        failed = [one for one in self.events(name) if one["ResourceStatus"].endswith("_FAILED")]
        return {one["LogicalResourceId"]: one.get("ResourceStatusReason", "") for one in failed}
