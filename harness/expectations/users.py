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
        if lacking := _lacking(evidence, name, users.min_requests):
            results.append(unknown(f"users.{name}", limit, lacking, n))
            continue
        measured = measure(evidence)
        never = name == "max_unavailable" and not evidence.good
        detail = "no request was answered well" if never else ""
        met = measured <= limit and not never
        results.append(compared(f"users.{name}", _shown(measured), limit, met=met, n=n, detail=detail))
    return [*results, *_hurt(evidence, users, n)]


def _hurt(evidence: Evidence, users: UsersExpectation, n: int) -> list[Result]:
    """What a trap must cost: at least so many failures, and no others than those of `failed_with`."""
    results = []
    lacking = _lacking(evidence, "", users.min_requests)
    if users.min_failed is not None:
        limit, measured = users.min_failed, failed(evidence)
        result = compared("users.min_failed", measured, limit, met=measured >= limit, n=n)
        results.append(unknown(result.name, limit, lacking, n) if lacking else result)
    if users.failed_with is not None:
        wanted = [str(code) for code in users.failed_with]
        found = sorted({str(one.status or one.error) for one in evidence.requests if not is_good(one)})
        result = compared("users.failed_with", found, wanted, met=set(found) <= set(wanted), n=failed(evidence))
        results.append(unknown(result.name, wanted, lacking, n) if lacking else result)
    return results


def _lacking(evidence: Evidence, name: str, at_least: int) -> str:
    """Why nothing can be concluded about `name`, empty where it can."""
    if len(evidence.requests) < at_least:
        return f"only {len(evidence.requests)} requests"
    if evidence.traffic_lacks:
        return evidence.traffic_lacks
    if name.startswith("max_p") and (late := _late_percent(evidence)) > LATE_PERCENT:
        return f"the probe itself sent {late:.0f} % of the requests late"
    return ""


def _shown(measured: float) -> float:
    """For readers: one failure among 100 000 is 0.001 %, not 0."""
    return measured if isinstance(measured, int) else float(f"{measured:.4g}")


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
            lambda evidence: 100 * failed(evidence) / len(evidence.requests),
        ),
        ("max_unavailable", users.max_unavailable, longest_gap),
        ("max_p50", users.max_p50, lambda evidence: percentile(evidence, 50)),
        ("max_p95", users.max_p95, lambda evidence: percentile(evidence, 95)),
        ("max_p99", users.max_p99, lambda evidence: percentile(evidence, 99)),
    )


def failed(evidence: Evidence) -> int:
    return sum(not is_good(one) for one in evidence.requests)


def longest_gap(evidence: Evidence) -> float:
    """Seconds between two good answers, the ends of the traffic included: all of it where there was none. Needs a request."""
    times = [one.at for one in evidence.good]
    edges = [evidence.requests[0].sent, *times, max([evidence.requests[-1].sent, *times[-1:]])]
    return round(max(later - earlier for earlier, later in pairwise(edges)), 3)


def percentile(evidence: Evidence, rank: float) -> float:
    """Seconds from when each request was due until it was answered, or until it was known that it would not be: a stall is
    not hidden. Needs a request."""
    latencies = sorted(one.at - one.due for one in evidence.requests)
    return round(latencies[min(len(latencies) - 1, math.ceil(len(latencies) * rank / 100) - 1)], 3)


def _late_percent(evidence: Evidence) -> float:
    probe = evidence.probe
    return 100 * probe.late / probe.planned if probe is not None and probe.planned else 0.0
