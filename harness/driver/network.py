"""What lies under every scenario of a run, made once on an emulated target: VPC, two subnets, security group, roles, cluster."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from harness.driver.session import Session, key_value, lower_key_value
from harness.driver.undo import Undo
from harness.scenario import Service

LaunchType = Literal["FARGATE", "EC2"]
ROLES = {  # role: who assumes it, and the managed policies it needs
    "codedeploy": ("codedeploy.amazonaws.com", ("AWSCodeDeployRoleForECS",)),
    "execution": ("ecs-tasks.amazonaws.com", ("service-role/AmazonECSTaskExecutionRolePolicy",)),
    "hook": ("lambda.amazonaws.com", ("service-role/AWSLambdaBasicExecutionRole",)),
    "hook-denied": ("lambda.amazonaws.com", ("service-role/AWSLambdaBasicExecutionRole",)),  # may not report (F.16)
    "codedeploy-limited": (
        "codedeploy.amazonaws.com",
        ("AWSCodeDeployRoleForECSLimited",),
    ),  # CodeDeployHook_ alone (A.7)
}
HOOK_POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "codedeploy:PutLifecycleEventHookExecutionStatus", "Resource": "*"},
    ],
}


@dataclass(frozen=True, slots=True)
class Network:
    """Ids, ARNs and names that a scenario's resources refer to.

    `subnets` and `security_group` are the load balancer's; tasks share them where nothing else is said. Hook functions stand
    outside the VPC unless there are subnets for them. `capacity_provider` is of EC2 instances (bridge mode); without one tasks run
    on Fargate, whose `architecture` is X86_64 or ARM64. `images` says where an image (`sampleapp:v2`) is pulled from.
    """

    vpc: str
    subnets: tuple[str, ...]
    security_group: str
    cluster: str
    codedeploy_role: str
    execution_role: str
    hook_role: str
    limited_codedeploy_role: str
    denied_hook_role: str = ""
    own_task_subnets: tuple[str, ...] = ()
    own_task_security_group: str | None = None
    public_tasks: bool = True
    hook_subnets: tuple[str, ...] = ()
    hook_security_group: str | None = None
    capacity_provider: str | None = None
    architecture: str | None = None
    images: Mapping[str, str] = field(default_factory=dict)

    @property
    def task_subnets(self) -> tuple[str, ...]:
        return self.own_task_subnets or self.subnets

    @property
    def task_security_group(self) -> str:
        return self.own_task_security_group or self.security_group

    def launch_type(self, service: Service) -> LaunchType:
        """A scenario with instances of its own runs on them, wherever the others run."""
        return "EC2" if service.capacity is not None or self.capacity_provider is not None else "FARGATE"

    def provider_of(self, service: Service) -> str | None:
        """The capacity provider that places the service's tasks; None where a launch type does."""
        return self.capacity_provider if service.capacity is None else None


def make(session: Session, undo: Undo, *, ports: tuple[int, ...]) -> Network:
    """Make it all; `ports` are the ones the world may reach. Raises ClientError, StepFailed."""
    vpc = _vpc(session, undo)
    subnets = tuple(_subnet(session, undo, vpc, index) for index in range(2))
    roles = {role: _role(session, undo, role) for role in ROLES}
    return Network(
        vpc=vpc,
        subnets=subnets,
        security_group=_security_group(session, undo, vpc, ports),
        cluster=create_cluster(session, undo, f"rehearsal-{session.run_id}"),
        codedeploy_role=roles["codedeploy"],
        execution_role=roles["execution"],
        hook_role=roles["hook"],
        limited_codedeploy_role=roles["codedeploy-limited"],
        denied_hook_role=roles["hook-denied"],
    )


def _tagged(session: Session, kind: str) -> list[dict[str, object]]:
    return [{"ResourceType": kind, "Tags": key_value(session.tags)}]


def _vpc(session: Session, undo: Undo) -> str:
    answer = session.call("ec2", "create_vpc", CidrBlock="10.0.0.0/16", TagSpecifications=_tagged(session, "vpc"))
    vpc = str(answer["Vpc"]["VpcId"])
    undo.later(f"VPC {vpc}", lambda: session.call("ec2", "delete_vpc", VpcId=vpc))
    gateway = session.call("ec2", "create_internet_gateway", TagSpecifications=_tagged(session, "internet-gateway"))[
        "InternetGateway"
    ]["InternetGatewayId"]
    undo.later(
        f"internet gateway {gateway}",
        lambda: session.call("ec2", "delete_internet_gateway", InternetGatewayId=gateway),
    )
    session.call("ec2", "attach_internet_gateway", InternetGatewayId=gateway, VpcId=vpc)
    undo.later(
        f"attachment of internet gateway {gateway}",
        lambda: session.call("ec2", "detach_internet_gateway", InternetGatewayId=gateway, VpcId=vpc),
    )
    tables = session.call("ec2", "describe_route_tables", Filters=[{"Name": "vpc-id", "Values": [vpc]}])
    session.call(
        "ec2",
        "create_route",
        RouteTableId=tables["RouteTables"][0]["RouteTableId"],
        DestinationCidrBlock="0.0.0.0/0",
        GatewayId=gateway,
    )
    return vpc


def _subnet(session: Session, undo: Undo, vpc: str, index: int) -> str:
    """A load balancer wants two zones."""
    answer = session.call(
        "ec2",
        "create_subnet",
        VpcId=vpc,
        CidrBlock=f"10.0.{index}.0/24",
        AvailabilityZone=f"{session.region}{'ac'[index]}",
        TagSpecifications=_tagged(session, "subnet"),
    )
    subnet = str(answer["Subnet"]["SubnetId"])
    undo.later(f"subnet {subnet}", lambda: session.call("ec2", "delete_subnet", SubnetId=subnet))
    return subnet


def _security_group(session: Session, undo: Undo, vpc: str, ports: tuple[int, ...]) -> str:
    name = f"rehearsal-{session.run_id}"
    group = str(
        session.call(
            "ec2",
            "create_security_group",
            GroupName=name,
            Description="rehearsal: load balancer and tasks",
            VpcId=vpc,
            TagSpecifications=_tagged(session, "security-group"),
        )["GroupId"]
    )
    undo.later(f"security group {name}", lambda: session.call("ec2", "delete_security_group", GroupId=group))
    session.call(
        "ec2",
        "authorize_security_group_ingress",
        GroupId=group,
        IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
            for port in sorted(set(ports))
        ],
    )
    return group


def _role(session: Session, undo: Undo, role: str) -> str:
    principal, policies = ROLES[role]
    name = f"rehearsal-{session.run_id}-{role}"
    arn = create_role(session, undo, name, principal, policies)
    if role == "hook":
        session.call(
            "iam",
            "put_role_policy",
            RoleName=name,
            PolicyName="report-to-codedeploy",
            PolicyDocument=json.dumps(HOOK_POLICY),
        )
    return arn


def create_role(session: Session, undo: Undo, name: str, principal: str, policies: Sequence[str]) -> str:
    """The ARN of a role that the service `principal` assumes, with AWS's managed `policies`."""
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": principal}, "Action": "sts:AssumeRole"}],
    }
    undo.later(f"role {name}", lambda: _delete_role(session, name))
    answer = session.call(
        "iam",
        "create_role",
        RoleName=name,
        AssumeRolePolicyDocument=json.dumps(trust),
        Tags=key_value(session.tags),
    )
    for policy in policies:
        session.call("iam", "attach_role_policy", RoleName=name, PolicyArn=f"arn:aws:iam::aws:policy/{policy}")
    return str(answer["Role"]["Arn"])


def _delete_role(session: Session, name: str) -> None:
    for policy in session.call("iam", "list_attached_role_policies", RoleName=name)["AttachedPolicies"]:
        session.call("iam", "detach_role_policy", RoleName=name, PolicyArn=policy["PolicyArn"])
    for inline in session.call("iam", "list_role_policies", RoleName=name)["PolicyNames"]:
        session.call("iam", "delete_role_policy", RoleName=name, PolicyName=inline)
    session.call("iam", "delete_role", RoleName=name)


def create_cluster(session: Session, undo: Undo, name: str) -> str:
    undo.later(f"cluster {name}", lambda: session.call("ecs", "delete_cluster", cluster=name))
    session.call("ecs", "create_cluster", clusterName=name, tags=lower_key_value(session.tags))
    return name
