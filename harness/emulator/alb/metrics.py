"""The load balancer's CloudWatch metrics, folded from its access rows (C.9) and stamped with the time of each request's end."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from harness import clock
from harness.emulator.alb.messages import AccessRow
from harness.emulator.cloud import Caller, Cloud

NAMESPACE = "AWS/ApplicationELB"
RESOLUTION = 0.1  # seconds that share a datum
Key = tuple[str, tuple[tuple[str, str], ...], float]


def fold(rows: Iterable[AccessRow]) -> list[dict[str, Any]]:
    """Metric data of PutMetricData. A metric is published only where it is not zero, as ALB does."""
    counts: Counter[Key] = Counter()
    times: defaultdict[Key, list[float]] = defaultdict(list)
    for row in rows:
        ended = row.time + sum(part for part in (row.request_time, row.target_time, row.response_time) if part > 0)
        at = round(ended // RESOLUTION * RESOLUTION, 1)
        for dimensions in _dimensions(row):
            for name in _counted(row, target_group=len(dimensions) > 1):
                counts[name, dimensions, at] += 1
            if row.target_time >= 0:
                times["TargetResponseTime", dimensions, at].append(row.target_time)
    data = [_datum(key, {"Value": float(count), "Unit": "Count"}) for key, count in counts.items()]
    return data + [_datum(key, {"Values": values, "Unit": "Seconds"}) for key, values in times.items()]


def _dimensions(row: AccessRow) -> list[tuple[tuple[str, str], ...]]:
    """By load balancer, and by target group too where one was chosen."""
    balancer = ("LoadBalancer", row.load_balancer)
    if not row.target_group:
        return [(balancer,)]
    return [(balancer,), (("TargetGroup", row.target_group.rsplit(":", 1)[-1]), balancer)]


def _counted(row: AccessRow, *, target_group: bool) -> list[str]:
    names = ["RequestCount"] if row.target != "-" else []
    if row.target_status is not None and row.target_status >= 200:
        names.append(f"HTTPCode_Target_{row.target_status // 100}XX_Count")
    elif row.elb_status >= 500 and not target_group:
        names += ["HTTPCode_ELB_5XX_Count", f"HTTPCode_ELB_{row.elb_status}_Count"]
    elif 400 <= row.elb_status < 500 and not target_group:
        names.append("HTTPCode_ELB_4XX_Count")
    if row.error_reason in ("ConnectionRefused", "ConnectTimeout"):
        names.append("TargetConnectionErrorCount")
    return names


def _datum(key: Key, value: Mapping[str, Any]) -> dict[str, Any]:
    name, dimensions, at = key
    return {
        "MetricName": name,
        "Dimensions": [{"Name": dimension, "Value": text} for dimension, text in dimensions],
        "Timestamp": clock.utc(at),
        **value,
    }


class Metrics:
    """Publishes each batch of rows to the CloudWatch service of the load balancer's account and region, which `owner` tells."""

    def __init__(self, cloud: Cloud, owner: Callable[[AccessRow], Caller]) -> None:
        self._cloud, self._owner = cloud, owner

    def add(self, rows: list[AccessRow]) -> None:
        by_owner: defaultdict[Caller, list[AccessRow]] = defaultdict(list)
        for row in rows:
            by_owner[self._owner(row)].append(row)
        for caller, some in by_owner.items():
            self._cloud.spawn(self._publish(caller, some), "metrics of the load balancers")

    async def _publish(self, caller: Caller, rows: list[AccessRow]) -> None:
        await self._cloud.call(caller, "cloudwatch", "PutMetricData", Namespace=NAMESPACE, MetricData=fold(rows))
