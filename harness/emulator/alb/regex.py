"""Regular expressions of rules: those features of Python's that ALB has too (User Guide, "Transforms for listener rules")."""

from __future__ import annotations

import re

# A class or an escaped sign, to be passed over; else look-around, atomic and other groups by name or condition, back-references,
# possessive quantifiers, Unicode classes.
FOREIGN = re.compile(
    r"\[\^?\]?(?:\\.|[^\]\\])*\]|\\\W|(\\[1-9pPkgXRZAGK]|\(\?(?!:|P<|[imsU-]+[:)])|[*+?}]\+)", re.DOTALL
)


class BadRegex(ValueError):
    """An expression that ALB does not take; the message says why."""


def compiled(text: str, *, ignore_case: bool = False) -> re.Pattern[bytes]:
    """Raises BadRegex."""
    foreign = next((found[1] for found in FOREIGN.finditer(text) if found[1]), None)
    if foreign is not None:
        raise BadRegex(f"'{foreign}' is not supported in a regular expression")
    try:
        return re.compile(text.encode("latin-1", "replace"), re.IGNORECASE if ignore_case else 0)
    except re.error as error:
        raise BadRegex(f"the regular expression '{text}' is not valid: {error}") from error
