"""What a run knows of tasks that make its traffic: whose clock is off, which worker asks where, what their image needs."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from harness import scenario
from harness.aws import load_image, plan, prices
from harness.aws.settings import AwsSettings
from harness.journal import ProbeEnded, RequestDone, Trouble
from harness.load.plan import TASK_MASTER, TASK_PLAN, TASK_SECONDS, Plan
from harness.probe.asks import Ask
from harness.probe.client import Options
from harness.probe.feed import line_of
from harness.runner.ecs_feed import Offset
from tests.unit.test_load import ROOT, free_port
from tests.unit.test_load import plan as plan_of
from tests.unit.test_probe import Site, site

__all__ = ["site"]
WHOLE = Plan(Options("203.0.113.9", 80, "shop.example", (Ask("/"),), 60.0, 5.0), 3)


@pytest.mark.parametrize("ahead", [0.0, 0.4, -0.4])
def test_offset_of_a_good_clock_is_never_told(ahead: float):
    offset = Offset()
    for real in (100.0, 100.3, 100.7, 101.1, 101.9):
        offset.narrow(real + ahead - 0.02, real + ahead + 0.02, float(int(real)))
    assert offset.too_much is None


@pytest.mark.parametrize("ahead", [0.9, -0.9, 30.0, -30.0])
def test_offset_of_a_bad_clock_is_told_though_a_date_is_a_whole_second(ahead: float):
    offset = Offset()
    for real in (100.05, 100.3, 100.7, 100.95, 101.5):
        offset.narrow(real + ahead - 0.02, real + ahead + 0.02, float(int(real)))
    assert offset.too_much == pytest.approx(ahead, abs=0.15)


def test_workers_divide_the_addresses_of_a_load_balancer_among_them():
    told = replace(WHOLE, listeners=(("10.0.0.254", 80), ("10.0.1.254", 80)))
    again = Plan.of(json.loads(json.dumps(told.told())))
    assert again == told
    assert [again.share(index).host for index in range(3)] == ["10.0.0.254", "10.0.1.254", "10.0.0.254"]
    assert WHOLE.share(1).host == "203.0.113.9"


def test_image_has_all_that_master_and_worker_import():
    """Beside what its requirements bring: the harness's other libraries are not in it."""
    others = ("pydantic", "boto3", "botocore", "aiohttp", "moto", "yaml", "docker", "rich")
    check = f"import harness.load.task, sys; print([one for one in {others!r} if one in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=True, encoding="utf-8"
    )
    assert done.stdout.strip() == "[]"
    assert [line.partition("==")[0] for line in load_image.requirements().split()] == list(load_image.NEEDED)


def test_task_without_a_role_says_what_is_missing():
    done = subprocess.run(
        [sys.executable, "-m", "harness.load.task"], cwd=ROOT, capture_output=True, text=True, encoding="utf-8"
    )
    assert (done.returncode, "neither is in the environment" in done.stderr) == (1, True)


def running(*names: str, workers: int) -> float:
    scenarios = [scenario.load(ROOT / "scenarios" / f"{name}.yaml") for name in names]
    table = prices.prices_of("ap-northeast-2")
    made = plan.plan_of(
        *(AwsSettings(), "lean", table, "ap-northeast-2", scenarios),
        architecture="amd64",
        lasting=False,
        instance=None,
        load_workers=workers,
    )
    return sum(line.hourly for line in made.lines if line.what.startswith("Locust") and line.when == "running")


def test_plan_counts_the_master_and_every_worker_while_a_scenario_has_them():
    each = 0.04656 + 2 * 0.00511 + 0.005
    assert running("56-locust-workers", workers=4) == pytest.approx(5 * each)
    assert running(workers=4) == pytest.approx(5 * each), "before any scenario is named"
    assert running("01-happy-all-at-once", workers=4) == 0
    assert running("56-locust-workers", workers=0) == 0


def task(**environment: str) -> "subprocess.Popen[str]":
    """As RunTask starts it: nothing on standard input."""
    return subprocess.Popen(
        [sys.executable, "-m", "harness.load.task"],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


def test_tasks_that_nobody_stops_end_by_themselves(site: Site):
    port = str(free_port())
    told = {TASK_PLAN: json.dumps(plan_of(site.port, workers=1).told()), "HOST": "127.0.0.1", "PORT": port}
    with task(**told, **{TASK_SECONDS: "3"}) as master, task(**{TASK_MASTER: f"127.0.0.1:{port}"}) as worker:
        try:
            out, _ = master.communicate(timeout=120)
            assert (master.returncode, worker.wait(60)) == (0, 0), "the worker ends with its master"
        finally:
            for one in (master, worker):
                one.kill()
    lines = [line for text in out.splitlines() if (line := line_of(text)) is not None]
    (trouble,) = (one for one in lines if isinstance(one, Trouble))
    assert trouble.message == "nobody stopped Locust's master for 3 s: it ends by itself"
    assert isinstance(lines[-1], ProbeEnded)
    assert sum(isinstance(one, RequestDone) for one in lines) == lines[-1].done > 10
