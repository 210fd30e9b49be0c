"""uv and pip: their commands, run one after the other with all they print in a log."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from harness.install.stamp import CHECKOUT

CHOICE = "REHEARSE_INSTALLER"
# Of the user's settings for pip those that would install elsewhere, or change what is printed. Index, proxy and certificate stay.
OVERRULED = {
    "PIP_USER": "0",
    "PIP_NO_INPUT": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_PROGRESS_BAR": "off",
    "PIP_NO_DEPS": "0",
}
DROPPED = ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_QUIET", "PIP_VERBOSE")
ENDS_WITHIN = 5
KEPT = 20_000  # lines of one installer, to find the cause of a failure in


class Wanted(NamedTuple):
    """`extras` of this checkout at `place`; `fresh` where the environment is to be made, too, `pip` where it has one."""

    place: Path
    extras: tuple[str, ...]
    fresh: bool
    pip: bool = True


class Installer(NamedTuple):
    name: str
    commands: Callable[[Wanted], list[list[str]]]


class Failed(Exception):
    """One of an installer's commands; `lines` is what it printed."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = tuple(lines)
        super().__init__(lines[-1] if lines else "")


class Log:
    """A file, and the last lines in memory: on a full disk there is no file to read the cause from."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=0)
        self.full: OSError | None = None
        self.lines: deque[str] = deque(maxlen=KEPT)

    def write(self, line: str) -> None:
        self.lines.append(line)
        if self.full is None:
            try:
                self._file.write(f"{line}\n".encode())
            except OSError as error:  # who is read must not be stopped by it; what he says of the disk is the cause
                self.full = error

    def __enter__(self) -> Log:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def chosen() -> list[Installer]:
    """Those to try, in this order. Raises ValueError where REHEARSE_INSTALLER names none that is there."""
    choice, program = os.environ.get(CHOICE, ""), shutil.which("uv")
    if choice not in ("", "pip", "uv"):
        raise ValueError(f"{CHOICE}={choice}: it is pip or uv")
    if choice == "uv" and program is None:
        raise ValueError(f"{CHOICE}=uv: there is no uv on PATH")
    by_uv = [Installer("uv", lambda wanted: _by_uv(str(program), wanted))] if program and choice != "pip" else []
    return by_uv if choice == "uv" else [*by_uv, Installer("pip", _by_pip)]


def _by_uv(program: str, wanted: Wanted) -> list[list[str]]:
    """With pip in it: wheels for an image of another Python are fetched by pip (`images.wheelhouse`)."""
    make = [program, "venv", "--seed", "--allow-existing", "--python", _base(), str(wanted.place)]
    install = [
        program,
        "pip",
        "install",
        "--python",
        _python(wanted.place),
        "--compile-bytecode",
        *_requirements(wanted),
    ]
    return [*([make] if wanted.fresh else []), *_pip_first(wanted), install, *_whole(wanted)]


def _by_pip(wanted: Wanted) -> list[list[str]]:
    make = [_base(), "-I", "-m", "venv", str(wanted.place)]
    # pip compiles one file at a time: the first run takes less than half of that for what it imports, unless it may not keep it.
    compiled = "--compile" if os.environ.get("PYTHONDONTWRITEBYTECODE") else "--no-compile"
    install = [_python(wanted.place), "-I", "-m", "pip", "install", compiled, *_requirements(wanted)]
    return [*([make] if wanted.fresh else []), *_pip_first(wanted), install, *_whole(wanted)]


def _whole(wanted: Wanted) -> list[list[str]]:
    """A setting such as pip's no-deps leaves out half without a word. In somebody else's environment other things may not fit."""
    return [[_python(wanted.place), "-I", "-m", "pip", "check"]] if wanted.fresh else []


def second_look(place: Path, package: str) -> list[str]:
    """Install nothing, and say of one package which pages and files are seen, and why each is passed over."""
    look = ["install", "--dry-run", "--no-deps", "--ignore-installed", "-vv", "-c", "constraints.txt", package]
    return [_python(place), "-I", "-m", "pip", *look]


def _pip_first(wanted: Wanted) -> list[list[str]]:
    return [] if wanted.fresh or wanted.pip else [[_python(wanted.place), "-I", "-m", "ensurepip"]]


def _requirements(wanted: Wanted) -> list[str]:
    extras = f"[{','.join(wanted.extras)}]" if wanted.extras else ""
    return ["-c", "constraints.txt", "-e", f".{extras}"]


def _python(place: Path) -> str:
    return str(place / "bin/python")


def _base() -> str:
    """The Python that runs, or the one behind it where it is an environment's own."""
    return str(getattr(sys, "_base_executable", sys.executable))


def run(command: Sequence[str], log: Log, heard: Callable[[str], None], lock: int) -> None:
    """Raises Failed; whatever ends it early, nothing is left running."""
    log.write(f"$ {' '.join(command)}")
    settings = {name: value for name, value in os.environ.items() if name not in DROPPED} | OVERRULED
    with subprocess.Popen(
        command,
        cwd=CHECKOUT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=settings,
        pass_fds=(lock,),
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        try:
            for raw in process.stdout:
                line = raw.decode(errors="replace").rstrip()
                log.write(line)
                heard(line)
            code = process.wait()
        finally:
            if process.poll() is None:
                _end(process)
    if code < 0:
        log.write(
            f"ERROR: {Path(command[0]).name} was ended by signal {-code}"
            + " (no memory left?)" * (code == -signal.SIGKILL)
        )
    if code:
        raise Failed(tuple(log.lines))


def _end(process: subprocess.Popen[bytes]) -> None:
    """Its children, too: pip builds in processes of its own. On Ctrl-C it removes its temporary files, on no other signal."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        os.killpg(process.pid, number)
        try:
            process.wait(ENDS_WITHIN)
            return
        except subprocess.TimeoutExpired:
            continue
