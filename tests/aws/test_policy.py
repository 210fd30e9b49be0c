"""The published IAM policies allow what the code calls, what its stacks need, and nothing else; no policy has a star too many."""

import fnmatch
import json
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from harness.driver.names import Names
from tests.aws import stack_actions
from tests.aws.calls import Call, Source, calls, operations
from tests.aws.conftest import Account
from tests.aws.test_templates import PARAMETERS, template
from tests.aws.test_templates import POLICIES as OF_TEMPLATES
from tests.emulator.workflows import scripts_of

with warnings.catch_warnings():  # it leaves files open as it is imported
    warnings.simplefilter("ignore", ResourceWarning)
    import parliament

ROOT = Path(__file__).parent.parent.parent
POLICIES = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / "harness/aws/policy").glob("*.json"))
}
TEMPLATES = sorted((ROOT / "harness/aws/templates").glob("*.yaml"))
LARGEST = 6144  # characters of a managed policy, blanks not counted

# ---- what the code calls

SCOPE = ("driver", "aws", "runner", "observer.py", "images.py")
ROOTS = ("harness.aws", "harness.runner", "harness.observer", "harness.targets.aws")
# On AWS what lies under the scenarios is made by the stacks.
CUT = frozenset({("harness.driver.network", "make")})
NOT_CALLED_THAT = {
    "elbv2": "elasticloadbalancing",
    "resourcegroupstaggingapi": "tag",
}  # boto3's name of a service to IAM's
OTHER_ACTION = {"lambda:Invoke": "lambda:InvokeFunction"}
NEEDS_NONE = {"sts:GetCallerIdentity"}  # whoever has credentials may ask whose they are

# What the calls make AWS check beside themselves.
BESIDE = {
    "cloudformation:ListStacks": "DescribeStacks without a name",
    "cloudformation:TagResource": "CreateChangeSet with tags",
    "cloudwatch:TagResource": "PutMetricAlarm with tags",
    "codedeploy:GetDeploymentConfig": "CreateDeployment, CreateDeploymentGroup",
    "codedeploy:RegisterApplicationRevision": "CreateDeployment with an AppSpec",
    "codedeploy:TagResource": "CreateApplication and CreateDeploymentGroup with tags",
    "ec2:CreateTags": "RunInstances with tags",
    "ecr:BatchCheckLayerAvailability": "docker push",
    "ecr:BatchGetImage": "docker push: is the manifest there already?",
    "ecr:CompleteLayerUpload": "docker push",
    "ecr:InitiateLayerUpload": "docker push",
    "ecr:UploadLayerPart": "docker push",
    "ecs:TagResource": "RegisterTaskDefinition, CreateService, CreateCluster with tags",
    "elasticloadbalancing:AddTags": "CreateLoadBalancer, CreateTargetGroup, CreateListener with tags",
    "iam:CreateServiceLinkedRole": "the first cluster, load balancer or auto scaling group of an account",
    "iam:PassRole": "RegisterTaskDefinition, CreateDeploymentGroup, CreateFunction, RunInstances",
    "iam:TagInstanceProfile": "CreateInstanceProfile with tags",
    "iam:TagRole": "CreateRole with tags",
    "lambda:TagResource": "CreateFunction with tags",
}
# "*" for an action of which AWS's list says that it knows resources.
STARS = {
    "cloudformation:DescribeStacks": "without a name it is about all of them",
    "cloudformation:GetTemplateSummary": "of a template that is no stack yet",
    "iam:ListInstanceProfiles": "of all: it is asked with no name",
}


def source() -> Source:
    named = ("aws.py", "base.py", "push.py")
    parts = [ROOT / "harness" / part for part in SCOPE] + [ROOT / "harness/targets" / name for name in named]
    return Source(ROOT, [file for part in parts for file in ([part] if part.is_file() else sorted(part.rglob("*.py")))])


def action(call: Call) -> str:
    name = f"{NOT_CALLED_THAT.get(call.service, call.service)}:{operations(call.service)[call.operation]}"
    return OTHER_ACTION.get(name, name)


@cache
def called() -> dict[str, str]:
    """IAM action to one place where it is called from."""
    found = calls(source().reachable(ROOTS, CUT))
    return {action(call): call.where for call in found if action(call) not in NEEDS_NONE}


def statements(policy: Mapping[str, Any]) -> Iterator[tuple[set[str], list[str], Mapping[str, Any]]]:
    """(actions, resources, the statement) of what is allowed."""
    for one in policy["Statement"]:
        if one["Effect"] == "Allow":
            actions, resources = one["Action"], one.get("Resource", [])
            yield (
                {actions} if isinstance(actions, str) else set(actions),
                [resources] if isinstance(resources, str | dict) else list(resources),
                one,
            )


def allowed(*names: str) -> set[str]:
    return {action for name in names for actions, _, _ in statements(POLICIES[name]) for action in actions}


def test_every_call_of_the_code_is_allowed_and_nothing_else():
    missing = {name: where for name, where in called().items() if name not in allowed("look", "make")}
    assert missing == {}, "calls without a permission"
    assert allowed("look", "make") - set(called()) - set(BESIDE) == set(), "permissions that no call needs"
    assert set(BESIDE) <= allowed("look", "make")
    assert not set(BESIDE) & set(called()), "no longer beside"


def test_what_only_looks_changes_nothing():
    changing = re.compile(r":(?!(Describe|Get|List)[A-Z])")
    assert [one for one in allowed("look") if changing.search(one)] == []
    assert [one for one in allowed("make") if not changing.search(one)] == ["codedeploy:GetDeploymentConfig"]


def kinds() -> set[str]:
    """The resource types of all templates."""
    return {
        kind
        for file in TEMPLATES
        for kind in re.findall(r"^    Type: (AWS::\w+::\w+)$", file.read_text(encoding="utf-8"), re.M)
    }


def test_what_cloudformation_does_for_the_caller_is_allowed_and_nothing_else():
    assert len(kinds()) > 20
    assert set(stack_actions.ACTIONS) == kinds()
    assert allowed("stacks", "stacks-network") == stack_actions.of(kinds())


def test_what_cloudformation_does_cannot_be_done_by_hand():
    for name in ("stacks", "stacks-network"):
        for _, _, one in statements(POLICIES[name]):
            assert one["Condition"]["ForAnyValue:StringEquals"] == {"aws:CalledVia": ["cloudformation.amazonaws.com"]}


# ---- stars


@cache
def knows_resources() -> dict[str, bool]:
    """IAM action to whether AWS's list names a resource for it."""
    found = dict[str, bool]()
    for service in parliament.iam_definition:
        for one in service["privileges"]:
            name = f"{service['prefix']}:{one['privilege']}"
            named = any(kind["resource_type"] for kind in one["resource_types"])
            found[name] = found.get(name, False) or named
    return found


@pytest.mark.parametrize("name", POLICIES)
def test_star_is_there_only_where_an_action_knows_no_resource(name: str):
    for actions, resources, _ in statements(POLICIES[name]):
        assert not [one for one in actions if "*" in one]
        if resources == ["*"]:
            assert {one for one in actions if knows_resources()[one]} <= set(STARS)
        else:
            assert all(one.startswith("arn:aws:") for one in resources)


def test_what_changes_something_is_bound_to_the_tag_or_a_name():
    tag = {"Null": {"aws:RequestTag/rehearsal:deployment": "false"}}
    bearing = {"Null": {"aws:ResourceTag/rehearsal:deployment": "false"}}
    unbound = {
        "Configurations": "a deployment configuration bears no tags; one that is in use cannot be deleted",
        "NoResourceIsKnownToThese": "",
        "InterfacesThatLambdaLeft": "Lambda gives them no tags; one that is in use cannot be deleted",
        "RecordsOfCertificates": "zones cannot be told by tags; it may delete records, not write them",
        "WhatTheyUse": "of RunInstances, whose instance is bound to the tag",
        "TagInstances": "on the way of RunInstances alone",
        "FirstUseInAnAccount": "AWS's own names",
    }
    for _, resources, one in statements(POLICIES["make"]):
        named = all(re.search(r"rehearsal-|CodeDeployHook_", resource) for resource in resources)
        assert named or one.get("Condition") in (tag, bearing) or one["Sid"] in unbound, one["Sid"]


@pytest.mark.parametrize("name", POLICIES)
def test_policy_fits_into_a_managed_one(name: str):
    assert len(json.dumps(POLICIES[name], separators=(",", ":"))) <= LARGEST


# ---- what a checker says

# parliament wants a resource of each kind that an action knows in the statement itself, and a stack's own names have holes.
TOO_STRICT = {
    "ec2:RunInstances": "two statements: what it makes bears the tag, what it uses need not",
    "elasticloadbalancing:DeleteListener": "of application load balancers alone",
    "elasticloadbalancing:ModifyListener": "of application load balancers alone",
    "route53:ChangeTagsForResource": "of zones, not of health checks",
}


def findings(policy: Mapping[str, Any]) -> list[str]:
    found = []
    for one in parliament.analyze_policy_string(json.dumps(policy)).findings:
        detail = one.detail if isinstance(one.detail, list) else []
        if one.issue == "RESOURCE_MISMATCH" and detail and all(part["action"] in TOO_STRICT for part in detail):
            continue
        found.append(f"{one.issue} {one.detail}")
    return found


@pytest.mark.parametrize("name", POLICIES)
def test_parliament_has_no_finding_in_a_published_policy(name: str):
    assert findings(POLICIES[name]) == []


def test_parliament_finds_what_is_wrong():
    def policy(action: str, resource: str) -> dict[str, Any]:
        return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": resource}]}

    assert "UNKNOWN_ACTION" in findings(policy("ecs:CreateServices", "*"))[0]
    assert "RESOURCE_MISMATCH" in findings(policy("ecs:CreateService", "arn:aws:ecs:*:*:cluster/x"))[0]


# ---- the roles of the templates (what parliament says of them is in test_templates.py)


@pytest.mark.parametrize(("name", "document"), OF_TEMPLATES, ids=[name for name, _ in OF_TEMPLATES])
def test_role_of_the_templates_has_no_star_but_where_an_action_knows_no_resource(name: str, document: Any):
    for actions, resources, one in statements(document):
        assert not [action for action in actions if "*" in action]
        if resources == ["*"] and "Condition" not in one:
            assert {action for action in actions if knows_resources()[action]} <= set(STARS)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_role_of_the_templates_is_assumed_by_one_service_or_provider(path: Path):
    for resource in template(path)["Resources"].values():
        if resource["Type"] == "AWS::IAM::Role":
            (statement,) = resource["Properties"]["AssumeRolePolicyDocument"]["Statement"]
            assert len(statement["Principal"]) == 1
            assert set(statement["Principal"]) <= {"Service", "Federated"}
            assert "*" not in json.dumps(statement)


def allowed_by(role: str) -> set[str]:
    found = [document for name, document in OF_TEMPLATES if name.startswith(f"{role}.")]
    return {action for document in found for actions, _, _ in statements(document) for action in actions}


def test_role_of_the_workflow_allows_what_the_workflow_does():
    """Its shell steps name their calls; the actions' are in their own documentation."""
    prefix = {"deploy": "codedeploy"}
    told = re.findall(r"\baws (ecs|deploy) ([a-z-]+)", "\n".join(scripts_of(ROOT / ".github/workflows/release.yml")))
    steps = {action(Call(prefix.get(name, name), verb.replace("-", "_"), "")) for name, verb in told}
    assert len(steps) == 3
    login_push = {"ecr:GetAuthorizationToken", "ecr:PutImage", *(name for name in BESIDE if name.startswith("ecr:"))}
    deploy = {"ecs:RegisterTaskDefinition", "ecs:DescribeServices", "iam:PassRole", "codedeploy:GetDeploymentGroup"}
    deploy |= {
        f"codedeploy:{name}" for name in ("CreateDeployment", "GetDeploymentConfig", "RegisterApplicationRevision")
    }
    assert steps | login_push | deploy <= allowed_by("roles.GitHubRole")


def test_cluster_of_a_scenarios_own_is_one_that_the_roles_and_permissions_are_for():
    """Those with `service.capacity` make one, with instances and a role for them."""
    cluster = Names("no-room-for-two-fleets", "k3f9a21").own_cluster({"rehearsal:deployment": PARAMETERS["Deployment"]})
    arns = {  # who needs it: what it is about
        "ecs:UpdateServicePrimaryTaskSet": f"arn:aws:ecs:ap-northeast-2:123456789012:service/{cluster}/web",
        "ecs:DeleteTaskSet": f"arn:aws:ecs:ap-northeast-2:123456789012:task-set/{cluster}/web/1",
        "ecs:StopTask": f"arn:aws:ecs:ap-northeast-2:123456789012:task/{cluster}/1",
        "iam:CreateRole": f"arn:aws:iam::123456789012:role/{cluster}",
        "iam:CreateInstanceProfile": f"arn:aws:iam::123456789012:instance-profile/{cluster}",
        "iam:PassRole": f"arn:aws:iam::123456789012:role/{cluster}",
    }
    policies = [POLICIES["make"], *(one for name, one in OF_TEMPLATES if name.startswith("roles.CodeDeployRole."))]
    for needed, arn in arns.items():
        patterns = [
            one for policy in policies for actions, named, _ in statements(policy) if needed in actions for one in named
        ]
        assert any(fnmatch.fnmatchcase(arn, pattern) for pattern in patterns), (needed, arn, patterns)


# ---- the collector itself


def collected(tmp_path: Path, text: str) -> set[str]:
    (tmp_path / "one.py").write_text(text, encoding="utf-8")
    return {action(one) for one in calls(Source(tmp_path, [tmp_path / "one.py"]).reachable(("one",)))}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("def f(s): s.call('ecs', 'list_clusters')", "ecs:ListClusters"),
        (
            "def f(s): later(lambda: s.call('elbv2', 'delete_listener', ListenerArn=1))",
            "elasticloadbalancing:DeleteListener",
        ),
        ("T = ((by('logs', 'delete_log_group', 'x')),)", "logs:DeleteLogGroup"),
        ("T = ('describe_vpcs',)\ndef f(s): s.call('ec2', T[0])", "ec2:DescribeVpcs"),
        ("def f(b): b.client('tagging'); b.client('ecs').get_paginator('list_tasks').paginate()", "ecs:ListTasks"),
        ("class A:\n  def f(self, s): return s.client('iam').list_roles()", "iam:ListRoles"),
    ],
)
def test_collector_finds_a_call(tmp_path: Path, text: str, found: str):
    assert collected(tmp_path, text) == {found}


def test_collector_asks_whose_an_operation_is(tmp_path: Path):
    with pytest.raises(ValueError, match="names tag_resource, which ecr, ecs have"):
        collected(tmp_path, "T = ('ecs', 1, 'ecr')\ndef f(s, x): s.call(x, 'tag_resource')")


def test_collector_leaves_out_what_is_cut(tmp_path: Path):
    (tmp_path / "one.py").write_text("from two import make\ndef f(s): make(s)", encoding="utf-8")
    (tmp_path / "two.py").write_text(
        "def make(s): part(s)\ndef part(s): s.call('ecs', 'create_cluster')", encoding="utf-8"
    )
    found = Source(tmp_path, [tmp_path / "one.py", tmp_path / "two.py"])
    assert {action(one) for one in calls(found.reachable(("one",)))} == {"ecs:CreateCluster"}
    assert calls(found.reachable(("one",), frozenset({("two", "make")}))) == set()


# ---- and what is really called


def spied(account: Account, told: Path, *arguments: str) -> set[str]:
    """The IAM actions of what `rehearse aws ARGUMENTS` really calls."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.aws.spied", str(told), "aws", *arguments],
        cwd=account.folder,
        env=account.environment,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr[-2000:]
    made = [line.split(":") for line in told.read_text(encoding="utf-8").splitlines()]
    return {f"{NOT_CALLED_THAT.get(service, service)}:{operation}" for service, operation in made} - NEEDS_NONE


@pytest.mark.slow
def test_everything_that_a_deployment_calls_was_read_out_of_the_source(account: Account, tmp_path: Path):
    """Of scenarios with hooks and alarms: up, run, down."""
    wanted = [ROOT / "scenarios" / f"{name}.yaml" for name in ("05-5xx-after-cutover", "06-failing-test-traffic-hook")]
    sure = ("--yes", "--account", account.account, "--no-rehearsal")
    names = spied(account, tmp_path / "calls", "deploy", *sure, *map(str, wanted))
    assert len(names) > 60
    assert names - set(called()) == set()


@pytest.mark.slow
@pytest.mark.parametrize("verb", [("plan",), ("plan", "--profile", "seed"), ("status",)], ids=" ".join)
def test_plan_and_status_only_look(account: Account, tmp_path: Path, verb: tuple[str, ...]):
    names = spied(account, tmp_path / "calls", *verb)
    assert names
    assert names <= allowed("look")
