"""Which status may follow which: one table for deployments, one for lifecycle events (A.3.2, A.3.3). Every other move is a bug."""

from __future__ import annotations

from collections.abc import Mapping

DEPLOYMENT: Mapping[str, frozenset[str]] = {
    "Created": frozenset({"InProgress", "Stopped", "Failed"}),
    "InProgress": frozenset({"Ready", "Succeeded", "Failed", "Stopped"}),
    "Ready": frozenset({"InProgress", "Failed", "Stopped"}),
    "Succeeded": frozenset(),
    "Failed": frozenset(),
    "Stopped": frozenset(),
}
EVENT: Mapping[str, frozenset[str]] = {
    "Pending": frozenset({"InProgress", "Skipped"}),
    "InProgress": frozenset({"Succeeded", "Failed"}),
    "Succeeded": frozenset(),
    "Failed": frozenset(),
    "Skipped": frozenset(),
}
ENDED = frozenset(status for status, following in DEPLOYMENT.items() if not following)


class IllegalTransition(AssertionError):
    """A status was about to follow one it cannot follow."""


def move(table: Mapping[str, frozenset[str]], what: str, current: str, wanted: str) -> str:
    """`wanted`, when it may follow `current`."""
    if wanted not in table[current]:
        raise IllegalTransition(f"{what}: {current} -> {wanted}")
    return wanted
