"""localstack-core as it really is, under Python 3.13, started by the run itself; and the core scenarios on it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest

from harness import clock, owner
from harness.runner.sweep import sweep
from harness.targets import emulators
from harness.targets.localstack import core
from tests.emulator.conftest import ROOT, Running, start_emulator, stop_emulator
from tests.scenarios.test_core import CORE, Run, left_running, rehearse
from tests.targets.conftest import with_localstack_of

TOKEN = "ls-this-is-no-token-but-looks-like-one"
CHILD_THAT_IS_KILLED = """
import sys
from pathlib import Path
from harness.targets.localstack import core
with core.started(Path(sys.argv[1]), core.find_python()) as url:
    print(url, flush=True)
    sys.stdin.read()
"""
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def python() -> Path:
    found = core.find_python()
    if found is None:
        pytest.skip("there is no Python 3.13 here (PYTHON313, python3.13 on the PATH, pyenv's versions)")
    return found


@pytest.fixture(scope="module")
def home(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = with_localstack_of(tmp_path_factory.mktemp("localstack"), core.environment_of(Path()).name)
    core.ensure(home, python)
    return home


@pytest.fixture(scope="module")
def pack(home: Path) -> Iterator[Run]:
    """The core pack, with something in the environment that looks like a token, and no Docker engine to give it to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOCALSTACK_AUTH_TOKEN", TOKEN)
        patch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
        patch.delenv("AWS_ENDPOINT_URL", raising=False)
        run = rehearse(home, "--target", "localstack", "--strict")
    print(run.printed)
    return run


def test_core_scenarios_have_the_verdicts_of_the_local_target(pack: Run):
    verdicts = {
        path.parent.name: json.loads(path.read_text(encoding="utf-8"))["verdict"]
        for path in pack.out.glob("*/result.json")
    }
    assert verdicts == dict.fromkeys(CORE, "met"), pack.printed
    assert pack.code == 0
    assert "started as localstack-core 2026.3.0, without a token" in pack.printed


def test_report_says_who_executed_what(pack: Run):
    executed = pack.result("happy-canary")["fidelity"]["executed"]
    assert executed["CodeDeploy"] == executed["ECS"] == "executed by the emulator"
    assert executed["EC2 (network)"] == executed["IAM"] == "executed by LocalStack 2026.3.0"
    assert executed["autoscaling"] == "unsupported (unlicensed in LocalStack 2026.3.0)"
    assert "executed by LocalStack 2026.3.0" in (pack.out / "happy-canary" / "report.html").read_text(encoding="utf-8")


def test_run_stops_what_it_started_and_leaves_no_token_behind(pack: Run):
    assert left_running(pack.home) == []
    assert list((pack.home / "localstack").iterdir()) == []
    assert TOKEN not in pack.printed
    files = [path for path in pack.home.rglob("*") if path.is_file() and "venv" not in path.parts]
    assert len(files) > 10
    assert [path for path in files if TOKEN.encode() in path.read_bytes()] == []


@pytest.fixture(scope="module")
def localstack(home: Path, python: Path) -> Iterator[str]:
    with core.started(home, python) as url:
        yield url


def test_it_listens_on_loopback_alone(localstack: str):
    port = int(localstack.rpartition(":")[2])
    listening = [one for one in psutil.net_connections("tcp") if one.status == "LISTEN" and one.laddr.port == port]
    assert {one.laddr.ip for one in listening} == {"127.0.0.1"}


@pytest.fixture(scope="module")
def composed(localstack: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    one = start_emulator(tmp_path_factory.mktemp("composed"), "--delegate", localstack)
    yield one
    stop_emulator(one)


def client(url: str, service: str, key: str = "test") -> Any:
    keys = {"aws_access_key_id": key, "aws_secret_access_key": "test"}
    return boto3.client(service, endpoint_url=url, region_name="us-east-1", **keys)


def test_our_services_are_in_the_account_that_localstack_gives_the_key(composed: Running):
    for key, account in (("test", "000000000000"), ("111122223333", "111122223333")):
        assert client(composed.url, "sts", key).get_caller_identity()["Account"] == account
        made = client(composed.url, "ecs", key).create_cluster(clusterName="mine")["cluster"]["clusterArn"]
        assert made == f"arn:aws:ecs:us-east-1:{account}:cluster/mine"


def test_load_balancer_of_ours_stands_in_subnets_of_localstack(localstack: str, composed: Running):
    """With the caller's account: another account does not see the subnets."""
    ec2 = client(localstack, "ec2", "444455556666")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=f"us-east-1{'ab'[n]}")["Subnet"]
        for n in range(2)
    ]
    ids = [one["SubnetId"] for one in subnets]
    made = client(composed.url, "elbv2", "444455556666").create_load_balancer(Name="there", Subnets=ids)
    (balancer,) = made["LoadBalancers"]
    assert balancer["VpcId"] == vpc
    assert ":444455556666:loadbalancer/app/there/" in balancer["LoadBalancerArn"]
    with pytest.raises(Exception, match=r"InvalidSubnet|SubnetNotFound|does not exist"):
        client(composed.url, "elbv2", "test").create_load_balancer(Name="not-there", Subnets=ids)


def test_large_bodies_stream_through_in_both_directions(composed: Running, tmp_path: Path):
    """Neither is held in the emulator: its memory grows by far less than the object."""
    s3, size = client(composed.url, "s3"), 96 * 1024 * 1024
    big, process = tmp_path / "big", psutil.Process(composed.process.pid)
    big.write_bytes(os.urandom(1024 * 1024) * (size // 1024 // 1024))
    s3.create_bucket(Bucket="streams")
    before = process.memory_info().rss
    with big.open("rb") as body:
        s3.put_object(Bucket="streams", Key="big", Body=body)
    assert s3.head_object(Bucket="streams", Key="big")["ContentLength"] == size
    read = 0
    for part in s3.get_object(Bucket="streams", Key="big")["Body"].iter_chunks(1024 * 1024):
        read += len(part)
    assert read == size
    assert process.memory_info().rss - before < size / 3


def test_what_localstack_refuses_comes_through_as_it_says_it(composed: Running):
    with pytest.raises(Exception, match="not included in your current license plan"):
        client(composed.url, "servicediscovery").list_namespaces()


def test_one_that_a_killed_run_left_is_swept(home: Path, tmp_path: Path, python: Path):
    home = with_localstack_of(tmp_path / "home", core.environment_of(Path()).name)
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD_THAT_IS_KILLED, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        encoding="utf-8",
    )
    assert child.stdout is not None
    assert child.stdin is not None
    assert child.stdout.readline().startswith("http://127.0.0.1:")
    (record,) = (home / "localstack").glob("*.json")
    left = psutil.Process(json.loads(record.read_text(encoding="utf-8"))["pid"])
    assert sweep(home) == []  # its run is alive
    child.kill()
    child.wait()
    child.stdout.close()
    child.stdin.close()
    removed = sweep(home)
    assert len(removed) == 1
    assert "whose run is gone" in removed[0]
    assert not owner.runs(left)
    assert list((home / "localstack").iterdir()) == []


def test_doctor_lists_every_service_and_who_will_serve_it(localstack: str, tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-m", "harness.cli", "doctor", "--target", "localstack", "--endpoint", localstack],
        cwd=ROOT,
        env={**os.environ, "REHEARSAL_HOME": str(tmp_path), "LOCALSTACK_AUTH_TOKEN": TOKEN},
        capture_output=True,
        text=True,
        timeout=120,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    rows = {line.split()[0]: line for line in done.stdout.splitlines() if line.strip()}
    assert rows["ecs"].split()[1:] == ["Base", "unlicensed", "the", "emulator"]
    assert rows["codedeploy"].split()[1:] == ["Ultimate", "unlicensed", "the", "emulator"]
    assert rows["ec2"].split()[1:] == ["any", "executed", "LocalStack", "2026.3.0"]
    assert rows["servicediscovery"].split()[1:] == ["Base", "unlicensed", "nobody"]
    assert TOKEN not in done.stdout + done.stderr


def test_interrupted_run_stops_localstack_too(home: Path, tmp_path: Path, python: Path):
    home = with_localstack_of(tmp_path / "home", core.environment_of(Path()).name)
    child = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "harness.cli",
            "run",
            "--target",
            "localstack",
            "--runtime",
            "process",
            "--out",
            str(tmp_path / "out"),
            "scenarios/01-happy-all-at-once.yaml",
        ],
        cwd=ROOT,
        env={**os.environ, "REHEARSAL_HOME": str(home), "DOCKER_HOST": "unix:///nowhere", "AWS_ENDPOINT_URL": ""},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    deadline = clock.monotonic() + 120
    while not emulators.running(home):
        assert clock.monotonic() < deadline
        clock.pause(0.2)
    child.terminate()  # as a cancelled CI job; Ctrl-C comes the same way
    _, said = child.communicate(timeout=120)
    assert child.returncode == 130, said
    assert left_running(home) == []
    assert list((home / "localstack").iterdir()) == []
