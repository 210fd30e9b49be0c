"""The little SVG a chart needs: shapes by CSS class, words in both languages, a scale in seconds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from markupsafe import escape

from harness.report.words import Word

LATIN, HANGUL = 6.3, 11.5  # about how wide one character of the chart's text is, in its own units


@dataclass(frozen=True, slots=True)
class Scale:
    """Seconds from `start` to `end` onto x from `left` to `right`."""

    start: float
    end: float
    left: float
    right: float

    def __call__(self, seconds: float) -> float:
        inside = min(max(seconds, self.start), self.end)
        return self.left + (inside - self.start) / (self.end - self.start) * (self.right - self.left)


def number(value: float) -> str:
    """With at most one decimal: a tenth of a pixel, or of a second, is enough."""
    return f"{value:.1f}".removesuffix(".0")


def width_of(text: str) -> float:
    return sum(HANGUL if ord(letter) > 0x1100 else LATIN for letter in text)


def width_of_word(word: Word) -> float:
    return max(width_of(word.en), width_of(word.ko))


@dataclass
class Drawing:
    """Elements in the order drawn. Every text is escaped here."""

    parts: list[str] = field(default_factory=list)

    def rect(self, x: float, y: float, width: float, height: float, kind: str, title: str = "") -> None:
        told = f"<title>{escape(title)}</title>" if title else ""
        box = f'x="{number(x)}" y="{number(y)}" width="{number(max(width, 0))}" height="{number(height)}"'
        self.parts.append(f'<rect {box} class="{kind}">{told}</rect>')

    def line(self, points: Iterable[tuple[float, float]], kind: str) -> None:
        self.parts.append(f'<polyline points="{_points(points)}" class="{kind}"/>')

    def area(self, points: Sequence[tuple[float, float]], kind: str) -> None:
        self.parts.append(f'<polygon points="{_points(points)}" class="{kind}"/>')

    def bars(self, boxes: Iterable[tuple[float, float, float, float]], kind: str) -> None:
        """Many rectangles (x, y, width, height) as one path."""
        drawn = [f"M{number(x)} {number(y)}h{number(w)}v{number(h)}h-{number(w)}z" for x, y, w, h in boxes if h > 0]
        if drawn:
            self.parts.append(f'<path d="{"".join(drawn)}" class="{kind}"/>')

    def crosses(self, points: Iterable[tuple[float, float]], size: float, kind: str) -> None:
        d, w = number(size), number(2 * size)
        drawn = [f"M{number(x - size)} {number(y - size)}l{w} {w}m-{w} 0l{w} -{w}" for x, y in points]
        if drawn:
            self.parts.append(f'<path d="{"".join(drawn)}" class="{kind}" data-size="{d}"/>')

    def text(self, x: float, y: float, text: Word | str, kind: str = "", anchor: str = "start") -> None:
        inner = str(escape(text)) if isinstance(text, str) else both(text)
        self.parts.append(f'<text x="{number(x)}" y="{number(y)}" text-anchor="{anchor}" class="{kind}">{inner}</text>')


def both(word: Word) -> str:
    if word.en == word.ko:
        return str(escape(word.en))
    return f'<tspan class="en" lang="en">{escape(word.en)}</tspan><tspan class="ko" lang="ko">{escape(word.ko)}</tspan>'


def _points(points: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{number(x)},{number(y)}" for x, y in points)
