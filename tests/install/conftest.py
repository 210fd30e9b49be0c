"""One environment that is made for real, and given to each test as it was: its path is part of it, so it cannot be copied elsewhere."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.install.skeleton import Checkout, wheel, written

NAME = "check out [1] of it's"  # nothing of this may trouble make or sh


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    folder = tmp_path / "wheels"
    for name in ("tea", "milk", "lemon", "sugar"):
        wheel(folder, name)
    return folder


@pytest.fixture
def fresh(tmp_path: Path, wheels: Path) -> Checkout:
    """Nothing is installed yet."""
    return written(tmp_path / NAME, wheels, tmp_path / "tools")


@pytest.fixture(scope="session")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    home = tmp_path_factory.mktemp("made")
    wheel(home / "wheels", "tea")
    checkout = written(home / NAME, home / "wheels", home / "tools")
    done = checkout.make("setup")
    assert (done.code, done.said) == (0, ["making .venv (once)"])
    _copy(checkout.path, home / "pristine")
    return checkout


@pytest.fixture
def ready(_made: Checkout, wheels: Path) -> Checkout:
    """`make setup` was said here, so there is nothing to do; each package of the extras is in `wheels`."""
    shutil.rmtree(_made.path)
    _copy(_made.path.parent / "pristine", _made.path)
    return replace(_made, wheels=wheels, settings={**_made.settings, "PIP_FIND_LINKS": str(wheels)})


def _copy(path: Path, to: Path) -> None:
    subprocess.run(["cp", "-a", str(path), str(to)], check=True)  # some thousand files: shutil takes a second for them
