"""One installation: by uv, and where that fails by pip; what is broken off is never taken for whole."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.install import causes, installers, place, stamp
from harness.install.installers import Failed, Installer, Log, Wanted
from harness.install.place import Step
from harness.install.progress import Progress

LOG = "install.log"


class NotInstalled(Exception):
    """One line for the user: why, and where the log is."""


def work(into: Path, extras: tuple[str, ...], step: Step, lock: int) -> None:
    """Do what `step` says; the caller has `into` for himself. Raises NotInstalled, OSError, ValueError."""
    mark = stamp.read(into)
    before = mark.extras if mark and step.kind == "add" else ()
    after = tuple(sorted({*extras, *before}))
    tried = installers.chosen()
    progress = Progress(_title(into, step, after, before))
    with Log(into / LOG) as log:
        log.write(f"{step.kind}: {step.why}")
        for installer in tried:
            log.lines.clear()
            fresh = step.kind == "make" or stamp.half_made(into)
            try:
                _by(installer, Wanted(into, after, fresh, step.pip), step, log, progress, lock)
                return progress.done(f"{into} is ready: {progress.installed} packages installed")
            except Failed as failed:
                last = failed
                log.write(f"({installer.name} failed)")
            except BaseException:
                progress.erase()
                raise
        python = stamp.minor(step.made_from or stamp.this_python())
        why = _why(last.lines, into, python, log, lock)
    progress.erase()
    raise NotInstalled(f"{why} (what {tried[-1].name} said: {into / LOG})")


def _why(lines: Sequence[str], into: Path, python: str, log: Log, lock: int) -> str:
    """Where pip found no version of a package, and says no more, it is asked for this one again, and for all that it sees."""
    package = causes.not_found(lines)
    if package is None or causes.known(lines):
        return causes.words(lines, python=python, place=str(into))
    log.lines.clear()
    try:
        installers.run(installers.second_look(into, package.name), log, lambda line: None, lock)
    except Failed as failed:
        if causes.known(failed.lines):
            return causes.words(failed.lines, python=python, place=str(into))
        return causes.why_not(package, failed.lines, python=python)
    return f"{package.name} could not be had, and now it can: try again"


def _title(into: Path, step: Step, after: tuple[str, ...], before: tuple[str, ...]) -> str:
    if step.kind == "make":
        return f"making {into}"
    if stamp.read(into) is None:
        return f"adding what rehearse needs to {into}"
    new = [one for one in after if one not in before]
    return f"adding {', '.join(new)} to {into}" if new else f"bringing {into} up to date"


def _by(installer: Installer, wanted: Wanted, step: Step, log: Log, progress: Progress, lock: int) -> None:
    """Raises Failed, OSError."""
    into = wanted.place
    before = place.packages(into)
    after = stamp.of(stamp.this_python() if wanted.fresh else step.made_from, wanted.extras)
    stamp.begin(into)
    try:
        if wanted.fresh:
            place.emptied(into, but=(LOG, stamp.BEGUN))
        for command in installer.commands(wanted):
            installers.run(command, log, progress.heard, lock)
    except BaseException:
        if not wanted.fresh and place.packages(into) == before:
            stamp.untouched(into)
        raise
    stamp.finish(into, after)
