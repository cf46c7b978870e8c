"""What a learner hands in: the editable files of one kata, checked before anything runs."""

import dataclasses
import difflib
import hashlib
import io
import os
import pathlib
import re
import stat
from collections.abc import Iterable, Mapping

from grader.catalog import Kata
from grader.errors import RefusedSubmission, UsageError

MAX_FILES = 200
MAX_BYTES = 10 * 1024 * 1024
#: Folders that tools leave behind; they are never part of a submission.
IGNORED_FOLDERS = frozenset(
    {"__pycache__", ".git", ".venv", ".nox", ".pytest_cache", ".mypy_cache", ".ruff_cache",
     ".ipynb_checkpoints", ".idea", ".vscode"}
)  # fmt: skip
#: What systems, tools and editors (vim, Emacs, JetBrains') keep beside the files that one edits.
_LEFT_BEHIND = re.compile(
    r"\.DS_Store|Thumbs\.db|.*\.pyc|\..*\.sw[a-z]|4913|.*~|\.#.*|#.*#|.*___jb_(tmp|old)___"
)
#: Names that some operating system cannot hold, so that a submission means the same everywhere.
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?|.*[<>:\"|?*\\].*|.*[ .]")


@dataclasses.dataclass(frozen=True)
class Submission:
    """The editable files, by their path within the kata (with `/`)."""

    files: Mapping[str, bytes]

    @property
    def hash(self) -> str:
        """Content hash: the same files give the same hash on any machine."""
        return hash_files(self.files)


def hash_files(files: Mapping[str, bytes]) -> str:
    """sha256 over names and contents, with Windows line endings read as plain ones."""
    digest = hashlib.sha256()
    for name in sorted(files):
        content = files[name].replace(b"\r\n", b"\n")
        digest.update(f"{len(name.encode())} {name} {len(content)} ".encode() + content)
    return f"sha256:{digest.hexdigest()}"


def collect(kata: Kata, folder: pathlib.Path) -> Submission:
    """The submission in `folder`. Raises `RefusedSubmission` with one clear sentence."""
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder; --from takes the folder of a submission")
    base = kata.laid_over(folder)
    files = dict(collect(kata, base).files) if base else {}
    # Of a folder elsewhere everything counts; only what the kata lets a learner edit is taken.
    found = _walk(folder)
    files.update({name: content for name, content in found if kata.is_editable(name)})
    return _complete(kata, files, str(folder))


def of_files(kata: Kata, files: Iterable[tuple[str, bytes]], where: str) -> Submission:
    """The submission that these files make, read from `where`; what is not editable is left out.

    Raises `RefusedSubmission` as soon as they are too many, too large or oddly named, so the
    files may be read one by one while they are asked for.
    """
    kept: dict[str, bytes] = {}
    total = 0
    for name, content in files:
        if not kata.is_editable(name):
            continue
        for position, part in enumerate(name.split("/")):
            _check_name("/".join(name.split("/")[: position + 1]), part)
        kept[name] = content
        total += len(content)
        _check_size(len(kept), total, where, name)
    return _complete(kata, kept, where)


def _complete(kata: Kata, files: Mapping[str, bytes], where: str) -> Submission:
    for name in kata.required_files:
        if name not in files:
            raise RefusedSubmission(f"{name} is missing in {where}; {kata.name} needs it")
    return Submission(files)


def _check_size(count: int, total: int, where: str, name: str) -> None:
    if count > MAX_FILES:
        raise RefusedSubmission(f"{where} holds more than {MAX_FILES} files")
    if total > MAX_BYTES:
        raise RefusedSubmission(f"{where} holds more than {MAX_BYTES // 1024**2} MB (at {name})")


def _walk(folder: pathlib.Path) -> Iterable[tuple[str, bytes]]:
    """Every file below `folder` that could be part of a submission."""
    root = folder.resolve()
    count = total = 0
    waiting = [root]
    while waiting:
        for entry in _entries(waiting.pop(), root):
            path = pathlib.Path(entry.path)
            name = path.relative_to(root).as_posix()
            _check_name(name, entry.name)
            # realpath, because Path.resolve raises on loops; reading tells of those.
            if entry.is_symlink() and not pathlib.Path(os.path.realpath(path)).is_relative_to(root):
                raise RefusedSubmission(f"{name} is a link that leaves the folder; copy the file")
            if entry.is_dir(follow_symlinks=False):
                if entry.name not in IGNORED_FOLDERS:
                    waiting.append(path)
                continue
            if is_left_behind(entry.name):
                continue
            content = _read(path, name)
            count, total = count + 1, total + len(content)
            _check_size(count, total, str(folder), name)
            yield name, content


def is_left_behind(name: str) -> bool:
    """Whether a file of this name is never part of a submission or a kata."""
    return _LEFT_BEHIND.fullmatch(name) is not None


def _entries(folder: pathlib.Path, root: pathlib.Path) -> list[os.DirEntry[str]]:
    try:
        return sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        name = ascii(folder.relative_to(root).as_posix())[:80]
        raise RefusedSubmission(f"the folder {name} cannot be read: {error.strerror}") from None


def _check_name(name: str, last: str) -> None:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        shown = name.encode("utf-8", "backslashreplace").decode()
        raise RefusedSubmission(f"the file name {shown} is not UTF-8; rename it") from None
    if not last.isprintable():
        raise RefusedSubmission(f"the file name {last!a} has characters that do not show")
    if _RESERVED.fullmatch(last):
        raise RefusedSubmission(f"the file name {name!r} is reserved on some systems; rename it")


def _read(path: pathlib.Path, name: str) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise RefusedSubmission(f"{name} is not a regular file; remove it")
        if status.st_size > MAX_BYTES:
            raise RefusedSubmission(f"{name} is larger than {MAX_BYTES // 1024**2} MB")
        # Between the look and the reading nobody may swap the file for a pipe that never ends.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        with open(os.open(path, flags), "rb") as stream:
            # No more than it had: room for the most of all, made and given back at each save,
            # would leave the memory of a long watch in pieces.
            return stream.read(status.st_size)
    except OSError as error:
        raise RefusedSubmission(f"{name} cannot be read: {error.strerror}") from None


def editable_files(kata: Kata, folder: pathlib.Path) -> dict[str, bytes]:
    """What `folder` has of a kata's editable files, complete or not; the rest may be anything."""
    found = {}
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if IGNORED_FOLDERS.intersection(inside.parts) or not kata.is_editable(inside.as_posix()):
            continue
        if path.is_file():
            found[inside.as_posix()] = _read(path, inside.as_posix())
    return found


def diff(
    old: Mapping[str, bytes], new: Mapping[str, bytes], before: str = "a/", after: str = "b/"
) -> str:
    """A unified diff from `old` to `new`, as `git apply` takes it; bytes beyond UTF-8 escaped."""
    text = ""
    for name in sorted({**old, **new}):
        if old.get(name) == new.get(name):
            continue
        text += f"diff --git {before}{name} {after}{name}\n"
        if name not in old:
            text += "new file mode 100644\n"
        elif name not in new:
            text += "deleted file mode 100644\n"
        changes = difflib.unified_diff(
            _lines(old.get(name, b"")),
            _lines(new.get(name, b"")),
            before + name if name in old else "/dev/null",
            after + name if name in new else "/dev/null",
        )
        for line in changes:
            text += line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
    return text


def _lines(content: bytes) -> list[str]:
    return [line.decode("utf-8", "surrogateescape") for line in io.BytesIO(content)]


def is_changed(kata: Kata) -> bool:
    """Whether the learner has touched the editable files of a kata."""
    try:
        return collect(kata, kata.folder).hash != kata.contract.starter
    except RefusedSubmission:
        return True
