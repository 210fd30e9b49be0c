"""Finding LocalStack and what it really executes, against every edition that was recorded."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.errors import TargetUnavailable, UsageError
from harness.targets.base import Asked
from harness.targets.localstack import choose_way, composed, endpoint, executed, not_shown, reached, served_by
from harness.targets.localstack.canary import Canary
from harness.targets.localstack.survey import Clients, survey
from tests.emulator.conftest import Running
from tests.targets.fake_localstack import Edition, running


@contextmanager
def found(edition: Edition, behind: Running) -> Iterator[endpoint.LocalStack]:
    with running(edition, behind.url) as fake:
        yield endpoint.identify(endpoint.Place(fake.url, "--endpoint"))


# ---- the endpoint


def test_endpoint_is_the_flag_then_aws_endpoint_url_then_localstack_host_then_the_default():
    both = {"AWS_ENDPOINT_URL": "http://10.0.0.1:1/", "LOCALSTACK_HOST": "there:2"}
    assert endpoint.place("http://127.0.0.1:3", both) == endpoint.Place("http://127.0.0.1:3", "--endpoint")
    assert endpoint.place(None, both) == endpoint.Place("http://10.0.0.1:1", "AWS_ENDPOINT_URL")
    assert endpoint.place(None, {"LOCALSTACK_HOST": "there:2"}).url == "http://there:2"
    assert endpoint.place(None, {"LOCALSTACK_HOST": "there"}).url == "http://there:4566"
    assert endpoint.place(None, {}) == endpoint.Place("http://127.0.0.1:4566", "the default", given=False)


def test_endpoint_that_is_no_url_is_a_usage_error_that_names_its_origin():
    with pytest.raises(UsageError, match="AWS_ENDPOINT_URL: localhost is not a URL"):
        endpoint.place(None, {"AWS_ENDPOINT_URL": "localhost"})


def test_nothing_listens_is_said_with_the_variable_that_named_the_endpoint():
    with pytest.raises(
        endpoint.NothingListens, match=r"nothing listens at http://127.0.0.1:1 \(from LOCALSTACK_HOST\)"
    ):
        endpoint.identify(endpoint.place(None, {"LOCALSTACK_HOST": "127.0.0.1:1"}))


def test_another_emulator_that_imitates_the_health_page_is_named():
    with running("ministack") as fake:
        with pytest.raises(endpoint.NotLocalStack, match=r"is not LocalStack: another emulator \(ministack\)"):
            endpoint.identify(endpoint.Place(fake.url, "--endpoint"))


def test_our_own_emulator_is_not_taken_for_localstack(behind: Running):
    with pytest.raises(endpoint.NotLocalStack, match="the emulator of rehearse answers there"):
        endpoint.identify(endpoint.Place(behind.url, "AWS_ENDPOINT_URL"))


def test_named_endpoint_where_nothing_listens_is_an_error_and_nothing_is_started(tmp_path: Path):
    with pytest.raises(endpoint.NothingListens):
        with reached(Asked(target="localstack", home=tmp_path, endpoint="http://127.0.0.1:1")):
            pass
    assert list(tmp_path.iterdir()) == []


# ---- the survey


@pytest.mark.slow
def test_free_core_executes_the_basics_and_is_unlicensed_for_the_rest(behind: Running):
    with found("core", behind) as localstack:
        made = composed(localstack)
    states = {service: one.state for service, one in made.found.findings.items()}
    assert {service for service, state in states.items() if state == "unlicensed"} == {
        *("codedeploy", "ecs", "elbv2", "ecr", "autoscaling", "application-autoscaling", "servicediscovery")
    }
    assert {states[service] for service in ("ec2", "iam", "sts", "logs", "ssm", "route53", "acm", "s3")} == {"executed"}
    assert not made.drives
    assert made.why == "ECS and load balancer are the emulator's (ecs unlicensed, elbv2 unlicensed)"


def test_each_service_is_probed_once_and_never_again(behind: Running):
    with running("core", behind.url) as fake:
        survey(endpoint.identify(endpoint.Place(fake.url, "--endpoint")))
        for service in ("ecs", "elasticloadbalancing", "ecr", "codedeploy", "sts"):
            assert len([one for one in fake.asked if one.split()[0] == service]) == 1, fake.asked


def test_base_edition_that_stands_the_trial_executes_ecs_and_load_balancer(behind: Running):
    with found("base", behind) as localstack:
        made = composed(localstack)
    assert made.drives, made.why
    assert made.trial == Canary("", marks_own_answers=True, drains=True)
    assert made.found.findings["codedeploy"].state == "unlicensed"
    ours = ["cloudwatch", "codedeploy", "lambda"]
    told = executed(made.found, ours)
    assert told["ecs"] == told["elbv2"] == told["iam"] == "executed by LocalStack 2026.3.0"
    assert told["codedeploy"] == told["cloudwatch"] == "executed by the emulator"
    assert served_by(made.found.findings["ecs"], ours, localstack) == "LocalStack 2026.3.0"


def test_ultimate_codedeploy_is_found_to_be_a_mock(behind: Running):
    with found("ultimate", behind) as localstack:
        seen = survey(localstack)
    assert seen.findings["codedeploy"].state == "mocked"
    assert "BatchGetDeploymentTargets" in seen.findings["codedeploy"].detail
    assert executed(seen, ["codedeploy"])["codedeploy"] == "executed by the emulator (mocked by LocalStack 2026.3.0)"
    assert executed(seen, [])["codedeploy"] == "mocked by LocalStack 2026.3.0"


@pytest.mark.slow
def test_load_balancer_that_always_uses_the_first_group_is_not_trusted(behind: Running):
    """The second group's port is dead for users: the first one gets everything."""
    with running("base", behind.url, tamper=lambda host: f"{host.partition(':')[0]}:8081") as fake:
        made = composed(endpoint.identify(endpoint.Place(fake.url, "--endpoint")))
    assert not made.drives
    assert made.found.findings["elbv2"].state == "broken"
    assert "weights of 75 and 25 gave first: 200 of 200 requests" in made.why


@pytest.mark.slow
def test_trial_leaves_nothing_behind(behind: Running):
    with found("base", behind) as localstack:
        composed(localstack)
    names = [one["LoadBalancerName"] for one in behind.client("elbv2").describe_load_balancers()["LoadBalancers"]]
    groups = [one["TargetGroupName"] for one in behind.client("elbv2").describe_target_groups()["TargetGroups"]]
    assert [one for one in names + groups if one.startswith("canary")] == []


def test_runtime_that_says_available_and_answers_500_is_broken(behind: Running):
    with found("broken", behind) as localstack:
        with pytest.raises(
            TargetUnavailable, match=r"is broken: sts answers 500 .*health page says available.*3\.13 only"
        ):
            survey(localstack)


def test_service_that_configuration_leaves_out_is_named_with_the_reason(behind: Running):
    with found("services", behind) as localstack:
        with pytest.raises(TargetUnavailable, match=r"runs without ec2, which every scenario needs.*SERVICES"):
            survey(localstack)


def test_unlicensed_basics_point_at_the_token(behind: Running):
    with found("half", behind) as localstack:
        with pytest.raises(
            TargetUnavailable, match=r"refuses ec2: its licence is not activated\. Set LOCALSTACK_AUTH_TOKEN"
        ):
            survey(localstack)


def test_client_goes_where_it_was_told_whatever_aws_endpoint_url_says(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("USE_SSL", "1")
    assert Clients("http://127.0.0.1:4566").of("ecs").meta.endpoint_url == "http://127.0.0.1:4566"
    assert Clients("https://localhost.localstack.cloud:4566").of("sts")._endpoint.http_session._verify


# ---- how it is started, and what a composition cannot show


def test_way_to_start_is_the_container_with_engine_and_token_else_python_3_13():
    answers, silent, python = (True, "Docker 20.10"), (False, "no Docker engine answers"), Path("/usr/bin/python3.13")
    assert choose_way(token=True, engine=answers, python=python) == "container"
    assert choose_way(token=True, engine=silent, python=python) == "core"
    assert choose_way(token=False, engine=answers, python=python) == "core"
    with pytest.raises(TargetUnavailable, match="LOCALSTACK_AUTH_TOKEN is not set and no Docker engine answers"):
        choose_way(token=False, engine=silent, python=None)
    with pytest.raises(
        TargetUnavailable, match=r"For its container: LOCALSTACK_AUTH_TOKEN is not set\..*no Python 3\.13"
    ):
        choose_way(token=False, engine=answers, python=None)


@pytest.mark.slow
def test_what_the_trial_did_not_show_is_unsupported_for_the_scenarios_that_need_it(behind: Running):
    from dataclasses import replace

    from harness import scenario

    with_alarm = scenario.load(Path("scenarios/05-5xx-after-cutover.yaml"))
    plain = scenario.load(Path("scenarios/01-happy-all-at-once.yaml"))
    with found("base", behind) as localstack:
        made = composed(localstack)
    assert not_shown(made, with_alarm) == {}
    blind = replace(made, trial=Canary("", marks_own_answers=False, drains=True))
    assert {"outcome", "cause"} <= not_shown(blind, with_alarm).keys()
    assert not_shown(blind, plain) == {}
    cutting = replace(made, trial=Canary("", marks_own_answers=True, drains=False))
    assert set(not_shown(cutting, plain)) == {"users"}
