"""What became of the tasks and of the long-lived connections to them."""

from __future__ import annotations

from harness.expectations.base import Result, compared, unknown
from harness.expectations.evidence import Evidence
from harness.journal import TaskStopped, WebsocketEnded, of


def judge(evidence: Evidence) -> list[Result]:
    return [*_exit_codes(evidence), *_websockets(evidence)]


def _exit_codes(evidence: Evidence) -> list[Result]:
    results = []
    stopped = of(list(evidence.events), TaskStopped)
    for side, wanted in evidence.scenario.expect.exit_codes.items():
        name, limit = f"exit_codes.{side}", [str(code) for code in wanted]
        codes = [one.exit_code for one in stopped if one.side == side and one.exit_code is not None]
        if not codes:
            results.append(unknown(name, limit, f"no {side} task was seen to end with an exit code"))
            continue
        found = sorted(set(codes))
        shown = [str(code) for code in found]
        results.append(compared(name, shown, limit, met=set(found) <= set(wanted), n=len(codes)))
    return results


def _websockets(evidence: Evidence) -> list[Result]:
    """Connections that were opened, and those of them that the service cut."""
    expected = evidence.scenario.expect.websockets
    if expected is None:
        return []
    ended = of(list(evidence.events), WebsocketEnded)
    opened = [one for one in ended if one.opened is not None]
    cut, n = sum(one.cut for one in opened), len(opened)
    limits = (("max_cut", expected.max_cut), ("min_cut", expected.min_cut))
    results = []
    for name, limit in limits:
        if limit is None:
            continue
        if not opened or len(opened) < len(ended):
            why = next((one.error for one in ended if one.opened is None), None) or "no connection was seen to end"
            results.append(unknown(f"websockets.{name}", limit, why, n))
            continue
        met = cut <= limit if name == "max_cut" else cut >= limit
        results.append(compared(f"websockets.{name}", cut, limit, met=met, n=n))
    return results
