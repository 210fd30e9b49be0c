"""How the deployment ended, where it failed, and why: normalised, the same for every controller."""

from __future__ import annotations

import math

from harness.expectations.base import Result, compared, unknown
from harness.expectations.evidence import ENDED, Evidence
from harness.journal import LifecycleSeen
from harness.scenario import LIFECYCLE_EVENTS

CAUSES = {"ALARM_ACTIVE": "alarm", "HOOK_EXECUTION_FAILURE": "hook", "MANUAL_STOP": "request", "TIMEOUT": "timeout"}
UNHEALTHY_TEXT = "unhealthy"
NOT_ENDED = "the deployment was not seen to end"


def outcome_of(evidence: Evidence) -> str | None:
    """succeeded, failed, stopped, or rolled_back where a rollback deployment has succeeded; None while it runs."""
    first, rollback = evidence.deployment, evidence.rollback
    if first is None or first.status not in ENDED:
        return None
    if first.rollback_id is not None and rollback is None:
        return None
    if rollback is not None:
        if rollback.status not in ENDED:
            return None
        return "rolled_back" if rollback.status == "Succeeded" else "failed"
    return first.status.lower()


def failed_at_of(evidence: Evidence) -> str | None:
    return next((event.name for event in evidence.lifecycle.values() if event.status == "Failed"), None)


def cause_of(evidence: Evidence) -> str | None:
    """Why the deployment ended early.

    Giving up, or Install running out of its sixty minutes, is `unhealthy` where green's targets never were healthy, else `timeout`:
    CodeDeploy itself does not tell the two apart.
    """
    first = evidence.deployment
    if first is None or first.status == "Succeeded":
        return None
    code, text = first.error_code or "", first.error_message or ""
    gave_up = evidence.action("give_up") is not None and code not in ("ALARM_ACTIVE", "HOOK_EXECUTION_FAILURE")
    if gave_up or code == "TIMEOUT":
        return "timeout" if evidence.green_was_healthy else "unhealthy"
    if UNHEALTHY_TEXT in text:
        return "unhealthy"
    return CAUSES.get(code) or ("request" if first.status == "Stopped" else None)


def judge(evidence: Evidence) -> list[Result]:
    expect = evidence.scenario.expect
    measured = outcome_of(evidence)
    n, wanted_events = len(evidence.deployments), [str(name) for name in expect.events or ()]
    wanted_all = [("outcome", expect.outcome), ("failed_at", expect.failed_at), ("cause", expect.cause)]
    if measured is None:
        unseen = [unknown(name, wanted, NOT_ENDED, n) for name, wanted in wanted_all if wanted is not None]
        return [*unseen, unknown("events", wanted_events, NOT_ENDED, n)] if wanted_events else unseen
    results = [
        compared("outcome", measured, expect.outcome, met=measured == expect.outcome, n=n, detail=_detail(evidence))
    ]
    for name, wanted, found in (
        ("failed_at", expect.failed_at, failed_at_of(evidence)),
        ("cause", expect.cause, cause_of(evidence)),
    ):
        if wanted is not None:
            results.append(compared(name, found, wanted, met=found == wanted, n=1))
    if wanted_events:
        results.append(_events(evidence, wanted_events))
    return results


def _detail(evidence: Evidence) -> str:
    first = evidence.deployment
    return f"{first.error_code}: {first.error_message}" if first is not None and first.error_code else ""


def _events(evidence: Evidence, wanted: list[str]) -> Result:
    """The named lifecycle events ran, in this order; others may lie between them."""
    ran = [one for one in evidence.lifecycle.values() if one.started is not None and one.status != "Skipped"]
    order = [event.name for event in sorted(ran, key=_when)]
    rest = iter(order)
    return compared("events", order, wanted, met=all(name in rest for name in wanted), n=len(order))


def _when(event: LifecycleSeen) -> tuple[float, float, int]:
    """Events of no duration can have the same times; then CodeDeploy's own order holds."""
    ended = math.inf if event.ended is None else event.ended
    place = LIFECYCLE_EVENTS.index(event.name) if event.name in LIFECYCLE_EVENTS else len(LIFECYCLE_EVENTS)
    return event.started or 0.0, ended, place
