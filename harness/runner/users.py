"""The simulated users of a scenario: by one probe, or by Locust's workers, which are processes here or tasks of ECS."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from harness.driver import Stack, elbv2
from harness.driver.elbv2 import PRODUCTION_PORT
from harness.driver.load_tasks import LoadGround
from harness.load.feed import LocustFeed
from harness.load.plan import Plan
from harness.probe.asks import Ask
from harness.probe.client import Options
from harness.probe.feed import Feed, Line, LineFeed
from harness.runner.ecs_feed import EcsFeed
from harness.scenario import Scenario

FIRST_ANSWER_WITHIN = 30.0
WORKERS_COME_WITHIN = 150.0  # the master's patience with workers from elsewhere, and theirs with the first answer


def feed(
    scenario: Scenario, url: str, host: str, on_line: Callable[[Line], None], *, home: Path, listen: str | None
) -> LineFeed:
    """Traffic for the listener at `url`, whose requests name `host`. `listen` is where Locust waits for workers from elsewhere."""
    traffic = scenario.traffic
    if traffic.engine == "locust":
        return LocustFeed(plan(scenario, url, host), on_line=on_line, home=home, listen=listen)
    return Feed(
        url + traffic.path,
        rate=traffic.rate,
        timeout=traffic.timeout,
        on_line=on_line,
        host_header=host,
        more=options(scenario),
    )


def feed_on_ecs(
    scenario: Scenario, stack: Stack, ground: LoadGround, on_line: Callable[[Line], None], *, seconds: float
) -> EcsFeed:
    """The same, by tasks of the stack: they reach the load balancer by its private addresses, as its security group knows them."""
    balancer, session = stack.load_balancer, stack.session

    def asked() -> Plan:
        addresses = elbv2.private_addresses(session, balancer)
        listeners = tuple(ground.way(one, PRODUCTION_PORT) for one in addresses)
        return replace(plan(scenario, stack.url(PRODUCTION_PORT), balancer.dns_name), listeners=listeners)

    return EcsFeed(asked, session, ground, seconds=seconds, on_line=on_line)


def plan(scenario: Scenario, url: str, host: str) -> Plan:
    traffic, told, listener = scenario.traffic, scenario.service.version_from, urlsplit(url)
    asked = Options(
        host=listener.hostname or "",
        port=listener.port or 80,
        host_header=host,
        asks=tuple(Ask(**one.model_dump()) for one in traffic.asked),
        rate=traffic.rate,
        timeout=traffic.timeout,
        sessions=traffic.sessions or 0,
        version_header=told.header or "",
        version_json=tuple(told.json_.split(".")) if told.json_ and not told.header else (),
    )
    return Plan(asked, traffic.shared_by)


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
