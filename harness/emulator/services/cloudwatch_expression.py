"""The grammar of metric math: an expression's text as a tree. What it means is in cloudwatch_math.py."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from harness.emulator.cloud import AwsError

LONGEST, MOST_PARTS, DEEPEST = (
    2048,
    1000,
    50,
)  # characters (AWS's limit), tokens, and nesting: the tree is walked recursively
TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\.\d+)|(?P<name>[A-Za-z_]\w*)|(?P<text>\"[^\"]*\"|'[^']*')"
    r"|(?P<sign><=|>=|==|!=|&&|\|\||[-+*/^<>(),\[\]]))",
    re.ASCII,
)
LEVELS: tuple[tuple[str, ...], ...] = (
    ("OR", "||"),
    ("AND", "&&"),
    ("==", "!=", "<", ">", "<=", ">="),
    ("+", "-"),
    ("*", "/"),
)
WORDS = ("AND", "OR")


@dataclass(frozen=True, slots=True)
class Number:
    value: float


@dataclass(frozen=True, slots=True)
class Text:
    value: str


@dataclass(frozen=True, slots=True)
class Name:
    id: str


@dataclass(frozen=True, slots=True)
class Binary:
    sign: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Negative:
    of: Node


@dataclass(frozen=True, slots=True)
class Array:
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Call:
    function: str
    arguments: tuple[Node, ...]


Node = Number | Text | Name | Binary | Negative | Array | Call


def invalid(text: str, why: str) -> AwsError:
    return AwsError("ValidationError", f"Error in expression '{text}': {why}")


def read(text: str) -> Node:
    """The expression as a tree. Raises AwsError(ValidationError) that says what is wrong."""
    if len(text) > LONGEST:
        raise invalid(f"{text[:40]}...", f"it has more than {LONGEST} characters")
    return _Reader(text).whole()


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(self._split())
        self._next = self._depth = 0
        if len(self._tokens) > MOST_PARTS:
            raise self._wrong(f"it has more than {MOST_PARTS} parts")

    def _split(self) -> Iterator[tuple[str, str]]:
        at, text = 0, self._text.rstrip()
        while at < len(text):
            found = TOKEN.match(text, at)
            if found is None:
                raise self._wrong(f"unexpected '{text[at:].lstrip()[0]}'")
            kind = str(found.lastgroup)
            yield ("sign" if found[kind] in WORDS else kind, found[kind])
            at = found.end()

    def whole(self) -> Node:
        node = self._level(0)
        if self._next < len(self._tokens):
            raise self._wrong(f"unexpected '{self._tokens[self._next][1]}'")
        return node

    def _level(self, level: int) -> Node:
        if level == len(LEVELS):
            return self._power()
        node = self._level(level + 1)
        while (sign := self._sign(*LEVELS[level])) is not None:
            node = Binary({"||": "OR", "&&": "AND"}.get(sign, sign), node, self._level(level + 1))
        return node

    def _power(self) -> Node:
        """Everything that nests passes here."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._wrong(f"it is nested more than {DEEPEST} deep")
        if self._sign("-"):
            node: Node = Negative(self._power())
        else:
            node = self._atom()
            if self._sign("^"):
                node = Binary("^", node, self._power())
        self._depth -= 1
        return node

    def _atom(self) -> Node:
        if self._sign("("):
            node = self._level(0)
            self._expect(")")
            return node
        if self._sign("["):
            return Array(self._list("]"))
        kind, word = self._take()
        match kind:
            case "number":
                return Number(float(word))
            case "text":
                return Text(word[1:-1])
            case "name" if self._sign("("):
                return Call(word, self._list(")"))
            case "name":
                return Name(word)
        raise self._wrong(f"unexpected '{word}'")

    def _list(self, end: str) -> tuple[Node, ...]:
        if self._sign(end):
            return ()
        items = [self._level(0)]
        while self._sign(","):
            items.append(self._level(0))
        self._expect(end)
        return tuple(items)

    def _sign(self, *signs: str) -> str | None:
        if self._next < len(self._tokens) and self._tokens[self._next] in [("sign", sign) for sign in signs]:
            self._next += 1
            return self._tokens[self._next - 1][1]
        return None

    def _expect(self, sign: str) -> None:
        if not self._sign(sign):
            raise self._wrong(f"'{sign}' is missing")

    def _take(self) -> tuple[str, str]:
        if self._next == len(self._tokens):
            raise self._wrong("it ends too early")
        self._next += 1
        return self._tokens[self._next - 1]

    def _wrong(self, why: str) -> AwsError:
        return invalid(self._text, why)


def nodes(node: Node) -> Iterator[Node]:
    """The node and everything below it."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        yield node
        match node:
            case Binary(left=left, right=right):
                waiting += [left, right]
            case Negative(of=of):
                waiting.append(of)
            case Array(items=parts) | Call(arguments=parts):
                waiting += parts
