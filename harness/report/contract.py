"""The shape of result.json, for whoever reads it by machine: `python -m harness.report.contract > docs/result.schema.json`.

Keys may be added later, so a reader should ignore the ones it does not know; none of these goes away or changes its meaning.
Times are seconds since the epoch, durations seconds; what was not measured is null.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from pydantic import BaseModel, ConfigDict

from harness.expectations import Result as Expectation
from harness.expectations import Verdict
from harness.report.facts import Paid, Span, Wait


class _Shape(BaseModel):
    """Of what is told as it is measured (Expectation, Paid, Wait, Span) the shape is the dataclass itself: there is no second one."""

    model_config = ConfigDict(extra="allow", strict=True, json_schema_serialization_defaults_required=True)


class Title(_Shape):
    en: str
    ko: str | None


class Fidelity(_Shape):
    """Who really executed what, and what this run says nothing about."""

    executed: dict[str, str]
    compression: float
    waits: list[Wait]
    not_tested: list[str]


class Timing(_Shape):
    started: float
    total: float
    phases: dict[str, float]
    deployments: list[Span]
    lifecycle: list[Span]
    detection: float | None
    rollback: float | None


class Result(_Shape):
    """One scenario of one run. `outcome` is null where the deployment did not come to an end."""

    scenario: str
    title: Title
    scenario_hash: str
    target: str
    runtime: str | None
    verdict: Verdict
    outcome: str | None
    why: str
    expectations: list[Expectation]
    users: Paid
    fidelity: Fidelity
    timing: Timing
    left: list[str]
    versions: dict[str, str]
    commit: str | None
    images: dict[str, str]
    reproduce: str


def schema() -> dict[str, Any]:
    """Draft 2020-12."""
    made = Result.model_json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made, "title": "result.json of rehearse"}


def schema_text() -> str:
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.buffer.write(schema_text().encode())
