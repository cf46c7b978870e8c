"""What is collected from folders, archives and repositories."""

import datetime as dt
import errno
import io
import os
import pathlib
import re
import struct
import tarfile
import zipfile
from collections.abc import Iterator

import pytest

from grader.catalog import Kata
from grader.cohort import collect, integrity, sources
from grader.cohort.config import Cohort
from grader.errors import UsageError
from tests import cohorts
from tests.cohorts import AFTER, BEFORE, DUE, drop, kept, tarred, write, zipped, zipped_link
from tests.commands import git, needs_git, root_of, under_git
from tests.gradings import RIGHT

# Folders and the drop folder


def from_roster(cohort: Cohort, now: dt.datetime = AFTER) -> list[tuple[str, str]]:
    with cohort.store() as store:
        found = list(sources.from_sources(cohort, store, cohort.roster.learners, cohort.katas, now))
    return [(each.learner, each.state) for each in found]


def test_folders(toy: Kata) -> None:
    cohort = cohorts.make(
        toy, "a1,A,,work/a1,,\nb2,B,,work/b2,,\nc3,C,,work/c3,,\nd4,D,,,,\ne5,E,,work/none,,\n"
    )
    write(cohort.folder / "work", {"a1/katas/01-toy/adder/adder.py": RIGHT,
                                   "b2/adder/adder.py": (toy.folder / "adder.py").read_text(),
                                   "c3/adder/other.py": ""})  # fmt: skip
    assert sorted(from_roster(cohort)) == [
        ("a1", "new"), ("b2", "untouched"), ("c3", "refused"), ("d4", "absent"), ("e5", "trouble")
    ]  # fmt: skip
    again = dict(from_roster(cohort))
    assert (again["a1"], again["c3"]) == ("known", "known")
    with cohort.store() as store:
        assert kept(store)[0] == ("a1", "adder", RIGHT)
        assert kept(store)[1][2] == "adder.py is missing in adder; 01-toy/adder needs it"


def test_a_link_out_of_a_folder_is_refused(toy: Kata) -> None:
    cohort = cohorts.make(toy, "a1,A,,work/a1,,\n")
    write(cohort.folder / "work", {"a1/adder/other": ""})
    (cohort.folder / "work/a1/adder/adder.py").symlink_to("/etc/passwd")
    assert from_roster(cohort) == [("a1", "refused")]
    assert is_lead(cohort)


@pytest.mark.parametrize("name", ["pipe", "loop", "con.py", "a\u202eb.py", "a\udcffb.py"])
def test_odd_files_in_a_folder_are_leads(toy: Kata, name: str) -> None:
    cohort = cohorts.make(toy, "a1,A,,work/a1,,\n")
    folder = write(cohort.folder / "work/a1/adder", {"adder.py": RIGHT})
    if name == "pipe":
        os.mkfifo(folder / name)
    elif name == "loop":
        (folder / name).symlink_to(name)
    else:
        (folder / name).write_text("")
    assert from_roster(cohort) == [("a1", "refused")]
    assert is_lead(cohort)


@pytest.mark.parametrize("place", ["adder", "01-toy", "katas"])
def test_a_folder_that_is_a_link_to_somebody_elses_work_is_refused(toy: Kata, place: str) -> None:
    cohort = cohorts.make(toy, "a1,A,,,,\nb2,B,,,,\n")
    theirs = {"adder": "adder", "01-toy": "01-toy/adder", "katas": "katas/01-toy/adder"}[place]
    write(cohort.folder / "in", {"a1/notes.txt": "", f"b2/{theirs}/adder.py": RIGHT})
    (cohort.folder / "in/a1" / place).symlink_to(f"../b2/{place}")
    assert [(each.learner, each.state) for each in drop(cohort)] == [
        ("a1", "refused"), ("b2", "new")]  # fmt: skip
    with cohort.store() as store:
        refused = next(text for learner, _, text in kept(store) if learner == "a1")
    assert refused == "adder is a link that leaves the folder; hand in the files themselves"
    assert is_lead(cohort)


def test_a_link_within_a_learners_own_folder_is_followed(toy: Kata) -> None:
    cohort = cohorts.make(toy, "a1,A,,,,\n")
    folder = write(cohort.folder / "in/a1", {"mine/adder.py": RIGHT})
    (folder / "adder").symlink_to("mine")
    assert [each.state for each in drop(cohort)] == ["new"]


def test_what_was_not_there_at_the_last_look_came_later(toy: Kata) -> None:
    """A file's time can be set to anything; it helps no further back than the last look."""
    cohort = cohorts.make(toy, "a1,A,,work,,\n")
    folder = write(cohort.folder / "work", {"adder/adder.py": "1"})
    os.utime(folder / "adder/adder.py", (BEFORE.timestamp(), BEFORE.timestamp()))
    from_roster(cohort, now=AFTER)
    write(folder, {"adder/adder.py": "2"})
    os.utime(folder / "adder/adder.py", (BEFORE.timestamp(), BEFORE.timestamp()))
    from_roster(cohort, now=AFTER + dt.timedelta(hours=1))
    with cohort.store() as store:
        assert [each.at for each in store.hand_ins()] == [BEFORE, AFTER]


def dated(path: pathlib.Path, at: dt.datetime = BEFORE) -> None:
    os.utime(path, (at.timestamp(), at.timestamp()))


def test_all_that_lies_in_a_drop_folder_at_the_first_look_came_before_it(toy: Kata) -> None:
    cohorts.second_kata(toy)
    cohort = cohorts.make(toy, "a1,A,,,,\nb2,B,,,,\n", katas=("adder", "adder-two"))
    folder = write(cohort.folder / "in", {
        "a1_adder.zip": zipped({"adder/adder.py": "one"}),
        "a1_adder-two.zip": zipped({"adder-two/adder.py": "two"}),
        "b2/adder/adder.py": "one", "b2.zip": zipped({"adder-two/adder.py": "two"}),
    })  # fmt: skip
    for path in folder.rglob("*"):
        dated(path)
    assert [each.state for each in drop(cohort, None)] == ["new"] * 4
    with cohort.store() as store:
        assert {each.at for each in store.hand_ins()} == {BEFORE}


def test_a_look_at_one_kata_leaves_what_is_known_of_the_others(toy: Kata) -> None:
    cohorts.second_kata(toy)
    cohort = cohorts.make(toy, "a1,A,,,,\n", katas=("adder", "adder-two"))
    folder = write(cohort.folder / "in", {"a1/adder/adder.py": "1"})
    drop(cohort, None)
    drop(cohort, None, "adder", AFTER + dt.timedelta(hours=1))
    write(folder, {"a1/adder/adder.py": "2", "a1/adder-two/adder.py": "forged"})
    dated(folder / "a1/adder/adder.py")
    dated(folder / "a1/adder-two/adder.py")
    drop(cohort, None, now=AFTER + dt.timedelta(hours=2))
    with cohort.store() as store:
        at = {text: each.at for each, (_, _, text) in
              zip(store.hand_ins(), kept(store), strict=True)}  # fmt: skip
    assert at["forged"] == AFTER
    assert at["2"] == AFTER + dt.timedelta(hours=1)


def test_a_drop_folder(toy: Kata) -> None:
    cohorts.second_kata(toy)
    cohort = cohorts.make(toy, "a1,A,,,,\nb2,B,,,,\nc3,C,,,,\nd_4,D,,,,\n",
                          katas=("adder", "adder-two"))  # fmt: skip
    whole = {"repo-main/katas/01-toy/adder/adder.py": "one", "repo-main/README.md": "",
             "repo-main/katas/01-toy/adder-two/adder.py": "two",
             "repo-main/solutions/01-toy/adder/reference/adder.py": "not this",
             "repo-main/.venv/bin/python": "x"}  # fmt: skip
    write(cohort.folder / "in", {"a1.zip": zipped(whole), "B2/adder.tar.gz": tarred(
        {"adder/adder.py": "b"}), "c3/adder-two/adder.py": "c", "d_4_x.zip": zipped(
        {"adder/adder.py": "d"}), "nobody.zip": b"", ".part.zip": b""})  # fmt: skip
    told = drop(cohort)
    assert [each.state for each in told if each.learner == ""] == ["trouble"]
    with cohort.store() as store:
        assert sorted(kept(store)) == [
            ("a1", "adder", "one"), ("a1", "adder-two", "two"), ("b2", "adder", "b"),
            ("c3", "adder-two", "c"), ("d_4", "adder", "d"),
        ]  # fmt: skip
    assert {each.state for each in drop(cohort)} == {"known", "trouble"}


def test_a_watched_folder(toy: Kata) -> None:
    cohort = cohorts.make(toy, "a1,A,,,,\n")
    folder = write(cohort.folder / "in", {"a1.zip": zipped({"adder.py": "1"})})
    seen = collect.watch(lambda: drop(cohort, None), folder, 0.05)
    assert next(seen).state == "new"
    write(folder, {"a1.zip": zipped({"adder.py": "second"})})
    assert next(seen).state == "new"
    with cohort.store() as store:
        assert sorted(text for _, _, text in kept(store)) == ["1", "second"]


def link(kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    member = tarfile.TarInfo("adder.py")
    member.type, member.linkname = kind, "/etc/passwd"
    return member


def with_nul() -> tarfile.TarInfo:
    member = tarfile.TarInfo("more/x.py")
    member.pax_headers = {"path": "more/x\0.py"}
    return member


def zipped_twice() -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("adder.py", "1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("adder.py", "2")
    return whole.getvalue()


def encrypted() -> bytes:
    """As any zip tells it: the lowest flag of each member."""
    content = bytearray(zipped({"adder.py": RIGHT}))
    for magic, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = content.index(magic) + offset
        content[at : at + 2] = struct.pack("<H", 1)
    return bytes(content)


def lying_bomb() -> bytes:
    """12 MB that claim to be 10 bytes."""
    content = bytearray(zipped({"adder.py": b"\0" * (12 << 20)}))
    for magic, offset in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        at = content.index(magic) + offset
        content[at : at + 4] = struct.pack("<I", 10)
    return bytes(content)


HOSTILE = {
    "slip.zip": (zipped({"../../evil.py": "x", "adder.py": RIGHT}), "leads out of its folder"),
    "absolute.zip": (zipped({"/etc/x": "x", "adder.py": RIGHT}), "leads out of its folder"),
    "windows.zip": (zipped({"C:\\x": "x", "adder.py": RIGHT}), "leads out of its folder"),
    "link.zip": (zipped_link(), "a link or a device"),
    "link.tar": (tarred({"adder.py": link()}, "w"), "a link or a device"),
    "hard.tar.gz": (tarred({"adder.py": link(tarfile.LNKTYPE)}), "a link or a device"),
    "device.tar.xz": (tarred({"adder.py": link(tarfile.CHRTYPE)}, "w:xz"), "a link or a device"),
    "pipe.tar.bz2": (tarred({"adder.py": link(tarfile.FIFOTYPE)}, "w:bz2"), "a link or a device"),
    "bomb.zip": (zipped({"adder.py": b"\0" * (12 << 20)}), "larger than 10 MB"),
    "lying.zip": (lying_bomb(), "(damaged|larger than 10 MB)"),
    "bomb.tar.gz": (tarred({"junk": "\0" * (101 << 20), "adder.py": RIGHT}), "more than 100 MB"),
    "many.zip": (zipped({"adder.py": "", **{f"more/{n}.py": "" for n in range(201)}}),
                 "more than 200 files"),
    "odd.zip": (zipped({"adder.py": "", "more/a\u202eb.py": ""}), "do not show"),
    "name.zip": (zipped({"x" * 4000 + "/y": "", "more/con.py": "", "adder.py": ""}), "reserved"),
    "long.zip": (zipped({"x" * 5000: "", "adder.py": ""}), "a path of 5000 characters"),
    "deep.tar.gz": (tarred({"a/" * 500_000 + "x": "", "adder.py": ""}), "a path of 1000001 char"),
    "twice.zip": (zipped_twice, "holds adder.py twice"),
    "encrypted.zip": (encrypted(), "is encrypted"),
    "cut.zip": (zipped({"adder.py": RIGHT})[:-30], "cut off, damaged"),
    "cut.tar.gz": (tarred({"adder.py": RIGHT})[:-20], "cut off, damaged"),
    "text.zip": (b"hello", "neither a zip nor a tar"),
    "empty.zip": (b"", "neither a zip nor a tar"),
    "missing.zip": (zipped({"notes.txt": ""}), "adder.py is missing"),
    "other.rar": (b"Rar!\x1a\x07\x00", "neither a zip nor a tar"),
    "named.zip": (zipped({"adder.py": "", "more/reserved_link_device.py": b"\0" * (12 << 20)}),
                  "reserved_link_device.py is larger than 10 MB"),
    "nul.tar": (tarred({"more/x.py": with_nul(), "adder.py": ""}, "w"), "is no file name"),
}  # fmt: skip
#: Those that a kata's own files are never refused for, so that they are leads.
ODD = {"slip.zip", "absolute.zip", "windows.zip", "link.zip", "link.tar", "hard.tar.gz",
       "device.tar.xz", "pipe.tar.bz2", "bomb.tar.gz", "odd.zip", "name.zip", "long.zip",
       "deep.tar.gz", "nul.tar"}  # fmt: skip


def is_lead(cohort: Cohort, learner: str = "a1") -> bool:
    with cohort.store() as store:
        tried = integrity.find(cohort, store, cohort.katas).tried
        return learner in {owner.learner for each in tried for owner in each.owners}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_refused_and_the_rest_goes_on(toy: Kata, name: str) -> None:
    content, told = HOSTILE[name]
    content = content if isinstance(content, bytes) else content()
    cohort = cohorts.make(toy, "a1,A,,,,\nb2,B,,,,\n")
    before = set(cohort.folder.parent.rglob("*"))
    write(cohort.folder / "in", {f"a1/{name}": content, "b2.zip": zipped({"adder.py": RIGHT})})
    assert [(each.learner, each.state) for each in drop(cohort)] == [
        ("a1", "refused"), ("b2", "new")]  # fmt: skip
    with cohort.store() as store:
        refusal = kept(store)[0] if kept(store)[0][0] == "a1" else kept(store)[1]
    assert re.search(told, refusal[2]), refusal
    assert "\n" not in refusal[2]
    assert is_lead(cohort) == (name in ODD), refusal
    new = set(cohort.folder.parent.rglob("*")) - before
    assert {path.relative_to(cohort.folder).parts[0] for path in new} <= {"in", "cohort.sqlite"}


def test_a_name_says_which_kata_loose_files_are_for(toy: Kata) -> None:
    cohorts.second_kata(toy)
    rows = "".join(f"{id},Learner {id},,,,\n" for id in ("a1", "b2", "c3", "d4", "e5", "f6"))
    cohort = cohorts.make(toy, rows, katas=("adder", "adder-two"))
    write(cohort.folder / "in", {
        "a1_adder.zip": zipped({"adder.py": "a"}), "b2_adder-two.tar.gz": tarred(
        {"adder.py": "b"}), "c3/adder-two.zip": zipped({"work/adder.py": "c"}),
        "d4_adder/adder.py": "d", "e5/adder.py": "e", "f6_work.zip": zipped({"adder.py": "f"}),
    })  # fmt: skip
    troubles = [each for each in drop(cohort) if each.state == "trouble"]
    assert [each.learner for each in troubles] == ["e5", "f6"]
    assert "e5/adder/" in troubles[0].told
    assert "--kata" in troubles[1].told
    with cohort.store() as store:
        assert sorted(kept(store)) == [
            ("a1", "adder", "a"), ("b2", "adder-two", "b"), ("c3", "adder-two", "c"),
            ("d4", "adder", "d"),
        ]  # fmt: skip
    (cohort.folder / "in/e5/adder.py").unlink()
    assert [each.state for each in drop(cohort) if each.learner == "e5"] == ["absent"]


def test_without_a_kata_a_broken_archive_is_told_but_not_guessed(toy: Kata) -> None:
    cohorts.second_kata(toy)
    cohort = cohorts.make(toy, "a1,A,,,,\n", katas=("adder", "adder-two"))
    write(cohort.folder / "in", {"a1/work.zip": b"junk"})
    [told] = drop(cohort)
    assert (told.state, "--kata" in told.told) == ("trouble", True)
    write(cohort.folder / "in", {"a1/adder-two.zip": b"junk"})
    assert {(each.kata, each.state) for each in drop(cohort)} >= {("01-toy/adder-two", "refused")}


def unreadable(folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for a user whom its mode keeps out; root is kept out of nothing."""
    listed = pathlib.Path.iterdir

    def iterdir(self: pathlib.Path) -> Iterator[pathlib.Path]:
        if self == folder:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))
        return listed(self)

    monkeypatch.setattr(pathlib.Path, "iterdir", iterdir)


def test_one_folder_that_cannot_be_read_does_not_end_the_rest(
    toy: Kata, monkeypatch: pytest.MonkeyPatch
) -> None:
    cohort = cohorts.make(toy, "a1,A,,in/a1,,\nb2,B,,in/b2,,\n")
    folder = write(cohort.folder / "in", {"a1/x/adder.py": "1", "b2/adder/adder.py": "2"})
    with monkeypatch.context() as patch:
        unreadable(folder / "a1", patch)
        told = drop(cohort, None)
        assert [(each.learner, each.state) for each in told] == [("a1", "trouble"), ("b2", "new")]
        wanted = f"{folder / 'a1'} cannot be read: Permission denied; give this user access"
        assert told[0].told == wanted
        assert from_roster(cohort) == [("a1", "trouble"), ("b2", "known")]
        unreadable(folder, patch)
        with pytest.raises(UsageError, match="cannot be read: Permission denied"):
            drop(cohort, None)
    write(folder, {"a1/adder/adder.py": "1"})
    dated(folder / "a1/adder/adder.py")
    drop(cohort, None, now=AFTER + dt.timedelta(hours=1))
    with cohort.store() as store:
        # What could not be looked at may have been there.
        assert [each.at for each in store.hand_ins(["a1"])] == [BEFORE]


# Git


def commit(work: pathlib.Path, text: str, at: dt.datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    (work / "katas/01-toy/adder/adder.py").write_text(text)
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_DATE", f"{int(at.timestamp())} +0000")
    git(work, "commit", "--quiet", "--allow-empty", "--all", "--message", text)


@pytest.fixture
def fork(toy: Kata, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A learner's work folder, whose pushes go to the bare repository beside it."""
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_DATE", f"{int(BEFORE.timestamp()) - 86400} +0000")
    under_git(toy)
    git(tmp_path, "clone", "--quiet", "--bare", str(root_of(toy)), str(tmp_path / "a1.git"))
    git(tmp_path, "clone", "--quiet", str(tmp_path / "a1.git"), str(tmp_path / "work"))
    return tmp_path / "work"


def of_git(toy: Kata, more: str = "") -> Cohort:
    return cohorts.make(toy, f"a1,A,,file://{root_of(toy).parent}/a1.git,,\n{more}")


@needs_git
def test_git_takes_the_last_commit_not_after_the_due_time(
    toy: Kata, fork: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(fork, "early", BEFORE, monkeypatch)
    commit(fork, "in time", DUE, monkeypatch)
    commit(fork, "late", DUE + dt.timedelta(seconds=1), monkeypatch)
    commit(fork, "too late", DUE + dt.timedelta(days=8), monkeypatch)
    git(fork, "push", "--quiet")
    cohort = of_git(toy, f"b2,B,,file://{root_of(toy).parent}/none.git,,\n")
    now = DUE + dt.timedelta(days=9)
    assert from_roster(cohort, now) == [("a1", "new"), ("b2", "trouble")]
    with cohort.store() as store:
        found = [(each.at, text) for each, (_, _, text) in
                 zip(store.hand_ins(), kept(store), strict=True)]  # fmt: skip
        assert found == [(DUE, "in time"), (DUE + dt.timedelta(seconds=1), "late")]
        assert all(each.source.startswith("git ") for each in store.hand_ins())
    assert from_roster(cohort, now) == [("a1", "known"), ("b2", "trouble")]


@needs_git
def test_a_date_from_the_past_helps_no_further_than_the_last_look(
    toy: Kata, fork: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cohort = of_git(toy)
    assert from_roster(cohort, AFTER) == [("a1", "untouched")]
    commit(fork, "as if in time", BEFORE, monkeypatch)
    git(fork, "push", "--quiet")
    from_roster(cohort, AFTER + dt.timedelta(hours=1))
    with cohort.store() as store:
        assert [each.at for each in store.hand_ins()] == [AFTER]


@needs_git
def test_git_with_a_link_is_refused(
    toy: Kata, fork: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = fork / "katas/01-toy/adder/adder.py"
    path.unlink()
    path.symlink_to("/etc/passwd")
    monkeypatch.setenv("GIT_COMMITTER_DATE", f"{int(BEFORE.timestamp())} +0000")
    git(fork, "commit", "--quiet", "--all", "--message", "link")
    git(fork, "push", "--quiet")
    cohort = of_git(toy)
    assert from_roster(cohort) == [("a1", "refused")]
    with cohort.store() as store:
        assert "commit the file itself" in kept(store)[0][2]
    assert is_lead(cohort)


@needs_git
def test_an_empty_repository(toy: Kata, tmp_path: pathlib.Path) -> None:
    git(tmp_path, "init", "--quiet", "--bare", str(tmp_path / "a1.git"))
    assert from_roster(of_git(toy)) == [("a1", "absent")]
