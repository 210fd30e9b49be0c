"""Placement constraints and strategies, as they are asked for (D.5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.emulator.cloud import not_emulated
from harness.emulator.placement_expressions import BadExpression, Holds, UnknownSubject, parse
from harness.emulator.services.ecs_lookup import invalid

STRATEGIES = {"random": (), "spread": ("instanceid", "host"), "binpack": ("cpu", "memory")}  # type -> fields


def check_wishes(settings: Mapping[str, Any]) -> None:
    """Placement constraints and strategies. Raises InvalidParameterException, or NotImplemented for an expression's subject."""
    for constraint in settings.get("placementConstraints") or ():
        kind, expression = constraint.get("type"), constraint.get("expression")
        if kind == "memberOf" and expression:
            read_expression(expression)
        elif kind != "distinctInstance" or expression:
            raise invalid("A placement constraint is distinctInstance without an expression, or memberOf with one.")
    for strategy in settings.get("placementStrategy") or ():
        kind, field = strategy.get("type"), strategy.get("field") or ""
        if kind not in STRATEGIES:
            raise invalid(f"The placement strategy type {kind} is not valid.")
        by_attribute = kind == "spread" and field.startswith("attribute:")
        if not by_attribute and (field.lower() not in STRATEGIES[kind] if STRATEGIES[kind] else bool(field)):
            raise invalid(f"The field '{field}' is not valid for the placement strategy {kind}.")


def read_expression(text: str) -> Holds:
    """Raises InvalidParameterException, and NotImplemented naming what the expression asks for and is not emulated."""
    try:
        return parse(text)
    except BadExpression as error:
        raise invalid(f"Invalid expression '{text}': {error}.") from error
    except UnknownSubject as error:
        raise not_emulated("ecs", f"an expression with {error}") from error
