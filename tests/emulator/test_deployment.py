"""Deployments that really happen: tasks that run, a load balancer that shifts traffic, all through the stock boto3."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.emulator.release import CANARY, Release

EIGHT = [
    "BeforeInstall",
    "Install",
    "AfterInstall",
    "AllowTestTraffic",
    "AfterAllowTestTraffic",
    "BeforeAllowTraffic",
    "AllowTraffic",
    "AfterAllowTraffic",
]


def test_deployment_moves_production_to_green_and_stock_waiters_see_it(aws: Any):
    release = Release(aws).up()
    assert release.version() == "v1"
    assert release.weights() == {"blue": 1}
    deployment = release.deploy(release.register("v2"))
    with pytest.raises(ClientError, match=rf"is already deploying deployment '{deployment}'") as refused:
        release.deploy(release.register("v2"))
    assert refused.value.response["Error"]["Code"] == "DeploymentLimitExceededException"
    release.codedeploy.get_waiter("deployment_successful").wait(
        deploymentId=deployment, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    assert release.version() == "v2"
    assert release.weights() == {"green": 100, "blue": 0}
    assert release.events(deployment) == dict.fromkeys(EIGHT, "Succeeded")
    info = release.info(deployment)
    assert info["deploymentOverview"]["Succeeded"] == 1
    assert info["creator"] == "user"
    release.until(
        lambda: (
            len(release.ecs.describe_services(cluster=release.name, services=["web"])["services"][0]["taskSets"]) == 1
        )
    )
    (service,) = release.ecs.describe_services(cluster=release.name, services=["web"])["services"]
    assert service["taskSets"][0]["externalId"] == deployment
    assert service["taskSets"][0]["status"] == "PRIMARY"
    assert service["loadBalancers"][0]["targetGroupArn"] == release.groups["green"]


def test_canary_group_puts_the_idle_target_group_on_the_listener_when_it_is_created(aws: Any):
    release = Release(aws, config=CANARY, test_listener=False).up()
    assert release.weights() == {"green": 0, "blue": 100}
    (group,) = release.codedeploy.batch_get_deployment_groups(
        applicationName=release.name, deploymentGroupNames=["group"]
    )["deploymentGroupsInfo"]
    settings = group["blueGreenDeploymentConfiguration"]
    assert settings["deploymentReadyOption"]["waitTimeInMinutes"] == 0
    assert settings["terminateBlueInstancesOnDeploymentSuccess"]["terminationWaitTimeInMinutes"] == 1
    deployment = release.deploy(release.register("v2"))
    release.until(lambda: release.weights() == {"green": 10, "blue": 90})
    target = release.target(deployment)
    assert {one["taskSetLabel"]: (one["status"], one["trafficWeight"]) for one in target["taskSetsInfo"]} == {
        "Blue": ("PRIMARY", 90.0),
        "Green": ("ACTIVE", 10.0),
    }
    stopped = release.codedeploy.stop_deployment(deploymentId=deployment, autoRollbackEnabled=True)
    assert stopped["status"] == "Pending"
    info = release.until(lambda: (seen := release.info(deployment)).get("rollbackInfo") and seen)
    rollback = info["rollbackInfo"]["rollbackDeploymentId"]
    assert info["status"] == "Stopped"
    assert (
        info["rollbackInfo"]["rollbackMessage"]
        == f"Deployment {deployment} terminated. Automatic rollback is triggered with a DeploymentId {rollback}."
    )
    ended = release.ended(rollback)
    assert (ended["status"], ended["creator"], ended["deploymentConfigName"]) == (
        "Succeeded",
        "codeDeployRollback",
        "CodeDeployDefault.ECSAllAtOnce",
    )
    assert ended["rollbackInfo"] == {
        "rollbackTriggeringDeploymentId": deployment,
        "rollbackMessage": f"Deployment {rollback} is triggered to roll back deployment {deployment}.",
    }
    assert release.events(deployment)["AllowTraffic"] == "Failed"
    assert release.weights() == {"green": 0, "blue": 100}
    assert release.version() == "v1"
    assert release.codedeploy.list_deployments(applicationName=release.name, deploymentGroupName="group")[
        "deployments"
    ] == [
        rollback,
        deployment,
    ]


def test_wrong_container_port_fails_install_with_the_error_of_ecs(aws: Any):
    release = Release(aws).up()
    deployment = release.deploy(release.register("v2"), port=9090)
    info = release.ended(deployment)
    assert info["status"] == "Failed"
    assert info["errorInformation"]["code"] == "ECS_UPDATE_ERROR"
    assert "The container app did not have a container port 9090 defined." in info["errorInformation"]["message"]
    assert release.events(deployment)["Install"] == "Failed"
    assert release.events(deployment)["AllowTraffic"] == "Skipped"
    assert release.version() == "v1"


def test_wrong_appspec_is_refused_before_a_deployment_exists(aws: Any):
    release = Release(aws).up()
    revision = {"revisionType": "AppSpecContent", "appSpecContent": {"content": "version: 0.0\nResources: []\n"}}
    with pytest.raises(ClientError, match="Resources must name exactly one resource") as refused:
        release.codedeploy.create_deployment(
            applicationName=release.name, deploymentGroupName="group", revision=revision
        )
    assert refused.value.response["Error"]["Code"] == "InvalidRevisionException"


def test_ready_wait_holds_until_continue_deployment_and_the_termination_wait_can_be_skipped(aws: Any):
    settings = {
        "terminateBlueInstancesOnDeploymentSuccess": {"action": "TERMINATE", "terminationWaitTimeInMinutes": 2880},
        "deploymentReadyOption": {"actionOnTimeout": "STOP_DEPLOYMENT", "waitTimeInMinutes": 60},
    }
    release = Release(aws, blueGreenDeploymentConfiguration=settings).up()
    deployment = release.deploy(release.register("v2"))
    release.until(lambda: release.info(deployment)["status"] == "Ready")
    assert release.version() == "v1"
    assert release.test is not None
    assert release.version(release.test) == "v2"
    release.codedeploy.continue_deployment(deploymentId=deployment, deploymentWaitType="READY_WAIT")
    release.until(lambda: release.version() == "v2")
    release.until(lambda: release.info(deployment)["instanceTerminationWaitTimeStarted"])
    assert release.info(deployment)["status"] == "InProgress"
    release.codedeploy.continue_deployment(deploymentId=deployment, deploymentWaitType="TERMINATION_WAIT")
    assert release.ended(deployment)["status"] == "Succeeded"
    with pytest.raises(ClientError) as refused:
        release.codedeploy.stop_deployment(deploymentId=deployment)
    assert refused.value.response["Error"]["Code"] == "DeploymentAlreadyCompletedException"
