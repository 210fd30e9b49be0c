"""CodeDeploy over HTTP with the stock boto3: resources, refusals, shapes. Deployments that run are in test_deployment.py."""

import hashlib
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

ROLE = "arn:aws:iam::123456789012:role/codedeploy"
STYLE = {"deploymentType": "BLUE_GREEN", "deploymentOption": "WITH_TRAFFIC_CONTROL"}
BLUE_GREEN: dict[str, Any] = {
    "terminateBlueInstancesOnDeploymentSuccess": {"action": "TERMINATE"},
    "deploymentReadyOption": {"actionOnTimeout": "CONTINUE_DEPLOYMENT"},
}
LOAD_BALANCER = {
    "targetGroupPairInfoList": [
        {
            "targetGroups": [{"name": "blue"}, {"name": "green"}],
            "prodTrafficRoute": {"listenerArns": ["arn:aws:elasticloadbalancing:x"]},
        }
    ]
}
SPEC = json.dumps(
    {
        "version": 0.0,
        "Resources": [
            {
                "TargetService": {
                    "Type": "AWS::ECS::Service",
                    "Properties": {
                        "TaskDefinition": "app:1",
                        "LoadBalancerInfo": {"ContainerName": "app", "ContainerPort": 8080},
                    },
                }
            }
        ],
    }
)


@pytest.fixture
def codedeploy(aws: Any) -> Any:
    return aws.client("codedeploy")


@pytest.fixture
def application(codedeploy: Any, request: pytest.FixtureRequest) -> str:
    name = f"app-{hashlib.sha256(request.node.name.encode()).hexdigest()[:8]}"
    codedeploy.create_application(applicationName=name, computePlatform="ECS")
    return name


def refused(call: Any, **request: Any) -> tuple[str, str, int]:
    with pytest.raises(ClientError) as error:
        call(**request)
    answer = error.value.response
    return answer["Error"]["Code"], answer["Error"]["Message"], answer["ResponseMetadata"]["HTTPStatusCode"]


def group_request(application: str, **changes: Any) -> dict[str, Any]:
    request: dict[str, Any] = {
        "applicationName": application,
        "deploymentGroupName": "group",
        "serviceRoleArn": ROLE,
        "deploymentStyle": STYLE,
        "blueGreenDeploymentConfiguration": BLUE_GREEN,
        "loadBalancerInfo": LOAD_BALANCER,
        "ecsServices": [{"clusterName": "nowhere", "serviceName": "nothing"}],
    }
    return {key: value for key, value in {**request, **changes}.items() if value is not None}


def test_application_is_created_listed_renamed_and_deleted(codedeploy: Any):
    created = codedeploy.create_application(
        applicationName="one", computePlatform="ECS", tags=[{"Key": "team", "Value": "a"}]
    )
    application = codedeploy.get_application(applicationName="one")["application"]
    assert application["applicationId"] == created["applicationId"]
    assert application["computePlatform"] == "ECS"
    assert refused(codedeploy.create_application, applicationName="one")[0] == "ApplicationAlreadyExistsException"
    codedeploy.update_application(applicationName="one", newApplicationName="uno")
    assert "uno" in codedeploy.list_applications()["applications"]
    arn = "arn:aws:codedeploy:us-east-1:123456789012:application:uno"
    assert codedeploy.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "a"}]
    codedeploy.delete_application(applicationName="uno")
    assert refused(codedeploy.get_application, applicationName="uno") == (
        "ApplicationDoesNotExistException",
        "No application found for name: uno",
        400,
    )


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        (
            {"deploymentStyle": {"deploymentType": "IN_PLACE"}},
            "InvalidDeploymentStyleException",
            "For ECS deployment, the deployment type must be BLUE_GREEN, and deployment option must be WITH_TRAFFIC_CONTROL.",
        ),
        (
            {"loadBalancerInfo": None},
            "InvalidLoadBalancerInfoException",
            "For ECS deployment group, loadBalancerInfo must be specified",
        ),
        (
            {"blueGreenDeploymentConfiguration": None},
            "InvalidBlueGreenDeploymentConfigurationException",
            "For ECS deployment group, blueGreenDeploymentConfiguration must be specified",
        ),
        (
            {"autoScalingGroups": ["x"]},
            "InvalidInputException",
            "For ECS deployment group, autoScalingGroups can not be specified",
        ),
        ({"ecsServices": None}, "InvalidECSServiceException", "exactly one ECS service"),
        ({"deploymentConfigName": "Mine"}, "DeploymentConfigDoesNotExistException", "Mine"),
        ({"alarmConfiguration": {"enabled": True}}, "InvalidAlarmConfigException", "lists no alarm"),
        ({"autoRollbackConfiguration": {"enabled": True}}, "InvalidAutoRollbackConfigException", "lists no event"),
        ({"tags": [{"Key": "rehearsal:compression", "Value": "fast"}]}, "InvalidTagsToAddException", "'fast'"),
        (
            {},
            "InvalidECSServiceException",
            "Could not load ECS service information for cluster: nowhere, service: nothing.",
        ),
    ],
)
def test_deployment_group_that_is_wrong_is_refused(
    codedeploy: Any, application: str, changes: dict[str, Any], code: str, message: str
):
    got, text, status = refused(codedeploy.create_deployment_group, **group_request(application, **changes))
    assert (got, status) == (code, 400)
    assert message in text


def test_predefined_ecs_configs_are_listed_and_described(codedeploy: Any):
    names = codedeploy.list_deployment_configs()["deploymentConfigsList"]
    assert {
        "CodeDeployDefault.OneAtATime",
        "CodeDeployDefault.LambdaAllAtOnce",
        "CodeDeployDefault.ECSAllAtOnce",
    } <= set(names)
    described = codedeploy.get_deployment_config(deploymentConfigName="CodeDeployDefault.ECSCanary10Percent15Minutes")
    info = described["deploymentConfigInfo"]
    assert info["computePlatform"] == "ECS"
    assert info["trafficRoutingConfig"] == {
        "type": "TimeBasedCanary",
        "timeBasedCanary": {"canaryPercentage": 10, "canaryInterval": 15},
    }


def test_custom_config_is_kept_and_may_not_take_a_predefined_name(codedeploy: Any):
    traffic = {"type": "TimeBasedLinear", "timeBasedLinear": {"linearPercentage": 20, "linearInterval": 2}}
    codedeploy.create_deployment_config(
        deploymentConfigName="twenty", computePlatform="ECS", trafficRoutingConfig=traffic
    )
    info = codedeploy.get_deployment_config(deploymentConfigName="twenty")["deploymentConfigInfo"]
    assert info["trafficRoutingConfig"] == traffic
    code, *_ = refused(
        codedeploy.create_deployment_config,
        deploymentConfigName="CodeDeployDefault.Mine",
        computePlatform="ECS",
        trafficRoutingConfig=traffic,
    )
    assert code == "InvalidDeploymentConfigNameException"
    codedeploy.delete_deployment_config(deploymentConfigName="twenty")
    assert (
        refused(codedeploy.get_deployment_config, deploymentConfigName="twenty")[0]
        == "DeploymentConfigDoesNotExistException"
    )


def test_revision_text_is_returned_by_get_application_revision_alone(codedeploy: Any, application: str):
    digest = hashlib.sha256(SPEC.encode()).hexdigest()
    codedeploy.register_application_revision(
        applicationName=application, revision={"revisionType": "AppSpecContent", "appSpecContent": {"content": SPEC}}
    )
    listed = codedeploy.list_application_revisions(applicationName=application)["revisions"]
    assert listed == [{"revisionType": "AppSpecContent", "appSpecContent": {"sha256": digest}}]
    whole = codedeploy.get_application_revision(applicationName=application, revision=listed[0])
    assert whole["revision"]["appSpecContent"]["content"] == SPEC


def test_revision_with_a_wrong_hash_is_refused(codedeploy: Any, application: str):
    revision = {"revisionType": "AppSpecContent", "appSpecContent": {"content": SPEC, "sha256": "0" * 64}}
    code, *_ = refused(codedeploy.register_application_revision, applicationName=application, revision=revision)
    assert code == "InvalidRevisionException"


def test_unknown_deployment_and_group_are_refused_by_name(codedeploy: Any, application: str):
    assert refused(codedeploy.get_deployment, deploymentId="d-ABCDEFGHI")[0] == "DeploymentDoesNotExistException"
    assert refused(codedeploy.get_deployment, deploymentId="nonsense")[0] == "InvalidDeploymentIdException"
    code, message, _ = refused(codedeploy.get_deployment_group, applicationName=application, deploymentGroupName="none")
    assert (code, message) == ("DeploymentGroupDoesNotExistException", "No Deployment Group found for name: none")


def test_group_of_the_server_platform_gets_the_puzzling_error(codedeploy: Any):
    codedeploy.create_application(applicationName="forgot-the-platform")
    code, message, _ = refused(codedeploy.create_deployment_group, **group_request("forgot-the-platform"))
    assert (code, message) == (
        "InvalidECSServiceException",
        "Should not specify ECS services parameter for Server deployment group",
    )
