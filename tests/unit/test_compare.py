"""Two runs compared from their journals: the page, the table and the exit code."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from markupsafe import escape
from rich.cells import cell_len

from harness import journal as j
from harness.report import compare, compare_page, moments
from harness.report.differing import timelines
from tests.unit import story
from tests.unit.story import T0

ROOT = Path(__file__).parent.parent.parent
EXPECTED: dict[str, Any] = {"outcome": "rolled_back", "users": {"max_failed_percent": 5, "max_unavailable": "3s"}}


def two(tmp_path: Path, a: list[Any], b: list[Any]) -> compare.Comparison:
    story.written(tmp_path / "a", a)
    story.written(tmp_path / "b", b)
    return compare.of_directories(tmp_path / "a", tmp_path / "b")


def differing(comparison: compare.Comparison) -> set[str]:
    return {row.name.en for pair in comparison.pairs for row in pair.rows if not row.same}


def test_compare_of_a_run_with_itself_finds_nothing(tmp_path: Path):
    of = story.scenario(EXPECTED)
    comparison = two(tmp_path, story.rolled_back(of), story.rolled_back(of))
    assert comparison.same
    assert differing(comparison) == set()
    assert "every verdict is the same" in compare.table(comparison)


def test_compare_marks_outcome_cause_order_durations_and_cost(tmp_path: Path):
    of = story.scenario(EXPECTED)
    comparison = two(tmp_path, story.rolled_back(of), story.happy(of))
    assert not comparison.same
    assert {"Outcome", "Where it failed", "Why it ended early", "failed"} <= differing(comparison)
    assert "Order and end of lifecycle events" in differing(comparison)
    (line,) = [line for line in compare.table(comparison).splitlines() if "How the deployment ended" in line]
    assert line.strip().startswith("≠≠")


def test_compare_measures_on_awss_clock(tmp_path: Path):
    """Compressed here, in real time there: the same on AWS's clock."""
    of = story.scenario({"outcome": "succeeded"})
    wait = j.Waited(at=T0 + 13.4, why="after 10 %", declared=300, effective=12.5)
    comparison = two(tmp_path, story.happy(of, wait), story.happy(of))
    (row,) = [row for row in comparison.pairs[0].rows if row.name.en == "AllowTraffic"]
    assert (row.a, row.b, row.same) == ("304.2 s", "16.7 s", False)


def test_compare_works_for_runs_of_other_targets(tmp_path: Path):
    of = story.scenario(EXPECTED)
    comparison = two(
        tmp_path,
        story.rolled_back(of),
        story.rolled_back(
            of,
        ),
    )
    aws = story.rolled_back(of)
    aws[0] = story.started(of, target="aws", runtime=None, compression=1.0)
    comparison = two(tmp_path / "2", story.rolled_back(of), aws)
    assert comparison.same
    assert differing(comparison) == {"Target", "Tasks run as", "Compression of AWS's waits"}


def test_compare_of_packs_names_a_scenario_that_one_lacks(tmp_path: Path):
    of, other = story.scenario(EXPECTED), story.scenario(EXPECTED, id="other")
    for run, scenarios in (("a", [of, other]), ("b", [of])):
        for one in scenarios:
            story.written(tmp_path / run / one.id, story.rolled_back(one))
    story.written(tmp_path / "b" / "third", story.rolled_back(story.scenario(EXPECTED, id="third")))
    comparison = compare.of_directories(tmp_path / "a", tmp_path / "b")
    assert not comparison.same
    assert "other: only in A" in compare.table(comparison)
    assert "only in A" in compare_page.text(comparison)


def test_compare_page_has_both_timelines_on_one_scale_and_one_script_of_the_reports(tmp_path: Path):
    of = story.scenario(EXPECTED)
    text = compare_page.text(two(tmp_path, story.rolled_back(of), story.happy(of)))
    assert text.count('class="chart wide"') == 2
    assert text.count("<script>") == 1
    assert moments.script() in text
    assert str(escape(moments.policy(moments.script()))) in text
    ids = [part.split('"')[0] for part in text.split(' id="')[1:]]
    assert len(ids) == len(set(ids))


def test_timelines_of_two_runs_are_marked_where_they_differ_and_only_there(tmp_path: Path):
    """Both shift to 10 % at 13.4 s; A goes back at 25.4 s, B forward at 30 s; A's users meet errors in between."""
    of = story.scenario(EXPECTED)
    (pair,) = two(tmp_path, story.rolled_back(of), story.happy(of)).pairs
    assert pair.a is not None
    assert pair.b is not None
    a, b = timelines(pair.a, pair.b)
    assert (a.start, a.end, a.width, a.top) == (b.start, b.end, b.width, b.top)
    assert {band.key for band in a.bands if band.differs} == {(False, "AllowTraffic")}
    assert {band.name for band in b.bands if band.differs} == {"AllowTraffic", "AfterAllowTraffic", ""}
    assert {mark.kind for mark in a.marks if mark.differs} == {"alarm", "over", "rollback"}
    told = [(round(one.start, 1), round(one.end, 1), one.told.en) for one in a.differences if one.kind == "weights"]
    assert told == [(25.4, 30, "≠ B: ■ 90 ▲ 10"), (30, round(a.until, 1), "≠ B: ■ 0 ▲ 100")]
    failed = [one for one in a.differences if one.kind == "failed"]
    assert (failed[0].start, failed[-1].end) == (13, 26)
    assert {one.told.en for one in failed} == {"≠ ✘ failed, not in B"}
    assert {one.told.en for one in b.differences if one.kind == "failed"} == {"≠ ✘ failed in A only"}


def test_timelines_of_the_same_run_are_not_marked(tmp_path: Path):
    of = story.scenario(EXPECTED)
    (pair,) = two(tmp_path, story.rolled_back(of), story.rolled_back(of)).pairs
    assert pair.a is not None
    assert pair.b is not None
    for one in timelines(pair.a, pair.b):
        assert one.differences == ()
        assert not any(part.differs for part in (*one.bands, *one.marks))


def test_compare_page_escapes_what_a_task_said(tmp_path: Path):
    evil = "<script>alert(1)</script>"
    of = story.scenario(EXPECTED)
    odd = j.LifecycleSeen(at=T0, deployment=story.DEPLOYMENT, name=evil, status="Failed", started=T0, ended=T0 + 5)
    text = compare_page.text(two(tmp_path, story.happy(of, odd), story.happy(of)))
    assert evil not in text
    assert "&lt;script&gt;" in text


@pytest.mark.parametrize(("same", "code"), [(True, 0), (False, 1)])
def test_compare_verb_exits_0_for_the_same_verdicts_and_1_for_others(tmp_path: Path, same: bool, code: int):
    of = story.scenario(EXPECTED)
    story.written(tmp_path / "a", story.rolled_back(of))
    story.written(tmp_path / "b", story.rolled_back(of) if same else story.happy(of))
    command = [sys.executable, "-m", "harness.cli", "compare", str(tmp_path / "a"), str(tmp_path / "b")]
    done = subprocess.run(
        [*command, "--out", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=60, encoding="utf-8"
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert (tmp_path / "compare.html").is_file()


@pytest.mark.parametrize("encoding", ["utf-8", "euc_kr"])
def test_compare_verb_speaks_korean_where_the_locale_does(tmp_path: Path, encoding: str):
    """In columns of equal cells; what an old encoding cannot write does not break it."""
    of = story.scenario(EXPECTED)
    for name, events in (("a", story.rolled_back(of)), ("b", story.happy(of))):
        story.written(tmp_path / name, events)
    command = [sys.executable, "-m", "harness.cli", "compare", str(tmp_path / "a"), str(tmp_path / "b")]
    environment = {**os.environ, "LC_ALL": "", "LANG": "ko_KR.UTF-8", "PYTHONIOENCODING": encoding}
    command += ["--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, env=environment, timeout=60)
    assert done.returncode == 1, done.stderr
    text = done.stdout.decode(encoding)
    assert "판정이 다른 시나리오: told" in text
    assert "미충족 (succeeded)" in text
    rows = [
        line.rpartition(" ")[0]
        for line in text.splitlines()
        if line.endswith((" local", " process", " 24", " –", " -"))
    ]
    assert len(rows) > 5
    assert len({cell_len(row) for row in rows}) == 1


def test_compare_of_a_directory_without_a_journal_is_a_usage_error(tmp_path: Path):
    command = [sys.executable, "-m", "harness.cli", "compare", str(tmp_path), str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, encoding="utf-8")
    assert done.returncode == 2
    assert "there is no journal.jsonl" in done.stderr
