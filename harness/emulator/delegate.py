"""Every service that is not ours: moto in this process, loaded on first use, or an upstream AWS endpoint."""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Any, Protocol

from aiohttp import web

from harness import proxies
from harness.emulator import moto_gaps, refusal
from harness.emulator.cloud import ACCOUNT, DEFAULT_REGION, Answer, Caller, Request
from harness.emulator.in_process import ACCOUNT_HEADER, Clients, wsgi
from harness.emulator.signature import scope_of
from harness.emulator.upstream import Scope, Upstream
from harness.emulator.wire import WireAnswer, WireRequest, service_model
from harness.errors import UsageError

ACCOUNT_KEY = re.compile(r"[0-9]{12}")
DRIVABLE = frozenset({"ecs", "elbv2"})  # together only: one's tasks are the other's targets
NO_SUCH_PAGE = b"<!doctype html>\n<html lang=en>\n<title>40"  # how Flask says that it has no such path or method
log = logging.getLogger("rehearse.delegate")


class Delegate(Protocol):
    async def serve(self, request: web.Request, asked: WireRequest, scope: Scope) -> web.StreamResponse:
        """Answer a request that is for none of our services; `scope` is its signature's access key, region and service, or empty strings.

        Its body is in `asked` where it was needed to find the service, else still to be read from `request`.
        """

    async def account(self, caller: Caller) -> str:
        """The account that the caller's access key belongs to."""

    async def call(self, caller: Caller, service: str, operation: str, request: Request) -> Answer:
        """One operation in process, for `Cloud.call`. Raises AwsError."""

    def in_use(self) -> bool:
        """Whether anything can be in it: False until moto, which starts empty, was asked for something."""

    async def key_of(self, caller: Caller, certificate: str) -> str | None:
        """The private key (PEM) of an ACM certificate; None where it is not to be had."""

    async def close(self) -> None: ...


def delegate_of(name: str, drives: Mapping[str, str] | None = None) -> Delegate:
    """`moto`, or the URL of an AWS endpoint; `drives`: services that yet another endpoint executes. Raises UsageError."""
    if drives:
        return Driven(delegate_of(name), {service: Upstream(url) for service, url in drives.items()})
    if name == "moto":
        return Moto()
    if proxies.is_url(name):
        return Upstream(name.rstrip("/"))
    raise UsageError(f"--delegate {proxies.masked(name)}: it must be moto or a URL")


class Moto:
    """moto's own dispatcher, in one thread of its own: it is not made for several, and never runs on the event loop."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "moto")
        self._clients = Clients("http://127.0.0.1", self._answer)
        self._app: Any = None

    async def serve(self, request: web.Request, asked: WireRequest, scope: Scope) -> web.StreamResponse:
        headers = {ACCOUNT_HEADER: _account_of(scope[0]), **asked.headers}
        whole = replace(asked, headers=headers, body=asked.body or await request.read())
        return response_of(await self._forward(whole))

    async def account(self, caller: Caller) -> str:
        return _account_of(caller.access_key)

    async def _forward(self, asked: WireRequest) -> WireAnswer:
        try:
            answer = await asyncio.get_running_loop().run_in_executor(self._thread, self._answer, asked)
        except NotImplementedError as error:
            return refusal.of(asked, "NotImplemented", f"moto, which answers here, says: {error}", 501)
        except Exception:
            log.exception("moto failed at %s", refusal.operation_of(asked))
            said = f"moto failed at {refusal.operation_of(asked)}; the emulator's log has its traceback"
            return refusal.of(asked, "InternalFailure", said, 500)
        if answer.body.startswith(NO_SUCH_PAGE):
            said = f"moto, which answers here, does not have {refusal.operation_of(asked)}"
            return refusal.of(asked, "NotImplemented", said, 501)
        return answer

    async def call(self, caller: Caller, service: str, operation: str, request: Request) -> Answer:
        work = partial(self._clients.call, caller, service, operation, request)
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def in_use(self) -> bool:
        return self._app is not None

    async def key_of(self, caller: Caller, certificate: str) -> str | None:
        return await asyncio.get_running_loop().run_in_executor(self._thread, _key_of, caller, certificate)

    async def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _answer(self, asked: WireRequest) -> WireAnswer:
        if self._app is None:
            self._app = _load_moto()
        answer = wsgi(self._app, asked)
        if answer.status < HTTPStatus.BAD_REQUEST:
            caller = Caller(scope_of(asked)[1] or DEFAULT_REGION, asked.headers[ACCOUNT_HEADER])
            moto_gaps.put_right(caller, refusal.operation_of(asked), asked)
        return answer


def _account_of(access_key: str) -> str:
    """An access key of twelve digits is the account, as moto and LocalStack have it."""
    return access_key if ACCOUNT_KEY.fullmatch(access_key) else ACCOUNT


def _key_of(caller: Caller, certificate: str) -> str | None:
    """ACM exports no key of a public certificate to anybody but AWS's own services; the load balancer is one."""
    from moto.acm.models import acm_backends

    key: bytes = acm_backends[caller.account][caller.region].get_certificate(certificate).key
    return key.decode()


def _load_moto() -> Callable[..., Any]:
    """The import takes a second, so it waits for the first request that needs it."""
    os.environ.setdefault("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")
    os.environ.setdefault("MOTO_ACM_VALIDATION_WAIT", "0")  # nobody waits for DNS here
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    def of_service(service: Any) -> Any:
        if service is None:
            raise NotImplementedError("the service of this request is not one of its services")
        return create_backend_app(service)

    app: Callable[..., Any] = DomainDispatcherApplication(of_service)
    return app


class Driven:
    """Services that another endpoint executes (`--drive`), through their public operations only; the delegate for the rest."""

    def __init__(self, delegate: Delegate, driven: Mapping[str, Upstream]) -> None:
        self._delegate, self._driven = delegate, driven
        names = {service: service_model(service).metadata for service in driven}
        self._by_scope = {
            metadata.get("signingName", metadata["endpointPrefix"]): driven[service]
            for service, metadata in names.items()
        }

    async def serve(self, request: web.Request, asked: WireRequest, scope: Scope) -> web.StreamResponse:
        return await self._by_scope.get(scope[2], self._delegate).serve(request, asked, scope)

    async def account(self, caller: Caller) -> str:
        return await self._delegate.account(caller)

    async def call(self, caller: Caller, service: str, operation: str, request: Request) -> Answer:
        return await self._driven.get(service, self._delegate).call(caller, service, operation, request)

    def in_use(self) -> bool:
        return self._delegate.in_use()

    async def key_of(self, caller: Caller, certificate: str) -> str | None:
        return await self._delegate.key_of(caller, certificate)

    async def close(self) -> None:
        for one in (self._delegate, *self._driven.values()):
            await one.close()


def drives_of(given: Sequence[str]) -> dict[str, str]:
    """Service to URL, from words like `ecs,elbv2=http://127.0.0.1:4566`. Raises UsageError."""
    drives: dict[str, str] = {}
    for word in given:
        services, _, url = word.partition("=")
        if not proxies.is_url(url):
            raise UsageError(f"--drive {proxies.masked(word)}: it must be SERVICE,SERVICE=URL")
        drives |= {service.strip(): url.rstrip("/") for service in services.split(",")}
    if drives and (drives.keys() != DRIVABLE or len(set(drives.values())) > 1):
        raise UsageError("--drive: ecs and elbv2 are executed by another endpoint together, or not at all")
    return drives


def response_of(answer: WireAnswer) -> web.Response:
    kind = {"Content-Type": answer.content_type} if answer.content_type else {}
    return web.Response(status=answer.status, body=answer.body, headers={**answer.headers, **kind})
