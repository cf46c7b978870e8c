"""The files that a kata began with: found again, and put back."""

import io
import os
import pathlib
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from datetime import datetime

from grader.catalog import Kata
from grader.errors import GraderError, UsageError
from grader.progress import FOLDER
from grader.submission import diff, editable_files, hash_files


def find(kata: Kata, root: pathlib.Path, copy: pathlib.Path | None = None) -> Mapping[str, bytes]:
    """The starter's files, from a fresh copy of the repository or else from git's history.

    Wherever they come from, they must have the hash that kata.toml names. Raises `UsageError`.
    """
    if copy is not None:
        folder = copy / "katas" / kata.name
        files = editable_files(kata, folder if folder.is_dir() else copy)
        if hash_files(files) == kata.contract.starter:
            return files
        raise UsageError(
            f"{copy} does not hold the starter of {kata.short_name} as kata.toml names it; "
            "take a fresh copy of the same version"
        )
    for files in _versions(kata, root):
        if hash_files(files) == kata.contract.starter:
            return files
    raise UsageError(
        f"the starter of {kata.short_name} is in no git history here; unpack a fresh copy of the "
        f"same version elsewhere, then: kata reset {kata.short_name} --from COPY"
    )


def put_back(kata: Kata, root: pathlib.Path, starter: Mapping[str, bytes]) -> pathlib.Path | None:
    """Makes the starter the learner's version; returns the patch from it to what was there.

    None if there was nothing to change. The patch is written first: without it nothing changes.
    """
    mine = editable_files(kata, kata.folder)
    if hash_files(mine) == kata.contract.starter:
        return None
    base = pathlib.Path(os.path.realpath(kata.folder))
    for name in {**starter, **mine}:
        if not pathlib.Path(os.path.realpath((kata.folder / name).parent)).is_relative_to(base):
            raise UsageError(f"{kata.name}: {name} lies behind a link that leaves the folder; "
                             "remove the link, then reset again")  # fmt: skip
    inside = kata.folder.relative_to(root).as_posix()
    before, after = (
        {f"{inside}/{name}": content for name, content in files.items()}
        for files in (starter, mine)
    )
    patch = root / FOLDER / f"{kata.short_name}-{datetime.now():%Y%m%d-%H%M%S}.patch"
    try:
        patch.parent.mkdir(exist_ok=True)
        with patch.open("xb") as stream:
            stream.write(diff(before, after).encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise GraderError(
            f"{patch} cannot be written: {error.strerror}; {kata.short_name} is as it was"
        ) from None
    try:
        for name in {**starter, **mine}:
            # Also a link to nothing, through which the starter would be written elsewhere.
            if name not in starter or (kata.folder / name).is_symlink():
                (kata.folder / name).unlink()
        for name, content in starter.items():
            (kata.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (kata.folder / name).write_bytes(content)
    except OSError as error:
        raise GraderError(
            f"{error.filename} cannot be written: {error.strerror}; mend that and reset "
            f"{kata.short_name} again; your version is in {patch}"
        ) from None
    return patch


def _versions(kata: Kata, root: pathlib.Path) -> Iterator[dict[str, bytes]]:
    """The kata's editable files as the commits of any branch have them, the latest first."""
    inside = kata.folder.relative_to(root).as_posix()
    # Merged-in history counts as well: a fork's starters may come from there alone.
    commits = _git(root, "log", "--all", "--full-history", "--format=%H", "--", inside)
    for commit in commits.decode().split():
        packed = _git(root, "archive", "--format=tar", commit, "--", inside)
        if not packed:
            continue
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            files = {
                member.name.removeprefix(f"{inside}/"): archive.extractfile(member)
                for member in archive
                if member.isfile()
            }
            yield {
                name: stream.read()
                for name, stream in files.items()
                if stream and kata.is_editable(name)
            }


def _git(root: pathlib.Path, *arguments: str) -> bytes:
    """What git prints, or nothing where there is no git or no history."""
    try:
        return subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return b""
