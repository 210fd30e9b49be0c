"""`rehearse doctor`: what this machine can do, and for everything that is not well, how to put it right."""

from __future__ import annotations

import json
import os
import resource
import shutil
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal
from urllib.request import getproxies

from rich.console import Console
from rich.table import Table

from harness import __version__, images
from harness import proxies as proxying
from harness.errors import EXIT_MET, EXIT_TARGET, HarnessError
from harness.targets import emulators, local

Level = Literal["ok", "warning", "failure"]
SYMBOLS: dict[Level, tuple[str, str]] = {"ok": ("✔", "green"), "warning": ("!", "yellow"), "failure": ("✘", "red")}
DISK_AT_LEAST = 1.0  # GB: images, wheels, journals
FILES_AT_LEAST = 1024  # open files: every user and every target of a rehearsal is a socket
API_PORT, LISTENER_PORTS = 4566, (80, 8080)
KNOWN_TO_WORK = {"moto": ("5.2", "5.3"), "botocore": ("1.44", "2"), "pydantic": ("2.9", "3")}
OURS = ("127.0.0.1", "localhost")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `fix` is what to do, empty where all is well. A warning still lets a rehearsal run."""

    name: str
    level: Level
    found: str
    fix: str = ""


def examine(home: Path, environment: Mapping[str, str] = os.environ) -> Iterator[Finding]:
    """Everything, one after the other."""
    yield python()
    yield from packages()
    yield disk(home)
    yield open_files()
    yield proxies(environment)
    yield from ports(home)
    yield from docker()
    yield emulator(home)


def run(home: Path, *, as_json: bool = False) -> int:
    """Print what there is to say. Exit code 3 where a rehearsal could not run."""
    findings = list(examine(home))
    if as_json:
        told = {"rehearse": __version__, "home": str(home), "findings": [asdict(one) for one in findings]}
        print(json.dumps(told, indent=2))
    else:
        print(f"rehearse {__version__}, state directory {home}")
        Console(soft_wrap=True).print(table(findings))
    return EXIT_TARGET if any(one.level == "failure" for one in findings) else EXIT_MET


def table(findings: list[Finding]) -> Table:
    drawn = Table(box=None, pad_edge=False)
    for heading in ("", "what", "found", "fix"):
        drawn.add_column(heading, overflow="fold")
    for one in findings:
        symbol, style = SYMBOLS[one.level]
        drawn.add_row(f"[{style}]{symbol}[/]", one.name, one.found.replace("[", r"\["), one.fix.replace("[", r"\["))
    return drawn


# ---- this Python


def python() -> Finding:
    found = f"{sys.version.split()[0]}, {os.cpu_count()} CPUs, {images.architecture_of_this_machine()}"
    return Finding("Python", "ok", found)


def packages() -> Iterator[Finding]:
    """Versions that were never tried are a warning: moto is reached by seams of this one series."""
    told, strange = [], []
    for name, (low, high) in KNOWN_TO_WORK.items():
        try:
            found = version(name)
        except PackageNotFoundError:
            yield Finding("packages", "failure", f"{name} is not installed", "make setup")
            return
        told.append(f"{name} {found}")
        if not _numbers(low) <= _numbers(found) < _numbers(high):
            strange.append(f"{name} {found} is not in {low}..{high}")
    if strange:
        yield Finding("packages", "warning", ", ".join(strange), "make clean setup installs the pinned versions")
    else:
        yield Finding("packages", "ok", ", ".join(told))


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdecimal())


# ---- this machine


def disk(home: Path) -> Finding:
    where = next(path for path in (home, *home.parents) if path.exists())
    free = shutil.disk_usage(where).free / 1e9
    found = f"{free:.1f} GB free at {where}"
    if not os.access(where, os.W_OK):
        return Finding(
            "disk", "failure", f"{where} cannot be written", "choose another place: export REHEARSAL_HOME=..."
        )
    if free < DISK_AT_LEAST:
        return Finding("disk", "failure", found, "make room, or choose another place: export REHEARSAL_HOME=...")
    return Finding("disk", "ok", found)


def open_files() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < FILES_AT_LEAST:
        return Finding("open files", "warning", f"at most {hard}", f"raise the limit: ulimit -n {FILES_AT_LEAST}")
    return Finding("open files", "ok", f"{soft}, and up to {hard} where they are needed")


def proxies(environment: Mapping[str, str]) -> Finding:
    """Ours is asked for nothing of this machine. An AWS tool whose proxy is asked for 127.0.0.1 does not see the emulator there."""
    named = proxying.named(environment)
    if not named and environment is os.environ:
        named = [f"{kind} proxy of the system" for kind in ("http", "https") if kind in getproxies()]
    if not named:
        return Finding("proxy", "ok", "none")
    hosts = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    besides = {one.strip().removeprefix(".") for one in hosts.split(",")}
    missing = [host for host in OURS if host not in besides and "*" not in besides]
    if missing:
        found = f"{', '.join(named)}: your own tools ask it also for {' and '.join(missing)}; rehearse does not"
        told = proxying.spared(environment)["NO_PROXY"]
        fix = f"eval the lines that `rehearse up --detach` prints, or: export NO_PROXY={told} no_proxy={told}"
        return Finding("proxy", "warning", found, fix)
    return Finding("proxy", "ok", f"{', '.join(named)}, but not for this machine itself")


def ports(home: Path) -> Iterator[Finding]:
    ours = [one for one in emulators.running(home) if one.port == API_PORT]
    if ours:
        yield Finding("port 4566", "ok", f"our emulator, pid {ours[0].pid} ({ours[0].runtime} runtime)")
    elif why := _taken(API_PORT):
        fix = "rehearse up --port 0 takes a free one; `rehearse run` needs none"
        yield Finding("port 4566", "warning", why, fix)
    else:
        yield Finding("port 4566", "ok", "free")
    shut = [str(port) for port in LISTENER_PORTS if _taken(port)]
    if shut:
        fix = "nothing to do: listeners then get one of 18000-19999, and `rehearse status` says which"
        yield Finding("ports 80 and 8080", "warning", f"{' and '.join(shut)} cannot be had", fix)
    else:
        yield Finding("ports 80 and 8080", "ok", "free")


def _taken(port: int) -> str:
    """Why this machine will not let us listen on it, empty where it will."""
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("127.0.0.1", port))
        except OSError as error:
            return error.strerror or str(error)
    return ""


# ---- Docker


def docker() -> Iterator[Finding]:
    """Tasks are processes where there is no engine, so nothing of it is a failure."""
    ready, why = images.docker_ready()
    if ready:
        yield Finding("containers", "ok", why)
    else:
        fix = "start the engine" if "answer" in why and "base image" not in why else "docker pull python:3.12-slim"
        yield Finding("containers", "warning", f"{why}: tasks will be processes", fix)
    found, where = images.find_distribution()
    fix = "" if found else "install Debian's docker-registry: only `docker push` to the emulator needs it"
    yield Finding("registry for docker push", "ok" if found else "warning", where, fix)
    if info := _engine():
        yield architecture(str(info.get("Architecture", "")))
        yield registry(info)


def _engine() -> Mapping[str, Any]:
    from docker.errors import DockerException

    from harness import engine

    try:
        with engine.connected(images.ENGINE_TIMEOUT) as client:
            return dict(client.info())
    except DockerException:
        return {}


def architecture(of_engine: str) -> Finding:
    """An engine in a virtual machine can have another one than this machine."""
    engine = {"x86_64": "amd64", "aarch64": "arm64"}.get(of_engine, of_engine)
    ours = images.architecture_of_this_machine()
    if engine != ours:
        fix = f"build for the target: docker build --platform linux/{ours}"
        return Finding("architecture", "warning", f"this machine is {ours}, its Docker engine {engine}", fix)
    other = {"amd64": "arm64", "arm64": "amd64"}.get(ours, "another one")
    return Finding("architecture", "ok", f"{ours}; an image for {other} fails here as it does on AWS")


def registry(info: Mapping[str, Any]) -> Finding:
    """A registry at 127.0.0.1 speaks HTTP, which an engine takes from there alone, and only where nobody forbade it."""
    trusted = (info.get("RegistryConfig") or {}).get("InsecureRegistryCIDRs") or []
    if any(str(one).startswith("127.") for one in trusted):
        return Finding("registry", "ok", "the engine pulls from a registry at 127.0.0.1")
    fix = 'add "insecure-registries": ["127.0.0.0/8"] to the engine\'s daemon.json'
    return Finding("registry", "warning", "the engine would not pull from a registry at 127.0.0.1", fix)


# ---- the emulator itself


def emulator(home: Path, started: Callable[..., Any] = local.started) -> Finding:
    try:
        with started(home, "process") as endpoint:
            return Finding("emulator", "ok", f"starts and answers ({endpoint})")
    except HarnessError as error:
        return Finding("emulator", "failure", str(error), f"its last words are in {home / 'emulator.log'}")
