"""Rehearsals as tests. Installed with the project (entry point `rehearse`):

    @pytest.mark.rehearsal("scenarios/02-happy-canary.yaml")
    def test_release_hurts_nobody(rehearsal):
        rehearsal.must_be_met()
        assert rehearsal.users["failed"] == 0

    def test_my_deploy_script(aws_emulator):
        subprocess.run(["./deploy.sh"], env=aws_emulator.environment, check=True)

One emulator serves the whole session (with xdist: one for each worker). Its runtime is the ini option `rehearse_runtime`:
auto (the default), docker or process. Only pytest is imported until a test asks for one of the two.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

RUNTIMES = ("auto", "docker", "process")


@dataclass(frozen=True, slots=True)
class AwsEmulator:
    """A running emulator."""

    endpoint: str
    region: str
    home: Path

    @property
    def environment(self) -> Mapping[str, str]:
        """This process's own, but every AWS tool in it talks to the emulator: no profile and no proxy is in the way."""
        from harness.targets import starting

        return starting.environment_at(self.endpoint)

    def client(self, service: str) -> Any:
        """A boto3 client."""
        from harness.driver import Session

        return Session(region=self.region, endpoint=self.endpoint, run_id="pytest").client(service)


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """One scenario that has been run: `result` is its result.json (docs/result.schema.json)."""

    directory: Path
    result: Mapping[str, Any]

    @property
    def verdict(self) -> str:
        return str(self.result["verdict"])

    @property
    def outcome(self) -> str | None:
        outcome: str | None = self.result["outcome"]
        return outcome

    @property
    def users(self) -> Mapping[str, Any]:
        users: Mapping[str, Any] = self.result["users"]
        return users

    @property
    def report(self) -> Path:
        return self.directory / "report.html"

    def must_be_met(self) -> None:
        """Fail the test with what was not met; skip it where the target cannot do it."""
        if self.verdict == "unsupported":
            pytest.skip(str(self.result["why"]))
        if self.verdict != "met":
            pytest.fail(self.explain(), pytrace=False)

    def explain(self) -> str:
        lines = [f"{self.result['scenario']}: {self.verdict}; report: {self.report}"]
        for one in self.result["expectations"]:
            if one["verdict"] != "met":
                told = f" ({one['detail']})" if one["detail"] else ""
                lines.append(
                    f"  {one['name']} is {one['verdict']}: {one['measured']}, expected {one['limit']}, n {one['n']}{told}"
                )
        return "\n".join(lines)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("rehearse_runtime", "who runs the tasks: auto, docker or process", default="auto")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "rehearsal(path): the scenario that the fixture `rehearsal` runs")


@pytest.fixture(scope="session")
def aws_emulator(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsEmulator]:
    """An emulator for the whole session; it is stopped at its end."""
    from harness.targets import local, starting

    asked = str(pytestconfig.getini("rehearse_runtime"))
    if asked not in RUNTIMES:
        raise pytest.UsageError(f"rehearse_runtime is {asked}; it must be one of {', '.join(RUNTIMES)}")
    runtime, _ = local.choose_runtime(asked)  # type: ignore[arg-type]  # checked in the line above
    home = tmp_path_factory.mktemp("rehearsal")
    with local.started(home, runtime) as endpoint:
        yield AwsEmulator(endpoint, starting.REGION, home)


@pytest.fixture
def rehearsal(request: pytest.FixtureRequest, aws_emulator: AwsEmulator, tmp_path: Path) -> Rehearsed:
    """The scenario of the test's `rehearsal` marker, run on the session's emulator. It has been run; nothing is asserted."""
    from harness import scenario, signs
    from harness.runner import RunAsked, run

    signs.tolerate()  # with -s a run prints to pytest's own terminal
    marker = request.node.get_closest_marker("rehearsal")
    if marker is None or len(marker.args) != 1:
        raise pytest.UsageError('the fixture `rehearsal` needs a marker: @pytest.mark.rehearsal("scenarios/x.yaml")')
    told = scenario.load(_found(request, Path(marker.args[0])), scenario.load_own_app())
    run(
        RunAsked(
            scenarios=[told],
            home=aws_emulator.home,
            out=tmp_path,
            endpoint=aws_emulator.endpoint,
            app=scenario.load_own_app(),
        )
    )
    directory = tmp_path / told.id
    return Rehearsed(directory, json.loads((directory / "result.json").read_text(encoding="utf-8")))


def _found(request: pytest.FixtureRequest, path: Path) -> Path:
    """Relative to the test's own folder, or to where pytest's configuration is."""
    places = (request.path.parent / path, request.config.rootpath / path)
    return next((place for place in places if place.is_file()), path)
