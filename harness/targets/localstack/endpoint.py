"""Where LocalStack is, and whether what answers there is LocalStack: the endpoint's order, identity and readiness."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError

from harness import clock, proxies
from harness.errors import TargetUnavailable, UsageError

DEFAULT_URL = "http://127.0.0.1:4566"
DEFAULT_PORT = 4566
TOKEN = "LOCALSTACK_AUTH_TOKEN"  # the variable's name; its value is passed through and never kept
ANSWERS_WITHIN = 10.0
READY_WITHIN = 120.0
LOOK = 0.3


@dataclass(frozen=True, slots=True)
class Place:
    """A URL, and who named it. `given` is False for the default, where nothing needs to be."""

    url: str
    origin: str
    given: bool = True


@dataclass(frozen=True, slots=True)
class LocalStack:
    """One that answers: what its /_localstack/info says, and the services of its /_localstack/health."""

    url: str
    version: str
    edition: str
    licensed: bool
    inventory: Mapping[str, str]

    @property
    def name(self) -> str:
        return f"LocalStack {self.version}"


class NothingListens(TargetUnavailable):
    pass


class NotLocalStack(TargetUnavailable):
    pass


def place(flag: str | None, environment: Mapping[str, str] = os.environ) -> Place:
    """The endpoint to look at: flag, AWS_ENDPOINT_URL, LOCALSTACK_HOST, the default. Raises UsageError for a broken one."""
    if flag:
        return Place(_url(flag, "--endpoint"), "--endpoint")
    if url := environment.get("AWS_ENDPOINT_URL", "").strip():
        return Place(_url(url, "AWS_ENDPOINT_URL"), "AWS_ENDPOINT_URL")
    if host := environment.get("LOCALSTACK_HOST", "").strip():
        with_port = host if ":" in host else f"{host}:{DEFAULT_PORT}"
        return Place(_url(f"http://{with_port}", "LOCALSTACK_HOST"), "LOCALSTACK_HOST")
    return Place(DEFAULT_URL, "the default", given=False)


def _url(text: str, origin: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise UsageError(f"{origin}: {text} is not a URL like {DEFAULT_URL}")
    return text.rstrip("/")


def identify(where: Place) -> LocalStack:
    """Who answers there. Raises NothingListens, NotLocalStack with the name of the other one."""
    try:
        status, headers, info = fetch(where.url, "/_localstack/info")
        _, _, health = fetch(where.url, "/_localstack/health")
    except OSError as error:
        raise NothingListens(f"nothing listens at {where.url} (from {where.origin}): {error}") from error
    if status != 200 or headers.get("x-localstack") != "true" or not isinstance(info, dict) or "version" not in info:
        raise NotLocalStack(
            f"{where.url} (from {where.origin}) is not LocalStack: {_who_else(where.url)} answers there"
        )
    _, _, health = fetch(where.url, "/_localstack/health")
    return LocalStack(
        where.url,
        version=str(info["version"]),
        edition=str(info.get("edition") or "unknown"),
        licensed=bool(info.get("is_license_activated")),
        inventory=dict(health.get("services", {})) if isinstance(health, dict) else {},
    )


def _who_else(url: str) -> str:
    """MiniStack, for one, also serves /_localstack/health, but has no info."""
    for path, name in (("/_rehearsal/status", "the emulator of rehearse"), ("/moto-api/", "moto's server")):
        if fetch(url, path)[0] == 200:
            return name
    status, _, health = fetch(url, "/_localstack/health")
    if status == 200 and isinstance(health, dict):
        named = health.get("edition") or health.get("version") or "unnamed"
        return f"another emulator ({named}) that imitates LocalStack's health page"
    return "another server"


def wait_until_ready(localstack: LocalStack, within: float = READY_WITHIN) -> None:
    """Raises TargetUnavailable with the last thing it said of itself."""
    deadline = clock.monotonic() + within
    while True:
        try:
            _, _, init = fetch(localstack.url, "/_localstack/init")
        except OSError as error:
            init = str(error)
        if isinstance(init, dict) and init.get("completed", {}).get("READY") is True:
            return
        if clock.monotonic() > deadline:
            raise TargetUnavailable(f"{localstack.name} at {localstack.url} is not ready after {within:.0f} s: {init}")
        clock.pause(LOOK)


def fetch(url: str, path: str) -> tuple[int, Message, Any]:
    """Status, headers and the JSON of a page (its text, where it is no JSON). Raises OSError where nobody answers."""
    try:
        with proxies.opener(url).open(url + path, timeout=ANSWERS_WITHIN) as answer:
            return answer.status, answer.headers, _json(answer.read())
    except HTTPError as error:
        with error:
            return error.code, error.headers, _json(error.read())
    except (URLError, HTTPException, ValueError) as error:  # HTTPException: what listens there does not speak HTTP
        raise OSError(proxies.masked(getattr(error, "reason", error))) from error


def _json(body: bytes) -> Any:
    text = body.decode(errors="replace")
    try:
        return json.loads(text)
    except ValueError:
        return text
