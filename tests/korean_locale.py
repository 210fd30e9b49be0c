"""ko_KR in EUC-KR, compiled for a test: machines seldom have it."""

import shutil
import subprocess
from pathlib import Path

import pytest

NAME = "ko_KR.eucKR"


def variables(folder: Path) -> dict[str, str]:
    """Compile it into `folder`; what a command needs to speak it. Skips where it cannot be made."""
    if shutil.which("localedef") is None:
        pytest.skip("there is no localedef here: `apt install locales` has it")
    made = [*("localedef", "-i", "ko_KR", "-f", "EUC-KR", "--no-archive"), str(folder / NAME)]
    done = subprocess.run(made, capture_output=True)
    if not (folder / NAME / "LC_CTYPE").is_file():
        pytest.skip(f"localedef makes no ko_KR here: {done.stderr.decode(errors='replace')}")
    return {"LOCPATH": str(folder), "LC_ALL": NAME}
