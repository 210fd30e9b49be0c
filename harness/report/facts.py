"""What all three reports tell: the judgement, and a run's durations, waits and origins, measured once from the journal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from harness import expectations
from harness.expectations import Evidence, Judgement, outcome, rollback, users
from harness.expectations.evidence import is_good
from harness.journal import DeploymentSeen, Event, LifecycleSeen, PhaseEntered, Provisioned, RequestDone, Waited

CUT_SHORT = 0.3  # seconds by which a wait must have ended early to be called so
TRIGGERS = {"alarm": "alarm", "hook": "hook", "request": "request"}


@dataclass(frozen=True, slots=True)
class Span:
    """Something with a beginning and an end (epoch seconds; None where it was not seen), and its duration on both clocks.

    `declared` is what it would have lasted with AWS's waits uncompressed; equal to `seconds` where no wait was compressed.
    """

    deployment: str
    name: str
    status: str
    started: float | None
    ended: float | None
    seconds: float | None
    declared: float | None
    diagnostics: str = ""


@dataclass(frozen=True, slots=True)
class Wait:
    """A wait of AWS's: declared, planned and really spent seconds. `ended_early`: a stop, an alarm or a person ended it."""

    why: str
    started: float
    declared: float
    effective: float
    spent: float
    ended_early: bool

    @property
    def compressed(self) -> bool:
        return self.effective < self.declared - 0.001


@dataclass(frozen=True, slots=True)
class Paid:
    """What users paid: `gap` is the longest time without a good answer. Seconds are None where there is nothing to measure."""

    requests: int
    failed: int
    by_class: dict[str, int]
    by_version: dict[str, int]
    gap: float | None
    p50: float | None
    p95: float | None
    p99: float | None


@dataclass(frozen=True)
class Facts:
    """One run. `zero` is the start of the deployment, or of the journal where there was none."""

    evidence: Evidence
    judgement: Judgement
    zero: float
    end: float
    phases: dict[str, float]
    lifecycle: tuple[Span, ...]
    deployments: tuple[Span, ...]
    waits: tuple[Wait, ...]
    paid: Paid
    detection: float | None
    rollback: float | None

    @property
    def failed_at(self) -> str | None:
        return outcome.failed_at_of(self.evidence)

    @property
    def cause(self) -> str | None:
        return outcome.cause_of(self.evidence)

    @property
    def images(self) -> dict[str, str]:
        """Version to `name:tag@sha256:...`; empty where the journal does not say."""
        made = self.evidence.all(Provisioned)
        return dict(made[-1].images) if made else {}


def facts_of(events: Sequence[Event]) -> Facts:
    """Raises JournalInvalid where the journal has no RunStarted."""
    evidence = Evidence(events)
    judgement = expectations.judged(evidence)
    end = max(event.at for event in events)
    waits = _waits(evidence, end)
    first = evidence.deployment
    return Facts(
        evidence=evidence,
        judgement=judgement,
        zero=(first.started or first.created or first.at) if first else evidence.run.at,
        end=end,
        phases=_phases(evidence, end),
        lifecycle=_lifecycle(evidence, waits),
        deployments=tuple(_deployment(one, waits) for one in evidence.deployments.values()),
        waits=waits,
        paid=paid_by(evidence),
        detection=_detection(evidence),
        rollback=_rollback(evidence),
    )


def _phases(evidence: Evidence, end: float) -> dict[str, float]:
    """Seconds of each phase, in order; the last one lasts until the journal ends."""
    entered = evidence.all(PhaseEntered)
    ends = [*(one.at for one in entered[1:]), end]
    return {one.phase: round(until - one.at, 3) for one, until in zip(entered, ends, strict=False)}


def _waits(evidence: Evidence, end: float) -> tuple[Wait, ...]:
    """A wait is over when its time is, or when the deployment that waits ends early."""
    ends = [one.completed for one in evidence.deployments.values() if one.completed is not None]
    found = []
    for one in sorted(evidence.all(Waited), key=lambda wait: wait.at):
        over = min([one.at + one.effective, *(at for at in ends if at >= one.at), max(end, one.at)])
        spent = round(over - one.at, 3)
        early = spent < one.effective - CUT_SHORT
        found.append(Wait(one.why, one.at, one.declared, one.effective, spent, early))
    return tuple(found)


def _lifecycle(evidence: Evidence, waits: Sequence[Wait]) -> tuple[Span, ...]:
    """Every lifecycle event of every deployment, as last seen, in the order first seen."""
    seen = {(one.deployment, one.name): one for one in evidence.all(LifecycleSeen)}
    return tuple(_event(one, waits) for one in seen.values())


def _event(one: LifecycleSeen, waits: Sequence[Wait]) -> Span:
    seconds, declared = _both_clocks(one.started, one.ended, waits)
    return Span(
        one.deployment, one.name, one.status, one.started, one.ended, seconds, declared, (one.diagnostics or "").strip()
    )


def _deployment(one: DeploymentSeen, waits: Sequence[Wait]) -> Span:
    started = one.started or one.created
    seconds, declared = _both_clocks(started, one.completed, waits)
    return Span(one.id, one.config, one.status, started, one.completed, seconds, declared)


def _both_clocks(
    started: float | None, ended: float | None, waits: Sequence[Wait]
) -> tuple[float | None, float | None]:
    """Real seconds, and the seconds it would have lasted had its waits not been compressed."""
    if started is None or ended is None:
        return None, None
    inside = [wait for wait in waits if started - 0.001 <= wait.started and wait.started + wait.spent <= ended + 0.5]
    saved = sum(wait.spent * (wait.declared / wait.effective - 1) for wait in inside if wait.effective)
    return round(ended - started, 3), round(ended - started + saved, 3)


def paid_by(evidence: Evidence) -> Paid:
    requests, some = evidence.requests, bool(evidence.requests)
    return Paid(
        requests=len(requests),
        failed=users.failed(evidence),
        by_class=dict(sorted(Counter(map(status_class, requests)).items())),
        by_version=dict(sorted(Counter(one.version or "nobody" for one in requests).items())),
        gap=users.longest_gap(evidence) if some else None,
        p50=users.percentile(evidence, 50) if some else None,
        p95=users.percentile(evidence, 95) if some else None,
        p99=users.percentile(evidence, 99) if some else None,
    )


def status_class(request: RequestDone) -> str:
    """`2xx` ... `5xx`, or `no answer`."""
    return "no answer" if request.status is None else f"{request.status // 100}xx"


def _trigger(evidence: Evidence) -> float | None:
    """When what ended the deployment early happened."""
    if evidence.deployment is None or evidence.deployment.status == "Succeeded":
        return None
    kind = TRIGGERS.get(outcome.cause_of(evidence) or "")
    kind = kind or ("give_up" if evidence.action("give_up") else "failure")
    return rollback.trigger(evidence, kind)


def _detection(evidence: Evidence) -> float | None:
    """From the first request of a user that failed after the deployment began until something acted on it."""
    first, trigger = evidence.deployment, _trigger(evidence)
    if first is None or trigger is None:
        return None
    began = first.created or first.at
    failed = next((one.at for one in evidence.requests if one.at >= began and not is_good(one)), None)
    return round(trigger - failed, 3) if failed is not None and trigger >= failed else None


def _rollback(evidence: Evidence) -> float | None:
    """From the trigger until production was back on blue."""
    trigger, ended = _trigger(evidence), rollback.finished(evidence)
    if evidence.rollback is None or trigger is None or ended is None:
        return None
    return round(max(0.0, ended - trigger), 3)
