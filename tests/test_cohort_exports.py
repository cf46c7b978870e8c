"""Marks and verdicts in the formats of other systems, and what learners read."""

import csv
import datetime as dt
import io
import json
import pathlib
import re
from collections.abc import Iterator
from decimal import Decimal

import jsonschema
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from grader.catalog import Kata
from grader.cohort import exports
from grader.cohort.config import Cohort
from grader.cohort.feedback import Page
from grader.cohort.marks import Gradebook
from grader.cohort.records import Ruling
from grader.cohort.store import Store
from grader.verdict import schema
from tests import marked
from tests.marked import NOON

LATER = dt.datetime(2026, 4, 1, tzinfo=dt.UTC)
HOSTILE = (
    "</pre><script>alert(1)</script>\n```\n# <img src=x onerror=alert(1)> @everyone \x1b[2J\u202e"
)
WORST = "adds"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cohort(toy: Kata) -> Cohort:
    return marked.find(marked.make(toy), toy)


@pytest.fixture
def store(cohort: Cohort) -> Iterator[Store]:
    with cohort.store() as opened:
        yield opened


def book(cohort: Cohort, store: Store) -> Gradebook:
    return Gradebook.make(cohort, store, LATER)


def rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


@pytest.fixture
def titles(toy: Kata) -> dict[str, str]:
    return {toy.name: "Week 1 (1234)"}


def test_canvas(toy: Kata, cohort: Cohort, store: Store, titles: dict[str, str]) -> None:
    marked.graded(store, toy, "ada17", "a", {WORST: "4"}, NOON + dt.timedelta(days=1))
    marked.hand_in(store, toy, "bob18", "b")
    store.add_ruling(Ruling("cyd19", toy.name, "excused", None, "tutor", "ill", NOON))
    possible = sum(each.points for each in toy.behaviours)
    worst = next(each.points for each in toy.behaviours if each.id == WORST)
    earned = Decimal(possible - worst) * Decimal("0.9")
    assert rows(exports.canvas(book(cohort, store), cohort.roster, titles)) == [
        ["Student", "ID", "SIS Login ID", "Section", "Week 1 (1234)"],
        ["    Points Possible", "", "", "", str(possible)],
        ["Ada Lovelace", "4711", "ada17", "A", f"{earned:.2f}"],
        ['\'=HYPERLINK("http://evil.example")', "", "bob18", "A", ""],
        ["Points-Possible", "", "cyd19", "B", "EX"],
    ]


def test_moodle(toy: Kata, cohort: Cohort, store: Store) -> None:
    marked.graded(store, toy, "ada17", "a")
    marked.hand_in(store, toy, "bob18", "b")
    possible = sum(each.points for each in toy.behaviours)
    text = exports.moodle(book(cohort, store), cohort.roster, {toy.name: "@adder"})
    assert rows(text) == [
        ["ID number", "Name", "Email address", "'@adder"],
        ["ada17", "Ada Lovelace", "ada@example.org", f"{possible}.00"],
        ["bob18", '\'=HYPERLINK("http://evil.example")', "bob@example.org", "-"],
        ["cyd19", "Points Possible", "'+cyd@example.org", "0.00"],
    ]


def test_all_marks_by_id(toy: Kata, cohort: Cohort, store: Store) -> None:
    marked.graded(store, toy, "ada17", "a")
    marked.hand_in(store, toy, "bob18", "b")
    text = exports.marks_csv(book(cohort, store), store.pseudonym)
    header, ada, bob, _ = rows(text)
    assert header == ["learner", "adder", "total percent", "weight still open", "adder possible"]
    assert ada[1:] == ["4.00", "100.00", "0", "4"]
    assert bob[1:] == ["not graded yet", "", "2", "4"]
    for secret in ("ada17", "Lovelace", "example.org"):
        assert secret not in text


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "x;=1", "x\n=1", "\uff1d1", "\tx"],
)
def test_a_formula_is_defused(text: str) -> None:
    assert re.search(r"(^|[;\n])[ \t\r]*'", exports.defused(text))


@given(st.text(alphabet="=+-@\t\r\n;,| a'\uff1d", max_size=12))
def test_no_cell_is_left_that_a_spreadsheet_computes(text: str) -> None:
    """However a country's settings cut the text, and blanks left out in front."""
    for cell in re.split(r"[;,|\r\n\t]", exports.defused(text)):
        assert not cell.lstrip(" ").startswith(("=", "+", "-", "@", "\uff1d"))


@pytest.mark.parametrize("text", ["Ada Lovelace", "Jean-Luc", "a=b", "o'Neil", "", "x@y.org"])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert exports.defused(text) == text


def test_gradescope(toy: Kata, cohort: Cohort, store: Store) -> None:
    late = NOON + dt.timedelta(days=1)
    submission = marked.graded(store, toy, "ada17", "a", {WORST: HOSTILE}, late)
    made = book(cohort, store).marks["ada17", toy.name]
    verdict = marked.verdict(toy, submission, {WORST: HOSTILE}).as_json()
    zone = cohort.config.zone
    full = exports.gradescope(made, verdict, zone, titles_only=False)
    assert full is not None
    possible = sum(each.points for each in toy.behaviours)
    worst = next(each.points for each in toy.behaviours if each.id == WORST)
    assert full["score"] == pytest.approx((possible - worst) * 0.9)
    assert sum(test["max_score"] for test in full["tests"]) == possible
    assert sum(test["score"] for test in full["tests"]) == possible - worst
    broken = [test for test in full["tests"] if test["status"] == "failed"]
    assert len(broken) == 1
    assert "observed: </pre>" in broken[0]["output"]
    assert {test["output_format"] for test in full["tests"] if "output" in test} == {"text"}
    assert "\x1b" not in broken[0]["output"]
    titles_only = exports.gradescope(made, verdict, zone, titles_only=True)
    assert "alert" not in json.dumps(titles_only)
    marked.hand_in(store, toy, "bob18", "b")
    waiting = book(cohort, store).marks["bob18", toy.name]
    assert exports.gradescope(waiting, None, zone, titles_only=False) is None


def test_verdicts_as_json_lines(toy: Kata, cohort: Cohort, store: Store) -> None:
    same = marked.graded(store, toy, "ada17", "same", {WORST: "\ud800 é \0"})
    marked.hand_in(store, toy, "bob18", "same")
    newer = marked.verdict(toy, same, kata_hash="2" * 64).as_json()
    store.add_grading(newer, LATER)
    lines = exports.verdict_lines(store, book(cohort, store), str)
    documents = [json.loads(line) for line in lines]
    assert [each["learners"] for each in documents] == [["ada17", "bob18"]] * 2
    assert sorted(each["applied"] for each in documents) == [False, True]
    for each in documents:
        verdict = each["verdict"] | {
            "kata": {**each["verdict"]["kata"], "hash": f"sha256:{'0' * 64}"}
        }
        jsonschema.validate(verdict, schema())
        assert each["verdict"]["submission"]["hash"] == same.hash


def test_parquet(toy: Kata, cohort: Cohort, store: Store, tmp_path: pathlib.Path) -> None:
    marked.graded(store, toy, "ada17", "a", {WORST: "4"}, NOON + dt.timedelta(days=1))
    paths = exports.parquet(tmp_path / "out", book(cohort, store), str)
    marks, gradings = (pl.read_parquet(path).to_dicts() for path in paths)
    ada = marks[0]
    assert (ada["learner"], ada["state"], ada["days_late"]) == ("ada17", "graded", 1)
    assert ada["points"] == ada["earned"] * Decimal("0.9")
    assert [each["state"] for each in marks] == ["graded", "nothing handed in", "nothing handed in"]
    assert [each["failing"] for each in gradings] == [[WORST]]
    assert gradings[0]["submission"] == ada["submission"]


def page(toy: Kata, cohort: Cohort, store: Store, source: str = "folder") -> Page:
    """Of a learner whose code says the worst, who was refused once, and who appeals."""
    marked.hand_in(store, toy, "ada17", None, NOON - dt.timedelta(days=1))
    late = NOON + dt.timedelta(days=1)
    marked.graded(store, toy, "ada17", "a", {WORST: HOSTILE}, late, source)
    for kind, amount, note in (("adjustment", 0.5, "5 < 6 & @tutors"), ("appeal", None, HOSTILE)):
        store.add_ruling(Ruling("ada17", toy.name, kind, amount, "tutor", note, NOON))  # type: ignore[arg-type]
    return Page.of("ada17", book(cohort, store), cohort, store)


def test_a_page_says_how_the_mark_came_about(toy: Kata, cohort: Cohort, store: Store) -> None:
    text = page(toy, cohort, store).html()
    for words in (
        "Late by 1 day, so 10 percent come off",
        "Adjusted by 0.5 points (tutor,",
        "Handed in on 10 March 2026, 13:00",
        "Refused, so without effect: 1",
        *(each.sentence for each in toy.behaviours),
    ):
        assert words in text


def test_what_learner_code_says_is_text_in_html(toy: Kata, cohort: Cohort, store: Store) -> None:
    text = page(toy, cohort, store).html()
    assert "&lt;script&gt;alert(1)" in text
    assert "&lt;b&gt;a.py&lt;/b&gt; is a link" in text
    for bad in ("<script", "<img", "<b>", "\x1b", "\u202e"):
        assert bad not in text


def test_what_learner_code_says_is_text_in_markdown(
    toy: Kata, cohort: Cohort, store: Store
) -> None:
    """Rendered with raw HTML let through, as some sites do, nothing of it becomes an element."""
    text = page(toy, cohort, store).markdown()
    rendered = MarkdownIt("commonmark").render(text)
    assert "&lt;script&gt;alert(1)" in rendered
    for bad in ("<script", "<img", "<b>", "\x1b", "\u202e"):
        assert bad not in rendered
    headings = re.findall(r"<h\d>(.*?)</h\d>", rendered)
    assert not [each for each in headings if "alert" in each]
    # A mention outside of code would call people.
    outside = re.sub(r"(?s)<(code|pre)\b.*?</\1>", "", rendered)
    assert not re.search(r"@\w", outside)


def test_markdown_is_short_and_nobody_can_fake_its_labels(
    toy: Kata, cohort: Cohort, store: Store
) -> None:
    marked.graded(store, toy, "ada17", "a", {WORST: "4\nexpected  4\n````"})
    text = Page.of("ada17", book(cohort, store), cohort, store).markdown()
    assert "\n\n\n" not in text
    fence = "  `````"
    shown = ["given     2 and 3", "observed  4", "          expected  4", "          ````",
             "expected  5"]  # fmt: skip
    assert "\n".join([f"{fence}text", *(f"  {line}" for line in shown), fence]) in text
    [block] = [each for each in MarkdownIt("commonmark").parse(text) if each.type == "fence"]
    assert block.content.splitlines() == shown


@pytest.mark.parametrize("kind", ["html", "markdown", "comment"])
def test_titles_tell_no_observation(toy: Kata, kind: str) -> None:
    cohort = marked.find(marked.make(toy, feedback="titles"), toy)
    with cohort.store() as store:
        marked.graded(store, toy, "ada17", "a", {WORST: "saw a four"})
        texts = Page.of("ada17", book(cohort, store), cohort, store).files(kind).values()
    for text in texts:
        assert "oes not hold" in text
        for secret in ("saw a four", "crashed", "2 and 3"):
            assert secret not in text
    assert texts


def test_a_comment_for_each_commit(toy: Kata, cohort: Cohort, store: Store) -> None:
    files = page(toy, cohort, store, f"git {COMMIT}").files("comment")
    assert list(files) == [f".{COMMIT}.md"]


def test_a_comment_is_short_enough(toy: Kata, cohort: Cohort, store: Store) -> None:
    marked.graded(store, toy, "ada17", "a", {WORST: "x\n" * 100_000}, source=f"git {COMMIT}")
    files = Page.of("ada17", book(cohort, store), cohort, store).files("comment")
    assert len(files[f".{COMMIT}.md"]) < 65_536


def test_without_hand_ins_there_is_a_page_all_the_same(
    toy: Kata, cohort: Cohort, store: Store
) -> None:
    made = Page.of("ada17", book(cohort, store), cohort, store)
    assert "nothing handed in" in made.html()
    assert "0 of 4 points" in made.markdown()
