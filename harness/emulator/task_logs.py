"""The awslogs driver: what a container prints goes to CloudWatch Logs, which the delegate keeps.

The log group is made where it is missing (AWS makes it only with `awslogs-create-group`, and else fails the start). A log that
cannot be written never hurts its task.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Sequence

from harness.emulator.cloud import AwsError, Caller, Cloud
from harness.emulator.runtime.base import Container
from harness.emulator.services.ecs_state import LogOptions, Task, TaskContainer

EVERY = 1.0  # seconds between two batches
EVENTS_AT_ONCE = 1000
log = logging.getLogger("rehearse.emulator")


def stream_of(options: LogOptions, task: Task, container: TaskContainer) -> str:
    """`prefix/container/task id`; without a prefix, the container's runtime id."""
    return f"{options.prefix}/{container.definition.name}/{task.id}" if options.prefix else container.runtime_id


async def ship(cloud: Cloud, task: Task, container: TaskContainer) -> None:
    """Send what `container` prints, until it has ended and all is sent."""
    options, running = container.definition.logs, container.container
    assert options is not None
    assert running is not None
    caller = dataclasses.replace(task.caller, region=options.region or task.caller.region)
    stream = stream_of(options, task, container)
    try:
        await _create(cloud, caller, options.group, stream)
        await _follow(cloud, caller, options.group, stream, running)
    except AwsError as error:
        log.warning("the logs of %s cannot be written: %s: %s", task.arn, error.code, error.message)


async def _create(cloud: Cloud, caller: Caller, group: str, stream: str) -> None:
    for operation, names in (
        ("CreateLogGroup", {"logGroupName": group}),
        ("CreateLogStream", {"logGroupName": group, "logStreamName": stream}),
    ):
        try:
            await cloud.call(caller, "logs", operation, **names)
        except AwsError as error:
            if error.code != "ResourceAlreadyExistsException":
                raise


async def _follow(cloud: Cloud, caller: Caller, group: str, stream: str, running: Container) -> None:
    cursor, ended = "", asyncio.ensure_future(running.wait())
    try:
        while True:
            over = ended.done()
            lines, cursor = await running.output(cursor)
            await _put(cloud, caller, group, stream, lines)
            if over and not lines:
                return
            timer = asyncio.ensure_future(cloud.clock.sleep(EVERY))
            await asyncio.wait({ended, timer}, return_when=asyncio.FIRST_COMPLETED)
            timer.cancel()
    finally:
        ended.cancel()


async def _put(cloud: Cloud, caller: Caller, group: str, stream: str, lines: Sequence[str]) -> None:
    now = round(cloud.clock.now() * 1000)
    events = [{"timestamp": now, "message": line} for line in lines if line]
    for start in range(0, len(events), EVENTS_AT_ONCE):
        batch = events[start : start + EVENTS_AT_ONCE]
        await cloud.call(caller, "logs", "PutLogEvents", logGroupName=group, logStreamName=stream, logEvents=batch)
