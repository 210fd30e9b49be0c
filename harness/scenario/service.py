"""The service, its users and what is released: the first half of a scenario."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from harness.scenario.values import Duration, Matcher, Part, Path, Percent, Rate

# ---- the service and its users


class HealthCheck(Part):
    """Of both target groups, within ELBv2's limits. Wall clock, never compressed."""

    path: Path = "/healthz"
    interval: Annotated[Duration, Field(ge=5, le=300)] = 5.0
    timeout: Annotated[Duration, Field(ge=2, le=120)] = 2.0
    healthy: Annotated[int, Field(ge=2, le=10)] = 2
    unhealthy: Annotated[int, Field(ge=2, le=10)] = 2
    matcher: Matcher = "200"

    @property
    def detection(self) -> float:
        """Real seconds until a target that broke is called unhealthy."""
        return self.unhealthy * self.interval + self.timeout


class VersionFrom(Part):
    """Where an answer says which version gave it: a response header, or a dotted path into its JSON body (`build.version`)."""

    header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")] | None = None
    json_: Annotated[str | None, Field(alias="json", pattern=r"^[^\s.]+(\.[^\s.]+)*$")] = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.header is None) == (self.json_ is None):
            raise ValueError("write one of: {header: X-App-Version}, {json: build.version}")
        return self


class Capacity(Part):
    """Tasks run on EC2 instances of the scenario's own, not on Fargate: what does not fit is not placed.

    `host_port` 0 lets the agent choose one for each task; a fixed one is taken once per instance.
    """

    instances: Annotated[int, Field(ge=1, le=10)] = 1
    instance_type: Annotated[str, Field(pattern=r"^[a-z0-9-]+\.[a-z0-9-]+$")] = "t3.micro"
    host_port: Annotated[int, Field(ge=0, le=65535)] = 0


class Service(Part):
    """The ECS service. A version's image is `<image>:<version>`.

    `grace_period` (health checks of a task that has just started do not count) is wall clock like the health checks. `sticky`
    is how long a cookie of the production listener keeps a user on one target group (C.2).
    """

    desired_count: Annotated[int, Field(ge=1, le=50)] = 2
    image: str = "sampleapp"
    container_port: Annotated[int, Field(ge=1, le=65535)] = 8080
    cpu: Annotated[int, Field(ge=128, le=16384)] = 256
    memory: Annotated[int, Field(ge=64, le=122880)] = 512
    environment: dict[str, str] = Field(default_factory=dict)
    stop_timeout: Annotated[Duration, Field(ge=2, le=120)] = 30.0
    health_check: HealthCheck = HealthCheck()
    deregistration_delay: Annotated[Duration, Field(ge=0, le=3600)] = 5.0
    grace_period: Annotated[Duration, Field(ge=0, le=86400)] = 0.0
    capacity: Capacity | None = None
    sticky: Annotated[Duration, Field(ge=1, le=604800)] | None = None
    version_from: VersionFrom = VersionFrom(header="X-App-Version")


class SteadyState(Part):
    """How long everything must have been well before the deployment starts."""

    for_: Annotated[Duration, Field(alias="for")] = 3.0


class AskedRequest(Part):
    """One kind of request. `weight` is its share beside the others; a `body` is sent as `content_type`."""

    path: Path = "/"
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    body: str | None = None
    content_type: Annotated[str, Field(pattern=r"^[ -~]{1,128}$")] = "application/json"
    weight: Annotated[int, Field(ge=1, le=1000)] = 1


class LongLived(Part):
    """`count` WebSocket connections to `path`: opened before the deployment, kept open to the end."""

    count: Annotated[int, Field(ge=1, le=1000)] = 5
    path: Path = "/ws"


WORKERS = 2  # of Locust, where a scenario names no number


class Traffic(Part):
    """The simulated users: an open loop at a fixed rate through the production listener, for the whole run.

    Without `requests` it is a GET of `path`; with them, each comes as often as its weight says. With `sessions` that many users
    take turns, each with cookies of its own, and each goes through the requests in order; without, nobody keeps a cookie.
    `engine: locust` hands the same traffic to Locust: a master, and `workers` processes that share the rate and the users.
    """

    rate: Rate = 20.0
    path: Path = "/"
    timeout: Annotated[Duration, Field(gt=0, le=120)] = 10.0
    requests: tuple[AskedRequest, ...] = ()
    sessions: Annotated[int, Field(ge=1, le=10_000)] | None = None
    websockets: LongLived | None = None
    engine: Literal["probe", "locust"] = "probe"
    workers: Annotated[int, Field(ge=1, le=64)] | None = None

    @property
    def asked(self) -> tuple[AskedRequest, ...]:
        """What is asked, at least one."""
        return self.requests or (AskedRequest(path=self.path),)

    @property
    def shared_by(self) -> int:
        """How many processes make it."""
        return (self.workers or WORKERS) if self.engine == "locust" else 1


# ---- what is released

FaultKind = Literal[
    "http_status",
    "latency",
    "crash",
    "slow_start",
    "exit_on_sigterm",
    "ignore_sigterm",
    "wrong_body",
    "unhealthy",
    "oom",
    "missing_tag",
    "wrong_architecture",
    "wrong_container_port",
    "wrong_app_spec_port",
    "too_much_memory",
]
IMAGE_FAULTS = ("missing_tag", "wrong_architecture")
TASK_DEFINITION_FAULTS = ("wrong_container_port", "wrong_app_spec_port", "too_much_memory")
# Which options mean something for which kind; none of them is required. Defaults are the sample app's.
_FAULT_OPTIONS: dict[str, tuple[str, ...]] = {
    "http_status": ("status", "where", "path", "after", "percent"),
    "latency": ("seconds", "where", "path", "after", "percent"),
    "wrong_body": ("where", "path", "after", "percent"),
    "unhealthy": ("after",),
    "crash": ("after",),
    "oom": ("after",),
    "slow_start": ("seconds",),
}


class Fault(Part):
    """What is wrong with a version, carried by the version itself, so that it is wrong on every target.

    `where` is production's traffic, the test listener's, the health checks or all but those. `after` counts real seconds since
    the task started; `seconds` is how long a slow answer, or a slow start, takes.
    """

    kind: FaultKind
    status: Annotated[int, Field(ge=200, le=599)] | None = None
    where: Literal["production", "test", "health", "all"] | None = None
    path: Path | None = None
    after: Duration | None = None
    percent: Percent | None = None
    seconds: Annotated[float, Field(gt=0, le=600)] | None = None

    @property
    def options(self) -> dict[str, Any]:
        """The options that were given, by name."""
        names = ("status", "where", "path", "after", "percent", "seconds")
        return {name: value for name in names if (value := getattr(self, name)) is not None}

    @model_validator(mode="after")
    def _only_options_of_the_kind(self) -> Self:
        allowed = _FAULT_OPTIONS.get(self.kind, ())
        known = f"its options are {', '.join(allowed)}" if allowed else "it has no options"
        found = [
            ((name,), f"a {self.kind} fault has no `{name}`; {known}") for name in self.options if name not in allowed
        ]
        if found:
            raise PydanticCustomError("rules", "{problems}", {"problems": found})
        return self

    def environment(self) -> dict[str, str]:
        """The sample app's `FAULT_*` variables; empty for a fault of the image or of the task definition."""
        if self.kind in IMAGE_FAULTS + TASK_DEFINITION_FAULTS:
            return {}
        options = {name: value if isinstance(value, str) else f"{value:g}" for name, value in self.options.items()}
        return {f"FAULT_{name.upper()}": value for name, value in {"kind": self.kind, **options}.items()}


class Version(Part):
    version: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$")]
    fault: Fault | None = None


class Release(Part):
    """`from` is blue, `to` is green."""

    from_: Annotated[Version, Field(alias="from")]
    to: Version
