"""Zip and tar archives from anybody, read in memory: nothing is ever unpacked to disk.

So no name can lead out of a folder and no link can be followed. What an archive must not hold is
refused with one sentence, and nothing is read that is not asked for.
"""

import bz2
import contextlib
import functools
import gzip
import io
import lzma
import pathlib
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, Any

from grader.errors import RefusedSubmission
from grader.submission import IGNORED_FOLDERS, MAX_BYTES

#: What a learner hands in: the archive itself, and all of it unpacked.
MAX_PACKED = 25 * 1024 * 1024
MAX_UNPACKED = 100 * 1024 * 1024
#: As long as a path can be on Linux.
_MAX_PATH = 4096
SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_OTHER_SUFFIXES = (".rar", ".7z", ".gz", ".bz2", ".xz", ".zst")
_IGNORED = IGNORED_FOLDERS | {"__MACOSX"}
_PIECE = 1 << 20
#: Of a zip's member: its name is UTF-8.
_UTF8 = 1 << 11
#: What reading damaged or hostile bytes may raise.
DAMAGED = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, ValueError,
           OverflowError, RuntimeError, OSError)  # fmt: skip
_PACKERS: Sequence[tuple[bytes, Callable[[IO[bytes]], Any]]] = (
    (b"\x1f\x8b", lambda packed: gzip.GzipFile(fileobj=packed)),
    (b"BZh", bz2.BZ2File),
    (b"\xfd7zXZ", lzma.LZMAFile),
)
#: How the content of each file is read, by its path with `/`.
Tree = Mapping[str, Callable[[], bytes]]


def is_archive(name: str) -> bool:
    """By its name; also those kinds that `open_archive` refuses to read."""
    return name.casefold().endswith((*SUFFIXES, *_OTHER_SUFFIXES))


def stem(name: str) -> str:
    """The name without the ending of an archive."""
    low = name.casefold()
    ending = next((each for each in SUFFIXES if low.endswith(each)), pathlib.PurePath(name).suffix)
    return name[: len(name) - len(ending)] if ending else name


def open_archive(name: str, content: bytes) -> Tree:
    """The files in an archive called `name`.

    Raises `RefusedSubmission` with one clear sentence, also while they are read.
    """
    name = ascii(name)[1:-1]
    if len(content) > MAX_PACKED:
        raise RefusedSubmission(f"{name} is larger than {MAX_PACKED // 1024**2} MB")
    with _told(name):
        if content.startswith((b"PK\3\4", b"PK\5\6")):
            return _zip_tree(name, zipfile.ZipFile(io.BytesIO(content)))
        return _tar_tree(name, tarfile.open(fileobj=_unpacked(name, content), mode="r:"))


def members(stream: IO[bytes]) -> Iterator[tuple[str, IO[bytes]]]:
    """Names and content of what is packed in a file, for a search: nothing is passed over.

    None, if it is not packed. Raises one of `DAMAGED`, as reading the content does.
    """
    if zipfile.is_zipfile(stream):
        with zipfile.ZipFile(stream) as archive:
            for each in archive.infolist():
                with archive.open(each) as content:
                    yield f"{zipped_name(each)} {each.comment!r}", content
        return
    stream.seek(0)
    start = stream.read(max(len(magic) for magic, _ in _PACKERS))
    stream.seek(0)
    if opener := next((open for magic, open in _PACKERS if start.startswith(magic)), None):
        yield "", opener(stream)
    elif tarfile.is_tarfile(stream):
        stream.seek(0)
        with tarfile.open(fileobj=stream, mode="r:") as tar:
            for member in tar:
                names = f"{member.name} {member.linkname} {member.uname} {member.pax_headers}"
                yield names, tar.extractfile(member) or io.BytesIO()


@contextlib.contextmanager
def _told(name: str) -> Iterator[None]:
    """Turns what hostile bytes may provoke into a refusal."""
    try:
        yield
    except NotImplementedError:
        raise RefusedSubmission(f"{name} is packed in an unusual way; use plain zip") from None
    except DAMAGED:
        raise RefusedSubmission(
            f"{name} is cut off, damaged or no archive; hand in a zip or tar.gz that opens"
        ) from None


def _unpacked(name: str, content: bytes) -> IO[bytes]:
    """The tar within, whose whole size is bounded: its own headers may claim anything."""
    packed = io.BytesIO(content)
    opener = next((open for magic, open in _PACKERS if content.startswith(magic)), None)
    if opener is None:
        if tarfile.is_tarfile(packed):
            return io.BytesIO(content)
        raise RefusedSubmission(f"{name} is neither a zip nor a tar archive; hand in one of these")
    stream = opener(packed)
    whole = io.BytesIO()
    while piece := stream.read(_PIECE):
        whole.write(piece)
        if whole.tell() > MAX_UNPACKED:
            raise RefusedSubmission(f"{name} unpacks to more than {MAX_UNPACKED // 1024**2} MB")
    whole.seek(0)
    return whole


def zipped_name(member: zipfile.ZipInfo) -> str:
    """A member's name. Many programs write UTF-8 without the flag that says so."""
    if not member.flag_bits & _UTF8:
        with contextlib.suppress(UnicodeError):
            return member.filename.encode("cp437").decode("utf-8")
    return member.filename


def _zip_tree(name: str, archive: zipfile.ZipFile) -> Tree:
    tree: dict[str, Callable[[], bytes]] = {}
    for member in archive.infolist():
        kind = stat.S_IFMT(member.external_attr >> 16)
        path = _path(name, zipped_name(member))
        if member.is_dir() or path is None:
            continue
        if kind not in (0, stat.S_IFREG):
            raise RefusedSubmission(f"{name}: {path} is a link or a device; hand in plain files")
        if member.flag_bits & 1:
            raise RefusedSubmission(f"{name} is encrypted; hand it in without a password")
        _add(name, tree, path, functools.partial(_read_zipped, name, path, archive, member))
    return tree


def _read_zipped(name: str, path: str, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    # What the header says of the size is only the archive's word.
    with _told(name), archive.open(member) as stream:
        return _limited(name, path, stream)


def _tar_tree(name: str, archive: tarfile.TarFile) -> Tree:
    tree: dict[str, Callable[[], bytes]] = {}
    for member in archive:
        path = _path(name, member.name)
        if member.isdir() or path is None:
            continue
        if not member.isreg() or member.issparse():
            raise RefusedSubmission(f"{name}: {path} is a link or a device; hand in plain files")
        _add(name, tree, path, functools.partial(_read_tarred, name, path, archive, member))
    return tree


def _read_tarred(name: str, path: str, archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    with _told(name):
        stream = archive.extractfile(member)
        assert stream is not None
        return _limited(name, path, stream)


def _limited(name: str, path: str, stream: IO[bytes]) -> bytes:
    content = stream.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise RefusedSubmission(f"{name}: {path} is larger than {MAX_BYTES // 1024**2} MB")
    return content


def _add(
    name: str, tree: dict[str, Callable[[], bytes]], path: str, read: Callable[[], bytes]
) -> None:
    if path in tree:
        raise RefusedSubmission(f"{name} holds {path} twice; which one counts cannot be told")
    tree[path] = read


def _path(name: str, member: str) -> str | None:
    """A member's path, or None if it is never part of a submission."""
    if len(member) > _MAX_PATH:
        raise RefusedSubmission(
            f"{name} holds a path of {len(member)} characters; hand in the kata's files alone"
        )
    shown = ascii(member)[:80]
    parts = [part for part in member.split("/") if part not in ("", ".")]
    if member.startswith("/") or ".." in parts or "\\" in member or member[1:2] == ":":
        raise RefusedSubmission(f"{name} holds {shown}, which leads out of its folder")
    if "\0" in member:
        raise RefusedSubmission(f"{name} holds {shown}, which is no file name")
    return None if not parts or _IGNORED.intersection(parts) else "/".join(parts)
