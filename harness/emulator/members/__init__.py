"""What becomes of every member of a request: executed, recorded without effect (and why), or refused by name.

A module for each service says so, shape by shape, as botocore's model names them. What no table knows is refused too: a member that
AWS adds tomorrow is never accepted and silently ignored. `tests/unit/test_members.py` walks the models and compares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from harness.emulator.cloud import not_emulated
from harness.emulator.services import SERVICES
from harness.emulator.wire import service_model

NOTHING = (None, False, "", "off", "$LATEST")  # values that ask for what is so anyway
Refuse = Callable[[Any, str], str | None]  # a value, its path -> the path of the first member in it that is refused


@dataclass(frozen=True, slots=True)
class Members:
    """Of one service, by shape. `executed` and `by_operation` are let through; `recorded` has the reason of each member."""

    executed: Mapping[str, frozenset[str]]
    refused: Mapping[str, frozenset[str]]
    by_operation: Mapping[str, frozenset[str]]
    recorded: Mapping[str, Mapping[str, str]]

    def refuses(self, shape: str, member: str) -> bool:
        let_through = (self.executed, self.recorded, self.by_operation)
        return not any(member in table.get(shape, ()) for table in let_through)

    def goes_on(self, shape: str, member: str) -> bool:
        """Whether what the member holds is looked at as well: the whole of what is recorded or refused is."""
        return member in self.executed.get(shape, ())


@cache
def of(service: str) -> Members:
    module = import_module(f"{__name__}.{service}_" if service == "lambda" else f"{__name__}.{service}")
    recorded: dict[str, dict[str, str]] = {}
    for why, text in module.RECORDED:
        for shape, members in read(text).items():
            recorded.setdefault(shape, {}).update(dict.fromkeys(members, why))
    return Members(read(module.EXECUTED), read(module.REFUSED), read(module.REFUSED_BY_OPERATION), recorded)


def read(table: str) -> dict[str, frozenset[str]]:
    """Lines of `Shape: member member ...`; a line without a colon goes on with the one before."""
    found: dict[str, frozenset[str]] = {}
    shape = ""
    for line in table.split("\n"):
        before, colon, after = line.rpartition(":")
        shape = before.strip() or shape
        found[shape] = found.get(shape, frozenset()) | frozenset((after if colon else line).split())
    found.pop("", None)
    return found


def check(service: str, operation: str, request: Mapping[str, Any]) -> None:
    """Raises NotImplemented, naming the first member of the request that is not emulated and asks for something."""
    if service not in SERVICES:
        return
    path = _of_operation(service, operation)(request, "")
    if path is not None:
        raise not_emulated(service, f"{operation} with {path}")


def asks_nothing(value: Any) -> bool:
    """Empty, false, or switched off as a whole."""
    if isinstance(value, Mapping):
        return value.get("enabled") is False or all(map(asks_nothing, value.values()))
    if isinstance(value, list):
        return not value
    return any(value is one or (isinstance(one, str) and value == one) for one in NOTHING)


@cache
def _of_operation(service: str, operation: str) -> Refuse:
    shape = service_model(service).operation_model(operation).input_shape
    return (_structure(service, shape) if shape is not None else None) or _nothing


def _nothing(value: Any, path: str) -> str | None:
    return None


@cache
def _of_shape(service: str, shape: Shape) -> Refuse | None:
    """None where nothing in the shape can be refused."""
    match shape:
        case StructureShape():
            return _structure(service, shape)
        case ListShape():
            return _each(_of_shape(service, shape.member), lambda value, path: ((one, f"{path}[]") for one in value))
        case MapShape():
            return _each(
                _of_shape(service, shape.value),
                lambda value, path: ((one, f"{path}.{key}") for key, one in value.items()),
            )
    return None


def _each(inner: Refuse | None, parts: Callable[[Any, str], Iterator[tuple[Any, str]]]) -> Refuse | None:
    if inner is None:
        return None
    return lambda value, path: next((found for one, at in parts(value, path) if (found := inner(one, at))), None)


def _structure(service: str, shape: StructureShape) -> Refuse:
    """Members are looked up as they first occur: shapes may contain themselves, and most members are never given."""
    members = of(service)
    known: dict[str, Refuse | None] = {}

    def refuse(value: Mapping[str, Any], path: str) -> str | None:
        for key, one in value.items():
            if key not in known:
                known[key] = _of_member(service, members, shape, key)
            inner = known[key]
            if inner is not None and (found := inner(one, f"{path}.{key}" if path else key)) is not None:
                return found
        return None

    return refuse


def _of_member(service: str, members: Members, shape: StructureShape, key: str) -> Refuse | None:
    if members.refuses(shape.name, key):
        return lambda value, path: None if asks_nothing(value) else path
    return _of_shape(service, shape.members[key]) if members.goes_on(shape.name, key) else None
