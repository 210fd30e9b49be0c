"""What LocalStack's container is given, the Python that is looked for, and what must never be seen of the token."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from harness import cli, engine, owner
from harness.targets import emulators, starting
from harness.targets.localstack import container, core
from tests.emulator.conftest import ROOT

TOKEN = "ls-this-is-no-token-but-looks-like-one"


@pytest.mark.parametrize("words", [["run", "--target", "localstack"], ["doctor", "--target", "localstack"]])
@pytest.mark.parametrize("package", ["localstack_client", "testcontainers"])
def test_target_without_its_packages_says_how_to_get_them(
    words: list[str], package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setenv("REHEARSAL_HOME", str(tmp_path))
    monkeypatch.chdir(ROOT)
    assert cli.main(words) == 2
    assert capsys.readouterr().err.splitlines() == [
        "rehearse: the localstack target needs localstack-client and testcontainers, which are not installed: "
        "make setup EXTRA=localstack, elsewhere pip install 'rehearse[localstack]'"
    ]


@pytest.mark.docker
def test_container_gets_the_token_one_loopback_port_and_labels_to_be_found_by(tmp_path: Path):
    made = container.described(tmp_path, TOKEN)
    try:
        assert made.image == "localstack/localstack:2026.3.0"
        assert made.env["LOCALSTACK_AUTH_TOKEN"] == TOKEN
        assert made.env["GATEWAY_LISTEN"] == "0.0.0.0:4566,0.0.0.0:80,0.0.0.0:8080"
        assert made.ports == {"4566/tcp": ("127.0.0.1", None)}
        assert list(made.volumes) == ["/var/run/docker.sock"]
        own = psutil.Process()
        assert made._kwargs["labels"] == {
            "rehearse.home": str(tmp_path),
            "rehearse.runner": f"{own.pid}:{own.create_time():.2f}",
        }
        assert os.environ["TESTCONTAINERS_RYUK_DISABLED"] == "true"
        assert TOKEN not in repr(made._kwargs) + repr(made.ports) + str(made._command)
    finally:
        made.get_docker_client().client.close()


@pytest.mark.docker
def test_container_of_a_run_that_is_gone_is_swept_and_one_of_a_living_run_is_not(tmp_path: Path):
    labels = {container.HOME_LABEL: str(tmp_path)}
    with engine.connected(60) as client:
        gone = client.containers.create(
            "rehearse-base:latest", labels={**labels, container.RUNNER_LABEL: "999999:1.00"}
        )
        mine = client.containers.create(
            "rehearse-base:latest", labels={**labels, container.RUNNER_LABEL: owner.this_process()}
        )
        try:
            assert container.sweep(tmp_path) == [f"LocalStack's container {gone.short_id}, whose run is gone"]
            left = client.containers.list(all=True, filters={"label": f"{container.HOME_LABEL}={tmp_path}"})
            assert [one.id for one in left] == [mine.id]
        finally:
            mine.remove(force=True)


def test_python_3_13_is_the_named_one_then_the_paths_then_pyenvs_and_only_if_it_runs(tmp_path: Path):
    def python(path: Path, version: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{f'echo {version}' if version else 'exit 127'}\n", encoding="utf-8")
        path.chmod(0o755)
        return path

    shim = python(tmp_path / "shims/python3.13", "")
    of_pyenv = python(tmp_path / "pyenv/versions/3.13.0/bin/python3.13", "3 13")
    environment = {"PATH": str(shim.parent), "PYENV_ROOT": str(tmp_path / "pyenv")}
    assert core.find_python(environment) == of_pyenv
    on_path = python(tmp_path / "bin/python3.13", "3 13")
    assert core.find_python({**environment, "PATH": str(on_path.parent)}) == on_path
    named = python(tmp_path / "named", "3 13")
    assert core.find_python({**environment, "PYTHON313": str(named)}) == named
    other = python(tmp_path / "other", "3 12")
    assert core.find_python({"PYTHON313": str(other), "PATH": "", "PYENV_ROOT": str(tmp_path / "none")}) is None


def test_nothing_that_we_start_inherits_the_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("LOCALSTACK_AUTH_TOKEN", TOKEN)
    assert TOKEN not in repr(starting.inherited())
    assert TOKEN not in repr(core.variables(4566, tmp_path))
    done = subprocess.run(
        [sys.executable, "-m", "harness.cli", "up", "--port", "0", "--runtime", "process", "--detach"],
        cwd=ROOT,
        env={**os.environ, "REHEARSAL_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        encoding="utf-8",
    )
    try:
        (emulator,) = emulators.running(tmp_path)
        family = [psutil.Process(emulator.pid), *psutil.Process(emulator.pid).children(recursive=True)]
        assert len(family) > 1
        assert [one for one in family if TOKEN in repr(one.environ()) + repr(one.cmdline())] == []
        assert TOKEN not in done.stdout + done.stderr
    finally:
        for one in emulators.running(tmp_path):
            emulators.stop(one.pid)


def test_missing_parts_are_named_when_nothing_can_be_started(tmp_path: Path):
    """No token, no engine, no Python 3.13, and nothing on the default port (or another emulator): exit code 3, all said."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "LOCALSTACK_", "PYTHON313"))
    }
    changed = {
        "PATH": "",
        "PYENV_ROOT": str(tmp_path),
        "DOCKER_HOST": "unix:///nowhere",
        "REHEARSAL_HOME": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-m", "harness.cli", "doctor", "--target", "localstack"],
        cwd=ROOT,
        env={**kept, **changed},
        capture_output=True,
        text=True,
        timeout=60,
        encoding="utf-8",
    )
    assert done.returncode == 3
    for part in (
        "http://127.0.0.1:4566",
        "LOCALSTACK_AUTH_TOKEN is not set",
        "no Docker engine answers",
        "Python 3.13",
    ):
        assert part in done.stderr


@pytest.mark.parametrize(
    "words",
    ["ecs=http://127.0.0.1:1", "ecs,elbv2=127.0.0.1:1", "ecs,codedeploy=http://127.0.0.1:1"],
)
def test_drive_takes_ecs_and_elbv2_together_and_a_url(words: str, tmp_path: Path):
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "harness.emulator",
            "--home",
            str(tmp_path),
            "--port",
            "0",
            "--runtime",
            "process",
            "--drive",
            words,
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        encoding="utf-8",
    )
    assert done.returncode == 2
    assert "--drive" in done.stderr
