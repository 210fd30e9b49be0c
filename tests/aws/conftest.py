"""An emulator that plays AWS, for all tests of a module, and the command as a user runs it against it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness.aws import found
from harness.driver import Session
from harness.targets import local

ROOT = Path(__file__).parent.parent.parent
ACCOUNT, REGION = "111122223333", "ap-northeast-2"
COMPRESS = 24.0  # the emulator's own clock; the target never asks for it
SETTINGS = f"""\
[aws]
expected_account = "{ACCOUNT}"
owner = "tester"
"""


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err


@dataclass(frozen=True)
class Account:
    """An emulator at `endpoint`, a folder with a rehearsal.toml to run the command in, and a session of its own."""

    endpoint: str
    folder: Path
    session: Session
    account: str = ACCOUNT
    more: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.folder / ".rehearsal"

    @property
    def environment(self) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        own = {"AWS_ACCESS_KEY_ID": self.account, "AWS_SECRET_ACCESS_KEY": "x", "AWS_ENDPOINT_URL": self.endpoint}
        return {**clean, "PYTHONPATH": str(ROOT), "REHEARSAL_HOME": str(self.home), **own, **self.more}

    @contextmanager
    def start(self, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
        """The command as a process group of its own, which does not outlive the context."""
        process = subprocess.Popen(
            [sys.executable, "-m", "harness.cli", *arguments],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            encoding="utf-8",
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()

    def rehearse(self, *arguments: str, timeout: float = 300) -> Done:
        with self.start(*arguments) as process:
            out, err = process.communicate(timeout=timeout)
            return Done(process.returncode, out, err)

    def aws(self, verb: str, *arguments: str, timeout: float = 300) -> Done:
        """A verb of `rehearse aws`, confirmed."""
        return self.rehearse("aws", verb, "--yes", "--account", self.account, *arguments, timeout=timeout)

    def stacks(self) -> dict[str, str]:
        """Concern to status, of those that are not gone."""
        seen = self.session.call("cloudformation", "describe_stacks")["Stacks"]
        return {one["StackName"].split("-", 2)[2]: one["StackStatus"] for one in seen}

    def found(self) -> list[found.Deployment]:
        return found.deployments(self.session)


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    folder = tmp_path_factory.mktemp("aws")
    (folder / "rehearsal.toml").write_text(SETTINGS, encoding="utf-8")
    with local.started(folder / "emulator", "process", "--compress", f"{COMPRESS:g}") as endpoint:
        with pytest.MonkeyPatch.context() as shell:
            shell.setenv("AWS_ACCESS_KEY_ID", ACCOUNT)
            shell.setenv("AWS_SECRET_ACCESS_KEY", "x")
            with closing(Session(region=REGION, endpoint=endpoint, run_id="test", chain=True)) as session:
                yield Account(endpoint, folder, session)
