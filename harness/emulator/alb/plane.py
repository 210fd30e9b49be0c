"""The emulator's end of the data plane: it starts the process, sends orders and hears news."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness import interpreter
from harness.emulator.alb.messages import AccessRow, Datum, HealthChange, Target
from harness.emulator.alb.tls import Certificate, Tls
from harness.errors import TargetUnavailable

__all__ = ["AccessRow", "Certificate", "Datum", "HealthChange", "Plane", "PlaneRefused", "Target", "Tls"]
log = logging.getLogger("rehearse.alb")
LONGEST_NEWS = 64 * 1024 * 1024


class PlaneRefused(Exception):
    """An order that the data plane cannot carry out; the message names why."""


class Plane:
    """Every order returns when it is in force. Raises PlaneRefused, or TargetUnavailable when the process is gone."""

    def __init__(self, logs: Path | None = None) -> None:
        """`logs` is the directory of the access logs. `on_access` hears of some requests only when there are many."""
        self.on_health: Callable[[HealthChange], None] = lambda change: None
        self.on_access: Callable[[list[AccessRow]], None] | None = None
        self.on_metrics: Callable[[list[Datum]], None] = lambda data: None
        self._logs = logs
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._hearing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "harness.emulator.alb", str(theirs.fileno())),
                *([str(self._logs)] if self._logs is not None else []),
                env=interpreter.inherited(),
                pass_fds=[theirs.fileno()],
                stdin=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
        reader, self._writer = await asyncio.open_connection(sock=ours, limit=LONGEST_NEWS)
        self._hearing = asyncio.ensure_future(self._hear(reader))

    async def close(self) -> None:
        """Close our end; the process ends by itself."""
        if self._writer is None or self._process is None or self._hearing is None:
            return
        self._writer.close()
        try:
            async with asyncio.timeout(5):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        self._hearing.cancel()
        await asyncio.gather(self._hearing, return_exceptions=True)

    # ---- orders

    async def put_target_group(
        self, arn: str, health_check: Mapping[str, Any], attributes: Mapping[str, str], protocol: str = "HTTP"
    ) -> None:
        """Make or change a group; `health_check` has the members of an AWS target group."""
        await self._order(
            "put_target_group",
            arn=arn,
            health_check=dict(health_check),
            attributes=dict(attributes),
            protocol=protocol,
        )

    async def delete_target_group(self, arn: str) -> None:
        await self._order("delete_target_group", arn=arn)

    async def put_listener(
        self,
        arn: str,
        *,
        load_balancer: str,
        protocol: str,
        port: int,
        attributes: Mapping[str, str],
        rules: Sequence[Mapping[str, Any]],
        tls: Tls | None = None,
    ) -> int:
        """Make a listener or replace its rules in one step; the port it really listens on. HTTPS needs `tls`."""
        if (protocol == "HTTPS") != (tls is not None) or protocol not in ("HTTP", "HTTPS"):
            raise PlaneRefused(f"{protocol} listeners are not emulated: use HTTP, or HTTPS with a certificate")
        bound = await self._order(
            "put_listener",
            arn=arn,
            load_balancer=load_balancer,
            port=port,
            attributes=dict(attributes),
            rules=list(rules),
            tls=tls.to_json() if tls is not None else None,
        )
        return int(bound)

    async def delete_listener(self, arn: str) -> None:
        await self._order("delete_listener", arn=arn)

    async def register(self, target_group: str, targets: Sequence[Target]) -> None:
        await self._order("register", target_group=target_group, targets=[target.to_json() for target in targets])

    async def deregister(self, target_group: str, targets: Sequence[tuple[str, int]]) -> None:
        await self._order("deregister", target_group=target_group, targets=list(targets))

    async def cut_log(self, load_balancer: str) -> tuple[Path, int]:
        """Where a load balancer's log in ALB's own format is, and its size in bytes, with every request that has ended."""
        path, size = await self._order("cut_log", load_balancer=load_balancer)
        return Path(path), int(size)

    async def _order(self, order: str, **arguments: Any) -> Any:
        if self._writer is None or self._writer.is_closing():
            raise TargetUnavailable("the load balancer's process is not running")
        number = next(self._numbers)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        self._writer.write(
            json.dumps(
                {"id": number, "order": order, "with": arguments, "watched": self.on_access is not None}
            ).encode()
            + b"\n"
        )
        return await self._waiting[number]

    # ---- news

    async def _hear(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                self._heard(json.loads(line))
        self._lost()

    def _heard(self, message: dict[str, Any]) -> None:
        match message:
            case {"event": "health", "changes": changes}:
                for change in changes:
                    self.on_health(HealthChange(**change))
            case {"event": "access", "rows": rows}:
                if self.on_access is not None:
                    self.on_access([AccessRow(*row) for row in rows])
            case {"event": "metrics", "data": data}:
                self.on_metrics([Datum(*one) for one in data])
            case {"id": number, "error": error}:
                self._settle(number, error=PlaneRefused(error))
            case {"id": number, "result": result}:
                self._settle(number, result=result)

    def _settle(self, number: int, *, result: Any = None, error: Exception | None = None) -> None:
        waiting = self._waiting.pop(number)
        if waiting.done():
            return
        if error is not None:
            waiting.set_exception(error)
        else:
            waiting.set_result(result)

    def _lost(self) -> None:
        """The process is gone: whoever waits is told."""
        if self._waiting:
            log.error("the load balancer's process has ended")
        for number in list(self._waiting):
            self._settle(number, error=TargetUnavailable("the load balancer's process has ended"))
