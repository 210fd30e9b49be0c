"""The `rehearse` command: one function per verb. Exit codes are those of harness/errors.py; an error is one clear line."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Literal

from harness import __version__, clock, images, lint, report, scenario
from harness.errors import (
    EXIT_INTERRUPTED,
    EXIT_MET,
    EXIT_UNMET,
    EXIT_USAGE,
    HarnessError,
    LeftBehind,
    UsageError,
)
from harness.report import compare, compare_page
from harness.runner.run import RunAsked, run
from harness.runner.sweep import sweep
from harness.scenario import Scenario
from harness.targets import TARGETS, emulators, local

SCENARIOS = Path("scenarios")
NOT_BUILT = "is not built yet"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; its exit code."""
    asked = _parser().parse_args(arguments)
    verb: Callable[[argparse.Namespace], int] = asked.verb
    signal.signal(signal.SIGTERM, _terminated)  # a cancelled CI job cleans up as well
    try:
        return verb(asked)
    except HarnessError as error:
        print(f"rehearse: {error}", file=sys.stderr, flush=True)
        return error.exit_code
    except KeyboardInterrupt:
        print("rehearse: interrupted", file=sys.stderr, flush=True)
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # `rehearse ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_MET


def _terminated(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


# ---- run, report


def do_run(asked: argparse.Namespace) -> int:
    return run(
        RunAsked(
            scenarios=_scenarios(asked.scenario),
            home=_home(),
            out=asked.out or _home() / "runs" / clock.utc().strftime("%Y-%m-%dT%H-%M-%S"),
            target=asked.target,
            endpoint=asked.endpoint,
            runtime=asked.runtime,
            compress=asked.compress,
            strict=asked.strict,
            as_json=asked.json,
        )
    )


def _scenarios(paths: Sequence[Path]) -> list[Scenario]:
    """The scenarios named; without a name all that are tagged core."""
    if paths:
        return [scenario.load(path) for path in paths]
    found = sorted(SCENARIOS.glob("*.yaml"))
    if not found:
        raise UsageError(f"there are no scenarios in {SCENARIOS.resolve()}; name one")
    core = [one for one in map(scenario.load, found) if "core" in one.tags]
    if not core:
        raise UsageError(f"none of the {len(found)} scenarios in {SCENARIOS} is tagged core; name one")
    return core


def do_report(asked: argparse.Namespace) -> int:
    """Judge again, from the journals alone."""
    journals = sorted(asked.run_dir.glob("journal.jsonl")) or sorted(asked.run_dir.glob("*/journal.jsonl"))
    if not journals:
        raise UsageError(f"{asked.run_dir}: there is no journal.jsonl in it, nor in a directory below it")
    for journal in journals:
        report.write(journal.parent)
        print(journal.parent / "report.html")
    return EXIT_MET


def do_compare(asked: argparse.Namespace) -> int:
    """Two runs, or two directories of runs, scenario by scenario."""
    comparison = compare.of_directories(asked.run_a, asked.run_b)
    print(compare.table(comparison))
    print(compare_page.write(comparison, asked.out))
    return EXIT_MET if comparison.same else EXIT_UNMET


def do_dashboard(asked: argparse.Namespace) -> int:
    """Until Ctrl-C."""
    from harness import dashboard  # slow to import, and only needed here

    runs = (asked.runs or _home() / "runs").resolve()
    options = ("--runtime", asked.runtime)
    dashboard.serve(dashboard.Asked(runs=runs, scenarios=SCENARIOS.resolve(), port=asked.port, options=options))
    return EXIT_MET


def do_lint(asked: argparse.Namespace) -> int:
    """Say everything about the scenarios; an error is exit code 2, a warning is not."""
    broken = False
    for path in asked.scenario:
        for finding in lint.lint(path):
            print(f"{path}:{finding.line}: {finding.level}: {finding.message}")
            broken |= finding.level == "error"
    return EXIT_USAGE if broken else EXIT_MET


# ---- the emulator


def do_up(asked: argparse.Namespace) -> int:
    command = [sys.executable, "-m", "harness.emulator", "--home", str(_home()), "--port", str(asked.port)]
    command += ["--runtime", asked.runtime, "--compress", f"{asked.compress:g}", "--delegate", asked.delegate]
    if not asked.detach:
        sys.stdout.flush()
        os.execv(command[0], command)
    _home().mkdir(parents=True, exist_ok=True)
    log = _home() / "emulator.log"
    with log.open("ab") as errors:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
    endpoint = local.ready(process, log)
    for name, value in emulators.exports(endpoint, local.REGION).items():
        print(f"export {name}={shlex.quote(value)}")
    return EXIT_MET


def do_status(asked: argparse.Namespace) -> int:
    emulator = emulators.the_one(_home(), asked.port)
    status = emulators.ask(emulator.endpoint, "/_rehearsal/status")
    if asked.json:
        print(json.dumps(status, indent=2))
        return EXIT_MET
    print(f"{status['endpoint']} (pid {status['pid']}, {status['runtime']} runtime), {len(status['tasks'])} tasks")
    for one in status["load_balancers"]:
        for listener in one["listeners"]:
            print(f"  {one['name']}:{listener['port']}  {listener['url']}")
    return EXIT_MET


def do_down(asked: argparse.Namespace) -> int:
    emulator = emulators.the_one(_home(), asked.port)
    by_itself = emulators.stop(emulator.pid)
    print(f"stopped the emulator at {emulator.endpoint}" + ("" if by_itself else ", by force"))
    return EXIT_MET


def do_sweep(asked: argparse.Namespace) -> int:
    """Remove what crashes left; exit code 6 where something is still there after that."""
    removed = sweep(_home())
    for line in removed:
        print(f"removed {line}")
    if again := sweep(_home()):
        raise LeftBehind(again)
    print(f"{len(removed)} things removed" if removed else "nothing was left")
    return EXIT_MET


def do_build(asked: argparse.Namespace) -> int:
    if asked.push:
        raise UsageError(f"build --push {NOT_BUILT}")
    running = emulators.running(_home())
    runtime = running[0].runtime if running else local.choose_runtime("auto")[0]
    print(images.build(_home(), runtime, path=asked.path, revision=asked.revision, message=asked.message))
    return EXIT_MET


def do_doctor(asked: argparse.Namespace) -> int:
    """What this machine can do. Exit code 3 where the target could not run."""
    if asked.target != "local":
        raise UsageError(f"doctor --target {asked.target} {NOT_BUILT}")
    ready, why = images.docker_ready()
    print(f"rehearse {__version__}, Python {sys.version.split()[0]}, {os.cpu_count()} CPUs")
    print(f"state directory: {_home()}")
    print(f"{'yes' if ready else 'no '} containers: {why}")
    print("yes processes: the runtime where there is no Docker")
    for emulator in emulators.running(_home()):
        print(f"running: {emulator.endpoint} (pid {emulator.pid}, {emulator.runtime} runtime)")
    with local.started(_home(), "process") as endpoint:
        print(f"yes the emulator starts and answers ({endpoint})")
    return EXIT_MET


def do_not_built(asked: argparse.Namespace) -> int:
    raise UsageError(f"{asked.name} {NOT_BUILT}")


# ---- the command line


def _home() -> Path:
    """The state directory: .rehearsal of the working directory, or REHEARSAL_HOME."""
    return Path(os.environ.get("REHEARSAL_HOME") or ".rehearsal").resolve()


def _compression(text: str) -> float | Literal["auto"]:
    if text == "auto":
        return "auto"
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is neither auto nor a number") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rehearse", description="Rehearse an Amazon ECS blue/green release before it is real."
    )
    parser.add_argument("--version", action="version", version=f"rehearse {__version__}")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    _run_parser(verbs)
    _emulator_parsers(verbs)
    _other_parsers(verbs)
    return parser


def _run_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    one = verbs.add_parser("run", help="run scenarios (default: all tagged core) and judge them")
    one.set_defaults(verb=do_run)
    one.add_argument("scenario", nargs="*", type=Path, metavar="SCENARIO")
    one.add_argument("--target", choices=tuple(TARGETS), default="local")
    one.add_argument("--endpoint", metavar="URL", help="use the emulator that runs there")
    one.add_argument("--runtime", choices=("auto", "docker", "process"), default="auto")
    one.add_argument("--compress", type=_compression, default="auto", metavar="auto|N")
    one.add_argument("--strict", action="store_true", help="unsupported is an error (exit code 5)")
    one.add_argument("--out", type=Path, metavar="DIR", help="default: runs/<time> of the state directory")
    one.add_argument("--json", action="store_true", help="the results on standard output")


def _emulator_parsers(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    one = verbs.add_parser("up", help="the emulator as an AWS endpoint")
    one.set_defaults(verb=do_up)
    one.add_argument("--port", type=int, default=4566)
    one.add_argument("--runtime", choices=("auto", "docker", "process"), default="auto")
    one.add_argument("--compress", type=float, default=1.0, metavar="N")
    one.add_argument("--delegate", default="moto", metavar="moto|URL")
    one.add_argument("--detach", action="store_true", help="return when it answers, print export lines")
    one = verbs.add_parser("status", help="the running emulator and where its listeners are reached")
    one.set_defaults(verb=do_status)
    one.add_argument("--json", action="store_true")
    one.add_argument("--port", type=int)
    one = verbs.add_parser("down", help="stop the running emulator")
    one.set_defaults(verb=do_down)
    one.add_argument("--port", type=int)
    one = verbs.add_parser("sweep", help="remove what crashed runs left on this machine")
    one.set_defaults(verb=do_sweep)
    one = verbs.add_parser("build", help="make an image of the sample app, or of PATH")
    one.set_defaults(verb=do_build)
    one.add_argument("path", nargs="?", type=Path, metavar="PATH")
    one.add_argument("--revision", default="v1")
    one.add_argument("--message")
    one.add_argument("--push", metavar="REPOSITORY")


def _other_parsers(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    one = verbs.add_parser("lint", help="check scenarios without running them")
    one.set_defaults(verb=do_lint)
    one.add_argument("scenario", nargs="+", type=Path, metavar="SCENARIO")
    one = verbs.add_parser("doctor", help="what this machine can do")
    one.set_defaults(verb=do_doctor)
    one.add_argument("--target", choices=tuple(TARGETS), default="local")
    one = verbs.add_parser("report", help="judge a run again and write its reports, from its journals alone")
    one.set_defaults(verb=do_report)
    one.add_argument("run_dir", type=Path, metavar="RUN_DIR")
    one = verbs.add_parser("dashboard", help="live page of the runs, on this machine only")
    one.set_defaults(verb=do_dashboard)
    one.add_argument("--port", type=int, default=8765)
    one.add_argument("--runs", type=Path, metavar="DIR", help="default: runs of the state directory")
    one.add_argument("--runtime", choices=("auto", "docker", "process"), default="auto", help="of runs started there")
    one = verbs.add_parser("compare", help="two runs side by side; exit code 1 where their verdicts differ")
    one.set_defaults(verb=do_compare)
    one.add_argument("run_a", type=Path, metavar="RUN_A")
    one.add_argument("run_b", type=Path, metavar="RUN_B")
    one.add_argument("--out", type=Path, default=Path(), metavar="DIR", help="where compare.html goes (default: here)")
    for name, help_ in (("aws", "plan, up, run, status and down on AWS"),):
        one = verbs.add_parser(name, help=f"{help_} (not built yet)")
        one.set_defaults(verb=do_not_built, name=name)
        one.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)


if __name__ == "__main__":
    sys.exit(main())
