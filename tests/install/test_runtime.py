"""What `make rehearse` installs is enough for it, and no more: seen by the imports, and by fresh installations from the real index."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from harness.install import stamp
from tests.install.skeleton import BASE_PYTHON, ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OF_AN_EXTRA = {
    "harness.load.__main__",
    "harness.load.task",
    "harness.load.worker",
    "harness.load.workers",
    "harness.pytest_plugin",
}
# By Pythons of their own, or they act when they are imported.
RUN_BY_ITSELF = re.compile(r"\.(__main__|lambda_bootstrap|warm_parent|on_loopback)$")


def canonical(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\s\[<>=!~;(]", requirement, maxsplit=1)[0]).lower()


def with_all_they_need(requirements: list[str]) -> set[str]:
    """Names of distributions for this Python, on this machine; of the extras of each only those that are asked for."""
    found: set[str] = set()
    todo = [Requirement(one) for one in requirements]
    while todo:
        asked = todo.pop()
        name, extras = canonical(asked.name), asked.extras or {""}
        if name in found and not asked.extras:
            continue
        found.add(name)
        needed = [Requirement(one) for one in requires(name) or []]
        todo += [one for one in needed if one.marker is None or any(one.marker.evaluate({"extra": e}) for e in extras)]
    return found


def modules() -> list[str]:
    paths = sorted((ROOT / "harness").rglob("*.py"))
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in paths]
    return [one for one in names if one not in OF_AN_EXTRA and not RUN_BY_ITSELF.search(one)]


def test_runtime_imports_nothing_that_only_an_extra_brings():
    runtime = with_all_they_need(PROJECT["dependencies"])
    hidden = sorted(
        package
        for package, names in packages_distributions().items()
        if not {canonical(one) for one in names} & {*runtime, "rehearse"}
    )
    assert {"locust", "testcontainers", "localstack_client", "pytest"} <= set(hidden)
    script = (
        "import importlib, sys; sys.modules.update(dict.fromkeys(sys.argv[1].split(','))); "
        "[importlib.import_module(one) for one in sys.argv[2:]]"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, ",".join(hidden), *modules()],
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr


def test_runtime_is_half_of_what_the_tests_need_at_most():
    everything = [
        one for extra in PROJECT["optional-dependencies"].values() for one in extra if not one.startswith("rehearse[")
    ]
    runtime = with_all_they_need(PROJECT["dependencies"])
    assert (
        len(runtime) + 1 <= (len(with_all_they_need(PROJECT["dependencies"] + everything)) + 1) / 2
    )  # setuptools builds both


def test_every_extra_that_the_makefile_and_our_words_name_is_there():
    told = (ROOT / "Makefile").read_text(encoding="utf-8") + "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "harness").rglob("*.py")
    )
    assert set(re.findall(r"(?:EXTRA=|rehearse\[)([a-z]+)", told)) == {"load", "localstack"}
    assert {"load", "localstack", "dev"} == set(PROJECT["optional-dependencies"])


# ---- from the real index


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """This checkout's files, as they are, at a place of their own."""
    to = tmp_path / "a [checkout] of it's own"
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        encoding="utf-8",
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, to / name)
    return to


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_fresh_checkout_rehearses_with_its_first_command(clone: Path, installer: str):
    if installer == "uv" and shutil.which("uv") is None:
        pytest.skip("no uv on PATH")
    settings = {
        **os.environ,
        "REHEARSE_INSTALLER": installer,
        "PYTHON": BASE_PYTHON,
        "REHEARSAL_HOME": str(clone / ".rehearsal"),
    }
    command = ["make", "rehearse", "RUNTIME=process", "SCENARIO=scenarios/01-happy-all-at-once.yaml"]
    done = subprocess.run(command, cwd=clone, env=settings, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr.splitlines()[0] == "making .venv (once)"
    assert "rehearse-verdict: met" in done.stdout
    told = json.loads((clone / ".venv" / stamp.NAME).read_text(encoding="utf-8"))
    assert (told["extras"], told["checkout"]) == ([], str(clone))
    listed = subprocess.run(
        [clone / ".venv/bin/python", "-m", "pip", "list", "--format=json"],
        capture_output=True,
        text=True,
        check=True,
        encoding="utf-8",
    )
    names = {canonical(one["name"]) for one in json.loads(listed.stdout)}
    beside = {"pip", "setuptools", "wheel", "packaging", "rehearse"}  # what is seeded, and ourselves
    assert names - beside == with_all_they_need(PROJECT["dependencies"]) - beside
