"""The rules between the parts of a scenario: each says where it is broken, and what would be right."""

import pytest

from tests.unit.example import Change, changed, complaints, only, place

CONFIG = "CodeDeployDefault.ECSCanary10Percent5Minutes"
DO = "do: stop, rollback: true"
STOP = "  - {at: AllowTraffic, after: 20s, do: stop, rollback: true}\n"
NO_HOOKS = ("  hooks: {AfterAllowTestTraffic: {get: /, via: test}}\n", "")
NO_ALARMS = ("  alarms: {5xx: {metric: target_5xx_percent, threshold: 5, period: 1m}}\n", "")
NO_TEST_LISTENER = ("  rollback_on:", "  test_listener: false\n  rollback_on:")
NO_TEST = (NO_TEST_LISTENER, NO_HOOKS)
NO_STOP = (f"during:\n{STOP}", "")


@pytest.mark.parametrize(
    ("changes", "part", "says"),
    [
        ([("{version: v2}", "{version: v1}")], "v1}\ndeploy", "`from` and `to` have the same version"),
        ([("", "service: {health_check: {timeout: 5s}}\n")], "5s}}", "the timeout must be shorter than the interval"),
        ([("period: 1m", "period: 90s")], "90s", "90s is not a whole number of minutes, and AWS takes nothing else here"),
        ([("  hooks:", "  ready_wait: 90s\n  hooks:")], "90s", "90s is not a whole number of minutes"),
        ([("  hooks:", "  terminate_blue_after: 1s\n  hooks:")], "1s\n", "1s is not a whole number of minutes"),
        ([(CONFIG, "{canary: {percent: 5, interval: 61s}}")], "61s", "61s is not a whole"),
        ([(CONFIG, "{linear: {percent: 1, interval: 60m}}")], "{linear", "takes 5940 minutes; it must take at most 2880"),
        ([NO_TEST_LISTENER], "{get: /", "AfterAllowTestTraffic needs `test_listener: true`"),
        ([NO_TEST_LISTENER, ("AfterAllowTestTraffic", "AfterInstall")], "test}}", "`via: test` needs `test_listener: true`"),
        ([*NO_TEST, ("at: AllowTraffic", "at: AllowTestTraffic")], "AllowTestTraffic", "AllowTestTraffic never comes without"),
        ([*NO_TEST, ("", "  events: [AfterAllowTestTraffic]\n")], "AfterAllowTestTraffic", "AfterAllowTestTraffic never comes without"),
        ([*NO_TEST, (DO, "do: repoint_listener, to: blue, listener: test")], "test}", "`listener: test` needs `test_listener: true`"),
        ([("threshold: 5", "threshold: 5, datapoints_to_alarm: 2")], "2, period", "only 1 periods are evaluated; it must be at most that"),
        ([NO_ALARMS, ("", "  cause: alarm\n")], "alarm\n", "`cause: alarm` needs an alarm in `deploy.alarms`"),
        ([(", DEPLOYMENT_STOP_ON_ALARM", ""), ("", "  cause: alarm\n")], "alarm\n", "needs DEPLOYMENT_STOP_ON_ALARM in"),
        ([NO_HOOKS, ("", "  cause: hook\n")], "hook\n", "`cause: hook` needs a hook in `deploy.hooks`"),
        ([NO_STOP, ("", "  cause: request\n")], "request\n", "`cause: request` needs a `do: stop` in `during`"),
        ([("", "  versions_seen: [v1, [v1, v3]]\n")], "[v1, v3]", "v3 is not released here; it must be v1 (from) or v2 (to)"),
        ([("", "  live_at_end: v3\n")], "v3", "v3 is not released here; it must be v1 (from) or v2 (to)"),
        ([(DO, "do: deploy, to: v3")], "v3", "v3 is not released here"),
        ([("[DEPLOYMENT_FAILURE, DEPLOYMENT_STOP_ON_ALARM]", "[]")], "rolled_back", "`rolled_back` needs `deploy.rollback_on`"),
        ([("rolled_back", "stopped"), ("", "  rollback: {within: 2m, of: request}\n")], "{within", "there is no rollback to measure"),
        ([NO_ALARMS, ("", "  rollback: {within: 2m, of: alarm}\n")], "alarm}", "`of: alarm` needs an alarm in `deploy.alarms`"),
        ([(", DEPLOYMENT_STOP_ON_ALARM", ""), ("", "  rollback: {within: 2m, of: alarm}\n")], "alarm}", "an alarm alone only stops"),
        ([NO_HOOKS, ("", "  rollback: {within: 2m, of: hook}\n")], "hook}", "`of: hook` needs a hook in `deploy.hooks`"),
        ([NO_STOP, ("", "  rollback: {within: 2m, of: request}\n")], "request}", "`of: request` needs a `do: stop` in `during`"),
        ([("rolled_back", "succeeded"), ("", "  failed_at: Install\n")], "Install\n", "a deployment that succeeded has no `failed_at`"),
        ([("rolled_back", "succeeded"), ("", "  cause: timeout\n")], "timeout", "a deployment that succeeded has no `cause`"),
        ([("at: AllowTraffic", "at: Ready")], "Ready", "Ready never comes without `deploy.ready_wait`"),
        ([(DO, "do: set_alarm, alarm: 4xx")], "4xx", "4xx is no alarm of this scenario; known: 5xx"),
        ([("at: AllowTraffic, after: 20s, " + DO, "at: Before, do: stop")], "stop}", "before the deployment there is nothing to stop"),
        ([("rolled_back", "stopped"), ("at: AllowTraffic", "at: RolledBack"), ("[DEPLOYMENT_FAILURE, DEPLOYMENT_STOP_ON_ALARM]", "[]")],
         "RolledBack", "RolledBack never comes without `deploy.rollback_on`"),
        ([("", "  versions_seen: [v1, [v1, v2], [v2, v1]]\n")], "[v2, v1]", "this phase is the same as the one before"),
        ([("", "  websockets: {min_cut: 1}\n")], "{min_cut", "`websockets` needs `traffic.websockets`"),
        ([("", "traffic: {workers: 9}\n")], "9}", "`workers` are Locust's: add `engine: locust`"),
        ([("", "traffic: {engine: locust, websockets: {count: 2}}\n")], "{count", "Locust's workers open no WebSockets"),
        ([("", "traffic: {engine: locust, workers: 4, sessions: 3}\n")], "3}", "`sessions` must be at least 4"),
        ([("", "service: {grace_period: 1.5s}\n")], "1.5s", "1.5s is not a whole number of seconds"),
        ([("", "service: {capacity: {host_port: 8080}}\n")], "8080", "not even blue fits: a fixed host port is taken once per instance"),
        ([("{get: /, via: test}", "{via: test}")], "{via", "say what it checks, such as `get: /`"),
        ([("", "service: {version_from: {}}\n")], "{}", "write one of: {header: X-App-Version}, {json: build.version}"),
        ([("after: 20s", "weight: 20")], "20, do", "production never gives green 20 %; it gives [10, 100]"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) > 20 else "",
)  # fmt: skip
def test_parts_that_do_not_fit_together_say_why(changes: list[Change], part: str, says: str):
    line, column, message = only(*changes)
    assert says in message
    assert (line, column) == place(changed(*changes), part)


def test_several_broken_rules_are_said_at_once():
    assert len(complaints(changed(NO_TEST_LISTENER, NO_ALARMS, ("", "  cause: alarm\n  live_at_end: v9\n")))) == 3


def test_alarm_that_is_not_in_rollback_on_may_be_the_cause_of_a_stop():
    changes = ("rolled_back", "stopped"), (", DEPLOYMENT_STOP_ON_ALARM", ""), ("", "  cause: alarm\n")
    assert complaints(changed(*changes)) == []
