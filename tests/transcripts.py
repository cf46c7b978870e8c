"""What learners are told of every wrong answer, kept so that a change of it is read."""

import dataclasses
import difflib
import io
import os
import pathlib
import re
from collections.abc import Sequence

import pytest
from rich.console import Console

from grader.catalog import Kata
from grader.cli import screen
from grader.verdict import Finding
from grader.verify import Cell
from tests.conftest import ROOT

#: Set, transcripts are written instead of compared.
WRITE = bool(os.environ.get("KATA_WRITE_TRANSCRIPTS"))
#: Behaviours at which a race decides what is seen first, by kata.
_RACES = {"unmonitored-endpoint": "ready-only-with-a-model"}
#: Wrong answers of this kata are suites that fail by chance; where one is seen to, differs.
_BY_CHANCE = "flaky-green"
_FOLDER = ROOT / "tests" / "transcripts"


def path_of(kata: Kata) -> pathlib.Path:
    return _FOLDER / f"{kata.short_name}.txt"


def transcript(kata: Kata, cells: Sequence[Cell], monkeypatch: pytest.MonkeyPatch) -> str:
    """The failing behaviours of each wrong answer, as on a terminal of 80 columns without colour.

    Only of those behaviours at which the answer must fail: what else it breaks may hang on chance.
    """
    page = io.StringIO()
    monkeypatch.setattr(screen, "_out", Console(file=page, width=80, no_color=True))
    monkeypatch.setattr(screen, "YES", "ok")
    monkeypatch.setattr(screen, "NO", "NO")
    monkeypatch.setattr(screen, "SIGN_WIDTH", 2)
    wrong = kata.wrong()
    for cell in sorted(cells, key=lambda cell: cell.answer):
        _, _, name = cell.answer.partition("wrong/")
        if name and cell.verdict:
            page.write(f"=== {name}: {wrong[name].attempt}\n")
            for result in cell.verdict.behaviours:
                if result.id == _RACES.get(kata.short_name):
                    result = dataclasses.replace(result, finding=Finding("one of several"))
                screen.print_behaviour(result, titles_only=False)
            page.write("\n")
    return "\n".join(line.rstrip() for line in page.getvalue().splitlines()) + "\n"


def differences(kata: Kata, new: str) -> list[str]:
    """Unified diff from what is kept, without regard to what hangs on machine and chance.

    That is: numbers, timelines, line breaks, and the order of words, which is a set's.
    """
    left_out = ["timeline"]
    if kata.short_name == _BY_CHANCE:
        left_out += ["cause", "given", "observed", "expected"]
    kept = path_of(kata).read_text("utf-8")
    before, after = _masked(kept, left_out), _masked(new, left_out)
    return list(difflib.unified_diff(before, after, "kept", "new", lineterm="", n=1))


def _masked(text: str, left_out: list[str]) -> list[str]:
    parts = "cause|given|observed|expected|timeline|matters"
    paragraphs = re.split(rf"\n(?===|\n| NO|    (?:{parts}) )", text)
    beginnings = tuple(f"    {part} " for part in left_out)
    paragraphs = [p for p in paragraphs if p.strip() and not p.startswith(beginnings)]
    return [" ".join(sorted(re.findall(r"[^\W\d]+", paragraph))) for paragraph in paragraphs]
