"""Stacks: creating, failing, updating, change sets, deleting. Resource types have test_cloudformation_types.py."""

import json
import time
from typing import Any

import botocore.exceptions
import pytest

from tests.emulator.conftest import start_emulator, stop_emulator
from tests.emulator.stacks import BALANCER, CAPABILITIES, NETWORK, Stacks, definition, service, template, unique

LOGS = {"Type": "AWS::Logs::LogGroup", "Properties": {}}
CLUSTER = {"Type": "AWS::ECS::Cluster", "Properties": {}}


@pytest.fixture(name="stacks")
def made_stacks(aws: Any) -> Stacks:
    return Stacks(aws)


def refused(call: Any, **request: Any) -> str:
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**request)
    return str(caught.value)


def test_creating_answers_at_once_and_the_api_answers_while_a_service_becomes_steady(aws, stacks):
    name = unique()
    resources = {**NETWORK, "Cluster": CLUSTER, "Definition": definition(), "Service": service()}
    stacks.api.create_stack(StackName=name, TemplateBody=template(resources))
    seen = stacks.api.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
    while stacks.statuses(name, "Service")[-1:] != ["CREATE_IN_PROGRESS"]:
        assert stacks.api.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"] == "CREATE_IN_PROGRESS"
    aws.client("ec2").describe_vpcs()
    stacks.api.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    cluster = stacks.physical(name, "Cluster")
    described = aws.client("ecs").describe_services(cluster=cluster, services=[stacks.physical(name, "Service")])
    assert seen == "CREATE_IN_PROGRESS"
    assert described["services"][0]["runningCount"] == 1
    assert stacks.delete(name)["StackStatus"] == "DELETE_COMPLETE"
    stacks.api.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 2})


def test_a_failing_resource_rolls_everything_back_and_says_why(aws, stacks):
    name, bad = unique(), {"Type": "AWS::ECR::Repository", "Properties": {"RepositoryName": "No Capitals"}}
    made = stacks.create(name, template({"Logs": LOGS, "Cluster": CLUSTER, "Bad": {**bad, "DependsOn": "Cluster"}}))
    assert made["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "repositoryName" in stacks.failures(name)["Bad"]
    events = [(one["LogicalResourceId"], one["ResourceStatus"]) for one in stacks.events(name)]
    rolling = next(one for one in stacks.events(name) if one["ResourceStatus"] == "ROLLBACK_IN_PROGRESS")
    assert "[Bad]" in rolling["ResourceStatusReason"]
    assert events.index(("Cluster", "CREATE_COMPLETE")) < events.index((name, "ROLLBACK_IN_PROGRESS"))
    assert events.index((name, "ROLLBACK_IN_PROGRESS")) < events.index(("Cluster", "DELETE_COMPLETE"))
    assert not [one for one in aws.client("ecs").list_clusters()["clusterArns"] if name in one]
    assert not aws.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    assert "ROLLBACK_COMPLETE" in refused(
        stacks.api.update_stack, StackName=name, TemplateBody=template({"Logs": LOGS})
    )
    stacks.delete(name)


def test_on_failure_do_nothing_keeps_what_was_made(aws, stacks):
    name, bad = unique(), {"Type": "AWS::ECR::Repository", "Properties": {"RepositoryName": "No Capitals"}}
    body = template({"Cluster": CLUSTER, "Bad": {**bad, "DependsOn": "Cluster"}})
    assert stacks.create(name, body, OnFailure="DO_NOTHING")["StackStatus"] == "CREATE_FAILED"
    assert [one for one in aws.client("ecs").list_clusters()["clusterArns"] if name in one]
    assert stacks.delete(name)["StackStatus"] == "DELETE_COMPLETE"


def test_an_unknown_property_is_refused_by_name(stacks):
    name = unique()
    stacks.create(name, template({"Cluster": {"Type": "AWS::ECS::Cluster", "Properties": {"ClusterNaem": "x"}}}))
    assert "ClusterNaem" in stacks.failures(name)["Cluster"]
    stacks.delete(name)
    deep = {**definition()["Properties"], "ContainerDefinitions": [{"Name": "a", "Image": "b", "Prot": 1}]}
    stacks.create(name, template({"Definition": {"Type": "AWS::ECS::TaskDefinition", "Properties": deep}}))
    assert "ContainerDefinitions[0].Prot" in stacks.failures(name)["Definition"]
    stacks.delete(name)


def test_a_list_is_no_text(stacks):
    name = unique()
    listed = {"Type": "AWS::ECS::Cluster", "Properties": {"ClusterName": [name]}}
    assert stacks.create(name, template({"Cluster": listed}))["StackStatus"] == "ROLLBACK_COMPLETE"
    assert stacks.failures(name)["Cluster"] == "Value of property ClusterName must be of type string"
    stacks.delete(name)


@pytest.mark.parametrize("on_failure", ["ROLLBACK", "DELETE"])
def test_an_output_that_cannot_be_ends_in_a_sentence_of_its_own(stacks, on_failure):
    name = unique()
    body = template({"Cluster": CLUSTER}, Outputs={"Bad": {"Value": {"Fn::GetAtt": ["Cluster", "Nope"]}}})
    stack = stacks.api.create_stack(StackName=name, TemplateBody=body, OnFailure=on_failure)["StackId"]
    stacks.settled(stack)
    reasons = [one.get("ResourceStatusReason") for one in stacks.events(stack)]
    said = (
        f"Requested attribute Nope does not exist in schema for Cluster. {on_failure.capitalize()} requested by user."
    )
    assert said in reasons
    stacks.api.delete_stack(StackName=name)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (template({"A": {"Type": "AWS::Nothing::AtAll"}}), "AWS::Nothing::AtAll"),
        (template({"A": {**CLUSTER, "DependsOn": "B"}}), "Unresolved resource dependencies [B]"),
        (template({"A": {**LOGS, "DependsOn": "B"}, "B": {**LOGS, "DependsOn": "A"}}), "Circular dependency"),
        (
            template({"A": CLUSTER}, Transform="AWS::Serverless-2016-10-31"),
            "Transform section (AWS::Serverless-2016-10-31)",
        ),
        (
            template({"A": CLUSTER}, Transform=["AWS::LanguageExtensions"]),
            "Transform section (AWS::LanguageExtensions)",
        ),
        (template({"A": CLUSTER}, Nonsense={}), "Nonsense"),
        (template({"A": CLUSTER}, Parameters={"P": {"Type": "String"}}), "[P] must have values"),
        ("Resources:\n  A: [", "line"),
        ("Description: none", "At least one Resources member"),
    ],
)
def test_a_template_that_cannot_be_is_refused_before_anything_is_made(stacks, body, said):
    name = unique()
    assert said in refused(stacks.api.create_stack, StackName=name, TemplateBody=body)
    assert "does not exist" in refused(stacks.api.describe_stacks, StackName=name)


def test_iam_wants_its_capability(stacks):
    trust = {"Version": "2012-10-17", "Statement": []}
    role = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": trust, "RoleName": "mine"}}
    said = refused(stacks.api.create_stack, StackName=unique(), TemplateBody=template({"Role": role}))
    assert "InsufficientCapabilities" in said
    assert "CAPABILITY_NAMED_IAM" in said


def test_a_service_whose_tasks_cannot_run_fails_with_the_tasks_reason(stacks):
    name = unique()
    resources = {**NETWORK, "Cluster": CLUSTER, "Definition": definition("nowhere:none"), "Service": service()}
    assert stacks.create(name, template(resources))["StackStatus"] == "ROLLBACK_COMPLETE"
    reason = stacks.failures(name)["Service"]
    assert "3 tasks of the service" in reason
    assert "nowhere:none" in reason
    stacks.delete(name)


def test_parameters_conditions_outputs_exports_and_imports(aws, stacks):
    parameter = unique()
    aws.client("ssm").put_parameter(Name=parameter, Value="from-ssm", Type="String")
    declared = {
        "Kind": {"Type": "String", "Default": "small", "AllowedValues": ["small", "large"]},
        "Secret": {"Type": "String", "NoEcho": True},
        "Stored": {"Type": "AWS::SSM::Parameter::Value<String>"},
    }
    given = [
        {"ParameterKey": "Secret", "ParameterValue": "hush"},
        {"ParameterKey": "Stored", "ParameterValue": parameter},
    ]
    named = {"Fn::Sub": "${AWS::StackName}-${Stored}"}
    body = template(
        {
            "Always": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": named}},
            "Large": {**LOGS, "Condition": "IsLarge"},
        },
        Parameters=declared,
        Conditions={"IsLarge": {"Fn::Equals": [{"Ref": "Kind"}, "large"]}},
        Outputs={
            "Name": {"Value": {"Ref": "Always"}, "Export": {"Name": {"Fn::Sub": "${AWS::StackName}-name"}}},
            "Dynamic": {"Value": f"{{{{resolve:ssm:{parameter}}}}}"},
            "OnlyLarge": {"Condition": "IsLarge", "Value": {"Ref": "Large"}},
        },
    )
    with stacks.stack(body, Parameters=given) as name:
        assert stacks.outputs(name) == {"Name": f"{name}-from-ssm", "Dynamic": "from-ssm"}
        shown = {
            one["ParameterKey"]: one for one in stacks.api.describe_stacks(StackName=name)["Stacks"][0]["Parameters"]
        }
        assert shown["Secret"]["ParameterValue"] == "****"
        assert shown["Stored"]["ResolvedValue"] == "from-ssm"
        assert f"{name}-name" in {one["Name"] for one in stacks.api.list_exports()["Exports"]}
        importing = {
            "Type": "AWS::SSM::Parameter",
            "Properties": {"Type": "String", "Value": {"Fn::ImportValue": f"{name}-name"}},
        }
        with stacks.stack(template({"Copy": importing})) as other:
            value = aws.client("ssm").get_parameter(Name=stacks.physical(other, "Copy"))["Parameter"]["Value"]
            assert value == f"{name}-from-ssm"
            assert stacks.api.list_imports(ExportName=f"{name}-name")["Imports"] == [other]
            assert "in use by" in refused(stacks.api.delete_stack, StackName=name)
    said = refused(
        stacks.api.create_stack,
        StackName=unique(),
        TemplateBody=body,
        Parameters=[*given, {"ParameterKey": "Kind", "ParameterValue": "huge"}],
    )
    assert "'Kind'" in said


def test_an_update_changes_replaces_adds_and_removes(aws, stacks):
    before = {"Cluster": CLUSTER, "Kept": LOGS, "Gone": LOGS, "Definition": definition()}
    changed = {**CLUSTER, "Properties": {"ClusterSettings": [{"Name": "containerInsights", "Value": "enabled"}]}}
    with stacks.stack(template(before)) as name:
        old = {one: stacks.physical(name, one) for one in before}
        assert "No updates are to be performed" in refused(
            stacks.api.update_stack, StackName=name, TemplateBody=template(before)
        )
        after = {
            "Cluster": changed,
            "Kept": LOGS,
            "New": LOGS,
            "Definition": definition(Environment=[{"Name": "A", "Value": "b"}]),
        }
        assert stacks.update(name, template(after))["StackStatus"] == "UPDATE_COMPLETE", stacks.failures(name)
        new = {one: stacks.physical(name, one) for one in after}
        assert (new["Cluster"], new["Kept"]) == (old["Cluster"], old["Kept"])
        assert new["Definition"] != old["Definition"]
        ecs = aws.client("ecs")
        assert ecs.describe_task_definition(taskDefinition=old["Definition"])["taskDefinition"]["status"] == "INACTIVE"
        settings = ecs.describe_clusters(clusters=[new["Cluster"]], include=["SETTINGS"])["clusters"][0]["settings"]
        assert settings == [{"name": "containerInsights", "value": "enabled"}]
        groups = {one["logGroupName"] for one in aws.client("logs").describe_log_groups()["logGroups"]}
        assert new["New"] in groups
        assert old["Gone"] not in groups
        assert stacks.statuses(name, "Kept") == ["CREATE_IN_PROGRESS", "CREATE_IN_PROGRESS", "CREATE_COMPLETE"]
        assert "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS" in stacks.statuses(name, name)


def test_a_failing_update_is_rolled_back(aws, stacks):
    """What was changed is changed back, what was replaced comes back, what was new goes."""
    before = {"Logs": {"Type": "AWS::Logs::LogGroup", "Properties": {"RetentionInDays": 7}}, "Definition": definition()}
    bad = {
        "Type": "AWS::ECR::Repository",
        "Properties": {"RepositoryName": "No Capitals"},
        "DependsOn": ["Logs", "New", "Definition"],
    }
    after = {
        "Logs": {"Type": "AWS::Logs::LogGroup", "Properties": {"RetentionInDays": 30}},
        "Definition": definition("sampleapp:v2"),
        "New": CLUSTER,
        "Bad": bad,
    }
    with stacks.stack(template(before)) as name:
        old = stacks.physical(name, "Definition")
        assert stacks.update(name, template(after))["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE", stacks.failures(name)
        assert stacks.physical(name, "Definition") == old
        assert aws.client("ecs").describe_task_definition(taskDefinition=old)["taskDefinition"]["status"] == "ACTIVE"
        group = aws.client("logs").describe_log_groups(logGroupNamePrefix=stacks.physical(name, "Logs"))["logGroups"][0]
        assert group["retentionInDays"] == 7
        assert {
            one["LogicalResourceId"]
            for one in stacks.api.list_stack_resources(StackName=name)["StackResourceSummaries"]
        } == set(before)
        assert not [one for one in aws.client("ecs").list_clusters()["clusterArns"] if name in one]
        assert stacks.api.get_template(StackName=name)["TemplateBody"] == json.loads(template(before))


def test_a_custom_named_resource_is_not_replaced_in_place(stacks):
    group = {
        "Type": "AWS::CodeDeploy::Application",
        "Properties": {"ApplicationName": unique(), "ComputePlatform": "ECS"},
    }
    with stacks.stack(template({"Application": group})) as name:
        other = {**group, "Properties": {**group["Properties"], "ComputePlatform": "Server"}}
        assert stacks.update(name, template({"Application": other}))["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
        assert "custom-named resource requires replacing" in stacks.failures(name)["Application"]


def test_a_change_set_tells_its_changes_and_is_executed(stacks):
    before = {"Cluster": CLUSTER, "Gone": LOGS, "Definition": definition()}
    with stacks.stack(template(before)) as name:
        again = {"StackName": name, "ChangeSetName": "nothing", "TemplateBody": template(before)}
        stacks.api.create_change_set(**again)
        nothing = stacks.api.describe_change_set(StackName=name, ChangeSetName="nothing")
        assert (nothing["Status"], nothing["ExecutionStatus"]) == ("FAILED", "UNAVAILABLE")
        assert "didn't contain changes" in nothing["StatusReason"]
        for _ in range(2):  # CDK deletes before it creates, whether there is one or not
            stacks.api.delete_change_set(StackName=name, ChangeSetName="nothing")
        assert not stacks.api.list_change_sets(StackName=name)["Summaries"]
        after = {
            "Cluster": {**CLUSTER, "Properties": {"Tags": [{"Key": "a", "Value": "b"}]}},
            "New": LOGS,
            "Definition": definition("sampleapp:v2"),
        }
        stacks.api.create_change_set(StackName=name, ChangeSetName="some", TemplateBody=template(after))
        shown = stacks.api.describe_change_set(StackName=name, ChangeSetName="some")
        changes = {one["ResourceChange"]["LogicalResourceId"]: one["ResourceChange"] for one in shown["Changes"]}
        assert {key: one["Action"] for key, one in changes.items()} == {
            "Cluster": "Modify", "New": "Add", "Gone": "Remove", "Definition": "Modify",
        }  # fmt: skip
        assert (changes["Cluster"]["Replacement"], changes["Definition"]["Replacement"]) == ("False", "True")
        assert changes["Definition"]["Details"][0]["Target"]["Name"] == "ContainerDefinitions"
        assert stacks.api.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"
        stacks.api.execute_change_set(StackName=name, ChangeSetName="some")
        assert stacks.settled(name)["StackStatus"] == "UPDATE_COMPLETE"


def test_a_change_set_can_create_a_stack(stacks):
    name = unique()
    stacks.api.create_change_set(
        StackName=name, ChangeSetName="first", ChangeSetType="CREATE", TemplateBody=template({"Logs": LOGS})
    )
    assert stacks.api.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"] == "REVIEW_IN_PROGRESS"
    stacks.api.get_waiter("change_set_create_complete").wait(StackName=name, ChangeSetName="first")
    stacks.api.execute_change_set(StackName=name, ChangeSetName="first")
    assert stacks.settled(name)["StackStatus"] == "CREATE_COMPLETE"
    assert stacks.delete(name)["StackStatus"] == "DELETE_COMPLETE"


def test_deletion_policy_retain_leaves_the_resource(aws, stacks):
    name = unique()
    stacks.create(name, template({"Kept": {**LOGS, "DeletionPolicy": "Retain"}, "Gone": LOGS}))
    kept, gone = stacks.physical(name, "Kept"), stacks.physical(name, "Gone")
    identity = stacks.delete(name)["StackId"]
    logs = aws.client("logs")
    groups = {one["logGroupName"] for one in logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]}
    assert (kept in groups, gone in groups) == (True, False)
    assert stacks.statuses(identity, "Kept")[-1] == "DELETE_SKIPPED"
    logs.delete_log_group(logGroupName=kept)


def test_a_deletion_that_fails_can_be_repeated_without_the_resource(aws, stacks):
    name = unique()
    stacks.create(name, template({"Bucket": {"Type": "AWS::S3::Bucket"}, "Logs": LOGS}))
    bucket, s3 = stacks.physical(name, "Bucket"), aws.client("s3")
    s3.put_object(Bucket=bucket, Key="a", Body=b"b")
    assert stacks.delete(name)["StackStatus"] == "DELETE_FAILED"
    assert "BucketNotEmpty" in stacks.failures(name)["Bucket"]
    identity = stacks.api.describe_stacks(StackName=name)["Stacks"][0]["StackId"]
    stacks.api.delete_stack(StackName=name, RetainResources=["Bucket"])
    assert stacks.settled(identity)["StackStatus"] == "DELETE_COMPLETE"
    s3.delete_object(Bucket=bucket, Key="a")
    s3.delete_bucket(Bucket=bucket)


def test_termination_protection_keeps_a_stack(stacks):
    with stacks.stack(template({"Logs": LOGS}), EnableTerminationProtection=True) as name:
        assert "TerminationProtection" in refused(stacks.api.delete_stack, StackName=name)
        stacks.api.update_termination_protection(StackName=name, EnableTerminationProtection=False)


def test_a_stack_that_is_still_being_made_can_be_deleted(aws, stacks):
    name = unique()
    resources = {**BALANCER, "Cluster": CLUSTER, "Definition": definition(), "Service": service(DesiredCount=1)}
    made = stacks.api.create_stack(StackName=name, TemplateBody=template(resources), Capabilities=CAPABILITIES)
    while "Service" not in [one["LogicalResourceId"] for one in stacks.events(name)]:
        time.sleep(0.05)
    stacks.api.delete_stack(StackName=name)
    until = time.monotonic() + 60
    while (status := stacks.settled(made["StackId"])["StackStatus"]) != "DELETE_COMPLETE":
        assert time.monotonic() < until, status
    assert not [one for one in aws.client("ecs").list_clusters()["clusterArns"] if name in one]


def test_an_update_can_be_cancelled_and_goes_back(aws, stacks):
    """The new task is never healthy, so the update would go on for long."""
    balancers = [{"TargetGroupArn": {"Ref": "Blue"}, "ContainerName": "app", "ContainerPort": 8080}]
    unhealthy = {**BALANCER["Blue"], "Properties": {**BALANCER["Blue"]["Properties"], "HealthCheckPath": "/nowhere"}}

    def body(count: int) -> str:
        one = {**service(DesiredCount=count, LoadBalancers=balancers), "DependsOn": "Listener"}
        parts = {"Cluster": CLUSTER, "Definition": definition(f"sampleapp:v{count + 1}"), "Service": one}
        return template({**BALANCER, "Blue": unhealthy, **parts})

    with stacks.stack(body(0)) as name:
        stacks.api.update_stack(StackName=name, TemplateBody=body(1))
        while "UPDATE_IN_PROGRESS" not in stacks.statuses(name, "Service"):
            time.sleep(0.05)
        stacks.api.cancel_update_stack(StackName=name)
        assert stacks.settled(name)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE", stacks.failures(name)
        assert stacks.failures(name)["Service"] == "Resource update cancelled"
        where = {"cluster": stacks.physical(name, "Cluster"), "services": [stacks.physical(name, "Service")]}
        assert aws.client("ecs").describe_services(**where)["services"][0]["desiredCount"] == 0


def test_a_stack_is_made_in_front_of_an_upstream_endpoint(aws, tmp_path):
    """The delegate is another emulator here: what is not ours is made there, by the same calls."""
    front = start_emulator(tmp_path, "--delegate", aws.url)
    try:
        stacks = Stacks(front)
        with stacks.stack(template({**BALANCER, "Cluster": CLUSTER})) as name:
            vpcs = aws.client("ec2").describe_vpcs(VpcIds=[stacks.physical(name, "Vpc")])["Vpcs"]
            assert vpcs[0]["CidrBlock"] == "10.4.0.0/16"
            assert stacks.physical(name, "Cluster") in front.client("ecs").list_clusters()["clusterArns"][0]
    finally:
        stop_emulator(front)


def test_a_template_in_a_bucket_that_is_not_utf8_is_refused_and_a_byte_order_mark_is_not(aws, stacks):
    bucket, body = unique(), template({"Logs": LOGS}, Description="메모")
    aws.client("s3").create_bucket(Bucket=bucket)
    for key, raw in (
        ("old", body.replace("\\uba54\\ubaa8", "메모").encode("euc_kr")),
        ("marked", body.encode("utf-8-sig")),
    ):
        aws.client("s3").put_object(Bucket=bucket, Key=key, Body=raw)
    at = f"https://{bucket}.s3.us-east-1.amazonaws.com"
    assert f"the template at {at}/old is not UTF-8" in refused(stacks.api.validate_template, TemplateURL=f"{at}/old")
    assert stacks.api.validate_template(TemplateURL=f"{at}/marked")["Description"] == "메모"
