"""A real emulator in a process of its own, on a free port, for all tests of this folder; and boto3 pointed at it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from harness import images

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Running:
    """An emulator: where it answers, and its state directory."""

    url: str
    home: Path
    process: "subprocess.Popen[str]"

    def client(self, service: str, **options: Any) -> Any:
        config = Config(
            retries={"total_max_attempts": 1}, parameter_validation=options.pop("parameter_validation", True)
        )
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=options.pop("region_name", "us-east-1"),
            aws_access_key_id=options.pop("aws_access_key_id", "test"),
            aws_secret_access_key="test",
            config=config,
            **options,
        )


def start_emulator(home: Path, *arguments: str) -> Running:
    """Returns when the API answers; fails with what the emulator said when it does not."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "harness.emulator",
            "--home",
            str(home),
            "--port",
            "0",
            "--runtime",
            "process",
            *arguments,
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("ready "), f"the emulator said {line!r} and ended with {process.wait(10)}"
    return Running(line.split()[1], home, process)


def stop_emulator(running: Running) -> None:
    running.process.terminate()
    assert running.process.wait(60) == 0
    assert running.process.stdout is not None
    running.process.stdout.close()


@contextmanager
def emulator_with_images(home: Path, *arguments: str, runtime: str = "process") -> Iterator[Running]:
    """One of your own, with the sample app's v1 and v2."""
    for revision in ("v1", "v2"):
        images.build(home, runtime, revision=revision)
    one = start_emulator(home, "--runtime", runtime, *arguments)
    try:
        yield one
    finally:
        stop_emulator(one)


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Shared by a worker's tests: give resources names of your own. Has `client(service)`. Compressed by 60."""
    with emulator_with_images(tmp_path_factory.mktemp("emulator"), "--compress", "60") as running:
        yield running
