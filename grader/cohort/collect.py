"""Hand-ins from folders and archives into the store, whoever they come from.

`sources.py` takes in what the roster leads to, `uploads.py` what Moodle and Canvas export. Nothing
of a learner's is run, checked out or unpacked. What cannot be a submission is kept as a refusal of
that learner and kata; everything else goes on.
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
import time
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Literal

from grader.catalog import Kata
from grader.cohort.archive import MAX_PACKED, Tree, is_archive, open_archive, stem
from grader.cohort.config import Cohort
from grader.cohort.records import HandIn
from grader.cohort.roster import Learner
from grader.cohort.store import Store
from grader.errors import GraderError, RefusedSubmission, UsageError
from grader.progress import FOLDER, Progress
from grader.submission import IGNORED_FOLDERS, Submission, collect, of_files

_MOST_PROGRESS = 1 << 20
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
class Look:
    """When a learner's source was looked at before, and what was there."""

    at: dt.datetime
    #: Of a repository.
    head: str = ""
    #: Of folders: when each kata (full name) was looked for.
    katas: Mapping[str, dt.datetime] = dataclasses.field(default_factory=dict)


def from_drop(
    cohort: Cohort, store: Store, folder: pathlib.Path, katas: Sequence[Kata],
    now: dt.datetime, at: dt.datetime | None = None, only: Collection[str] | None = None,
) -> Iterator[Collected]:  # fmt: skip
    """Collects a folder that holds, for each learner, a folder or archives named by their id.

    "a1/…" with katas, archives or files in it; "a1.zip"; or "a1_KATA.zip" and "a1_KATA/" for what
    may as well be one kata's files alone. With `only`, nothing of others (ids) is looked at.
    """
    try:
        entries = sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(
            f"{folder} is not a folder; name the one that hand-ins are dropped into"
        ) from None
    except OSError as error:
        raise UsageError(unreadable(folder, error)) from None
    # One look for all that a learner has dropped: none of it came after the rest.
    looks: dict[str, Look | None] = {}
    unseen = set[str]()
    for path in entries:
        if path.name.startswith("."):
            continue
        is_folder = not path.is_symlink() and path.is_dir()
        id = path.name if is_folder else stem(path.name)
        while (learner := _of_id(cohort, id)) is None and "_" in id:
            id = id.rpartition("_")[0]
        if learner is None:
            told = f"{path.name} belongs to nobody in the roster; its name begins with an id"
            yield Collected("", "", "trouble", told)
            continue
        if only is not None and learner.id not in only:
            continue
        if learner.id not in looks:
            looks[learner.id] = last_look(store, "drop", learner.id)
        take = from_folder if is_folder else _from_archive
        look = looks[learner.id]
        meant = _meant(katas, path.name[len(learner.id) :]) if is_folder else katas
        try:
            yield from take(cohort, store, learner.id, path, meant or katas, now, "drop", look, at)
        except OSError as error:
            unseen.add(learner.id)
            yield Collected(learner.id, "", "trouble", unreadable(path, error))
    for id in looks.keys() - unseen:
        remember(store, "drop", id, now, katas)


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


@dataclasses.dataclass(frozen=True)
class Origin:
    """Where and when something was handed in."""

    source: str
    at: dt.datetime
    collected: dt.datetime
    late: bool = False
    #: Whether `at` is told by the source, or the best guess for an export that does not tell.
    certain: bool = True
    #: When the same place was looked at before.
    look: Look | None = None


Work = Submission | RefusedSubmission


def keep_hand_in(
    store: Store, learner: str, kata: Kata, work: Work, at: dt.datetime, source: str,
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


def from_folder(
    cohort: Cohort, store: Store, learner: str, folder: pathlib.Path, katas: Sequence[Kata],
    now: dt.datetime, source: str, look: Look | None, at: dt.datetime | None = None,
) -> Iterator[Collected]:  # fmt: skip
    """A learner's folder: a clone, or folders of katas, or archives, or one kata's files."""
    shared = _shared_progress(folder)
    found = False
    for kata in katas:
        if shared and (hints := shared.hints(kata)):
            store.note_hints(learner, kata.name, hints)
        inside = _kata_folder(folder, kata, katas)
        if inside is None:
            continue
        found = True
        work: Work
        try:
            inside = inside.resolve()
            if not inside.is_relative_to(folder.resolve()):
                raise RefusedSubmission(
                    f"{kata.short_name} is a link that leaves the folder; hand in the files "
                    "themselves"
                )
            work = collect(kata, inside)
        except RefusedSubmission as error:
            work = _named(error, inside, kata)
        files = work.files if isinstance(work, Submission) else kata.required_files
        times = [changed_at(inside / name) for name in files if (inside / name).exists()]
        origin = Origin(source, max(times, default=now), now, look=look)
        time_of = at or _time(cohort, kata, origin)
        yield keep_hand_in(store, learner, kata, work, time_of, source, now, starter_counts=False)
    archives = [path for path in sorted(folder.iterdir()) if is_archive(path.name)]
    for path in archives:
        yield from _from_archive(cohort, store, learner, path, katas, now, source, look, at)
    if not found and not archives:
        yield _nothing_in(cohort, learner, folder)


def _nothing_in(cohort: Cohort, learner: str, folder: pathlib.Path) -> Collected:
    """A folder without any of the katas asked for: without work, or not laid out as it must be."""
    empty = not any(not path.name.startswith(".") for path in folder.iterdir())
    if empty or any(_kata_folder(folder, kata, cohort.katas) for kata in cohort.katas):
        return Collected(learner, "", "absent", f"{folder} holds none of the katas")
    told = (
        f"{folder} holds no folder of a kata; put each kata's files into one of its name, like "
        f"{folder.name}/{cohort.katas[0].short_name}/, or name the kata with --kata"
    )
    return Collected(learner, "", "trouble", told)


def _shared_progress(folder: pathlib.Path) -> Progress | None:
    """What a learner's own `kata` has noted, where they hand it in with their folder."""
    path = folder / FOLDER / "progress.jsonl"
    if (folder / FOLDER).is_symlink() or path.is_symlink() or not path.is_file():
        return None
    return Progress(folder) if path.stat().st_size <= _MOST_PROGRESS else None


def _from_archive(
    cohort: Cohort, store: Store, learner: str, path: pathlib.Path, katas: Sequence[Kata],
    now: dt.datetime, source: str, look: Look | None, at: dt.datetime | None,
) -> Iterator[Collected]:  # fmt: skip
    origin = Origin(source, at or changed_at(path), now, look=None if at else look)
    files = {path.name: functools.partial(file_content, path)}
    yield from from_files(cohort, store, learner, files, katas, origin)


def _kata_folder(folder: pathlib.Path, kata: Kata, katas: Sequence[Kata]) -> pathlib.Path | None:
    for inside in (folder / "katas" / kata.name, folder / kata.name, folder / kata.short_name):
        if inside.is_dir():
            return inside
    only = len(katas) == 1 and any((folder / name).exists() for name in kata.required_files)
    return folder if only else None


def from_files(
    cohort: Cohort, store: Store, learner: str, files: Tree, katas: Sequence[Kata],
    origin: Origin,
) -> Iterator[Collected]:  # fmt: skip
    """What one learner handed in at once: archives, or loose files, by their paths.

    Learners name files after themselves, so no refusal that is kept names what was uploaded.
    """
    tree: dict[str, Callable[[], bytes]] = {}
    where = ", ".join(ascii(name)[1:-1] for name in list(files)[:3])

    def keep(kata: Kata, work: Work) -> Collected:
        at = _time(cohort, kata, origin)
        return keep_hand_in(store, learner, kata, work, at, origin.source, origin.collected)

    try:
        for name, read in files.items():
            if is_archive(name):
                prefix = f"{stem(name)}/" if len(files) > 1 else ""
                inside = open_archive("the archive", read())
                tree.update({prefix + path: reader for path, reader in inside.items()})
            else:
                tree[name] = read
    except RefusedSubmission as error:
        meant = _meant(katas, *files)
        yield from (keep(kata, error) for kata in meant)
        if not meant:
            told = f"{where}: {error}; which kata it is for cannot be told: collect it with --kata"
            yield Collected(learner, "", "trouble", told)
        return
    found = _found(tree, katas)
    if not found and len(meant := _meant(katas, *files)) == 1:
        katas = meant
        found = _found(tree, katas)
    if not found and len(katas) == 1:
        found = [(katas[0], _wrapper(tree))]
    for kata, prefix in found:
        try:
            files_below = _below(tree, prefix, kata)
            yield keep(kata, of_files(kata, files_below, "what was handed in"))
        except RefusedSubmission as error:
            yield keep(kata, error)
    if not found:
        told = (
            f"no kata found in {where}: neither a folder of a kata's name, nor that name in "
            "the file's own; collect it with --kata"
        )
        yield Collected(learner, "", "trouble", told)


def _time(cohort: Cohort, kata: Kata, origin: Origin) -> dt.datetime:
    """When something was handed in, as far as its source can tell."""
    if origin.certain:
        looks = origin.look.katas if origin.look else {}
        # What was not there at the last look has come later, whatever its time may say.
        return max(origin.at, looks.get(kata.name, origin.at))
    # An export does not tell the time: on time, or as little late as can be.
    due = cohort.due(kata.name)
    grace = dt.timedelta(minutes=cohort.config.late.grace_minutes, seconds=1)
    return due + grace if origin.late else min(origin.at, due)


def file_content(path: pathlib.Path) -> bytes:
    """What was uploaded; refused in words that leave out its name, which may be a person's."""
    name = "the uploaded file"
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise RefusedSubmission(f"{name} is not a regular file; hand in a plain one")
        if path.stat().st_size > MAX_PACKED:
            raise RefusedSubmission(f"{name} is larger than {MAX_PACKED // 1024**2} MB")
        return path.read_bytes()
    except OSError as error:
        raise RefusedSubmission(f"{name} cannot be read: {error.strerror}") from None


def _meant(katas: Sequence[Kata], *names: str) -> Sequence[Kata]:
    """The katas that names of files or folders speak of; a single one is meant anyhow."""
    said = squeezed(" ".join(names))
    found = [kata for kata in katas if len(katas) == 1 or squeezed(kata.short_name) in said]
    # "adder-two" does not speak of "adder".
    return [kata for kata in found
            if not any(squeezed(kata.short_name) in squeezed(other.short_name)
                       for other in found if other is not kata)]  # fmt: skip


def _found(tree: Tree, katas: Sequence[Kata]) -> list[tuple[Kata, str]]:
    """The katas in a tree, each with the path that it lies below."""
    prefixes = [(kata, _prefix(tree, kata, katas)) for kata in katas]
    return [(kata, prefix) for kata, prefix in prefixes if prefix is not None]


def _prefix(tree: Tree, kata: Kata, katas: Sequence[Kata]) -> str | None:
    """Below which path of a tree a kata lies: the fullest name counts, then the shortest path."""
    found = set[str]()
    for path in tree:
        if kata.short_name not in path:  # said in a moment, of most paths
            continue
        parts = path.split("/")
        for position, part in enumerate(parts[:-1], 1):
            if part == kata.short_name and kata.is_editable("/".join(parts[position:])):
                found.add("/".join(parts[:position]))
    names = (f"/katas/{kata.name}", f"/{kata.name}", f"/{kata.short_name}")
    for name in names:
        if fitting := [folder for folder in found if f"/{folder}".endswith(name)]:
            return min(fitting, key=lambda folder: (len(folder), folder)) + "/"
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


def changed_at(path: pathlib.Path) -> dt.datetime:
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


def unreadable(path: pathlib.Path, error: OSError) -> str:
    return f"{path} cannot be read: {error.strerror}; give this user access"


def squeezed(text: str) -> str:
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).casefold()))


# Earlier looks


def last_look(store: Store, kind: str, learner: str) -> Look | None:
    text = store.fact(f"look:{kind}:{learner}")
    if text is None:
        return None
    at, head, katas = json.loads(text)
    if isinstance(katas, list):  # as they were kept at first
        katas = dict.fromkeys(katas, at)
    moments = {name: dt.datetime.fromisoformat(moment) for name, moment in katas.items()}
    return Look(dt.datetime.fromisoformat(at), head, moments)


def remember(
    store: Store, kind: str, learner: str, now: dt.datetime, katas: Sequence[Kata] = (),
    head: str = "",
) -> None:  # fmt: skip
    """Notes a look at a learner's source; of katas that were left out the earlier one stays."""
    before = last_look(store, kind, learner)
    moments = {**(before.katas if before else {}), **{kata.name: now for kata in katas}}
    told = {name: moment.isoformat() for name, moment in moments.items()}
    store.set_fact(f"look:{kind}:{learner}", json.dumps([now.isoformat(), head, told]))


def _of_id(cohort: Cohort, id: str) -> Learner | None:
    with contextlib.suppress(UsageError):
        return cohort.roster.get(id)
    return None
