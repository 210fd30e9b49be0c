import codecs
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.aws import settings as aws
from harness.emulator import settings
from harness.errors import UsageError
from harness.scenario import load_own_app

READERS = (settings.load, aws.load, load_own_app)
SAID = '[app]\nimage = "shop"\nenvironment = {GREETING = "안녕"}\n'


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


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(("encoding", "line"), [("euc_kr", 3), ("utf-16", 1), ("utf-16-le", 1), ("utf-16-be", 1)])
def test_file_that_is_not_utf8_is_named_with_its_line(
    tmp_path: Path, read: Callable[[Path], Any], encoding: str, line: int
):
    path = tmp_path / "rehearsal.toml"
    path.write_bytes(SAID.encode(encoding))
    with pytest.raises(UsageError) as refused:
        read(path)
    assert str(refused.value) == f"{path}:{line}: not UTF-8 text; save the file as UTF-8"


@pytest.mark.parametrize("read", READERS)
def test_byte_order_mark_of_utf8_is_no_mistake(tmp_path: Path, read: Callable[[Path], Any]):
    path = tmp_path / "rehearsal.toml"
    path.write_text(SAID, encoding="utf-8")
    plain = read(path)
    path.write_bytes(codecs.BOM_UTF8 + SAID.encode())
    assert read(path) == plain
