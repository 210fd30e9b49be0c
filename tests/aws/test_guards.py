"""Each guardrail, with the mistake it prevents; on a real emulator, whose accounts are its access keys."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest

from harness import scenario
from harness.aws import guards, plan, prices, settings
from harness.aws.guards import Facts, Refused
from harness.aws.settings import AwsSettings
from harness.driver import Session
from harness.errors import TargetUnavailable, UsageError
from harness.scenario import Scenario
from tests.aws.conftest import ACCOUNT, REGION, ROOT, Account

HAPPY = ROOT / "scenarios/01-happy-all-at-once.yaml"
Make = Callable[..., Facts]


@pytest.fixture
def make(account: Account, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Make:
    """Facts of a person who does everything right, but for what a test says."""

    def made(*, who: str = ACCOUNT, region: str = REGION, wanted: dict[str, Any] | None = None, **more: Any) -> Facts:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", who)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
        session = Session(region=region, endpoint=account.endpoint, run_id="test", chain=True)
        facts = Facts(
            session=session,
            settings=AwsSettings.model_validate({"expected_account": ACCOUNT, "owner": "tester", **(wanted or {})}),
            runs=(tmp_path,),
            yes=True,
            account_given=ACCOUNT,
            say=lambda text: None,
        )
        facts.plan = lambda: plan_of(facts)
        for name, value in more.items():
            setattr(facts, name, value)
        return facts

    return made


def plan_of(facts: Facts) -> plan.Plan:
    return plan.plan_of(
        facts.settings, "lean", prices.prices_of(REGION), REGION, facts.scenarios, architecture="arm64", lasting=False, instance=None
    )  # fmt: skip


def happy() -> Scenario:
    return scenario.load(HAPPY)


def write_result(runs: Path, one: Scenario, **changes: str) -> None:
    result = {"verdict": "met", "scenario_hash": one.hash, "target": "local", **changes}
    (runs / "2026" / one.id).mkdir(parents=True)
    (runs / "2026" / one.id / "result.json").write_text(json.dumps(result), encoding="utf-8")


def test_guards_stand_in_the_order_of_the_contract():
    assert [guard.__name__ for guard in guards.GUARDS] == [
        "expected_account",
        "no_production_alias",
        "not_blocked",
        "allowed_region",
        "plan_is_shown",
        "over_before_self_destruct",
        "rehearsed_before",
        "confirmed",
    ]


def test_who_does_everything_right_passes_all_guards(make: Make):
    facts = make()
    guards.check(facts)
    assert facts.passed == [guard.__name__ for guard in guards.GUARDS]


def test_credentials_are_named_before_anybody_is_asked_whose_they_are(make: Make):
    said = list[str]()
    facts = make(say=said.append)
    guards.check(facts, guards.REMOVAL)
    assert said == ["credentials: keys of the environment"]
    assert guards.REMOVAL[0] is guards.PLACE[0] is guards.GUARDS[0]


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"http_proxy": "http://me:secret@proxy:3128"}, "not through the proxy of http_proxy"),
        ({"HTTPS_PROXY": "http://me:secret@proxy:3128"}, ""),
        ({"http_proxy": "http://me:secret@proxy:3128", "no_proxy": ".amazonaws.com"}, ""),
    ],
)
def test_plan_says_that_users_go_past_the_proxy(
    make: Make, variables: dict[str, str], told: str, monkeypatch: pytest.MonkeyPatch
):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    said = list[str]()
    facts = make(say=said.append)
    guards.plan_is_shown(facts)
    facts.session, facts.account = Session(region=REGION, run_id="test"), ACCOUNT
    guards.plan_is_shown(facts)
    assert [one for one in said if not one.startswith("plan: ")] == (
        [guards.STRAIGHT.format("http_proxy")] if told else []
    )
    assert told in said[-1]
    assert "secret" not in repr(said)


def test_expected_account_stops_credentials_of_the_wrong_shell_profile(make: Make):
    facts = make(who="999988887777")
    with pytest.raises(Refused, match=r"account 999988887777; rehearsal\.toml expects 111122223333"):
        guards.check(facts)
    assert facts.passed == []


def test_expected_account_stops_a_checkout_in_which_nobody_said_which_account(make: Make):
    with pytest.raises(UsageError, match='write expected_account = "111122223333"'):
        guards.check(make(wanted={"expected_account": None}))


@pytest.mark.parametrize(("alias", "who"), [("acme-production", "444455556666"), ("acme-live-eu", "777788889999")])
def test_alias_stops_a_rehearsal_where_users_are(make: Make, account: Account, alias: str, who: str):
    iam = boto3.client(
        "iam", endpoint_url=account.endpoint, region_name=REGION, aws_access_key_id=who, aws_secret_access_key="x"
    )
    iam.create_account_alias(AccountAlias=alias)
    iam.close()
    with pytest.raises(Refused, match=f"is called {alias}"):
        guards.check(make(who=who, wanted={"expected_account": who}, account_given=who))


def test_blocklist_stops_an_account_that_was_ruled_out_though_it_is_the_expected_one(make: Make):
    with pytest.raises(Refused, match="among blocked_accounts"):
        guards.check(make(wanted={"blocked_accounts": [ACCOUNT]}))


def test_region_stops_a_stack_where_nobody_looks_for_it(make: Make):
    with pytest.raises(Refused, match="us-east-1 is not allowed"):
        guards.check(make(region="us-east-1"))


def test_plan_is_shown_before_anybody_is_asked(make: Make):
    order: list[str] = []

    def ask(question: str) -> str:
        order.append("asked")
        return ACCOUNT

    facts = make(yes=False, ask=ask, say=order.append)
    guards.check(facts)
    assert order[0].startswith("credentials: ")
    assert order[2:] == ["asked"]
    assert "a month" in order[1]
    assert "destroys itself 2.0 h after" in order[1]


def test_time_to_live_stops_a_run_that_the_self_destruct_would_cut_off(make: Make):
    facts = make(scenarios=[happy()], rehearsed=False, time_left=900.0)
    with pytest.raises(Refused, match="destroys itself in 15 min"):
        guards.check(facts)


def test_rehearsal_stops_paying_for_what_a_minute_here_would_have_told(make: Make):
    with pytest.raises(Refused, match="no met run of happy-all-at-once"):
        guards.check(make(scenarios=[happy()]))


def test_rehearsal_counts_a_met_local_run_of_the_very_same_file(make: Make, tmp_path: Path):
    write_result(tmp_path, happy())
    guards.check(make(scenarios=[happy()]))


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"scenario_hash": "0" * 64}, id="file changed since"),
        pytest.param({"verdict": "unmet"}, id="unmet"),
        pytest.param({"target": "aws"}, id="not local"),
    ],
)
def test_rehearsal_does_not_count_another_run(make: Make, tmp_path: Path, changes: dict[str, str]):
    write_result(tmp_path, happy(), **changes)
    with pytest.raises(Refused, match="no met run"):
        guards.check(make(scenarios=[happy()]))


def test_no_rehearsal_is_a_persons_own_decision(make: Make):
    guards.check(make(scenarios=[happy()], rehearsed=False))


@pytest.mark.parametrize("typed", ["", "yes\n", "111122223334\n"])
def test_confirmation_stops_a_hand_that_was_faster_than_the_head(make: Make, typed: str):
    with pytest.raises(Refused, match="nothing was made"):
        guards.check(make(yes=False, ask=lambda question: typed))


def test_confirmation_stops_a_script_that_nobody_watches(make: Make):
    with pytest.raises(UsageError, match="--yes --account N"):
        guards.check(make(yes=False, ask=lambda question: None))


def test_yes_alone_does_not_name_the_account_that_is_meant(make: Make):
    with pytest.raises(UsageError, match="needs --account"):
        guards.check(make(account_given=None))


def test_yes_with_the_account_of_another_pipeline_is_refused(make: Make):
    with pytest.raises(Refused, match="999988887777 was given"):
        guards.check(make(account_given="999988887777"))


# ---- the same by the command


def test_command_refuses_with_one_line_and_makes_nothing(account: Account):
    stranger = replace(account, account="999988887777")
    for verb in (["up"], ["deploy", str(HAPPY)], ["down"], ["plan"]):
        done = stranger.aws(*verb)
        assert (done.code, "expects 111122223333" in done.err) == (3, True), done.said
    assert account.stacks() == {}


def test_run_passes_the_same_guards_and_needs_a_stack_that_is_up(account: Account):
    stranger = replace(account, account="999988887777")
    options = ("--yes", "--account", ACCOUNT, "--no-rehearsal")
    refused = stranger.rehearse("run", "--target", "aws", *options, str(HAPPY))
    assert (refused.code, "expects 111122223333" in refused.err) == (3, True), refused.said
    alone = account.rehearse("run", "--target", "aws", *options, str(HAPPY))
    assert (alone.code, "rehearse aws up" in alone.err) == (3, True), alone.said


def test_half_an_endpoint_does_not_send_some_calls_to_aws(account: Account):
    done = replace(account, more={"AWS_ENDPOINT_URL_ECS": "http://127.0.0.1:9"}).aws("up")
    assert (done.code, "AWS_ENDPOINT_URL_ECS" in done.err) == (2, True), done.said


def test_an_endpoint_that_is_no_emulator_of_ours_is_not_taken_for_aws(account: Account):
    done = replace(account, endpoint="http://127.0.0.1:9").aws("up")
    assert (done.code, "no rehearse emulator" in done.err) == (3, True), done.said


def test_a_profile_that_leads_elsewhere_is_not_taken_for_aws(account: Account, tmp_path: Path):
    config = tmp_path / "config"
    config.write_text("[default]\nendpoint_url = http://127.0.0.1:9\n", encoding="utf-8")
    more = {"AWS_CONFIG_FILE": str(config), "AWS_ENDPOINT_URL": ""}
    done = replace(account, more=more).aws("up")
    assert (done.code, "which is not AWS" in done.err) == (2, True), done.said


# ---- the settings


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('expected_acount = "1"', "expected_acount is no key; did you mean `expected_account`?"),
        ('expected_account = "12"', "expected_account is '12'"),
        ('regions = ["Seoul"]', "regions.0 is 'Seoul'"),
        ('ttl = "1m"', "ttl is '1m'"),
        ('caller_cidr = "0.0.0.0/0"', "everybody is in it"),
        ('owner = "Me & You"', "owner is 'Me & You'"),
    ],
)
def test_settings_error_names_the_file_and_the_key(tmp_path: Path, line: str, said: str):
    file = tmp_path / "rehearsal.toml"
    file.write_text(f"[aws]\n{line}\n", encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        settings.load(file)
    assert str(caught.value).startswith(f"{file}: [aws] ")
    assert said in str(caught.value)


def test_no_file_expects_no_account(tmp_path: Path):
    assert settings.load(tmp_path / "rehearsal.toml").expected_account is None


def test_credentials_that_nobody_knows_are_told_as_such(make: Make, account: Account):
    facts = make()
    facts.session = Session(region=REGION, endpoint="http://127.0.0.1:9", run_id="test", chain=True)
    with pytest.raises((Refused, TargetUnavailable), match="cannot be told"):
        guards.check(facts)
