"""Hand-ins from what Moodle and Canvas export of an assignment."""

import contextlib
import datetime as dt
import functools
import pathlib
import re
import zipfile
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Literal

from grader.catalog import Kata
from grader.cohort.archive import DAMAGED, MAX_PACKED, zipped_name
from grader.cohort.collect import (
    Collected,
    Origin,
    SourceTrouble,
    changed_at,
    file_content,
    from_files,
    squeezed,
)
from grader.cohort.config import Cohort
from grader.cohort.roster import Learner
from grader.cohort.store import Store
from grader.errors import RefusedSubmission, UsageError

_MOODLE = re.compile(r"(?P<name>.+)_(?P<id>\d+)_assignsubmission_(?P<type>[a-z]+)_?(?P<rest>.*)")
_CANVAS = re.compile(
    r"(?:(?P<name>[^_]+)_)?(?P<late>late_)?(?P<id>\d+)_(?P<file>\d+)_(?P<rest>.+)", re.IGNORECASE
)


def from_moodle(
    cohort: Cohort, store: Store, export: pathlib.Path, katas: Sequence[Kata],
    now: dt.datetime, at: dt.datetime | None = None, only: Collection[str] | None = None,
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
    yield from _from_export(cohort, store, export, katas, now, at, only, "moodle", _MOODLE)


def from_canvas(
    cohort: Cohort, store: Store, export: pathlib.Path, katas: Sequence[Kata],
    now: dt.datetime, at: dt.datetime | None = None, only: Collection[str] | None = None,
) -> Iterator[Collected]:  # fmt: skip
    """Collects Canvas' "Download Submissions", as a zip or unpacked.

    Its names, by `ContentZipper` (instructure/canvas-lms, lib/content_zipper.rb): files without
    folders, "lastfirst_LATE_USER_FILE_NAME", where "LATE_" is there only if it was late, USER and
    FILE are Canvas' numbers, and NAME gets "-1" and so on when the same name is handed in again.
    The name is the sortable one in small letters without spaces; anonymous grading leaves it out.
    A roster with a column `canvas` is matched by USER, any other by the name. When something was
    handed in is not told, but for "LATE".
    """
    yield from _from_export(cohort, store, export, katas, now, at, only, "canvas", _CANVAS)


def _from_export(
    cohort: Cohort, store: Store, export: pathlib.Path, katas: Sequence[Kata], now: dt.datetime,
    at: dt.datetime | None, only: Collection[str] | None, system: Literal["moodle", "canvas"],
    scheme: re.Pattern[str],
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
            candidates = names.get(squeezed(people[person]), [])
            owner = ids.get(person) or (candidates[0] if len(candidates) == 1 else None)
            if owner is None:
                why = "more than one" if candidates else "nobody"
                told = (f"number {person} of {export.name}, {people[person] or 'without a name'}, "
                        f"fits {why} in the roster; put {person} into a column {system} there"
                        )  # fmt: skip
                yield Collected("", "", "trouble", told)
                continue
            if only is not None and owner.id not in only:
                continue
            origin = Origin(f"{system} {export.name}", at or newest, now, person in late,
                             certain=at is not None)  # fmt: skip
            try:
                yield from from_files(cohort, store, owner.id, files, katas, origin)
            except SourceTrouble as error:
                yield Collected(owner.id, "", "trouble", str(error))


def _members(
    export: pathlib.Path, stack: contextlib.ExitStack
) -> Iterator[tuple[str, dt.datetime, Callable[[], bytes]]]:
    """Path, time and content of everything in an export: a zip, or the folder it was."""
    if export.is_dir():
        for place in sorted(export.rglob("*")):
            if place.is_file() and not place.is_symlink():
                name = place.relative_to(export).as_posix()
                yield name, changed_at(place), functools.partial(file_content, place)
        return
    try:
        archive = stack.enter_context(zipfile.ZipFile(export))
        for member in archive.infolist():
            if not member.is_dir():
                try:
                    # Zip has local times, of whoever made it.
                    made = dt.datetime(*member.date_time).astimezone(dt.UTC)
                except ValueError:
                    made = changed_at(export)
                yield (
                    zipped_name(member),
                    made,
                    functools.partial(_unzipped, export, archive, member),
                )
    except OSError as error:
        raise UsageError(f"{export} cannot be read: {error.strerror}") from None
    except DAMAGED:
        raise UsageError(f"{export} is not a whole zip; download it again") from None


def _unzipped(export: pathlib.Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    try:
        with archive.open(member) as stream:
            content = stream.read(MAX_PACKED + 1)
    except DAMAGED:
        told = f"an upload cannot be read from {export.name}; download it again"
        raise SourceTrouble(told) from None
    if len(content) > MAX_PACKED:
        raise RefusedSubmission(f"the uploaded file is larger than {MAX_PACKED // 1024**2} MB")
    return content


def _forms(name: str, system: str) -> Iterator[str]:
    """How a name of the roster may be written in an export."""
    yield squeezed(name)
    words = name.replace(",", " ").split()
    if system == "canvas":
        # "Ada King Lovelace" is sorted as "Lovelace, Ada King" or "King Lovelace, Ada".
        yield from {squeezed("".join(words[n:] + words[:n])) for n in range(1, len(words))}
