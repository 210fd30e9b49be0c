"""Which Python the Makefile takes, and what it says where none will do."""

import os
import pty
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.install.skeleton import BASE_PYTHON, Checkout

NEEDS = "rehearse needs Python 3.11 or newer"
ONE_LINE = "or install one (Debian: apt install python3 python3-venv; macOS: brew install python)"


@pytest.fixture
def tools(fresh: Checkout) -> Path:
    """The only folder on PATH: no Python in it yet."""
    folder = Path(fresh.settings["HOME"])
    (folder / "python3").unlink()
    for name in ("make", "sh", "dirname"):
        (folder / name).symlink_to(str(shutil.which(name)))
    return folder


def older(path: Path, version: str) -> None:
    """A Python that says it is older."""
    numbers = version.replace(".", ", ")
    path.write_text(
        f'#!/bin/sh\nwhile [ "$1" != -c ]; do shift; done\n'
        f"exec '{BASE_PYTHON}' -c 'import sys; sys.version_info = ({numbers}); exec(sys.argv[1])' \"$2\"\n",
        encoding="utf-8",
    )
    path.chmod(0o755)


def made_from(checkout: Checkout, *arguments: str) -> str:
    """What would be run: the installer's own Python, told by a stand-in for it."""
    (checkout.path / "harness/install/__main__.py").write_text("import sys; print(sys.argv[1:])\n", encoding="utf-8")
    done = checkout.make("setup", *arguments, PATH=checkout.settings["HOME"])
    assert done.code == 0, done.err
    return done.out.strip()


def test_python3_that_is_new_enough_is_taken(fresh: Checkout, tools: Path):
    (tools / "python3").symlink_to(BASE_PYTHON)
    assert made_from(fresh, "EXTRA=load") == "['--into', '.venv', 'load']"


def test_newer_python_is_found_beside_one_that_is_too_old(fresh: Checkout, tools: Path):
    older(tools / "python3", "3.9.2")
    older(tools / "python3.14", "3.10.1")  # whatever its name says
    (tools / "python3.11").symlink_to(BASE_PYTHON)
    assert made_from(fresh) == "['--into', '.venv']"


def test_python_of_a_later_year_is_tried(fresh: Checkout, tools: Path):
    older(tools / "python3", "3.27.0")
    told = fresh.make("setup", PATH=str(tools))
    assert "rehearse needs" not in told.err


def test_without_a_python_that_will_do_one_line_says_what_was_found(fresh: Checkout, tools: Path):
    older(tools / "python3", "3.9.2")
    older(tools / "python", "2.7.18")
    done = fresh.make("setup", PATH=str(tools))
    assert done.code != 0
    assert done.said == [
        f"rehearse: {NEEDS}; found on PATH: python3 is 3.9.2, python is 2.7.18. To go on, say make PYTHON=/path/to/python3.12, {ONE_LINE}"
    ]
    assert not fresh.place.exists()


def test_without_any_python_one_line_says_so(fresh: Checkout, tools: Path):
    done = fresh.make("setup", PATH=str(tools))
    assert done.code != 0
    assert done.said == [
        f"rehearse: {NEEDS}; found on PATH: no Python. To go on, say make PYTHON=/path/to/python3.12, {ONE_LINE}"
    ]


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("old python", "is Python 3.6.15"),
        ("nothing", "does not start as a Python"),
        ("sh", "does not start as a Python"),
    ],
)
def test_python_that_is_named_is_taken_or_refused(fresh: Checkout, tools: Path, named: str, said: str):
    (tools / "python3").symlink_to(BASE_PYTHON)
    older(tools / "old python", "3.6.15")
    done = fresh.make("setup", f"PYTHON={named}", PATH=str(tools))
    assert done.code != 0
    assert done.said == [f"rehearse: PYTHON={named} {said}; {NEEDS}: say make PYTHON=/path/to/python3.12, {ONE_LINE}"]


@pytest.mark.parametrize("program", ["true", "echo"])
def test_program_that_is_no_python_is_refused_though_it_ends_well(fresh: Checkout, program: str):
    done = fresh.make("setup", f"PYTHON={program}")
    assert done.code != 0
    assert done.said[0].startswith(f"rehearse: PYTHON={program} does not start as a Python")


def test_python_with_a_blank_in_its_path_is_taken(fresh: Checkout, tools: Path):
    (tools / "a python").symlink_to(BASE_PYTHON)
    assert "'--made-from', '3." in made_from(fresh, f"PYTHON={tools / 'a python'}")


# ---- the line of progress


def test_terminal_shows_one_line_that_is_rewritten(ready: Checkout):
    ours, theirs = pty.openpty()
    settings = {**ready.settings, "TERM": "xterm", "COLUMNS": "40"}
    with subprocess.Popen(
        ready.command("setup", "EXTRA=load"), cwd=ready.path, env=settings, stdout=theirs, stderr=theirs, stdin=theirs
    ) as making:
        os.close(theirs)
        shown = b""
        while chunk := _read(ours):
            shown += chunk
    os.close(ours)
    assert making.returncode == 0
    *rewritten, last = shown.decode().removesuffix("\r\n").split("\r\x1b[K")
    assert rewritten[:2] == ["", "adding load to .venv"]
    assert last == ".venv is ready: 2 packages installed"
    assert any("milk" in one for one in rewritten), (rewritten, ready.log)
    counted = {found[1] for one in rewritten if (found := re.search(r": (\S+) \(p", one))}
    assert counted == {"milk", "rehearse"}, ready.log
    assert "\n" not in shown.decode().removesuffix("\r\n")
    assert max(map(len, rewritten)) < 40


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except OSError:  # the last one who could write is gone
        return b""
