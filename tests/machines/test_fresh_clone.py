"""The first README command on a fresh clone: in a path with blanks and brackets, as another user than root, with each Python that
is here."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machines.table import PROXIES, ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
NOBODY = 65534


def find_python(version: str) -> str | None:
    """One that runs: on PATH, of pyenv, or Debian's own."""
    named = f"python{version}"
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for found in (
        *sorted(map(str, pyenv.glob(f"versions/{version}.*/bin/{named}"))),
        shutil.which(named),
        f"/usr/bin/{named}",
    ):
        if found and Path(found).exists() and runs(found, version):
            return found
    return None


def runs(python: str, version: str) -> bool:
    ask = "import sys, ensurepip, venv; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run([python, "-c", ask], capture_output=True, text=True, encoding="utf-8")
    return done.stdout.strip() == version


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every user reaches, unlike pytest's own."""
    made = Path(tempfile.mkdtemp(prefix="rehearse-fresh-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def cloned(to: Path) -> Path:
    """What git would bring: the tracked files as they are now."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in listed.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)
    return to


def rehearsed(checkout: Path, *, python: str, front: tuple[str, ...] = (), **environment: str) -> None:
    """`make rehearse` of the short scenario is met, and says nothing of its installation but a line."""
    usual = {name: value for name, value in os.environ.items() if name not in (*PROXIES, "VIRTUAL_ENV", "PYTHONPATH")}
    command = [*front, "make", "rehearse", f"PYTHON={python}", "RUNTIME=process", "SCENARIO=tests/machines/quick.yaml"]
    done = subprocess.run(
        command,
        cwd=checkout,
        env={**usual, **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=500,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rehearse-verdict: met" in done.stdout
    assert "WARNING" not in done.stdout + done.stderr
    (result,) = (checkout / ".rehearsal/runs").glob("*/on-this-machine/result.json")
    assert json.loads(result.read_text(encoding="utf-8"))["verdict"] == "met"


def test_path_with_blanks_brackets_and_korean_is_a_path(place: Path):
    rehearsed(cloned(place / "my (new) [release] 리허설 & co's"), python=sys.executable)


def test_another_user_than_root_rehearses(place: Path):
    if os.getuid() != 0:
        pytest.skip("this user is another one already")
    if (python := find_for_everybody()) is None:
        pytest.skip("no Python here can be run by everybody (with its venv module)")
    checkout = cloned(place / "clone")
    home = place / "home"
    home.mkdir()
    for path in (checkout, home, *checkout.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    drop = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    path = os.pathsep.join(["/usr/local/bin", "/usr/bin", "/bin"])
    rehearsed(checkout, python=python, front=drop, HOME=str(home), PATH=path, USER="nobody")


def find_for_everybody() -> str | None:
    """A Python whose place is not some user's home."""
    for version in PYTHONS:
        found = f"/usr/bin/python{version}"
        if Path(found).exists() and runs(found, version):
            return found
    return None


@pytest.mark.parametrize("version", PYTHONS)
def test_python_rehearses(version: str, place: Path):
    if f"{sys.version_info[0]}.{sys.version_info[1]}" == version:
        pytest.skip(f"all other tests run on Python {version}")
    if (python := find_python(version)) is None:
        pytest.skip(f"there is no Python {version} here")
    rehearsed(cloned(place / "clone"), python=python)
