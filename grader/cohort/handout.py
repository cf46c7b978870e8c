"""The learner edition: the repository without its solutions, as a git repository of one commit.

It has no hidden tests at all. The other way, a sealed judge image, cannot be proved: whoever holds
an image can open it. What is not there needs no seal.
"""

import dataclasses
import io
import os
import pathlib
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Iterator

from grader.catalog import Catalog
from grader.errors import CatalogError, GraderError, UsageError
from grader.submission import editable_files, hash_files

#: Top folders that learners do not get: spoilers, and what tests the project with their help.
LEFT_OUT = frozenset({"solutions", "tests", ".github", ".ci"})
_NOTE = """
> **Learner edition.** The hidden tests and the solutions are with your instructor. Here
> `nox -s grade` runs the visible tests of a kata; hand in as your course tells you. Whatever this
> page says about `solutions/`, `nox -s tests` and `nox -s verify` is about the full edition.
"""
#: A passage is so many lines of code in a row, of so many characters at least.
_PASSAGE_LINES, _PASSAGE_CHARACTERS = 4, 90


@dataclasses.dataclass(frozen=True)
class Handout:
    """What was handed out, and from which commit of the full edition."""

    folder: pathlib.Path
    source: str
    commit: str
    files: int
    #: Every object of the new repository was read for spoilers.
    objects: int


def hand_out(catalog: Catalog, to: pathlib.Path) -> Handout:
    """Writes the learner edition of the last commit to the new folder `to`.

    Raises `UsageError` where there is no commit or `to` is in use, and `CatalogError` where a kata
    is not its starter or a spoiler stands in what learners would get. Then nothing is written.
    """
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise UsageError(f"{to} is not empty; name a new folder with --to")
    if not any((catalog.root / "solutions").glob("*/*/hidden")):
        raise UsageError(f"{catalog.root} has no solutions; hand out from a full clone")
    source = _git(catalog.root, "rev-parse", "HEAD").decode().strip()
    to = to.resolve()
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".handout-", dir=to.parent) as folder:
        new = pathlib.Path(folder) / "edition"
        files = _unpack(_git(catalog.root, "archive", "--format=tar", "HEAD"), new)
        _check_starters(Catalog(new))
        readme = new / "README.md"
        if readme.is_file():
            title, _, rest = readme.read_text("utf-8").partition("\n")
            readme.write_text(f"{title}\n{_NOTE}{rest}", "utf-8")
        commit = _commit(new)
        objects = list(contents(new))
        _check_spoilers(catalog.root, new, objects)
        if to.exists():
            to.rmdir()
        shutil.move(new, to)
    return Handout(to, source, commit, files, len(objects))


def is_dirty(root: pathlib.Path) -> bool:
    """Whether there are changes that no commit has yet, and so no learner edition."""
    return bool(_git(root, "status", "--porcelain", "--untracked-files=no"))


def contents(repository: pathlib.Path) -> Iterator[bytes]:
    """Every object that a git repository holds, reachable or not."""
    stream = io.BytesIO(_git(repository, "cat-file", "--batch-all-objects", "--batch"))
    while head := stream.readline():
        yield stream.read(int(head.split()[2]))
        stream.readline()


def _unpack(packed: bytes, folder: pathlib.Path) -> int:
    """Lays the files that learners get; returns their number."""
    count = 0
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        names = [pathlib.PurePosixPath(name) for name in archive.getnames()]
        # A cohort that was set up inside the repository: its roster names people.
        cohorts = [name.parent for name in names if name.name == "cohort.toml"]
        for member, name in zip(archive, names, strict=True):
            private = any(name.is_relative_to(cohort) for cohort in cohorts)
            if member.isdir() or name.parts[0] in LEFT_OUT or private:
                continue
            stream = archive.extractfile(member) if member.isfile() else None
            if stream is None:
                raise CatalogError(f"{member.name} is no regular file; a handout cannot have it")
            path = folder / member.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(stream.read())
            path.chmod(0o755 if member.mode & 0o100 else 0o644)
            count += 1
    return count


def _check_starters(catalog: Catalog) -> None:
    """A kata that somebody has solved in the full edition must not go out as its own starter."""
    solved = [
        kata.name
        for kata in catalog.katas
        if hash_files(editable_files(kata, kata.folder)) != kata.contract.starter
    ]
    if solved:
        raise CatalogError(
            f"not the starter that kata.toml names: {', '.join(solved)}; put it back "
            "(kata reset KATA) and commit, then hand out again"
        )


def _check_spoilers(root: pathlib.Path, new: pathlib.Path, objects: Iterable[bytes]) -> None:
    """Raises `CatalogError` if a passage of a hidden test or an answer is in any object."""
    starters = {
        passage
        for path in (new / "katas").rglob("*")
        if path.is_file()
        for passage in _passages(path.read_bytes())
    }
    spoilers = {
        passage: path
        for path in sorted((root / "solutions").rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
        for passage in _passages(path.read_bytes())
        if passage not in starters or "hidden" in path.parts
    }
    for content in objects:
        for passage in _passages(content):
            if passage in spoilers:
                lines = b" / ".join(passage).decode("utf-8", "replace")
                raise CatalogError(
                    f"a passage of {spoilers[passage].relative_to(root)} stands outside "
                    f"solutions/ as well, so learners would get it: {lines[:200]}; take it away "
                    "there and commit, then hand out again"
                )


def _passages(content: bytes) -> Iterator[tuple[bytes, ...]]:
    """Runs of lines that two files do not share by chance: neither imports nor blank ones."""
    lines = [line.strip() for line in content.splitlines()]
    lines = [line for line in lines if line and not line.startswith((b"import ", b"from "))]
    for run in zip(*(lines[offset:] for offset in range(_PASSAGE_LINES)), strict=False):
        if sum(map(len, run)) >= _PASSAGE_CHARACTERS:
            yield run


def _commit(folder: pathlib.Path) -> str:
    """Makes the folder a git repository with one commit; returns its id."""
    _git(folder, "init", "--quiet", "--initial-branch=main", "--template=")
    _git(folder, "add", "--all", "--force")
    _git(folder, "commit", "--quiet", "--no-verify", "--message", "The katas: learner edition")
    return _git(folder, "rev-parse", "HEAD").decode().strip()


def _git(folder: pathlib.Path, *arguments: str) -> bytes:
    """What git prints, with nobody's settings. Raises `UsageError` with git's own words."""
    who = {"NAME": "Kata handout", "EMAIL": "handout@example.org"}
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
        **{f"GIT_AUTHOR_{key}": value for key, value in who.items()},
        **{f"GIT_COMMITTER_{key}": value for key, value in who.items()},
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "LC_ALL": "C",
    }
    try:
        return subprocess.run(
            ["git", "-C", str(folder), *arguments], env=environment, capture_output=True, check=True
        ).stdout
    except FileNotFoundError:
        raise GraderError("there is no git here; install it, then hand out again") from None
    except subprocess.CalledProcessError as error:
        why = (error.stderr.decode("utf-8", "replace").strip().splitlines() or ["no reason"])[-1]
        raise UsageError(f"git {arguments[0]} in {folder}: {why}") from None
