"""What a composition cannot do is unsupported, with its reason in the report; --strict makes that exit code 5."""

import json
from pathlib import Path

import pytest

from harness import scenario
from harness.errors import EXIT_MET, EXIT_UNMET, EXIT_UNSUPPORTED
from harness.progress import Ending
from harness.runner.run import exit_code
from harness.targets import local
from tests.emulator.conftest import ROOT, Running
from tests.scenarios.test_core import left_running, rehearse
from tests.targets.fake_localstack import running


def ending(verdict: str) -> Ending:
    return Ending("one", verdict, "succeeded", 1, 0, 0.0, 0.0)


def test_unsupported_is_exit_code_5_under_strict_and_never_hides_an_unmet_one():
    happened = {"interrupted": False, "leftovers": [], "broke_off": False}
    assert exit_code([ending("met"), ending("unsupported")], strict=True, **happened) == EXIT_UNSUPPORTED
    assert exit_code([ending("met"), ending("unsupported")], strict=False, **happened) == EXIT_MET
    assert exit_code([ending("unmet"), ending("unsupported")], strict=True, **happened) == EXIT_UNMET


@pytest.mark.timeout(120)
def test_scenario_that_cannot_run_is_unsupported_with_its_reason(behind: Running, tmp_path: Path):
    text = (ROOT / "scenarios/01-happy-all-at-once.yaml").read_text(encoding="utf-8")
    native = tmp_path / "native.yaml"
    native.write_text(text.replace("deploy:\n", "deploy:\n  controller: ecs\n", 1), encoding="utf-8")
    if local.unsupported(scenario.load(native)) is None:
        pytest.skip("this version runs controller: ecs, and nothing else is unsupported on the free edition")
    with running("core", behind.url) as fake:
        words = ("--target", "localstack", "--endpoint", fake.url, "--runtime", "process", str(native))
        run = rehearse(tmp_path / "home", "--strict", *words)
    assert run.code == EXIT_UNSUPPORTED, run.printed
    (result,) = (json.loads(path.read_text(encoding="utf-8")) for path in run.out.glob("*/result.json"))
    assert result["verdict"] == "unsupported"
    assert "controller: ecs" in result["why"]
    assert {one["verdict"] for one in result["expectations"]} == {"unsupported"}
    assert result["fidelity"]["executed"]["IAM"] == "executed by LocalStack 2026.3.0"
    assert left_running(run.home) == []
