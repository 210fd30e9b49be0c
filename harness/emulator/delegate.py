"""Every service that is not ours: moto in this process, loaded on first use, or an upstream AWS endpoint.

moto is not made for several threads, so one lock guards it; it works in a thread, never on the event loop.
"""

from __future__ import annotations

import asyncio
import io
import os
import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit

import aiohttp
import botocore.session
from aiohttp import web
from botocore import xform_name
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError

from harness.emulator.cloud import AwsError, Caller
from harness.emulator.wire import WireRequest
from harness.errors import UsageError

NOT_PASSED_ON = {"connection", "keep-alive", "transfer-encoding", "content-length", "content-encoding"}
Send = Callable[[str, str, Mapping[str, str], bytes], tuple[int, list[tuple[str, str]], bytes]]


class Delegate(Protocol):
    async def forward(self, request: web.Request, asked: WireRequest) -> web.StreamResponse:
        """Answer an HTTP request that is for none of our services."""

    async def call(self, caller: Caller, service: str, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """One operation in process, for `Cloud.call`. Raises AwsError."""

    async def close(self) -> None: ...


def delegate_of(name: str) -> Delegate:
    """`moto`, or the URL of an AWS endpoint."""
    if name == "moto":
        return Moto()
    if name.startswith(("http://", "https://")):
        return Upstream(name.rstrip("/"))
    raise UsageError(f"--delegate {name}: it must be moto or a URL")


class Moto:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._app: Any = None

    async def forward(self, request: web.Request, asked: WireRequest) -> web.StreamResponse:
        status, headers, body = await asyncio.to_thread(
            self._answer, asked.method, request.path_qs, asked.headers, asked.body
        )
        return web.Response(status=status, headers=_passed_on(headers), body=body)

    async def call(self, caller: Caller, service: str, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        return await asyncio.to_thread(_call, self._answer, caller, service, operation, request)

    async def close(self) -> None:
        """Nothing is held."""

    def _answer(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        with self._lock:
            if self._app is None:
                self._app = _load_moto()
            return _wsgi(self._app, method, path, headers, body)


def _load_moto() -> Any:
    """moto's own dispatcher; the import takes a second, so it waits for the first request."""
    os.environ.setdefault("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    return DomainDispatcherApplication(create_backend_app)


def _wsgi(
    app: Any, method: str, path: str, headers: Mapping[str, str], body: bytes
) -> tuple[int, list[tuple[str, str]], bytes]:
    """One request to a WSGI application."""
    url = urlsplit(path)
    host, _, port = headers.get("host", "localhost").partition(":")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": _unquoted(url.path),
        "RAW_URI": path,
        "REQUEST_URI": path,
        "QUERY_STRING": url.query,
        "SERVER_NAME": host,
        "SERVER_PORT": port or "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_LENGTH": str(len(body)),
        "CONTENT_TYPE": headers.get("content-type", ""),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    environ |= {
        f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items() if name != "content-length"
    }
    answered: dict[str, Any] = {}

    def start_response(
        status: str, response_headers: list[tuple[str, str]], exc_info: object = None
    ) -> Callable[[bytes], object]:
        answered.update(status=int(status.split()[0]), headers=response_headers)
        return lambda data: None

    parts = app(environ, start_response)
    try:
        content = b"".join(parts)
    finally:
        if hasattr(parts, "close"):
            parts.close()
    return answered["status"], answered["headers"], content


def _unquoted(path: str) -> str:
    from urllib.parse import unquote_to_bytes

    return unquote_to_bytes(path).decode("latin-1")


class Upstream:
    """Another AWS endpoint, LocalStack for one."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session: aiohttp.ClientSession | None = None

    async def forward(self, request: web.Request, asked: WireRequest) -> web.StreamResponse:
        if self._session is None:
            self._session = aiohttp.ClientSession(auto_decompress=False)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in NOT_PASSED_ON}
        try:
            async with self._session.request(
                asked.method, self._url + request.path_qs, headers=headers, data=asked.body
            ) as answer:
                return web.Response(
                    status=answer.status, headers=_passed_on(list(answer.headers.items())), body=await answer.read()
                )
        except aiohttp.ClientError as error:
            return web.Response(status=503, text=f"the delegate {self._url} does not answer: {error}")

    async def call(self, caller: Caller, service: str, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        return await asyncio.to_thread(_call, None, caller, service, operation, request, self._url)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


def _passed_on(headers: list[tuple[str, str]]) -> dict[str, str]:
    return {name: value for name, value in headers if name.lower() not in NOT_PASSED_ON}


def _call(
    send: Send | None,
    caller: Caller,
    service: str,
    operation: str,
    request: dict[str, Any],
    url: str = "http://127.0.0.1",
) -> dict[str, Any]:
    """Through botocore's own serialiser and parser; `send` stands in for the network where it is given."""
    client = botocore.session.get_session().create_client(
        service,
        region_name=caller.region,
        endpoint_url=url,
        aws_access_key_id=caller.access_key or "test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )
    if send is not None:
        client.meta.events.register("before-send", lambda request, **_: _in_process(send, request))
    try:
        answer = dict(getattr(client, xform_name(operation))(**request))
    except ClientError as error:
        said = error.response["Error"]
        raise AwsError(said["Code"], said["Message"], error.response["ResponseMetadata"]["HTTPStatusCode"]) from error
    answer.pop("ResponseMetadata", None)
    return {key: value.read() if hasattr(value, "read") else value for key, value in answer.items()}


def _in_process(send: Send, request: Any) -> AWSResponse:
    url = urlsplit(request.url)
    headers = {
        name.lower(): value.decode() if isinstance(value, bytes) else str(value)
        for name, value in request.headers.items()
    }
    headers["host"] = url.netloc
    body = request.body.read() if hasattr(request.body, "read") else request.body or b""
    content = body if isinstance(body, bytes) else body.encode()
    status, answered, data = send(request.method, url.path + (f"?{url.query}" if url.query else ""), headers, content)
    return AWSResponse(request.url, status, {name.lower(): value for name, value in answered}, _Raw(data))


class _Raw(io.BytesIO):
    """A response body as botocore reads it."""

    def stream(self, amount: int = 65536, **_: Any) -> Any:
        while part := self.read(amount):
            yield part
