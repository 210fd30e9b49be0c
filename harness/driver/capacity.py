"""EC2 instances of one scenario's own, in a cluster of its own: what does not fit on them is not placed (D.5)."""

from __future__ import annotations

from dataclasses import replace

from harness.driver import network
from harness.driver.network import Network
from harness.driver.session import Session, key_value
from harness.driver.undo import Undo
from harness.driver.wait import until
from harness.scenario import Capacity

IMAGE = "/aws/service/ecs/optimized-ami/amazon-linux-2/recommended/image_id"
ROLE = ("ec2.amazonaws.com", ("service-role/AmazonEC2ContainerServiceforEC2Role",))


def make(session: Session, undo: Undo, name: str, asked: Capacity, shared: Network) -> Network:
    """`shared` with a cluster of its own that has the instances asked for. Raises ClientError, StepFailed, WaitTimedOut."""
    cluster = network.create_cluster(session, undo, name)
    made = replace(shared, cluster=cluster)
    profile = instance_profile(session, undo, name)
    undo.later(f"instances of {name}", lambda: _terminate(session, name))
    _instances(session, name, asked, made, profile)
    _joined(session, cluster, asked.instances)
    return made


def instance_profile(session: Session, undo: Undo, name: str) -> str:
    """The name of an instance profile whose role lets an agent register."""
    network.create_role(session, undo, name, *ROLE)
    undo.later(
        f"instance profile {name}",
        lambda: session.call("iam", "delete_instance_profile", InstanceProfileName=name),
    )
    session.call("iam", "create_instance_profile", InstanceProfileName=name, Tags=key_value(session.tags))
    undo.later(
        f"role of instance profile {name}",
        lambda: session.call("iam", "remove_role_from_instance_profile", InstanceProfileName=name, RoleName=name),
    )
    session.call("iam", "add_role_to_instance_profile", InstanceProfileName=name, RoleName=name)
    return name


def _instances(session: Session, name: str, asked: Capacity, made: Network, profile: str) -> None:
    """Instances whose user data names the cluster; they are found again by their Name."""
    image = session.call("ssm", "get_parameter", Name=IMAGE)["Parameter"]["Value"]
    tags = {**session.tags, "Name": name}
    session.call(
        "ec2",
        "run_instances",
        ImageId=image,
        InstanceType=asked.instance_type,
        MinCount=asked.instances,
        MaxCount=asked.instances,
        IamInstanceProfile={"Name": profile},
        UserData=f"#!/bin/bash\necho ECS_CLUSTER={made.cluster} >> /etc/ecs/ecs.config\n",
        NetworkInterfaces=[
            {
                "DeviceIndex": 0,
                "SubnetId": made.task_subnets[0],
                "Groups": [made.task_security_group],
                "AssociatePublicIpAddress": made.public_tasks,
            }
        ],
        TagSpecifications=[{"ResourceType": "instance", "Tags": key_value(tags)}],
    )


def _joined(session: Session, cluster: str, count: int) -> None:
    until(
        lambda: session.call("ecs", "list_container_instances", cluster=cluster, status="ACTIVE")[
            "containerInstanceArns"
        ],
        within=300,
        waiting_for=f"{count} container instances in {cluster}",
        done=lambda seen: len(seen) >= count,
        every=1.0,
    )


def _terminate(session: Session, name: str) -> None:
    """And wait: a cluster with instances in it, or a security group in use, cannot be deleted."""
    if not (alive := _alive(session, name)):
        return
    session.call("ec2", "terminate_instances", InstanceIds=alive)
    until(
        lambda: _alive(session, name),
        within=300,
        waiting_for=f"instances {', '.join(alive)} to be terminated",
        done=lambda seen: not seen,
        every=1.0,
    )


def _alive(session: Session, name: str) -> list[str]:
    states = ["pending", "running", "stopping", "stopped", "shutting-down"]
    wanted = [{"Name": "tag:Name", "Values": [name]}, {"Name": "instance-state-name", "Values": states}]
    answer = session.call("ec2", "describe_instances", Filters=wanted)
    return [one["InstanceId"] for reservation in answer["Reservations"] for one in reservation["Instances"]]
