"""What the driver sees of an alarm: every change, also one that is over before the next look."""

import uuid
from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from harness.driver.cloudwatch import AlarmHistory
from harness.driver.session import Session

from .cloudwatch_story import on_metric
from .conftest import Running


@pytest.fixture
def session(aws: Running) -> Iterator[Session]:
    one = Session(region="us-east-1", endpoint=aws.url, run_id="r1")
    yield one
    one.close()


@pytest.fixture
def name(session: Session) -> Iterator[str]:
    """An alarm on a metric that nobody publishes: what is set holds, `ignore` keeps it so."""
    one = f"errors-{uuid.uuid4().hex[:8]}"
    session.call("cloudwatch", "put_metric_alarm", **on_metric(one, Period=86400, TreatMissingData="ignore"))
    yield one
    session.call("cloudwatch", "delete_alarms", AlarmNames=[one])


def set_to(session: Session, name: str, *states: str) -> None:
    for state in states:
        session.call("cloudwatch", "set_alarm_state", AlarmName=name, StateValue=state, StateReason=f"to {state}")


def states(history: AlarmHistory) -> list[str]:
    return [view.state for view in history.look()]


def test_alarm_that_is_red_and_green_again_between_two_looks_is_seen(session: Session, name: str) -> None:
    set_to(session, name, "OK")
    history = AlarmHistory(session, [name])
    assert states(history) == ["OK"]
    set_to(session, name, "ALARM", "OK")
    red, green = history.look()
    assert (red.state, red.reason, green.state, green.reason) == ("ALARM", "to ALARM", "OK", "to OK")
    assert red.since <= green.since
    assert states(history) == []


def test_alarm_is_told_once_however_often_it_changes_and_is_looked_at(session: Session, name: str) -> None:
    history, seen = AlarmHistory(session, [name]), []
    assert states(history) == ["INSUFFICIENT_DATA"]
    for turn in (["ALARM"], [], ["OK", "ALARM", "OK"], ["OK"], ["ALARM"]):
        set_to(session, name, *turn)
        seen += states(history)
    assert seen == ["ALARM", "OK", "ALARM", "OK", "ALARM"]


class WithoutHistory(Session):
    """Of a target that has no DescribeAlarmHistory, or a role without the right to it."""

    def call(self, service: str, operation: str, /, **request: object) -> dict[str, object]:
        if operation == "describe_alarm_history":
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "not you"}}, "DescribeAlarmHistory")
        return super().call(service, operation, **request)


def test_alarm_whose_history_cannot_be_read_shows_its_present_state_and_why(aws: Running, name: str) -> None:
    session = WithoutHistory(region="us-east-1", endpoint=aws.url, run_id="r1")
    history = AlarmHistory(session, [name])
    assert states(history) == ["INSUFFICIENT_DATA"]
    set_to(session, name, "OK", "ALARM")
    looked = history.look()
    assert next(looked).state == "ALARM"
    with pytest.raises(ClientError, match="AccessDenied"):
        next(looked)
    assert states(history) == []
    session.close()
