"""Whether all is well before the deployment starts: a rehearsal from a shaky start proves nothing."""

from __future__ import annotations

import urllib.error

from harness import proxies
from harness.driver import Stack, ecs, elbv2
from harness.driver.elbv2 import PRODUCTION_PORT


def missing(stack: Stack) -> str:
    """What is not well yet, empty when everything is: the task set, its targets, and an answer through the listener."""
    wanted = stack.scenario.service.desired_count
    seen = ecs.describe(stack.session, stack.network.cluster, stack.group.service)
    if seen is None or seen.primary is None:
        return "the service has no primary task set"
    primary = seen.primary
    if primary.stability != "STEADY_STATE" or primary.running != wanted:
        return (
            f"{primary.running} of {wanted} tasks running, {primary.pending} pending, {primary.stability}{_last(seen)}"
        )
    health = elbv2.target_health(stack.session, stack.blue_target_group)
    if health.healthy != wanted:
        return f"{health.healthy} of {wanted} targets healthy {dict(health.states)} {' '.join(health.reasons)}"
    return _no_answer(stack.url(PRODUCTION_PORT) + stack.scenario.service.health_check.path)


def _last(seen: ecs.ServiceView) -> str:
    return f" ({seen.events[0]['message']})" if seen.events else ""


def _no_answer(url: str) -> str:
    """Asked as the users will ask, who go through no proxy."""
    try:
        with proxies.opened(url, 5, straight=True) as answer:
            return "" if answer.status < 400 else f"{url} answers {answer.status}"
    except urllib.error.HTTPError as error:
        return f"{url} answers {error.code}"
    except OSError as error:
        return f"{url} does not answer ({error})"
