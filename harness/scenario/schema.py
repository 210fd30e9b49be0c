"""The JSON Schema of the language, for editors; scenarios/scenario.schema.json is this, and a test keeps it so."""

from __future__ import annotations

import json
from typing import Any

from harness.scenario.model import Scenario


def schema() -> dict[str, Any]:
    """Draft 2020-12, of the file as written (not of the defaults filled in)."""
    made = Scenario.model_json_schema(mode="validation", by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A rehearse scenario", **made}


def schema_text() -> str:
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"
