"""A CDK app is bootstrapped, deployed and destroyed through the emulator, by CDK's own command line.

The toolkit comes from npm and the library from PyPI, each once into a cache folder (XDG_CACHE_HOME, ~/.cache by default).
What CDK needs to be told: AWS_ENDPOINT_URL, fake credentials, an `env` with the emulator's account, and `cdk bootstrap` once
for each emulator.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.emulator.clients import environment
from tests.emulator.stacks import Stacks

TOOLKIT, LIBRARY = "aws-cdk@2.1148.1", "aws-cdk-lib==2.275.0"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rehearse" / "cdk"
APP = Path(__file__).parent / "cdk_app" / "app.py"


def run(*arguments: str, within: float = 600, **options: Any) -> str:
    done = subprocess.run(
        arguments, capture_output=True, text=True, timeout=within, check=False, **options, encoding="utf-8"
    )
    assert done.returncode == 0, f"{arguments}\n{done.stdout[-4000:]}\n{done.stderr[-8000:]}"
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def toolkit() -> tuple[Path, Path]:
    """(cdk, a Python with aws-cdk-lib)."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed: the CDK toolkit comes from there")
    cdk, python = CACHE / "node_modules" / ".bin" / "cdk", CACHE / "venv" / "bin" / "python"
    made = CACHE / f"{TOOLKIT}-{LIBRARY}"
    if not made.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        run(npm, "install", "--no-audit", "--no-fund", "--prefix", str(CACHE), TOOLKIT)
        run(sys.executable, "-m", "venv", str(CACHE / "venv"))
        run(str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", LIBRARY)
        made.touch()
    return cdk, python


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_cdk_app_with_a_code_deploy_service_comes_up_and_goes(aws, tmp_path, toolkit):
    cdk, python = toolkit
    (tmp_path / "cdk.json").write_text(
        json.dumps({"app": f"{python} {APP}", "versionReporting": False}), encoding="utf-8"
    )
    path = f"{Path(shutil.which('node') or '').parent}:{os.environ['PATH']}"
    given = {**environment(aws, tmp_path), "CI": "true", "CDK_DISABLE_VERSION_CHECK": "1", "PATH": path}

    def say(*arguments: str) -> str:
        return run(str(cdk), *arguments, "--no-notices", cwd=tmp_path, env=given)

    say("bootstrap", "aws://123456789012/us-east-1")
    say("deploy", "--require-approval", "never")
    stacks = Stacks(aws)
    assert stacks.api.describe_stacks(StackName="Shop")["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"
    shown = stacks.outputs("Shop")
    ecs, codedeploy = aws.client("ecs"), aws.client("codedeploy")
    running = ecs.describe_services(cluster=shown["ClusterName"], services=[shown["ServiceName"]])["services"][0]
    assert (running["runningCount"], running["deploymentController"]) == (1, {"type": "CODE_DEPLOY"})
    applications = [one for one in codedeploy.list_applications()["applications"] if one.startswith("Shop")]
    groups = codedeploy.list_deployment_groups(applicationName=applications[0])["deploymentGroups"]
    assert len(groups) == 1
    assert "(no changes)" in say("deploy", "--require-approval", "never")
    say("destroy", "--force")
    assert not [one for one in stacks.api.describe_stacks()["Stacks"] if one["StackName"] == "Shop"]
    assert not [one for one in codedeploy.list_applications()["applications"] if one.startswith("Shop")]
