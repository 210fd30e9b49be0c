"""What moto answers behind the same endpoint, where a client stumbled over it or over the way there."""

import secrets
from typing import Any


def test_tags_of_a_hosted_zone_are_not_taken_for_lambdas(aws: Any):
    route53 = aws.client("route53")
    zone = route53.create_hosted_zone(Name="tags.test", CallerReference=secrets.token_hex(4))["HostedZone"]["Id"]
    zone_id = zone.rpartition("/")[2]
    tags = [{"Key": "a", "Value": "b"}]
    route53.change_tags_for_resource(ResourceType="hostedzone", ResourceId=zone_id, AddTags=tags)
    found = route53.list_tags_for_resource(ResourceType="hostedzone", ResourceId=zone_id)["ResourceTagSet"]["Tags"]
    assert found == tags


def test_tags_of_a_launch_template_are_not_in_its_data(aws: Any):
    ec2, own = aws.client("ec2"), [{"Key": "of", "Value": "the template"}]
    of_instances = [{"ResourceType": "instance", "Tags": [{"Key": "of", "Value": "instances"}]}]
    made = ec2.create_launch_template(
        LaunchTemplateName=f"t-{secrets.token_hex(4)}",
        LaunchTemplateData={"InstanceType": "t3.micro", "TagSpecifications": of_instances},
        TagSpecifications=[{"ResourceType": "launch-template", "Tags": own}],
    )["LaunchTemplate"]
    identity = made["LaunchTemplateId"]
    (version,) = ec2.describe_launch_template_versions(LaunchTemplateId=identity)["LaunchTemplateVersions"]
    assert version["LaunchTemplateData"]["TagSpecifications"] == of_instances
    (template,) = ec2.describe_launch_templates(LaunchTemplateIds=[identity])["LaunchTemplates"]
    assert template["Tags"] == own


def subnet(ec2: Any) -> str:
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    return str(ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"])


def interfaces(ec2: Any, where: str) -> list[Any]:
    own = [{"Name": "subnet-id", "Values": [where]}]
    return list(ec2.describe_network_interfaces(Filters=own)["NetworkInterfaces"])


def test_interface_ends_with_its_instance_unless_the_launch_keeps_it(aws: Any):
    ec2 = aws.client("ec2")
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    for keeps, left in (({}, 0), ({"DeleteOnTermination": False}, 1), ({"DeleteOnTermination": True}, 0)):
        where = subnet(ec2)
        network = (
            {"NetworkInterfaces": [{"DeviceIndex": 0, "SubnetId": where, **keeps}]} if keeps else {"SubnetId": where}
        )
        made = ec2.run_instances(ImageId=image, InstanceType="t3.micro", MinCount=1, MaxCount=1, **network)["Instances"]
        assert len(interfaces(ec2, where)) == 1
        ec2.terminate_instances(InstanceIds=[made[0]["InstanceId"]])
        assert len(interfaces(ec2, where)) == left, keeps


def test_interfaces_of_an_auto_scaling_group_end_with_it(aws: Any):
    ec2, scaling, name = aws.client("ec2"), aws.client("autoscaling"), f"g-{secrets.token_hex(4)}"
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    ec2.create_launch_template(
        LaunchTemplateName=name, LaunchTemplateData={"ImageId": image, "InstanceType": "t3.micro"}
    )
    where = subnet(ec2)
    scaling.create_auto_scaling_group(
        AutoScalingGroupName=name,
        MinSize=1,
        MaxSize=2,
        VPCZoneIdentifier=where,
        LaunchTemplate={"LaunchTemplateName": name},
    )
    scaling.set_desired_capacity(AutoScalingGroupName=name, DesiredCapacity=2)
    assert len(interfaces(ec2, where)) == 2
    scaling.delete_auto_scaling_group(AutoScalingGroupName=name, ForceDelete=True)
    assert interfaces(ec2, where) == []
