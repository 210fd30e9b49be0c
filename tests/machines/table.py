"""Machines that a newcomer may have, each as what is peculiar about it: variables, a program in front, things that are in the way."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from tests import korean_locale
from tests.unit.refusing_proxy import SPELLINGS, refusing

ROOT = Path(__file__).parents[2]
REHEARSE = (sys.executable, "-m", "harness.cli")
PROXIES = (*SPELLINGS, "no_proxy", "NO_PROXY")
FAVOURITE_PORTS = (80, 8080, 4566, 8765, 18000, 18001, 20000, 20001)


@dataclass(frozen=True)
class Done:
    """How a command ended, and all that it said: bytes, because what it says in need not be UTF-8."""

    code: int
    raw: bytes

    @property
    def said(self) -> str:
        return self.raw.decode(errors="replace")


@dataclass(frozen=True)
class Machine:
    """`sets` and `lacks` are variables beside this process's own, `only` replaces them all; `front` is a program and its arguments
    that the command follows; `beside` is in the way while it runs. `needs` says why it cannot be had here, empty where it can."""

    name: str
    sets: Mapping[str, str] = field(default_factory=dict)
    lacks: Sequence[str] = ()
    only: Mapping[str, str] | None = None
    front: Sequence[str] = ()
    options: Sequence[str] = ("--runtime", "process")
    stdin: int | None = subprocess.DEVNULL
    beside: Callable[[Path], AbstractContextManager[Mapping[str, str]]] = lambda _: nullcontext({})
    needs: Callable[[], str] = lambda: ""

    def environment(self, home: Path) -> dict[str, str]:
        usual = {name: value for name, value in os.environ.items() if name not in (*PROXIES, *self.lacks)}
        mine = {name: value.replace("TMP", str(home)) for name, value in self.sets.items()}
        return {**(usual if self.only is None else self.only), "REHEARSAL_HOME": str(home / "state"), **mine}

    def run(self, home: Path, *words: str, within: float = 150.0) -> Done:
        """The `rehearse` command on this machine, in a directory of its own."""
        with self.beside(home) as more:
            done = subprocess.run(
                [*self.front, *REHEARSE, *words],
                cwd=home,
                env={**self.environment(home), **more},
                stdin=self.stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=within,
            )
        return Done(done.returncode, done.stdout)


# ---- what is in the way


@contextmanager
def refusing_proxy(home: Path) -> Iterator[Mapping[str, str]]:
    """A proxy for everything that must not be asked, with a password that must not be told."""
    with refusing() as proxy:
        yield dict.fromkeys(SPELLINGS, proxy.url.replace("//", "//user:secret@"))
    assert proxy.asked == []


@contextmanager
def taken_ports(home: Path) -> Iterator[Mapping[str, str]]:
    """Somebody listens where we would like to."""
    taken = []
    try:
        for port in FAVOURITE_PORTS:
            one = socket.socket()
            taken.append(one)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue  # somebody really does, or the port is not for us: the same to the command
            one.listen()
        yield {}
    finally:
        for one in taken:
            one.close()


@contextmanager
def in_korean(home: Path) -> Iterator[Mapping[str, str]]:
    """A locale of EUC-KR."""
    (home / "locales").mkdir()
    yield {**korean_locale.variables(home / "locales"), "LANG": korean_locale.NAME}


@contextmanager
def broken_aws_files(home: Path) -> Iterator[Mapping[str, str]]:
    """Shared files that no SDK can read, and a program in them that must not run."""
    files, told = home / "aws", home / "somebody-ran-it"
    files.mkdir()
    (files / "config").write_bytes(b"[profile broken\nregion = \xff\xfe\n")
    (files / "credentials").write_text(f"[default]\ncredential_process = touch {told}\n", encoding="utf-8")
    yield {"AWS_CONFIG_FILE": str(files / "config"), "AWS_SHARED_CREDENTIALS_FILE": str(files / "credentials")}
    assert not told.exists()


def off_by(seconds: int) -> Callable[[Path], AbstractContextManager[Mapping[str, str]]]:
    """A clock that is `seconds` off, for every program but the tasks."""

    @contextmanager
    def clock(home: Path) -> Iterator[Mapping[str, str]]:
        made = home / "clock.so"
        subprocess.run(
            ["cc", "-shared", "-fPIC", "-o", str(made), str(Path(__file__).with_name("clock.c"))], check=True
        )
        yield {"LD_PRELOAD": str(made), "CLOCK_OFFSET": str(seconds)}

    return clock


@contextmanager
def deep_folder(home: Path) -> Iterator[Mapping[str, str]]:
    """A TMPDIR longer than the name of a Unix socket may be."""
    place = home / "/".join(["a-rather-long-name-of-a-folder"] * 6)
    place.mkdir(parents=True)
    yield {"TMPDIR": str(place)}


# ---- what this machine can pretend to be


def program(name: str) -> Callable[[], str]:
    return lambda: "" if shutil.which(name) else f"there is no {name} on PATH"


def new_network() -> str:
    """A network namespace takes root, and a kernel that has them."""
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return "there is no unshare, or no ip, on PATH"
    tried = subprocess.run(["unshare", "-n", "ip", "link", "set", "lo", "up"], capture_output=True)
    return "" if tried.returncode == 0 else "this user may not make a network namespace"


def shell(script: str) -> tuple[str, ...]:
    """A program in front that does `script` first."""
    return ("/bin/sh", "-c", f'{script}; exec "$@"', "sh")


def in_new_network(script: str) -> tuple[str, ...]:
    return ("unshare", "-n", *shell(script))


NO_IPV6 = "ip link set lo up; for one in all default lo; do echo 1 > /proc/sys/net/ipv6/conf/$one/disable_ipv6; done"
NO_LOCALE = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
MISLEADING = {
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_ENDPOINT_URL_ECS": "http://127.0.0.1:9",
    "AWS_REGION": "mars-north-1",
    "AWS_DEFAULT_REGION": "mars-north-1",
    "AWS_USE_FIPS_ENDPOINT": "true",
    "AWS_MAX_ATTEMPTS": "many",
    "AWS_CA_BUNDLE": "/nowhere/at/all.pem",
}
MACHINES = (
    Machine("a usual one"),
    Machine("a proxy for everything", beside=refusing_proxy),
    Machine("a locale that is ASCII", sets=NO_LOCALE),
    Machine("a locale that is EUC-KR", sets={"PYTHONUTF8": "0"}, beside=in_korean),
    Machine("a profile that is not there", sets={"AWS_PROFILE": "nobody-made-it", "AWS_DEFAULT_PROFILE": "nor-this"}),
    Machine("shared AWS files that are broken", beside=broken_aws_files),
    Machine("endpoints, regions and SDK settings", sets=MISLEADING),
    Machine("an optimising Python", sets={"PYTHONOPTIMIZE": "2"}),
    Machine("a Python that warns", sets={"PYTHONWARNINGS": "error", "PYTHONDEVMODE": "1"}),
    Machine("no HOME", lacks=("HOME",)),
    Machine("an empty environment", only={}),
    Machine("a long TMPDIR", beside=deep_folder),
    Machine("a dumb and narrow terminal", sets={"TERM": "dumb", "COLUMNS": "30"}),
    Machine("an engine that is not there", sets={"DOCKER_HOST": "unix:///nowhere/docker.sock"}, options=()),
    Machine("a zone in the east", sets={"TZ": "Asia/Kathmandu"}),
    Machine("a zone in the west", sets={"TZ": "America/St_Johns"}),
    Machine("an umask of 077", front=shell("umask 077")),
    Machine("standard input closed", front=shell("exec <&-"), stdin=None),
    Machine("at most 256 open files", front=shell("ulimit -n 256")),
    Machine("no IPv6", front=in_new_network(NO_IPV6), needs=new_network),
    Machine("no network", front=in_new_network("ip link set lo up"), needs=new_network),
    Machine("a clock an hour fast", beside=off_by(3600), needs=program("cc")),
    Machine("a clock an hour slow", beside=off_by(-3600), needs=program("cc")),
    Machine("our favourite ports taken", beside=taken_ports),
)
