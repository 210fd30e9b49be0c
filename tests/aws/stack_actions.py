"""What CloudFormation calls, with the caller's own rights, to make, change, read and delete a resource of each type of the templates.

From the permissions that the types' own handlers declare in AWS's registry, without what no property of the templates asks for
(KMS keys, data protection, IPv6, ...). `test_policy.py` holds the published policy to it.
"""

from collections.abc import Mapping

TAGS_OF_EC2 = "ec2:CreateTags ec2:DeleteTags"
ACTIONS: Mapping[str, str] = {
    "AWS::AutoScaling::AutoScalingGroup": """
        autoscaling:CreateAutoScalingGroup autoscaling:CreateOrUpdateTags autoscaling:DeleteAutoScalingGroup autoscaling:DeleteTags
        autoscaling:DescribeAutoScalingGroups autoscaling:DescribeScalingActivities autoscaling:UpdateAutoScalingGroup
        ec2:DescribeLaunchTemplateVersions ec2:RunInstances iam:PassRole""",
    "AWS::CertificateManager::Certificate": """
        acm:AddTagsToCertificate acm:DeleteCertificate acm:DescribeCertificate acm:RequestCertificate
        route53:ChangeResourceRecordSets route53:GetChange""",
    "AWS::CloudWatch::Alarm": """
        cloudwatch:DeleteAlarms cloudwatch:DescribeAlarms cloudwatch:ListTagsForResource cloudwatch:PutMetricAlarm
        cloudwatch:TagResource""",
    "AWS::CodeDeploy::Application": """
        codedeploy:CreateApplication codedeploy:DeleteApplication codedeploy:GetApplication codedeploy:ListTagsForResource
        codedeploy:TagResource codedeploy:UpdateApplication""",
    "AWS::CodeDeploy::DeploymentGroup": """
        codedeploy:CreateDeploymentGroup codedeploy:DeleteDeploymentGroup codedeploy:GetDeploymentGroup
        codedeploy:ListTagsForResource codedeploy:TagResource codedeploy:UpdateDeploymentGroup iam:PassRole""",
    "AWS::EC2::Instance": f"""
        ec2:DescribeInstances ec2:DescribeVolumes ec2:ModifyInstanceAttribute ec2:RunInstances ec2:TerminateInstances {TAGS_OF_EC2}""",
    "AWS::EC2::InternetGateway": f"""
        ec2:CreateInternetGateway ec2:DeleteInternetGateway ec2:DescribeInternetGateways {TAGS_OF_EC2}""",
    "AWS::EC2::LaunchTemplate": f"""
        ec2:CreateLaunchTemplate ec2:CreateLaunchTemplateVersion ec2:DeleteLaunchTemplate ec2:DescribeLaunchTemplateVersions
        ec2:DescribeLaunchTemplates {TAGS_OF_EC2}""",
    "AWS::EC2::Route": "ec2:CreateRoute ec2:DeleteRoute ec2:DescribeRouteTables ec2:ReplaceRoute",
    "AWS::EC2::RouteTable": f"ec2:CreateRouteTable ec2:DeleteRouteTable ec2:DescribeRouteTables {TAGS_OF_EC2}",
    "AWS::EC2::SecurityGroup": f"""
        ec2:AuthorizeSecurityGroupEgress ec2:AuthorizeSecurityGroupIngress ec2:CreateSecurityGroup ec2:DeleteSecurityGroup
        ec2:DescribeSecurityGroups ec2:RevokeSecurityGroupEgress ec2:RevokeSecurityGroupIngress {TAGS_OF_EC2}""",
    "AWS::EC2::SecurityGroupEgress": """
        ec2:AuthorizeSecurityGroupEgress ec2:DescribeSecurityGroupRules ec2:RevokeSecurityGroupEgress""",
    "AWS::EC2::SecurityGroupIngress": """
        ec2:AuthorizeSecurityGroupIngress ec2:DescribeSecurityGroupRules ec2:RevokeSecurityGroupIngress""",
    "AWS::EC2::Subnet": f"""
        ec2:CreateSubnet ec2:DeleteSubnet ec2:DescribeAvailabilityZones ec2:DescribeSubnets ec2:ModifySubnetAttribute {TAGS_OF_EC2}""",
    "AWS::EC2::SubnetRouteTableAssociation": """
        ec2:AssociateRouteTable ec2:DescribeRouteTables ec2:DescribeSubnets ec2:DisassociateRouteTable
        ec2:ReplaceRouteTableAssociation""",
    "AWS::EC2::VPC": f"""
        ec2:CreateVpc ec2:DeleteVpc ec2:DescribeNetworkAcls ec2:DescribeSecurityGroups ec2:DescribeVpcAttribute ec2:DescribeVpcs
        ec2:ModifyVpcAttribute {TAGS_OF_EC2}""",
    "AWS::EC2::VPCEndpoint": f"""
        ec2:CreateVpcEndpoint ec2:DeleteVpcEndpoints ec2:DescribeVpcEndpoints ec2:ModifyVpcEndpoint {TAGS_OF_EC2}""",
    "AWS::EC2::VPCGatewayAttachment": "ec2:AttachInternetGateway ec2:DescribeInternetGateways ec2:DetachInternetGateway",
    "AWS::ECR::Repository": """
        ecr:CreateRepository ecr:DeleteRepository ecr:DescribeRepositories ecr:GetLifecyclePolicy ecr:GetRepositoryPolicy
        ecr:ListTagsForResource ecr:PutImageScanningConfiguration ecr:PutLifecyclePolicy ecr:TagResource""",
    "AWS::ECS::CapacityProvider": """
        autoscaling:CreateOrUpdateTags ecs:CreateCapacityProvider ecs:DeleteCapacityProvider ecs:DescribeCapacityProviders
        ecs:TagResource ecs:UpdateCapacityProvider""",
    "AWS::ECS::Cluster": """
        ecs:CreateCluster ecs:DeleteCluster ecs:DescribeClusters ecs:PutClusterCapacityProviders ecs:TagResource ecs:UpdateCluster""",
    "AWS::ECS::ClusterCapacityProviderAssociations": """
        ecs:DescribeCapacityProviders ecs:DescribeClusters ecs:PutClusterCapacityProviders""",
    "AWS::ECS::Service": """
        ecs:CreateService ecs:DeleteService ecs:DescribeServices ecs:ListTagsForResource ecs:TagResource ecs:UpdateService
        iam:PassRole""",
    "AWS::ECS::TaskDefinition": """
        ecs:DeregisterTaskDefinition ecs:DescribeTaskDefinition ecs:RegisterTaskDefinition ecs:TagResource iam:PassRole""",
    "AWS::ElasticLoadBalancingV2::Listener": """
        elasticloadbalancing:AddTags elasticloadbalancing:CreateListener elasticloadbalancing:DeleteListener
        elasticloadbalancing:DescribeListeners elasticloadbalancing:DescribeTags elasticloadbalancing:ModifyListener""",
    "AWS::ElasticLoadBalancingV2::LoadBalancer": """
        elasticloadbalancing:AddTags elasticloadbalancing:CreateLoadBalancer elasticloadbalancing:DeleteLoadBalancer
        elasticloadbalancing:DescribeLoadBalancerAttributes elasticloadbalancing:DescribeLoadBalancers
        elasticloadbalancing:DescribeTags elasticloadbalancing:ModifyLoadBalancerAttributes
        elasticloadbalancing:SetSecurityGroups elasticloadbalancing:SetSubnets""",
    "AWS::ElasticLoadBalancingV2::TargetGroup": """
        elasticloadbalancing:AddTags elasticloadbalancing:CreateTargetGroup elasticloadbalancing:DeleteTargetGroup
        elasticloadbalancing:DescribeTags elasticloadbalancing:DescribeTargetGroupAttributes
        elasticloadbalancing:DescribeTargetGroups elasticloadbalancing:ModifyTargetGroup
        elasticloadbalancing:ModifyTargetGroupAttributes""",
    "AWS::IAM::InstanceProfile": """
        iam:AddRoleToInstanceProfile iam:CreateInstanceProfile iam:DeleteInstanceProfile iam:GetInstanceProfile iam:PassRole
        iam:RemoveRoleFromInstanceProfile""",
    "AWS::IAM::OIDCProvider": """
        iam:CreateOpenIDConnectProvider iam:DeleteOpenIDConnectProvider iam:GetOpenIDConnectProvider
        iam:TagOpenIDConnectProvider""",
    "AWS::IAM::Policy": """
        iam:DeleteRolePolicy iam:GetRolePolicy iam:PutRolePolicy""",
    "AWS::IAM::Role": """
        iam:AttachRolePolicy iam:CreateRole iam:DeleteRole iam:DeleteRolePolicy iam:DetachRolePolicy iam:GetRole iam:GetRolePolicy
        iam:ListAttachedRolePolicies iam:ListRolePolicies iam:PutRolePolicy iam:TagRole iam:UntagRole
        iam:UpdateAssumeRolePolicy""",
    "AWS::Lambda::Function": """
        ec2:DescribeSecurityGroups ec2:DescribeSubnets ec2:DescribeVpcs iam:PassRole lambda:CreateFunction lambda:DeleteFunction
        lambda:GetFunction lambda:ListTags lambda:TagResource lambda:UpdateFunctionCode lambda:UpdateFunctionConfiguration""",
    "AWS::Logs::LogGroup": """
        logs:CreateLogGroup logs:DeleteLogGroup logs:DescribeLogGroups logs:ListTagsForResource logs:PutRetentionPolicy
        logs:TagResource""",
    "AWS::Route53::HostedZone": """
        route53:ChangeTagsForResource route53:CreateHostedZone route53:DeleteHostedZone route53:GetChange route53:GetHostedZone
        route53:ListTagsForResource route53:UpdateHostedZoneComment""",
    "AWS::Route53::RecordSet": """
        route53:ChangeResourceRecordSets route53:GetChange route53:GetHostedZone route53:ListResourceRecordSets""",
    "AWS::Scheduler::Schedule": """
        iam:PassRole scheduler:CreateSchedule scheduler:DeleteSchedule scheduler:GetSchedule scheduler:UpdateSchedule""",
}
# Of templates with a parameter that is read from SSM when the stack is made.
FOR_PARAMETERS = "ssm:GetParameters"


def of(kinds: set[str]) -> set[str]:
    """Raises KeyError for a type that is not here."""
    return {action for kind in kinds for action in ACTIONS[kind].split()} | {FOR_PARAMETERS}
