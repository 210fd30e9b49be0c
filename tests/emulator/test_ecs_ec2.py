"""ECS on container instances: accounting, ports, placement and its failures, target groups of instances, draining."""

import asyncio
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.emulator.ecs_on_ec2 import OnEc2, Story, refused, told_on_ec2

DYNAMIC = range(32768, 61000)


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return lambda told: told_on_ec2(tmp_path, told, balanced=False)


@pytest.fixture
def behind(tmp_path: Path) -> Story:
    return lambda told: told_on_ec2(tmp_path, told)


async def get(port: int) -> str:
    def ask() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
            return str(answer.read().decode())

    return await asyncio.get_running_loop().run_in_executor(None, ask)


# ---- accounting


def test_task_holds_memory_cpu_and_a_dynamic_port_until_it_has_stopped(story: Story):
    async def told(ecs: OnEc2) -> None:
        instance = await ecs.join("i-1")
        answer = await ecs.call("RunTask", taskDefinition=await ecs.definition(), launchType="EC2")
        task = await ecs.at(answer["tasks"][0]["taskArn"], "RUNNING")
        (binding,) = task["containers"][0]["networkBindings"]
        assert (task["containerInstanceArn"], task["launchType"], task["availabilityZone"]) == (
            instance,
            "EC2",
            "us-east-1a",
        )
        assert (binding["bindIP"], binding["containerPort"], binding["protocol"]) == ("0.0.0.0", 8080, "tcp")
        assert binding["hostPort"] in DYNAMIC
        left = await ecs.left(instance)
        assert (left["CPU"], left["MEMORY"]) == (2048 - 256, 923 - 400)
        assert str(binding["hostPort"]) in left["PORTS"]
        assert (await ecs.instance(instance))["runningTasksCount"] == 1
        assert ecs.cloud.addresses.locate("i-1", binding["hostPort"]) is not None

        await ecs.call("StopTask", task=task["taskArn"])
        await ecs.at(task["taskArn"], "STOPPED")
        left = await ecs.left(instance)
        assert (left["CPU"], left["MEMORY"], left["PORTS"]) == (2048, 923, ["22", "2375", "2376", "51678", "51679"])
        assert ecs.cloud.addresses.locate("i-1", binding["hostPort"]) is None

    story(told)


def test_run_task_without_room_is_a_failure_that_names_the_instance_and_the_resource(story: Story):
    async def told(ecs: OnEc2) -> None:
        definition = await ecs.definition(memory=700)
        assert await refused(ecs.call("RunTask", taskDefinition=definition, launchType="EC2")) == (
            "InvalidParameterException",
            "No Container Instances were found in your cluster.",
        )
        instance = await ecs.join("i-1")
        answer = await ecs.call("RunTask", taskDefinition=definition, launchType="EC2", count=2)
        assert len(answer["tasks"]) == 1
        assert answer["failures"] == [{"arn": instance, "reason": "RESOURCE:MEMORY"}]
        big = await ecs.definition(cpu=4096, memory=4)
        answer = await ecs.call("RunTask", taskDefinition=big, launchType="EC2")
        assert answer["failures"] == [{"arn": instance, "reason": "RESOURCE:CPU"}]

    story(told)


def test_awsvpc_tasks_are_limited_by_the_interfaces_of_the_instance(story: Story):
    async def told(ecs: OnEc2) -> None:
        instance = await ecs.join("i-1")  # of no known type: no interface for tasks
        network = {"awsvpcConfiguration": {"subnets": ["subnet-a"]}}
        definition = await ecs.definition(networkMode="awsvpc", host_port=8080)
        answer = await ecs.call("RunTask", taskDefinition=definition, launchType="EC2", networkConfiguration=network)
        assert answer["failures"] == [{"arn": instance, "reason": "RESOURCE:ENI"}]

    story(told)


# ---- placement failures of a service (D.4, F 4 and 5)


def test_one_instance_has_not_the_memory_for_two_fleets(story: Story):
    async def told(ecs: OnEc2) -> None:
        instance = await ecs.join("i-1")
        await ecs.create_service(await ecs.definition(memory=512), deploymentController={"type": "EXTERNAL"})
        of = {"cluster": "default", "service": "web", "launchType": "EC2"}
        await ecs.call("CreateTaskSet", taskDefinition=await ecs.definition("1", memory=512), **of)
        await ecs.running(1)
        green = await ecs.call("CreateTaskSet", taskDefinition=await ecs.definition("2", memory=512), **of)
        event = await ecs.says("unable to place")
        assert event == (
            "(service web) was unable to place a task because no container instance met all of its requirements. "
            f"The closest matching (container-instance {instance.rpartition('/')[2]}) has insufficient memory available. "
            "For more information, see the Troubleshooting section of the Amazon ECS Developer Guide."
        )
        sets = {one["id"]: one for one in (await ecs.service())["taskSets"]}
        placed = sets[green["taskSet"]["id"]]
        assert (placed["runningCount"], placed["pendingCount"], placed["stabilityStatus"]) == (0, 0, "STABILIZING")
        assert len([message for message in await ecs.messages() if "unable to place" in message]) == 1

        await ecs.join("i-2")
        await ecs.running(2)

    story(told)


def test_fixed_host_port_never_places_a_second_task_on_the_instance(story: Story):
    async def told(ecs: OnEc2) -> None:
        await ecs.join("i-1", memory=4000)
        await ecs.create_service(await ecs.definition(host_port=8080), desired=2)
        event = await ecs.says("unable to place")
        assert "is already using a port required by your task" in event
        (task,) = await ecs.running(1)
        assert task["containers"][0]["networkBindings"][0]["hostPort"] == 8080
        await ecs.join("i-2", memory=4000)
        await ecs.running(2)

    story(told)


def test_service_without_instances_says_so(story: Story):
    async def told(ecs: OnEc2) -> None:
        await ecs.create_service(await ecs.definition())
        assert "Reason: No Container Instances were found in your cluster." in await ecs.says("unable to place")

    story(told)


# ---- strategies and constraints


async def hosts(ecs: OnEc2, count: int, **request: Any) -> list[int]:
    """How many of `count` new tasks each instance got."""
    await ecs.call("RunTask", taskDefinition=await ecs.definition(memory=100), launchType="EC2", count=count, **request)
    arns = (await ecs.call("ListContainerInstances"))["containerInstanceArns"]
    answer = await ecs.call("DescribeContainerInstances", containerInstances=arns)
    return [
        one["runningTasksCount"] + one["pendingTasksCount"]
        for one in sorted(answer["containerInstances"], key=lambda one: str(one["ec2InstanceId"]))
    ]


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"placementStrategy": [{"type": "binpack", "field": "memory"}]}, [4, 0, 0]),
        ({"placementStrategy": [{"type": "spread", "field": "instanceId"}]}, [2, 1, 1]),
        ({"placementStrategy": [{"type": "spread", "field": "attribute:ecs.availability-zone"}]}, [1, 1, 2]),
        ({"placementConstraints": [{"type": "memberOf", "expression": "attribute:disk == fast"}]}, [0, 0, 4]),
        ({"placementConstraints": [{"type": "memberOf", "expression": "not(ec2InstanceId in [i-2, i-3])"}]}, [4, 0, 0]),
        ({"placementConstraints": [{"type": "distinctInstance"}]}, [1, 1, 1]),
    ],
    ids=["binpack", "spread-hosts", "spread-zones", "member", "not-in", "distinct"],
)
def test_tasks_go_where_strategy_and_constraints_say(story: Story, request_: dict[str, Any], expected: list[int]):
    async def told(ecs: OnEc2) -> None:
        for ec2_id, more in (("i-1", {}), ("i-2", {}), ("i-3", {"zone": "us-east-1b", "disk": "fast"})):
            await ecs.join(ec2_id, **more)
        assert await hosts(ecs, 4, **request_) == expected

    story(told)


def test_bad_expressions_and_strategies_are_refused_by_name(story: Story):
    async def told(ecs: OnEc2) -> None:
        await ecs.join("i-1")
        for more, code, text in (
            ({"placementConstraints": [{"type": "memberOf", "expression": "attribute:x =="}]}, "Invalid", "too early"),
            ({"placementConstraints": [{"type": "memberOf", "expression": "registeredAt > 1"}]}, "Not", "registeredAt"),
            ({"placementStrategy": [{"type": "binpack", "field": "disk"}]}, "Invalid", "'disk' is not valid"),
        ):
            got, message = await refused(
                ecs.call("RunTask", taskDefinition=await ecs.definition(), launchType="EC2", **more)
            )
            assert got.startswith(code)
            assert text in message

    story(told)


# ---- instances and their attributes


def test_attributes_are_put_listed_and_deleted(story: Story):
    async def told(ecs: OnEc2) -> None:
        arn = await ecs.join("i-1")
        target = {"targetType": "container-instance", "targetId": arn}
        await ecs.call("PutAttributes", attributes=[{"name": "stack", "value": "blue", **target}])
        listed = await ecs.call("ListAttributes", targetType="container-instance", attributeName="stack")
        assert listed["attributes"] == [{"name": "stack", "value": "blue", **target}]
        found = await ecs.call("ListContainerInstances", filter="attribute:stack =~ ^bl")
        assert found["containerInstanceArns"] == [arn]
        await ecs.call("DeleteAttributes", attributes=[{"name": "stack", **target}])
        assert (await ecs.call("ListAttributes", targetType="container-instance", attributeName="stack"))[
            "attributes"
        ] == []
        await ecs.call("TagResource", resourceArn=arn, tags=[{"key": "rack", "value": "7"}])
        described = await ecs.call("DescribeContainerInstances", containerInstances=[arn], include=["TAGS"])
        assert described["containerInstances"][0]["tags"] == [{"key": "rack", "value": "7"}]
        assert (await refused(ecs.call("PutAttributes", attributes=[{"name": "x", "targetId": "nope"}])))[0] == (
            "TargetNotFoundException"
        )

    story(told)


def test_start_task_goes_to_the_named_instance_and_list_tasks_finds_it_there(story: Story):
    async def told(ecs: OnEc2) -> None:
        await ecs.join("i-1")
        second = await ecs.join("i-2")
        answer = await ecs.call(
            "StartTask", taskDefinition=await ecs.definition(host_port=9000), containerInstances=[second, second]
        )
        assert answer["failures"] == [{"arn": second, "reason": "RESOURCE:PORTS"}]
        task = await ecs.at(answer["tasks"][0]["taskArn"], "RUNNING")
        assert task["containerInstanceArn"] == second
        assert (await ecs.call("ListTasks", containerInstance=second))["taskArns"] == [task["taskArn"]]

    story(told)


def test_deregistering_an_instance_by_force_moves_its_service_tasks(story: Story):
    async def told(ecs: OnEc2) -> None:
        first = await ecs.join("i-1")
        await ecs.create_service(await ecs.definition())
        (task,) = await ecs.running(1)
        assert (await refused(ecs.call("DeregisterContainerInstance", containerInstance=first)))[1] == (
            "Found running tasks on the instance."
        )
        second = await ecs.join("i-2")
        await ecs.call("DeregisterContainerInstance", containerInstance=first, force=True)
        stopped = await ecs.at(task["taskArn"], "STOPPED")
        assert stopped["stoppedReason"] == "Container instance deregistration forced by user"
        (moved,) = await ecs.running(1)
        assert moved["containerInstanceArn"] == second

    story(told)


# ---- services behind a load balancer


def test_target_group_of_instances_gets_instance_and_host_port_and_traffic_arrives(behind: Story):
    async def told(ecs: OnEc2) -> None:
        await ecs.join("i-1")
        await ecs.create_service(await ecs.definition("one"), desired=2, loadBalancers=ecs.balancers())

        async def healthy() -> bool:
            answer = await ecs.elb("DescribeTargetHealth", TargetGroupArn=ecs.group)
            return [one["TargetHealth"]["State"] for one in answer["TargetHealthDescriptions"]] == ["healthy"] * 2

        await ecs.until(healthy, 15)
        answer = await ecs.elb("DescribeTargetHealth", TargetGroupArn=ecs.group)
        targets = {(one["Target"]["Id"], one["Target"]["Port"]) for one in answer["TargetHealthDescriptions"]}
        ports = {one["containers"][0]["networkBindings"][0]["hostPort"] for one in await ecs.running(2)}
        assert targets == {("i-1", port) for port in ports}
        (listener,) = (await ecs.elb("DescribeListeners", ListenerArns=[ecs.listener]))["Listeners"]
        assert await get(listener["Port"]) == "one"

        (ecs.home / "health-one").write_text("503", encoding="utf-8")
        event = await ecs.says("is unhealthy")
        assert event.startswith("(service web) (instance i-1) (port ")
        assert event.endswith("due to (reason Health checks failed with these codes: [503])")

    behind(told)


def test_target_type_must_suit_the_network_mode(behind: Story):
    async def told(ecs: OnEc2) -> None:
        await ecs.join("i-1")
        addresses = await ecs.target_group("addresses", "ip")
        code, message = await refused(
            ecs.create_service(await ecs.definition(), loadBalancers=ecs.balancers(addresses))
        )
        assert code == "InvalidParameterException"
        assert "target type ip, which is incompatible with the bridge network mode" in message

    behind(told)


def test_draining_instance_hands_its_tasks_to_the_others_without_going_below_the_minimum(behind: Story):
    async def told(ecs: OnEc2) -> None:
        first = await ecs.join("i-1")
        await ecs.create_service(await ecs.definition(memory=200), desired=2, loadBalancers=ecs.balancers())
        await ecs.running(2)
        await ecs.says("has reached a steady state")
        second = await ecs.join("i-2")
        answer = await ecs.call("UpdateContainerInstancesState", containerInstances=[first], status="DRAINING")
        assert answer["containerInstances"][0]["status"] == "DRAINING"
        fewest = 2

        async def moved() -> bool:
            nonlocal fewest
            states = await ecs.elb("DescribeTargetHealth", TargetGroupArn=ecs.group)
            healthy = sum(one["TargetHealth"]["State"] == "healthy" for one in states["TargetHealthDescriptions"])
            fewest = min(fewest, healthy)
            tasks = [task for task in await ecs.tasks() if task["lastStatus"] == "RUNNING"]
            return [task["containerInstanceArn"] for task in tasks] == [second, second]

        await ecs.until(moved, 20)
        assert fewest == 2
        assert (await ecs.left(first))["MEMORY"] == 923 or await ecs.until(lambda: _empty(ecs, first), 10)

    behind(told)


def test_draining_stays_within_the_maximum_where_there_is_no_room_above_it(story: Story):
    async def told(ecs: OnEc2) -> None:
        first = await ecs.join("i-1")
        bounds = {"minimumHealthyPercent": 50, "maximumPercent": 100}
        await ecs.create_service(await ecs.definition(memory=100), desired=2, deploymentConfiguration=bounds)
        await ecs.running(2)
        await ecs.says("has reached a steady state")
        second = await ecs.join("i-2")
        await ecs.call("UpdateContainerInstancesState", containerInstances=[first], status="DRAINING")
        most = 0

        async def moved() -> bool:
            nonlocal most
            tasks = [*await ecs.tasks(), *await ecs.tasks("STOPPED")]
            alive = [task for task in tasks if task["lastStatus"] != "STOPPED"]
            most = max(most, len(alive))
            return [(one["lastStatus"], one["containerInstanceArn"]) for one in alive] == [("RUNNING", second)] * 2

        await ecs.until(moved, 20)
        assert most == 2

    story(told)


async def _empty(ecs: OnEc2, arn: str) -> bool:
    return bool((await ecs.left(arn))["MEMORY"] == 923)


def test_host_mode_needs_its_port_and_none_takes_no_load_balancer(behind: Story):
    async def told(ecs: OnEc2) -> None:
        await ecs.join("i-1", memory=4000)
        host = await ecs.definition(networkMode="host", host_port=8080)
        answer = await ecs.call("RunTask", taskDefinition=host, launchType="EC2", count=2)
        assert [one["reason"] for one in answer["failures"]] == ["RESOURCE:PORTS"]
        isolated = await ecs.definition(networkMode="none", portMappings=[])
        answer = await ecs.call("RunTask", taskDefinition=isolated, launchType="EC2")
        task = await ecs.at(answer["tasks"][0]["taskArn"], "RUNNING")
        assert task["containers"][0]["networkBindings"] == []
        balancers = ecs.balancers()
        code, _ = await refused(ecs.create_service(isolated, loadBalancers=balancers))
        assert code == "InvalidParameterException"

    behind(told)
