"""The core scenarios with `--target aws` against an emulator's endpoint: the verdicts of the local target, by the very same files.

The emulator's clock runs at its own pace (`rehearse up --compress`); the target never asks for one. Nothing here says how AWS is.
"""

import json
import re
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness import clock, journal
from harness.targets import emulators
from tests.aws.conftest import ACCOUNT, COMPRESS, ROOT, Account

CORE = sorted((ROOT / "scenarios").glob("0[1-8]-*.yaml"))
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@dataclass(frozen=True)
class Pack:
    """The same files on both targets."""

    local: Path
    aws: Path
    printed: str
    code: int

    def results(self, where: Path) -> dict[str, dict[str, Any]]:
        return {path.parent.name: json.loads(path.read_text(encoding="utf-8")) for path in where.glob("*/result.json")}


@pytest.fixture(scope="module")
def pack(account: Account) -> Iterator[Pack]:
    """The local run is also what the guardrail wants to see, so nothing is skipped here."""
    local, aws = account.home / "runs/local", account.home / "runs/aws"
    files = [str(path) for path in CORE]
    first = account.rehearse("run", "--runtime", "process", "--out", str(local), *files, timeout=500)
    assert first.code == 0, first.said
    up = account.aws("up")
    assert up.code == 0, up.said
    options = ("--target", "aws", "--at-once", "8", "--yes", "--account", ACCOUNT, "--out", str(aws))
    done = account.rehearse("run", *options, *files, timeout=500)
    yield Pack(local, aws, done.said, done.code)
    down = account.aws("down")
    assert (down.code, "no survivors" in down.out) == (0, True), down.said


def test_core_scenarios_have_the_verdicts_of_the_local_target(pack: Pack):
    local, aws = (
        {name: one["verdict"] for name, one in pack.results(where).items()} for where in (pack.local, pack.aws)
    )
    assert len(local) == 8
    assert aws == local, pack.printed
    assert pack.code == 0, pack.printed


def test_outcomes_and_causes_are_those_of_the_local_target(pack: Pack):
    for name, one in pack.results(pack.local).items():
        other = pack.results(pack.aws)[name]
        told = {each["name"]: each["measured"] for each in other["expectations"]}
        for each in one["expectations"]:
            if each["name"] in ("outcome", "failed_at", "cause", "versions_seen", "live_at_end"):
                assert told[each["name"]] == each["measured"], (name, each["name"])


def test_compare_finds_no_verdict_that_differs(pack: Pack, account: Account):
    done = account.rehearse("compare", str(pack.local), str(pack.aws))
    assert done.code == 0, done.said
    page = (account.folder / "compare.html").read_text(encoding="utf-8")
    assert "aws-on-emulator" in page


def test_no_report_says_that_aws_executed_anything(pack: Pack):
    for name, one in pack.results(pack.aws).items():
        assert one["target"] == "aws-on-emulator"
        assert "AWS" not in " ".join(one["fidelity"]["executed"].values()), name
        assert "executed by AWS" not in (pack.aws / name / "report.html").read_text(encoding="utf-8")
        assert "--target aws" in one["reproduce"]
        assert "--compress" not in one["reproduce"]


def test_compression_is_the_endpoints_and_was_not_asked_for(pack: Pack, account: Account):
    for name in pack.results(pack.aws):
        events = journal.read(pack.aws / name / "journal.jsonl")
        (started,) = journal.of(events, journal.RunStarted)
        assert started.compression == COMPRESS
        (made,) = journal.of(events, journal.Provisioned)
        assert re.match(r"arn:aws:elasticloadbalancing:ap-northeast-2:111122223333:", made.resources["load_balancer"])


def test_images_are_named_by_their_digest_in_the_stacks_repository(pack: Pack):
    events = journal.read(pack.aws / "happy-canary/journal.jsonl")
    (made,) = journal.of(events, journal.Provisioned)
    assert all("@sha256:" in image for image in made.images.values())


def test_seed_profile_runs_on_its_instances_beside_a_service_that_lasts(account: Account, pack: Pack):
    """Bridge mode with dynamic ports, through the stack's capacity provider; the hook is in the private subnets."""
    assert account.aws("down").code == 0
    up = account.aws("up", "--profile", "seed", "--service")
    assert up.code == 0, up.said
    out = account.home / "runs/seed"
    (hooked,) = (path for path in CORE if path.name.startswith("06"))
    with account.start(
        *("run", "--target", "aws", "--yes", "--account", ACCOUNT, "--out", str(out), str(hooked))
    ) as process:
        launched = set[str]()
        while process.poll() is None:
            launched |= {f"{one['launchType']} {one.get('capacityProviderName', '')}" for one in tasks(account)}
            clock.pause(0.5)
        told = "".join(process.communicate())
    assert process.returncode == 0, told
    assert "seed profile" in told
    assert any(one.startswith("EC2 rehearsal-") for one in launched), launched
    (url,) = (
        listener["url"]
        for one in emulators.ask(account.endpoint, "/_rehearsal/status")["load_balancers"]
        for listener in one["listeners"]
        if one["name"].startswith("rehearsal-") and listener["port"] == 80
    )
    with urllib.request.urlopen(url, timeout=5) as answer:
        assert answer.status == 200
        assert answer.headers["X-App-Version"] == "v1"


def tasks(account: Account) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for cluster in account.session.call("ecs", "list_clusters")["clusterArns"]:
        if arns := account.session.call("ecs", "list_tasks", cluster=cluster)["taskArns"]:
            found += account.session.call("ecs", "describe_tasks", cluster=cluster, tasks=arns)["tasks"]
    return found
