"""What an account has: every list API of the services that the stack uses."""

from typing import Any

# service, operation, member of the answer
LISTS = (
    ("ec2", "describe_vpcs", "Vpcs"),
    ("ec2", "describe_subnets", "Subnets"),
    ("ec2", "describe_internet_gateways", "InternetGateways"),
    ("ec2", "describe_route_tables", "RouteTables"),
    ("ec2", "describe_security_groups", "SecurityGroups"),
    ("ec2", "describe_security_group_rules", "SecurityGroupRules"),
    ("ec2", "describe_network_interfaces", "NetworkInterfaces"),
    ("ec2", "describe_addresses", "Addresses"),
    ("ec2", "describe_launch_templates", "LaunchTemplates"),
    ("ec2", "describe_volumes", "Volumes"),
    ("autoscaling", "describe_auto_scaling_groups", "AutoScalingGroups"),
    ("elbv2", "describe_load_balancers", "LoadBalancers"),
    ("elbv2", "describe_target_groups", "TargetGroups"),
    ("ecr", "describe_repositories", "repositories"),
    ("ecs", "list_clusters", "clusterArns"),
    ("ecs", "list_task_definitions", "taskDefinitionArns"),
    ("ecs", "describe_capacity_providers", "capacityProviders"),
    ("codedeploy", "list_applications", "applications"),
    ("codedeploy", "list_deployment_configs", "deploymentConfigsList"),
    ("cloudwatch", "describe_alarms", "MetricAlarms"),
    ("logs", "describe_log_groups", "logGroups"),
    ("route53", "list_hosted_zones", "HostedZones"),
    ("acm", "list_certificates", "CertificateSummaryList"),
    ("iam", "list_roles", "Roles"),
    ("iam", "list_instance_profiles", "InstanceProfiles"),
)


def account(aws: Any, region: str) -> dict[str, Any]:
    """Instances that were terminated are shown for an hour on AWS; they do not count."""
    found = {
        f"{service} {operation}": getattr(aws.client(service, region_name=region), operation)()[member]
        for service, operation, member in LISTS
    }
    reservations = aws.client("ec2", region_name=region).describe_instances()["Reservations"]
    instances = [one for reservation in reservations for one in reservation["Instances"]]
    return {**found, "instances": [one for one in instances if one["State"]["Name"] != "terminated"]}
