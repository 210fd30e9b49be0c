"""Another AWS endpoint, LocalStack for one: requests pass through as they are signed, bodies stream both ways."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import aiohttp
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy

from harness import proxies
from harness.emulator import refusal
from harness.emulator.cloud import ACCOUNT, Answer, AwsError, Caller, Request
from harness.emulator.in_process import Clients
from harness.emulator.wire import WireRequest

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "upgrade", "expect"}
CONNECTING = 5.0  # seconds until an upstream that does not answer is one that is not there
Scope = tuple[str, str, str]  # access key, region and service of a signature
log = logging.getLogger("rehearse.upstream")


class Upstream:
    """An endpoint by its URL."""

    def __init__(self, url: str) -> None:
        self.url, self._clients = url, Clients(url)
        self._threads = ThreadPoolExecutor(4, "upstream")
        self._session: aiohttp.ClientSession | None = None
        self._accounts: dict[str, str] = {}

    async def serve(self, request: web.Request, asked: WireRequest, scope: Scope) -> web.StreamResponse:
        """Pass a request on and its answer back; what was read of the body already is in `asked`."""
        body: Any = asked.body or (request.content if request.can_read_body else None)
        sent = self._connected().request(
            asked.method, self.url + asked.target, headers=end_to_end(request.headers), data=body, allow_redirects=False
        )
        try:
            answer = await sent
        except (aiohttp.ClientError, TimeoutError) as error:
            said = f"the delegate {self.url} does not answer: {proxies.masked(error)}"
            refused = refusal.of(asked, "ServiceUnavailable", said, 503)
            return web.Response(
                status=refused.status,
                body=refused.body,
                headers={**refused.headers, "Content-Type": refused.content_type},
            )
        async with answer:
            return await streamed(request, answer)

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = pass_through(self.url)
        return self._session

    async def account(self, caller: Caller) -> str:
        """What its STS says, asked once for each access key; the emulator's own account where it has no STS."""
        if caller.access_key not in self._accounts:
            try:
                answer = await self._send(caller, "sts", "GetCallerIdentity", {})
            except AwsError as error:
                log.warning("%s does not say whose account the key %s is: %s", self.url, caller.access_key, error)
                return ACCOUNT
            self._accounts[caller.access_key] = str(answer["Account"])
        return self._accounts[caller.access_key]

    async def call(self, caller: Caller, service: str, operation: str, request: Request) -> Answer:
        """In the caller's account: LocalStack takes an account's number for its access key where the key is not one of it."""
        if await self.account(caller) != caller.account:
            caller = replace(caller, access_key=caller.account)
        return await self._send(caller, service, operation, request)

    async def _send(self, caller: Caller, service: str, operation: str, request: Request) -> Answer:
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


async def answers(url: str) -> bool:
    """Whether anything speaks HTTP there by now."""
    try:
        async with asyncio.timeout(CONNECTING), pass_through(url) as session, session.get(url, allow_redirects=False):
            return True
    except (aiohttp.ClientError, TimeoutError):
        return False


def pass_through(url: str, **options: Any) -> aiohttp.ClientSession:
    """A session that adds nothing to what it sends and changes nothing of what it gets. `options`: the connector's. The environment's
    proxy is asked where `url` is not on this machine."""
    return aiohttp.ClientSession(
        proxy=proxies.asked_for(url),
        connector=aiohttp.TCPConnector(**options),
        auto_decompress=False,
        skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECTING),
    )


async def streamed(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    """The answer's bytes as they come. A body that breaks off breaks off for the client too."""
    response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=end_to_end(answer.headers))
    await response.prepare(request)
    async for part in answer.content.iter_any():
        await response.write(part)
    await response.write_eof()
    return response


def end_to_end(headers: CIMultiDictProxy[str] | CIMultiDict[str]) -> CIMultiDict[str]:
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in HOP_BY_HOP)
