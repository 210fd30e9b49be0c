"""Before a LocalStack's load balancer is trusted: does it split by weight, check health by HTTP, and drain?

Two small servers of our own are its targets. Emulators are known that always use the first group, that call every target healthy,
and that drop the weights; a rehearsal on those would say nothing.
"""

from __future__ import annotations

import http.client
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from harness import clock
from harness.driver.undo import Undo
from harness.errors import HarnessError, WaitTimedOut
from harness.targets.localstack.endpoint import LocalStack
from harness.targets.localstack.survey import Clients

REQUESTS, WEIGHTS = 200, (75, 25)
SHARE_BETWEEN = (60.0, 90.0)  # percent for the group of weight 75: over four standard deviations of 200 requests
HEALTH_WITHIN = 60.0
SLOW = 1.5  # seconds of the request that is in flight when its target is deregistered
OWN_ANSWER = "awselb/"
NAMES = ("first", "second", "sick")


@dataclass(frozen=True, slots=True)
class Canary:
    """`wrong` says why the load balancer cannot be trusted, empty where it can; the others are what it cannot show."""

    wrong: str = ""
    marks_own_answers: bool = False
    drains: bool = False


def sing(localstack: LocalStack, address: str = "127.0.0.1") -> Canary:
    """Try the load balancer of `localstack`; `address` is where it reaches this machine. What was made is removed again."""
    undo = Undo()
    with _servers(address) as ports:
        trial = Trial(Clients(localstack.url), localstack.url, undo, address, ports)
        try:
            trial.provision()
            trial.wait_for_health()
            if wrong := trial.split():
                return Canary(wrong)
            return Canary(marks_own_answers=trial.marks_own_answers(), drains=trial.drains())
        except (ClientError, BotoCoreError, HarnessError, OSError, http.client.HTTPException) as error:
            return Canary(f"the trial of the load balancer broke off: {error}")
        finally:
            if left := undo.everything():
                raise HarnessError(f"the trial of the load balancer could not be removed: {', '.join(left)}")


@dataclass
class Trial:
    clients: Clients
    url: str
    undo: Undo
    address: str
    ports: tuple[int, int]
    groups: dict[str, str] = field(default_factory=dict)
    host: str = ""
    listener: str = ""

    def provision(self) -> None:
        """A load balancer with two listeners: 80 splits over two groups, 8080 forwards to a group without targets."""
        ec2, elb, stem = self.clients.of("ec2"), self.clients.of("elbv2"), f"canary-{int(clock.now()) % 10**9}"
        vpc = ec2.create_vpc(CidrBlock="10.99.0.0/16")["Vpc"]["VpcId"]
        self.undo.later(f"VPC {vpc}", lambda: ec2.delete_vpc(VpcId=vpc))
        subnets = [self._subnet(ec2, vpc, index) for index in range(2)]
        made = elb.create_load_balancer(Name=stem, Subnets=subnets)["LoadBalancers"][0]
        arn, self.host = made["LoadBalancerArn"], made["DNSName"]
        self.undo.later(f"load balancer {stem}", lambda: elb.delete_load_balancer(LoadBalancerArn=arn))
        for name in (*NAMES, "empty"):
            self.groups[name] = self._target_group(elb, vpc, f"{stem}-{name}", "/missing" if name == "sick" else "/")
        for name, port in zip(NAMES, (*self.ports, self.ports[0]), strict=True):
            elb.register_targets(TargetGroupArn=self.groups[name], Targets=[{"Id": self.address, "Port": port}])
        self.listener = self._listener(elb, arn, 80, dict(zip(("first", "second"), WEIGHTS, strict=True)))
        self._listener(elb, arn, 8080, {"empty": 1})
        self._listener(elb, arn, 8081, {"sick": 1})  # a group that no listener uses is not checked

    def _subnet(self, ec2: Any, vpc: str, index: int) -> str:
        zone = f"us-east-1{'ab'[index]}"
        made = ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.99.{index}.0/24", AvailabilityZone=zone)
        subnet = str(made["Subnet"]["SubnetId"])
        self.undo.later(f"subnet {subnet}", lambda: ec2.delete_subnet(SubnetId=subnet))
        return subnet

    def _target_group(self, elb: Any, vpc: str, name: str, path: str) -> str:
        made = elb.create_target_group(
            Name=name,
            Protocol="HTTP",
            Port=80,
            VpcId=vpc,
            TargetType="ip",
            HealthCheckPath=path,
            HealthCheckIntervalSeconds=5,
            HealthCheckTimeoutSeconds=2,
            HealthyThresholdCount=2,
            UnhealthyThresholdCount=2,
        )
        arn = str(made["TargetGroups"][0]["TargetGroupArn"])
        self.undo.later(f"target group {name}", lambda: elb.delete_target_group(TargetGroupArn=arn))
        elb.modify_target_group_attributes(
            TargetGroupArn=arn, Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "5"}]
        )
        return arn

    def _listener(self, elb: Any, load_balancer: str, port: int, weights: dict[str, int]) -> str:
        made = elb.create_listener(
            LoadBalancerArn=load_balancer, Protocol="HTTP", Port=port, DefaultActions=self._forward(weights)
        )
        arn = str(made["Listeners"][0]["ListenerArn"])
        self.undo.later(f"listener {port}", lambda: elb.delete_listener(ListenerArn=arn))
        return arn

    def _forward(self, weights: dict[str, int]) -> list[dict[str, Any]]:
        groups = [{"TargetGroupArn": self.groups[name], "Weight": weight} for name, weight in weights.items()]
        return [{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}]

    def wait_for_health(self) -> None:
        """Raises WaitTimedOut: two targets must become healthy, and the one whose health path answers 404 unhealthy."""
        wanted = {"first": "healthy", "second": "healthy", "sick": "unhealthy"}
        deadline = clock.monotonic() + HEALTH_WITHIN
        while (seen := {name: self._health(name) for name in NAMES}) != wanted:
            if clock.monotonic() > deadline:
                told = "health checks that see a 404 (first, second: healthy; sick: unhealthy)"
                raise WaitTimedOut(told, HEALTH_WITHIN, seen)
            clock.pause(0.5)

    def _health(self, name: str) -> str:
        answer = self.clients.of("elbv2").describe_target_health(TargetGroupArn=self.groups[name])
        return ", ".join(one["TargetHealth"]["State"] for one in answer["TargetHealthDescriptions"]) or "no target"

    def split(self) -> str:
        """What is wrong with 75/25, empty where nothing is."""
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: self._get("/"), range(REQUESTS)))
        seen = Counter(by or f"status {status}" for status, by, _ in answers)
        share = 100 * seen["0"] / REQUESTS
        low, high = SHARE_BETWEEN
        if low <= share <= high and seen["0"] + seen["1"] == REQUESTS:
            return ""
        told = {"0": "first", "1": "second"}
        shown = ", ".join(f"{told.get(name, name)}: {count}" for name, count in sorted(seen.items()))
        return f"weights of 75 and 25 gave {shown} of {REQUESTS} requests"

    def marks_own_answers(self) -> bool:
        """Whether its 503 for a group without targets can be told from a target's."""
        status, _, server = self._get("/", port=8080)
        return status == 503 and server.startswith(OWN_ANSWER)

    def drains(self) -> bool:
        """Whether a request in flight is answered although its target has been deregistered."""
        elb = self.clients.of("elbv2")
        elb.modify_listener(ListenerArn=self.listener, DefaultActions=self._forward({"first": 1}))
        with ThreadPoolExecutor(1) as pool:
            slow = pool.submit(self._get, "/slow")
            clock.pause(SLOW / 3)
            elb.deregister_targets(
                TargetGroupArn=self.groups["first"], Targets=[{"Id": self.address, "Port": self.ports[0]}]
            )
            try:
                return slow.result()[0] == 200
            except (OSError, http.client.HTTPException):
                return False

    def _get(self, path: str, port: int = 80) -> tuple[int, str, str]:
        """Status, which of our servers answered (empty: none of them), and who says to have served it."""
        at = urlsplit(self.url)
        connection = http.client.HTTPConnection(at.hostname or "", at.port or 80, timeout=10)
        try:
            connection.request("GET", path, headers={"Host": self.host if port == 80 else f"{self.host}:{port}"})
            answer = connection.getresponse()
            answer.read()
            return answer.status, answer.getheader("X-Canary", ""), answer.getheader("Server", "")
        finally:
            connection.close()


@contextmanager
def _servers(address: str) -> Iterator[tuple[int, int]]:
    servers = [_server(address, str(number)) for number in range(2)]
    try:
        yield servers[0].server_port, servers[1].server_port
    finally:
        for one in servers:
            one.shutdown()
            one.server_close()


def _server(address: str, name: str) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/slow":
                clock.pause(SLOW)
            self.send_response(404 if self.path == "/missing" else 200)
            self.send_header("X-Canary", name)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer((address, 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    return server
