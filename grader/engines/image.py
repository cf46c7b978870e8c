"""The image that judge and box run on: a pinned base, the locked wheels, the grader's own part.

Wheels are fetched on the host, with the host's pip and its settings, and installed without network;
so the image also builds behind a proxy that rewrites TLS, and from a base that no registry knows.
"""

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
from typing import Any

import docker
import docker.errors
from packaging.requirements import Requirement

from grader.engines.base import Progress
from grader.errors import EngineTrouble

#: The base from a registry; KATA_BASE_IMAGE names another one with Python 3.11 or newer.
PINNED_BASE = "python:3.13.7-slim-bookworm"
#: A base that this machine may have made for itself; taken when the pinned one cannot be had.
HOME_MADE_BASE = "ai-engineer-katas-base:latest"
_NAME = "ai-engineer-katas"
_PACKAGE = pathlib.Path(__file__).resolve().parents[1]
#: What of the package judge and box need.
_PARTS = ("__init__.py", "errors.py", "wire.py", "verdict.py", "verdict.schema.json",
          "judge", "box", "upstreams")  # fmt: skip
_LOCK = pathlib.Path(__file__).with_name("runtime.lock")
_DOCKERFILE = """\
ARG BASE
FROM $BASE AS build
COPY wheels /wheels
COPY requirements.txt /requirements.txt
RUN python3 -m venv /opt/env \\
 && /opt/env/bin/pip install --quiet --no-index --no-deps --require-hashes \\
    --find-links /wheels --requirement /requirements.txt
COPY grader /opt/kata/grader
RUN /opt/env/bin/python -m compileall -q /opt/kata

FROM $BASE
COPY --from=build /opt/env /opt/env
COPY --from=build /opt/kata /opt/kata
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
    chosen = os.environ.get("KATA_BASE_IMAGE")
    bases = [chosen] if chosen else [PINNED_BASE, HOME_MADE_BASE]
    for base in bases:
        if _exists(client, tag := _tag(base)):
            return tag
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


def _tag(base: str) -> str:
    """Named by the hash of all that goes into it."""
    digest = hashlib.sha256(f"{base}\n{_DOCKERFILE}".encode())
    digest.update(_LOCK.read_bytes())
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
    tag = _tag(base)
    try:
        answer = client.containers.run(
            base, ["python3", "-c", _ASK_BASE], network_mode="none", remove=True
        )
        target = json.loads(answer)
    except (docker.errors.DockerException, ValueError) as error:
        raise EngineTrouble(
            f"the base image {base} has no working python3 ({_first_line(error)}); set "
            "KATA_BASE_IMAGE to one that has"
        ) from error
    with tempfile.TemporaryDirectory(prefix="kata-image-") as folder:
        wheels = pathlib.Path(folder)
        requirements = _requirements_for(target)
        progress(f"fetching the libraries for Python {target['python_version']}")
        _download(requirements, target, wheels)
        progress(f"building {tag} on {base}")
        with tempfile.TemporaryFile() as context:
            _write_context(context, requirements, wheels)
            context.seek(0)
            steps = client.api.build(
                fileobj=context, custom_context=True, tag=tag, rm=True, forcerm=True,
                network_mode="none", decode=True, buildargs={"BASE": base},
            )  # fmt: skip
            for step in steps:
                if "error" in step:
                    raise EngineTrouble(f"the image could not be built: {step['error'].strip()}")
                if match := re.match(r"Step (\d+/\d+) : (\w+ \S+)", step.get("stream", "")):
                    progress(f"building {tag}: step {match[1]} ({match[2]})")
    return tag


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
    lines = []
    for entry in re.split(r"\n(?=\S)", _LOCK.read_text("utf-8")):
        head, *hashes = entry.replace("\\\n", "").split("--hash=")
        if not head.strip() or head.startswith("#"):
            continue
        requirement = Requirement(head.strip())
        if requirement.marker is None or requirement.marker.evaluate(environment):
            pins = " ".join(f"--hash={pin.strip()}" for pin in hashes)
            lines.append(f"{requirement.name}{requirement.specifier} {pins}\n")
    return "".join(lines)


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


def _write_context(target: Any, requirements: str, wheels: pathlib.Path) -> None:
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name, text in (("Dockerfile", _DOCKERFILE), ("requirements.txt", requirements)):
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
        for wheel in sorted(wheels.iterdir()):
            archive.add(wheel, f"wheels/{wheel.name}")
        for name, path in _grader_files():
            archive.add(path, name, filter=_readable)


def _readable(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.mode = 0o644
    entry.uid = entry.gid = 0
    return entry


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
