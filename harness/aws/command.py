"""`rehearse aws plan | up | run | deploy | status | down`: what each verb takes, and what it does."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from harness import clock, directory, images, proxies, scenario
from harness.aws import found, guards, load_image, settings
from harness.aws import ground as grounds
from harness.aws import images as pushing
from harness.aws.down import bring_down
from harness.aws.found import Deployment
from harness.aws.ground import Ground
from harness.aws.plan import Plan
from harness.aws.settings import AwsSettings, Profile
from harness.aws.stacks import Stacks
from harness.aws.up import Pushes, bring_up, resource_types
from harness.driver import Session
from harness.errors import (
    EXIT_LEFT_BEHIND,
    EXIT_MET,
    EXIT_TARGET,
    HarnessError,
    LeftBehind,
    TargetUnavailable,
    UsageError,
)
from harness.runner.run import RunAsked, new_run_id, run
from harness.scenario import Scenario
from harness.targets import aws as target
from harness.targets.base import GoAhead

CALLER = "https://checkip.amazonaws.com"  # answers with the address that asks
EVERY_ON_AWS, EVERY_EMULATED = 2.0, 0.2  # seconds between two looks at a stack
Scenarios = Callable[[Sequence[Path]], list[Scenario]]


@dataclass(frozen=True)
class Context:
    """What the command line's own part gives: the state directory, and how scenarios are named there."""

    home: Callable[[], Path]
    scenarios: Scenarios


@dataclass(frozen=True)
class At:
    """An account and region, entered."""

    session: Session
    settings: AwsSettings
    where: target.Place
    go: GoAhead
    home: Path

    @property
    def stacks(self) -> Stacks:
        every = EVERY_EMULATED if self.where.endpoint else EVERY_ON_AWS
        return Stacks(self.session, target.say, every)


# ---- the verbs


def do_plan(asked: argparse.Namespace, context: Context) -> int:
    """Nothing is made: what would be, what it costs, and how long it takes."""
    with _at(asked, context) as at:
        wanted = _wanted(asked, at.settings)
        scenarios = context.scenarios(asked.scenario) if asked.scenario else []
        facts = target.facts_of(at.session, wanted, at.go, scenarios)
        facts.say = print
        guards.check(facts, (*guards.PLACE, guards.meant_account))
        kept = _kept(at, wanted, asked.profile)
        facts.plan = lambda: _planned(at, asked, wanted, scenarios, kept)
        guards.check(facts, (guards.plan_is_shown,))
        architecture = _architecture(at, wanted, asked.profile)
        ground = _ground(at, asked, wanted, kept, architecture, caller="192.0.2.1/32")
        last = [one for one in (grounds.SERVICE, grounds.LOCUST) if one.wanted(ground)]
        for concern in (*grounds.wanted(ground), *last):
            print(f"{concern.name}: {', '.join(resource_types(at.session, concern, ground))}")
        guards.check(facts, (guards.over_before_self_destruct,))
    return EXIT_MET


def do_up(asked: argparse.Namespace, context: Context) -> int:
    with _at(asked, context) as at:
        wanted = _wanted(asked, at.settings)
        guards.check(_facts(at, asked, wanted, ()))
        print(_up(at, asked, wanted))
    return EXIT_MET


def do_run(asked: argparse.Namespace, context: Context) -> int:
    return run(_run_asked(asked, context, go_ahead_of(asked)))


def do_deploy(asked: argparse.Namespace, context: Context) -> int:
    """Guards once, then up, run, and down however that ended; `--keep` leaves the stack to its self-destruct."""
    with _at(asked, context) as at:
        wanted = _wanted(asked, at.settings)
        facts = _facts(at, asked, wanted, context.scenarios(asked.scenario))
        facts.runs = (context.home() / "runs",)
        guards.check(facts, guards.PLACE)
        if there := _there(at, wanted, asked.profile):
            raise UsageError(f"{there.id} is up already: rehearse aws run uses it, and rehearse aws down removes it")
        guards.check(facts, guards.GUARDS[len(guards.PLACE) :])
        identity = _up(at, asked, wanted)
        left: list[str] = []
        try:
            go = replace(at.go, passed=True, deployment=identity, region=at.session.region)
            code = run(_run_asked(asked, context, go))
        finally:
            if not asked.keep:
                left = _down_at_last(at, identity)
        return code or (EXIT_LEFT_BEHIND if left else EXIT_MET)


def do_status(asked: argparse.Namespace, context: Context) -> int:
    """Everybody's, from tags alone."""
    with _at(asked, context) as at:
        guards.check(target.facts_of(at.session, at.settings, at.go), guards.REMOVAL)
        there = found.deployments(at.session)
    if asked.json:
        print(json.dumps([_told(one) for one in there], indent=2))
    else:
        for one in there:
            print(_line(one))
        if not there:
            print(f"nothing is up in {at.session.region}")
    return EXIT_MET


def do_down(asked: argparse.Namespace, context: Context) -> int:
    """Remove what is the owner's, or one deployment by its id. Raises LeftBehind."""
    with _at(asked, context) as at:
        guards.check(target.facts_of(at.session, at.settings, at.go), guards.REMOVAL)
        there = found.deployments(at.session)
        meant = [
            one for one in there if (one.id == asked.deployment if asked.deployment else one.owner == at.settings.who)
        ]
        left: list[str] = []
        for one in meant:
            target.say(f"removing {_line(one)}")
            left += bring_down(at.stacks, one.id)
        others = [one for one in there if one not in meant]
    for one in others:
        target.say(f"not touched: {_line(one)} (--deployment {one.id} removes it)")
    if left:
        raise LeftBehind(left)
    print(f"{', '.join(one.id for one in meant)}: removed, no survivors" if meant else "nothing of yours is up")
    return EXIT_MET


def _down_at_last(at: At, identity: str) -> list[str]:
    """The survivors, told. Ctrl-C leaves what is left to the self-destruct, which is the last to go."""
    try:
        left = bring_down(at.stacks, identity)
    except KeyboardInterrupt:
        target.say(f"stack {identity} is left to its self-destruct (rehearse aws down removes it now)")
        raise
    _tell_survivors(left)
    return left


def _tell_survivors(left: Sequence[str]) -> None:
    for line in left:
        print(f"left behind: {line}", file=sys.stderr)
    if not left:
        target.say("removed, no survivors")


def doctor(endpoint: str | None) -> int:
    """Whether the aws target could be used from here: the guardrails of the place, and who would make images. Nothing is made."""
    wanted, where = settings.load(), target.place(endpoint)
    region = target.region_of(None, wanted)
    with closing(target.session_at(where, region)) as session:
        facts = target.facts_of(session, wanted, GoAhead())
        facts.say = print
        answers = [_answer(guard, facts) for guard in guards.PLACE]
        straight = proxies.naming(guards.LOAD_BALANCER.format(region)) if where.endpoint is None else None
    ready, why = (
        images.docker_ready() if where.status is None else (True, f"{where.runtime} runtime at {where.endpoint}")
    )
    answers.append(("images", None if ready else why, why))
    for name, problem, told in answers:
        print(f"{'✘' if problem else '✔'} {name}: {problem or told}")
    if straight:
        print(f"! way to the users' port: {guards.STRAIGHT.format(straight)}")
    return EXIT_TARGET if any(problem for _, problem, _ in answers) else EXIT_MET


def _answer(guard: guards.Guard, facts: guards.Facts) -> tuple[str, str | None, str]:
    """(name, what is wrong or None, what is told when all is well)."""
    name = guard.__name__.replace("_", " ")
    try:
        guard(facts)
        return name, None, f"account {facts.account} in {facts.session.region}"
    except HarnessError as error:
        return name, str(error), ""


# ---- their parts


@contextmanager
def _at(asked: argparse.Namespace, context: Context) -> Iterator[At]:
    """Raises HarnessError; a refusal of AWS's is one as well."""
    wanted, where = settings.load(), target.place(asked.endpoint)
    region = target.region_of(asked.region, wanted)
    with closing(target.session_at(where, region)) as session:
        yield At(session, wanted, where, go_ahead_of(asked), context.home())


def _wanted(asked: argparse.Namespace, said: AwsSettings) -> AwsSettings:
    """The settings, with what the command line says instead."""
    asked.profile = asked.profile or said.profile
    changes = {name: value for name in ("ttl", "domain") if (value := getattr(asked, name)) is not None}
    if changes.get("domain") and asked.profile != "seed":
        raise UsageError("--domain is of the seed profile: lean has no lasting load balancer to call so")
    return settings.changed(said, changes)


def _facts(at: At, asked: argparse.Namespace, wanted: AwsSettings, scenarios: Sequence[Scenario]) -> guards.Facts:
    facts = target.facts_of(at.session, wanted, at.go, scenarios)
    facts.plan = lambda: _planned(at, asked, wanted, scenarios, _kept(at, wanted, asked.profile))
    return facts


def _planned(
    at: At, asked: argparse.Namespace, wanted: AwsSettings, scenarios: Sequence[Scenario], kept: Deployment | None
) -> Plan:
    lasting, workers = _beside(asked, kept)
    return target.planned(at.session, wanted, asked.profile, scenarios, lasting, workers)


def _up(at: At, asked: argparse.Namespace, wanted: AwsSettings) -> str:
    """The deployment's id."""
    there = _there(at, wanted, asked.profile)
    architecture = _architecture(at, wanted, asked.profile)
    caller = "127.0.0.1/32" if at.where.endpoint else wanted.caller_cidr or _caller()
    ground = _ground(at, asked, wanted, there, architecture, caller)
    began = clock.monotonic()
    target.say(f"stack {ground.deployment}: destroys itself at {clock.iso(ground.expires)}")
    push = Pushes(
        lambda repository: _lasting_image(at, architecture, repository),
        lambda repository: _load_image(at, architecture, repository),
    )
    bring_up(at.stacks, ground, there, push)
    target.say(f"stack {ground.deployment} is up after {clock.monotonic() - began:.0f} s; rehearse aws down removes it")
    return ground.deployment


def _own(at: At, wanted: AwsSettings) -> list[Deployment]:
    return [one for one in found.deployments(at.session) if one.owner == wanted.who and one.stacks]


def _kept(at: At, wanted: AwsSettings, profile: Profile) -> Deployment | None:
    """The owner's one of this profile, which an `up` would change; None also where an `up` would refuse."""
    own = [one for one in _own(at, wanted) if one.profile == profile]
    return own[0] if len(own) == 1 else None


def _there(at: At, wanted: AwsSettings, profile: Profile) -> Deployment | None:
    """The owner's own, which is changed then, and lives longer. Raises UsageError for one of another profile."""
    own = _own(at, wanted)
    if len(own) > 1:
        raise UsageError(
            f"several stacks of {wanted.who} are up ({', '.join(one.id for one in own)}): rehearse aws down"
        )
    if own and own[0].profile != profile:
        raise UsageError(f"{own[0].id} is up with the {own[0].profile} profile: rehearse aws down before another")
    return own[0] if own else None


def _architecture(at: At, wanted: AwsSettings, profile: Profile) -> str:
    return target.architecture_of(at.session, wanted, wanted.instance_type if profile == "seed" else None)


def _ground(
    at: At, asked: argparse.Namespace, wanted: AwsSettings, there: Deployment | None, architecture: str, caller: str
) -> Ground:
    lasting, workers = _beside(asked, there)
    return Ground(
        deployment=there.id if there else new_run_id(),
        profile=asked.profile,
        settings=wanted,
        expires=clock.now() + wanted.ttl,
        caller_cidr=caller,
        architecture=architecture,
        lasting=lasting,
        load_workers=workers,
    )


def _beside(asked: argparse.Namespace, there: Deployment | None) -> tuple[bool, int]:
    """(whether a lasting service, how many load workers): what is asked for, and what is there already, which stays."""
    lasting = asked.service or (there is not None and "service" in there.stacks)
    return lasting, asked.load_workers or (grounds.load_workers(there) if there else 0)


def _caller() -> str:
    """This machine's public address, alone: the one that load balancers see, so it is not a proxy's. Raises TargetUnavailable."""
    try:
        with proxies.opened(CALLER, 10, straight=True) as answer:
            return f"{answer.read().decode().strip()}/32"
    except OSError as error:
        raise TargetUnavailable(
            f"{CALLER} does not say this machine's public address, asked without a proxy ({error}): "
            "say caller_cidr in [aws] of rehearsal.toml"
        ) from error


def _lasting_image(at: At, architecture: str, repository: str) -> dict[str, str]:
    """The first version of the team's app, or of the sample app, as the service's parameters."""
    app = scenario.load_own_app()
    image = f"{app.image}:v1" if app else images.image_name(None, "v1")
    if app is None or app.folder is not None:
        recipe: dict[str, Any] = {}
        if app is not None and app.folder is not None:
            recipe = {"path": Path(app.folder), "name": app.image, "command": app.command, "port": app.port}
        images.build(at.home, at.where.runtime, revision="v1", architecture=architecture, **recipe)
    pushed = pushing.push_one(at.session, at.home, at.where.runtime, repository, architecture, image)
    told = {"ImageUri": pushed.reference}
    return told if app is None else {**told, "ContainerPort": str(app.port), "HealthPath": app.health_path}


def _load_image(at: At, architecture: str, repository: str) -> str:
    """That of Locust's master and workers, by its digest in the repository."""
    image = load_image.build(at.home, at.where.runtime, architecture)
    return pushing.push_one(at.session, at.home, at.where.runtime, repository, architecture, image).reference


def _run_asked(asked: argparse.Namespace, context: Context, go: GoAhead) -> RunAsked:
    return RunAsked(
        scenarios=context.scenarios(asked.scenario),
        home=context.home(),
        out=asked.out or directory.of_a_new_run(context.home() / "runs"),
        numbered=asked.out is None,
        target="aws",
        endpoint=asked.endpoint,
        strict=asked.strict,
        as_json=asked.json,
        app=scenario.load_own_app(),
        at_once=asked.at_once,
        go_ahead=go,
    )


def _line(one: Deployment) -> str:
    stacks = ", ".join(f"{stack.concern} {stack.status}" for stack in one.stacks.values()) or "no stacks"
    left = "" if one.expires is None else f", destroys itself in {one.seconds_left() / 60:.0f} min"
    return f"{one.id} of {one.owner or 'nobody known'} ({one.profile or 'no profile'}{left}): {stacks}; {len(one.arns)} things bear its tag"


def _told(one: Deployment) -> dict[str, Any]:
    return {
        "deployment": one.id,
        "owner": one.owner,
        "profile": one.profile,
        "expires": one.expires,
        "ready": one.ready,
        "stacks": {stack.concern: stack.status for stack in one.stacks.values()},
        "outputs": one.outputs,
        "tagged": list(one.arns),
    }


def go_ahead_of(asked: argparse.Namespace) -> GoAhead:
    """From the options of `add_go_ahead`."""
    return GoAhead(
        yes=asked.yes,
        account=asked.account,
        rehearsed=not getattr(asked, "no_rehearsal", False),
        deployment=getattr(asked, "deployment", None),
        region=asked.region,
    )


class AwsRefused(HarnessError):
    """AWS said no to a call that is not a scenario's."""


def do(name: str, asked: argparse.Namespace, context: Context) -> int:
    """The verb of this name. Raises HarnessError."""
    try:
        return VERBS[name](asked, context)
    except ClientError as error:
        raise AwsRefused(str(error)) from error


VERBS: dict[str, Callable[[argparse.Namespace, Context], int]] = {
    "plan": do_plan,
    "up": do_up,
    "run": do_run,
    "deploy": do_deploy,
    "status": do_status,
    "down": do_down,
}
