"""What the support desk needs from the index. Start with `python -m pytest` from this folder."""

from pathlib import Path
from typing import Any

import pytest
import tokenizer
from splitter import chunk

MANUAL = Path(__file__).parent.parent.joinpath("manual.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def chunks() -> list[dict[str, Any]]:
    return chunk(MANUAL, max_tokens=256, overlap=32)


def test_the_paragraph_that_support_looked_for(chunks: list[dict[str, Any]]) -> None:
    assert any("With E-417, purge twice before relighting" in one["text"] for one in chunks)


def test_every_short_line_is_in_a_chunk(chunks: list[dict[str, Any]]) -> None:
    lines = [line for line in MANUAL.splitlines() if 0 < tokenizer.count(line) < 25]
    assert [line for line in lines if not any(line in one["text"] for one in chunks)] == []


def test_the_model_reads_every_chunk_to_its_end(chunks: list[dict[str, Any]]) -> None:
    sizes = [tokenizer.count(one["text"]) for one in chunks]
    assert max(sizes) <= tokenizer.LIMIT


def test_start_and_end_are_the_chunk(chunks: list[dict[str, Any]]) -> None:
    for one in chunks:
        assert MANUAL[one["start"] : one["end"]] == one["text"]


def test_each_copy_of_the_notice_has_its_own_place(chunks: list[dict[str, Any]]) -> None:
    starts = [one["start"] for one in chunks]
    assert starts == sorted(set(starts))


def test_headings(chunks: list[dict[str, Any]]) -> None:
    cold = next(one for one in chunks if "whenever the chamber is below" in one["text"])
    assert cold["heading"] == ["Tunnel oven TO-6", "Starting", "Cold start"]


def test_a_card_that_fails(chunks: list[dict[str, Any]]) -> None:
    card = next(one for one in chunks if "sent back, not thrown away" in one["text"])
    assert card["heading"] == ["Tunnel oven TO-6", "Firmware", "Cards"]


def test_too_much_overlap_is_refused() -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        chunk("Open the main gas valve, a quarter turn. " * 20, max_tokens=64, overlap=64)


def test_nothing_in_nothing_out() -> None:
    assert chunk("", max_tokens=256, overlap=32) == []
