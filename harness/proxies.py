"""Which requests go through a proxy: none to this machine, every other one as the environment says.

A proxy has a 127.0.0.1 of its own: what is asked of this machine through it is answered by another machine, or by nobody.
The environment's values may have a password in them: they are for no message, names of variables are.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from urllib.request import OpenerDirector

HERE = ("127.0.0.1", "localhost", "::1")  # for NO_PROXY, where localhost is all below it as well
NAMED_HERE = ("localhost", "localhost.localstack.cloud")  # and all below them: 127.0.0.1, whoever is asked
SECRET = re.compile(r"//[^\s\"']*@")
KINDS = ("http", "https", "ftp", "all")


def is_here(url: str) -> bool:
    """Whether a URL's host is this machine, by its name or its number. No name is looked up."""
    try:
        host = (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:  # no URL at all: whoever asks it will say so
        return False
    if host.endswith(tuple(f".{name}" for name in NAMED_HERE)) or host in NAMED_HERE:
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_unspecified


def is_url(text: str) -> bool:
    """Whether an HTTP client could ask it at all."""
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def opener(url: str, *, straight: bool = False) -> OpenerDirector:
    """What opens a URL: without a proxy on this machine, or where the way is to be `straight`; else as the environment says."""
    if straight or is_here(url):
        return _straight()
    from urllib.request import build_opener

    return build_opener()


@contextmanager
def opened(url: str, timeout: float, *, straight: bool = False) -> Iterator[Any]:
    """The answer. Raises OSError, also of who speaks no HTTP, ValueError for what is no URL; an HTTPError is an answer too, and is
    closed as one."""
    from http.client import HTTPException
    from urllib.error import HTTPError

    try:
        with opener(url, straight=straight).open(url, timeout=timeout) as answer:
            yield answer
    except HTTPError as error:
        error.close()
        raise
    except HTTPException as error:
        if isinstance(error, OSError):  # who hung up may well speak it
            raise
        raise OSError(f"no HTTP: {str(error).strip() or type(error).__name__}") from error


@cache
def _straight() -> OpenerDirector:
    from urllib.request import ProxyHandler, build_opener  # here: `rehearse up` becomes the emulator without it

    return build_opener(ProxyHandler({}))


def asked_for(url: str) -> str | None:
    """The proxy that the environment (on macOS the system, where it is silent) names for a URL; None for the straight way."""
    from urllib.request import getproxies, proxy_bypass

    try:
        parts = urlsplit(url)
    except ValueError:  # no URL at all: whoever asks it will say so
        return None
    if is_here(url) or proxy_bypass(parts.netloc):
        return None
    proxy = getproxies().get(parts.scheme)
    return _whole(proxy) if proxy else None


def naming(url: str) -> str | None:
    """Who names the proxy for a URL: the variable, or the system; None where nobody does."""
    if asked_for(url) is None:
        return None
    meant = f"{urlsplit(url).scheme}_proxy"
    return next((name for name in named(os.environ) if name.lower() == meant), "the system")


def _whole(proxy: str) -> str:
    """`proxy:3128` is understood by every tool as this."""
    return proxy if "://" in proxy else f"http://{proxy.removeprefix('//')}"


def masked(said: object) -> str:
    """What somebody says of a URL, without the name and the password in it: clients forget that for a proxy that is none."""
    return SECRET.sub("//***@", str(said))


def named(environment: Mapping[str, str]) -> list[str]:
    """The variables that name a proxy, as they are written."""
    meant = {f"{kind}_proxy" for kind in KINDS}
    return sorted(name for name, value in environment.items() if name.lower() in meant and value)


def spared(environment: Mapping[str, str]) -> dict[str, str]:
    """What makes every tool in this environment spare this machine: NO_PROXY and no_proxy, each with what it has already.

    One that is not set takes the other's value, which it would hide. A Python that sees either asks macOS for the system's
    proxies no more, so they come along where the environment names none.
    """
    told = {}
    for name, other in (("NO_PROXY", "no_proxy"), ("no_proxy", "NO_PROXY")):
        told[name] = _with_this_machine(environment.get(name) or environment.get(other, ""))
    return {**({} if named(environment) else _of_the_system()), **told}


def for_what_runs_here(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a task or a function: a proxy of its own does not see this machine. Without one it stays as it is."""
    return {**environment, **(spared(environment) if named(environment) else {})}


def _with_this_machine(hosts: str) -> str:
    given = [one for one in (part.strip() for part in hosts.split(",")) if one]
    if "*" in given:
        return "*"
    return ",".join([*given, *(host for host in HERE if host not in given)])


def _of_the_system() -> dict[str, str]:
    if platform.system() != "Darwin":
        return {}
    from urllib.request import getproxies

    return {f"{kind}_proxy": value for kind, value in getproxies().items() if kind in KINDS}


def for_builds(environment: Mapping[str, str]) -> dict[str, str]:
    """Build arguments of an image: Docker knows them without ARG, and keeps them out of the image. Both spellings of each.

    A proxy on this machine's loopback is left out: a build's container has a loopback of its own.
    """
    told = {}
    for kind in KINDS:
        name = f"{kind}_proxy"
        proxy = environment.get(name) or environment.get(name.upper())
        if proxy and not is_here(_whole(proxy)):
            told[name] = told[name.upper()] = proxy
    besides = environment.get("no_proxy") or environment.get("NO_PROXY")
    return {**told, **(dict.fromkeys(("no_proxy", "NO_PROXY"), besides) if told and besides else {})}
