"""What an environment was made of: a file that is written into it after an installation, and another one that lies there meanwhile."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import NamedTuple

CHECKOUT = Path(__file__).resolve().parent.parent.parent
SOURCES = ("pyproject.toml", "constraints.txt")
NAME, BEGUN = "rehearse.json", "rehearse.begun"


class Stamp(NamedTuple):
    """`made_from` is the Python, "3.12.1 /usr": its version and its prefix. A moved `checkout` has scripts that lead nowhere."""

    made_from: str
    checkout: str
    sources: str
    extras: tuple[str, ...]

    @property
    def python(self) -> str:
        """`3.12`: what names the folder of its packages."""
        return minor(self.made_from)


UNREADABLE = Stamp("", "", "", ())


def minor(made_from: str) -> str:
    return ".".join(made_from.partition(" ")[0].split(".")[:2])


def this_python() -> str:
    """As `Stamp.made_from`, of the Python that runs; of an environment's, the one that it was made from."""
    return f"{'.'.join(map(str, sys.version_info[:3]))} {sys.base_prefix}"


def of(made_from: str, extras: tuple[str, ...]) -> Stamp:
    """Of this checkout as it is now. Raises OSError."""
    return Stamp(made_from, str(CHECKOUT), sources(), extras)


def sources() -> str:
    """SHA-256 of the files that say what is installed. Raises OSError."""
    made = hashlib.sha256()
    for name in SOURCES:
        made.update((CHECKOUT / name).read_bytes() + b"\0")
    return made.hexdigest()


def read(place: Path) -> Stamp | None:
    """None where there is none: nothing of ours was installed there."""
    try:
        told = json.loads((place / NAME).read_bytes())
        return Stamp(**{**told, "extras": tuple(told["extras"])})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError):
        return UNREADABLE


def begin(place: Path) -> None:
    """From now on it is half-made, until it `finish`es or is `untouched`. Raises OSError."""
    (place / BEGUN).touch()


def untouched(place: Path) -> None:
    """It is what it was. Needs no room on the disk."""
    (place / BEGUN).unlink()


def finish(place: Path, stamp: Stamp) -> None:
    """Raises OSError."""
    (place / NAME).write_text(json.dumps(stamp._asdict()), encoding="utf-8")
    (place / BEGUN).unlink()


def half_made(place: Path) -> bool:
    return (place / BEGUN).exists()


def ready(place: Path, extras: tuple[str, ...], made_from: str | None) -> bool:
    """Whether all that is asked for is there, as far as that can be seen without starting anything.

    `made_from` where a certain Python is asked for. Asked by the environment's own Python: that it starts is part of the answer.
    """
    stamp = read(place)
    if stamp is None or half_made(place) or not fits(stamp, made_from):
        return False
    there = [place / "bin/rehearse", place / f"lib/python{stamp.python}/site-packages/pip/__main__.py"]
    return stamp.sources == sources() and set(extras) <= set(stamp.extras) and all(map(Path.is_file, there))


def fits(stamp: Stamp, made_from: str | None) -> bool:
    """Whether it is of this checkout, where it is now, and of the Python that is asked for."""
    return stamp.checkout == str(CHECKOUT) and made_from in (None, stamp.made_from)
