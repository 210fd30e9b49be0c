"""What the verbs of `rehearse aws` take. Nothing heavy is imported until one of them is meant."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Verb = Callable[[argparse.Namespace], int]


def add_go_ahead(one: argparse.ArgumentParser) -> None:
    """What the guardrails ask for, of every verb that may make or change something on AWS, `rehearse run` as well."""
    one.add_argument("--yes", action="store_true", help="aws: do not ask; needs --account")
    one.add_argument("--account", metavar="N", help="aws: the account that is meant, twelve digits")
    one.add_argument("--region", help="aws: default AWS_REGION, else the first of [aws] in rehearsal.toml")


def add_rehearsed(one: argparse.ArgumentParser) -> None:
    one.add_argument("--no-rehearsal", action="store_true", help="aws: also without a met local run")


def add_which(one: argparse.ArgumentParser) -> None:
    one.add_argument("--deployment", metavar="ID", help="aws: which stack, where several are up")


def meant_for_aws(asked: argparse.Namespace) -> list[str]:
    """The options of the three above that were given, as they are typed."""
    names = ("yes", "account", "region", "no_rehearsal", "deployment")
    return [f"--{name.replace('_', '-')}" for name in names if getattr(asked, name, None)]


def add_parser(verbs: Any, home: Callable[[], Path], scenarios: Callable[[Sequence[Path]], Any]) -> None:
    """`home` gives the state directory, `scenarios` those that are named."""
    parser = verbs.add_parser("aws", help="plan, up, run, deploy, status and down on AWS")
    inner = parser.add_subparsers(required=True, metavar="VERB")
    for name, (help_, options) in VERBS.items():
        one = inner.add_parser(name, help=help_)
        one.add_argument("--endpoint", metavar="URL", help="an emulator of ours, to rehearse even this")
        for add in options:
            add(one)
        one.set_defaults(verb=_bound(name, home, scenarios))


def _bound(name: str, home: Callable[[], Path], scenarios: Callable[[Sequence[Path]], Any]) -> Verb:
    def verb(asked: argparse.Namespace) -> int:
        from harness.aws import command

        return command.do(name, asked, command.Context(home, scenarios))

    return verb


def go_ahead_of(asked: argparse.Namespace) -> Any:
    """A targets.GoAhead from the options of `add_go_ahead`."""
    from harness.aws.command import go_ahead_of

    return go_ahead_of(asked)


def doctor(endpoint: str | None) -> int:
    from harness.aws.command import doctor

    return doctor(endpoint)


def _add_profile(one: argparse.ArgumentParser) -> None:
    one.add_argument("--profile", choices=("lean", "seed"), help="default: that of [aws] in rehearsal.toml, else lean")
    one.add_argument("--ttl", metavar="2h", help="how long until it destroys itself")
    one.add_argument("--service", action="store_true", help="also a lasting service with a load balancer of its own")
    one.add_argument(
        "--load-workers",
        type=int,
        choices=range(65),
        default=0,
        metavar="N",
        help="tasks of ECS for up to N Locust workers of a scenario (default: none, they are processes of this machine)",
    )
    one.add_argument("--domain", help="seed: HTTPS for this name, in Route 53")


def _add_scenarios(one: argparse.ArgumentParser) -> None:
    one.add_argument("scenario", nargs="*", type=Path, metavar="SCENARIO")


def _add_run(one: argparse.ArgumentParser) -> None:
    one.add_argument(
        "--at-once", type=int, metavar="N", help="scenarios side by side (default: what quota and instances allow)"
    )
    one.add_argument("--strict", action="store_true", help="unsupported is an error (exit code 5)")
    one.add_argument("--out", type=Path, metavar="DIR", help="default: runs/<time> of the state directory")
    one.add_argument("--json", action="store_true", help="the results on standard output")


def _add_keep(one: argparse.ArgumentParser) -> None:
    one.add_argument("--keep", action="store_true", help="leave the stack to its self-destruct")


def _add_json(one: argparse.ArgumentParser) -> None:
    one.add_argument("--json", action="store_true")


Options = tuple[Callable[[argparse.ArgumentParser], None], ...]
RUN: Options = (add_go_ahead, add_rehearsed, add_which)  # of `rehearse run` as well
VERBS: dict[str, tuple[str, Options]] = {
    "plan": (
        "what would be made, what it costs and how long it takes",
        (_add_scenarios, _add_profile, add_go_ahead),
    ),
    "up": ("make the stack, its self-destruct first", (_add_profile, add_go_ahead)),
    "run": ("run scenarios (default: all tagged core) on the stack", (_add_scenarios, _add_run, *RUN)),
    "deploy": (
        "up, run, and down however the run ended",
        (_add_scenarios, _add_profile, _add_run, _add_keep, add_go_ahead, add_rehearsed),
    ),
    "status": ("what is up, from tags alone", (_add_json, add_go_ahead)),
    "down": ("remove it, and look for survivors (exit code 6)", (add_go_ahead, add_which)),
}
