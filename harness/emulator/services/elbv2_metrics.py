"""Publishes what the data plane has counted to the CloudWatch service of the load balancer's region (C.9)."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from harness import clock
from harness.emulator.alb.plane import Datum
from harness.emulator.cloud import Caller, Cloud, Regional
from harness.emulator.services.elbv2_state import Elbv2State

NAMESPACE = "AWS/ApplicationELB"


class Metrics:
    def __init__(self, cloud: Cloud, states: Regional[Elbv2State]) -> None:
        self._cloud, self._states = cloud, states

    def publish(self, data: list[Datum]) -> None:
        """Of load balancers that are there no more, the last requests are dropped."""
        owners = {
            balancer.path: caller
            for caller, state in self._states.items()
            for balancer in state.load_balancers.values()
        }
        by_caller: defaultdict[Caller, list[dict[str, Any]]] = defaultdict(list)
        for datum in data:
            if (owner := owners.get(datum.load_balancer)) is not None:
                by_caller[owner].append(_metric_datum(datum))
        for caller, some in by_caller.items():
            self._cloud.spawn(self._put(caller, some), "metrics of the load balancers")

    async def _put(self, caller: Caller, data: list[dict[str, Any]]) -> None:
        await self._cloud.call(caller, "cloudwatch", "PutMetricData", Namespace=NAMESPACE, MetricData=data)


def _metric_datum(datum: Datum) -> dict[str, Any]:
    dimensions = [{"Name": "LoadBalancer", "Value": datum.load_balancer}]
    if datum.target_group:
        dimensions.insert(0, {"Name": "TargetGroup", "Value": datum.target_group.rsplit(":", 1)[-1]})
    if datum.zone:
        dimensions.append({"Name": "AvailabilityZone", "Value": datum.zone})
    return {
        "MetricName": datum.name,
        "Dimensions": dimensions,
        "Timestamp": clock.utc(datum.at),
        "Unit": datum.unit,
        "Values": datum.values,
        "Counts": datum.counts,
    }
