"""What `rehearse doctor --target localstack` shows: every service, what it really does there, and who will serve it."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from harness.errors import EXIT_MET
from harness.targets import emulators, local
from harness.targets.base import Asked
from harness.targets.localstack import Composition, composed, options, reached, served_by


def run(home: Path, endpoint: str | None) -> int:
    """Find or start LocalStack, survey it, put the emulator in front of it. Raises HarnessError where that cannot be."""
    with reached(Asked(target="localstack", home=home, endpoint=endpoint)) as (found, origin):
        made = composed(found)
        with local.started(home, "process", *options(made)) as url:
            ours = emulators.ask(url, "/_rehearsal/status")["services"]
    licence = "licence activated" if found.licensed else "no licence"
    print(f"{origin}; edition {found.edition}, {licence}; {made.why}")
    _console().print(table(made, ours))
    return EXIT_MET


def table(made: Composition, ours: list[str]) -> Table:
    shown = Table(box=None, pad_edge=False)
    for title in ("service", "edition", "in LocalStack", "who will serve it", "what it said"):
        shown.add_column(title, no_wrap=title != "what it said")
    for one in made.found.findings.values():
        detail = "" if one.state == "unlicensed" else one.detail  # that is always the same sentence
        shown.add_row(one.service, one.edition, one.state, served_by(one, ours, made.localstack), detail)
    return shown


def _console() -> Console:
    """Wide enough for a log, where there is no terminal."""
    console = Console(highlight=False, markup=False)
    return console if console.is_terminal else Console(highlight=False, markup=False, width=160)
