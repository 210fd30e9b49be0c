"""Turns what pydantic found into sentences that say what would be right."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from harness.scenario.model import Scenario

Where = tuple[str | int, ...]


class Finding(NamedTuple):
    """Where (the path of keys), whether the key itself is at fault, and the sentence."""

    where: Where
    at_key: bool
    message: str


def findings(invalid: ValidationError) -> list[Finding]:
    return [finding for error in invalid.errors() for finding in _findings(error)]


def _findings(error: ErrorDetails) -> Iterator[Finding]:
    where, context = error["loc"], error.get("ctx", {})
    if error["type"] == "rules":
        for below, message in context["problems"]:
            yield Finding(where + below, False, message)
    elif error["type"] == "extra_forbidden":
        yield Finding(where, True, _unknown_key(where))
    elif error["type"] == "missing":
        yield Finding(where[:-1], True, f"`{where[-1]}` is missing{_in(where[:-1])}")
    elif error["type"] == "union_tag_not_found":
        yield Finding(where, True, "`do` is missing; write what to do, such as `do: stop`")
    elif error["type"] == "invalid_key":
        yield Finding(where, True, f"the key `{where[-1]}` is not text; put it in quotes")
    elif where[-1:] == ("[key]",):
        yield Finding(where[:-1], True, _wrong_name(error, where[:-1]))
    else:
        yield Finding(where, False, _SENTENCES.get(error["type"], _other)(error, _name(error, where)))


def _wrong_name(error: ErrorDetails, where: Where) -> str:
    """Of a key that the scenario chooses, in `hooks` or `alarms`."""
    if error["type"] != "literal_error":
        return f"`{where[-1]}` is no name{_in(where[:-1])}; it takes letters, digits, dots, hyphens and underscores"
    known = _known(error)
    hint = nearest(where[-1], known) or f"; known here: {', '.join(known)}"
    return f"`{where[-1]}` is no key{_in(where[:-1])}{hint}"


def _name(error: ErrorDetails, where: Where) -> str:
    """What the file calls the value at fault."""
    if error["type"] == "union_tag_invalid":
        return "do"
    if where[-2:] == ("config", "name"):
        return "config"
    return next((str(step) for step in reversed(where) if isinstance(step, str)), "the scenario")


def nearest(word: object, known: Iterable[str]) -> str:
    """`; did you mean ...?`, where something known is near: almost the same, the same in its first words, or similar."""
    words = list(known)
    close = difflib.get_close_matches(str(word), words, n=1, cutoff=0.8)
    close = close or sorted((one for one in words if str(word).startswith(f"{one}_")), key=len, reverse=True)
    close = close or difflib.get_close_matches(str(word), words, n=1, cutoff=0.6)
    return f"; did you mean `{close[0]}`?" if close else ""


def _in(where: Where) -> str:
    """` in ...`, named by the key around it; the kind of an action (`do: stop`) serves as one."""
    return f" in `{where[-1]}`" if where and isinstance(where[-1], str) else ""


def _unknown_key(where: Where) -> str:
    known = known_keys(where[:-1])
    hint = nearest(where[-1], known) or f"; known here: {', '.join(known)}"
    return f"`{where[-1]}` is no key{_in(where[:-1])}{hint}"


def known_keys(where: Where) -> list[str]:
    """The keys the language knows at that place."""
    models: list[type[BaseModel]] = [Scenario]
    for step in where:
        below = [model for parent in models for model in _below(parent, step)]
        models = below or [model for model in models if _tag(model) == step] or models
    return list(dict.fromkeys(name for model in models for name in _names(model)))


def _names(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _tag(model: type[BaseModel]) -> str | None:
    field = model.model_fields.get("do")
    return get_args(field.annotation)[0] if field else None


def _below(model: type[BaseModel], step: str | int) -> list[type[BaseModel]]:
    for name, field in model.model_fields.items():
        if step in (name, field.alias):
            return list(_models(field.annotation))
    return []


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _not_one_of(error: ErrorDetails, name: str) -> str:
    known = _known(error)
    given = error["ctx"].get("tag", error["input"])
    return f"`{name}` is {given}; it must be {_either(known)}{nearest(given, known)}"


def _known(error: ErrorDetails) -> list[str]:
    context = error["ctx"]
    return re.findall(r"'([^']*)'", str(context.get("expected", context.get("expected_tags"))))


def _either(words: list[str]) -> str:
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _wrong_text(error: ErrorDetails, name: str) -> str:
    given = error["input"]
    if isinstance(given, (int, float)):
        return f"`{name}` is {given}, which YAML reads as {_kind(given)}; put it in quotes"
    quotes = "" if given is None or isinstance(given, (dict, list)) else "; put it in quotes"
    return f"`{name}` must be text, not {_kind(given)}{quotes}"


def _kind(value: object) -> str:
    names = {
        bool: "a truth value",
        int: "a number",
        float: "a number",
        dict: "a mapping",
        list: "a list",
        type(None): "nothing",
    }
    return names.get(type(value), f"`{value}`")


def _bound(words: str, key: str) -> Callable[[ErrorDetails, str], str]:
    def sentence(error: ErrorDetails, name: str) -> str:
        unit = " s" if isinstance(error["input"], str) else ""
        return f"`{name}` is {error['input']}; it must be {words} {error['ctx'][key]:g}{unit}"

    return sentence


def _number(kind: str) -> Callable[[ErrorDetails, str], str]:
    def sentence(error: ErrorDetails, name: str) -> str:
        given = error["input"]
        told = _kind(given) if isinstance(given, (dict, list, type(None))) else given
        return f"`{name}` is {told}; it must be {kind}"

    return sentence


def _mapping(error: ErrorDetails, name: str) -> str:
    return f"`{name}` must be a mapping, not {_kind(error['input'])}"


def _raised(error: ErrorDetails, name: str) -> str:
    return f"`{name}`: {error['ctx']['error']}"


def _pattern(error: ErrorDetails, name: str) -> str:
    return f"`{name}` is {error['input']!r}; {_PATTERNS.get(name, 'it must match ' + str(error['ctx']['pattern']))}"


_PATTERNS = {
    "id": "it takes at most 48 lower-case letters, digits and hyphens",
    "path": "it must start with / and hold no blanks",
    "get": "it must start with / and hold no blanks",
    "matcher": 'it takes HTTP codes, such as "200", "200-299" or "200,204"',
    "version": "it must be fit for an image tag: letters, digits, dots, hyphens and underscores",
}


def _other(error: ErrorDetails, name: str) -> str:
    said = error["msg"].replace("Input should be", "it must be").replace("Input should", "it must")
    given = "" if isinstance(error["input"], (dict, list)) else f" is {error['input']}"
    return f"`{name}`{given}; {said[0].lower()}{said[1:]}"


_SENTENCES: dict[str, Callable[[ErrorDetails, str], str]] = {
    "literal_error": _not_one_of,
    "union_tag_invalid": _not_one_of,
    "string_type": _wrong_text,
    "value_error": _raised,
    "string_pattern_mismatch": _pattern,
    "bool_type": lambda error, name: f"`{name}` is {error['input']!r}; it must be true or false, without quotes",
    "int_type": _number("a whole number"),
    "int_parsing": _number("a whole number"),
    "int_from_float": _number("a whole number"),
    "float_type": _number("a number"),
    "float_parsing": _number("a number"),
    "greater_than_equal": _bound("at least", "ge"),
    "less_than_equal": _bound("at most", "le"),
    "greater_than": _bound("more than", "gt"),
    "model_type": _mapping,
    "model_attributes_type": _mapping,
    "dict_type": _mapping,
    "tuple_type": lambda error, name: f"`{name}` must be a list, not {_kind(error['input'])}",
}
