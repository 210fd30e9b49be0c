"""Making the stacks, the self-destruct first: whatever happens from then on, they go by themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness.aws import ground as grounds
from harness.aws.down import bring_down
from harness.aws.found import Deployment
from harness.aws.ground import LOCUST, SERVICE, Concern, Ground
from harness.aws.stacks import Stacks, template_body
from harness.driver import Session, elbv2
from harness.driver.elbv2 import LoadBalancer
from harness.errors import LeftBehind


@dataclass(frozen=True, slots=True)
class Pushes:
    """What brings images into the repository of a name: the lasting service's, which gives its parameters, and that of Locust's
    master and workers, which gives its name by digest."""

    service: Callable[[str], dict[str, str]]
    load: Callable[[str], str]


def bring_up(stacks: Stacks, ground: Ground, there: Deployment | None, push: Pushes) -> None:
    """Every stack, made or changed.

    Where it was not there before, a failure or Ctrl-C leaves nothing. Raises what went wrong, LeftBehind where not all could go.
    """
    try:
        for concern in grounds.wanted(ground):
            grounds.make(stacks, ground, concern)
        if ground.lasting:
            ground.service = {
                **push.service(ground.outputs["RepositoryName"]),
                "BalancerAddresses": _addresses(stacks.session, ground),
            }
            grounds.make(stacks, ground, SERVICE)
        if ground.load_workers:
            ground.load_image = push.load(ground.outputs["RepositoryName"])
            grounds.make(stacks, ground, LOCUST)
    except BaseException:
        if there is None:
            _undo(stacks, ground)
        raise


def _undo(stacks: Stacks, ground: Ground) -> None:
    stacks.show("removing what was made (Ctrl-C again leaves it to its self-destruct)")
    if left := bring_down(stacks, ground.deployment):
        raise LeftBehind(left)


def _addresses(session: Session, ground: Ground) -> str:
    made = LoadBalancer(ground.outputs["LoadBalancerArn"], ground.outputs["DnsName"])
    return ",".join(elbv2.private_addresses(session, made))


def resource_types(session: Session, concern: Concern, ground: Ground) -> list[str]:
    """What CloudFormation reads in the template; nothing is made."""
    body = template_body(concern.template[ground.profile])
    summary: dict[str, Any] = session.call("cloudformation", "get_template_summary", TemplateBody=body)
    return sorted(summary["ResourceTypes"])
