"""Load balancers. One is active at once; what it costs in time on AWS is nobody's to learn from."""

from __future__ import annotations

import re
from typing import Any

from harness import clock
from harness.emulator.cloud import Answer, AwsError, Caller, Cloud, Request
from harness.emulator.services import elbv2_attributes as attributes
from harness.emulator.services.elbv2_access_logs import BUCKET, ENABLED, PREFIX, AccessLogs
from harness.emulator.services.elbv2_base import Base, check_quota, page, pairs_of, tags_of
from harness.emulator.services.elbv2_interfaces import Interfaces
from harness.emulator.services.elbv2_limits import LIMITS
from harness.emulator.services.elbv2_state import LoadBalancer, new_id

NAME = re.compile(r"(?!internal-)(?!-)[A-Za-z0-9-]{1,32}(?<!-)")
SCHEME = "internet-facing"
ADDRESS_TYPES = ("ipv4", "dualstack", "dualstack-without-public-ipv4")
LOG_KEYS = (ENABLED, BUCKET, PREFIX)


class Balancers(Base):
    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.logs = AccessLogs(cloud, self.states)
        self.interfaces = Interfaces(cloud)

    async def create_load_balancer(self, caller: Caller, request: Request) -> Answer:
        """Raises DuplicateLoadBalancerName when settings differ; with the same ones it answers the existing one (as on AWS)."""
        state, name = self.states[caller], request["Name"]
        if not NAME.fullmatch(name):
            raise AwsError(
                "ValidationError", f"The load balancer name '{name}' must be 1-32 letters, digits and inner hyphens"
            )
        kind = request.get("Type", "application")
        if kind != "application":
            raise AwsError("NotImplemented", f"elbv2: load balancers of type {kind} are not emulated by rehearse", 501)
        subnets = [*request.get("Subnets", []), *(one["SubnetId"] for one in request.get("SubnetMappings", []))]
        vpc, zones = await self._zones(caller, subnets)
        groups = await self._security_groups(caller, vpc, request.get("SecurityGroups", []))
        old = next((one for one in state.load_balancers.values() if one.name == name), None)
        if old is not None:
            if {zone["SubnetId"] for zone in old.zones} != set(subnets) or old.scheme != request.get("Scheme", SCHEME):
                raise AwsError(
                    "DuplicateLoadBalancerName",
                    f"A load balancer with the same name '{name}' exists, but with different settings",
                )
            return {"LoadBalancers": [render(old)]}
        check_quota("TooManyLoadBalancers", "load balancers", len(state.load_balancers) + 1, LIMITS.load_balancers)
        arn = caller.arn("elasticloadbalancing", f"loadbalancer/app/{name}/{new_id()}")
        scheme = request.get("Scheme", SCHEME)
        balancer = LoadBalancer(arn, name, scheme, kind, vpc, zones, groups, self.cloud.clock.now())
        balancer.ip_address_type = _ip_address_type(request.get("IpAddressType", "ipv4"))
        balancer.tags = tags_of(request.get("Tags", []))
        state.load_balancers[arn] = balancer
        try:
            await self.interfaces.fit(caller, balancer)
        except AwsError:
            del state.load_balancers[arn]
            await self.interfaces.drop(caller, balancer)
            raise
        return {"LoadBalancers": [render(balancer)]}

    async def _zones(self, caller: Caller, subnets: list[str]) -> tuple[str, list[dict[str, str]]]:
        """(VPC, zones of the subnets), as EC2 knows them; ALB wants two zones."""
        if len(subnets) < 2:
            raise AwsError(
                "ValidationError", "At least two subnets in two different Availability Zones must be specified"
            )
        try:
            answer = await self.cloud.call(caller, "ec2", "DescribeSubnets", SubnetIds=subnets)
        except AwsError as error:
            if not error.code.startswith("InvalidSubnetID"):
                raise
            raise AwsError("SubnetNotFound", error.message) from error
        found = answer["Subnets"]
        zones = [{"ZoneName": one["AvailabilityZone"], "SubnetId": one["SubnetId"]} for one in found]
        if len({zone["ZoneName"] for zone in zones}) < len(zones):
            raise AwsError(
                "InvalidConfigurationRequest",
                "A load balancer cannot be attached to multiple subnets in the same Availability Zone",
            )
        return str(found[0]["VpcId"]), zones

    async def _security_groups(self, caller: Caller, vpc: str, wanted: list[str]) -> list[str]:
        """Those that are wanted, or the VPC's default one. Raises InvalidSecurityGroup."""
        which: dict[str, Any] = {"GroupIds": wanted}
        if not wanted:
            which = {"Filters": [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "group-name", "Values": ["default"]}]}
        try:
            found = (await self.cloud.call(caller, "ec2", "DescribeSecurityGroups", **which))["SecurityGroups"]
        except AwsError as error:
            if not error.code.startswith("InvalidGroup"):
                raise
            raise AwsError("InvalidSecurityGroup", error.message) from error
        if any(one["VpcId"] != vpc for one in found):
            raise AwsError("InvalidConfigurationRequest", "One or more security groups are invalid")
        return wanted or [one["GroupId"] for one in found]

    def describe_load_balancers(self, caller: Caller, request: Request) -> Answer:
        state = self.states[caller]
        if arns := request.get("LoadBalancerArns"):
            found = [state.load_balancer(arn) for arn in arns]
        else:
            names = request.get("Names")
            found = [one for one in state.load_balancers.values() if not names or one.name in names]
            if names and (missing := set(names) - {one.name for one in found}):
                raise AwsError("LoadBalancerNotFound", f"Load balancers '[{', '.join(sorted(missing))}]' not found")
        return page([render(one) for one in found], request, "LoadBalancers")

    async def delete_load_balancer(self, caller: Caller, request: Request) -> Answer:
        """With its listeners; deleting what is not there succeeds."""
        state, arn = self.states[caller], request["LoadBalancerArn"]
        balancer = state.load_balancers.get(arn)
        if balancer is None:
            return {}
        if balancer.attributes["deletion_protection.enabled"] == "true":
            raise AwsError(
                "OperationNotPermitted",
                f"Load balancer '{arn}' cannot be deleted because deletion protection is enabled",
            )
        listeners = state.listeners_of(arn)
        await self.logs.ship(caller, balancer)
        del state.load_balancers[arn]
        for listener in listeners:
            del state.listeners[listener.arn]
        for listener in listeners:
            await self.cloud.plane.delete_listener(listener.arn)
        self.cloud.changed.ring()
        await self.interfaces.drop(caller, balancer)
        return {}

    def describe_capacity_reservation(self, caller: Caller, request: Request) -> Answer:
        """Nobody has reserved any; Terraform asks at every read of a load balancer."""
        self.states[caller].load_balancer(request["LoadBalancerArn"])
        return {"DecreaseRequestsRemaining": 2, "CapacityReservationState": []}

    def describe_load_balancer_attributes(self, caller: Caller, request: Request) -> Answer:
        return {"Attributes": pairs_of(self.states[caller].load_balancer(request["LoadBalancerArn"]).attributes)}

    async def modify_load_balancer_attributes(self, caller: Caller, request: Request) -> Answer:
        state = self.states[caller]
        balancer = state.load_balancer(request["LoadBalancerArn"])
        changed = balancer.attributes | attributes.LOAD_BALANCER.of(request["Attributes"])
        if any(changed[key] != balancer.attributes[key] for key in LOG_KEYS):
            await self.logs.check(caller, changed)
            await self.logs.ship(caller, balancer)
        balancer.attributes = changed
        for listener in state.listeners_of(balancer.arn):
            async with self.changing(state, listener):
                pass
        return {"Attributes": pairs_of(balancer.attributes)}

    async def set_subnets(self, caller: Caller, request: Request) -> Answer:
        balancer = self.states[caller].load_balancer(request["LoadBalancerArn"])
        subnets = [*request.get("Subnets", []), *(one["SubnetId"] for one in request.get("SubnetMappings", []))]
        vpc, zones = await self._zones(caller, subnets)
        if vpc != balancer.vpc:
            raise AwsError("InvalidSubnet", "The subnets must be in the VPC of the load balancer")
        balancer.zones = zones
        await self.interfaces.fit(caller, balancer)
        balancer.ip_address_type = _ip_address_type(request.get("IpAddressType", balancer.ip_address_type))
        return {"AvailabilityZones": zones_of(balancer), "IpAddressType": balancer.ip_address_type}

    async def set_security_groups(self, caller: Caller, request: Request) -> Answer:
        balancer = self.states[caller].load_balancer(request["LoadBalancerArn"])
        if not request["SecurityGroups"]:
            raise AwsError("InvalidConfigurationRequest", "At least one security group must be specified")
        balancer.security_groups = await self._security_groups(caller, balancer.vpc, request["SecurityGroups"])
        await self.interfaces.regroup(caller, balancer)
        return {"SecurityGroupIds": balancer.security_groups}

    def set_ip_address_type(self, caller: Caller, request: Request) -> Answer:
        balancer = self.states[caller].load_balancer(request["LoadBalancerArn"])
        balancer.ip_address_type = _ip_address_type(request["IpAddressType"])
        return {"IpAddressType": balancer.ip_address_type}


def _ip_address_type(given: str) -> str:
    if given not in ADDRESS_TYPES:
        raise AwsError("ValidationError", f"IpAddressType '{given}' must be one of '{', '.join(ADDRESS_TYPES)}'")
    return given


def zones_of(balancer: LoadBalancer) -> list[dict[str, Any]]:
    return [{**zone, "LoadBalancerAddresses": []} for zone in balancer.zones]


def render(balancer: LoadBalancer) -> dict[str, Any]:
    return {
        "LoadBalancerArn": balancer.arn,
        "DNSName": balancer.dns_name,
        "CanonicalHostedZoneId": "Z35SXDOTRQ7X7K",
        "CreatedTime": clock.utc(balancer.created),
        "LoadBalancerName": balancer.name,
        "Scheme": balancer.scheme,
        "VpcId": balancer.vpc,
        "State": {"Code": "active"},
        "Type": balancer.kind,
        "AvailabilityZones": zones_of(balancer),
        "SecurityGroups": balancer.security_groups,
        "IpAddressType": balancer.ip_address_type,
    }
