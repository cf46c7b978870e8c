"""The service as a process of its own, between two scripted providers."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from grader.upstreams import Answer, FakeLLM

KATA = Path(__file__).parents[1]


@pytest.fixture
def primary() -> Iterator[FakeLLM]:
    with FakeLLM(script=[Answer("An answer from the primary.")]) as provider:
        yield provider


@pytest.fixture
def backup() -> Iterator[FakeLLM]:
    with FakeLLM(script=[Answer("An answer from the backup.")]) as provider:
        yield provider


@pytest.fixture
def service(primary: FakeLLM, backup: FakeLLM) -> Iterator[httpx.Client]:
    """A client of the running service; it gives up after 4 s."""
    port = free_port()
    environment = os.environ | {
        "PRIMARY_URL": primary.url,
        "PRIMARY_API_KEY": "sk-primary",
        "PRIMARY_MODEL": "large",
        "BACKUP_URL": backup.url,
        "BACKUP_API_KEY": "sk-backup",
        "BACKUP_MODEL": "small",
        "NO_PROXY": "127.0.0.1",
    }
    command = [sys.executable, "-m", "uvicorn", "app:app", "--port", str(port)]
    process = subprocess.Popen([*command, "--log-level", "warning"], cwd=KATA, env=environment)
    try:
        wait_until_listening(process, port)
        address = f"http://127.0.0.1:{port}"
        with httpx.Client(base_url=address, timeout=4, trust_env=False) as client:
            yield client
    finally:
        process.kill()
        process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_listening(process: subprocess.Popen[bytes], port: int) -> None:
    give_up = time.monotonic() + 20
    while time.monotonic() < give_up:
        if process.poll() is not None:
            pytest.fail(f"the service ended with exit code {process.returncode} before it listened")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail("the service did not listen within 20 s")
