"""The image that judge and box run on: a pinned base, the locked wheels, the grader's own part.

Wheels are fetched on the host, with the host's pip and its settings, and installed without network;
so the image also builds behind a proxy that rewrites TLS, and from a base that no registry knows.
"""

import contextlib
import hashlib
import io
import json
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator

import docker
import docker.errors

from grader.engines.base import LOCK, Progress, locked
from grader.errors import EngineTrouble

#: The base from a registry; KATA_BASE_IMAGE names another one with Python 3.11 or newer.
PINNED_BASE = "python:3.13.7-slim-bookworm"
#: A base that this machine may have made for itself; taken when the pinned one cannot be had.
HOME_MADE_BASE = "ai-engineer-katas-base:latest"
_NAME = "ai-engineer-katas"
_PACKAGE = pathlib.Path(__file__).resolve().parents[1]
#: What of the package judge and box need.
_PARTS = ("__init__.py", "errors.py", "kernel.py", "wire.py", "verdict.py", "verdict.schema.json",
          "job.py", "judge", "box", "upstreams")  # fmt: skip
#: The libraries alone, so that a change of the grader's part fetches nothing anew.
_LIBRARIES = """\
ARG BASE
FROM $BASE AS build
COPY wheels /wheels
COPY requirements.txt /requirements.txt
RUN python3 -m venv /opt/env \\
 && /opt/env/bin/pip install --quiet --no-index --no-deps --require-hashes \\
    --find-links /wheels --requirement /requirements.txt

FROM $BASE
COPY --from=build /opt/env /opt/env
"""
_GRADER = """\
ARG BASE
FROM $BASE
COPY grader /opt/kata/grader
RUN /opt/env/bin/python -m compileall -q /opt/kata
ENV PATH=/opt/env/bin:/usr/local/bin:/usr/bin:/bin PYTHONPATH=/opt/kata LANG=C.UTF-8 \\
    PYTHONDONTWRITEBYTECODE=1 PYTHONSAFEPATH=1
WORKDIR /tmp
"""
#: Asked of the base: for what its wheels must be made.
_ASK_BASE = """\
import json, platform, sys
print(json.dumps({"python_version": "%d.%d" % sys.version_info[:2],
                  "python_full_version": platform.python_version(),
                  "platform_machine": platform.machine()}))
"""
_OLDEST_GLIBC, _NEWEST_GLIBC = 5, 40


def ensure(client: docker.DockerClient, progress: Progress) -> str:
    """The tag of the image, which is built first where it does not exist yet."""
    if tag := built(client):
        return tag
    bases = _bases()
    for base in bases:
        if _exists(client, base):
            return _build(client, base, progress)
    progress(f"pulling {bases[0]}")
    try:
        client.images.pull(bases[0])
    except docker.errors.DockerException as error:
        raise EngineTrouble(
            f"the base image {bases[0]} cannot be pulled ({_first_line(error)}); set "
            "KATA_BASE_IMAGE to an image of yours that has Python 3.11 or newer with venv"
        ) from error
    return _build(client, bases[0], progress)


def built(client: docker.DockerClient) -> str | None:
    """The tag of the image, if it exists."""
    tags = map(_tag, _bases())
    return next((tag for tag in tags if _exists(client, tag)), None)


def _bases() -> list[str]:
    chosen = os.environ.get("KATA_BASE_IMAGE")
    return [chosen] if chosen else [PINNED_BASE, HOME_MADE_BASE]


def _libraries_tag(base: str) -> str:
    digest = hashlib.sha256(f"{base}\n{_LIBRARIES}".encode() + LOCK.read_bytes())
    return f"{_NAME}-libraries:{digest.hexdigest()[:16]}"


def _tag(base: str) -> str:
    """Named by the hash of all that goes into it."""
    digest = hashlib.sha256(f"{_libraries_tag(base)}\n{_GRADER}".encode())
    for name, path in _grader_files():
        digest.update(name.encode() + b"\0" + path.read_bytes())
    return f"{_NAME}:{digest.hexdigest()[:16]}"


def _grader_files() -> Iterator[tuple[str, pathlib.Path]]:
    for part in _PARTS:
        top = _PACKAGE / part
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file() and "__pycache__" not in path.parts:
                yield f"grader/{path.relative_to(_PACKAGE).as_posix()}", path


def _exists(client: docker.DockerClient, name: str) -> bool:
    try:
        client.images.get(name)
    except docker.errors.ImageNotFound:
        return False
    return True


def _build(client: docker.DockerClient, base: str, progress: Progress) -> str:
    libraries, tag = _libraries_tag(base), _tag(base)
    if not _exists(client, libraries):
        _build_libraries(client, base, libraries, progress)
    files = [(name, path.read_bytes()) for name, path in _grader_files()]
    _run_build(client, libraries, tag, [("Dockerfile", _GRADER.encode()), *files], progress)
    return tag


def _build_libraries(client: docker.DockerClient, base: str, tag: str, progress: Progress) -> None:
    try:
        answer = client.containers.run(
            base, ["python3", "-c", _ASK_BASE], network_mode="none", remove=True
        )
        target = json.loads(answer)
    except (docker.errors.DockerException, ValueError) as error:
        raise EngineTrouble(
            f"python3 does not run in a container of the base image {base} "
            f"({_first_line(error)}); if the image is why, set KATA_BASE_IMAGE to another"
        ) from error
    requirements = _requirements_for(target)
    with tempfile.TemporaryDirectory(prefix="kata-image-") as folder:
        progress(f"fetching the libraries for Python {target['python_version']}")
        _download(requirements, target, pathlib.Path(folder))
        wheels = [(f"wheels/{path.name}", path.read_bytes())
                  for path in sorted(pathlib.Path(folder).iterdir())]  # fmt: skip
    texts = [("Dockerfile", _LIBRARIES.encode()), ("requirements.txt", requirements.encode())]
    _run_build(client, base, tag, [*texts, *wheels], progress)


def _run_build(
    client: docker.DockerClient,
    base: str,
    tag: str,
    files: list[tuple[str, bytes]],
    progress: Progress,
) -> None:
    """Builds from the classic builder's tar; containers that build have no network."""
    progress(f"building {tag} on {base}")
    with tempfile.TemporaryFile() as context:
        with tarfile.open(fileobj=context, mode="w") as archive:
            for name, content in files:
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode = len(content), 0o644
                archive.addfile(entry, io.BytesIO(content))
        context.seek(0)
        steps = client.api.build(
            fileobj=context, custom_context=True, tag=tag, rm=True, forcerm=True,
            network_mode="none", decode=True, buildargs={"BASE": base},
        )  # fmt: skip
        stages: list[str] = []
        for step in steps:
            if "error" in step:
                raise EngineTrouble(f"the image could not be built: {step['error'].strip()}")
            if match := re.match(r" ---> ([0-9a-f]{12})", step.get("stream", "")):
                latest = match[1]
            if match := re.match(r"Step (\d+/\d+) : (\w+ \S+)", step.get("stream", "")):
                progress(f"building {tag}: step {match[1]} ({match[2]})")
                if match[2].startswith("FROM") and not match[1].startswith(("1/", "2/")):
                    stages.append(latest)
    for stage in stages:
        # A finished stage has no name and nobody needs it; what is still in use stays.
        with contextlib.suppress(docker.errors.APIError):
            client.images.remove(stage)


def _requirements_for(target: dict[str, str]) -> str:
    """The lock's lines that apply to the image's Python; pip would ask the host's instead."""
    environment = {
        **target,
        "implementation_name": "cpython",
        "os_name": "posix",
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "sys_platform": "linux",
        "extra": "",
    }
    return "".join(
        " ".join([f"{name}=={version}", *(f"--hash={each}" for each in hashes)]) + "\n"
        for name, (version, hashes) in locked(LOCK, environment).items()
    )


def _download(requirements: str, target: dict[str, str], folder: pathlib.Path) -> None:
    machine, version = target["platform_machine"], target["python_version"].replace(".", "")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes",
               "--disable-pip-version-check", "--only-binary=:all:", "--dest", str(folder),
               "--python-version", target["python_version"], "--implementation", "cp",
               "--abi", f"cp{version}", "--abi", "abi3", "--abi", "none",
               "--platform", f"manylinux2014_{machine}"]  # fmt: skip
    for minor in range(_NEWEST_GLIBC, _OLDEST_GLIBC - 1, -1):
        command += ["--platform", f"manylinux_2_{minor}_{machine}"]
    wanted = folder / "requirements.in"
    wanted.write_text(requirements)
    done = subprocess.run([*command, "-r", str(wanted)], capture_output=True, text=True)
    wanted.unlink()
    if done.returncode != 0:
        why = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise EngineTrouble(f"the image's libraries could not be fetched by pip: {why}")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
