"""Starting an emulator as a process, and hearing where it listens. Nothing here is slow to import: `rehearse up` waits for it."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness import directory, interpreter, proxies, signs
from harness.errors import EXIT_USAGE, TargetUnavailable, UsageError

REGION = "us-east-1"
SECRETS = ("LOCALSTACK_AUTH_TOKEN",)  # LocalStack's own container gets it, and nobody else
STOPS_WITHIN = 20.0
AWS_FILES = ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")
# What in a shell keeps AWS tools from the emulator: a profile, which some prefer to keys; what belongs to other keys; endpoints that
# the emulator has none of. So does AWS_ENDPOINT_URL_<service>.
IN_THE_WAY = (
    *("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_CREDENTIAL_EXPIRATION"),
    *("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"),
)


def command(home: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "harness.emulator", "--home", str(home), *options]


def inherited() -> dict[str, str]:
    """The environment for what we start: this one, without the secrets that are meant for others alone, for a Python of ours."""
    return {name: value for name, value in interpreter.inherited().items() if name not in SECRETS}


def in_the_foreground() -> dict[str, str]:
    """The environment for an emulator that this process becomes: what it prints is for this terminal."""
    return {**of_the_emulator(), "PYTHONIOENCODING": signs.encoding_of(sys.stdout)}


def of_the_emulator() -> dict[str, str]:
    """The environment of an emulator: no AWS settings, no credentials and no shared file of its user's, which moto would look at.

    The proxies stay, for a delegate elsewhere; what knows no better than to ask them for everything is told of this machine."""
    kept = {name: value for name, value in inherited().items() if not name.startswith("AWS_")}
    return {**kept, **dict.fromkeys(AWS_FILES, os.devnull), **proxies.spared(kept)}


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
            env={**of_the_emulator(), **environment},
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
    """What a shell needs so that every AWS tool talks to the emulator, and asks no proxy for it."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        **proxies.spared(os.environ),
    }


def in_the_way() -> list[str]:
    """The variables that must go from this environment beside that."""
    return [*IN_THE_WAY, *sorted(name for name in os.environ if name.startswith("AWS_ENDPOINT_URL_"))]


def shell_lines(endpoint: str) -> tuple[str, str]:
    """Both for `eval` in sh, bash and zsh; the semicolon is for who forgets the quotes, which makes them one line."""
    told = " ".join(f"{name}={shlex.quote(value)}" for name, value in exports(endpoint).items())
    return f"export {told};", f"unset {' '.join(in_the_way())}"


def environment_at(endpoint: str) -> dict[str, str]:
    """This environment, as those lines would make it."""
    gone = in_the_way()
    return {**{name: value for name, value in os.environ.items() if name not in gone}, **exports(endpoint)}
