"""The sums of a plan, against those of public quotes; how long a run takes, and what does not fit."""

import pytest

from harness import scenario
from harness.aws import plan, prices
from harness.aws.plan import InstanceType, Plan
from harness.aws.settings import AwsSettings
from harness.errors import UsageError
from harness.scenario import Scenario
from tests.aws.conftest import ROOT

SEOUL = "ap-northeast-2"
T3_SMALL = InstanceType("t3.small", 2048, 1884, 3, ("amd64",))


def load(name: str) -> Scenario:
    (path,) = (ROOT / "scenarios").glob(f"{name}*.yaml")
    return scenario.load(path)


def of(profile: str, *scenarios: Scenario, region: str = SEOUL, **more: object) -> Plan:
    settings = AwsSettings.model_validate({"instances": 1, **more})
    return plan.plan_of(
        settings,
        "seed" if profile == "seed" else "lean",
        prices.prices_of(region),
        region,
        scenarios,
        architecture="arm64",
        lasting=False,
        instance=T3_SMALL if profile == "seed" else None,
    )


def test_seed_with_one_instance_costs_what_the_quotes_say():
    """0.073 USD an hour, 54 a month if it is forgotten."""
    made = of("seed")
    assert made.standing == pytest.approx(0.0734, abs=0.0005)
    assert made.standing * 730 == pytest.approx(54, abs=0.5)


def test_lean_fleets_are_counted_twice_while_they_deploy():
    """0.049 to 0.065 an hour with one task or two, without what stands and without traffic."""
    one = load("01")
    made = of("lean", one)
    task = 0.25 * 0.03725 + 0.5 * 0.00409 + 0.005
    balancer = 0.0225 + 2 * 0.005
    assert made.running - made.standing == pytest.approx(balancer + 0.008 + 2 * task)
    assert made.deploying - made.running == pytest.approx(2 * task)
    assert (round(balancer + task, 3), round(balancer + 2 * task, 3)) == (0.049, 0.065)


def test_what_stands_in_lean_is_the_endpoint_and_the_images():
    assert of("lean").standing == pytest.approx(0.013 + 0.1 / 730)


def test_at_most_until_the_self_destruct_is_the_dearest_hour_times_the_time_to_live():
    made = of("lean", load("01"), ttl="3h")
    assert made.until_self_destruct == pytest.approx(3 * made.deploying)


def test_no_wait_is_compressed():
    """Linear by a tenth every minute and five minutes of termination wait."""
    linear = load("03")
    made = of("lean", linear)
    assert made.durations[linear.id] > 9 * 60 + 5 * 60
    assert made.seconds == made.durations[linear.id]


def test_scenarios_side_by_side_take_as_long_as_their_lanes():
    names = ("01", "02", "03", "04", "05", "06", "07", "08")
    made = of("lean", *map(load, names))
    assert made.at_once == plan.AT_ONCE
    assert max(made.durations.values()) <= made.seconds < sum(made.durations.values())


def test_two_fleets_that_do_not_fit_are_told_before_they_are_made():
    with pytest.raises(
        UsageError, match=r"two fleets are 4 tasks of 256 CPU units and 512 MiB, and 1 t3\.small hold 3 of them"
    ):
        of("seed", load("01"))
    assert of("seed", load("01"), instances=2).at_once == 1


def test_plan_tells_why_bridge_mode():
    (note,) = of("seed", instances=2).notes
    assert "awsvpc would stop at 4" in note


def test_a_type_without_a_price_has_no_plan():
    with pytest.raises(UsageError, match=r"no price for x9\.huge"):
        of("seed", instance_type="x9.huge")


def test_prices_of_another_region_are_called_so():
    told = plan.table(of("lean", region="eu-west-1"), "111122223333", AwsSettings())
    assert "prices of ap-northeast-2" in told
    assert "those of eu-west-1 are not in the table" in told


def test_plan_says_all_that_must_be_known_before():
    told = plan.table(of("lean", load("01")), "111122223333", AwsSettings(owner="tester"))
    for words in (
        "an hour",
        "a day",
        "a month",
        "both fleets",
        "destroys itself",
        "nothing compressed",
        "as of 2026-10-01",
    ):
        assert words in told, told
