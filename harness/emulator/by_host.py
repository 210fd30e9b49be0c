"""Load balancers by name on the API port: `Host: <DNSName>[:<listener port>]` reaches that listener, path and body untouched.

For clients whose resolver does not know `*.elb.localhost`, and where one port is all there is. WebSockets are not passed on this way:
they need the listener's own port (`rehearse status` shows it).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

SUFFIX = ".elb.localhost"
HOP_BY_HOP = frozenset(
    {"connection", "expect", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)
CONNECTING = 5.0  # seconds


class NoListener(Exception):
    """A name or a port that no listener has; the message names what there is."""


class Balancers(Protocol):
    def url_of(self, dns_name: str, port: int | None) -> str:
        """Where a listener is really reached; without a port that of port 80, or the only one. Raises NoListener."""


class ByHost:
    """A client that names the port it came by, the API's, names none of a listener."""

    def __init__(self, balancers: Callable[[], Balancers]) -> None:
        self._balancers = balancers
        self._session: aiohttp.ClientSession | None = None

    @staticmethod
    def concerns(request: web.Request) -> bool:
        return request.host.partition(":")[0].lower().endswith(SUFFIX)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """What the listener answers, streamed; 404 where there is none."""
        name, _, port = request.host.lower().partition(":")
        own = request.transport.get_extra_info("sockname")[1] if request.transport is not None else None
        try:
            base = self._balancers().url_of(name, int(port) if port.isdecimal() and int(port) != own else None)
        except NoListener as error:
            return web.Response(status=404, text=f"rehearse: {error}\n")
        try:
            async with self._connected().request(
                request.method,
                URL(base + request.raw_path, encoded=True),
                headers=_end_to_end(request.headers),
                data=request.content if request.can_read_body else None,
                allow_redirects=False,
                ssl=False,
            ) as answer:
                return await _pass_on(request, answer)
        except aiohttp.ClientConnectionError as error:
            return web.Response(status=502, text=f"rehearse: the listener at {base} does not answer: {error}\n")

    def _connected(self) -> aiohttp.ClientSession:
        """No cookies are kept: they are the users'."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                auto_decompress=False,
                connector=aiohttp.TCPConnector(limit=0, force_close=True),
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECTING),
            )
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


async def _pass_on(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    """Head and body as they come; a body that breaks off breaks for the client too."""
    response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=_end_to_end(answer.headers))
    await response.prepare(request)
    try:
        async for part in answer.content.iter_any():
            await response.write(part)
        await response.write_eof()
    except (aiohttp.ClientError, ConnectionError):
        if request.transport is not None:
            request.transport.abort()
    return response


def _end_to_end(headers: Mapping[str, str]) -> CIMultiDict[str]:
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in HOP_BY_HOP)
