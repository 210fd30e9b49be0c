"""Traffic by Locust: real masters and workers against real sockets."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness import cli, owner
from harness.driver import until
from harness.errors import StepFailed
from harness.expectations import judge
from harness.journal import ProbeEnded, Trouble
from harness.load import feed as load
from harness.load.feed import LocustFeed
from harness.load.plan import Plan
from harness.probe.asks import Ask
from harness.probe.client import Options
from harness.probe.feed import Line
from tests.unit import story
from tests.unit.test_probe import Site, answers, site, wait_for

__all__ = ["site"]
ROOT = Path(__file__).parent.parent.parent


def plan(port: int, *asks: Ask, workers: int = 2, rate: float = 50, **more: Any) -> Plan:
    return Plan(Options("127.0.0.1", port, "shop.example", asks or (Ask("/"),), rate, 5.0, **more), workers)


@contextmanager
def loading(asked: Plan, home: Path, **more: Any) -> Iterator[tuple[LocustFeed, list[Line]]]:
    lines: list[Line] = []
    feed = LocustFeed(asked, on_line=lines.append, home=home, **more)
    try:
        yield feed, lines
    finally:
        if feed.running:
            feed.stop()


def marked(home: Path) -> list[psutil.Process]:
    """Masters and workers of a state directory that still run."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(load.MARKER, "").startswith(f"{home.resolve()} "):
                found += [process] if owner.runs(process) else []
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def workers(home: Path) -> list[psutil.Process]:
    return [one for one in marked(home) if "harness.load.worker" in one.cmdline()]


def test_workers_share_one_schedule_and_say_what_a_probe_says(site: Site, tmp_path: Path):
    tea = Ask("/cart", "POST", '{"item": "tea"}', weight=1)
    with loading(plan(site.port, Ask("/", weight=3), tea), tmp_path) as (feed, lines):
        wait_for(lines, 120)
        assert len(workers(tmp_path)) == 2
        feed.stop()
    seen = sorted(answers(lines), key=lambda one: one.seq)
    assert {(one.status, one.version, one.error) for one in seen} == {(200, "v1", None)}
    assert sum(b.seq != a.seq + 1 for a, b in pairwise(seen)) <= 2  # the last of one worker
    for worker in (0, 1):  # each keeps half of the rate
        own = [one.due for one in seen if one.seq % 2 == worker]
        assert (own[-1] - own[0]) / (len(own) - 1) == pytest.approx(2 / 50, rel=0.01)
    assert site.hosts == {"shop.example"}
    posts = [body for method, path, body, _ in site.asked if (method, path) == ("POST", "/cart")]
    assert set(posts) == {b'{"item": "tea"}'}
    assert len(posts) == pytest.approx(len(seen) / 4, abs=3)
    end = lines[-1]
    assert isinstance(end, ProbeEnded)
    assert end.planned == end.done == len(seen)
    assert marked(tmp_path) == []


def test_users_keep_their_cookies_whichever_worker_they_are_with(site: Site, tmp_path: Path):
    site.headers = {"X-App-Version": "v1", "Set-Cookie": "cart=tea; Path=/"}
    with loading(plan(site.port, Ask("/"), Ask("/pay"), sessions=5), tmp_path) as (_, lines):
        wait_for(lines, 40)
    without = [path for _, path, _, cookie in site.asked if cookie is None]
    assert without == ["/"] * 5
    assert {cookie for _, _, _, cookie in site.asked if cookie} == {"cart=tea"}


def test_lost_worker_is_named_and_nothing_is_concluded(site: Site, tmp_path: Path):
    with loading(plan(site.port), tmp_path) as (feed, lines):
        wait_for(lines, 30)
        workers(tmp_path)[0].kill()
        until(lambda: [one for one in lines if isinstance(one, Trouble)], 10, "the loss", every=0.05)
        wait_for(lines, len(answers(lines)) + 20)
        feed.stop()
    told = [one for one in lines if isinstance(one, Trouble)]
    assert len(told) == 1
    assert told[0].message.endswith(" of 2 was lost: exit code -9")
    end = lines[-1]
    assert isinstance(end, ProbeEnded)
    assert end.planned >= end.done + 8
    of = story.scenario({"outcome": "succeeded", "users": {"max_failed": 0}, "versions_seen": ["v1", "v2"]})
    results = {one.name: one for one in judge(story.happy(of, told[0])).results}
    assert results["outcome"].verdict == "met"
    assert {results[name].verdict for name in ("versions_seen", "users.max_failed")} == {"inconclusive"}
    assert results["users.max_failed"].detail == told[0].message


RUN = """
import sys, time
from pathlib import Path
from tests.unit.test_load import LocustFeed, plan
feed = LocustFeed(plan(int(sys.argv[1])), on_line=lambda line: print("line", flush=True), home=Path(sys.argv[2]))
time.sleep(600)
"""


@pytest.fixture
def run(site: Site, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A run of its own that has traffic."""
    command = [sys.executable, "-c", RUN, str(site.port), str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, encoding="utf-8") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "line\n"
        yield process
        process.kill()


def test_nothing_is_left_of_a_run_that_was_killed(run: subprocess.Popen[str], tmp_path: Path):
    assert len(marked(tmp_path)) == 3
    assert load.sweep(tmp_path) == []  # they are a living run's
    run.kill()
    until(lambda: marked(tmp_path), 15, "the traffic to end", done=lambda left: not left, every=0.1)


def test_workers_end_with_a_master_that_was_killed_and_sweep_finds_the_ones_that_cannot(
    run: subprocess.Popen[str], tmp_path: Path
):
    hung, other = workers(tmp_path)
    hung.suspend()
    next(one for one in marked(tmp_path) if one not in (hung, other)).kill()
    until(lambda: marked(tmp_path), 15, "the other worker to end", done=lambda left: left == [hung], every=0.1)
    run.kill()
    run.wait()
    assert [line.split()[1] for line in load.sweep(tmp_path)] == [f"{hung.pid}:"]
    until(lambda: marked(tmp_path), 5, "it to be gone", done=lambda left: not left, every=0.1)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_workers_come_from_elsewhere(site: Site, tmp_path: Path):
    address = f"127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "harness.load.worker", "--master", address]
    started = [subprocess.Popen(command, cwd=ROOT, start_new_session=True) for _ in range(2)]
    try:
        with loading(plan(site.port), tmp_path, listen=address) as (feed, lines):
            wait_for(lines, 20)
            assert len(marked(tmp_path)) == 1
            os.killpg(started[1].pid, signal.SIGSTOP)
            until(lambda: [one for one in lines if isinstance(one, Trouble)], 15, "the loss", every=0.05)
            os.killpg(started[1].pid, signal.SIGKILL)
            feed.stop()
        assert [one.message.partition(" was ")[2] for one in lines if isinstance(one, Trouble)] == [
            "lost: not heard of for 5 s"
        ]
        started[0].wait(15)  # the master told it to
    finally:
        for one in started:
            one.kill()
            one.wait()


def test_master_that_cannot_listen_says_so(site: Site, tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        lines: list[Line] = []
        feed = LocustFeed(
            plan(site.port), on_line=lines.append, home=tmp_path, listen=f"127.0.0.1:{taken.getsockname()[1]}"
        )
        with pytest.raises(
            StepFailed, match="Locust: broke off with exit code 1: Locust's master cannot listen at 127"
        ):
            feed.stop()


def test_run_without_locust_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setitem(sys.modules, "locust", None)
    monkeypatch.setenv("REHEARSAL_HOME", str(tmp_path))
    assert cli.main(["run", str(ROOT / "scenarios/56-locust-workers.yaml")]) == 2
    assert "make setup EXTRA=load, elsewhere pip install 'rehearse[load]'" in capsys.readouterr().err


def test_address_for_workers_from_elsewhere_is_for_a_scenario_with_locust(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("REHEARSAL_HOME", str(tmp_path))
    scenario = str(ROOT / "scenarios/01-happy-all-at-once.yaml")
    assert cli.main(["run", scenario, "--locust-listens", "127.0.0.1:5557"]) == 2
    assert "--locust-listens is for one scenario with traffic.engine: locust" in capsys.readouterr().err
