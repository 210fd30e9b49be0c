"""Listening beyond the loopback: only where it was asked for, and only on the ports that a container publishes."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
from ruamel.yaml import YAML

from harness import cli
from harness.driver import until
from harness.emulator import bind
from harness.errors import UsageError

ROOT = Path(__file__).parents[2]


@contextmanager
def up(home: Path, *words: str, **environment: str) -> Iterator[tuple[str, psutil.Process]]:
    """Endpoint and process of an emulator."""
    process = subprocess.Popen(
        [sys.executable, "-m", "harness.cli", "up", "--port", "0", "--runtime", "process", *words],
        cwd=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8",
        env={**os.environ, "REHEARSAL_HOME": str(home), "PYTHONPATH": str(ROOT), **environment},
    )  # fmt: skip
    try:
        assert process.stdout
        ready = re.fullmatch(r"ready (\S+)\n", process.stdout.readline())
        assert ready
        yield ready[1], psutil.Process(process.pid)
    finally:
        process.terminate()
        process.communicate(timeout=30)


def listening(process: psutil.Process) -> dict[int, str]:
    """Port to address, of the process and all below it."""
    family = [process, *process.children(recursive=True)]
    sockets = [one for member in family for one in member.net_connections("tcp") if one.status == psutil.CONN_LISTEN]
    return {one.laddr.port: one.laddr.ip for one in sockets}


def load_balancer(endpoint: str) -> None:
    def client(name: str) -> Any:
        return boto3.client(
            name, endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
        )

    subnets = [one["SubnetId"] for one in client("ec2").describe_subnets()["Subnets"][:2]]
    elbv2 = client("elbv2")
    made = elbv2.create_load_balancer(Name="web", Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
    answer = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200"}}
    elbv2.create_listener(LoadBalancerArn=made, Protocol="HTTP", Port=8080, DefaultActions=[answer])


def test_emulator_listens_on_the_loopback_alone(tmp_path: Path):
    with up(tmp_path) as (endpoint, process):
        load_balancer(endpoint)
        assert set(listening(process).values()) == {"127.0.0.1"}


def test_container_listens_everywhere_on_the_ports_it_publishes(tmp_path: Path):
    with up(tmp_path, "--bind", "0.0.0.0", REHEARSE_LISTENER_PORTS="18731-18733") as (endpoint, process):
        load_balancer(endpoint)
        found = listening(process)
        assert set(found.values()) == {"0.0.0.0"}
        assert len(found) == 2
        assert max(found.keys() & {18731, 18732, 18733})


def test_binding_everywhere_warns(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-m", "harness.cli", "up", "--detach", "--port", "0", "--runtime", "process", "--bind", "0.0.0.0"],
        cwd=tmp_path, capture_output=True, text=True, encoding="utf-8", timeout=60,
        env={**os.environ, "REHEARSAL_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    (record,) = (tmp_path / "emulators").glob("*.json")
    psutil.Process(json.loads(record.read_text(encoding="utf-8"))["pid"]).terminate()
    assert done.returncode == 0
    assert "careful: --bind 0.0.0.0 lets everybody" in done.stderr


@pytest.mark.parametrize("told", ["18000", "a-b", "0-10", "20-10", "1-70000"])
def test_range_of_ports_that_is_none_is_refused(told: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(bind.LISTENER_PORTS, told)
    with pytest.raises(UsageError, match="it must be a range of ports"):
        bind.listener_ports(80)


# ---- docker-compose.yml and action.yml

COMPOSE = YAML(typ="safe").load(ROOT / "docker-compose.yml")
KEYS = {
    *("image", "working_dir", "init", "volumes", "environment", "ports", "command", "healthcheck", "network_mode"),
    *("profiles", "depends_on", "pid"),
}


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_compose_service_has_only_keys_of_the_specification(name: str):
    service = COMPOSE["services"][name]
    assert set(service) <= KEYS
    assert ":" in service["image"]
    assert not service["image"].endswith(":latest")
    assert not (service.get("network_mode") and service.get("ports")), "compose refuses ports with network_mode: host"
    named = {one.partition(":")[0] for one in service.get("volumes", []) if not one.startswith(".")}
    assert named <= set(COMPOSE["volumes"])


def test_compose_publishes_on_the_loopback_alone():
    published = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_compose_publishes_the_range_that_listeners_get():
    emulator = COMPOSE["services"]["emulator"]
    told = emulator["environment"]["REHEARSE_LISTENER_PORTS"]
    assert f"127.0.0.1:{told}:{told}" in emulator["ports"]
    assert "--bind 0.0.0.0" in emulator["command"][-1]


def verb_of(service: dict[str, Any]) -> list[str]:
    """What a service of ours gives `rehearse`: REHEARSE_VERB, or the default in the command."""
    default = re.search(r"REHEARSE_VERB:-([^}]*)\}", service["command"][-1])
    assert default is not None
    return str(service["environment"].get("REHEARSE_VERB", default[1])).split()


@pytest.mark.parametrize(("name", "verb"), [("emulator", cli.do_up), ("dashboard", cli.do_dashboard)])
def test_compose_gives_the_command_line_words_that_it_knows(name: str, verb: object):
    assert cli._parsed(verb_of(COMPOSE["services"][name])).verb is verb


def test_comment_of_compose_names_services_and_ports_that_are_there():
    said = (ROOT / "docker-compose.yml").read_text(encoding="utf-8").partition("services:")[0]
    assert set(re.findall(r"docker compose up (\w+)", said)) <= set(COMPOSE["services"])
    assert set(re.findall(r"--profile (\w+)", said)) == set(COMPOSE["services"]["localstack"]["profiles"])
    for name, port in re.findall(r"docker compose up (\w+).*?http://127\.0\.0\.1:(\d+)", said):
        assert port in verb_of(COMPOSE["services"][name])


def test_script_of_the_dashboard_starts_one_that_answers(tmp_path: Path):
    """As its container would, but for the place of the installation, which is there already, and the port."""
    installed = tmp_path / "bin/rehearse"
    installed.parent.mkdir()
    installed.write_text(f'#!/bin/sh\nexec {sys.executable} -m harness.cli "$@"\n', encoding="utf-8")
    installed.chmod(0o755)
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    service = COMPOSE["services"]["dashboard"]
    install, script = service["command"][-1].replace("$$", "$").split("\n", 1)
    assert install.startswith("sh harness/install/with-python.sh --into /opt/rehearse load || exit")
    script = script.replace("/opt/rehearse", str(tmp_path))
    words = " ".join(verb_of(service)).replace("8765", str(port))
    environment = {**os.environ, "REHEARSE_VERB": words, "REHEARSAL_HOME": str(tmp_path / "home")}
    with subprocess.Popen(["sh", "-c", script], cwd=ROOT, env=environment, start_new_session=True) as running:
        try:
            until(lambda: _page(port), 30, "the dashboard", every=0.1)
        finally:
            os.killpg(running.pid, signal.SIGTERM)


def _page(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


def test_localstack_comes_by_profile_only():
    assert COMPOSE["services"]["localstack"]["profiles"] == ["localstack"]


def test_action_puts_no_input_into_a_script():
    action = YAML(typ="safe").load(ROOT / "action.yml")
    assert action["runs"]["using"] == "composite"
    for step in action["runs"]["steps"]:
        assert "${{" not in step.get("run", "")
        assert step.get("run") is None or step["shell"] == "bash"


def test_scripts_of_action_and_compose_are_bash(tmp_path: Path):
    action = YAML(typ="safe").load(ROOT / "action.yml")
    scripts = [step["run"] for step in action["runs"]["steps"] if "run" in step]
    scripts.append(COMPOSE["services"]["emulator"]["command"][-1].replace("$$", "$"))
    for script in scripts:
        done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, encoding="utf-8")
        assert (done.returncode, done.stderr) == (0, "")
