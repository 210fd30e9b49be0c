"""The localstack target: LocalStack for every service that it really executes, our emulator in front of it for the rest.

A scenario always runs whole. Clients talk to our emulator (`--delegate`); where LocalStack's ECS and load balancer stand the trial,
they run the tasks and the traffic, and our CodeDeploy drives them through their public operations (`--drive`).
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal
from urllib.parse import quote, urlsplit

from harness.driver.elbv2 import LoadBalancer
from harness.errors import TargetUnavailable, UsageError
from harness.scenario import Scenario
from harness.targets import emulators, local
from harness.targets.base import Asked, Target
from harness.targets.localstack import canary, container, core, endpoint
from harness.targets.localstack.canary import Canary
from harness.targets.localstack.endpoint import TOKEN, LocalStack
from harness.targets.localstack.survey import Finding, Survey, survey

EMULATOR = "executed by the emulator"
DRIVEN = ("ecs", "elbv2")
NOT_INSTALLED = (
    "the localstack target needs localstack-client and testcontainers, which are not installed: make setup EXTRA=localstack, "
    "elsewhere pip install 'rehearse[localstack]'"
)
TARGET_5XX = ("outcome", "failed_at", "cause", "rollback", "versions_seen", "live_at_end")


@dataclass(frozen=True, slots=True)
class Composition:
    """A LocalStack, what it executes, and whether it runs tasks and traffic as well; `why` is told to the user."""

    found: Survey
    trial: Canary
    drives: bool
    why: str

    @property
    def localstack(self) -> LocalStack:
        return self.found.localstack


@contextmanager
def opened(asked: Asked) -> Iterator[Target]:
    """Find or start LocalStack, survey it, and put our emulator in front of it. Raises HarnessError."""
    with reached(asked) as (localstack, origin):
        made = composed(localstack, wants_processes=asked.runtime == "process")
        runtime, why = local.choose_runtime("docker" if made.drives else asked.runtime)
        local.build_images(asked.home, runtime, asked.scenarios)
        with local.started(asked.home, runtime, *options(made)) as url:
            status = emulators.ask(url, "/_rehearsal/status")
            yield target(made, asked.home, url, runtime, f"{why}; {origin}; {made.why}", status["services"])


@contextmanager
def reached(asked: Asked) -> Iterator[tuple[LocalStack, str]]:
    """One that is running, else one of our own, ready; and a word on which. Raises HarnessError with what is missing."""
    need_extra()
    where = endpoint.place(asked.endpoint)
    try:
        localstack = endpoint.identify(where)
    except (endpoint.NothingListens, endpoint.NotLocalStack) as error:
        if where.given:
            raise
        with _started(asked.home, error) as (url, how):
            localstack = endpoint.identify(endpoint.Place(url, how))
            endpoint.wait_until_ready(localstack)
            yield localstack, f"{localstack.name} started as {how}"
    else:
        endpoint.wait_until_ready(localstack)
        yield localstack, f"{localstack.name} at {localstack.url}"


def need_extra() -> None:
    """Raises UsageError where the packages of this target alone are not installed."""
    if any(importlib.util.find_spec(name) is None for name in ("localstack_client", "testcontainers")):
        raise UsageError(NOT_INSTALLED)


# ---- starting one


Way = Literal["container", "core"]


def choose_way(*, token: bool, engine: tuple[bool, str], python: Path | None) -> Way:
    """How LocalStack is started here. Raises TargetUnavailable with exactly what is missing."""
    if token and engine[0]:
        return "container"
    if python is not None:
        return "core"
    lacking = [] if token else [f"{TOKEN} is not set"]
    lacking += [] if engine[0] else [engine[1]]
    raise TargetUnavailable(
        f"LocalStack does not run and cannot be started here. For its container: {' and '.join(lacking)}. "
        "For localstack-core, which needs neither: there is no Python 3.13 (PYTHON313, python3.13 on the PATH, pyenv's versions)"
    )


@contextmanager
def _started(home: Path, nothing: TargetUnavailable) -> Iterator[tuple[str, str]]:
    token, engine = os.environ.get(TOKEN, ""), container.engine()
    python = core.find_python()
    try:
        way = choose_way(token=bool(token), engine=engine, python=python)
    except TargetUnavailable as error:
        raise TargetUnavailable(f"{nothing}. {error}") from error
    if way == "container":
        with container.started(home, token) as url:
            yield url, f"{container.IMAGE} ({engine[1]})"
    else:
        assert python is not None
        with core.started(home, python) as url:
            yield url, f"localstack-core {core.VERSION}, without a token"


def sweep(home: Path) -> list[str]:
    """Stop every LocalStack of `home` whose run is gone; one line for each."""
    return core.sweep(home) + container.sweep(home)


# ---- putting it together


def composed(localstack: LocalStack, *, wants_processes: bool = False) -> Composition:
    """Survey it, and try its load balancer where it has one. Raises TargetUnavailable where it is of no use at all."""
    found = survey(localstack)
    lacking = [service for service in DRIVEN if not found.executes(service)]
    if lacking:
        states = ", ".join(f"{service} {found.findings[service].state}" for service in lacking)
        return Composition(found, Canary("not tried"), False, f"ECS and load balancer are the emulator's ({states})")
    trial = canary.sing(localstack, container.gateway_of(urlsplit(localstack.url).port or 0) or "127.0.0.1")
    if trial.wrong:
        broken = Finding("elbv2", "broken", trial.wrong)
        found = replace(found, findings={**found.findings, "elbv2": broken})
        return Composition(found, trial, False, f"ECS and load balancer are the emulator's: {trial.wrong}")
    if wants_processes:
        return Composition(found, trial, False, "ECS and load balancer are the emulator's: LocalStack has no processes")
    return Composition(found, trial, True, f"ECS and load balancer are {localstack.name}'s")


def options(made: Composition) -> list[str]:
    """Of our emulator."""
    drive = ["--drive", f"{','.join(DRIVEN)}={made.localstack.url}"] if made.drives else []
    return ["--delegate", made.localstack.url, *drive]


def target(made: Composition, home: Path, url: str, runtime: str, why: str, ours: list[str]) -> Target:
    plain = local.target(home, url, runtime, why)
    return replace(
        plain,
        name="localstack",
        reach=_reach(url) if made.drives else plain.reach,
        unsupported=lambda scenario: plain.unsupported(scenario) or unsupported(made, scenario),
        executed=executed(made.found, ours),
        not_shown=lambda scenario: not_shown(made, scenario),
    )


def _reach(url: str) -> Callable[[LoadBalancer, int], str]:
    def reach(load_balancer: LoadBalancer, port: int) -> str:
        """A port of our emulator, which passes on to LocalStack's load balancer and counts."""
        query = f"load_balancer={quote(load_balancer.arn, safe='')}&port={port}"
        return str(emulators.ask(url, f"/_rehearsal/listener?{query}")["url"])

    return reach


def executed(found: Survey, ours: list[str]) -> dict[str, str]:
    """Service to who executes it, in the report's words. `ours` are the emulator's services in this composition."""
    by_localstack = f"executed by {found.localstack.name}"
    words = {"executed": by_localstack, "mocked": f"mocked by {found.localstack.name}"}
    told = {}
    for service, finding in found.findings.items():
        if service not in ours:
            told[service] = words.get(finding.state, f"unsupported ({finding.state} in {found.localstack.name})")
        elif finding.state == "mocked":
            told[service] = f"{EMULATOR} ({words['mocked']})"
        else:
            told[service] = EMULATOR
    return told


def unsupported(made: Composition, scenario: Scenario) -> str | None:
    """Why the scenario cannot run in this composition, though it can on the local target."""
    if made.drives and scenario.deploy.controller == "ecs":
        return f"{made.why}, and whether its ECS executes a blue/green deployment of its own (controller: ecs) is not known"
    return None


def not_shown(made: Composition, scenario: Scenario) -> Mapping[str, str]:
    """Expectations of a scenario that this composition cannot show, and why."""
    if not made.drives:
        return {}
    name, cannot = made.localstack.name, dict[str, str]()
    if scenario.deploy.alarms and not made.trial.marks_own_answers:
        why = f"{name}'s load balancer does not mark its own answers, so a target's 5xx, which the alarm counts, is not known from its own"
        cannot |= dict.fromkeys(TARGET_5XX, why)
    if not made.trial.drains:
        cannot["users"] = f"{name}'s load balancer cuts requests in flight when a target is deregistered"
    return cannot


# ---- for `rehearse doctor`


def served_by(finding: Finding, ours: list[str], localstack: LocalStack) -> str:
    if finding.service in ours:
        return "the emulator"
    return localstack.name if finding.state in ("executed", "mocked") else "nobody"
