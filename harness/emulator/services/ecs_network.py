"""Fake elastic network interfaces: each awsvpc task gets an unused address of one of its subnets."""

from __future__ import annotations

import ipaddress
import itertools
import secrets
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.emulator.cloud import AwsError, Caller, Cloud
from harness.emulator.services.ecs_lookup import invalid
from harness.emulator.services.ecs_state import Interface

RESERVED = 4  # AWS keeps the first four addresses of a subnet, and the last


@dataclass
class Subnet:
    id: str
    zone: str
    vpc: str
    network: ipaddress.IPv4Network
    offsets: Iterator[int]  # round the subnet, so that an address is reused as late as possible

    @property
    def size(self) -> int:
        return self.network.num_addresses - RESERVED - 1


class Interfaces:
    """Hands out addresses. They are unique in the whole emulator, also where two VPCs have the same CIDR block."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._subnets: dict[tuple[str, str], Subnet] = {}
        self._used: set[str] = set()
        self._turn = itertools.count()

    async def subnets(self, caller: Caller, ids: Sequence[str]) -> list[Subnet]:
        """Read once from EC2. Raises InvalidParameterException for one that does not exist."""
        unknown = [one for one in ids if (caller.region, one) not in self._subnets]
        if unknown:
            try:
                answer = await self._cloud.call(caller, "ec2", "DescribeSubnets", SubnetIds=unknown)
            except AwsError as error:
                if error.code != "InvalidSubnetID.NotFound":
                    raise
                raise invalid(
                    f"Error retrieving subnet information for [{', '.join(unknown)}]: {error.message} (ErrorCode: {error.code})"
                ) from error
            for raw in answer["Subnets"]:
                network = ipaddress.IPv4Network(raw["CidrBlock"])
                subnet = Subnet(raw["SubnetId"], raw["AvailabilityZone"], raw["VpcId"], network, iter(()))
                subnet.offsets = itertools.cycle(range(RESERVED, RESERVED + subnet.size))
                self._subnets[caller.region, subnet.id] = subnet
        return [self._subnets[caller.region, one] for one in ids]

    async def attach(self, caller: Caller, ids: Sequence[str]) -> Interface:
        """An interface in one of the subnets, taken in turn. Raises InvalidParameterException when all are full."""
        subnets = await self.subnets(caller, ids)
        turn = next(self._turn) % len(subnets)
        for subnet in subnets[turn:] + subnets[:turn]:
            for offset in itertools.islice(subnet.offsets, subnet.size):
                ip = str(subnet.network[offset])
                if ip not in self._used:
                    self._used.add(ip)
                    return _interface(subnet, ip)
        raise invalid(f"No free addresses in the subnets {', '.join(ids)}.")

    def release(self, interface: Interface | None) -> None:
        if interface is not None:
            self._used.discard(interface.ip)


def _interface(subnet: Subnet, ip: str) -> Interface:
    mac = ":".join(f"{byte:02x}" for byte in (0x0A, *secrets.token_bytes(5)))
    return Interface(str(uuid.uuid4()), f"eni-{secrets.token_hex(8)}0", subnet.id, subnet.zone, ip, mac)
