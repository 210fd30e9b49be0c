"""Task sets of an EXTERNAL service on container instances behind a load balancer: a blue/green switch driven by hand."""

from pathlib import Path
from typing import Any, cast

import pytest

from tests.emulator.ecs_on_ec2 import OnEc2, Story, refused, told_on_ec2

OF = {"cluster": "default", "service": "web"}


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return lambda told: told_on_ec2(tmp_path, told)


async def create_service(ecs: OnEc2, desired: int = 2) -> None:
    await ecs.call("CreateService", serviceName="web", desiredCount=desired, deploymentController={"type": "EXTERNAL"})


async def create_task_set(ecs: OnEc2, version: str, group: str = "", **request: Any) -> dict[str, Any]:
    answer = await ecs.call(
        "CreateTaskSet",
        taskDefinition=await ecs.definition(version, memory=100),
        loadBalancers=ecs.balancers(group),
        launchType="EC2",
        **{**OF, **request},
    )
    return cast(dict[str, Any], answer["taskSet"])


async def steady(ecs: OnEc2, *ids: str) -> dict[str, dict[str, Any]]:
    """The task sets by id, once these are all there are and each is in its steady state."""

    async def met() -> dict[str, dict[str, Any]] | None:
        found = {one["id"]: one for one in (await ecs.call("DescribeTaskSets", **OF))["taskSets"]}
        stable = all(one["stabilityStatus"] == "STEADY_STATE" for one in found.values())
        return found if stable and set(found) == set(ids) else None

    return cast(dict[str, dict[str, Any]], await ecs.until(met, 20))


def test_green_takes_over_as_primary_and_blue_drains_away(story: Story):
    async def told(ecs: OnEc2) -> None:
        await ecs.join("i-1")
        await create_service(ecs)
        assert (await ecs.service())["taskSets"] == []
        blue = await create_task_set(ecs, "blue", externalId="release-1", tags=[{"key": "colour", "value": "blue"}])
        assert (blue["status"], blue["externalId"], blue["launchType"]) == ("ACTIVE", "release-1", "EC2")
        await ecs.call("UpdateServicePrimaryTaskSet", primaryTaskSet=blue["id"], **OF)
        await steady(ecs, blue["id"])

        other = await ecs.target_group("green")
        green = await create_task_set(ecs, "green", other, scale={"value": 50.0, "unit": "PERCENT"})
        found = await steady(ecs, blue["id"], green["id"])  # green's group is not in use: it is not checked
        assert (found[green["id"]]["computedDesiredCount"], found[blue["id"]]["status"]) == (1, "PRIMARY")

        actions = [{"Type": "forward", "TargetGroupArn": other}]
        await ecs.elb("ModifyListener", ListenerArn=ecs.listener, DefaultActions=actions)
        await ecs.call("UpdateTaskSet", taskSet=green["taskSetArn"], scale={"value": 100.0, "unit": "PERCENT"}, **OF)
        await ecs.call("UpdateServicePrimaryTaskSet", primaryTaskSet=green["id"], **OF)
        await ecs.call("DeleteTaskSet", taskSet=blue["id"], force=True, **OF)
        found = await steady(ecs, green["id"])
        assert (found[green["id"]]["status"], found[green["id"]]["runningCount"]) == ("PRIMARY", 2)
        service = await ecs.service()
        assert (service["taskDefinition"], service["loadBalancers"]) == (green["taskDefinition"], ecs.balancers(other))
        assert service["deployments"] == []
        await ecs.running(2)

    story(told)


def test_task_sets_are_described_with_their_tags_and_missing_ones_named(story: Story):
    async def told(ecs: OnEc2) -> None:
        await ecs.join("i-1")
        await create_service(ecs, 0)
        made = await create_task_set(ecs, "blue", tags=[{"key": "colour", "value": "blue"}])
        answer = await ecs.call("DescribeTaskSets", taskSets=[made["id"], "ecs-svc/1"], include=["TAGS"], **OF)
        assert answer["taskSets"][0]["tags"] == [{"key": "colour", "value": "blue"}]
        assert answer["failures"][0]["reason"] == "MISSING"
        assert answer["failures"][0]["arn"].endswith(":task-set/default/web/ecs-svc/1")
        shown = await ecs.call("ListTagsForResource", resourceArn=made["taskSetArn"])
        assert shown["tags"] == [{"key": "colour", "value": "blue"}]

    story(told)


def test_client_token_makes_one_task_set_however_often_it_is_sent(story: Story):
    async def told(ecs: OnEc2) -> None:
        await ecs.join("i-1")
        await create_service(ecs, 0)
        definition = await ecs.definition("blue", memory=100)
        asked = {"taskDefinition": definition, "loadBalancers": ecs.balancers(""), "launchType": "EC2", **OF}
        one, again = [await ecs.call("CreateTaskSet", **asked, clientToken="once") for _ in range(2)]
        assert one["taskSet"]["id"] == again["taskSet"]["id"]
        assert len((await ecs.call("DescribeTaskSets", **OF))["taskSets"]) == 1
        code, message = await refused(ecs.call("CreateTaskSet", **asked, clientToken="once", externalId="other"))
        assert (code, message) == (
            "InvalidParameterException",
            "The client token was used with different parameters.",
        )
        other = await ecs.call("CreateTaskSet", **asked, clientToken="twice")
        assert other["taskSet"]["id"] != one["taskSet"]["id"]

    story(told)


def test_what_a_task_set_cannot_be_is_refused(story: Story):
    async def told(ecs: OnEc2) -> None:
        await ecs.join("i-1")
        await create_service(ecs, 1)
        made = await create_task_set(ecs, "blue")
        await steady(ecs, made["id"])
        addresses = await ecs.target_group("addresses", "ip")
        scale = {"value": 101.0, "unit": "PERCENT"}
        for call, text in (
            (ecs.call("DeleteTaskSet", taskSet=made["id"], **OF), "scaled above 0"),
            (ecs.call("UpdateTaskSet", taskSet=made["id"], scale=scale, **OF), "between 0 and 100"),
            (create_task_set(ecs, "green", addresses), "incompatible with the bridge network mode"),
            (ecs.call("UpdateService", taskDefinition=await ecs.definition(), **OF), "EXTERNAL deployment controller"),
        ):
            code, message = await refused(call)
            assert code == "InvalidParameterException"
            assert text in message
        assert (await refused(ecs.call("DeleteTaskSet", taskSet="ecs-svc/1", **OF)))[0] == "TaskSetNotFoundException"

    story(told)
