"""junit.xml: a test suite per scenario, a test case per expectation, for CI systems."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from harness import clock
from harness.expectations import Result
from harness.report import fidelity
from harness.report.facts import Facts

KINDS = {"unmet": "failure", "inconclusive": "error", "unsupported": "skipped"}
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def text(facts: Facts) -> str:
    run, scenario, judgement = facts.evidence.run, facts.evidence.scenario, facts.judgement
    count = {kind: str(sum(KINDS.get(one.verdict) == kind for one in judgement.results)) for kind in KINDS.values()}
    numbers = {
        "tests": str(len(judgement.results)),
        "failures": count["failure"],
        "errors": count["error"],
        "skipped": count["skipped"],
        "time": f"{facts.end - run.at:.3f}",
    }
    root = ET.Element("testsuites", numbers)
    timestamp = f"{clock.utc(run.at):%Y-%m-%dT%H:%M:%S}"
    suite = ET.SubElement(root, "testsuite", {"name": scenario.id, "timestamp": timestamp, **numbers})
    _properties(suite, facts)
    for one in judgement.results:
        _case(suite, scenario.id, one)
    ET.SubElement(suite, "system-out").text = _xml(fidelity.command(facts.evidence))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _properties(suite: ET.Element, facts: Facts) -> None:
    run, judgement = facts.evidence.run, facts.judgement
    told = {
        "verdict": judgement.verdict,
        "outcome": judgement.outcome,
        "why": judgement.why,
        "target": run.target,
        "runtime": run.runtime,
        "compression": f"{run.compression:g}",
        "scenario_hash": run.scenario_hash,
        "commit": run.commit,
    }
    properties = ET.SubElement(suite, "properties")
    for name, value in told.items():
        if value:
            ET.SubElement(properties, "property", {"name": name, "value": _xml(str(value))})


def _case(suite: ET.Element, scenario: str, one: Result) -> None:
    case = ET.SubElement(suite, "testcase", {"classname": f"rehearse.{scenario}", "name": one.name, "time": "0"})
    kind = KINDS.get(one.verdict)
    if kind is None:
        return
    measured = f"measured {one.measured}, limit {one.limit}, n {one.n}"
    message = _xml(one.detail if one.measured is None and one.detail else measured)
    told = ET.SubElement(case, kind, {"message": message})
    if kind != "skipped":
        told.set("type", one.verdict)
    told.text = _xml("\n".join(part for part in (measured, one.detail) if part))


def _xml(text: str) -> str:
    """Without the characters that XML 1.0 cannot hold at all."""
    return _NOT_XML.sub("", text)
