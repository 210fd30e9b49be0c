"""ECS over HTTP with the stock boto3: resources, refusals, shapes. Tasks that really run are in test_ecs_scheduler.py."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

CONTAINER = {"name": "app", "image": "nowhere:1", "portMappings": [{"containerPort": 8080}], "environment": []}
FARGATE = {"networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"], "cpu": "256", "memory": "512"}
CODE_DEPLOY = {"type": "CODE_DEPLOY"}


@pytest.fixture
def ecs(aws: Any) -> Any:
    return aws.client("ecs")


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A name of this test's own: the emulator is shared."""
    return "".join(part[0:4] for part in request.node.name.split("_"))[:40].replace("[", "-").rstrip("]")


@pytest.fixture
def cluster(ecs: Any, name: str) -> str:
    ecs.create_cluster(clusterName=name)
    return name


@pytest.fixture(scope="module")
def subnets(aws: Any) -> list[str]:
    """Of two zones: other tests make subnets, too."""
    zones = [{"Name": "default-for-az", "Values": ["true"]}]
    return [subnet["SubnetId"] for subnet in aws.client("ec2").describe_subnets(Filters=zones)["Subnets"][:2]]


@pytest.fixture
def network(subnets: list[str]) -> dict[str, Any]:
    return {"awsvpcConfiguration": {"subnets": subnets}}


@pytest.fixture
def target_group(aws: Any, name: str) -> str:
    """An `ip` target group that no listener uses."""
    vpc = aws.client("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
    groups = aws.client("elbv2").create_target_group(
        Name=f"{name[:20]}-tg".replace("_", "-"), Protocol="HTTP", Port=80, VpcId=vpc, TargetType="ip"
    )
    return str(groups["TargetGroups"][0]["TargetGroupArn"])


def register(ecs: Any, family: str, **changes: Any) -> Any:
    return ecs.register_task_definition(
        **{"family": family, "containerDefinitions": [CONTAINER], **FARGATE, **changes}
    )["taskDefinition"]


def refused(call: Any, **request: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as error:
        call(**request)
    return error.value.response["Error"]["Code"], error.value.response["Error"]["Message"]


# ---- clusters


def test_cluster_is_created_once_described_and_deleted(ecs: Any, name: str):
    first = ecs.create_cluster(clusterName=name, tags=[{"key": "team", "value": "a"}])["cluster"]
    assert ecs.create_cluster(clusterName=name)["cluster"]["clusterArn"] == first["clusterArn"]
    assert first["clusterArn"] == f"arn:aws:ecs:us-east-1:123456789012:cluster/{name}"
    answer = ecs.describe_clusters(clusters=[name, "nowhere"], include=["TAGS"])
    assert answer["clusters"][0]["status"] == "ACTIVE"
    assert answer["clusters"][0]["tags"] == [{"key": "team", "value": "a"}]
    assert answer["failures"] == [{"arn": "arn:aws:ecs:us-east-1:123456789012:cluster/nowhere", "reason": "MISSING"}]
    assert first["clusterArn"] in ecs.list_clusters(maxResults=100)["clusterArns"]
    assert ecs.delete_cluster(cluster=name)["cluster"]["status"] == "INACTIVE"
    assert refused(ecs.list_services, cluster=name) == ("ClusterNotFoundException", "Cluster not found.")


@pytest.mark.parametrize("name", ["a b", "x" * 256, "x/y"])
def test_cluster_of_a_name_that_aws_does_not_take_is_refused(ecs: Any, name: str):
    code, message = refused(ecs.create_cluster, clusterName=name)
    assert code == "InvalidParameterException"
    assert message.startswith("Cluster must match ^[a-zA-Z0-9\\-_]{1,255}$")


def test_statistics_of_a_cluster_are_told_when_they_are_asked_for(ecs: Any, name: str):
    assert ecs.create_cluster(clusterName=name)["cluster"]["statistics"] == []
    (told,) = ecs.describe_clusters(clusters=[name], include=["STATISTICS"])["clusters"]
    assert {"name": "runningFargateTasksCount", "value": "0"} in told["statistics"]


def test_cluster_keeps_settings_and_capacity_providers(ecs: Any, cluster: str):
    settings = [{"name": "containerInsights", "value": "enabled"}]
    ecs.update_cluster_settings(cluster=cluster, settings=settings)
    strategy = [{"capacityProvider": "FARGATE", "weight": 1, "base": 0}]
    ecs.put_cluster_capacity_providers(
        cluster=cluster, capacityProviders=["FARGATE", "FARGATE_SPOT"], defaultCapacityProviderStrategy=strategy
    )
    shown = ecs.describe_clusters(clusters=[cluster], include=["SETTINGS"])["clusters"][0]
    assert (shown["settings"], shown["capacityProviders"]) == (settings, ["FARGATE", "FARGATE_SPOT"])
    assert shown["defaultCapacityProviderStrategy"] == strategy
    providers = ecs.describe_capacity_providers()["capacityProviders"]
    assert [provider["name"] for provider in providers] == ["FARGATE", "FARGATE_SPOT"]


# ---- task definitions


def test_task_definition_comes_back_as_it_was_registered_with_defaults_filled_in(ecs: Any, name: str):
    container = {
        **CONTAINER,
        "healthCheck": {"command": ["CMD-SHELL", "true"], "interval": 10},
        "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "g"}},
        "stopTimeout": 5,
        "dockerLabels": {"a": "b"},
    }
    role = "arn:aws:iam::123456789012:role/x"
    first = register(
        ecs,
        name,
        containerDefinitions=[container],
        executionRoleArn=role,
        taskRoleArn=role,
        runtimePlatform={"cpuArchitecture": "ARM64", "operatingSystemFamily": "LINUX"},
        tags=[{"key": "k", "value": "v"}],
    )
    answer = ecs.describe_task_definition(taskDefinition=name, include=["TAGS"])
    shown = answer["taskDefinition"]
    assert shown == first
    assert answer["tags"] == [{"key": "k", "value": "v"}]
    assert (shown["revision"], shown["status"]) == (1, "ACTIVE")
    assert shown["taskDefinitionArn"].endswith(f":task-definition/{name}:1")
    assert shown["compatibilities"] == ["EC2", "FARGATE"]
    kept = shown["containerDefinitions"][0]
    assert container.items() <= {**kept, "portMappings": CONTAINER["portMappings"]}.items()
    assert kept["portMappings"] == [{"containerPort": 8080, "hostPort": 8080, "protocol": "tcp"}]
    assert kept["essential"] is True
    names = {attribute["name"] for attribute in shown["requiresAttributes"]}
    assert {"ecs.capability.task-eni", "ecs.capability.container-health-check"} <= names


def test_revisions_count_up_and_the_family_name_means_the_newest_active_one(ecs: Any, name: str):
    arns = [register(ecs, name)["taskDefinitionArn"] for _ in range(3)]
    ecs.deregister_task_definition(taskDefinition=f"{name}:3")
    assert ecs.describe_task_definition(taskDefinition=name)["taskDefinition"]["taskDefinitionArn"] == arns[1]
    inactive = ecs.describe_task_definition(taskDefinition=arns[2])["taskDefinition"]
    assert inactive["status"] == "INACTIVE"
    assert "deregisteredAt" in inactive
    assert ecs.list_task_definitions(familyPrefix=name, sort="DESC")["taskDefinitionArns"] == [arns[1], arns[0]]
    assert ecs.list_task_definitions(familyPrefix=name, status="INACTIVE")["taskDefinitionArns"] == [arns[2]]
    pages = ecs.get_paginator("list_task_definitions").paginate(familyPrefix=name, PaginationConfig={"PageSize": 1})
    assert [page["taskDefinitionArns"] for page in pages] == [[arns[0]], [arns[1]]]
    assert name in ecs.list_task_definition_families(familyPrefix=name)["families"]
    register(ecs, name)
    assert ecs.describe_task_definition(taskDefinition=name)["taskDefinition"]["revision"] == 4


def test_only_an_inactive_revision_can_be_deleted(ecs: Any, name: str):
    arn = register(ecs, name)["taskDefinitionArn"]
    assert "still in ACTIVE status" in ecs.delete_task_definitions(taskDefinitions=[arn])["failures"][0]["reason"]
    ecs.deregister_task_definition(taskDefinition=arn)
    deleted = ecs.delete_task_definitions(taskDefinitions=[arn])["taskDefinitions"]
    assert deleted[0]["status"] == "DELETE_IN_PROGRESS"
    assert refused(ecs.describe_task_definition, taskDefinition=arn)[0] == "ClientException"


def test_unknown_task_definition_and_latest_are_refused(ecs: Any, name: str):
    register(ecs, name)
    missing = refused(ecs.describe_task_definition, taskDefinition="nowhere")
    assert missing == ("ClientException", "Unable to describe task definition.")
    latest = refused(ecs.describe_task_definition, taskDefinition=f"{name}:latest")
    assert latest == ("ClientException", "Invalid revision number. Number: latest")


def test_refusal_of_fargate_is_a_client_exception(ecs: Any, name: str):
    code, message = refused(
        ecs.register_task_definition, family=name, containerDefinitions=[CONTAINER], **{**FARGATE, "memory": "4096"}
    )
    assert code == "ClientException"
    assert message.startswith("No Fargate configuration exists for given values: 256 CPU, 4096 memory.")


# ---- services


@pytest.fixture
def service_request(ecs: Any, cluster: str, name: str, network: dict[str, Any]) -> dict[str, Any]:
    """A CreateService request of an EXTERNAL service, which runs nothing by itself."""
    return {
        "cluster": cluster,
        "serviceName": name,
        "desiredCount": 2,
        "deploymentController": {"type": "EXTERNAL"},
        "launchType": "FARGATE",
    }


def test_external_service_has_task_sets_and_no_deployments(ecs: Any, service_request: dict[str, Any], name: str):
    created = ecs.create_service(**service_request, tags=[{"key": "k", "value": "v"}])["service"]
    assert created["serviceArn"].endswith(f":service/{name}/{name}")
    answer = ecs.describe_services(cluster=name, services=[name, "nowhere"])
    service = answer["services"][0]
    assert (service["status"], service["deployments"], service["taskSets"]) == ("ACTIVE", [], [])
    assert "tags" not in service
    assert service["deploymentConfiguration"] == {"maximumPercent": 200, "minimumHealthyPercent": 100}
    assert [failure["reason"] for failure in answer["failures"]] == ["MISSING"]
    tagged = ecs.describe_services(cluster=name, services=[created["serviceArn"]], include=["TAGS"])["services"][0]
    assert tagged["tags"] == [{"key": "k", "value": "v"}]
    assert ecs.list_services(cluster=name)["serviceArns"] == [created["serviceArn"]]


def test_creating_a_service_again_is_idempotent_or_refused(ecs: Any, service_request: dict[str, Any], name: str):
    first = ecs.create_service(**service_request)["service"]
    assert ecs.create_service(**service_request)["service"]["createdAt"] == first["createdAt"]
    again = refused(ecs.create_service, **{**service_request, "desiredCount": 3})
    assert again == ("InvalidParameterException", "Creation of service was not idempotent.")


def test_service_in_a_cluster_or_of_a_name_that_is_not_there(ecs: Any, cluster: str):
    not_found = ("ServiceNotFoundException", "Service not found.")
    assert refused(ecs.update_service, cluster=cluster, service="nowhere", desiredCount=1) == not_found
    assert refused(ecs.delete_service, cluster=cluster, service="nowhere") == not_found
    nowhere = refused(ecs.describe_services, cluster="nowhere", services=["web"])
    assert nowhere == ("ClusterNotFoundException", "Cluster not found.")


def test_deleted_service_becomes_inactive_and_refuses_changes(ecs: Any, service_request: dict[str, Any], name: str):
    ecs.create_service(**service_request)
    ecs.delete_service(cluster=name, service=name, force=True)
    ecs.get_waiter("services_inactive").wait(
        cluster=name, services=[name], WaiterConfig={"Delay": 1, "MaxAttempts": 10}
    )
    not_active = refused(ecs.update_service, cluster=name, service=name, desiredCount=1)
    assert not_active == ("ServiceNotActiveException", "Service was not ACTIVE.")
    assert ecs.list_services(cluster=name)["serviceArns"] == []
    assert ecs.create_service(**service_request)["service"]["status"] == "ACTIVE"


@pytest.fixture
def blue_green(ecs: Any, cluster: str, name: str, network: dict[str, Any], target_group: str) -> dict[str, Any]:
    """A CreateService request of a CODE_DEPLOY service that is right but for its target group, which no listener uses."""
    return {
        "cluster": cluster,
        "serviceName": name,
        "desiredCount": 1,
        "taskDefinition": register(ecs, name)["taskDefinitionArn"],
        "launchType": "FARGATE",
        "networkConfiguration": network,
        "deploymentController": CODE_DEPLOY,
        "loadBalancers": [{"targetGroupArn": target_group, "containerName": "app", "containerPort": 8080}],
    }


def test_target_group_without_load_balancer_is_refused(ecs: Any, blue_green: dict[str, Any], target_group: str):
    assert refused(ecs.create_service, **blue_green) == (
        "InvalidParameterException",
        f"The target group with targetGroupArn {target_group} does not have an associated load balancer.",
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"containerName": "web"}, "The container does not exist in the task definition."),
        ({"containerPort": 9090}, "The container app did not have a container port 9090 defined."),
    ],
)
def test_container_of_the_load_balancer_must_be_in_the_task_definition(
    ecs: Any, blue_green: dict[str, Any], change: dict[str, Any], says: str
):
    blue_green["loadBalancers"][0].update(change)
    assert refused(ecs.create_service, **blue_green) == ("InvalidParameterException", says)


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        ({"taskDefinition": "nowhere:1"}, "ClientException", "TaskDefinition not found."),
        ({"networkConfiguration": {}}, "InvalidParameterException", "Network Configuration must be provided"),
        ({"loadBalancers": []}, "InvalidParameterException", "A load balancer must be specified"),
        ({"desiredCount": -1}, "InvalidParameterException", "desired count"),
        ({"schedulingStrategy": "DAEMON"}, "InvalidParameterException", "DAEMON"),
        ({"serviceName": "a b"}, "InvalidParameterException", "invalid characters"),
        ({"serviceRegistries": [{"registryArn": "arn:x"}]}, "NotImplemented", "serviceRegistries is not emulated"),
        (
            {"deploymentConfiguration": {"strategy": "BLUE_GREEN"}},
            "NotImplemented",
            "strategy BLUE_GREEN is not emulated",
        ),
        (
            {"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-0nowhere"]}}},
            "InvalidParameterException",
            "Error retrieving subnet information for [subnet-0nowhere]",
        ),
    ],
)
def test_bad_service_is_refused_by_name(
    ecs: Any, blue_green: dict[str, Any], change: dict[str, Any], code: str, says: str
):
    error, message = refused(ecs.create_service, **{**blue_green, **change})
    assert error == code
    assert says in message


def test_inactive_task_definition_starts_nothing(ecs: Any, blue_green: dict[str, Any]):
    ecs.deregister_task_definition(taskDefinition=blue_green["taskDefinition"])
    assert refused(ecs.create_service, **blue_green) == ("ClientException", "TaskDefinition is inactive")


# ---- tasks, tags, account settings, the rest


def test_tasks_that_are_not_there(ecs: Any, cluster: str):
    assert ecs.list_tasks(cluster=cluster)["taskArns"] == []
    failures = ecs.describe_tasks(cluster=cluster, tasks=["0" * 32])["failures"]
    assert failures == [{"arn": f"arn:aws:ecs:us-east-1:123456789012:task/{cluster}/{'0' * 32}", "reason": "MISSING"}]
    not_found = ("InvalidParameterException", "The referenced task was not found.")
    assert refused(ecs.stop_task, cluster=cluster, task="0" * 32) == not_found


def test_tags_of_any_resource_can_be_changed(ecs: Any, service_request: dict[str, Any], name: str):
    service = ecs.create_service(**service_request)["service"]["serviceArn"]
    for arn in (
        service,
        register(ecs, name)["taskDefinitionArn"],
        f"arn:aws:ecs:us-east-1:123456789012:cluster/{name}",
    ):
        ecs.tag_resource(resourceArn=arn, tags=[{"key": "a", "value": "1"}, {"key": "b", "value": "2"}])
        ecs.untag_resource(resourceArn=arn, tagKeys=["a"])
        assert ecs.list_tags_for_resource(resourceArn=arn)["tags"] == [{"key": "b", "value": "2"}]
    assert refused(ecs.list_tags_for_resource, resourceArn=f"{service}x")[0] == "InvalidParameterException"


def test_account_setting_is_recorded(ecs: Any):
    before = ecs.list_account_settings(name="awsvpcTrunking", effectiveSettings=True)["settings"][0]
    assert before["value"] == "disabled"
    ecs.put_account_setting(name="awsvpcTrunking", value="enabled")
    assert ecs.list_account_settings(name="awsvpcTrunking")["settings"][0]["value"] == "enabled"
    ecs.delete_account_setting(name="awsvpcTrunking")
    assert ecs.list_account_settings(name="awsvpcTrunking")["settings"] == []


def test_operation_that_is_not_emulated_names_itself(ecs: Any):
    code, message = refused(ecs.execute_command, task="t", command="sh", interactive=True)
    assert code == "NotImplemented"
    assert "ecs:ExecuteCommand" in message
