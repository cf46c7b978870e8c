"""The commands that mark, regrade and hand back, as an instructor runs them."""

import json
import pathlib

import pytest

from grader.catalog import Kata
from grader.cohort.marks import Gradebook, compare
from grader.cohort.records import Ruling
from tests import marked
from tests.commands import kata, root_of
from tests.conftest import engine_or_skip
from tests.marked import NOON

WORST = "adds"


@pytest.fixture
def folder(toy: Kata) -> pathlib.Path:
    """A cohort in which ada17 missed one behaviour, and bob18 waits for a verdict."""
    folder = marked.make(toy)
    with marked.find(folder, toy).store() as store:
        marked.graded(store, toy, "ada17", "a", {WORST: "4"})
        marked.hand_in(store, toy, "bob18", "b")
    return folder


def cohort(toy: Kata, folder: pathlib.Path, *arguments: str) -> str:
    done = kata(root_of(toy), "cohort", *arguments, "--cohort", str(folder))
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_marks_and_rulings(toy: Kata, folder: pathlib.Path) -> None:
    overview = cohort(toy, folder, "marks")
    assert "1 not graded yet" in overview
    assert "Lovelace" not in overview
    told = cohort(
        toy, folder, "rule", "ada17", "adder", "--add", "-0.5", "--note", "copied", "--author", "t"
    )
    assert "ada17 adder: 2 of 4 points -> 1.5 of 4 points" in told
    cohort(toy, folder, "rule", "bob18", "adder", "--excuse", "--note", "ill")
    cohort(toy, folder, "rule", "ada17", "adder", "--appeal", "--note", "it was mine")
    assert "it was mine" in cohort(toy, folder, "rulings", "--open")
    how = cohort(toy, folder, "marks", "--learners", "ada17")
    assert "1.5 of 4 points" in how
    assert "Adjusted by -0.5 points (t," in how
    assert cohort(toy, folder, "marks", "ada17") == how
    both = cohort(toy, folder, "marks", "bob18", "--learner", "ada17")
    assert both.startswith("bob18\n")
    assert both.endswith(how)
    cohort(toy, folder, "rule", "ada17", "adder", "--answer", "--note", "so it was")
    assert "it was mine" not in cohort(toy, folder, "rulings", "--open")
    hidden = cohort(toy, folder, "marks", "--anonymous")
    assert "ada17" not in hidden
    assert "learner-" in hidden


@pytest.mark.parametrize(("arguments", "words"), [
    (["--add", "1", "--excuse", "--note", "x"], "give one of"),
    (["--add", "1", "--note", " "], "needs a reason"),
    (["--add", "inf", "--note", "x"], "not a number"),
    (["--set", "nan", "--note", "x"], "not a number"),
    (["--add", "3,5", "--note", "x"], "'3,5' is not a number; write one like 3.5"),
    (["--set", "3,5", "--note", "x"], "'3,5' is not a number; write one like 3.5"),
    (["--set", "-1", "--note", "x"], "-1 is less than 0"),
    (["--answer", "--note", "x"], "no open appeal"),
])  # fmt: skip
def test_a_ruling_is_one_thing_with_a_reason(
    toy: Kata, folder: pathlib.Path, arguments: list[str], words: str
) -> None:
    done = kata(root_of(toy), "cohort", "rule", "ada17", "adder", *arguments,
                "--cohort", str(folder))  # fmt: skip
    assert done.returncode == 2
    assert words in done.stderr
    assert cohort(toy, folder, "rulings").count("ada17") == 0


def test_exports_and_feedback(toy: Kata, folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    out = tmp_path / "out"
    for kind in ("canvas", "moodle", "csv", "gradescope", "jsonl", "parquet"):
        written = cohort(toy, folder, "export", kind, "--to", str(out / kind))
        assert all(pathlib.Path(line).is_file() for line in written.splitlines())
    result = json.loads((out / "gradescope/adder/ada17/results.json").read_text())
    assert result["score"] == 2.0
    assert not (out / "gradescope/adder/bob18").exists()
    pages = cohort(toy, folder, "feedback", "--to", str(out / "pages")).split()
    assert [pathlib.Path(page).name for page in pages] == ["ada17.html", "bob18.html", "cyd19.html"]
    refused = kata(root_of(toy), "cohort", "export", "canvas", "--to", "x", "--anonymous",
                   "--cohort", str(folder))  # fmt: skip
    assert refused.returncode == 2


def test_a_comparison_says_whose_mark_changes_and_why(toy: Kata, folder: pathlib.Path) -> None:
    ours = marked.find(folder, toy)
    with ours.store() as store:
        first = marked.graded(store, toy, "cyd19", "c", {WORST: "4"})
        store.add_ruling(Ruling("cyd19", toy.name, "adjustment", 0.5, "tutor", "why", NOON))
        old = store.gradings([toy.name])[0].edition
        newer = marked.verdict(toy, first, {}, kata_hash="2" * 64, points=[3, 1, 1])
        store.add_grading(newer.as_json(), NOON)
        new = next(each.edition for each in store.gradings([toy.name]) if each.edition != old)
        before = Gradebook.make(ours, store, NOON)
        after = Gradebook.make(ours, store, NOON, {toy.name: new})
        changes = {each.learner: each for each in compare(before, after, store)}
        cyd = changes["cyd19"]
        assert (cyd.before.points, cyd.before.possible) == (2.5, 4)
        assert (cyd.after.points, cyd.after.possible) == (5.5, 5)
        assert "adds: crashed -> passed, 0 -> 3 points" in cyd.reasons
        assert "points possible: 4 -> 5" in cyd.reasons
        # What has no verdict under the new edition keeps its old one, and is never zero.
        assert after.marks["ada17", toy.name].points == 2 * 5 / 4
        assert after.marks["bob18", toy.name].points is None
        assert Gradebook.make(ours, store, NOON).marks == before.marks
        store.apply(toy.name, new)
        assert Gradebook.make(ours, store, NOON).marks == after.marks


def test_regrade(toy: Kata, tmp_path: pathlib.Path) -> None:
    """A behaviour that was judged wrongly is corrected; nothing counts before it is applied."""
    engine_or_skip("bubblewrap")
    folder = marked.make(toy)
    reference = (toy.solutions / "reference/adder.py").read_text()
    with marked.find(folder, toy).store() as store:
        marked.hand_in(store, toy, "ada17", reference)
    hidden = toy.solutions / "hidden/test_adder.py"
    right = hidden.read_text()
    hidden.write_text(right.replace("got == a + b + 1000", "got == a + b"))
    cohort(toy, folder, "grade", "--engine", "bubblewrap")
    assert "2 of 4 points" in cohort(toy, folder, "marks", "--learners", "ada17")
    hidden.write_text(right)
    again = kata(root_of(toy), "cohort", "grade", "--cohort", str(folder))
    assert "cohort regrade" in again.stderr
    assert "2 of 4 points" in cohort(toy, folder, "marks", "--learners", "ada17")
    shown = cohort(toy, folder, "regrade")
    assert "1 mark changes, 1 up and 0 down" in shown
    assert "ada17: 2 of 4 points -> 4 of 4 points" in shown
    assert "adds: failed -> passed, 0 -> 2 points" in shown
    assert "the other 2 behaviours are as before" in shown
    assert "2 of 4 points" in cohort(toy, folder, "marks", "--learners", "ada17")
    assert "Applied" in cohort(toy, folder, "regrade", "--apply")
    assert "4 of 4 points" in cohort(toy, folder, "marks", "--learners", "ada17")
    assert "has changed since" in cohort(toy, folder, "regrade")
