"""Pieces of a load balancer, made with the stock boto3: what the ELBv2 tests share."""

import secrets
from collections.abc import Callable
from typing import Any

import requests
from botocore.exceptions import ClientError

from harness import clock

HELLO = {
    "Type": "fixed-response",
    "FixedResponseConfig": {"StatusCode": "200", "ContentType": "text/plain", "MessageBody": "hello"},
}


class Parts:
    """`elb`, `ec2`, `acm`, `s3` are clients; `vpc` has subnets in two zones."""

    def __init__(self, aws: Any) -> None:
        self.aws, self.name = aws, f"e{secrets.token_hex(3)}"
        self.elb, self.ec2, self.acm, self.s3 = (aws.client(one) for one in ("elbv2", "ec2", "acm", "s3"))
        self._balancers: set[str] = set()
        self.vpc = self.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        self.subnets = [
            self.ec2.create_subnet(VpcId=self.vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=f"us-east-1{zone}")[
                "Subnet"
            ]["SubnetId"]
            for n, zone in enumerate("abc")
        ]

    def balancer(self, **more: Any) -> dict[str, Any]:
        given = {"Name": f"{self.name}-{secrets.token_hex(6)}", "Subnets": self.subnets[:2], **more}
        made = dict(self.elb.create_load_balancer(**given)["LoadBalancers"][0])
        self._balancers.add(made["LoadBalancerArn"])
        return made

    def clear(self) -> None:
        """Delete all load balancers: an account may have fifty."""
        for arn in self._balancers:
            off = attributes(deletion_protection__enabled="false", access_logs__s3__enabled="false")
            try:
                self.elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=off)
            except ClientError:
                continue  # it is gone already
            self.elb.delete_load_balancer(LoadBalancerArn=arn)
        self._balancers.clear()

    def group(self, **more: Any) -> str:
        given = {
            "Name": f"{self.name}-{secrets.token_hex(6)}",
            "Protocol": "HTTP",
            "Port": 8080,
            "VpcId": self.vpc,
            "TargetType": "ip",
            **more,
        }
        return str(self.elb.create_target_group(**given)["TargetGroups"][0]["TargetGroupArn"])

    def listener(self, balancer: str, port: int = 80, action: dict[str, Any] = HELLO, **more: Any) -> dict[str, Any]:
        given = {"LoadBalancerArn": balancer, "Protocol": "HTTP", "Port": port, "DefaultActions": [action], **more}
        return dict(self.elb.create_listener(**given)["Listeners"][0])

    def certificate(self, name: str = "example.com", *others: str) -> str:
        more = {"SubjectAlternativeNames": list(others)} if others else {}
        return str(self.acm.request_certificate(DomainName=name, **more)["CertificateArn"])

    def url(self, listener: str) -> str:
        """Where a listener is really reached."""
        status = requests.get(f"{self.aws.url}/_rehearsal/status", timeout=10).json()
        found = [one for balancer in status["load_balancers"] for one in balancer["listeners"]]
        return str(next(one["url"] for one in found if one["arn"] == listener))


def refused(call: Callable[..., Any], **arguments: Any) -> tuple[str, str]:
    """(code, message) of the error that a call must end with."""
    try:
        answer = call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["Error"]["Message"]
    raise AssertionError(f"it was not refused, but answered {answer}")


def forward(*groups: str, **config: Any) -> dict[str, Any]:
    weighted = [{"TargetGroupArn": arn, "Weight": 1} for arn in groups]
    return {"Type": "forward", "ForwardConfig": {"TargetGroups": weighted, **config}}


def redirect(**config: str) -> dict[str, Any]:
    return {"Type": "redirect", "RedirectConfig": {"StatusCode": "HTTP_301", **config}}


def attributes(**pairs: str) -> list[dict[str, str]]:
    """`a__b` is `a.b`."""
    return [{"Key": key.replace("__", "."), "Value": value} for key, value in pairs.items()]


def until(condition: Callable[[], Any], within: float = 15.0) -> Any:
    deadline = clock.monotonic() + within
    while not (value := condition()):
        assert clock.monotonic() < deadline, f"waited {within} s for {condition}"
        clock.pause(0.1)
    return value
