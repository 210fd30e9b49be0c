"""Reports written from journals alone."""

import json
import re
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness import journal as j
from harness import look, report
from harness.report.facts import facts_of
from harness.report.timeline import timeline_of
from harness.report.words import EXPECTATIONS, WORDS
from tests.unit import story
from tests.unit.story import T0

EXPECTED: dict[str, Any] = {
    "outcome": "rolled_back",
    "cause": "alarm",
    "users": {"max_failed_percent": 5},
    "rollback": {"within": "10s", "of": "alarm"},
}


def report_of(directory: Path, events: list[Any]) -> tuple[dict[str, Any], ET.Element, str]:
    """(result.json, junit.xml, report.html)"""
    report.write(story.written(directory, events))
    result = json.loads((directory / "result.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)
    return result, ET.parse(directory / "junit.xml").getroot(), (directory / "report.html").read_text(encoding="utf-8")


def test_result_holds_the_contract(tmp_path: Path):
    result, _, _ = report_of(tmp_path, story.rolled_back(story.scenario(EXPECTED)))
    contract = "scenario target runtime verdict outcome expectations fidelity timing versions commit"
    assert set(contract.split()) <= set(result)
    assert (result["scenario"], result["verdict"], result["outcome"]) == ("told", "met", "rolled_back")
    for one in result["expectations"]:
        assert set(one) == {"name", "verdict", "measured", "limit", "n", "detail"}


def test_result_measures_phases_detection_and_rollback(tmp_path: Path):
    result, _, _ = report_of(tmp_path, story.rolled_back(story.scenario(EXPECTED)))
    timing = result["timing"]
    assert timing["phases"]["provision"] == 6
    assert timing["rollback"] == pytest.approx(3.4, abs=0.01)
    assert timing["detection"] == pytest.approx(22 - 13.85, abs=0.1)


def test_result_tells_both_clocks_of_a_compressed_wait(tmp_path: Path):
    wait = j.Waited(at=T0 + 13.4, why="after 10 %", declared=300, effective=12.5)
    result, _, html = report_of(tmp_path, story.happy(story.scenario({"outcome": "succeeded"}), wait))
    (told,) = result["fidelity"]["waits"]
    assert (told["declared"], told["effective"], told["spent"], told["ended_early"]) == (300, 12.5, 12.5, False)
    shift = next(one for one in result["timing"]["lifecycle"] if one["name"] == "AllowTraffic")
    assert (shift["seconds"], shift["declared"]) == (16.7, pytest.approx(16.7 + 300 - 12.5))
    assert "300 s shown as 12.5 s" in html
    assert "300초를 12.5초로 표시" in html


def test_report_twice_is_the_same(tmp_path: Path):
    first = report_of(tmp_path, story.rolled_back(story.scenario(EXPECTED)))
    report.write(tmp_path)
    assert json.loads((tmp_path / "result.json").read_text(encoding="utf-8")) == first[0]
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == first[2]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "journal.jsonl",
        "junit.xml",
        "report.html",
        "result.json",
    ]


def test_junit_has_a_case_per_expectation(tmp_path: Path):
    wrong = EXPECTED | {"cause": "unhealthy", "rollback": {"within": "10s", "of": "give_up"}}
    of = story.scenario(wrong)
    result, root, _ = report_of(tmp_path, story.rolled_back(of))
    (suite,) = root.iter("testsuite")
    kinds = {case.get("name"): [child.tag for child in case] for case in suite.iter("testcase")}
    assert list(kinds) == [one["name"] for one in result["expectations"]]
    assert (kinds["cause"], kinds["rollback.within"], kinds["outcome"]) == (["failure"], ["error"], [])
    assert (suite.get("failures"), suite.get("errors"), suite.get("skipped")) == ("1", "1", "0")


def test_control_characters_do_not_break_the_xml(tmp_path: Path):
    trouble = j.Trouble(at=T0, step="unsupported", message="no\x00t\x1b[31m built\ufffe <&>", fatal=True)
    _, root, _ = report_of(tmp_path, [story.started(story.scenario(EXPECTED)), trouble])
    (first, *_) = root.iter("skipped")
    assert first.get("message") == "not[31m built <&>"


def test_text_of_a_task_is_escaped(tmp_path: Path):
    evil = "<script>alert(1)</script>"
    events = [
        j.TaskStopped(at=T0 + 5, task="abc", side="green", stop_code="X", reason=evil, exit_code=1),
        j.ServiceEventSeen(at=T0 + 5, created=T0 + 5, message=evil),
        j.AlarmSeen(at=T0 + 5, name=evil, state="ALARM", since=T0 + 5, reason=evil),
        j.ActionTaken(at=T0 + 5, action="stop", detail=evil, error=evil),
        j.LifecycleSeen(at=T0 + 5, deployment=story.ROLLBACK, name=evil, status="Failed", started=T0 + 4, ended=T0 + 5),
        story.request(5, version=evil, status=500, error=evil),
    ]
    _, _, html = report_of(tmp_path, story.happy(story.scenario({"outcome": "succeeded"}), *events))
    assert "<script>alert" not in html
    assert html.count("<script") == 2  # the chart's data, and the one script that the page's policy allows
    assert html.count("&lt;script&gt;") >= 6


def test_page_loads_nothing(tmp_path: Path):
    _, _, html = report_of(tmp_path, story.rolled_back(story.scenario(EXPECTED)))
    loaded = re.findall(r"""(?:src|href|srcset)\s*=\s*["']?([^"'\s>]+)|url\(\s*["']?([^"')]+)|@import""", html)
    assert loaded
    assert all((one or other).startswith(("data:", "#")) for one, other in loaded)


def test_page_speaks_both_languages_and_names_the_verdict_in_words(tmp_path: Path):
    _, _, html = report_of(tmp_path, story.rolled_back(story.scenario(EXPECTED)))
    for text in ("A story", "이야기", look.VERDICTS["met"].ko, "언제 무슨 일이 있었나", "deployment was rolled back"):
        assert text in html


def test_every_word_is_translated():
    for key, one in {**WORDS, **EXPECTATIONS}.items():
        assert one.en, key
        assert one.ko, key
        assert set(re.findall(r"{(\w+)}", one.en)) == set(re.findall(r"{(\w+)}", one.ko)), key


def test_chart_has_no_spike_where_a_run_begins_within_a_second():
    """Four requests in the last fifth of a second are not twenty a second more than ever after."""
    of = story.scenario({"outcome": "succeeded"})
    requests = [*story.traffic(-0.1, 0, "v1", 100), *story.traffic(0, 30.5, "v1")]
    timeline = timeline_of(facts_of(story.told(of, *requests, *story.lifecycle(), story.deployment())))
    assert timeline.buckets[0].start == -1
    assert timeline.buckets[0].total == 10
    assert timeline.top == 20


def cpu_of(work: Callable[[], object]) -> float:
    """Seconds of this process: what else runs on the machine does not count."""
    began = time.process_time()
    work()
    return time.process_time() - began


def test_one_failed_request_of_a_hundred_thousand_shows(tmp_path: Path):
    of = story.scenario({"outcome": "succeeded", "users": {"max_failed": 0}}, traffic={"rate": "100/s", "path": "/"})
    requests = story.traffic(-100, 13.4, "v1", 100) + story.traffic(13.4, 900, "v2", 100)
    requests[50_000] = requests[50_000].model_copy(update={"status": 502, "version": None})
    events = story.told(of, *requests, *story.lifecycle(), story.deployment(completed=880.0), *story.ended(requests))
    story.written(tmp_path, events)
    lines = (tmp_path / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    plain, whole = cpu_of(lambda: [json.loads(line) for line in lines]), cpu_of(lambda: report.write(tmp_path))
    assert whole < 8 * plain  # 2.5 on an idle machine, where it takes a second: see benchmarks/report.py
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert html.count("1 of 500 failed") == 2  # in the wide chart and in the narrow one
    assert 'class="cross"' in html
    assert ">502<" in html
    assert len(html.encode()) < 1_000_000


def test_journal_cut_by_a_crash_gives_a_page(tmp_path: Path):
    story.written(tmp_path, story.happy(story.scenario({"outcome": "succeeded"})))
    whole = (tmp_path / "journal.jsonl").read_bytes()
    (tmp_path / "journal.jsonl").write_bytes(whole[: len(whole) // 2 + 7])
    report.write(tmp_path)
    assert json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))["verdict"] == "inconclusive"
    assert "This run did not come to its end" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_journal_of_only_a_beginning_gives_a_page(tmp_path: Path):
    result, _, html = report_of(tmp_path, [story.started(story.scenario(EXPECTED))])
    assert (result["verdict"], result["outcome"]) == ("inconclusive", None)
    assert "no deployment was seen" in html


def test_unsupported_run_gives_a_page_that_says_why(tmp_path: Path):
    trouble = j.Trouble(at=T0, step="unsupported", message="controller ecs is not built", fatal=True)
    ended = j.RunEnded(at=T0, complete=False, reason="unsupported")
    result, root, html = report_of(tmp_path, [story.started(story.scenario(EXPECTED)), trouble, ended])
    assert (result["verdict"], result["why"]) == ("unsupported", "controller ecs is not built")
    assert len(list(root.iter("skipped"))) == len(result["expectations"])
    assert "controller ecs is not built" in html


@pytest.mark.parametrize("text", ["", '{"event": "RunEnded", "at": 1, "complete": true}\n'])
def test_journal_that_does_not_say_what_was_run_is_refused_by_its_path(tmp_path: Path, text: str):
    (tmp_path / "journal.jsonl").write_text(text, encoding="utf-8")
    with pytest.raises(j.JournalInvalid, match=re.escape(str(tmp_path / "journal.jsonl"))):
        report.write(tmp_path)


def test_composed_run_says_for_each_service_who_executed_it(tmp_path: Path):
    executed = {
        "codedeploy": "executed by the emulator (mocked by LocalStack 2026.3.0)",
        "ecs": "executed by LocalStack 2026.3.0",
        "elbv2": "executed by LocalStack 2026.3.0",
        "lambda": "executed by the emulator",
        "autoscaling": "unsupported (unlicensed in LocalStack 2026.3.0)",
    }
    of = story.scenario(EXPECTED)
    events = [
        one.model_copy(update={"executed": executed, "target": "localstack"}) if isinstance(one, j.RunStarted) else one
        for one in story.rolled_back(of)
    ]
    result, _, page = report_of(tmp_path, events)
    told = result["fidelity"]["executed"]
    assert told["CodeDeploy"] == executed["codedeploy"]
    assert told["ECS"] == "executed by LocalStack 2026.3.0"
    assert told["autoscaling"] == executed["autoscaling"]
    assert (
        told["Load balancer's traffic"] == "executed by LocalStack 2026.3.0, through a counting proxy of the emulator"
    )
    assert told["Tasks"] == "real containers, executed by LocalStack 2026.3.0"
    assert "LocalStack 2026.3.0 실행" in page
