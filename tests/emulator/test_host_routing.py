"""Load balancers by name on the API port, their metrics in CloudWatch, and their access logs in S3 (C.8, C.9)."""

import gzip
import http.client
import json
import re
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from harness import clock
from tests.emulator.conftest import Running, start_emulator, stop_emulator
from tests.emulator.elbv2_parts import HELLO, Parts, attributes, forward, refused, until


class App(BaseHTTPRequestHandler):
    """Says what it was asked: method, path, body, headers."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.startswith("/big"):
            said = b"x" * 3_000_000
        else:
            asked = {"method": self.command, "path": self.path, "body": body.decode(), "headers": dict(self.headers)}
            said = json.dumps(asked).encode()
        self.send_response(404 if self.path == "/missing" else 200)
        self.send_header("Content-Length", str(len(said)))
        self.send_header("Set-Cookie", "a=1")
        self.send_header("Set-Cookie", "b=2")
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_PUT = do_POST

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def app() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), App)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def network(aws: Running) -> Parts:
    return Parts(aws)


@pytest.fixture
def parts(network: Parts) -> Iterator[Parts]:
    yield network
    network.clear()


def serving(parts: Parts, app: int) -> tuple[str, dict[str, Any]]:
    """A target group with the app in it, and a load balancer that forwards to it on port 80."""
    group, balancer = parts.group(HealthCheckPath="/healthz"), parts.balancer()
    parts.elb.register_targets(TargetGroupArn=group, Targets=[{"Id": "127.0.0.1", "Port": app}])
    parts.listener(balancer["LoadBalancerArn"], 80, forward(group))
    return group, balancer


def by_name(parts: Parts, host: str, path: str = "/", **more: Any) -> requests.Response:
    method = more.pop("method", "GET")
    headers = {"Host": host, **more.pop("headers", {})}
    return requests.request(method, parts.aws.url + path, headers=headers, timeout=20, allow_redirects=False, **more)


def test_name_reaches_the_listener_with_path_body_and_headers_untouched(parts, app):
    _, balancer = serving(parts, app)
    name = balancer["DNSName"]
    connection = http.client.HTTPConnection(urlsplit(parts.aws.url).netloc, timeout=20)
    connection.request("POST", "/_rehearsal/status/%2e/a%20b?x=%2F&y", "body", {"Host": name, "X-Custom": "kept"})
    answer = connection.getresponse()
    asked = json.loads(answer.read())
    connection.close()
    assert (asked["method"], asked["path"], asked["body"]) == ("POST", "/_rehearsal/status/%2e/a%20b?x=%2F&y", "body")
    assert (asked["headers"]["Host"], asked["headers"]["X-Custom"]) == (name, "kept")
    assert asked["headers"]["X-Forwarded-Port"] == "80"
    assert answer.headers.get_all("Set-Cookie") == ["a=1", "b=2"]


def test_name_with_the_api_port_or_the_listeners_port_is_the_same_place(parts, app):
    _, balancer = serving(parts, app)
    parts.listener(balancer["LoadBalancerArn"], 8081, HELLO)
    name, port = balancer["DNSName"], urlsplit(parts.aws.url).port
    for host in (f"{name}:{port}", f"{name}:80", name.upper()):
        assert by_name(parts, host).json()["path"] == "/"
    assert by_name(parts, f"{name}:8081").text == "hello"


def test_answers_of_any_status_and_size_and_without_a_body_pass(parts, app):
    _, balancer = serving(parts, app)
    assert by_name(parts, balancer["DNSName"], "/missing").status_code == 404
    assert len(by_name(parts, balancer["DNSName"], "/big").content) == 3_000_000
    sent = "y" * 2_000_000
    assert by_name(parts, balancer["DNSName"], "/", method="PUT", data=sent).json()["body"] == sent


def test_cookies_of_one_user_are_not_sent_for_another(parts, app):
    _, balancer = serving(parts, app)
    by_name(parts, balancer["DNSName"])
    assert "Cookie" not in by_name(parts, balancer["DNSName"]).json()["headers"]


def test_https_listener_is_reached_by_name_too(parts):
    balancer = parts.balancer()
    certificate = [{"CertificateArn": parts.certificate()}]
    parts.listener(balancer["LoadBalancerArn"], 443, HELLO, Protocol="HTTPS", Certificates=certificate)
    assert by_name(parts, f"{balancer['DNSName']}:443").text == "hello"
    assert by_name(parts, balancer["DNSName"]).text == "hello"  # it is the only one


def test_unknown_name_and_unknown_port_say_so(parts, app):
    _, balancer = serving(parts, app)
    answer = by_name(parts, "nobody-1.elb.localhost")
    assert (answer.status_code, answer.text) == (
        404,
        "rehearse: no load balancer has the name nobody-1.elb.localhost\n",
    )
    answer = by_name(parts, f"{balancer['DNSName']}:81")
    assert answer.status_code == 404
    assert "has no listener on port 81 (there are: 80)" in answer.text


# ---- metrics


def statistic(parts: Parts, metric: str, statistic: str, **dimensions: str) -> list[float]:
    now = clock.utc()
    extended = {"ExtendedStatistics": [statistic]} if statistic.startswith("p") else {"Statistics": [statistic]}
    answer = parts.aws.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/ApplicationELB",
        MetricName=metric,
        Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
        StartTime=now - timedelta(minutes=10),
        EndTime=now + timedelta(minutes=1),
        Period=3600,
        **extended,
    )
    points = [
        point.get(statistic, point.get("ExtendedStatistics", {}).get(statistic)) for point in answer["Datapoints"]
    ]
    return [float(point) for point in points]


def test_metrics_reach_cloudwatch_with_the_dimensions_of_aws(parts, app):
    group, balancer = serving(parts, app)
    of_balancer = {"LoadBalancer": balancer["LoadBalancerArn"].split(":loadbalancer/")[1]}
    of_group = {"TargetGroup": group.rsplit(":", 1)[1], **of_balancer}
    for path in ("/", "/", "/missing"):
        by_name(parts, balancer["DNSName"], path)
    until(lambda: statistic(parts, "RequestCount", "Sum", **of_balancer) == [3.0])
    for dimensions in (of_balancer, of_group):
        assert statistic(parts, "HTTPCode_Target_2XX_Count", "Sum", **dimensions) == [2.0]
        assert statistic(parts, "HTTPCode_Target_4XX_Count", "Sum", **dimensions) == [1.0]
        (slow,) = statistic(parts, "TargetResponseTime", "p99", **dimensions)
        assert 0 <= slow < 5
    assert statistic(parts, "RequestCountPerTarget", "Sum", **of_group) == [3.0]
    assert statistic(parts, "HTTPCode_ELB_5XX_Count", "Sum", **of_balancer) == []
    until(lambda: statistic(parts, "HealthyHostCount", "Maximum", **of_group) == [1.0])
    until(lambda: (statistic(parts, "NewConnectionCount", "Sum", **of_balancer) or [0])[0] >= 4)


# ---- access logs


def keys(parts: Parts, bucket: str) -> list[str]:
    return [one["Key"] for one in parts.s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


def logged(parts: Parts, bucket: str) -> str:
    """All log lines in a bucket."""
    files = [key for key in keys(parts, bucket) if key.endswith(".log.gz")]
    bodies = [parts.s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in sorted(files)]
    return b"".join(map(gzip.decompress, bodies)).decode()


def turn_on(parts: Parts, balancer: str, bucket: str, prefix: str = "") -> None:
    on = attributes(access_logs__s3__enabled="true", access_logs__s3__bucket=bucket, access_logs__s3__prefix=prefix)
    parts.elb.modify_load_balancer_attributes(LoadBalancerArn=balancer, Attributes=on)


def test_access_log_comes_to_s3_in_albs_layout_every_five_compressed_minutes(parts, app):
    group, balancer = serving(parts, app)
    bucket = f"{parts.name}-logs"
    parts.s3.create_bucket(Bucket=bucket)
    turn_on(parts, balancer["LoadBalancerArn"], bucket, "some/prefix")
    assert keys(parts, bucket) == ["some/prefix/AWSLogs/123456789012/ELBAccessLogTestFile"]
    by_name(parts, balancer["DNSName"], "/logged")
    until(lambda: "/logged" in logged(parts, bucket), 20)
    (line,) = logged(parts, bucket).splitlines()
    assert f" 127.0.0.1:{app} " in line
    assert group in line
    key = next(key for key in keys(parts, bucket) if key.endswith(".gz"))
    resource = balancer["LoadBalancerArn"].split(":loadbalancer/")[1].replace("/", ".")
    assert re.fullmatch(
        r"some/prefix/AWSLogs/123456789012/elasticloadbalancing/us-east-1/\d{4}/\d\d/\d\d/"
        rf"123456789012_elasticloadbalancing_us-east-1_{re.escape(resource)}_\d{{8}}T\d{{4}}Z_127\.0\.0\.1_\w+\.log\.gz",
        key,
    )
    assert (parts.aws.home / "logs" / "alb" / f"{balancer['LoadBalancerName']}.log").read_text(
        encoding="utf-8"
    ) == line + "\n"


def test_turning_the_log_off_ships_what_is_left_at_once(parts, app):
    _, balancer = serving(parts, app)
    bucket = f"{parts.name}-off"
    parts.s3.create_bucket(Bucket=bucket)
    turn_on(parts, balancer["LoadBalancerArn"], bucket)
    by_name(parts, balancer["DNSName"], "/last")
    off = attributes(access_logs__s3__enabled="false")
    parts.elb.modify_load_balancer_attributes(LoadBalancerArn=balancer["LoadBalancerArn"], Attributes=off)
    assert "/last" in logged(parts, bucket)
    by_name(parts, balancer["DNSName"], "/after")
    log = parts.aws.home / "logs" / "alb" / f"{balancer['LoadBalancerName']}.jsonl"
    until(lambda: "/after" in log.read_text(encoding="utf-8"))
    assert "/after" not in logged(parts, bucket)


def test_bucket_that_is_not_there_is_refused_and_nothing_changes(parts):
    arn = parts.balancer()["LoadBalancerArn"]
    on = attributes(access_logs__s3__enabled="true", access_logs__s3__bucket="no-such-bucket-here")
    assert refused(parts.elb.modify_load_balancer_attributes, LoadBalancerArn=arn, Attributes=on) == (
        "InvalidConfigurationRequest",
        "Access Denied for bucket: no-such-bucket-here. Please check S3bucket permission",
    )
    read = parts.elb.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]
    assert {"Key": "access_logs.s3.enabled", "Value": "false"} in read


def test_emulator_that_ends_ships_its_last_rows_and_shows_a_certificate_without_acms_key(parts, aws, tmp_path):
    """Its S3, EC2 and ACM are those of the other emulator, which gives no private keys away."""
    bucket = f"{parts.name}-end"
    parts.s3.create_bucket(Bucket=bucket)
    running = start_emulator(tmp_path, "--delegate", aws.url)
    try:
        there = Parts(running)
        balancer = there.balancer()
        certificate = [{"CertificateArn": there.certificate()}]
        there.listener(balancer["LoadBalancerArn"], 443, HELLO, Protocol="HTTPS", Certificates=certificate)
        turn_on(there, balancer["LoadBalancerArn"], bucket)
        assert by_name(there, balancer["DNSName"], "/the-end").text == "hello"
    finally:
        stop_emulator(running)
    assert "/the-end" in logged(parts, bucket)
