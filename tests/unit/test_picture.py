"""The picture folded from a journal, and the journal read while it is written."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from harness import journal as j
from harness.picture import NEWS_KEPT, SECONDS_KEPT, Picture
from tests.unit import story
from tests.unit.story import T0

OF = story.scenario({"outcome": "succeeded"})


def picture(events: list[Any], until: float | None = None) -> Picture:
    """Of what was seen until `until` seconds after the deployment began."""
    made = Picture()
    for event in sorted(events, key=lambda one: one.at):
        if until is None or event.at <= T0 + until:
            made.add(event)
    return made


def running(*more: Any) -> list[Any]:
    shift = j.LifecycleSeen(
        at=T0 + 13.3, deployment=story.DEPLOYMENT, name="AllowTraffic", status="InProgress", started=T0 + 13.3
    )
    begun = j.DeploymentSeen.model_validate(story.deployment("InProgress", None).model_dump() | {"at": T0 + 0.3})
    return [story.started(OF), j.PhaseEntered(at=T0 - 1, phase="deploy"), begun, shift, *more]


def test_picture_shows_both_clocks_of_a_compressed_wait():
    wait = j.Waited(at=T0 + 13.4, why="after 10 %", declared=300, effective=12.5)
    told = picture(running(wait)).clocks(T0 + 18.4)
    assert told is not None
    assert told.name == "AllowTraffic"
    assert told.elapsed == pytest.approx(5.1)
    assert told.remaining == pytest.approx(7.5)
    assert told.aws_elapsed == pytest.approx(5.1 + 5 * 23)
    assert told.aws_remaining == pytest.approx(7.5 * 24)


def test_picture_does_not_foretell_what_ends_when_something_happens():
    install = j.LifecycleSeen(
        at=T0 + 0.5, deployment=story.DEPLOYMENT, name="Install", status="InProgress", started=T0 + 0.5
    )
    begun = [one for one in running() if not isinstance(one, j.LifecycleSeen)]
    told = picture([*begun, install]).clocks(T0 + 4.5)
    assert told is not None
    assert (told.name, told.remaining, told.aws_remaining) == ("Install", None, None)


def test_longest_gap_never_falls_while_answers_are_on_their_way():
    """The journal is read a moment after what it tells of: until an answer is overdue, nobody has missed it."""
    made = picture(running(*story.traffic(0, 18, "v1")))
    seen = [made.users.gap(T0 + 17.95 + late) for late in (0.0, 0.2, 0.4)]
    assert max(seen) < 0.1
    assert made.users.gap(T0 + 19) == pytest.approx(1.05, abs=0.01)


def test_news_are_told_in_both_languages():
    made = picture(
        running(
            *story.weights((13.4, 10)),
            j.TargetHealthSeen(at=T0 + 14, side="green", states={"healthy": 1, "draining": 2}),
            j.TaskStopped(at=T0 + 15, task="abcdef0123", side="blue", stop_code="X", reason="bye", exit_code=0),
        )
    )
    assert [(one["text"], one["ko"]) for one in made.news][-3:] == [
        ("production listener: blue 90 %, green 10 %", "프로덕션 리스너: 블루 90 %, 그린 10 %"),
        ("green target group: 1 healthy, 2 draining", "그린 대상 그룹: 정상 1, 드레이닝 2"),
        ("blue task abcdef01 stopped: bye, exit code 0", "블루 태스크 abcdef01 중지: bye, 종료 코드 0"),
    ]


def test_picture_in_real_time_has_one_clock():
    wait = j.Waited(at=T0 + 13.4, why="after 10 %", declared=300, effective=300)
    events = [story.started(OF, compression=1.0), *running(wait)[1:]]
    told = picture(events).clocks(T0 + 100)
    assert told is not None
    assert told.elapsed == pytest.approx(told.aws_elapsed)
    assert told.remaining == pytest.approx(told.aws_remaining)


def test_picture_counts_users_as_the_verdict_does():
    told = picture(story.rolled_back(OF))
    failed = sum(one.status == 500 for one in j.of(story.rolled_back(OF), j.RequestDone))
    assert told.users.failed == failed
    assert sum(one.failed for one in told.users.seconds) == failed
    assert told.users.requests == sum(one.blue + one.green + one.nobody + one.failed for one in told.users.seconds)


def test_picture_after_a_rollback_shows_the_rollback():
    told = picture(story.rolled_back(OF))
    assert told.deployment is not None
    assert told.deployment.id == story.ROLLBACK
    assert any(one["kind"] == "rollback" for one in told.news)
    assert told.failures()[0]["at"] >= told.failures()[-1]["at"]


def test_picture_is_bounded_however_long_the_run():
    made = Picture()
    made.add(story.started(OF))
    for number in range(20_000):
        made.add(story.request(number / 10, "v1", 500 if number % 3 else 200))
        made.add(j.Trouble(at=T0 + number, step="observe", message="x" * 5000))
    assert len(made.users.seconds) == SECONDS_KEPT
    assert len(made.news) == NEWS_KEPT
    assert sum(len(one["text"]) for one in made.news) < 10_000
    assert len(made.failures()) <= 5


def test_picture_puts_an_answer_that_comes_late_into_its_own_second():
    made = Picture()
    made.add(story.started(OF))
    for due in (0, 1, 2, 5):
        made.add(story.request(due))
    made.add(story.request(1.5, status=500, took=10))
    assert [(one.at - int(T0), one.blue, one.failed) for one in made.users.seconds] == [
        (0, 1, 0),
        (1, 1, 1),
        (2, 1, 0),
        (3, 0, 0),
        (4, 0, 0),
        (5, 1, 0),
    ]


def test_picture_forgets_a_task_that_has_stopped():
    seen = j.TaskSeen(at=T0 + 1, task="abc", side="green", version="v2", status="RUNNING")
    stopped = j.TaskStopped(at=T0 + 2, task="abc", side="green", stop_code="X", reason="over", exit_code=137)
    assert set(picture(running(seen)).tasks) == {"abc"}
    late = seen.model_copy(update={"at": T0 + 3})
    assert picture(running(seen, stopped, late)).tasks == {}


# ---- following


def test_follow_gives_each_event_as_it_is_written_and_ends_with_the_run(tmp_path: Path):
    events = story.happy(OF)
    got: list[j.Event] = []
    reader = threading.Thread(target=lambda: got.extend(j.follow(tmp_path / "x" / "journal.jsonl", every=0.01)))
    reader.start()
    with j.Journal(tmp_path / "x" / "journal.jsonl") as journal:
        for event in events:
            journal.write(event)
    reader.join(20)
    assert not reader.is_alive()
    assert got == events


def test_follower_keeps_a_half_line_until_its_rest_has_come(tmp_path: Path):
    path = tmp_path / "journal.jsonl"
    follower = j.Follower(path)
    assert follower.new() == []
    line = story.started(OF).model_dump_json()
    path.write_text(line[:50], encoding="utf-8")
    assert follower.new() == []
    with path.open("a", encoding="utf-8") as file:
        file.write(line[50:] + "\n" + line[:5])
    assert len(follower.new()) == 1
    assert follower.new() == []


def test_follower_says_which_line_it_cannot_read(tmp_path: Path):
    path = tmp_path / "journal.jsonl"
    path.write_text(story.started(OF).model_dump_json() + "\nnot json\n", encoding="utf-8")
    with pytest.raises(j.JournalInvalid, match=r"journal\.jsonl:2"):
        j.Follower(path).new()


def test_folding_a_request_costs_less_than_reading_it_from_the_journal(tmp_path: Path):
    requests = story.traffic(0, 200, "v1", rate=100)
    story.written(tmp_path, [story.started(OF), *requests])
    began = time.process_time()
    events = j.read(tmp_path / "journal.jsonl")
    read = time.process_time() - began
    made = Picture()
    for event in events:
        made.add(event)
    assert time.process_time() - began - read < 3 * read
