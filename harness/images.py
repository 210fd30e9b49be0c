"""Images of the sample app (or of any folder) for both runtimes: building, finding, and whether Docker can be used at all.

For processes an image is a manifest in the state directory, `images/<name>/<tag>/manifest.json`: argv, working directory,
environment, architecture and the port it listens on.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import platform
import re
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness import directory, interpreter, proxies
from harness.errors import TargetUnavailable, UsageError

SAMPLE_APP = Path(__file__).resolve().parent.parent / "sampleapp"
# Of AWS, or of an emulator that imitates its names: <account>.dkr.ecr.<region>.localhost.localstack.cloud:4566
ECR_HOST = re.compile(r"\d{12}\.dkr\.ecr\.([a-z0-9-]+)\.(?:amazonaws\.com(?:\.cn)?|localhost[a-z.]*)(?::\d+)?")
PROCESS_IMAGE = "application/vnd.rehearse.process.v1+json"  # media type of its manifest
REGISTRIES = ("docker-registry", "registry")  # what Debian and its makers call the CNCF registry's program
BASE_IMAGES = ("rehearse-base:latest", "python:3.12-slim")
ENGINE_TIMEOUT = 5
PORT = 8080
ELF_MACHINE = {"amd64": 62, "arm64": 183}


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


@dataclass(frozen=True, slots=True)
class Reference:
    """The parts of an image's name. `region` where the name is of an ECR registry, whoever's; a digest comes before a tag."""

    host: str
    region: str | None
    repository: str
    tag: str
    digest: str | None

    @classmethod
    def of(cls, image: str) -> Reference:
        name, _, digest = image.partition("@")
        name, tag = split(name)
        host, slash, rest = name.partition("/")
        if not slash or not (set(".:") & set(host) or host == "localhost"):  # Docker's own rule for what is a host
            return cls("", None, name, tag, digest or None)
        ecr = ECR_HOST.fullmatch(host)
        return cls(host.replace("localhost:", "127.0.0.1:"), ecr[1] if ecr else None, rest, tag, digest or None)


def image_name(path: Path | None, revision: str) -> str:
    return f"{(path or SAMPLE_APP).resolve().name}:{revision}"


def find_process_image(home: Path, image: str) -> Manifest | None:
    name, tag = split(image)
    path = home / "images" / name / tag / "manifest.json"
    if not path.is_file():
        return None
    return manifest_of(path.read_bytes())


def manifest_of(content: bytes) -> Manifest | None:
    """None where it is not the manifest of a process image."""
    try:
        raw = json.loads(content)
        return Manifest(tuple(raw["argv"]), raw["workdir"], raw["environment"], raw["architecture"], raw["port"])
    except (ValueError, KeyError, TypeError):
        return None


def as_oci(manifest: Manifest) -> str:
    """A process image as an OCI manifest, for a repository: no layers, and its own manifest embedded as configuration."""
    config = json.dumps(asdict(manifest), sort_keys=True).encode()
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": PROCESS_IMAGE,
                "digest": f"sha256:{hashlib.sha256(config).hexdigest()}",
                "size": len(config),
                "data": base64.b64encode(config).decode(),
            },
            "layers": [],
        }
    )


def digest(home: Path, runtime: str, image: str) -> str | None:
    """`sha256:...` of what `name:tag` is made of; None where there is no such image.

    A container image's is its id. A process image is a folder run where it is: of its manifest, and of every file in the folder.
    """
    return _docker_digest(image) if runtime == "docker" else _process_digest(home, image)


def _process_digest(home: Path, image: str) -> str | None:
    manifest = find_process_image(home, image)
    if manifest is None:
        return None
    folder, made = Path(manifest.workdir), hashlib.sha256()
    said = {**asdict(manifest), "argv": manifest.argv[1:], "workdir": folder.name}  # the same on every machine
    made.update(json.dumps(said, sort_keys=True).encode())
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            made.update(f"{path.relative_to(folder)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return f"sha256:{made.hexdigest()}"


def _docker_digest(image: str) -> str | None:
    from docker.errors import DockerException

    from harness import engine

    try:
        with engine.connected(ENGINE_TIMEOUT) as client:
            return str(client.images.get(image).id)
    except DockerException:
        return None


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


def build_foreign(home: Path, runtime: str, *, revision: str, architecture: str) -> str:
    """An image of the sample app that this machine cannot run, as one that was built on another; returns its name.

    A container's has a real program in it, for the other architecture, that does nothing: Docker cannot build for a machine
    that it does not have. Raises HarnessError.
    """
    if runtime == "process":
        return build(home, runtime, revision=revision, architecture=architecture)
    from docker.errors import DockerException

    from harness import engine

    name = image_name(None, revision)
    try:
        with engine.connected(60) as client:
            client.images.load(_foreign_archive(name, architecture))
    except DockerException as error:
        raise TargetUnavailable(f"making {name}: {engine.first_line(error)}; is the Docker engine running?") from error
    return name


def _foreign_archive(name: str, architecture: str) -> bytes:
    """What `docker load` takes: an image with nothing in it but an ELF program for the architecture."""
    identity = b"\x7fELF\x02\x01\x01" + bytes(9)
    program = identity + struct.pack("<HHIQQQIHHHHHH", 2, ELF_MACHINE[architecture], 1, 0, 0, 0, 0, 64, 56, 0, 64, 0, 0)
    layer = _tar({"app": program})
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {"Cmd": ["/app"], "ExposedPorts": {f"{PORT}/tcp": {}}},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    index = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    parts = {
        "config.json": json.dumps(config).encode(),
        "layer.tar": layer,
        "manifest.json": json.dumps(index).encode(),
    }
    return _tar(parts)


def _tar(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for path, data in files.items():
            entry = tarfile.TarInfo(path)
            entry.mode, entry.size = 0o755, len(data)
            archive.addfile(entry, io.BytesIO(data))
    return content.getvalue()


def _wsgi(folder: Path) -> tuple[str, ...]:
    if not (folder / "app.py").is_file():
        raise UsageError(f"{folder}: a process image needs an app.py with a WSGI `app` in it")
    return (sys.executable, "-m", "gunicorn", *_gunicorn_options(folder), "app:app")


def _build_process(home: Path, name: str, revision: str, manifest: Manifest) -> str:
    """Nothing is copied: the folder is run where it is."""
    target = home / "images" / name / revision / "manifest.json"
    directory.made(target.parent, "the images' directory")
    draft = target.with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps(asdict(manifest), indent=1), encoding="utf-8")
    draft.replace(target)
    return f"{name}:{revision}"


def _gunicorn_options(folder: Path) -> tuple[str, ...]:
    """gunicorn reads gunicorn.conf.py of the working directory by itself; without one it still needs threads and the port."""
    return () if (folder / "gunicorn.conf.py").is_file() else ("--config", str(SAMPLE_APP / "gunicorn.conf.py"))


# ---- the registry


def find_distribution() -> tuple[str | None, str]:
    """The CNCF registry's program, and where it is or how to get it."""
    asked = os.environ.get("REHEARSE_REGISTRY")
    for name in (asked,) if asked else REGISTRIES:
        if program := shutil.which(name):
            return program, program
    wanted = asked or " or ".join(REGISTRIES)
    return None, f"no {wanted} on PATH; install Debian's docker-registry (apt-get install docker-registry)"


# ---- Docker


def docker_ready() -> tuple[bool, str]:
    """Whether containers can be used here, and why (not): an engine answers, and a base image is there or can be had."""
    from docker.errors import DockerException

    from harness import engine

    try:
        with engine.connected(ENGINE_TIMEOUT) as client:
            version, base = client.version()["Version"], _base_image(client)
    except DockerException as error:
        return False, f"no Docker engine answers ({engine.first_line(error)})"
    if base is None:
        return (
            False,
            f"Docker {version} answers, but none of its images is a base image ({', '.join(BASE_IMAGES)}); say REHEARSE_BASE_IMAGE=...",
        )
    return True, f"Docker {version} answers and has {base}"


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


def _build_docker(home: Path, folder: Path, name: str, environment: dict[str, str], arch: str | None) -> str:
    from docker.errors import BuildError, DockerException

    from harness import engine

    try:
        with engine.connected(300) as client:
            base = _base_for(client, name, arch)
            with _context(home, folder, _python_of(client, base)) as context:
                client.images.build(
                    path=str(context),
                    tag=name,
                    rm=True,
                    platform=f"linux/{arch}" if arch else None,
                    buildargs={**proxies.for_builds(os.environ), "BASE_IMAGE": base, **environment},
                )
    except BuildError as error:
        raise TargetUnavailable(f"building {name}: {engine.first_line(error)}") from error
    except DockerException as error:
        raise TargetUnavailable(
            f"building {name}: {engine.first_line(error)}; is the Docker engine running?"
        ) from error
    return name


def _base_for(client: Any, name: str, arch: str | None) -> str:
    """The base image that `name` is built on. Raises TargetUnavailable where there is none, or none for `arch`."""
    base = _base_image(client)
    if base is None:
        raise TargetUnavailable(f"no base image for {name}: pull python:3.12-slim, or say REHEARSE_BASE_IMAGE=...")
    if arch and arch != (has := client.images.get(base).attrs["Architecture"]):
        raise TargetUnavailable(
            f"building {name} for linux/{arch}: the base image {base} is for linux/{has}; name another one with "
            "REHEARSE_BASE_IMAGE=..."
        )
    return base


def push_docker(image: str, uri: str, tag: str, user: str, password: str) -> None:
    """`docker tag` and `docker push` of a local image to `<uri>:<tag>`. Raises TargetUnavailable with what the registry says."""
    from docker.errors import DockerException

    from harness import engine

    try:
        with engine.connected(300) as client:
            client.images.get(image).tag(uri, tag)
            login = {"username": user, "password": password}
            for line in client.images.push(uri, tag=tag, auth_config=login, stream=True, decode=True):
                if "error" in line:
                    raise TargetUnavailable(f"pushing {uri}:{tag}: {line['error']}")
    except DockerException as error:
        raise TargetUnavailable(f"pushing {uri}:{tag}: {engine.first_line(error)}") from error


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
    digest = hashlib.sha256(python.encode() + b" " + requirements.read_bytes()).hexdigest()[:16]
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
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=300,
        text=True,
        encoding="utf-8",
        errors="replace",
        env=interpreter.inherited(),
    )
    if done.returncode != 0:
        said = (done.stderr.strip() or "pip failed").splitlines()[-1]
        raise TargetUnavailable(f"no wheels for Python {python}: {proxies.masked(said)}")
    (house / ".complete").touch()
    return house


def _python_of(client: Any, base: str) -> str:
    """`3.11`, as the base image's own python3 says."""
    said = client.containers.run(
        base, ["python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], entrypoint="", remove=True
    )
    return str(said.decode().strip())
