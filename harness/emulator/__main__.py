"""The emulator's process: `python -m harness.emulator --home DIR ...`. It prints `ready URL` when it answers."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

import uvloop

from harness import directory, interpreter
from harness.emulator import bind
from harness.emulator.up import Emulator, Options, report
from harness.errors import EXIT_TARGET, HarnessError, lacking


def parse(arguments: list[str] | None = None) -> Options:
    parser = argparse.ArgumentParser(prog="python -m harness.emulator", description=__doc__ or "")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--port", type=int, default=4566)
    parser.add_argument("--runtime", default="auto", choices=("auto", "docker", "process"))
    parser.add_argument("--compress", type=float, default=1.0)
    parser.add_argument("--delegate", default="moto")
    parser.add_argument("--drive", action="append", default=[])
    parser.add_argument("--bind", default=bind.LOOPBACK, choices=(bind.LOOPBACK, bind.EVERYWHERE))
    given = parser.parse_args(arguments)
    os.environ[bind.BIND] = given.bind  # for the data plane's process as well
    return Options(given.home.resolve(), given.port, given.runtime, given.compress, given.delegate, tuple(given.drive))


def main() -> int:
    interpreter.begin()
    options = parse()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        directory.made(options.home, "the state directory")
        bind.need_loopback()
        uvloop.run(_run(options))
    except HarnessError as error:
        report(str(error))
        return error.exit_code
    except OSError as error:
        if not (said := lacking(error)):
            raise
        report(said)
        return EXIT_TARGET
    return 0


async def _run(options: Options) -> None:
    await Emulator(options).run()


if __name__ == "__main__":
    sys.exit(main())
