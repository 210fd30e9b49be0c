"""A proxy, or an address, that is no URL: one line, without the password in it."""

import sys
from pathlib import Path

import pytest

from harness import images, proxies
from harness.errors import TargetUnavailable
from harness.targets.localstack import core
from tests.unit.refusing_proxy import SPELLINGS


@pytest.fixture(autouse=True)
def _proxy_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*SPELLINGS, "NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "" if name.lower() == "no_proxy" else "http://user:secret@[::1")


@pytest.mark.parametrize("url", ["http://[::1", "//", ""])
def test_what_is_no_url_has_no_proxy(url: str):
    assert proxies.asked_for(url) is None
    assert proxies.naming(url) is None


def test_what_pip_says_of_a_proxy_has_no_password(tmp_path: Path):
    wanted = tmp_path / "requirements.txt"
    wanted.write_text("flask\n", encoding="utf-8")
    with pytest.raises(TargetUnavailable, match=r"no wheels for Python 3\.12: .*//\*\*\*@") as refused:
        images.wheelhouse(tmp_path, wanted, "3.12")
    assert "secret" not in str(refused.value)


def test_what_an_installation_says_of_a_proxy_has_no_password(tmp_path: Path):
    said = "print('Failed to parse: http://user:secret@[::1'); raise SystemExit(1)"
    with pytest.raises(TargetUnavailable, match=r"Failed to parse: http://\*\*\*@") as refused:
        core._run([sys.executable, "-c", said], tmp_path)
    assert "secret" not in str(refused.value)
