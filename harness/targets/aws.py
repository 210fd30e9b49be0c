"""The aws target: stacks that `rehearse aws up` made, in an account whose guardrails were passed. Nothing is compressed.

Where the API is an emulator of ours (`--endpoint`, AWS_ENDPOINT_URL) the same code runs, under another name, so that no report calls
it AWS. Only how a listener is reached differs, and the emulator's own clock may be a fast one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from harness import images
from harness.aws import found, ground, guards, plan, prices, settings
from harness.aws import images as pushing
from harness.aws.found import DEPLOYMENT, EXPIRES, OWNER, Deployment
from harness.aws.guards import Facts
from harness.aws.settings import AwsSettings
from harness.clock import utc
from harness.driver import Session
from harness.driver.elbv2 import LoadBalancer
from harness.driver.load_tasks import Way
from harness.errors import TargetUnavailable, UsageError
from harness.scenario import Scenario
from harness.targets import base, emulators, local
from harness.targets.base import Asked, GoAhead, Target, nothing

EMULATED = "aws-on-emulator"
NEEDED = {"self-destruct", "registry", "roles", "network", "cluster"}
LOOK_EVERY = 1.0  # of an observer: AWS counts requests


@dataclass(frozen=True, slots=True)
class Place:
    """Where the API is. `endpoint` is None for AWS; `status` is what an emulator of ours says of itself."""

    endpoint: str | None
    status: Mapping[str, Any] | None

    @property
    def name(self) -> str:
        return "aws" if self.endpoint is None else EMULATED

    @property
    def runtime(self) -> str:
        """Who makes images here: AWS takes containers alone."""
        return "docker" if self.status is None else str(self.status["runtime"])


def place(endpoint: str | None) -> Place:
    """Raises TargetUnavailable for an endpoint that is neither AWS nor an emulator of ours, UsageError for a half of one."""
    given = endpoint or os.environ.get("AWS_ENDPOINT_URL") or None
    halves = sorted(name for name in os.environ if name.startswith("AWS_ENDPOINT_URL_"))
    if halves:
        raise UsageError(f"{', '.join(halves)} would send some calls elsewhere: unset it, AWS is whole or not at all")
    if given is None:
        return Place(None, None)
    return Place(given.rstrip("/"), emulators.ask(given, "/_rehearsal/status"))


def session_at(where: Place, region: str, tags: Mapping[str, str] | None = None) -> Session:
    """Raises UsageError where the shell's profile leads elsewhere than to AWS."""
    made = Session(region=region, endpoint=where.endpoint, run_id="aws", chain=chain(where), tags=tags)
    if where.endpoint is None:
        host = urlsplit(made.client("sts").meta.endpoint_url).hostname or ""
        if not host.endswith((".amazonaws.com", ".amazonaws.com.cn")):
            made.close()
            raise UsageError(
                f"the profile's endpoint_url leads to {host}, which is not AWS: choose another AWS_PROFILE"
            )
    return made


def chain(where: Place) -> bool:
    """Whether credentials come from the shell; an emulator does with any, and takes those of the shell for the account they name."""
    return where.endpoint is None or "AWS_ACCESS_KEY_ID" in os.environ


def region_of(asked: str | None, wanted: AwsSettings) -> str:
    """The one asked for, else the shell's, else the first that is allowed."""
    return asked or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or wanted.regions[0]


def architecture_of(session: Session, wanted: AwsSettings, instance: str | None) -> str:
    """Of the cluster: that of its instances; on Fargate what the settings say, else that of the images built here."""
    if instance is None:
        return wanted.architecture or images.architecture_of_this_machine()
    supported = plan.instance_type(session, instance).architectures
    return supported[0]


def ask(question: str) -> str | None:
    """What a person types; None where there is none."""
    if not sys.stdin.isatty():
        return None
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline()


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def the_one(session: Session, wanted: AwsSettings, deployment: str | None) -> Deployment:
    """The stack that is meant: by its id, else the owner's only one. Raises TargetUnavailable, UsageError."""
    there = found.deployments(session)
    meant = [one for one in there if (one.id == deployment if deployment else one.owner == wanted.who)]
    if not meant:
        others = f" ({len(there)} of others)" if there else ""
        whose = deployment or f"of {wanted.who}"
        raise TargetUnavailable(f"no stack {whose} is up in {session.region}{others}: rehearse aws up")
    if len(meant) > 1:
        raise UsageError(f"several stacks are up; choose one with --deployment ({', '.join(one.id for one in meant)})")
    if not meant[0].ready or not set(meant[0].stacks) >= NEEDED:
        states = ", ".join(
            f"{one.concern} {one.status}" for one in meant[0].stacks.values() if one.status not in found.READY
        )
        raise TargetUnavailable(
            f"stack {meant[0].id} is not ready ({states or 'not all its stacks are there'}): rehearse aws up, or down"
        )
    return meant[0]


@contextmanager
def opened(asked: Asked) -> Iterator[Target]:
    """Pass the guardrails, find the stack, bring the images there. Raises HarnessError."""
    where, wanted, go = place(asked.endpoint), settings.load(), asked.go_ahead
    region = region_of(go.region, wanted)
    with closing(session_at(where, region)) as session:
        deployment = _guarded(session, wanted, asked)
        instance = _instance(deployment)
        architecture = architecture_of(session, wanted, instance)
        local.build_images(asked.home, where.runtime, asked.scenarios, asked.app, architecture)
        _enough_workers(asked.scenarios, deployment)
        repository = deployment.outputs["RepositoryName"]
        pushed = pushing.push_all(session, asked.home, where.runtime, repository, architecture, asked.scenarios)
        fits = plan.instance_type(session, instance) if instance else None
        at_once = plan.at_once_of(wanted, _profile(deployment), asked.scenarios, fits, "service" in deployment.stacks)
    yield _target(where, region, deployment, architecture, pushed, at_once)


def _guarded(session: Session, wanted: AwsSettings, asked: Asked) -> Deployment:
    """The stack, once every guardrail was passed. Of `aws deploy`, they were before it was made."""
    go = asked.go_ahead
    facts = facts_of(session, wanted, go, asked.scenarios, asked.runs)
    if go.passed:
        return the_one(session, wanted, go.deployment)
    guards.check(facts, guards.PLACE)
    deployment = the_one(session, wanted, go.deployment)
    facts.time_left = deployment.seconds_left()
    lasting, workers = "service" in deployment.stacks, ground.load_workers(deployment)
    facts.plan = lambda: planned(session, wanted, _profile(deployment), asked.scenarios, lasting, workers)
    guards.check(facts, guards.GUARDS[len(guards.PLACE) :])
    return deployment


def facts_of(
    session: Session, wanted: AwsSettings, go: GoAhead, scenarios: Sequence[Scenario] = (), runs: Sequence[Any] = ()
) -> Facts:
    return Facts(
        session=session,
        settings=wanted,
        scenarios=scenarios,
        runs=runs,
        yes=go.yes,
        account_given=go.account,
        rehearsed=go.rehearsed,
        ask=ask,
        say=say,
    )


def planned(
    session: Session,
    wanted: AwsSettings,
    profile: settings.Profile,
    scenarios: Sequence[Scenario],
    lasting: bool,
    load_workers: int = 0,
) -> plan.Plan:
    """What it costs and how long it takes here. Raises ClientError, HarnessError."""
    instance = wanted.instance_type if profile == "seed" else None
    return plan.plan_of(
        wanted,
        profile,
        prices.prices_of(session.region),
        session.region,
        scenarios,
        architecture=architecture_of(session, wanted, instance),
        lasting=lasting,
        instance=plan.instance_type(session, instance) if instance else None,
        load_workers=load_workers,
    )


def _profile(deployment: Deployment) -> settings.Profile:
    return "seed" if deployment.profile == "seed" else "lean"


def _instance(deployment: Deployment) -> str | None:
    """The type of the cluster's instances; None on Fargate."""
    return deployment.stacks["cluster"].parameters["InstanceType"] if deployment.profile == "seed" else None


def _target(
    where: Place,
    region: str,
    deployment: Deployment,
    architecture: str,
    pushed: Mapping[str, pushing.Pushed],
    at_once: int,
) -> Target:
    known = {image: one.reference for image, one in pushed.items()}
    tags = {DEPLOYMENT: deployment.id, OWNER: deployment.owner}
    if deployment.expires is not None:
        tags[EXPIRES] = utc(deployment.expires).strftime("%Y-%m-%dT%H:%M:%SZ")
    endpoint, status = where.endpoint, where.status
    cluster = "ec2" if deployment.profile == "seed" else "fargate"
    return Target(
        name=where.name,
        region=region,
        endpoint=endpoint,
        runtime=cluster if status is None else str(status["runtime"]),
        why=f"stack {deployment.id} of {deployment.owner}, {deployment.profile} profile"
        + (f", at {endpoint}" if endpoint else ""),
        compresses=False,
        reach=_reach if endpoint is None else local.reach_of(endpoint),
        waits=nothing if endpoint is None else local.waits_of(endpoint),
        digest=lambda image: pushed[image].digest if image in pushed else None,
        unsupported=lambda scenario: (
            local.unsupported(scenario) or _lacking(scenario, deployment, str(status["runtime"]) if status else None)
        ),
        network=ground.network_of(deployment, architecture, known),
        load=ground.load_of(deployment, _as_it_is if endpoint is None else _way_of(endpoint)),
        pace=1.0 if status is None else float(status.get("compress", 1.0)),
        chain=chain(where),
        tags=tags,
        at_once=at_once,
        look_every=LOOK_EVERY if endpoint is None else base.LOOK_EVERY,
    )


def _lacking(scenario: Scenario, deployment: Deployment, emulated_runtime: str | None) -> str | None:
    """What the stack has no role for, and what an emulator cannot do for it."""
    if emulated_runtime == "docker" and scenario.traffic.engine == "locust" and ground.load_workers(deployment):
        return "traffic.engine: locust with load workers: the emulator's containers do not reach each other (run it with processes)"
    denied = any(hook.callback_denied for hook in scenario.deploy.hooks.values())
    if denied and "DeniedHookRoleArn" not in deployment.outputs:
        return "callback_denied: the stack has no role for a function that may not report to CodeDeploy"
    return None


def _enough_workers(scenarios: Sequence[Scenario], deployment: Deployment) -> None:
    """Raises UsageError where a scenario asks for more workers than the stack has. Where it has none, they run on this machine."""
    most = ground.load_workers(deployment)
    for one in scenarios:
        if one.traffic.engine == "locust" and most and one.traffic.shared_by > most:
            raise UsageError(
                f"{one.id}: traffic.workers is {one.traffic.shared_by}, and stack {deployment.id} has {most} load workers: "
                f"rehearse aws up --load-workers {one.traffic.shared_by}"
            )


def _as_it_is(address: str, port: int) -> tuple[str, int]:
    return address, port


def _way_of(endpoint: str) -> Way:
    """On an emulator tasks are on this machine, and a private address leads nowhere: it says where what has it listens."""

    def way(address: str, port: int) -> tuple[str, int]:
        told = emulators.ask(endpoint, f"/_rehearsal/way?address={address}&port={port}")
        return str(told["host"]), int(told["port"])

    return way


def _reach(load_balancer: LoadBalancer, port: int) -> str:
    return f"http://{load_balancer.dns_name}" + ("" if port == 80 else f":{port}")
