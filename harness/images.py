"""Images of the sample app (or of any folder) for both runtimes: building, finding, and whether Docker can be used at all.

For processes an image is a manifest in the state directory, `images/<name>/<tag>/manifest.json`: argv, working directory,
environment, architecture and the port it listens on.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.errors import TargetUnavailable, UsageError

SAMPLE_APP = Path(__file__).resolve().parent.parent / "sampleapp"
BASE_IMAGES = ("rehearse-base:latest", "python:3.12-slim")
ENGINE_TIMEOUT = 5
PORT = 8080


@dataclass(frozen=True, slots=True)
class Manifest:
    """An image of the process runtime."""

    argv: tuple[str, ...]
    workdir: str
    environment: dict[str, str]
    architecture: str
    port: int


def architecture_of_this_machine() -> str:
    """As Docker names it."""
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def split(image: str) -> tuple[str, str]:
    """(name, tag) of `name:tag`, `latest` where no tag is given."""
    name, colon, tag = image.rpartition(":")
    return (name, tag) if colon and "/" not in tag else (image, "latest")


def image_name(path: Path | None, revision: str) -> str:
    return f"{(path or SAMPLE_APP).resolve().name}:{revision}"


def find_process_image(home: Path, image: str) -> Manifest | None:
    name, tag = split(image)
    path = home / "images" / name / tag / "manifest.json"
    if not path.is_file():
        return None
    raw = json.loads(path.read_text())
    return Manifest(tuple(raw["argv"]), raw["workdir"], raw["environment"], raw["architecture"], raw["port"])


# ---- building


def build(
    home: Path,
    runtime: str,
    *,
    path: Path | None = None,
    revision: str = "v1",
    message: str | None = None,
    architecture: str | None = None,
    name: str | None = None,
    command: Sequence[str] = (),
    port: int = PORT,
) -> str:
    """Make `<name, else the folder's>:<revision>` for a runtime ("process" or "docker"); returns its name. Raises HarnessError.

    `command` and `port` are of a process image; without a command the folder has an app.py with a WSGI `app`.
    """
    folder = (path or SAMPLE_APP).resolve()
    if not folder.is_dir():
        raise UsageError(f"{folder}: there is no such folder to build")
    environment = {"APP_VERSION": revision, **({"APP_MESSAGE": message} if message else {})}
    if runtime == "docker":
        return _build_docker(home, folder, f"{name or folder.name}:{revision}", environment, architecture)
    manifest = Manifest(
        tuple(command) or _wsgi(folder), str(folder), environment, architecture or architecture_of_this_machine(), port
    )
    return _build_process(home, name or folder.name, revision, manifest)


def _wsgi(folder: Path) -> tuple[str, ...]:
    if not (folder / "app.py").is_file():
        raise UsageError(f"{folder}: a process image needs an app.py with a WSGI `app` in it")
    return (sys.executable, "-m", "gunicorn", *_gunicorn_options(folder), "app:app")


def _build_process(home: Path, name: str, revision: str, manifest: Manifest) -> str:
    """Nothing is copied: the folder is run where it is."""
    target = home / "images" / name / revision / "manifest.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps(asdict(manifest), indent=1))
    draft.replace(target)
    return f"{name}:{revision}"


def _gunicorn_options(folder: Path) -> tuple[str, ...]:
    """gunicorn reads gunicorn.conf.py of the working directory by itself; without one it still needs threads and the port."""
    return () if (folder / "gunicorn.conf.py").is_file() else ("--config", str(SAMPLE_APP / "gunicorn.conf.py"))


# ---- Docker


def docker_ready() -> tuple[bool, str]:
    """Whether containers can be used here, and why (not): an engine answers, and a base image is there or can be had."""
    from docker.client import DockerClient
    from docker.errors import DockerException

    try:
        client = DockerClient.from_env(timeout=ENGINE_TIMEOUT)
    except DockerException as error:
        return False, f"no Docker engine answers ({_first_line(error)})"
    try:
        engine = client.version()["Version"]
        base = _base_image(client)
    except DockerException as error:
        return False, f"the Docker engine does not answer ({_first_line(error)})"
    finally:
        client.close()
    if base is None:
        return (
            False,
            f"Docker {engine} answers, but none of its images is a base image ({', '.join(BASE_IMAGES)}); say REHEARSE_BASE_IMAGE=...",
        )
    return True, f"Docker {engine} answers and has {base}"


def _base_image(client: Any) -> str | None:
    from docker.errors import ImageNotFound

    wanted = os.environ.get("REHEARSE_BASE_IMAGE")
    for name in (wanted,) if wanted else BASE_IMAGES:
        try:
            client.images.get(name)
        except ImageNotFound:
            continue
        return name
    return None


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _build_docker(home: Path, folder: Path, name: str, environment: dict[str, str], arch: str | None) -> str:
    from docker.client import DockerClient
    from docker.errors import BuildError, DockerException

    try:
        client = DockerClient.from_env(timeout=300)
        base = _base_image(client)
        if base is None:
            raise TargetUnavailable(f"no base image for {name}: pull python:3.12-slim, or say REHEARSE_BASE_IMAGE=...")
        with _context(home, folder, _python_of(client, base)) as context:
            client.images.build(
                path=str(context),
                tag=name,
                rm=True,
                platform=f"linux/{arch}" if arch else None,
                buildargs={"BASE_IMAGE": base, **environment},
            )
        client.close()
    except BuildError as error:
        raise TargetUnavailable(f"building {name}: {_first_line(error)}") from error
    except DockerException as error:
        raise TargetUnavailable(f"building {name}: {_first_line(error)}; is the Docker engine running?") from error
    return name


@contextmanager
def _context(home: Path, folder: Path, python: str) -> Iterator[Path]:
    """A build context: the folder and a wheelhouse for the image's Python, so that the build needs no network."""
    with tempfile.TemporaryDirectory(prefix="rehearse-build-") as temporary:
        context = Path(temporary) / "context"
        shutil.copytree(folder, context, ignore=shutil.ignore_patterns("__pycache__", ".git", ".venv"))
        own = (context / "Dockerfile").is_file()
        if own and not (context / "requirements.txt").is_file():
            yield context  # it brings all it needs
            return
        if not own:
            shutil.copy(SAMPLE_APP / "Dockerfile", context)
        if not (context / "gunicorn.conf.py").is_file():
            shutil.copy(SAMPLE_APP / "gunicorn.conf.py", context)
        requirements = context / "requirements.txt"
        if not requirements.is_file():
            shutil.copy(SAMPLE_APP / "requirements.txt", requirements)
        shutil.copytree(wheelhouse(home, requirements, python), context / "wheelhouse")
        yield context


def wheelhouse(home: Path, requirements: Path, python: str) -> Path:
    """Wheels of `requirements` for Python `python`, downloaded once per content."""
    digest = hashlib.sha256(f"{python} {requirements.read_text()}".encode()).hexdigest()[:16]
    house = home / "wheelhouse" / digest
    if (house / ".complete").is_file():
        return house
    shutil.rmtree(house, ignore_errors=True)
    house.mkdir(parents=True)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
            *("--only-binary", ":all:", "--python-version", python, "--dest", str(house), "-r", str(requirements)),
        ],
        capture_output=True,
        text=True,
        timeout=300,
    )
    if done.returncode != 0:
        raise TargetUnavailable(
            f"no wheels for Python {python}: {(done.stderr.strip() or 'pip failed').splitlines()[-1]}"
        )
    (house / ".complete").touch()
    return house


def _python_of(client: Any, base: str) -> str:
    """`3.11`, as the base image's own python3 says."""
    said = client.containers.run(
        base, ["python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], entrypoint="", remove=True
    )
    return str(said.decode().strip())
