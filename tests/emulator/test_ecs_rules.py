"""The tables and rules of ECS that need nothing running: steady state, back-off, Fargate sizes, rolling steps, addresses."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from harness.clock import Manual
from harness.emulator.cloud import AwsError, Caller, Cloud
from harness.emulator.rolling import roll
from harness.emulator.scheduler import UNABLE_TO_START, crash_delay, is_steady, start_delay
from harness.emulator.services.ecs_lookup import page
from harness.emulator.services.ecs_network import Interfaces
from harness.emulator.services.ecs_state import Service, StopOrder, Task, TaskContainer, TaskDefinition, TaskSet
from harness.emulator.services.ecs_task_definitions import check, cpu_units, memory_mib, read_container
from harness.emulator.task import in_order

CALLER = Caller()


def document(**changes: Any) -> dict[str, Any]:
    return {
        "family": "app",
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": "256",
        "memory": "512",
        "containerDefinitions": [{"name": "app", "image": "app:1", "portMappings": [{"containerPort": 8080}]}],
        **changes,
    }


def definition(*containers: dict[str, Any]) -> TaskDefinition:
    raws = containers or ({"name": "app", "image": "app:1"},)
    whole = check(document(containerDefinitions=list(raws)))
    read = tuple(read_container(raw, whole) for raw in whole["containerDefinitions"])
    return TaskDefinition("arn:td/app:1", "app", 1, whole, read, 0.0, "me")


def a_task(status: str = "RUNNING", order: StopOrder | None = None) -> Task:
    task = Task(CALLER, "t", "arn:t", "arn:c", definition(), (), "service:web", "ecs-svc/1", "FARGATE", {}, 0.0)
    task.status, task.order = status, order
    return task


def a_task_set(running: int, **changes: Any) -> TaskSet:
    task_set = TaskSet("ecs-svc/1", "arn:ts", definition(), {}, (), 0.0, 0.0)
    task_set.tasks = [a_task() for _ in range(running)]
    for name, value in changes.items():
        setattr(task_set, name, value)
    return task_set


def a_service(*task_sets: TaskSet, desired: int, **bounds: int) -> Service:
    service = Service(
        CALLER, "web", "arn:s", "arn:c", "ECS", desired, {"deploymentConfiguration": bounds}, (), 0.0, "me", {}
    )
    service.task_sets = list(task_sets)
    return service


# ---- steady state (A.3.4)


@pytest.mark.parametrize(
    ("desired", "running", "pending", "healthy", "steady"),
    [
        (2, 2, 0, 2, True),
        (0, 0, 0, 0, True),
        (2, 1, 1, 1, False),
        (2, 2, 1, 2, False),
        (2, 2, 0, 1, False),
        (2, 3, 0, 3, False),
    ],
)
def test_steady_state_is_running_as_desired_none_pending_all_healthy(
    desired: int, running: int, pending: int, healthy: int, steady: bool
):
    assert is_steady(desired=desired, running=running, pending=pending, healthy=healthy) is steady


@pytest.mark.parametrize(("desired", "scale", "computed"), [(4, 100, 4), (4, 50, 2), (3, 50, 2), (1, 1, 1), (5, 0, 0)])
def test_computed_desired_count_rounds_up(desired: int, scale: float, computed: int):
    assert a_task_set(0, scale=scale).wanted(desired) == computed


def test_draining_task_counts_as_running_in_the_api_but_not_for_steady_state():
    task_set = a_task_set(2)
    task_set.tasks[0].status, task_set.tasks[0].order = (
        "DEACTIVATING",
        StopOrder("ServiceSchedulerInitiated", "x", drain=True),
    )
    assert (task_set.running, task_set.running_count) == (1, 2)


# ---- back-off (D.4)


def test_starts_back_off_further_with_every_failure_up_to_a_minute():
    delays = [start_delay(failures) for failures in range(12)]
    assert delays[0] == 0
    assert delays == sorted(delays)
    assert delays[-1] == delays[-2] == 60


def test_crashes_after_running_back_off_less_than_failed_starts():
    assert crash_delay(0) == 0
    assert [crash_delay(n) for n in (1, 2, 3, 4, 9)] == [1, 2, 4, 8, 8]


def test_event_names_the_service_and_newest_come_first_and_a_hundred_are_kept():
    service = a_service(desired=1)
    for number in range(120):
        service.say(float(number), f"has started {number} tasks: (task t).")
    service.say(120.0, "updated state to STEADY_STATE.", "ecs-svc/7")
    service.say(121.0, UNABLE_TO_START)
    messages = [message for _, _, message in service.events]
    assert len(messages) == 100
    assert messages[0] == (
        "(service web) is unable to consistently start tasks successfully. For more information, see the Troubleshooting "
        "section of the Amazon ECS Developer Guide."
    )
    assert messages[1:3] == [
        "(service web, taskSet ecs-svc/7) updated state to STEADY_STATE.",
        "(service web) has started 119 tasks: (task t).",
    ]


def test_first_order_to_stop_is_the_one_that_counts():
    task = a_task()
    task.stop(StopOrder("EssentialContainerExited", "Essential container in task exited"))
    task.stop(StopOrder("UserInitiated", "late"))
    assert task.order is not None
    assert task.order.code == "EssentialContainerExited"
    assert (task.desired_status, task.running) == ("STOPPED", False)


# ---- task definitions


@pytest.mark.parametrize(
    ("cpu", "memory", "accepted"),
    [
        ("256", "512", True),
        (".25 vCPU", "1 GB", True),
        ("256", "3072", False),
        ("512", "512", False),
        ("1024", "8 GB", True),
        ("1 vCPU", "9 GB", False),
        ("8192", "20 GB", True),
        ("8192", "18 GB", False),
        ("300", "512", False),
    ],
)
def test_fargate_takes_the_documented_sizes_only(cpu: str, memory: str, accepted: bool):
    if accepted:
        assert check(document(cpu=cpu, memory=memory))["compatibilities"] == ["EC2", "FARGATE"]
        return
    with pytest.raises(AwsError, match="No Fargate configuration exists for given values") as error:
        check(document(cpu=cpu, memory=memory))
    assert error.value.code == "ClientException"


def test_sizes_are_read_in_units_and_in_words():
    assert (cpu_units("1024"), cpu_units("1 vCPU"), cpu_units(".5vcpu")) == (1024, 1024, 512)
    assert (memory_mib("2048"), memory_mib("2GB"), memory_mib("0.5 GB")) == (2048, 2048, 512)
    with pytest.raises(AwsError, match="cpu"):
        cpu_units("many")


BAD_CONTAINERS = [
    ([], "Container list cannot be empty."),
    ([{"name": "app"}], "Container.image should not be null or empty."),
    ([{"image": "app:1"}], "Container.name should not be null or empty."),
    ([{"name": "a", "image": "x", "essential": False}], "at least one essential container"),
    ([{"name": "a", "image": "x"}, {"name": "a", "image": "y"}], "must be unique"),
    ([{"name": "a", "image": "x", "portMappings": [{"containerPort": 80, "hostPort": 81}]}], "host ports and container ports"),
    ([{"name": "a", "image": "x", "portMappings": [{"containerPort": 70000}]}], "between 1 and 65535"),
    ([{"name": "a", "image": "x", "dependsOn": [{"containerName": "b", "condition": "START"}]}], "depends on container 'b'"),
    ([{"name": "a", "image": "x", "dependsOn": [{"containerName": "a", "condition": "HEALTHY"}]}], "must have a health check"),
    ([{"name": "a", "image": "x", "dependsOn": [{"containerName": "a", "condition": "START"}]}], "circular dependency"),
    ([{"name": "a", "image": "x", "memory": 4096}], "The 'memory' setting for container 'a' is greater than for the task."),
    ([{"name": "a", "image": "x", "memoryReservation": 4096}], "'memory' setting for container 'a' is greater than"),
]  # fmt: skip


@pytest.mark.parametrize(("containers", "says"), BAD_CONTAINERS)
def test_bad_containers_are_refused_by_name(containers: list[dict[str, Any]], says: str):
    with pytest.raises(AwsError) as error:
        check(document(containerDefinitions=containers))
    assert says in error.value.message


def test_fargate_needs_awsvpc_and_a_task_size():
    with pytest.raises(AwsError, match="Fargate only supports network mode ‘awsvpc’"):
        check(document(networkMode="bridge"))
    bare = document()
    del bare["cpu"]
    with pytest.raises(AwsError, match="Fargate requires that 'cpu' be defined at the task level"):
        check(bare)


def test_bridge_task_needs_memory_and_is_for_ec2_only():
    raw = {"name": "app", "image": "x", "portMappings": [{"containerPort": 80}]}
    bridge = {"family": "app", "containerDefinitions": [raw]}
    with pytest.raises(AwsError, match="At least one of 'memory' or 'memoryReservation'"):
        check(bridge)
    checked = check({"family": "app", "containerDefinitions": [{**raw, "memory": 128}]})
    assert checked["compatibilities"] == ["EC2"]
    assert checked["containerDefinitions"][0]["portMappings"] == [
        {"protocol": "tcp", "containerPort": 80, "hostPort": 0}
    ]


def test_containers_start_after_those_they_depend_on():
    one = definition(
        {"name": "app", "image": "x", "dependsOn": [{"containerName": "init", "condition": "SUCCESS"}]},
        {
            "name": "init",
            "image": "x",
            "essential": False,
            "dependsOn": [{"containerName": "proxy", "condition": "START"}],
        },
        {"name": "proxy", "image": "x"},
    )
    containers = tuple(TaskContainer(container, "arn", "id") for container in one.containers)
    assert [container.definition.name for container in in_order(containers)] == ["proxy", "init", "app"]


# ---- rolling update


def test_new_deployment_grows_into_the_room_and_the_old_shrinks_as_it_becomes_healthy():
    old, new = a_task_set(4, status="ACTIVE"), a_task_set(0, status="PRIMARY", fixed=0)
    service = a_service(new, old, desired=4, maximumPercent=150, minimumHealthyPercent=100)
    roll(service, 0.0)
    assert (new.fixed, old.fixed) == (2, 4)
    new.tasks, new.healthy = [a_task(), a_task()], 2
    roll(service, 0.0)
    assert (new.fixed, old.fixed) == (2, 2)
    old.tasks = old.tasks[:2]
    roll(service, 0.0)
    assert new.fixed == 4


def test_rolling_with_no_room_to_grow_stops_old_tasks_first_where_half_may_be_missing():
    old, new = a_task_set(4, status="ACTIVE"), a_task_set(0, status="PRIMARY", fixed=0)
    roll(a_service(new, old, desired=4, maximumPercent=100, minimumHealthyPercent=50), 0.0)
    assert (new.fixed, old.fixed) == (0, 2)


def test_rolling_deployment_is_completed_once_alone_and_stable():
    new = a_task_set(2, status="PRIMARY", healthy=2, stable=True)
    service = a_service(new, desired=2)
    roll(service, 0.0)
    roll(service, 1.0)
    assert [message for _, _, message in service.events] == [
        "(service web) (deployment ecs-svc/1) deployment completed."
    ]


# ---- paging, addresses


def test_pages_follow_each_other_to_the_end():
    items = list(range(25))
    request: dict[str, Any] = {"maxResults": 10}
    seen: list[int] = []
    while True:
        part, more = page(request, "things", items)
        seen += part
        if not more:
            break
        request["nextToken"] = more["nextToken"]
    assert seen == items


@pytest.mark.parametrize("token", ["garbage!", "b3RoZXI6MTA="])
def test_foreign_token_is_refused(token: str):
    with pytest.raises(AwsError, match="Invalid token"):
        page({"nextToken": token}, "things", [])


class Ec2:
    """The one EC2 operation that addresses need; subnets without names answer as EC2 does."""

    def describe_subnets(self, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        blocks = {"subnet-a": "10.0.1.0/28", "subnet-b": "10.0.2.0/28"}
        for name in request["SubnetIds"]:
            if name not in blocks:
                raise AwsError("InvalidSubnetID.NotFound", f"The subnet ID '{name}' does not exist")
        return {
            "Subnets": [
                {
                    "SubnetId": name,
                    "CidrBlock": blocks[name],
                    "AvailabilityZone": f"us-east-1{name[-1]}",
                    "VpcId": "vpc-1",
                }
                for name in request["SubnetIds"]
            ]
        }


def with_interfaces(story: Any) -> Any:
    async def run() -> Any:
        cloud = Cloud(
            clock=Manual(),
            settings=cast(Any, None),
            runtime=cast(Any, None),
            plane=cast(Any, None),
            home=cast(Any, None),
        )
        cloud.services["ec2"] = Ec2()
        return await story(Interfaces(cloud))

    return asyncio.run(run())


def test_interfaces_take_turns_in_the_subnets_and_never_share_an_address():
    async def story(interfaces: Interfaces) -> list[Any]:
        return [await interfaces.attach(CALLER, ["subnet-a", "subnet-b"]) for _ in range(22)]

    attached = with_interfaces(story)
    assert len({one.ip for one in attached}) == 22
    assert {one.subnet for one in attached[:2]} == {"subnet-a", "subnet-b"}
    assert all(one.ip.startswith("10.0.1." if one.subnet == "subnet-a" else "10.0.2.") for one in attached)
    reserved = {"10.0.1.0", "10.0.1.1", "10.0.1.2", "10.0.1.3", "10.0.1.15"}
    assert reserved.isdisjoint(one.ip for one in attached)


def test_full_subnets_are_an_error_until_an_address_is_released():
    async def story(interfaces: Interfaces) -> SimpleNamespace:
        attached = [await interfaces.attach(CALLER, ["subnet-a"]) for _ in range(11)]
        with pytest.raises(AwsError, match="No free addresses"):
            await interfaces.attach(CALLER, ["subnet-a"])
        interfaces.release(attached[4])
        return SimpleNamespace(freed=attached[4].ip, next=(await interfaces.attach(CALLER, ["subnet-a"])).ip)

    seen = with_interfaces(story)
    assert seen.next == seen.freed


def test_unknown_subnet_is_named():
    async def story(interfaces: Interfaces) -> None:
        await interfaces.attach(CALLER, ["subnet-z"])

    with pytest.raises(AwsError) as error:
        with_interfaces(story)
    assert error.value.code == "InvalidParameterException"
    assert error.value.message == (
        "Error retrieving subnet information for [subnet-z]: The subnet ID 'subnet-z' does not exist "
        "(ErrorCode: InvalidSubnetID.NotFound)"
    )
