"""The shape of result.json, for whoever reads it by machine: `python -m harness.report.contract > docs/result.schema.json`.

Keys may be added later, so a reader should ignore the ones it does not know; none of these goes away or changes its meaning.
Times are seconds since the epoch, durations seconds; what was not measured is null.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from pydantic import BaseModel, ConfigDict

from harness.expectations import Verdict


class _Shape(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)


class Title(_Shape):
    en: str
    ko: str | None


class Expectation(_Shape):
    """`measured` beside its `limit`, from `n` pieces of evidence."""

    name: str
    verdict: Verdict
    measured: str | int | float | bool | list[str] | None
    limit: str | int | float | bool | list[str] | None
    n: int
    detail: str


class Users(_Shape):
    """What users paid: `gap` is the longest time without a good answer."""

    requests: int
    failed: int
    by_class: dict[str, int]
    by_version: dict[str, int]
    gap: float | None
    p50: float | None
    p95: float | None
    p99: float | None


class Wait(_Shape):
    """A wait of AWS's, as declared, as planned here, and as it was spent."""

    why: str
    started: float
    declared: float
    effective: float
    spent: float
    ended_early: bool


class Fidelity(_Shape):
    """Who really executed what, and what this run says nothing about."""

    executed: dict[str, str]
    compression: float
    waits: list[Wait]
    not_tested: list[str]


class Span(_Shape):
    """`seconds` as they passed, `declared` as AWS's clock would have counted them."""

    deployment: str
    name: str
    status: str
    started: float | None
    ended: float | None
    seconds: float | None
    declared: float | None


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
    users: Users
    fidelity: Fidelity
    timing: Timing
    left: list[str]
    versions: dict[str, str]
    commit: str | None
    reproduce: str


def schema() -> dict[str, Any]:
    """Draft 2020-12."""
    made = Result.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made, "title": "result.json of rehearse"}


def schema_text() -> str:
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
