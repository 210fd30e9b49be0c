"""The dated table of prices, by region."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UsageError

FILE = Path(__file__).with_name("prices.toml")
NEAREST = "ap-northeast-2"  # whose prices are shown, and called so, where a region's own are not known
HOURS_A_MONTH = 730


@dataclass(frozen=True, slots=True)
class Prices:
    """USD. `region` is the one they are of, which can be another than was asked for."""

    region: str
    as_of: str
    of: Mapping[str, float]
    instances: Mapping[str, float]

    def hourly(self, what: str) -> float:
        """Per hour, of `..._hour` and of `..._month` alike."""
        for unit, hours in (("hour", 1), ("month", HOURS_A_MONTH)):
            if f"{what}_{unit}" in self.of:
                return self.of[f"{what}_{unit}"] / hours
        raise KeyError(what)

    def instance(self, kind: str) -> float:
        """Raises UsageError for one without a price: a plan without a sum is no plan."""
        if kind not in self.instances:
            known = ", ".join(sorted(self.instances))
            raise UsageError(
                f"there is no price for {kind} in {FILE.name} ([{self.region}.instance_hour]); known: {known}"
            )
        return self.instances[kind]


def prices_of(region: str) -> Prices:
    told = tomllib.loads(FILE.read_text(encoding="utf-8"))
    table = dict(told.get(region) or told[NEAREST])
    instances = table.pop("instance_hour")
    return Prices(region if region in told else NEAREST, str(told["as_of"]), table, instances)
