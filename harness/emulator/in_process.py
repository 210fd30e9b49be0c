"""Calling an AWS service without a network: boto3's own client on one side, a WSGI application on the other."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from botocore import xform_name
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError

from harness import proxies
from harness.emulator.cloud import Answer, AwsError, Caller, Request
from harness.emulator.wire import WireAnswer, WireRequest

ACCOUNT_HEADER = "x-moto-account-id"  # moto's own way to be told; other endpoints go by the access key
Send = Callable[[WireRequest], WireAnswer]


class Clients:
    """Botocore clients of one endpoint, made on first use. `send` stands in for the network where it is given.

    They share a session, because a new one reads the list of all endpoints again: half a second for each client.
    """

    def __init__(self, url: str, send: Send | None = None) -> None:
        self._url, self._send = url, send
        self._made: dict[tuple[Caller, str], Any] = {}
        self._making = threading.Lock()  # a session makes one client at a time
        self._session: Any = None

    def call(self, caller: Caller, service: str, operation: str, request: Request) -> Answer:
        """Blocks. Raises AwsError, for a service that does not answer as well."""
        with self._making:
            client = self._made.get((caller, service))
            if client is None:
                client = self._made[caller, service] = self._make(caller, service)
        try:
            answer = dict(getattr(client, xform_name(operation))(**request))
        except ClientError as error:
            said, status = error.response["Error"], error.response["ResponseMetadata"]["HTTPStatusCode"]
            raise AwsError(said["Code"], said["Message"], status) from error
        except NotImplementedError as error:
            raise AwsError("NotImplemented", f"{service}:{operation} is not emulated: {error}", 501) from error
        except (ConnectionError, HTTPClientError) as error:
            said = f"the delegate {self._url} does not answer: {proxies.masked(error)}"
            raise AwsError("ServiceUnavailable", said, 503) from error
        except BotoCoreError as error:  # a request that AWS's model does not allow, an answer that it cannot be
            raise AwsError("InternalFailure", f"{service}:{operation} at {self._url}: {error}", 500) from error
        answer.pop("ResponseMetadata", None)
        return {key: value.read() if hasattr(value, "read") else value for key, value in answer.items()}

    def _make(self, caller: Caller, service: str) -> Any:
        from harness import boto  # here, because few emulators need it as they start

        if self._session is None:
            self._session = boto.bare_session()
        client = self._session.create_client(
            service,
            region_name=caller.region,
            aws_access_key_id=caller.access_key,
            aws_secret_access_key="test",
            **boto.way_to(self._url, retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
        )
        if (send := self._send) is not None:
            client.meta.events.register("before-send", lambda request, **_: _answered(send, request, caller.account))
        return client


def _answered(send: Send, request: AWSPreparedRequest, account: str) -> AWSResponse:
    url = urlsplit(request.url)
    headers = {
        name.lower(): value.decode() if isinstance(value, bytes) else str(value)
        for name, value in request.headers.items()
    }
    body = request.body.read() if hasattr(request.body, "read") else request.body or b""
    target = url.path + (f"?{url.query}" if url.query else "")
    headers |= {"host": url.netloc, ACCOUNT_HEADER: account}
    sent = WireRequest(request.method, target, headers, body if isinstance(body, bytes) else body.encode())
    answer = send(sent)
    return AWSResponse(
        request.url, answer.status, {**answer.headers, "content-type": answer.content_type}, _Raw(answer.body)
    )


class _Raw(io.BytesIO):
    """A response body as botocore reads it."""

    def stream(self, amount: int = 65536, **_: Any) -> Any:
        while part := self.read(amount):
            yield part


def wsgi(app: Callable[..., Any], sent: WireRequest) -> WireAnswer:
    """One request to a WSGI application; what it raises comes through."""
    host, _, port = sent.headers.get("host", "localhost").partition(":")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": sent.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(sent.path).decode("latin-1"),
        "RAW_URI": sent.target,
        "REQUEST_URI": sent.target,
        "QUERY_STRING": sent.target.partition("?")[2],
        "SERVER_NAME": host,
        "SERVER_PORT": port or "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_LENGTH": str(len(sent.body)),
        "CONTENT_TYPE": sent.headers.get("content-type", ""),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(sent.body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    unsized = (
        (name, value) for name, value in sent.headers.items() if name not in ("content-length", "transfer-encoding")
    )
    environ |= {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in unsized}
    return _run(app, environ)


def _run(app: Callable[..., Any], environ: dict[str, Any]) -> WireAnswer:
    status, headers = 500, dict[str, str]()

    def start_response(line: str, given: list[tuple[str, str]], exc_info: object = None) -> Callable[[bytes], object]:
        nonlocal status, headers
        status, headers = int(line.split()[0]), {name.lower(): value for name, value in given}
        return lambda data: None

    parts = app(environ, start_response)
    try:
        body = b"".join(parts)
    finally:
        if hasattr(parts, "close"):
            parts.close()
    if environ["REQUEST_METHOD"] != "HEAD":  # there it is the length of what a GET would have
        headers.pop("content-length", None)
    return WireAnswer(status, headers.pop("content-type", ""), body, headers)
