"""The JSON Schema of the language, for editors; scenarios/scenario.schema.json is this, and a test keeps it so."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from harness.scenario.model import Scenario
from harness.scenario.values import DURATION, RATE, as_duration, as_rate

_WRITTEN: dict[str, Callable[[float], str]] = {DURATION: as_duration, RATE: as_rate}
_OF_NUMBERS = (
    "ge",
    "gt",
    "le",
    "lt",
)  # pydantic's bounds of the seconds; no keywords of JSON Schema, where this is text


def schema() -> dict[str, Any]:
    """Draft 2020-12, of the file as written (not of the defaults filled in)."""
    made = _as_written(Scenario.model_json_schema(mode="validation", by_alias=True))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made, "title": "A rehearse scenario"}


def schema_text() -> str:
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _as_written(part: Any) -> Any:
    """Durations and rates are numbers in Python and text in the file: their defaults as text, their bounds left to us."""
    if isinstance(part, list):
        return [_as_written(one) for one in part]
    if not isinstance(part, dict):
        return part
    write = _WRITTEN.get(str(part.get("pattern")))
    if write is None:
        return {key: _as_written(value) for key, value in part.items()}
    told = {key: value for key, value in part.items() if key not in _OF_NUMBERS}
    if "default" in told:
        told["default"] = write(told["default"])
    return told
