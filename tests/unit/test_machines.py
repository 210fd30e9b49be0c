"""What a run leaves for machines: the verdict line, GitHub's step summary, the schema of result.json."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from harness import journal as j
from harness import report, summary
from harness.progress import Ending
from harness.report.contract import Result, schema_text
from tests.unit import story

ROOT = Path(__file__).parents[2]
MET = Ending("happy-canary", "met", "succeeded", 824, 0, 0.12, 41.2)
UNMET = Ending("5xx", "unmet", "succeeded", 500, 400, 0.1, 30, why="outcome: succeeded | <b>expected</b>\nrolled_back")
UNSUPPORTED = Ending("ec2", "unsupported", "no outcome", 0, 0, 0, 0, why="not emulated")


@pytest.mark.parametrize(
    ("endings", "code", "line"),
    [
        ([MET], 0, "rehearse-verdict: met (met 1, unmet 0, inconclusive 0, unsupported 0; exit code 0)"),
        ([MET, UNMET], 1, "rehearse-verdict: unmet (met 1, unmet 1, inconclusive 0, unsupported 0; exit code 1)"),
        ([MET, UNSUPPORTED], 0, "rehearse-verdict: met (met 1, unmet 0, inconclusive 0, unsupported 1; exit code 0)"),
        ([UNSUPPORTED], 0, "rehearse-verdict: unsupported (met 0, unmet 0, inconclusive 0, unsupported 1; exit code 0)"),
        ([MET, UNSUPPORTED], 5, "rehearse-verdict: unsupported (met 1, unmet 0, inconclusive 0, unsupported 1; exit code 5)"),
        ([MET], 6, "rehearse-verdict: error (met 1, unmet 0, inconclusive 0, unsupported 0; exit code 6)"),
    ],
)  # fmt: skip
def test_verdict_line_has_always_the_same_form(endings: list[Ending], code: int, line: str):
    assert summary.verdict_line(endings, code) == line


def test_step_summary_is_appended_where_github_wants_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "summary.md"
    file.write_text("before\n", encoding="utf-8")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(file))
    summary.append_step_summary([MET, UNMET], "the line")
    lines = file.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "before"
    assert "| ✔ | happy-canary | met | succeeded | 824 | 0 | 0.12 s | 41 |  |" in lines
    assert "| ✘ | 5xx | unmet | succeeded | 500 | 400 | 0.10 s | 30 | outcome: succeeded \\| &lt;b&gt;expected&lt;/b&gt; rolled_back |" in lines  # fmt: skip # noqa: E501
    assert "`the line`" in lines


def test_without_github_there_is_no_step_summary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    monkeypatch.chdir(tmp_path)
    summary.append_step_summary([MET], "the line")
    assert list(tmp_path.iterdir()) == []


def test_schema_of_results_is_the_generated_one():
    assert (ROOT / "docs/result.schema.json").read_text(encoding="utf-8") == schema_text(), "run: make docs"


@pytest.mark.parametrize("kind", ["happy", "rolled_back", "never_steady"])
def test_result_fits_the_published_schema(tmp_path: Path, kind: str):
    told = story.scenario(
        {"outcome": "succeeded", "users": {"max_failed": 0}, "versions_seen": ["v1", ["v1", "v2"], "v2"]}
    )
    if kind == "never_steady":
        events = [
            story.started(told),
            j.SteadyState(at=story.T0, reached=False),
            j.RunEnded(at=story.T0, complete=True),
        ]
    else:
        events = getattr(story, kind)(told)
    report.write(story.written(tmp_path, events))
    text = (tmp_path / "result.json").read_text(encoding="utf-8")
    Result.model_validate_json(text)
    for key in Result.model_fields:
        broken = json.loads(text)
        del broken[key]
        with pytest.raises(ValidationError):
            Result.model_validate(broken)
