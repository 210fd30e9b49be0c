"""API calls per second beside moto's own server, time to the first answer, memory, and growth from 1 to 1,000 services.

    .venv/bin/python benchmarks/api.py [seconds] > table.md

Both servers get the same resources through boto3 and answer the same calls, in turns, in one run, from client processes of their own.
They share the machine's cores with those clients, so only the ratios mean something. Bytecode is compiled beforehand, as an
installation does for every package. benchmarks/API.md is one run's table.
"""

import compileall
import contextlib
import http.client
import json
import multiprocessing
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import psutil
from botocore.config import Config

ROOT = Path(__file__).parent.parent
CLIENTS = 2  # processes that call at the same time
TARGETS = 20  # in the target group, so that an answer has a body
TURNS = 3  # of each contestant
SERVICES = (1, 10, 100, 1000)


@dataclass(frozen=True)
class Server:
    """A contestant that answers: where, and as which process."""

    name: str
    url: str
    pid: int
    first_answer: float  # seconds from its start
    first_cpu: float  # of which it computed

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}),
        )

    @property
    def memory(self) -> float:
        """MiB, resident, with every process it started."""
        process = psutil.Process(self.pid)
        family = [process, *process.children(recursive=True)]
        return sum(one.memory_info().rss for one in family) / 2**20


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def started(name: str, command: list[str], port: int) -> Iterator[Server]:
    since = time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not answers(port):
            assert process.poll() is None, f"{name} ended with {process.returncode}"
            time.sleep(0.005)
        took, spent = time.perf_counter() - since, psutil.Process(process.pid).cpu_times()
        yield Server(name, f"http://127.0.0.1:{port}", process.pid, took, spent.user + spent.system)
    finally:
        process.terminate()
        process.wait(20)


def answers(port: int) -> bool:
    """Whether ECS answers a ListClusters, asked without an SDK: importing one is no part of a server's start."""
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": "AmazonEC2ContainerServiceV20141113.ListClusters",
        "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/ecs/aws4_request, SignedHeaders=host, Signature=0",
    }
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", "/", b"{}", headers)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


@contextlib.contextmanager
def rehearse(home: Path, *, command_line: bool = False) -> Iterator[Server]:
    """The emulator's own process, or `rehearse up`, which becomes it."""
    port = free_port()
    process = ["-m", "harness.emulator", "--home", str(home)]
    verb = ["-c", "import sys, harness.cli; sys.exit(harness.cli.main())", "up"]
    options = ["--port", str(port), "--runtime", "process"]
    os.environ["REHEARSAL_HOME"] = str(home)
    with started("rehearse", [sys.executable, *(verb if command_line else process), *options], port) as server:
        yield server


@contextlib.contextmanager
def moto() -> Iterator[Server]:
    port = free_port()
    with started("moto", [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], port) as server:
        yield server


# ---- what they are asked about


@dataclass(frozen=True)
class Stage:
    """The resources of a contestant."""

    group: str
    subnets: tuple[str, ...]
    security_group: str


def furnish(server: Server) -> Stage:
    """A load balancer whose target group has targets, a cluster, and one service behind it."""
    ec2, elb, ecs = server.client("ec2"), server.client("elbv2"), server.client("ecs")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = tuple(
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{i}.0/24", AvailabilityZone=f"us-east-1{zone}")["Subnet"][
            "SubnetId"
        ]
        for i, zone in enumerate("ab")
    )
    security = ec2.create_security_group(GroupName="bench", Description="bench", VpcId=vpc)["GroupId"]
    balancer = elb.create_load_balancer(Name="bench", Subnets=list(subnets))["LoadBalancers"][0]["LoadBalancerArn"]
    group = elb.create_target_group(Name="bench", Protocol="HTTP", Port=80, VpcId=vpc, TargetType="ip")["TargetGroups"][
        0
    ]
    arn = group["TargetGroupArn"]
    elb.create_listener(
        LoadBalancerArn=balancer,
        Protocol="HTTP",
        Port=80,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": arn}],
    )
    targets = [{"Id": f"10.0.0.{10 + i}", "Port": 80} for i in range(TARGETS)]
    elb.register_targets(TargetGroupArn=arn, Targets=targets)
    ecs.create_cluster(clusterName="bench")
    container = {"name": "app", "image": "sampleapp:v1", "portMappings": [{"containerPort": 80}], "memory": 128}
    ecs.register_task_definition(
        family="bench",
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        cpu="256",
        memory="512",
        containerDefinitions=[container],
    )
    stage = Stage(arn, subnets, security)
    add_services(server, stage, 0, 1)
    return stage


def add_services(server: Server, stage: Stage, there: int, wanted: int) -> None:
    ecs = server.client("ecs")
    network = {"subnets": list(stage.subnets), "securityGroups": [stage.security_group]}
    for number in range(there, wanted):
        ecs.create_service(
            cluster="bench",
            serviceName=f"s{number}",
            taskDefinition="bench",
            desiredCount=0,
            launchType="FARGATE",
            deploymentController={"type": "CODE_DEPLOY"},
            loadBalancers=[{"targetGroupArn": stage.group, "containerName": "app", "containerPort": 80}],
            networkConfiguration={"awsvpcConfiguration": network},
        )


# ---- calls


def describe_services(server: Server, stage: Stage) -> Callable[[], None]:
    ecs = server.client("ecs")

    def call() -> None:
        (found,) = ecs.describe_services(cluster="bench", services=["s0"])["services"]
        assert found["status"] == "ACTIVE"

    return call


def describe_target_health(server: Server, stage: Stage) -> Callable[[], None]:
    elb = server.client("elbv2")

    def call() -> None:
        assert len(elb.describe_target_health(TargetGroupArn=stage.group)["TargetHealthDescriptions"]) == TARGETS

    return call


CALLS = {"DescribeServices": describe_services, "DescribeTargetHealth": describe_target_health}


def repeat(operation: str, server: Server, stage: Stage, seconds: float, counted: Any) -> None:
    call, count = CALLS[operation](server, stage), 0
    call()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        call()
        count += 1
    counted.put(count)


def per_second(operation: str, server: Server, stage: Stage, seconds: float, clients: int = CLIENTS) -> float:
    context = multiprocessing.get_context("spawn")
    counted = context.Queue()
    callers = [
        context.Process(target=repeat, args=(operation, server, stage, seconds, counted)) for _ in range(clients)
    ]
    for one in callers:
        one.start()
    counts = [counted.get(timeout=seconds + 60) for _ in callers]
    for one in callers:
        one.join()
    return sum(counts) / seconds


def server_seconds(operation: str, server: Server, stage: Stage, calls: int) -> float:
    """CPU seconds that the server spends on one call: the client's share does not count."""
    call, process = CALLS[operation](server, stage), psutil.Process(server.pid)
    call()
    before = process.cpu_times()
    for _ in range(calls):
        call()
    after = process.cpu_times()
    return (after.user + after.system - before.user - before.system) / calls


# ---- the tables


def compare(ours: Server, theirs: Server, stages: dict[str, Stage], seconds: float) -> None:
    print(
        "| call | rehearse, calls/s | moto, calls/s | ratio | rehearse, CPU ms per call | moto, CPU ms per call | ratio |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for operation in CALLS:
        rates: dict[str, list[float]] = {"rehearse": [], "moto": []}
        for _ in range(TURNS):
            for server in (ours, theirs):
                rates[server.name].append(per_second(operation, server, stages[server.name], seconds / TURNS))
        best = {name: max(found) for name, found in rates.items()}
        spent = {one.name: 1000 * server_seconds(operation, one, stages[one.name], 300) for one in (ours, theirs)}
        print(
            f"| {operation} | {best['rehearse']:.0f} | {best['moto']:.0f} | {best['rehearse'] / best['moto']:.1f} "
            f"| {spent['rehearse']:.2f} | {spent['moto']:.2f} | {spent['moto'] / spent['rehearse']:.1f} |"
        )


def growth(server: Server, stage: Stage) -> None:
    print(
        "\n| services | MiB | DescribeServices of one, calls/s | seconds to create what was added |\n| --- | --- | --- | --- |"
    )
    there = 1
    for wanted in SERVICES:
        since = time.perf_counter()
        add_services(server, stage, there, wanted)
        there, took = wanted, time.perf_counter() - since
        rate = per_second("DescribeServices", server, stage, 2.0, clients=1)
        print(f"| {wanted} | {server.memory:.0f} | {rate:.0f} | {took:.1f} |")


def starting(folder: Path) -> None:
    """Seconds to the first answer: as they passed, and as they were computed; best of three."""
    contestants: dict[str, Callable[[int], contextlib.AbstractContextManager[Server]]] = {
        "rehearse up": lambda turn: rehearse(folder / f"up{turn}", command_line=True),
        "its emulator alone": lambda turn: rehearse(folder / f"alone{turn}"),
        "moto_server": lambda turn: moto(),
    }
    print("| | seconds to the first answer | CPU seconds | MiB then |\n| --- | --- | --- | --- |")
    seen: dict[str, list[tuple[float, float, float]]] = {name: [] for name in contestants}
    for turn in range(TURNS):
        for name, contestant in contestants.items():
            with contestant(turn) as server:
                seen[name].append((server.first_answer, server.first_cpu, server.memory))
    for name, measured in seen.items():
        passed, computed, memory = (min(values) for values in zip(*measured, strict=True))
        print(f"| {name} | {passed:.2f} | {computed:.2f} | {memory:.0f} |")
    print()


def main(seconds: float) -> None:
    compileall.compile_dir(ROOT / "harness", quiet=1)
    with tempfile.TemporaryDirectory() as folder:
        starting(Path(folder))
        with rehearse(Path(folder) / "run") as ours, moto() as theirs:
            stages = {one.name: furnish(one) for one in (ours, theirs)}
            compare(ours, theirs, stages, seconds)
            growth(ours, stages["rehearse"])


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 9.0)
    print(json.dumps({"python": sys.version.split()[0], "cores": os.cpu_count()}), file=sys.stderr)
