"""Alarms, and looking at them until they change: what the CloudWatch tests share."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from harness import clock

UNKNOWN_ARN = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:nobody"


def until(condition: Callable[[], Any], within: float = 15.0) -> Any:
    """The first true value of `condition`; fails with the last one."""
    deadline = clock.monotonic() + within
    while not (value := condition()):
        assert clock.monotonic() < deadline, f"waited {within} s; last seen: {value!r}"
        clock.pause(0.05)
    return value


def refused(call: Any, **request: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as error:
        call(**request)
    return error.value.response["Error"]["Code"], error.value.response["Error"]["Message"]


def on_metric(name: str, **changes: Any) -> dict[str, Any]:
    """An alarm on the sum of a metric of the same name."""
    return {
        "AlarmName": name,
        "Namespace": name,
        "MetricName": "errors",
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 5.0,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
        **changes,
    }


def on_error_rate(name: str, load_balancer: str, expression: str = "100 * m5xx / requests") -> dict[str, Any]:
    """The alarm of a rehearsal, as the driver makes it."""
    metrics = {"m5xx": "HTTPCode_Target_5XX_Count", "requests": "RequestCount"}
    sums = [
        {
            "Id": identifier,
            "MetricStat": {
                "Metric": {
                    "Namespace": "AWS/ApplicationELB",
                    "MetricName": metric,
                    "Dimensions": [{"Name": "LoadBalancer", "Value": load_balancer}],
                },
                "Period": 60,
                "Stat": "Sum",
            },
            "ReturnData": False,
        }
        for identifier, metric in metrics.items()
    ]
    return {
        "AlarmName": name,
        "Metrics": [{"Id": "percent", "Expression": expression, "Label": "percent"}, *sums],
        "EvaluationPeriods": 1,
        "Threshold": 5.0,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
    }


def described(cloudwatch: Any, name: str) -> dict[str, Any]:
    (found,) = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return dict(found)


def state(cloudwatch: Any, name: str) -> str:
    return str(described(cloudwatch, name)["StateValue"])


def actions(cloudwatch: Any, name: str) -> list[str]:
    items = cloudwatch.describe_alarm_history(AlarmName=name, HistoryItemType="Action")["AlarmHistoryItems"]
    return [item["HistorySummary"] for item in items]


def put(cloudwatch: Any, namespace: str, metric: str, **datum: Any) -> None:
    cloudwatch.put_metric_data(Namespace=namespace, MetricData=[{"MetricName": metric, **datum}])
