"""How verdicts and sides look everywhere: symbol, words in English and Korean, colours. Never colour alone.

Colours are (light, dark): as text on the page's ground, each has a contrast of at least 4.5.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Look:
    """`style` is the terminal's name of the colour."""

    symbol: str
    en: str
    ko: str
    style: str
    light: str
    dark: str


VERDICTS: dict[str, Look] = {
    "met": Look("✔", "met", "충족", "green", "#11703a", "#5cd38d"),
    "unmet": Look("✘", "unmet", "미충족", "red", "#b3201f", "#ff8a80"),
    "inconclusive": Look("?", "inconclusive", "판단 불가", "yellow", "#7a5400", "#f0bf52"),
    "unsupported": Look("-", "unsupported", "지원 안 함", "dim", "#57606a", "#a9b1ba"),
}
SIDES: dict[str, Look] = {
    "blue": Look("■", "blue", "블루", "blue", "#2459b8", "#7fb0ff"),
    "green": Look("▲", "green", "그린", "green", "#1c7c54", "#57c99a"),
    "nobody": Look("○", "nobody", "응답 버전 없음", "dim", "#6e7681", "#8b949e"),
}
FAILURE = Look("✘", "failed", "실패", "red", "#b3201f", "#ff8a80")
OTHER = Look("!", "unknown", "알 수 없음", "red", "#b3201f", "#ff8a80")


def verdict(name: str) -> Look:
    return VERDICTS.get(name, OTHER)
