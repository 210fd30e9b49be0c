"""The small values of the scenario language: durations, rates, text in two languages, and how each is written."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
DURATION = r"^[0-9]+(\.[0-9]+)?(ms|s|m|h)$"
RATE = r"^[0-9]+(\.[0-9]+)?/(s|m)$"


def duration(text: object) -> float:
    """Seconds of `5s`, `250ms`, `1.5m` or `2h`. Raises ValueError; a number without a unit is not a duration."""
    if isinstance(text, bool) or not isinstance(text, (str, int, float)):
        raise ValueError(f"{text!r} is not a duration; write one like 5s, 250ms, 5m or 1h")
    if not (isinstance(text, str) and re.fullmatch(DURATION, text)):
        hint = f"; did you mean {text}s?" if re.fullmatch(r"\d+(\.\d+)?", str(text)) else ""
        raise ValueError(f"{text} is not a duration: it needs a number and a unit (ms, s, m or h){hint}")
    number, unit = re.split(r"(?<=\d)(?=[a-z])", text)
    return round(float(number) * _UNITS[unit], 6)


def as_duration(seconds: float) -> str:
    """`seconds` as the language writes it."""
    return f"{seconds:.12g}s"


def as_rate(per_second: float) -> str:
    """`per_second` as the language writes it."""
    return f"{per_second:.12g}/s"


def rate(text: object) -> float:
    """Requests per second of `20/s` or `90/m`. Raises ValueError."""
    if not (isinstance(text, str) and re.fullmatch(RATE, text)):
        raise ValueError(f"{text} is not a rate; write one like 20/s or 90/m")
    number, unit = text.split("/")
    per_second = float(number) / _UNITS[unit]
    if not 0 < per_second <= 1000:
        raise ValueError(f"{text} is {per_second:g} requests per second; it must be more than 0 and at most 1000")
    return per_second


Duration = Annotated[
    float,
    BeforeValidator(duration, json_schema_input_type=Annotated[str, Field(pattern=DURATION)]),
    PlainSerializer(as_duration, return_type=str, when_used="json"),
]
"""Seconds, written with a unit: `5s`."""

Rate = Annotated[
    float,
    BeforeValidator(rate, json_schema_input_type=Annotated[str, Field(pattern=RATE)]),
    PlainSerializer(as_rate, return_type=str, when_used="json"),
]
"""Requests per second, written `20/s`."""

Flag = Annotated[bool, Field(strict=True)]
"""true or false; never a word that some YAML readers take for one."""

Count = Annotated[int, Field(strict=True, ge=0)]
Percent = Annotated[float, Field(ge=0, le=100)]
Path = Annotated[str, Field(pattern=r"^/\S*$")]
"""A path with its query, as sent: `/slow?seconds=3`."""


class Part(BaseModel):
    """A part of a scenario: frozen, and an unknown key is an error."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True, allow_inf_nan=False
    )


class Localised(Part):
    """Text in English and, where it has been translated, in Korean."""

    en: Annotated[str, Field(min_length=1)]
    ko: str | None = None

    def __str__(self) -> str:
        return self.en


def _localised(value: Any) -> Any:
    if not isinstance(value, (str, dict, Localised)):
        raise ValueError('write text, in quotes where it is a number, or {en: "...", ko: "..."}')
    return {"en": value} if isinstance(value, str) else value


Text = Annotated[Localised, BeforeValidator(_localised, json_schema_input_type=str | Localised)]
"""Plain text, or `{en: "...", ko: "..."}`."""


def _matcher(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Matcher = Annotated[
    str, Field(pattern=r"^\d{3}([,-]\d{3})*$"), BeforeValidator(_matcher, json_schema_input_type=str | int)
]
"""The HTTP codes of a healthy answer, as ELBv2 takes them: `200`, `200-299`, `200,204`."""


def _versions(value: Any) -> Any:
    names = value if isinstance(value, (list, tuple)) else (value,)
    for name in names:
        if not isinstance(name, str):
            raise ValueError(f"{name} is not text; write a version, in quotes where it is a number")
    return tuple(names)


Versions = Annotated[
    tuple[str, ...],
    Field(min_length=1),
    BeforeValidator(_versions, json_schema_input_type=str | list[str]),
    PlainSerializer(lambda names: names[0] if len(names) == 1 else list(names), when_used="json"),
]
"""The versions that answer in one phase: one alone (`v1`), or several in turn (`[v1, v2]`)."""
