"""What a run is said to have been made with, and by whom."""

import os
import shutil
import subprocess
import sys

import pytest

NAMES = ("LOGNAME", "USER", "LNAME", "USERNAME")
AS_A_NUMBER = ("unshare", "--user", "--map-user=54321")


def can_be_a_number() -> bool:
    return bool(shutil.which("unshare")) and subprocess.run([*AS_A_NUMBER, "true"], capture_output=True).returncode == 0


@pytest.mark.skipif(not can_be_a_number(), reason="needs user namespaces (unshare)")
def test_user_without_a_name_is_told_by_number():
    told = subprocess.run(
        [*AS_A_NUMBER, sys.executable, "-c", "from harness.runner.versions import whoami; print(whoami())"],
        capture_output=True,
        text=True,
        env={name: value for name, value in os.environ.items() if name not in NAMES},
        encoding="utf-8",
    )
    assert (told.stdout, told.stderr) == ("uid 54321\n", "")
