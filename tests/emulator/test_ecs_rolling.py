"""Rolling deployments (ECS controller): percentages, the circuit breaker, deployment alarms, rollback, what the read APIs say."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest

from harness.emulator.cloud import AwsError
from harness.emulator.rolling import Breaker, begin, count_failure, count_health, roll
from tests.emulator.conftest import Running
from tests.emulator.ecs_story import RUN, Emulated, told_in
from tests.emulator.test_ecs_rules import a_service, a_task, a_task_set

IMAGES = {"sleeper:1": "exec sleep 600", "sleeper:2": "exec sleep 601", "exits:1": "exit 3"}
BREAKER = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}
Story = Callable[[Callable[[Emulated], Awaitable[None]]], None]


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return lambda told: told_in(tmp_path, IMAGES, told)


# ---- the circuit breaker's numbers (B.6)


@pytest.mark.parametrize(
    ("configuration", "desired", "threshold"),
    [
        ({}, 1, 3),
        ({}, 25, 13),
        ({}, 400, 200),
        ({}, 800, 200),
        ({"type": "BOUNDED_PERCENT", "value": 10}, 100, 10),
        ({"type": "UNBOUNDED_PERCENT", "value": 50}, 2, 1),
        ({"type": "UNBOUNDED_PERCENT", "value": 50}, 800, 400),
        ({"type": "COUNT", "value": 7}, 1, 7),
    ],
)
def test_threshold_follows_the_latest_desired_count(configuration: dict[str, Any], desired: int, threshold: int):
    service = a_service(desired=desired)
    raw = {"enable": True, "rollback": False, **({"thresholdConfiguration": configuration} if configuration else {})}
    service.settings["deploymentConfiguration"] = {"deploymentCircuitBreaker": raw}
    assert Breaker.of(service).threshold(desired) == threshold


def test_tasks_that_never_ran_count_until_one_runs_and_then_those_that_are_unhealthy():
    deployment = a_task_set(0, status="PRIMARY")
    service = a_service(deployment, desired=1)
    count_failure(service, deployment, ran=False)
    count_failure(service, deployment, ran=True)
    assert deployment.roll.failed_tasks == 1
    deployment.tasks = [a_task()]
    deployment.tasks[0].started_at = 1.0
    count_health(service, deployment, 0)
    count_failure(service, deployment, ran=False)
    count_failure(service, deployment, ran=True)
    assert deployment.roll.failed_tasks == 2
    count_health(service, deployment, 1)
    assert deployment.roll.failed_tasks == 0


def test_a_healthy_task_does_not_reset_the_count_where_that_is_switched_off():
    deployment = a_task_set(0, status="PRIMARY")
    service = a_service(deployment, desired=1)
    breaker = {"enable": True, "rollback": False, "resetOnHealthyTask": False}
    service.settings["deploymentConfiguration"] = {"deploymentCircuitBreaker": breaker}
    count_failure(service, deployment, ran=False)
    count_health(service, deployment, 1)
    assert deployment.roll.failed_tasks == 1


def test_first_deployment_that_fails_has_nothing_to_roll_back_to():
    deployment = a_task_set(0, status="PRIMARY")
    service = a_service(deployment, desired=1)
    service.settings["deploymentConfiguration"] = BREAKER
    begin(service, 0.0)
    for _ in range(3):
        count_failure(service, deployment, ran=False)
    roll(service, 1.0)
    assert (deployment.roll.state, deployment.fixed, service.primary) == ("FAILED", 0, deployment)
    assert service.history[0].status == "ROLLBACK_FAILED"
    assert service.history[0].reason == "No rollback candidate was found to run the rollback."


# ---- deployments that fail


async def completed(ecs: Emulated) -> dict[str, Any]:
    """The service, once its only deployment is COMPLETED."""

    async def met() -> dict[str, Any] | None:
        service = await ecs.service()
        return service if [one["rolloutState"] for one in service["deployments"]] == ["COMPLETED"] else None

    return cast(dict[str, Any], await ecs.until(met, 15))


async def create(ecs: Emulated, image: str = "sleeper:1", **configuration: Any) -> str:
    definition = await ecs.register(image)
    request = {"serviceName": "web", "taskDefinition": definition, "desiredCount": 1, **RUN}
    await ecs.call("CreateService", **request, deploymentConfiguration=configuration)
    return definition


def test_circuit_breaker_fails_the_deployment_and_goes_back_to_the_last_completed_one(story: Story):
    async def told(ecs: Emulated) -> None:
        definition = await create(ecs, **BREAKER)
        first = (await completed(ecs))["deployments"][0]["id"]
        (kept,) = await ecs.tasks()
        answer = await ecs.call("UpdateService", service="web", taskDefinition=await ecs.register("nowhere:9"))
        failing = answer["service"]["deployments"][0]["id"]

        async def failed() -> dict[str, Any] | None:
            deployments = {one["id"]: one for one in (await ecs.service())["deployments"]}
            return deployments if deployments.get(failing, {}).get("rolloutState") == "FAILED" else None

        deployments = await ecs.until(failed, 15)
        assert deployments[failing]["rolloutStateReason"] == "ECS deployment circuit breaker: tasks failed to start."
        assert deployments[failing]["failedTasks"] == 3
        assert (deployments[first]["status"], deployments[first]["rolloutStateReason"]) == (
            "PRIMARY",
            f"ECS deployment circuit breaker: rolling back to deploymentId {first}.",
        )
        service = await completed(ecs)
        assert (service["taskDefinition"], service["deployments"][0]["id"]) == (definition, first)
        assert [task["taskArn"] for task in await ecs.tasks()] == [kept["taskArn"]]
        messages = await ecs.messages()
        told = [
            "(service web) (deployment ecs-svc) deployment failed: tasks failed to start.",
            "(service web) rolling back to deployment ecs-svc.",
            "(service web) (deployment ecs-svc) deployment completed.",
        ]
        assert [message for message in messages if message in told][-3:] == told
        (record, _) = (await ecs.call("ListServiceDeployments", service="web"))["serviceDeployments"]
        assert record["status"] == "ROLLBACK_SUCCESSFUL"
        arns = [record["serviceDeploymentArn"]]
        (described,) = (await ecs.call("DescribeServiceDeployments", serviceDeploymentArns=arns))["serviceDeployments"]
        assert described["deploymentCircuitBreaker"] == {"status": "TRIGGERED", "failureCount": 3, "threshold": 3}
        revision = described["rollback"]["serviceRevisionArn"]
        (shown,) = (await ecs.call("DescribeServiceRevisions", serviceRevisionArns=[revision]))["serviceRevisions"]
        assert shown["taskDefinition"] == definition

    story(told)


def test_without_rollback_the_failed_deployment_starts_no_more_and_the_old_tasks_go_on(story: Story):
    async def told(ecs: Emulated) -> None:
        await create(ecs, deploymentCircuitBreaker={"enable": True, "rollback": False})
        await completed(ecs)
        await ecs.call("UpdateService", service="web", taskDefinition=await ecs.register("nowhere:9"))

        async def failed() -> bool:
            return (await ecs.service())["deployments"][0]["rolloutState"] == "FAILED"

        await ecs.until(failed, 15)
        service = await ecs.service()
        assert [one["desiredCount"] for one in service["deployments"]] == [0, 1]
        assert (service["runningCount"], service["pendingCount"]) == (1, 0)
        (record,) = (await ecs.call("ListServiceDeployments", service="web", status=["STOPPED"]))["serviceDeployments"]
        assert record["statusReason"] == "Service deployment failed: tasks failed to start."
        newer = await ecs.register("sleeper:2")
        await ecs.call("UpdateService", service="web", taskDefinition=newer)
        assert (await completed(ecs))["taskDefinition"] == newer

    story(told)


def test_alarm_that_comes_up_rolls_back_and_one_that_was_up_before_is_ignored(story: Story):
    async def told(ecs: Emulated) -> None:
        ecs.elsewhere.alarms.update(old="ALARM", new="OK")
        alarms = {"alarmNames": ["old", "new"], "enable": True, "rollback": True}
        definition = await create(ecs, alarms=alarms)
        await completed(ecs)  # although `old` is in ALARM
        ecs.elsewhere.alarms.update(old="OK")
        newer = await ecs.register("sleeper:2")
        await ecs.call("UpdateService", service="web", taskDefinition=newer)

        async def taken_over() -> bool:
            return {task["taskDefinitionArn"] for task in await ecs.tasks()} == {newer}

        await ecs.until(taken_over)  # the old tasks are gone, the deployment is still watched
        ecs.elsewhere.alarms.update(new="ALARM")

        async def back() -> bool:
            return (await ecs.service())["taskDefinition"] == definition

        await ecs.until(back)
        assert (await completed(ecs))["taskDefinition"] == definition
        assert any("deployment failed: alarm detected." in message for message in await ecs.messages())
        records = (await ecs.call("ListServiceDeployments", service="web"))["serviceDeployments"]
        arns = [records[0]["serviceDeploymentArn"]]
        (described,) = (await ecs.call("DescribeServiceDeployments", serviceDeploymentArns=arns))["serviceDeployments"]
        assert described["alarms"]["triggeredAlarmNames"] == ["new"]

    story(told)


# ---- percentages


def test_rolling_never_has_fewer_or_more_tasks_than_the_percentages_allow(story: Story):
    async def told(ecs: Emulated) -> None:
        definition = await ecs.register("sleeper:1")
        request = {"serviceName": "web", "taskDefinition": definition, "desiredCount": 4, **RUN}
        bounds = {"minimumHealthyPercent": 50, "maximumPercent": 150}
        await ecs.call("CreateService", **request, deploymentConfiguration=bounds)
        await completed(ecs)
        newer = await ecs.register("sleeper:2")
        await ecs.call("UpdateService", service="web", taskDefinition=newer)
        fewest, most = 4, 0

        async def done() -> bool:
            nonlocal fewest, most
            service = await ecs.service()
            alive = service["runningCount"] + service["pendingCount"]
            fewest, most = min(fewest, service["runningCount"]), max(most, alive)
            return [one["rolloutState"] for one in service["deployments"]] == ["COMPLETED"]

        await ecs.until(done, 20)
        assert fewest >= 2
        assert most <= 6
        assert {task["taskDefinitionArn"] for task in await ecs.tasks()} == {newer}

    story(told)


@pytest.mark.parametrize(
    ("configuration", "code"),
    [
        ({"minimumHealthyPercent": 100, "maximumPercent": 100}, "InvalidParameterException"),
        ({"strategy": "BLUE_GREEN"}, "NotImplemented"),
        ({"bakeTimeInMinutes": 5}, "NotImplemented"),
        ({"alarms": {"enable": True, "rollback": True, "alarmNames": []}}, "InvalidParameterException"),
    ],
)
def test_configurations_that_cannot_be_are_refused(story: Story, configuration: dict[str, Any], code: str):
    async def told(ecs: Emulated) -> None:
        with pytest.raises(AwsError) as error:
            await create(ecs, **configuration)
        assert error.value.code == code

    story(told)


def test_circuit_breaker_is_for_the_ecs_controller_only(story: Story):
    async def told(ecs: Emulated) -> None:
        request = {"serviceName": "web", "desiredCount": 1, "deploymentController": {"type": "EXTERNAL"}}
        with pytest.raises(AwsError, match="not supported with a EXTERNAL"):
            await ecs.call("CreateService", **request, deploymentConfiguration=BREAKER)

    story(told)


# ---- clients


def test_services_stable_waits_for_a_rolling_service(aws: Running):
    ecs, ec2 = aws.client("ecs"), aws.client("ec2")
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    ecs.create_cluster(clusterName="stable")
    ecs.register_task_definition(
        family="stable",
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        cpu="256",
        memory="512",
        containerDefinitions=[{"name": "app", "image": "sampleapp:v1", "portMappings": [{"containerPort": 8080}]}],
    )
    network = {"awsvpcConfiguration": {"subnets": [subnet]}}
    ecs.create_service(
        cluster="stable",
        serviceName="web",
        taskDefinition="stable",
        desiredCount=2,
        launchType="FARGATE",
        networkConfiguration=network,
    )
    ecs.get_waiter("services_stable").wait(
        cluster="stable", services=["web"], WaiterConfig={"Delay": 1, "MaxAttempts": 20}
    )
    (service,) = ecs.describe_services(cluster="stable", services=["web"])["services"]
    assert (service["runningCount"], len(service["deployments"])) == (2, 1)
    assert service["currentServiceDeployment"].startswith(
        "arn:aws:ecs:us-east-1:123456789012:service-deployment/stable/web/"
    )
    ecs.delete_service(cluster="stable", service="web", force=True)
