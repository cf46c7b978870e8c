"""Hand-ins from git, folders, exports of Moodle and Canvas, and a drop folder into the store.

Nothing of a learner's is run, checked out or unpacked. What cannot be a submission is kept as a
refusal of that learner and kata; everything else goes on.
"""

import contextlib
import dataclasses
import datetime as dt
import functools
import json
import os
import pathlib
import re
import stat
import subprocess
import tempfile
import time
import unicodedata
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

from grader.catalog import Kata
from grader.cohort.archive import MAX_PACKED, Tree, is_archive, open_archive, stem
from grader.cohort.config import Cohort
from grader.cohort.records import HandIn
from grader.cohort.roster import Learner
from grader.cohort.store import Store
from grader.errors import GraderError, RefusedSubmission, UsageError
from grader.progress import FOLDER, Progress
from grader.submission import IGNORED_FOLDERS, MAX_BYTES, Submission, collect, of_files

_CLONES_AT_ONCE = 8
_MOST_PROGRESS = 1 << 20
_GIT_SECONDS = 300
#: `git ls-tree -l -z`: mode, type, object, size (or -), path.
_LISTED = re.compile(rb"(\d+) (\w+) ([0-9a-f]+) +(\d+|-|BAD)\t(.+)", re.DOTALL)
_MOODLE = re.compile(r"(?P<name>.+)_(?P<id>\d+)_assignsubmission_(?P<type>[a-z]+)_?(?P<rest>.*)")
_CANVAS = re.compile(
    r"(?:(?P<name>[^_]+)_)?(?P<late>late_)?(?P<id>\d+)_(?P<file>\d+)_(?P<rest>.+)", re.IGNORECASE
)
_AGAIN = re.compile(r"-\d+(?=\.[^.]*$|$)")


class SourceTrouble(GraderError):
    """A learner's source cannot be reached or read. It is not the work that is refused."""


State = Literal["new", "known", "refused", "untouched", "absent", "trouble"]


@dataclasses.dataclass(frozen=True)
class Collected:
    """What became of one learner's work on one kata, or of a whole source (kata is "")."""

    learner: str
    kata: str
    state: State
    told: str = ""


@dataclasses.dataclass(frozen=True)
class _Look:
    """When a learner's source was looked at before, and what was there."""

    at: dt.datetime
    #: Of a repository.
    head: str = ""
    katas: Sequence[str] = ()


def from_sources(
    cohort: Cohort, store: Store, learners: Sequence[Learner], katas: Sequence[Kata],
    now: dt.datetime,
) -> Iterator[Collected]:  # fmt: skip
    """Collects what the roster's column `source` leads to: repositories and folders."""
    with_git = [learner for learner in learners if learner.is_git]
    for learner in learners:
        if not learner.source:
            yield Collected(learner.id, "", "absent", "no source in the roster")
        elif not learner.is_git:
            folder = cohort.folder / learner.source
            yield from _from_folder(cohort, store, learner.id, folder, katas, now, "folder")

    def fetch(learner: Learner) -> tuple[Learner, tuple[str, list[_Version]] | SourceTrouble]:
        try:
            return learner, _versions(cohort, store, learner, katas, now)
        except SourceTrouble as error:
            return learner, error
        except subprocess.CalledProcessError:
            return learner, SourceTrouble("git cannot read the repository; look into it by hand")

    with ThreadPoolExecutor(_CLONES_AT_ONCE) as pool:
        for learner, fetched in pool.map(fetch, with_git):
            if isinstance(fetched, SourceTrouble):
                yield Collected(learner.id, "", "trouble", str(fetched))
                continue
            head, versions = fetched
            kept: dict[str, Collected] = {}
            for version in versions:
                told = _keep(store, learner.id, version.kata, version.work, version.at,
                             f"git {version.commit}", now, starter_counts=False)  # fmt: skip
                # Of the states at the due time and at the cut-off the better news is told.
                if told.kata not in kept or told.state in ("new", "refused"):
                    kept[told.kata] = told
            yield from kept.values()
            if not kept:
                yield Collected(learner.id, "", "absent", "no kata in the repository by then")
            _remember(store, "git", learner.id, _Look(now, head))


def from_drop(
    cohort: Cohort, store: Store, folder: pathlib.Path, katas: Sequence[Kata],
    now: dt.datetime, at: dt.datetime | None = None,
) -> Iterator[Collected]:  # fmt: skip
    """Collects a folder that holds, for each learner, a folder or archives named by their id.

    "a1/…" with katas, archives or files in it; "a1.zip"; or "a1_KATA.zip" for a single kata.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder; name the one that hand-ins are dropped into")
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        id = path.name if path.is_dir() else stem(path.name)
        while (learner := _of_id(cohort, id)) is None and "_" in id:
            id = id.rpartition("_")[0]
        if learner is None:
            told = f"{path.name} belongs to nobody in the roster; its name begins with an id"
            yield Collected("", "", "trouble", told)
        elif path.is_dir() and not path.is_symlink():
            yield from _from_folder(cohort, store, learner.id, path, katas, now, "drop", at)
        else:
            yield from _from_archive(cohort, store, learner.id, path, katas, now, "drop", at)
            _remember(store, "drop", learner.id, _Look(now, "", [kata.name for kata in katas]))


def watch(
    collect_once: Callable[[], Iterable[Collected]], folder: pathlib.Path, seconds: float
) -> Iterator[Collected]:
    """Collects again whenever `folder` has changed and then kept still for `seconds`."""
    done: object = None
    while True:
        state = _state_of(folder)
        time.sleep(seconds)
        if state != done and state == _state_of(folder):
            yield from (each for each in collect_once() if each.state != "known")
            done = state


def from_moodle(
    cohort: Cohort, store: Store, export: pathlib.Path, katas: Sequence[Kata],
    now: dt.datetime, at: dt.datetime | None = None,
) -> Iterator[Collected]:  # fmt: skip
    """Collects Moodle's "Download all submissions", as a zip or unpacked.

    Its names, by `mod_assign\\downloader` (moodle/moodle, mod/assign/classes/downloader.php): one
    folder for each participant, "Full Name_ID_assignsubmission_file/", until version 4 with one
    more underscore at the end; or, without "Download submissions in folders", one file
    "Full Name_ID_assignsubmission_file_NAME". "onlinetext" in the place of "file" is text typed
    into Moodle, and left aside. Under blind marking the full name is "Participant". ID is the
    participant's number of this assignment, which is also in the grading worksheet; a roster with
    a column `moodle` is matched by it, any other by the name. The members' times are those of the
    export, so none of them tells when something was handed in.
    """
    yield from _from_export(cohort, store, export, katas, now, at, "moodle", _MOODLE)


def from_canvas(
    cohort: Cohort, store: Store, export: pathlib.Path, katas: Sequence[Kata],
    now: dt.datetime, at: dt.datetime | None = None,
) -> Iterator[Collected]:  # fmt: skip
    """Collects Canvas' "Download Submissions", as a zip or unpacked.

    Its names, by `ContentZipper` (instructure/canvas-lms, lib/content_zipper.rb): files without
    folders, "lastfirst_LATE_USER_FILE_NAME", where "LATE_" is there only if it was late, USER and
    FILE are Canvas' numbers, and NAME gets "-1" and so on when the same name is handed in again.
    The name is the sortable one in small letters without spaces; anonymous grading leaves it out.
    A roster with a column `canvas` is matched by USER, any other by the name. When something was
    handed in is not told, but for "LATE".
    """
    yield from _from_export(cohort, store, export, katas, now, at, "canvas", _CANVAS)


@dataclasses.dataclass(frozen=True)
class _Origin:
    """Where and when something was handed in."""

    source: str
    at: dt.datetime
    collected: dt.datetime
    late: bool = False
    #: Whether `at` is told by the source, or the best guess for an export that does not tell.
    certain: bool = True
    #: When the same place was looked at before.
    look: _Look | None = None


_Work = Submission | RefusedSubmission


def _keep(
    store: Store, learner: str, kata: Kata, work: _Work, at: dt.datetime, source: str,
    now: dt.datetime, *, starter_counts: bool = True,
) -> Collected:  # fmt: skip
    """One hand-in into the store."""
    at = min(at, now)
    if isinstance(work, RefusedSubmission):
        refused = HandIn(learner, kata.name, None, str(work), at, source, now)
        new = store.add_hand_in(refused)
        return Collected(learner, kata.name, "refused" if new else "known", str(work))
    if work.hash == kata.contract.starter and not starter_counts:
        return Collected(learner, kata.name, "untouched")
    hand_in = HandIn(learner, kata.name, work.hash, None, at, source, now)
    return Collected(learner, kata.name, "new" if store.add_hand_in(hand_in, work) else "known")


# Folders and files


def _from_folder(
    cohort: Cohort, store: Store, learner: str, folder: pathlib.Path, katas: Sequence[Kata],
    now: dt.datetime, source: str, at: dt.datetime | None = None,
) -> Iterator[Collected]:  # fmt: skip
    """A learner's folder: a clone, or folders of katas, or archives, or one kata's files."""
    if not folder.is_dir():
        yield Collected(learner, "", "trouble", f"the folder {folder} is not there")
        return
    look = _last_look(store, source, learner)
    shared = _shared_progress(folder)
    found = False
    for kata in katas:
        if shared and (hints := shared.of(kata).hints):
            store.note_hints(learner, kata.name, hints)
        inside = _kata_folder(folder, kata, katas)
        if inside is None:
            continue
        found = True
        work: _Work
        try:
            work = collect(kata, inside)
        except RefusedSubmission as error:
            work = _named(error, inside, kata)
        files = work.files if isinstance(work, Submission) else kata.required_files
        times = [_changed(inside / name) for name in files if (inside / name).exists()]
        origin = _Origin(source, max(times, default=now), now, look=look)
        time_of = at or _time(cohort, kata, origin)
        yield _keep(store, learner, kata, work, time_of, source, now, starter_counts=False)
    archives = [path for path in sorted(folder.iterdir()) if is_archive(path.name)]
    for path in archives:
        yield from _from_archive(cohort, store, learner, path, katas, now, source, at)
    if not found and not archives:
        yield Collected(learner, "", "absent", f"{folder} holds none of the katas")
    _remember(store, source, learner, _Look(now, "", [kata.name for kata in katas]))


def _shared_progress(folder: pathlib.Path) -> Progress | None:
    """What a learner's own `kata` has noted, where they hand it in with their folder."""
    path = folder / FOLDER / "progress.jsonl"
    if (folder / FOLDER).is_symlink() or path.is_symlink() or not path.is_file():
        return None
    return Progress(folder) if path.stat().st_size <= _MOST_PROGRESS else None


def _from_archive(
    cohort: Cohort, store: Store, learner: str, path: pathlib.Path, katas: Sequence[Kata],
    now: dt.datetime, source: str, at: dt.datetime | None,
) -> Iterator[Collected]:  # fmt: skip
    look = None if at else _last_look(store, source, learner)
    origin = _Origin(source, at or _changed(path), now, look=look)
    files = {path.name: functools.partial(_content, path.name, path)}
    yield from _from_files(cohort, store, learner, files, katas, origin)


def _kata_folder(folder: pathlib.Path, kata: Kata, katas: Sequence[Kata]) -> pathlib.Path | None:
    for inside in (folder / "katas" / kata.name, folder / kata.name, folder / kata.short_name):
        if inside.is_dir():
            return inside
    only = len(katas) == 1 and any((folder / name).exists() for name in kata.required_files)
    return folder if only else None


def _from_files(
    cohort: Cohort, store: Store, learner: str, files: Tree, katas: Sequence[Kata],
    origin: _Origin,
) -> Iterator[Collected]:  # fmt: skip
    """What one learner handed in at once: archives, or loose files, by their paths."""
    tree: dict[str, Callable[[], bytes]] = {}
    where = ", ".join(ascii(name)[1:-1] for name in list(files)[:3])

    def keep(kata: Kata, work: _Work) -> Collected:
        at = _time(cohort, kata, origin)
        return _keep(store, learner, kata, work, at, origin.source, origin.collected)

    try:
        for name, read in files.items():
            if is_archive(name):
                prefix = f"{stem(name)}/" if len(files) > 1 else ""
                inside = open_archive(name, read())
                tree.update({prefix + path: reader for path, reader in inside.items()})
            else:
                tree[name] = read
    except RefusedSubmission as error:
        named = _squeezed(" ".join(files))
        meant = [each for each in katas if len(katas) == 1 or _squeezed(each.short_name) in named]
        yield from (keep(kata, error) for kata in meant)
        if not meant:
            told = f"{error}; which kata it is for cannot be told: collect it with --kata"
            yield Collected(learner, "", "trouble", told)
        return
    prefixes = [(kata, _prefix(tree, kata, katas)) for kata in katas]
    found = [(kata, prefix) for kata, prefix in prefixes if prefix is not None]
    if not found and len(katas) == 1:
        found = [(katas[0], _wrapper(tree))]
    for kata, prefix in found:
        try:
            yield keep(kata, of_files(kata, _below(tree, prefix, kata), where))
        except RefusedSubmission as error:
            yield keep(kata, error)
    if not found:
        told = f"{where} holds none of the katas; collect it with --kata"
        yield Collected(learner, "", "trouble", told)


def _time(cohort: Cohort, kata: Kata, origin: _Origin) -> dt.datetime:
    """When something was handed in, as far as its source can tell."""
    if origin.certain:
        look = origin.look
        # What was not there at the last look has come later, whatever its time may say.
        return max(origin.at, look.at) if look and kata.name in look.katas else origin.at
    # An export does not tell the time: on time, or as little late as can be.
    due = cohort.due(kata.name)
    grace = dt.timedelta(minutes=cohort.config.late.grace_minutes, seconds=1)
    return due + grace if origin.late else min(origin.at, due)


def _content(name: str, path: pathlib.Path) -> bytes:
    name = ascii(name)[1:-1]
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise RefusedSubmission(f"{name} is not a regular file; hand in a plain one")
        if path.stat().st_size > MAX_PACKED:
            raise RefusedSubmission(f"{name} is larger than {MAX_PACKED // 1024**2} MB")
        return path.read_bytes()
    except OSError as error:
        raise RefusedSubmission(f"{name} cannot be read: {error.strerror}") from None


def _prefix(tree: Tree, kata: Kata, katas: Sequence[Kata]) -> str | None:
    """Below which path of a tree a kata lies: the fullest name counts, then the shortest path."""
    found: list[tuple[int, str]] = []
    for path in tree:
        parts = path.split("/")
        for position in range(len(parts) - 1):
            folder = "/".join(parts[: position + 1])
            if parts[position] == kata.short_name and kata.is_editable(
                "/".join(parts[position + 1 :])
            ):
                fits = [f"/{folder}".endswith(f"/{name}")
                        for name in (f"katas/{kata.name}", kata.name, kata.short_name)]  # fmt: skip
                found.append((fits.index(True), f"{folder}/"))
    if found:
        return min(found, key=lambda pair: (pair[0], len(pair[1]), pair[1]))[1]
    if len(katas) > 1:
        return None
    # For a single kata: wherever the first of its files lies, in as few folders as can be.
    wanted = kata.required_files[:1]
    folders = [path.rpartition("/")[0] for path in tree for name in wanted
               if f"/{path}".endswith(f"/{name}")
               or f"/{_AGAIN.sub('', path)}".endswith(f"/{name}")]  # fmt: skip
    if not folders:
        return None
    depth = wanted[0].count("/")
    roots = ["/".join(folder.split("/")[: len(folder.split("/")) - depth]) for folder in folders]
    root = min(roots, key=lambda folder: (folder.count("/"), folder))
    return f"{root}/" if root else ""


def _wrapper(tree: Tree) -> str:
    """The one folder around everything, if there is one."""
    tops = {path.partition("/")[0] for path in tree if "/" in path}
    return f"{tops.pop()}/" if len(tops) == 1 and all("/" in path for path in tree) else ""


def _below(tree: Tree, prefix: str, kata: Kata) -> Iterator[tuple[str, bytes]]:
    for path in sorted(tree):
        name = path.removeprefix(prefix)
        if not path.startswith(prefix) or IGNORED_FOLDERS.intersection(name.split("/")):
            continue
        # Canvas adds a number when a file of that name is handed in again.
        plain = _AGAIN.sub("", name)
        if not kata.is_editable(name) and kata.is_editable(plain) and prefix + plain not in tree:
            name = plain
        if kata.is_editable(name):
            yield name, tree[path]()


def _named(error: RefusedSubmission, folder: pathlib.Path, kata: Kata) -> RefusedSubmission:
    """The same refusal without the folder's path, which may tell a name."""
    return RefusedSubmission(str(error).replace(str(folder), kata.short_name))


def _changed(path: pathlib.Path) -> dt.datetime:
    return dt.datetime.fromtimestamp(path.lstat().st_mtime, dt.UTC)


def _state_of(folder: pathlib.Path) -> object:
    """What changes when anything below a folder does."""
    state = []
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                status = os.lstat(os.path.join(place, name))
                state.append((place, name, status.st_size, status.st_mtime_ns))
    return sorted(state)


# Exports of Moodle and Canvas


def _from_export(
    cohort: Cohort, store: Store, export: pathlib.Path, katas: Sequence[Kata], now: dt.datetime,
    at: dt.datetime | None, system: Literal["moodle", "canvas"], scheme: re.Pattern[str],
) -> Iterator[Collected]:  # fmt: skip
    ids = {value: learner for learner in cohort.roster.learners
           if (value := learner.extra.get(system, ""))}  # fmt: skip
    names: dict[str, list[Learner]] = {}
    for learner in cohort.roster.learners:
        for form in _forms(learner.name, system):
            names.setdefault(form, []).append(learner)
    handed: dict[str, dict[str, Callable[[], bytes]]] = {}
    late: set[str] = set()
    newest = dt.datetime.min.replace(tzinfo=dt.UTC)
    people: dict[str, str] = {}
    matched = False
    with contextlib.ExitStack() as stack:
        for path, time_of, content in _members(export, stack):
            top, _, below = path.partition("/")
            match = scheme.fullmatch(top)
            if match is None or (system == "moodle" and match["type"] != "file"):
                matched = matched or match is not None
                continue
            matched = True
            newest = max(newest, time_of)
            person = match["id"]
            people[person] = match["name"] or ""
            if system == "canvas" and match["late"]:
                late.add(person)
            handed.setdefault(person, {})[below or match["rest"]] = content
        if not matched:
            raise UsageError(
                f"{export} holds nothing that is named as {system.title()} names it; give the zip "
                "as it was downloaded"
            )
        for person, files in handed.items():
            candidates = names.get(_squeezed(people[person]), [])
            owner = ids.get(person) or (candidates[0] if len(candidates) == 1 else None)
            if owner is None:
                why = "more than one" if candidates else "nobody"
                told = (f"number {person} of {export.name} fits {why} in the roster; put {person} "
                        f"into a column {system} there")  # fmt: skip
                yield Collected("", "", "trouble", told)
                continue
            origin = _Origin(f"{system} {export.name}", at or newest, now, person in late,
                             certain=at is not None)  # fmt: skip
            yield from _from_files(cohort, store, owner.id, files, katas, origin)


def _members(
    export: pathlib.Path, stack: contextlib.ExitStack
) -> Iterator[tuple[str, dt.datetime, Callable[[], bytes]]]:
    """Path, time and content of everything in an export: a zip, or the folder it was."""
    if export.is_dir():
        for place in sorted(export.rglob("*")):
            if place.is_file() and not place.is_symlink():
                name = place.relative_to(export).as_posix()
                yield name, _changed(place), functools.partial(_content, place.name, place)
        return
    try:
        archive = stack.enter_context(zipfile.ZipFile(export))
        for member in archive.infolist():
            if not member.is_dir():
                with contextlib.suppress(ValueError):
                    # Zip has local times, of whoever made it.
                    made = dt.datetime(*member.date_time).astimezone(dt.UTC)
                    yield member.filename, made, functools.partial(_unzipped, archive, member)
    except OSError as error:
        raise UsageError(f"{export} cannot be read: {error.strerror}") from None
    except zipfile.BadZipFile:
        raise UsageError(f"{export} is not a whole zip; download it again") from None


def _unzipped(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    name = member.filename.rpartition("/")[2]
    try:
        with archive.open(member) as stream:
            content = stream.read(MAX_PACKED + 1)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError):
        raise RefusedSubmission(f"{ascii(name)[1:-1]} cannot be read from the export") from None
    if len(content) > MAX_PACKED:
        raise RefusedSubmission(f"{ascii(name)[1:-1]} is larger than {MAX_PACKED // 1024**2} MB")
    return content


def _forms(name: str, system: str) -> Iterator[str]:
    """How a name of the roster may be written in an export."""
    yield _squeezed(name)
    words = name.replace(",", " ").split()
    if system == "canvas":
        # "Ada King Lovelace" is sorted as "Lovelace, Ada King" or "King Lovelace, Ada".
        yield from {_squeezed("".join(words[n:] + words[:n])) for n in range(1, len(words))}


def _squeezed(text: str) -> str:
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).casefold()))


# Git


@dataclasses.dataclass(frozen=True)
class _Version:
    kata: Kata
    work: _Work
    at: dt.datetime
    commit: str


def _versions(
    cohort: Cohort, store: Store, learner: Learner, katas: Sequence[Kata], now: dt.datetime
) -> tuple[str, list[_Version]]:
    """A repository's head, and what it held of each kata when it was due, and at its cut-off.

    That is the last commit of the default branch's own line whose committer date is not later.
    Whoever commits can write any date. What is sure is this: a commit that was not there when the
    repository was last collected came after that, and counts from then at the earliest.
    """
    look = _last_look(store, "git", learner.id)
    with tempfile.TemporaryDirectory(prefix="kata-git-") as folder:
        git = _Git(pathlib.Path(folder), learner)
        git.clone(cohort.folder)
        head = git.ask("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
        if not head:
            return "", []
        versions = []
        for kata in katas:
            moments = {min(cohort.due(kata.name), now), min(cohort.cut_off(kata.name), now)}
            for moment in sorted(moments):
                seconds = int(moment.timestamp())
                commit = git.ask("rev-list", "-1", "--first-parent", f"--min-age={seconds}", "HEAD")
                place = f"katas/{kata.name}"
                work = git.work(commit, kata, place) if commit else None
                if work is None:
                    continue
                stamp = git.ask("log", "-1", "--first-parent", "--format=%ct", commit, "--", place)
                at = dt.datetime.fromtimestamp(min(int(stamp or seconds), seconds), dt.UTC)
                if look and not git.is_ancestor(commit, look.head):
                    at = max(at, look.at)
                versions.append(_Version(kata, work, at, commit[:12]))
        return head, versions


class _Git:
    """A learner's repository, cloned bare: nothing in it is checked out or run."""

    def __init__(self, folder: pathlib.Path, learner: Learner) -> None:
        self._folder = folder
        self._learner = learner

    def clone(self, base: pathlib.Path) -> None:
        try:
            self._run(
                "clone", "--quiet", "--bare", "--no-tags", "--single-branch", "--template=",
                f"--filter=blob:limit={MAX_BYTES + 1}", "--", self._learner.source,
                str(self._folder / "repository"), cwd=base,
            )  # fmt: skip
            # Else git would fetch what was left out for its size as soon as it is looked at.
            self._run("remote", "remove", "origin")
        except subprocess.CalledProcessError as error:
            lines = error.stderr.decode("utf-8", "replace").strip().splitlines() or ["no reason"]
            # git repeats the address, which may tell a name.
            said = lines[-1].replace(self._learner.source, "the repository")
            raise SourceTrouble(f"git cannot clone it: {said}") from None

    def ask(self, *words: str) -> str:
        """What git prints, or "" if it says no."""
        with contextlib.suppress(subprocess.CalledProcessError):
            return self._run(*words).decode("utf-8", "replace").strip()
        return ""

    def is_ancestor(self, commit: str, head: str) -> bool:
        with contextlib.suppress(subprocess.CalledProcessError):
            self._run("merge-base", "--is-ancestor", commit, head or "-")
            return True
        return False

    def work(self, commit: str, kata: Kata, place: str) -> _Work | None:
        """What a commit holds of a kata; None if it has no such folder."""
        listed = self._run("ls-tree", "-r", "-l", "-z", commit, "--", f"{place}/")
        entries = [entry for entry in listed.split(b"\0") if entry]
        if not entries:
            return None
        try:
            return of_files(kata, self._files(entries, kata, place), "the repository")
        except RefusedSubmission as error:
            return error

    def _files(
        self, entries: Sequence[bytes], kata: Kata, place: str
    ) -> Iterator[tuple[str, bytes]]:
        for entry in entries:
            match = _LISTED.fullmatch(entry)
            assert match is not None
            mode, _, object, size, path = match.groups()
            try:
                name = path.decode("utf-8").removeprefix(f"{place}/")
            except UnicodeDecodeError:
                shown = path.decode("utf-8", "backslashreplace")
                raise RefusedSubmission(f"the file name {shown} is not UTF-8; rename it") from None
            if IGNORED_FOLDERS.intersection(name.split("/")) or not kata.is_editable(name):
                continue
            if mode not in (b"100644", b"100755"):
                raise RefusedSubmission(f"{name} is a link or a submodule; commit the file itself")
            if not size.isdigit() or int(size) > MAX_BYTES:
                raise RefusedSubmission(f"{name} is larger than {MAX_BYTES // 1024**2} MB")
            yield name, self._run("cat-file", "blob", object.decode())

    def _run(self, *words: str, cwd: pathlib.Path | None = None) -> bytes:
        environment = {
            **os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1", "LC_ALL": "C",
            "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh", "GIT_LFS_SKIP_SMUDGE": "1",
            "GIT_SSH_COMMAND": os.environ.get("GIT_SSH_COMMAND", "ssh -o BatchMode=yes"),
        }  # fmt: skip
        try:
            return subprocess.run(
                ["git", "-c", "core.hooksPath=/dev/null", *words],
                cwd=cwd or self._folder / "repository", env=environment,
                stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=_GIT_SECONDS,
            ).stdout  # fmt: skip
        except FileNotFoundError:
            raise SourceTrouble("there is no git on this machine; install it") from None
        except subprocess.TimeoutExpired:
            raise SourceTrouble(f"git took longer than {_GIT_SECONDS} s") from None


# Earlier looks


def _last_look(store: Store, kind: str, learner: str) -> _Look | None:
    text = store.fact(f"look:{kind}:{learner}")
    if text is None:
        return None
    at, head, katas = json.loads(text)
    return _Look(dt.datetime.fromisoformat(at), head, katas)


def _remember(store: Store, kind: str, learner: str, look: _Look) -> None:
    store.set_fact(
        f"look:{kind}:{learner}", json.dumps([look.at.isoformat(), look.head, list(look.katas)])
    )


def _of_id(cohort: Cohort, id: str) -> Learner | None:
    with contextlib.suppress(UsageError):
        return cohort.roster.get(id)
    return None
