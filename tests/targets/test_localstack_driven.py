"""Our CodeDeploy drives ECS and load balancers of another endpoint, through their public operations alone.

That endpoint is a second emulator behind a LocalStack of the Ultimate plan whose CodeDeploy is a mock.
"""

from collections.abc import Iterator

import pytest

from tests.emulator.conftest import Running, emulator_with_images
from tests.scenarios.test_core import Run, left_running, rehearse
from tests.targets.fake_localstack import FakeLocalStack, running

SCENARIOS = {"happy-canary": "02-happy-canary", "5xx-after-cutover": "05-5xx-after-cutover"}
pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(420)]


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """It runs containers, as LocalStack does."""
    with emulator_with_images(tmp_path_factory.mktemp("second"), runtime="docker") as one:
        yield one


@pytest.fixture(scope="module")
def ultimate(second: Running) -> Iterator[FakeLocalStack]:
    with running("ultimate", second.url) as fake:
        yield fake


@pytest.fixture(scope="module")
def run(ultimate: FakeLocalStack, tmp_path_factory: pytest.TempPathFactory) -> Run:
    paths = [f"scenarios/{name}.yaml" for name in SCENARIOS.values()]
    done = rehearse(
        tmp_path_factory.mktemp("driven"), "--target", "localstack", "--endpoint", ultimate.url, "--strict", *paths
    )
    print(done.printed)
    return done


def test_success_and_rollback_by_alarm_are_met_where_another_endpoint_runs_tasks_and_traffic(run: Run):
    verdicts = {name: run.result(name)["verdict"] for name in SCENARIOS}
    assert verdicts == dict.fromkeys(SCENARIOS, "met"), run.printed
    outcomes = {name: run.result(name)["outcome"] for name in SCENARIOS}
    assert outcomes == {"happy-canary": "succeeded", "5xx-after-cutover": "rolled_back"}
    assert run.code == 0


def test_report_says_who_executed_what(run: Run):
    executed = run.result("happy-canary")["fidelity"]["executed"]
    assert executed["ECS"] == executed["Elastic Load Balancing"] == "executed by LocalStack 2026.3.0"
    assert executed["CodeDeploy"] == "executed by the emulator (mocked by LocalStack 2026.3.0)"
    assert executed["CloudWatch"] == executed["Lambda"] == "executed by the emulator"
    assert executed["Tasks"] == "real containers, executed by LocalStack 2026.3.0"
    page = (run.out / "happy-canary" / "report.html").read_text(encoding="utf-8")
    assert "executed by LocalStack 2026.3.0" in page


def test_engine_changes_task_sets_and_listeners_by_public_operations_only(run: Run, ultimate: FakeLocalStack):
    ecs = {one.rpartition(".")[2] for one in ultimate.asked if one.startswith("ecs ")}
    assert {"CreateTaskSet", "UpdateServicePrimaryTaskSet", "DeleteTaskSet", "DescribeServices"} <= ecs
    assert not [one for one in ultimate.asked if "/_rehearsal" in one]
    assert not [one for one in ultimate.asked if one.startswith("codedeploy ") and "CreateDeployment" in one]


def test_nothing_is_left_on_either_endpoint(run: Run, second: Running):
    assert left_running(run.home) == []
    assert second.client("ecs").list_clusters()["clusterArns"] == []
    assert second.client("elbv2").describe_load_balancers()["LoadBalancers"] == []
