"""Writes types.json anew, when a resource type is added: `python -m tests.emulator.cloudformation_types`."""

import json
from pathlib import Path
from typing import Any

from harness.emulator import cloudformation
from harness.emulator.cloudformation.every import KINDS

TARGET = Path(cloudformation.__file__).with_name("types.json")


def top_level(paths: list[str]) -> list[str]:
    """`/properties/Name`, but not `/properties/Name/Deeper`."""
    return sorted(path.split("/")[2] for path in paths if path.count("/") == 2)


def entry(schema: dict[str, Any]) -> dict[str, list[str]]:
    read_only = set(top_level(schema.get("readOnlyProperties", [])))
    return {
        "properties": sorted(set(schema["properties"]) - read_only),
        "required": sorted(schema.get("required", [])),
        "replace": top_level(schema.get("createOnlyProperties", [])),
    }


def main() -> None:
    from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

    names = sorted(set(KINDS) - {"AWS::CDK::Metadata"})
    lines = [
        f"{json.dumps(name)}: {json.dumps(entry(PROVIDER_SCHEMA_MANAGER.get_resource_schema('us-east-1', name).schema))}"
        for name in names
    ]
    TARGET.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
