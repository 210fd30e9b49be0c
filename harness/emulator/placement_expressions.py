"""The expressions of `memberOf` constraints and of ListContainerInstances' filter: ECS's cluster query language.

    attribute:ecs.instance-type =~ t3.* and not (attribute:stack == test)

A parsed expression is a function of an instance's facts: subject -> its values. Subjects that are not known here are refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping

Facts = Mapping[str, Collection[str]]
Holds = Callable[[Facts], bool]
TOKEN = re.compile(r"\s*(&&|\|\||[=!]=|[=!]~|>=|<=|[><!()\[\],]|[^\s()\[\],<>&|!=~]+)")
SUBJECTS = ("ec2InstanceId", "agentConnected", "runningTasksCount", "task:group")
WORDS = {"equals": "==", "not_equals": "!=", "matches": "=~", "not_matches": "!~", "and": "&&", "or": "||", "not": "!"}
WORDS |= {"greater_than": ">", "greater_than_equal": ">=", "less_than": "<", "less_than_equal": "<="}
ORDERED: Mapping[str, Callable[[float, float], bool]] = {
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
}


class BadExpression(Exception):
    """It cannot be read; the message says where."""


class UnknownSubject(Exception):
    """An expression about something that is not emulated; the message is the subject."""


def parse(text: str) -> Holds:
    """Raises BadExpression and UnknownSubject."""
    parser = _Parser(_tokens(text))
    holds = parser.either()
    if parser.left:
        raise BadExpression(f"'{parser.left[0]}' is not expected there")
    return holds


def _tokens(text: str) -> list[str]:
    tokens, at, text = [], 0, text.strip()
    while at < len(text):
        found = TOKEN.match(text, at)
        if found is None:
            raise BadExpression(f"'{text[at:]}' cannot be read")
        tokens.append(WORDS.get(found[1], found[1]))
        at = found.end()
    return tokens


class _Parser:
    """Recursive descent; `left` is what has not been read yet."""

    def __init__(self, tokens: list[str]) -> None:
        self.left = tokens

    def either(self) -> Holds:
        parts = [self.both()]
        while self._next_is("||"):
            parts.append(self.both())
        return lambda facts: any(part(facts) for part in parts)

    def both(self) -> Holds:
        parts = [self.one()]
        while self._next_is("&&"):
            parts.append(self.one())
        return lambda facts: all(part(facts) for part in parts)

    def one(self) -> Holds:
        if self._next_is("!"):
            denied = self.one()
            return lambda facts: not denied(facts)
        if self._next_is("("):
            inner = self.either()
            self._expect(")")
            return inner
        return self._test(self._take())

    def _test(self, subject: str) -> Holds:
        if not subject.startswith("attribute:") and subject not in SUBJECTS:
            raise UnknownSubject(subject)
        operator = self._take()
        if operator == "!" or operator == "not_exists":
            if operator == "!":
                self._expect("exists")
            return lambda facts: not facts.get(subject)
        if operator == "exists":
            return lambda facts: bool(facts.get(subject))
        if operator in ("in", "not_in"):
            wanted = self._list()
            return lambda facts: (operator == "in") == any(value in wanted for value in facts.get(subject, ()))
        return _compare(subject, operator, self._take())

    def _list(self) -> list[str]:
        self._expect("[")
        values = [self._take()]
        while self._next_is(","):
            values.append(self._take())
        self._expect("]")
        return values

    def _take(self) -> str:
        if not self.left:
            raise BadExpression("it ends too early")
        return self.left.pop(0)

    def _next_is(self, token: str) -> bool:
        if self.left and self.left[0] == token:
            self.left.pop(0)
            return True
        return False

    def _expect(self, token: str) -> None:
        if not self._next_is(token):
            raise BadExpression(f"'{token}' is missing before '{' '.join(self.left)}'")


def _compare(subject: str, operator: str, argument: str) -> Holds:
    if operator in ("==", "!="):
        return lambda facts: (operator == "==") == (argument in facts.get(subject, ()))
    if operator in ("=~", "!~"):
        pattern = _pattern(argument)
        return lambda facts: (operator == "=~") == any(pattern.search(value) for value in facts.get(subject, ()))
    if operator in ORDERED:
        compare, limit = ORDERED[operator], _number(argument)
        return lambda facts: any(compare(_number(value), limit) for value in facts.get(subject, ()))
    raise BadExpression(f"'{operator}' is not an operator")


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise BadExpression(f"'{text}' is not a pattern: {error}") from error


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise BadExpression(f"'{text}' is not a number") from error
