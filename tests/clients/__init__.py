"""Clients that are not Python: their packages come from npm, on first use, into the cache of this checkout."""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CACHE = HERE.parent.parent / ".rehearsal/cache"


@cache
def packages(folder: str = "") -> Path:
    """Where the packages of `folder`'s package.json are. Skips the test, with the reason, where they cannot be had."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are needed")
    source, target = HERE / folder / "package.json", CACHE / ("clients" if not folder else f"clients-{folder}")
    stamp = target / "installed.json"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == source.read_text(encoding="utf-8"):
        return target
    target.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target / "package.json")
    done = subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock"],
        cwd=target,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
        encoding="utf-8",
    )
    if done.returncode != 0:
        _missing(f"npm could not install {source.read_text(encoding='utf-8')}: {done.stderr.strip().splitlines()[-1:]}")
    stamp.write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    return target


def _missing(why: str) -> None:
    """In CI, which has node, what cannot be installed is a failure."""
    if os.environ.get("CI"):
        pytest.fail(why, pytrace=False)
    pytest.skip(why)
