"""The image of Locust's master and workers: this package, and what those two import, for the runtime that makes images here."""

from __future__ import annotations

import shutil
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from harness import __version__, images
from harness.driver import load_tasks
from harness.errors import UsageError

PACKAGE = Path(images.__file__).resolve().parent
NAME = "rehearse-load"
NEEDED = ("httptools", "locust", "uvloop")  # beside themselves; held to the imports by a test


def build(home: Path, runtime: str, architecture: str) -> str:
    """Its name. Raises HarnessError, also where Locust is not installed here: its version is what the image gets."""
    recipe: dict[str, Any] = {"name": NAME, "revision": __version__, "architecture": architecture}
    pins = requirements()
    if runtime == "process":
        command = (sys.executable, "-m", "harness.load.task")
        return images.build(home, runtime, path=PACKAGE.parent, command=command, port=load_tasks.PORT, **recipe)
    with tempfile.TemporaryDirectory(prefix="rehearse-load-") as temporary:
        folder = Path(temporary)
        shutil.copy(PACKAGE / "load" / "Dockerfile", folder)
        shutil.copytree(PACKAGE, folder / "harness", ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "requirements.txt").write_text(pins, encoding="utf-8")
        return images.build(home, runtime, path=folder, **recipe)


def requirements() -> str:
    """The versions of this machine."""
    try:
        return "".join(f"{name}=={version(name)}\n" for name in NEEDED)
    except PackageNotFoundError as error:
        raise UsageError(
            "--load-workers needs Locust, which is not installed: make setup EXTRA=load, elsewhere pip install 'rehearse[load]'"
        ) from error
