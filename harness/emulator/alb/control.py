"""Carries out the emulator's orders in the data plane's process, one after the other, and sends news back."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from harness import clock
from harness.clock import Wall
from harness.emulator.alb.journal import Journal
from harness.emulator.alb.listener import Listener, ListenerUnsupported
from harness.emulator.alb.messages import HealthChange, Target
from harness.emulator.alb.metrics import gauge
from harness.emulator.alb.rules import RuleUnsupported, compile_rules
from harness.emulator.alb.targets import Group
from harness.emulator.alb.tls import CertificateUnusable, Tls

FLUSH = 0.1  # seconds between two batches of news
SWEEP = 1.0  # seconds between two looks at idle connections, and two readings of hosts and connections


class Control:
    """The state of the data plane: groups and listeners by ARN."""

    def __init__(self, writer: asyncio.StreamWriter, logs: Path | None) -> None:
        self._writer = writer
        self._journal = Journal(logs)
        # Connections of a listener or a group that are in the metrics already.
        self._counted: WeakKeyDictionary[Listener | Group, int] = WeakKeyDictionary()
        self.groups: dict[str, Group] = {}
        self.listeners: dict[str, Listener] = {}
        self._health: list[HealthChange] = []

    async def serve(self, reader: asyncio.StreamReader) -> None:
        """Until the emulator closes its end; then nothing is left."""
        news = [asyncio.ensure_future(self._flush()), asyncio.ensure_future(self._sweep())]
        try:
            with contextlib.suppress(ConnectionError):  # killed, the emulator closes nothing: its end just goes
                while line := await reader.readline():
                    self._send(await self._obey(json.loads(line)))
        finally:
            for task in news:
                task.cancel()
            for listener in self.listeners.values():
                listener.close()
            for group in self.groups.values():
                group.close()
            self._journal.close()

    async def _obey(self, order: dict[str, Any]) -> dict[str, Any]:
        self._journal.watched = order["watched"]
        try:
            result = await ORDERS[order["order"]](self, **order["with"])
        except (RuleUnsupported, ListenerUnsupported, CertificateUnusable) as error:
            return {"id": order["id"], "error": str(error)}
        return {"id": order["id"], "result": result}

    def group(self, arn: str) -> Group:
        return self.groups[arn]

    # ---- orders

    async def put_target_group(
        self, arn: str, health_check: dict[str, Any], attributes: dict[str, str], protocol: str
    ) -> None:
        group = self.groups.get(arn) or Group(arn, self._health.append)
        group.configure(health_check, attributes, protocol)
        self.groups[arn] = group

    async def delete_target_group(self, arn: str) -> None:
        if (group := self.groups.pop(arn, None)) is not None:
            group.close()

    async def put_listener(
        self,
        arn: str,
        load_balancer: str,
        port: int,
        attributes: dict[str, str],
        rules: list[dict[str, Any]],
        tls: dict[str, Any] | None,
    ) -> int:
        """Answers when the new rules are in force; where they are refused, all is as before."""
        compile_rules(rules, self.group)  # what it refuses, it refuses before anything changes
        old = self.listeners.get(arn)
        listener = old if old is not None and old.port == port else None
        if listener is None:
            listener = Listener(arn, load_balancer, port, self._journal.add)
            listener.bind()
        try:
            await listener.serve(Tls.from_json(tls))
            listener.configure(attributes, rules, self.group)
        except (RuleUnsupported, ListenerUnsupported, CertificateUnusable):
            if listener is not old:
                listener.close()
            raise
        if old is not None and old is not listener:
            old.close()
        self.listeners[arn] = listener
        self._journal.configure(load_balancer, own_format=attributes.get("access_logs.s3.enabled") == "true")
        self._mark_used()
        return listener.bound

    async def delete_listener(self, arn: str) -> None:
        if (listener := self.listeners.pop(arn, None)) is not None:
            listener.close()
            self._mark_used()

    async def register(self, target_group: str, targets: list[dict[str, Any]]) -> None:
        for raw in targets:
            self.groups[target_group].register(Target.from_json(raw))

    async def deregister(self, target_group: str, targets: list[list[Any]]) -> None:
        for target_id, port in targets:
            self.groups[target_group].deregister((target_id, port))

    async def cut_log(self, load_balancer: str) -> list[Any]:
        """[path, bytes] of what is in a load balancer's log, every request that has ended included."""
        path, size = self._journal.cut(load_balancer)
        return [str(path), size]

    def _mark_used(self) -> None:
        """A group is in use when any rule forwards to it, weight 0 included (C.1)."""
        used = {arn for listener in self.listeners.values() for rule in listener.rules for arn in rule.groups}
        for arn, group in self.groups.items():
            group.use(arn in used)

    # ---- news

    async def _flush(self) -> None:
        while True:
            await Wall().sleep(FLUSH)
            if self._health:
                changes = [asdict(change) for change in self._health]
                self._health.clear()
                self._send({"event": "health", "changes": changes})
            rows, data = self._journal.news(self._targets)
            if rows:
                self._send({"event": "access", "rows": rows})
            if data:
                self._send({"event": "metrics", "data": data})

    def _targets(self, arn: str) -> int:
        group = self.groups.get(arn)
        return len(group.members) if group is not None else 0

    async def _sweep(self) -> None:
        while True:
            await Wall().sleep(SWEEP)
            for listener in self.listeners.values():
                listener.sweep(clock.now())
            self._read_gauges(clock.now())

    def _read_gauges(self, now: float) -> None:
        """Hosts of each group, and connections of each load balancer: to it and from it (C.9)."""
        groups = {
            (listener.load_balancer, arn)
            for listener in self.listeners.values()
            for rule in listener.rules
            for arn in rule.groups
            if arn in self.groups
        }
        for balancer, arn in sorted(groups):
            for zone, hosts in self.groups[arn].hosts().items():
                for name, number in zip(("HealthyHostCount", "UnHealthyHostCount"), hosts, strict=True):
                    self._journal.gauges.append(gauge(name, balancer, arn, number, now, zone))
        for balancer in {listener.load_balancer for listener in self.listeners.values()}:
            ours = [one for one in self.listeners.values() if one.load_balancer == balancer]
            theirs = [self.groups[arn] for other, arn in groups if other == balancer]
            self._read_connections(balancer, ours, theirs, now)

    def _read_connections(self, balancer: str, ours: list[Listener], theirs: list[Group], now: float) -> None:
        members = [member for group in theirs for member in group.members.values()]
        active = sum(len(one.clients) for one in ours) + sum(len(one.connections) for one in members)
        if active:
            self._journal.gauges.append(gauge("ActiveConnectionCount", balancer, "", active, now))
        ever: dict[Listener | Group, int] = {one: one.accepted for one in ours} | {one: one.connected for one in theirs}
        new = sum(count - self._counted.get(one, 0) for one, count in ever.items())
        self._journal.meter.count("NewConnectionCount", balancer, new, now)
        self._counted.update(ever)

    def _send(self, message: dict[str, Any]) -> None:
        self._writer.write(json.dumps(message, separators=(",", ":")).encode() + b"\n")


Order = Callable[..., Any]
ORDERS: dict[str, Order] = {
    "put_target_group": Control.put_target_group,
    "delete_target_group": Control.delete_target_group,
    "put_listener": Control.put_listener,
    "delete_listener": Control.delete_listener,
    "register": Control.register,
    "deregister": Control.deregister,
    "cut_log": Control.cut_log,
}
