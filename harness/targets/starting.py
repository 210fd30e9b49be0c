"""Starting an emulator as a process, and hearing where it listens. Nothing here is slow to import: `rehearse up` waits for it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness import directory, interpreter, signs
from harness.errors import EXIT_USAGE, TargetUnavailable, UsageError

REGION = "us-east-1"
SECRETS = ("LOCALSTACK_AUTH_TOKEN",)  # LocalStack's own container gets it, and nobody else
STOPS_WITHIN = 20.0


def command(home: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "harness.emulator", "--home", str(home), *options]


def inherited() -> dict[str, str]:
    """The environment for what we start: this one, without the secrets that are meant for others alone, for a Python of ours."""
    return {name: value for name, value in interpreter.inherited().items() if name not in SECRETS}


def in_the_foreground() -> dict[str, str]:
    """The environment for an emulator that this process becomes: what it prints is for this terminal."""
    return {**inherited(), "PYTHONIOENCODING": signs.encoding_of(sys.stdout)}


def start(command: Sequence[str], log: Path, **environment: str) -> tuple[subprocess.Popen[str], Path]:
    """The process, in a session of its own: Ctrl-C is for whoever started it, who still needs it to clean up. Raises UsageError
    where `log` has no directory and none can be made."""
    directory.made(log.parent, "the state directory")
    with log.open("ab") as errors:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
            env={**inherited(), **environment},
            encoding="utf-8",
        )
    return process, log


def ready(process: subprocess.Popen[str], log: Path) -> str:
    """The endpoint that a starting emulator announces. Raises TargetUnavailable with its last words."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if line.startswith("ready "):
        return line.split()[1]
    stop(process)
    said = [words for words in log.read_text(encoding="utf-8", errors="replace").splitlines() if words.strip()]
    why = (line.strip() or (said or ["no reason given"])[-1]).removeprefix("rehearse: ")
    kind = UsageError if process.returncode == EXIT_USAGE else TargetUnavailable
    raise kind(f"the emulator did not start: {why}")


def stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(STOPS_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def exports(endpoint: str) -> Mapping[str, str]:
    """What a shell needs so that every AWS tool talks to the emulator."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
