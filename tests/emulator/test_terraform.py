"""A load balancer with all its parts, written by Terraform's own AWS provider: a second plan must find nothing to change.

REHEARSE_TERRAFORM_PLUGINS names a directory with the provider hashicorp/aws 5.100.0, as `terraform providers mirror` makes one.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.emulator.conftest import Running

PLUGINS = os.environ.get("REHEARSE_TERRAFORM_PLUGINS", "")
CONFIGURATION = Path(__file__).parent / "terraform" / "load_balancer.tf"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        not (PLUGINS and shutil.which("terraform")), reason="needs Terraform, and its plugins' directory"
    ),
]


def terraform(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["terraform", *arguments, "-no-color", "-input=false"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_what_terraform_writes_reads_back_without_a_difference(aws: Running, tmp_path: Path):
    shutil.copy(CONFIGURATION, tmp_path / "main.tf")
    endpoint = f"-var=endpoint={aws.url}"
    terraform(tmp_path, "init", f"-plugin-dir={PLUGINS}")
    terraform(tmp_path, "apply", "-auto-approve", endpoint)
    try:
        terraform(tmp_path, "plan", "-detailed-exitcode", endpoint)
    finally:
        terraform(tmp_path, "destroy", "-auto-approve", endpoint)
