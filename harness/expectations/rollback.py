"""How long it took from the trigger until production was back on blue, in real seconds."""

from __future__ import annotations

from harness.expectations import outcome
from harness.expectations.base import Result, compared, unknown
from harness.expectations.evidence import Evidence


def judge(evidence: Evidence) -> list[Result]:
    expected = evidence.scenario.expect.rollback
    if expected is None:
        return []
    name = "rollback.within"
    if evidence.rollback is None and outcome.outcome_of(evidence) is not None:
        return [compared(name, None, expected.within, met=False, n=0, detail="the deployment ended without a rollback")]
    if evidence.rollback is None:
        return [unknown(name, expected.within, "no rollback deployment was seen")]
    began, ended = trigger(evidence, expected.of), finished(evidence)
    if began is None or ended is None:
        missing = f"no {expected.of} was seen" if began is None else "production was not seen back on blue"
        return [unknown(name, expected.within, missing)]
    seconds = round(max(0.0, ended - began), 3)
    return [
        compared(name, seconds, expected.within, met=seconds <= expected.within, n=1, detail=f"from the {expected.of}")
    ]


def trigger(evidence: Evidence, kind: str) -> float | None:
    """When what caused the rollback happened: by AWS's own time where AWS has one."""
    match kind:
        case "alarm":
            return _alarm(evidence)
        case "request":
            action = evidence.action("stop")
            return action.at if action else None
        case "give_up":
            action = evidence.action("give_up")
            return action.at if action else None
        case "hook" if outcome.cause_of(evidence) != "hook":
            return None
    failed = next((event for event in evidence.lifecycle.values() if event.status == "Failed"), None)
    first = evidence.deployment
    return (failed.ended if failed else None) or (first.completed if first else None)


def _alarm(evidence: Evidence) -> float | None:
    """An alarm that was red before the deployment stops it as soon as it is there: it cannot have acted earlier."""
    since = next((alarm.since for alarm in evidence.alarms if alarm.state == "ALARM"), None)
    created = evidence.deployment.created if evidence.deployment else None
    return None if since is None else max(since, created or since)


def finished(evidence: Evidence) -> float | None:
    """Production alone on blue, as listener weights and users show it; where green never had any, the rollback's own end."""
    if evidence.blue_restored is None:
        ended = evidence.rollback
        return ended.completed if ended is not None and ended.status == "Succeeded" else None
    green = evidence.scenario.release.to.version
    last_green = max((one.sent for one in evidence.requests if one.version == green), default=0.0)
    return max(evidence.blue_restored, last_green)
