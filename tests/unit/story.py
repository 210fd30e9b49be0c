"""Journals of runs that never took place, for tests of verdicts and reports."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness import journal as j
from harness.scenario import LIFECYCLE_EVENTS, Scenario

T0 = 1_790_000_000.0
ROLLBACK = "d-ROLLBACK1"
DEPLOYMENT = "d-FIRST0001"


def scenario(expect: dict[str, Any], **parts: Any) -> Scenario:
    told = {
        "scenario": "v1",
        "id": "told",
        "title": {"en": "A story", "ko": "이야기"},
        "traffic": {"rate": "20/s", "path": "/"},
        "release": {"from": {"version": "v1"}, "to": {"version": "v2"}},
        "deploy": {
            "config": "CodeDeployDefault.ECSCanary10Percent5Minutes",
            "alarms": {"target-5xx": {"metric": "target_5xx_percent", "threshold": 5, "period": "1m"}},
            "rollback_on": ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM"],
        },
        "expect": expect,
    }
    return Scenario.model_validate(told | parts)


def started(of: Scenario, **changed: Any) -> j.RunStarted:
    told: dict[str, Any] = {
        "at": T0 - 12,
        "scenario": of.model_dump(mode="json"),
        "scenario_hash": of.hash,
        "target": "local",
        "runtime": "process",
        "compression": 24.0,
        "versions": {"rehearse": "0.1.0", "python": "3.11.9", "moto": "5.2.1"},
        "commit": "0123456789abcdef0123456789abcdef01234567-dirty",
    }
    return j.RunStarted(**(told | changed))


def request(due: float, version: str | None = "v1", status: int | None = 200, took: float = 0.004, **more: Any) -> Any:
    """Due `due` seconds after the deployment started."""
    return j.RequestDone(
        at=T0 + due + took, seq=0, due=T0 + due, sent=T0 + due + 0.001, status=status, version=version, **more
    )


def traffic(start: float, end: float, versions: str | Sequence[str], rate: float = 20, **more: Any) -> list[Any]:
    """`versions` in turn: `v1`, or `["v1", "v2"]`."""
    names = [versions] if isinstance(versions, str) else versions
    count = round((end - start) * rate)
    return [request(start + index / rate, names[index % len(names)], **more) for index in range(count)]


def deployment(status: str = "Succeeded", completed: float | None = 40.0, **more: Any) -> j.DeploymentSeen:
    told: dict[str, Any] = {
        "at": T0 + (completed or 0) + 0.3,
        "id": DEPLOYMENT,
        "status": status,
        "creator": "user",
        "config": "CodeDeployDefault.ECSCanary10Percent5Minutes",
        "created": T0,
        "started": T0,
        "completed": None if completed is None else T0 + completed,
    }
    return j.DeploymentSeen(**(told | more))


def rollback(status: str = "Succeeded", began: float = 25.0, completed: float | None = 26.0) -> j.DeploymentSeen:
    return deployment(
        status,
        completed,
        id=ROLLBACK,
        creator="codeDeployRollback",
        config="CodeDeployDefault.ECSAllAtOnce",
        rollback_of=DEPLOYMENT,
        created=T0 + began,
        started=T0 + began,
    )


ENDS = (0.1, 11.0, 11.1, 11.6, 13.2, 13.3, 30.0, 30.1)  # of the lifecycle events, in seconds


def lifecycle(failed: str | None = None, failed_at: float | None = None) -> list[Any]:
    """All events until `failed`; the rest is skipped."""
    events, since, skipped = [], 0.0, False
    for name, until in zip(LIFECYCLE_EVENTS, ENDS, strict=True):
        if name == failed and failed_at is not None:
            until = failed_at
        status = "Skipped" if skipped else "Failed" if name == failed else "Succeeded"
        times = {} if skipped else {"started": T0 + since, "ended": T0 + until}
        events.append(j.LifecycleSeen(at=T0 + until, deployment=DEPLOYMENT, name=name, status=status, **times))
        skipped, since = skipped or name == failed, until
    return events


def weights(*changes: tuple[float, float]) -> list[Any]:
    """(when, green's percent)"""
    return [j.WeightsSeen(at=T0 + at, route="production", blue=100 - green, green=green) for at, green in changes]


def told(of: Scenario, *events: Any, complete: bool = True, reason: str = "", **changed: Any) -> list[Any]:
    """A run that reached its steady state and came to its end, with `events` between."""
    return [
        started(of, **changed),
        j.PhaseEntered(at=T0 - 12, phase="provision"),
        j.PhaseEntered(at=T0 - 6, phase="steady_state"),
        j.SteadyState(at=T0 - 3, reached=True),
        j.PhaseEntered(at=T0 - 1, phase="deploy"),
        deployment("InProgress", None),
        *events,
        j.PhaseEntered(at=T0 + 44, phase="settle"),
        j.PhaseEntered(at=T0 + 50, phase="teardown"),
        j.TornDown(at=T0 + 52),
        j.RunEnded(at=T0 + 52, complete=complete, reason=reason),
    ]


def happy(of: Scenario, *more: Any) -> list[Any]:
    """Canary that succeeds: v1 until 13.3 s, both until 30 s, then v2."""
    mixed = ["v1"] * 9 + ["v2"]
    requests = traffic(-2, 13.4, "v1") + traffic(13.4, 30, mixed) + traffic(30, 48, "v2")
    return told(
        of, *requests, deployment(), *lifecycle(), *weights((-2, 0), (13.4, 10), (30, 100)), *ended(requests), *more
    )


def rolled_back(of: Scenario, *more: Any) -> list[Any]:
    """Green answers 500 from 13.4 s; the alarm is red at 22 s, production is back on blue at 25.4 s."""
    during = [
        request(13.4 + index / 20, "v2" if index % 10 == 9 else "v1", 500 if index % 10 == 9 else 200)
        for index in range(240)
    ]
    requests = traffic(-2, 13.4, "v1") + during + traffic(25.4, 48, "v1")
    stopped = deployment(
        "Stopped",
        25.0,
        error_code="ALARM_ACTIVE",
        error_message="One or more alarms have been activated",
        rollback_id=ROLLBACK,
    )
    alarm = j.AlarmSeen(at=T0 + 22.4, name="target-5xx", state="ALARM", since=T0 + 22, reason="over the threshold")
    return told(
        of,
        *requests,
        *lifecycle("AllowTraffic", 25.0),
        *weights((-2, 0), (13.4, 10), (25.4, 0)),
        alarm,
        stopped,
        rollback(),
        *ended(requests),
        *more,
    )


def ended(requests: Sequence[Any], **changed: Any) -> list[Any]:
    counts: dict[str, Any] = {"at": T0 + 48, "planned": len(requests), "done": len(requests), "late": 0}
    return [j.ProbeEnded(**(counts | changed))]


def written(directory: Path, events: Sequence[Any]) -> Path:
    """As a run writes them; returns the directory."""
    directory.mkdir(parents=True, exist_ok=True)
    lines = "".join(event.model_dump_json() + "\n" for event in events)
    (directory / "journal.jsonl").write_text(lines, encoding="utf-8")
    return directory
