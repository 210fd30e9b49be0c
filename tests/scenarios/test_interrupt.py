"""A run that is stopped in the middle: asked to, it cleans up; killed, `rehearse sweep` does."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness import clock, journal
from tests.scenarios.test_core import ROOT, left_running

pytestmark = [pytest.mark.timeout(120)]
SCENARIO = ROOT / "scenarios/02-happy-canary.yaml"


@contextmanager
def in_the_middle(home: Path) -> Iterator["subprocess.Popen[str]"]:
    """A run whose users are on the site and whose deployment has begun."""
    command = [
        sys.executable,
        "-m",
        "harness.cli",
        "run",
        "--runtime",
        "process",
        "--out",
        str(home / "out"),
        str(SCENARIO),
    ]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "REHEARSAL_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        encoding="utf-8",
    )
    try:
        deadline = clock.monotonic() + 60
        while not journal.of(seen(home), journal.LifecycleSeen):
            assert process.poll() is None, process.stdout and process.stdout.read()
            assert clock.monotonic() < deadline
            clock.pause(0.1)
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
        sweep(home)


def seen(home: Path) -> list[journal.Event]:
    path = home / "out/happy-canary/journal.jsonl"
    return journal.read(path) if path.is_file() else []


def sweep(home: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "harness.cli", "sweep"],
        cwd=ROOT,
        env={**os.environ, "REHEARSAL_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=60,
        encoding="utf-8",
    )


@pytest.mark.parametrize(
    "number",
    [pytest.param(signal.SIGINT, id="ctrl-c"), pytest.param(signal.SIGTERM, id="sigterm", marks=pytest.mark.slow)],
)
def test_interrupted_run_cleans_up_and_exits_130(number: signal.Signals, tmp_path: Path):
    with in_the_middle(tmp_path) as process:
        process.send_signal(number)
        printed, _ = process.communicate(timeout=60)
        assert process.returncode == 130, printed
        events = seen(tmp_path)
        assert isinstance(events[-1], journal.RunEnded)
        assert (events[-1].complete, events[-1].reason) == (False, "interrupted")
        assert journal.of(events, journal.TornDown)[-1].left == ()
        assert left_running(tmp_path) == []


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="another process's limits are set through Linux's prlimit")
def test_run_whose_disk_is_full_cleans_up_and_says_so(tmp_path: Path):
    with in_the_middle(tmp_path) as process:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1, 1))
        printed, _ = process.communicate(timeout=60)
        assert process.returncode == 3, printed
        assert "result.json cannot be written" in printed.splitlines()[-1]
        assert "Traceback" not in printed
        assert left_running(tmp_path) == []


@pytest.mark.slow
def test_killed_run_leaves_a_journal_that_is_complete_up_to_its_last_line(tmp_path: Path):
    with in_the_middle(tmp_path) as process:
        process.kill()
        process.wait()
        events = seen(tmp_path)
        assert isinstance(events[0], journal.RunStarted)
        assert not journal.of(events, journal.RunEnded)
        done = subprocess.run(
            [sys.executable, "-m", "harness.cli", "report", str(tmp_path / "out")],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            encoding="utf-8",
        )
        assert done.returncode == 0, done.stderr
        assert '"verdict": "inconclusive"' in (tmp_path / "out/happy-canary/result.json").read_text(encoding="utf-8")


@pytest.mark.slow
def test_sweep_removes_what_a_killed_run_left_and_then_finds_nothing(tmp_path: Path):
    with in_the_middle(tmp_path) as process:
        process.kill()
        process.wait()
        assert left_running(tmp_path) != []
        first, second = sweep(tmp_path), sweep(tmp_path)
        assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
        assert "nothing was left" not in first.stdout
        assert second.stdout == "nothing was left\n"
        assert left_running(tmp_path) == []
