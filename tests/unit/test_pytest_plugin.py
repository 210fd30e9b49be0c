"""The pytest plugin, as another project would use it."""

import shutil
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
ROOT = Path(__file__).parents[2]
INSTALLED = any(one.name == "rehearse" for one in entry_points(group="pytest11"))


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project of somebody else's, with a scenario of its own."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("REHEARSAL_HOME", raising=False)
    pytester.makeini("[pytest]\nrehearse_runtime = process\nmarkers = mine")
    (pytester.path / "scenarios").mkdir()
    shutil.copy(ROOT / "scenarios/90-control-wrong-expectation.yaml", pytester.path / "scenarios/control.yaml")
    return pytester


def run(project: pytest.Pytester, *words: str) -> pytest.RunResult:
    plugin = () if INSTALLED else ("-p", "harness.pytest_plugin")
    return project.runpytest_subprocess(*plugin, "-q", "-p", "no:cacheprovider", *words, timeout=150)


def test_marker_and_option_are_known(project: pytest.Pytester):
    project.makepyfile("import pytest\n@pytest.mark.rehearsal('x')\ndef test_nothing(): pass")
    run(project, "--strict-markers").assert_outcomes(passed=1)
    assert "rehearsal(path)" in str(run(project, "--markers").stdout)


def test_emulator_is_one_for_the_session_and_answers_boto3(project: pytest.Pytester):
    project.makepyfile(
        """
        seen = []
        def test_one(aws_emulator):
            seen.append(aws_emulator.endpoint)
            assert aws_emulator.client("ecs").list_clusters()["clusterArns"] == []
            assert aws_emulator.environment["AWS_ENDPOINT_URL"] == aws_emulator.endpoint
        def test_two(aws_emulator):
            assert seen == [aws_emulator.endpoint]
        """
    )
    run(project).assert_outcomes(passed=2)


def test_profile_and_proxy_of_the_shell_are_not_in_the_way(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_PROFILE", "gone")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    project.makepyfile(
        """
        import subprocess, sys
        ASK = "import boto3; print(boto3.client('ecs').list_clusters()['clusterArns'])"
        def test_client_and_command(aws_emulator):
            assert aws_emulator.client("ecs").list_clusters()["clusterArns"] == []
            asked = [sys.executable, "-c", ASK]
            assert subprocess.check_output(asked, env=aws_emulator.environment, text=True) == "[]\\n"
        """
    )
    run(project).assert_outcomes(passed=1)


def test_rehearsal_without_a_marker_says_what_it_needs(project: pytest.Pytester):
    project.makepyfile("def test_it(rehearsal): pass")
    result = run(project)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*the fixture `rehearsal` needs a marker*"])


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_rehearsal_is_run_and_its_verdict_explained(project: pytest.Pytester):
    project.makepyfile(
        """
        import pytest
        pytestmark = pytest.mark.rehearsal("scenarios/control.yaml")
        def test_is_met(rehearsal):
            assert (rehearsal.verdict, rehearsal.outcome) == ("unmet", "succeeded")
            assert rehearsal.users["failed"] == 0
            assert rehearsal.report.is_file()
            rehearsal.must_be_met()
        """
    )
    result = run(project)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["control-wrong-expectation: unmet; report: *", "*live_at_end is unmet: v2, expected v1, n *"]
    )
    assert "Traceback" not in str(result.stdout)


def test_plugin_imports_nothing_heavy():
    """Every pytest run on the machine loads it."""
    code = "import sys, harness.pytest_plugin; print(sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, encoding="utf-8"
    ).stdout
    assert "harness.pytest_plugin" in done
    assert not [name for name in ("boto3", "pydantic", "aiohttp", "moto") if f"'{name}'" in done]
