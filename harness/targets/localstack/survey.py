"""What a LocalStack really executes: one probe for each service, because "available" proves nothing; and whether CodeDeploy is a mock."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from boto3.session import Session as Boto3Session
from botocore.exceptions import BotoCoreError, ClientError

from harness import boto
from harness.errors import TargetUnavailable
from harness.targets.localstack.endpoint import LocalStack

REGION = "us-east-1"
State = Literal["executed", "mocked", "unlicensed", "not enabled", "broken"]
EDITIONS = {"ecs": "Base", "elbv2": "Base", "ecr": "Base", "autoscaling": "Base", "codedeploy": "Ultimate"}
EDITIONS |= {"application-autoscaling": "Base", "servicediscovery": "Base"}  # the others: every edition
PROBES: dict[str, tuple[str, dict[str, Any]]] = {
    "codedeploy": ("list_applications", {}),
    "ecs": ("list_clusters", {}),
    "elbv2": ("describe_load_balancers", {}),
    "ecr": ("describe_repositories", {}),
    "cloudwatch": ("describe_alarms", {}),
    "lambda": ("list_functions", {}),
    "ec2": ("describe_vpcs", {}),
    "iam": ("list_roles", {}),
    "sts": ("get_caller_identity", {}),
    "ssm": ("describe_parameters", {}),
    "secretsmanager": ("list_secrets", {}),
    "logs": ("describe_log_groups", {}),
    "route53": ("list_hosted_zones", {}),
    "acm": ("list_certificates", {}),
    "s3": ("list_buckets", {}),
    "sns": ("list_topics", {}),
    "events": ("list_rules", {}),
    "cloudformation": ("list_stacks", {}),
    "autoscaling": ("describe_auto_scaling_groups", {}),
    "application-autoscaling": ("describe_scalable_targets", {"ServiceNamespace": "ecs"}),
    "servicediscovery": ("list_namespaces", {}),
}
NEEDED = ("sts", "ec2", "iam")  # a scenario's network and roles
UNKNOWN_DEPLOYMENT = "d-REHEARSAL"
EXISTS = ("DeploymentDoesNotExistException", "InvalidDeploymentIdException", "DeploymentTargetIdRequiredException")


@dataclass(frozen=True, slots=True)
class Finding:
    """What one probe showed. `detail` is the answer that was not the wanted one."""

    service: str
    state: State
    detail: str = ""

    @property
    def edition(self) -> str:
        """The least edition that has the service, as LocalStack documents it."""
        return EDITIONS.get(self.service, "any")


@dataclass(frozen=True, slots=True)
class Survey:
    localstack: LocalStack
    findings: Mapping[str, Finding] = field(default_factory=dict)

    def executes(self, service: str) -> bool:
        return self.findings[service].state == "executed"


def survey(localstack: LocalStack) -> Survey:
    """Probe every service once. Raises TargetUnavailable where the runtime is broken, or lacks what every scenario needs."""
    clients = Clients(localstack.url)
    findings = {service: _probe(localstack, clients, service) for service in PROBES}
    if findings["codedeploy"].state == "executed":
        findings["codedeploy"] = _mocked_or_executed(clients)
    for service in NEEDED:
        _check_needed(localstack, findings[service])
    return Survey(localstack, findings)


def _probe(localstack: LocalStack, clients: Clients, service: str) -> Finding:
    operation, request = PROBES[service]
    try:
        getattr(clients.of(service), operation)(**request)
    except ClientError as error:
        return _refused(localstack, service, error)
    except BotoCoreError as error:
        return Finding(service, "broken", f"{operation} is not answered as AWS does: {error}")
    return Finding(service, "executed")


def _refused(localstack: LocalStack, service: str, error: ClientError) -> Finding:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    said = str(error.response.get("Error", {}).get("Message", ""))
    if status == 501 and "license plan" in said:
        return Finding(service, "unlicensed", said)
    if "is not enabled" in said and "SERVICES" in said:
        return Finding(service, "not enabled", said)
    claimed = localstack.inventory.get(service)
    although = f", although its health page says {claimed}" if claimed in ("available", "running") else ""
    return Finding(service, "broken", f"answers {status} ({said}){although}")


def _mocked_or_executed(clients: Clients) -> Finding:
    """A CodeDeploy that executes knows its deployment targets; LocalStack's has no such operation."""
    try:
        clients.of("codedeploy").batch_get_deployment_targets(
            deploymentId=UNKNOWN_DEPLOYMENT, targetIds=["cluster:service"]
        )
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code not in EXISTS:
            return Finding("codedeploy", "mocked", f"BatchGetDeploymentTargets: {code}")
    except BotoCoreError as error:
        return Finding("codedeploy", "mocked", f"BatchGetDeploymentTargets: {error}")
    else:
        return Finding("codedeploy", "mocked", "it has a target for a deployment that does not exist")
    return Finding("codedeploy", "executed")


def _check_needed(localstack: LocalStack, finding: Finding) -> None:
    where = f"{localstack.name} at {localstack.url}"
    if finding.state == "broken":
        raise TargetUnavailable(
            f"{where} is broken: {finding.service} {finding.detail}. localstack-core {localstack.version} runs on Python 3.13 only"
        )
    if finding.state == "not enabled":
        raise TargetUnavailable(f"{where} runs without {finding.service}, which every scenario needs: {finding.detail}")
    if finding.state == "unlicensed":
        raise TargetUnavailable(
            f"{where} refuses {finding.service}: its licence is not activated. Set LOCALSTACK_AUTH_TOKEN where LocalStack is started"
        )


class Clients:
    """One client for each service, retries off, from localstack-client's session.

    That session forces verify=False, prefers AWS_ENDPOINT_URL to the host it is given, and makes its clients of boto3's default
    session, which reads the shell: an https endpoint gets a plain session, and while a client is made the variable is out of sight
    and the default session a bare one.
    """

    def __init__(self, url: str) -> None:
        self._url, self._made = url, dict[str, Any]()
        self._way = boto.way_to(url, retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=60)

    def of(self, service: str) -> Any:
        if service not in self._made:
            self._made[service] = self._make(service)
        return self._made[service]

    def _make(self, service: str) -> Any:
        from localstack_client.session import Session as LocalStackSession  # of an extra: `need_extra`

        if self._url.startswith("https://"):
            plain = Boto3Session("test", "test", region_name=REGION, botocore_session=boto.bare_session())
            return plain.client(service, **self._way)
        with _out_of_sight("AWS_ENDPOINT_URL", "USE_SSL"), boto.bare_default_session():
            session = LocalStackSession("test", "test", None, REGION, localstack_host=self._url.removeprefix("http://"))
            client = session.client(service, **self._way)
        if (chosen := client.meta.endpoint_url) != self._url:
            raise TargetUnavailable(f"localstack-client chose {chosen} where {self._url} was asked for")
        return client


@contextmanager
def _out_of_sight(*names: str) -> Iterator[None]:
    kept = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)
