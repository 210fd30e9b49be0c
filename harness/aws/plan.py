"""What an `aws up` and a run will cost, how long they take, and whether two fleets fit: all that must be known before."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from harness import compression
from harness.aws.prices import HOURS_A_MONTH, Prices
from harness.aws.settings import AwsSettings, Profile
from harness.driver import Session
from harness.errors import UsageError
from harness.scenario import Scenario, Service

When = Literal["standing", "running", "deploying"]
ZONES = 2
INSTANCE_DISK_GB, NAT_DISK_GB = 30, 8  # what the images ask for
LOAD_CPU, LOAD_GB = 1, 2  # of each task of templates/locust.yaml
IMAGES_GB = 1.0  # a guess: a few hundred megabytes each, layers shared
PROVISION, TEAR_DOWN = (
    300.0,
    90.0,
)  # seconds: a load balancer takes two to three minutes, Fargate one, draining the rest
UP = {"lean": 420.0, "seed": 600.0}
AT_ONCE = 4  # scenarios side by side on Fargate: eight of their double fleets would pass a new account's quota
SEEN_BY_ECS = 0.92  # of an instance's memory: the rest is the kernel's and the agent's


@dataclass(frozen=True, slots=True)
class Line:
    """`count` of something at `each` USD per hour, from when it is there."""

    what: str
    count: float
    each: float
    when: When = "standing"

    @property
    def hourly(self) -> float:
        return self.count * self.each


@dataclass(frozen=True, slots=True)
class InstanceType:
    """What DescribeInstanceTypes says: vCPU units as ECS counts them, MiB that tasks can have, interfaces, architectures."""

    name: str
    cpu: int
    memory: int
    interfaces: int
    architectures: tuple[str, ...]

    def holds(self, service: Service) -> int:
        """Tasks of the service on one instance, in bridge mode."""
        return min(self.cpu // service.cpu, self.memory // service.memory)


@dataclass(frozen=True, slots=True)
class Plan:
    """`seconds` of real time for the run, 0 without scenarios. `notes` are for the reader, in his words."""

    profile: Profile
    prices: Prices
    region: str
    lines: tuple[Line, ...]
    ttl: float
    at_once: int
    seconds: float
    durations: Mapping[str, float]
    notes: tuple[str, ...] = ()

    def hourly(self, *when: When) -> float:
        return math.fsum(line.hourly for line in self.lines if line.when in when)

    @property
    def standing(self) -> float:
        return self.hourly("standing")

    @property
    def running(self) -> float:
        return self.hourly("standing", "running")

    @property
    def deploying(self) -> float:
        """The most: both fleets of every scenario that runs beside others."""
        return self.hourly("standing", "running", "deploying")

    @property
    def until_self_destruct(self) -> float:
        """At most, USD: run after run with both fleets, until the time to live is over."""
        return self.deploying * self.ttl / 3600


def plan_of(
    settings: AwsSettings,
    profile: Profile,
    prices: Prices,
    region: str,
    scenarios: Sequence[Scenario],
    *,
    architecture: str,
    lasting: bool,
    instance: InstanceType | None,
    load_workers: int = 0,
) -> Plan:
    """`instance` is the seed profile's type. `lasting` is the stack's own load balancer and service; `load_workers` are tasks while
    a scenario has its traffic made by Locust. Raises UsageError."""
    at_once = at_once_of(settings, profile, scenarios, instance, lasting)
    durations = {one.id: duration(one) for one in scenarios}
    largest = sorted((_fleet(one.service, prices, profile, architecture) for one in scenarios), reverse=True)[:at_once]
    lines = [*_standing(settings, profile, prices, architecture, lasting)]
    if scenarios:
        lines += _running(scenarios, prices, min(at_once, len(scenarios)))
        lines += [Line("tasks of blue", 1, math.fsum(largest), "running")]
        lines += [Line("tasks of green beside them", 1, math.fsum(largest), "deploying")]
    lines += _load(scenarios, profile, prices, architecture, load_workers, at_once)
    return Plan(
        profile=profile,
        prices=prices,
        region=region,
        lines=tuple(lines),
        ttl=settings.ttl,
        at_once=at_once,
        seconds=_together(durations.values(), at_once),
        durations=durations,
        notes=tuple(_notes(settings, profile, scenarios, instance)),
    )


# ---- what it costs


def _standing(settings: AwsSettings, profile: Profile, prices: Prices, architecture: str, lasting: bool) -> list[Line]:
    lines = [Line("images in ECR (1 GB)", IMAGES_GB, prices.hourly("registry_gb"))]
    if profile == "seed":
        lines += [
            Line(f"instance {settings.instance_type}", settings.instances, prices.instance(settings.instance_type)),
            Line("disk of an instance (30 GB)", settings.instances, INSTANCE_DISK_GB * prices.hourly("disk_gb")),
            Line(f"NAT instance {settings.nat_instance_type}", 1, prices.instance(settings.nat_instance_type)),
            Line("disk of the NAT instance (8 GB)", 1, NAT_DISK_GB * prices.hourly("disk_gb")),
            Line("public address of the NAT instance", 1, prices.hourly("public_address")),
        ]
    else:
        lines += [Line("interface endpoint of CodeDeploy", 1, prices.hourly("endpoint_zone"))]
    if settings.domain and profile == "seed" and not settings.hosted_zone:
        lines += [Line("hosted zone", 1, prices.hourly("hosted_zone"))]
    if profile == "seed" or lasting:
        lines += _load_balancer(prices, 1, "standing", "the stack's load balancer")
    if lasting:
        lines += [Line("tasks of the stack's service", 1, _fleet(Service(), prices, profile, architecture))]
    return lines


def _load_balancer(prices: Prices, count: int, when: When, what: str) -> list[Line]:
    return [
        Line(what, count, prices.hourly("load_balancer"), when),
        Line("public addresses of a load balancer", ZONES * count, prices.hourly("public_address"), when),
    ]


def _running(scenarios: Sequence[Scenario], prices: Prices, count: int) -> list[Line]:
    metrics = max(sum(3 if "percent" in one.metric else 1 for one in s.deploy.alarms.values()) for s in scenarios)
    lines = _load_balancer(prices, count, "running", "load balancer of a scenario")
    lines += [Line("its traffic (1 LCU)", count, prices.hourly("capacity_unit"), "running")]
    own = [one.service.capacity for one in scenarios if one.service.capacity is not None]
    if own:
        dearest = max(prices.instance(one.instance_type) * one.instances for one in own)
        lines += [Line("instances of a scenario's own", 1, dearest, "running")]
    if metrics:
        lines += [Line("metrics of its alarms", metrics * count, prices.hourly("alarm_metric"), "running")]
    return lines


def _load(
    scenarios: Sequence[Scenario], profile: Profile, prices: Prices, architecture: str, workers: int, at_once: int
) -> list[Line]:
    """Master and workers, of each scenario that has them and runs beside others. Before any is named, of one."""
    loaded = sum(one.traffic.engine == "locust" for one in scenarios)
    sets = min(loaded, at_once) if scenarios else 1
    if not workers or not sets:
        return []
    address = prices.hourly("public_address") if profile == "lean" else 0.0
    each = _fargate(prices, architecture, LOAD_CPU, LOAD_GB) + address
    return [Line("Locust's master and workers", sets * (workers + 1), each, "running")]


def _fargate(prices: Prices, architecture: str, cpu: float, gb: float) -> float:
    return cpu * prices.hourly(f"fargate_{architecture}_cpu") + gb * prices.hourly(f"fargate_{architecture}_gb")


def _fleet(service: Service, prices: Prices, profile: Profile, architecture: str) -> float:
    """USD per hour of one fleet; on instances it is paid with them."""
    if profile == "seed" or service.capacity is not None:
        return 0.0
    task = _fargate(prices, architecture, service.cpu / 1024, service.memory / 1024)
    return service.desired_count * (task + prices.hourly("public_address"))


# ---- how long it takes, and whether it fits


def duration(scenario: Scenario) -> float:
    """Real seconds on AWS: nothing is compressed there."""
    waits = compression.critical_path(scenario, compression.compression_for(scenario, 1.0))
    return PROVISION + waits + TEAR_DOWN


def _together(durations: Any, at_once: int) -> float:
    """The longest first, each where there is room first."""
    lanes = [0.0] * at_once
    for seconds in sorted(durations, reverse=True):
        lanes[lanes.index(min(lanes))] += seconds
    return max(lanes)


def at_once_of(
    settings: AwsSettings,
    profile: Profile,
    scenarios: Sequence[Scenario],
    instance: InstanceType | None,
    lasting: bool = False,
) -> int:
    """Raises UsageError where two fleets of a scenario do not fit on the seed profile's instances, beside a lasting service."""
    if profile == "lean" or instance is None:
        return AT_ONCE
    taken = Service().desired_count if lasting else 0
    room = [
        _times_it_fits(one, settings.instances, instance, taken) for one in scenarios if one.service.capacity is None
    ]
    return max(1, min([AT_ONCE, *room]))


def _times_it_fits(scenario: Scenario, instances: int, instance: InstanceType, taken: int) -> int:
    service = scenario.service
    room, wanted = instance.holds(service) * instances - taken, 2 * service.desired_count
    if room < wanted:
        beside = f" beside the {taken} of the lasting service" if taken else ""
        raise UsageError(
            f"{scenario.id}: two fleets are {wanted} tasks of {service.cpu} CPU units and {service.memory} MiB, and "
            f"{instances} {instance.name} hold {room} of them{beside}: say more `instances` or a larger `instance_type` in [aws] of "
            "rehearsal.toml"
        )
    return room // wanted


def instance_type(session: Session, name: str) -> InstanceType:
    """Raises ClientError for a type that the region does not have."""
    seen = session.call("ec2", "describe_instance_types", InstanceTypes=[name])["InstanceTypes"][0]
    names = {"x86_64": "amd64", "arm64": "arm64"}
    return InstanceType(
        name=name,
        cpu=seen["VCpuInfo"]["DefaultVCpus"] * 1024,
        memory=int(seen["MemoryInfo"]["SizeInMiB"] * SEEN_BY_ECS),
        interfaces=seen["NetworkInfo"]["MaximumNetworkInterfaces"],
        architectures=tuple(names[one] for one in seen["ProcessorInfo"]["SupportedArchitectures"] if one in names),
    )


def _notes(
    settings: AwsSettings, profile: Profile, scenarios: Sequence[Scenario], instance: InstanceType | None
) -> list[str]:
    notes = []
    if profile == "seed" and instance is not None:
        interfaces = settings.instances * (instance.interfaces - 1)
        held = settings.instances * instance.holds(scenarios[0].service if scenarios else Service())
        notes.append(
            f"{settings.instances} {instance.name} hold {held} tasks in bridge mode (awsvpc would stop at {interfaces}: a network "
            "interface for each task)"
        )
    if any(one.service.capacity is not None for one in scenarios):
        notes.append("scenarios with instances of their own start and end them: minutes more, on both sides")
    return notes


# ---- as text


def table(plan: Plan, account: str, settings: AwsSettings) -> str:
    """The plan as it is shown before anything is made."""
    place = f"{plan.profile} profile in {plan.region}, account {account}, owner {settings.who}"
    rows = [f"plan: {place}"]
    for when in ("standing", "running", "deploying"):
        rows += [_row(line, when) for line in plan.lines if line.when == when]
    totals = [("standing", plan.standing)]
    if plan.durations:
        totals += [("while scenarios run", plan.running), ("while they deploy, both fleets", plan.deploying)]
    rows += ["USD" + " " * 41 + "an hour     a day   a month"]
    rows += [f"  {name:<40} {usd:>8.3f} {usd * 24:>9.2f} {usd * HOURS_A_MONTH:>9.2f}" for name, usd in totals]
    rows += [
        f"it destroys itself {_minutes(plan.ttl)} after it is up: at most {plan.until_self_destruct:.2f} USD until then"
    ]
    rows += [f"making it takes about {_minutes(UP[plan.profile])}" + _runs(plan)]
    rows += [f"note: {note}" for note in plan.notes]
    rows += [
        f"prices of {plan.prices.region} as of {plan.prices.as_of}, before data transfer and tax" + _other_region(plan)
    ]
    return "\n".join(rows)


def _row(line: Line, when: When) -> str:
    mark = {"standing": " ", "running": "+", "deploying": "2"}[when]
    return f"{mark} {line.what:<38} {line.count:>3g} x {line.each:.5f}"


def _runs(plan: Plan) -> str:
    if not plan.durations:
        return ""
    longest = max(plan.durations, key=lambda name: plan.durations[name])
    return (
        f"; the {len(plan.durations)} scenarios take about {_minutes(plan.seconds)}, {plan.at_once} at once and nothing "
        f"compressed (the longest is {longest}, {_minutes(plan.durations[longest])})"
    )


def _other_region(plan: Plan) -> str:
    return "" if plan.prices.region == plan.region else f"; those of {plan.region} are not in the table and will differ"


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
