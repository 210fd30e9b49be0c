"""The arithmetic of placement, without anything running: expressions, ports, capacity provider strategies, new instances."""

from typing import Any

import pytest

from harness.emulator.capacity import (
    ContainerInstance,
    Demand,
    PortWanted,
    Room,
    Unplaced,
    Wishes,
    choose_provider,
    place,
)
from harness.emulator.placement_expressions import BadExpression, UnknownSubject, parse
from harness.emulator.services.ecs_scaling import new_instances

MICRO = Room(2048, 923, 1)
FACTS = {
    "attribute:ecs.instance-type": ("t3.small",),
    "attribute:disk": ("",),
    "ec2InstanceId": ("i-1",),
    "runningTasksCount": ("3",),
    "task:group": ("service:web", "family:job"),
}


def an_instance(name: str = "one", room: Room = MICRO, **attributes: str) -> ContainerInstance:
    return ContainerInstance(name, f"arn:{name}", f"i-{name}", room, dict(attributes), 0.0)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("attribute:ecs.instance-type == t3.small", True),
        ("attribute:ecs.instance-type != t3.small", False),
        ("attribute:ecs.instance-type =~ ^t3.*", True),
        ("attribute:ecs.instance-type !~ ^t3.*", False),
        ("attribute:ecs.instance-type in [t3.micro, t3.small]", True),
        ("attribute:ecs.instance-type not_in [t3.micro,t3.small]", False),
        ("attribute:disk exists", True),
        ("attribute:gpu !exists", True),
        ("attribute:gpu exists or runningTasksCount > 2", True),
        ("not (task:group == service:web) || ec2InstanceId == i-2", False),
        ("task:group == family:job and runningTasksCount <= 3", True),
        ("(attribute:gpu exists and ec2InstanceId == i-1)", False),
    ],
)
def test_expression_holds_or_not(text: str, holds: bool):
    assert parse(text)(FACTS) is holds


@pytest.mark.parametrize(
    "text", ["", "attribute:x", "attribute:x ==", "(attribute:x exists", "attribute:x exists )", "attribute:x ~ 1"]
)
def test_expression_that_cannot_be_read_says_where(text: str):
    with pytest.raises((BadExpression, UnknownSubject)):
        parse(text)


def test_unknown_subject_is_named():
    with pytest.raises(UnknownSubject, match="registeredAt"):
        parse("registeredAt > 2026-01-01")


def test_dynamic_ports_are_taken_in_turn_and_never_twice():
    instance = an_instance(room=Room(100_000, 100_000, 0))
    wanted = Demand(1, 1, (PortWanted("app", 80, 0), PortWanted("app", 81, 0), PortWanted("app", 82, 32770)))
    first = instance.claim("a", Demand(1, 1, (PortWanted("x", 1, 32769),)), "g")
    second = instance.claim("b", wanted, "g")
    assert [port.host_port for port in first.ports] == [32769]
    assert len({port.host_port for port in second.ports}) == 3
    assert 32769 not in {port.host_port for port in second.ports}
    instance.release("b")
    assert {
        port.host_port for port in instance.claim("c", Demand(1, 1, (PortWanted("app", 80, 0),)), "g").ports
    }.isdisjoint({port.host_port for port in second.ports})


def test_agents_port_cannot_be_had():
    answer = place([an_instance()], Demand(1, 1, (PortWanted("app", 22, 22),)), Wishes(), "g")
    assert isinstance(answer, Unplaced)
    assert answer.failures() == [{"arn": "arn:one", "reason": "RESOURCE:PORTS"}]


def test_interface_limit_and_missing_attribute_are_reasons_of_their_own():
    instance = an_instance()
    instance.claim("a", Demand(1, 1, interface=True), "g")
    for demand, reason in (
        (Demand(1, 1, interface=True), "RESOURCE:ENI"),
        (Demand(1, 1, attributes=frozenset({"gpu"})), "ATTRIBUTE"),
    ):
        answer = place([instance], demand, Wishes(), "g")
        assert isinstance(answer, Unplaced)
        assert answer.failures()[0]["reason"] == reason


def test_event_names_the_instance_that_came_closest():
    full, small = an_instance("full"), an_instance("small", Room(64, 923, 1))
    full.claim("a", Demand(0, 900), "g")
    answer = place([small, full], Demand(128, 128), Wishes(), "g")
    assert isinstance(answer, Unplaced)
    assert "(container-instance full) has insufficient memory available." in answer.event


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ([{"capacityProvider": "a"}], ["a", "a", "a"]),
        ([{"capacityProvider": "a", "base": 1, "weight": 0}, {"capacityProvider": "b", "weight": 1}], ["a", "b", "b"]),
        ([{"capacityProvider": "a", "weight": 2}, {"capacityProvider": "b", "weight": 1}], ["a", "b", "a"]),
        (
            [{"capacityProvider": "a", "base": 2, "weight": 1}, {"capacityProvider": "b", "weight": 1}],
            ["a", "a", "a", "b", "a"],
        ),
    ],
)
def test_strategy_fills_bases_and_then_weights(strategy: list[dict[str, Any]], expected: list[str]):
    counts: dict[str, int] = {}
    chosen = []
    for _ in expected:
        chosen.append(choose_provider(strategy, counts))
        counts[chosen[-1]] = counts.get(chosen[-1], 0) + 1
    assert chosen == expected


def test_new_instances_are_as_many_as_the_waiting_tasks_fill():
    assert new_instances([Demand(256, 400)] * 4, MICRO) == 2
    assert new_instances([Demand(256, 100, (PortWanted("app", 80, 8080),))] * 3, MICRO) == 3
    assert new_instances([Demand(256, 2000)], MICRO) == 0  # fits no instance of the type: more of them would not help
    assert new_instances([Demand(256, 100, interface=True)] * 2, MICRO) == 2
