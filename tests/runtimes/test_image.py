"""The sample app's image on its own, outside the emulator: what a user gets who runs it with plain Docker."""

import json
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import engine, images

pytestmark = [pytest.mark.docker]
os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")  # its image would have to be pulled


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.wait_strategies import HttpWaitStrategy

    home = tmp_path_factory.mktemp("image")
    image = images.build(home, "docker", revision="on-its-own", message="This is Second Deployment!")
    container = DockerContainer(image).with_exposed_ports(8080)
    with container.waiting_for(HttpWaitStrategy(8080, "/healthz").for_status_code(200)) as started:
        yield f"http://{started.get_container_host_ip()}:{started.get_exposed_port(8080)}"


def get(url: str) -> tuple[str, str | None]:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode(), answer.headers["X-App-Version"]


def test_image_answers_with_the_message_it_was_built_with(url: str):
    assert get(f"{url}/") == ("This is Second Deployment!\n", "on-its-own")


def test_image_says_its_version_as_json(url: str):
    body, _ = get(f"{url}/version")
    assert json.loads(body) == {"version": "on-its-own", "message": "This is Second Deployment!"}


def test_image_does_not_run_as_root(url: str):
    with engine.connected(60) as client:
        assert client.images.get("sampleapp:on-its-own").attrs["Config"]["User"] == "65534:65534"


def test_image_build_needs_no_network(tmp_path: Path):
    """Everything that the Dockerfile takes is in its context, so a second build of a new revision downloads nothing."""
    house = images.wheelhouse(tmp_path, images.SAMPLE_APP / "requirements.txt", "3.11")
    assert (house / ".complete").is_file()
    assert {path.suffix for path in house.iterdir() if path.name != ".complete"} == {".whl"}
