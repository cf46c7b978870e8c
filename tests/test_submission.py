"""What is refused, and that a submission means the same on every machine."""

import dataclasses
import os
import pathlib
import re
import socket
import stat

import pytest

from grader.catalog import Kata
from grader.errors import RefusedSubmission, UsageError
from grader.grading import fixed_files, left_out
from grader.submission import MAX_BYTES, MAX_FILES, collect, hash_files, is_changed


def tree(folder: pathlib.Path) -> dict[str, tuple[int, int]]:
    return {str(p): (p.lstat().st_mode, p.lstat().st_mtime_ns) for p in folder.rglob("*")}


def refusal(kata: Kata, folder: pathlib.Path) -> str:
    """Why it is refused: one sentence, and the folder is as before."""
    before = tree(folder)
    with pytest.raises(RefusedSubmission) as refused:
        collect(kata, folder)
    assert tree(folder) == before
    text = str(refused.value)
    assert "\n" not in text
    return text


def test_only_editable_files_are_taken(toy: Kata) -> None:
    (toy.folder / "more/deep").mkdir(parents=True)
    (toy.folder / "more/deep/x.py").write_text("x = 1")
    (toy.folder / "more/notes.txt").write_text("no")
    (toy.folder / "__pycache__").mkdir()
    (toy.folder / "__pycache__/adder.pyc").write_bytes(b"stale")
    assert sorted(collect(toy, toy.folder).files) == ["adder.py", "more/deep/x.py"]


def test_line_endings_do_not_change_the_hash() -> None:
    assert hash_files({"a.py": b"x\r\ny\r\n"}) == hash_files({"a.py": b"x\ny\n"})
    assert hash_files({"a.py": b"x"}) != hash_files({"b.py": b"x"})


def test_changed_means_other_than_the_starter(toy: Kata) -> None:
    assert not is_changed(toy)
    (toy.folder / "adder.py").write_text("def add(a, b): return a + b")
    assert is_changed(toy)


def test_a_link_out_of_the_folder(toy: Kata, tmp_path: pathlib.Path) -> None:
    (tmp_path / "secret.py").write_text("secret = 1")
    (toy.folder / "more").mkdir()
    (toy.folder / "more/link.py").symlink_to(tmp_path / "secret.py")
    assert "more/link.py is a link that leaves the folder" in refusal(toy, toy.folder)


def test_a_link_to_a_folder_outside(toy: Kata, tmp_path: pathlib.Path) -> None:
    (toy.folder / "more").symlink_to(tmp_path)
    assert "link that leaves" in refusal(toy, toy.folder)


def test_a_link_that_stays_inside_is_read(toy: Kata) -> None:
    (toy.folder / "real.py").write_text("right = 1")
    (toy.folder / "more").mkdir()
    (toy.folder / "more/link.py").symlink_to("../real.py")
    assert collect(toy, toy.folder).files["more/link.py"] == b"right = 1"


def test_a_dangling_link(toy: Kata) -> None:
    (toy.folder / "dangling.py").symlink_to("nowhere.py")
    assert "dangling.py" in refusal(toy, toy.folder)


def test_what_editors_leave_behind(toy: Kata) -> None:
    before = collect(toy, toy.folder).hash, fixed_files(toy)
    (toy.folder / ".#adder.py").symlink_to("somebody@somewhere.123:456")
    (toy.folder / "more").mkdir()
    for name in (".adder.py.swp", "adder.py~", "#adder.py#", "4913", "more/a.py___jb_tmp___"):
        (toy.folder / name).write_text("")
    assert (collect(toy, toy.folder).hash, fixed_files(toy)) == before


def test_a_module_that_is_not_editable_stays_at_home(toy: Kata) -> None:
    """It would be there in no grading of an instructor's."""
    contract = toy.contract.model_copy(update={"editable": ["adder.py"], "fixed": ["*.csv"]})
    narrow = dataclasses.replace(toy, contract=contract)
    for name in ("helper.py", "prices.csv", "notes.txt"):
        (toy.folder / name).write_text("")
    assert set(collect(narrow, toy.folder).files) == {"adder.py"}
    assert set(fixed_files(narrow)) == {"prices.csv"}
    assert left_out(narrow) == ["helper.py", "notes.txt"]


def test_a_link_loop(toy: Kata) -> None:
    (toy.folder / "loop.py").symlink_to("loop.py")
    assert "loop.py" in refusal(toy, toy.folder)


def test_a_fifo(toy: Kata) -> None:
    os.mkfifo(toy.folder / "pipe.py")
    assert "pipe.py is not a regular file" in refusal(toy, toy.folder)


def test_a_socket(toy: Kata, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(toy.folder)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("door.py")
        assert "door.py is not a regular file" in refusal(toy, toy.folder)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root makes devices")
def test_a_device(toy: Kata) -> None:
    try:
        os.mknod(toy.folder / "null.py", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("devices cannot be made here")
    assert "null.py is not a regular file" in refusal(toy, toy.folder)


def test_too_many_files(toy: Kata) -> None:
    for number in range(MAX_FILES):
        (toy.folder / f"extra{number}.py").write_text("")
    assert f"more than {MAX_FILES} files" in refusal(toy, toy.folder)


def test_one_file_too_large(toy: Kata) -> None:
    with open(toy.folder / "adder.py", "wb") as file:
        file.truncate(MAX_BYTES + 1)
    assert "adder.py is larger than 10 MB" in refusal(toy, toy.folder)


def test_too_large_together(toy: Kata) -> None:
    (toy.folder / "more").mkdir()
    for number in range(11):
        (toy.folder / f"more/part{number}.py").write_bytes(b"#" * 1024**2)
    assert "more than 10 MB" in refusal(toy, toy.folder)


def test_a_name_that_is_not_utf8(toy: Kata) -> None:
    path = os.fsencode(toy.folder) + b"/bad\xff.py"
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
    assert "is not UTF-8" in refusal(toy, toy.folder)


@pytest.mark.parametrize(
    "name", ["aux.py", "NUL", "a:b.py", "tab\t.py", "trailing.", "back\\slash"]
)
def test_reserved_names(toy: Kata, name: str) -> None:
    (toy.folder / name).write_text("")
    assert re.search("reserved|do not show", refusal(toy, toy.folder))


def test_a_missing_editable_file(toy: Kata, tmp_path: pathlib.Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    assert "adder.py is missing" in refusal(toy, tmp_path / "elsewhere")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file(toy: Kata) -> None:
    (toy.folder / "adder.py").chmod(0)
    assert "adder.py cannot be read" in refusal(toy, toy.folder)


def test_no_folder_is_a_usage_error(toy: Kata) -> None:
    with pytest.raises(UsageError, match="is not a folder"):
        collect(toy, toy.folder / "adder.py")
