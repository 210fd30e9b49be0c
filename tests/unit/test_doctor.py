"""What the doctor finds, and the fix that comes with it."""

import json
import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness import doctor
from harness.errors import TargetUnavailable

ROOT = Path(__file__).parents[2]


def test_everything_that_is_not_well_has_a_fix(tmp_path: Path):
    findings = list(doctor.examine(tmp_path))
    assert {one.name for one in findings} >= {
        "Python",
        "packages",
        "disk",
        "open files",
        "proxy",
        "port 4566",
        "containers",
        "emulator",
    }
    assert [one for one in findings if one.level != "ok" and not one.fix] == []
    assert [one for one in findings if one.level == "ok" and one.fix] == []


@pytest.mark.parametrize(
    ("environment", "level", "fix"),
    [
        ({}, "ok", ""),
        ({"HTTP_PROXY": "http://proxy:3128"}, "warning", "127.0.0.1,localhost,::1"),
        ({"https_proxy": "http://proxy:3128", "no_proxy": "10.0.0.1"}, "warning", "10.0.0.1,127.0.0.1,localhost,::1"),
        ({"HTTP_PROXY": "http://proxy", "NO_PROXY": "localhost"}, "warning", "localhost,127.0.0.1,::1"),
        ({"ALL_PROXY": "socks5://proxy", "NO_PROXY": "localhost, 127.0.0.1"}, "ok", ""),
        ({"HTTP_PROXY": "", "NO_PROXY": ""}, "ok", ""),
        ({"HTTP_PROXY": "http://proxy", "NO_PROXY": "*"}, "ok", ""),
        ({"NO_PROXY": "x"}, "ok", ""),
    ],
)  # fmt: skip
def test_proxy_that_tools_ask_for_this_machine_is_a_warning(environment: dict[str, str], level: str, fix: str):
    """No client of ours asks one for this machine, so that a rehearsal runs all the same."""
    found = doctor.proxies(environment)
    assert found.level == level
    assert found.fix.rpartition("export ")[2] == (f"NO_PROXY={fix} no_proxy={fix}" if fix else "")


def test_proxy_is_named_but_not_its_password():
    found = doctor.proxies({"HTTP_PROXY": "http://user:secret@proxy:3128"})
    assert "secret" not in found.found + found.fix


def test_port_of_somebody_else_is_a_warning_with_a_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setattr(doctor, "API_PORT", taken.getsockname()[1])
        found = next(one for one in doctor.ports(tmp_path) if one.name == "port 4566")
    assert (found.level, found.found) == ("warning", "Address already in use")
    assert "--port 0" in found.fix


def test_place_that_cannot_be_written_is_a_failure(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    found = doctor.disk(Path("/nowhere/at/all"))
    assert (found.level, found.found) == ("failure", "/ cannot be written")
    assert "REHEARSAL_HOME" in found.fix


def test_engine_of_another_architecture_is_a_warning():
    ours = doctor.images.architecture_of_this_machine()
    assert doctor.architecture(ours).level == "ok"
    found = doctor.architecture("riscv64")
    assert found.level == "warning"
    assert f"--platform linux/{ours}" in found.fix


@pytest.mark.parametrize(("cidrs", "level"), [(["127.0.0.0/8"], "ok"), (["10.0.0.0/8"], "warning"), (None, "warning")])
def test_engine_must_pull_from_the_loopback(cidrs: list[str] | None, level: str):
    assert doctor.registry({"RegistryConfig": {"InsecureRegistryCIDRs": cidrs}}).level == level


def test_versions_that_were_never_tried_are_a_warning(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(doctor.KNOWN_TO_WORK, "moto", ("9", "10"))
    (found,) = doctor.packages()
    assert found.level == "warning"
    assert "moto" in found.found


def test_emulator_that_does_not_start_is_a_failure_with_its_last_words(tmp_path: Path):
    @contextmanager
    def broken(home: Path, runtime: str):
        raise TargetUnavailable("the emulator did not start: no reason given")
        yield

    found = doctor.emulator(tmp_path, broken)
    assert found.level == "failure"
    assert "emulator.log" in found.fix


@pytest.mark.parametrize(("settings", "code"), [("", 0), ("[emulator]\nno_such_setting = 1\n", 3)])
def test_doctor_as_json_has_the_exit_code_of_its_findings(tmp_path: Path, settings: str, code: int):
    """A proxy is no failure; settings that the emulator does not start with are one."""
    (tmp_path / "rehearsal.toml").write_text(settings, encoding="utf-8")
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "HTTP_PROXY": "http://user:secret@proxy.invalid:3128",
        "NO_PROXY": "",
    }
    done = subprocess.run(
        [sys.executable, "-m", "harness.cli", "doctor", "--json"],
        cwd=tmp_path, env={**environment, "no_proxy": ""},
        capture_output=True, text=True, encoding="utf-8", timeout=100,
    )  # fmt: skip
    told = json.loads(done.stdout)
    assert done.returncode == code, done.stdout + done.stderr
    assert ({one["level"] for one in told["findings"]} >= {"failure"}) == bool(code)
    assert next(one["level"] for one in told["findings"] if one["name"] == "proxy") == "warning"
    assert "secret" not in done.stdout
