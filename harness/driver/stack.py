"""Everything one scenario needs, made in one straight line on any target, and removed in reverse."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from botocore.exceptions import ClientError

from harness.compression import Plan
from harness.driver import capacity, cloudwatch, codedeploy, ecs, elbv2, lambda_
from harness.driver.ecs import TaskDefinition
from harness.driver.elbv2 import PRODUCTION_PORT, TEST_PORT, LoadBalancer
from harness.driver.names import Names
from harness.driver.network import Network
from harness.driver.session import Session, error_code
from harness.driver.undo import Undo
from harness.driver.wait import until
from harness.errors import StepFailed
from harness.scenario import Scenario, Version

Reach = Callable[[LoadBalancer, int], str]
"""Where this machine reaches a listener: a load balancer and the listener's port to a URL without a path."""


@dataclass
class Stack:
    """One scenario's resources. *Blue* serves production when the run begins, whatever happens later."""

    scenario: Scenario
    plan: Plan
    session: Session
    network: Network
    names: Names
    reach: Reach
    undo: Undo = field(default_factory=Undo)
    load_balancer: LoadBalancer = field(init=False)
    blue_target_group: str = field(init=False)
    green_target_group: str = field(init=False)
    production_listener: str = field(init=False)
    test_listener: str | None = field(init=False, default=None)
    task_definitions: dict[str, TaskDefinition] = field(init=False, default_factory=dict)
    alarms: dict[str, str] = field(init=False, default_factory=dict)
    hooks: dict[str, str] = field(init=False, default_factory=dict)
    group: codedeploy.Group = field(init=False)

    def provision(self) -> None:
        """Raises ClientError or StepFailed; what was made until then is known to `remove`."""
        self._capacity()
        self._load_balancing()
        self._service()
        self._alarms()
        self._hooks()
        self._deployment_group()

    def _capacity(self) -> None:
        """A cluster of the scenario's own, so that nothing else takes its room."""
        asked = self.scenario.service.capacity
        if asked is not None:
            name = self.names.own_cluster(self.session.tags)
            self.network = capacity.make(self.session, self.undo, name, asked, self.network)

    def _load_balancing(self) -> None:
        names, service = self.names, self.scenario.service
        self.load_balancer = elbv2.create_load_balancer(self.session, self.undo, names.stem, self.network)
        self.blue_target_group, self.green_target_group = (
            elbv2.create_target_group(self.session, self.undo, names.part(side), self.network, service)
            for side in ("blue", "green")
        )
        self.production_listener = elbv2.create_listener(
            self.session, self.undo, self.load_balancer, PRODUCTION_PORT, self._production(), service.sticky
        )
        if self.scenario.deploy.test_listener:  # onto the idle group, so that green is health-checked during Install
            self.test_listener = elbv2.create_listener(
                self.session, self.undo, self.load_balancer, TEST_PORT, [self.green_target_group]
            )

    def _production(self) -> list[str]:
        """A cookie can only choose between target groups of the rule, so with one both are on it from the start."""
        sticky = self.scenario.service.sticky is not None
        return [self.blue_target_group, self.green_target_group] if sticky else [self.blue_target_group]

    def _service(self) -> None:
        blue = self.task_definition(self.scenario.release.from_)
        ecs.create_service(
            self.session,
            self.undo,
            self.names.stem,
            self.network,
            self.scenario.service,
            blue,
            self.blue_target_group,
        )

    def _alarms(self) -> None:
        for name, alarm in self.scenario.deploy.alarms.items():
            full = self.names.part(name)
            self.alarms[name] = cloudwatch.put_alarm(
                self.session, self.undo, full, alarm, self.load_balancer.dimension, self.plan.tags
            )

    def _hooks(self) -> None:
        for event, hook in self.scenario.deploy.hooks.items():
            port = PRODUCTION_PORT if hook.via == "production" or self.test_listener is None else TEST_PORT
            name = self.names.part(event) if hook.without_permission else self.names.hook(event)
            role = self.network.denied_hook_role if hook.callback_denied else self.network.hook_role
            if not role:
                raise StepFailed("hooks", "there is no role here for a function that may not report (callback_denied)")
            self.hooks[event] = lambda_.create_hook_function(
                self.session, self.undo, name, role, self.network, [lambda_.rule(hook, *self._seen_by_hooks(port))]
            )

    def _seen_by_hooks(self, port: int) -> tuple[str, str | None]:
        """URL and Host of a listener. Inside the VPC only the balancer's private addresses are let in by its security group."""
        if not self.network.hook_subnets:
            return self.url(port), None
        address = elbv2.private_addresses(self.session, self.load_balancer)[0]
        return f"http://{address}:{port}", self.load_balancer.dns_name

    def _deployment_group(self) -> None:
        names, deploy = self.names, self.scenario.deploy
        application = codedeploy.create_application(self.session, self.undo, names.stem)
        config = codedeploy.ensure_config(self.session, self.undo, names.part("config"), deploy.config)
        self.group = codedeploy.create_group(
            self.session,
            self.undo,
            codedeploy.Group(application, names.stem, self.network.cluster, names.stem),
            role=self._codedeploy_role(),
            config=config,
            deploy=deploy,
            routes=codedeploy.Routes(
                (names.part("blue"), names.part("green")), self.production_listener, self.test_listener
            ),
            alarms=list(self.alarms.values()),
            tags=self.plan.tags,
        )

    def _codedeploy_role(self) -> str:
        """The limited one lets CodeDeploy invoke functions of one prefix only, which a hook `without_permission` lacks."""
        limited = any(hook.without_permission for hook in self.scenario.deploy.hooks.values())
        return self.network.limited_codedeploy_role if limited else self.network.codedeploy_role

    def task_definition(self, version: Version) -> TaskDefinition:
        """The registered task definition of a version of the release; registered at first use."""
        if version.version not in self.task_definitions:
            self.task_definitions[version.version] = ecs.register_task_definition(
                self.session,
                self.undo,
                self.names.stem,
                self.network,
                self.scenario.service,
                version,
            )
        return self.task_definitions[version.version]

    def deploy(self, version: Version) -> str:
        """Create a deployment of `version`; its id."""
        provider = self.network.provider_of(self.scenario.service)
        content = codedeploy.app_spec(self.task_definition(version), self.hooks, provider)
        return codedeploy.create_deployment(
            self.session, self.group, content, f"rehearsal {self.scenario.id}: {version.version}"
        )

    def url(self, port: int) -> str:
        return self.reach(self.load_balancer, port)

    @property
    def resources(self) -> Mapping[str, str]:
        """Role to ARN or name, for the journal."""
        found = {
            "load_balancer": self.load_balancer.arn,
            "production_listener": self.production_listener,
            "test_listener": self.test_listener or "",
            "blue_target_group": self.blue_target_group,
            "green_target_group": self.green_target_group,
            "cluster": self.network.cluster,
            "service": self.group.service,
            "application": self.group.application,
            "deployment_group": self.group.name,
        }
        found |= {f"alarm {name}": full for name, full in self.alarms.items()}
        found |= {f"hook {event}": function for event, function in self.hooks.items()}
        return {role: name for role, name in found.items() if name}

    def remove(self) -> list[str]:
        """End any deployment, then remove everything, however little of it was made. Returns what is left."""
        problems = self._stop_deployments() if hasattr(self, "group") else []
        return problems + self.undo.everything()

    def _stop_deployments(self) -> list[str]:
        """A deployment would fight the removal for its task sets."""
        try:
            for deployment in codedeploy.active_deployments(self.session, self.group):
                _stop(self.session, deployment)
            until(
                lambda: codedeploy.active_deployments(self.session, self.group),
                within=60,
                waiting_for=f"no active deployment in {self.group.name}",
                done=lambda active: not active,
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, the removal goes on and the reader is told
            return [f"deployment in {self.group.name} ({error})"]
        return []


def _stop(session: Session, deployment: str) -> None:
    try:
        codedeploy.stop_deployment(session, deployment, rollback=False)
    except ClientError as error:
        if error_code(error) != "DeploymentAlreadyCompletedException":
            raise
