"""Reads a scenario file. Whatever is wrong with it is said with line, column and what would be right, all of it at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from harness import text as texts
from harness.errors import ScenarioInvalid
from harness.scenario.messages import findings
from harness.scenario.model import Scenario
from harness.scenario.own_app import OwnApp

_AMBIGUOUS = {"yes", "no", "on", "off", "y", "n"}  # text in YAML 1.2, true or false in YAML 1.1


class Problem(NamedTuple):
    line: int
    column: int
    message: str


def load(path: Path | str, app: OwnApp | None = None) -> Scenario:
    """The scenario in `path`, on top of the defaults of `app`. Raises ScenarioInvalid at the first problem, the others below it."""
    path = Path(path)
    scenario, problems = examine(read(path), app)
    if scenario is None:
        first, *others = sorted(set(problems))
        message = "\n".join([first.message, *(f"{path}:{line}:{column}: {text}" for line, column, text in others)])
        raise ScenarioInvalid(message, path=path, line=first.line, column=first.column)
    return scenario


def examine(text: str, app: OwnApp | None = None) -> tuple[Scenario | None, list[Problem]]:
    """The scenario, or everything that is wrong with `text`."""
    root, problems = _compose(text)
    if root is None:
        return None, problems
    try:
        if problems := list(_traps(root)):
            return None, problems
        told = YAML(typ="safe", pure=True).load(text)
        told = app.under(told) if app is not None else told
        return Scenario.model_validate(told, by_alias=True, by_name=False), []  # `for_` is no key of the language
    except ValidationError as invalid:
        found = findings(invalid)
    except (YAMLError, ValueError, RecursionError) as error:
        return None, [_yaml_problem(error, text)]
    return None, [Problem(*_place(root, where, at_key), message) for where, at_key, message in found]


def read(path: Path) -> str:
    """The text of a scenario file. Raises ScenarioInvalid where there is none."""
    if path.is_dir():
        raise ScenarioInvalid("this is a folder; name a scenario file", path=path)
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise ScenarioInvalid("there is no such file", path=path) from None
    except OSError as error:
        raise ScenarioInvalid(f"cannot be read: {error.strerror}", path=path) from None
    try:
        return texts.decoded(raw)
    except texts.NotUtf8 as error:
        raise ScenarioInvalid(texts.OTHERWISE, path=path, line=error.line, column=error.column) from None


def _compose(text: str) -> tuple[Node | None, list[Problem]]:
    try:
        root = YAML(pure=True).compose(text)
    except (YAMLError, RecursionError) as error:
        return None, [_yaml_problem(error, text)]
    if root is None:
        return None, [Problem(1, 1, "the file is empty; a scenario starts with `scenario: v1`")]
    if not isinstance(root, MappingNode):
        return None, [Problem(*_start(root), "a scenario is a mapping that starts with `scenario: v1`")]
    return root, []


def _yaml_problem(error: Exception, text: str) -> Problem:
    if isinstance(error, RecursionError):
        return Problem(1, 1, "parts lie too deeply within parts; a scenario has few levels")
    if isinstance(error, ReaderError):
        before = text[: error.position]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        return Problem(line, column, f"not YAML: the character {text[error.position]!r} is not allowed in it")
    if not isinstance(error, MarkedYAMLError):
        return Problem(1, 1, f"not YAML: {' '.join(str(error).split())}")
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    said = " ".join(str(error.problem).split())
    if "but found another document" in said:
        return Problem(line, column, "a second document starts here; one file holds one scenario")
    if "mapping values are not allowed" in said:
        said += "; put text that holds a colon in quotes"
    if "\\t" in said or "'\t'" in said:
        said += "; YAML indents with spaces, not tabs"
    return Problem(line, column, f"not YAML: {said}")


def _traps(node: Node, around: tuple[Node, ...] = ()) -> Iterator[Problem]:
    """What YAML readers take for something else than it looks, anywhere below `node`; `around` are the parts it lies in."""
    if any(node is part for part in around):
        yield Problem(*_start(node), "this part contains itself")
    elif isinstance(node, ScalarNode):
        if _is_ambiguous(node):
            yield Problem(*_start(node), _ambiguous(node.value))
    elif isinstance(node, SequenceNode):
        for item in node.value:
            yield from _traps(item, (*around, node))
    elif isinstance(node, MappingNode):
        seen: dict[str, Node] = {}
        for key, value in node.value:
            yield from _key_traps(key, seen)
            if node.flow_style and _is_nothing(value):
                yield Problem(*_start(key), _split(str(key.value)))
            else:
                yield from _traps(value, (*around, node))


def _key_traps(key: Node, seen: dict[str, Node]) -> Iterator[Problem]:
    """Of one key; `seen` are the keys before it."""
    name = str(key.value)
    if name in seen:
        yield Problem(*_start(key), f"`{name}` is given twice; the first is in line {_start(seen[name])[0]}")
    seen[name] = key
    if _is_ambiguous(key):
        yield Problem(
            *_start(key), f'a key `{name}` is {_truth(name)} to some YAML readers; put it in quotes: "{name}"'
        )


def _is_ambiguous(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.style is None and node.value.lower() in _AMBIGUOUS


def _truth(word: str) -> str:
    return "true" if word.lower() in ("yes", "on", "y") else "false"


def _ambiguous(word: str) -> str:
    meaning = _truth(word)
    return (
        f'a bare `{word}` is {meaning} to some YAML readers and text to others; write {meaning}, or "{word}" in quotes'
    )


def _split(name: str) -> str:
    return f'`{name}` has no value: inside {{...}} a comma ends the text before it; put that text in quotes ("..., {name}")'


def _is_nothing(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.value == "" and node.style is None


def _start(node: Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1


def line_of(text: str, where: tuple[str | int, ...]) -> int:
    """The line of what a path of keys leads to in a valid scenario, or of the nearest part around it that is written down."""
    root, _ = _compose(text)
    return _place(root, where, at_key=True)[0] if root is not None else 0


def _place(root: Node, where: tuple[Any, ...], at_key: bool) -> tuple[int, int]:
    node, key = root, root
    for step in where:
        found = _child(node, step)
        if found is not None:
            key, node = found
    return _start(key if at_key or _is_nothing(node) else node)


def _child(node: Node, step: Any) -> tuple[Node, Node] | None:
    """Key and value below `node`; None for a step that is not in the file (the name of a type, or something missing)."""
    if isinstance(node, MappingNode):
        return next(((key, value) for key, value in node.value if str(key.value) == str(step)), None)
    if isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    return None
