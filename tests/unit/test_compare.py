"""Two runs compared from their journals: the page, the table and the exit code."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness import journal as j
from harness.report import compare, compare_page
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


def test_compare_page_has_both_timelines_on_one_scale_and_no_script(tmp_path: Path):
    of = story.scenario(EXPECTED)
    text = compare_page.text(two(tmp_path, story.rolled_back(of), story.happy(of)))
    assert text.count('class="chart wide"') == 2
    assert "<script" not in text
    ids = [part.split('"')[0] for part in text.split(' id="')[1:]]
    assert len(ids) == len(set(ids))


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
    done = subprocess.run([*command, "--out", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done.stdout + done.stderr
    assert (tmp_path / "compare.html").is_file()


def test_compare_of_a_directory_without_a_journal_is_a_usage_error(tmp_path: Path):
    command = [sys.executable, "-m", "harness.cli", "compare", str(tmp_path), str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "there is no journal.jsonl" in done.stderr
