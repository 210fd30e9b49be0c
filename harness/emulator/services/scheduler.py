"""EventBridge Scheduler: schedules that really invoke Lambda functions, in real time, never compressed.

Not emulated, and refused by name: targets other than a Lambda function, flexible time windows, dead-letter queues, customer keys,
schedule groups other than `default`. Not looked at: what the target's role allows. AWS invokes within a minute of the moment, we at it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness import clock
from harness.emulator.cloud import Answer, AwsError, Caller, Cloud, Regional, Request, not_emulated
from harness.emulator.services.scheduler_expression import Next, invalid, next_of, seconds_of

GROUP = "default"
NAME = re.compile(r"[0-9a-zA-Z-_.]{1,64}")
FUNCTION = re.compile(r"arn:aws[a-zA-Z-]*:lambda:[a-z0-9-]+:\d{12}:function:[a-zA-Z0-9_-]{1,64}")
LISTED = 100
LONGEST_SLEEP = 60.0  # seconds: after this the clock is read again, which may have been set meanwhile
LONGEST_PAUSE = 60.0  # seconds between two attempts
RETRY = {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185}
KEPT = (
    *("Description", "ScheduleExpression", "ScheduleExpressionTimezone", "StartDate", "EndDate", "State", "Target"),
    *("FlexibleTimeWindow", "ActionAfterCompletion"),
)
log = logging.getLogger("rehearse.scheduler")


@dataclass
class Schedule:
    """`settings` has CreateSchedule's members, defaults taken; `due` tells its next moment, `work` waits for it."""

    name: str
    arn: str
    caller: Caller
    settings: Mapping[str, Any]
    created: float
    modified: float
    due: Next
    work: asyncio.Task[None] | None = None

    @property
    def target(self) -> Mapping[str, Any]:
        target: Mapping[str, Any] = self.settings["Target"]
        return target

    @property
    def begins(self) -> float:
        start = self.settings.get("StartDate")
        return seconds_of(start) if start else self.modified

    @property
    def ends(self) -> float:
        end = self.settings.get("EndDate")
        return seconds_of(end) if end else float("inf")


@dataclass
class Region:
    schedules: dict[str, Schedule] = field(default_factory=dict)
    since: float = 0.0


class Scheduler:
    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._regions: Regional[Region] = Regional(lambda: Region(since=cloud.clock.now()))

    # ---- schedules

    def create_schedule(self, caller: Caller, request: Request) -> Answer:
        name, region = request["Name"], self._regions[caller]
        if not NAME.fullmatch(name):
            raise invalid(f"Value '{name}' at 'name' failed to satisfy constraint: {NAME.pattern}")
        self._group(request)
        now = self._cloud.clock.now()
        settings = settings_of(request)
        due = self._due(settings, now)
        if name in region.schedules:
            raise AwsError("ConflictException", f"Schedule {name} already exists.")
        arn = caller.arn("scheduler", f"schedule/{GROUP}/{name}")
        schedule = region.schedules[name] = Schedule(name, arn, caller, settings, now, now, due)
        self._wait(schedule)
        return {"ScheduleArn": arn}

    def update_schedule(self, caller: Caller, request: Request) -> Answer:
        """Replaces the whole: what is not given has its default again."""
        schedule, settings = self._find(caller, request), settings_of(request)
        now = self._cloud.clock.now()
        schedule.due = self._due(settings, now)
        schedule.settings, schedule.modified = settings, now
        self._wait(schedule)
        return {"ScheduleArn": schedule.arn}

    def get_schedule(self, caller: Caller, request: Request) -> Answer:
        schedule = self._find(caller, request)
        return {**schedule.settings, **_identity(schedule)}

    def delete_schedule(self, caller: Caller, request: Request) -> Answer:
        self._remove(self._find(caller, request))
        return {}

    def list_schedules(self, caller: Caller, request: Request) -> Answer:
        """By name; the token is the last name of the page before."""
        self._group(request)
        schedules, after = self._regions[caller].schedules, request.get("NextToken", "")
        most = int(request.get("MaxResults") or LISTED)
        found = [
            one
            for name, one in sorted(schedules.items())
            if name > after
            and name.startswith(request.get("NamePrefix", ""))
            and request.get("State") in (None, one.settings["State"])
        ]
        more = {"NextToken": found[most - 1].name} if len(found) > most else {}
        return {"Schedules": [_summary(one) for one in found[:most]], **more}

    def _find(self, caller: Caller, request: Request) -> Schedule:
        self._group(request)
        schedule = self._regions[caller].schedules.get(request["Name"])
        if schedule is None:
            raise AwsError("ResourceNotFoundException", f"Schedule {request['Name']} does not exist.")
        return schedule

    def _due(self, settings: Mapping[str, Any], now: float) -> Next:
        start, end = settings.get("StartDate"), settings.get("EndDate")
        if start and end and seconds_of(start) >= seconds_of(end):
            raise invalid("The EndDate must come after the StartDate.")
        began = seconds_of(start) if start else now
        return next_of(settings["ScheduleExpression"], settings["ScheduleExpressionTimezone"], began)

    # ---- groups

    def _group(self, request: Request) -> None:
        group = request.get("GroupName", GROUP)
        if group != GROUP:
            raise AwsError("ResourceNotFoundException", f"Schedule group {group} does not exist.")

    def get_schedule_group(self, caller: Caller, request: Request) -> Answer:
        self._group({"GroupName": request["Name"]})
        since = clock.utc(self._regions[caller].since)
        arn = caller.arn("scheduler", f"schedule-group/{GROUP}")
        return {"Arn": arn, "Name": GROUP, "State": "ACTIVE", "CreationDate": since, "LastModificationDate": since}

    def list_schedule_groups(self, caller: Caller, request: Request) -> Answer:
        named = GROUP.startswith(request.get("NamePrefix", ""))
        return {"ScheduleGroups": [self.get_schedule_group(caller, {"Name": GROUP})] if named else []}

    # ---- time

    def _wait(self, schedule: Schedule) -> None:
        """Wait anew, for what the schedule says now."""
        if schedule.work is not None:
            schedule.work.cancel()
            schedule.work = None
        if schedule.settings["State"] == "ENABLED":
            schedule.work = self._cloud.spawn(self._run(schedule), f"schedule {schedule.name}")

    async def _run(self, schedule: Schedule) -> None:
        """Every moment from its beginning to its end; an invocation that takes its time delays none."""
        after = max(schedule.begins, schedule.modified)
        while (moment := schedule.due(after)) is not None and moment <= schedule.ends:
            while (left := moment - self._cloud.clock.now()) > 0:
                await self._cloud.clock.sleep(min(left, LONGEST_SLEEP))
            delivery = Delivery(self._cloud, schedule.caller, schedule.arn, schedule.target, moment)
            self._cloud.spawn(delivery.run(), f"invocation by schedule {schedule.name}")
            after = moment + 1.0
        if schedule.settings["ActionAfterCompletion"] == "DELETE":
            self._regions[schedule.caller].schedules.pop(schedule.name, None)

    def _remove(self, schedule: Schedule) -> None:
        """An invocation that is under way goes on, as on AWS."""
        if schedule.work is not None:
            schedule.work.cancel()
        del self._regions[schedule.caller].schedules[schedule.name]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One invocation of a target, tried again as its retry policy says."""

    cloud: Cloud
    caller: Caller
    schedule: str
    target: Mapping[str, Any]
    moment: float

    async def run(self) -> None:
        policy, identity = {**RETRY, **self.target.get("RetryPolicy", {})}, str(uuid.uuid4())
        for attempt in range(1, policy["MaximumRetryAttempts"] + 2):
            try:
                await self._invoke(identity, attempt)
            except AwsError as error:
                log.warning("%s could not invoke %s: %s", self.schedule, self.target["Arn"], error)
            else:
                return
            pause = min(2.0**attempt, LONGEST_PAUSE)
            if self.cloud.clock.now() + pause > self.moment + policy["MaximumEventAgeInSeconds"]:
                break
            await self.cloud.clock.sleep(pause)

    async def _invoke(self, identity: str, attempt: int) -> None:
        known = {
            "schedule-arn": self.schedule,
            "scheduled-time": f"{clock.utc(self.moment):%Y-%m-%dT%H:%M:%SZ}",
            "execution-id": identity,
            "attempt-number": str(attempt),
        }
        text = self.target.get("Input") or self._notification(identity, known["scheduled-time"])
        for name, value in known.items():
            text = text.replace(f"<aws.scheduler.{name}>", value)
        request = {"FunctionName": self.target["Arn"], "InvocationType": "Event", "Payload": text.encode()}
        await self.cloud.call(self.caller, "lambda", "Invoke", **request)

    def _notification(self, identity: str, at: str) -> str:
        """What a target gets that was given no Input."""
        return json.dumps(
            {
                "version": "0",
                "id": identity,
                "detail-type": "Scheduled Event",
                "source": "aws.scheduler",
                "account": self.caller.account,
                "time": at,
                "region": self.caller.region,
                "resources": [self.schedule],
                "detail": "{}",
            }
        )


def settings_of(request: Request) -> Mapping[str, Any]:
    """What a schedule is asked to do, with defaults. Raises AwsError, for what is not emulated by name."""
    if request["FlexibleTimeWindow"]["Mode"] != "OFF":
        raise not_emulated("scheduler", "a flexible time window")
    if request["FlexibleTimeWindow"].get("MaximumWindowInMinutes"):
        raise invalid("MaximumWindowInMinutes must not be provided when flexible time window mode is set to OFF.")
    _check_target(request["Target"])
    defaults = {"ScheduleExpressionTimezone": "UTC", "State": "ENABLED", "ActionAfterCompletion": "NONE"}
    settings = {**defaults, **{name: request[name] for name in KEPT if name in request}}
    settings["Target"] = {"RetryPolicy": RETRY, **request["Target"]}
    return settings


def _check_target(target: Mapping[str, Any]) -> None:
    if not FUNCTION.fullmatch(target["Arn"]):
        raise not_emulated("scheduler", f"the target {target['Arn']}, which is no Lambda function")
    if target.get("Input"):
        try:
            json.loads(target["Input"])
        except ValueError:
            raise invalid("Invalid RequestJson provided. Reason The Input of a Lambda target must be JSON.") from None


def _identity(schedule: Schedule) -> Answer:
    return {
        "Arn": schedule.arn,
        "Name": schedule.name,
        "GroupName": GROUP,
        "CreationDate": clock.utc(schedule.created),
        "LastModificationDate": clock.utc(schedule.modified),
    }


def _summary(schedule: Schedule) -> Answer:
    target = {"Arn": schedule.target["Arn"]}
    return {**_identity(schedule), "State": schedule.settings["State"], "Target": target}
