"""The `rehearse` command: one function per verb. Exit codes are those of harness/errors.py; an error is one clear line.

A verb imports what it needs when it runs: all of them together take half a second, which `rehearse up` and `--help` need not spend.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from harness import __version__, interpreter, signs
from harness.aws import arguments as aws
from harness.errors import (
    EXIT_INTERRUPTED,
    EXIT_MET,
    EXIT_TARGET,
    EXIT_UNMET,
    EXIT_USAGE,
    HarnessError,
    LeftBehind,
    UsageError,
    lacking,
)
from harness.targets import TARGETS
from harness.words import LANGUAGES, Speech, spoken

if TYPE_CHECKING:
    from harness.scenario import Scenario

SCENARIOS = Path("scenarios")
USUAL_PORT = 4566
EXPOSED = (
    "careful: --bind {bind} lets everybody who reaches port {port} of this machine start processes on it; the emulator checks no "
    "credentials\n"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; its exit code. Without `arguments` it is the command itself, and the process is its own."""
    if arguments is None:
        interpreter.begin()
    else:
        signs.tolerate()
    signal.signal(signal.SIGTERM, _terminated)  # a cancelled CI job cleans up as well
    try:
        asked = _parsed(arguments)
        verb: Callable[[argparse.Namespace], int] = asked.verb
        code = verb(asked)
        sys.stdout.flush()
        return code
    except HarnessError as error:
        _complain(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        _complain("interrupted")
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # `rehearse ... | head`: nobody has read the verdict, so it is not "all met"
        _say_no_more()
        return EXIT_TARGET
    except Exception as error:  # noqa: BLE001 - Python's own exit code, 1, would say that an expectation was not met
        if said := lacking(error):
            _say_no_more()
            _complain(said)
            return EXIT_TARGET
        import traceback

        _complain(f"a bug of ours: {type(error).__name__}: {error}", before=traceback.format_exc())
        return EXIT_TARGET


def _complain(line: str, before: str = "") -> None:
    """On standard error. Where nobody can be told any more, the exit code still tells."""
    with contextlib.suppress(OSError):
        print(f"{before}rehearse: {line}", file=sys.stderr, flush=True)
        return
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())  # Python would try again at its end


def _say_no_more() -> None:
    """What is still to be written to standard output goes nowhere: Python would try again at its end."""
    with contextlib.suppress(OSError):  # no file can be opened any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _terminated(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


# ---- run, report


def do_run(asked: argparse.Namespace) -> int:
    from harness import directory, scenario
    from harness.runner.run import RunAsked, run

    if asked.out is not None and os.path.exists(asked.out) and not asked.out.is_dir():
        raise UsageError(f"--out {asked.out}: it must be a directory")
    if asked.target != "aws" and (given := aws.meant_for_aws(asked)):
        raise UsageError(f"{', '.join(given)}: only with --target aws; this is --target {asked.target}")
    return run(
        RunAsked(
            scenarios=_scenarios(asked.scenario),
            home=_home(),
            out=asked.out or directory.of_a_new_run(_home() / "runs"),
            numbered=asked.out is None,
            target=asked.target,
            endpoint=asked.endpoint,
            runtime=asked.runtime,
            compress=asked.compress,
            strict=asked.strict,
            as_json=asked.json,
            app=scenario.load_own_app(),
            at_once=asked.at_once,
            go_ahead=aws.go_ahead_of(asked),
            say=_speech(asked),
            locust_listens=asked.locust_listens,
        )
    )


def _scenarios(paths: Sequence[Path]) -> list[Scenario]:
    """The scenarios named; without a name all that are tagged core."""
    from harness import scenario

    app = scenario.load_own_app()
    if paths:
        return [scenario.load(path, app) for path in paths]
    found = sorted(SCENARIOS.glob("*.yaml"))
    if not found:
        raise UsageError(f"there are no scenarios in {SCENARIOS.resolve()}; name one")
    core = [one for one in (scenario.load(path, app) for path in found) if "core" in one.tags]
    if not core:
        raise UsageError(f"none of the {len(found)} scenarios in {SCENARIOS} is tagged core; name one")
    return core


def do_report(asked: argparse.Namespace) -> int:
    """Judge again, from the journals alone."""
    from harness import report

    journals = sorted(asked.run_dir.glob("journal.jsonl")) or sorted(asked.run_dir.glob("*/journal.jsonl"))
    if not journals:
        raise UsageError(f"{asked.run_dir}: there is no journal.jsonl in it, nor in a directory below it")
    for journal in journals:
        report.write(journal.parent)
        print(signs.path_for(sys.stdout, journal.parent / "report.html"))
    return EXIT_MET


def do_compare(asked: argparse.Namespace) -> int:
    """Two runs, or two directories of runs, scenario by scenario."""
    from harness.report import compare, compare_page

    comparison = compare.of_directories(asked.run_a, asked.run_b)
    print(compare.table(comparison, _speech(asked)))
    print(signs.path_for(sys.stdout, compare_page.write(comparison, asked.out)))
    return EXIT_MET if comparison.same else EXIT_UNMET


def do_dashboard(asked: argparse.Namespace) -> int:
    """Until Ctrl-C."""
    from harness import dashboard, directory

    runs = (asked.runs or directory.made(_home(), "the state directory") / "runs").resolve()
    options = ("--runtime", asked.runtime)
    dashboard.serve(dashboard.Asked(runs=runs, scenarios=SCENARIOS.resolve(), port=asked.port, options=options))
    return EXIT_MET


def do_lint(asked: argparse.Namespace) -> int:
    """Say everything about the scenarios; an error is exit code 2, a warning is not."""
    from harness import lint, scenario

    broken, app = False, scenario.load_own_app()
    for path in asked.scenario:
        for finding in lint.lint(path, app):
            where = f"{path}:{finding.line}" if finding.line else str(path)
            print(f"{where}: {finding.level}: {finding.message}")
            broken |= finding.level == "error"
    return EXIT_USAGE if broken else EXIT_MET


# ---- the emulator


def do_up(asked: argparse.Namespace) -> int:
    """This process becomes the emulator, or with --detach starts it. It is the emulator that chooses the runtime, and says why."""
    from harness.targets import starting

    port, bind = USUAL_PORT if asked.port is None else asked.port, asked.bind or "127.0.0.1"
    command = starting.command(_home(), "--port", str(port), "--runtime", asked.runtime or "auto")
    command += ["--compress", f"{asked.compress or 1:g}", "--delegate", asked.delegate or "moto", "--bind", bind]
    command += [word for drive in asked.drive for word in ("--drive", drive)]
    exposed = "" if bind == "127.0.0.1" else EXPOSED.format(bind=bind, port=port)
    if not asked.detach:
        print(exposed, end="", file=sys.stderr, flush=True)
        os.execve(command[0], command, starting.in_the_foreground())
    return _detached(asked, command, exposed)


def _detached(asked: argparse.Namespace, command: Sequence[str], exposed: str) -> int:
    """One that runs already is as good as a new one, where it runs with what is asked for."""
    from harness.targets import detached

    given = {name: getattr(asked, name) for name in ("runtime", "compress", "delegate", "drive", "bind")}
    if not detached.runs_already(_home(), asked.port, USUAL_PORT, given):
        print(exposed, end="", file=sys.stderr, flush=True)
        detached.up(_home(), command)
    return EXIT_MET


def do_status(asked: argparse.Namespace) -> int:
    import json

    from harness.targets import emulators

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
    from harness.targets import emulators

    emulator = emulators.the_one(_home(), asked.port)
    by_itself = emulators.stop(emulator.pid)
    print(f"stopped the emulator at {emulator.endpoint}" + ("" if by_itself else ", by force"))
    return EXIT_MET


def do_sweep(asked: argparse.Namespace) -> int:
    """Remove what crashes left; exit code 6 where something is still there after that."""
    from harness.runner.sweep import sweep

    removed = sweep(_home())
    for line in removed:
        print(f"removed {line}")
    if again := sweep(_home()):
        raise LeftBehind(again)
    count = "1 thing" if len(removed) == 1 else f"{len(removed)} things"
    print(f"{count} removed" if removed else "nothing was left")
    return EXIT_MET


def do_build(asked: argparse.Namespace) -> int:
    import re

    from harness import images
    from harness.targets import emulators, local, push

    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", asked.revision):
        raise UsageError(f"--revision {asked.revision}: it must be fit for an image tag: letters, digits, . - and _")
    emulator = emulators.the_one(_home(), asked.port) if asked.push else None
    running = emulators.running(_home())
    runtime = (emulator or running[0]).runtime if running else local.choose_runtime("auto")[0]
    image = images.build(
        _home(),
        runtime,
        path=asked.path,
        revision=asked.revision,
        message=asked.message,
        architecture=asked.platform,
    )
    print(image)
    if emulator is not None:
        print(push.push(_home(), emulator, image, asked.push))
    return EXIT_MET


def do_doctor(asked: argparse.Namespace) -> int:
    """What this machine can do. Exit code 3 where the target could not run."""
    from harness import doctor

    if asked.target == "localstack":
        from harness.doctor import localstack

        return localstack.run(_home(), asked.endpoint)
    if asked.target == "aws":
        return aws.doctor(asked.endpoint)
    return doctor.run(_home(), as_json=asked.json)


# ---- the command line


def _home() -> Path:
    """The state directory: .rehearsal of the working directory, or REHEARSAL_HOME. Raises UsageError."""
    home = Path(os.environ.get("REHEARSAL_HOME") or ".rehearsal").resolve()
    try:
        if home.exists() and not home.is_dir():
            raise UsageError(f"the state directory {home} cannot be made: a file is in its place")
    except OSError as error:  # a name that is too long
        raise UsageError(f"the state directory {home} cannot be made: {error.strerror}") from error
    return home


def _speech(asked: argparse.Namespace) -> Speech:
    """As --lang or the locale says; English where Korean letters could not be shown, and why where they were asked for."""
    encoding = signs.encoding_of(sys.stdout)
    korean = signs.shows_korean(encoding)
    if asked.lang == "ko" and not korean:
        print(f"--lang ko: {encoding}, the encoding of this terminal, has no Korean: here is English", file=sys.stderr)
    return spoken(asked.lang, os.environ, korean=korean)


def _compression(text: str) -> float | Literal["auto"]:
    if text == "auto":
        return "auto"
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is neither auto nor a number") from None


def _factor(text: str) -> float:
    try:
        factor = float(text)
    except ValueError:
        factor = math.nan
    if not (math.isfinite(factor) and factor >= 1):
        raise argparse.ArgumentTypeError(f"{text} is not a number that is 1 or more")
    return factor


def _count(text: str) -> int:
    if not (text.isdecimal() and int(text) >= 1):
        raise argparse.ArgumentTypeError(f"{text} is not a whole number that is 1 or more")
    return int(text)


def _port(text: str) -> int:
    if not (text.isdecimal() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text} is not a port (0 to 65535)")
    return int(text)


def _address(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is not HOST:PORT")
    return text


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One clear line, as for every other error."""
        raise UsageError(f"{message} (see {self.prog} --help)")

    def _print_message(self, message: str, file: Any = None) -> None:
        """argparse's own is content where help and version cannot be written."""
        print(message, end="", file=file, flush=True)


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Raises UsageError."""
    asked, strange = _parser().parse_known_args(arguments)
    if strange:
        raise UsageError(f"unrecognized arguments: {' '.join(strange)} (see rehearse --help)")
    return asked


def _platform(text: str) -> str:
    """The architecture of a platform as Docker names it."""
    system, _, architecture = text.partition("/")
    if system != "linux" or architecture not in ("amd64", "arm64"):
        raise argparse.ArgumentTypeError(f"{text} is neither linux/amd64 nor linux/arm64")
    return architecture


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="rehearse", description="Rehearse an Amazon ECS blue/green release before it is real.")
    parser.add_argument("--version", action="version", version=f"rehearse {__version__}")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    _run_parser(verbs)
    _emulator_parsers(verbs)
    _other_parsers(verbs)
    return parser


def _run_parser(verbs: argparse._SubParsersAction[_Parser]) -> None:
    one = verbs.add_parser("run", help="run scenarios (default: all tagged core) and judge them")
    one.set_defaults(verb=do_run)
    one.add_argument("scenario", nargs="*", type=Path, metavar="SCENARIO")
    one.add_argument("--target", choices=TARGETS, default="local")
    one.add_argument(
        "--endpoint", metavar="URL", help="use the emulator (with --target localstack: the LocalStack) there"
    )
    one.add_argument("--runtime", choices=("auto", "docker", "process"), default="auto")
    one.add_argument("--compress", type=_compression, default="auto", metavar="auto|N")
    one.add_argument(
        "--at-once",
        type=_count,
        default=None,
        metavar="N",
        help="scenarios side by side (default: 4 for each CPU, 8 where it has time for them; 2 and 3 of containers)",
    )
    one.add_argument(
        "--locust-listens",
        type=_address,
        metavar="HOST:PORT",
        help="for traffic.engine: locust, wait there for workers started elsewhere (they are not authenticated)",
    )
    one.add_argument("--strict", action="store_true", help="unsupported is an error (exit code 5)")
    one.add_argument("--out", type=Path, metavar="DIR", help="default: runs/<time> of the state directory")
    one.add_argument("--json", action="store_true", help="the results on standard output")
    for add in aws.RUN:
        add(one)
    _speaks(one)


def _speaks(one: argparse.ArgumentParser) -> None:
    one.add_argument("--lang", choices=LANGUAGES, help="what the terminal speaks (default: as LC_ALL or LANG says)")


def _emulator_parsers(verbs: argparse._SubParsersAction[_Parser]) -> None:
    one = verbs.add_parser("up", help="the emulator as an AWS endpoint")
    one.set_defaults(verb=do_up)
    one.add_argument("--port", type=_port)
    one.add_argument("--runtime", choices=("auto", "docker", "process"))
    one.add_argument("--compress", type=_factor, metavar="N")
    one.add_argument(
        "--bind",
        choices=("127.0.0.1", "0.0.0.0"),
        help="0.0.0.0 only in a container whose ports are published on the loopback of its host",
    )
    one.add_argument("--delegate", metavar="moto|URL")
    one.add_argument(
        "--drive",
        action="append",
        default=[],
        metavar="ecs,elbv2=URL",
        help="that endpoint executes them; ours drives it",
    )
    one.add_argument("--detach", action="store_true", help="return when it answers, print two lines for eval")
    one = verbs.add_parser("status", help="the running emulator and where its listeners are reached")
    one.set_defaults(verb=do_status)
    one.add_argument("--json", action="store_true")
    one.add_argument("--port", type=_port)
    one = verbs.add_parser("down", help="stop the running emulator")
    one.set_defaults(verb=do_down)
    one.add_argument("--port", type=_port)
    one = verbs.add_parser("sweep", help="remove what crashed runs left on this machine")
    one.set_defaults(verb=do_sweep)
    one = verbs.add_parser("build", help="make an image of the sample app, or of PATH")
    one.set_defaults(verb=do_build)
    one.add_argument("path", nargs="?", type=Path, metavar="PATH")
    one.add_argument("--revision", default="v1")
    one.add_argument("--message", type=interpreter.typed)
    one.add_argument("--platform", type=_platform, metavar="linux/ARCHITECTURE", help="default: this machine's")
    one.add_argument("--push", metavar="REPOSITORY", help="also into this ECR repository of the running emulator")
    one.add_argument("--port", type=int, help="which emulator, where several run")


def _other_parsers(verbs: argparse._SubParsersAction[_Parser]) -> None:
    one = verbs.add_parser("lint", help="check scenarios without running them")
    one.set_defaults(verb=do_lint)
    one.add_argument("scenario", nargs="+", type=Path, metavar="SCENARIO")
    one = verbs.add_parser("doctor", help="what this machine can do")
    one.set_defaults(verb=do_doctor)
    one.add_argument("--target", choices=TARGETS, default="local")
    one.add_argument("--endpoint", metavar="URL", help="where LocalStack is (with --target localstack)")
    one.add_argument("--json", action="store_true")
    one = verbs.add_parser("report", help="judge a run again and write its reports, from its journals alone")
    one.set_defaults(verb=do_report)
    one.add_argument("run_dir", type=Path, metavar="RUN_DIR")
    one = verbs.add_parser("dashboard", help="live page of the runs, on this machine only")
    one.set_defaults(verb=do_dashboard)
    one.add_argument("--port", type=_port, default=8765)
    one.add_argument("--runs", type=Path, metavar="DIR", help="default: runs of the state directory")
    one.add_argument("--runtime", choices=("auto", "docker", "process"), default="auto", help="of runs started there")
    one = verbs.add_parser("compare", help="two runs side by side; exit code 1 where their verdicts differ")
    one.set_defaults(verb=do_compare)
    one.add_argument("run_a", type=Path, metavar="RUN_A")
    one.add_argument("run_b", type=Path, metavar="RUN_B")
    one.add_argument("--out", type=Path, default=Path(), metavar="DIR", help="where compare.html goes (default: here)")
    _speaks(one)
    aws.add_parser(verbs, _home, _scenarios)


if __name__ == "__main__":
    sys.exit(main())
