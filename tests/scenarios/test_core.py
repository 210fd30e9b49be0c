"""The core scenarios as a user runs them: the command, its exit code, and the evidence it leaves."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness import journal

ROOT = Path(__file__).parent.parent.parent
pytestmark = [pytest.mark.timeout(420)]
CORE = [
    "happy-all-at-once",
    "happy-canary",
    "linear",
    "green-never-healthy",
    "5xx-after-cutover",
    "failing-test-traffic-hook",
    "stop-by-hand",
    "draining",
]
HAPPY = CORE[:3]


@dataclass(frozen=True)
class Run:
    """One `rehearse run`: what it printed, its exit code, its output directory and its state directory."""

    code: int
    printed: str
    out: Path
    home: Path

    def result(self, scenario: str) -> dict[str, Any]:
        return dict(json.loads((self.out / scenario / "result.json").read_text(encoding="utf-8")))

    def expectation(self, scenario: str, name: str) -> dict[str, Any]:
        return next(one for one in self.result(scenario)["expectations"] if one["name"] == name)

    def events(self, scenario: str) -> list[Any]:
        return journal.read(self.out / scenario / "journal.jsonl")


def rehearse(home: Path, *arguments: str, timeout: float = 400) -> Run:
    out = home / "out"
    done = subprocess.run(
        [sys.executable, "-m", "harness.cli", "run", "--out", str(out), *arguments],
        cwd=ROOT,
        env={**os.environ, "REHEARSAL_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=timeout,
        encoding="utf-8",
    )
    return Run(done.returncode, done.stdout + done.stderr, out, home)


def left_running(home: Path) -> list[str]:
    """Processes whose command line or environment names this state directory."""
    found = []
    for process in psutil.process_iter(["pid", "cmdline"]):
        try:
            named = str(home) in " ".join(process.info["cmdline"] or []) or process.environ().get(
                "REHEARSAL_HOME"
            ) == str(home)
        except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
        if named and process.pid != os.getpid():
            found.append(f"{process.pid} {process.info['cmdline']}")
    return found


@pytest.fixture(
    scope="module",
    params=["process", pytest.param("docker", marks=[pytest.mark.docker, pytest.mark.slow])],
)
def pack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The core pack, run once per runtime."""
    run = rehearse(tmp_path_factory.mktemp(f"core-{request.param}"), "--runtime", request.param)
    print(run.printed)
    return run


def test_core_pack_meets_every_expectation_and_exits_0(pack: Run):
    verdicts = {
        path.parent.name: json.loads(path.read_text(encoding="utf-8"))["verdict"]
        for path in pack.out.glob("*/result.json")
    }
    assert verdicts == dict.fromkeys(CORE, "met"), pack.printed
    assert pack.code == 0


def test_core_pack_leaves_nothing_running(pack: Run):
    assert left_running(pack.home) == []


@pytest.mark.parametrize("scenario", HAPPY)
def test_happy_scenario_fails_none_of_at_least_500_requests(pack: Run, scenario: str):
    requests = journal.of(pack.events(scenario), journal.RequestDone)
    assert len(requests) >= 500
    assert [one for one in requests if one.status != 200] == []


@pytest.mark.parametrize("scenario", HAPPY)
def test_production_meets_no_green_before_the_shift(pack: Run, scenario: str):
    events = pack.events(scenario)
    shifted = next(
        one.started for one in journal.of(events, journal.LifecycleSeen) if one.name == "AllowTraffic" and one.started
    )
    early = [one for one in journal.of(events, journal.RequestDone) if one.version == "v2" and one.at < shifted]
    assert early == []


@pytest.mark.parametrize("scenario", ["5xx-after-cutover", "stop-by-hand"])
def test_rollback_is_a_deployment_of_its_own_and_its_seconds_are_measured(pack: Run, scenario: str):
    events = pack.events(scenario)
    last = {one.id: one for one in journal.of(events, journal.DeploymentSeen)}
    rolled_back = next(one for one in last.values() if one.rollback_id)
    rollback = last[rolled_back.rollback_id]
    assert (rollback.creator, rollback.config, rollback.status) == (
        "codeDeployRollback",
        "CodeDeployDefault.ECSAllAtOnce",
        "Succeeded",
    )
    assert rollback.rollback_of == rolled_back.id
    assert rolled_back.status == "Stopped"
    assert pack.result(scenario)["outcome"] == "rolled_back"


def test_draining_answers_every_request_that_was_in_flight(pack: Run):
    requests = journal.of(pack.events("draining"), journal.RequestDone)
    assert any(one.at - one.sent >= 2.9 for one in requests)
    assert {one.status for one in requests} == {200}


def test_journal_names_images_by_digest_where_the_api_is_and_no_secret(pack: Run):
    events = pack.events("happy-canary")
    (made,) = journal.of(events, journal.Provisioned)
    assert set(made.images) == {"v1", "v2"}
    assert all("@sha256:" in image for image in made.images.values())
    assert str(made.endpoint).startswith("http://127.0.0.1:")
    assert set(made.listeners) == {"production", "test"}
    text = (pack.out / "happy-canary" / "journal.jsonl").read_text(encoding="utf-8").lower()
    assert "secret" not in text
    assert "access_key" not in text


def test_journal_follows_every_task_and_target_by_name(pack: Run):
    events = pack.events("happy-canary")
    tasks = {one.task: one for one in journal.of(events, journal.TaskSeen)}
    assert {(one.side, one.version) for one in tasks.values()} == {("blue", "v1"), ("green", "v2")}
    healthy = {
        target.rpartition(":")[0]
        for one in journal.of(events, journal.TargetHealthSeen)
        for target, state in one.targets.items()
        if state == "healthy"
    }
    assert {one.address for one in tasks.values()} == healthy


def test_compressed_waits_are_journalled_while_they_last(pack: Run):
    """So that who looks on sees both clocks."""
    events = pack.events("happy-canary")
    wait = next(index for index, one in enumerate(events) if isinstance(one, journal.Waited))
    end = next(i for i, one in enumerate(events) if isinstance(one, journal.DeploymentSeen) and one.completed)
    assert wait < end
    waits = [(one.why, one.at) for one in journal.of(events, journal.Waited)]
    assert len(waits) == len(set(waits)) == 2


def test_report_judges_again_without_any_target(pack: Run):
    directory = pack.out / "happy-canary"
    before = json.loads((directory / "result.json").read_text(encoding="utf-8"))
    (directory / "result.json").unlink()
    done = subprocess.run(
        [sys.executable, "-m", "harness.cli", "report", str(directory)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((directory / "result.json").read_text(encoding="utf-8")) == before


@pytest.mark.slow
def test_control_scenario_with_a_wrong_expectation_is_unmet_and_exits_1(tmp_path: Path):
    (control,) = (ROOT / "scenarios").glob("90-*.yaml")
    run = rehearse(tmp_path, "--runtime", "process", str(control))
    assert run.code == 1, run.printed
    (result,) = run.out.glob("*/result.json")
    judged = json.loads(result.read_text(encoding="utf-8"))
    assert judged["verdict"] == "unmet"
    assert [one for one in judged["expectations"] if one["verdict"] == "unmet"]
    assert left_running(tmp_path) == []
