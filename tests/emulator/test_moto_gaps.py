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
