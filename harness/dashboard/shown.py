"""A picture as plain JSON values, for the page. Texts are raw: the page writes them as text, never as markup."""

from __future__ import annotations

import dataclasses
from typing import Any

from harness import look
from harness.dashboard.words import WORDS
from harness.expectations import Judgement
from harness.journal import LifecycleSeen
from harness.picture import Picture, Second
from harness.words import EXPECTATIONS

TASKS_SHOWN = 12  # of a side
NEWS_SHOWN = 12


def shown(picture: Picture, now: float) -> dict[str, Any]:
    """`now` is for what goes on; a run that has ended is shown as it was at its end."""
    now = picture.at if picture.ended else now
    failures = picture.failures()
    return {
        **_head(picture, now),
        "listeners": _listeners(picture),
        "sides": {side: _side(picture, side) for side in ("blue", "green")},
        "lifecycle": [_event(one, now) for one in picture.events],
        "clocks": _dict(picture.clocks(now)),
        "deployment_clock": _dict(picture.deployment_clock(now)),
        "deployments": [
            {"id": one.id, "status": one.status, "rollback": one.rollback_of is not None, "error": one.error_code}
            for one in picture.deployments.values()
        ],
        "alarms": [{"name": one.name, "state": one.state, "reason": one.reason} for one in picture.alarms.values()],
        "users": _users(picture, now),
        "news": [one for one in reversed(picture.news) if one not in failures][:NEWS_SHOWN],
        "failures": failures,
    }


def _head(picture: Picture, now: float) -> dict[str, Any]:
    run, scenario, first = picture.run, picture.scenario, next(iter(picture.deployments.values()), None)
    zero = (first.started or first.created or first.at) if first else (run.at if run else now)
    return {
        "now": now,
        "zero": zero,
        "scenario": scenario.id if scenario else "",
        "title": scenario.title.model_dump(mode="json") if scenario else {"en": "", "ko": ""},
        "versions": scenario.versions if scenario else {},
        "config": first.config if first else "",
        "target": run.target if run else "",
        "runtime": run.runtime if run else None,
        "compression": run.compression if run else 1.0,
        "endpoint": picture.provisioned.endpoint if picture.provisioned else None,
        "phase": picture.phase,
        "doing": picture.doing,
        "ended": picture.ended is not None,
        "complete": bool(picture.ended and picture.ended.complete),
        "troubles": list(picture.troubles),
    }


def _listeners(picture: Picture) -> dict[str, Any]:
    urls = picture.provisioned.listeners if picture.provisioned else {}
    routes = {*urls, *picture.weights}
    return {
        route: {"url": urls.get(route, ""), "weights": _weights(picture, route)}
        for route in ("production", "test")
        if route in routes
    }


def _weights(picture: Picture, route: str) -> dict[str, float] | None:
    seen = picture.weights.get(route)
    return None if seen is None else {"blue": seen[0], "green": seen[1]}


def _side(picture: Picture, side: str) -> dict[str, Any]:
    """A target group, its task set, and its tasks with the health of the target that each is."""
    health = picture.targets.get(side)
    targets = health.targets if health else {}
    by_address = {target.rpartition(":")[0]: state for target, state in targets.items()}
    tasks = [one for one in picture.tasks.values() if one.side == side]
    sets = [one for one in picture.task_sets.values() if one.side == side]
    return {
        "version": picture.scenario.versions.get(side, "") if picture.scenario else "",
        "states": health.states if health else {},
        "reasons": list(health.reasons) if health else [],
        "task_set": {"status": sets[-1].status, "desired": sets[-1].desired, "running": sets[-1].running}
        if sets
        else None,
        "tasks": [
            {
                "id": one.task,
                "version": one.version,
                "status": one.status,
                "health": by_address.get(one.address or ""),
            }
            for one in tasks[-TASKS_SHOWN:]
        ],
        "more": max(0, len(tasks) - TASKS_SHOWN),
        "stopped": sum(one.side == side for one in picture.stopped),
    }


def _event(one: LifecycleSeen, now: float) -> dict[str, Any]:
    until = one.ended or (now if one.status == "InProgress" else None)
    seconds = None if one.started is None or until is None else max(0.0, until - one.started)
    return {"name": one.name, "status": one.status, "seconds": seconds, "diagnostics": one.diagnostics}


def _users(picture: Picture, now: float) -> dict[str, Any]:
    users = picture.users
    return {
        "requests": users.requests,
        "failed": users.failed,
        "gap": users.gap(now),
        "rate": 0.0 if picture.ended else users.rate(now),
        "asked": picture.scenario.traffic.rate if picture.scenario else 0.0,
        "seconds": [_second(one) for one in users.seconds],
    }


def _second(one: Second) -> tuple[int, int, int, int, int]:
    return one.at, one.blue, one.green, one.nobody, one.failed


def _dict(clocked: Any) -> dict[str, Any] | None:
    return None if clocked is None else dataclasses.asdict(clocked)


def _label(expectation: str) -> dict[str, str]:
    found = EXPECTATIONS.get(expectation)
    return {"en": found.en, "ko": found.ko} if found else {"en": expectation, "ko": expectation}


def judged(judgement: Judgement) -> dict[str, Any]:
    return {
        "verdict": judgement.verdict,
        "outcome": judgement.outcome,
        "why": judgement.why,
        "results": [dataclasses.asdict(one) | {"label": _label(one.name)} for one in judgement.results],
    }


def appearance() -> dict[str, Any]:
    """Symbols and words, for the page's scripts."""
    tables = {
        name: {key: {"symbol": one.symbol, "en": one.en, "ko": one.ko} for key, one in table.items()}
        for name, table in look.TABLES.items()
    }
    phases = {name: {"en": one.en, "ko": one.ko} for name, one in look.PHASES.items()}
    words = {name: {"en": one.en, "ko": one.ko} for name, one in WORDS.items()}
    return {**tables, "phase": phases, "moment": look.MOMENTS, "words": words}


def stylesheet() -> str:
    """The colours as custom properties, light and dark."""
    tables = {f"{table}-{key}": one for table, looks in look.TABLES.items() for key, one in looks.items()}
    light = "".join(f"--{name}:{one.light};" for name, one in tables.items())
    dark = "".join(f"--{name}:{one.dark};" for name, one in tables.items())
    light += f"--failed:{look.FAILURE.light};"
    dark += f"--failed:{look.FAILURE.dark};"
    return f":root{{{light}}}\n@media (prefers-color-scheme:dark){{:root{{{dark}}}}}\n"
