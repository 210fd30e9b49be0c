"""CodeDeploy's edges over HTTP: limits, filters, revisions in S3, triggers, the service role, and who the caller is."""

import json
from typing import Any

import botocore.session
import pytest
import requests
from botocore.parsers import create_parser
from botocore.serialize import create_serializer

from tests.emulator.release import CANARY, Release
from tests.emulator.test_codedeploy import SPEC, application, codedeploy, group_request, refused

__all__ = ["application", "codedeploy"]
PAIR = {
    "targetGroups": [{"name": "blue"}, {"name": "green"}],
    "prodTrafficRoute": {"listenerArns": ["arn:aws:elasticloadbalancing:x"]},
}
TOPIC = "arn:aws:sns:us-east-1:123456789012:releases"


def trigger(*events: str, topic: str = TOPIC) -> list[dict[str, Any]]:
    return [{"triggerName": "tell", "triggerTargetArn": topic, "triggerEvents": list(events)}]


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"serviceRoleArn": "nobody"}, "InvalidRoleException", "nobody"),
        (
            {"loadBalancerInfo": {"elbInfoList": [{"name": "x"}]}},
            "InvalidLoadBalancerInfoException",
            "For ECS deployment group, loadBalancerInfo must not contain elbInfo list",
        ),
        (
            {"loadBalancerInfo": {"targetGroupInfoList": [{"name": "x"}]}},
            "InvalidLoadBalancerInfoException",
            "For ECS deployment group, loadBalancerInfo must not contain targetGroupInfo list",
        ),
        (
            {"loadBalancerInfo": {"targetGroupPairInfoList": [{**PAIR, "targetGroups": [{"name": "blue"}]}]}},
            "InvalidTargetGroupPairException",
            "A deployment group associated with an application that uses the ECS compute platform must contain a valid pair",
        ),
        (
            {"blueGreenDeploymentConfiguration": {"terminateBlueInstancesOnDeploymentSuccess": {"action": "KEEP_ALIVE"}}},
            "InvalidBlueGreenDeploymentConfigurationException",
            "TERMINATE",
        ),
        (
            {"blueGreenDeploymentConfiguration": {"terminateBlueInstancesOnDeploymentSuccess": {"terminationWaitTimeInMinutes": 2881}}},
            "InvalidBlueGreenDeploymentConfigurationException",
            "2880",
        ),
        (
            {"blueGreenDeploymentConfiguration": {"deploymentReadyOption": {"actionOnTimeout": "NEVER"}}},
            "InvalidBlueGreenDeploymentConfigurationException",
            "actionOnTimeout is NEVER",
        ),
        ({"triggerConfigurations": trigger("Sometimes")}, "InvalidTriggerConfigException", "Sometimes"),
        ({"triggerConfigurations": trigger("DeploymentStart", topic="x")}, "InvalidTriggerConfigException", "SNS topic"),
        ({"triggerConfigurations": trigger("DeploymentStart") * 11}, "TriggerTargetsLimitExceededException", "10"),
        ({"alarmConfiguration": {"enabled": True, "alarms": [{"name": ""}]}}, "InvalidAlarmConfigException", "empty name"),
        (
            {"alarmConfiguration": {"enabled": True, "alarms": [{"name": "a"}, {"name": "a"}]}},
            "InvalidAlarmConfigException",
            "more than once",
        ),
        (
            {"alarmConfiguration": {"enabled": True, "alarms": [{"name": str(i)} for i in range(11)]}},
            "AlarmsLimitExceededException",
            "10",
        ),
        ({"ec2TagFilters": [{"Key": "a", "Type": "KEY_ONLY"}]}, "InvalidEC2TagException", "ec2TagFilters"),
        ({"ec2TagSet": {"ec2TagSetList": [[{"Key": "a"}]]}}, "InvalidEC2TagException", "ec2TagFilters"),
        ({"onPremisesInstanceTagFilters": [{"Key": "a"}]}, "InvalidTagException", "onPremisesInstanceTagFilters"),
        ({"onPremisesTagSet": {"onPremisesTagSetList": [[{"Key": "a"}]]}}, "InvalidTagException", "onPremises"),
        ({"terminationHookEnabled": True}, "InvalidInputException", "terminationHookEnabled"),
    ],
)  # fmt: skip
def test_group_member_that_ecs_does_not_allow_is_refused(
    codedeploy: Any, application: str, changes: dict[str, Any], code: str, message: str
):
    got, text, status = refused(codedeploy.create_deployment_group, **group_request(application, **changes))
    assert (got, status) == (code, 400)
    assert message in text


def test_server_group_without_a_load_balancer_gets_the_server_side_error(codedeploy: Any):
    codedeploy.create_application(applicationName="server-side")
    request = group_request("server-side", ecsServices=None)
    code, message, _ = refused(codedeploy.create_deployment_group, **request)
    assert code == "InvalidLoadBalancerInfoException"
    assert message.startswith(
        "The specification for load balancing in the deployment group is invalid. The deploymentOption"
    )
    style = {"deploymentType": "IN_PLACE", "deploymentOption": "WITHOUT_TRAFFIC_CONTROL"}
    code, message, status = refused(codedeploy.create_deployment_group, **{**request, "deploymentStyle": style})
    assert (code, status) == ("NotImplemented", 501)
    assert "Server platform" in message


def test_batch_operations_refuse_more_than_their_limit(codedeploy: Any, application: str):
    many = [f"n{i}" for i in range(101)]
    for call, request in (
        (codedeploy.batch_get_applications, {"applicationNames": many}),
        (codedeploy.batch_get_deployment_groups, {"applicationName": application, "deploymentGroupNames": many}),
        (codedeploy.batch_get_deployments, {"deploymentIds": many[:26]}),
    ):
        assert refused(call, **request)[0] == "BatchLimitExceededException"
    found = codedeploy.batch_get_applications(applicationNames=[application])["applicationsInfo"]
    assert [one["applicationName"] for one in found] == [application]


def test_custom_configs_end_at_200(codedeploy: Any, aws: Any):
    there = aws.client("codedeploy", region_name="eu-west-1")
    traffic = {"type": "AllAtOnce"}
    for number in range(200):
        there.create_deployment_config(
            deploymentConfigName=f"c{number}", computePlatform="ECS", trafficRoutingConfig=traffic
        )
    code, *_ = refused(
        there.create_deployment_config, deploymentConfigName="c", computePlatform="ECS", trafficRoutingConfig=traffic
    )
    assert code == "DeploymentConfigLimitExceededException"
    pages = list(there.get_paginator("list_deployment_configs").paginate())
    assert len(pages) > 2
    assert {f"c{number}" for number in range(200)} <= {name for one in pages for name in one["deploymentConfigsList"]}
    assert "c0" not in codedeploy.list_deployment_configs()["deploymentConfigsList"]  # another region has none of them


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(json.loads(SPEC), indent="\t"),  # JSON that is no YAML
        "version: 0.0\nresources:\n  - s:\n      type: AWS::ECS::Service\n      properties:\n        taskDefinition: app:1\n"
        "        loadBalancerInfo: {containerName: app, containerPort: 8080}\n",
    ],
    ids=["json_with_tabs", "yaml_in_lower_case"],
)
def test_app_spec_is_read_as_json_or_yaml_and_keys_in_any_case(codedeploy: Any, application: str, text: str):
    revision = {"revisionType": "AppSpecContent", "appSpecContent": {"content": text}}
    code, message, _ = refused(
        codedeploy.create_deployment, applicationName=application, deploymentGroupName="none", revision=revision
    )
    assert code == "DeploymentGroupDoesNotExistException", message
    codedeploy.register_application_revision(applicationName=application, revision=revision)


# ---- on a group that deploys


@pytest.fixture(scope="module")
def release(aws: Any) -> Release:
    """v1 runs; the tests below that only ask share it."""
    return Release(aws, test_listener=False).up()


@pytest.mark.parametrize(
    ("properties", "says"),
    [
        ({"CapacityProviderStrategy": [{"CapacityProvider": "x", "Weight": "much"}]}, "Weight must be a number"),
        ({"NetworkConfiguration": {"AwsvpcConfiguration": {"Subnets": ["s"]}}}, "must include property 'SecurityGroups'"),
        (
            {"NetworkConfiguration": {"AwsvpcConfiguration": {"Subnets": "s", "SecurityGroups": [], "AssignPublicIp": "ENABLED"}}},
            "Subnets must be a list of text",
        ),
        ({"LoadBalancerInfo": {"ContainerName": "app", "ContainerPort": "http"}}, "ContainerPort must be a number"),
        ({"LoadBalancerInfo": {"ContainerName": "app"}}, "must include property 'ContainerPort'"),
    ],
)  # fmt: skip
def test_app_spec_with_a_wrong_member_is_refused_by_name(release: Release, properties: dict[str, Any], says: str):
    spec = json.loads(SPEC)
    spec["Resources"][0]["TargetService"]["Properties"].update(properties)
    code, message, _ = refused_deployment(release, json.dumps(spec))
    assert code == "InvalidRevisionException"
    assert says in message


@pytest.mark.parametrize(
    ("hooks", "says"),
    [
        ([{"BeforeBlockTraffic": "f"}], "names BeforeBlockTraffic"),
        ([{"BeforeInstall": None}], "BeforeInstall must name a function"),
        ({"BeforeInstall": "f"}, "must be a list"),
    ],
)
def test_app_spec_hook_that_ecs_does_not_have_is_refused(release: Release, hooks: Any, says: str):
    code, message, _ = refused_deployment(release, json.dumps({**json.loads(SPEC), "Hooks": hooks}))
    assert code == "InvalidRevisionException"
    assert says in message


def refused_deployment(release: Release, text: str, **more: Any) -> tuple[str, str, int]:
    revision = {"revisionType": "AppSpecContent", "appSpecContent": {"content": text}}
    return refused(
        release.codedeploy.create_deployment,
        applicationName=release.application,
        deploymentGroupName=release.group,
        **{"revision": revision, **more},
    )


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"description": "x" * 257}, "DescriptionTooLongException"),
        ({"deploymentConfigName": "CodeDeployDefault.OneAtATime"}, "DeploymentConfigDoesNotExistException"),
        ({"updateOutdatedInstancesOnly": True}, "InvalidUpdateOutdatedInstancesOnlyValueException"),
        ({"targetInstances": {"autoScalingGroups": ["a"]}}, "InvalidTargetInstancesException"),
        ({"fileExistsBehavior": "SHRUG"}, "InvalidFileExistsBehaviorException"),
        ({"overrideAlarmConfiguration": {"enabled": True}}, "InvalidAlarmConfigException"),
        ({"autoRollbackConfiguration": {"enabled": True, "events": ["RAIN"]}}, "InvalidAutoRollbackConfigException"),
        ({"revision": {"revisionType": "GitHub", "gitHubLocation": {}}}, "InvalidRevisionException"),
    ],
)
def test_deployment_that_asks_for_what_ecs_has_not_is_refused(release: Release, more: dict[str, Any], code: str):
    assert refused_deployment(release, SPEC, **more)[0] == code


def test_deployments_are_listed_by_both_names_or_none_and_by_known_statuses(release: Release):
    listing = release.codedeploy.list_deployments
    names = {"applicationName": release.application, "deploymentGroupName": release.group}
    assert listing(**names)["deployments"] == []
    assert refused(listing, applicationName=release.application)[0] == "DeploymentGroupNameRequiredException"
    assert refused(listing, deploymentGroupName=release.group)[0] == "ApplicationNameRequiredException"
    assert refused(listing, **names, includeOnlyStatuses=["Gone"])[0] == "InvalidDeploymentStatusException"
    assert refused(listing, **names, nextToken="?")[0] == "InvalidNextTokenException"


def test_callback_of_a_hook_is_refused_for_a_wrong_status_and_a_wrong_id(aws: Any):
    settings = {"deploymentReadyOption": {"actionOnTimeout": "STOP_DEPLOYMENT", "waitTimeInMinutes": 7200}}
    release = Release(aws, test_listener=False, blueGreenDeploymentConfiguration=settings).up()
    deployment = release.deploy(release.register("v2"))
    release.until(lambda: release.info(deployment)["status"] == "Ready")
    put = release.codedeploy.put_lifecycle_event_hook_execution_status
    wrong_status = refused(put, deploymentId=deployment, lifecycleEventHookExecutionId="x", status="Skipped")
    assert wrong_status[0] == "InvalidLifecycleEventHookExecutionStatusException"
    wrong_id = refused(put, deploymentId=deployment, lifecycleEventHookExecutionId="x", status="Succeeded")
    assert wrong_id[0] == "InvalidLifecycleEventHookExecutionIdException"
    target = release.codedeploy.get_deployment_target
    assert refused(target, deploymentId=deployment, targetId="no")[0] == "InvalidDeploymentTargetIdException"
    assert refused(target, deploymentId=deployment, targetId="a:b")[0] == "DeploymentTargetDoesNotExistException"
    listed = release.codedeploy.list_deployment_targets
    assert listed(deploymentId=deployment, targetFilters={"TargetStatus": ["Succeeded"]})["targetIds"] == []
    assert listed(deploymentId=deployment, targetFilters={"TargetStatus": ["Ready"]})["targetIds"] == [
        f"{release.name}:web"
    ]
    early = refused(
        release.codedeploy.continue_deployment, deploymentId=deployment, deploymentWaitType="TERMINATION_WAIT"
    )
    assert early[0] == "InvalidDeploymentStatusException"
    neither = refused(release.codedeploy.continue_deployment, deploymentId=deployment, deploymentWaitType="SOON")
    assert neither[0] == "InvalidDeploymentWaitTypeException"
    release.codedeploy.stop_deployment(deploymentId=deployment)
    ended = release.ended(deployment)
    assert (ended["status"], ended["errorInformation"]["code"]) == ("Stopped", "MANUAL_STOP")
    late = refused(release.codedeploy.continue_deployment, deploymentId=deployment, deploymentWaitType="READY_WAIT")
    assert late[0] == "DeploymentAlreadyCompletedException"


def test_revision_is_read_from_s3_in_the_version_and_with_the_etag_that_are_named(aws: Any):
    release, s3 = Release(aws, test_listener=False).up(), aws.client("s3", region_name="us-east-1")
    bucket = f"{release.name}-revisions"
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    spec = json.loads(SPEC)
    spec["Resources"][0]["TargetService"]["Properties"]["TaskDefinition"] = release.register("v2")
    good = s3.put_object(Bucket=bucket, Key="appspec.json", Body=json.dumps(spec).encode())
    s3.put_object(Bucket=bucket, Key="appspec.json", Body=b"\xff\xfe not an AppSpec")

    def revision(**more: str) -> dict[str, Any]:
        location = {"bucket": bucket, "key": "appspec.json", "bundleType": "JSON", **more}
        return {"revision": {"revisionType": "S3", "s3Location": location}}

    assert refused_deployment(release, "", **revision(bundleType="zip"))[1] == "BundleType must be either YAML or JSON"
    assert "is not text" in refused_deployment(release, "", **revision())[1]
    assert "its eTag is" in refused_deployment(release, "", **revision(eTag="0" * 32))[1]
    assert "NoSuchBucket" not in refused_deployment(release, "", **revision(key="none"))[0]
    exact = revision(version=good["VersionId"], eTag=good["ETag"])
    deployment = release.codedeploy.create_deployment(
        applicationName=release.application, deploymentGroupName=release.group, description="from S3", **exact
    )["deploymentId"]
    info = release.ended(deployment)
    assert (info["status"], info["description"], info["revision"]) == ("Succeeded", "from S3", exact["revision"])
    assert release.version() == "v2"
    names = {"applicationName": release.application, "s3Bucket": bucket, "deployed": "include"}
    assert release.codedeploy.list_application_revisions(**names)["revisions"] == [exact["revision"]]


# ---- triggers


def test_trigger_tells_sns_of_a_failed_deployment_and_its_rollback(aws: Any):
    sns, sqs = aws.client("sns"), aws.client("sqs")
    topic = sns.create_topic(Name="releases")["TopicArn"]
    queue = sqs.create_queue(QueueName="heard")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    events = ("DeploymentStart", "DeploymentSuccess", "DeploymentFailure", "DeploymentRollback")
    release = Release(aws, test_listener=False, triggerConfigurations=trigger(*events, topic=topic)).up()
    deployment = release.deploy(release.register("v2"), port=9090)
    release.ended(deployment)
    heard: list[tuple[str, dict[str, Any]]] = []

    def listen() -> bool:
        for one in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
            told = json.loads(one["Body"])
            heard.append((told["Subject"], json.loads(told["Message"])))
        return len(heard) >= 6

    release.until(listen)
    rollback = release.info(deployment)["rollbackInfo"]["rollbackDeploymentId"]
    where = f"in us-east-1 to {release.application}"
    assert [subject for subject, _ in heard] == [
        f"CREATED: AWS CodeDeploy {deployment} {where}",
        f"IN_PROGRESS: AWS CodeDeploy {deployment} {where}",
        f"FAILED: AWS CodeDeploy {deployment} {where}",
        f"CREATED: AWS CodeDeploy {rollback} {where}",
        f"IN_PROGRESS: AWS CodeDeploy {rollback} {where}",
        f"SUCCEEDED: AWS CodeDeploy {rollback} {where}",
    ]
    created, failed, undone = heard[0][1], heard[2][1], heard[5][1]
    assert created["completeTime"] is None
    assert (created["accountId"], created["eventTriggerName"], created["status"]) == ("123456789012", "tell", "CREATED")
    assert json.loads(failed["errorInformation"])["ErrorCode"] == "ECS_UPDATE_ERROR"
    assert json.loads(failed["rollbackInformation"]) == {}  # the link is written after the status
    assert failed["completeTime"].endswith(" UTC " + failed["completeTime"][-4:])
    assert json.loads(undone["rollbackInformation"])["RollbackTriggeringDeploymentId"] == deployment


def test_trigger_that_cannot_be_sent_hurts_nothing_and_is_visible(aws: Any):
    nowhere = trigger("DeploymentStart", topic="arn:aws:sns:us-east-1:123456789012:nowhere")
    release = Release(aws, test_listener=False, triggerConfigurations=nowhere).up()
    info = release.ended(release.deploy(release.register("v2")))
    assert info["status"] == "Succeeded"
    assert "The trigger tell could not be sent to" in info["deploymentStatusMessages"][0]


# ---- the service role


def role(aws: Any, name: str, *policies: str) -> str:
    iam = aws.client("iam")
    arn = str(iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")["Role"]["Arn"])
    for policy in policies:
        iam.attach_role_policy(RoleName=name, PolicyArn=f"arn:aws:iam::aws:policy/{policy}")
    return arn


def test_role_without_any_policy_cannot_even_create_the_group(aws: Any):
    release = Release(aws, test_listener=False)
    arn = release.role = role(aws, f"empty-{release.name}")
    with pytest.raises(Exception, match="Could not load ECS service information for cluster") as error:
        release.up()
    assert f"Cause: User: {arn} is not authorized to perform: ecs:DescribeServices" in str(error.value)


def test_limited_role_invokes_functions_of_its_prefix_only(aws: Any):
    release = Release(aws, test_listener=False)
    release.role = role(aws, f"limited-{release.name}", "AWSCodeDeployRoleForECSLimited")
    release.up()
    info = release.ended(release.deploy(release.register("v2"), hooks={"AfterInstall": "smoke"}))
    assert info["errorInformation"] == {
        "code": "IAM_ROLE_PERMISSIONS",
        "message": f"The IAM role {release.role} does not give you permission to perform operations in the following AWS "
        "service: AWSLambda.",
    }
    allowed = release.ended(release.deploy(release.register("v2"), hooks={"AfterInstall": "CodeDeployHook_none"}))
    assert allowed["errorInformation"]["code"] == "INVALID_LAMBDA_FUNCTION"


def test_role_with_a_policy_of_its_own_invokes_the_functions_it_names(aws: Any):
    release = Release(aws, test_listener=False)
    release.role = role(aws, f"own-{release.name}")
    arn = "arn:aws:lambda:us-east-1:123456789012:function:CodeDeployHook_*"
    statement = {"Effect": "Allow", "Action": ["lambda:Invoke*"], "Resource": arn}
    aws.client("iam").put_role_policy(
        RoleName=f"own-{release.name}",
        PolicyName="own",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statement}),
    )
    release.up()
    refused = release.ended(release.deploy(release.register("v2"), hooks={"AfterInstall": "smoke"}))
    assert refused["errorInformation"]["code"] == "IAM_ROLE_PERMISSIONS"
    rollback = refused["rollbackInfo"].get("rollbackDeploymentId")
    assert rollback is None or release.ended(rollback)
    allowed = release.ended(release.deploy(release.register("v2"), hooks={"AfterInstall": "CodeDeployHook_none"}))
    assert allowed["errorInformation"]["code"] == "INVALID_LAMBDA_FUNCTION"


def test_role_that_was_deleted_fails_the_deployment(aws: Any):
    release = Release(aws, test_listener=False)
    name = f"gone-{release.name}"
    release.role = role(aws, name, "AWSCodeDeployRoleForECS")
    release.up()
    iam = aws.client("iam")
    iam.detach_role_policy(RoleName=name, PolicyArn="arn:aws:iam::aws:policy/AWSCodeDeployRoleForECS")
    iam.delete_role(RoleName=name)
    info = release.ended(release.deploy(release.register("v2")))
    assert (info["status"], info["errorInformation"]["code"]) == ("Failed", "IAM_ROLE_MISSING")


# ---- what is left behind


def test_task_set_left_by_a_stopped_deployment_makes_room_for_the_next(aws: Any):
    release = Release(aws, config=CANARY, test_listener=False).up()
    first = release.deploy(release.register("v2"))
    release.until(lambda: release.weights() == {"green": 10, "blue": 90})
    release.codedeploy.stop_deployment(deploymentId=first, autoRollbackEnabled=False)
    assert release.ended(first)["status"] == "Stopped"
    assert release.weights() == {"green": 10, "blue": 90}
    second = release.ended(release.deploy(release.register("v2")))
    assert second["errorInformation"]["code"] == "ELASTIC_LOAD_BALANCING_INVALID"
    assert "Green taskset target group cannot have non-zero weight" in second["errorInformation"]["message"]
    weights = [{"TargetGroupArn": release.groups[side], "Weight": n} for side, n in (("green", 0), ("blue", 100))]
    release.elb.modify_listener(
        ListenerArn=release.production,
        DefaultActions=[{"Type": "forward", "ForwardConfig": {"TargetGroups": weights}}],
    )
    third = release.deploy(release.register("v2"))
    release.until(lambda: release.weights() == {"green": 10, "blue": 90})
    (service,) = release.ecs.describe_services(cluster=release.name, services=["web"])["services"]
    active = [one["externalId"] for one in service["taskSets"] if one["status"] == "ACTIVE"]
    assert active == [third]
    # A group that is written meanwhile does not take back what the deployment has shifted.
    release.codedeploy.update_deployment_group(
        applicationName=release.application, currentDeploymentGroupName=release.group
    )
    assert release.weights() == {"green": 10, "blue": 90}
    release.codedeploy.stop_deployment(deploymentId=third, autoRollbackEnabled=True)


# ---- who asks, and how


def test_access_key_of_twelve_digits_is_the_account_in_our_services_and_in_the_delegates(aws: Any):
    def client(service: str, key: str) -> Any:
        session = botocore.session.get_session()
        return session.create_client(
            service, "us-east-1", endpoint_url=aws.url, aws_access_key_id=key, aws_secret_access_key="x"
        )

    for key, account in (("111122223333", "111122223333"), ("AKIAEXAMPLE", "123456789012")):
        name = f"of-{key}"
        made = client("ecs", key).create_cluster(clusterName=name)["cluster"]["clusterArn"]
        assert made == f"arn:aws:ecs:us-east-1:{account}:cluster/{name}"
        assert client("sts", key).get_caller_identity()["Account"] == account
    assert client("ecs", "444455556666").list_clusters()["clusterArns"] == []


def test_request_in_cbor_is_refused_in_words_that_its_sdk_can_read(aws: Any):
    model = botocore.session.get_session().get_service_model("codedeploy")
    operation = model.operation_model("GetDeployment")
    asked = create_serializer("smithy-rpc-v2-cbor").serialize_to_request({"deploymentId": "d-ABCDEFGHI"}, operation)
    answer = requests.post(aws.url + asked["url_path"], data=asked["body"], headers=asked["headers"], timeout=10)
    assert answer.status_code == 415
    received = {"status_code": 415, "headers": answer.headers, "body": answer.content}
    error = create_parser("smithy-rpc-v2-cbor").parse(received, operation.output_shape)["Error"]
    assert error["Code"] == "UnsupportedProtocol"
    assert "AWS JSON 1.1" in error["Message"]


def test_error_in_json_bears_the_bare_name_of_its_class(aws: Any):
    headers = {"X-Amz-Target": "CodeDeploy_20141006.GetDeployment", "Content-Type": "application/x-amz-json-1.1"}
    answer = requests.post(aws.url, data='{"deploymentId": "d-ABCDEFGHI"}', headers=headers, timeout=10)
    assert answer.status_code == 400
    assert answer.json()["__type"] == "DeploymentDoesNotExistException"
    assert "d-ABCDEFGHI" in answer.json()["message"]
