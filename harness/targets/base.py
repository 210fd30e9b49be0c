"""What every target is: a value that says where the API is, what cannot be done there, and how a listener is reached."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from harness.driver import Network
from harness.driver.elbv2 import LoadBalancer
from harness.driver.load_tasks import LoadGround
from harness.scenario import OwnApp, Scenario

RuntimeAsked = Literal["auto", "docker", "process"]
LOOK_EVERY = 0.25  # seconds between two looks of an observer


@dataclass(frozen=True, slots=True, kw_only=True)
class GoAhead:
    """What a person says to the guardrails of the aws target. `yes` with the `account` meant; `rehearsed` False lets a scenario run
    that no local run has met; `deployment` and `region` choose a stack. `passed`: the guardrails of this command were passed."""

    yes: bool = False
    account: str | None = None
    rehearsed: bool = True
    deployment: str | None = None
    region: str | None = None
    passed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the command line asks of a target. `home` is the state directory; `scenarios` tell which images are needed, `app` how
    those of a team's own application are built. `runs` are directories of earlier runs."""

    target: str = "local"
    home: Path
    runtime: RuntimeAsked = "auto"
    endpoint: str | None = None
    scenarios: Sequence[Scenario] = ()
    app: OwnApp | None = None
    go_ahead: GoAhead = GoAhead()
    runs: Sequence[Path] = ()


def nothing(_: int) -> list[Mapping[str, Any]]:
    return []


def all_is_shown(_: Scenario) -> Mapping[str, str]:
    return {}


def unknown(_: str) -> str | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An open target.

    `endpoint` is None for AWS itself. `runtime` says who runs the tasks, `why` why that one. `reach` gives the URL of a load
    balancer's listener as this machine sees it. `waits` gives the emulator's compressed waits after a number, nothing elsewhere.
    `unsupported` says why a scenario cannot run here, None when it can. `executed` tells who executes each service where that is
    not one and the same, in the report's words. `not_shown` names the expectations that cannot be shown here, and why: `users` is
    all of `users.*`.
    `digest` is that of an image (`name:tag`), None where it is not known.
    `load` is what Locust's workers can be tasks of; without it they are processes of this machine.
    `network` is what lies under the scenarios where it is there already; else the driver makes it. `pace` is by how much the
    endpoint's own clock divides AWS's waits, where a run has no say in it. `chain`, `tags`: of the driver's Session. `at_once` is
    how many scenarios run side by side, `look_every` the seconds between two looks of an observer.
    """

    name: str
    region: str
    endpoint: str | None
    runtime: str | None
    why: str = ""
    compresses: bool
    reach: Callable[[LoadBalancer, int], str]
    waits: Callable[[int], list[Mapping[str, Any]]] = nothing
    digest: Callable[[str], str | None] = unknown
    unsupported: Callable[[Scenario], str | None]
    executed: Mapping[str, str] = field(default_factory=dict)
    not_shown: Callable[[Scenario], Mapping[str, str]] = all_is_shown
    network: Network | None = None
    load: LoadGround | None = None
    pace: float | None = None
    chain: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)
    at_once: int | None = None
    look_every: float = LOOK_EVERY
