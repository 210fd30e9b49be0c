"""report.html: one file, nothing loaded, readable without JavaScript. Whatever a task or AWS said is escaped by the template."""

from __future__ import annotations

import base64
import math
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from harness import clock, compression, look
from harness.expectations import Result
from harness.expectations.evidence import is_good
from harness.journal import ServiceEventSeen, TaskStopped, Trouble
from harness.report import chart, fidelity, moments
from harness.report.facts import Facts
from harness.report.timeline import timeline_of
from harness.report.words import EXPECTATIONS, Word, word

WIDE, NARROW = 1040, 360
SERVICE_EVENTS_SHOWN, FAILURES_SHOWN, ROWS_SHOWN = 30, 20, 200
TEXT_AT_MOST = 600  # characters of one message: a task can say anything


def text(facts: Facts) -> str:
    timeline = timeline_of(facts)
    charts = [] if timeline.empty else [chart.draw(timeline, WIDE, "wide"), chart.draw(timeline, NARROW, "narrow")]
    script = moments.script()
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            facts=facts,
            run=facts.evidence.run,
            scenario=facts.evidence.scenario,
            judgement=facts.judgement,
            verdict=look.verdict(facts.judgement.verdict),
            met=sum(one.verdict == "met" for one in facts.judgement.results),
            charts=charts,
            moments=[("", moments.data(timeline))],
            script=script,
            policy=moments.policy(script),
            limits=_limits(facts),
            nobody=any(bucket.nobody for bucket in timeline.buckets),
            icon=_icon(look.verdict(facts.judgement.verdict)),
            figures=_figures(facts),
            **_tables(facts),
        )
    )


@cache
def environment() -> Environment:
    made = Environment(
        loader=PackageLoader("harness.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {"w": lambda key, **values: spans(word(key, **values)), "spans": spans, "look": look}
    made.globals |= {
        "label": _label,
        "judged": _judged,
        "commit_of": _commit,
        "plain": lambda key: " / ".join(word(key)),
        "plain_en": lambda key: word(key).en,
        "plain_ko": lambda key: word(key).ko,
        "effective": _effective,
    }
    made.filters |= {"seconds": _seconds, "value": _value, "iso": _iso, "short": _short, "breakable": _breakable}
    return made


def spans(told: Word | Any) -> Markup:
    """In both languages, one of which the page shows. Takes a scenario's own text too, which may lack Korean."""
    korean = told.ko or told.en
    if korean == told.en:
        return escape(told.en)
    return Markup('<span class="en" lang="en">{}</span><span class="ko" lang="ko">{}</span>').format(told.en, korean)


def _tables(facts: Facts) -> dict[str, Any]:
    evidence = facts.evidence
    failures = [one for one in evidence.requests if not is_good(one)]
    return {
        "failures": failures[:FAILURES_SHOWN],
        "more_failures": len(failures) - FAILURES_SHOWN,
        "stops": evidence.all(TaskStopped)[-ROWS_SHOWN:],
        "service_events": evidence.all(ServiceEventSeen)[-SERVICE_EVENTS_SHOWN:],
        "troubles": evidence.all(Trouble)[:ROWS_SHOWN],
        "executed": fidelity.executed(evidence),
        "not_tested": fidelity.not_tested(evidence),
        "command": fidelity.command(evidence),
    }


def _figures(facts: Facts) -> list[tuple[str, str, bool]]:
    """(what, value, whether it is bad news) in big letters; what was not measured is left out."""
    paid, first = facts.paid, facts.deployments[0] if facts.deployments else None
    shown = [
        ("requests", f"{paid.requests:,}", False),
        ("failed_requests", f"{paid.failed:,}", paid.failed > 0),
        ("longest_gap", paid.gap, False),
        ("deployment_seconds", first.seconds if first else None, False),
        ("detection_seconds", facts.detection, False),
        ("rollback_seconds", facts.rollback, False),
    ]
    return [(key, one if isinstance(one, str) else _seconds(one), bad) for key, one, bad in shown if one is not None]


def _limits(facts: Facts) -> list[compression.Wait]:
    """What the compression made of alarm periods and of the patience with green; empty in real time."""
    run, scenario = facts.evidence.run, facts.evidence.scenario
    if run.compression <= 1:
        return []
    plan = compression.compression_for(scenario, run.compression)
    patience = compression.Wait("give up on green", scenario.deploy.give_up_after, plan.give_up_after_seconds)
    return [*plan.alarm_periods, patience]


# ---- how values are written


def _effective(result: Result, facts: Facts) -> Word:
    """What a limit came to in this run: a share of its requests, or real seconds; users' time is never compressed."""
    if not isinstance(result.limit, int | float) or isinstance(result.limit, bool):
        return word("as_written")
    if result.name == "users.max_failed_percent" and result.n:
        return word("of_requests", count=f"{math.floor(result.limit * result.n / 100):,}", all=f"{result.n:,}")
    if result.name.startswith(("users.max_unavailable", "users.max_p", "rollback.")):
        return word("real_time", seconds=_seconds(float(result.limit)))
    return (
        word("of_requests", count=_value(result.limit), all=f"{result.n:,}")
        if "failed" in result.name
        else word("as_written")
    )


def _label(result: Result) -> Markup:
    return spans(EXPECTATIONS.get(result.name, Word(result.name, result.name)))


def _judged(name: str) -> Markup:
    """A verdict's symbol and word, never colour alone."""
    one = look.verdict(name)
    inside = spans(Word(one.en, one.ko))
    return Markup('<span class="v v-{}"><span aria-hidden="true">{}</span> {}</span>').format(name, one.symbol, inside)


def _seconds(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.3f} s" if abs(value) < 1 else f"{value:.2f} s" if abs(value) < 100 else f"{value:.0f} s"


def _value(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, list):
        return " → ".join(str(one) for one in value) or "–"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:,.6g}" if isinstance(value, float) else str(value)


def _iso(at: float) -> str:
    return clock.iso(at)[:19].replace("T", " ")


def _breakable(name: str) -> Markup:
    """AWS's long names may be broken after a dot, and nowhere else."""
    return Markup(".<wbr>").join(name.split("."))


def _short(said: str) -> str:
    return said if len(said) <= TEXT_AT_MOST else f"{said[:TEXT_AT_MOST]} …"


def _commit(commit: str | None) -> tuple[str, bool]:
    """Twelve characters of it, and whether there were changes on top."""
    return (commit or "").removesuffix("-dirty")[:12], (commit or "").endswith("-dirty")


def _icon(verdict: look.Look) -> str:
    drawn = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
        f'<rect width="32" height="32" rx="7" fill="{verdict.light}"/>'
        f'<text x="16" y="23" font-size="20" text-anchor="middle" fill="#fff">{verdict.symbol}</text></svg>'
    )
    return "data:image/svg+xml;base64," + base64.b64encode(drawn.encode()).decode()
