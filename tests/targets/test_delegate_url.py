"""The emulator in front of another endpoint: what passes, and as what."""

import contextlib
import http.client
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from botocore.awsrequest import AWSPreparedRequest

from tests.emulator.conftest import Running, start_emulator, stop_emulator
from tests.targets.fake_localstack import FakeLocalStack, running


@pytest.fixture(scope="module")
def upstream(behind: Running) -> Iterator[FakeLocalStack]:
    with running("core", behind.url) as fake:
        yield fake


@pytest.fixture(scope="module")
def front(upstream: FakeLocalStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    one = start_emulator(tmp_path_factory.mktemp("front"), "--delegate", upstream.url)
    yield one
    stop_emulator(one)


def test_request_reaches_the_delegate_with_the_callers_own_signature(front: Running, upstream: FakeLocalStack):
    client, signed = front.client("iam"), list[str]()

    def note(request: AWSPreparedRequest, **_: object) -> None:
        value = request.headers["Authorization"]
        signed.append(value.decode() if isinstance(value, bytes) else value)

    client.meta.events.register("before-send", note)
    client.list_roles()
    assert signed[0] in upstream.signatures


def test_our_services_never_reach_the_delegate(front: Running, upstream: FakeLocalStack):
    front.client("ecs").list_clusters()
    front.client("codedeploy").list_applications()
    front.client("cloudwatch").describe_alarms()
    assert not [one for one in upstream.asked if one.split()[0] in ("ecs", "codedeploy", "monitoring")]


def test_object_passes_in_both_directions_and_head_tells_its_length(front: Running):
    s3, body = front.client("s3"), bytes(range(256)) * 4096
    s3.create_bucket(Bucket="passes")
    s3.put_object(Bucket="passes", Key="a/b c", Body=body, ContentType="text/x-odd")
    head = s3.head_object(Bucket="passes", Key="a/b c")
    assert (head["ContentLength"], head["ContentType"]) == (len(body), "text/x-odd")
    assert s3.get_object(Bucket="passes", Key="a/b c")["Body"].read() == body


def test_delegate_that_is_gone_is_said_at_the_start_and_in_the_protocol_of_the_service(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    one = start_emulator(tmp_path, "--delegate", "http://127.0.0.1:1")
    try:
        for service, call in (("sqs", "list_queues"), ("iam", "list_roles")):
            with pytest.raises(Exception, match=r"ServiceUnavailable.*http://127\.0\.0\.1:1 does not answer"):
                getattr(one.client(service), call)()
        assert one.client("ecs").list_clusters()["clusterArns"] == []
    finally:
        stop_emulator(one)
    assert "http://127.0.0.1:1 does not answer yet; what is for it is refused until it does" in capfd.readouterr().err


def test_answer_that_breaks_off_at_the_delegate_breaks_off_for_the_client(front: Running, upstream: FakeLocalStack):
    """A half body must never look like a whole one."""
    s3 = front.client("s3")
    with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(Bucket="passes")
    s3.put_object(Bucket="passes", Key="whole", Body=b"x" * 100_000)
    url = urlsplit(s3.generate_presigned_url("get_object", Params={"Bucket": "passes", "Key": "whole"}))
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=10)
    upstream.cut_after = 50_000
    try:
        connection.request("GET", f"{url.path}?{url.query}")
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            connection.getresponse().read()
    finally:
        upstream.cut_after = None
        connection.close()
