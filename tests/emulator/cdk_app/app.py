"""An ECS service under CodeDeploy, as a CDK user writes it."""

import aws_cdk as cdk
from aws_cdk import aws_codedeploy as codedeploy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_elasticloadbalancingv2 as elbv2


class Shop(cdk.Stack):
    def __init__(self, scope: cdk.App, name: str, **options: object) -> None:
        super().__init__(scope, name, **options)
        subnets = [ec2.SubnetConfiguration(name="public", subnet_type=ec2.SubnetType.PUBLIC, cidr_mask=24)]
        vpc = ec2.Vpc(
            self, "Vpc", max_azs=2, nat_gateways=0, subnet_configuration=subnets, restrict_default_security_group=False
        )
        cluster = ecs.Cluster(self, "Cluster", vpc=vpc)
        definition = ecs.FargateTaskDefinition(self, "Definition", cpu=256, memory_limit_mib=512)
        definition.add_container(
            "app",
            image=ecs.ContainerImage.from_registry("sampleapp:v1"),
            port_mappings=[ecs.PortMapping(container_port=8080)],
        )
        service = ecs.FargateService(
            self,
            "Service",
            cluster=cluster,
            task_definition=definition,
            desired_count=1,
            assign_public_ip=True,
            min_healthy_percent=100,
            deployment_controller=ecs.DeploymentController(type=ecs.DeploymentControllerType.CODE_DEPLOY),
        )
        balancer = elbv2.ApplicationLoadBalancer(self, "Balancer", vpc=vpc, internet_facing=True)
        production = balancer.add_listener("Production", port=80)
        test = balancer.add_listener("Test", port=8080, protocol=elbv2.ApplicationProtocol.HTTP)
        check = elbv2.HealthCheck(path="/healthz", interval=cdk.Duration.seconds(5), timeout=cdk.Duration.seconds(2))
        groups = {
            side: elbv2.ApplicationTargetGroup(
                self,
                side,
                vpc=vpc,
                port=8080,
                protocol=elbv2.ApplicationProtocol.HTTP,
                target_type=elbv2.TargetType.IP,
                health_check=check,
                deregistration_delay=cdk.Duration.seconds(1),
            )
            for side in ("Blue", "Green")
        }
        production.add_target_groups("ToBlue", target_groups=[groups["Blue"]])
        test.add_target_groups("ToGreen", target_groups=[groups["Green"]])
        service.attach_to_application_target_group(groups["Blue"])
        codedeploy.EcsDeploymentGroup(
            self,
            "Group",
            service=service,
            deployment_config=codedeploy.EcsDeploymentConfig.ALL_AT_ONCE,
            blue_green_deployment_config=codedeploy.EcsBlueGreenDeploymentConfig(
                blue_target_group=groups["Blue"],
                green_target_group=groups["Green"],
                listener=production,
                test_listener=test,
            ),
        )
        cdk.CfnOutput(self, "ServiceName", value=service.service_name)
        cdk.CfnOutput(self, "ClusterName", value=cluster.cluster_name)


app = cdk.App()
Shop(app, "Shop", env=cdk.Environment(account="123456789012", region="us-east-1"))
app.synth()
