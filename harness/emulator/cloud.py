"""What the emulated services share: one event loop, one clock, and each other's operations.

A service is a class with a method per AWS operation, named as boto3 names it, `(self, caller, request) -> dict`, plain or async;
`request` and the answer have the shapes of botocore's model (wire names). Services know each other only through
`Cloud.call`, exactly as they would over HTTP.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Iterator, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from botocore import xform_name

from harness.clock import Clock
from harness.emulator.settings import Settings

if TYPE_CHECKING:
    from harness.emulator.alb.plane import Plane
    from harness.emulator.runtime.base import Runtime

ACCOUNT = "123456789012"  # moto's, so that ARNs of both sides agree
DEFAULT_REGION = "us-east-1"
State = TypeVar("State")
Request = dict[str, Any]
Answer = dict[str, Any]
log = logging.getLogger("rehearse.emulator")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, from the credential scope of the signature."""

    region: str = DEFAULT_REGION
    account: str = ACCOUNT
    access_key: str = "test"
    session: tuple[str, str] = field(default=("", ""), compare=False)
    """The role and the name of the Lambda function that calls, empty for anybody else."""

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"


class AwsError(Exception):
    """An AWS error answer: code and message as AWS spells them; `status` only where the model does not give it."""

    def __init__(self, code: str, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


def not_emulated(service: str, operation: str) -> AwsError:
    return AwsError("NotImplemented", f"{service}:{operation} is not emulated by rehearse (see docs/EMULATED.md)", 501)


class Regional(Generic[State]):
    """One state per account and region, made on first use."""

    def __init__(self, make: Callable[[], State]) -> None:
        self._states: defaultdict[tuple[str, str], State] = defaultdict(make)

    def __getitem__(self, caller: Caller) -> State:
        return self._states[caller.account, caller.region]

    def items(self) -> list[tuple[Caller, State]]:
        return [(Caller(region, account), state) for (account, region), state in self._states.items()]


class Services(MutableMapping[str, object]):
    """Handlers by the service's name; one that is only offered is made when it is first looked up."""

    def __init__(self) -> None:
        self.made: dict[str, object] = {}
        self._offered: dict[str, Callable[[], object] | None] = {}

    def offer(self, name: str, make: Callable[[], object]) -> None:
        self._offered[name] = make

    def __getitem__(self, name: str) -> object:
        if name not in self.made:
            make = self._offered[name]
            assert make is not None  # a service that was put in is made
            self.made[name] = make()
        return self.made[name]

    def __setitem__(self, name: str, handlers: object) -> None:
        self.made[name], self._offered[name] = handlers, None

    def __delitem__(self, name: str) -> None:
        del self._offered[name]
        self.made.pop(name, None)

    def __contains__(self, name: object) -> bool:
        return name in self._offered

    def __iter__(self) -> Iterator[str]:
        return iter(self._offered)

    def __len__(self) -> int:
        return len(self._offered)


class Bell:
    """Wakes everyone who waits for a change of state; a ring between two waits is not lost (compare `count`)."""

    def __init__(self) -> None:
        self.count, self._future = 0, asyncio.get_running_loop().create_future()

    def ring(self) -> None:
        self.count += 1
        rung, self._future = self._future, asyncio.get_running_loop().create_future()
        rung.set_result(None)

    async def wait(self, clock: Clock, at_most: float, *, seen: int | None = None) -> None:
        """Return at the next ring, or after `at_most` real seconds; at once when `seen` is older than the last ring."""
        if seen is not None and seen != self.count:
            return
        timer = asyncio.ensure_future(clock.sleep(at_most))
        try:
            await asyncio.wait({self._future, timer}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()


@dataclass
class Addresses:
    """Where a task really listens: (its fake ENI address, containerPort) -> (host, port); and in which availability zone."""

    known: dict[tuple[str, int], tuple[str, int]] = field(default_factory=dict)
    zones: dict[tuple[str, int], str] = field(default_factory=dict)

    def locate(self, ip: str, port: int) -> tuple[str, int] | None:
        """The real address; a loopback address is itself; None is an address where nothing is."""
        if ip.startswith("127."):
            return ip, port
        return self.known.get((ip, port))


class Cloud:
    """The shared part of one emulator. `services` maps botocore service names to our handlers; `fallback` serves the rest."""

    def __init__(
        self,
        *,
        clock: Clock,
        settings: Settings,
        runtime: Runtime,
        plane: Plane,
        home: Path,
        compression: float = 1.0,
        fallback: Callable[[Caller, str, str, Request], Awaitable[Answer]] | None = None,
        fallback_in_use: Callable[[], bool] = lambda: True,
        key_of: Callable[[Caller, str], Awaitable[str | None]] | None = None,
    ) -> None:
        self.clock, self.settings, self.runtime, self.plane = clock, settings, runtime, plane
        self.home, self.compression, self.fallback = home, compression, fallback
        self.fallback_in_use = fallback_in_use  # whether it was asked for anything yet
        self._key_of = key_of
        self.endpoint = ""  # http://127.0.0.1:<port>, once the server listens
        self.services = Services()
        self.addresses, self.changed = Addresses(), Bell()
        self._tasks: set[asyncio.Task[None]] = set()

    async def call(self, caller: Caller, service: str, operation: str, /, **request: Any) -> Answer:
        """Call another service in process. `operation` in CamelCase. Raises AwsError."""
        from harness.emulator import members  # here: it reads the wire's models, and the wire has this module's errors

        handler = self.services.get(service)
        method = getattr(handler, xform_name(operation), None) if handler else None
        if method is not None:
            members.check(service, operation, request)
            answer = method(caller, request)
            return (await answer if inspect.isawaitable(answer) else answer) or {}
        if handler is not None or self.fallback is None:
            raise not_emulated(service, operation)
        return await self.fallback(caller, service, operation, request)

    async def key_of(self, caller: Caller, certificate: str) -> str | None:
        """The private key (PEM) of an ACM certificate, which ACM's own API does not give; None where nobody here has it."""
        return await self._key_of(caller, certificate) if self._key_of is not None else None

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run `work` beside the requests until the emulator closes; an unexpected error is logged with its traceback."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("background work %s broke off", task.get_name(), exc_info=error)

    async def close(self) -> None:
        """Cancel all background work and wait for it."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
