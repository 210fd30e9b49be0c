"""The deployment engine's pure parts: AppSpec, routing, the compressed timetable, the status tables."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.emulator.deploy import appspec, routing, status, timetable

SPEC = """
version: 0.0
Resources:
  - TargetService:
      Type: AWS::ECS::Service
      Properties:
        TaskDefinition: "arn:aws:ecs:us-east-1:123456789012:task-definition/app:2"
        LoadBalancerInfo: {ContainerName: "app", ContainerPort: 8080}
Hooks:
  - AfterAllowTestTraffic: "check"
"""


def test_appspec_is_read_from_yaml_and_from_the_json_clients_make_of_it():
    spec = appspec.parse(SPEC)
    as_json = json.dumps(
        {
            "version": 0.0,
            "resources": [
                {
                    "TargetService": {
                        "type": "AWS::ECS::Service",
                        "properties": {
                            "taskDefinition": "arn:aws:ecs:us-east-1:123456789012:task-definition/app:2",
                            "loadBalancerInfo": {"containerName": "app", "containerPort": 8080},
                        },
                    }
                }
            ],
            "hooks": [{"afterAllowTestTraffic": "check"}],
        }
    )
    assert appspec.parse(as_json) == spec
    assert (spec.container_name, spec.container_port, spec.hooks) == ("app", 8080, {"AfterAllowTestTraffic": "check"})
    assert spec.network is None


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("version: 0.0", "version: 1.0"), "version is 1.0; it must be 0.0"),
        (("AWS::ECS::Service", "AWS::Lambda::Function"), "it must be AWS::ECS::Service"),
        (
            ('TaskDefinition: "arn:aws:ecs:us-east-1:123456789012:task-definition/app:2"', "X: 1"),
            "must include property 'TaskDefinition'",
        ),
        (
            ("ContainerPort: 8080", "ContainerPort: web"),
            "ContainerPort must be a number between 1 and 65535, not 'web'",
        ),
        (
            ("AfterAllowTestTraffic", "BeforeBlockTraffic"),
            "Hooks names BeforeBlockTraffic; it must be one of BeforeInstall",
        ),
        (("Resources:\n", "Resources: []\nOther:\n"), "must name exactly one resource"),
        (("version: 0.0", "version: [0.0"), "neither YAML nor JSON"),
    ],
)
def test_appspec_that_is_wrong_says_what_would_be_right(change: tuple[str, str], says: str):
    with pytest.raises(appspec.AppSpecInvalid, match=says):
        appspec.parse(SPEC.replace(*change))


def test_linear_10_percent_takes_ten_shifts_and_nine_waits():
    shifts = routing.ECS_CONFIGS["CodeDeployDefault.ECSLinear10PercentEvery1Minutes"].shifts()
    assert [shift.weight for shift in shifts] == list(range(10, 101, 10))
    assert [shift.wait for shift in shifts] == [60.0] * 9 + [0.0]


def test_linear_30_percent_ends_at_exactly_100():
    assert [shift.weight for shift in routing.Routing("TimeBasedLinear", 30, 1).shifts()] == [30, 60, 90, 100]


def test_canary_shifts_once_and_all_at_once_shifts_at_once():
    assert routing.Routing("TimeBasedCanary", 10, 5).shifts() == [routing.Shift(10, 300.0), routing.Shift(100, 0.0)]
    assert routing.Routing("AllAtOnce").shifts() == [routing.Shift(100, 0.0)]


@pytest.mark.parametrize("name", routing.ECS_CONFIGS)
def test_predefined_routing_survives_its_own_aws_form(name: str):
    assert routing.from_aws(routing.ECS_CONFIGS[name].to_aws()) == routing.ECS_CONFIGS[name]


@pytest.mark.parametrize(
    "config",
    [
        {"type": "TimeBasedCanary"},
        {"type": "TimeBasedCanary", "timeBasedCanary": {"canaryPercentage": 100, "canaryInterval": 5}},
        {"type": "TimeBasedLinear", "timeBasedLinear": {"linearPercentage": 1, "linearInterval": 60}},
        {"type": "Sometimes"},
    ],
)
def test_routing_that_cannot_be_is_refused(config: dict[str, object]):
    with pytest.raises(routing.RoutingInvalid):
        routing.from_aws(config)


waits = st.lists(st.floats(0, 3600), min_size=1, max_size=12)


@given(waits, st.floats(1, 60), st.floats(0, 120))
def test_compressed_waits_never_go_below_the_floor_nor_above_the_declared(
    declared: list[float], factor: float, floor: float
):
    real = timetable.effective(declared, factor, floor)
    assert sum(real) >= min(floor, sum(declared)) - 1e-6
    assert all(effective <= wait + 1e-9 for effective, wait in zip(real, declared, strict=True))
    assert all(effective >= wait / factor - 1e-9 for effective, wait in zip(real, declared, strict=True))


def test_the_last_wait_is_the_one_that_is_stretched():
    assert timetable.effective([60.0, 60.0, 300.0], 60, 15) == [1.0, 1.0, 13.0]


def test_the_floor_is_the_slowest_of_health_checks_and_alarms_plus_two_seconds():
    check = timetable.HealthCheck(interval=5, timeout=2, unhealthy=2)
    alarm = timetable.AlarmPeriods(period=60, evaluated=1, compression=20)
    assert timetable.floor([check], [alarm], poll=0.5) == 14
    assert timetable.floor([check], [timetable.AlarmPeriods(60, 5, 20)], poll=0.5) == 17.5


@pytest.mark.parametrize("table", [status.DEPLOYMENT, status.EVENT])
def test_status_never_leaves_an_end(table: dict[str, frozenset[str]]):
    for ended in (one for one, following in table.items() if not following):
        for wanted in table:
            with pytest.raises(status.IllegalTransition):
                status.move(table, "x", ended, wanted)
