"""Emulators of a state directory: which ones run, and how to ask and stop them. Each writes `<home>/emulators/<port>.json`."""

from __future__ import annotations

import contextlib
import json
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from harness import owner, proxies
from harness.errors import TargetUnavailable, UsageError
from harness.targets.starting import STOPS_WITHIN

RUNNER = "REHEARSAL_RUNNER"  # in the environment of an emulator that belongs to one run, which it names
ASK_TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class Emulator:
    """One that is running. `orphaned`: it belonged to a run that is no more."""

    pid: int
    endpoint: str
    runtime: str
    of_a_run: bool
    orphaned: bool

    @property
    def port(self) -> int:
        return urlsplit(self.endpoint).port or 0


def running(home: Path) -> list[Emulator]:
    """Every emulator of `home` that is alive; the files of dead ones are removed."""
    found = []
    for path in sorted((home / "emulators").glob("*.json")):
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
            process = _alive(int(said["pid"]))
        except (OSError, ValueError, KeyError):
            continue
        if process is None:
            path.unlink(missing_ok=True)
        else:
            whose = (bool(_runner(process)), orphaned(process))
            found.append(Emulator(process.pid, said["endpoint"], said.get("runtime", "?"), *whose))
    return found


def _alive(pid: int) -> psutil.Process | None:
    """The emulator's process; None where the pid is nobody's, or another program's by now."""
    try:
        process = psutil.Process(pid)
        ours = any("harness.emulator" in word for word in process.cmdline())
        return process if ours and owner.runs(process) else None
    except psutil.Error:
        return None


def orphaned(process: psutil.Process) -> bool:
    """Whether it belongs to a run that is no more."""
    runner = _runner(process)
    return bool(runner) and not owner.lives(runner)


def _runner(process: psutil.Process) -> str:
    """The run that it belongs to; empty where it belongs to none."""
    try:
        return str(process.environ().get(RUNNER, ""))
    except psutil.Error:
        return ""


def mark() -> dict[str, str]:
    """The environment that ties an emulator to this process."""
    return {RUNNER: owner.this_process()}


def the_one(home: Path, port: int | None) -> Emulator:
    """The emulator that is meant. Raises TargetUnavailable where none runs, UsageError where it takes a --port to choose."""
    found = [one for one in running(home) if port is None or one.port == port]
    if not found:
        which = f" on port {port}" if port else ""
        raise TargetUnavailable(f"no emulator of {home} is running{which}; start one with: rehearse up --detach")
    if len(found) > 1:
        ports = ", ".join(str(one.port) for one in found)
        raise UsageError(f"several emulators of {home} are running; choose one with --port ({ports})")
    return found[0]


def ask(endpoint: str, path: str) -> Any:
    """The JSON answer of the emulator's own `path`. Raises TargetUnavailable where it is not one of ours, or none answers."""
    try:
        with proxies.opened(endpoint.rstrip("/") + path, ASK_TIMEOUT) as answer:
            return json.load(answer)
    except (OSError, ValueError) as error:
        reason = proxies.masked(getattr(error, "reason", error))
        raise TargetUnavailable(f"{endpoint} is no rehearse emulator that answers ({reason})") from error


def stop(pid: int) -> bool:
    """SIGTERM, and SIGKILL where that is not enough. True if it ended by itself."""
    process = _alive(pid)
    if process is None:
        return True
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(signal.SIGTERM)
    if owner.ended([process], STOPS_WITHIN):
        return True
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill()
    owner.ended([process])
    return False
