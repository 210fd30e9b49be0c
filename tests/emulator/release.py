"""A service behind a load balancer, ready for CodeDeploy, made with the stock boto3: what the deployment tests share."""

import json
import secrets
from typing import Any

import requests

HEALTH = {
    "HealthCheckPath": "/healthz",
    "HealthCheckIntervalSeconds": 5,
    "HealthCheckTimeoutSeconds": 2,
    "HealthyThresholdCount": 2,
    "UnhealthyThresholdCount": 2,
}
ALL_AT_ONCE = "CodeDeployDefault.ECSAllAtOnce"
CANARY = "CodeDeployDefault.ECSCanary10Percent5Minutes"


class Release:
    """`name` begins every resource's name. Version v1 serves when `up` returns."""

    target_type = "ip"

    def __init__(self, aws: Any, *, config: str = ALL_AT_ONCE, test_listener: bool = True, **group: Any) -> None:
        self.aws, self.name = aws, f"r{secrets.token_hex(3)}"
        self.ecs, self.elb, self.codedeploy = aws.client("ecs"), aws.client("elbv2"), aws.client("codedeploy")
        self.role = "arn:aws:iam::123456789012:role/codedeploy"  # in IAM only where a test makes one
        self.application, self.group = self.name, "group"
        self._config, self._group = config, group
        self._with_test_listener = test_listener

    def up(self) -> "Release":
        self._network()
        self._load_balancer()
        self._service()
        self._deployment_group()
        return self

    def _network(self) -> None:
        ec2 = self.aws.client("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        self.vpc = vpc
        self.subnets = [
            ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{i}.0/24", AvailabilityZone=f"us-east-1{zone}")["Subnet"][
                "SubnetId"
            ]
            for i, zone in enumerate("ab")
        ]

    def _load_balancer(self) -> None:
        self.balancer = self.elb.create_load_balancer(Name=self.name, Subnets=self.subnets)["LoadBalancers"][0][
            "LoadBalancerArn"
        ]
        self.groups = {}
        for side in ("blue", "green"):
            made = self.elb.create_target_group(
                Name=f"{self.name}-{side}",
                Protocol="HTTP",
                Port=8080,
                VpcId=self.vpc,
                TargetType=self.target_type,
                **HEALTH,
            )
            self.groups[side] = made["TargetGroups"][0]["TargetGroupArn"]
            self.elb.modify_target_group_attributes(
                TargetGroupArn=self.groups[side],
                Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "1"}],
            )
        self.production = self._listener(80, "blue")
        self.test = self._listener(8080, "green") if self._with_test_listener else None

    def _listener(self, port: int, side: str) -> str:
        actions = [{"Type": "forward", "TargetGroupArn": self.groups[side]}]
        made = self.elb.create_listener(
            LoadBalancerArn=self.balancer, Protocol="HTTP", Port=port, DefaultActions=actions
        )
        return str(made["Listeners"][0]["ListenerArn"])

    def register(self, revision: str, **environment: str) -> str:
        container = {
            "name": "app",
            "image": f"sampleapp:{revision}",
            "portMappings": [{"containerPort": 8080}],
            "environment": [{"name": name, "value": value} for name, value in environment.items()],
            "stopTimeout": 5,
        }
        made = self.ecs.register_task_definition(
            family=self.name,
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="256",
            memory="512",
            containerDefinitions=[container],
        )
        return str(made["taskDefinition"]["taskDefinitionArn"])

    def _service(self) -> None:
        self.ecs.create_cluster(clusterName=self.name)
        self.ecs.create_service(
            cluster=self.name,
            serviceName="web",
            taskDefinition=self.register("v1"),
            desiredCount=1,
            deploymentController={"type": "CODE_DEPLOY"},
            loadBalancers=[{"targetGroupArn": self.groups["blue"], "containerName": "app", "containerPort": 8080}],
            **self._placing(),
        )
        waiter = self.elb.get_waiter("target_in_service")
        self.until(
            lambda: self.elb.describe_target_health(TargetGroupArn=self.groups["blue"])["TargetHealthDescriptions"]
        )
        waiter.wait(TargetGroupArn=self.groups["blue"], WaiterConfig={"Delay": 1, "MaxAttempts": 30})

    def _placing(self) -> dict[str, Any]:
        network = {"awsvpcConfiguration": {"subnets": self.subnets}}
        return {"launchType": "FARGATE", "networkConfiguration": network}

    def _deployment_group(self) -> None:
        self.codedeploy.create_application(applicationName=self.application, computePlatform="ECS")
        routes: dict[str, Any] = {"prodTrafficRoute": {"listenerArns": [self.production]}}
        if self.test:
            routes["testTrafficRoute"] = {"listenerArns": [self.test]}
        names = [{"name": f"{self.name}-{side}"} for side in ("blue", "green")]
        request: dict[str, Any] = {
            "deploymentConfigName": self._config,
            "autoRollbackConfiguration": {
                "enabled": True,
                "events": ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM"],
            },
            "blueGreenDeploymentConfiguration": {
                "terminateBlueInstancesOnDeploymentSuccess": {"action": "TERMINATE", "terminationWaitTimeInMinutes": 1},
                "deploymentReadyOption": {"actionOnTimeout": "CONTINUE_DEPLOYMENT"},
            },
            **self._group,
        }
        self.codedeploy.create_deployment_group(
            applicationName=self.application,
            deploymentGroupName=self.group,
            serviceRoleArn=self.role,
            deploymentStyle={"deploymentType": "BLUE_GREEN", "deploymentOption": "WITH_TRAFFIC_CONTROL"},
            loadBalancerInfo={"targetGroupPairInfoList": [{"targetGroups": names, **routes}]},
            ecsServices=[{"clusterName": self.name, "serviceName": "web"}],
            **request,
        )

    def deploy(
        self, task_definition: str, hooks: dict[str, str] | None = None, port: int = 8080, **request: Any
    ) -> str:
        spec = {
            "version": 0.0,
            "Resources": [
                {
                    "TargetService": {
                        "Type": "AWS::ECS::Service",
                        "Properties": {
                            "TaskDefinition": task_definition,
                            "LoadBalancerInfo": {"ContainerName": "app", "ContainerPort": port},
                        },
                    }
                }
            ],
            "Hooks": [{event: function} for event, function in (hooks or {}).items()],
        }
        revision = {"revisionType": "AppSpecContent", "appSpecContent": {"content": json.dumps(spec)}}
        made = self.codedeploy.create_deployment(
            applicationName=self.application, deploymentGroupName=self.group, revision=revision, **request
        )
        return str(made["deploymentId"])

    # ---- looking

    def url(self, listener: str | None = None) -> str:
        status = requests.get(f"{self.aws.url}/_rehearsal/status", timeout=10).json()
        mine = next(one for one in status["load_balancers"] if one["arn"] == self.balancer)
        return str(next(one["url"] for one in mine["listeners"] if one["arn"] == (listener or self.production)))

    def version(self, listener: str | None = None) -> str:
        return requests.get(self.url(listener), timeout=10).headers.get("X-App-Version", "none")

    def info(self, deployment: str) -> dict[str, Any]:
        return dict(self.codedeploy.get_deployment(deploymentId=deployment)["deploymentInfo"])

    def target(self, deployment: str) -> dict[str, Any]:
        (target,) = self.codedeploy.list_deployment_targets(deploymentId=deployment)["targetIds"]
        answer = self.codedeploy.get_deployment_target(deploymentId=deployment, targetId=target)
        return dict(answer["deploymentTarget"]["ecsTarget"])

    def events(self, deployment: str) -> dict[str, str]:
        return {one["lifecycleEventName"]: one["status"] for one in self.target(deployment)["lifecycleEvents"]}

    def weights(self, listener: str | None = None) -> dict[str, int]:
        (found,) = self.elb.describe_listeners(ListenerArns=[listener or self.production])["Listeners"]
        names = {arn: side for side, arn in self.groups.items()}
        return {
            names[one["TargetGroupArn"]]: one["Weight"]
            for one in found["DefaultActions"][0]["ForwardConfig"]["TargetGroups"]
        }

    def until(self, condition: Any, within: float = 60.0) -> Any:
        """The first true value of `condition`; fails with the last one."""
        from harness import clock

        deadline = clock.monotonic() + within
        while not (value := condition()):
            assert clock.monotonic() < deadline, f"waited {within} s; last seen: {value!r}"
            clock.pause(0.1)
        return value

    def ended(self, deployment: str, within: float = 60.0) -> dict[str, Any]:
        ends = ("Succeeded", "Failed", "Stopped")
        return dict(self.until(lambda: (info := self.info(deployment))["status"] in ends and info, within))
