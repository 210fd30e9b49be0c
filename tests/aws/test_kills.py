"""kill -9 at ten points of up, run and down, after each of which everything is found by its tags and removed: no survivors.

One emulator for all ten; what it has left afterwards is asked of its services directly, not of our own code.
"""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness import clock, journal
from harness.driver import Session
from harness.journal import Event
from tests.aws.conftest import ACCOUNT, ROOT, Account

SCENARIO = ROOT / "scenarios/06-failing-test-traffic-hook.yaml"  # with a hook function, behind alarms and listeners
CANARY = ROOT / "scenarios/05-5xx-after-cutover.yaml"  # with an alarm and a rollback
CONFIRMED = ("--yes", "--account", ACCOUNT)
pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def made(concern: str, *statuses: str) -> Callable[[Account, Path], bool]:
    return lambda account, out: account.stacks().get(concern, "") in statuses


def asked(service: str, operation: str, member: str) -> Callable[[Account, Path], bool]:
    """Whether the service has any of these."""

    def come(account: Account, out: Path) -> bool:
        return bool(account.session.call(service, operation)[member])

    return come


def journalled(come: Callable[[list[Event]], bool]) -> Callable[[Account, Path], bool]:
    def look(account: Account, out: Path) -> bool:
        return any(come(journal.read(path)) for path in out.glob("*/journal.jsonl"))

    return look


def shifting(events: list[Event]) -> bool:
    return any(one.name == "AllowTraffic" and one.started for one in journal.of(events, journal.LifecycleSeen))


def entered(phase: str) -> Callable[[list[Event]], bool]:
    return lambda events: any(one.phase == phase for one in journal.of(events, journal.PhaseEntered))


IN_PROGRESS, DONE = ("CREATE_IN_PROGRESS", "REVIEW_IN_PROGRESS"), ("CREATE_COMPLETE",)
UP = ("aws", "up", *CONFIRMED)
RUN = ("aws", "run", *CONFIRMED, "--no-rehearsal")
DOWN = ("aws", "down")
POINTS: dict[str, tuple[tuple[str, ...], tuple[Path, ...], Callable[[Account, Path], bool]]] = {
    "up: the self-destruct is being made": (UP, (), made("self-destruct", *IN_PROGRESS)),
    "up: nothing but the self-destruct is there": (UP, (), made("self-destruct", *DONE)),
    "up: the network is being made": (UP, (), made("network", *IN_PROGRESS)),
    "up: the last stack is there": (UP, (), made("cluster", *IN_PROGRESS, *DONE)),
    "run: a load balancer is there": (RUN, (SCENARIO,), asked("elbv2", "describe_load_balancers", "LoadBalancers")),
    "run: the hook function is there": (RUN, (SCENARIO,), asked("codedeploy", "list_applications", "applications")),
    "run: users are being shifted": (RUN, (CANARY,), journalled(shifting)),
    "run: it is being torn down": (RUN, (SCENARIO,), journalled(entered("teardown"))),
    "down: the network is going": (DOWN, (), made("network", "DELETE_IN_PROGRESS")),
    "down: the self-destruct is the last": (DOWN, (), lambda account, out: set(account.stacks()) == {"self-destruct"}),
}


@pytest.fixture(autouse=True)
def clean(account: Account) -> Iterator[None]:
    """A point that fails does not spoil the next one."""
    yield
    if account.found():
        account.aws("down")


@pytest.mark.parametrize("point", POINTS)
def test_killed_command_leaves_only_what_is_found_by_its_tags_and_removed(account: Account, point: str, tmp_path: Path):
    arguments, files, come = POINTS[point]
    if arguments != UP:
        up = account.aws("up")
        assert up.code == 0, up.said
    out = tmp_path / "out"
    more = ("--out", str(out), *map(str, files)) if files else ()
    with account.start(*arguments, *more) as process:
        deadline = clock.monotonic() + 90
        while not come(account, out):
            assert process.poll() is None, process.communicate()
            assert clock.monotonic() < deadline, f"{point} never came"
            clock.pause(0.005)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    (left,) = account.found()
    if "self-destruct" in left.stacks and len(left.stacks) > 1:
        assert left.stacks["self-destruct"].status == "CREATE_COMPLETE", "it is there before anything else"
    down = account.aws("down")
    assert (down.code, "no survivors" in down.out) == (0, True), down.said
    assert list(remaining(account.session)) == []


def remaining(session: Session) -> Iterator[str]:
    """Of everything that up and run make, as the services tell; what a deregistered task definition is still called does not count."""
    looks = (
        *(("elbv2", "describe_load_balancers", "LoadBalancers"), ("elbv2", "describe_target_groups", "TargetGroups")),
        *(("codedeploy", "list_applications", "applications"), ("lambda", "list_functions", "Functions")),
        *(("ecs", "list_clusters", "clusterArns"), ("ecs", "list_task_definitions", "taskDefinitionArns")),
        *(("cloudwatch", "describe_alarms", "MetricAlarms"), ("ecr", "describe_repositories", "repositories")),
        *(("scheduler", "list_schedules", "Schedules"), ("cloudformation", "describe_stacks", "Stacks")),
        *(("iam", "list_roles", "Roles"), ("logs", "describe_log_groups", "logGroups")),
    )
    for service, operation, member in looks:
        for one in session.call(service, operation)[member]:
            yield f"{service}: {one if isinstance(one, str) else next(iter(one.items()))}"
    configs = session.call("codedeploy", "list_deployment_configs")["deploymentConfigsList"]
    yield from (one for one in configs if not one.startswith("CodeDeployDefault."))
    ours = [{"Name": "tag-key", "Values": ["rehearsal:deployment"]}]
    for operation, member in (("describe_vpcs", "Vpcs"), ("describe_security_groups", "SecurityGroups")):
        yield from (f"ec2: {one}" for one in session.call("ec2", operation, Filters=ours)[member])
