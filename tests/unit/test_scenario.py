"""The scenario language: each mistake has its line, its column and what would be right."""

from pathlib import Path
from typing import Any, get_args

import pytest

from harness import scenario
from harness.driver import ecs
from harness.errors import ScenarioInvalid
from harness.scenario import Fault, Scenario, as_duration, duration, nearest, rate
from harness.scenario.model import FaultKind
from harness.targets import local
from tests.unit.example import EXAMPLE, Change, changed, complaints, only, place


def written(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "a.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def refused(path: Path) -> ScenarioInvalid:
    with pytest.raises(ScenarioInvalid) as caught:
        scenario.load(path)
    return caught.value


# ---- what is right


def test_example_loads(tmp_path: Path):
    told = scenario.load(written(tmp_path, EXAMPLE))
    assert (told.id, told.title.ko, told.versions) == ("an-example", "예", {"blue": "v1", "green": "v2"})
    assert (told.deploy.test_listener, told.service.health_check.interval, told.traffic.rate) == (True, 5.0, 20.0)
    assert [action.do for action in told.during] == ["stop"]


def test_file_with_a_byte_order_mark_loads(tmp_path: Path):
    assert scenario.load(written(tmp_path, b"\xef\xbb\xbf" + EXAMPLE.encode())).id == "an-example"


def test_version_or_versions_of_a_phase_may_be_written_alone_or_as_a_list():
    told, _ = scenario.examine(changed(("", "  versions_seen: [v1, [v1, v2], [v1]]\n")))
    assert told is not None
    assert told.expect.versions_seen == (("v1",), ("v1", "v2"), ("v1",))


def test_config_of_ones_own_is_a_canary_or_linear():
    old = "CodeDeployDefault.ECSCanary10Percent5Minutes"
    canary, _ = scenario.examine(changed((old, "{canary: {percent: 20, interval: 3m}}")))
    linear, _ = scenario.examine(changed((old, "{linear: {percent: 40, interval: 2m}}")))
    assert canary is not None
    assert linear is not None
    assert [(one.weight, one.wait) for one in canary.deploy.config.shifts] == [(20, 180), (100, 0)]
    assert [(one.weight, one.wait) for one in linear.deploy.config.shifts] == [(40, 120), (80, 120), (100, 0)]


@pytest.mark.parametrize(
    "action",
    [
        "do: stop",
        "do: stop, rollback: false",
        "do: continue",
        "do: scale, to: 4",
        "do: kill_task, of: blue",
        "do: kill_task, of: green, weight: 10",
        "do: deploy, to: v1, error: DeploymentLimitExceededException",
        "do: repoint_listener, to: blue",
        "do: repoint_listener, to: green, listener: test",
        "do: set_alarm, alarm: 5xx, state: OK",
    ],
)
def test_every_action_loads(action: str):
    told, problems = scenario.examine(changed(("do: stop, rollback: true", action)))
    assert not problems
    assert told is not None
    assert told.during[0].after == 20.0


@pytest.mark.parametrize("moment", [*scenario.LIFECYCLE_EVENTS, "Ready", "Succeeded"])
def test_every_moment_loads(moment: str):
    assert not complaints(changed(("at: AllowTraffic", f"at: {moment}"), ("hooks:", "ready_wait: 1m\n  hooks:")))


def test_prose_does_not_change_the_hash_and_the_rest_does():
    loads = [
        scenario.examine(text)[0]
        for text in (
            EXAMPLE,
            changed(("An example", "Another title")),
            changed(("threshold: 5", "threshold: 6")),
        )
    ]
    hashes = [one.hash for one in loads if one is not None]
    assert hashes[0] == hashes[1] != hashes[2]


# ---- faults ride in the release


def fault(kind: str, **options: Any) -> Fault:
    return Fault.model_validate({"kind": kind, **options})


@pytest.mark.parametrize(
    ("broken", "environment"),
    [
        (
            fault("http_status", status=503, where="test", path="/a", after="1500ms", percent=12.5),
            {"STATUS": "503", "WHERE": "test", "PATH": "/a", "AFTER": "1.5", "PERCENT": "12.5"},
        ),
        (fault("http_status", where="all"), {"WHERE": "all"}),
        (fault("latency", seconds=3, where="production"), {"SECONDS": "3", "WHERE": "production"}),
        (fault("wrong_body", where="health"), {"WHERE": "health"}),
        (fault("crash", after="30s"), {"AFTER": "30"}),
        (fault("oom", after="1m"), {"AFTER": "60"}),
        (fault("unhealthy", after="10s"), {"AFTER": "10"}),
        (fault("slow_start", seconds=40), {"SECONDS": "40"}),
        (fault("exit_on_sigterm"), {}),
        (fault("ignore_sigterm"), {}),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else "",
)
def test_fault_of_the_app_is_an_environment(broken: Fault, environment: dict[str, str]):
    expected = {f"FAULT_{name}": value for name, value in {"KIND": broken.kind, **environment}.items()}
    assert broken.environment() == expected


def test_every_kind_of_the_language_is_known():
    assert set(get_args(FaultKind)) == {
        *("http_status", "latency", "crash", "slow_start", "exit_on_sigterm", "ignore_sigterm", "wrong_body"),
        *(
            "unhealthy",
            "oom",
            "missing_tag",
            "wrong_architecture",
            "wrong_container_port",
            "wrong_app_spec_port",
            "too_much_memory",
        ),
    }


@pytest.mark.parametrize(
    ("kind", "image", "port"),
    [
        ("missing_tag", "sampleapp:v2-never-pushed", 8080),
        ("wrong_architecture", "sampleapp:v2-wrong-architecture", 8080),
        ("wrong_container_port", "sampleapp:v2", 8081),
        ("too_much_memory", "sampleapp:v2", 8080),
    ],
)
def test_fault_of_image_or_task_definition_is_no_environment(kind: str, image: str, port: int):
    told, _ = scenario.examine(changed(("{version: v2}", f"{{version: v2, fault: {{kind: {kind}}}}}")))
    assert told is not None
    green = told.release.to
    assert green.fault is not None
    assert green.fault.environment() == {}
    assert (ecs.image_of(told.service, green), ecs.container_port(told.service, green)) == (image, port)


def test_task_that_asks_for_too_much_memory_is_unsupported_where_capacity_is_not_counted():
    told, _ = scenario.examine(changed(("{version: v2}", "{version: v2, fault: {kind: too_much_memory}}")))
    assert told is not None
    assert "capacity is not counted" in (local.unsupported(told) or "")


def test_native_controller_loads_and_is_unsupported():
    told, _ = scenario.examine(changed(("  hooks:", "  controller: ecs\n  hooks:")))
    assert told is not None
    assert "not built yet" in (local.unsupported(told) or "")


# ---- unknown keys, with the nearest known one


@pytest.mark.parametrize(
    ("change", "part", "says"),
    [
        (("deploy:", "deploi:"), "deploi", "`deploi` is no key; did you mean `deploy`?"),
        (("threshold: 5", "treshold: 5"), "treshold", "`treshold` is no key in `5xx`; did you mean `threshold`?"),
        (("rollback: true", "rolback: true"), "rolback", "`rolback` is no key in `stop`; did you mean `rollback`?"),
        (("get: /", "get: /, sattus: 1"), "sattus", "`sattus` is no key in `AfterAllowTestTraffic`; did you mean `status`?"),
        (("  hooks:", "  hocks:"), "hocks", "`hocks` is no key in `deploy`; did you mean `hooks`?"),
        (("AfterAllowTestTraffic", "AfterTestTraffic"), "AfterTestTraffic",
         "`AfterTestTraffic` is no key in `hooks`; did you mean `AfterAllowTestTraffic`?"),
        (("", "  zzz: 1\n"), "zzz", "`zzz` is no key in `expect`; known here: outcome, failed_at, cause"),
        (("", "steady_state: {for_: 3s}\n"), "for_", "`for_` is no key in `steady_state`; did you mean `for`?"),
        (("", "  rollback: {within_seconds: 2m, of: alarm}\n"), "within_seconds", "did you mean `within`?"),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)  # fmt: skip
def test_unknown_key_names_the_nearest(change: Change, part: str, says: str):
    text = changed(change)
    found = [problem for problem in complaints(text) if says in problem[2]]
    assert [problem[:2] for problem in found] == [place(text, part)]


def test_error_names_file_line_and_column(tmp_path: Path):
    path = written(tmp_path, changed(("threshold: 5", "treshold: 5")))
    error = refused(path)
    assert (error.line, error.column) == (10, 12)
    assert str(error).startswith(f"{path}:10:12: `threshold` is missing")
    assert f"{path}:10:46: `treshold` is no key in `5xx`; did you mean `threshold`?" in str(error)


def test_nearest_is_the_same_letters_or_the_same_first_words():
    assert nearest("hook_failure", ["alarm", "hook", "failure"]) == "; did you mean `hook`?"
    assert (
        nearest("max_failed_percentage", ["max_failed", "max_failed_percent"]) == "; did you mean `max_failed_percent`?"
    )
    assert nearest("qqq", ["alarm", "hook"]) == ""


# ---- values


@pytest.mark.parametrize(
    ("change", "part", "says"),
    [
        (("20s", "20"), "20, do", "`after`: 20 is not a duration: it needs a number and a unit (ms, s, m or h); did you mean 20s?"),
        (("20s", "20 s"), "20 s", "`after`: 20 s is not a duration"),
        (("20s", "-20s"), "-20s", "`after`: -20s is not a duration"),
        (("20s", "20sec"), "20sec", "`after`: 20sec is not a duration"),
        (("20s", "true"), "true, do", "`after`: True is not a duration"),
        (("20s", '"20s\\n"'), '"20s\\n"', "is not a duration"),
        (("period: 1m", "period: 30s"), "30s", "`period` is 30s; it must be at least 60 s"),
        (("", "traffic: {rate: 20}\n"), "20}", "`rate`: 20 is not a rate; write one like 20/s or 90/m"),
        (("", "traffic: {rate: 0/s}\n"), "0/s", "it must be more than 0 and at most 1000"),
        (("", "traffic: {path: slow}\n"), "slow", "`path` is 'slow'; it must start with / and hold no blanks"),
        (("", "service: {desired_count: 2.5}\n"), "2.5", "`desired_count` is 2.5; it must be a whole number"),
        (("", "service: {desired_count: 0}\n"), "0}", "`desired_count` is 0; it must be at least 1"),
        (("", "service: {memory: lots}\n"), "lots", "`memory` is lots; it must be a whole number"),
        (("", "service: {environment: {A: 1}}\n"), "1}}", "`A` is 1, which YAML reads as a number; put it in quotes"),
        (("", "service: {health_check: {matcher: OK}}\n"), "OK", "`matcher` is 'OK'; it takes HTTP codes"),
        (("", "service: none\n"), "none", "`service` must be a mapping, not `none`"),
        (("", "tags: core\n"), "core", "`tags` must be a list, not `core`"),
        (("{version: v2}", "{version: 2}"), "2}", "`version` is 2, which YAML reads as a number; put it in quotes"),
        (("{version: v2}", "{version: a b}"), "a b", "it must be fit for an image tag"),
        (("id: an-example", "id: An Example"), "An Example", "it takes at most 48 lower-case letters, digits and hyphens"),
        (('title: {en: "An example", ko: "예"}', "title:"), "title", "`title`: write text"),
        (("scenario: v1", "scenario: v2"), "v2", "`scenario` is v2; it must be v1"),
        (("do: stop", "do: stopp"), "{at: ", "`do` is stopp; it must be stop, continue"),
        (("do: stop, rollback: true", "to: v2"), "{at: ", "`do` is missing; write what to do, such as `do: stop`"),
        (("do: stop, rollback: true", "do: scale"), "{at: ", "`to` is missing in `scale`"),
        (("do: stop, rollback: true", "do: kill_task, of: red"), "red", "`of` is red; it must be blue or green"),
        (("rollback: true", 'rollback: "true"'), '"true"', "it must be true or false, without quotes"),
        (("at: AllowTraffic", "at: AlowTraffic"), "AlowTraffic", "did you mean `AllowTraffic`?"),
        (("Canary10Percent5Minutes", "Canary10Percent"), "CodeDeploy", "`config` is CodeDeployDefault.ECSCanary10Percent; it must be"),
        (("CodeDeployDefault.ECSCanary10Percent5Minutes", "{}"), "{}", "`config`: write one of: a predefined name"),
        (("5xx: {", '"5 xx": {'), '"5 xx"', "`5 xx` is no name in `alarms`; it takes letters, digits"),
        (("outcome: rolled_back", "outcome: rolledback"), "rolledback", "did you mean `rolled_back`?"),
        (("", "  versions_seen: [v1, 2]\n"), "2]", "2 is not text; write a version, in quotes where it is a number"),
        (("", "5: x\n"), "5: x", "the key `5` is not text; put it in quotes"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 12 else "",
)  # fmt: skip
def test_value_that_is_wrong_says_what_would_be_right(change: Change, part: str, says: str):
    text = changed(change)
    line, column, message = only(change)
    assert says in message
    assert "\n" not in message or "\\n" in text
    assert (line, column) == place(text, part)


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ("kind: crash, status: 500", "a crash fault has no `status`; its options are after"),
        ("kind: oom, seconds: 3", "a oom fault has no `seconds`; its options are after"),
        ("kind: missing_tag, after: 3s", "a missing_tag fault has no `after`; it has no options"),
        ("kind: http_status, seconds: 3", "a http_status fault has no `seconds`"),
        ("kind: latency, seconds: 3s", "`seconds` is 3s; it must be a number"),
        ("kind: http_status, where: everywhere", "`where` is everywhere; it must be production, test, health or all"),
        ("kind: http_sttus", "did you mean `http_status`?"),
        ("kind: http_status, percent: 200", "`percent` is 200; it must be at most 100"),
    ],
)
def test_fault_that_cannot_be_says_what_would_be_right(told: str, says: str):
    assert says in only(("{version: v2}", f"{{version: v2, fault: {{{told}}}}}"))[2]


def test_every_strange_option_of_a_fault_is_named():
    found = complaints(changed(("{version: v2}", "{version: v2, fault: {kind: crash, status: 500, seconds: 3}}")))
    assert len(found) == 2


@pytest.mark.parametrize(
    ("text", "seconds"), [("5s", 5), ("250ms", 0.25), ("1.5m", 90), ("2h", 7200), ("0m", 0), ("0.1s", 0.1)]
)
def test_duration_is_read_and_written(text: str, seconds: float):
    assert duration(text) == seconds
    assert duration(as_duration(seconds)) == seconds


@pytest.mark.parametrize("text", ["5", 5, 5.0, "", "s", "1e3s", "5S", "5s ", "5s\n", "５s", None, True, [5]])
def test_duration_that_is_none_is_refused(text: object):
    with pytest.raises(ValueError, match="is not a duration"):
        duration(text)


def test_rate_is_per_second_or_per_minute():
    assert (rate("20/s"), rate("90/m"), rate("0.5/s")) == (20, 1.5, 0.5)
    for text in ("20", 20, "20/h", "20/s\n", "-1/s", None):
        with pytest.raises(ValueError, match="is not a rate"):
            rate(text)


# ---- YAML's traps


@pytest.mark.parametrize(
    ("change", "part", "says"),
    [
        (("", "on: push\n"), "on: push", 'a key `on` is true to some YAML readers; put it in quotes: "on"'),
        (("", "traffic: {y: 1}\n"), "y: 1", "a key `y` is true"),
        (("  hooks:", "  test_listener: no\n  hooks:"), "no\n", 'a bare `no` is false to some YAML readers and text to others'),
        (("rollback: true", "rollback: Yes"), "Yes", "a bare `Yes` is true to some YAML readers"),
        (("", "tags: [on]\n"), "on]", "a bare `on` is true"),
        (('"An example", ko: "예"', "a, b"), "b}", "`b` has no value: inside {...} a comma ends the text before it; put that"),
        (("", "id: again\n"), "id: again", "`id` is given twice; the first is in line 2"),
        (("metric:", "period: 2m, metric:"), "period: 1m", "`period` is given twice; the first is in line 10"),
        (('{en: "An example", ko: "예"}', "5xx: alarm"), ": alarm", "put text that holds a colon in quotes"),
        (("", "service:\n\tcpu: 256\n"), "\tcpu", "YAML indents with spaces, not tabs"),
        (("", "---\nscenario: v1\n"), "---", "a second document starts here; one file holds one scenario"),
        (("", "why: *nowhere\n"), "*nowhere", "not YAML: found undefined alias 'nowhere'"),
        (("", 'why: "\0"\n'), "\0", "the character '\\x00' is not allowed in it"),
        (("", "service: &it {environment: *it}\n"), "&it", "this part contains itself"),
        (("", "why: !!python/name:os.system x\n"), "!!python", "could not determine a constructor"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 12 and value.isprintable() else "",
)  # fmt: skip
def test_trap_of_yaml_is_caught_by_name(change: Change, part: str, says: str):
    line, column, message = only(change)
    assert says in message
    assert (line, column) == place(changed(change), part)


@pytest.mark.parametrize("word", ['"no"', "'on'", "nonsense", "north"])
def test_word_that_is_no_trap_is_text(word: str):
    assert not complaints(changed(("", f"tags: [{word}]\n")))


def test_parts_that_lie_too_deeply_are_one_complaint():
    (problem,) = complaints(changed(("", f"why: {'[' * 3000}{']' * 3000}\n")))
    assert "parts lie too deeply" in problem[2]


# ---- several at once, and files that are none


def test_everything_that_is_wrong_is_said_at_once(tmp_path: Path):
    path = written(tmp_path, changed(("20s", "20"), ("threshold", "treshold"), ("id: an-example", "id: A")))
    lines = str(refused(path)).splitlines()
    assert [line.split(":")[1] for line in lines] == ["2", "10", "10", "13"]
    assert all(line.startswith(f"{path}:") for line in lines)


def test_all_that_is_missing_is_said():
    assert [message for _, _, message in complaints("scenario: v1\n")] == [
        f"`{name}` is missing" for name in ("expect", "id", "release", "title")
    ]


@pytest.mark.parametrize("text", ["", "\n", "# nothing but a comment\n"])
def test_empty_file_says_how_a_scenario_starts(tmp_path: Path, text: str):
    assert "the file is empty; a scenario starts with `scenario: v1`" in str(refused(written(tmp_path, text)))


@pytest.mark.parametrize("text", ["- scenario: v1\n", "scenario\n", "5\n"])
def test_file_that_is_no_mapping_says_so(tmp_path: Path, text: str):
    assert "a scenario is a mapping that starts with `scenario: v1`" in str(refused(written(tmp_path, text)))


def test_file_that_is_not_utf8_says_where(tmp_path: Path):
    error = refused(written(tmp_path, "scenario: v1\ntitle: 전환\n".encode("euc-kr")))
    assert (error.line, error.column) == (2, 8)
    assert "not UTF-8 text; save the file as UTF-8" in str(error)


def test_file_in_utf16_is_not_utf8(tmp_path: Path):
    assert "not UTF-8" in str(refused(written(tmp_path, EXAMPLE.encode("utf-16"))))


def test_folder_is_no_scenario(tmp_path: Path):
    assert str(refused(tmp_path)) == f"{tmp_path}: this is a folder; name a scenario file"


def test_file_that_is_not_there_says_so(tmp_path: Path):
    assert str(refused(tmp_path / "b.yaml")) == f"{tmp_path / 'b.yaml'}: there is no such file"


def test_every_error_is_a_usage_error(tmp_path: Path):
    assert refused(written(tmp_path, "")).exit_code == 2


# ---- the journal carries the whole scenario


def test_scenario_survives_being_written_as_json():
    told, _ = scenario.examine(EXAMPLE)
    assert told is not None
    again = Scenario.model_validate(told.model_dump(mode="json"))
    assert (again, again.hash) == (told, told.hash)
