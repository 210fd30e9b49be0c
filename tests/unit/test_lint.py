"""The linter: errors as the loader says them, and warnings of what is allowed and rarely meant."""

from pathlib import Path

import pytest

from harness.lint import Finding, lint

ROOT = Path(__file__).parents[2]
GOOD = """\
scenario: v1
id: an-example
title: An example
traffic: {rate: 20/s, path: /}
release:
  from: {version: v1}
  to: {version: v2}
deploy:
  config: CodeDeployDefault.ECSCanary10Percent5Minutes
  alarms:
    5xx: {metric: target_5xx_percent, threshold: 5, period: 1m}
  rollback_on: [DEPLOYMENT_STOP_ON_ALARM]
expect:
  outcome: succeeded
  users: {min_requests: 100, max_failed: 0}
"""


def found(tmp_path: Path, *changes: tuple[str, str]) -> list[Finding]:
    """What is said of the good file with each first text replaced by the second."""
    text = GOOD
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = tmp_path / "a.yaml"
    path.write_text(text, encoding="utf-8")
    return lint(path)


def test_good_scenario_has_no_findings(tmp_path: Path):
    assert found(tmp_path) == []


@pytest.mark.parametrize("path", sorted((ROOT / "scenarios").glob("*.yaml")), ids=lambda path: path.stem)
def test_scenarios_of_the_project_have_no_errors(path: Path):
    assert [finding for finding in lint(path) if finding.level == "error"] == []


@pytest.mark.parametrize(
    ("changes", "line", "says"),
    [
        ([("target_5xx_percent", "target_5xx_count")], 11,
         "5xx counts: a count grows with traffic and shrinks under compression; use target_5xx_percent"),
        ([("target_5xx_percent", "elb_5xx_count")], 11, "5xx counts"),
        ([("CodeDeployDefault.ECSCanary10Percent5Minutes", "{canary: {percent: 10, interval: 1m}}"),
          ("  alarms:\n    5xx: {metric: target_5xx_percent, threshold: 5, period: 1m}\n", ""),
          ("traffic:", "service: {health_check: {interval: 30s, unhealthy: 3}}\ntraffic:")], 10,
         "green has all of production after 60 s, and its health checks need 92 s to call it unhealthy"),
        ([("traffic:", "service: {image: shop}\ntraffic:"),
          ("to: {version: v2}", "to: {version: v2, fault: {kind: latency}}")], 8,
         "the fault latency rides in the environment as FAULT_*: shop must break by it itself"),
        ([("traffic:", "service: {sticky: 60s}\ntraffic:")], 4, "nobody keeps a cookie, so nobody is sticky"),
        ([("period: 1m", "period: 3m")], 11,
         "5xx cannot be relied on to fire before 100 %: it needs 6 minutes, and green has all of production after 5 minutes"),
        ([("period: 1m", "period: 1m, evaluation_periods: 5")], 11, "it needs 6 minutes"),
        ([("CodeDeployDefault.ECSCanary10Percent5Minutes", "CodeDeployDefault.ECSAllAtOnce")], 11,
         "it needs 2 minutes, and green has all of production at once"),
        ([("threshold: 5", "threshold: 10")], 11,
         "5xx cannot fire before 100 %: green has at most 10 % of the requests, so even if all of them fail the rate does not exceed 10 %"),
        ([("[DEPLOYMENT_STOP_ON_ALARM]", "[DEPLOYMENT_FAILURE]")], 10,
         "an alarm stops the deployment but does not roll it back: rollback_on lacks DEPLOYMENT_STOP_ON_ALARM"),
        ([("rate: 20/s", "rate: 15/m")], 11, "5xx sees fewer than 20 requests in a period even uncompressed"),
        ([("traffic:", "service: {stop_timeout: 2s, deregistration_delay: 0s}\ntraffic:")], 4,
         "with a drain and a stop timeout under 5 s, requests in flight are cut"),
        ([("  rollback_on", "  give_up_after: 15s\n  rollback_on")], 12,
         "a healthy green needs about 20 s to start and pass 2 health checks"),
        ([("  rollback_on", "  give_up_after: 1m\n  rollback_on"),
          ("{version: v2}", "{version: v2, fault: {kind: slow_start, seconds: 50}}")], 12,
         "a healthy green needs about 70 s to start"),
        ([("{version: v2}", "{version: v2, fault: {kind: slow_start, seconds: 8}}")], 7,
         "green cannot succeed: it starts 8 s late, and ECS replaces a task that fails its health checks for about 5 s"),
        ([("path: /}", "path: /healthz?deep=1}"), ("{version: v2}", "{version: v2, fault: {kind: http_status}}")], 4,
         "users ask for the path of the health checks, which such a fault leaves alone: they will not meet it"),
        ([("  users: {min_requests: 100, max_failed: 0}\n", "")], 13,
         "nothing is expected for the users: without `users` a deployment may fail every request and pass"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)  # fmt: skip
def test_what_is_rarely_meant_is_a_warning(tmp_path: Path, changes: list[tuple[str, str]], line: int, says: str):
    findings = [one for one in found(tmp_path, *changes) if says in one.message]
    assert [(one.level, one.line) for one in findings] == [("warning", line)]


def test_all_at_once_without_a_test_listener_is_a_warning(tmp_path: Path):
    findings = found(
        tmp_path,
        ("ECSCanary10Percent5Minutes", "ECSAllAtOnce\n  test_listener: false"),
        ("  alarms:\n    5xx: {metric: target_5xx_percent, threshold: 5, period: 1m}\n", ""),
    )
    assert [(one.level, one.line) for one in findings] == [("warning", 10)]
    assert "nothing checks its health before users meet it" in findings[0].message


@pytest.mark.parametrize(
    "changes",
    [
        [("threshold: 5", "threshold: 9.9")],
        [("period: 1m", "period: 2m")],
        [("ECSCanary10Percent5Minutes", "ECSLinear10PercentEvery1Minutes"), ("threshold: 5", "threshold: 80")],
        [("path: /}", "path: /healthz}"), ("{version: v2}", "{version: v2, fault: {kind: unhealthy}}")],
        [("path: /}", "path: /healthz}"), ("{version: v2}", "{version: v2, fault: {kind: latency, where: health}}")],
        [("rate: 20/s", "rate: 20/m")],
        [("{version: v2}", "{version: v2, fault: {kind: slow_start, seconds: 3}}")],
    ],
    ids=str,
)
def test_what_may_well_be_meant_is_no_warning(tmp_path: Path, changes: list[tuple[str, str]]):
    assert found(tmp_path, *changes) == []


def test_errors_come_with_their_lines_and_without_warnings(tmp_path: Path):
    findings = found(
        tmp_path, ("threshold", "treshold"), ("target_5xx_percent", "target_5xx_count"), ("id: an", "id: AN")
    )
    assert [(one.level, one.line) for one in findings] == [("error", 2), ("error", 11), ("error", 11)]


def test_findings_are_in_the_order_of_the_file(tmp_path: Path):
    findings = found(
        tmp_path, ("target_5xx_percent", "target_5xx_count"), ("  users: {min_requests: 100, max_failed: 0}\n", "")
    )
    assert [one.line for one in findings] == [11, 13]


def test_file_that_is_not_there_is_one_error(tmp_path: Path):
    assert lint(tmp_path / "none.yaml") == [Finding("error", 0, "there is no such file")]


def test_folder_is_one_error(tmp_path: Path):
    assert lint(tmp_path) == [Finding("error", 0, "this is a folder; name a scenario file")]
