"""The digest of an image: the same for the same content, another for another."""

import uuid
from pathlib import Path

import pytest

from harness import images


def app(folder: Path, text: str = "app = None\n") -> Path:
    folder.mkdir(parents=True)
    (folder / "app.py").write_text(text, encoding="utf-8")
    return folder


def test_process_digest_follows_the_content_and_not_the_place(tmp_path: Path):
    digests = []
    for home, text in (("one", "app = 1\n"), ("two", "app = 1\n"), ("three", "app = 2\n")):
        name = images.build(tmp_path / home, "process", path=app(tmp_path / home / "shop", text), revision="v1")
        digests.append(images.digest(tmp_path / home, "process", name))
    assert digests[0] == digests[1] != digests[2]
    assert str(digests[0]).startswith("sha256:")


def test_process_digest_follows_the_revision(tmp_path: Path):
    folder = app(tmp_path / "shop")
    one, two = (images.build(tmp_path, "process", path=folder, revision=revision) for revision in ("v1", "v2"))
    assert images.digest(tmp_path, "process", one) != images.digest(tmp_path, "process", two)


def test_digest_of_an_image_that_is_not_there_is_unknown(tmp_path: Path):
    assert images.digest(tmp_path, "process", "nothing:v1") is None


@pytest.mark.docker
def test_docker_digest_is_the_images_id(tmp_path: Path):
    found = images.digest(tmp_path, "docker", "rehearse-base:latest")
    assert found is not None
    assert found.startswith("sha256:")
    assert images.digest(tmp_path, "docker", f"never-{uuid.uuid4().hex}:v1") is None
