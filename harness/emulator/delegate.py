"""Every service that is not ours: moto in this process, loaded on first use, or an upstream AWS endpoint."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from typing import Any, Protocol

import aiohttp

from harness.emulator import moto_gaps, refusal
from harness.emulator.cloud import Answer, Caller, Request
from harness.emulator.in_process import ACCOUNT_HEADER, Clients, wsgi
from harness.emulator.signature import caller_of
from harness.emulator.wire import WireAnswer, WireRequest
from harness.errors import UsageError

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}
CONNECTING = 5.0  # seconds until an upstream that does not answer is one that is not there
NO_SUCH_PAGE = b"<!doctype html>\n<html lang=en>\n<title>40"  # how Flask says that it has no such path or method
log = logging.getLogger("rehearse.delegate")


class Delegate(Protocol):
    async def forward(self, asked: WireRequest) -> WireAnswer:
        """Answer an HTTP request that is for none of our services."""

    async def call(self, caller: Caller, service: str, operation: str, request: Request) -> Answer:
        """One operation in process, for `Cloud.call`. Raises AwsError."""

    def in_use(self) -> bool:
        """Whether anything can be in it: False until moto, which starts empty, was asked for something."""

    async def key_of(self, caller: Caller, certificate: str) -> str | None:
        """The private key (PEM) of an ACM certificate; None where it is not to be had."""

    async def close(self) -> None: ...


def delegate_of(name: str) -> Delegate:
    """`moto`, or the URL of an AWS endpoint. Raises UsageError."""
    if name == "moto":
        return Moto()
    if name.startswith(("http://", "https://")):
        return Upstream(name.rstrip("/"))
    raise UsageError(f"--delegate {name}: it must be moto or a URL")


class Moto:
    """moto's own dispatcher, in one thread of its own: it is not made for several, and never runs on the event loop."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "moto")
        self._clients = Clients("http://127.0.0.1", self._answer)
        self._app: Any = None

    async def forward(self, asked: WireRequest) -> WireAnswer:
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
            caller = Caller(caller_of(asked).region, asked.headers[ACCOUNT_HEADER])
            moto_gaps.put_right(caller, refusal.operation_of(asked), asked)
        return answer


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


class Upstream:
    """Another AWS endpoint, LocalStack for one."""

    def __init__(self, url: str) -> None:
        self._url, self._clients = url, Clients(url)
        self._threads = ThreadPoolExecutor(4, "upstream")
        self._session: aiohttp.ClientSession | None = None

    async def forward(self, asked: WireRequest) -> WireAnswer:
        headers = _end_to_end(asked.headers)
        try:
            async with self._connected().request(
                asked.method, self._url + asked.target, headers=headers, data=asked.body, allow_redirects=False
            ) as answer:
                received = _end_to_end(answer.headers)
                kind = received.pop("content-type", "")
                return WireAnswer(answer.status, kind, await answer.read(), received)
        except (aiohttp.ClientError, TimeoutError) as error:
            return refusal.of(asked, "ServiceUnavailable", f"the delegate {self._url} does not answer: {error}", 503)

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                auto_decompress=False,
                skip_auto_headers=("Accept-Encoding", "Content-Type", "User-Agent"),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECTING),
            )
        return self._session

    async def call(self, caller: Caller, service: str, operation: str, request: Request) -> Answer:
        work = partial(self._clients.call, caller, service, operation, request)
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def in_use(self) -> bool:
        return True

    async def key_of(self, caller: Caller, certificate: str) -> str | None:
        return None

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self._session is not None:
            await self._session.close()


def _end_to_end(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items() if name.lower() not in HOP_BY_HOP}
