"""One rehearsal on every machine of the table: it is met, says no traceback, and leaves nothing running."""

import json
import os
from pathlib import Path

import psutil
import pytest

from harness.emulator.runtime.process import MARKER
from tests.machines.table import MACHINES, Machine, in_new_network, new_network

SCENARIO = Path(__file__).with_name("quick.yaml")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.mark.parametrize("machine", MACHINES, ids=lambda one: one.name.replace(" ", "-"))
def test_rehearsal_is_met_on(machine: Machine, tmp_path: Path):
    if why := machine.needs():
        pytest.skip(why)
    done = machine.run(tmp_path, "run", "--out", "out", *machine.options, str(SCENARIO))
    assert done.code == 0, done.said
    assert "rehearse-verdict: met" in done.said
    assert "Traceback" not in done.said
    assert "secret" not in done.said
    result = json.loads((tmp_path / "out/on-this-machine/result.json").read_text(encoding="utf-8"))
    assert result["verdict"] == "met"
    assert "훅이 통과하고 ✔" in (tmp_path / "out/on-this-machine/report.html").read_text(encoding="utf-8")
    assert left_running(tmp_path) == []


def left_running(home: Path) -> list[str]:
    """Processes that name the run's directory, in their command line or as the state directory they belong to."""
    found = []
    for process in psutil.process_iter():
        try:
            named = any(str(home) in word for word in process.cmdline())
            if process.pid != os.getpid() and (named or process.environ().get(MARKER, "").startswith(str(home))):
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


# ---- machines that cannot work: one line that says what to do


def test_machine_without_a_loopback_is_told_in_one_line(tmp_path: Path):
    if why := new_network():
        pytest.skip(why)
    machine = Machine("no loopback", front=in_new_network(":"))
    for words in (
        ("run", "--runtime", "process", str(SCENARIO)),
        ("up", "--port", "0", "--runtime", "process", "--detach"),
    ):
        done = machine.run(tmp_path, *words, within=60)
        assert (done.code, len(done.said.splitlines())) == (3, 1), done.said
        assert "the emulator did not start: 127.0.0.1 cannot be reached (Network is unreachable)" in done.said
        assert "ip link set lo up" in done.said


def test_state_directory_that_cannot_be_made_is_told_in_one_line(tmp_path: Path):
    machine = Machine("no place", sets={"REHEARSAL_HOME": "/proc/rehearsal"})
    done = machine.run(tmp_path, "run", "--runtime", "process", str(SCENARIO), within=60)
    assert (done.code, len(done.said.splitlines())) == (2, 1), done.said
    assert "/proc/rehearsal" in done.said
