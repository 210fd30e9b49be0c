"""The stacks of one `aws up`, in order: which template each is made of, and what it takes from those before it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from harness import clock
from harness.aws.found import DEPLOYMENT, EXPIRES, OWNER, PROFILE, Deployment
from harness.aws.settings import AwsSettings, Profile
from harness.aws.stacks import Stacks, Wanted
from harness.driver import Network
from harness.driver.load_tasks import LoadGround, Way

NAT_IMAGE = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-{architecture}"
GRAVITON = re.compile(r"^[a-z]+\d+g")  # t4g, c7gn: AWS's own arm64 processors; a1 is as well
AL2023 = "/aws/service/ecs/optimized-ami/amazon-linux-2023/{architecture}recommended/image_id"
FARGATE = {"amd64": "X86_64", "arm64": "ARM64"}


@dataclass
class Ground:
    """What is to lie under the scenarios. `outputs` grows with every stack that is there; `expires` is seconds since the epoch;
    `load_workers` is how many of Locust's a scenario may ask for, `load_image` their image by digest once it is pushed;
    `service` is what the lasting service's own parameters are (ImageUri, BalancerAddresses, ...)."""

    deployment: str
    profile: Profile
    settings: AwsSettings
    expires: float
    caller_cidr: str
    architecture: str
    lasting: bool = False
    load_workers: int = 0
    load_image: str = ""
    service: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)

    @property
    def tags(self) -> dict[str, str]:
        return {
            DEPLOYMENT: self.deployment,
            OWNER: self.settings.who,
            EXPIRES: clock.utc(self.expires).strftime("%Y-%m-%dT%H:%M:%SZ"),
            PROFILE: self.profile,
        }

    @property
    def repository(self) -> str:
        return f"rehearsal-{self.deployment}"

    def of(self, *names: str) -> dict[str, str]:
        return {name: self.outputs[name] for name in names}


Parameters = Callable[[Ground], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Concern:
    """One stack. `template` by profile; none where the profile does not have it."""

    name: str
    template: Mapping[Profile, str]
    parameters: Parameters
    wanted: Callable[[Ground], bool] = lambda ground: True

    def stack(self, ground: Ground) -> Wanted:
        return Wanted(
            deployment=ground.deployment,
            concern=self.name,
            template=self.template[ground.profile],
            parameters={"Deployment": ground.deployment, **self.parameters(ground)},
            tags=ground.tags,
        )


def both(template: str) -> Mapping[Profile, str]:
    return {"lean": template, "seed": template}


def _network(ground: Ground) -> dict[str, str]:
    settings = ground.settings
    nat = _nat(settings.nat_instance_type) if ground.profile == "seed" else {}
    return {"CallerCidr": ground.caller_cidr, "VpcCidr": settings.vpc_cidr, **nat}


def _nat(instance_type: str) -> dict[str, str]:
    arm64 = GRAVITON.match(instance_type) or instance_type.startswith("a1.")
    return {
        "NatInstanceType": instance_type,
        "NatImageId": NAT_IMAGE.format(architecture="arm64" if arm64 else "x86_64"),
    }


def _cluster(ground: Ground) -> dict[str, str]:
    if ground.profile == "lean":
        return {}
    settings = ground.settings
    image = AL2023.format(architecture="arm64/" if ground.architecture == "arm64" else "")
    return {
        **ground.of("TaskSubnets", "TaskSecurityGroup"),
        "InstanceType": settings.instance_type,
        "InstanceCount": str(settings.instances),
        "ImageId": image,
    }


def _certificate(ground: Ground) -> dict[str, str]:
    settings = ground.settings
    zone = {"HostedZoneId": settings.hosted_zone} if settings.hosted_zone else {}
    return {"DomainName": settings.domain or "", **zone}


def _roles(ground: Ground) -> dict[str, str]:
    settings = ground.settings
    github = {"GitHubRepository": settings.github_repository, "GitHubProviderArn": settings.github_provider}
    return {"RepositoryName": ground.repository, **{name: value for name, value in github.items() if value}}


def _balancer(ground: Ground) -> dict[str, str]:
    named = {}
    if "CertificateArn" in ground.outputs:
        named = {**ground.of("CertificateArn", "HostedZoneId"), "DomainName": ground.settings.domain or ""}
    target_type = "instance" if ground.profile == "seed" else "ip"
    return {**ground.of("VpcId", "PublicSubnets", "BalancerSecurityGroup"), "TargetType": target_type, **named}


def _service(ground: Ground) -> dict[str, str]:
    """Its parameters are mostly the others' outputs, under the same names."""
    seed = ground.profile == "seed"
    taken = (
        *(
            "ClusterName",
            "TaskSubnets",
            "TaskSecurityGroup",
            "HookSubnets",
            "HookSecurityGroup",
            "LoadBalancerArn",
            "DnsName",
        ),
        *("TestPort", "ProductionListenerArn", "TestListenerArn", "BlueTargetGroupArn", "BlueTargetGroupName"),
        *("GreenTargetGroupName", "ExecutionRoleArn", "CodeDeployRoleArn", "HookRoleArn"),
    )
    return {
        **ground.of(*taken),
        **ground.service,
        "LaunchType": "EC2" if seed else "FARGATE",
        "AssignPublicIp": "DISABLED" if seed else "ENABLED",
        "CpuArchitecture": FARGATE[ground.architecture],
    }


def _locust(ground: Ground) -> dict[str, str]:
    return {
        **ground.of("TaskSecurityGroup", "BalancerSecurityGroup", "ExecutionRoleArn"),
        "ImageUri": ground.load_image,
        "CpuArchitecture": FARGATE[ground.architecture],
        "Workers": str(ground.load_workers),
    }


CONCERNS: Sequence[Concern] = (
    Concern(
        "self-destruct",
        both("self-destruct"),
        lambda ground: {"ExpiresAt": clock.utc(ground.expires).strftime("%Y-%m-%dT%H:%M:%S")},
    ),
    Concern("registry", both("registry"), lambda ground: {"RepositoryName": ground.repository}),
    Concern("roles", both("roles"), _roles),
    Concern("network", {"lean": "network-lean", "seed": "network-seed"}, _network),
    Concern(
        "certificate",
        both("certificate"),
        _certificate,
        lambda ground: ground.profile == "seed" and ground.settings.domain is not None,
    ),
    Concern("cluster", {"lean": "cluster-lean", "seed": "cluster-seed"}, _cluster),
    Concern("balancer", both("balancer"), _balancer, lambda ground: ground.profile == "seed" or ground.lasting),
)
SERVICE = Concern("service", both("service"), _service, lambda ground: ground.lasting)
LOCUST = Concern("locust", both("locust"), _locust, lambda ground: ground.load_workers > 0)
# What uses something goes before it; Lambda clears its network interfaces away with a role of `roles`.
DELETION = ("service", "locust", "balancer", "cluster", "certificate", "registry", "network", "roles", "self-destruct")


def wanted(ground: Ground) -> list[Concern]:
    return [concern for concern in CONCERNS if concern.wanted(ground)]


def make(stacks: Stacks, ground: Ground, concern: Concern) -> None:
    """Make or change the stack, and take its outputs. Raises ClientError, HarnessError."""
    ground.outputs.update(stacks.make(concern.stack(ground)).outputs)


def network_of(deployment: Deployment, architecture: str | None, images: Mapping[str, str]) -> Network:
    """What the driver needs to know of the stacks' outputs. Raises KeyError where a stack is missing."""
    found, seed = deployment.outputs, deployment.profile == "seed"
    return Network(
        vpc=found["VpcId"],
        subnets=_several(found["PublicSubnets"]),
        security_group=found["BalancerSecurityGroup"],
        cluster=found["ClusterName"],
        codedeploy_role=found["CodeDeployRoleArn"],
        execution_role=found["ExecutionRoleArn"],
        hook_role=found["HookRoleArn"],
        limited_codedeploy_role=found["LimitedCodeDeployRoleArn"],
        denied_hook_role=found.get("DeniedHookRoleArn", ""),
        own_task_subnets=_several(found["TaskSubnets"]),
        own_task_security_group=found["TaskSecurityGroup"],
        public_tasks=not seed,
        hook_subnets=_several(found["HookSubnets"]),
        hook_security_group=found["HookSecurityGroup"],
        capacity_provider=found["CapacityProvider"] if seed else None,
        architecture=None if seed or architecture is None else FARGATE[architecture],
        images=images,
    )


def load_workers(deployment: Deployment) -> int:
    """As many of Locust's workers as a scenario may ask for; 0 where none are tasks."""
    return int(deployment.outputs.get("LoadWorkers", 0))


def load_of(deployment: Deployment, way: Way) -> LoadGround | None:
    """What Locust's workers can be tasks of; None where the stack has none."""
    found = deployment.outputs
    if not load_workers(deployment):
        return None
    return LoadGround(
        task_definition=found["LoadTaskDefinitionArn"],
        log_group=found["LoadLogGroupName"],
        most=load_workers(deployment),
        cluster=found["ClusterName"],
        subnets=_several(found["TaskSubnets"]),
        security_group=found["TaskSecurityGroup"],
        public=deployment.profile != "seed",
        way=way,
    )


def _several(listed: str) -> tuple[str, ...]:
    return tuple(one.strip() for one in listed.split(","))
