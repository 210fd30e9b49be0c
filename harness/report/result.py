"""result.json: the contract for machines. Pure JSON: what is unknown is null, never NaN."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

from harness.report import fidelity
from harness.report.facts import Facts


def text(facts: Facts) -> str:
    return json.dumps(_clean(as_dict(facts)), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def as_dict(facts: Facts) -> dict[str, Any]:
    evidence, judgement = facts.evidence, facts.judgement
    run, scenario = evidence.run, evidence.scenario
    return {
        "scenario": scenario.id,
        "title": scenario.title.model_dump(mode="json"),
        "scenario_hash": run.scenario_hash,
        "target": run.target,
        "runtime": run.runtime,
        "verdict": judgement.verdict,
        "outcome": judgement.outcome,
        "why": judgement.why,
        "expectations": [dataclasses.asdict(one) for one in judgement.results],
        "users": dataclasses.asdict(facts.paid),
        "fidelity": _fidelity(facts),
        "timing": _timing(facts),
        "left": list(evidence.left),
        "versions": run.versions,
        "commit": run.commit,
        "images": facts.images,
        "reproduce": fidelity.command(evidence),
    }


def _fidelity(facts: Facts) -> dict[str, Any]:
    return {
        "executed": {part.en: by.en for part, by in fidelity.executed(facts.evidence)},
        "compression": facts.evidence.run.compression,
        "waits": [dataclasses.asdict(one) for one in facts.waits],
        "not_tested": [one.en for one in fidelity.not_tested(facts.evidence)],
    }


def _timing(facts: Facts) -> dict[str, Any]:
    return {
        "started": facts.evidence.run.at,
        "total": round(facts.end - facts.evidence.run.at, 3),
        "phases": facts.phases,
        "deployments": [dataclasses.asdict(one) for one in facts.deployments],
        "lifecycle": [dataclasses.asdict(one) for one in facts.lifecycle],
        "detection": facts.detection,
        "rollback": facts.rollback,
    }


def _clean(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _clean(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
