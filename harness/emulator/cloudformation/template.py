"""Reading a template: YAML with its short forms or JSON, its sections checked, its parameters given their values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from harness.emulator.cloudformation import functions
from harness.emulator.cloudformation.functions import invalid

Template = dict[str, Any]
SECTIONS = {
    "AWSTemplateFormatVersion", "Description", "Metadata", "Parameters", "Mappings", "Conditions", "Resources", "Outputs",
    "Rules", "Transform", "Hooks",
}  # fmt: skip
NOT_EMULATED = ("Transform", "Hooks")
RESOURCE_KEYS = {
    "Type", "Properties", "DependsOn", "Condition", "DeletionPolicy", "UpdateReplacePolicy", "Metadata", "CreationPolicy",
    "UpdatePolicy",
}  # fmt: skip
POLICIES = ("Delete", "Retain", "RetainExceptOnCreate")
LOGICAL_ID = re.compile(r"[A-Za-z0-9]{1,255}")
SSM_VALUE = re.compile(r"AWS::SSM::Parameter::Value<(.+)>")
PARAMETER_TYPE = re.compile(
    r"(String|Number|CommaDelimitedList|List<Number>|(List<)?AWS::[\w:]+>?|AWS::SSM::Parameter::.*)"
)
PLAIN_TAGS = {"Ref": "Ref", "Condition": "Condition"}


# ---- text to document


class _Constructor(SafeConstructor):
    """YAML as CloudFormation reads it: short forms of functions, dates stay texts."""


def _short_form(constructor: _Constructor, suffix: str, node: Node) -> Any:
    value: Any
    if isinstance(node, ScalarNode):
        value = constructor.construct_scalar(node)
    elif isinstance(node, SequenceNode):
        value = constructor.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, MappingNode)
        value = constructor.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {PLAIN_TAGS.get(suffix, f"Fn::{suffix}"): value}


def _text(constructor: _Constructor, node: Node) -> Any:
    return constructor.construct_scalar(node)


_Constructor.add_multi_constructor("!", _short_form)
_Constructor.add_constructor("tag:yaml.org,2002:timestamp", _text)


def read(body: str) -> Template:
    """The template's document, its structure checked. Raises AwsError ValidationError."""
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _Constructor
    try:
        document = yaml.load(body)
    except YAMLError as error:
        raise invalid(f"Template format error: YAML not well-formed. {_where(error)}") from error
    if not isinstance(document, dict):
        raise invalid("Template format error: unsupported structure.")
    _check(document)
    return document


def _where(error: YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f"(line {mark.line + 1}, column {mark.column + 1})" if mark else str(error)


def _check(template: Template) -> None:
    if unknown := sorted(set(template) - SECTIONS):
        raise invalid(f"Invalid template property or properties [{', '.join(unknown)}]")
    for section in NOT_EMULATED:
        if section in template:
            raise invalid(f"the template's {section} section ({_names(template[section])}) is not emulated by rehearse")
    resources = template.get("Resources")
    if not isinstance(resources, dict) or not resources:
        raise invalid("Template format error: At least one Resources member must be defined.")
    for name, resource in resources.items():
        _check_resource(name, resource)
    functions.check_references(template)


def _names(section: Any) -> str:
    """`AWS::LanguageExtensions`: what stands in a section, for a refusal."""
    return ", ".join(map(str, section if isinstance(section, list | dict) else [section]))


def _check_resource(name: str, resource: Any) -> None:
    if not LOGICAL_ID.fullmatch(name):
        raise invalid(f"Template format error: Resource name {name} is non alphanumeric.")
    if not isinstance(resource, dict) or not isinstance(resource.get("Type"), str):
        raise invalid(f"Template format error: [/Resources/{name}] Every Resources object must contain a Type member.")
    if unknown := sorted(set(resource) - RESOURCE_KEYS):
        raise invalid(f"Invalid template resource property '{unknown[0]}'")
    for key in ("CreationPolicy", "UpdatePolicy"):
        if key in resource:
            raise invalid(f"{key} of {name} is not emulated by rehearse")
    for key in ("DeletionPolicy", "UpdateReplacePolicy"):
        if resource.get(key, "Delete") not in POLICIES:
            raise invalid(
                f"Template error: {key} {resource[key]} of {name} is not one of {', '.join(POLICIES)} (Snapshot is not emulated)"
            )


# ---- parameters


def given_values(parameters: list[dict[str, Any]], previous: Mapping[str, str]) -> dict[str, str]:
    """ParameterKey to ParameterValue, UsePreviousValue resolved."""
    values = {}
    for one in parameters:
        key = one["ParameterKey"]
        if one.get("UsePreviousValue"):
            if key not in previous:
                raise invalid(
                    f"Invalid input for parameter key {key}. Cannot specify usePreviousValue as true for a new parameter"
                )
            values[key] = previous[key]
        else:
            values[key] = one.get("ParameterValue", "")
    return values


def parameter_values(template: Template, given: Mapping[str, str]) -> dict[str, str]:
    """Every parameter's text, defaults taken, constraints checked. Raises ValidationError."""
    declared: dict[str, dict[str, Any]] = template.get("Parameters") or {}
    if extra := sorted(set(given) - set(declared)):
        raise invalid(f"Parameters: [{', '.join(extra)}] do not exist in the template")
    missing = [name for name, one in declared.items() if name not in given and "Default" not in one]
    if missing:
        raise invalid(f"Parameters: [{', '.join(missing)}] must have values")
    values = {name: text_of(given.get(name, one.get("Default"))) for name, one in declared.items()}
    for name, one in declared.items():
        _check_parameter(name, one, values[name])
    return values


def text_of(value: Any) -> str:
    """A scalar as CloudFormation spells it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _check_parameter(name: str, declared: Mapping[str, Any], value: str) -> None:
    kind = declared.get("Type", "")
    if not PARAMETER_TYPE.fullmatch(kind):
        raise invalid(f"Template format error: Unrecognized parameter type: {kind}")
    said = declared.get("ConstraintDescription")
    items = [part.strip() for part in value.split(",")] if is_list(kind) else [value]
    allowed = [text_of(one) for one in declared.get("AllowedValues", [])]
    if allowed and any(item not in allowed for item in items):
        raise invalid(said or f"Parameter '{name}' must be one of AllowedValues")
    pattern = declared.get("AllowedPattern")
    if pattern and any(not re.fullmatch(pattern, item) for item in items):
        raise invalid(f"Parameter '{name}' {said or f'must match pattern {pattern}'}")
    if not int(declared.get("MinLength", 0)) <= len(value) <= int(declared.get("MaxLength", 4096)):
        raise invalid(f"Parameter '{name}' {said or 'must have a length between its MinLength and MaxLength'}")
    if "Number" in kind:
        _check_number(name, declared, items)


def _check_number(name: str, declared: Mapping[str, Any], items: list[str]) -> None:
    for item in items:
        try:
            number = float(item)
        except ValueError:
            raise invalid(f"Parameter '{name}' must be a number.") from None
        if not float(declared.get("MinValue", "-inf")) <= number <= float(declared.get("MaxValue", "inf")):
            raise invalid(f"Parameter '{name}' must be between its MinValue and MaxValue")


def is_list(kind: str) -> bool:
    inner = SSM_VALUE.fullmatch(kind)
    return (inner[1] if inner else kind) == "CommaDelimitedList" or (inner[1] if inner else kind).startswith("List<")


def reference(kind: str, text: str) -> Any:
    """What Ref of a parameter gives: a list where its type is one."""
    return [part.strip() for part in text.split(",")] if is_list(kind) else text
