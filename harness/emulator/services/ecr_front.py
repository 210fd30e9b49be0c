"""What Docker speaks to: the registry API of one region on a port of 127.0.0.1.

It knows who may come in, which repositories exist and which tags may move; manifests and tags are ECR's records. Layers are passed
through to the registry behind it, streaming both ways, whatever their size.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import json
import logging
import math
import re
import secrets
from collections.abc import Mapping

import aiohttp
from aiohttp import web

from harness.emulator.cloud import AwsError, Caller, Cloud
from harness.emulator.services.ecr_distribution import CHUNK, Distribution, NoRegistry
from harness.emulator.services.ecr_manifest import digest_of
from harness.emulator.services.ecr_push import Push
from harness.emulator.services.ecr_state import Region, Repository

VALID_FOR = 12 * 3600  # seconds that an authorization token is good for, as on AWS
LINK_VALID_FOR = 3600
USER = "AWS"
LARGEST_MANIFEST = 4 * 1024 * 1024
PATH = re.compile(r"/v2/(?P<name>.+?)/(?P<rest>(?:blobs|manifests|tags|referrers)/.*)")
PASSED_ON = ("Accept", "Content-Type", "Content-Length", "Content-Range", "Range")
PASSED_BACK = (
    *("Content-Type", "Content-Length", "Content-Range", "Accept-Ranges", "Range", "ETag"),
    *("Docker-Content-Digest", "Docker-Upload-Uuid"),
)
# AWS's error code -> HTTP status and the registry API's code
ERRORS: Mapping[str, tuple[int, str]] = {
    "RepositoryNotFoundException": (404, "NAME_UNKNOWN"),
    "ImageTagAlreadyExistsException": (400, "TAG_INVALID"),
    "LayersNotFoundException": (400, "MANIFEST_BLOB_UNKNOWN"),
    "ReferencedImagesNotFoundException": (400, "MANIFEST_BLOB_UNKNOWN"),
    "InvalidParameterException": (400, "MANIFEST_INVALID"),
    "NotImplemented": (405, "UNSUPPORTED"),
}
log = logging.getLogger("rehearse.emulator")


class Refused(Exception):
    """An answer of the registry API that is an error."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class Front:
    """`port` once it listens. A token is kept only as its hash."""

    def __init__(self, cloud: Cloud, caller: Caller, region: Region, distribution: Distribution, pushes: Push) -> None:
        self._cloud, self.caller, self._region = cloud, caller, region
        self._distribution, self._pushes = distribution, pushes
        self._tokens: dict[str, float] = {}  # hash -> good until
        self._links: dict[str, tuple[str, float]] = {}  # hash -> path, good until
        self.port = 0
        self.inside = secrets.token_urlsafe(48)  # the runtime's own password
        self._tokens[_hashed(self.inside)] = math.inf

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self, port: int) -> None:
        """Listen, on a free port for 0, until the emulator closes. Starts the registry as well, where there is one."""
        app = web.Application(client_max_size=LARGEST_MANIFEST)
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
            await self._distribution.session()
        except NoRegistry as error:
            log.warning("ecr: images cannot be pushed: %s", error)
        except OSError as error:
            await runner.cleanup()
            raise AwsError(
                "ServerException", f"port {port} of 127.0.0.1 cannot be had for the registry: {error.strerror}", 500
            ) from error
        self.port = int(runner.addresses[0][1])
        self._cloud.spawn(_kept(runner), f"registry of {self.caller.region}")

    # ---- who may come in

    def token(self) -> tuple[str, float]:
        """A new password for the user AWS, and until when it is good."""
        password, until = secrets.token_urlsafe(48), self._cloud.clock.now() + VALID_FOR
        self._forget_old()
        self._tokens[_hashed(password)] = until
        return password, until

    def link(self, path: str) -> str:
        """A URL of `path` that can be read without a password for an hour."""
        key = secrets.token_urlsafe(32)
        self._links[_hashed(key)] = (path, self._cloud.clock.now() + LINK_VALID_FOR)
        return f"http://{self.host}{path}?link={key}"

    def _forget_old(self) -> None:
        now = self._cloud.clock.now()
        self._tokens = {key: until for key, until in self._tokens.items() if until > now - VALID_FOR}
        self._links = {key: (path, until) for key, (path, until) in self._links.items() if until > now}

    def _check_caller(self, request: web.Request) -> None:
        """Raises Refused."""
        now = self._cloud.clock.now()
        path, until = self._links.get(_hashed(request.query.get("link", "")), ("", 0.0))
        if path == request.path and until > now and request.method in ("GET", "HEAD"):
            return
        user, password = _credentials(request)
        if not user:
            raise Refused(401, "UNAUTHORIZED", "Not Authorized")
        good_until = self._tokens.get(_hashed(password)) if user == USER else None
        if good_until is None:
            raise Refused(403, "DENIED", "Your Authorization Token is invalid.")
        if good_until <= now:
            raise Refused(403, "DENIED", "Your authorization token has expired. Reauthenticate and try again.")

    # ---- the registry API

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        try:
            self._check_caller(request)
            return await self._routed(request)
        except Refused as error:
            return self._error(error)
        except NoRegistry as error:
            return self._error(Refused(405, "UNSUPPORTED", str(error)))
        except AwsError as error:
            status, code = ERRORS.get(error.code, (400, "UNKNOWN"))
            return self._error(Refused(status, code, error.message))
        except aiohttp.ClientConnectionError as error:
            return self._error(Refused(503, "UNAVAILABLE", f"the registry does not answer: {error}"))

    def _error(self, error: Refused) -> web.Response:
        asks = {"WWW-Authenticate": f'Basic realm="http://{self.host}/",service="ecr.amazonaws.com"'}
        body = {"errors": [{"code": error.code, "message": error.message}]}
        return _json(body, error.status, asks if error.status == 401 else {})

    async def _routed(self, request: web.Request) -> web.StreamResponse:
        if request.path in ("/v2", "/v2/"):
            return _json({})
        if request.path == "/v2/_catalog":
            return _json({"repositories": [repository.name for repository in self._region]})
        found = PATH.fullmatch(request.path)
        if found is None:
            raise Refused(404, "UNSUPPORTED", f"{request.method} {request.path} is not of the registry API")
        repository = self._region.repository(self.caller.account, found["name"])
        kind, _, reference = found["rest"].partition("/")
        match kind, request.method:
            case "tags", "GET":
                tags = sorted(tag for image in repository.images.values() for tag in image.tags)
                return _json({"name": repository.name, "tags": tags})
            case "manifests", ("GET" | "HEAD"):
                return self._manifest(repository, reference, request.method)
            case "manifests", "PUT":
                return await self._put_manifest(request, repository, reference)
            case "blobs", ("GET" | "HEAD" | "POST" | "PATCH" | "PUT"):
                return await self._pass_on(request, repository, found["rest"])
            case "blobs", "DELETE" if reference.startswith("uploads/"):
                return await self._pass_on(request, repository, found["rest"])
        raise Refused(405, "UNSUPPORTED", f"{request.method} {kind} is not emulated by rehearse")

    def _manifest(self, repository: Repository, reference: str, method: str) -> web.Response:
        by_digest = ":" in reference
        image = repository.find(None if by_digest else reference, reference if by_digest else None)
        if image is None:
            raise Refused(404, "MANIFEST_UNKNOWN", "Requested image not found")
        body = image.manifest.text.encode()
        headers = {"Content-Type": image.manifest.media_type, "Docker-Content-Digest": image.digest}
        if method == "HEAD":
            return web.Response(headers={**headers, "Content-Length": str(len(body))})
        image.pulled_at = self._cloud.clock.now()
        return web.Response(body=body, headers=headers)

    async def _put_manifest(self, request: web.Request, repository: Repository, reference: str) -> web.Response:
        try:
            text = (await request.read()).decode()
        except UnicodeDecodeError:
            raise Refused(400, "MANIFEST_INVALID", "the manifest is not UTF-8") from None
        tag = None if ":" in reference else reference
        if tag is None and reference != digest_of(text.encode()):
            raise Refused(400, "DIGEST_INVALID", f"the manifest's digest is not {reference}")
        image = await self._pushes.put(repository, text, request.headers.get("Content-Type"), tag)
        location = f"/v2/{repository.name}/manifests/{image.digest}"
        return web.Response(status=201, headers={"Location": location, "Docker-Content-Digest": image.digest})

    async def _pass_on(self, request: web.Request, repository: Repository, rest: str) -> web.StreamResponse:
        """To the registry and back. A mount from another repository becomes an ordinary upload, which the API allows."""
        query = request.rel_url.raw_query_string if "mount" not in request.query and "link" not in request.query else ""
        session = await self._distribution.session()
        url = self._distribution.url(repository.stored_as, rest + (f"?{query}" if query else ""))
        headers = {name: request.headers[name] for name in PASSED_ON if name in request.headers}
        body = request.content if request.body_exists else None
        async with session.request(request.method, url, headers=headers, data=body, allow_redirects=False) as answer:
            back = {name: answer.headers[name] for name in PASSED_BACK if name in answer.headers}
            if location := answer.headers.get("Location"):
                back["Location"] = f"http://{self.host}" + location.replace(repository.stored_as, repository.name, 1)
            response = web.StreamResponse(status=answer.status, headers=back)
            await response.prepare(request)
            if request.method != "HEAD":
                async for part in answer.content.iter_chunked(CHUNK):
                    await response.write(part)
            await response.write_eof()
        return response


async def _kept(runner: web.AppRunner) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


def _credentials(request: web.Request) -> tuple[str, str]:
    """User and password of Basic authentication; empty where there is none that can be read."""
    kind, _, given = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "basic":
        return "", ""
    try:
        user, _, password = base64.b64decode(given, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return user, password


def _hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _json(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    version = {"Docker-Distribution-Api-Version": "registry/2.0"}
    return web.Response(
        status=status,
        body=json.dumps(body).encode(),
        content_type="application/json",
        headers={**version, **(headers or {})},
    )
