"""CloudWatch alarms over HTTP with the stock boto3, in real time compressed by 60: a period of a minute is a second."""

import json
import secrets
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests

from harness import clock
from tests.emulator.cloudwatch_story import (
    UNKNOWN_ARN,
    actions,
    described,
    on_error_rate,
    on_metric,
    put,
    refused,
    state,
    until,
)


@pytest.fixture
def cloudwatch(aws: Any) -> Any:
    return aws.client("cloudwatch")


@pytest.fixture
def name() -> str:
    """Of an alarm, a namespace, a load balancer: the emulator is shared."""
    return f"cw-{secrets.token_hex(4)}"


def test_alarm_is_described_as_it_was_put(cloudwatch: Any, name: str):
    cloudwatch.put_metric_alarm(**on_metric(name), AlarmDescription="too many", AlarmActions=[f"{UNKNOWN_ARN[:-6]}x"])
    found = described(cloudwatch, name)
    wanted = {**on_metric(name), "AlarmDescription": "too many", "ActionsEnabled": True, "Dimensions": []}
    assert {key: found[key] for key in wanted} == wanted
    assert found["AlarmArn"] == f"arn:aws:cloudwatch:us-east-1:123456789012:alarm:{name}"
    assert found["StateUpdatedTimestamp"].tzinfo is not None
    assert found["OKActions"] == []


def test_alarm_on_metric_math_is_described_with_its_metrics(cloudwatch: Any, name: str):
    cloudwatch.put_metric_alarm(**on_error_rate(name, f"app/{name}/1"))
    found = described(cloudwatch, name)
    assert [one["Id"] for one in found["Metrics"]] == ["percent", "m5xx", "requests"]
    assert "Dimensions" not in found
    assert "MetricName" not in found


def test_alarm_on_an_error_rate_goes_to_alarm_and_back(cloudwatch: Any, name: str):
    balancer = f"app/{name}/1"
    dimensions = [{"Name": "LoadBalancer", "Value": balancer}]

    def answers(errors: float) -> None:
        counts = {"RequestCount": 20.0, **({"HTTPCode_Target_5XX_Count": errors} if errors else {})}
        data = [
            {"MetricName": metric, "Dimensions": dimensions, "Value": count, "Unit": "Count"}
            for metric, count in counts.items()
        ]
        cloudwatch.put_metric_data(Namespace="AWS/ApplicationELB", MetricData=data)

    cloudwatch.put_metric_alarm(**on_error_rate(name, balancer))
    until(lambda: answers(0) or state(cloudwatch, name) == "OK")
    until(lambda: answers(10) or state(cloudwatch, name) == "ALARM")
    reason = described(cloudwatch, name)["StateReason"]
    assert reason.startswith("Threshold Crossed: 1 out of the last 1 datapoints [")
    assert reason.endswith("was greater than the threshold (5.0) (minimum 1 datapoint for OK -> ALARM transition).")
    until(lambda: answers(0) or state(cloudwatch, name) == "OK")
    history = cloudwatch.describe_alarm_history(AlarmName=name, HistoryItemType="StateUpdate")["AlarmHistoryItems"]
    assert [item["HistorySummary"] for item in history] == [
        "Alarm updated from ALARM to OK",
        "Alarm updated from OK to ALARM",
        "Alarm updated from INSUFFICIENT_DATA to OK",
    ]


class App(BaseHTTPRequestHandler):
    """Healthy always; what users get is `status`."""

    status = 200

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/healthz" else App.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def app() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), App)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def balanced(aws: Any, app: int, name: str) -> Iterator[tuple[str, str]]:
    """A load balancer before the app: its dimension, and its URL."""
    elb, ec2 = aws.client("elbv2"), aws.client("ec2")
    subnets = ec2.describe_subnets(Filters=[{"Name": "default-for-az", "Values": ["true"]}])["Subnets"][:2]
    (balancer,) = elb.create_load_balancer(Name=name, Subnets=[one["SubnetId"] for one in subnets])["LoadBalancers"]
    (group,) = elb.create_target_group(
        Name=name,
        Protocol="HTTP",
        Port=80,
        VpcId=subnets[0]["VpcId"],
        TargetType="ip",
        HealthCheckPath="/healthz",
        HealthCheckIntervalSeconds=5,
        HealthCheckTimeoutSeconds=2,
        HealthyThresholdCount=2,
    )["TargetGroups"]
    arn = group["TargetGroupArn"]
    elb.register_targets(TargetGroupArn=arn, Targets=[{"Id": "127.0.0.1", "Port": app}])
    elb.create_listener(
        LoadBalancerArn=balancer["LoadBalancerArn"],
        Protocol="HTTP",
        Port=80,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": arn}],
    )
    elb.get_waiter("target_in_service").wait(TargetGroupArn=arn, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    status = requests.get(f"{aws.url}/_rehearsal/status", timeout=10).json()
    (mine,) = [one for one in status["load_balancers"] if one["arn"] == balancer["LoadBalancerArn"]]
    yield balancer["LoadBalancerArn"].partition("loadbalancer/")[2], mine["listeners"][0]["url"]
    elb.delete_load_balancer(LoadBalancerArn=balancer["LoadBalancerArn"])


def test_alarm_follows_what_a_load_balancer_really_answers(cloudwatch: Any, name: str, balanced: tuple[str, str]):
    balancer, url = balanced
    cloudwatch.put_metric_alarm(**on_error_rate(name, balancer))
    for status, expected in ((200, "OK"), (500, "ALARM"), (200, "OK")):
        App.status = status
        until(lambda wanted=expected: requests.get(url, timeout=5) is not None and state(cloudwatch, name) == wanted)
    last = cloudwatch.describe_alarm_history(AlarmName=name, HistoryItemType="StateUpdate")["AlarmHistoryItems"][0]
    assert json.loads(last["HistoryData"])["newState"]["stateValue"] == "OK"


def test_count_that_is_not_published_any_more_keeps_its_alarm_for_a_while(cloudwatch: Any, name: str):
    cloudwatch.put_metric_alarm(**on_metric(name))
    put(cloudwatch, name, "errors", Value=10.0)
    until(lambda: state(cloudwatch, name) == "ALARM")
    fired = described(cloudwatch, name)["StateTransitionedTimestamp"]
    until(lambda: state(cloudwatch, name) == "OK")
    cleared = described(cloudwatch, name)
    assert cleared["StateTransitionedTimestamp"] - fired >= timedelta(
        seconds=2
    )  # A.5.1: two more periods were looked at
    assert cleared["StateReason"] == (
        "Threshold Crossed: no datapoints were received for 1 period and 1 missing datapoint was treated as [NonBreaching]."
    )


def test_new_alarm_without_data_is_ok_where_missing_data_is_not_breaching(cloudwatch: Any, name: str):
    cloudwatch.put_metric_alarm(**on_metric(name))
    until(lambda: state(cloudwatch, name) == "OK")


def test_new_alarm_without_data_stays_insufficient_by_default(cloudwatch: Any, name: str):
    cloudwatch.put_metric_alarm(**on_metric(f"{name}-other"))
    cloudwatch.put_metric_alarm(**on_metric(name, TreatMissingData="missing"))
    until(lambda: state(cloudwatch, f"{name}-other") == "OK")
    assert state(cloudwatch, name) == "INSUFFICIENT_DATA"


def test_state_that_was_set_holds_until_the_next_evaluation(cloudwatch: Any, name: str):
    three_seconds = [{"Key": "rehearsal:compression", "Value": "100"}]
    cloudwatch.put_metric_alarm(**on_metric(name, Period=300), Tags=three_seconds)
    until(lambda: state(cloudwatch, name) == "OK")

    def drilled() -> dict[str, Any]:
        cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="a drill", StateReasonData="{}")
        return described(cloudwatch, name)

    found = until(lambda: (seen := drilled())["StateValue"] == "ALARM" and seen)  # an evaluation may come in between
    assert (found["StateReason"], found["StateReasonData"]) == ("a drill", "{}")
    until(lambda: state(cloudwatch, name) == "OK")


def test_updated_alarm_keeps_its_state_and_tags(cloudwatch: Any, name: str):
    cloudwatch.put_metric_alarm(**on_metric(name), Tags=[{"Key": "team", "Value": "a"}])
    until(lambda: state(cloudwatch, name) == "OK")
    cloudwatch.put_metric_alarm(**on_metric(name, Threshold=7.0), Tags=[{"Key": "team", "Value": "b"}])
    found = described(cloudwatch, name)
    assert (found["StateValue"], found["Threshold"]) == ("OK", 7.0)
    assert cloudwatch.list_tags_for_resource(ResourceARN=found["AlarmArn"])["Tags"] == [{"Key": "team", "Value": "a"}]


def test_alarms_are_filtered_and_paged(cloudwatch: Any, name: str):
    for n in range(3):
        cloudwatch.put_metric_alarm(**on_metric(f"{name}-{n}"))
    until(lambda: len(cloudwatch.describe_alarms(AlarmNamePrefix=name, StateValue="OK")["MetricAlarms"]) == 3)
    pages = cloudwatch.get_paginator("describe_alarms").paginate(AlarmNamePrefix=name, PaginationConfig={"PageSize": 2})
    assert [[one["AlarmName"][-1] for one in page["MetricAlarms"]] for page in pages] == [["0", "1"], ["2"]]
    assert cloudwatch.describe_alarms(AlarmNamePrefix=name, AlarmTypes=["CompositeAlarm"])["MetricAlarms"] == []
    assert cloudwatch.describe_alarms(AlarmNamePrefix=name, StateValue="ALARM")["MetricAlarms"] == []


def test_alarm_of_another_region_is_not_seen(aws: Any, cloudwatch: Any, name: str):
    cloudwatch.put_metric_alarm(**on_metric(name))
    elsewhere = aws.client("cloudwatch", region_name="eu-west-1")
    assert elsewhere.describe_alarms(AlarmNames=[name])["MetricAlarms"] == []


def test_alarms_of_a_metric_are_those_on_it_directly(cloudwatch: Any, name: str):
    cloudwatch.put_metric_alarm(**on_metric(name))
    cloudwatch.put_metric_alarm(**on_error_rate(f"{name}-math", name))
    found = cloudwatch.describe_alarms_for_metric(Namespace=name, MetricName="errors", Statistic="Sum")
    assert [one["AlarmName"] for one in found["MetricAlarms"]] == [name]
    math = cloudwatch.describe_alarms_for_metric(
        Namespace="AWS/ApplicationELB",
        MetricName="RequestCount",
        Dimensions=[{"Name": "LoadBalancer", "Value": name}],
    )
    assert math["MetricAlarms"] == []


def test_deleting_deletes_what_exists_and_names_what_does_not(cloudwatch: Any, name: str):
    cloudwatch.put_metric_alarm(**on_metric(name))
    code, message = refused(cloudwatch.delete_alarms, AlarmNames=[f"{name}-none", name])
    assert code == "ResourceNotFound"
    assert f"{name}-none" in message
    assert cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"] == []


def test_history_is_newest_first_unless_asked(cloudwatch: Any, name: str):
    cloudwatch.put_metric_alarm(**on_metric(name))
    until(lambda: state(cloudwatch, name) == "OK")
    found = cloudwatch.describe_alarm_history(AlarmName=name)["AlarmHistoryItems"]
    assert [item["HistoryItemType"] for item in found] == ["StateUpdate", "ConfigurationUpdate"]
    oldest = cloudwatch.describe_alarm_history(AlarmName=name, ScanBy="TimestampAscending", MaxRecords=1)
    assert oldest["AlarmHistoryItems"][0]["HistorySummary"] == f'Alarm "{name}" created'
    more = cloudwatch.describe_alarm_history(
        AlarmName=name, ScanBy="TimestampAscending", MaxRecords=1, NextToken=oldest["NextToken"]
    )
    assert more["AlarmHistoryItems"][0]["HistorySummary"] == "Alarm updated from INSUFFICIENT_DATA to OK"
    late = cloudwatch.describe_alarm_history(AlarmName=name, StartDate=clock.utc() + timedelta(hours=1))
    assert late["AlarmHistoryItems"] == []


def test_action_is_published_to_its_topic_and_noted(aws: Any, cloudwatch: Any, name: str):
    topic = aws.client("sns").create_topic(Name=name)["TopicArn"]
    queue = aws.client("sqs").create_queue(QueueName=name)["QueueUrl"]
    arn = aws.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    aws.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    cloudwatch.put_metric_alarm(**on_metric(name), AlarmActions=[topic])
    put(cloudwatch, name, "errors", Value=10.0)
    (message,) = until(lambda: aws.client("sqs").receive_message(QueueUrl=queue).get("Messages"))
    body = json.loads(json.loads(message["Body"])["Message"])
    assert (body["AlarmName"], body["NewStateValue"]) == (name, "ALARM")
    (item,) = until(lambda: actions(cloudwatch, name))
    assert item == f"Successfully executed action {topic}"


def test_disabled_actions_are_not_executed(aws: Any, cloudwatch: Any, name: str):
    topic = aws.client("sns").create_topic(Name=name)["TopicArn"]
    cloudwatch.put_metric_alarm(**on_metric(name), OKActions=[topic], AlarmActions=[topic])
    until(lambda: actions(cloudwatch, name))
    cloudwatch.disable_alarm_actions(AlarmNames=[name])
    put(cloudwatch, name, "errors", Value=10.0)
    until(lambda: state(cloudwatch, name) == "ALARM")
    assert not described(cloudwatch, name)["ActionsEnabled"]
    cloudwatch.enable_alarm_actions(AlarmNames=[name])
    until(lambda: state(cloudwatch, name) == "OK")
    executed = until(lambda: len(found := actions(cloudwatch, name)) > 1 and found)
    assert len(executed) == 2  # OK, and OK again; none of ALARM


def test_tags_are_added_listed_and_removed(cloudwatch: Any, name: str):
    cloudwatch.put_metric_alarm(**on_metric(name), Tags=[{"Key": "a", "Value": "1"}])
    arn = described(cloudwatch, name)["AlarmArn"]
    cloudwatch.tag_resource(ResourceARN=arn, Tags=[{"Key": "b", "Value": "2"}, {"Key": "a", "Value": "3"}])
    cloudwatch.untag_resource(ResourceARN=arn, TagKeys=["b"])
    assert cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "a", "Value": "3"}]


# ---- refusals


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({"Period": 45}, "ValidationError", "multiple of 60"),
        ({"Period": 5}, "ValidationError", "multiple of 60"),
        ({"Period": 86400, "EvaluationPeriods": 8}, "ValidationError", "more than a day"),
        ({"DatapointsToAlarm": 2}, "ValidationError", "DatapointsToAlarm must be between"),
        ({"TreatMissingData": "maybe"}, "ValidationError", "TreatMissingData"),
        ({"ComparisonOperator": "GreaterThanUpperThreshold"}, "ValidationError", "not emulated"),
        ({"ExtendedStatistic": "p99"}, "ValidationError", "Exactly one"),
        ({"Statistic": "p99"}, "ValidationError", "ExtendedStatistic"),
        ({"Metrics": [{"Id": "m1", "Expression": "1"}]}, "ValidationError", "together with Metrics"),
        ({"AlarmActions": ["mail me"]}, "ValidationError", "Invalid arn syntax: mail me"),
        ({"Tags": [{"Key": "rehearsal:compression", "Value": "0"}]}, "ValidationError", "1 or more"),
        ({"ThresholdMetricId": "m1"}, "NotImplemented", "ThresholdMetricId"),
        ({"EvaluateLowSampleCountPercentile": "ignore"}, "NotImplemented", "EvaluateLowSampleCountPercentile"),
    ],
)
def test_wrong_alarm_is_refused(cloudwatch: Any, name: str, changes: dict[str, Any], code: str, said: str):
    found, message = refused(cloudwatch.put_metric_alarm, **{**on_metric(name), **changes})
    assert found == code
    assert said in message
    assert cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"] == []


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("ANOMALY(m5xx)", "unknown function ANOMALY; these are emulated: SUM, AVG"),
        ("100 * m5xx / request", "request is no Id"),
        ("SUM(m5xx)", "the result must be one time series"),
        ("100 * m5xx /", "ends too early"),
    ],
)
def test_wrong_expression_is_refused_when_the_alarm_is_put(cloudwatch: Any, name: str, expression: str, said: str):
    code, message = refused(cloudwatch.put_metric_alarm, **on_error_rate(name, name, expression))
    assert code == "ValidationError"
    assert said in message


def test_two_returned_metrics_are_refused(cloudwatch: Any, name: str):
    request = on_error_rate(name, name)
    request["Metrics"][1]["ReturnData"] = True
    code, message = refused(cloudwatch.put_metric_alarm, **request)
    assert (code, message) == ("ValidationError", "Exactly one element of the metrics list should return data.")
