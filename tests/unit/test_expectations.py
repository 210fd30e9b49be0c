"""Verdicts from journals made in memory: each expectation met, unmet and inconclusive."""

import json
import time
from typing import Any

import pytest

from harness import journal as j
from harness.expectations import Judgement, Result, judge
from harness.expectations.versions import in_routing_order, matches
from tests.unit import story
from tests.unit.story import T0

EXPECTED: dict[str, Any] = {
    "outcome": "rolled_back",
    "failed_at": "AllowTraffic",
    "cause": "alarm",
    "versions_seen": ["v1", ["v1", "v2"], "v1"],
    "live_at_end": "v1",
    "users": {"max_failed": 30, "max_failed_percent": 5, "max_unavailable": "1s", "max_p95": "500ms"},
    "rollback": {"within": "10s", "of": "alarm"},
    "green_production_requests": {"max": 0},
    "events": ["Install", "AllowTraffic"],
}
WRONG: dict[str, Any] = {
    "outcome": "rolled_back",
    "failed_at": "Install",
    "cause": "timeout",
    "versions_seen": ["v1", "v2"],
    "live_at_end": "v2",
    "users": {"max_failed": 1, "max_failed_percent": 1, "max_unavailable": "50ms", "max_p95": "1ms"},
    "rollback": {"within": "1s", "of": "alarm"},
    "events": ["AllowTraffic", "Install"],
}


def verdicts(judgement: Judgement) -> dict[str, str]:
    return {one.name: one.verdict for one in judgement.results}


def result(judgement: Judgement, name: str) -> Result:
    return next(one for one in judgement.results if one.name == name)


def succeeding(**expect: Any) -> Any:
    return story.scenario({"outcome": "succeeded", **expect})


def test_every_expectation_of_a_rollback_is_met():
    judgement = judge(story.rolled_back(story.scenario(EXPECTED)))
    assert set(verdicts(judgement).values()) == {"met"}
    assert (judgement.verdict, judgement.outcome, len(judgement.results)) == ("met", "rolled_back", 13)


def test_every_wrong_expectation_is_unmet():
    found = verdicts(judge(story.rolled_back(story.scenario(WRONG))))
    assert {name for name, verdict in found.items() if verdict != "unmet"} == {"outcome", "users.min_requests"}


def test_too_few_requests_make_what_users_met_inconclusive():
    expect = EXPECTED | {"users": {**EXPECTED["users"], "min_requests": 5000}}
    found = verdicts(judge(story.rolled_back(story.scenario(expect))))
    unknown = {name for name, verdict in found.items() if verdict == "inconclusive"}
    assert unknown == {"versions_seen", *(name for name in found if name.startswith("users."))}


def test_run_without_a_steady_state_names_every_expectation_and_judges_none():
    of = story.scenario(EXPECTED)
    judgement = judge([story.started(of), j.SteadyState(at=T0, reached=False, detail="0 of 2 tasks running")])
    assert set(verdicts(judgement).values()) == {"inconclusive"}
    assert "0 of 2 tasks running" in judgement.why
    assert {"outcome", "cause", "events", "users.max_p95", "rollback.within"} <= set(verdicts(judgement))


def test_unsupported_run_judges_nothing_and_says_why():
    of = story.scenario(EXPECTED)
    judgement = judge([story.started(of), j.Trouble(at=T0, step="unsupported", message="not built", fatal=True)])
    assert (judgement.verdict, judgement.why) == ("unsupported", "not built")
    assert set(verdicts(judgement).values()) == {"unsupported"}


def test_journal_that_breaks_off_in_the_middle_is_never_met_nor_unmet_for_what_was_still_to_come():
    events = story.happy(succeeding(live_at_end="v2", versions_seen=["v1", ["v1", "v2"], "v2"]))
    cut = [one for one in events if one.at < T0 + 20]
    judgement = judge(cut)
    assert judgement.verdict == "inconclusive"
    assert "met" not in verdicts(judgement).values()
    assert "unmet" not in verdicts(judgement).values()


def test_failures_before_a_run_broke_off_stay_a_finding():
    of = story.scenario({"outcome": "rolled_back", "users": {"max_failed": 0}})
    events = [one for one in story.rolled_back(of) if one.at < T0 + 21]
    assert verdicts(judge(events))["users.max_failed"] == "unmet"


def test_traffic_that_broke_off_before_the_end_does_not_say_what_was_live_then():
    """Locust's master died a second before the deployment ended, at which green took over: the last answers are blue's."""
    of = succeeding(live_at_end="v2", versions_seen=["v1", "v2"])
    requests = story.traffic(-2, 39, "v1")
    events = [story.deployment(), *story.lifecycle(), *story.weights((39.5, 100)), *requests]
    told = {
        name: verdicts(judge(story.told(of, *events, complete=complete, reason=why)))["live_at_end"]
        for name, complete, why in (("broke off", False, "settle: the probe: broke off"), ("ended", True, ""))
    }
    assert told == {"broke off": "inconclusive", "ended": "unmet"}


def test_rollback_that_succeeded_is_never_a_success():
    judgement = judge(story.rolled_back(story.scenario({"outcome": "succeeded"})))
    assert (judgement.verdict, judgement.outcome) == ("unmet", "rolled_back")


def test_rollback_that_is_not_seen_yet_leaves_the_outcome_open():
    of = story.scenario(EXPECTED)
    events = [
        one for one in story.rolled_back(of) if not (isinstance(one, j.DeploymentSeen) and one.id == story.ROLLBACK)
    ]
    assert verdicts(judge(events))["outcome"] == "inconclusive"


# ---- users


def test_one_failure_of_many_exceeds_zero_percent():
    of = succeeding(users={"max_failed_percent": 0})
    events = story.happy(of)
    many = story.traffic(0.5, 13, "v1", rate=4000)
    judgement = judge([*events[:5], *many, story.request(5, status=502, version=None), *events[5:]])
    assert result(judgement, "users.max_failed_percent").verdict == "unmet"
    assert result(judgement, "users.max_failed_percent").measured != 0


def test_users_who_never_got_a_good_answer_are_unavailable_for_a_finite_time():
    of = succeeding(users={"max_unavailable": "1h"})
    requests = story.traffic(-2, 48, "v1", status=503)
    judgement = judge(story.told(of, *requests, story.deployment(), *story.lifecycle(), *story.ended(requests)))
    gap = result(judgement, "users.max_unavailable")
    assert gap.verdict == "unmet"
    assert json.loads(json.dumps(gap.measured, allow_nan=False)) == pytest.approx(50, abs=0.1)


def test_probe_that_fell_silent_before_the_deployment_ended_proves_nothing():
    of = succeeding(users={"max_failed": 0}, versions_seen=["v1"], live_at_end="v1")
    requests = story.traffic(-2, 12, "v1")
    found = verdicts(judge(story.told(of, *requests, story.deployment(), *story.lifecycle())))
    assert {found["users.max_failed"], found["versions_seen"], found["live_at_end"]} == {"inconclusive"}


def test_latency_is_inconclusive_where_the_probe_itself_was_late():
    of = succeeding(users={"max_p95": "1s", "max_failed": 0})
    requests = story.traffic(-2, 48, "v2")
    late = story.ended(requests, late=len(requests) // 2)
    found = verdicts(judge(story.told(of, *requests, story.deployment(), *story.lifecycle(), *late)))
    assert (found["users.max_p95"], found["users.max_failed"]) == ("inconclusive", "met")


# ---- versions


def test_order_of_sending_and_of_routing_may_differ_by_milliseconds():
    requests = [story.request(0.1 * index, "v1") for index in range(10)]
    requests += [story.request(1.000, "v2"), story.request(1.005, "v1"), story.request(1.1, "v2")]
    assert [name for _, name in in_routing_order(requests)][-4:] == ["v1", "v1", "v2", "v2"]


def test_stray_answer_outside_the_tolerance_is_seen():
    of = succeeding(versions_seen=["v1", "v2"])
    stray = story.request(40, "v1")
    requests = [*story.traffic(-2, 20, "v1"), *story.traffic(20, 48, "v2"), stray]
    judgement = judge(story.told(of, *requests, story.deployment(), *story.lifecycle(), *story.ended(requests)))
    assert result(judgement, "versions_seen").verdict == "unmet"


@pytest.mark.parametrize(
    ("seen", "wanted", "met"),
    [
        ("aab", "a b", True),
        ("ab", "a b a", False),
        ("aabb", "a ab b", True),
        ("aababbb", "a ab b", True),
        ("aaba", "a ab a", True),
        ("aa", "a b", False),
        ("aabba", "a b", False),
        ("", "a", False),
        ("aa", "", False),
    ],
)
def test_phases_match_in_order_with_nothing_between(seen: str, wanted: str, met: bool):
    answers = [(2.0 * place + tenth / 10, version) for place, version in enumerate(seen) for tenth in range(20)]
    assert matches(answers, [frozenset(phase) for phase in wanted.split()]) is met


def at_20_a_second(seen: str) -> list[tuple[float, str]]:
    """`a10 m5 b3`: seconds of a alone, of a and b in turn, of b alone."""
    versions: list[str] = []
    for part in seen.split():
        count = round(20 * float(part[1:]))
        versions += {"a": ["a"] * count, "b": ["b"] * count, "m": [*("aaab" * count)][:count]}[part[0]]
    return [(index / 20, version) for index, version in enumerate(versions)]


@pytest.mark.parametrize(
    ("seen", "wanted", "met"),
    [
        ("a5 m5 b5", "a ab b", True),
        ("a5 m5 a5", "a ab a", True),
        ("a5 m5 a5", "a ab a ab", False),  # one answer of a in the middle of the mixture is no phase
        ("a5 m5 b5", "a ab b ab", False),
        ("a5 m5", "a ab", True),
        ("a5 m5", "a ab a", False),  # it ends with a few of a
        ("a5 m5 a9", "a ab", False),  # everybody went back
        ("a5 b5 a5", "a b a", True),
        ("a5 b1 a5", "a b a", False),
        ("a1 b5", "a b", True),
    ],
)
def test_phase_is_no_phase_because_of_a_single_answer(seen: str, wanted: str, met: bool):
    assert matches(at_20_a_second(seen), [frozenset(phase) for phase in wanted.split()]) is met


def tenth_of_green(seconds: float, *, by_chance: float) -> list[tuple[float, str]]:
    """Three seconds of v1, then a tenth of v2 at 20 requests/s, and last the seconds in which v2 happened to have none."""
    mix = ["v1", "v2", *["v1"] * 8] * round(2 * seconds)
    versions = ["v1"] * 60 + mix + ["v1"] * round(20 * by_chance - 8)
    return [(index / 20, version) for index, version in enumerate(versions)]


BACK_ON_BLUE: dict[str, Any] = {"versions_seen": ["v1", ["v1", "v2"], "v1"]}


@pytest.mark.parametrize(
    ("by_chance", "wanted", "verdict"),
    [
        (1.7, BACK_ON_BLUE, "inconclusive"),  # comes 3 times in 100
        (1.7, {"versions_seen": ["v1", ["v1", "v2"]]}, "met"),
        (1.0, BACK_ON_BLUE, "unmet"),
        (6.0, BACK_ON_BLUE, "met"),
        (6.0, {"versions_seen": ["v1", ["v1", "v2"]]}, "unmet"),
    ],
)
def test_seconds_of_one_version_beside_a_mixture_are_no_phase_where_chance_brings_them(
    by_chance: float, wanted: dict[str, Any], verdict: str
):
    answers = tenth_of_green(6, by_chance=by_chance)
    requests = [story.request(sent - 1, version) for sent, version in answers]
    ended = story.deployment(completed=answers[-1][0] - 1)
    judgement = judge(story.told(succeeding(**wanted), *requests, ended, *story.lifecycle(), *story.ended(requests)))
    assert result(judgement, "versions_seen").verdict == verdict


def test_seconds_of_one_version_before_a_mixture_are_no_phase_where_chance_brings_them():
    mirrored = [(-sent, version) for sent, version in reversed(tenth_of_green(6, by_chance=1.7))]
    began = [(mirrored[0][0] - 3 + index / 20, "v2") for index in range(60)]
    v1, v2, mixed = frozenset({"v1"}), frozenset({"v2"}), frozenset({"v1", "v2"})
    assert not matches(began + mirrored, [v2, v1, mixed])
    assert matches(began + mirrored, [v2, v1, mixed], chance=1)
    assert matches(began + mirrored, [v2, mixed])


def test_answers_that_do_not_match_are_judged_in_a_time_that_grows_with_their_number():
    def cost(pairs: int) -> float:
        answers = [(index / 20, version) for index, version in enumerate(["v1", "v2"] * pairs + ["v1"])]
        began = time.process_time()
        assert not matches(answers, phases)
        return time.process_time() - began

    phases = [frozenset({"v1"}), frozenset({"v1", "v2"}), frozenset({"v2"})]
    assert cost(50_000) < 50 * max(cost(5_000), 0.001)  # backtracking would be hundreds of times


def test_version_that_nobody_names_at_the_end_is_not_live():
    of = succeeding(live_at_end="v2")
    requests = story.traffic(-2, 44, "v2") + story.traffic(44, 48, "v2", status=502)
    last = [one.model_copy(update={"version": None}) if one.status == 502 else one for one in requests]
    judgement = judge(story.told(of, *last, story.deployment(), *story.lifecycle(), *story.ended(last)))
    assert (result(judgement, "live_at_end").measured, result(judgement, "live_at_end").verdict) == ("nobody", "unmet")


@pytest.mark.parametrize(
    ("early", "verdict"),
    [(story.request(5, "v2"), "unmet"), (story.request(20, "v2"), "met"), (story.request(5, None), "met")],
)
def test_green_production_requests_counts_answers_before_the_shift(early: Any, verdict: str):
    of = succeeding(green_production_requests={"max": 0})
    assert verdicts(judge(story.happy(of, early)))["green_production_requests"] == verdict


def test_green_production_requests_is_inconclusive_where_no_answer_names_a_version():
    of = succeeding(green_production_requests={"max": 0})
    requests = story.traffic(-2, 48, "")
    events = story.told(of, *requests, story.deployment(), *story.lifecycle(), *story.ended(requests))
    nameless = [one.model_copy(update={"version": None}) if isinstance(one, j.RequestDone) else one for one in events]
    assert verdicts(judge(nameless))["green_production_requests"] == "inconclusive"


# ---- rollback


def test_rollback_seconds_run_from_the_alarm_until_blue_has_all_of_production():
    of = story.scenario(EXPECTED)
    assert result(judge(story.rolled_back(of)), "rollback.within").measured == pytest.approx(3.4, abs=0.01)


def test_rollback_is_not_over_while_green_still_answers():
    of = story.scenario(EXPECTED)
    late = story.request(31, "v2")
    assert result(judge(story.rolled_back(of, late)), "rollback.within").measured == pytest.approx(9, abs=0.01)


def test_rollback_from_a_trigger_that_was_not_seen_is_inconclusive():
    of = story.scenario(EXPECTED | {"rollback": {"within": "10s", "of": "give_up"}})
    assert verdicts(judge(story.rolled_back(of)))["rollback.within"] == "inconclusive"


def test_rollback_that_never_came_is_unmet():
    of = story.scenario({"outcome": "rolled_back", "rollback": {"within": "10s", "of": "failure"}})
    requests = story.traffic(-2, 48, "v1")
    events = story.told(of, *requests, *story.lifecycle("Install", 20.0), story.deployment("Failed", 20.0))
    assert verdicts(judge(events))["rollback.within"] == "unmet"


def test_event_of_no_duration_does_not_change_the_order():
    names = ["AfterInstall", "AllowTestTraffic", "AfterAllowTestTraffic"]
    of = succeeding(events=names)
    at = {"started": T0 + 1, "ended": T0 + 1}
    seen = [
        j.LifecycleSeen(at=T0 + 1, deployment=story.DEPLOYMENT, name=name, status="Succeeded", **at)
        for name in reversed(names)
    ]
    assert verdicts(judge(story.told(of, *seen, story.deployment())))["events"] == "met"


def test_journal_without_its_beginning_is_invalid():
    with pytest.raises(j.JournalInvalid, match="no RunStarted"):
        judge([j.RunEnded(at=T0, complete=True)])


def test_what_the_target_cannot_show_is_unsupported_whatever_was_measured():
    of = story.scenario(EXPECTED)
    told = {"outcome": "its 5xx are not told apart", "users": "it cuts requests in flight"}
    events = [
        one.model_copy(update={"not_shown": told}) if isinstance(one, j.RunStarted) else one
        for one in story.rolled_back(of)
    ]
    judgement = judge(events)
    found = verdicts(judgement)
    not_judged = {name for name, verdict in found.items() if verdict == "unsupported"}
    assert not_judged == {"outcome", *(name for name in found if name.startswith("users."))}
    assert {found[name] for name in found.keys() - not_judged} == {"met"}
    assert judgement.verdict == "unsupported"
    assert judgement.why == "outcome: its 5xx are not told apart"
    assert next(one for one in judgement.results if one.name == "outcome").measured is None
