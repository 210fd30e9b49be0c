"""`rehearse up --detach`: an emulator that outlives its command. One that runs already is the answer, not a port that is taken."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.targets import emulators, starting
from harness.targets.emulators import Emulator


def up(home: Path, command: Sequence[str]) -> None:
    """Start one, and say how a shell reaches it. Raises HarnessError where it does not start."""
    process, log = starting.start(command, home / "emulator.log")
    endpoint = starting.ready(process, log)
    status = emulators.ask(endpoint, "/_rehearsal/status")
    try:
        _tell(f"{status['runtime']} runtime ({status['runtime_why']})", endpoint)
    except OSError:  # nobody was told where it is
        starting.stop(process)
        raise


def runs_already(home: Path, port: int | None, usual: int, given: Mapping[str, Any]) -> bool:
    """Whether one runs on `port`; without a port on the `usual` one, or nowhere else. If so a shell is told as `up` tells it. `given`:
    options by their names, empty where they are not. Raises UsageError where it runs with others."""
    emulator = _meant(home, port, usual)
    if emulator is None:
        return False
    where = f"{emulator.endpoint} (pid {emulator.pid}, {emulator.runtime} runtime)"
    if other := _other(given, emulators.ask(emulator.endpoint, "/_rehearsal/status")):
        raise UsageError(
            f"{other}: the emulator that runs already at {where} has another; stop it (rehearse down --port {emulator.port}) or start "
            "one beside it with --port"
        )
    _tell(f"runs already at {where}", emulator.endpoint)
    return True


def _meant(home: Path, port: int | None, usual: int) -> Emulator | None:
    lasting = [one for one in emulators.running(home) if not one.of_a_run]
    wanted = usual if port is None else port
    if found := [one for one in lasting if one.port == wanted]:
        return found[0]
    return lasting[0] if port is None and len(lasting) == 1 else None


def _other(given: Mapping[str, Any], status: Mapping[str, Any]) -> str:
    """The first option that is given and not that emulator's own; empty where there is none."""
    for name, value in given.items():
        if value not in (None, [], "auto") and _typed(value) != _typed(status.get(name)):
            return f"--{name} {_typed(value)}"
    return ""


def _typed(value: object) -> str:
    """As it is written on a command line."""
    if isinstance(value, list):
        return " ".join(sorted(map(str, value)))
    return f"{value:g}" if isinstance(value, float) else str(value).rstrip("/")


def _tell(how: str, endpoint: str) -> None:
    print(how, file=sys.stderr, flush=True)
    print(*starting.shell_lines(endpoint), sep="\n", flush=True)
