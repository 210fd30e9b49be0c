"""`rehearse up --detach` where an emulator of the same state directory runs already."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from harness.targets import emulators, local
from tests.unit.test_load import free_port


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "state"
    for one in emulators.running(tmp_path / "state"):
        emulators.stop(one.pid)


def up(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness.cli", "up", "--detach", *words],
        cwd=home.parent,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "REHEARSAL_HOME": str(home)},
        encoding="utf-8",
    )


def runs_at(home: Path) -> list[int]:
    return [one.port for one in emulators.running(home)]


@pytest.mark.parametrize("again", ["the same port", "no port"])
def test_second_up_tells_of_the_emulator_that_runs_already(home: Path, again: str):
    words = ("--port", str(free_port()), "--runtime", "process")
    first = up(home, *words)
    second = up(home, *(words if again == "the same port" else ()))
    (emulator,) = emulators.running(home)
    assert (second.returncode, second.stdout) == (0, first.stdout)
    assert second.stderr == f"runs already at {emulator.endpoint} (pid {emulator.pid}, process runtime)\n"


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--runtime", "docker"), "--runtime docker"),
        (("--compress", "60"), "--compress 60"),
        (("--bind", "0.0.0.0"), "--bind 0.0.0.0"),
        (("--delegate", "http://127.0.0.1:1"), "--delegate http://127.0.0.1:1"),
        (("--drive", "ecs,elbv2=http://127.0.0.1:1"), "--drive ecs,elbv2=http://127.0.0.1:1"),
    ],
)
def test_up_with_another_option_than_the_running_one_is_refused(home: Path, words: tuple[str, ...], named: str):
    port = str(free_port())
    up(home, "--port", port, "--runtime", "process")
    second = up(home, "--port", port, *words)
    assert (second.returncode, second.stdout) == (2, "")
    assert re.fullmatch(
        rf"rehearse: {re.escape(named)}: the emulator that runs already at http://127\.0\.0\.1:{port} \(pid \d+, process runtime\) "
        rf"has another; stop it \(rehearse down --port {port}\) or start one beside it with --port\n",
        second.stderr,
    )


def test_up_on_another_port_starts_one_beside_it(home: Path):
    ports = sorted((free_port(), free_port()))
    for port in ports:
        assert up(home, "--port", str(port), "--runtime", "process").returncode == 0
    assert sorted(runs_at(home)) == ports
    third = up(home, "--port", str(ports[1]))
    assert f"AWS_ENDPOINT_URL=http://127.0.0.1:{ports[1]} " in third.stdout
    assert up(home, "--port", "0", "--runtime", "process").returncode == 0
    assert len(runs_at(home)) == 3


def test_emulator_of_a_run_is_nobody_elses(home: Path):
    """It ends with its run, so it is no answer: here its port is one that is taken."""
    with local.started(home, "process"):
        (port,) = runs_at(home)
        said = up(home, "--port", str(port), "--runtime", "process")
    assert (said.returncode, said.stdout) == (3, "")
    assert f"port {port} of 127.0.0.1 cannot be had" in said.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_the_running_emulator_outlives_a_second_up_that_cannot_print(home: Path):
    port = str(free_port())
    up(home, "--port", port, "--runtime", "process")
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "harness.cli", "up", "--detach", "--port", port],
            stdout=full, stderr=subprocess.PIPE, timeout=60, env={**os.environ, "REHEARSAL_HOME": str(home)},
        )  # fmt: skip
    assert done.returncode == 3
    assert runs_at(home) == [int(port)]


def test_emulator_that_nobody_reaps_is_stopped_all_the_same(home: Path):
    """As in most containers, whose first process asks for no exit code."""
    words = (sys.executable, "-m", "harness.emulator", "--home", str(home), "--port", "0", "--runtime", "process")
    shell = ["/bin/sh", "-c", '"$@" & exec sleep 120', "sh", *words]
    with subprocess.Popen(shell, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline().startswith(b"ready ")
        (emulator,) = emulators.running(home)
        assert emulators.stop(emulator.pid)
        assert psutil.Process(emulator.pid).status() == psutil.STATUS_ZOMBIE
        assert emulators.running(home) == []
        parent.kill()
