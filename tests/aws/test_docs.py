"""docs/AWS.md and its Korean twin: their numbers are the plan's, their keys the settings', and what they tell to type exists."""

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

from harness import cli, scenario
from harness.aws import guards, plan, prices
from harness.aws.settings import AwsSettings
from harness.scenario import Scenario
from harness.scenario.values import duration
from tests.emulator.workflows import load

ROOT = Path(__file__).parent.parent.parent
PAGES = {"en": ROOT / "docs/AWS.md", "ko": ROOT / "docs/AWS.ko.md"}
REGION, ACCOUNT = "ap-northeast-2", "111122223333"
both = pytest.mark.parametrize("page", PAGES.values(), ids=PAGES.keys())


@cache
def core() -> tuple[Scenario, ...]:
    found = (scenario.load(path) for path in sorted((ROOT / "scenarios").glob("*.yaml")))
    return tuple(one for one in found if "core" in one.tags)


def planned(profile: str, scenarios: tuple[Scenario, ...] = (), *, lasting: bool = False) -> plan.Plan:
    """As the page says: amd64 images, default settings."""
    small = plan.InstanceType("t3.small", 2048, int(2048 * plan.SEEN_BY_ECS), 3, ("amd64",))
    assert profile in ("lean", "seed")
    return plan.plan_of(
        AwsSettings(),
        "seed" if profile == "seed" else "lean",
        prices.prices_of(REGION),
        REGION,
        scenarios,
        architecture="amd64",
        lasting=lasting,
        instance=small if profile == "seed" else None,
    )


def costs() -> list[float]:
    """USD an hour, in the order of the page's rows."""
    one = core()[:1]
    return [
        planned("lean").standing,
        planned("lean", one).running,
        planned("lean", one).deploying,
        planned("lean", core()).deploying,
        planned("lean", lasting=True).standing,
        planned("seed").standing,
        planned("seed", one).running,
    ]


def blocks(page: Path, kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@both
def test_costs_on_the_page_are_what_the_plan_computes(page: Path):
    rows = re.findall(
        r"^\| (?:lean|seed).* \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", page.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert rows == [(f"{usd:.3f}", f"{usd * 24:.2f}", f"{usd * 730:.2f}") for usd in costs()]


@both
def test_time_and_the_most_it_can_cost_are_what_the_plan_computes(page: Path):
    text = page.read_text(encoding="utf-8").replace("\n", " ")
    everything, first = planned("lean", core()), planned("lean", core()[:1])
    assert f"{everything.until_self_destruct:.2f} USD" in text
    said = [int(number) for number in re.findall(r"(\d+)(?: minutes|분)", text.split("## ")[1])]
    assert {round(first.seconds / 60), round(plan.UP["lean"] / 60)} <= set(said)
    assert str(round(everything.seconds / 60)) in text.split("## ")[1]
    assert str(round(plan.UP["seed"] / 60)) in text.split("## ")[1]
    assert prices.prices_of(REGION).as_of in text


@both
def test_plan_shown_is_the_one_that_is_computed(page: Path):
    told = plan.table(planned("lean", core()[:1]), ACCOUNT, AwsSettings(owner="mina"))
    assert blocks(page, "text plan") == [told + "\n"]


@both
def test_guardrails_are_told_in_their_order(page: Path):
    section = re.split(r"^## ", page.read_text(encoding="utf-8"), flags=re.MULTILINE)[3]
    told = re.findall(r"^(\d)\. \*\*(.*?)\*\*(.*)", section, re.MULTILINE)
    assert [number for number, *_ in told] == [str(one + 1) for one in range(len(guards.GUARDS))]
    marks = {
        "expected_account": "`expected_account`",
        "no_production_alias": "`prod`",
        "not_blocked": "`blocked_accounts`",
        "allowed_region": "`regions`",
        "over_before_self_destruct": "`--ttl`",
        "confirmed": "`--yes --account N`",
    }
    for guard, (_, name, text) in zip(guards.GUARDS, told, strict=True):
        assert marks.get(guard.__name__, "") in name + text + section.split(name)[1][:260]


@both
def test_settings_are_all_told_with_their_defaults(page: Path):
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| (.*?) \| .*\|$", page.read_text(encoding="utf-8"), re.MULTILINE)
    told = {key: row[1] for row in rows for key in re.findall(r"`(\w+)`", row[0]) if key in AwsSettings.model_fields}
    assert set(told) == set(AwsSettings.model_fields)
    settings = AwsSettings()
    for key in ("profile", "vpc_cidr", "instance_type", "nat_instance_type", "instances"):
        assert str(getattr(settings, key)) in told[key]
    assert duration(told["ttl"].strip("`")) == settings.ttl
    assert told["regions"] == f"`{settings.regions[0]}`"


@both
def test_toml_on_the_page_is_valid(page: Path):
    import tomllib

    (block,) = blocks(page, "toml")
    assert AwsSettings.model_validate(tomllib.loads(block)["aws"]).expected_account == ACCOUNT


@both
def test_commands_on_the_page_parse(page: Path, capsys: pytest.CaptureFixture[str]):
    script = "".join(blocks(page, "bash"))
    done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False, encoding="utf-8")
    assert (done.returncode, done.stderr) == (0, "")
    inline = re.findall(r"`rehearse ((?:aws|build|compare|doctor|run)[^`]*)`", page.read_text(encoding="utf-8"))
    commands = re.findall(r"^rehearse (.*)$", script, re.MULTILINE) + inline
    assert len(commands) > 8
    for command in commands:
        words = [word for word in command.split() if word not in ("or", "...")]
        cli._parser().parse_args(words)


@both
def test_every_template_is_named(page: Path):
    for template in (ROOT / "harness/aws/templates").glob("*.yaml"):
        assert f"../harness/aws/templates/{template.name}" in page.read_text(encoding="utf-8")


@both
def test_variables_of_the_workflow_are_told_with_outputs_that_exist(page: Path):
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| `(\w+)` \|$", page.read_text(encoding="utf-8"), re.MULTILINE))
    text = (ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8")
    used = set(re.findall(r"vars\.(\w+)", text))
    optional = {"CONTAINER", "BUILD_CONTEXT", "RUNNER", "AWS_ACCOUNT", "AWS_REGION"}
    assert set(rows) == used - optional
    outputs: set[str] = set()
    for name in ("roles", "registry", "cluster-lean", "service"):
        found = (ROOT / f"harness/aws/templates/{name}.yaml").read_text(encoding="utf-8").partition("\nOutputs:\n")[2]
        outputs |= set(re.findall(r"^  (\w+):", found, re.MULTILINE))
    assert set(rows.values()) <= outputs
    assert load(ROOT / ".github/workflows/release.yml")["jobs"]["release"]["needs"] == "rehearse"


def test_both_languages_have_the_same_blocks_and_tables():
    shapes = [
        (
            re.findall(r"^```\w.*?^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL),
            page.read_text(encoding="utf-8").count("\n## "),
        )
        for page in PAGES.values()
    ]
    assert shapes[0] == shapes[1]
    rows = [
        [line.count("|") for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
        for page in PAGES.values()
    ]
    assert rows[0] == rows[1]


@both
def test_the_page_says_that_aws_was_not_asked(page: Path):
    start = page.read_text(encoding="utf-8")[:1200]
    assert "AWS_ENDPOINT_URL" in start
    assert "ever run on AWS" in start or "AWS에서 실행된 적이 없습니다" in start
