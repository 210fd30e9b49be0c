"""Which target gets a request: weights, algorithms, slow start, thresholds of health, targets that come and go (C.2-C.4)."""

import asyncio
from collections import Counter
from itertools import pairwise

from tests.alb.conftest import Backend, Balancer, balancer, forward, rule, story
from tests.alb.features import configure, group

UNHEALTHY_ROUTING = "target_group_health__unhealthy_state_routing__minimum_healthy_targets__"


async def served(lb: Balancer, number: int) -> Counter[str]:
    return Counter([(await lb.get())[1] for _ in range(number)])


@story
async def test_weights_are_relative_and_all_zero_answers_503():
    async with balancer() as lb:
        await group(lb, "blue", "blue")
        await group(lb, "green", "green")
        await lb.split(999, 333)
        assert 25 < (await served(lb, 200))["green"] < 80
        await lb.split(0, 0)
        assert (await lb.get())[0] == 503


@story
async def test_rules_are_tried_by_priority_and_the_default_last():
    async with balancer() as lb:
        for name in ("blue", "green", "red"):
            await group(lb, name, name)
        path = {"Field": "path-pattern", "Values": ["/a*"]}
        others = [rule(50000, path, forward({"green": 1})), rule(7, path, forward({"red": 1}))]
        await lb.rules(forward({"blue": 1}), *others)
        assert (await lb.get("/abc"))[1] == "red"
        assert (await lb.get("/b"))[1] == "blue"


@story
async def test_weighted_random_uses_every_target_and_no_fixed_order():
    async with balancer() as lb:
        backends = await group(lb, "blue", "one", "two", load_balancing__algorithm__type="weighted_random")
        await lb.rules(forward({"blue": 1}))
        await lb.healthy(*backends)
        order = [(await lb.get())[1] for _ in range(60)]
        assert 10 < order.count("one") < 50
        assert any(first == second for first, second in pairwise(order))


@story
async def test_least_outstanding_requests_avoids_the_target_that_is_busy():
    async with balancer() as lb:
        one, two = await group(lb, "blue", "one", "two", load_balancing__algorithm__type="least_outstanding_requests")
        await lb.rules(forward({"blue": 1}))
        await lb.healthy(one, two)
        one.gate.clear()
        stuck = asyncio.ensure_future(lb.get())
        while not one.seen:  # it may go to two first
            if stuck.done():
                stuck = asyncio.ensure_future(lb.get())
            await asyncio.sleep(0.01)
        assert (await served(lb, 6)) == {"two": 6}
        one.gate.set()
        assert await stuck == (200, "one")


@story
async def test_newcomer_starts_slowly_and_those_that_began_together_do_not():
    async with balancer() as lb:
        old = await group(lb, "blue", "one", "two", slow_start__duration_seconds="900")
        await lb.rules(forward({"blue": 1}))
        await lb.healthy(*old)
        first = await served(lb, 20)
        assert min(first["one"], first["two"]) >= 1
        new = await Backend("new").start()
        lb.backends.append(new)
        await lb.plane.register("blue", [new.target()])
        await lb.healthy(new)
        slow = await served(lb, 150)
        assert slow["new"] < 25
        assert min(slow["one"], slow["two"]) > 40
        await configure(lb, "blue", slow_start__duration_seconds="0")
        assert (await served(lb, 30))["new"] == 10


@story
async def test_fewer_healthy_targets_than_the_minimum_fail_open_to_all():
    async with balancer() as lb:
        good, bad, worse = await group(lb, "blue", "good", "bad", "worse")
        bad.health = worse.health = 500
        await lb.rules(forward({"blue": 1}))
        await lb.healthy(good)
        await lb.until(lambda: lb.state(bad) == lb.state(worse) == "unhealthy")
        assert set(await served(lb, 6)) == {"good"}
        await configure(lb, "blue", **{UNHEALTHY_ROUTING + "count": "2"})
        assert set(await served(lb, 6)) == {"good", "bad", "worse"}
        await configure(lb, "blue", **{UNHEALTHY_ROUTING + "percentage": "33"})
        assert set(await served(lb, 6)) == {"good"}
        await configure(lb, "blue", **{UNHEALTHY_ROUTING + "percentage": "34"})
        assert set(await served(lb, 6)) == {"good", "bad", "worse"}


@story
async def test_targets_come_and_go_under_load_without_a_failed_request():
    async with balancer() as lb:
        backends = await group(lb, "blue", *"abcd", deregistration_delay__timeout_seconds="0.3")
        await lb.rules(forward({"blue": 1}))
        await lb.healthy(*backends)
        answers: Counter[int] = Counter()
        stop = asyncio.Event()

        async def user() -> None:
            while not stop.is_set():
                answers[(await lb.get())[0]] += 1

        users = [asyncio.ensure_future(user()) for _ in range(8)]
        for one in [*backends[:3], *backends[:3]]:
            await lb.plane.deregister("blue", [("10.0.0.1", one.port)])
            await lb.until(lambda one=one: lb.state(one) == "gone")
            await lb.plane.register("blue", [one.target()])
            await lb.healthy(one)
        stop.set()
        await asyncio.gather(*users)
        assert set(answers) == {200}
        assert answers[200] > 100


@story
async def test_health_is_checked_on_a_port_of_its_own_and_by_matcher():
    async with balancer() as lb:
        checked = await Backend("checked").start()
        checked.health = 302
        lb.backends.append(checked)
        (blue,) = await lb.group("blue", "blue", HealthCheckPort=str(checked.port), Matcher={"HttpCode": "200,300-302"})
        blue.health = 500
        await lb.rules(forward({"blue": 1}))
        await lb.healthy(blue)
        assert blue.connections == 0
