"""Judges a run from its journal alone: `judge(events)`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.expectations import actions, outcome, rollback, tasks, users, versions
from harness.expectations.base import Judgement, Result, Verdict, worst
from harness.expectations.evidence import Evidence
from harness.journal import Event

__all__ = ["Evidence", "Judgement", "Result", "Verdict", "judge"]
FINAL = ("users.max_failed", "users.failed_with", "users.max_unavailable", "green_production_requests")


def judge(events: Sequence[Event]) -> Judgement:
    """The verdict of a scenario, with every expectation measured beside its limit. Raises JournalInvalid without a RunStarted."""
    return judged(Evidence(events))


def judged(evidence: Evidence) -> Judgement:
    """The same of evidence that was folded already."""
    if evidence.unsupported is not None:
        return _not_judged(evidence, "unsupported", evidence.unsupported)
    if evidence.steady is None or not evidence.steady.reached:
        why = evidence.steady.detail if evidence.steady else "it broke off before"
        return _not_judged(evidence, "inconclusive", f"never in a steady state before the deployment: {why}")
    found, results = outcome.outcome_of(evidence), _results(evidence)
    if broke_off := evidence.broke_off:
        results = results if found is not None else tuple(_as_far_as_it_came(result, broke_off) for result in results)
        return Judgement("unmet" if worst(results) == "unmet" else "inconclusive", found, results, broke_off)
    return Judgement(worst(results), found, results, _first_reason(results))


def _results(evidence: Evidence) -> tuple[Result, ...]:
    families = (outcome, versions, users, rollback, tasks, actions)
    found = (result for family in families for result in family.judge(evidence))
    return tuple(_as_shown(result, evidence.run.not_shown) for result in found)


def _as_shown(result: Result, not_shown: Mapping[str, str]) -> Result:
    """What the target cannot show is neither met nor unmet there, whatever was measured."""
    why = not_shown.get(result.name) or not_shown.get(result.name.partition(".")[0])
    if why is None:
        return result
    return replace(result, verdict="unsupported", measured=None, n=0, detail=why)


def _not_judged(evidence: Evidence, verdict: Verdict, why: str) -> Judgement:
    """Every expectation is named, and none is judged."""
    results = (replace(result, verdict=verdict, measured=None, n=0, detail=why) for result in _results(evidence))
    return Judgement(verdict, None, tuple(results), why)


def _as_far_as_it_came(result: Result, why: str) -> Result:
    """Of a run that broke off before the deployment's end, only what no later second could mend is a finding."""
    if result.verdict in ("inconclusive", "unsupported") or (result.verdict == "unmet" and result.name in FINAL):
        return result
    return replace(result, verdict="inconclusive", detail=f"as far as it came: {why}")


def _first_reason(results: Sequence[Result]) -> str:
    """What a reader wants to know first where not all is met."""
    of_worst = next((one for one in results if one.verdict == worst(results)), None)
    if of_worst is None or of_worst.verdict == "met":
        return ""
    told = of_worst.detail if of_worst.verdict != "unmet" or of_worst.measured is None else ""
    return f"{of_worst.name}: {told or f'{of_worst.measured}, expected {of_worst.limit}'}"
