"""The place of an environment: who may work in it, what is found there, and how it is emptied."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

from harness.install import stamp

OLDEST = (3, 11)
UNBEARABLE = {
    ":": "a colon",
    "$": "a dollar sign",
    "\n": "a line break",
}  # to venv, setuptools, and the scripts of an environment
STARTS_WITHIN = 60
NO_LOCKS = (errno.EBADF, errno.ENOLCK, errno.EOPNOTSUPP)  # NFS locks no directories
LOOK = """
import json, sys
try:
    import pip._internal.cli.main
    pip = True
except Exception:
    pip = False
version = ".".join(map(str, sys.version_info[:3]))
print(json.dumps([version + " " + sys.base_prefix, pip, sys.prefix != sys.base_prefix]))
"""


class Found(NamedTuple):
    """An environment whose Python starts. `made_from` as in Stamp; `pip` says whether its pip can be used."""

    made_from: str
    pip: bool


class Step(NamedTuple):
    """What is to be done, and why: for the log."""

    kind: Literal["nothing", "make", "add"]
    why: str
    made_from: str = ""
    pip: bool = True


class Unsuitable(Exception):
    """A place that we cannot use; what is in it is somebody else's, and not removed."""


def fit(checkout: Path) -> None:
    """Raises Unsuitable for a checkout in a path that Python's own tools cannot bear."""
    for sign, name in UNBEARABLE.items():
        if sign in str(checkout):
            raise Unsuitable(
                f"the path of this checkout has {name} in it, which Python's tools cannot bear: move it elsewhere"
            )


@contextmanager
def alone(place: Path, waits: Callable[[], None]) -> Iterator[int]:
    """Make the directory, and have it alone; `waits` is called where somebody else has it. The lock is a file descriptor: children
    that get it hold the lock as well, so that what a killed installation left running is waited for. Raises OSError."""
    while True:
        place.mkdir(parents=True, exist_ok=True)
        lock = os.open(place, os.O_RDONLY)
        try:
            _lock(lock, waits)
            if place.exists() and os.path.samestat(
                os.fstat(lock), place.stat()
            ):  # else somebody has removed it meanwhile
                yield lock
                return
        finally:
            os.close(lock)


def _lock(lock: int, waits: Callable[[], None]) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        waits()
        fcntl.flock(lock, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise


def look(place: Path) -> Found | None:
    """None where its Python does not start, or is that of no environment. Raises Unsuitable where it does not answer."""
    try:
        done = subprocess.run(
            [place / "bin/python", "-I", "-c", LOOK],
            capture_output=True,
            timeout=STARTS_WITHIN,
            check=True,
            stdin=subprocess.DEVNULL,
        )
        made_from, pip, environment = json.loads(done.stdout)
    except subprocess.TimeoutExpired as error:
        raise Unsuitable(
            f"the Python in {place} does not answer within {STARTS_WITHIN} s: is the disk, or the machine, busy?"
        ) from error
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return Found(made_from, pip) if environment else None


def step(place: Path, extras: tuple[str, ...], made_from: str | None) -> Step:
    """What must be done to have `extras`, by the Python that is asked for, if any. Raises Unsuitable, OSError."""
    mark, found = stamp.read(place), look(place)
    if stamp.half_made(place):
        return Step("make", "an installation began and did not end")
    if found is None and mark is None and not _may_be_emptied(place):
        raise Unsuitable(
            f"{place} is no environment of Python, and there are files in it: move them away, and say make again"
        )
    if found is None:
        return Step("make", f"no Python of an environment starts in {place}")
    if mark is None:
        return _somebody_elses(place, found, made_from)
    if not stamp.fits(mark, made_from):
        return Step("make", f"it was made in {mark.checkout}, from Python {mark.made_from}")
    if mark.python != stamp.minor(found.made_from):
        return Step("make", f"it was made from Python {mark.made_from} and is {found.made_from} now")
    if not found.pip:
        return Step("make", "its pip is broken")
    if stamp.ready(place, extras, made_from):
        return Step("nothing", "all is there")
    return Step("add", f"it has {', '.join(mark.extras) or 'no extra'}", mark.made_from)


def _may_be_emptied(place: Path) -> bool:
    """Whether it is an environment, if a broken one, or nothing at all."""
    return (place / "pyvenv.cfg").is_file() or not any(place.iterdir())


def _somebody_elses(place: Path, found: Found, made_from: str | None) -> Step:
    version = found.made_from.partition(" ")[0]
    if tuple(map(int, version.split(".")[:2])) < OLDEST:
        wanted = f"rehearse needs {'.'.join(map(str, OLDEST))} or newer"
    elif made_from not in (None, found.made_from):
        wanted = f"PYTHON is {made_from}"
    else:
        return Step("add", "somebody else made it", found.made_from, found.pip)
    raise Unsuitable(
        f"{place} is an environment of Python {version}, and not of our making; {wanted}: remove it, and say make again"
    )


def emptied(place: Path, *, but: Container[str]) -> None:
    """Remove all that is in it but these names; the directory stays, which is locked, and may be a mount. Raises OSError."""
    for one in place.iterdir():
        if one.name in but:
            continue
        if one.is_dir() and not one.is_symlink():
            shutil.rmtree(one)
        else:
            one.unlink()


def packages(place: Path) -> set[tuple[str, int]]:
    """What is installed, as far as a change shows: no package comes or goes without a name, or the time of one, changing here."""
    return {(str(one), one.lstat().st_mtime_ns) for one in place.glob("lib/python*/site-packages/*")}
