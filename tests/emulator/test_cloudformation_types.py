"""Each resource type of our services: made, changed and deleted for real; attributes and Ref as the reference says."""

import json
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest

from tests.emulator.stacks import BALANCER, CAPABILITIES, NETWORK, Stacks, definition, service, template, unique

ARCHITECTURE = (Path(__file__).parent / "templates" / "architecture.yaml").read_text(encoding="utf-8")
CLUSTER = {"Type": "AWS::ECS::Cluster", "Properties": {}}
TAGS = [{"Key": "team", "Value": "shop"}]


@pytest.fixture(name="stacks")
def made_stacks(aws: Any) -> Stacks:
    return Stacks(aws)


def changed(resources: dict[str, Any], name: str, **properties: Any) -> dict[str, Any]:
    return {**resources, name: {**resources[name], "Properties": {**resources[name]["Properties"], **properties}}}


def applied(stacks: Stacks, name: str, resources: dict[str, Any], **sections: Any) -> None:
    stack = stacks.update(name, template(resources, **sections))
    assert stack["StackStatus"] == "UPDATE_COMPLETE", stacks.failures(name)


def outputs(**attributes: Any) -> dict[str, Any]:
    return {"Outputs": {key: {"Value": {"Fn::GetAtt": value.split(".")}} for key, value in attributes.items()}}


def test_load_balancer_target_group_listener_and_rule(aws, stacks):
    elb = aws.client("elbv2")
    rule = {
        "Type": "AWS::ElasticLoadBalancingV2::ListenerRule",
        "Properties": {
            "ListenerArn": {"Ref": "Listener"},
            "Priority": 10,
            "Conditions": [{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/a"]}}],
            "Actions": [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "418"}}],
        },
    }
    resources = {**BALANCER, "Rule": rule}
    shown = outputs(Dns="Balancer.DNSName", Full="Blue.TargetGroupFullName", Zone="Balancer.CanonicalHostedZoneID")
    with stacks.stack(template(resources, **shown), Tags=TAGS) as name:
        balancer = elb.describe_load_balancers(LoadBalancerArns=[stacks.physical(name, "Balancer")])["LoadBalancers"][0]
        assert stacks.outputs(name) == {
            "Dns": balancer["DNSName"],
            "Zone": balancer["CanonicalHostedZoneId"],
            "Full": stacks.physical(name, "Blue").rpartition(":")[2],
        }
        tags = elb.describe_tags(ResourceArns=[balancer["LoadBalancerArn"]])["TagDescriptions"][0]["Tags"]
        assert tags == TAGS
        before = {one: stacks.physical(name, one) for one in ("Balancer", "Blue", "Listener", "Rule")}
        resources = changed(
            resources, "Rule", Priority=20, Actions=[{"Type": "forward", "TargetGroupArn": {"Ref": "Blue"}}]
        )
        resources = changed(
            resources,
            "Blue",
            HealthCheckPath="/other",
            TargetGroupAttributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "2"}],
        )
        resources = changed(resources, "Listener", Port=81)
        applied(stacks, name, resources, **shown)
        assert {one: stacks.physical(name, one) for one in before} == before
        assert elb.describe_rules(RuleArns=[before["Rule"]])["Rules"][0]["Priority"] == "20"
        assert (
            elb.describe_target_groups(TargetGroupArns=[before["Blue"]])["TargetGroups"][0]["HealthCheckPath"]
            == "/other"
        )
        assert elb.describe_listeners(ListenerArns=[before["Listener"]])["Listeners"][0]["Port"] == 81
        applied(stacks, name, changed(resources, "Blue", Port=9090), **shown)
        assert stacks.physical(name, "Blue") != before["Blue"]
        with pytest.raises(botocore.exceptions.ClientError):
            elb.describe_target_groups(TargetGroupArns=[before["Blue"]])
    with pytest.raises(botocore.exceptions.ClientError):
        elb.describe_load_balancers(LoadBalancerArns=[before["Balancer"]])


def test_cluster_capacity_providers(aws, stacks):
    strategy = [{"CapacityProvider": "FARGATE", "Weight": 1}]
    association = {
        "Type": "AWS::ECS::ClusterCapacityProviderAssociations",
        "Properties": {
            "Cluster": {"Ref": "Cluster"},
            "CapacityProviders": ["FARGATE", "FARGATE_SPOT"],
            "DefaultCapacityProviderStrategy": strategy,
        },
    }
    resources = {"Cluster": CLUSTER, "Association": association}
    with stacks.stack(template(resources, **outputs(Arn="Cluster.Arn"))) as name:
        cluster = aws.client("ecs").describe_clusters(clusters=[stacks.outputs(name)["Arn"]])["clusters"][0]
        assert cluster["capacityProviders"] == ["FARGATE", "FARGATE_SPOT"]
        applied(stacks, name, changed(resources, "Association", CapacityProviders=["FARGATE"]))
        cluster = aws.client("ecs").describe_clusters(clusters=[stacks.physical(name, "Cluster")])["clusters"][0]
        assert cluster["capacityProviders"] == ["FARGATE"]


def test_capacity_provider(aws, stacks):
    ecs, scaling = aws.client("ecs"), aws.client("autoscaling")
    aws.client("ec2").create_launch_template(
        LaunchTemplateName="of-a-stack", LaunchTemplateData={"ImageId": "ami-12c6146b", "InstanceType": "t3.micro"}
    )
    scaling.create_auto_scaling_group(
        AutoScalingGroupName="of-a-stack",
        LaunchTemplate={"LaunchTemplateName": "of-a-stack"},
        MinSize=0,
        MaxSize=2,
        AvailabilityZones=["us-east-1a"],
    )
    described = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=["of-a-stack"])["AutoScalingGroups"]
    group = {"AutoScalingGroupArn": described[0]["AutoScalingGroupARN"]}
    provider = {"Type": "AWS::ECS::CapacityProvider", "Properties": {"AutoScalingGroupProvider": group}}

    def shown() -> dict[str, Any]:
        (found,) = ecs.describe_capacity_providers(capacityProviders=[name_of])["capacityProviders"]
        return dict(found)

    with stacks.stack(template({"Provider": provider})) as name:
        name_of = stacks.physical(name, "Provider")
        assert shown()["autoScalingGroupProvider"]["autoScalingGroupArn"] == group["AutoScalingGroupArn"]
        scaled = {**group, "ManagedScaling": {"Status": "ENABLED", "TargetCapacity": 80}}
        applied(stacks, name, changed({"Provider": provider}, "Provider", AutoScalingGroupProvider=scaled))
        assert shown()["autoScalingGroupProvider"]["managedScaling"]["targetCapacity"] == 80
    assert not ecs.describe_capacity_providers(capacityProviders=[name_of])["capacityProviders"]


def test_service_is_scaled_and_rolled(aws, stacks):
    ecs = aws.client("ecs")
    resources = {**NETWORK, "Cluster": CLUSTER, "Definition": definition(), "Service": service()}
    with stacks.stack(template(resources, **outputs(Name="Service.Name"))) as name:
        where = {"cluster": stacks.physical(name, "Cluster"), "services": [stacks.outputs(name)["Name"]]}
        old = stacks.physical(name, "Service")
        resources = {**changed(resources, "Service", DesiredCount=2), "Definition": definition("sampleapp:v2")}
        applied(stacks, name, resources)
        now = ecs.describe_services(**where)["services"][0]
        assert (now["runningCount"], now["taskDefinition"]) == (2, stacks.physical(name, "Definition"))
        assert len(now["deployments"]) == 1
        assert stacks.physical(name, "Service") == old


def test_code_deploy_service_refuses_another_task_definition(aws, stacks):
    """As on AWS (A.6): the stack's update fails with ECS's words and is rolled back."""
    controlled = service(
        DeploymentController={"Type": "CODE_DEPLOY"},
        LoadBalancers=[{"TargetGroupArn": {"Ref": "Blue"}, "ContainerName": "app", "ContainerPort": 8080}],
    )
    resources = {
        **BALANCER,
        "Cluster": CLUSTER,
        "Definition": definition(),
        "Service": {**controlled, "DependsOn": "Listener"},
    }
    with stacks.stack(template(resources)) as name:
        where = {"cluster": stacks.physical(name, "Cluster"), "services": [stacks.physical(name, "Service")]}
        task_set = aws.client("ecs").describe_services(**where)["services"][0]["taskSets"][0]
        assert task_set["stabilityStatus"] == "STEADY_STATE"
        other = stacks.update(name, template({**resources, "Definition": definition("sampleapp:v2")}))
        assert other["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
        assert "Unable to update task definition" in stacks.failures(name)["Service"]
        applied(stacks, name, changed(resources, "Service", DesiredCount=2))
        assert aws.client("ecs").describe_services(**where)["services"][0]["runningCount"] == 2


def test_task_sets_of_an_external_service(aws, stacks):
    external = {
        "Type": "AWS::ECS::Service",
        "Properties": {"Cluster": {"Ref": "Cluster"}, "DesiredCount": 1, "DeploymentController": {"Type": "EXTERNAL"}},
    }
    task_set = {
        "Type": "AWS::ECS::TaskSet",
        "Properties": {
            "Cluster": {"Ref": "Cluster"},
            "Service": {"Ref": "Service"},
            "TaskDefinition": {"Ref": "Definition"},
            "LaunchType": "FARGATE",
            "Scale": {"Unit": "PERCENT", "Value": 100},
            "NetworkConfiguration": {"AwsVpcConfiguration": {"Subnets": [{"Ref": "SubnetA"}]}},
        },
    }
    primary = {
        "Type": "AWS::ECS::PrimaryTaskSet",
        "Properties": {
            "Cluster": {"Ref": "Cluster"},
            "Service": {"Ref": "Service"},
            "TaskSetId": {"Fn::GetAtt": ["Set", "Id"]},
        },
    }
    resources = {
        **NETWORK,
        "Cluster": CLUSTER,
        "Definition": definition(),
        "Service": external,
        "Set": task_set,
        "Primary": primary,
    }
    with stacks.stack(template(resources)) as name:
        where = {"cluster": stacks.physical(name, "Cluster"), "service": stacks.physical(name, "Service")}
        described = aws.client("ecs").describe_task_sets(**where)["taskSets"]
        assert [(one["id"], one["status"]) for one in described] == [(stacks.physical(name, "Set"), "PRIMARY")]
        applied(stacks, name, changed(resources, "Set", Scale={"Unit": "PERCENT", "Value": 50}))
        assert aws.client("ecs").describe_task_sets(**where)["taskSets"][0]["scale"]["value"] == 50.0


def test_code_deploy_application_and_configuration(aws, stacks):
    codedeploy = aws.client("codedeploy")
    routing = {"Type": "TimeBasedLinear", "TimeBasedLinear": {"LinearInterval": 1, "LinearPercentage": 25}}
    resources = {
        "Application": {"Type": "AWS::CodeDeploy::Application", "Properties": {"ComputePlatform": "ECS"}},
        "Config": {
            "Type": "AWS::CodeDeploy::DeploymentConfig",
            "Properties": {"ComputePlatform": "ECS", "TrafficRoutingConfig": routing},
        },
    }
    with stacks.stack(template(resources)) as name:
        application, config = stacks.physical(name, "Application"), stacks.physical(name, "Config")
        assert codedeploy.get_application(applicationName=application)["application"]["computePlatform"] == "ECS"
        shown = codedeploy.get_deployment_config(deploymentConfigName=config)["deploymentConfigInfo"][
            "trafficRoutingConfig"
        ]
        assert shown["timeBasedLinear"] == {"linearInterval": 1, "linearPercentage": 25}
        routing = {**routing, "TimeBasedLinear": {"LinearInterval": 2, "LinearPercentage": 50}}
        applied(
            stacks, name, changed(changed(resources, "Config", TrafficRoutingConfig=routing), "Application", Tags=TAGS)
        )
        assert stacks.physical(name, "Config") != config
        with pytest.raises(botocore.exceptions.ClientError):
            codedeploy.get_deployment_config(deploymentConfigName=config)


def test_repository(aws, stacks):
    ecr = aws.client("ecr")
    rule = {
        "rulePriority": 1,
        "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 3},
        "action": {"type": "expire"},
    }
    policy = {"LifecyclePolicyText": json.dumps({"rules": [rule]})}
    access = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "ecr:*"}]}
    resources = {
        "Repository": {
            "Type": "AWS::ECR::Repository",
            "Properties": {"LifecyclePolicy": policy, "RepositoryPolicyText": access},
        }
    }
    with stacks.stack(template(resources, **outputs(Uri="Repository.RepositoryUri", Arn="Repository.Arn"))) as name:
        repository = stacks.physical(name, "Repository")
        shown = ecr.describe_repositories(repositoryNames=[repository])["repositories"][0]
        assert stacks.outputs(name) == {"Uri": shown["repositoryUri"], "Arn": shown["repositoryArn"]}
        assert json.loads(ecr.get_repository_policy(repositoryName=repository)["policyText"]) == access
        del resources["Repository"]["Properties"]["LifecyclePolicy"]
        applied(stacks, name, changed(resources, "Repository", ImageTagMutability="IMMUTABLE", Tags=TAGS))
        assert (
            ecr.describe_repositories(repositoryNames=[repository])["repositories"][0]["imageTagMutability"]
            == "IMMUTABLE"
        )
        assert ecr.list_tags_for_resource(resourceArn=shown["repositoryArn"])["tags"] == TAGS
        with pytest.raises(botocore.exceptions.ClientError):
            ecr.get_lifecycle_policy(repositoryName=repository)


def test_alarm(aws, stacks):
    alarm = {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "Namespace": "Mine", "MetricName": "Errors", "Statistic": "Sum", "Period": "60", "EvaluationPeriods": "1",
            "Threshold": "5", "ComparisonOperator": "GreaterThanThreshold",
        },
    }  # fmt: skip
    with stacks.stack(template({"Alarm": alarm}, **outputs(Arn="Alarm.Arn"))) as name:
        describe = aws.client("cloudwatch").describe_alarms
        shown = describe(AlarmNames=[stacks.physical(name, "Alarm")])["MetricAlarms"][0]
        assert (shown["AlarmArn"], shown["Threshold"], shown["Period"]) == (stacks.outputs(name)["Arn"], 5.0, 60)
        applied(stacks, name, changed({"Alarm": alarm}, "Alarm", Threshold=7))
        assert describe(AlarmNames=[shown["AlarmName"]])["MetricAlarms"][0]["Threshold"] == 7.0
    assert not describe(AlarmNames=[shown["AlarmName"]])["MetricAlarms"]


def test_function_runs_what_the_template_says(aws, stacks):
    def function(word: str) -> dict[str, Any]:
        code = f"def handler(event, context):\n    return {word!r}\n"
        return {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Runtime": "python3.12",
                "Handler": "index.handler",
                "Role": role,
                "Code": {"ZipFile": code},
                "Timeout": 10,
            },
        }

    role = "arn:aws:iam::123456789012:role/hook"
    permission = {
        "Type": "AWS::Lambda::Permission",
        "Properties": {
            "FunctionName": {"Ref": "Hook"},
            "Action": "lambda:InvokeFunction",
            "Principal": "codedeploy.amazonaws.com",
        },
    }
    client = aws.client("lambda")
    with stacks.stack(template({"Hook": function("one"), "Permission": permission}, **outputs(Arn="Hook.Arn"))) as name:
        arn = stacks.outputs(name)["Arn"]
        assert json.load(client.invoke(FunctionName=arn)["Payload"]) == "one"
        assert "codedeploy.amazonaws.com" in client.get_policy(FunctionName=arn)["Policy"]
        applied(
            stacks,
            name,
            changed({"Hook": function("two"), "Permission": permission}, "Hook", MemorySize=256),
            **outputs(Arn="Hook.Arn"),
        )
        assert json.load(client.invoke(FunctionName=arn)["Payload"]) == "two"
        assert client.get_function_configuration(FunctionName=arn)["MemorySize"] == 256
    with pytest.raises(botocore.exceptions.ClientError):
        client.get_function(FunctionName=arn)


def test_certificate(aws, stacks):
    certificate = {
        "Type": "AWS::CertificateManager::Certificate",
        "Properties": {"DomainName": "shop.example", "ValidationMethod": "DNS"},
    }
    with stacks.stack(template({"Certificate": certificate})) as name:
        arn = stacks.physical(name, "Certificate")
        assert aws.client("acm").describe_certificate(CertificateArn=arn)["Certificate"]["DomainName"] == "shop.example"
        applied(stacks, name, changed({"Certificate": certificate}, "Certificate", Tags=TAGS))
        assert aws.client("acm").list_tags_for_certificate(CertificateArn=arn)["Tags"] == TAGS
        assert stacks.physical(name, "Certificate") == arn


def test_https_listener_and_listener_certificate(stacks):
    certificate = {"Type": "AWS::CertificateManager::Certificate", "Properties": {"DomainName": "shop.example"}}
    arn = [{"CertificateArn": {"Ref": "Certificate"}}]
    other = {**certificate, "Properties": {"DomainName": "other.example"}}
    more = {
        "Type": "AWS::ElasticLoadBalancingV2::ListenerCertificate",
        "Properties": {"ListenerArn": {"Ref": "Listener"}, "Certificates": [{"CertificateArn": {"Ref": "Other"}}]},
    }
    resources = changed(BALANCER, "Listener", Port=443, Protocol="HTTPS", Certificates=arn)
    with stacks.stack(template({**resources, "Certificate": certificate, "Other": other, "More": more})):
        pass


def test_a_bucket_that_wants_tls_is_used(aws, stacks):
    """CDK's bootstrap makes one; the delegate would refuse everything by its policy."""
    denying = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": {"Fn::Sub": "${Bucket.Arn}/*"}}
    insecure = {**denying, "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    document = {"Version": "2012-10-17", "Statement": [insecure]}
    policy = {"Type": "AWS::S3::BucketPolicy", "Properties": {"Bucket": {"Ref": "Bucket"}, "PolicyDocument": document}}
    resources = {"Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"AccessControl": "Private"}}, "Policy": policy}
    s3 = aws.client("s3")
    with stacks.stack(template(resources)) as name:
        bucket = stacks.physical(name, "Bucket")
        s3.put_object(Bucket=bucket, Key="a", Body=b"b")
        s3.delete_object(Bucket=bucket, Key="a")
        other = changed(resources, "Policy", PolicyDocument={**document, "Statement": [denying]})
        applied(stacks, name, other)
        with pytest.raises(botocore.exceptions.ClientError):
            s3.put_object(Bucket=bucket, Key="a", Body=b"b")


def test_the_whole_architecture_comes_up_serves_and_goes(aws, stacks):
    """And a release by CodeDeploy through the group that the template made leaves it a stack that has not changed."""
    name = unique()
    ec2, ecs = aws.client("ec2"), aws.client("ecs")
    networks = {one["VpcId"] for one in ec2.describe_vpcs()["Vpcs"]}
    made = stacks.create(name, ARCHITECTURE, Tags=TAGS)
    assert made["StackStatus"] == "CREATE_COMPLETE", stacks.failures(name)
    shown = stacks.outputs(name)
    assert made["Outputs"][1]["ExportName"] == f"{name}-cluster"
    group = aws.client("codedeploy").get_deployment_group(
        applicationName=stacks.physical(name, "Application"), deploymentGroupName=shown["Group"]
    )["deploymentGroupInfo"]
    assert group["ecsServices"] == [{"serviceName": shown["ServiceName"], "clusterName": shown["ClusterName"]}]
    payload = aws.client("lambda").invoke(FunctionName=shown["Hook"], Payload=json.dumps({"word": "hello"}))["Payload"]
    assert json.load(payload) == {"said": "hello"}
    running = ecs.describe_services(cluster=shown["ClusterName"], services=[shown["ServiceName"]])["services"][0]
    assert running["runningCount"] == 1
    _release(aws, stacks, name, shown)
    assert stacks.api.create_change_set(
        StackName=name, ChangeSetName="same", UsePreviousTemplate=True, Capabilities=CAPABILITIES
    )
    same = stacks.api.describe_change_set(StackName=name, ChangeSetName="same")
    assert (same["Status"], same["Changes"]) == ("FAILED", [])
    assert stacks.delete(name)["StackStatus"] == "DELETE_COMPLETE", stacks.failures(made["StackId"])
    assert {one["VpcId"] for one in ec2.describe_vpcs()["Vpcs"]} == networks
    assert not [one for one in aws.client("iam").list_roles()["Roles"] if one["RoleName"].startswith(name)]
    zones = aws.client("route53").list_hosted_zones()["HostedZones"]
    assert "rehearsal.example." not in {one["Name"] for one in zones}


def _release(aws: Any, stacks: Stacks, name: str, shown: dict[str, str]) -> None:
    """Version v2 through CodeDeploy, with the group as the template made it."""
    ecs, codedeploy = aws.client("ecs"), aws.client("codedeploy")
    old = ecs.describe_task_definition(taskDefinition=stacks.physical(name, "Definition"))["taskDefinition"]
    members = (
        "family",
        "cpu",
        "memory",
        "networkMode",
        "requiresCompatibilities",
        "executionRoleArn",
        "containerDefinitions",
    )
    request = {member: old[member] for member in members}
    request["containerDefinitions"][0]["image"] = "sampleapp:v2"
    new = ecs.register_task_definition(**request)["taskDefinition"]["taskDefinitionArn"]
    balancer = {"ContainerName": "app", "ContainerPort": 8080}
    target = {"Type": "AWS::ECS::Service", "Properties": {"TaskDefinition": new, "LoadBalancerInfo": balancer}}
    content = json.dumps({"version": 0.0, "Resources": [{"TargetService": target}]})
    deployment = codedeploy.create_deployment(
        applicationName=stacks.physical(name, "Application"),
        deploymentGroupName=shown["Group"],
        revision={"revisionType": "AppSpecContent", "appSpecContent": {"content": content}},
    )["deploymentId"]
    waiter = codedeploy.get_waiter("deployment_successful")
    waiter.wait(deploymentId=deployment, WaiterConfig={"Delay": 1, "MaxAttempts": 120})
    service = ecs.describe_services(cluster=shown["ClusterName"], services=[shown["ServiceName"]])["services"][0]
    assert service["taskDefinition"] == new


def test_oidc_provider_and_interface_endpoint(aws, stacks):
    iam, ec2, host = aws.client("iam"), aws.client("ec2"), f"{unique()}.example.com"
    provider = {"Type": "AWS::IAM::OIDCProvider", "Properties": {"Url": f"https://{host}", "ClientIdList": ["a", "b"]}}
    endpoint = {
        "Type": "AWS::EC2::VPCEndpoint",
        "Properties": {
            "VpcEndpointType": "Interface",
            "ServiceName": "com.amazonaws.us-east-1.codedeploy",
            "VpcId": {"Ref": "Vpc"},
            "SubnetIds": [{"Ref": "SubnetA"}],
        },
    }
    resources = {**NETWORK, "Provider": provider, "Endpoint": endpoint}
    with stacks.stack(template(resources, **outputs(Arn="Provider.Arn")), Tags=TAGS) as name:
        arn = stacks.outputs(name)["Arn"]
        assert arn.endswith(f":oidc-provider/{host}")
        identity = stacks.physical(name, "Endpoint")
        (found,) = ec2.describe_vpc_endpoints(VpcEndpointIds=[identity])["VpcEndpoints"]
        assert (found["VpcEndpointType"], found["Tags"]) == ("Interface", TAGS)
        resources = changed(resources, "Provider", ThumbprintList=["a" * 40])
        resources = changed(resources, "Endpoint", Tags=[{"Key": "team", "Value": "other"}])
        applied(stacks, name, resources, **outputs(Arn="Provider.Arn"))
        provided = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
        assert (provided["ThumbprintList"], sorted(provided["ClientIDList"])) == (["a" * 40], ["a", "b"])
        assert stacks.physical(name, "Endpoint") == identity
        (found,) = ec2.describe_vpc_endpoints(VpcEndpointIds=[identity])["VpcEndpoints"]
        assert found["Tags"] == [{"Key": "team", "Value": "other"}]
        policy = changed(resources, "Endpoint", PolicyDocument={"Statement": []})
        assert stacks.update(name, template(policy))["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
        assert "updating PolicyDocument" in stacks.failures(name)["Endpoint"]
    with pytest.raises(botocore.exceptions.ClientError):
        iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)


def test_auto_scaling_group_of_a_launch_template(aws, stacks):
    scaling = aws.client("autoscaling")
    launch = {
        "Type": "AWS::EC2::LaunchTemplate",
        "Properties": {"LaunchTemplateData": {"ImageId": "ami-12c6146b", "InstanceType": "t3.micro"}},
    }
    group = {
        "Type": "AWS::AutoScaling::AutoScalingGroup",
        "Properties": {
            "LaunchTemplate": {
                "LaunchTemplateId": {"Ref": "Launch"},
                "Version": {"Fn::GetAtt": ["Launch", "LatestVersionNumber"]},
            },
            "VPCZoneIdentifier": [{"Ref": "SubnetA"}, {"Ref": "SubnetB"}],
            "MinSize": "1",
            "MaxSize": "3",
            "Tags": [{"Key": "own", "Value": "x", "PropagateAtLaunch": False}],
        },
    }
    resources = {**NETWORK, "Launch": launch, "Group": group}
    with stacks.stack(template(resources), Tags=TAGS) as name:

        def described() -> Any:
            named = [stacks.physical(name, "Group")]
            return scaling.describe_auto_scaling_groups(AutoScalingGroupNames=named)["AutoScalingGroups"][0]

        tags = {tag["Key"]: tag["PropagateAtLaunch"] for tag in described()["Tags"]}
        assert tags == {"team": True, "own": False}
        assert [one["LifecycleState"] for one in described()["Instances"]] == ["InService"]
        resources = changed(resources, "Group", DesiredCapacity="2", Tags=[])
        resources = changed(
            resources, "Launch", LaunchTemplateData={"ImageId": "ami-12c6146b", "InstanceType": "t3.small"}
        )
        applied(stacks, name, resources)
        assert [tag["Key"] for tag in described()["Tags"]] == ["team"]
        assert len(described()["Instances"]) == 2
        assert described()["LaunchTemplate"]["Version"] == "2"
