"""Every AWS call that code can make, read from its source: who calls whom, and which service and operation are named on the way.

A call names its service and its operation in two constants side by side, `session.call("ecs", "create_service", ...)`, or hands
them through a function that takes them so (`pages`, a table of removals). Where only the operation is a constant, it is counted
for the service that the same file names and that has it; where several have it, the file must say so more clearly.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from boto3.session import Session as Boto3Session
from botocore import xform_name
from botocore.loaders import Loader

SERVICES = frozenset(Boto3Session().get_available_services())
Node = ast.AST


@cache
def operations(service: str) -> Mapping[str, str]:
    """boto3's name to the API's: describe_services to DescribeServices."""
    model = Loader().load_service_model(service, "service-2")
    return {xform_name(name): name for name in model["operations"]}


@dataclass(frozen=True)
class Call:
    """`where` is file:function, for messages."""

    service: str
    operation: str
    where: str = field(compare=False)


@dataclass(frozen=True)
class Function:
    """A function or method, what is nested in it included; `name` is `<module>` for what is outside of all."""

    module: str
    name: str
    method: bool
    nodes: tuple[Node, ...] = field(compare=False, repr=False)


class Source:
    """The modules of some files, dotted name to tree."""

    def __init__(self, root: Path, files: Sequence[Path]) -> None:
        self.trees = {dotted(root, file): ast.parse(file.read_text(encoding="utf-8")) for file in files}
        self.packages = {dotted(root, file) for file in files if file.name == "__init__.py"}
        self.functions = [one for module, tree in self.trees.items() for one in _functions(module, tree)]
        self._imports = {module: self._imported(module, tree) for module, tree in self.trees.items()}

    def reachable(self, roots: Sequence[str], cut: frozenset[tuple[str, str]] = frozenset()) -> set[Function]:
        """What the modules whose names begin with one of `roots` lead to; `cut` is (module, function) that they do not enter."""
        found = {one for one in self.functions if one.module.startswith(tuple(roots)) or one.name == "<module>"}
        new = list(found)
        while new:
            for one in self._called(new.pop()):
                if one not in found and (one.module, one.name) not in cut:
                    found.add(one)
                    new.append(one)
        return found

    def _called(self, caller: Function) -> Iterator[Function]:
        imports = self._imports[caller.module]
        for node in _walk(caller.nodes):
            if isinstance(node, ast.Name):
                module, name = imports.get(node.id, (caller.module, node.id))
                yield from self._named(module, name)
            elif isinstance(node, ast.Attribute):
                owner = imports.get(node.value.id) if isinstance(node.value, ast.Name) else None
                if owner is not None and ".".join(owner) in self.trees:
                    yield from self._named(".".join(owner), node.attr)
                else:
                    yield from (one for one in self.functions if one.method and one.name == node.attr)

    def _named(self, module: str, name: str) -> Iterator[Function]:
        """Of this module, or of the one that it has the name from."""
        if module in self._imports and name in self._imports[module]:
            again = self._imports[module][name]
            if again != (module, name):
                yield from self._named(*again)
        yield from (one for one in self.functions if one.module == module and one.name == name and not one.method)

    def _imported(self, module: str, tree: ast.Module) -> dict[str, tuple[str, str]]:
        names = dict[str, tuple[str, str]]()
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                names |= {one.asname or one.name: (node.module, one.name) for one in node.names}
        return names


def dotted(root: Path, file: Path) -> str:
    parts = file.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _functions(module: str, tree: ast.Module) -> Iterator[Function]:
    outside: list[Node] = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield Function(module, node.name, False, (node,))
        elif isinstance(node, ast.ClassDef):
            for part in node.body:
                if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield Function(module, part.name, True, (part,))
                else:
                    outside.append(part)
        elif not isinstance(node, ast.Import | ast.ImportFrom):
            outside.append(node)
    yield Function(module, "<module>", False, tuple(outside))


def _walk(nodes: Sequence[Node]) -> Iterator[Node]:
    for node in nodes:
        yield from ast.walk(node)


# ---- which calls are named in a function


def calls(functions: Sequence[Function] | set[Function]) -> set[Call]:
    """Raises ValueError for an operation that several services of the file have."""
    found = set[Call]()
    for module in {one.module for one in functions}:
        mine = [one for one in functions if one.module == module]
        known = {text for one in mine for text, _ in _texts(one.nodes) if text in SERVICES}
        for one in mine:
            paired = list(_pairs(one))
            found |= {call for call, _ in paired}
            used = {id(node) for _, nodes in paired for node in nodes}
            for text, node in _texts(one.nodes):
                if id(node) not in used and (having := [name for name in known if text in operations(name)]):
                    if len(having) > 1:
                        raise ValueError(f"{module}:{one.name} names {text}, which {', '.join(sorted(having))} have")
                    found.add(Call(having[0], text, f"{module}:{one.name}"))
    return found


def _pairs(function: Function) -> Iterator[tuple[Call, tuple[Node, Node]]]:
    """Of constants side by side in a call; and `client("service").operation(...)`, or its paginator and waiter."""
    for node in _walk(function.nodes):
        if isinstance(node, ast.Call):
            for first, second in zip(node.args, node.args[1:], strict=False):
                service, operation = _text(first), _text(second)
                if service in SERVICES and operation in operations(service or ""):
                    yield Call(str(service), str(operation), f"{function.module}:{function.name}"), (first, second)
            yield from _client_call(function, node)


def _client_call(function: Function, node: ast.Call) -> Iterator[tuple[Call, tuple[Node, Node]]]:
    of = node.func
    if not (isinstance(of, ast.Attribute) and isinstance(of.value, ast.Call) and of.value.args):
        return
    service = _text(of.value.args[0])
    if service not in SERVICES:
        return
    name = _text(node.args[0]) if of.attr == "get_paginator" and node.args else of.attr
    if name in operations(str(service)):
        told = node.args[0] if of.attr == "get_paginator" else of
        yield Call(str(service), str(name), f"{function.module}:{function.name}"), (of.value.args[0], told)


def _texts(nodes: Sequence[Node]) -> Iterator[tuple[str, Node]]:
    yield from ((text, node) for node in _walk(nodes) if (text := _text(node)) is not None)


def _text(node: Node) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None
