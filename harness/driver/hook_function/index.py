"""A lifecycle hook function (A.7): asks the service what RULES say and tells CodeDeploy whether it answered as it should.

It runs in Lambda, or in the emulator, with nothing of this project beside it: the standard library and boto3 only.
RULES is a JSON list of {"url", "status", "repeat", "json" (a part of the body), "header" ({name: value}), "host", "timeout"}; one
without a "url" checks nothing, and after one with "never_calls_back" CodeDeploy is told nothing.
"""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from typing import Any

import boto3


def handler(event: dict[str, str], context: object) -> None:
    """`event` is {"DeploymentId", "LifecycleEventHookExecutionId"}; the answer is the call to CodeDeploy, not a return value."""
    rules = json.loads(os.environ["RULES"])
    problem = next((found for rule in rules if "url" in rule and (found := broken(rule))), None)
    print(f"FAIL {problem}" if problem else "PASS")
    if any(rule.get("never_calls_back") for rule in rules):
        return
    boto3.client("codedeploy").put_lifecycle_event_hook_execution_status(
        deploymentId=event["DeploymentId"],
        lifecycleEventHookExecutionId=event["LifecycleEventHookExecutionId"],
        status="Failed" if problem else "Succeeded",
    )


def broken(rule: dict[str, Any]) -> str | None:
    """How the service breaks the rule, None where it keeps it."""
    for attempt in range(1, rule.get("repeat", 1) + 1):
        try:
            status, headers, body = ask(rule)
        except OSError as error:
            return f"{rule['url']} (request {attempt}): no answer: {error}"
        if problem := difference(rule, status, headers, body):
            return f"{rule['url']} (request {attempt}): {problem}"
    return None


def ask(rule: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    """Status, headers (lower case) and body; a redirect is an answer like any other."""
    request = urllib.request.Request(rule["url"], headers={"User-Agent": "rehearse-hook", "Accept": "application/json"})
    if "host" in rule:
        request.add_header("Host", rule["host"])
    try:
        answer = _OPENER.open(request, timeout=rule.get("timeout", 10))
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        return answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.read()


def difference(rule: dict[str, Any], status: int, headers: dict[str, str], body: bytes) -> str | None:
    if status != rule["status"]:
        return f"status {status}, expected {rule['status']}"
    for name, value in rule.get("header", {}).items():
        if headers.get(name.lower()) != value:
            return f"header {name} is {headers.get(name.lower())!r}, expected {value!r}"
    if "json" not in rule:
        return None
    try:
        found = json.loads(body)
    except ValueError:
        return f"the body is not JSON: {body[:200]!r}"
    return None if contains(found, rule["json"]) else f"the body is {body[:200]!r}, expected {rule['json']} in it"


def contains(found: Any, expected: Any) -> bool:
    """Whether every member of `expected` is in `found`, at any depth."""
    if isinstance(expected, dict):
        return isinstance(found, dict) and all(
            name in found and contains(found[name], value) for name, value in expected.items()
        )
    return bool(found == expected)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


# No proxy: the listener is what is asked, nothing in between.
_OPENER = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler({}))
