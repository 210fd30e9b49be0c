"""The picture of a run in characters, down to sixty columns. Symbols say what colours say, so that it reads without them."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness import look
from harness.picture import Clocked
from harness.progress.plain import doing, duration
from harness.progress.status import News, Side, Status

BAD = {"failed": "red", "alarm": "bold red", "refused": "red", "rollback": "yellow"}
NEWS_OF_ONE, NEWS_OF_MANY = 6, 4
BAR_AT_MOST = 60


def drawn(statuses: Sequence[Status], width: int) -> RenderableType:
    """All of it: one scenario at length, several with two lines each."""
    return one(statuses[0], width) if len(statuses) == 1 else many(statuses, width)


def one(status: Status, width: int) -> RenderableType:
    parts: list[RenderableType] = [_head(status, width)]
    if status.weights:
        parts.append(Text(" ").append_text(bar(status, min(BAR_AT_MOST, width - 20))).append(f"  {_shares(status)}"))
    if any(side.states for _, side in status.sides):
        parts.append(Text("  ").join([Text(""), *(_targets(name, side) for name, side in status.sides)]))
    if status.lifecycle:
        parts.append(_lifecycle(status, width))
    if status.clock is not None:
        parts.append(_clocks(status.clock))
    parts.append(_users(status))
    changes = [news for news in status.news if news.kind not in ("lifecycle", "weights", "deploy", "run")]
    parts += [_news(news) for news in changes[-NEWS_OF_ONE:]]
    return Group(*parts)


def many(statuses: Sequence[Status], width: int) -> RenderableType:
    parts: list[RenderableType] = []
    names = max(cell_len(status.scenario) for status in statuses)
    for status in statuses:
        parts += _two_lines(status, names, width)
    latest = [(status.scenario, news) for status in statuses for news in status.news if news.kind in BAD]
    parts += [_news(news, scenario) for scenario, news in latest[-NEWS_OF_MANY:]]
    return Group(*parts)


def _two_lines(status: Status, names: int, width: int) -> list[Text]:
    first = Text(no_wrap=True, overflow="ellipsis")
    first.append(f"{status.scenario:<{names}}  ", "bold").append(doing(status.doing))
    clock = status.clock
    if clock is not None:
        left = f", {duration(clock.remaining)} left" if clock.remaining is not None else ""
        first.append(f"  {duration(clock.elapsed)}{left} (AWS {duration(clock.aws_elapsed)})", "dim")
    if not status.weights:
        return [first]
    second = Text("  ", no_wrap=True, overflow="ellipsis").append_text(bar(status, max(10, min(24, width - 60))))
    failed = f"{look.FAILURE.symbol} {status.failed} failed" if status.failed else "0 failed"
    second.append(f" {status.weights}  {status.rate:.0f} req/s  {status.requests}, ")
    second.append(failed, "bold red" if status.failed else "").append(f", gap {status.gap:.2f} s")
    return [first, second]


def _head(status: Status, width: int) -> Text:
    head = Text(no_wrap=True, overflow="ellipsis").append(status.scenario, "bold")
    head.append(f"  {look.lifecycle('InProgress').symbol} {doing(status.doing)}", "bold yellow")
    for name, state in status.alarms:
        seen = look.ALARMS.get(state, look.OTHER)
        head.append(f"  {seen.symbol} {name}: {seen.en}", seen.style if state == "ALARM" else "dim")
    if status.verbose and cell_len(head.plain) + len(status.verbose) + 2 <= width:
        head.append(f"  {status.verbose}", "dim")
    return head


def bar(status: Status, width: int) -> Text:
    """Production's weights: squares are blue's share, triangles green's; a share that is not nothing is seen."""
    blue, green, width = status.blue or 0.0, status.green or 0.0, max(width, 4)
    greens = round(green / 100 * width)
    greens = min(max(greens, 1 if green else 0), width - (1 if blue else 0))
    blues = width - greens if blue else 0
    drawn = Text(look.SIDES["blue"].symbol * blues, look.SIDES["blue"].style)
    return drawn.append(look.SIDES["green"].symbol * greens, look.SIDES["green"].style).append(
        "·" * (width - blues - greens)
    )


def _shares(status: Status) -> str:
    return f"{look.SIDES['blue'].symbol} {status.blue:g} %  {look.SIDES['green'].symbol} {status.green:g} %"


def _targets(name: str, side: Side) -> Text:
    seen = look.SIDES[name]
    told = Text(f"{seen.symbol} {side.version} ", seen.style)
    if not side.states:
        return told.append("no targets", "dim")
    for index, (state, count) in enumerate(side.states):
        state_look = look.health(state)
        told.append(f"{', ' if index else ''}{state_look.symbol} {count} {state_look.en}", state_look.style)
    return told


def _lifecycle(status: Status, width: int) -> Text:
    """In as many lines as they need; those that were skipped or are still to come without a time."""
    lines = [Text(" ")]
    for name, state, seconds in status.lifecycle:
        seen = look.lifecycle(state)
        took = f" {duration(seconds)}" if seconds is not None and state not in ("Skipped", "Pending") else ""
        word = Text(f" {seen.symbol} {name}{took} ", seen.style)
        if lines[-1].cell_len + word.cell_len > width:
            lines.append(Text(" "))
        lines[-1].append_text(word)
    return Text("\n").join(lines)


def _clocks(clock: Clocked) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2))
    for heading in (f"  {clock.name}", "elapsed", "remaining"):
        table.add_column(heading, justify="left" if heading.startswith(" ") else "right", no_wrap=True)
    rest = "until it happens"
    here = rest if clock.remaining is None else duration(clock.remaining)
    aws = rest if clock.aws_remaining is None else duration(clock.aws_remaining)
    table.add_row("  here", duration(clock.elapsed), here)
    table.add_row("  on AWS", duration(clock.aws_elapsed), aws)
    return table


def _users(status: Status) -> Text:
    told = Text(f"{status.rate:.0f} req/s  {status.requests} requests  ")
    failed = f"{look.FAILURE.symbol} {status.failed} failed" if status.failed else "0 failed"
    return told.append(failed, "bold red" if status.failed else "").append(f"  longest gap {status.gap:.2f} s")


def _news(news: News, scenario: str = "") -> Text:
    line = Text(no_wrap=True, overflow="ellipsis").append(f"{news.at:7.1f} s ", "dim")
    if scenario:
        line.append(f"{scenario} ", "bold")
    return line.append(f"{look.MOMENTS[news.kind]} {' '.join(news.text.split())}", BAD.get(news.kind, ""))
