"""Words that the report, the dashboard and the terminal share, in English and Korean, and how a terminal's language is chosen.

AWS's own names, statuses and messages stay as AWS writes them. States and their symbols are in harness/look.py; words of one page
alone are beside it, in harness/report/words.py and harness/dashboard/words.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

LANGUAGES = ("en", "ko")


class Word(NamedTuple):
    en: str
    ko: str


class Said(Protocol):
    """Whatever is told in both languages: a Word, a Look."""

    @property
    def en(self) -> str: ...

    @property
    def ko(self) -> str: ...


SHARED: dict[str, Word] = {
    "verdict": Word("Verdict", "판정"),
    "expectation": Word("Expectation", "기대 조건"),
    "measured": Word("Measured", "측정값"),
    "limit": Word("Limit", "기준"),
    "requests": Word("requests", "요청"),
    "failed_requests": Word("failed", "실패"),
    "longest_gap": Word("longest gap", "최장 공백"),
    "rollback": Word("rollback", "롤백"),
    "rollback_status": Word("rollback {status}", "롤백 {status}"),
    "termination wait": Word("termination wait", "종료 대기"),
    "between events": Word("between events", "이벤트 사이"),
    "here": Word("here", "이 실행"),
    "on_aws": Word("on AWS", "AWS라면"),
    "elapsed": Word("elapsed", "경과"),
    "remaining": Word("remaining", "남음"),
    "until_it_happens": Word("until it happens", "일어날 때까지"),
    "no_targets": Word("no targets", "대상 없음"),
    "count_of": Word("{count} {state}", "{state} {count}"),
    "differs": Word("differs", "다름"),
    "only_in": Word("only in {run}", "{run}에만 있음"),
    "same_verdicts": Word("every verdict is the same", "모든 판정이 같음"),
    "verdicts_differ": Word("verdicts differ in: {scenarios}", "판정이 다른 시나리오: {scenarios}"),
}
# What changes in a run: the dashboard's and the terminal's lists.
NEWS: dict[str, Word] = {
    "news_run": Word("{target}, {runtime}", "{target}, {runtime}"),
    "news_unsteady": Word("no steady state: {why}", "안정 상태가 되지 않음: {why}"),
    "news_deployment": Word("deployment {id} {status}{why}", "배포 {id} {status}{why}"),
    "news_rollback": Word("rollback {id} {status}{why}", "롤백 {id} {status}{why}"),
    "news_event": Word("{name} {status}{why}", "{name} {status}{why}"),
    "news_weights": Word(
        "{route} listener: blue {blue} %, green {green} %", "{route} 리스너: 블루 {blue} %, 그린 {green} %"
    ),
    "news_targets": Word("{side} target group: {states}{why}", "{side} 대상 그룹: {states}{why}"),
    "news_task": Word("{side} task {task} {status}", "{side} 태스크 {task} {status}"),
    "news_stopped": Word("{side} task {task} stopped: {reason}", "{side} 태스크 {task} 중지: {reason}"),
    "news_stopped_code": Word(
        "{side} task {task} stopped: {reason}, exit code {code}",
        "{side} 태스크 {task} 중지: {reason}, 종료 코드 {code}",
    ),
    "news_alarm": Word("alarm {name}: {state}. {reason}", "경보 {name}: {state}. {reason}"),
    "news_action": Word("{action}: {detail}", "{action}: {detail}"),
    "news_refused": Word("{action}: {detail} ({error})", "{action}: {detail} ({error})"),
    "news_left": Word("left behind: {things}", "남은 자원: {things}"),
    "production": Word("production", "프로덕션"),
    "test": Word("test", "테스트"),
}
TERMINAL: dict[str, Word] = {
    "run_begins": Word(
        "{target} target, {runtime} runtime ({why}); {scenarios}",
        "실행 대상 {target}, 런타임 {runtime} ({why}); {scenarios}",
    ),
    "one_scenario": Word("1 scenario", "시나리오 1개"),
    "scenarios": Word("{count} scenarios", "시나리오 {count}개"),
    "asked for": Word("asked for", "지정됨"),
    "interrupted": Word(
        "interrupted: cleaning up; Ctrl-C again leaves at once",
        "중단됨: 정리하는 중. Ctrl-C를 한 번 더 누르면 바로 끝냅니다",
    ),
    "left_behind": Word("left behind: {thing}", "남은 자원: {thing}"),
    "per_second": Word("{rate} req/s", "초당 {rate}건"),
    "requests_made": Word("{count} requests", "요청 {count}건"),
    "requests_paced": Word("{count} requests ({rate}/s)", "요청 {count}건 (초당 {rate}건)"),
    "failed_count": Word("{count} failed", "실패 {count}건"),
    "gap": Word("longest gap {seconds}", "최장 공백 {seconds}"),
    "short_gap": Word("gap {seconds}", "공백 {seconds}"),
    "left": Word("{seconds} left", "{seconds} 남음"),
    "weights_line": Word("blue/green {weights}", "블루/그린 {weights}"),
    "clock_here": Word("here {elapsed} and {remaining} to come", "이 실행 {elapsed} 경과, {remaining} 남음"),
    "clock_aws": Word("on AWS {elapsed} and {remaining} to come", "AWS라면 {elapsed} 경과, {remaining} 남음"),
    "at": Word("at {seconds} s: {told}", "{seconds} s: {told}"),
    "ending": Word("{verdict}: {outcome}, {users}, {seconds} s", "{verdict}: {outcome}, {users}, {seconds} s"),
    "judged_line": Word(
        "{name}: {verdict}, {measured}, limit {limit}, n {n}",
        "{name}: {verdict}, 측정값 {measured}, 기준 {limit}, n {n}",
    ),
    "expected": Word("{name}: {measured}, expected {limit}", "{name}: 측정값 {measured}, 기준 {limit}"),
    "met_of": Word("{met} of {all} met", "{all}개 중 {met}개 충족"),
    "verdict_of": Word("{count} {verdict} ({scenarios})", "{count}개 {verdict} ({scenarios})"),
    "reports_in": Word("reports in {out}", "보고서: {out}"),
    "outcome succeeded": Word("succeeded", "성공"),
    "outcome rolled_back": Word("rolled_back", "롤백됨"),
    "outcome failed": Word("failed", "실패"),
    "outcome stopped": Word("stopped", "중지됨"),
    "outcome no outcome": Word("no outcome", "결과 없음"),
    "outcome not run": Word("not run", "실행되지 않음"),
    "interrupted_before": Word("interrupted before it began", "시작하기 전에 중단됨"),
}
WORDS = {**SHARED, **NEWS, **TERMINAL}

EXPECTATIONS: dict[str, Word] = {
    "outcome": Word("How the deployment ended", "배포의 결과"),
    "failed_at": Word("Where it failed", "실패한 단계"),
    "cause": Word("Why it ended early", "조기 종료 이유"),
    "events": Word("Lifecycle events, in order", "수명 주기 이벤트 순서"),
    "versions_seen": Word("Versions users met, in order", "사용자가 만난 버전 순서"),
    "live_at_end": Word("Version that is live at the end", "마지막에 서비스 중인 버전"),
    "green_production_requests": Word("Users on green before the shift", "전환 전 그린이 받은 사용자 요청"),
    "users.min_requests": Word("Requests, at least", "최소 요청 수"),
    "users.max_failed": Word("Failed requests, at most", "최대 실패 요청 수"),
    "users.max_failed_percent": Word("Failed requests, at most (%)", "최대 실패율 (%)"),
    "users.min_failed": Word("Failed requests of a trap, at least", "함정 시나리오의 최소 실패 요청 수"),
    "users.failed_with": Word("Codes that failed answers had", "실패한 응답의 코드"),
    "users.max_unavailable": Word("Longest time without a good answer (s)", "정상 응답이 없던 최장 시간 (초)"),
    "users.max_p50": Word("Median latency, at most (s)", "지연 시간 중앙값, 최대 (초)"),
    "users.max_p95": Word("95th percentile of latency, at most (s)", "지연 시간 95백분위, 최대 (초)"),
    "users.max_p99": Word("99th percentile of latency, at most (s)", "지연 시간 99백분위, 최대 (초)"),
    "exit_codes.blue": Word("Exit codes of blue's tasks", "블루 태스크의 종료 코드"),
    "exit_codes.green": Word("Exit codes of green's tasks", "그린 태스크의 종료 코드"),
    "websockets.max_cut": Word("WebSockets cut, at most", "끊긴 웹소켓 최대 수"),
    "websockets.min_cut": Word("WebSockets cut, at least", "끊긴 웹소켓 최소 수"),
    "rollback.within": Word("Back on blue within (s)", "블루 복귀까지 걸린 시간 (초)"),
}


def filled(told: Word, values: Mapping[str, object]) -> Word:
    """With its `{names}` filled in; a value that is itself told in both languages is taken in each."""
    if not values:
        return told
    return Word(*(told[index].format(**_side(values, index)) for index in (0, 1)))


def _side(values: Mapping[str, object], index: int) -> dict[str, object]:
    return {name: value[index] if isinstance(value, Word) else value for name, value in values.items()}


def word(key: str, **values: object) -> Word:
    """A shared word. Raises KeyError."""
    return filled(WORDS[key], values)


@dataclass(frozen=True, slots=True)
class Speech:
    """One of the two languages: `speech("elapsed")`, `speech.of(look.health(state))`."""

    language: Literal["en", "ko"] = "en"

    def __call__(self, key: str, **values: object) -> str:
        return self.of(word(key, **values))

    def of(self, told: Said) -> str:
        return told.ko if self.language == "ko" else told.en

    def known(self, key: str) -> str:
        """The word of `key`; one that nobody foresaw is itself."""
        return self.of(WORDS[key]) if key in WORDS else key


ENGLISH = Speech()


def spoken(asked: str | None, environment: Mapping[str, str], *, korean: bool = True) -> Speech:
    """As asked for, else as the locale says (LC_ALL before LC_MESSAGES before LANG); English where neither says Korean, and where
    the terminal cannot show it."""
    variables = (environment.get(name, "") for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    chosen = asked or next((value for value in variables if value), "")
    return Speech("ko") if korean and chosen.lower().startswith("ko") else ENGLISH
