"""What the simulated users paid: failures, the longest time without a good answer, latency from when a request was due."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

from harness.expectations.base import Result, compared, unknown
from harness.expectations.evidence import Evidence, is_good
from harness.scenario import UsersExpectation

LATE_PERCENT = 5.0  # of the requests sent late by the probe itself: then its latencies say nothing


def judge(evidence: Evidence) -> list[Result]:
    users = evidence.scenario.expect.users
    if users is None:
        return []
    n = len(evidence.requests)
    results = [_enough(users, n)]
    for name, limit, measure in _measures(users):
        if limit is None:
            continue
        if n < users.min_requests:
            results.append(unknown(name, limit, f"only {n} requests", n))
        elif name.startswith("max_p") and (late := _late_percent(evidence)) > LATE_PERCENT:
            results.append(unknown(name, limit, f"the probe itself sent {late:.0f} % of the requests late", n))
        else:
            measured = measure(evidence)
            results.append(compared(f"users.{name}", measured, limit, met=measured <= limit, n=n))
    return results


def _enough(users: UsersExpectation, n: int) -> Result:
    if n < users.min_requests:
        return unknown("users.min_requests", users.min_requests, f"only {n} requests were made", n)
    return compared("users.min_requests", n, users.min_requests, met=True, n=n)


def _measures(users: UsersExpectation) -> Sequence[tuple[str, float | None, Callable[[Evidence], float]]]:
    return (
        ("max_failed", users.max_failed, failed),
        (
            "max_failed_percent",
            users.max_failed_percent,
            lambda evidence: round(100 * failed(evidence) / len(evidence.requests), 2),
        ),
        ("max_unavailable", users.max_unavailable, longest_gap),
        ("max_p50", users.max_p50, lambda evidence: percentile(evidence, 50)),
        ("max_p95", users.max_p95, lambda evidence: percentile(evidence, 95)),
        ("max_p99", users.max_p99, lambda evidence: percentile(evidence, 99)),
    )


def failed(evidence: Evidence) -> int:
    return sum(not is_good(one) for one in evidence.requests)


def longest_gap(evidence: Evidence) -> float:
    """Seconds between two good answers, the ends of the traffic included. Infinite where there was none."""
    if not evidence.good:
        return math.inf
    times = [one.at for one in evidence.good]
    edges = [evidence.requests[0].sent, *times, max(evidence.requests[-1].sent, times[-1])]
    return round(max(later - earlier for earlier, later in pairwise(edges)), 3)


def percentile(evidence: Evidence, rank: float) -> float:
    """Of the latencies of all answers, counted from when each request was due: a stall is not hidden."""
    latencies = sorted(one.at - one.due for one in evidence.requests)
    return round(latencies[min(len(latencies) - 1, math.ceil(len(latencies) * rank / 100) - 1)], 3)


def _late_percent(evidence: Evidence) -> float:
    probe = evidence.probe
    return 100 * probe.late / probe.planned if probe is not None and probe.planned else 0.0
