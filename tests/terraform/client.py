"""Terraform as its users have it: pointed at the emulator by AWS_ENDPOINT_URL and fake credentials, and by nothing else."""

import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.emulator.clients import environment

PROVIDER = "registry.terraform.io/hashicorp/aws"
PLACES = (os.environ.get("REHEARSE_TERRAFORM_PLUGINS", ""), "/opt/tf-plugins", "~/.terraform.d/plugins")
WAITED = re.compile(r"Waiting ([0-9.]+)s before next try")


@cache
def plugins() -> Path:
    """The directory with the AWS provider, as `terraform providers mirror` makes one. Skips the test, with the reason."""
    if shutil.which("terraform") is None:
        pytest.skip("terraform is not on the PATH")
    places = [Path(place).expanduser() for place in PLACES if place]
    found = next((place for place in places if (place / PROVIDER).is_dir()), None)
    if found is None:
        pytest.skip(f"there is no {PROVIDER} in {', '.join(map(str, places))}; set REHEARSE_TERRAFORM_PLUGINS")
    return found


class Terraform:
    """A configuration in a folder of its own, initialised."""

    def __init__(self, aws: Any, configuration: Path, folder: Path) -> None:
        self.aws, self.folder = aws, folder
        mirror = plugins()
        shutil.copytree(configuration, folder)
        (folder / "cli.tfrc").write_text(
            f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror}"\n  }}\n}}\n', encoding="utf-8"
        )
        self.run("init")

    def run(self, *arguments: str, expected: int = 0) -> str:
        """What it printed; fails with everything it said where it ends otherwise than expected."""
        own = {
            "TF_CLI_CONFIG_FILE": str(self.folder / "cli.tfrc"),
            "TF_LOG_PATH": str(self.folder / "trace.log"),
            "TF_LOG_PROVIDER": "TRACE",
            "CHECKPOINT_DISABLE": "1",
        }
        done = subprocess.run(
            ["terraform", *arguments, "-no-color"],
            cwd=self.folder,
            env={**environment(self.aws, self.folder), **own},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            encoding="utf-8",
        )
        assert done.returncode == expected, done.stdout[-5000:] + done.stderr[-3000:]
        return done.stdout

    def apply(self, *arguments: str) -> str:
        return self.run("apply", "-auto-approve", *arguments)

    def destroy(self, *arguments: str) -> str:
        return self.run("destroy", "-auto-approve", *arguments)

    def finds_no_changes(self, *arguments: str) -> None:
        """Exit code 2 would be a plan with changes."""
        assert "No changes." in self.run("plan", "-detailed-exitcode", *arguments)

    def waited(self) -> list[float]:
        """Seconds that the provider waited, each time it found something not ready yet; without those it waits in any case."""
        return [
            float(found)
            for found in WAITED.findall((self.folder / "trace.log").read_text(errors="replace", encoding="utf-8"))
        ]
