"""Judges a run from its journal alone: `judge(events)`."""

from __future__ import annotations

from collections.abc import Sequence

from harness.expectations import outcome, rollback, users, versions
from harness.expectations.base import Judgement, Result, Verdict, worst
from harness.expectations.evidence import Evidence
from harness.journal import Event

__all__ = ["Evidence", "Judgement", "Result", "Verdict", "judge"]


def judge(events: Sequence[Event]) -> Judgement:
    """The verdict of a scenario, with every expectation measured beside its limit."""
    evidence = Evidence(events)
    if evidence.unsupported is not None:
        return _without_evidence(evidence, "unsupported", evidence.unsupported)
    if evidence.steady is None or not evidence.steady.reached:
        why = evidence.steady.detail if evidence.steady else "it broke off before"
        return _without_evidence(evidence, "inconclusive", f"never in a steady state before the deployment: {why}")
    results = tuple(result for family in (outcome, versions, users, rollback) for result in family.judge(evidence))
    if evidence.ended is None or not evidence.ended.complete:
        why = evidence.ended.reason if evidence.ended else "the journal breaks off"
        return Judgement(
            "unmet" if worst(results) == "unmet" else "inconclusive", outcome.outcome_of(evidence), results, why
        )
    return Judgement(worst(results), outcome.outcome_of(evidence), results)


def _without_evidence(evidence: Evidence, verdict: Verdict, why: str) -> Judgement:
    wanted = evidence.scenario.expect.outcome
    return Judgement(verdict, None, (Result("outcome", verdict, None, wanted, 0, why),), why)
