"""What the buttons do: start a scenario as `rehearse run` does, and act on a running deployment through the driver."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from botocore.exceptions import ClientError

from harness import clock, directory, interpreter
from harness.dashboard.runs import Run
from harness.driver import Session, codedeploy, error_code
from harness.errors import HarnessError, UsageError
from harness.journal import ActionTaken, Journal
from harness.picture import ENDED, Picture
from harness.scenario import Scenario, load

ACTIONS = ("stop", "continue", "rollback")
CLEANED_UP_WITHIN = 90.0
LAST_WORDS = 2000


@dataclass
class Started:
    """A run of ours. `directory` is where its journal will be."""

    scenario: str
    directory: Path
    log: Path
    process: subprocess.Popen[bytes]

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    @property
    def last_words(self) -> str:
        """The end of what it printed: why it did not start, where it did not."""
        said = self.log.read_bytes()[-LAST_WORDS:].decode(errors="replace").strip().splitlines()
        return said[-1] if said else ""


@dataclass
class Starter:
    """Starts one run at a time: side by side they would be two stories on one screen."""

    scenarios: Path
    runs: Path
    options: tuple[str, ...] = ()
    current: Started | None = field(default=None)

    def known(self) -> dict[str, tuple[Path, Scenario]]:
        """Scenarios that can be started, by id; a file that cannot be read is not among them."""
        found = {}
        for path in sorted(self.scenarios.glob("*.yaml")):
            try:
                scenario = load(path)
            except HarnessError:
                continue
            found[scenario.id] = (path, scenario)
        return found

    def start(self, wanted: str) -> Started:
        """Raises UsageError where there is no such scenario, or one of ours still runs."""
        if self.current is not None and self.current.running:
            raise UsageError(f"{self.current.scenario} is still running")
        known = self.known()
        if wanted not in known:
            raise UsageError(f"there is no scenario {wanted} in {self.scenarios}")
        out = directory.made(directory.of_a_new_run(self.runs), "the reports' directory")
        log = out / "rehearse.log"
        command = [sys.executable, "-m", "harness.cli", "run", "--out", str(out), *self.options, str(known[wanted][0])]
        with log.open("ab") as said:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                env=interpreter.inherited(),
                start_new_session=True,
            )
        self.current = Started(wanted, out / wanted, log, process)
        return self.current

    def close(self) -> None:
        """Ask a run of ours to clean up, and wait for it."""
        if self.current is None or not self.current.running:
            return
        self.current.process.terminate()
        try:
            self.current.process.wait(CLEANED_UP_WITHIN)
        except subprocess.TimeoutExpired:
            self.current.process.kill()
            self.current.process.wait()


def act(run: Run, picture: Picture, action: str) -> str:
    """Do it to the run's newest deployment and say so in its journal; AWS's refusal raises UsageError, and is journalled as well."""
    deployment, provisioned = picture.deployment, picture.provisioned
    if action not in ACTIONS:
        raise UsageError(f"there is no action {action[:40]}")
    if not run.live or deployment is None or provisioned is None or deployment.status in ENDED:
        raise UsageError("there is no deployment that is going on")
    session = Session(region=provisioned.region, endpoint=provisioned.endpoint, run_id="dashboard")
    name, told = _named(action, deployment.status)
    try:
        _call(session, action, deployment.id, deployment.status)
    except (ClientError, HarnessError) as error:
        code = error_code(error) if isinstance(error, ClientError) else type(error).__name__
        _journalled(run, ActionTaken(at=clock.now(), action=name, detail=f"{told}: {error}", error=code))
        raise UsageError(f"{code}: {error}") from error
    finally:
        session.close()
    _journalled(run, ActionTaken(at=clock.now(), action=name, detail=told))
    return deployment.id


def _named(action: str, status: str) -> tuple[str, str]:
    """As the run itself names what it does."""
    if action == "continue":
        return "continue", f"from the dashboard, {_wait(status)}"
    return "stop", f"from the dashboard, rollback: {str(action == 'rollback').lower()}"


def _call(session: Session, action: str, deployment: str, status: str) -> None:
    if action == "continue":
        codedeploy.continue_deployment(session, deployment, _wait(status))
    else:
        codedeploy.stop_deployment(session, deployment, rollback=action == "rollback")


def _wait(status: str) -> str:
    return "READY_WAIT" if status == "Ready" else "TERMINATION_WAIT"


def _journalled(run: Run, event: ActionTaken) -> None:
    """One whole line appended, as the run itself appends: both may write."""
    with Journal(run.journal) as journal:
        journal.write(event)
