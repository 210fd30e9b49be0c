"""GitHub's side of a workflow's shell steps: their environment, and the script run as a runner runs it."""

import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.emulator.clients import environment

ROOT = Path(__file__).parent.parent.parent
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
EXPRESSION = re.compile(r"\$\{\{\s*([\w.-]+)(?:\s*\|\|\s*'([^']*)')?\s*\}\}")


def load(path: Path) -> dict[str, Any]:
    """The workflow; `on` stays a string, as YAML 1.2 has it."""
    return dict(YAML(typ="safe").load(path))


def scripts_of(path: Path) -> list[str]:
    """Of a workflow's jobs, or of a composite action."""
    tree = load(path)
    jobs = tree["jobs"].values() if "jobs" in tree else [tree["runs"]]
    return [step["run"] for job in jobs for step in job["steps"] if "run" in step]


@dataclass(frozen=True)
class Done:
    code: int
    said: str
    outputs: Mapping[str, str]
    summary: str


@dataclass(frozen=True)
class Job:
    """`context` holds what the expressions name, such as vars.ECS_CLUSTER; a name without value or default is an error."""

    tree: Mapping[str, Any]
    context: Mapping[str, str]
    home: Path
    aws: Any

    def run(self, name: str, **changed: str) -> Done:
        """Run the step with this id or name, in `home`, with `changed` in its environment."""
        step = next(one for one in self.tree["steps"] if name in (one.get("id"), one.get("name")))
        env = {
            key: self._value(str(value)) for key, value in {**self.tree.get("env", {}), **step.get("env", {})}.items()
        }
        script, outputs, summary = (self.home / part for part in ("step.sh", "outputs", "summary"))
        script.write_text(step["run"], encoding="utf-8")
        for file in (outputs, summary):
            file.write_text("", encoding="utf-8")
        runner = environment(self.aws, self.home)
        runner["PATH"] = f"{Path(sys.executable).parent}:{runner['PATH']}"
        github = {"GITHUB_OUTPUT": str(outputs), "GITHUB_STEP_SUMMARY": str(summary)}
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
            cwd=self.home,
            env={**runner, **github, "GITHUB_SHA": "c0ffee", "GITHUB_RUN_ATTEMPT": "1", **env, **changed},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=150,
            check=False,
            encoding="utf-8",
        )
        pairs = (line.partition("=") for line in outputs.read_text(encoding="utf-8").splitlines())
        return Done(
            done.returncode, done.stdout, {key: value for key, _, value in pairs}, summary.read_text(encoding="utf-8")
        )

    def _value(self, text: str) -> str:
        def known(found: "re.Match[str]") -> str:
            return self.context[found[1]] if found[2] is None else self.context.get(found[1], found[2])

        return EXPRESSION.sub(known, text)
