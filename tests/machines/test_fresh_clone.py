"""The first README command on a fresh clone: in a path with blanks and brackets, as another user than root, with each Python that
is here, over a slow link."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.install.progress import AGAIN_TOLD
from tests.machines.slow_link import slow_index
from tests.machines.table import PROXIES, ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
BEFORE = (
    136.7e6  # bytes that the first command fetched when it installed the tools of tests and of load, too: 112 packages
)
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


def rehearsed(checkout: Path, *, python: str, front: tuple[str, ...] = (), **environment: str) -> str:
    """`make rehearse` of the short scenario is met, and says nothing of its installation but a line; what it wrote to stderr."""
    kept = {name: value for name, value in os.environ.items() if name not in (*PROXIES, "VIRTUAL_ENV", "PYTHONPATH")}
    if any(name.startswith("PIP_") for name in environment):
        kept = {name: value for name, value in kept.items() if not name.startswith(("PIP_", "UV_"))}
    command = [*front, "make", "rehearse", f"PYTHON={python}", "RUNTIME=process", "SCENARIO=tests/machines/quick.yaml"]
    done = subprocess.run(
        command,
        cwd=checkout,
        env={**kept, **environment},
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
    return done.stderr


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


# ---- a slow link


def fetched(checkout: Path, to: Path) -> None:
    """All that the first command installs, and what makes the checkout itself installable."""
    build = tomllib.loads((checkout / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]["requires"]
    for wanted in ([".", "-c", "constraints.txt"], build):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--dest", str(to), *wanted]
        subprocess.run(command, cwd=checkout, check=True)


def test_slow_link_carries_half_of_what_it_did_and_the_screen_has_a_line(place: Path):
    checkout, wheels = cloned(place / "clone"), place / "wheels"
    fetched(checkout, wheels)
    with slow_index(wheels, drops="flask") as (url, link):
        settings = {"PIP_INDEX_URL": url, "PIP_CONFIG_FILE": os.devnull, "PIP_NO_CACHE_DIR": "1"}
        said = rehearsed(checkout, python=sys.executable, **settings, REHEARSE_INSTALLER="pip")
    assert link.dropped == {"flask"}
    assert link.sent < BEFORE / 2, sorted(link.files)
    assert len({name.partition("-")[0] for name in link.files}) <= 112 / 2, sorted(link.files)
    assert said.splitlines()[:2] == ["making .venv (once)", f"making .venv{AGAIN_TOLD}"]
    assert ".venv" not in "".join(said.splitlines()[2:])
