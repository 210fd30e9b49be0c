"""Listener rules: conditions of every type, weighted forward, fixed response and redirect (C.1, C.2).

A compiled rule is immutable: a change of weights replaces the listener's whole tuple of rules in one assignment.
"""

from __future__ import annotations

import bisect
import ipaddress
import itertools
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import parse_qsl

from harness.emulator.alb import regex, stickiness
from harness.emulator.alb.rewrite import Rewrite
from harness.emulator.alb.stickiness import Sticky
from harness.emulator.alb.targets import Group, Member


class Asked(Protocol):
    """What a condition may look at."""

    arrived: float
    sticky: Sticky | None

    @property
    def method(self) -> bytes: ...
    @property
    def host(self) -> bytes: ...
    @property
    def path(self) -> bytes: ...
    @property
    def query(self) -> bytes: ...
    @property
    def client_ip(self) -> str: ...

    def header(self, name: bytes) -> list[bytes]:
        """Values of a header; `name` in lower case."""


Condition = Callable[[Asked], bool]


@dataclass(frozen=True, slots=True)
class Forward:
    """Groups with a weight over 0, and the running sums that choose among them. Empty: nobody gets anything (503).

    `duration` is of group stickiness, in seconds, 0 where it is off; `tokens` has every group of the rule, weight 0 included.
    """

    groups: tuple[Group, ...]
    sums: tuple[int, ...]
    duration: float = 0.0
    tokens: Mapping[bytes, Group] = field(default_factory=dict)
    only: Group | None = None  # where there is nothing to choose

    def take(self, asked: Asked) -> Member | None:
        """Group, target and count in one step; None where nobody can have the request."""
        group = self.only or (self._remembered(asked) if self.duration else self.choose())
        return group.take(asked) if group is not None else None

    def _remembered(self, asked: Asked) -> Group | None:
        """The group that the client's cookie names, whatever the weights are now, else one by weight (C.2)."""
        given = stickiness.cookies_of(asked)
        token = stickiness.read(given, (stickiness.GROUP, stickiness.CORS[0]), asked.arrived, self.duration)
        group = self.tokens.get(token or b"") or self.choose()
        if group is not None:
            lines = stickiness.written(stickiness.GROUP, group.token, asked.arrived, cors=stickiness.CORS[0])
            asked.sticky = Sticky(lines)
        return group

    def choose(self) -> Group | None:
        """By weight, each request anew: the noise of small samples is real (C.2)."""
        if len(self.groups) == 1:
            return self.groups[0]
        if not self.groups:
            return None
        return self.groups[bisect.bisect_right(self.sums, random.random() * self.sums[-1])]


@dataclass(frozen=True, slots=True)
class FixedResponse:
    status: int
    content_type: str
    body: str


@dataclass(frozen=True, slots=True)
class Redirect:
    status: str
    protocol: str
    host: str
    port: str
    path: str
    query: str

    def location(self, asked: Asked, protocol: str, port: int) -> str:
        """The template with `#{...}` filled in from the request; the port is always in it, also the usual one."""
        host, _, _ = asked.host.decode("latin-1").partition(":")
        own = {
            "protocol": protocol,
            "host": host,
            "port": str(port),
            "path": asked.path.decode("latin-1").lstrip("/"),
            "query": asked.query.decode("latin-1"),
        }

        def fill(template: str) -> str:
            return re.sub(r"#\{(\w+)\}", lambda found: own.get(found[1], found[0]), template)

        scheme, target_port, query = fill(self.protocol).lower(), fill(self.port), fill(self.query)
        return f"{scheme}://{fill(self.host)}:{target_port}{fill(self.path)}{'?' + query if query else ''}"


Action = Forward | FixedResponse | Redirect


@dataclass(frozen=True, slots=True, eq=False)  # metrics count by rule: the very object, not all that is in it
class Rule:
    priority: str
    conditions: tuple[Condition, ...]
    action: Action
    groups: frozenset[str]  # ARNs it forwards to, weight 0 included: they are in use
    rewrite: Rewrite | None = None
    logged: bytes = field(init=False)  # what a line of the access log says of it

    def __post_init__(self) -> None:
        said = f'"rule_priority": "{self.priority}", "actions": "{type(self.action).__name__}"'
        object.__setattr__(self, "logged", said.encode())

    def matches(self, asked: Asked) -> bool:
        return all(condition(asked) for condition in self.conditions)


class RuleUnsupported(ValueError):
    """A rule that the data plane cannot execute; the message names what."""


def compile_rules(raw: Sequence[Mapping[str, Any]], group: Callable[[str], Group]) -> tuple[Rule, ...]:
    """AWS-shaped rules, in order of priority with the default rule last. Raises RuleUnsupported."""
    ordered = sorted(raw, key=lambda one: 1 << 30 if one["Priority"] == "default" else int(one["Priority"]))
    return tuple(_compile(one, group) for one in ordered)


def _compile(raw: Mapping[str, Any], group: Callable[[str], Group]) -> Rule:
    conditions = tuple(_condition(condition) for condition in raw.get("Conditions", []))
    last = max(raw["Actions"], key=lambda action: action.get("Order", 1))
    weights = _weights(last) if last["Type"] == "forward" else {}
    rewrite = Rewrite.of(raw.get("Transforms", ()))
    return Rule(str(raw["Priority"]), conditions, _action(last, weights, group), frozenset(weights), rewrite)


def _weights(action: Mapping[str, Any]) -> dict[str, int]:
    groups = action.get("ForwardConfig", {}).get("TargetGroups") or [{"TargetGroupArn": action["TargetGroupArn"]}]
    return {one["TargetGroupArn"]: int(one.get("Weight", 1)) for one in groups}


def _action(raw: Mapping[str, Any], weights: Mapping[str, int], group: Callable[[str], Group]) -> Action:
    match raw["Type"]:
        case "forward":
            live = {arn: weight for arn, weight in weights.items() if weight > 0}
            tokens = {one.token: one for one in map(group, weights)}
            groups, duration = tuple(map(group, live)), _duration(raw)
            only = groups[0] if len(groups) == 1 and not duration else None
            return Forward(groups, tuple(itertools.accumulate(live.values())), duration, tokens, only)
        case "fixed-response":
            fixed = raw["FixedResponseConfig"]
            return FixedResponse(int(fixed["StatusCode"]), fixed.get("ContentType", ""), fixed.get("MessageBody", ""))
        case "redirect":
            to = raw["RedirectConfig"]
            parts = [to.get(key, own) for key, own in _REDIRECT_DEFAULTS.items()]
            return Redirect(to["StatusCode"], *parts)
    raise RuleUnsupported(f"{raw['Type']} actions are not emulated")


def _duration(action: Mapping[str, Any]) -> float:
    config = action.get("ForwardConfig", {}).get("TargetGroupStickinessConfig") or {}
    return float(config.get("DurationSeconds", 3600)) if config.get("Enabled") else 0.0


_REDIRECT_DEFAULTS = {
    "Protocol": "#{protocol}",
    "Host": "#{host}",
    "Port": "#{port}",
    "Path": "/#{path}",
    "Query": "#{query}",
}


def _pattern(text: str, *, ignore_case: bool) -> re.Pattern[bytes]:
    """`*` is any text, `?` one character; the whole value must match."""
    expression = re.escape(text).replace(r"\*", ".*").replace(r"\?", ".")
    return re.compile(expression.encode("latin-1", "replace"), re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def _any(config: Mapping[str, Any], *, ignore_case: bool) -> Callable[[bytes], bool]:
    """`Values` must match as a whole; `RegexValues` anywhere, unless they say otherwise themselves."""
    fits = [_pattern(value, ignore_case=ignore_case).fullmatch for value in config.get("Values", ())]
    fits += [regex.compiled(value, ignore_case=ignore_case).search for value in config.get("RegexValues", ())]
    return lambda value: any(fit(value) for fit in fits)


def _condition(raw: Mapping[str, Any]) -> Condition:
    field = raw["Field"]
    if (make := _CONDITIONS.get(field)) is None:
        raise RuleUnsupported(f"{field} conditions are not emulated")
    key, build = make
    config = raw.get(key) or {"Values": raw.get("Values", [])}
    return build(config)


def _host(config: Mapping[str, Any]) -> Condition:
    fits = _any(config, ignore_case=True)
    return lambda asked: fits(asked.host.partition(b":")[0])


def _path(config: Mapping[str, Any]) -> Condition:
    fits = _any(config, ignore_case=False)
    return lambda asked: fits(asked.path)


def _method(config: Mapping[str, Any]) -> Condition:
    methods = {value.encode() for value in config["Values"]}
    return lambda asked: asked.method in methods


def _header(config: Mapping[str, Any]) -> Condition:
    name, fits = config["HttpHeaderName"].lower().encode(), _any(config, ignore_case=True)
    return lambda asked: any(fits(value) for value in asked.header(name))


def _query(config: Mapping[str, Any]) -> Condition:
    wanted = [
        (
            _pattern(one["Key"], ignore_case=True) if one.get("Key") else None,
            _pattern(one.get("Value", ""), ignore_case=True),
        )
        for one in config["Values"]
    ]

    def condition(asked: Asked) -> bool:
        pairs = parse_qsl(asked.query, keep_blank_values=True)
        return any(
            (key is None or key.fullmatch(name)) and value.fullmatch(text)
            for key, value in wanted
            for name, text in pairs
        )

    return condition


def _source(config: Mapping[str, Any]) -> Condition:
    networks = [ipaddress.ip_network(value, strict=False) for value in config["Values"]]
    return lambda asked: any(ipaddress.ip_address(asked.client_ip) in network for network in networks)


_CONDITIONS: dict[str, tuple[str, Callable[[Mapping[str, Any]], Condition]]] = {
    "host-header": ("HostHeaderConfig", _host),
    "path-pattern": ("PathPatternConfig", _path),
    "http-request-method": ("HttpRequestMethodConfig", _method),
    "http-header": ("HttpHeaderConfig", _header),
    "query-string": ("QueryStringConfig", _query),
    "source-ip": ("SourceIpConfig", _source),
}
