"""The command as a process of its own, with a scripted judge."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grader.upstreams import FakeLLM

KATA = Path(__file__).parents[1]


@pytest.fixture
def judge() -> Iterator[FakeLLM]:
    with FakeLLM() as fake:
        yield fake


class Workshop:
    def __init__(self, folder: Path, judge: FakeLLM) -> None:
        self.folder = folder
        self.judge = judge

    def items(self, count: int) -> Path:
        path = self.folder / "items.jsonl"
        lines = []
        for number in range(count):
            answers = {"heron": f"The old answer {number}.", "aurora": f"The new answer {number}."}
            item = {"id": f"q-{number}", "question": f"Question {number}?", "answers": answers}
            lines.append(json.dumps(item) + "\n")
        path.write_text("".join(lines))
        return path

    def compare(self, items: Path, *more: str) -> subprocess.CompletedProcess[str]:
        out = self.folder / "report.json"
        command = [sys.executable, "-m", "compare", "--items", str(items), "--out", str(out)]
        command += ["--baseline", "heron", "--candidate", "aurora", *more]
        environment = os.environ | {
            "OPENAI_BASE_URL": self.judge.url,
            "OPENAI_API_KEY": "sk-judge",
            "JUDGE_MODEL": "judge-large",
            "NO_PROXY": "127.0.0.1",
        }
        return subprocess.run(
            command, cwd=KATA, env=environment, capture_output=True, text=True, timeout=60
        )

    def report(self, items: Path, *more: str) -> dict[str, Any]:
        done = self.compare(items, *more)
        assert done.returncode == 0, done.stderr
        report: dict[str, Any] = json.loads((self.folder / "report.json").read_text())
        return report


@pytest.fixture
def workshop(tmp_path: Path, judge: FakeLLM) -> Workshop:
    return Workshop(tmp_path, judge)
