"""What a start does not import: `rehearse up` is to answer within 0.6 seconds (benchmarks/api.py measures)."""

import os
import subprocess
import sys

from harness.emulator.services import SERVICES

SLOW = (
    "pydantic",
    "boto3",
    "botocore",
    "rich",
    "psutil",
    "aiohttp",
    "moto",
    "docker",
    "ruamel",
    "cryptography",
    "jinja2",
)
# The emulator speaks botocore's models through aiohttp, and identifies processes with psutil.
OF_THE_EMULATOR = {"botocore", "aiohttp", "psutil"}


def imported_by(module: str) -> set[str]:
    code = f"import sys, {module}; print(' '.join(sys.modules))"
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ, encoding="utf-8"
    )
    return set(said.stdout.split())


def test_the_command_line_imports_nothing_slow_before_it_knows_the_verb():
    assert imported_by("harness.cli, harness.targets.starting").isdisjoint(SLOW)


def test_the_emulator_imports_what_few_need_when_it_is_needed():
    imported = imported_by("harness.emulator.__main__, harness.emulator.services.ecs")
    assert imported & set(SLOW) == OF_THE_EMULATOR


def test_the_emulator_imports_a_service_when_it_is_asked_for():
    handlers = {f"harness.emulator.services.{name.partition('.')[0]}" for name in SERVICES.values()}
    assert imported_by("harness.emulator.__main__").isdisjoint(handlers)
