"""The time chart of a run as SVG. Lanes from top to bottom, one x axis: seconds since the deployment started."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import groupby

from markupsafe import Markup, escape

from harness import look
from harness.report.svg import Drawing, Scale, number, width_of, width_of_word
from harness.report.timeline import Band, Break, Health, Mark, Timeline, Weight, covered
from harness.report.words import Word, word

LEFT, RIGHT = 34.0, 12.0
LABEL, GAP, ROW = 17.0, 14.0, 17.0
MARK_ROWS = 6
TARGETS_AT_MOST = 10  # drawn one by one; more of them as counts
Step = tuple[float, float, Weight]
Lane = Callable[[Drawing, Timeline, Scale, float], float]


def draw(timeline: Timeline, width: int, kind: str, name: str = "", group: str = "") -> Markup:
    """`width` in CSS pixels; `kind` is wide or narrow; `name` is that of the run where a page has several, which keeps ids apart.

    Charts of one `group` are pointed at together.
    """
    scale = Scale(timeline.start, timeline.end, LEFT, width - RIGHT)
    back, front = Drawing(), Drawing()
    y = marks_top = 4.0
    y = _marks(front, timeline, scale, y)
    marks_bottom = y
    lanes: tuple[tuple[str, bool, Lane], ...] = (
        ("lane_lifecycle", bool(timeline.bands), _bands),
        ("lane_weights", bool(timeline.weights), _weights),
        ("lane_requests", bool(timeline.buckets), _requests),
        ("lane_health", bool(timeline.health), _targets if 0 < len(timeline.targets) <= TARGETS_AT_MOST else _health),
        ("lane_waits", bool(timeline.breaks), _breaks),
        ("lane_differences", bool(timeline.differences), _differences),
    )
    for key, shown, lane in lanes:
        if shown:
            front.text(0, y + 12, word(key, other=timeline.other), "lane")
            y = lane(front, timeline, scale, y + LABEL) + GAP
    _rules(back, timeline, scale, marks_top, marks_bottom, y)
    y = _axis(front, timeline, scale, y)
    return _framed([*back.parts, *front.parts], timeline, width, y, kind, name, group)


def _framed(
    parts: list[str], timeline: Timeline, width: int, height: float, kind: str, name: str, group: str
) -> Markup:
    """Named and described in both languages; the page's script keeps the one that is shown."""
    id_ = f"{kind}-{name}" if name else kind
    told = Word(*("".join(pair) for pair in zip(_named_for(name), _summary(timeline), strict=True)))
    return Markup(  # every text in `parts` was escaped when it was drawn
        f'<svg role="img" aria-labelledby="{id_}-en {id_}-ko" viewBox="0 0 {width} {number(height)}" class="chart {kind}" '
        f'data-left="{LEFT:g}" data-right="{width - RIGHT:g}" data-start="{timeline.start:.3f}" data-end="{timeline.end:.3f}" '
        f'data-run="{escape(name)}" data-group="{escape(f"{kind}-{group}")}" '
        f'xmlns="http://www.w3.org/2000/svg"><desc id="{id_}-en" lang="en">{escape(told.en)}</desc>'
        f'<desc id="{id_}-ko" lang="ko">{escape(told.ko)}</desc>{"".join(parts)}</svg>'
    )


def _named_for(name: str) -> Word:
    chart = word("chart")
    return (
        Word(f"{name[:1]}: {chart.en}. ", f"{name[:1]}: {chart.ko}. ")
        if name
        else Word(f"{chart.en}. ", f"{chart.ko}. ")
    )


def _summary(timeline: Timeline) -> Word:
    """In one sentence, then the moments."""
    counts = word(
        "chart_told",
        events=len(timeline.bands),
        requests=sum(bucket.total for bucket in timeline.buckets),
        failed=sum(bucket.failed for bucket in timeline.buckets),
        waits=len(timeline.breaks),
        seconds=number(timeline.end - timeline.start),
    )
    moments = [Word(*(f"{number(mark.at)} s {one}" for one in _label(mark))) for mark in timeline.marks]
    return Word(
        " ".join([counts.en, "; ".join(one.en for one in moments)]),
        " ".join([counts.ko, "; ".join(one.ko for one in moments)]),
    )


# ---- moments


def _marks(drawing: Drawing, timeline: Timeline, scale: Scale, y: float) -> float:
    """Flags in as few rows as they need; the rule below each is drawn behind the lanes."""
    free = [-math.inf] * MARK_ROWS
    for mark in timeline.marks:
        label, x = _label(mark), scale(mark.at)
        width = width_of_word(label) + 10
        left = x if x + width <= scale.right + RIGHT else x - width + 6
        row = next((index for index, until in enumerate(free) if until <= left), MARK_ROWS - 1)
        free[row] = left + width
        anchor = "start" if left == x else "end"
        drawing.text(x + (3 if left == x else -3), y + 11 + row * 15, label, f"mark m-{mark.kind}", anchor)
    used = sum(until > -math.inf for until in free)
    return y + used * 15 + 6


def _label(mark: Mark) -> Word:
    symbol, named = f"{_differing(mark)}{look.MOMENTS[mark.kind]}", {"alarm", "alarm_off", "refused"}
    if mark.kind in ("deploy", "rollback"):
        return Word(*(f"{symbol} {one}" for one in word(mark.kind)))
    if mark.kind in named:
        return Word(*(f"{symbol} {one} {mark.text}" for one in word(mark.kind)))
    return Word(f"{symbol} {mark.text}", f"{symbol} {mark.text}")


def _differing(one: Mark | Band) -> str:
    return f"{look.DIFFERS} " if one.differs else ""


def _rules(back: Drawing, timeline: Timeline, scale: Scale, top: float, lanes: float, bottom: float) -> None:
    for seconds in _ticks(scale):
        back.line([(scale(seconds), lanes), (scale(seconds), bottom)], "grid")
    for mark in timeline.marks:
        back.line([(scale(mark.at), top), (scale(mark.at), bottom)], f"rule r-{mark.kind}")


# ---- lanes


def _bands(drawing: Drawing, timeline: Timeline, scale: Scale, y: float) -> float:
    for band in timeline.bands:
        left, right = scale(band.start), scale(band.end)
        drawing.rect(left, y + 3, max(right - left, 2.5), ROW - 6, f"band b-{_tone(band)}", _told(band))
        label = _band_label(band)
        width = width_of_word(label)
        inside = right + 6 + width > scale.right + RIGHT
        drawing.text(
            left - 6 if inside else max(right, left + 2.5) + 6, y + 12.5, label, "", "end" if inside else "start"
        )
        y += ROW
    return y


def _tone(band: Band) -> str:
    if not band.name:
        return "wait"
    if band.status in ("Failed", "Stopped"):
        return "failed"
    return "rollback" if band.rollback else "done"


def _band_label(band: Band) -> Word:
    name = word("termination wait") if not band.name else Word(band.name, band.name)
    prefix = Word(*(f"{one}: " for one in word("rollback"))) if band.rollback else Word("", "")
    failed = f"{look.FAILURE.symbol} " if band.status in ("Failed", "Stopped") else ""
    seconds = f" {number(band.end - band.start)} s"
    return Word(
        *(f"{_differing(band)}{failed}{before}{one}{seconds}" for before, one in zip(prefix, name, strict=True))
    )


def _told(band: Band) -> str:
    return f"{band.name or 'termination wait'}: {band.status}, {band.start:.2f} s to {band.end:.2f} s"


def _weights(drawing: Drawing, timeline: Timeline, scale: Scale, y: float) -> float:
    y, height, seen = y + 5, 66.0, timeline.weights  # the label is not touched by the 100 of its axis
    starts = [timeline.since, *(one.at for one in seen[1:])]
    steps = [(scale(a), scale(b), one) for a, b, one in zip(starts, [*starts[1:], timeline.until], seen, strict=True)]
    base = y + height
    tops = [(x, base - one.blue / 100 * height) for a, b, one in steps for x in (a, b)]
    uppers = [(x, base - (one.blue + one.green) / 100 * height) for a, b, one in steps for x in (a, b)]
    drawing.area([(steps[0][0], base), *tops, (steps[-1][1], base)], "a-blue")
    drawing.area([*tops, *reversed(uppers)], "a-green")
    _percents(drawing, scale, y, height)
    for side, text in (("blue", timeline.blue), ("green", timeline.green)):
        _named(drawing, steps, side, f"{look.SIDES[side].symbol} {text}", y, height)
    return base


def _percents(drawing: Drawing, scale: Scale, y: float, height: float) -> None:
    for percent in (0, 50, 100):
        at = y + height * (1 - percent / 100)
        drawing.line([(scale.left, at), (scale.right, at)], "grid")
        drawing.text(scale.left - 4, at + 4, str(percent), "tick", "end")


def _named(drawing: Drawing, steps: Sequence[Step], side: str, text: str, y: float, height: float) -> None:
    """The version in the widest stretch where its side has room for a word."""
    wide = [(b - a, a, b, one) for a, b, one in steps if getattr(one, side) >= 30 and b - a > width_of(text) + 8]
    if not wide:
        return
    _, left, right, one = max(wide, key=lambda step: step[0])
    middle = one.blue / 2 if side == "blue" else one.blue + one.green / 2
    drawing.text((left + right) / 2, y + height * (1 - middle / 100) + 4, text, "on", "middle")


def _requests(drawing: Drawing, timeline: Timeline, scale: Scale, y: float) -> float:
    """Stacked bars; a cross over every bucket in which a request failed, however few of how many."""
    height, crosses = 104.0, y + 6
    top, base = y + 14, y + 14 + height
    limit = _nice(timeline.top, (1, 1.5, 2, 3, 4, 5, 6, 8, 10))
    for rate in (0.0, limit / 2, limit):
        at = base - rate / limit * height
        drawing.line([(scale.left, at), (scale.right, at)], "grid")
        drawing.text(scale.left - 4, at + 4, f"{rate:g}", "tick", "end")
    for kind, boxes in _stacks(timeline, scale, base, height / limit).items():
        drawing.bars(boxes, f"f-{kind}")
    bad = [bucket for bucket in timeline.buckets if bucket.failed]
    centres = [(scale(bucket.start) + scale(bucket.start + timeline.width)) / 2 for bucket in bad]
    for bucket, x in zip(bad, centres, strict=True):
        drawing.rect(x - 3, top - 14, 6, 14, "hit", f"{bucket.start:.1f} s: {bucket.failed} of {bucket.total} failed")
    drawing.crosses([(x, crosses) for x in centres], 3.2, "cross")
    return base


def _stacks(
    timeline: Timeline, scale: Scale, base: float, unit: float
) -> dict[str, list[tuple[float, float, float, float]]]:
    """Boxes by who answered, `unit` high for a request per second; one that is cut off by an end is about as high as the others."""
    found: dict[str, list[tuple[float, float, float, float]]] = {}
    for bucket in timeline.buckets:
        left, y = scale(max(bucket.start, timeline.since)), base
        right = scale(min(bucket.start + timeline.width, timeline.until))
        seconds = covered(bucket.start, timeline.width, timeline.since, timeline.until)
        each = unit * min(1 / seconds, timeline.top / bucket.total)
        for kind in ("blue", "green", "nobody", "failed"):
            count = getattr(bucket, kind)
            height = max(count * each, 2.0) if count and kind == "failed" else count * each
            y -= height
            found.setdefault(kind, []).append((left, y, max(right - left - 0.3, 0.6), height))
    return found


def _targets(drawing: Drawing, timeline: Timeline, scale: Scale, y: float) -> float:
    """A strip per target."""
    for life in timeline.targets:
        drawing.text(scale.left - 6, y + 11.5, look.SIDES[life.side].symbol, f"t-{life.side}", "end")
        for start, until, state in life.spans:
            left, right, seen = scale(start), scale(until), look.health(state)
            kind = {"healthy": f"h-{life.side}", "unhealthy": "h-bad", "unavailable": "h-bad"}.get(state, "h-none")
            told = f"{life.target}: {state}, {start:.1f} s to {until:.1f} s"
            drawing.rect(left, y + 1, max(right - left - 1, 1), ROW - 4, f"health {kind}", told)
            label = Word(f"{seen.symbol} {seen.en}", f"{seen.symbol} {seen.ko}")
            for text in (label, Word(seen.symbol, seen.symbol)):
                if width_of_word(text) + 6 < right - left:
                    drawing.text((left + right) / 2, y + 12, text, "on-soft", "middle")
                    break
        y += ROW
    return y + 2


def _health(drawing: Drawing, timeline: Timeline, scale: Scale, y: float) -> float:
    for side in ("blue", "green"):
        seen = [one for one in timeline.health if one.side == side]
        ends = [*(one.at for one in seen[1:]), timeline.until]
        drawing.text(scale.left - 6, y + 12.5, look.SIDES[side].symbol, f"t-{side}", "end")
        for one, until in zip(seen, ends, strict=False):  # a side that was never seen has only the end
            _health_strip(drawing, one, scale(one.at), scale(until), y)
        y += ROW + 2
    return y


def _health_strip(drawing: Drawing, one: Health, left: float, right: float, y: float) -> None:
    states = [(state, count) for state, count in one.states if count]
    if not states or right <= left:
        return None
    bad = any(state in ("unhealthy", "unavailable") for state, _ in states)
    kind = "h-bad" if bad else f"h-{one.side}" if one.healthy else "h-none"
    told = ", ".join(f"{count} {state}" for state, count in states)
    drawing.rect(left, y + 1, max(right - left - 1, 1), ROW - 2, f"health {kind}", f"{told} from {one.at:.1f} s")
    for text in (told, f"{one.healthy}"):
        if width_of(text) + 6 < right - left:
            return drawing.text((left + right) / 2, y + 13, text, "on-soft", "middle")
    return None


def _differences(drawing: Drawing, timeline: Timeline, scale: Scale, y: float) -> float:
    """A row for weights, a row for failures: hatched where the two runs differ, with what the other one did."""
    for kind in ("weights", "failed"):
        found = [one for one in timeline.differences if one.kind == kind]
        for one in found:
            left, right = scale(one.start), scale(one.end)
            drawing.rect(left, y + 1, max(right - left - 1, 1.5), ROW - 2, "difference")
            for text in (one.told, Word(look.DIFFERS, look.DIFFERS)):
                if width_of_word(text) + 6 < right - left:
                    drawing.text((left + right) / 2, y + 13, text, "on-soft", "middle")
                    break
        y += ROW + 2 if found else 0
    return y


# ---- the axis, and where it is broken


def _breaks(drawing: Drawing, timeline: Timeline, scale: Scale, y: float) -> float:
    """One bracket per wait; alike neighbours whose label has no room share one."""
    free = [-math.inf] * 3
    for alike in _groups(timeline.breaks, scale):
        for one in alike:
            _bracket(drawing, scale(one.start), scale(one.end), y)
        label = _shown_as(alike)
        width = width_of_word(label) + 8
        middle = (scale(alike[0].start) + scale(alike[-1].end)) / 2
        middle = min(max(middle, width / 2), scale.right + RIGHT - width / 2)
        row = next((index for index, until in enumerate(free) if until <= middle - width / 2), 2)
        free[row] = middle + width / 2
        drawing.text(middle, y + 26 + 14 * row, label, "broken", "middle")
    return y + 16 + 14 * max(1, sum(until > -math.inf for until in free))


def _groups(breaks: Sequence[Break], scale: Scale) -> list[list[Break]]:
    """Neighbours of the same two durations together, unless each has room for its own label."""

    def alike(one: Break) -> tuple[float, float, bool]:
        narrow = scale(one.end) - scale(one.start) < width_of_word(_shown_as([one]))
        return one.declared, round(one.effective, 1), narrow

    found: list[list[Break]] = []
    for (*_, narrow), group in groupby(breaks, key=alike):
        members = list(group)
        found += [members] if narrow else [[one] for one in members]
    return found


def _shown_as(alike: Sequence[Break]) -> Word:
    first, count = alike[0], word("times", count=len(alike)) if len(alike) > 1 else Word("", "")
    shown = first.end - first.start
    if len(alike) == 1 and shown < first.effective - 0.3:
        planned = number(first.effective)
        told = word("of_planned", declared=number(first.declared), planned=planned, shown=number(shown))
    else:
        told = word("shown_as", declared=number(first.declared), shown=number(first.effective))
    return Word(*(f"{before}{one}" for before, one in zip(count, told, strict=True)))


def _bracket(drawing: Drawing, left: float, right: float, y: float) -> None:
    r"""|---/\/---| : its middle is torn."""
    middle, at = (left + right) / 2, y + 7
    drawing.line([(left, at - 5), (left, at + 5)], "torn")
    drawing.line([(right, at - 5), (right, at + 5)], "torn")
    tear = min(6.0, (right - left) / 3)
    zigzag = [(middle - tear, at), (middle - tear / 2, at - 5), (middle + tear / 2, at + 5), (middle + tear, at)]
    drawing.line([(left, at), *zigzag, (right, at)], "torn")


def _axis(drawing: Drawing, timeline: Timeline, scale: Scale, y: float) -> float:
    drawing.line([(scale.left, y), (scale.right, y)], "axis")
    for one in timeline.breaks:
        x = (scale(one.start) + scale(one.end)) / 2
        drawing.rect(x - 2.5, y - 3, 5, 6, "f-ground")
        for shift in (-2.5, 2.5):
            drawing.line([(x + shift - 2, y + 5), (x + shift + 2, y - 5)], "axis")
    for seconds in _ticks(scale):
        drawing.line([(scale(seconds), y), (scale(seconds), y + 4)], "axis")
        drawing.text(scale(seconds), y + 16, f"{seconds:g}", "tick", "middle")
    drawing.text(scale.right, y + 32, word("seconds"), "tick", "end")
    return y + 38


def _ticks(scale: Scale) -> list[float]:
    about = (scale.right - scale.left) / 70
    step = _nice((scale.end - scale.start) / max(about, 2))
    first = math.ceil(scale.start / step)
    return [index * step for index in range(first, math.floor(scale.end / step) + 1)]


def _nice(value: float, factors: Sequence[float] = (1, 2, 5, 10)) -> float:
    """The next of 1, 2, 5, 10, 20 ... that is not smaller."""
    power = 10.0 ** math.floor(math.log10(value)) if value > 0 else 1.0
    return next(factor * power for factor in factors if factor * power >= value * 0.999)
