"""Access logs to S3, in ALB's key layout (C.8): every five minutes (compressed), when an attribute changes, and at the end."""

from __future__ import annotations

import asyncio
import gzip
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness import clock
from harness.clock import Compressed
from harness.emulator.cloud import AwsError, Caller, Cloud, Regional
from harness.emulator.services.elbv2_state import Elbv2State, LoadBalancer
from harness.errors import HarnessError

ENABLED, BUCKET, PREFIX = "access_logs.s3.enabled", "access_logs.s3.bucket", "access_logs.s3.prefix"
INTERVAL = 300.0  # seconds of AWS
NODE = "127.0.0.1"  # the one node of a load balancer here
log = logging.getLogger("rehearse.elbv2")


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a load balancer's logs go, from its attributes."""

    bucket: str
    prefix: str

    @classmethod
    def of(cls, attributes: Mapping[str, str]) -> Destination | None:
        """None where access logs are off."""
        if attributes[ENABLED] != "true":
            return None
        return cls(attributes[BUCKET], attributes[PREFIX])

    def key(self, caller: Caller, balancer: LoadBalancer, now: float) -> str:
        """`[prefix/]AWSLogs/<account>/elasticloadbalancing/<region>/yyyy/mm/dd/<account>_..._<end>_<node>_<random>.log.gz`"""
        at, resource = clock.utc(now), balancer.path.replace("/", ".")
        name = f"{caller.account}_elasticloadbalancing_{caller.region}_{resource}_{at:%Y%m%dT%H%MZ}_{NODE}"
        return f"{self.root(caller)}/elasticloadbalancing/{caller.region}/{at:%Y/%m/%d}/{name}_{secrets.token_hex(4)}.log.gz"

    def root(self, caller: Caller) -> str:
        return f"{self.prefix}/AWSLogs/{caller.account}" if self.prefix else f"AWSLogs/{caller.account}"


class AccessLogs:
    """Ships what the data plane has logged since the last time."""

    def __init__(self, cloud: Cloud, states: Regional[Elbv2State]) -> None:
        self._cloud, self._states = cloud, states
        self._shipped: dict[str, int] = {}  # bytes of a load balancer's log that are in S3
        self._task: asyncio.Task[None] | None = None

    async def check(self, caller: Caller, attributes: Mapping[str, str]) -> None:
        """Write ELB's test file, as AWS does when logs are turned on. Raises InvalidConfigurationRequest where that fails."""
        destination = Destination.of(attributes)
        if destination is None:
            return
        if not destination.bucket:
            raise AwsError("InvalidConfigurationRequest", "An S3 bucket must be specified for access logs")
        try:
            key = f"{destination.root(caller)}/ELBAccessLogTestFile"
            await self._put(
                caller, destination.bucket, key, f"Enable AccessLog for ELB: {clock.iso(clock.now())}".encode()
            )
        except AwsError as error:
            said = f"Access Denied for bucket: {destination.bucket}. Please check S3bucket permission"
            raise AwsError("InvalidConfigurationRequest", said) from error
        if self._task is None:
            self._task = self._cloud.spawn(self._run(), "access logs to S3")

    async def ship(self, caller: Caller, balancer: LoadBalancer) -> None:
        """Everything of one load balancer that is not in S3 yet; a bucket that is gone is a warning."""
        destination = Destination.of(balancer.attributes)
        if destination is None:
            return
        path, size = await self._cloud.plane.cut_log(balancer.path)
        begin, self._shipped[balancer.path] = self._shipped.get(balancer.path, 0), size
        if path.name.endswith(".1.log"):
            self._shipped[balancer.path] = 0
        if size <= begin:
            return
        body = await asyncio.to_thread(_compressed, path, begin, size)
        try:
            await self._put(caller, destination.bucket, destination.key(caller, balancer, clock.now()), body)
        except AwsError as error:
            log.warning("the access log of %s could not be put to S3: %s", balancer.name, error)

    async def _put(self, caller: Caller, bucket: str, key: str, body: bytes) -> None:
        await self._cloud.call(caller, "s3", "PutObject", Bucket=bucket, Key=key, Body=body)

    async def _run(self) -> None:
        waiting = Compressed(self._cloud.clock, max(1.0, self._cloud.compression))
        try:
            while True:
                await waiting.idle(INTERVAL, "access logs of the load balancers")
                await self._ship_all()
        finally:  # the emulator ends: the data plane and S3 are still there
            try:
                await self._ship_all()
            except HarnessError as error:
                log.warning("the last access logs were not put to S3: %s", error)

    async def _ship_all(self) -> None:
        for caller, state in self._states.items():
            for balancer in list(state.load_balancers.values()):
                await self.ship(caller, balancer)


def _compressed(path: Path, begin: int, end: int) -> bytes:
    with path.open("rb") as file:
        file.seek(begin)
        return gzip.compress(file.read(end - begin))
