"""scenarios/scenario.schema.json: what an editor is told is what the loader takes."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from harness import scenario

ROOT = Path(__file__).parents[2]
FILE = ROOT / "scenarios/scenario.schema.json"
SCENARIOS = sorted((ROOT / "scenarios").glob("*.yaml"))
SCHEMA = scenario.schema()

MINIMAL: dict[str, Any] = {
    "scenario": "v1",
    "id": "a",
    "title": "a",
    "release": {"from": {"version": "v1"}, "to": {"version": "v2"}},
    "expect": {"outcome": "succeeded"},
}

# ---- as much of JSON Schema as the file uses

TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "null": (type(None),),
}
SAYS_NOTHING = {"$schema", "$defs", "title", "description", "default", "discriminator", "properties"}


def is_type(value: Any, name: str) -> bool:
    return isinstance(value, TYPES[name]) and (name == "boolean" or not isinstance(value, bool))


def right(value: Any, schema: dict[str, Any]) -> bool:
    return not list(wrong(value, schema))


KEYWORDS: dict[str, Callable[[Any, Any], bool]] = {
    "type": is_type,
    "const": lambda value, one: bool(value == one),
    "enum": lambda value, some: value in some,
    "pattern": lambda value, pattern: not isinstance(value, str) or re.search(pattern, value) is not None,
    "minLength": lambda value, least: not isinstance(value, str) or len(value) >= least,
    "minItems": lambda value, least: not isinstance(value, list) or len(value) >= least,
    "minimum": lambda value, least: not is_type(value, "number") or value >= least,
    "maximum": lambda value, most: not is_type(value, "number") or value <= most,
    "exclusiveMinimum": lambda value, least: not is_type(value, "number") or value > least,
    "anyOf": lambda value, some: any(right(value, one) for one in some),
    "oneOf": lambda value, some: sum(right(value, one) for one in some) == 1,
    "$ref": lambda value, name: right(value, SCHEMA["$defs"][name.removeprefix("#/$defs/")]),
    "items": lambda value, schema: not isinstance(value, list) or all(right(one, schema) for one in value),
    "patternProperties": lambda value, some: all(
        right(one, schema)
        for pattern, schema in some.items()
        for name, one in value.items()
        if re.search(pattern, name)
    ),
    "propertyNames": lambda value, schema: not isinstance(value, dict) or all(right(one, schema) for one in value),
    "required": lambda value, names: not isinstance(value, dict) or set(names) <= set(value),
}


def wrong(value: Any, schema: dict[str, Any]) -> Iterator[str]:
    """The keywords of `schema` that `value` does not obey."""
    for keyword, asked in schema.items():
        if keyword == "additionalProperties":
            yield from wrong_properties(value, schema)
        elif keyword not in SAYS_NOTHING and not KEYWORDS[keyword](value, asked):
            yield f"{value!r}: {keyword} {asked!r}"


def wrong_properties(value: Any, schema: dict[str, Any]) -> Iterator[str]:
    for name, one in value.items() if isinstance(value, dict) else ():
        inner = schema.get("properties", {}).get(name, schema["additionalProperties"])
        if inner is False:
            yield f"{name} is no key"
        elif inner is not True:
            yield from wrong(one, inner)


def keywords(schema: Any) -> Iterator[str]:
    """Every keyword in a schema, also in its definitions."""
    if isinstance(schema, list):
        for one in schema:
            yield from keywords(one)
    if not isinstance(schema, dict):
        return
    for keyword, asked in schema.items():
        yield keyword
        if keyword in ("properties", "patternProperties", "$defs"):
            for one in asked.values():
                yield from keywords(one)
        elif keyword not in ("default", "const", "enum", "discriminator"):
            yield from keywords(asked)


# ---- the tests


def test_schema_file_is_the_generated_one():
    done = subprocess.run([sys.executable, "-m", "harness.scenario"], cwd=ROOT, capture_output=True, check=True)
    assert FILE.read_bytes() == done.stdout, "run: make docs"


def test_schema_holds_only_keywords_of_json_schema():
    assert set(keywords(SCHEMA)) <= set(KEYWORDS) | SAYS_NOTHING | {"additionalProperties"}


def test_scenarios_are_there():
    assert len(SCENARIOS) >= 9


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_every_scenario_file_loads_and_fits_the_schema(path: Path):
    assert scenario.load(path).id == path.stem.partition("-")[2]
    assert list(wrong(YAML(typ="safe").load(path), SCHEMA)) == []


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_every_scenario_file_names_the_schema_for_editors(path: Path):
    assert path.read_text(encoding="utf-8").startswith("# yaml-language-server: $schema=scenario.schema.json\n")


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_scenario_survives_the_journal(path: Path):
    told = scenario.load(path)
    written = told.model_dump(mode="json", exclude_none=True)
    assert scenario.Scenario.model_validate(json.loads(json.dumps(written))) == told
    assert list(wrong(written, SCHEMA)) == []


@pytest.mark.parametrize(
    "change",
    [
        {"steady_stat": {}},
        {"id": "A"},
        {"steady_state": {"for": 3}},
        {"steady_state": {"for": "3"}},
        {"steady_state": {"for_": "3s"}},
        {"traffic": {"rate": 20}},
        {"traffic": {"path": "slow"}},
        {"title": {"ko": "a"}},
        {"deploy": {"test_listener": "no"}},
        {"deploy": {"config": "CodeDeployDefault.ECSCanary"}},
        {"deploy": {"hooks": {"Install": {"get": "/"}}}},
        {"deploy": {"config": {"canary": {"percent": 100, "interval": "5m"}}}},
        {"release": {"from": {"version": "v1"}, "to": {"version": "v2", "fault": {"kind": "earthquake"}}}},
        {"during": [{"at": "Install", "do": "dance"}]},
        {"during": [{"at": "Installed", "do": "stop"}]},
        {"expect": {"outcome": "good"}},
        {"expect": {}},
    ],
    ids=str,
)
def test_schema_and_loader_refuse_the_same(change: dict[str, Any]):
    told = {**MINIMAL, **change}
    assert list(wrong(told, SCHEMA))
    loaded, problems = scenario.examine(json.dumps(told))
    assert loaded is None
    assert problems


def test_schema_and_loader_take_the_smallest_scenario():
    assert list(wrong(MINIMAL, SCHEMA)) == []
    assert scenario.examine(json.dumps(MINIMAL))[1] == []


def defaults(schema: Any) -> Iterator[tuple[dict[str, Any], Any]]:
    if isinstance(schema, list):
        for one in schema:
            yield from defaults(one)
    elif isinstance(schema, dict):
        if "default" in schema and schema["default"] is not None:
            yield schema, schema["default"]
        for keyword, inner in schema.items():
            if keyword != "default":
                yield from defaults(inner)


def test_every_default_that_an_editor_fills_in_is_taken():
    found = list(defaults(SCHEMA))
    assert len(found) > 20
    assert not [(value, complaints) for schema, value in found if (complaints := list(wrong(value, schema)))]
