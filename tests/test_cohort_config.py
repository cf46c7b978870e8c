"""Setting up a cohort: its settings and its roster."""

import datetime as dt
import pathlib

import pytest

from grader.catalog import Catalog, Kata
from grader.cohort import config
from grader.cohort.config import Cohort
from grader.cohort.roster import Roster
from grader.errors import UsageError
from tests import cohorts
from tests.cohorts import DUE
from tests.commands import root_of


def test_a_new_folder_is_a_cohort(toy: Kata, tmp_path: pathlib.Path) -> None:
    catalog = Catalog(root_of(toy))
    config.init(tmp_path / "new", catalog, dt.date(2026, 10, 1))
    cohort = Cohort.find(tmp_path / "new", catalog)
    assert list(cohort.assigned) == ["01-toy/adder"]
    assert cohort.roster.ids == []
    assert cohort.due("01-toy/adder") == dt.datetime(2026, 10, 15, 23, 59, tzinfo=dt.UTC)
    with pytest.raises(UsageError, match="is there already"):
        config.init(tmp_path / "new", catalog, dt.date(2026, 10, 1))


def test_times_are_local_across_the_change_of_the_clocks(toy: Kata) -> None:
    cohort = cohorts.make(toy, "")
    local = dt.datetime(2026, 10, 24, 23, 59)
    assert cohort.config.utc(local) == dt.datetime(2026, 10, 24, 21, 59, tzinfo=dt.UTC)
    assert cohort.due("01-toy/adder") == DUE
    twice = dt.datetime(2026, 10, 25, 2, 30)
    assert cohort.config.utc(twice) == dt.datetime(2026, 10, 25, 1, 30, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [("Europe/Berlin", "Europe/Brelin", "time_zone: 'Europe/Brelin' is no time zone"),
     ("2026-10-26T23:59:00", "2026-03-29T02:30:00", "does not exist in Europe/Berlin"),
     ("2026-10-26T23:59:00", "2026-10-26T23:59:00Z", "without an offset"),
     ('name = "adder"', 'name = "addr"', "did you mean adder"),
     ("percent_per_day", "percent_per_dya", "late.percent_per_dya: .*did you mean percent_per_day"),
     ("percent_per_day", "max_attempts", "late.max_attempts: .*above the first line in brackets"),
     ("percent_per_day", "colour", "late.colour: there is no such key; remove it"),
     ("cut_off_days = 7", "cut_off_days = -7", "cut_off_days: -7 stands there; write 0 or more"),
     ("cut_off_days = 7", 'cut_off_days = "a"', '"a" stands there; write a whole number'),
     ("[late]", 'feedback = "all"\n[late]', 'feedback: "all" stands.*"full" or "titles"'),
     ('"adder"', '"adder"\nweight = "a"', 'katas: adder: weight: "a" stands there; write a number'),
     ('"adder"', '"adder"\nweight = inf', "katas: adder: weight: .*write a number"),
     ('name = "adder"', "", "katas: number 1: name: is missing"),
     ("[[katas]]", "[katas]", "two brackets"),
     ('name = "Toys"', 'name = Toys', "line 1 is not TOML: name = Toys"),
     ('name = "Toys"', 'name = "Toys\xfc"', "line 1: not UTF-8"),
     ('name = "Toys"', '', "name: is missing")],
)  # fmt: skip
def test_a_wrong_setting_is_named(toy: Kata, old: str, new: str, told: str) -> None:
    cohort = cohorts.make(toy, "")
    path = cohort.folder / config.CONFIG
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1), "latin-1")
    with pytest.raises(UsageError, match=told) as caught:
        Cohort.find(cohort.folder, cohort.catalog)
    assert "nput should" not in str(caught.value)


@pytest.mark.parametrize(
    ("due", "told"),
    [('"22.11.2026"', "katas: adder: due: .* is no date.*like 2026-11-22T23:59:00"),
     ('"yesterday"', "katas: adder: due: .* is no date.*like 2026-11-22T23:59:00"),
     ('"2026-11-31"', "katas: adder: due: .*that exists.*like 2026-11-22T23:59:00"),
     ('"2026-12-01"', "katas: adder: due: write the time, too: 2026-12-01T23:59:00"),
     ("20261201", "katas: adder: due: 20261201 is no date.*like 2026-11-22T23:59:00"),
     ("22.11.2026", "line 10 is not TOML: due = 22.11.2026 .*times like 2026-11-22T23:59:00"),
     ("2026-11-31T23:59:00", "line 10: there is no such date or time: 2026-11-31T23:59:00$")],
)  # fmt: skip
def test_a_due_time_that_is_none_is_told_with_one_to_write(toy: Kata, due: str, told: str) -> None:
    cohort = cohorts.make(toy, "")
    path = cohort.folder / config.CONFIG
    path.write_text(path.read_text().replace("2026-10-26T23:59:00", due))
    with pytest.raises(UsageError, match=told):
        Cohort.find(cohort.folder, cohort.catalog)


def test_a_due_time_may_stand_in_quotes(toy: Kata) -> None:
    cohort = cohorts.make(toy, "")
    path = cohort.folder / config.CONFIG
    path.write_text(path.read_text().replace("2026-10-26T23:59:00", '"2026-10-26 23:59"'))
    assert Cohort.find(cohort.folder, cohort.catalog).due("01-toy/adder") == DUE


def test_a_learner_who_is_not_there(toy: Kata) -> None:
    cohort = cohorts.make(toy, "ada17,Ada,,,,\nbob18,Bob,,,,\n")
    roster = cohort.roster
    with pytest.raises(UsageError, match=r"no learner 'Ada' in .*roster\.csv; did you mean ada17"):
        roster.get("Ada")
    with pytest.raises(
        UsageError, match=r"no learner 'zz' in .*roster\.csv; ids are in its column"
    ):
        roster.get("zz")
    assert [each.id for each in roster.chosen(["ADA17", "ada17"])] == ["ada17"]
    (cohort.folder / "roster.csv").unlink()
    with pytest.raises(
        UsageError, match=r"roster\.csv is not there; write it.*id,name,email,source"
    ):
        _ = Cohort.find(cohort.folder, cohort.catalog).roster


def test_every_bad_row_of_a_roster_is_told_at_once(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "roster.csv"
    path.write_text(
        'id,name,email,source\na1,"Lovelace,\nAda",ada@example.com,\n'
        "a1,Bob,bob@example.com,repo\nA1,Ann,not an address,repo\n,Eve,,\n"
        "d 4,Dan,,--upload-pack=x\n"
    )
    with pytest.raises(UsageError) as caught:
        Roster.read(path)
    told = str(caught.value).replace(f"{path}: ", "").splitlines()
    assert [line.split(" ", 2)[1] for line in told] == ["4:", "5:", "5:", "5:", "6:", "7:", "7:"]
    assert "id 'a1' stands in line 2 already" in told[0]
    assert "source 'repo' stands in line 4 already" in "\n".join(told)


def test_rows_that_cannot_be_read_hide_no_others(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "roster.csv"
    path.write_text('id,name\n,Eve\na1,Ada,Countess\nd 4,Dan\nb2,Bob\nc3,"Cyd"x\n')
    with pytest.raises(UsageError) as caught:
        Roster.read(path)
    told = str(caught.value).replace(f"{path}: ", "").splitlines()
    assert [line.split(":")[0] for line in told] == ["line 2", "line 3", "line 4", "line 6"]
    assert "3 cells for 2 columns" in told[1]
    assert "not CSV" in told[3]


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"name,email\nx,y\n", "line 1: no column id"), (b"id,name\na,\xff\n", "line 2: not UTF-8"),
     (b"id,name\na,b,c\n", "line 2: 3 cells for 2 columns"), (b'id,name\na,"b\n', "not CSV"),
     (b"id,name,id\n", "comes twice")],
)  # fmt: skip
def test_a_file_that_is_no_roster(tmp_path: pathlib.Path, content: bytes, told: str) -> None:
    (tmp_path / "roster.csv").write_bytes(content)
    with pytest.raises(UsageError, match=told):
        Roster.read(tmp_path / "roster.csv")


def test_a_roster_as_spreadsheets_write_it(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "roster.csv"
    path.write_bytes("\ufeffID;Name;Email;Source;Moodle\r\na1;Zoë;;;77\r\n;;;;\r\n".encode())
    [learner] = Roster.read(path).learners
    assert (learner.id, learner.name, learner.extra) == ("a1", "Zoë", {"moodle": "77"})
