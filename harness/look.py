"""How everything looks, in the report, the dashboard and the terminal: symbol, words in English and Korean, colours. Never colour alone.

Colours are (light, dark): as text on the page's ground, each has a contrast of at least 4.5. AWS's own names are not translated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.words import Word


@dataclass(frozen=True, slots=True)
class Look:
    """`style` is the terminal's name of the colour."""

    symbol: str
    en: str
    ko: str
    style: str
    light: str
    dark: str


BLUE, GREEN = ("#2459b8", "#7fb0ff"), ("#1c7c54", "#57c99a")
GOOD, BAD, CARE, QUIET = (
    ("#11703a", "#5cd38d"),
    ("#b3201f", "#ff8a80"),
    ("#7a5400", "#f0bf52"),
    ("#57606a", "#a9b1ba"),
)

VERDICTS: dict[str, Look] = {
    "met": Look("✔", "met", "충족", "green", *GOOD),
    "unmet": Look("✘", "unmet", "미충족", "red", *BAD),
    "inconclusive": Look("?", "inconclusive", "판단 불가", "yellow", *CARE),
    "unsupported": Look("-", "unsupported", "미지원", "dim", *QUIET),
}
SIDES: dict[str, Look] = {
    "blue": Look("■", "blue", "블루", "blue", *BLUE),
    "green": Look("▲", "green", "그린", "green", *GREEN),
    "nobody": Look("○", "nobody", "버전 미상", "dim", "#6e7681", "#8b949e"),
}
FAILURE = Look("✘", "failed", "실패", "red", *BAD)
DIFFERS = "≠"
OTHER = Look("!", "unknown", "알 수 없음", "red", *BAD)

LIFECYCLE: dict[str, Look] = {
    "Pending": Look("○", "Pending", "Pending", "dim", *QUIET),
    "InProgress": Look("▶", "InProgress", "InProgress", "bold", *CARE),
    "Succeeded": Look("✔", "Succeeded", "Succeeded", "green", *GOOD),
    "Failed": Look("✘", "Failed", "Failed", "red", *BAD),
    "Stopped": Look("■", "Stopped", "Stopped", "red", *BAD),
    "Skipped": Look("–", "Skipped", "Skipped", "dim", *QUIET),
    "Ready": Look("⏸", "Ready", "Ready", "yellow", *CARE),
}
HEALTH: dict[str, Look] = {
    "healthy": Look("✔", "healthy", "정상", "green", *GOOD),
    "initial": Look("…", "initial", "확인 중", "yellow", *CARE),
    "unhealthy": Look("✘", "unhealthy", "비정상", "red", *BAD),
    "draining": Look("↓", "draining", "드레이닝", "yellow", *CARE),
    "unused": Look("○", "unused", "미사용", "dim", *QUIET),
    "unavailable": Look("✘", "unavailable", "알 수 없음", "red", *BAD),
}
ALARMS: dict[str, Look] = {
    "OK": Look("✔", "OK", "OK", "green", *GOOD),
    "ALARM": Look("⚠", "ALARM", "ALARM", "red", *BAD),
    "INSUFFICIENT_DATA": Look("?", "INSUFFICIENT_DATA", "INSUFFICIENT_DATA", "dim", *QUIET),
}
PHASES: dict[str, Word] = {
    "waiting": Word("waiting", "대기 중"),
    "provision": Word("provisioning", "자원 준비 중"),
    "steady_state": Word("waiting for a steady state", "안정 상태 대기 중"),
    "deploy": Word("deploying", "배포 중"),
    "settle": Word("watching what is left", "결과 관찰 중"),
    "teardown": Word("tearing down", "정리 중"),
    "done": Word("done", "끝"),
}
# Moments of a run, in every time chart and every list.
MOMENTS: dict[str, str] = {
    "deploy": "▶",
    "action": "■",
    "refused": "⊘",
    "alarm": "⚠",
    "alarm_off": "○",
    "rollback": "↩",
    "over": "●",
    "failed": FAILURE.symbol,
    "weights": "⇄",
    "health": "♥",
    "task": "□",
    "lifecycle": "·",
    "run": "·",
}
TABLES: dict[str, Mapping[str, Look]] = {
    "verdict": VERDICTS,
    "side": SIDES,
    "lifecycle": LIFECYCLE,
    "health": HEALTH,
    "alarm": ALARMS,
}


def verdict(name: str) -> Look:
    return VERDICTS.get(name, OTHER)


def lifecycle(status: str) -> Look:
    return LIFECYCLE.get(status, OTHER)


def health(state: str) -> Look:
    return HEALTH.get(state, OTHER)
