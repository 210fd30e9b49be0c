"""`rehearse dashboard` as a process: it says where it is, starts a run, acts on it, and takes it along when it ends."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import clock, journal
from tests.scenarios.test_core import ROOT, left_running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def dashboard(home: Path) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """(process, address, token)"""
    command = [sys.executable, "-m", "harness.cli", "dashboard", "--port", "0", "--runtime", "process"]
    environment = {**os.environ, "REHEARSAL_HOME": str(home)}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, encoding="utf-8")
    assert process.stdout is not None
    address, _, token = process.stdout.readline().split()[-1].partition("/#")
    yield process, address, token
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        process.wait(120)
    process.stdout.close()


def post(address: str, token: str, path: str, body: dict[str, str]) -> Any:
    request = urllib.request.Request(
        address + path,
        json.dumps(body).encode(),
        {"Content-Type": "application/json", "X-Rehearse-Token": token},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def until(look: Callable[[], Any], within: float) -> Any:
    end = clock.monotonic() + within
    while not (seen := look()):
        assert clock.monotonic() < end, "it never came"
        clock.pause(0.2)
    return seen


def shifting(path: Path) -> bool:
    events = journal.read(path) if path.is_file() else []
    return any(one.name == "AllowTraffic" and one.started for one in journal.of(events, journal.LifecycleSeen))


def test_dashboard_that_ends_asks_its_run_to_clean_up(dashboard: Any, home: Path):
    process, address, token = dashboard
    run = post(address, token, "/api/start", {"scenario": "happy-canary"})["run"]
    path = home / "runs" / run / "journal.jsonl"
    until(lambda: shifting(path), 120)
    process.send_signal(signal.SIGINT)
    assert process.wait(120) == 0
    ended = journal.of(journal.read(path), journal.RunEnded)
    assert [(one.complete, one.reason) for one in ended] == [(False, "interrupted")]
    assert left_running(home) == []


def test_roll_back_from_the_dashboard_is_a_rollback_like_any_other(dashboard: Any, home: Path):
    _, address, token = dashboard
    run = post(address, token, "/api/start", {"scenario": "happy-canary"})["run"]
    path = home / "runs" / run / "journal.jsonl"
    until(lambda: shifting(path), 120)
    with urllib.request.urlopen(f"{address}/api/follow?run={run}", timeout=30) as watching:  # who acts looks on
        until(lambda: watching.readline().startswith(b"event: picture"), 20)
        assert post(address, token, "/api/act", {"run": run, "action": "rollback"})["deployment"].startswith("d-")
    until(lambda: b'"RunEnded"' in path.read_bytes(), 120)
    result = until(lambda: path.with_name("result.json").is_file(), 20) and json.loads(
        path.with_name("result.json").read_text(encoding="utf-8")
    )
    assert result["outcome"] == "rolled_back"
    assert result["timing"]["rollback"] < 10
    (stop,) = [one for one in journal.of(journal.read(path), journal.ActionTaken) if one.action == "stop"]
    assert stop.detail == "from the dashboard, rollback: true"
