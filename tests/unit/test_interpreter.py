"""Whatever the user's Python variables and descriptors are, programs of ours run as they should."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import interpreter
from tests.unit.example import EXAMPLE

ODD = {
    "PYTHONOPTIMIZE": "2",
    "PYTHONWARNINGS": "error",
    "PYTHONSAFEPATH": "1",
    "PYTHONNOUSERSITE": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONSTARTUP": "/nonexistent.py",
    "PYTHONUTF8": "0",
    "PYTHONIOENCODING": "utf-16",
}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    if list(tmp_path.glob(".rehearsal/emulators/*.json")):
        rehearse(tmp_path, "down")


def rehearse(place: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """As the installed command runs: without the working directory on sys.path."""
    return shell(place, '"$0" -P -m harness.cli "$@"', *words, **more)


def shell(place: Path, line: str, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    home = {name: value for name, value in os.environ.items() if name != "REHEARSAL_HOME"}
    return subprocess.run(
        ["/bin/sh", "-c", line, sys.executable, *words],
        cwd=place,
        env={**home, **more},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
    )


def test_child_gets_utf8_mode_and_nothing_that_would_change_how_it_runs():
    given = interpreter.inherited({**ODD, "PYTHONPATH": "/x", "PYTHONHASHSEED": "1", "PATH": "/bin"})
    assert given == {
        "PYTHONUTF8": "1",
        "PYTHONSAFEPATH": "1",
        "PYTHONNOUSERSITE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": "/x",
        "PYTHONHASHSEED": "1",
        "PATH": "/bin",
    }


def test_emulator_starts_under_every_variable_at_once(place: Path):
    odd = {**ODD, "PYTHONIOENCODING": "utf-8"}  # what this test reads
    up = rehearse(place, "up", "--port", "0", "--runtime", "process", "--detach", **odd)
    assert up.returncode == 0, up.stderr
    status = rehearse(place, "status", "--json", **odd)
    assert json.loads(status.stdout)["runtime"] == "process"
    down = rehearse(place, "down", **odd)
    assert (down.returncode, down.stderr) == (0, "")


@pytest.mark.parametrize("module", ["probe", "emulator", "load", "load.worker", "cli"])
def test_program_explains_itself_without_docstrings(place: Path, module: str):
    done = shell(place, '"$0" -OO -P -m "harness.$1" --help', module)
    assert (done.returncode, done.stderr) == (0, "")
    assert "usage:" in done.stdout


def test_file_beside_the_user_is_no_part_of_ours(place: Path):
    for name in ("logging", "uvloop", "harness"):
        (place / f"{name}.py").write_text("raise SystemExit('not this one')\n", encoding="utf-8")
    up = rehearse(place, "up", "--port", "0", "--runtime", "process", "--detach")
    assert up.returncode == 0, up.stderr


@pytest.mark.parametrize("closed", [">&-", "<&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_descriptor_is_no_traceback(place: Path, closed: str):
    (place / "a.yaml").write_text(EXAMPLE, encoding="utf-8")
    for words, code in ((("--version",), 0), (("lint", "a.yaml"), 0), (("status",), 3)):
        done = shell(place, f'exec "$0" -m harness.cli "$@" {closed}', *words)
        assert done.returncode == code
        assert "Traceback" not in done.stderr


def test_closed_descriptors_are_not_those_of_the_next_files(place: Path):
    code = "from harness import interpreter; interpreter.begin(); print(open('x', 'wb').fileno(), file=open('y', 'w'))"
    assert shell(place, 'exec "$0" -c "$1" <&- >&- 2>&-', code).returncode == 0
    assert int((place / "y").read_text(encoding="utf-8")) > 2


def test_variables_that_are_no_utf8_reach_the_process_as_they_are(place: Path):
    """Also where the process starts once more."""
    code = "import os; from harness import interpreter; interpreter.begin(); print(os.environb[b'ODD'], ascii(os.sys.argv))"
    line = 'export ODD="$(printf "\\307\\321\\377")"; exec "$0" -c "$1" "$ODD" "한"'
    done = shell(place, line, code, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert done.stderr == ""
    assert done.stdout == r"b'\xc7\xd1\xff' ['-c', '\udcc7\udcd1\udcff', '\ud55c']" + "\n"


def test_who_chose_the_mode_keeps_it(place: Path):
    code = "import sys; from harness import interpreter; interpreter.begin(); print(sys.flags.utf8_mode)"
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    assert shell(place, '"$0" -X utf8=0 -c "$1"', code, **locale).stdout == "0\n"
    assert shell(place, '"$0" -c "$1"', code, **locale).stdout == "1\n"
