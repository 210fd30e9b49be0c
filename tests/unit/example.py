"""A scenario as text, to be changed in one place and complained about."""

from harness import scenario

EXAMPLE = """\
scenario: v1
id: an-example
title: {en: "An example", ko: "예"}
release:
  from: {version: v1}
  to: {version: v2}
deploy:
  config: CodeDeployDefault.ECSCanary10Percent5Minutes
  hooks: {AfterAllowTestTraffic: {get: /, via: test}}
  alarms: {5xx: {metric: target_5xx_percent, threshold: 5, period: 1m}}
  rollback_on: [DEPLOYMENT_FAILURE, DEPLOYMENT_STOP_ON_ALARM]
during:
  - {at: AllowTraffic, after: 20s, do: stop, rollback: true}
expect:
  outcome: rolled_back
"""
Change = tuple[str, str]


def changed(*changes: Change) -> str:
    """The example, with each first text replaced by the second; a change of `""` is added at the end."""
    text = EXAMPLE
    for old, new in changes:
        assert not old or text.count(old) == 1, old
        text = text.replace(old, new) if old else text + new
    return text


def complaints(text: str) -> list[tuple[int, int, str]]:
    loaded, problems = scenario.examine(text)
    assert (loaded is None) == bool(problems)
    return [(line, column, message) for line, column, message in sorted(set(problems))]


def place(text: str, part: str) -> tuple[int, int]:
    """Line and column of the one `part` of `text` between « and »; the marks are not part of the text."""
    before = text[: text.index(part)]
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def only(*changes: Change) -> tuple[int, int, str]:
    """The one complaint about the changed example."""
    (problem,) = complaints(changed(*changes))
    return problem
