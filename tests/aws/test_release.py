"""The release workflow on a service that `rehearse aws up --service` made: docs/AWS.md's table of variables is enough to run it."""

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ruamel.yaml import YAML

from harness.driver import Session
from tests.aws.conftest import REGION, Account
from tests.emulator.test_workflows import WAIT, revision
from tests.emulator.workflows import ROOT, Done, Job, load

pytestmark = pytest.mark.slow
TABLE = re.compile(r"^\| `([A-Z_]+)` \| `(\w+)` \|$", re.MULTILINE)
ASKED = {
    "family",
    "networkMode",
    "requiresCompatibilities",
    "cpu",
    "memory",
    "executionRoleArn",
    "containerDefinitions",
}


@pytest.fixture(scope="module")
def variables(account: Account) -> dict[str, str]:
    """Of the repository, as the page says."""
    settings = account.folder / "rehearsal.toml"
    settings.write_text(settings.read_text(encoding="utf-8") + 'github_repository = "team/shop"\n', encoding="utf-8")
    up = account.aws("up", "--service")
    assert up.code == 0, up.err[-2000:]
    (told,) = json.loads(account.rehearse("aws", "status", "--json").out)
    return {
        name: told["outputs"][output]
        for name, output in TABLE.findall((ROOT / "docs/AWS.md").read_text(encoding="utf-8"))
    }


def step(account: Account, variables: dict[str, str], home: Path, name: str, **outputs: str) -> Done:
    tree = load(ROOT / ".github/workflows/release.yml")["jobs"]["release"]
    context = {**{f"vars.{key}": value for key, value in variables.items()}, **outputs}
    job = Job(tree=tree, context=context, home=home, aws=SimpleNamespace(url=account.endpoint))
    place = {"AWS_ACCESS_KEY_ID": account.account, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}
    return job.run(name, **place, **({"EVERY": "1"} if name == WAIT else {}))


def deployed(session: Session, variables: dict[str, str], shown: dict[str, Any]) -> dict[str, str]:
    """What the deploy action gives out, having registered the rendered task definition."""
    asked = {key: value for key, value in shown.items() if key in ASKED}
    definition = session.call("ecs", "register_task_definition", **asked)["taskDefinition"]["taskDefinitionArn"]
    started = session.call(
        "codedeploy",
        "create_deployment",
        applicationName=variables["CODEDEPLOY_APPLICATION"],
        deploymentGroupName=variables["CODEDEPLOY_GROUP"],
        revision=revision(definition),
    )
    return {
        "steps.deploy.outputs.codedeploy-deployment-id": started["deploymentId"],
        "steps.deploy.outputs.task-definition-arn": definition,
    }


def test_workflow_releases_to_the_stacks_service(account: Account, variables: dict[str, str], tmp_path: Path):
    current = step(account, variables, tmp_path, "current")
    assert current.code == 0, current.said
    assert current.outputs["platform"] in ("linux/amd64", "linux/arm64")
    shown = json.loads((tmp_path / "task-definition.json").read_text(encoding="utf-8"))
    container = YAML(typ="safe").load(ROOT / ".github/appspec.yaml")["Resources"][0]["TargetService"]["Properties"]
    assert shown["containerDefinitions"][0]["name"] == container["LoadBalancerInfo"]["ContainerName"]
    assert variables["ECR_REPOSITORY"] in shown["containerDefinitions"][0]["image"]
    done = step(account, variables, tmp_path, WAIT, **deployed(account.session, variables, shown))
    assert done.code == 0, done.said
    assert account.aws("down").code == 0
