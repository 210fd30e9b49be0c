"""The AWS CLI as its users have it: pointed at the emulator by AWS_ENDPOINT_URL and fake credentials, and by nothing else."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from harness import clock

AWS = Path(sys.executable).with_name("aws")
Value = TypeVar("Value")


def environment(aws: Any, home: Path, account: str = "test") -> dict[str, str]:
    """No profile, no configuration file, no instance metadata: what is not named here is not there."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "AWS_ENDPOINT_URL": aws.url,
        "AWS_ACCESS_KEY_ID": account,
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_PAGER": "",
    }


def cli(aws: Any, home: Path, *arguments: str, within: float = 120) -> "subprocess.CompletedProcess[str]":
    """`aws ARGUMENTS`; never fails by itself."""
    return subprocess.run(
        [str(AWS), *arguments],
        env=environment(aws, home),
        capture_output=True,
        text=True,
        timeout=within,
        check=False,
        encoding="utf-8",
    )


def until(condition: Callable[[], Value], within: float = 60.0) -> Value:
    """The first true value of `condition`; fails with the last one."""
    deadline = clock.monotonic() + within
    while not (value := condition()):
        assert clock.monotonic() < deadline, f"waited {within} s; last seen: {value!r}"
        clock.pause(0.2)
    return value
