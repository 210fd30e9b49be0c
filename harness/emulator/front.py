"""The users' way to load balancers that another endpoint executes: a port of our own for each listener, counted as ALB counts.

Alarms stay ours on every emulated target, and they watch what the load balancer publishes. What passes here is published in its
name. An answer is the load balancer's own where it says so (`Server: awselb/2.0`, C.5), else it is the target's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web

from harness import clock, proxies
from harness.emulator.cloud import Answer, AwsError, Caller, Cloud
from harness.emulator.upstream import end_to_end, pass_through, streamed

NAMESPACE = "AWS/ApplicationELB"
LOAD_BALANCER_SAYS = "awselb/"
HTTP = 80  # the port that a Host header does not name
log = logging.getLogger("rehearse.front")


@dataclass(frozen=True, slots=True)
class Listener:
    """One listener of a load balancer elsewhere; `host` is what its requests must be addressed to."""

    load_balancer: str
    host: str
    port: int
    url: str  # ours
    site: web.AppRunner


class Fronts:
    """`executor` is the URL of the endpoint that executes ELBv2: it finds a load balancer by the Host header."""

    def __init__(self, cloud: Cloud, executor: str) -> None:
        self._cloud, self._executor = cloud, executor
        self._owners: dict[str, Caller] = {}
        self._opening: dict[tuple[str, int], asyncio.Task[Listener]] = {}
        self._session: aiohttp.ClientSession | None = None

    async def url(self, arn: str, port: int) -> str:
        """Where this machine reaches a listener, opened at first use. Raises AwsError where there is no such load balancer."""
        key = (arn, port)
        if key not in self._opening:
            self._opening[key] = asyncio.ensure_future(self._open(arn, port))
        try:
            return (await asyncio.shield(self._opening[key])).url
        except AwsError:
            self._opening.pop(key, None)
            raise

    async def _open(self, arn: str, port: int) -> Listener:
        caller = owner_of(arn)
        answer = await self._cloud.call(caller, "elbv2", "DescribeLoadBalancers", LoadBalancerArns=[arn])
        name, dns = arn.partition(":loadbalancer/")[2], str(answer["LoadBalancers"][0]["DNSName"])
        self._owners[name] = caller
        host = dns if port == HTTP else f"{dns}:{port}"
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", lambda request: self._pass(request, name, port, host))
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return Listener(name, host, port, f"http://127.0.0.1:{runner.addresses[0][1]}", runner)

    async def _pass(self, request: web.Request, name: str, port: int, host: str) -> web.StreamResponse:
        """On as it came, to the load balancer; where that breaks off without an answer, so do we."""
        began = clock.monotonic()
        headers = end_to_end(request.headers)
        headers["Host"] = host
        try:
            answer = await self._connected().request(
                request.method,
                self._executor + request.raw_path,
                headers=headers,
                data=request.content if request.can_read_body else None,
                allow_redirects=False,
            )
        except (aiohttp.ClientError, TimeoutError) as error:
            log.warning("%s:%s broke off without an answer: %s", name, port, proxies.masked(error))
            return _broken_off(request)
        async with answer:
            by_itself = answer.headers.get("Server", "").startswith(LOAD_BALANCER_SAYS)
            seconds = clock.monotonic() - began
            self._count(name, metric_data(name, answer.status, seconds, by_itself=by_itself))
            try:
                return await streamed(request, answer)
            except (aiohttp.ClientError, ConnectionError):  # either side went away in the middle
                return _broken_off(request)

    def _count(self, name: str, data: list[dict[str, Any]]) -> None:
        if data:
            put = self._cloud.call(
                self._owners[name], "cloudwatch", "PutMetricData", Namespace=NAMESPACE, MetricData=data
            )
            self._cloud.spawn(_done(put), "metrics of the load balancers")

    def _connected(self) -> aiohttp.ClientSession:
        """A connection for each request: a kept one that dies would be a failure that no user of ALB meets."""
        if self._session is None:
            self._session = pass_through(self._executor, force_close=True, limit=0)
        return self._session

    def reachable(self) -> list[dict[str, Any]]:
        """The listeners opened so far, as `rehearse status` shows them."""
        found: dict[str, dict[str, Any]] = {}
        for (arn, port), opening in self._opening.items():
            if opening.done() and not opening.cancelled() and opening.exception() is None:
                one = opening.result()
                balancer = {"name": one.load_balancer.split("/")[1], "arn": arn, "dns_name": one.host.split(":")[0]}
                found.setdefault(arn, {**balancer, "listeners": []})["listeners"].append({"port": port, "url": one.url})
        return list(found.values())

    async def close(self) -> None:
        for opening in self._opening.values():
            opening.cancel()
            for one in await asyncio.gather(opening, return_exceptions=True):
                if isinstance(one, Listener):
                    await one.site.cleanup()
        if self._session is not None:
            await self._session.close()


def _broken_off(request: web.Request) -> web.StreamResponse:
    """Nothing more is said on this connection; the answer is for the server, which finds it closed."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=502)


async def _done(call: Coroutine[Any, Any, Answer]) -> None:
    await call


def owner_of(arn: str) -> Caller:
    """Region and account of an ARN. Raises AwsError where it is none of a load balancer."""
    parts = arn.split(":", 5)
    if len(parts) < 6 or not parts[5].startswith("loadbalancer/"):
        raise AwsError("ValidationError", f"'{arn}' is not a valid load balancer ARN", 400)
    return Caller(parts[3], parts[4])


def metric_data(load_balancer: str, status: int, seconds: float, *, by_itself: bool) -> list[dict[str, Any]]:
    """What ALB counts of one request. Which target and group answered cannot be seen from here."""
    told = {"Dimensions": [{"Name": "LoadBalancer", "Value": load_balancer}], "Timestamp": clock.utc()}
    if by_itself and status < 400:  # a redirect or a fixed answer
        return []
    if by_itself:
        names = [f"HTTPCode_ELB_{status // 100}XX_Count", *([f"HTTPCode_ELB_{status}_Count"] if status >= 500 else [])]
    else:
        names = ["RequestCount", f"HTTPCode_Target_{status // 100}XX_Count"]
    data = [{**told, "MetricName": name, "Unit": "Count", "Value": 1.0} for name in names]
    time = {**told, "MetricName": "TargetResponseTime", "Unit": "Seconds", "Value": seconds}
    return data if by_itself else [*data, time]
