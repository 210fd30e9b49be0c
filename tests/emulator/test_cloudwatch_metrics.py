"""CloudWatch's metric data over HTTP with the stock boto3, the protocols, and refusals with AWS's codes."""

import secrets
from datetime import timedelta
from typing import Any

import pytest
import requests

from harness import clock
from tests.emulator.cloudwatch_story import UNKNOWN_ARN, on_metric, put, refused


@pytest.fixture
def cloudwatch(aws: Any) -> Any:
    return aws.client("cloudwatch")


@pytest.fixture
def name() -> str:
    """Of an alarm, a namespace, a load balancer: the emulator is shared."""
    return f"cw-{secrets.token_hex(4)}"


@pytest.fixture
def minute() -> Any:
    """The beginning of a minute that is over."""
    return clock.utc(clock.now() // 60 * 60 - 120)


def test_metric_data_is_read_back_as_statistics(cloudwatch: Any, name: str, minute: Any):
    put(cloudwatch, name, "latency", Timestamp=minute, Values=[0.1, 0.2, 0.9], Counts=[8.0, 1.0, 1.0], Unit="Seconds")
    put(cloudwatch, name, "latency", Timestamp=minute + timedelta(seconds=60), Value=0.5, Unit="Seconds")
    answer = cloudwatch.get_metric_statistics(
        Namespace=name,
        MetricName="latency",
        StartTime=minute,
        EndTime=minute + timedelta(seconds=120),
        Period=60,
        Statistics=["SampleCount", "Sum", "Average", "Minimum", "Maximum"],
        ExtendedStatistics=["p90", "p99"],
    )
    assert answer["Label"] == "latency"
    first, second = answer["Datapoints"]
    assert first.pop("Timestamp") == minute
    assert {key: pytest.approx(value) for key, value in first.pop("ExtendedStatistics").items()} == {
        "p90": 0.2,
        "p99": 0.9,
    }
    assert first.pop("Unit") == "Seconds"
    assert first == pytest.approx({"SampleCount": 10, "Sum": 1.9, "Average": 0.19, "Minimum": 0.1, "Maximum": 0.9})
    assert (second["SampleCount"], second["Average"]) == (1, 0.5)


def test_statistic_set_is_added_to_values(cloudwatch: Any, name: str, minute: Any):
    given = {"SampleCount": 4.0, "Sum": 10.0, "Minimum": 1.0, "Maximum": 4.0}
    put(cloudwatch, name, "x", Timestamp=minute, StatisticValues=given)
    put(cloudwatch, name, "x", Timestamp=minute, Value=5.0)
    (point,) = cloudwatch.get_metric_statistics(
        Namespace=name,
        MetricName="x",
        StartTime=minute,
        EndTime=minute + timedelta(seconds=60),
        Period=60,
        Statistics=["Average", "Maximum"],
    )["Datapoints"]
    assert (point["Average"], point["Maximum"]) == (3.0, 5.0)


def data_query(name: str, identifier: str, metric: str, **changes: Any) -> dict[str, Any]:
    stat = {"Metric": {"Namespace": name, "MetricName": metric}, "Period": 60, "Stat": "Sum"}
    return {"Id": identifier, "MetricStat": {**stat, **changes}}


def test_metric_data_is_queried_with_math(cloudwatch: Any, name: str, minute: Any):
    for offset, errors, requests_ in ((0, 5.0, 100.0), (60, None, 50.0)):
        at = minute + timedelta(seconds=offset)
        put(cloudwatch, name, "requests", Timestamp=at, Value=requests_)
        if errors is not None:
            put(cloudwatch, name, "errors", Timestamp=at, Value=errors)
    queries = [
        data_query(name, "errors", "errors"),
        {**data_query(name, "requests", "requests"), "ReturnData": False},
        {"Id": "rate", "Expression": "100 * errors / requests", "Label": "error rate"},
        {"Id": "filled", "Expression": "FILL(errors, 0)"},
    ]
    span = {"StartTime": minute, "EndTime": minute + timedelta(seconds=120)}
    answer = cloudwatch.get_metric_data(MetricDataQueries=queries, ScanBy="TimestampAscending", **span)
    results = {one["Id"]: one for one in answer["MetricDataResults"]}
    assert {key: one["Values"] for key, one in results.items()} == {
        "errors": [5.0],
        "rate": [5.0, 0.0],
        "filled": [5.0, 0.0],
    }
    assert [results[key]["Label"] for key in results] == ["errors", "error rate", "filled"]
    assert results["rate"]["Timestamps"] == [minute, minute + timedelta(seconds=60)]
    assert {one["StatusCode"] for one in results.values()} == {"Complete"}
    newest = cloudwatch.get_metric_data(MetricDataQueries=queries, **span)["MetricDataResults"]
    assert newest[1]["Values"] == [0.0, 5.0]


def test_metric_data_has_a_period_per_metric(cloudwatch: Any, name: str, minute: Any):
    hour = clock.utc(clock.now() // 3600 * 3600)
    put(cloudwatch, name, "x", Timestamp=minute, Value=1.0)
    queries = [data_query(name, "a", "x"), data_query(name, "b", "x", Period=3600)]
    answer = cloudwatch.get_metric_data(
        MetricDataQueries=queries, StartTime=minute - timedelta(hours=1), EndTime=clock.utc()
    )
    short, long = answer["MetricDataResults"]
    assert short["Timestamps"] == [minute]
    assert long["Timestamps"][0] in (hour, hour - timedelta(hours=1))


def test_query_over_years_is_answered_quickly(cloudwatch: Any, name: str):
    put(cloudwatch, name, "x", Value=1.0)
    began = clock.monotonic()
    answer = cloudwatch.get_metric_data(
        MetricDataQueries=[data_query(name, "a", "x", Period=1)],
        StartTime=clock.utc() - timedelta(days=3650),
        EndTime=clock.utc() + timedelta(days=3650),
    )
    assert answer["MetricDataResults"][0]["Values"] == [1.0]
    assert clock.monotonic() - began < 2


def test_metrics_are_listed_by_namespace_name_and_dimension(cloudwatch: Any, name: str):
    for value in ("1", "2"):
        put(cloudwatch, name, "x", Value=1.0, Dimensions=[{"Name": "d", "Value": value}])
    put(cloudwatch, name, "y", Value=1.0)

    def listed(**request: Any) -> list[tuple[str, list[str]]]:
        found = cloudwatch.list_metrics(Namespace=name, **request)["Metrics"]
        return [(one["MetricName"], [dimension["Value"] for dimension in one["Dimensions"]]) for one in found]

    assert listed() == [("x", ["1"]), ("x", ["2"]), ("y", [])]
    assert listed(MetricName="y", RecentlyActive="PT3H") == [("y", [])]
    assert listed(Dimensions=[{"Name": "d"}]) == [("x", ["1"]), ("x", ["2"])]
    assert listed(Dimensions=[{"Name": "d", "Value": "2"}]) == [("x", ["2"])]


def test_a_thousand_data_are_taken_at_once(cloudwatch: Any, name: str, minute: Any):
    data = [{"MetricName": f"m{n % 20}", "Timestamp": minute, "Value": 1.0} for n in range(1000)]
    cloudwatch.put_metric_data(Namespace=name, MetricData=data)
    assert len(cloudwatch.list_metrics(Namespace=name)["Metrics"]) == 20


def test_one_wrong_datum_refuses_all(cloudwatch: Any, name: str):
    data = [{"MetricName": "x", "Value": 1.0}, {"MetricName": "y", "Value": 1.0, "Values": [1.0]}]
    code, _ = refused(cloudwatch.put_metric_data, Namespace=name, MetricData=data)
    assert code == "InvalidParameterCombination"
    assert cloudwatch.list_metrics(Namespace=name)["Metrics"] == []


# ---- protocols


def test_query_form_is_answered_in_xml(aws: Any, cloudwatch: Any, name: str):
    """What older SDKs send."""
    cloudwatch.put_metric_alarm(**on_metric(name))
    form = {"Action": "DescribeAlarms", "Version": "2010-08-01", "AlarmNames.member.1": name}
    answer = requests.post(aws.url, data=form, timeout=10)
    assert f"<AlarmName>{name}</AlarmName>" in answer.text
    assert "<Threshold>5.0</Threshold>" in answer.text
    wrong = requests.post(aws.url, data={**form, "Action": "DeleteAlarms", "AlarmNames.member.1": "x"}, timeout=10)
    assert wrong.status_code == 404
    assert "<Code>ResourceNotFound</Code>" in wrong.text


def test_cbor_is_refused_by_name(aws: Any):
    answer = requests.post(
        f"{aws.url}/service/GraniteServiceVersion20100801/operation/DescribeAlarms",
        headers={"smithy-protocol": "rpc-v2-cbor", "content-type": "application/cbor"},
        data=b"\xa0",
        timeout=10,
    )
    assert answer.status_code == 415
    assert "AWS JSON 1.1 or query" in answer.text


# ---- refusals


STATISTICS: dict[str, Any] = {"Namespace": "n", "MetricName": "x", "StartTime": 0, "EndTime": 600, "Period": 60}


@pytest.mark.parametrize(
    ("operation", "request_", "code"),
    [
        ("set_alarm_state", {"AlarmName": "none", "StateValue": "OK", "StateReason": "x"}, "ResourceNotFound"),
        ("delete_alarms", {"AlarmNames": ["none"]}, "ResourceNotFound"),
        ("describe_alarms", {"AlarmNames": ["a"], "AlarmNamePrefix": "b"}, "ValidationError"),
        ("describe_alarms", {"NextToken": "?"}, "InvalidNextToken"),
        ("describe_alarms", {"ChildrenOfAlarmName": "a"}, "NotImplemented"),
        ("put_composite_alarm", {"AlarmName": "a", "AlarmRule": "ALARM(b)"}, "NotImplemented"),
        ("list_tags_for_resource", {"ResourceARN": UNKNOWN_ARN}, "ResourceNotFoundException"),
        ("tag_resource", {"ResourceARN": UNKNOWN_ARN, "Tags": []}, "ResourceNotFoundException"),
        ("get_metric_statistics", STATISTICS, "MissingParameter"),
        ("get_metric_statistics", {**STATISTICS, "Statistics": ["p99"]}, "ValidationError"),
        ("get_metric_statistics", {**STATISTICS, "Statistics": ["Sum"], "Period": 45}, "ValidationError"),
        ("get_metric_statistics", {**STATISTICS, "Statistics": ["Sum"], "EndTime": 0}, "ValidationError"),
        (
            "get_metric_statistics",
            {**STATISTICS, "Statistics": ["Sum"], "EndTime": 86400, "Period": 30},
            "InvalidParameterCombination",
        ),
        ("put_metric_data", {"Namespace": "n", "MetricData": [{"MetricName": "x"}]}, "MissingParameter"),
        (
            "put_metric_data",
            {"Namespace": "n", "MetricData": [{"MetricName": "x", "Value": 1.0, "Timestamp": 0}]},
            "InvalidParameterValue",
        ),
        (
            "put_metric_data",
            {"Namespace": "n", "MetricData": [{"MetricName": "x", "Value": 1.0, "Timestamp": 4_000_000_000}]},
            "InvalidParameterValue",
        ),
    ],
)
def test_refusal_has_the_code_of_aws(cloudwatch: Any, operation: str, request_: dict[str, Any], code: str):
    assert refused(getattr(cloudwatch, operation), **request_)[0] == code


def test_reason_data_must_be_json(cloudwatch: Any, name: str):
    cloudwatch.put_metric_alarm(**on_metric(name))
    code, _ = refused(
        cloudwatch.set_alarm_state, AlarmName=name, StateValue="OK", StateReason="x", StateReasonData="{by: me}"
    )
    assert code == "InvalidFormat"
    code, message = refused(cloudwatch.set_alarm_state, AlarmName=name, StateValue="RED", StateReason="x")
    assert code == "ValidationError"
    assert "RED" in message


def test_metric_that_is_no_number_is_refused(cloudwatch: Any, name: str):
    code, _ = refused(
        cloudwatch.put_metric_data, Namespace=name, MetricData=[{"MetricName": "x", "Value": float("nan")}]
    )
    assert code == "InvalidParameterValue"
