"""Up, up again, status, down; a plan that makes nothing; Ctrl-C: all of it by the command, against an emulator."""

import json
import os
import signal
from dataclasses import replace

import pytest

from harness import clock, journal
from tests.aws.conftest import ACCOUNT, ROOT, Account

HAPPY = ROOT / "scenarios/01-happy-all-at-once.yaml"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def status(account: Account) -> list[dict[str, object]]:
    done = account.rehearse("aws", "status", "--json")
    assert done.code == 0, done.said
    return list(json.loads(done.out))


def test_plan_shows_the_stacks_and_the_cost_and_makes_nothing(account: Account):
    done = account.rehearse("aws", "plan", "--service", str(HAPPY))
    assert done.code == 0, done.said
    for line in ("self-destruct: ", "network: ", "service: ", "while they deploy, both fleets"):
        assert line in done.out
    assert account.stacks() == {}


def test_up_shows_its_changes_makes_the_self_destruct_first_and_down_leaves_nothing(account: Account):
    up = account.aws("up")
    assert up.code == 0, up.said
    identity = up.out.split()[-1]
    lines = [line.split(": ")[0] for line in up.err.splitlines() if ": Add " in line]
    assert next(iter(dict.fromkeys(lines))) == "self-destruct"
    assert "USD" in up.err.split("self-destruct: Add")[0], "the plan comes first"
    (one,) = status(account)
    assert (one["deployment"], one["owner"], one["profile"], one["ready"]) == (identity, "tester", "lean", True)

    again = account.aws("up", "--ttl", "5h")
    assert again.code == 0, again.said
    assert again.out.split()[-1] == identity
    assert "network: Modify" in again.err, "the time of the end is in every tag"
    assert "(replaced)" not in again.err
    (later,) = status(account)
    assert float(str(later["expires"])) > float(str(one["expires"])) + 2 * 3600

    deploy = account.aws("deploy", "--no-rehearsal", str(HAPPY))
    assert (deploy.code, "is up already" in deploy.err) == (2, True), (
        "it would remove what somebody keeps: " + deploy.said
    )
    other = account.aws("up", "--profile", "seed")
    assert (other.code, "rehearse aws down before another" in other.err) == (2, True), other.said

    down = replace(account, more={"REHEARSAL_HOME": "/nowhere/at/all"}).aws("down")  # as on another machine
    assert (down.code, "no survivors" in down.out) == (0, True), down.said
    assert account.stacks() == {}
    assert account.found() == []


def test_down_leaves_alone_what_others_have_up(account: Account):
    mine, theirs = "tester", "colleague"
    settings = account.folder / "rehearsal.toml"
    said = settings.read_text(encoding="utf-8")
    try:
        settings.write_text(said.replace(mine, theirs), encoding="utf-8")
        assert account.aws("up").code == 0
    finally:
        settings.write_text(said, encoding="utf-8")
    (one,) = status(account)
    down = account.aws("down")
    assert down.code == 0, down.said
    assert f"not touched: {one['deployment']} of colleague" in down.err
    assert len(status(account)) == 1
    assert account.aws("down", "--deployment", str(one["deployment"])).code == 0
    assert status(account) == []


@pytest.mark.parametrize("at", ["self-destruct", "network"])
def test_ctrl_c_during_up_leaves_nothing(account: Account, at: str):
    with account.start("aws", "up", "--yes", "--account", account.account) as process:
        deadline = clock.monotonic() + 60
        while at not in account.stacks():
            assert process.poll() is None
            assert clock.monotonic() < deadline
            clock.pause(0.02)
        os.kill(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=90)
    assert process.returncode == 130, out + err
    assert "removing what was made" in err
    assert account.stacks() == {}
    assert account.found() == []


def test_a_stack_that_cannot_be_made_leaves_nothing_and_says_why(account: Account):
    """A VPC of four addresses has no room for subnets: CloudFormation says so, and all goes."""
    settings = account.folder / "rehearsal.toml"
    said = settings.read_text(encoding="utf-8")
    try:
        settings.write_text(said + 'vpc_cidr = "10.0.0.0/30"\n', encoding="utf-8")
        done = account.aws("up")
    finally:
        settings.write_text(said, encoding="utf-8")
    assert done.code == 3, done.said
    assert "VpcCidr" in done.err or "vpc" in done.err.lower(), done.said
    assert account.stacks() == {}


def test_deploy_that_is_interrupted_in_the_middle_leaves_nothing(account: Account):
    out = account.home / "runs/interrupted"
    options = ("--yes", "--account", ACCOUNT, "--no-rehearsal", "--out", str(out))
    with account.start("aws", "deploy", *options, str(HAPPY)) as process:
        path = out / "happy-all-at-once/journal.jsonl"
        deadline = clock.monotonic() + 90
        while not (path.is_file() and journal.of(journal.read(path), journal.LifecycleSeen)):
            assert process.poll() is None, process.communicate()
            assert clock.monotonic() < deadline
            clock.pause(0.1)
        os.kill(process.pid, signal.SIGINT)
        told, err = process.communicate(timeout=120)
    assert process.returncode == 130, told + err
    assert "removed, no survivors" in err
    assert account.found() == []
