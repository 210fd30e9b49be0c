"""Lifecycle hook functions: one generic handler, told by its environment what to check."""

from __future__ import annotations

import json
from typing import Any

from harness.driver.hook_function import package
from harness.driver.session import Session
from harness.driver.undo import Undo
from harness.driver.wait import until
from harness.scenario import Hook

TIMEOUT = 120  # seconds; far below CodeDeploy's hour (A.7)


def rule(hook: Hook, listener_url: str) -> dict[str, Any]:
    """What the function's RULES hold for one check, or for one that never calls back."""
    if hook.get is None:
        return {"never_calls_back": True} if hook.never_calls_back else {}
    told: dict[str, Any] = {"url": listener_url.rstrip("/") + hook.get, "status": hook.status, "repeat": hook.repeat}
    if hook.never_calls_back:
        told["never_calls_back"] = True
    return told if hook.json_ is None else {**told, "json": hook.json_}


def create_hook_function(session: Session, undo: Undo, name: str, role: str, rules: list[dict[str, Any]]) -> str:
    undo.later(f"function {name}", lambda: session.call("lambda", "delete_function", FunctionName=name))
    session.call(
        "lambda",
        "create_function",
        FunctionName=name,
        Runtime="python3.12",
        Role=role,
        Handler=package.HANDLER,
        Code={"ZipFile": package.zipped()},
        Timeout=TIMEOUT,
        MemorySize=128,
        Environment={"Variables": {"RULES": json.dumps(rules)}},
        Tags=session.tags,
    )
    until(
        lambda: session.call("lambda", "get_function_configuration", FunctionName=name),
        within=120,
        waiting_for=f"function {name} to be active",
        done=lambda seen: seen.get("State", "Active") == "Active",
    )
    return name
