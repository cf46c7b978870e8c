"""A small cohort on the toy kata, made by the test that needs one."""

import datetime as dt
import io
import pathlib
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Mapping

from grader.catalog import Catalog, Kata
from grader.cohort import collect, config
from grader.cohort.config import Cohort
from grader.cohort.store import Store
from tests.commands import root_of

DUE = dt.datetime(2026, 10, 26, 22, 59, tzinfo=dt.UTC)
BEFORE, AFTER = DUE - dt.timedelta(days=1), DUE + dt.timedelta(days=1)
NAME = "01-toy/adder"
_CONFIG = """\
name = "Toys"
time_zone = "Europe/Berlin"
{options}
[late]
grace_minutes = 15
percent_per_day = 10
cut_off_days = 7
{katas}
"""
_KATA = '[[katas]]\nname = "{}"\ndue = 2026-10-26T23:59:00\n'


def make(toy: Kata, roster: str, options: str = "", katas: tuple[str, ...] = ("adder",)) -> Cohort:
    """A cohort beside the toy's repository; `roster` is what follows the header."""
    folder = root_of(toy).parent / "cohort"
    folder.mkdir()
    listed = "".join(map(_KATA.format, katas))
    (folder / config.CONFIG).write_text(_CONFIG.format(options=options, katas=listed))
    (folder / "roster.csv").write_text(f"id,name,email,source,moodle,canvas\n{roster}")
    return Cohort.find(folder, Catalog(root_of(toy)))


def second_kata(toy: Kata) -> None:
    """A copy of the toy kata under another title, so that there are two."""
    for part in ("katas", "solutions"):
        place = root_of(toy) / part / "01-toy"
        shutil.copytree(place / "adder", place / "adder-two")
    contract = root_of(toy) / "katas/01-toy/adder-two/kata.toml"
    contract.write_text(contract.read_text().replace("The adder", "The other adder"))


def kept(store: Store) -> list[tuple[str, str, str]]:
    """Learner, short name of the kata, and what the hand-in was: text of adder.py, or refusal."""
    found = []
    for each in store.hand_ins():
        text = each.refusal
        if each.submission:
            text = store.submission(each.kata, each.submission).files["adder.py"].decode()
        found.append((each.learner, each.kata.partition("/")[2], text or ""))
    return found


def zipped(files: Mapping[str, str | bytes]) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return whole.getvalue()


def tarred(files: Mapping[str, str | tarfile.TarInfo], mode: str = "w:gz") -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            if isinstance(content, tarfile.TarInfo):
                archive.addfile(content)
                continue
            member = tarfile.TarInfo(name)
            member.size = len(content.encode())
            archive.addfile(member, io.BytesIO(content.encode()))
    return whole.getvalue()


def write(folder: pathlib.Path, files: Mapping[str, str | bytes]) -> pathlib.Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def drop(
    cohort: Cohort, at: dt.datetime | None = BEFORE, katas: str = "", now: dt.datetime = AFTER
) -> list[collect.Collected]:
    """What comes of the drop folder "in" beside the settings."""
    with cohort.store() as store:
        chosen = cohort.chosen(katas.split())
        return list(collect.from_drop(cohort, store, cohort.folder / "in", chosen, now, at))


def zipped_link() -> bytes:
    """An archive whose only file is a link that leads out."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        member = zipfile.ZipInfo("adder.py")
        member.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(member, "/etc/passwd")
    return whole.getvalue()
