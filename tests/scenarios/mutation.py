"""Wrong expectations made of right ones: a harness that never says no proves nothing."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

Expect = dict[str, Any]
DEPENDS_ON_THE_OUTCOME = ("failed_at", "cause", "rollback")
OTHER = {
    "failed_at": lambda event: "AfterAllowTraffic" if event != "AfterAllowTraffic" else "Install",
    "cause": lambda cause: "timeout" if cause != "timeout" else "unhealthy",
}


def mutants(scenario: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(the expectation that is wrong now, the scenario as a journal has it), one for each expectation that can be turned around."""
    versions = [scenario["release"][side]["version"] for side in ("from", "to")]
    for name, expect in _mutants(scenario["expect"], versions):
        yield name, {**scenario, "expect": expect}
    for index, action in enumerate(scenario["during"]):
        changed = deepcopy(scenario)
        changed["during"][index]["error"] = "NoSuchErrorException" if not action.get("error") else "AnotherException"
        yield f"during.{index + 1}", changed


def _mutants(expect: Expect, versions: list[str]) -> Iterator[tuple[str, Expect]]:
    yield "outcome", _other_outcome(expect)
    for name, other in OTHER.items():
        if expect.get(name):
            yield name, {**expect, name: other(expect[name])}
    if expect.get("live_at_end"):
        yield "live_at_end", {**expect, "live_at_end": next(one for one in versions if one != expect["live_at_end"])}
    if expect.get("versions_seen"):
        seen = expect["versions_seen"]
        # After a tenth of v2, seconds of v1 alone can be chance; seconds of v2 alone cannot.
        another = versions[-1] if isinstance(seen[-1], list) else [*versions]
        yield "versions_seen", {**expect, "versions_seen": [*seen, another]}
    for name, users in _users(expect.get("users") or {}):
        yield f"users.{name}", {**expect, "users": users}
    for side in expect.get("exit_codes") or {}:
        yield f"exit_codes.{side}", {**expect, "exit_codes": {**expect["exit_codes"], side: [99]}}
    if (expect.get("websockets") or {}).get("min_cut"):
        yield "websockets.min_cut", {**expect, "websockets": {"min_cut": 10_000}}
    if expect.get("events"):
        yield "events", {**expect, "events": list(reversed(expect["events"]))}


def _other_outcome(expect: Expect) -> Expect:
    kept = {key: value for key, value in expect.items() if key not in DEPENDS_ON_THE_OUTCOME}
    return {**kept, "outcome": "failed" if expect["outcome"] != "failed" else "succeeded"}


def _users(users: Expect) -> Iterator[tuple[str, Expect]]:
    if users.get("max_failed") == 0:
        yield "min_failed", {**users, "min_failed": 1}
    if users.get("min_failed"):
        yield "max_failed", {**users, "max_failed": 0}
    if users.get("failed_with"):
        yield "failed_with", {**users, "failed_with": [599]}
    for name in ("max_unavailable", "max_p50", "max_p95"):
        if users.get(name):
            yield name, {**users, name: "0.1ms"}
