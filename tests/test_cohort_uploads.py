"""What Moodle and Canvas export of an assignment, taken in."""

import datetime as dt
import io
import pathlib
import zipfile

import pytest

from grader.catalog import Kata
from grader.cohort import collect, uploads
from grader.cohort.config import Cohort
from grader.errors import UsageError
from tests import cohorts
from tests.cohorts import AFTER, DUE, drop, kept, tarred, write, zipped, zipped_link
from tests.commands import kata as run
from tests.commands import root_of
from tests.gradings import RIGHT


def moodle(cohort: Cohort, files: dict[str, bytes | str], at: dt.datetime | None = None) -> None:
    export = cohort.folder / "week 3.zip"
    export.write_bytes(zipped(files))
    with cohort.store() as store:
        list(uploads.from_moodle(cohort, store, export, cohort.katas, AFTER, at))


PEOPLE = "a1,Ada King Lovelace,,,,\nb2,Müller Jürgen,,,,\nc3,Sam Smith,,,301,901\n" \
    "d4,Sam Smith,,,302,902\n"  # fmt: skip


def test_moodle(toy: Kata) -> None:
    cohort = cohorts.make(toy, PEOPLE)
    moodle(cohort, {
        "Ada King Lovelace_101_assignsubmission_file_/work.zip": zipped({"x/adder.py": "a"}),
        "Ada King Lovelace_101_assignsubmission_onlinetext_/onlinetext.html": "hello",
        "Müller Jürgen_102_assignsubmission_file/adder.py": "b",
        "Müller Jürgen_102_assignsubmission_file/more/x.py": "more",
        "Participant_302_assignsubmission_file_adder.py": "d",
        "Sam Smith_303_assignsubmission_file_/adder.py": "nobody knows whose",
    })  # fmt: skip
    with cohort.store() as store:
        assert sorted(kept(store)) == [("a1", "adder", "a"), ("b2", "adder", "b"),
                                       ("d4", "adder", "d")]  # fmt: skip
        assert {each.at <= DUE for each in store.hand_ins()} == {True}
        assert not any("Lovelace" in each.source for each in store.hand_ins())
        again = list(uploads.from_moodle(
            cohort, store, cohort.folder / "week 3.zip", cohort.katas, AFTER))  # fmt: skip
        assert [each.state for each in again] == ["known"] * 3 + ["trouble"]
        assert "number 303" in again[3].told


def test_moodle_at_a_time_that_is_told(toy: Kata) -> None:
    cohort = cohorts.make(toy, PEOPLE)
    moodle(cohort, {"Sam Smith_301_assignsubmission_file_/adder.py": "c"}, at=AFTER)
    with cohort.store() as store:
        assert [(each.learner, each.at) for each in store.hand_ins()] == [("c3", AFTER)]


def test_canvas(toy: Kata, tmp_path: pathlib.Path) -> None:
    cohort = cohorts.make(toy, PEOPLE)
    folder = write(tmp_path / "unpacked", {
        "lovelaceadaking_11_501_adder-1.py": "a",
        "mullerjurgen_LATE_13_505_work.tar.gz": tarred({"adder.py": "nobody"}),
        "jürgenmüller_LATE_12_502_work.tar.gz": tarred({"adder.py": "b"}),
        "901_503_work.zip": zipped({"adder.py": "c"}),
        "smithsam_902_504_broken.zip": b"PK\3\4",
    })  # fmt: skip
    with cohort.store() as store:
        told = list(uploads.from_canvas(cohort, store, folder, cohort.katas, AFTER))
        assert sorted(kept(store))[:3] == [
            ("a1", "adder", "a"), ("b2", "adder", "b"), ("c3", "adder", "c")]  # fmt: skip
        assert [each.learner for each in told if each.state == "refused"] == ["d4"]
        late = {each.learner for each in store.hand_ins() if each.at > DUE}
        assert late == {"b2"}


@pytest.mark.parametrize("work", [
    {"Ada King Lovelace.zip": zipped_link()},
    {"Ada King Lovelace.zip": b"junk"},
    {"Ada King Lovelace.zip": zipped({"notes.txt": ""})},
    {"Ada King Lovelace.py": ""},
    {"Ada King Lovelace.zip": zipped({}), "Lovelace.txt": ""},
])  # fmt: skip
def test_a_refusal_that_is_kept_names_no_file_that_may_name_its_owner(
    toy: Kata, monkeypatch: pytest.MonkeyPatch, work: dict[str, bytes | str]
) -> None:
    cohort = cohorts.make(toy, PEOPLE)
    place = "Ada King Lovelace_101_assignsubmission_file_"
    moodle(cohort, {f"{place}/{name}": content for name, content in work.items()})
    write(cohort.folder / "in", {f"a1/{name}": content for name, content in work.items()})
    drop(cohort)
    unpacked = write(cohort.folder / "out", {f"{place}adder.py": "more than nothing"})
    with cohort.store() as store:
        monkeypatch.setattr(collect, "MAX_PACKED", 1)
        list(uploads.from_moodle(cohort, store, unpacked, cohort.katas, AFTER))
        refusals = {each.refusal or "" for each in store.hand_ins()}
    assert len(refusals) > 1
    assert not any("Lovelace" in each for each in refusals), refusals


def damaged(content: bytes, old: bytes) -> bytes:
    """One byte is another where `old` stands."""
    at = content.index(old)
    return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]


def test_a_damaged_export_is_not_a_learners_failure(toy: Kata) -> None:
    cohort = cohorts.make(toy, PEOPLE)
    whole = zipped({"smithsam_901_1_adder.py": RIGHT * 9, "smithsam_902_2_adder.py": "d"})
    # What follows the first member's name is packed.
    export = cohort.folder / "x.zip"
    export.write_bytes(damaged(whole, whole[30 + len("smithsam_901_1_adder.py") :][:8]))
    with cohort.store() as store:
        told = list(uploads.from_canvas(cohort, store, export, cohort.katas, AFTER))
        assert [(each.learner, each.state) for each in told] == [("c3", "trouble"), ("d4", "new")]
        assert told[0].told == "an upload cannot be read from x.zip; download it again"
        assert kept(store) == [("d4", "adder", "d")]


@pytest.mark.parametrize("date", [b"\x00\x00\x00\x00", b"\xff\x7f\x21\x4c"])
def test_a_member_without_a_date_is_taken(toy: Kata, date: bytes) -> None:
    """No month, or the 62nd second: some packers write such."""
    cohort = cohorts.make(toy, PEOPLE)
    content = bytearray(zipped({"smithsam_901_1_adder.py": RIGHT}))
    for magic, offset in ((b"PK\3\4", 10), (b"PK\1\2", 12)):
        at = content.index(magic) + offset
        content[at : at + 4] = date
    (cohort.folder / "x.zip").write_bytes(content)
    with cohort.store() as store:
        list(uploads.from_canvas(cohort, store, cohort.folder / "x.zip", cohort.katas, AFTER))
        assert kept(store) == [("c3", "adder", RIGHT)]


@pytest.mark.parametrize("content", [b"no zip", zipped({"readme.txt": ""})])
def test_what_is_no_export(toy: Kata, content: bytes) -> None:
    cohort = cohorts.make(toy, PEOPLE)
    (cohort.folder / "x.zip").write_bytes(content)
    with cohort.store() as store, pytest.raises(UsageError, match="download"):
        list(uploads.from_moodle(cohort, store, cohort.folder / "x.zip", cohort.katas, AFTER))


def test_only_some_learners_and_options_that_go_together(toy: Kata) -> None:
    cohort = cohorts.make(toy, "a1,Ada A,,,,\nb2,Bob B,,,,\n")
    root, place = root_of(toy), ["--cohort", str(cohort.folder)]
    (cohort.folder / "canvas.zip").write_bytes(
        zipped({"adaa_11_1_adder.py": "a", "bobb_12_2_adder.py": "b"})
    )
    (cohort.folder / "moodle.zip").write_bytes(
        zipped({f"{name}_1{n}_assignsubmission_file_/adder.py": name
                for n, name in enumerate(("Ada A", "Bob B"))})
    )  # fmt: skip
    write(cohort.folder / "in", {"a1.zip": zipped({"adder.py": "in"}), "b2/adder/adder.py": "in"})
    for source in (["--canvas", "canvas.zip"], ["--moodle", "moodle.zip"], ["--drop", "in"]):
        given = [source[0], str(cohort.folder / source[1])]
        done = run(root, "cohort", "collect", "--learner", "b2", *place, *given)
        assert (done.returncode, done.stdout) == (0, "collected: 1 new\n"), done.stderr
    with cohort.store() as store:
        assert {each.learner for each in store.hand_ins()} == {"b2"}
    done = run(root, "cohort", "collect", "--at", "2026-10-24T23:59", *place)
    assert done.returncode == 2
    assert "--at goes with --moodle, --canvas or --drop" in done.stderr


def test_names_in_a_zip_without_the_flag_for_utf_8(toy: Kata) -> None:
    cohort = cohorts.make(toy, "a1,Zoë Müller,,,,\nb2,B,,,,\n")
    name = "Zoë Müller_13_assignsubmission_file/adder.py"
    content = zipped({name: RIGHT, "Nemo_14_assignsubmission_file/adder.py": RIGHT})
    for magic, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        start = content.index(magic) + place
        content = content[: start + 1] + b"\0" + content[start + 2 :]
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.namelist()[0] != name
    (cohort.folder / "moodle.zip").write_bytes(content)
    now = dt.datetime.now(dt.UTC)
    with cohort.store() as store:
        done = list(uploads.from_moodle(cohort, store, cohort.folder / "moodle.zip",
                                        cohort.katas, now))  # fmt: skip
        assert [(each.learner, each.state) for each in done] == [("a1", "new"), ("", "trouble")]
        assert "14 of moodle.zip, Nemo, fits nobody" in done[1].told
