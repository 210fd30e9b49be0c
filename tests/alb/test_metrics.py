"""The metrics of C.9, as the data plane counts them."""

from collections import Counter
from dataclasses import replace

from harness.emulator.alb.messages import AccessRow, Datum
from harness.emulator.alb.metrics import Meter
from tests.alb.conftest import Balancer, balancer, ended, forward, rule, story
from tests.alb.features import group, listen

LB = "app/test/1"


def row(elb: int = 200, target: int | None = 200, *, group: str = "tg", time: float = 0.01, **more) -> AccessRow:
    chosen = "10.0.0.1:80" if group else "-"
    base = AccessRow(
        *(0.0, LB, 80, "127.0.0.1:1", chosen, group, 0.0, time, 0.0, elb, target, 1, 1),
        *("GET", "/", "HTTP/1.1", "-", "-", "1", "Forward", "-"),
    )
    return base._replace(**more)


def sums(data: list[Datum], zone: str = "") -> Counter[tuple[str, str]]:
    totals: Counter[tuple[str, str]] = Counter()
    for datum in (one for one in data if one.zone == zone):
        totals[datum.name, datum.target_group] += sum(
            value * count for value, count in zip(datum.values, datum.counts, strict=True)
        )
    return totals


def folded(*rows: AccessRow, targets: int = 1) -> Counter[tuple[str, str]]:
    meter = Meter()
    meter.add(map(ended, rows), 1000.04)
    return sums(meter.drain(lambda arn: targets))


def test_request_counts_for_the_balancer_and_for_its_group():
    found = folded(row(), row(404, 404), targets=4)
    for place in ("", "tg"):
        assert found["RequestCount", place] == 2
        assert found["HTTPCode_Target_2XX_Count", place] == found["HTTPCode_Target_4XX_Count", place] == 1
    assert found["RequestCountPerTarget", "tg"] == 0.5
    assert round(found["TargetResponseTime", ""], 6) == round(found["TargetResponseTime", "tg"], 6) == 0.02
    assert not [name for name, _ in found if "ELB" in name]


def test_what_is_about_targets_counts_by_zone_as_well():
    meter, here, there = Meter(), ended(row()), ended(row(404, 404))
    assert here.member is not None is not there.member
    here.member.target = replace(here.member.target, zone="eu-1a")
    there.member.target = replace(there.member.target, zone="eu-1b")
    meter.add([here, there, there, ended(row(502, None, time=-1.0))], 1000.0)
    data = meter.drain(lambda arn: 1)
    for place in ("", "tg"):
        assert sums(data)["RequestCount", place] == 4
        assert sums(data, "eu-1a")["RequestCount", place] == 1
        assert sums(data, "eu-1b")["HTTPCode_Target_4XX_Count", place] == 2
        assert round(sums(data, "eu-1b")["TargetResponseTime", place], 6) == 0.02
    assert {one.zone for one in data if one.name == "RequestCountPerTarget" or "ELB" in one.name} == {""}


def test_error_of_the_balancer_is_no_code_of_a_target():
    found = folded(row(502, None, time=-1.0, error_reason="ConnectionRefused"))
    assert found["HTTPCode_ELB_5XX_Count", ""] == found["HTTPCode_ELB_502_Count", ""] == 1
    assert found["TargetConnectionErrorCount", ""] == found["TargetConnectionErrorCount", "tg"] == 1
    assert ("HTTPCode_ELB_5XX_Count", "tg") not in found
    assert not [name for name, _ in found if "Target_" in name]


def test_503_for_no_targets_is_in_no_request_count():
    found = folded(row(503, None, group="", time=-1.0))
    assert found == {("HTTPCode_ELB_5XX_Count", ""): 1, ("HTTPCode_ELB_503_Count", ""): 1}


def test_redirect_fixed_response_and_client_errors_have_counts_of_their_own():
    plain = {"group": "", "time": -1.0}
    found = folded(
        row(301, None, actions="Redirect", **plain),
        row(200, None, actions="FixedResponse", **plain),
        row(400, None, actions="-", **plain),
        row(460, None, time=-1.0),
    )
    assert found["HTTP_Redirect_Count", ""] == found["HTTP_Fixed_Response_Count", ""] == 1
    assert found["HTTPCode_ELB_3XX_Count", ""] == 1
    assert found["HTTPCode_ELB_4XX_Count", ""] == 2


def test_response_times_keep_their_distribution_and_a_second_drain_has_nothing():
    meter = Meter()
    meter.add([ended(row(time=0.001)) for _ in range(99)] + [ended(row(time=2.5))], 1000.0)
    data = [one for one in meter.drain(lambda arn: 1) if one.name == "TargetResponseTime"]
    assert {(one.target_group, tuple(one.values), tuple(one.counts)) for one in data} == {
        ("", (0.001, 2.5), (99.0, 1.0)),
        ("tg", (0.001, 2.5), (99.0, 1.0)),
    }
    assert meter.drain(lambda arn: 1) == []


def test_time_is_that_of_a_tenth_of_a_second():
    meter = Meter()
    meter.add([ended(row())], 1000.04)
    meter.add([ended(row())], 1000.16)
    assert {one.at for one in meter.drain(lambda arn: 1)} == {1000.0, 1000.1}


def heard(lb: Balancer) -> list[Datum]:
    data: list[Datum] = []
    lb.plane.on_metrics = data.extend
    return data


@story
async def test_thousand_requests_are_a_few_data():
    async with balancer() as lb:
        data = heard(lb)
        await group(lb, "blue", "blue")
        await lb.rules(forward({"blue": 1}))
        for _ in range(5):
            await lb.raw(
                b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 199 + b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            )
        await lb.until(lambda: sums(data)["RequestCount", ""] == 1000)
        assert sums(data)["HTTPCode_Target_2XX_Count", "blue"] == 1000
        assert len(data) < 400


@story
async def test_hosts_and_connections_are_read_every_second():
    async with balancer() as lb:
        data = heard(lb)
        one, two = await group(lb, "blue", "one", "two")
        two.health = 500
        await lb.rules(forward({"blue": 1}))
        await lb.healthy(one)
        await lb.until(lambda: lb.state(two) == "unhealthy")
        data.clear()
        await lb.get()
        await lb.until(lambda: {("HealthyHostCount", "blue"), ("NewConnectionCount", "")} <= set(sums(data)))
        assert sums(data)["NewConnectionCount", ""] == 2  # from the client, and to the target
        last = {(one.name, one.target_group): one.values for one in data}
        assert last["HealthyHostCount", "blue"] == last["UnHealthyHostCount", "blue"] == [1.0]
        assert last["ActiveConnectionCount", ""] == [1.0]  # the kept one to the target


@story
async def test_group_without_targets_reports_no_hosts_and_a_balancer_without_traffic_nothing():
    async with balancer() as lb:
        data = heard(lb)
        await group(lb, "empty")
        (green,) = await group(lb, "green", "green")
        path = {"Field": "path-pattern", "Values": ["/green"]}
        await lb.rules(forward({"empty": 1}), rule(1, path, forward({"green": 1})))
        await lb.healthy(green)
        await lb.until(lambda: ("HealthyHostCount", "green") in sums(data))
        assert {(one.name, one.target_group) for one in data} == {
            ("HealthyHostCount", "green"),
            ("UnHealthyHostCount", "green"),
        }


@story
async def test_fixed_response_and_redirect_are_counted_by_the_running_balancer():
    async with balancer() as lb:
        data = heard(lb)
        fixed = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503", "ContentType": "text/plain"}}
        await listen(lb, fixed, port=80)
        await lb.get()
        await lb.until(lambda: sums(data)["HTTP_Fixed_Response_Count", ""] == 1)
        assert sums(data)["HTTPCode_ELB_503_Count", ""] == 1
