"""`python -E -s -S -m harness.install [--into DIR] [EXTRA ...]`: DIR is .venv unless said. Exit code 3 and one line where it cannot be.

With --ready nothing is installed: 0 where all is there. The environment's own Python is asked so.
"""

from __future__ import annotations

import argparse
import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from harness.install import stamp

EXIT_REFUSED, EXIT_INTERRUPTED = 3, 130
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Refused(Exception):
    """One line for the user."""


def main(arguments: Sequence[str] | None = None) -> int:
    asked = _asked(arguments)
    extras = tuple(sorted({word for told in asked.extras for word in re.split(r"[,\s]+", told) if word}))
    if asked.ready:
        return int(not (_runs_as_stamped(asked.into) and stamp.ready(asked.into, extras, asked.made_from)))
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupted)
        elif number == signal.SIGINT:
            signal.signal(number, _ignored)
    try:
        _install(asked.into, extras, asked.made_from)
    except Refused as error:
        print(f"rehearse: {error}", file=sys.stderr)
        return EXIT_REFUSED
    except KeyboardInterrupt:
        print(f"rehearse: interrupted; the next make goes on with {asked.into}", file=sys.stderr)
        return EXIT_INTERRUPTED
    return 0


def _asked(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="harness.install", allow_abbrev=False)
    parser.add_argument("--into", type=Path, default=Path(".venv"))
    parser.add_argument("--made-from")
    parser.add_argument("--ready", action="store_true")
    parser.add_argument("extras", nargs="*")
    return parser.parse_args(arguments)


def _runs_as_stamped(into: Path) -> bool:
    """A system's upgrade changes what an environment's `bin/python` is; its packages lie in the other one's folder then."""
    mark = stamp.read(into)
    return mark is not None and mark.python == stamp.minor(stamp.this_python())


def _interrupted(number: int, frame: FrameType | None) -> NoReturn:
    """Once: make hands on the signal that its whole group had already, and a second one would end the tidying up."""
    for one in ENDING:
        signal.signal(one, signal.SIG_IGN)
    raise KeyboardInterrupt


def _ignored(number: int, frame: FrameType | None) -> None:
    """In a shell's background. Unlike SIG_IGN it is not inherited: pip removes its temporary files on SIGINT alone."""


def _install(into: Path, extras: tuple[str, ...], made_from: str | None) -> None:
    """Raises Refused."""
    from harness.install import causes, place, work  # not needed where all is there

    try:
        _known(extras)
        place.fit(stamp.CHECKOUT)
        with place.alone(into, lambda: _wait(into)) as lock:
            step = place.step(into, extras, made_from)
            if step.kind != "nothing":
                work.work(into, extras, step, lock)
    except (place.Unsuitable, work.NotInstalled, ValueError) as error:
        raise Refused(str(error)) from error
    except OSError as error:
        python = stamp.minor(stamp.this_python())
        raise Refused(causes.words([f"ERROR: {error}"], python=python, place=str(into))) from error


def _known(extras: tuple[str, ...]) -> None:
    """Raises ValueError for an extra that there is not."""
    import tomllib

    project = tomllib.loads((stamp.CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    there = sorted(project.get("optional-dependencies", {}))
    for one in extras:
        if one not in there:
            raise ValueError(f"EXTRA={one}: there is no such extra; there are {', '.join(there)}")


def _wait(into: Path) -> None:
    print(f"waiting for another make, which installs into {into}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
