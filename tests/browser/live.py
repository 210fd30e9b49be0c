"""A run that goes on in this very process, for pages that follow one."""

import os
from pathlib import Path
from typing import Any

import psutil

from harness import clock
from harness import journal as j
from tests.unit import story


def live(directory: Path, of: Any = None, *, end: bool = False) -> j.Journal:
    """A journal of this very process, so that it counts as going on; its deployment began just now."""
    of = of or story.scenario({"outcome": "succeeded"})
    now = clock.now()
    journal = j.Journal(directory / "journal.jsonl")
    events: list[Any] = [
        # A run that began before its process is another's, whose number this process has now.
        story.started(of, at=max(now - 9, psutil.Process().create_time()), pid=os.getpid()),
        j.PhaseEntered(at=now - 8, phase="provision"),
        j.Provisioned(
            at=now - 7,
            resources={},
            endpoint="http://127.0.0.1:9",
            region="us-east-1",
            listeners={"production": "http://127.0.0.1:18000", "test": "http://127.0.0.1:18001"},
        ),
        j.SteadyState(at=now - 5, reached=True),
        j.PhaseEntered(at=now - 4, phase="deploy"),
        story.deployment("InProgress", None, at=now - 3, created=now - 3, started=now - 3),
        j.WeightsSeen(at=now - 2, route="production", blue=90, green=10),
        j.LifecycleSeen(
            at=now - 2, deployment=story.DEPLOYMENT, name="AllowTraffic", status="InProgress", started=now - 2
        ),
        j.Waited(at=now - 2, why="after 10 %", declared=300, effective=60),
        *(
            j.TargetHealthSeen(at=now - 2, side=side, states={state: 1}, targets={f"{address}:8080": state})
            for side, address, state in (("blue", "10.0.0.5", "healthy"), ("green", "10.0.0.6", "unhealthy"))
        ),
        j.TaskSeen(at=now - 2, task="aaaa1111", side="blue", version="v1", status="RUNNING", address="10.0.0.5"),
        j.TaskSeen(at=now - 2, task="bbbb2222", side="green", version="v2", status="RUNNING", address="10.0.0.6"),
    ]
    for event in events:
        journal.write(event)
    return journal


def answered(at: float, version: str = "v1", status: int = 200) -> j.RequestDone:
    return j.RequestDone(at=at, seq=0, due=at - 0.01, sent=at - 0.009, status=status, version=version)
