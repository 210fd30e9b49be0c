"""What a run was made with: for the report, and for whoever must reproduce it."""

from __future__ import annotations

import getpass
import os
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("rehearse", "boto3", "botocore", "moto", "uvloop", "httptools", "flask", "gunicorn")


@cache
def versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "system": f"{platform.system()} {platform.machine()}"}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def whoami() -> str:
    """The person or CI account whose run this is."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container that runs as a number without a name
        return f"uid {os.getuid()}"


def commit(directory: Path) -> str | None:
    """The commit that `directory` is at, `-dirty` where it has changes; None outside a repository."""
    head = _git(directory, "rev-parse", "HEAD")
    if not head:
        return None
    return f"{head}-dirty" if _git(directory, "status", "--porcelain", "--untracked-files=no") else head


def _git(directory: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=directory,
            capture_output=True,
            timeout=10,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
