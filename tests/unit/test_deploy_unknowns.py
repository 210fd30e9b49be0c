"""Where nobody knows how AWS behaves there is a setting: each one changes what it says it changes."""

from pathlib import Path
from typing import Any

import pytest

from harness.emulator.deploy import guard
from harness.emulator.deploy.deployment import DeploymentFailed, Pair, events_of_rollback
from harness.emulator.deploy.routing import RoutingInvalid, from_aws
from harness.emulator.settings import Settings, load
from harness.errors import UsageError
from tests.unit.test_deploy_lifecycle import ECS_CONFIGS, Account, rehearsal, story

AT_ONCE = ECS_CONFIGS["CodeDeployDefault.ECSAllAtOnce"]


def knowing(**settings: Any) -> Settings:
    return Settings(**{"created_seconds": 0, **settings})


@story
async def test_created_lasts_as_long_as_the_setting_says():
    async with rehearsal(Account(), settings=Settings(created_seconds=3)) as one:
        await one.clock.advance(2.9)
        assert one.deployment.status == "Created"
        await one.clock.advance(0.2)
        assert one.deployment.status == "InProgress"


@story
async def test_group_that_was_deleted_while_created_fails_the_deployment_before_it_does_anything():
    class Deleted(guard.Guard):
        async def start(self) -> None:
            raise DeploymentFailed("DEPLOYMENT_GROUP_MISSING", "The deployment group g was deleted.")

    account = Account()
    async with rehearsal(account) as one:
        one.supervisor.work.guard = Deleted()
        await one.clock.advance(1)
    assert one.ended_with == ("Failed", "DEPLOYMENT_GROUP_MISSING")
    assert set(one.statuses().values()) == {"Skipped"}
    assert account.task_sets == {"blue": "PRIMARY"}


@story
async def test_hook_that_the_role_may_not_invoke_fails_its_event():
    class Forbidden(guard.Guard):
        async def invoke(self, function: str) -> None:
            raise DeploymentFailed("IAM_ROLE_PERMISSIONS", function)

    account = Account()
    async with rehearsal(account, hooks={"AfterInstall": "check"}) as one:
        one.supervisor.work.guard = Forbidden()
        await one.clock.advance(1)
    assert one.ended_with == ("Failed", "IAM_ROLE_PERMISSIONS")
    assert one.statuses()["AfterInstall"] == "Failed"
    assert account.invoked == []


@story
async def test_idle_group_is_attached_at_the_start_where_the_setting_says_so():
    account = Account()
    async with rehearsal(account, AT_ONCE, settings=knowing(attach_idle_at_deployment_start=True)) as one:
        account.steady = False
        await one.clock.advance(2)
        assert one.statuses()["Install"] == "InProgress"
        assert account.production == [0]
    plain = Account()
    async with rehearsal(plain, AT_ONCE, settings=knowing()) as one:
        plain.steady = False
        await one.clock.advance(2)
        assert plain.production == []


@story
async def test_test_listener_forwards_to_one_group_alone_where_the_setting_says_so():
    account = Account()
    async with rehearsal(account, settings=knowing(test_listener_weighted=False)) as one:
        await one.clock.advance(601)
    assert one.deployment.status == "Succeeded"
    assert account.listeners["test"] == {"tg-green": 100}


@story
async def test_test_listener_that_serves_idle_fails_install_where_it_must_match():
    async with rehearsal(Account(), settings=knowing(test_listener_check="fail")) as one:
        await one.clock.advance(1)
    assert one.ended_with == ("Failed", "ELASTIC_LOAD_BALANCING_INVALID")
    assert one.deployment.error is not None
    assert one.deployment.error.message.endswith("Primary taskset target group must be behind listener test")


@pytest.mark.parametrize(
    ("setting", "ends", "left"),
    [("delete", None, "DRAINING"), ("keep", None, "ACTIVE"), ("fail", "ECS_UPDATE_ERROR", "ACTIVE")],
)
def test_task_set_that_was_left_behind_is_treated_as_the_setting_says(setting: str, ends: str | None, left: str):
    @story
    async def run() -> None:
        account = Account()
        account.task_sets["old"] = "ACTIVE"
        async with rehearsal(account, settings=knowing(leftover_task_set=setting)) as one:
            await one.clock.advance(5)
            assert account.task_sets["old"] == left
            assert one.ended_with[1] == ends

    run()


@pytest.mark.parametrize(("watched", "ends"), [(True, "Stopped"), (False, "Succeeded")])
def test_alarm_in_the_termination_wait_counts_as_the_setting_says(watched: bool, ends: str):
    @story
    async def run() -> None:
        account = Account()
        settings = knowing(alarms_in_termination_wait=watched)
        async with rehearsal(account, AT_ONCE, alarms=("red",), settings=settings) as one:
            await one.clock.advance(60)
            assert one.deployment.termination_wait_started
            account.alarms["red"] = "ALARM"
            await one.clock.advance(260)
        assert one.deployment.status == ends

    run()


@story
async def test_silent_hook_fails_with_the_code_of_the_setting():
    async with rehearsal(
        Account(), hooks={"BeforeInstall": "silent"}, settings=knowing(hook_timeout_code="TIMEOUT")
    ) as one:
        await one.clock.advance(3601)
    assert one.ended_with == ("Failed", "TIMEOUT")


@story
async def test_stickiness_survives_where_the_setting_says_so():
    for kept in (True, False):
        account = Account()
        sticky = {"Enabled": True, "DurationSeconds": 60}
        written: list[Any] = []
        plain = account.DescribeRules

        def described(ListenerArn: str, plain: Any = plain, sticky: Any = sticky) -> dict[str, Any]:
            answer: dict[str, Any] = plain(ListenerArn)
            answer["Rules"][0]["Actions"][0]["ForwardConfig"]["TargetGroupStickinessConfig"] = sticky
            return answer

        def modified(
            ListenerArn: str, DefaultActions: list[dict[str, Any]], account: Account = account, written: Any = written
        ) -> None:
            written.append(DefaultActions[0]["ForwardConfig"]["TargetGroupStickinessConfig"])
            Account.ModifyListener(account, ListenerArn, DefaultActions)

        account.DescribeRules, account.ModifyListener = described, modified  # type: ignore[method-assign]
        async with rehearsal(account, AT_ONCE, settings=knowing(keep_stickiness=kept)) as one:
            await one.clock.advance(5)
        assert written
        assert all(one == (sticky if kept else {"Enabled": False}) for one in written)


def test_rollback_lists_every_event_or_allow_traffic_alone():
    pair = Pair(("blue", "green"), "production")
    assert list(events_of_rollback(pair, listed=False)) == ["AllowTraffic"]
    assert len(events_of_rollback(pair, listed=True)) == 6


def test_custom_traffic_of_100_percent_is_taken_only_without_limits():
    traffic = {"type": "TimeBasedCanary", "timeBasedCanary": {"canaryPercentage": 100, "canaryInterval": 1}}
    with pytest.raises(RoutingInvalid, match="between 1 and 99"):
        from_aws(traffic)
    assert from_aws(traffic, limited=False).percent == 100
    slow = {"type": "TimeBasedLinear", "timeBasedLinear": {"linearPercentage": 10, "linearInterval": 1000}}
    with pytest.raises(RoutingInvalid, match="2880"):
        from_aws(slow)


def test_setting_that_is_one_of_a_few_words_refuses_another(tmp_path: Path):
    (tmp_path / "rehearsal.toml").write_text('[emulator]\nleftover_task_set = "adopt"\n', encoding="utf-8")
    with pytest.raises(UsageError, match="it must be delete or keep or fail"):
        load(tmp_path / "rehearsal.toml")
