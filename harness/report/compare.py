"""Two runs side by side: scenario by scenario, what is the same and what differs. From the journals alone, whatever their targets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from rich.cells import cell_len

from harness import journal, look
from harness.errors import UsageError
from harness.report.facts import Facts, Span, facts_of
from harness.report.words import EXPECTATIONS, Word, word
from harness.words import ENGLISH, Speech

SECONDS_ALIKE = 1.0  # two durations on AWS's clock that differ by less, or by a tenth, are called the same
PERCENT_ALIKE = 10.0
LATENCY_ALIKE = 0.05


@dataclass(frozen=True, slots=True)
class Row:
    """One thing of both runs. `decides`: a verdict, so that a difference is what the exit code tells.

    `verdicts` are those of an expectation, whose measured values are then `a` and `b`; None where a run does not have it.
    """

    group: str
    name: Word
    a: str
    b: str
    same: bool
    decides: bool = False
    verdicts: tuple[str | None, str | None] | None = None

    @property
    def only_in(self) -> str:
        """A or B where the other lacks the expectation, else nothing."""
        a, b = self.verdicts or ("", "")
        return "B" if a is None else "A" if b is None else ""

    def told(self, say: Speech) -> tuple[str, str]:
        """Both sides, each as one text."""
        a, b = self.verdicts or (None, None)
        return _with(a, self.a, say), _with(b, self.b, say)


def _with(verdict: str | None, measured: str, say: Speech) -> str:
    if verdict is None:
        return measured
    seen = say.of(look.verdict(verdict))
    return f"{seen} ({measured})" if measured else seen


@dataclass(frozen=True)
class Pair:
    """One scenario in two runs; None where a run does not have it."""

    scenario: str
    a: Facts | None
    b: Facts | None
    rows: tuple[Row, ...]

    @property
    def title(self) -> Word:
        told = self.a or self.b
        title = told.evidence.scenario.title if told is not None else None
        return Word(self.scenario, self.scenario) if title is None else Word(title.en, title.ko or title.en)

    @property
    def same(self) -> bool:
        """Whether every verdict is the same."""
        return self.a is not None and self.b is not None and all(row.same for row in self.rows if row.decides)


@dataclass(frozen=True)
class Comparison:
    name_a: str
    name_b: str
    pairs: tuple[Pair, ...]

    @property
    def same(self) -> bool:
        return all(pair.same for pair in self.pairs)


def of_directories(a: Path, b: Path) -> Comparison:
    """Each is the directory of one scenario's run, or of several. Raises UsageError where there is nothing to compare."""
    facts_a, facts_b = _facts(a), _facts(b)
    if len(facts_a) == len(facts_b) == 1:  # whatever they are called: whoever names two runs means these two
        (one,), (other,) = facts_a.values(), facts_b.values()
        scenarios: list[tuple[str, Facts | None, Facts | None]] = [
            (" / ".join(dict.fromkeys([*facts_a, *facts_b])), one, other)
        ]
    else:
        scenarios = [(name, facts_a.get(name), facts_b.get(name)) for name in dict.fromkeys([*facts_a, *facts_b])]
    return Comparison(_name(a, b), _name(b, a), tuple(pair_of(*one) for one in scenarios))


def _facts(directory: Path) -> dict[str, Facts]:
    paths = sorted(directory.glob("journal.jsonl")) or sorted(directory.glob("*/journal.jsonl"))
    if not paths:
        raise UsageError(f"{directory}: there is no journal.jsonl in it, nor in a directory below it")
    found = [facts_of(journal.read(path)) for path in paths]
    return {one.evidence.scenario.id: one for one in found}


def _name(path: Path, other: Path) -> str:
    """As short as tells them apart."""
    mine, theirs = path.resolve().parts, other.resolve().parts
    for count in range(1, len(mine)):
        if mine[-count] != theirs[-count:][:1][0]:
            return "/".join(mine[-count:])
    return str(path)


def pair_of(scenario: str, a: Facts | None, b: Facts | None) -> Pair:
    if a is None or b is None:
        return Pair(scenario, a, b, ())
    families = (_run, _verdicts, _lifecycle, _users)
    return Pair(scenario, a, b, tuple(row for family in families for row in family(a, b)))


# ---- what is compared


def _run(a: Facts, b: Facts) -> list[Row]:
    def row(key: str, get: Callable[[Facts], object]) -> Row:
        one, other = get(a), get(b)
        return Row("about", word(key), shown(one), shown(other), one == other)

    return [
        row("target", lambda facts: facts.evidence.run.target),
        row("runtime", lambda facts: facts.evidence.run.runtime),
        row("hash", lambda facts: facts.evidence.run.scenario_hash[:12]),
        row("commit", lambda facts: (facts.evidence.run.commit or "")[:12] or None),
        row("compression", lambda facts: facts.evidence.run.compression),
        row("images", lambda facts: [_short_image(one) for one in facts.images.values()]),
    ]


def _short_image(image: str) -> str:
    name, at, digest = image.partition("@")
    return f"{name}{at}{digest[:19]}"


def _verdicts(a: Facts, b: Facts) -> list[Row]:
    one, other = a.judgement, b.judgement
    rows = [
        Row("verdicts", word("verdict"), "", "", one.verdict == other.verdict, True, (one.verdict, other.verdict)),
        Row("verdicts", word("outcome"), shown(one.outcome), shown(other.outcome), one.outcome == other.outcome),
    ]
    measured = [("failed_at", a.failed_at, b.failed_at), ("cause", a.cause, b.cause)]
    rows += [Row("verdicts", EXPECTATIONS[name], shown(x), shown(y), x == y) for name, x, y in measured]
    results_a, results_b = ({each.name: each for each in facts.judgement.results} for facts in (a, b))
    for name in dict.fromkeys([*results_a, *results_b]):
        x, y = results_a.get(name), results_b.get(name)
        label = EXPECTATIONS.get(name, Word(name, name))
        told = [shown(each.measured) if each else "–" for each in (x, y)]
        verdicts = x.verdict if x else None, y.verdict if y else None
        rows.append(Row("verdicts", label, told[0], told[1], verdicts[0] == verdicts[1], True, verdicts))
    return rows


def _lifecycle(a: Facts, b: Facts) -> list[Row]:
    """The order and the end of every event, then how long each took on AWS's clock."""
    order = [[f"{one.name} {one.status}" for one in _ran(facts)] for facts in (a, b)]
    differing = [pair for pair in zip_longest(*order, fillvalue="–") if pair[0] != pair[1]]
    first = differing[0] if differing else (word("same_order").en, word("same_order").en)
    rows = [Row("lifecycle", word("event_order"), first[0], first[1], not differing)]
    for key, x, y in _events(a, b):
        label = Word(*(f"{before}{key[1]}" for before in (("rollback: ", "롤백: ") if key[0] else ("", ""))))
        rows.append(_durations("lifecycle", label, x.declared if x else None, y.declared if y else None))
    return [*rows, _durations("lifecycle", word("deployment_seconds"), _whole(a), _whole(b))]


def differing_events(a: Facts, b: Facts) -> set[tuple[bool, str]]:
    """(whether of a rollback, name) of every lifecycle event that did not end, or not last, the same in both."""
    return {
        key
        for key, x, y in _events(a, b)
        if x is None or y is None or x.status != y.status or not alike(x.declared, y.declared, SECONDS_ALIKE)
    }


def _events(a: Facts, b: Facts) -> Iterator[tuple[tuple[bool, str], _Ran | None, _Ran | None]]:
    spans_a, spans_b = ({(one.rollback, one.name): one for one in _ran(facts)} for facts in (a, b))
    for key in dict.fromkeys([*spans_a, *spans_b]):
        yield key, spans_a.get(key), spans_b.get(key)


@dataclass(frozen=True, slots=True)
class _Ran:
    name: str
    status: str
    declared: float | None
    rollback: bool


def _ran(facts: Facts) -> list[_Ran]:
    """Events that ran, in the order they started."""
    rollbacks = {one.id for one in facts.evidence.deployments.values() if one.rollback_of}
    ran = [one for one in facts.lifecycle if one.started is not None and one.status != "Skipped"]
    return [_Ran(one.name, one.status, one.declared, one.deployment in rollbacks) for one in sorted(ran, key=_started)]


def _started(span: Span) -> float:
    """Ties keep AWS's order: the sort is stable."""
    return span.started or 0.0


def _whole(facts: Facts) -> float | None:
    return facts.deployments[0].declared if facts.deployments else None


def _durations(group: str, label: Word, a: float | None, b: float | None) -> Row:
    return Row(group, label, seconds(a), seconds(b), alike(a, b, SECONDS_ALIKE))


def _users(a: Facts, b: Facts) -> list[Row]:
    x, y = a.paid, b.paid
    return [
        Row("users", word("requests"), f"{x.requests:,}", f"{y.requests:,}", True),
        Row("users", word("failed_requests"), f"{x.failed:,}", f"{y.failed:,}", _as_many_failed(a, b)),
        Row("users", word("longest_gap"), seconds(x.gap), seconds(y.gap), alike(x.gap, y.gap, SECONDS_ALIKE)),
        *(
            Row("users", Word(f"p{rank}", f"p{rank}"), seconds(one), seconds(other), alike(one, other, LATENCY_ALIKE))
            for rank, one, other in ((50, x.p50, y.p50), (95, x.p95, y.p95), (99, x.p99, y.p99))
        ),
        Row(
            "users",
            word("rollback_seconds"),
            seconds(a.rollback),
            seconds(b.rollback),
            alike(a.rollback, b.rollback, 2.0),
        ),
    ]


def _as_many_failed(a: Facts, b: Facts) -> bool:
    """None in both, or shares within a percentage point of each other."""
    one, other = (100 * facts.paid.failed / max(facts.paid.requests, 1) for facts in (a, b))
    return (a.paid.failed == 0) == (b.paid.failed == 0) and alike(one, other, 1.0)


def alike(a: float | None, b: float | None, within: float) -> bool:
    """Whether two measurements of the same thing may be called the same."""
    if a is None or b is None:
        return a is b
    return abs(a - b) <= max(within, PERCENT_ALIKE / 100 * max(abs(a), abs(b)))


# ---- how it is written


def seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f} s" if value < 1 else f"{value:.1f} s"


def shown(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, list):
        return " → ".join(map(str, value)) or "–"
    return f"{value:g}" if isinstance(value, float) else str(value)


def table(comparison: Comparison, say: Speech = ENGLISH) -> str:
    """For a terminal or a log: `=` the same, `≠` not, `≠≠` where a verdict differs."""
    lines = [f"A: {comparison.name_a}", f"B: {comparison.name_b}"]
    for pair in comparison.pairs:
        lines += ["", *_pair_lines(pair, say)]
    differ = [pair.scenario for pair in comparison.pairs if not pair.same]
    told = say("verdicts_differ", scenarios=", ".join(differ)) if differ else say("same_verdicts")
    return "\n".join([*lines, "", told])


def _pair_lines(pair: Pair, say: Speech) -> list[str]:
    if pair.a is None or pair.b is None:
        return [f"≠≠ {pair.scenario}: {say('only_in', run='B' if pair.a is None else 'A')}"]
    cells = [(say.of(row.name), *row.told(say)) for row in pair.rows]
    width, left = max(cell_len(name) for name, *_ in cells), min(40, max(cell_len(a) for _, a, _ in cells))
    lines = [f"{'=' if pair.same else '≠≠'} {pair.scenario}"]
    for row, (name, a, b) in zip(pair.rows, cells, strict=True):
        mark = "=" if row.same else "≠≠" if row.decides else "≠"
        lines.append(f"  {mark:<2} {_padded(name, width)}  {_padded(a, left)}  {b}")
    return lines


def _padded(text: str, cells: int) -> str:
    """A Korean letter takes two cells of a terminal."""
    return text + " " * (cells - cell_len(text))
