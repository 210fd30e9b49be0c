"""The guardrails before anything is made or changed in an account, in the order in which they are passed.

Each is a small function that raises `Refused`, or says nothing. `GUARDS` is the order: who, where, what it costs, whether it was
rehearsed, and the person's own word.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from botocore.exceptions import ClientError

from harness import proxies
from harness.aws import plan as planning
from harness.aws.plan import Plan
from harness.aws.settings import FILE, AwsSettings
from harness.driver import Session, error_code
from harness.errors import HarnessError, UsageError
from harness.scenario import Scenario

PRODUCTION = ("prod", "live")  # in an account's alias
LOCAL = ("local", "localstack")
LOAD_BALANCER = "http://rehearsal.{}.elb.amazonaws.com"  # what the name of one in a region is like
STRAIGHT = (
    "users' requests go straight to the load balancer, not through the proxy of {}: "
    "this machine must reach its ports 80 and 8080 without one"
)
TEAR_DOWN_MARGIN = 600.0  # seconds before the self-destruct that a run should be over


class Refused(HarnessError):
    """A guardrail says no; nothing was made."""


@dataclass
class Facts:
    """What the guards look at. `ask` shows a question and returns what is typed, None where nobody can; `say` shows text.

    `yes` and `account_given` are `--yes --account N`. `rehearsed` False is `--no-rehearsal`. `time_left` is a stack's, in seconds,
    None where it is to be made; `runs` the directories of runs to look for a met one in.
    """

    session: Session
    settings: AwsSettings
    scenarios: Sequence[Scenario] = ()
    plan: Callable[[], Plan] | None = None
    runs: Sequence[Path] = ()
    yes: bool = False
    account_given: str | None = None
    rehearsed: bool = True
    time_left: float | None = None
    ask: Callable[[str], str | None] = lambda question: None
    say: Callable[[str], None] = print
    passed: list[str] = field(default_factory=list)

    @cached_property
    def account(self) -> str:
        """Who the credentials are. Raises Refused where there are none, or they are not valid."""
        try:
            return str(self.session.call("sts", "get_caller_identity")["Account"])
        except (ClientError, HarnessError) as error:
            raise Refused(f"who these credentials are cannot be told: {error}") from error

    @cached_property
    def planned(self) -> Plan | None:
        return self.plan() if self.plan is not None else None


def expected_account(facts: Facts) -> None:
    """Against the wrong profile in the shell; which one it is, is said before anybody is asked."""
    facts.say(f"credentials: {facts.session.credentials()}")
    expected = facts.settings.expected_account
    if expected is None:
        raise UsageError(
            f'no account is expected: write expected_account = "{facts.account}" below [aws] of {FILE}, if that is the one you mean'
        )
    if facts.account != expected:
        raise Refused(f"these credentials are of account {facts.account}; {FILE} expects {expected}")


def no_production_alias(facts: Facts) -> None:
    """Against a rehearsal where users are."""
    try:
        aliases = facts.session.call("iam", "list_account_aliases")["AccountAliases"]
    except ClientError as error:
        raise Refused(f"the account's alias cannot be read ({error_code(error)}: iam:ListAccountAliases)") from error
    for alias in aliases:
        if any(word in alias.lower() for word in PRODUCTION):
            raise Refused(f"account {facts.account} is called {alias}: that is no place for a rehearsal")


def not_blocked(facts: Facts) -> None:
    """Against an account that somebody has ruled out, whatever its name."""
    if facts.account in facts.settings.blocked_accounts:
        raise Refused(f"account {facts.account} is among blocked_accounts of {FILE}")


def allowed_region(facts: Facts) -> None:
    """Against a region of the shell's that nobody looks into."""
    region, allowed = facts.session.region, facts.settings.regions
    if region not in allowed:
        raise Refused(f"region {region} is not allowed; regions of {FILE}: {', '.join(allowed)}")


def plan_is_shown(facts: Facts) -> None:
    """Against a bill that nobody has seen coming."""
    if facts.planned is not None:
        facts.say(planning.table(facts.planned, facts.account, facts.settings))
        if facts.session.endpoint is None and (proxy := proxies.naming(LOAD_BALANCER.format(facts.session.region))):
            facts.say(STRAIGHT.format(proxy))


def over_before_self_destruct(facts: Facts) -> None:
    """Against a stack that goes while the run needs it."""
    if facts.planned is None or not facts.scenarios:
        return
    left = facts.planned.ttl if facts.time_left is None else facts.time_left
    if facts.planned.seconds + TEAR_DOWN_MARGIN > left:
        raise Refused(
            f"the run takes about {facts.planned.seconds / 60:.0f} min and the stack destroys itself in {left / 60:.0f} min: "
            "rehearse aws up --ttl ... gives it longer"
        )


def rehearsed_before(facts: Facts) -> None:
    """Against finding out on AWS, for money, what a minute here would have told."""
    if not facts.rehearsed:
        return
    missing = [one for one in facts.scenarios if not _met_locally(one, facts.runs)]
    if missing:
        names = ", ".join(one.id for one in missing)
        raise Refused(
            f"no met run of {names} on this machine, as the file is now: rehearse run --target local first (--no-rehearsal skips this)"
        )


def _met_locally(scenario: Scenario, runs: Sequence[Path]) -> bool:
    """By its hash: another file of the same name, or the same before it was changed, does not count."""
    for result in (path for directory in runs for path in directory.glob(f"**/{scenario.id}/result.json")):
        try:
            told = json.loads(result.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if told["verdict"] == "met" and told["scenario_hash"] == scenario.hash and told["target"] in LOCAL:
            return True
    return False


def confirmed(facts: Facts) -> None:
    """Against a hand that was faster than the head: the account's twelve digits, or `--yes --account N` where nobody is."""
    if facts.yes:
        if facts.account_given is None:
            raise UsageError("--yes needs --account N as well: the account you mean")
        typed: str | None = facts.account_given
    else:
        typed = facts.ask(f"type the account id ({facts.account}) to go on: ")
    if typed is None:
        raise UsageError("nobody is here to confirm; say --yes --account N")
    if typed.strip() != facts.account:
        raise Refused(f"{typed.strip() or 'nothing'} was given, and this is account {facts.account}: nothing was made")


def meant_account(facts: Facts) -> None:
    """Against the account of another pipeline, where nobody is asked: one that is given is one that is meant."""
    if facts.account_given is not None and facts.account_given != facts.account:
        raise Refused(f"--account {facts.account_given} was given, and this is account {facts.account}")


Guard = Callable[[Facts], None]
PLACE: tuple[Guard, ...] = (expected_account, no_production_alias, not_blocked, allowed_region)
GUARDS: tuple[Guard, ...] = (*PLACE, plan_is_shown, over_before_self_destruct, rehearsed_before, confirmed)
# To remove what bears our own tags, an account that has been ruled out since must not be in the way.
REMOVAL: tuple[Guard, ...] = (expected_account, meant_account)


def check(facts: Facts, guards: Sequence[Guard] = GUARDS) -> None:
    """Pass them in order. Raises Refused or UsageError at the first that says no."""
    for guard in guards:
        guard(facts)
        facts.passed.append(guard.__name__)
