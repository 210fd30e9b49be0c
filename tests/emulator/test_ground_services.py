"""EventBridge Scheduler, the tagging API, load balancers' interfaces, and stack tags: what a deployment on AWS stands on."""

import errno
import json
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.emulator.lambda_story import Functions, until
from tests.emulator.stacks import BALANCER, Stacks, template, unique

ROLE = "arn:aws:iam::123456789012:role/scheduler"
OFF = {"Mode": "OFF"}
ASKS = """
import http.client, socket
def handler(event, context):
    try:
        connection = http.client.HTTPConnection(event["address"], event["port"], timeout=5)
        connection.request("GET", "/", headers={"Host": event["host"]})
        return connection.getresponse().status
    except OSError as error:
        with socket.socket() as probe:
            return [error.errno, probe.connect_ex((event["address"], event["port"]))]
"""


@pytest.fixture(name="functions")
def made_functions(aws: Any) -> Any:
    functions = Functions(aws)
    yield functions
    functions.remove_all()


# ---- EventBridge Scheduler


def test_schedule_really_invokes_its_function_and_is_seen_until_it_is_deleted(aws: Any, functions: Functions):
    scheduler, name = aws.client("scheduler"), f"s-{secrets.token_hex(4)}"
    function = functions.create("def handler(event, context):\n    print('woken', event)\n")
    arn = aws.client("lambda").get_function(FunctionName=function)["Configuration"]["FunctionArn"]
    target = {"Arn": arn, "RoleArn": ROLE, "Input": json.dumps({"by": "<aws.scheduler.schedule-arn>"})}
    start = datetime.now(UTC) + timedelta(seconds=1)
    made = scheduler.create_schedule(
        Name=name, ScheduleExpression="rate(5 minutes)", StartDate=start, FlexibleTimeWindow=OFF, Target=target
    )
    with pytest.raises(ClientError, match="already exists") as caught:
        scheduler.create_schedule(Name=name, ScheduleExpression="rate(1 hour)", FlexibleTimeWindow=OFF, Target=target)
    assert caught.value.response["Error"]["Code"] == "ConflictException"
    log = aws.home / "logs" / "lambda" / f"{function}.log"
    text = until(
        lambda: log.exists() and "woken" in log.read_text(encoding="utf-8") and log.read_text(encoding="utf-8")
    )
    assert made["ScheduleArn"] in text
    seen = scheduler.get_schedule(Name=name)
    assert (seen["State"], seen["ScheduleExpressionTimezone"], seen["Target"]["Arn"]) == ("ENABLED", "UTC", arn)
    assert seen["StartDate"].replace(microsecond=0) == start.replace(microsecond=0)
    pages = scheduler.get_paginator("list_schedules").paginate(NamePrefix=name)
    assert [one["Name"] for page in pages for one in page["Schedules"]] == [name]
    scheduler.delete_schedule(Name=name)
    with pytest.raises(ClientError, match="does not exist"):
        scheduler.get_schedule(Name=name)
    with pytest.raises(ClientError, match="is not emulated"):
        scheduler.create_schedule_group(Name="other")


# ---- tags


def test_tagging_api_spans_our_services_and_the_delegates(aws: Any, functions: Functions):
    tagging, mark = aws.client("resourcegroupstaggingapi"), secrets.token_hex(4)
    tags, filters = {"mark": mark}, [{"Key": "mark", "Values": [mark]}]
    cluster = aws.client("ecs").create_cluster(clusterName=mark, tags=[{"key": "mark", "value": mark}])["cluster"]
    pair = [{"Key": "mark", "Value": mark}]
    vpc = aws.client("ec2").create_vpc(
        CidrBlock="10.9.0.0/16", TagSpecifications=[{"ResourceType": "vpc", "Tags": pair}]
    )["Vpc"]["VpcId"]
    function = functions.create(Tags=tags)
    aws.client("logs").create_log_group(logGroupName=f"/{mark}", tags=tags)
    definition = aws.client("ecs").register_task_definition(
        family=mark,
        containerDefinitions=[{"name": "app", "image": "i", "memory": 32}],
        tags=[{"key": "mark", "value": mark}],
    )["taskDefinition"]["taskDefinitionArn"]
    expected = sorted(
        [
            cluster["clusterArn"],
            definition,
            f"arn:aws:ec2:us-east-1:123456789012:vpc/{vpc}",
            f"arn:aws:lambda:us-east-1:123456789012:function:{function}",
            f"arn:aws:logs:us-east-1:123456789012:log-group:/{mark}",
        ]
    )

    def found(**asked: Any) -> list[str]:
        pages = tagging.get_paginator("get_resources").paginate(**asked)
        return [one["ResourceARN"] for page in pages for one in page["ResourceTagMappingList"]]

    assert found(TagFilters=filters) == expected
    assert found(TagFilters=filters, ResourcesPerPage=2) == expected
    assert found(TagFilters=[{"Key": "mark", "Values": [mark, "x"]}, {"Key": "other"}]) == []
    assert found(TagFilters=filters, ResourceTypeFilters=["ecs:cluster", "ec2"]) == sorted(
        one for one in expected if ":cluster/" in one or ":vpc/" in one
    )
    assert found(ResourceARNList=[cluster["clusterArn"]]) == [cluster["clusterArn"]]
    (mapping,) = tagging.get_resources(TagFilters=filters, ResourcesPerPage=1)["ResourceTagMappingList"]
    assert mapping["Tags"] == pair
    assert mark in tagging.get_tag_values(Key="mark")["TagValues"]
    aws.client("ecs").untag_resource(resourceArn=cluster["clusterArn"], tagKeys=["mark"])
    assert cluster["clusterArn"] not in found(TagFilters=filters)
    with pytest.raises(ClientError, match="PaginationToken"):
        tagging.get_resources(PaginationToken="no token")
    with pytest.raises(ClientError, match="is not emulated"):
        tagging.tag_resources(ResourceARNList=[cluster["clusterArn"]], Tags=tags)


def test_terminated_instance_bears_tags_and_is_no_survivor(aws: Any):
    ec2, mark = aws.client("ec2"), secrets.token_hex(4)
    tagged = [{"ResourceType": "instance", "Tags": [{"Key": "mark", "Value": mark}]}]
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    made = ec2.run_instances(ImageId=image, InstanceType="t3.micro", MinCount=1, MaxCount=1, TagSpecifications=tagged)
    identity, filters = made["Instances"][0]["InstanceId"], [{"Key": "mark", "Values": [mark]}]
    tagging = aws.client("resourcegroupstaggingapi")
    (found,) = tagging.get_resources(TagFilters=filters)["ResourceTagMappingList"]
    assert found["ResourceARN"].endswith(f"instance/{identity}")
    ec2.terminate_instances(InstanceIds=[identity])
    assert tagging.get_resources(TagFilters=filters)["ResourceTagMappingList"] == []


def test_changed_stack_tag_is_in_the_plan_and_reaches_the_resources(aws: Any):
    stacks, name = Stacks(aws), unique()
    body, before = template(BALANCER), [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
    assert stacks.create(name, body, Tags=before)["StackStatus"] == "CREATE_COMPLETE"
    arn, api = stacks.physical(name, "Balancer"), stacks.api

    def plan(change_set: str, tags: list[dict[str, str]]) -> Any:
        api.create_change_set(StackName=name, ChangeSetName=change_set, TemplateBody=body, Tags=tags)
        return api.describe_change_set(StackName=name, ChangeSetName=change_set)

    assert plan("same", before[::-1])["Status"] == "FAILED"  # their order says nothing
    described = plan("other", [{"Key": "a", "Value": "3"}])
    changes = {one["ResourceChange"]["LogicalResourceId"]: one["ResourceChange"] for one in described["Changes"]}
    assert {"Vpc", "SubnetA", "Balancer", "Blue", "Listener"} == set(changes) - {"SubnetB"}
    assert (changes["Balancer"]["Scope"], changes["Balancer"]["Replacement"]) == (["Tags"], "False")
    api.execute_change_set(StackName=name, ChangeSetName="other")
    assert stacks.settled(name)["StackStatus"] == "UPDATE_COMPLETE", stacks.failures(name)
    tags = aws.client("elbv2").describe_tags(ResourceArns=[arn])["TagDescriptions"][0]["Tags"]
    assert tags == [{"Key": "a", "Value": "3"}]
    assert stacks.delete(name)["StackStatus"] == "DELETE_COMPLETE"


def test_protected_stack_is_not_deleted(aws: Any):
    stacks, name = Stacks(aws), unique()
    body = template({"Cluster": {"Type": "AWS::ECS::Cluster"}})
    stacks.create(name, body, EnableTerminationProtection=True)
    with pytest.raises(ClientError, match="TerminationProtection is enabled"):
        stacks.api.delete_stack(StackName=name)
    stacks.api.update_termination_protection(StackName=name, EnableTerminationProtection=False)
    assert stacks.delete(name)["StackStatus"] == "DELETE_COMPLETE"


# ---- interfaces of load balancers


def interfaces(aws: Any, balancer: str) -> list[Any]:
    described = [{"Name": "description", "Values": [f"ELB {balancer.partition(':loadbalancer/')[2]}"]}]
    return list(aws.client("ec2").describe_network_interfaces(Filters=described)["NetworkInterfaces"])


def test_load_balancer_has_an_interface_in_each_subnet_that_a_function_in_the_vpc_reaches(
    aws: Any, functions: Functions
):
    elb, ec2 = aws.client("elbv2"), aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.21.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.21.{number}.0/24", AvailabilityZone=f"us-east-1{zone}")["Subnet"][
            "SubnetId"
        ]
        for number, zone in enumerate("abc")
    ]
    name = f"b{secrets.token_hex(3)}"
    made = elb.create_load_balancer(Name=name, Subnets=subnets[:2])["LoadBalancers"][0]
    arn = made["LoadBalancerArn"]
    found = interfaces(aws, arn)
    assert [one["SubnetId"] for one in found] == subnets[:2]
    assert {one["RequesterManaged"] for one in found} == {True}
    assert [group["GroupId"] for group in found[0]["Groups"]] == made["SecurityGroups"]
    teapot = [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "418"}}]
    elb.create_listener(LoadBalancerArn=arn, Protocol="HTTP", Port=8080, DefaultActions=teapot)
    inside = functions.create(
        ASKS, Timeout=20, VpcConfig={"SubnetIds": subnets[:1], "SecurityGroupIds": made["SecurityGroups"]}
    )
    for one in found:
        event = {"address": one["PrivateIpAddress"], "port": 8080, "host": made["DNSName"]}
        assert functions.invoke(inside, event) == (418, None)
        refused, _ = functions.invoke(inside, {**event, "port": 9999})
        assert refused == [errno.ECONNREFUSED, errno.ECONNREFUSED]
    elb.set_subnets(LoadBalancerArn=arn, Subnets=subnets[1:])
    assert [one["SubnetId"] for one in interfaces(aws, arn)] == subnets[1:]
    other = ec2.create_security_group(GroupName=name, Description="other", VpcId=vpc)["GroupId"]
    elb.set_security_groups(LoadBalancerArn=arn, SecurityGroups=[other])
    assert {group["GroupId"] for one in interfaces(aws, arn) for group in one["Groups"]} == {other}
    elb.delete_load_balancer(LoadBalancerArn=arn)
    assert interfaces(aws, arn) == []
