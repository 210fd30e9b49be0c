"""What the scenario does on the way: each action of `during` was done, and met the error it should meet, or none."""

from __future__ import annotations

from harness.expectations.base import Result, compared, unknown
from harness.expectations.evidence import ENDED, Evidence
from harness.journal import ActionTaken
from harness.scenario import Action

DONE, NEVER = "done", "its moment never came"
NOT_IMPLEMENTED = "NotImplemented"


def judge(evidence: Evidence) -> list[Result]:
    return [_judged(evidence, number, action) for number, action in enumerate(evidence.scenario.during, 1)]


def _judged(evidence: Evidence, number: int, action: Action) -> Result:
    """`during.<number>`, from 1."""
    name, limit = f"during.{number}", action.error or DONE
    taken = next((one for one in evidence.actions if one.number == number), None)
    if taken is None:
        if evidence.broke_off:
            return unknown(name, limit, f"as far as it came: {evidence.broke_off}")
        return compared(name, NEVER, limit, met=False, n=0, detail=f"{action.do} at {action.at}: {NEVER}")
    if taken.error == NOT_IMPLEMENTED:
        return Result(name, "unsupported", taken.error, limit, 1, taken.detail)
    if action.do == "deploy" and action.error is not None and taken.error is None:
        return _ended_with(evidence, name, action.error, taken)
    measured = taken.error or DONE
    return compared(name, measured, limit, met=measured == limit, n=1, detail=taken.detail)


def _ended_with(evidence: Evidence, name: str, error: str, taken: ActionTaken) -> Result:
    """A second deployment was created: the error is the one it ends with."""
    made = evidence.deployments.get(taken.deployment or "")
    if made is None or made.status not in ENDED:
        return unknown(name, error, f"deployment {taken.deployment} was not seen to end", 1)
    measured = made.error_code or made.status
    return compared(name, measured, error, met=measured == error, n=1, detail=made.error_message or taken.detail)
