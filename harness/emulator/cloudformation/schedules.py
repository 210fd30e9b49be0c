"""AWS::Scheduler::Schedule."""

from __future__ import annotations

from harness.emulator.cloud import AwsError
from harness.emulator.cloudformation.kinds import At, Kind, Made, Properties, is_gone, only


class Schedule(Kind):
    """UpdateSchedule replaces the whole. A schedule bears no tags: its group does."""

    type, name = "AWS::Scheduler::Schedule", "Name"

    async def create(self, at: At, properties: Properties) -> Made:
        named = {"Name": at.name(64), **properties}
        arn = (await at.send("scheduler", "CreateSchedule", named))["ScheduleArn"]
        return Made(named["Name"], {"Arn": arn})

    async def update(self, at: At, made: Made, old: Properties, new: Properties) -> Made:
        await at.send("scheduler", "UpdateSchedule", {**new, "Name": made.physical_id})
        return made

    async def delete(self, at: At, made: Made, properties: Properties) -> None:
        try:
            await at.send("scheduler", "DeleteSchedule", {"Name": made.physical_id, **only(properties, "GroupName")})
        except AwsError as error:
            if not is_gone(error):
                raise


KINDS = (Schedule(),)
