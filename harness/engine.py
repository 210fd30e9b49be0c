"""The Docker engine: the one door to it, and nothing of it stays open, however a call ends.

The SDK's own `from_env` leaves sockets to the collector where no engine answers: that of a refused connection, and those of the
client that its constructor never returns.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from docker import constants
from docker.client import DockerClient
from docker.errors import DockerException
from docker.utils.utils import kwargs_from_env, parse_host
from requests import RequestException

from harness import proxies

UNIX = "http+unix://"  # how the SDK spells the address of a Unix socket
OLDEST = str(constants.MINIMUM_DOCKER_API_VERSION)  # spoken until the engine has said which it speaks
GREETS_WITHIN = 10.0  # seconds for its first answer, where later calls may take longer


class NoEngine(DockerException):
    """Nothing answers as an engine does; one line says where, and what happened."""


@contextmanager
def connected(timeout: float) -> Iterator[DockerClient]:
    """A client of the engine that DOCKER_HOST names, else of Docker's default; closed at the end.

    `timeout`: seconds, of each of its calls. Raises NoEngine where none answers, also where it stops answering in between.
    """
    client = connect(timeout)
    try:
        yield client
    except RequestException as error:
        raise NoEngine(first_line(error)) from error
    finally:
        client.close()


def connect(timeout: float, connections: int = constants.DEFAULT_MAX_POOL_SIZE) -> DockerClient:
    """As `connected`, for somebody who closes it later. `connections`: how many its pool keeps."""
    patience = min(timeout, GREETS_WITHIN)
    named, address = _named()
    _try(address, patience)
    with closing(_client(version=OLDEST, timeout=patience, **named)) as first:
        speaks = _spoken_by(first)
    return _client(version=speaks, timeout=timeout, max_pool_size=connections, **named)


def _named() -> tuple[dict[str, Any], str]:
    """What the environment says of the engine, as the SDK's arguments, and its address. Raises NoEngine."""
    try:
        named = kwargs_from_env()
        return named, str(parse_host(named.get("base_url"), tls=bool(named.get("tls"))))
    except (DockerException, ValueError) as error:
        raise NoEngine(f"DOCKER_HOST leads to no engine: {first_line(error)}") from error


def _try(address: str, timeout: float) -> None:
    """A Unix socket that refuses is closed here; the SDK would forget it."""
    if not address.startswith(UNIX):
        return
    path = "/" + address.removeprefix(UNIX).lstrip("/")
    with socket.socket(socket.AF_UNIX) as tried:
        tried.settimeout(timeout)
        try:
            tried.connect(path)
        except OSError as error:
            raise NoEngine(f"{path}: {error.strerror or error}") from error


def _client(**options: Any) -> DockerClient:
    """One that has sent nothing yet, and asks no proxy for an engine of this machine."""
    client = DockerClient(**options)
    if proxies.is_here(client.api.base_url):
        client.api.trust_env = False
    return client


def _spoken_by(client: DockerClient) -> str:
    """The newest version of the API that the engine and the SDK both speak."""
    try:
        told = client.version(api_version=False)
    except (RequestException, DockerException, ValueError) as error:
        raise NoEngine(first_line(error)) from error
    if not isinstance(told, dict) or "ApiVersion" not in told:
        raise NoEngine(f"{client.api.base_url} is no Docker engine: it says no ApiVersion")
    return str(told["ApiVersion"])


def first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
