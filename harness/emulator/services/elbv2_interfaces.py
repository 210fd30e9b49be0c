"""A load balancer's network interfaces: EC2 shows one in each of its subnets, described as `ELB app/<name>/<id>`.

Their private addresses lead to the listeners for whatever is in the VPC; here that is a Lambda function with a VpcConfig
(lambda_bootstrap.py). Security groups are shown, and let everybody through.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from harness.emulator.cloud import AwsError, Caller, Cloud
from harness.emulator.services.elbv2_state import Interface, LoadBalancer

RESERVED = 4  # AWS keeps the first four addresses of a subnet, and the last


class Interfaces:
    """Addresses are unique in the whole emulator, also where two VPCs have the same CIDR block."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._used: set[str] = set()

    async def fit(self, caller: Caller, balancer: LoadBalancer) -> None:
        """Give it an interface in each subnet that it is in, and take those of the others. Raises AwsError."""
        wanted = [zone["SubnetId"] for zone in balancer.zones]
        for subnet in [one for one in balancer.interfaces if one not in wanted]:
            await self._drop(caller, balancer.interfaces.pop(subnet))
        missing = [one for one in wanted if one not in balancer.interfaces]
        if not missing:
            return
        described = (await self._cloud.call(caller, "ec2", "DescribeSubnets", SubnetIds=missing))["Subnets"]
        for subnet in described:
            balancer.interfaces[subnet["SubnetId"]] = await self._make(caller, balancer, subnet)

    async def _make(self, caller: Caller, balancer: LoadBalancer, subnet: dict[str, str]) -> Interface:
        address = next((one for one in _addresses(subnet["CidrBlock"]) if one not in self._used), None)
        if address is None:
            raise AwsError("InvalidSubnet", f"Not enough IP space available in {subnet['SubnetId']}")
        self._used.add(address)
        try:
            answer = await self._cloud.call(
                caller,
                "ec2",
                "CreateNetworkInterface",
                SubnetId=subnet["SubnetId"],
                PrivateIpAddress=address,
                Groups=balancer.security_groups,
                Description=f"ELB {balancer.path}",
            )
        except AwsError:
            self._used.discard(address)
            raise
        return Interface(answer["NetworkInterface"]["NetworkInterfaceId"], address)

    async def regroup(self, caller: Caller, balancer: LoadBalancer) -> None:
        """Its security groups are its interfaces'."""
        for one in balancer.interfaces.values():
            request = {"NetworkInterfaceId": one.id, "Groups": balancer.security_groups}
            await self._cloud.call(caller, "ec2", "ModifyNetworkInterfaceAttribute", **request)

    async def drop(self, caller: Caller, balancer: LoadBalancer) -> None:
        while balancer.interfaces:
            await self._drop(caller, balancer.interfaces.popitem()[1])

    async def _drop(self, caller: Caller, interface: Interface) -> None:
        """One that went with its subnet is well gone."""
        self._used.discard(interface.address)
        try:
            await self._cloud.call(caller, "ec2", "DeleteNetworkInterface", NetworkInterfaceId=interface.id)
        except AwsError as error:
            if not error.code.startswith("InvalidNetworkInterface"):
                raise


def _addresses(block: str) -> Iterator[str]:
    """The subnet's, the last one first: tasks take theirs from the other end."""
    network = ipaddress.IPv4Network(block)
    return (str(network[-offset]) for offset in range(2, network.num_addresses - RESERVED + 1))
