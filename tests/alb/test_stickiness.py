"""Sticky sessions: of target groups and of targets (C.2)."""

from collections import Counter

from harness import clock
from tests.alb.conftest import balancer, forward, story
from tests.alb.features import Browser, configure, group, session_cookie

STICKY = {
    "stickiness__enabled": "true",
    "stickiness__type": "lb_cookie",
    "stickiness__lb_cookie__duration_seconds": "60",
}
APP = {
    "stickiness__enabled": "true",
    "stickiness__type": "app_cookie",
    "stickiness__app_cookie__cookie_name": "SESSION",
    "stickiness__app_cookie__duration_seconds": "60",
}


def sticky_forward(weights, duration=60):
    action = forward(weights)
    action["ForwardConfig"]["TargetGroupStickinessConfig"] = {"Enabled": True, "DurationSeconds": duration}
    return action


@story
async def test_user_comes_back_to_the_target_of_the_first_answer():
    async with balancer() as lb:
        backends = await group(lb, "blue", "one", "two", "three", **STICKY)
        await lb.rules(forward({"blue": 1}))
        await lb.healthy(*backends)
        users = [Browser(lb) for _ in range(6)]
        homes = [await user.get() for user in users]
        assert Counter(homes) == {"one": 2, "two": 2, "three": 2}
        for _ in range(3):
            assert [await user.get() for user in users] == homes


@story
async def test_answer_carries_awsalb_and_its_cors_twin_with_seven_days():
    async with balancer() as lb:
        await group(lb, "blue", "blue", **STICKY)
        await lb.rules(forward({"blue": 1}))
        user = Browser(lb)
        for _ in range(2):  # renewed with every answer
            await user.get()
            own, cors = user.last
            assert own.startswith("AWSALB=")
            assert own.endswith("; Path=/")
            assert cors == own.replace("AWSALB=", "AWSALBCORS=") + "; SameSite=None; Secure"
            assert "Expires=" in own
        assert "10.0.0.1" not in str(user.jar)


@story
async def test_cors_cookie_alone_is_enough():
    async with balancer() as lb:
        backends = await group(lb, "blue", "one", "two", **STICKY)
        await lb.rules(forward({"blue": 1}))
        await lb.healthy(*backends)
        user = Browser(lb)
        home = await user.get()
        assert {await user.get(only=("AWSALBCORS",)) for _ in range(4)} == {home}


@story
async def test_cookie_that_was_touched_counts_for_nothing():
    async with balancer() as lb:
        backends = await group(lb, "blue", "one", "two", **STICKY)
        await lb.rules(forward({"blue": 1}))
        await lb.healthy(*backends)
        user = Browser(lb)
        await user.get()
        value = user.jar["AWSALB"]
        for wrong in (value[:-1] + ("A" if value[-1] != "A" else "B"), "B" * len(value), "", "ü", value * 2):
            user.jar = {"AWSALB": wrong}
            seen = set()
            for _ in range(2):
                user.jar = {"AWSALB": wrong}
                seen.add(await user.get())
            assert seen == {"one", "two"}


@story
async def test_stickiness_ends_with_its_duration():
    async with balancer() as lb:
        backends = await group(lb, "blue", "one", "two", **{**STICKY, "stickiness__lb_cookie__duration_seconds": "1"})
        await lb.rules(forward({"blue": 1}))
        await lb.healthy(*backends)
        user, began = Browser(lb), clock.monotonic()
        home, kept = await user.get(), dict(user.jar)
        while await user.get() == home:
            user.jar = dict(kept)
            assert clock.monotonic() - began < 5
        assert clock.monotonic() - began >= 0.99


@story
async def test_target_that_fails_or_leaves_gives_the_user_a_new_home_for_good():
    async with balancer() as lb:
        backends = await group(lb, "blue", "one", "two", **STICKY)
        await lb.rules(forward({"blue": 1}))
        await lb.healthy(*backends)
        user = Browser(lb)
        home = await user.get()
        own = next(one for one in backends if one.name == home)
        own.health = 500
        await lb.until(lambda: lb.state(own) == "unhealthy")
        other = await user.get()
        assert other != home
        own.health = 200
        await lb.healthy(own)
        assert {await user.get() for _ in range(4)} == {other}
        await lb.plane.deregister("blue", [("10.0.0.1", next(one.port for one in backends if one.name == other))])
        assert await user.get() == home


@story
async def test_application_cookie_makes_the_session_and_both_cookies_are_needed():
    async with balancer() as lb:
        backends = await group(lb, "blue", "one", "two", **APP)
        for backend in backends:
            backend.respond = session_cookie(backend, "SESSION")
        await lb.rules(forward({"blue": 1}))
        await lb.healthy(*backends)
        user = Browser(lb)
        await user.get()
        assert user.jar == {}
        home = await user.get("/login")
        assert set(user.jar) == {"SESSION", "AWSALBAPP-0"}
        assert {await user.get() for _ in range(4)} == {home}
        assert [one.partition("=")[0] for one in user.last] == ["AWSALBAPP-0"]  # renewed
        assert len({await user.get(only=("AWSALBAPP-0",)) for _ in range(4)}) == 2


@story
async def test_user_of_a_group_stays_there_whatever_the_weights_become():
    async with balancer() as lb:
        await group(lb, "blue", "blue")
        await group(lb, "green", "green")
        await lb.rules(sticky_forward({"blue": 100, "green": 0}))
        user = Browser(lb)
        assert await user.get() == "blue"
        assert [one.partition("=")[0] for one in user.last] == ["AWSALBTG", "AWSALBTGCORS"]
        await lb.rules(sticky_forward({"blue": 0, "green": 100}))
        assert {await user.get() for _ in range(5)} == {"blue"}
        assert await Browser(lb).get() == "green"


@story
async def test_group_that_left_the_rule_is_forgotten():
    async with balancer() as lb:
        await group(lb, "blue", "blue")
        await group(lb, "green", "green")
        await lb.rules(sticky_forward({"blue": 1, "green": 0}))
        user = Browser(lb)
        assert await user.get() == "blue"
        await lb.rules(sticky_forward({"green": 1}))
        assert await user.get() == "green"


@story
async def test_group_and_target_are_remembered_side_by_side_and_their_cookies_are_not_exchangeable():
    async with balancer() as lb:
        backends = [*await group(lb, "blue", "b1", "b2", **STICKY), *await group(lb, "green", "g1", "g2", **STICKY)]
        await lb.rules(sticky_forward({"blue": 50, "green": 50}))
        await lb.healthy(*backends)
        user = Browser(lb)
        home = await user.get()
        assert set(user.jar) == {"AWSALBTG", "AWSALBTGCORS", "AWSALB", "AWSALBCORS"}
        assert {await user.get() for _ in range(10)} == {home}
        swapped = {"AWSALBTG": user.jar["AWSALB"], "AWSALB": user.jar["AWSALBTG"]}
        seen = set()
        for _ in range(60):
            user.jar = dict(swapped)
            seen.add(await user.get())
        assert seen == {"b1", "b2", "g1", "g2"}


@story
async def test_stickiness_can_be_turned_off():
    async with balancer() as lb:
        backends = await group(lb, "blue", "one", "two", **STICKY)
        await lb.rules(forward({"blue": 1}))
        await lb.healthy(*backends)
        user = Browser(lb)
        await user.get()
        await configure(lb, "blue")
        assert {await user.get() for _ in range(2)} == {"one", "two"}
        assert user.last == []
