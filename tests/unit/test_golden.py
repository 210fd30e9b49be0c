"""The pages of fixed journals, compared letter by letter with those in golden/. `make golden` writes them anew."""

import os
from pathlib import Path

import pytest

from harness import journal as j
from harness import report
from harness.report import compare, compare_page
from tests.unit import story
from tests.unit.story import T0

GOLDEN = Path(__file__).parent / "golden"
UPDATE = "REHEARSE_UPDATE_GOLDEN"
OF = story.scenario({"outcome": "rolled_back", "cause": "alarm", "users": {"max_failed_percent": 5}})


def events(kind: str) -> list[j.Event]:
    """A run with something in every part of the page."""
    more: list[j.Event] = [
        j.Provisioned(
            at=T0 - 6,
            resources={"service": "told"},
            endpoint="http://127.0.0.1:4566",
            region="us-east-1",
            images={"v1": f"sampleapp:v1@sha256:{'1' * 64}", "v2": f"sampleapp:v2@sha256:{'2' * 64}"},
        ),
        j.Waited(at=T0 + 13.4, why="after 10 %", declared=300, effective=12.5),
        j.TargetHealthSeen(at=T0 + 0.4, side="blue", states={"healthy": 1}, targets={"10.0.0.5:8080": "healthy"}),
        j.TargetHealthSeen(at=T0 + 2, side="green", states={"initial": 1}, targets={"10.0.0.6:8080": "initial"}),
        j.TargetHealthSeen(at=T0 + 11, side="green", states={"healthy": 1}, targets={"10.0.0.6:8080": "healthy"}),
        j.TaskStopped(at=T0 + 30, task="abc", side="green", stop_code="X", reason="over & <out>", exit_code=1),
        j.ServiceEventSeen(at=T0 + 5, created=T0 + 5, message="(service told) has reached a steady state."),
        j.Trouble(at=T0 + 6, step="observe", message="tried again"),
    ]
    return story.rolled_back(OF, *more) if kind == "rolled_back" else story.happy(OF, *more)


def compared(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get(UPDATE):
        path.write_text(text, encoding="utf-8")
    assert path.is_file(), f"there is no {path.name}; run: make golden"
    assert text == path.read_text(encoding="utf-8"), f"{name} has changed; if it should have, run: make golden"


@pytest.mark.parametrize("kind", ["rolled_back", "happy"])
def test_report_page_is_the_golden_one(tmp_path: Path, kind: str):
    report.write(story.written(tmp_path, events(kind)))
    compared(f"{kind}.html", (tmp_path / "report.html").read_text(encoding="utf-8"))


def test_compare_page_is_the_golden_one(tmp_path: Path):
    for kind in ("rolled_back", "happy"):
        story.written(tmp_path / kind, events(kind))
    compared("compare.html", compare_page.text(compare.of_directories(tmp_path / "rolled_back", tmp_path / "happy")))
