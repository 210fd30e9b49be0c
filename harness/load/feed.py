"""Starts Locust's master and reads what it says, which is what the probe would say; and ends those that a crash has left."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from harness import owner
from harness.errors import UsageError
from harness.load.plan import Plan
from harness.probe.feed import Line, LineFeed

MARKER = (
    "REHEARSAL_LOAD_OF"  # in the environment of master and workers: the state directory, and the run that owns them
)
NOT_INSTALLED = "traffic.engine: locust needs Locust, which is not installed: make setup EXTRA=load, elsewhere pip install 'rehearse[load]'"


class LocustFeed(LineFeed):
    """The traffic of a plan by Locust's master and workers. `listen` is HOST:PORT for workers that somebody starts elsewhere; without
    it they are processes of this machine."""

    def __init__(self, plan: Plan, *, on_line: Callable[[Line], None], home: Path, listen: str | None = None) -> None:
        command = [sys.executable, "-m", "harness.load", "--plan", json.dumps(plan.told())]
        if listen:
            command += ["--listen", listen, "--workers-from-elsewhere"]
        marker = {MARKER: f"{home.resolve()} {owner.this_process()}"}
        timeout = plan.options.timeout
        super().__init__(command, timeout=timeout, on_line=on_line, who="Locust", environment=marker)


def need_locust() -> None:
    """Raises UsageError where Locust is not installed."""
    if importlib.util.find_spec("locust") is None:
        raise UsageError(NOT_INSTALLED)


def sweep(home: Path) -> list[str]:
    """End masters and workers of `home` whose run is gone; they end by themselves as well, if they still can."""
    removed, killed = [], []
    for process in _left_behind(home.resolve()):
        try:
            name = " ".join(process.cmdline())[:80]
            process.kill()
        except psutil.NoSuchProcess:
            continue
        killed.append(process)
        removed.append(f"process {process.pid}: {name}")
    owner.ended(killed)
    return removed


def _left_behind(home: Path) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            where, _, run = process.environ().get(MARKER, "").rpartition(" ")
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if where == str(home) and owner.runs(process) and not owner.lives(run):
            yield process
