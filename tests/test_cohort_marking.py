"""The commands that mark, regrade and hand back, as an instructor runs them."""

import datetime as dt
import json
import pathlib
import re
import shutil
from zoneinfo import ZoneInfo

import pytest

from grader.catalog import Kata
from grader.cohort.changes import compare
from grader.cohort.marks import Gradebook, explain
from grader.cohort.records import Ruling
from tests import marked
from tests.commands import kata, on_terminal, root_of
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
    assert [line.split() for line in overview.splitlines()[:4]] == [
        ["learner", "adder", "percent"], ["possible", "4"], ["ada17", "2", "50.00"],
        ["bob18", "waits"]]  # fmt: skip
    assert "Lovelace" not in overview
    told = cohort(
        toy, folder, "rule", "ada17", "adder", "--add", "-0.5", "--note", "copied", "--author", "t"
    )
    assert "ada17 adder: 2 of 4 points -> 1.5 of 4 points" in told
    cohort(toy, folder, "rule", "bob18", "adder", "--excuse", "--note", "ill")
    cohort(toy, folder, "rule", "ada17", "adder", "--appeal", "--note", "it was mine")
    [said, note] = cohort(toy, folder, "rulings", "--open").splitlines()
    with marked.find(folder, toy).store() as store:
        at = store.rulings()[-1].at.astimezone(ZoneInfo("Europe/Berlin"))
    assert re.match(rf"{at:%Y-%m-%d %H:%M}  ada17 adder: Appeal \(.+\)", said)
    assert note == "  it was mine"
    how = cohort(toy, folder, "marks", "--learners", "ada17")
    assert "1.5 of 4 points" in how
    assert "Adjusted by -0.5 points (t," in how
    assert cohort(toy, folder, "marks", "ada17") == how
    both = cohort(toy, folder, "marks", "bob18", "--learner", "ada17")
    assert both.startswith("bob18\n")
    assert both.endswith(how)
    answered = cohort(toy, folder, "rule", "ada17", "adder", "--answer", "--note", "so it was")
    assert answered == "ada17 adder: answer noted; the mark stays: 1.5 of 4 points\n"
    assert "it was mine" not in cohort(toy, folder, "rulings", "--open")
    hidden = cohort(toy, folder, "marks", "--anonymous")
    assert "ada17" not in hidden
    assert "learner-" in hidden


def rule(toy: Kata, folder: pathlib.Path, *arguments: str) -> tuple[str, str]:
    """What a ruling on ada17 prints, and what it remarks."""
    done = kata(root_of(toy), "cohort", "rule", "ada17", "adder", *arguments, "--note", "x",
                "--cohort", str(folder))  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout, " ".join(done.stderr.split())


def test_more_than_is_possible_is_remarked_and_can_be_taken_back(
    toy: Kata, folder: pathlib.Path
) -> None:
    told, remarked = rule(toy, folder, "--set", "99", "--author", "t")
    assert told == "ada17 adder: 2 of 4 points -> 99 of 4 points (set by hand)\n"
    assert "99 points are more than the 4 possible" in remarked
    assert 'kata cohort rule ada17 adder --graded --note "…"' in remarked
    assert rule(toy, folder, "--set", "3", "--author", "t")[1] == ""
    _, remarked = rule(toy, folder, "--set", "98", "--author", "t")
    assert "adder --set 3 --note" in remarked
    told, remarked = rule(toy, folder, "--graded", "--author", "t")
    assert told == "ada17 adder: 98 of 4 points (set by hand) -> 2 of 4 points\n"
    assert remarked == ""
    _, remarked = rule(toy, folder, "--add", "2.5", "--author", "t")
    assert "4.5 points are more than the 4 possible" in remarked
    assert "--add -2.5" in remarked
    assert rule(toy, folder, "--add", "-2.5", "--author", "t")[1] == ""


def test_what_is_set_while_excused_waits_for_the_excuse_to_end(
    toy: Kata, folder: pathlib.Path
) -> None:
    rule(toy, folder, "--excuse", "--author", "t")
    told, remarked = rule(toy, folder, "--set", "3", "--author", "t")
    assert told == "ada17 adder: noted; the mark stays: excused\n"
    assert "ada17 is excused from adder, so no points count" in remarked
    assert "kata cohort rule ada17 adder --count" in remarked
    told, _ = rule(toy, folder, "--count", "--author", "t")
    assert told == "ada17 adder: excused -> 3 of 4 points (set by hand)\n"


def test_learners_are_not_told_that_root_says_so_without_a_remark(
    toy: Kata, folder: pathlib.Path
) -> None:
    arguments = ["cohort", "rule", "ada17", "adder", "--add", "1", "--note", "x",
                 "--cohort", str(folder)]  # fmt: skip
    for user, remarked in (("root", True), ("tutor", False)):
        done = kata(root_of(toy), *arguments, LOGNAME=user)
        assert ("--author NAME" in done.stderr) is remarked


def test_marks_of_many_katas_on_a_narrow_terminal(toy: Kata, folder: pathlib.Path) -> None:
    """Where the points do not fit they are counted; in a pipe all of them stand."""
    settings = (folder / "cohort.toml").read_text()
    for number in range(4):
        name = f"adder-with-a-long-name-{number}"
        for part in ("katas", "solutions"):
            place = root_of(toy) / part / "01-toy"
            shutil.copytree(place / "adder", place / name)
        contract = root_of(toy) / "katas/01-toy" / name / "kata.toml"
        contract.write_text(contract.read_text().replace("The adder", f"The adder {number}"))
        settings += f'[[katas]]\nname = "{name}"\ndue = 2026-03-10T12:00:00\n'
    (folder / "cohort.toml").write_text(settings)

    def on_a_terminal(*arguments: str) -> str:
        place = ["--cohort", str(folder)]
        return on_terminal(
            root_of(toy), "cohort", "marks", *arguments, *place, columns=80, lines=24
        )

    narrow = on_a_terminal()
    assert "1 graded, 4 nothing handed in" in narrow
    assert "choose some by --katas" in narrow
    assert "ada17 2 0 " in on_a_terminal("--katas", "adder,adder-with-a-long-name-0")
    piped = cohort(toy, folder, "marks").splitlines()
    assert piped[2].split()[:-1] == ["ada17", "2", "0", "0", "0", "0"]


def test_lateness_is_seen_before_grading(toy: Kata, folder: pathlib.Path) -> None:
    with marked.find(folder, toy).store() as store:
        marked.hand_in(store, toy, "ada17", "again", NOON + dt.timedelta(days=2))
        marked.hand_in(store, toy, "cyd19", "long after", NOON + dt.timedelta(days=20))
    status = cohort(toy, folder, "status")
    assert ["adder", "3", "4", "2", "4", "0", "0"] in [line.split() for line in status.splitlines()]
    assert "late beyond the cut-off, so that they do not count: 1 of adder" in status
    ada = cohort(toy, folder, "marks", "--learner", "ada17")
    assert "Due on 10 March 2026, 12:00." in ada
    assert "handed in on 11 March 2026, 13:00, late by 2 days" in " ".join(ada.split())


@pytest.mark.parametrize(("arguments", "words"), [
    (["--add", "1", "--excuse", "--note", "x"], "give one of"),
    (["--add", "1", "--note", " "], "needs a reason"),
    (["--add", "inf", "--note", "x"], "not a number"),
    (["--set", "nan", "--note", "x"], "not a number"),
    (["--add", "3,5", "--note", "x"], "'3,5' is not a number; write one like 3.5"),
    (["--set", "3,5", "--note", "x"], "'3,5' is not a number; write one like 3.5"),
    (["--set", "-1", "--note", "x"], "-1 is less than 0"),
    (["--answer", "--note", "x"], "no open appeal"),
    (["--count", "--note", "x"], "ada17 is not excused from adder"),
    (["--graded", "--note", "x"], "nothing was set or added by hand for ada17 in adder"),
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
    comments = kata(root_of(toy), "cohort", "feedback", "--to", str(out / "c"), "--format",
                    "comment", "--cohort", str(folder))  # fmt: skip
    assert "for 2 of 3 learners there are points that came from no commit" in comments.stderr
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
        told = explain(after.marks["ada17", toy.name], ours.config.zone)
        assert told[1] == ("Graded with another version of the kata, where 4 points were possible; "
                           "counted on the scale of 5.")  # fmt: skip
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
