"""Removes what crashed runs and emulators of a state directory left on this machine."""

from __future__ import annotations

from pathlib import Path

from harness import images
from harness.load import feed as load
from harness.targets import emulators, localstack


def sweep(home: Path) -> list[str]:
    """One line for each thing removed. While an emulator of `home` is alive, its tasks are its own and are left alone."""
    removed = []
    for emulator in emulators.running(home):
        if emulator.orphaned:
            emulators.stop(emulator.pid)
            removed.append(f"emulator {emulator.pid} at {emulator.endpoint}, whose run is gone")
    removed += localstack.sweep(home) + load.sweep(home)
    if not emulators.running(home):
        removed += sweep_tasks(home)
    return removed


def sweep_tasks(home: Path) -> list[str]:
    """Tasks of `home`, by both runtimes. Call it only where no emulator of `home` is alive."""
    from harness.emulator.runtime import docker, process  # slow to import, and rarely needed

    removed = process.sweep(home)
    if images.docker_ready()[0]:
        removed += docker.sweep(home)
    return removed
