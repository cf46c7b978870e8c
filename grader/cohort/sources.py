"""Hand-ins from the repositories and folders that the roster names.

A repository is cloned bare, and read object by object: nothing in it is checked out or run.
"""

import contextlib
import dataclasses
import datetime as dt
import os
import pathlib
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from grader.catalog import Kata
from grader.cohort.collect import (
    Collected,
    SourceTrouble,
    Work,
    from_folder,
    keep_hand_in,
    last_look,
    remember,
    unreadable,
)
from grader.cohort.config import Cohort
from grader.cohort.roster import Learner
from grader.cohort.store import Store
from grader.errors import RefusedSubmission
from grader.submission import IGNORED_FOLDERS, MAX_BYTES, of_files

_CLONES_AT_ONCE = 8
_GIT_SECONDS = 300
#: `git ls-tree -l -z`: mode, type, object, size (or -), path.
_LISTED = re.compile(rb"(\d+) (\w+) ([0-9a-f]+) +(\d+|-|BAD)\t(.+)", re.DOTALL)


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
            look = last_look(store, "folder", learner.id)
            try:
                if not folder.is_dir():
                    missing = f"the folder {folder} is not there"
                    yield Collected(learner.id, "", "trouble", missing)
                    continue
                yield from from_folder(
                    cohort, store, learner.id, folder, katas, now, "folder", look
                )
                remember(store, "folder", learner.id, now, katas)
            except OSError as error:
                yield Collected(learner.id, "", "trouble", unreadable(folder, error))

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
                told = keep_hand_in(store, learner.id, version.kata, version.work, version.at,
                             f"git {version.commit}", now, starter_counts=False)  # fmt: skip
                # Of the states at the due time and at the cut-off the better news is told.
                if told.kata not in kept or told.state in ("new", "refused"):
                    kept[told.kata] = told
            yield from kept.values()
            if not kept:
                yield Collected(learner.id, "", "absent", "no kata in the repository by then")
            remember(store, "git", learner.id, now, head=head)


# Git


@dataclasses.dataclass(frozen=True)
class _Version:
    kata: Kata
    work: Work
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
    look = last_look(store, "git", learner.id)
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

    def work(self, commit: str, kata: Kata, place: str) -> Work | None:
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
