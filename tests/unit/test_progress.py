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
from harness.progress.plain import Plain
from tests.unit import story
from tests.unit.story import T0
from tests.unit.test_picture import picture, running

ROOT = Path(__file__).parent.parent.parent
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


def shown(statuses: list[Status], width: int, **options: Any) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width, highlight=False, **options).print(drawn(statuses, width))
    return stream.getvalue()


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("count", [1, 8])
def test_terminal_picture_fits_its_window(width: int, count: int):
    lines = shown([shift()] * count, width).splitlines()
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
        "161 requests (20/s), 1 failed, longest gap 0.45 s"
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
