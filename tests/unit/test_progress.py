"""What the terminal shows: the picture in characters, plain lines where it cannot be drawn, the verdict table."""

import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from harness import journal as j
from harness.progress import Ending, Judged, Status, print_endings, status_of
from harness.progress.drawing import bar, drawn
from harness.progress.endings import table
from harness.progress.plain import Plain
from harness.words import ENGLISH, Speech, spoken
from tests.unit import story
from tests.unit.story import T0
from tests.unit.test_picture import picture, running

ROOT = Path(__file__).parent.parent.parent
KOREAN = Speech("ko")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def shift(at: float = 18.4) -> Status:
    """In the canary's wait, 90/10."""
    events = running(
        *story.weights((13.4, 10)),
        j.Waited(at=T0 + 13.4, why="after 10 %", declared=300, effective=12.5),
        j.TargetHealthSeen(at=T0 + 14, side="blue", states={"healthy": 2}),
        j.TargetHealthSeen(
            at=T0 + 14, side="green", states={"healthy": 1, "unhealthy": 1}, reasons=("Target.Timeout",)
        ),
        j.TaskStopped(
            at=T0 + 15, task="abcdef0123", side="green", stop_code="X", reason="[bold]out[/] of\nmemory", exit_code=137
        ),
        *story.traffic(10, 18, "v1"),
        story.request(18.1, "v2", 500),
    )
    return status_of("told", picture(events), T0 + at)


def shown(statuses: list[Status], width: int, say: Speech = ENGLISH, **options: Any) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width, highlight=False, **options).print(drawn(statuses, width, say))
    return stream.getvalue()


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize("count", [1, 8])
@pytest.mark.parametrize("say", [ENGLISH, KOREAN], ids=["en", "ko"])
def test_terminal_picture_fits_its_window(width: int, count: int, say: Speech):
    lines = shown([shift()] * count, width, say).splitlines()
    assert max(map(cell_len, lines)) <= width
    assert len(lines) <= 24


def test_terminal_picture_tells_weights_both_clocks_users_and_changes():
    text = shown([shift()], 100)
    for said in ("AllowTraffic", "■ 90 %", "▲ 10 %", "elapsed", "remaining", "on AWS", "✘ 1 failed", "longest gap"):
        assert said in text
    assert "✔ 2 healthy" in text
    assert "✘ 1 unhealthy" in text
    assert "green task abcdef01 stopped: [bold]out[/] of memory, exit code 137" in text
    here, aws = (line.split() for line in text.splitlines() if line.strip().startswith(("here", "on AWS")))
    assert here[-2:] == ["7.5", "s"]
    assert aws[-2:] == ["180", "s"]


@pytest.mark.parametrize(
    ("green", "expected"), [(0, (20, 0)), (1, (19, 1)), (10, (18, 2)), (99.9, (1, 19)), (100, (0, 20))]
)
def test_weight_bar_shows_any_share_that_is_not_nothing(green: float, expected: tuple[int, int]):
    text = bar(Status("x", blue=100 - green, green=green), 20).plain
    assert (text.count("■"), text.count("▲")) == expected


def test_terminal_picture_speaks_korean_in_aligned_columns():
    text = shown([shift()], 60, KOREAN)
    for said in (
        "AllowTraffic",
        "■ 90 %",
        "경과",
        "남음",
        "초당 20건",
        "✘ 실패 1건",
        "최장 공백",
        "✔ 정상 2",
        "✘ 비정상 1",
    ):
        assert said in text
    assert "그린 태스크 abcdef01 중지: [bold]out[/]" in text
    assert not re.search("elapsed|remaining|failed|healthy|gap", text.replace("Target.Timeout", ""))
    rows = [
        line.rstrip() for line in text.splitlines() if line.startswith(("  AllowTraffic", "  이 실행", "  AWS라면"))
    ]
    assert len(rows) == 3
    assert len({cell_len(row) for row in rows}) == 1  # the last column is flush right, whatever letters stand before it


@pytest.mark.parametrize("width", [48, 80, 120])
def test_verdict_table_in_korean_keeps_its_columns_apart(width: int):
    judged = tuple(
        Judged(name, verdict, measured, limit, 500)
        for name, verdict, measured, limit in (
            ("outcome", "met", "rolled_back", "rolled_back"),
            ("users.max_unavailable", "unmet", 3.1, 0.5),
            ("versions_seen", "inconclusive", ["v1", "v1+v2", "v1"], ["v1"]),
            ("websockets.max_cut", "unsupported", None, 0),
        )
    )
    stream = io.StringIO()
    Console(file=stream, width=width, highlight=False).print(table(judged, KOREAN))
    lines = stream.getvalue().splitlines()
    assert max(map(cell_len, lines)) <= width
    heads = {cell_len(line[: line.index("500")]) for line in lines if "500" in line}
    assert len(heads) == 1
    said = "".join("".join(line.split()) for line in lines)
    assert all(one in said for one in ("충족", "미충족", "판단불가", "미지원"))


def test_plain_lines_speak_korean_without_a_sign_of_colour():
    stream = io.StringIO()
    Plain(stream, KOREAN).show([shift()])
    text = stream.getvalue()
    assert (
        "told: AllowTraffic, 블루/그린 90/10, 이 실행 5.1 s 경과, 7.5 s 남음, AWS라면 120 s 경과, 180 s 남음, "
        "요청 161건 (초당 20건), 실패 1건, 최장 공백 0.05 s"
    ) in text
    assert "그린 대상 그룹: 정상 1, 비정상 1 (Target.Timeout)" in text
    assert "\x1b" not in text


def test_endings_speak_korean():
    judged = (Judged("users.max_failed", "unmet", 3, 0, 500),)
    ending = Ending("told", "unmet", "rolled_back", 500, 3, 0.1, 20, expectations=judged)
    stream = io.StringIO()
    print_endings([ending], "out", stream, KOREAN)
    assert stream.getvalue().splitlines() == [
        "✘ told  미충족: 롤백됨, 요청 500건, 실패 3건, 최장 공백 0.10 s, 20 s",
        "  ✘ 최대 실패 요청 수 (users.max_failed): 미충족, 측정값 3, 기준 0, n 500",
        "1개 중 0개 충족, 1개 미충족 (told); 보고서: out",
    ]


@pytest.mark.parametrize(
    ("asked", "environment", "language"),
    [
        (None, {}, "en"),
        (None, {"LANG": "ko_KR.UTF-8"}, "ko"),
        (None, {"LANG": "ko_KR.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
        (None, {"LANG": "de_DE.UTF-8", "LC_ALL": "", "LC_MESSAGES": "ko"}, "ko"),
        ("en", {"LANG": "ko_KR.UTF-8"}, "en"),
        ("ko", {"LC_ALL": "C"}, "ko"),
    ],
)
def test_terminal_speaks_as_asked_else_as_the_locale_says(
    asked: str | None, environment: dict[str, str], language: str
):
    assert spoken(asked, environment).language == language
    assert spoken(asked, environment, korean=False).language == "en"


def test_terminal_picture_without_colour_says_the_same(monkeypatch: pytest.MonkeyPatch):
    coloured = shown([shift()], 80, force_terminal=True)
    monkeypatch.setenv("NO_COLOR", "1")
    plain = shown([shift()], 80, force_terminal=True)
    assert "\x1b[3" in coloured
    assert not re.search(r"\x1b\[(?:\d+;)*3\d", plain)
    assert COLOUR.sub("", coloured) == COLOUR.sub("", plain)


def test_plain_lines_tell_the_same_once_each():
    stream = io.StringIO()
    plain = Plain(stream)
    for _ in range(3):
        plain.show([shift()])
    lines = stream.getvalue().splitlines()
    assert len(lines) == len(set(lines))
    (state,) = [line for line in lines if "blue/green" in line]
    assert state == (
        "told: AllowTraffic, blue/green 90/10, here 5.1 s and 7.5 s to come, on AWS 120 s and 180 s to come, "
        "161 requests (20/s), 1 failed, longest gap 0.05 s"
    )
    assert any("1 unhealthy (Target.Timeout)" in line for line in lines)
    assert all("\x1b" not in line for line in lines)


def test_verdict_table_follows_a_single_run_and_what_is_not_met():
    judged = (Judged("outcome", "met", "succeeded", "succeeded", 1), Judged("users.max_failed", "unmet", 3, 0, 500))
    ending = Ending("told", "unmet", "succeeded", 500, 3, 0.1, 20, expectations=judged)
    fine = Ending("fine", "met", "succeeded", 500, 0, 0.1, 20, expectations=judged[:1])
    stream = io.StringIO()
    print_endings([ending, fine], "out", stream)
    text = stream.getvalue()
    assert "✘ users.max_failed: unmet, 3, limit 0, n 500" in text
    assert text.count("outcome:") == 1
    assert text.strip().endswith("1 of 2 met, 1 unmet (told); reports in out")


@pytest.mark.parametrize(("columns", "tabled"), [(40, False), (100, True)])
def test_verdicts_are_lines_in_a_window_too_narrow_for_a_table(
    columns: int, tabled: bool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(columns))
    judged = (Judged("users.max_unavailable", "unmet", 3.1, 0.5, 500),)
    stream = io.StringIO()
    print_endings([Ending("told", "unmet", "rolled_back", 500, 3, 0.1, 20, expectations=judged)], "out", stream)
    assert ("users.max_unavailable: unmet, 3.1, limit 0.5, n 500" in stream.getvalue()) is not tabled
    assert "users.max_unavailable" in stream.getvalue()


@pytest.mark.parametrize(("term", "live"), [("xterm-256color", True), ("dumb", False)])
def test_a_terminal_that_cannot_draw_gets_plain_lines(term: str, live: bool):
    """A real pseudo terminal."""
    script = (
        "from harness.progress import progress; from harness.progress.status import Status\n"
        "p = progress(); p.show([Status('told', doing='AllowTraffic', blue=90, green=10, requests=5)]); p.close()"
    )
    parent, child = pty.openpty()
    environment = {**os.environ, "TERM": term, "COLUMNS": "60", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", script], stderr=child, env=environment, timeout=60)
    os.close(child)
    said = os.read(parent, 65536).decode()
    os.close(parent)
    assert done.returncode == 0
    assert ("\x1b[" in said) is live
    assert ("■" in said) is live
    assert ("blue/green 90/10" in said) is not live
