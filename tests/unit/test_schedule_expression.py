"""When a schedule is due, and that the scheduler's clock is the emulator's: real time, never compressed."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

import pytest

from harness.clock import Manual
from harness.emulator.cloud import Answer, AwsError, Caller
from harness.emulator.services.scheduler import Scheduler
from harness.emulator.services.scheduler_expression import next_of

ARN = "arn:aws:lambda:us-east-1:123456789012:function:f"
TARGET = {
    "Arn": ARN,
    "RoleArn": "arn:aws:iam::123456789012:role/r",
    "Input": '{"at": "<aws.scheduler.scheduled-time>"}',
}


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def following(expression: str, after: str, zone: str = "UTC", began: str = "2026-11-25T00:00:00") -> str | None:
    found = next_of(expression, zone, at(began))(at(after))
    return None if found is None else f"{datetime.fromtimestamp(found, UTC):%Y-%m-%dT%H:%M:%S}"


@pytest.mark.parametrize(
    ("expression", "after", "zone", "expected"),
    [
        ("at(2026-11-25T12:00:00)", "2026-11-25T00:00:00", "UTC", "2026-11-25T12:00:00"),
        ("at(2026-11-25T12:00:00)", "2026-11-25T12:00:01", "UTC", None),
        ("at(2026-11-25T12:00:00)", "2026-11-25T00:00:00", "Asia/Seoul", "2026-11-25T03:00:00"),
        ("rate(5 minutes)", "2026-11-25T00:00:00", "UTC", "2026-11-25T00:00:00"),
        ("rate(5 minutes)", "2026-11-25T00:00:01", "UTC", "2026-11-25T00:05:00"),
        ("rate(1 hour)", "2026-11-25T09:59:59", "UTC", "2026-11-25T10:00:00"),
        ("rate(2 days)", "2026-11-25T00:00:01", "UTC", "2026-11-27T00:00:00"),
        ("cron(0 12 * * ? *)", "2026-11-25T12:00:01", "UTC", "2026-11-26T12:00:00"),
        ("cron(0/15 8-9 ? * MON-FRI *)", "2026-11-27T09:46:00", "UTC", "2026-11-30T08:00:00"),
        ("cron(30 9 1 JAN,JUL ? 2027)", "2026-11-25T00:00:00", "UTC", "2027-01-01T09:30:00"),
        ("cron(0 9 * * ? *)", "2026-11-25T00:00:00", "Asia/Seoul", "2026-11-25T00:00:00"),  # the moment itself included
        ("cron(0 0 1 1 ? 2025)", "2026-11-25T00:00:00", "UTC", None),
    ],
)
def test_next_moment_is_as_the_expression_says(expression: str, after: str, zone: str, expected: str | None):
    assert following(expression, after, zone) == expected


@pytest.mark.parametrize(
    "expression",
    [
        "rate(0 minutes)",
        "rate(5 weeks)",
        "at(tomorrow)",
        "at(2026-13-01T00:00:00)",
        "cron(* * * * * *)",
        "cron(61 * * * ? *)",
        "x",
    ],
)
def test_expression_that_is_none_is_refused(expression: str):
    with pytest.raises(AwsError) as caught:
        next_of(expression, "UTC", 0.0)
    assert caught.value.code == "ValidationException"


@pytest.mark.parametrize("field", ["L", "15W", "2#1"])
def test_cron_words_that_are_not_emulated_say_so(field: str):
    with pytest.raises(AwsError) as caught:
        next_of(f"cron(0 0 {field} * ? *)", "UTC", 0.0)
    assert (caught.value.code, field in caught.value.message) == ("NotImplemented", True)


class Cloud:
    """What the scheduler sees of an emulator: a clock of its own, and Lambda's Invoke."""

    def __init__(self) -> None:
        self.clock = Manual(at("2026-11-25T00:00:00"))
        self.invoked: list[tuple[float, str]] = []
        self.failing = 0
        self.tasks: list[asyncio.Task[None]] = []

    async def call(self, caller: Caller, service: str, operation: str, /, **request: Any) -> Answer:
        assert (service, operation, request["InvocationType"]) == ("lambda", "Invoke", "Event")
        if self.failing:
            self.failing -= 1
            raise AwsError("ResourceNotFoundException", "Function not found")
        self.invoked.append((self.clock.now(), request["Payload"].decode()))
        return {"StatusCode": 202}

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self.tasks.append(task)
        return task

    @property
    def moments(self) -> list[str]:
        return [f"{datetime.fromtimestamp(moment, UTC):%H:%M:%S}" for moment, _ in self.invoked]


def story(told: Callable[[Cloud, Scheduler], Coroutine[Any, Any, None]]) -> Cloud:
    async def run() -> Cloud:
        cloud = Cloud()
        await told(cloud, Scheduler(cloud))  # type: ignore[arg-type]
        for task in cloud.tasks:
            task.cancel()
        await asyncio.gather(*cloud.tasks, return_exceptions=True)
        return cloud

    return asyncio.run(run())


def schedule(expression: str, **more: Any) -> dict[str, Any]:
    flexible = {"FlexibleTimeWindow": {"Mode": "OFF"}}
    return {"Name": "s", "ScheduleExpression": expression, "Target": TARGET, **flexible, **more}


CALLER = Caller()


def test_rate_begins_at_its_start_date_and_ends_at_its_end():
    async def told(cloud: Cloud, scheduler: Scheduler) -> None:
        start, end = datetime(2026, 11, 25, 0, 2, tzinfo=UTC), datetime(2026, 11, 25, 0, 12, tzinfo=UTC)
        scheduler.create_schedule(CALLER, schedule("rate(5 minutes)", StartDate=start, EndDate=end))
        await cloud.clock.advance(3600)
        assert scheduler.get_schedule(CALLER, {"Name": "s"})["ScheduleExpression"] == "rate(5 minutes)"

    cloud = story(told)
    assert cloud.moments == ["00:02:00", "00:07:00", "00:12:00"]
    assert cloud.invoked[0][1] == '{"at": "2026-11-25T00:02:00Z"}'


def test_deleted_schedule_invokes_no_more():
    async def told(cloud: Cloud, scheduler: Scheduler) -> None:
        scheduler.create_schedule(CALLER, schedule("rate(1 minute)"))
        await cloud.clock.advance(61)
        scheduler.delete_schedule(CALLER, {"Name": "s"})
        await cloud.clock.advance(600)
        with pytest.raises(AwsError, match="does not exist"):
            scheduler.get_schedule(CALLER, {"Name": "s"})

    assert story(told).moments == ["00:00:00", "00:01:00"]


def test_updated_schedule_follows_what_it_says_now():
    async def told(cloud: Cloud, scheduler: Scheduler) -> None:
        scheduler.create_schedule(CALLER, schedule("at(2026-11-25T00:30:00)"))
        scheduler.update_schedule(CALLER, schedule("at(2026-11-25T00:10:00)"))
        await cloud.clock.advance(3600)
        scheduler.update_schedule(CALLER, schedule("rate(1 minute)", State="DISABLED"))
        await cloud.clock.advance(3600)

    assert story(told).moments == ["00:10:00"]


def test_schedule_goes_after_its_last_invocation_where_it_says_so():
    async def told(cloud: Cloud, scheduler: Scheduler) -> None:
        scheduler.create_schedule(CALLER, schedule("at(2026-11-25T00:10:00)", ActionAfterCompletion="DELETE"))
        await cloud.clock.advance(601)
        assert scheduler.list_schedules(CALLER, {})["Schedules"] == []

    assert story(told).moments == ["00:10:00"]


def test_invocation_that_fails_is_tried_again_as_the_policy_says():
    async def told(cloud: Cloud, scheduler: Scheduler) -> None:
        cloud.failing = 2
        scheduler.create_schedule(CALLER, schedule("at(2026-11-25T00:10:00)"))
        await cloud.clock.advance(700)
        cloud.failing = 1
        once = {**TARGET, "RetryPolicy": {"MaximumRetryAttempts": 0}}
        scheduler.update_schedule(CALLER, schedule("at(2026-11-25T00:20:00)", Target=once))
        await cloud.clock.advance(3600)

    assert story(told).moments == ["00:10:06"]


@pytest.mark.parametrize(
    "more",
    [
        {"FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 5}},
        {"Target": {**TARGET, "Arn": "arn:aws:scheduler:::aws-sdk:cloudformation:deleteStack"}},
    ],
)
def test_schedule_that_is_not_emulated_is_refused_by_name(more: dict[str, Any]):
    async def told(cloud: Cloud, scheduler: Scheduler) -> None:
        with pytest.raises(AwsError) as caught:
            scheduler.create_schedule(CALLER, {**schedule("rate(1 minute)"), **more})
        assert caught.value.code == "NotImplemented"

    story(told)
