"""A task's life, from PROVISIONING to STOPPED (D.1). It alone writes the task's status.

Others ask it to stop with `Task.stop(order)`. A task that drains first goes on serving, DEACTIVATING, until the scheduler sets
`drained`: deregister, wait, SIGTERM, SIGKILL, in that order (C.4). A task that a user stops gets its SIGTERM at once (D.3).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from harness.emulator import container_health
from harness.emulator.cloud import AwsError, Cloud
from harness.emulator.runtime.base import CannotPull, CannotStart, Container, ContainerSpec, Exit
from harness.emulator.services.ecs_network import Interfaces
from harness.emulator.services.ecs_secrets import read_secrets
from harness.emulator.services.ecs_state import ContainerDefinition, StopOrder, Task, TaskContainer
from harness.emulator.task_logs import ship

log = logging.getLogger("rehearse.emulator")
ESSENTIAL_EXITED = StopOrder("EssentialContainerExited", "Essential container in task exited")


class StopAsked(Exception):
    """Someone asked the task to stop before it ran."""


class TaskLife:
    """`starts` is shared by all lives: so many containers start at the same time."""

    def __init__(self, cloud: Cloud, interfaces: Interfaces, starts: asyncio.Semaphore, task: Task) -> None:
        self._cloud, self._interfaces, self._starts, self._task = cloud, interfaces, starts, task
        self._ended = {container.definition.name: asyncio.Event() for container in task.containers}
        self._healthy = {container.definition.name: asyncio.Event() for container in task.containers}

    async def run(self) -> None:
        """From the first status to the last; returns when the task is STOPPED."""
        async with asyncio.TaskGroup() as watchers:
            try:
                await self._provision()
                await self._pull()
                await self._start(watchers)
                await self._serve()
            except StopAsked:
                pass  # the order says why
            except (CannotPull, CannotStart, AwsError) as error:
                self._fail(error)
            except Exception as error:  # whatever a runtime may raise, the task must end, and say why
                log.exception("task %s", self._task.arn)
                self._fail(CannotStart(f"CannotStartContainerError: {error}"))
            await self._stop_containers()
        self._deprovision()

    # ---- up

    async def _provision(self) -> None:
        """PROVISIONING: wait for capacity (a capacity provider's), and attach the network interface (awsvpc)."""
        task = self._task
        if task.awaits_capacity:
            await self._unless_stopped(task.placed.wait())
        if task.definition.network_mode == "awsvpc":
            configuration = task.settings["networkConfiguration"]["awsvpcConfiguration"]
            task.interface = await self._interfaces.attach(task.caller, configuration["subnets"])
        self._become("PENDING")

    async def _pull(self) -> None:
        """PENDING: get every image. A stop order does not wait for a slow pull."""
        task = self._task
        task.pull_started_at = self._cloud.clock.now()
        for container in task.containers:
            await self._unless_stopped(self._cloud.runtime.pull(container.definition.image, task.launch_type))
        task.pull_stopped_at = self._cloud.clock.now()

    async def _start(self, watchers: asyncio.TaskGroup) -> None:
        """Start the containers in the order of their dependencies; RUNNING when all have started."""
        for container in in_order(self._task.containers):
            await self._dependencies(container.definition)
            container.container = await self._run(container.definition)
            container.status = "RUNNING"
            self._publish(container)
            if container.definition.logs:
                self._cloud.spawn(ship(self._cloud, self._task, container), f"logs of {container.runtime_id}")
            watchers.create_task(self._watch(container), name=f"container {container.runtime_id}")
        self._check_stop()
        self._task.started_at = self._cloud.clock.now()
        self._become("RUNNING")

    async def _run(self, definition: ContainerDefinition) -> Container:
        secrets = await read_secrets(self._cloud, self._task.caller, definition)
        async with self._starts:
            return await self._cloud.runtime.start(self._spec(definition, secrets))

    async def _dependencies(self, definition: ContainerDefinition) -> None:
        """Wait for what `dependsOn` names, each for at most its startTimeout; START is given by the order of starting."""
        self._check_stop()
        for name, condition in definition.depends_on:
            other = self._container(name)
            if condition == "START":
                continue
            events = [self._ended[name]] + ([self._healthy[name]] if condition == "HEALTHY" else [])
            limit = self._cloud.clock.sleep(other.definition.start_timeout)
            await self._unless_stopped(self._first_of(limit, *(event.wait() for event in events)))
            if problem := self._unmet(other, condition):
                raise CannotStart(f"TaskDependencyError: container {name} {problem}")

    def _unmet(self, other: TaskContainer, condition: str) -> str:
        """Why the condition does not hold now; empty where it does."""
        name = other.definition.name
        if condition == "HEALTHY":
            return "" if self._healthy[name].is_set() else "did not become healthy"
        if not self._ended[name].is_set():
            return f"did not end within {other.definition.start_timeout:g} s"
        return "did not end with exit code 0" if condition == "SUCCESS" and other.exit_code != 0 else ""

    def _publish(self, container: TaskContainer) -> None:
        """Let the load balancer find the container behind the task's address, or behind its instance's port."""
        assert container.container is not None
        place = self._task.container_instance or self._task.interface
        for port, address in container.container.addresses.items():
            for known in self._known_as(container.definition.name, port):
                self._cloud.addresses.known[known] = address
                self._cloud.addresses.zones[known] = (place.zone if place else "") or ""

    def _known_as(self, container: str, port: int) -> list[tuple[str, int]]:
        task = self._task
        if task.interface is not None:
            return [(task.interface.ip, port)]
        if task.container_instance is None:
            return []
        wanted, ec2_id = (container, port), task.container_instance.ec2_id
        return [(ec2_id, one.host_port) for one in task.host_ports if (one.container, one.container_port) == wanted]

    # ---- life

    async def _serve(self) -> None:
        """RUNNING until an order to stop; DEACTIVATING while its targets drain, or until it dies of itself."""
        await self._task.stop_asked.wait()
        if self._task.order and self._task.order.drain:
            self._become("DEACTIVATING")
            await self._first_of(self._task.drained.wait(), *(self._ended[name].wait() for name in self._essential()))

    async def _watch(self, container: TaskContainer) -> None:
        """Record the end of one container; that of an essential one ends the task."""
        assert container.container is not None
        checks = asyncio.ensure_future(self._check_health(container))
        try:
            end: Exit = await container.container.wait()
        finally:
            checks.cancel()
            (failed,) = await asyncio.gather(checks, return_exceptions=True)
        if isinstance(failed, Exception):
            log.error("the health checks of %s broke off", container.runtime_id, exc_info=failed)
        container.status, container.exit_code, container.reason = "STOPPED", end.code, end.reason
        self._ended[container.definition.name].set()
        if container.definition.essential:
            self._task.stop(ESSENTIAL_EXITED)
        self._changed()

    async def _check_health(self, container: TaskContainer) -> None:
        check, running = container.definition.health_check, container.container
        if check is None or running is None:
            return

        def became(health: str) -> None:
            if health != container.health:
                container.health = health
                self._changed()
            if health == "HEALTHY":
                self._healthy[container.definition.name].set()

        await container_health.watch(self._cloud.clock, check, running, became)

    def _essential(self) -> list[str]:
        return [one.definition.name for one in self._task.containers if one.definition.essential]

    # ---- down

    def _fail(self, error: Exception) -> None:
        """It never ran: the text is the task's stoppedReason, and each unstarted container's reason (D.2)."""
        text = f"ResourceInitializationError: {error}" if isinstance(error, AwsError) else str(error)
        for container in self._task.containers:
            if container.container is None:
                container.reason = text
        self._task.stop(StopOrder("TaskFailedToStart", text))

    async def _stop_containers(self) -> None:
        """STOPPING: each with its own stopTimeout, after those that depend on it; the watchers record the exit codes."""
        self._task.stopping_at = self._cloud.clock.now()
        self._become("STOPPING")
        started = {one.definition.name: one for one in self._task.containers if one.container is not None}

        async def stop(container: TaskContainer) -> None:
            for name, other in started.items():
                if container.definition.name in dict(other.definition.depends_on):
                    await self._ended[name].wait()
            assert container.container is not None
            await container.container.stop()

        await asyncio.gather(*map(stop, started.values()))

    def _deprovision(self) -> None:
        """DEPROVISIONING takes no time here: the interface is only an address. Then STOPPED."""
        task = self._task
        task.execution_stopped_at = self._cloud.clock.now()
        self._become("DEPROVISIONING")
        for container in task.containers:
            for port in container.definition.ports:
                for known in self._known_as(container.definition.name, port):
                    self._cloud.addresses.known.pop(known, None)
                    self._cloud.addresses.zones.pop(known, None)
        if task.container_instance is not None:
            task.container_instance.release(task.id)
        if not task.registrations:
            self._interfaces.release(task.interface)
        for container in task.containers:
            container.status = "STOPPED"
        task.stopped_at = self._cloud.clock.now()
        self._become("STOPPED")

    # ---- small steps

    def _become(self, status: str) -> None:
        self._task.status = status
        self._changed()

    def _changed(self) -> None:
        self._task.version += 1
        self._cloud.changed.ring()

    def _check_stop(self) -> None:
        if self._task.order is not None:
            raise StopAsked

    async def _unless_stopped(self, work: Any) -> None:
        """Await `work`; StopAsked when the order to stop comes first, and `work` is cancelled."""
        self._check_stop()
        await self._first_of(work, self._task.stop_asked.wait())
        self._check_stop()

    async def _first_of(self, *works: Any) -> None:
        tasks = [asyncio.ensure_future(work) for work in works]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _container(self, name: str) -> TaskContainer:
        return next(one for one in self._task.containers if one.definition.name == name)

    def _spec(self, definition: ContainerDefinition, secrets: Mapping[str, str]) -> ContainerSpec:
        task = self._task
        override = container_override(task.settings, definition.name)
        return ContainerSpec(
            task_id=task.id,
            name=definition.name,
            image=definition.image,
            environment={**self._environment(), **definition.environment, **secrets, **_variables(override)},
            command=tuple(override.get("command", definition.command)),
            ports=definition.ports,
            stop_timeout=definition.stop_timeout,
            launch_type=task.launch_type,
            ulimits=definition.ulimits,
            memory_mib=override.get("memory", definition.memory_mib),
            labels={
                **definition.labels,
                "com.amazonaws.ecs.cluster": task.cluster,
                "com.amazonaws.ecs.container-name": definition.name,
                "com.amazonaws.ecs.task-arn": task.arn,
                "com.amazonaws.ecs.task-definition-family": task.definition.family,
                "com.amazonaws.ecs.task-definition-version": str(task.definition.revision),
            },
        )

    def _environment(self) -> dict[str, str]:
        """What the agent adds. The metadata and credential endpoints are not emulated, so their variables stay unset."""
        region = self._task.caller.region
        return {
            "AWS_EXECUTION_ENV": f"AWS_ECS_{self._task.launch_type}",
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
        }


def in_order(containers: tuple[TaskContainer, ...]) -> list[TaskContainer]:
    """After the containers they depend on, otherwise as listed."""
    left, order = list(containers), []
    while left:
        waiting = {one.definition.name for one in left}
        ready = next(one for one in left if not any(name in waiting for name, _ in one.definition.depends_on))
        left.remove(ready)
        order.append(ready)
    return order


def container_override(settings: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    overrides = settings.get("overrides", {}).get("containerOverrides", [])
    return next((one for one in overrides if one.get("name") == name), {})


def _variables(override: Mapping[str, Any]) -> dict[str, str]:
    return {one["name"]: one.get("value", "") for one in override.get("environment", ())}
