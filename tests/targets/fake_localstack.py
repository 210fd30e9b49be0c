"""A LocalStack of each edition, as far as it was recorded, on a real socket. What the edition has is relayed to a real emulator.

Refusals are the recorded ones of localstack-core 2026.3.0; CodeDeploy is a mock as in the Ultimate plan; a Host of a load balancer
goes to its listener. It runs on a thread of its own and keeps every request's target and Authorization header.
"""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import aiohttp
from aiohttp import web

from harness.emulator.upstream import end_to_end, pass_through, streamed

Edition = Literal["core", "base", "ultimate", "ministack", "broken", "services", "half"]
PAID = {"ecs", "elasticloadbalancing", "ecr", "autoscaling", "application-autoscaling", "servicediscovery"}
LICENCE = "The API for service {} is either not included in your current license plan or has not yet been emulated by LocalStack."
DISABLED = "Service '{}' is not enabled. Please check your 'SERVICES' configuration variable."
NOT_IMPLEMENTED = (
    "The API action '{}' for service 'codedeploy' is not available or has not yet been emulated by LocalStack."
)
HEALTH = ["acm", "cloudformation", "cloudwatch", "ec2", "events", "iam", "lambda", "logs", "route53", "s3"]
HEALTH += ["secretsmanager", "sns", "ssm", "sts"]
INFO = {
    "version": "2026.3.0",
    "edition": "unknown",
    "is_license_activated": False,
    "session_id": "e46d53ff-b6a7-4258-af4f-d1f254980797",
    "machine_id": "dkr_bb577e59d758",
    "system": "Linux",
    "is_docker": True,
    "server_time_utc": "2026-11-24T22:27:59",
    "uptime": 8,
}
QUERY = {"elasticloadbalancing", "autoscaling"}


@dataclass
class FakeLocalStack:
    """`behind` is the URL of an emulator. `tamper` may change a request to a load balancer: it gets and returns the Host header."""

    edition: Edition
    behind: str = ""
    tamper: Callable[[str], str] = field(default=lambda host: host)
    asked: list[str] = field(default_factory=list)
    signatures: list[str] = field(default_factory=list)
    listeners: dict[str, str] = field(default_factory=dict)  # by Host header, once seen: names are never used again
    cut_after: int | None = None  # bytes of an answer's body, then the connection breaks
    url: str = ""

    async def start(self) -> web.AppRunner:
        app = web.Application(client_max_size=2**28)
        app.router.add_get("/_localstack/{page}", self.page)
        app.router.add_route("*", "/{path:.*}", self.any)
        self.session = pass_through(self.behind, limit=0)
        self.fresh = pass_through(self.behind, force_close=True, limit=0)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return runner

    # ---- /_localstack

    async def page(self, request: web.Request) -> web.Response:
        headers = {} if self.edition == "ministack" else {"x-localstack": "true"}
        licensed = self.edition in ("base", "ultimate")
        services = [*HEALTH, *(["ecs", "elbv2", "ecr"] if licensed else []), *self._codedeploy()]
        health = {"services": dict.fromkeys(services, "available"), "edition": "unknown", "version": "2026.3.0"}
        pages: dict[str, Any] = {
            "info": {**INFO, "is_license_activated": licensed, **({"edition": self.edition} if licensed else {})},
            "init": {"completed": {"BOOT": True, "START": True, "READY": True, "SHUTDOWN": False}, "scripts": []},
            "health": health,
        }
        if self.edition == "ministack":
            pages = {"health": {"services": health["services"], "edition": "ministack", "version": "1.5.33"}}
        page = request.match_info["page"]
        if page not in pages:
            return web.Response(status=404)
        return web.json_response(pages[page], headers=headers)

    def _codedeploy(self) -> list[str]:
        return ["codedeploy"] if self.edition == "ultimate" else []

    # ---- AWS and load balancers

    async def any(self, request: web.Request) -> web.StreamResponse:
        host = request.headers.get("Host", "")
        if ".elb." in host:
            return await self.load_balancer(request, self.tamper(host))
        signature = request.headers.get("Authorization", "")
        service = signature.partition("Credential=")[2].split("/")[3] if "Credential=" in signature else "s3"
        self.asked.append(f"{service} {request.headers.get('X-Amz-Target', request.path)}")
        self.signatures.append(signature)
        if (refused := await self.refused(request, service)) is not None:
            return refused
        return await self.relay(request, self.behind, host, self.session)

    async def refused(self, request: web.Request, service: str) -> web.Response | None:
        """As the edition refuses it; None where it has the service."""
        if self.edition == "broken" and service == "sts":
            said = "exception while calling sts.GetCallerIdentity: 'NoneType' object has no attribute 'loads'"
            return self.error(500, "InternalError", said, xml=True)
        if self.edition == "services" and service == "ec2":
            return self.error(501, "InternalFailure", DISABLED.format("ec2"), xml=True)
        if self.edition == "half" and service == "ec2":
            return self.error(501, "InternalFailure", LICENCE.format("ec2"), xml=True)
        if service in PAID and self.edition not in ("base", "ultimate"):
            name = {"elasticloadbalancing": "elbv2"}.get(service, service)
            return self.error(501, "InternalFailure", LICENCE.format(name), xml=service in QUERY)
        if service == "codedeploy":
            return await self.codedeploy(request)
        return None

    async def codedeploy(self, request: web.Request) -> web.Response:
        """Every operation is mocked in Ultimate, and the deployment-target ones do not exist."""
        operation = request.headers.get("X-Amz-Target", "").partition(".")[2]
        if self.edition != "ultimate":
            return self.error(501, "InternalFailure", LICENCE.format("codedeploy"))
        mocked: dict[str, Any] = {
            "ListApplications": {"applications": []},
            "CreateDeployment": {"deploymentId": "d-MOCKED000"},
            "GetDeployment": {"deploymentInfo": {"deploymentId": "d-MOCKED000", "status": "Created"}},
        }
        if operation not in mocked:
            return self.error(501, "InternalFailure", NOT_IMPLEMENTED.format(operation))
        return web.json_response(mocked[operation], headers={"x-localstack": "true"})

    def error(self, status: int, code: str, message: str, *, xml: bool = False) -> web.Response:
        headers = {"x-localstack": "true", "X-Amzn-Errortype": code}
        if xml:
            text = f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
            return web.Response(status=status, text=text, content_type="text/xml", headers=headers)
        body = json.dumps({"__type": code, "message": message})
        return web.Response(status=status, text=body, content_type="application/json", headers=headers)

    async def load_balancer(self, request: web.Request, host: str) -> web.StreamResponse:
        """To the listener of the emulator behind, which binds ports of its own."""
        name, _, port = host.partition(":")
        if (known := self.listeners.get(host)) is not None:
            return await self.relay(request, known, host, self.fresh)
        async with aiohttp.ClientSession() as plain, plain.get(f"{self.behind}/_rehearsal/status") as answer:
            balancers = (await answer.json())["load_balancers"]
        for one in balancers:
            for listener in one["listeners"]:
                if (one["dns_name"], listener["port"]) == (name, int(port or 80)):
                    self.listeners[host] = listener["url"]
                    return await self.relay(request, listener["url"], host, self.fresh)
        return web.Response(status=404, text=f"no listener for {host}")

    async def relay(self, request: web.Request, to: str, host: str, by: aiohttp.ClientSession) -> web.StreamResponse:
        headers = end_to_end(request.headers)
        headers["Host"] = host
        body = request.content if request.can_read_body else None
        sent = by.request(request.method, to + request.raw_path, headers=headers, data=body, allow_redirects=False)
        async with sent as answer:
            return await (streamed(request, answer) if self.cut_after is None else self.cut(request, answer))

    async def cut(self, request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        response = web.StreamResponse(status=answer.status, headers=end_to_end(answer.headers))
        await response.prepare(request)
        await response.write((await answer.read())[: self.cut_after])
        assert request.transport is not None
        request.transport.close()  # after what was written
        return response


@contextmanager
def running(edition: Edition, behind: str = "", **options: Any) -> Iterator[FakeLocalStack]:
    fake = FakeLocalStack(edition, behind, **options)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    runner = asyncio.run_coroutine_threadsafe(fake.start(), loop).result(10)
    try:
        yield fake
    finally:
        for closing in (runner.cleanup(), fake.session.close(), fake.fresh.close()):
            asyncio.run_coroutine_threadsafe(closing, loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
