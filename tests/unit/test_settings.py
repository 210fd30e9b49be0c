from pathlib import Path

import pytest

from harness.emulator import settings
from harness.errors import UsageError


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "rehearsal.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_settings_without_a_file_are_the_defaults(tmp_path: Path):
    assert settings.load(tmp_path / "rehearsal.toml") == settings.Settings()


def test_settings_of_a_file_replace_defaults(tmp_path: Path):
    path = written(tmp_path, "[emulator]\nalarm_poll_seconds = 5\ninstall_timeout_code = 'ECS_UPDATE_ERROR'\n")
    assert settings.load(path) == settings.Settings(alarm_poll_seconds=5, install_timeout_code="ECS_UPDATE_ERROR")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("alarm_pol_seconds = 5", "alarm_pol_seconds is not a setting; did you mean alarm_poll_seconds?"),
        ("alarm_poll_seconds = 'soon'", "alarm_poll_seconds is 'soon'; it must be a float"),
        ("alarm_poll_seconds =", "rehearsal.toml"),
    ],
)
def test_setting_that_is_wrong_says_what_would_be_right(tmp_path: Path, line: str, says: str):
    with pytest.raises(UsageError, match=says):
        settings.load(written(tmp_path, f"[emulator]\n{line}\n"))
