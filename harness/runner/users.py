"""The simulated users of a scenario, as options of the probe."""

from __future__ import annotations

import json

from harness.scenario import Scenario


def options(scenario: Scenario) -> list[str]:
    """Of `python -m harness.probe`, beside url, rate, timeout and host."""
    traffic, told = scenario.traffic, scenario.service.version_from
    words = []
    if traffic.requests:
        words += ["--requests", json.dumps([one.model_dump(exclude_none=True) for one in traffic.requests])]
    if traffic.sessions:
        words += ["--sessions", str(traffic.sessions)]
    if traffic.websockets:
        words += ["--websockets", str(traffic.websockets.count), "--websocket-path", traffic.websockets.path]
    words += ["--version-header", told.header] if told.header else ["--version-json", str(told.json_)]
    return words
