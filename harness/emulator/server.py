"""The AWS endpoint: one HTTP catch-all. Read a request, find its service, call its operation, render the answer.

Requests for our services go to their handlers; every other service is answered by the delegate behind the same port.
A request whose Host is a load balancer's DNS name goes to its listener. `/_rehearsal/...` is the emulator's own: status, waits, down.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

from aiohttp import web
from aiohttp.typedefs import Handler

from harness.emulator import bind, wire
from harness.emulator.by_host import Balancers, ByHost
from harness.emulator.cloud import DEFAULT_REGION, AwsError, Caller, Cloud
from harness.emulator.delegate import Delegate, response_of
from harness.emulator.front import Fronts
from harness.emulator.function_role import session_of
from harness.emulator.signature import scope_of

log = logging.getLogger("rehearse.emulator")
VERSION = re.compile(rb"(?:^|&)Version=([\d-]+)")
LARGEST_BODY = 256 * 1024 * 1024
LAST_ANSWERS = 2.0  # seconds that requests in progress get when the server closes
REST = frozenset({"lambda", "scheduler"})  # ours that speak REST: the signature's scope names them
LAMBDA_PATH = re.compile(r"/20\d\d-\d\d-\d\d/(functions|tags|account-settings)\b")


class Server:
    """Serves `cloud.services`, and the delegate for the rest, on 127.0.0.1 (bind.py)."""

    def __init__(
        self,
        cloud: Cloud,
        delegate: Delegate,
        status: Callable[[], dict[str, Any]],
        down: Callable[[], None],
        fronts: Fronts | None = None,
    ) -> None:
        self._cloud, self._delegate, self._status, self._down = cloud, delegate, status, down
        self._fronts = fronts  # where another endpoint executes ELBv2
        self._found: dict[tuple[str, str], str | None] = {}
        self._runner: web.AppRunner | None = None
        self._hosts = ByHost(lambda: cast(Balancers, cloud.services["elbv2"])) if "elbv2" in cloud.services else None

    async def start(self, port: int) -> int:
        """Listen, on a free port for 0; returns the port. Raises OSError where it is taken."""

        @web.middleware
        async def by_host(request: web.Request, handler: Handler) -> web.StreamResponse:
            """Before everything else: a load balancer may have any path."""
            if self._hosts is not None and self._hosts.concerns(request):
                return await self._hosts.answer(request)
            return await handler(request)

        app = web.Application(client_max_size=LARGEST_BODY, middlewares=[by_host])
        app.router.add_get("/_rehearsal/status", self._get_status)
        app.router.add_get("/_rehearsal/waits", self._get_waits)
        app.router.add_get("/_rehearsal/way", self._get_way)
        if self._fronts is not None:
            app.router.add_get("/_rehearsal/listener", self._get_listener)
        app.router.add_post("/_rehearsal/down", self._post_down)
        app.router.add_route("*", "/{path:.*}", self._any)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=LAST_ANSWERS)
        await self._runner.setup()
        await web.TCPSite(self._runner, bind.address(), port).start()
        return int(self._runner.addresses[0][1])

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        if self._hosts is not None:
            await self._hosts.close()

    # ---- AWS

    async def _any(self, request: web.Request) -> web.StreamResponse:
        """The body is read where it names the service, or when the service is ours; the delegate streams the others."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = await request.read() if is_form(headers) else b""
        asked = wire.WireRequest(request.method, request.raw_path, headers, body)
        if "smithy-protocol" in headers and self._service(
            "targetPrefix", asked.path.removeprefix("/service/").partition("/")[0]
        ):
            return response_of(wire.refuse_smithy(headers["smithy-protocol"]))
        codec = self._codec(asked)
        if codec is None:
            return await self._delegate.serve(request, asked, scope_of(asked))
        whole = asked if body else replace(asked, body=await request.read())
        return response_of(await self._answer(codec, await self._caller(whole), whole))

    async def _caller(self, asked: wire.WireRequest) -> Caller:
        """Unsigned requests are in the default region and account."""
        key, region, _ = scope_of(asked)
        if not key:
            return Caller(DEFAULT_REGION)
        account = await self._delegate.account(Caller(region, access_key=key))
        return Caller(region, account, key, session_of(asked.headers.get("x-amz-security-token", "")))

    async def _answer(self, codec: wire.Codec, caller: Caller, asked: wire.WireRequest) -> wire.WireAnswer:
        try:
            codec, parameters = wire.decode(codec, asked)
            return wire.encode(codec, await self._call(codec, caller, parameters))
        except AwsError as error:
            return wire.encode_error(codec, error)
        except Exception:
            log.exception("%s %s", codec.service, codec.operation.name if codec.operation else "?")
            return wire.encode_error(
                codec, AwsError("InternalFailure", "rehearse met a bug of its own; its log has the traceback", 500)
            )

    async def _call(self, codec: wire.Codec, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        assert codec.operation is not None
        return await self._cloud.call(caller, codec.service, codec.operation.name, **parameters)

    def _codec(self, asked: wire.WireRequest) -> wire.Codec | None:
        """How the request is spelled and for which of our services; None for the delegate's."""
        kind = asked.headers.get("content-type", "")
        if target := asked.headers.get("x-amz-target"):
            version = "1.0" if "json-1.0" in kind else "1.1"
            return _codec(self._service("targetPrefix", target.partition(".")[0]), "json", version)
        if is_form(asked.headers) and (found := VERSION.search(asked.body)):
            return _codec(self._service("apiVersion", found[1].decode()), "query")
        if version_asked := asked.query.get("Version"):
            return _codec(self._service("apiVersion", version_asked[-1]), "query")
        service = scope_of(asked)[2] or ("lambda" if LAMBDA_PATH.match(asked.path) else "")  # Route 53 has /tags, too
        return _codec(service, "rest-json") if service in REST and service in self._cloud.services else None

    def _service(self, key: str, value: str) -> str | None:
        """The first of our services whose model says so; models are loaded in turn, because each takes its time."""
        if (key, value) not in self._found:
            self._found[key, value] = next((name for name in self._cloud.services if _says(name, key, value)), None)
        return self._found[key, value]

    # ---- the emulator's own

    async def _get_status(self, _: web.Request) -> web.Response:
        return web.json_response(self._status())

    async def _get_waits(self, request: web.Request) -> web.Response:
        after = request.query.get("after", "-1")
        if not after.lstrip("-").isdigit():
            raise web.HTTPBadRequest(text=f"after={after} is not a number")
        waits = getattr(self._cloud.services.get("codedeploy"), "waits", [])
        return web.json_response([wait for wait in waits if wait["n"] > int(after)])

    async def _get_way(self, request: web.Request) -> web.Response:
        """Where on this machine what has a private address in a VPC is: `?address=10.0.0.254&port=80`. Port 0: nothing listens.

        404 for an address that nothing has.
        """
        address, port = request.query.get("address", ""), request.query.get("port", "")
        if not port.isdigit():
            raise web.HTTPBadRequest(text=f"port={port} is not a number")
        bound = getattr(self._cloud.services.get("elbv2"), "way_to", lambda *_: None)(address, int(port))
        task = self._cloud.addresses.locate(address, int(port))
        if bound is None and task is None:
            raise web.HTTPNotFound(text=f"nothing here has the address {address}")
        host, found = task if bound is None and task is not None else ("127.0.0.1", bound)
        return web.json_response({"host": host, "port": found})

    async def _get_listener(self, request: web.Request) -> web.Response:
        """Where a listener of a load balancer elsewhere is reached: `?load_balancer=ARN&port=80`."""
        assert self._fronts is not None
        arn, port = request.query.get("load_balancer", ""), request.query.get("port", "")
        if not port.isdigit():
            raise web.HTTPBadRequest(text=f"port={port} is not a number")
        try:
            return web.json_response({"url": await self._fronts.url(arn, int(port))})
        except AwsError as error:
            raise web.HTTPBadRequest(text=f"{error.code}: {error}") from error

    async def _post_down(self, _: web.Request) -> web.Response:
        self._down()
        return web.json_response({})


def _says(service: str, key: str, value: str) -> bool:
    """A version is looked for among the query services alone: they are the ones with an XML namespace."""
    metadata = wire.service_model(service).metadata
    return metadata.get(key) == value and (key != "apiVersion" or "xmlNamespace" in metadata)


def _codec(service: str | None, protocol: wire.Protocol, json_version: str = "1.1") -> wire.Codec | None:
    return wire.Codec(service, protocol, json_version) if service else None


def is_form(headers: Mapping[str, str]) -> bool:
    """Whether the operation is spelled in the body."""
    return headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
