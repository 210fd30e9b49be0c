"""A checkout that is installed in seconds: the real Makefile and installer, a package of no size, and wheels that are made here."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
BASE_PYTHON = str(getattr(sys, "_base_executable", sys.executable))  # as a user's: that of no environment
PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "rehearse"
version = "0.1.0"
dependencies = ["tea>=1"]

[project.optional-dependencies]
load = ["milk>=1"]
localstack = ["lemon>=1"]
dev = ["rehearse[load]", "sugar>=1"]
"""
CONSTRAINTS = "tea==1.0\nmilk==1.0\nlemon==1.0\nsugar==1.0\n"
BACKEND = '''
"""An editable wheel of the checkout, by the standard library alone."""
import tomllib, zipfile

def build_editable(directory, config_settings=None, metadata_directory=None):
    project = tomllib.loads(open("pyproject.toml").read())["project"]
    told = ["Metadata-Version: 2.1", "Name: rehearse", "Version: 0.1.0"]
    told += [f"Requires-Dist: {one}" for one in project["dependencies"]]
    for extra, needed in project["optional-dependencies"].items():
        told += [f"Provides-Extra: {extra}"] + [f"Requires-Dist: {one}; extra == '{extra}'" for one in needed]
    info = "rehearse-0.1.0.dist-info"
    with zipfile.ZipFile(f"{directory}/rehearse-0.1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{info}/METADATA", "\\n".join(told) + "\\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{info}/entry_points.txt", "[console_scripts]\\nrehearse = told:main\\n")
        wheel.writestr("told.py", "def main(): print('it runs')\\n")
        wheel.writestr(f"{info}/RECORD", "")
    return "rehearse-0.1.0-py3-none-any.whl"
'''


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def said(self) -> list[str]:
        """Lines of ours on the screen; make's own, of a recipe that failed, are left out."""
        return [one for one in (self.out + self.err).splitlines() if not one.startswith("make: ***")]


@dataclass(frozen=True)
class Checkout:
    path: Path
    wheels: Path
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def place(self) -> Path:
        return self.path / ".venv"

    @property
    def log(self) -> str:
        return (self.place / "install.log").read_text(encoding="utf-8")

    def has(self, package: str) -> bool:
        return any(self.place.glob(f"lib/python*/site-packages/{package}-*.dist-info"))

    def command(self, *arguments: str) -> list[str]:
        return ["make", "--no-print-directory", *arguments]

    def make(self, *arguments: str, **settings: str) -> Done:
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.path,
            env={**self.settings, **settings},
            capture_output=True,
            text=True,
            timeout=120,
            encoding="utf-8",
        )
        return Done(done.returncode, done.stdout, done.stderr)


def written(path: Path, wheels: Path, tools: Path) -> Checkout:
    """A checkout at `path` that gets its packages from `wheels` alone; `tools` comes first on its PATH, with a python3."""
    (path / "harness").mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", path)
    shutil.copy(ROOT / "harness/__init__.py", path / "harness")
    shutil.copytree(ROOT / "harness/install", path / "harness/install", ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in (("pyproject.toml", PYPROJECT), ("constraints.txt", CONSTRAINTS), ("backend.py", BACKEND)):
        (path / name).write_text(text, encoding="utf-8")
    tools.mkdir(exist_ok=True)
    (tools / "python3").symlink_to(BASE_PYTHON)
    kept = {name: os.environ[name] for name in ("LANG", "LC_ALL", "TMPDIR") if name in os.environ}
    settings = {
        **kept,
        "PATH": f"{tools}:/usr/bin:/bin",
        "HOME": str(tools),
        "REHEARSE_INSTALLER": "pip",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheels),
        "PIP_NO_CACHE_DIR": "1",
    }
    return Checkout(path, wheels, settings)


# ---- packages


def wheel(folder: Path, name: str, version: str = "1.0", *, python: str = "", size: int = 0) -> Path:
    """`python` as in Requires-Python; `size` bytes that cannot be compressed."""
    folder.mkdir(exist_ok=True)
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" + (
        f"Requires-Python: {python}\n" if python else ""
    )
    files = {
        f"{name}.py": b"",
        f"{name}.bin": os.urandom(size),
        f"{info}/METADATA": metadata.encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for one, content in files.items():
            archive.writestr(one, content)
        archive.writestr(f"{info}/RECORD", _record(files, f"{info}/RECORD"))
    return path


def _record(files: dict[str, bytes], own: str) -> str:
    rows = io.StringIO()
    for one, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        csv.writer(rows).writerow([one, f"sha256={digest}", len(content)])
    csv.writer(rows).writerow([own, "", ""])
    return rows.getvalue()


def source(folder: Path, name: str, version: str = "1.0") -> None:
    """A source distribution whose build fails, as that of a package for which a compiler is missing."""
    folder.mkdir(exist_ok=True)
    files = {
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "fails"\nbackend-path = ["."]\n',
        "fails.py": "def build_wheel(*given):\n    raise SystemExit(\"error: command 'gcc' failed: No such file\")\n",
    }
    with tarfile.open(folder / f"{name}-{version}.tar.gz", "w:gz") as archive:
        for one, text in files.items():
            entry = tarfile.TarInfo(f"{name}-{version}/{one}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))


def closed_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
