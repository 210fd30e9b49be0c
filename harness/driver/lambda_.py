"""Lifecycle hook functions: one generic handler, told by its environment what to check."""

from __future__ import annotations

import json
from typing import Any

from harness.driver.hook_function import package
from harness.driver.network import Network
from harness.driver.session import Session
from harness.driver.undo import Undo
from harness.driver.wait import until
from harness.scenario import Hook

LOG_GROUP = "/aws/lambda/{function}"  # Lambda makes it, untagged, when the function first runs
TIMEOUT = 120  # seconds; far below CodeDeploy's hour (A.7)


def rule(hook: Hook, listener_url: str, host: str | None = None) -> dict[str, Any]:
    """What the function's RULES hold for one check, or for one that never calls back. `host` is sent where the URL is an address."""
    if hook.get is None:
        return {"never_calls_back": True} if hook.never_calls_back else {}
    told: dict[str, Any] = {"url": listener_url.rstrip("/") + hook.get, "status": hook.status, "repeat": hook.repeat}
    if host is not None:
        told["host"] = host
    if hook.never_calls_back:
        told["never_calls_back"] = True
    return told if hook.json_ is None else {**told, "json": hook.json_}


def create_hook_function(
    session: Session, undo: Undo, name: str, role: str, network: Network, rules: list[dict[str, Any]]
) -> str:
    """Inside the VPC where `network` has subnets for it; what Lambda then logs goes when the function goes."""
    inside: dict[str, Any] = {}
    if network.hook_subnets:
        inside["VpcConfig"] = {
            "SubnetIds": list(network.hook_subnets),
            "SecurityGroupIds": [network.hook_security_group],
        }
        group = LOG_GROUP.format(function=name)
        undo.later(f"log group {group}", lambda: session.call("logs", "delete_log_group", logGroupName=group))
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
        **inside,
    )
    until(
        lambda: session.call("lambda", "get_function_configuration", FunctionName=name),
        within=120,
        waiting_for=f"function {name} to be active",
        done=lambda seen: seen.get("State", "Active") == "Active",
        every=0.5,
    )
    return name
