"""What travels between the emulator and the data plane: JSON lines, orders one way, acknowledgements and news the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple


@dataclass(frozen=True, slots=True)
class Target:
    """A target of a group. `connect` is where it really listens; None is an address where nothing is."""

    id: str
    port: int
    connect: tuple[str, int] | None
    zone: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Target:
        connect = raw["connect"]
        return cls(raw["id"], raw["port"], (connect[0], connect[1]) if connect else None, raw.get("zone", ""))


@dataclass(frozen=True, slots=True)
class HealthChange:
    """A target's new state, reason code and description as DescribeTargetHealth spells them (C.3); `gone`: its drain has ended."""

    target_group: str
    id: str
    port: int
    state: str
    reason: str
    description: str


class AccessRow(NamedTuple):
    """One finished request. Times are seconds, -1 where there was none; `target` is `ip:port` or `-`. A JSON list on the wire."""

    time: float
    load_balancer: str
    listener_port: int
    client: str
    target: str
    target_group: str
    request_time: float
    target_time: float
    response_time: float
    elb_status: int
    target_status: int | None
    received_bytes: int
    sent_bytes: int
    method: str
    url: str
    protocol: str
    user_agent: str
    trace_id: str
    rule_priority: str
    actions: str
    error_reason: str
    host: str = "-"
    redirect_url: str = "-"
    ssl_cipher: str = "-"
    ssl_protocol: str = "-"
    domain_name: str = "-"
    cert_arn: str = "-"
    classification: str = "-"
    classification_reason: str = "-"


class Datum(NamedTuple):
    """A sample of a metric (C.9): values and how often each, at a time in seconds. `target_group` is an ARN, or empty; `zone` that of
    the targets it is about, or empty where it is about all of them. A JSON list."""

    name: str
    load_balancer: str
    target_group: str
    zone: str
    at: float
    unit: str
    values: list[float]
    counts: list[float]
