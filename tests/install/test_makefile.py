"""The Makefile is for GNU make 3.81 and a POSIX sh, as macOS and an old Debian have them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.install.skeleton import ROOT, Checkout

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.MULTILINE)
NEWER = {  # than 3.81
    "assignment by the shell": r"^[^#\t]*!=",
    "POSIX's immediate assignment": r"^[^#\t]*::=",
    "one shell for a recipe": r"\.ONESHELL|\.RECIPEPREFIX|\.EXTRA_PREREQS|\.NOTINTERMEDIATE",
    "a function": r"\$\((?:file|guile|let|intcmp) ",
    "grouped targets": r"^[^#\t]*&:",
    "a directive": r"^(?:undefine|private|load|export define)\b",
}
CHECKER = [str(Path(sys.executable).with_name("shellcheck")), "--shell=sh", "--severity=style"]
SCRIPTS = sorted((ROOT / "harness/install").glob("*.sh"))


@pytest.mark.parametrize("what", NEWER)
def test_makefile_needs_no_newer_make(what: str):
    assert re.findall(NEWER[what], MAKEFILE, re.MULTILINE) == []


def test_makefile_asks_for_no_bash():
    assert re.findall(r"^SHELL.*", MAKEFILE, re.MULTILINE) == ["SHELL := /bin/sh"]


def test_targets_are_found():
    assert {"rehearse", "test", "setup", "clean"} <= set(TARGETS)


@pytest.mark.parametrize("target", TARGETS)
def test_recipe_is_posix_sh(target: str):
    given = [
        "SCENARIO=scenarios/a.yaml scenarios/b.yaml",
        "TARGET=localstack",
        "EXTRA=load",
        "ACCOUNT=123456789012",
        "KEEP=1",
    ]
    told = subprocess.run(
        ["make", "-n", target, *given], cwd=ROOT, capture_output=True, text=True, check=True, encoding="utf-8"
    )
    for line in re.sub(r"\\\n", "", told.stdout).splitlines():
        done = subprocess.run([*CHECKER, "-"], input=line, capture_output=True, text=True, encoding="utf-8")
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_script_is_posix_sh(script: Path):
    done = subprocess.run([*CHECKER, str(script)], capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout


def test_list_of_targets_names_each_that_says_what_it_is(fresh: Checkout):
    said = fresh.make().out.splitlines()
    assert [line.split()[0] for line in said] == re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE)
    assert all(len(line) > 18 and line[17] == " " for line in said)


def test_what_runs_needs_the_runtime_alone_and_what_tests_needs_more():
    for target in TARGETS:
        told = subprocess.run(
            ["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=True, encoding="utf-8"
        ).stdout
        installs = re.findall(r"with-python\.sh *(.*)", told)
        tested = "pytest" in told or "mypy" in told or "tests." in told
        if target not in ("help", "clean", "setup-dev"):
            assert installs == (["dev"] if tested else [""]), target


def test_clean_goes_through_with_an_environment_that_does_not_start(ready: Checkout):
    (ready.place / "bin/python").unlink()
    done = ready.make("clean")
    assert (done.code, done.said) == (0, ["removing .venv, .rehearsal and the caches of the tools"])
    assert not ready.place.exists()
