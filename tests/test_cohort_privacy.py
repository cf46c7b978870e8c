"""A learner is deleted with all that is theirs, and the search for the rest is a real one."""

import gzip
import io
import pathlib
import random
import tarfile
import zipfile

import polars
import pytest

from grader.catalog import Kata
from grader.cohort import privacy
from grader.cohort.config import Cohort
from grader.cohort.records import Ruling
from grader.cohort.store import Store
from tests import marked, postgres
from tests.commands import kata as run
from tests.commands import root_of


@pytest.fixture
def ours(toy: Kata) -> Cohort:
    return marked.find(marked.make(toy), toy)


def fill(ours: Cohort, store: Store, toy: Kata) -> None:
    """Work, verdicts, rulings, hints, pages: of Ada, and some of Bob."""
    marked.graded(store, toy, "ada17", "mine = 'by Ada Lovelace'", {"adds": "ada17 said 6"})
    marked.graded(store, toy, "ada17", "shared = 1")
    marked.graded(store, toy, "bob18", "shared = 1")
    marked.hand_in(store, toy, "ada17", None)
    store.add_ruling(Ruling("ada17", toy.name, "excused", None, "Staff", "ill", marked.NOON))
    store.note_hints("ada17", toy.name, 2)
    store.note_hints("ada170", toy.name, 1)
    for name in ("pages/ada17.html", "incoming/ada17_adder.zip", "incoming/ada17/adder.py",
                 "pages/ada170.html", "report.html"):  # fmt: skip
        path = ours.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("of somebody")


def test_nothing_is_left(ours: Cohort, toy: Kata) -> None:
    with ours.store() as store:
        fill(ours, store, toy)
        gone = privacy.forget(ours, store, ours.roster.get("ada17"))
        assert gone.left == []
        assert gone.rows["hand_in"] == 3
        assert gone.rows["grading"] == 1
        assert gone.searched_rows == 5
        assert {each.learner for each in store.hand_ins()} == {"bob18"}
        assert store.hints() == {("ada170", toy.name): 1}
        assert len(store.gradings()) == 1
    names = {path.relative_to(ours.folder).as_posix() for path in ours.folder.rglob("*.*")}
    assert names == {"cohort.toml", "cohort.sqlite", "roster.csv", "pages/ada170.html"}
    everything = b"".join(path.read_bytes() for path in ours.folder.rglob("*.*"))
    for word in (b"Lovelace", b"ada@example.org", b"4711"):
        assert word not in everything
    assert marked.find(ours.folder, toy).roster.ids == ["bob18", "cyd19"]
    before = marked.ROSTER.splitlines()
    assert (ours.folder / "roster.csv").read_text().splitlines() == [before[0], *before[2:]]


def test_what_is_left_is_named(ours: Cohort, toy: Kata) -> None:
    with ours.store() as store:
        fill(ours, store, toy)
        shared = marked.graded(store, toy, "ada17", "# with ada17\n")
        marked.graded(store, toy, "bob18", "# with ada17\n")
        note = "as for ADA LOVELACE"
        store.add_ruling(Ruling("bob18", toy.name, "appeal", None, "Bob", note, marked.NOON))
        (ours.folder / "marks.csv").write_text("learner,points\nada17,4\n")
        gone = privacy.forget(ours, store, ours.roster.get("ada17"))
        assert gone.left[:2] == [f"database: ruling {store.rulings()[0].id}",
                                 f"database: submission {toy.name} {shared.hash}"]  # fmt: skip
        assert "marks.csv" in gone.left


def test_on_postgresql(ours: Cohort, toy: Kata) -> None:
    with postgres.server() as server, Store.open(server.database()) as store:
        fill(ours, store, toy)
        assert privacy.forget(ours, store, ours.roster.get("ada17")).left == []
        assert {each.learner for each in store.hand_ins()} == {"bob18"}


def test_the_command(ours: Cohort, toy: Kata) -> None:
    root, place = root_of(toy), ["--cohort", str(ours.folder)]
    with ours.store() as store:
        fill(ours, store, toy)
    done = run(root, "cohort", "forget", "ada17", *place)
    assert done.returncode == 130
    assert "3 hand-ins" in done.stderr
    assert done.stderr.endswith("nothing was deleted\n")
    assert "ada17" in (ours.folder / "roster.csv").read_text()
    done = run(root, "cohort", "forget", "ada17", *place, "--yes")
    assert done.returncode == 0
    assert "nothing of ada17 is left" in done.stdout
    assert run(root, "cohort", "forget", "ada17", *place, "--yes").returncode == 2
    (ours.folder / "notes.txt").write_text("bob18 was here")
    done = run(root, "cohort", "forget", "bob18", *place, "--yes")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, "notes.txt")


def test_who_was_struck_from_the_roster_can_still_be_forgotten(ours: Cohort, toy: Kata) -> None:
    root, place = root_of(toy), ["--cohort", str(ours.folder)]
    with ours.store() as store:
        fill(ours, store, toy)
    roster = ours.folder / "roster.csv"
    lines = roster.read_text().splitlines(keepends=True)
    roster.write_text("".join(line for line in lines if not line.startswith("ada17")))
    assert run(root, "cohort", "forget", "nobody", *place, "--yes").returncode == 2
    status = run(root, "cohort", "status", *place)
    assert "not in the roster, so left out: the work of 1 (ada17)" in " ".join(
        status.stderr.split()
    )
    done = run(root, "cohort", "forget", "ada17", *place, "--yes")
    assert done.returncode == 0, done
    assert "not in the roster any more" in done.stderr
    assert "0 of the roster" in done.stdout
    assert not (ours.folder / "pages/ada17.html").exists()
    with ours.store() as store:
        assert store.learners() == {"bob18"}


def test_a_roster_with_semicolons_keeps_the_rest(ours: Cohort, toy: Kata) -> None:
    path: pathlib.Path = ours.folder / "roster.csv"
    text = 'id;name;email\n\na1;"Ada;\nof two lines";\nb2; Bob ;b@example.org\n'
    path.write_text(text)
    again = marked.find(ours.folder, toy)
    with again.store() as store:
        assert privacy.forget(again, store, again.roster.get("a1")).left == []
    assert path.read_text() == "id;name;email\n\nb2; Bob ;b@example.org\n"


def of(toy: Kata, *ids: str) -> Cohort:
    """A cohort of learners with just these ids."""
    rows = "".join(f"{id},Learner {number},,\n" for number, id in enumerate(ids))
    return marked.find(marked.make(toy, roster=f"id,name,email,source\n{rows}"), toy)


def put(folder: pathlib.Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")


def test_what_is_named_by_another_id_stays(toy: Kata) -> None:
    ours = of(toy, "ada", "ada.king", "ada_2", "cohort", "roster", "report")
    put(ours.folder, "pages/ada.html", "pages/ada.king.html", "pages/ada_2.html",
        "hand-ins/ada/a.py", "hand-ins/ada.king/ada.py", "hand-ins/ada_adder.zip",
        "hand-ins/ada_2_adder.zip", "pages/ADA.md")  # fmt: skip

    def named(id: str) -> set[str]:
        return {path.relative_to(ours.folder).as_posix() for path in privacy.theirs(ours, id)}

    assert named("ada") == {"pages/ada.html", "pages/ADA.md", "hand-ins/ada",
                            "hand-ins/ada_adder.zip"}  # fmt: skip
    assert named("ada.king") == {"pages/ada.king.html", "hand-ins/ada.king"}
    put(ours.folder, "report.html")
    with ours.store() as store:
        for id in ("cohort", "roster", "report"):
            privacy.forget(ours, store, ours.roster.get(id))
        assert store.hand_ins() == []
    for name in ("cohort.toml", "cohort.sqlite", "roster.csv"):
        assert (ours.folder / name).is_file()


def test_a_clone_of_another_learner_is_not_touched(toy: Kata) -> None:
    roster = "id,name,email,source\ntest,Try,,\nbob18,Bob,,clones/of bob\n"
    ours = marked.find(marked.make(toy, roster=roster), toy)
    put(ours.folder, "clones/of bob/katas/tests/test_adder.py", "pages/test.html")
    assert privacy.theirs(ours, "test") == [ours.folder / "pages/test.html"]


def test_what_is_left_is_found_however_it_is_written(toy: Kata) -> None:
    roster = 'id,name,email,section\nada,"Zoë O\'Neil",,A\nada.king,Bob,,A\n'
    ours = marked.find(marked.make(toy, roster=roster), toy)
    with ours.store() as store:
        marked.graded(store, toy, "ada.king", "x", {"adds": "by Zoë O'Neil"})
        put(ours.folder, "week3/Zoë O'Neil_4711_file/a.txt", "lists/of/ada_notes.md", "notes.txt")
        (ours.folder / "page.html").write_text("<p>Zo&#235; Zoë O&#39;Neil")
        (ours.folder / "marks.csv").write_text("learner,section\nada.king,A\n")
        with zipfile.ZipFile(ours.folder / "week3.zip", "w") as archive:
            archive.writestr("Zoë O'Neil_4711_file/a.txt", "x")
        gone = privacy.forget(ours, store, ours.roster.get("ada"))
        [key] = [each.key for each in store.gradings()]
    assert sorted(gone.left) == sorted([
        "cohort.sqlite", f"database: grading {key}", "page.html", "week3.zip",
        "week3/Zoë O'Neil_4711_file/a.txt",
    ])  # fmt: skip
    assert not (ours.folder / "lists/of/ada_notes.md").exists()


def _packed(kind: str, name: str, content: bytes) -> bytes:
    """An archive with one file."""
    made = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name, content)
    else:
        with tarfile.open(fileobj=made, mode=f"w:{kind}") as tar:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return made.getvalue()


@pytest.mark.parametrize("kind", ["zip", "", "gz", "bz2", "xz"])
def test_what_is_packed_is_searched_too(ours: Cohort, kind: str) -> None:
    kept = ours.folder / "kept"
    kept.mkdir()
    text = b"by a" + b"da17, handed in\n" * 50
    (kept / "content").write_bytes(_packed(kind, "a.py", text))
    (kept / "inner").write_bytes(_packed("zip", "uploads/1", _packed(kind, "a.py", text)))
    (kept / "name").write_bytes(_packed(kind, "ada17/a.py", b"x" * 50))
    (kept / "other").write_bytes(_packed(kind, "ada170/a.py", b"of ada170 and ada-17"))
    (kept / "notes.gz").write_bytes(gzip.compress(text))
    (kept / "cut.zip").write_bytes(_packed("gz", "a.py", random.Random(1).randbytes(9000))[:-500])
    with ours.store() as store:
        gone = privacy.forget(ours, store, ours.roster.get("ada17"))
    assert [each.partition(",")[0] for each in gone.left] == [
        "kept/content", "kept/cut.zip", "kept/inner", "kept/name", "kept/notes.gz",
    ]  # fmt: skip
    assert "cannot be unpacked" in gone.left[1]


def test_an_export_that_is_left_is_named(ours: Cohort) -> None:
    path = ours.folder / "marks.parquet"
    polars.DataFrame({"learner": [f"learner ada{number}" for number in range(30)]}
                     ).write_parquet(path)  # fmt: skip
    assert b"ada17" not in path.read_bytes()  # it is packed
    (ours.folder / "cut.parquet").write_bytes(path.read_bytes()[:-9])
    with ours.store() as store:
        gone = privacy.forget(ours, store, ours.roster.get("ada17"))
    assert gone.left[0].startswith("cut.parquet, which cannot be unpacked")
    assert gone.left[1:] == ["marks.parquet"]


def test_the_rest_of_a_roster_stays_byte_for_byte(ours: Cohort) -> None:
    path = ours.folder / "roster.csv"
    kept = '\ufeffid,name\r\nb2,"of\u2028two\x0blines\x85or\nthree"\r\n'
    path.write_bytes((kept + 'a1,"A\u2028da\nL"\r\nc3,C\r\n').encode())
    path.chmod(0o600)
    privacy._strike(path, "a1")
    assert path.read_bytes() == (kept + "c3,C\r\n").encode()
    assert path.stat().st_mode & 0o777 == 0o600
