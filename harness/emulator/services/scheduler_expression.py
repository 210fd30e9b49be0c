"""When a schedule is due: `at(...)`, `rate(...)` and `cron(...)` as EventBridge Scheduler spells them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from harness import clock
from harness.emulator.cloud import AwsError, not_emulated

AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")
RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
CRON = re.compile(r"cron\((.+)\)")
SECONDS = {"minute": 60, "hour": 3600, "day": 86400}
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")  # Sunday is 1
LOOKED_AHEAD = 366 * 5  # days in which a cron expression must come true, or it never does
Next = Callable[[float], float | None]
"""The first moment at or after a given one (seconds since the epoch); None where there is none any more."""


def invalid(message: str) -> AwsError:
    return AwsError("ValidationException", message)


def next_of(expression: str, zone: str, began: float) -> Next:
    """`began` is from when a rate counts. Raises ValidationException."""
    if found := AT.fullmatch(expression):
        return _at(found[1], _zone(zone), expression)
    if found := RATE.fullmatch(expression):
        return _rate(int(found[1]) * SECONDS[found[2]], began, expression)
    if found := CRON.fullmatch(expression):
        return Cron.read(found[1], _zone(zone), expression).next
    raise _not_valid(expression)


def _not_valid(expression: str) -> AwsError:
    return invalid(f"Invalid Schedule Expression {expression}.")


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise invalid(f"Invalid Schedule Expression Timezone {name}.") from None


def _at(text: str, zone: ZoneInfo, expression: str) -> Next:
    try:
        moment = datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()
    except ValueError:
        raise _not_valid(expression) from None
    return lambda after: moment if moment >= after else None


def _rate(seconds: int, began: float, expression: str) -> Next:
    if not seconds:
        raise _not_valid(expression)

    def following(after: float) -> float:
        """The n-th tick after `began`, which is a tick itself."""
        ticks = max(0, -int(-(after - began) // seconds))
        return began + ticks * seconds

    return following


@dataclass(frozen=True, slots=True)
class Cron:
    """The six fields' values; `days` and `weekdays`: one of them is everything, as `?` asks."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    years: frozenset[int]
    zone: ZoneInfo

    @classmethod
    def read(cls, text: str, zone: ZoneInfo, expression: str) -> Cron:
        """Raises ValidationException; L, W and # are refused by name."""
        fields = text.split()
        if len(fields) != 6 or (fields[2] == "?") == (fields[4] == "?"):
            raise _not_valid(expression)
        try:
            minute, hour, day, month, weekday, year = (
                frozenset(_values(field, low, high, names))
                for field, (low, high, names) in zip(fields, FIELDS, strict=True)
            )
        except ValueError:
            raise _not_valid(expression) from None
        return cls(minute, hour, day, month, weekday, year, zone)

    def next(self, after: float) -> float | None:
        begin = clock.utc(after).astimezone(self.zone)
        for ahead in range(LOOKED_AHEAD):
            day = begin.date() + timedelta(days=ahead)
            if not (day.year in self.years and day.month in self.months and day.day in self.days):
                continue
            if day.isoweekday() % 7 + 1 not in self.weekdays:
                continue
            for hour in sorted(self.hours):
                for minute in sorted(self.minutes):
                    moment = datetime(day.year, day.month, day.day, hour, minute, tzinfo=self.zone).timestamp()
                    if moment >= after:
                        return moment
        return None


FIELDS: tuple[tuple[int, int, tuple[str, ...]], ...] = (
    (0, 59, ()),
    (0, 23, ()),
    (1, 31, ()),
    (1, 12, MONTHS),
    (1, 7, DAYS),
    (1970, 2199, ()),
)


def _values(field: str, low: int, high: int, names: tuple[str, ...]) -> Iterator[int]:
    """`*`, `?`, `3`, `MON-FRI`, `1,15`, `0/10`. Raises ValueError."""
    for part in field.split(","):
        if re.fullmatch(r"\d*L|\d+W|LW|\d+#\d+", part):
            raise not_emulated("scheduler", f"cron with {part}")
        span, slash, step = part.partition("/")
        first, dash, last = span.partition("-")
        if span in ("*", "?"):
            begin, end = low, high
        else:
            begin = _number(first, low, names)
            end = _number(last, low, names) if dash else high if slash else begin
        if not low <= begin <= end <= high:
            raise ValueError(field)
        yield from range(begin, end + 1, int(step) if slash else 1)


def _number(text: str, low: int, names: tuple[str, ...]) -> int:
    return names.index(text.upper()) + low if text.upper() in names else int(text)


def seconds_of(moment: datetime) -> float:
    """A date of a request; one without a zone is UTC."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
