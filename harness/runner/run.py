"""Several scenarios side by side: one target, one network, a thread for each, and one answer in the end."""

from __future__ import annotations

import itertools
import json
import os
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from harness import clock, compression, directory, errors, report, signs, summary, targets
from harness.compression import critical_path
from harness.driver import Session, Undo, network
from harness.driver.elbv2 import PRODUCTION_PORT, TEST_PORT
from harness.errors import Interrupted, UsageError
from harness.journal import Journal, RunEnded, RunStarted, Trouble
from harness.load.feed import need_locust
from harness.progress import Ending, Judged, Progress, print_endings, progress
from harness.runner.rehearsal import Rehearsal
from harness.runner.room import Room
from harness.runner.sweep import sweep
from harness.runner.versions import commit, versions, whoami
from harness.scenario import OwnApp, Scenario
from harness.targets.base import Asked, GoAhead, RuntimeAsked, Target
from harness.words import ENGLISH, Speech

REFRESH = 0.25
# Starting a container takes an engine more than starting a process. The second number is for a machine that has time left.
AT_ONCE_PER_CPU = {"process": (4, 8), "docker": (1, 2)}
ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAsked:
    """What `rehearse run` was told. `out` is made if it is not there; with `numbered` a number behind it tells it from another run's.
    `home` is the state directory; `locust_listens` HOST:PORT for Locust workers that somebody starts elsewhere."""

    scenarios: Sequence[Scenario]
    home: Path
    out: Path
    numbered: bool = False
    target: str = "local"
    endpoint: str | None = None
    runtime: RuntimeAsked = "auto"
    compress: float | Literal["auto"] = "auto"
    strict: bool = False
    as_json: bool = False
    app: OwnApp | None = None
    at_once: int | None = None
    go_ahead: GoAhead = field(default_factory=GoAhead)
    say: Speech = ENGLISH
    locust_listens: str | None = None


def run(asked: RunAsked) -> int:
    """Run them all; the exit code of the command-line contract. Raises HarnessError where nothing could be run at all."""
    if len({one.id for one in asked.scenarios}) < len(asked.scenarios):
        raise UsageError("two of the scenarios have the same id: their results would overwrite each other")
    for one in asked.scenarios:
        compression.compression_for(one, asked.compress)  # a factor that cannot be is refused before anything starts
    _can_load(asked)
    opened = targets.opened(
        Asked(
            target=asked.target,
            home=asked.home,
            runtime=asked.runtime,
            endpoint=asked.endpoint,
            scenarios=asked.scenarios,
            app=asked.app,
            go_ahead=asked.go_ahead,
            runs=(asked.home / "runs", asked.out.parent),
        )
    )
    with opened as target:
        plans = {one.id: _plan(asked, target, one) for one in asked.scenarios}
        asked = replace(asked, out=_claimed(asked))
        why = asked.say.known(target.why)
        scenarios = asked.say("one_scenario" if len(plans) == 1 else "scenarios", count=len(plans))
        begins = {"target": target.name, "runtime": target.runtime, "why": why, "scenarios": scenarios}
        _say(asked, asked.say("run_begins", **begins))
        rehearsals, left, interrupted = _rehearse(asked, target, plans)
    swept = sweep(asked.home) if asked.endpoint is None or asked.target != "local" else []
    endings = [_judged(asked, scenario, rehearsals.get(scenario.id)) for scenario in asked.scenarios]
    leftovers = left + swept + [line for one in rehearsals.values() for line in one.left]
    _print(asked, endings, leftovers)
    code = exit_code(
        endings,
        interrupted=interrupted,
        leftovers=leftovers,
        broke_off=any(one.broke_off for one in rehearsals.values()),
        strict=asked.strict,
    )
    line = summary.verdict_line(endings, code)
    summary.append_step_summary(endings, line)
    print(line, file=sys.stderr if asked.as_json else sys.stdout, flush=True)
    return code


def _plan(asked: RunAsked, target: Target, scenario: Scenario) -> compression.Plan:
    """Raises UsageError where a factor is asked for and the target has a clock of its own."""
    if target.pace is None:
        return compression.compression_for(scenario, asked.compress)
    if asked.compress != "auto":
        raise UsageError(f"--compress: the {target.name} target waits as long as AWS waits")
    return replace(compression.compression_for(scenario, target.pace), asked_for=False)


def _claimed(asked: RunAsked) -> Path:
    """`out`, with a directory for each scenario that no other run writes to: two could begin in the same second. Raises UsageError."""
    place = asked.out
    for number in itertools.count(2):
        try:
            directory.made(place, "the reports' directory")
            for one in asked.scenarios:
                (place / one.id).mkdir()
        except FileExistsError:
            if not asked.numbered:
                raise UsageError(f"{place} has another run of {one.id}; name another directory with --out") from None
            place = asked.out.with_name(f"{asked.out.name}-{number}")
        else:
            break
    return place


def _can_load(asked: RunAsked) -> None:
    """Raises UsageError where Locust is asked for and cannot make the traffic."""
    by_locust = [one.id for one in asked.scenarios if one.traffic.engine == "locust"]
    if by_locust:
        need_locust()
    if asked.locust_listens and len(by_locust) != 1:
        told = ", ".join(by_locust) or "none"
        raise UsageError(f"--locust-listens is for one scenario with traffic.engine: locust; here there are: {told}")


def exit_code(
    endings: Sequence[Ending], *, interrupted: bool, leftovers: Sequence[str], broke_off: bool, strict: bool
) -> int:
    """The worst of what happened, most telling first."""
    verdicts = {ending.verdict for ending in endings}
    ranked = (
        (interrupted, errors.EXIT_INTERRUPTED),
        ("unmet" in verdicts, errors.EXIT_UNMET),
        (broke_off, errors.EXIT_TARGET),
        (bool(leftovers), errors.EXIT_LEFT_BEHIND),
        ("inconclusive" in verdicts, errors.EXIT_INCONCLUSIVE),
        (strict and "unsupported" in verdicts, errors.EXIT_UNSUPPORTED),
    )
    return next((code for happened, code in ranked if happened), errors.EXIT_MET)


def _rehearse(
    asked: RunAsked, target: Target, plans: dict[str, compression.Plan]
) -> tuple[dict[str, Rehearsal], list[str], bool]:
    """The rehearsals, what the shared part left behind, and whether Ctrl-C ended them."""
    run_id, undo, rehearsals = new_run_id(), Undo(), dict[str, Rehearsal]()
    session = Session(
        region=target.region, endpoint=target.endpoint, run_id=run_id, chain=target.chain, tags=target.tags
    )
    supported = [one for one in asked.scenarios if not _refused(asked, target, one)]
    stop = threading.Event()
    try:
        if supported:
            ports = {PRODUCTION_PORT, TEST_PORT, *(one.service.container_port for one in supported)}
            shared = target.network or network.make(session, undo, ports=tuple(ports))
            made = commit(Path.cwd())
            for index, one in enumerate(supported):
                unique = f"{run_id}{ALPHABET[index // 36]}{ALPHABET[index % 36]}"
                out = asked.out / one.id
                rehearsals[one.id] = Rehearsal(
                    one,
                    plans[one.id],
                    target,
                    session,
                    shared,
                    out,
                    unique,
                    made,
                    stop,
                    asked.home,
                    asked.locust_listens,
                )
            _side_by_side(list(rehearsals.values()), stop, _room(asked, target), asked.say)
    except KeyboardInterrupt:
        stop.set()
    finally:
        left = undo.everything()
        session.close()
    return rehearsals, left, stop.is_set()


def _room(asked: RunAsked, target: Target) -> Room:
    always, at_most = AT_ONCE_PER_CPU.get(target.runtime or "", (4, 4))
    cpus = os.cpu_count() or 1
    if target.at_once is not None and asked.at_once is None:
        return Room(target.at_once, target.at_once)
    return Room(asked.at_once or always * cpus, asked.at_once or at_most * cpus)


def _side_by_side(rehearsals: Sequence[Rehearsal], stop: threading.Event, room: Room, say: Speech) -> None:
    """Run each in its thread, the longest first and as many at once as there is room, and show them; Ctrl-C asks them to clean
    up, a second one leaves at once."""
    longest_first = sorted(rehearsals, key=lambda one: -critical_path(one.scenario, one.plan))
    threads = [
        threading.Thread(target=_run_when_there_is_room, args=(one, room, stop), name=one.scenario.id, daemon=True)
        for one in longest_first
    ]
    for thread in threads:
        thread.start()
    shown = progress(say=say)
    try:
        _watch(rehearsals, threads, shown, room)
    except KeyboardInterrupt:
        stop.set()
        print(say("interrupted"), file=sys.stderr, flush=True)
        try:
            _watch(rehearsals, threads, shown, room)
        except KeyboardInterrupt:
            unfinished = [one.scenario.id for one in rehearsals if one.phase != "done"]
            raise Interrupted(
                f"left at once; these were not cleaned up: {', '.join(unfinished)} (rehearse sweep removes what they left)"
            ) from None
    finally:
        shown.close()


def _run_when_there_is_room(rehearsal: Rehearsal, room: Room, stop: threading.Event) -> None:
    """Whoever only tears down needs no room any more: that is waiting for a drain."""
    room.enter()
    if stop.is_set():
        room.leave()
    else:
        rehearsal.leaving = room.leave
        rehearsal.run()


def _watch(rehearsals: Sequence[Rehearsal], threads: Sequence[threading.Thread], shown: Progress, room: Room) -> None:
    while any(thread.is_alive() for thread in threads):
        room.look()
        shown.show([one.status for one in rehearsals])
        clock.pause(REFRESH)
    shown.show([one.status for one in rehearsals])


def _refused(asked: RunAsked, target: Target, scenario: Scenario) -> bool:
    """Whether the target cannot do it; then its journal says so, and why."""
    why = target.unsupported(scenario)
    if why is None:
        return False
    with Journal(asked.out / scenario.id / "journal.jsonl") as journal:
        journal.write(
            RunStarted(
                at=clock.now(),
                scenario=scenario.model_dump(mode="json"),
                scenario_hash=scenario.hash,
                target=target.name,
                runtime=target.runtime,
                compression=1.0,
                versions=versions(),
                commit=commit(Path.cwd()),
                by=whoami(),
                executed=dict(target.executed),
            )
        )
        journal.write(Trouble(at=clock.now(), step="unsupported", message=why, fatal=True))
        journal.write(RunEnded(at=clock.now(), complete=False, reason=f"unsupported: {why}"))
    return True


def _judged(asked: RunAsked, scenario: Scenario, rehearsal: Rehearsal | None) -> Ending:
    """Write the reports of one scenario, and say how it ended."""
    place = asked.out / scenario.id
    if not (place / "journal.jsonl").is_file():
        why = (rehearsal.broke_off if rehearsal else "") or asked.say("interrupted_before")
        return Ending(scenario.id, "inconclusive", "not run", 0, 0, 0.0, 0.0, why=why)
    report.write(place)
    result: dict[str, Any] = json.loads((place / "result.json").read_text(encoding="utf-8"))
    paid = rehearsal.summary if rehearsal else None
    return Ending(
        scenario=scenario.id,
        verdict=result["verdict"],
        outcome=str(result["outcome"] or "no outcome"),
        requests=paid.requests if paid else 0,
        failed=paid.failed if paid else 0,
        gap=paid.longest_gap if paid else 0.0,
        seconds=rehearsal.seconds if rehearsal else 0.0,
        why=_why(result, rehearsal, asked.say),
        report=str(place / "report.html"),
        expectations=tuple(
            Judged(one["name"], one["verdict"], one["measured"], one["limit"], one["n"])
            for one in result["expectations"]
        ),
    )


def _why(result: dict[str, Any], rehearsal: Rehearsal | None, say: Speech) -> str:
    """The first thing a reader wants to know when not all is met."""
    if rehearsal is not None and rehearsal.broke_off:
        return rehearsal.broke_off
    if result["why"]:
        return str(result["why"])
    for one in result["expectations"]:
        if one["verdict"] != "met":
            return say("expected", name=one["name"], measured=one["measured"], limit=one["limit"])
    return ""


def _print(asked: RunAsked, endings: Sequence[Ending], leftovers: Sequence[str]) -> None:
    for line in leftovers:
        print(asked.say("left_behind", thing=line), file=sys.stderr)
    if not asked.as_json:
        return print_endings(endings, signs.path_for(sys.stdout, _short(asked.out)), say=asked.say)
    results = [asked.out / ending.scenario / "result.json" for ending in endings]
    told = {
        "out": str(asked.out),
        "left": list(leftovers),
        "scenarios": [json.loads(path.read_text(encoding="utf-8")) for path in results if path.is_file()],
    }
    return print(json.dumps(told, indent=2))


def _say(asked: RunAsked, line: str) -> None:
    if not asked.as_json:
        print(line, file=sys.stderr, flush=True)


def _short(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def new_run_id() -> str:
    """Five characters that rise with time: unique for two years, one run a second."""
    left, digits = int(clock.now()), ""
    for _ in range(5):
        left, digit = divmod(left, 36)
        digits = ALPHABET[digit] + digits
    return digits
