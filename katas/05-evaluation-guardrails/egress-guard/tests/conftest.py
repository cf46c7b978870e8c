"""The guard as a process of its own, with a scripted model behind it and OpenAI's SDK before it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from grader.upstreams import Answer, FakeLLM

KATA = Path(__file__).parents[1]
KEY = "sk-upstream-0123456789abcdefghij"
CANARY = "cnry-7f3a-8d21-northquay"


@pytest.fixture
def model() -> Iterator[FakeLLM]:
    with FakeLLM() as fake:
        yield fake


class Page:
    """Asks through the guard, as the chat page does."""

    canary = CANARY

    def __init__(self, model: FakeLLM, url: str, log: Path) -> None:
        self.model = model
        self.client = OpenAI(base_url=url, api_key="page", max_retries=0, timeout=5)
        self._log = log

    def ask(self, prompt: str = "What is open tonight?", **more: Any) -> Any:
        messages = [{"role": "user", "content": prompt}]
        return self.client.chat.completions.create(model="large", messages=messages, **more)

    def whole(self, text: str) -> str:
        self.model.script(Answer(text=text))
        return self.ask().choices[0].message.content

    def streamed(self, *pieces: str) -> str:
        self.model.script(Answer(text=pieces))
        chunks = [chunk for chunk in self.ask(stream=True) if chunk.choices]
        return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)

    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")


@pytest.fixture
def page(model: FakeLLM) -> Iterator[Page]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {
        "UPSTREAM_URL": model.url,
        "UPSTREAM_API_KEY": KEY,
        "POLICY_FILE": str(KATA / "policy.json"),
        "CANARY": CANARY,
        "NO_PROXY": "127.0.0.1",
    }
    command = [sys.executable, "-m", "uvicorn", "app:app", "--port", str(port)]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        with log.open("wb") as out:
            process = subprocess.Popen(
                command, cwd=KATA, env=environment, stdout=out, stderr=subprocess.STDOUT
            )
        try:
            wait_until_listening(process, port, log)
            yield Page(model, f"http://127.0.0.1:{port}/v1", log)
        finally:
            process.kill()
            process.wait()


def wait_until_listening(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    give_up = time.monotonic() + 20
    while time.monotonic() < give_up:
        if process.poll() is not None:
            pytest.fail(f"the guard ended before it listened:\n{log.read_text()}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail("the guard did not listen within 20 s")
