"""`nox -s peers`: the same attacks against pytest in one container, as most graders run it.

The peer is fair: a new container per submission, no network, no capabilities, limits on memory and
processes, hidden tests beside the submission, and the verdict read in three usual ways: from the
exit code, the last line, the JUnit file. Counted is who is told that all three tests passed.
"""

import collections
import contextlib
import io
import pathlib
import re
import tarfile
import tempfile
import xml.etree.ElementTree
from typing import Any

import docker
import docker.errors
import requests
import rich.box
from rich.console import Console
from rich.table import Table

from grader.engines.docker import DockerEngine
from tests.attacking import CLASSES, Attack, Ground, attacks, check

_SECONDS = 30
#: The toy kata's hidden tests, as one would write them for a plain pytest grader.
_TESTS = """\
import subprocess
import sys

from adder import Total, add


def test_adds():
    assert add(591, 1734) == 2325


def test_adds_as_a_command():
    done = subprocess.run([sys.executable, "adder.py", "40", "2"], capture_output=True, text=True)
    assert done.stdout.strip() == "42"


def test_keeps_a_total():
    total = Total()
    assert [total.add(n) for n in (1, 2, 3)][-1] == 6
"""
_COMMAND = ["python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--junitxml=result.xml",
            "test_adder.py"]  # fmt: skip


def main() -> None:
    engine = DockerEngine()
    if problem := engine.problem():
        raise SystemExit(problem)
    engine.prepare(lambda step: print(step, flush=True))
    client = docker.from_env()
    chosen = [
        attack for attack in attacks() if attack.kata == "adder" and attack.outcome == "failed"
    ]
    forged: dict[str, collections.Counter[str]] = {kind: collections.Counter() for kind in CLASSES}
    ways = ("exit code", "last line", "JUnit file", "here")
    with tempfile.TemporaryDirectory() as folder, Ground(pathlib.Path(folder)) as ground:
        for attack in chosen:
            forged[attack.kind]["attacks"] += 1
            told = peer(client, str(engine.image), ground, attack)
            with engine.slot() as slot:
                try:
                    check(
                        attack, ground, engine, slot, pathlib.Path(folder) / f"{attack.name}-here"
                    )
                except AssertionError:
                    told.add("here")
            for way in told:
                forged[attack.kind][way] += 1
            print(f"{attack.name}: {', '.join(sorted(told)) or 'nobody'}", flush=True)
    table = Table("class", "attacks", *ways, box=rich.box.SIMPLE, title="A pass forged")
    for kind in CLASSES:
        table.add_row(kind, *(str(forged[kind][column]) for column in ("attacks", *ways)))
    Console(width=80).print(table)


def peer(client: Any, image: str, ground: Ground, attack: Attack) -> set[str]:
    """In which ways of reading it the plain pytest container would have passed the attack."""
    with tempfile.TemporaryDirectory() as folder:
        submission = pathlib.Path(folder, "work")
        submission.mkdir()
        ground.submission(attack, submission)
        (submission / "test_adder.py").write_text(_TESTS)
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            tar.add(submission, "work", filter=_everybody)
    container = client.containers.create(
        image, _COMMAND, working_dir="/tmp/work", user="65534:65534", network_mode="none",
        cap_drop=["ALL"], security_opt=["no-new-privileges:true"], mem_limit="512m",
        pids_limit=64, labels={"ai-engineer-katas.peer": "1"},
    )  # fmt: skip
    try:
        container.put_archive("/tmp", archive.getvalue())
        container.start()
        try:
            code = container.wait(timeout=_SECONDS)["StatusCode"]
        except requests.exceptions.RequestException:
            return set()  # it hung: nothing was forged
        last = container.logs(stdout=True, stderr=False, tail=1).decode("utf-8", "replace")
        junit = b""
        with contextlib.suppress(docker.errors.NotFound):
            stream, _ = container.get_archive("/tmp/work/result.xml")
            with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as tar:
                file = tar.extractfile(tar.getmembers()[0])
                junit = file.read() if file else b""
    finally:
        container.remove(force=True)
    told = set()
    if code == 0:
        told.add("exit code")
    if re.match(r"3 passed in", last.strip("= \n")):
        told.add("last line")
    if _all_passed(junit):
        told.add("JUnit file")
    return told


def _all_passed(junit: bytes) -> bool:
    try:
        suite = xml.etree.ElementTree.fromstring(junit).find("testsuite")
    except xml.etree.ElementTree.ParseError:
        return False
    if suite is None:
        return False
    return suite.get("tests") == "3" and {
        suite.get(k, "0") for k in ("errors", "failures", "skipped")
    } == {"0"}


def _everybody(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.mode |= 0o777 if entry.isdir() else 0o666
    entry.uid = entry.gid = 65534
    return entry


if __name__ == "__main__":
    main()
