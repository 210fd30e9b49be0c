"""An image of the wrong architecture is refused here, before it is `exec format error` there."""

from pathlib import Path

import pytest

from harness import images
from harness.aws import images as pushing
from harness.errors import UsageError
from tests.conftest import docker_ready

OTHER = {"amd64": "arm64", "arm64": "amd64"}


def test_mismatch_is_refused_before_it_becomes_exec_format_error(tmp_path: Path):
    own = images.architecture_of_this_machine()
    image = images.build(tmp_path, "process", revision="v1")
    pushing.refuse_mismatch(tmp_path, "process", image, own)
    with pytest.raises(
        UsageError, match=f"built for linux/{own}, and the cluster runs linux/{OTHER[own]}.*exec format error"
    ):
        pushing.refuse_mismatch(tmp_path, "process", image, OTHER[own])


@pytest.mark.docker
def test_mismatch_of_a_container_image_is_read_from_the_engine(tmp_path: Path):
    assert docker_ready()[0]
    own = images.architecture_of_this_machine()
    image = images.build_foreign(tmp_path, "docker", revision="aws-mismatch", architecture=OTHER[own])
    with pytest.raises(UsageError, match=f"built for linux/{OTHER[own]}"):
        pushing.refuse_mismatch(tmp_path, "docker", image, own)


def test_an_image_that_was_never_built_is_told_as_such(tmp_path: Path):
    with pytest.raises(UsageError, match="there is no image shop:v9"):
        pushing.architecture_of(tmp_path, "process", "shop:v9")


@pytest.mark.parametrize(("image", "tag"), [("sampleapp:v2", "sampleapp-v2"), ("team/shop:1.2", "team-shop-1.2")])
def test_all_images_of_a_stack_share_one_repository(image: str, tag: str):
    assert pushing.tag_of(image) == tag
