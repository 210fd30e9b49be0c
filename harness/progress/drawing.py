"""The picture of a run in characters, down to forty columns. Symbols say what colours say, so that it reads without them.

Widths are counted in cells of the terminal, of which a Korean letter takes two.
"""

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
from harness.words import ENGLISH, Speech

BAD = {"failed": "red", "alarm": "bold red", "refused": "red", "rollback": "yellow"}
NEWS_OF_ONE, NEWS_OF_MANY = 6, 4
BAR_AT_MOST = 60


def drawn(statuses: Sequence[Status], width: int, say: Speech = ENGLISH) -> RenderableType:
    """All of it: one scenario at length, several with two lines each."""
    return one(statuses[0], width, say) if len(statuses) == 1 else many(statuses, width, say)


def one(status: Status, width: int, say: Speech) -> RenderableType:
    parts: list[RenderableType] = [_head(status, width, say)]
    if status.weights:
        parts.append(_weights(status, width))
    if any(side.states for _, side in status.sides):
        parts.append(_in_lines([_targets(name, side, say) for name, side in status.sides], width))
    if status.lifecycle:
        parts.append(_in_lines([_event(*one) for one in status.lifecycle], width))
    if status.clock is not None:
        parts.append(_clocks(status.clock, say))
    if status.requests:
        parts.append(_in_lines(_users(status, say), width, indent=""))
    changes = [news for news in status.news if news.kind not in ("lifecycle", "weights", "deploy", "run")]
    parts += [_news(news, say) for news in changes[-NEWS_OF_ONE:]]
    return Group(*parts)


def many(statuses: Sequence[Status], width: int, say: Speech) -> RenderableType:
    parts: list[RenderableType] = []
    names = max(cell_len(status.scenario) for status in statuses)
    for status in statuses:
        parts += _two_lines(status, names, width, say)
    latest = [(status.scenario, news) for status in statuses for news in status.news if news.kind in BAD]
    parts += [_news(news, say, scenario) for scenario, news in latest[-NEWS_OF_MANY:]]
    return Group(*parts)


def _two_lines(status: Status, names: int, width: int, say: Speech) -> list[Text]:
    first = Text(no_wrap=True, overflow="ellipsis")
    first.append(f"{status.scenario:<{names}}  ", "bold").append(doing(status.doing, say))
    clock = status.clock
    if clock is not None:
        left = f", {say('left', seconds=duration(clock.remaining))}" if clock.remaining is not None else ""
        first.append(f"  {duration(clock.elapsed)}{left} (AWS {duration(clock.aws_elapsed)})", "dim")
    if not status.weights:
        return [first]
    told = Text(f" {status.weights}  ").append_text(Text("  ").join(_users(status, say, short=True)))
    second = Text("  ", no_wrap=True, overflow="ellipsis")
    second.append_text(bar(status, max(6, min(24, width - told.cell_len - 2)))).append_text(told)
    return [first, second]


def _head(status: Status, width: int, say: Speech) -> Text:
    head = Text(no_wrap=True, overflow="ellipsis").append(status.scenario, "bold")
    head.append(f"  {look.lifecycle('InProgress').symbol} {doing(status.doing, say)}", "bold yellow")
    for name, state in status.alarms:
        seen = look.ALARMS.get(state, look.OTHER)
        head.append(f"  {seen.symbol} {name}: {say.of(seen)}", seen.style if state == "ALARM" else "dim")
    if status.verbose and head.cell_len + cell_len(status.verbose) + 2 <= width:
        head.append(f"  {status.verbose}", "dim")
    return head


def _weights(status: Status, width: int) -> Text:
    shares = f"  {look.SIDES['blue'].symbol} {status.blue:g} %  {look.SIDES['green'].symbol} {status.green:g} %"
    return Text(" ").append_text(bar(status, min(BAR_AT_MOST, width - cell_len(shares) - 2))).append(shares)


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


def counted(count: int, state: look.Look, say: Speech) -> str:
    return say("count_of", count=count, state=say.of(state))


def _targets(name: str, side: Side, say: Speech) -> Text:
    seen = look.SIDES[name]
    told = Text(f"{seen.symbol} {side.version} ", seen.style)
    if not side.states:
        return told.append(say("no_targets"), "dim")
    for index, (state, count) in enumerate(side.states):
        state_look = look.health(state)
        told.append(f"{', ' if index else ''}{state_look.symbol} {counted(count, state_look, say)}", state_look.style)
    return told


def _event(name: str, state: str, seconds: float | None) -> Text:
    """Those that were skipped or are still to come without a time."""
    seen = look.lifecycle(state)
    took = f" {duration(seconds)}" if seconds is not None and state not in ("Skipped", "Pending") else ""
    return Text(f"{seen.symbol} {name}{took}", seen.style)


def _in_lines(words: Sequence[Text], width: int, indent: str = "  ") -> Text:
    """Two blanks between words, in as many lines as they need."""
    lines = [Text(indent)]
    for word in words:
        if lines[-1].cell_len + word.cell_len > width and lines[-1].plain.strip():
            lines.append(Text(indent))
        lines[-1].append_text(word).append("  ")
    for line in lines:
        line.rstrip()
    return Text("\n").join(lines)


def _clocks(clock: Clocked, say: Speech) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2))
    for heading in (f"  {doing(clock.name, say)}", say("elapsed"), say("remaining")):
        table.add_column(heading, justify="left" if heading.startswith(" ") else "right", no_wrap=True)
    rest = say("until_it_happens")
    here = rest if clock.remaining is None else duration(clock.remaining)
    aws = rest if clock.aws_remaining is None else duration(clock.aws_remaining)
    table.add_row(f"  {say('here')}", duration(clock.elapsed), here)
    table.add_row(f"  {say('on_aws')}", duration(clock.aws_elapsed), aws)
    return table


def _users(status: Status, say: Speech, *, short: bool = False) -> list[Text]:
    count = say("failed_count", count=status.failed)
    failed = Text(f"{look.FAILURE.symbol} {count}", "bold red") if status.failed else Text(count)
    gap = say("short_gap" if short else "gap", seconds=f"{status.gap:.2f} s")
    made = f"{status.requests}" if short else say("requests_made", count=status.requests)
    return [Text(say("per_second", rate=f"{status.rate:.0f}")), Text(made), failed, Text(gap)]


def _news(news: News, say: Speech, scenario: str = "") -> Text:
    line = Text(no_wrap=True, overflow="ellipsis").append(f"{news.at:7.1f} s ", "dim")
    if scenario:
        line.append(f"{scenario} ", "bold")
    return line.append(f"{look.MOMENTS[news.kind]} {' '.join(say.of(news.told).split())}", BAD.get(news.kind, ""))
