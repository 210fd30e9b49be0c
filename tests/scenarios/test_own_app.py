"""A team's own application: rehearsal.toml, its image and its traffic."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness import journal
from tests.scenarios.test_core import ROOT, left_running

pytestmark = [pytest.mark.timeout(300)]
EXAMPLE = ROOT / "examples/own-app"


def rehearse(home: Path, folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "REHEARSAL_HOME": str(home), "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "harness.cli", *words],
        cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8", timeout=240,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["process", pytest.param("docker", marks=pytest.mark.docker)])
def test_own_app_is_built_deployed_and_judged(tmp_path: Path, runtime: str):
    out = tmp_path / "out"
    done = rehearse(
        tmp_path, EXAMPLE, "run", "--runtime", runtime, "--out", str(out), "scenarios/01-orders-go-through.yaml"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rehearse-verdict: met (met 1, unmet 0, inconclusive 0, unsupported 0; exit code 0)" in done.stdout
    requests = journal.of(journal.read(out / "orders-go-through/journal.jsonl"), journal.RequestDone)
    assert {one.version for one in requests} == {"v1", "v2"}
    ordered = sum(one.status == 201 for one in requests)
    assert ordered == pytest.approx(len(requests) / 4, abs=2)
    assert left_running(tmp_path) == []


def test_defaults_lie_below_what_the_scenario_says(tmp_path: Path):
    folder = shutil.copytree(EXAMPLE, tmp_path / "shop")
    said = (folder / "scenarios/01-orders-go-through.yaml").read_text(encoding="utf-8")
    (folder / "scenarios/01-orders-go-through.yaml").write_text(
        said + "service: {environment: {LOG: debug}, health_check: {interval: 6s}}\n", encoding="utf-8"
    )
    done = subprocess.run(
        [sys.executable, "-c", "from harness import scenario; import sys\n"
         "told = scenario.load(sys.argv[1], scenario.load_own_app())\n"
         "print(told.service.model_dump_json())", "scenarios/01-orders-go-through.yaml"],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, encoding="utf-8", check=True,
    )  # fmt: skip
    service = json.loads(done.stdout)
    assert (service["image"], service["container_port"]) == ("shop", 5000)
    assert service["environment"] == {"GREETING": "hello", "LOG": "debug"}
    assert (service["health_check"]["path"], service["health_check"]["interval"]) == ("/up", "6s")
    assert service["version_from"]["json"] == "build.version"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('imag = "shop"', "rehearsal.toml: [app] imag is no key; did you mean `image`?"),
        ("port = 5000", "rehearsal.toml: [app] image is missing"),
        ('image = "shop"\nport = 0', "rehearsal.toml: [app] port is 0"),
        ('image = "shop"\nversion = {}', "rehearsal.toml: [app] version is {}"),
        ("image =", "rehearsal.toml: "),
    ],
)
def test_mistake_in_rehearsal_toml_is_one_line(tmp_path: Path, line: str, says: str):
    (tmp_path / "rehearsal.toml").write_text(f"[app]\n{line}\n", encoding="utf-8")
    done = rehearse(tmp_path, tmp_path, "run", str(ROOT / "scenarios/01-happy-all-at-once.yaml"))
    assert done.returncode == 2
    (told,) = done.stderr.splitlines()
    assert told.startswith(f"rehearse: {says}")
