"""Locust's master and workers as tasks of ECS, on an emulator whose tasks are processes: the same scenario, judged as ever."""

import os
import re
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness import journal
from harness.aws.ground import LOCUST
from harness.driver import until
from harness.emulator.runtime.process import MARKER
from harness.journal import Event, RequestDone, Trouble
from harness.load.plan import TASK_PLAN
from tests.aws.conftest import ACCOUNT, ROOT, Account

SCENARIO = ROOT / "scenarios/56-locust-workers.yaml"
RUN = ("run", "--target", "aws", "--yes", "--account", ACCOUNT, "--no-rehearsal")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module", autouse=True)
def stack(account: Account) -> Iterator[str]:
    """Its id. Afterwards nothing is left of it, though runs were killed."""
    up = account.aws("up", "--load-workers", "2")
    assert up.code == 0, up.said
    assert "Locust's master and workers" in up.err
    yield up.out.split()[-1]
    down = account.aws("down")
    assert (down.code, "no survivors" in down.out) == (0, True), down.said
    assert account.session.call("logs", "describe_log_groups", logGroupNamePrefix="/rehearsal/")["logGroups"] == []


def test_plan_has_the_load_workers_that_are_up(account: Account):
    """Of one scenario: the master and two; and their stack is among those that it lists."""
    plan = account.rehearse("aws", "plan", str(SCENARIO))
    assert plan.code == 0, plan.said
    assert re.search(r"Locust's master and workers +3 x ", plan.out), plan.out
    assert re.search(rf"^{LOCUST.name}: .*AWS::ECS::TaskDefinition", plan.out, re.MULTILINE), plan.out


def load_tasks(account: Account, status: str = "RUNNING") -> list[dict[str, Any]]:
    """The master first."""
    (cluster,) = account.session.call("ecs", "list_clusters")["clusterArns"]
    asked = {"cluster": cluster, "startedBy": "rehearse", "desiredStatus": status}
    if not (arns := account.session.call("ecs", "list_tasks", **asked)["taskArns"]):
        return []
    seen = account.session.call("ecs", "describe_tasks", cluster=cluster, tasks=arns, include=["TAGS"])["tasks"]
    return sorted(seen, key=lambda one: one["createdAt"])


def answers(events: list[Event]) -> list[RequestDone]:
    return list(journal.of(events, RequestDone))


@pytest.fixture(name="quick")
def quick_scenario(tmp_path: Path) -> Path:
    """The same traffic, all of which is shifted at once."""
    text = SCENARIO.read_text(encoding="utf-8")
    for slow, fast in (
        ("ECSCanary10Percent5Minutes", "ECSAllAtOnce"),
        ("terminate_blue_after: 5m", "terminate_blue_after: 0m"),
    ):
        assert slow in text
        text = text.replace(slow, fast)
    path = tmp_path / "quick.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def events_of(out: Path) -> list[Event]:
    path = out / "locust-workers/journal.jsonl"
    return journal.read(path) if path.is_file() else []


def test_scenario_is_met_by_the_requests_of_workers_that_are_tasks(account: Account, stack: str, tmp_path: Path):
    with account.start(*RUN, "--out", str(tmp_path), str(SCENARIO)) as process:
        running = until(lambda: load_tasks(account), 90, "three tasks", done=lambda some: len(some) == 3, every=0.2)
        told = "".join(process.communicate(timeout=200))
    assert process.returncode == 0, told
    for one in running:
        tags = {tag["key"]: tag["value"] for tag in one["tags"]}
        assert (one["launchType"], tags["rehearsal:deployment"], "rehearsal:run" in tags) == ("FARGATE", stack, True)
    events = events_of(tmp_path)
    by_worker = Counter(one.seq % 2 for one in answers(events))
    assert min(by_worker[0], by_worker[1]) > 200, by_worker
    (ended,) = journal.of(events, journal.ProbeEnded)
    assert ended.done == len(answers(events))
    assert not [one.message for one in journal.of(events, Trouble)]
    assert load_tasks(account) == []


def test_loss_of_a_workers_task_makes_the_users_inconclusive(account: Account, quick: Path, tmp_path: Path):
    with account.start(*RUN, "--out", str(tmp_path), str(quick)) as process:
        until(lambda: len(answers(events_of(tmp_path))), 90, "answers", done=lambda count: count > 20, every=0.2)
        *_, worker = load_tasks(account)
        account.session.call("ecs", "stop_task", cluster=worker["clusterArn"], task=worker["taskArn"])
        told = "".join(process.communicate(timeout=200))
    assert process.returncode == 4, told
    (trouble,) = journal.of(events_of(tmp_path), Trouble)
    assert (trouble.step, "not heard of for 5 s" in trouble.message) == ("traffic", True)


def test_loss_of_the_masters_task_is_told(account: Account, quick: Path, tmp_path: Path):
    with account.start(*RUN, "--out", str(tmp_path), str(quick)) as process:
        until(lambda: len(answers(events_of(tmp_path))), 90, "answers", done=lambda count: count > 20, every=0.2)
        os.kill(master_process(account), signal.SIGKILL)
        told = "".join(process.communicate(timeout=250))
    assert process.returncode == 3, told
    assert "Locust's master: its task ended" in told
    assert load_tasks(account) == []


def master_process(account: Account) -> int:
    """Of this emulator alone."""
    (found,) = (
        one.pid
        for one in psutil.process_iter()
        if {TASK_PLAN, MARKER} <= environment(one).keys()
        and environment(one)[MARKER] == str(account.folder / "emulator")
    )
    return found


def environment(process: psutil.Process) -> dict[str, str]:
    try:
        return dict(process.environ())
    except (psutil.AccessDenied, psutil.NoSuchProcess):
        return {}


def test_more_workers_than_the_stack_has_are_refused_by_name(account: Account, tmp_path: Path):
    three = tmp_path / "three.yaml"
    three.write_text(SCENARIO.read_text(encoding="utf-8").replace("workers: 2", "workers: 3"), encoding="utf-8")
    done = account.rehearse(*RUN, "--out", str(tmp_path / "out"), str(three))
    assert done.code == 2, done.said
    assert "locust-workers: traffic.workers is 3, and stack" in done.err
    assert "has 2 load workers: rehearse aws up --load-workers 3" in done.err


def test_tasks_of_a_run_that_was_killed_are_found_and_stopped(account: Account, quick: Path, tmp_path: Path):
    """The last test of this file: what it leaves is removed with the stack."""
    with account.start(*RUN, "--out", str(tmp_path), str(quick)) as process:
        until(lambda: len(answers(events_of(tmp_path))), 90, "answers", done=lambda count: count > 20, every=0.2)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert len(load_tasks(account)) == 3
