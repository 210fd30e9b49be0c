"""Verdicts on what a scenario does on the way, on what a trap costs, and on tasks and long-lived connections."""

from typing import Any

import pytest

from harness import expectations
from harness import journal as j
from tests.unit import story
from tests.unit.story import T0

STOP = {"at": "AllowTraffic", "after": "20s", "do": "stop", "rollback": True}
AGAIN = {"at": "Succeeded", "do": "deploy", "to": "v1", "error": "ELASTIC_LOAD_BALANCING_INVALID"}


def judged(name: str, *events: Any, expect: dict[str, Any] | None = None, **parts: Any) -> expectations.Result:
    of = story.scenario({"outcome": "succeeded", **(expect or {})}, **parts)
    judgement = expectations.judge(story.happy(of, *events))
    return next(result for result in judgement.results if result.name == name)


def action(number: int = 1, error: str | None = None, **more: Any) -> j.ActionTaken:
    return j.ActionTaken(at=T0 + 20, action="stop", detail="stop", error=error, number=number, **more)


# ---- during


def test_action_that_was_done_is_met():
    result = judged("during.1", action(), during=[STOP])
    assert (result.verdict, result.measured, result.limit) == ("met", "done", "done")


def test_action_whose_moment_never_came_is_unmet():
    result = judged("during.1", during=[STOP])
    assert (result.verdict, result.measured) == ("unmet", "its moment never came")


def test_action_that_was_refused_is_unmet():
    result = judged("during.1", action(error="DeploymentAlreadyCompletedException"), during=[STOP])
    assert (result.verdict, result.measured) == ("unmet", "DeploymentAlreadyCompletedException")


@pytest.mark.parametrize(
    ("met", "verdict"),
    [("DeploymentLimitExceededException", "met"), ("ThrottlingException", "unmet"), (None, "unmet")],
)
def test_error_that_an_action_should_meet_is_judged(met: str | None, verdict: str):
    stop = {**STOP, "error": "DeploymentLimitExceededException"}
    assert judged("during.1", action(error=met), during=[stop]).verdict == verdict


def test_each_action_is_judged_by_its_own_place():
    scale = {"at": "AllowTraffic", "do": "scale", "to": 3}
    assert judged("during.2", action(number=1), during=[STOP, scale]).verdict == "unmet"
    assert judged("during.2", action(number=2), during=[STOP, scale]).verdict == "met"


def test_action_that_the_target_cannot_do_is_unsupported():
    assert judged("during.1", action(error="NotImplemented"), during=[STOP]).verdict == "unsupported"


def test_second_deployment_is_judged_by_the_error_it_ends_with():
    def second(**more: Any) -> j.DeploymentSeen:
        return story.deployment(**{"status": "Failed", "id": "d-SECOND001", **more})

    taken = action(deployment="d-SECOND001")
    ended = second(error_code="ELASTIC_LOAD_BALANCING_INVALID")
    assert judged("during.1", taken, ended, during=[AGAIN]).verdict == "met"
    assert judged("during.1", taken, second(error_code="TIMEOUT"), during=[AGAIN]).measured == "TIMEOUT"
    assert judged("during.1", taken, second(status="InProgress"), during=[AGAIN]).verdict == "inconclusive"
    succeeded = judged("during.1", taken, second(status="Succeeded"), during=[AGAIN])
    assert (succeeded.verdict, succeeded.measured) == ("unmet", "Succeeded")


def test_action_of_a_run_that_broke_off_is_inconclusive():
    of = story.scenario({"outcome": "succeeded"}, during=[STOP])
    events = story.told(of, *story.traffic(-2, 3, "v1"), complete=False, reason="interrupted")
    judgement = expectations.judge(events)
    assert next(one for one in judgement.results if one.name == "during.1").verdict == "inconclusive"


# ---- a trap must hurt


def failing(status: int, count: int) -> list[Any]:
    return [story.request(5 + index / 100, "v2", status) for index in range(count)]


def test_trap_that_hurts_nobody_is_unmet():
    expect = {"users": {"min_failed": 5}}
    assert judged("users.min_failed", expect=expect).verdict == "unmet"
    assert judged("users.min_failed", *failing(502, 5), expect=expect).verdict == "met"


def test_failures_of_another_kind_than_told_are_unmet():
    expect = {"users": {"failed_with": [502, 503]}}
    assert judged("users.failed_with", *failing(502, 3), expect=expect).verdict == "met"
    result = judged("users.failed_with", *failing(500, 3), *failing(502, 3), expect=expect)
    assert (result.verdict, result.measured, result.n) == ("unmet", ["500", "502"], 6)


def test_no_answer_at_all_is_no_code():
    nothing = story.request(5, None, None, error="connection reset")
    assert judged("users.failed_with", nothing, expect={"users": {"failed_with": [502]}}).measured == [
        "connection reset"
    ]


# ---- tasks and connections


def stopped(side: str, code: int | None) -> j.TaskStopped:
    return j.TaskStopped(
        at=T0 + 30, task="t", side=side, stop_code="EssentialContainerExited", reason="", exit_code=code
    )


def test_exit_codes_are_those_of_every_task_of_the_side():
    expect = {"exit_codes": {"blue": [137]}}
    assert judged("exit_codes.blue", stopped("blue", 137), stopped("green", 1), expect=expect).verdict == "met"
    result = judged("exit_codes.blue", stopped("blue", 137), stopped("blue", 0), expect=expect)
    assert (result.verdict, result.measured, result.n) == ("unmet", ["0", "137"], 2)


def test_exit_codes_of_no_task_are_inconclusive():
    assert (
        judged("exit_codes.blue", stopped("blue", None), expect={"exit_codes": {"blue": [137]}}).verdict
        == "inconclusive"
    )


def socket(number: int, *, cut: bool, opened: float | None = T0, error: str | None = None) -> j.WebsocketEnded:
    return j.WebsocketEnded(at=T0 + 30, number=number, opened=opened, cut=cut, error=error)


def test_websockets_that_were_cut_are_counted():
    traffic = {"rate": "20/s", "path": "/", "websockets": {"count": 2}}
    expect = {"websockets": {"min_cut": 2, "max_cut": 1}}
    events = (socket(0, cut=True), socket(1, cut=True))
    assert judged("websockets.min_cut", *events, expect=expect, traffic=traffic).verdict == "met"
    assert judged("websockets.max_cut", *events, expect=expect, traffic=traffic).verdict == "unmet"


def test_websocket_that_never_opened_says_nothing():
    traffic = {"rate": "20/s", "path": "/", "websockets": {"count": 2}}
    events = (socket(0, cut=True), socket(1, cut=False, opened=None, error="no upgrade: the answer was 400"))
    result = judged("websockets.min_cut", *events, expect={"websockets": {"min_cut": 1}}, traffic=traffic)
    assert (result.verdict, result.detail) == ("inconclusive", "no upgrade: the answer was 400")
