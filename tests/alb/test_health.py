"""Target health, fail-open and deregistration as the data plane decides them (C.3, C.4)."""

import asyncio

from harness import clock
from harness.emulator.alb.plane import Target
from tests.alb.conftest import balancer, forward, story


@story
async def test_target_of_a_group_that_no_rule_uses_is_unused_and_not_checked():
    async with balancer() as lb:
        (blue,) = await lb.group("blue", "blue")
        await lb.until(lambda: lb.state(blue) == "unused")
        change = lb.health["blue", blue.port]
        assert change.reason == "Target.NotInUse"
        assert change.description == "Target group is not configured to receive traffic from the load balancer"
        assert blue.connections == 0


@story
async def test_weight_0_counts_as_in_use_and_one_passing_check_makes_a_new_target_healthy():
    async with balancer() as lb:
        await lb.group("blue", "blue")
        (green,) = await lb.group("green", "green", HealthyThresholdCount=10)
        await lb.split(100, 0)
        await lb.healthy(green)
        states = [change.state for change in lb.changes if change.port == green.port]
        assert states[-2:] == ["initial", "healthy"]


@story
async def test_failing_checks_make_it_unhealthy_with_the_codes_and_passing_ones_healthy_again():
    async with balancer() as lb:
        (blue,) = await lb.group("blue", "blue")
        await lb.rules(forward({"blue": 1}))
        await lb.healthy(blue)
        blue.health = 503
        await lb.until(lambda: lb.state(blue) == "unhealthy")
        change = lb.health["blue", blue.port]
        assert (change.reason, change.description) == (
            "Target.ResponseCodeMismatch",
            "Health checks failed with these codes: [503]",
        )
        blue.health = 200
        await lb.healthy(blue)


@story
async def test_target_that_refuses_fails_checks_and_one_that_is_silent_times_out():
    async with balancer() as lb:
        (blue,) = await lb.group("blue", "blue")
        blue.close()
        await lb.plane.register("blue", [Target("10.0.0.9", 1, None)])
        await lb.rules(forward({"blue": 1}))
        await lb.until(lambda: lb.state(blue) == "unhealthy")
        assert lb.health["blue", blue.port].reason == "Target.FailedHealthChecks"
        await lb.until(lambda: lb.health["blue", 1].state == "unhealthy")
        assert (lb.health["blue", 1].reason, lb.health["blue", 1].description) == (
            "Target.Timeout",
            "Request timed out",
        )


@story
async def test_unhealthy_target_gets_no_request_while_another_is_healthy():
    async with balancer() as lb:
        good, bad = await lb.group("blue", "good", "bad")
        bad.health = 500
        await lb.rules(forward({"blue": 1}))
        await lb.healthy(good)
        await lb.until(lambda: lb.state(bad) == "unhealthy")
        assert {(await lb.get())[1] for _ in range(10)} == {"good"}


@story
async def test_group_with_nobody_healthy_fails_open_to_everybody():
    async with balancer() as lb:
        backends = await lb.group("blue", "one", "two")
        for backend in backends:
            backend.health = 500
        await lb.rules(forward({"blue": 1}))
        await lb.until(lambda: all(lb.state(one) == "unhealthy" for one in backends))
        assert {(await lb.get())[1] for _ in range(10)} == {"one", "two"}


@story
async def test_unhealthy_green_keeps_its_share_and_never_falls_back_to_blue():
    async with balancer() as lb:
        (blue,) = await lb.group("blue", "blue")
        (green,) = await lb.group("green", "green")
        green.health = 500
        await lb.split(0, 100)
        await lb.until(lambda: lb.state(green) == "unhealthy")
        assert {(await lb.get())[1] for _ in range(10)} == {"green"}
        assert blue.seen == []


@story
async def test_deregistered_target_finishes_what_is_in_flight_and_gets_nothing_new():
    async with balancer() as lb:
        old, new = await lb.group("blue", "old", "new", delay=3)
        await lb.rules(forward({"blue": 1}))
        await lb.healthy(old, new)
        old.gate.clear()
        slow = [asyncio.ensure_future(lb.get()) for _ in range(2)]
        await lb.until(lambda: old.seen)
        await lb.plane.deregister("blue", [("10.0.0.1", old.port)])
        await lb.until(lambda: lb.state(old) == "draining")
        assert lb.health["blue", old.port].reason == "Target.DeregistrationInProgress"
        assert {(await lb.get())[1] for _ in range(5)} == {"new"}
        old.gate.set()
        assert sorted(await asyncio.gather(*slow)) == [(200, "new"), (200, "old")]


@story
async def test_draining_shows_for_the_whole_delay_even_with_nothing_in_flight():
    async with balancer() as lb:
        (blue,) = await lb.group("blue", "blue", delay=1)
        await lb.rules(forward({"blue": 1}))
        await lb.healthy(blue)
        began = clock.monotonic()
        await lb.plane.deregister("blue", [("10.0.0.1", blue.port)])
        await lb.until(lambda: lb.state(blue) == "gone")
        assert clock.monotonic() - began >= 0.95
        assert (await lb.get())[0] == 503


@story
async def test_request_that_outlives_the_delay_gets_502():
    async with balancer() as lb:
        (blue,) = await lb.group("blue", "blue", delay=1)
        await lb.rules(forward({"blue": 1}))
        blue.gate.clear()
        slow = asyncio.ensure_future(lb.get())
        await lb.until(lambda: blue.seen)
        await lb.plane.deregister("blue", [("10.0.0.1", blue.port)])
        assert (await slow)[0] == 502


@story
async def test_deregistered_target_can_be_registered_again_at_once():
    async with balancer() as lb:
        (blue,) = await lb.group("blue", "blue", delay=60)
        await lb.rules(forward({"blue": 1}))
        await lb.healthy(blue)
        await lb.plane.deregister("blue", [("10.0.0.1", blue.port)])
        await lb.until(lambda: lb.state(blue) == "draining")
        await lb.plane.register("blue", [blue.target()])
        await lb.healthy(blue)
        assert await lb.get() == (200, "blue")
