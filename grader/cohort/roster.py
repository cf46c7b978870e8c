"""The roster: who learns here. The only place that holds a name or an e-mail address."""

import csv
import dataclasses
import difflib
import functools
import io
import pathlib
import re
from collections.abc import Iterator, Mapping, Sequence

from grader.errors import UsageError

ROSTER = "roster.csv"
_COLUMNS = ("id", "name", "email", "source")
_REQUIRED = ("id", "name")
#: An id is written into logs, exports and file names, so it may hold nothing else.
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_URL = re.compile(r"(https?|ssh|git|file)://.+|[\w.-]+@[\w.-]+:.+")
#: Enough to be told of at once.
_MAX_PROBLEMS = 50


@dataclasses.dataclass(frozen=True)
class Learner:
    """One row of the roster."""

    id: str
    name: str
    email: str = ""
    #: Where the work is collected: a git URL or a folder; "" where it arrives otherwise.
    source: str = ""
    #: Further columns by name, such as `moodle` or `canvas`: the id that those know.
    extra: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def is_git(self) -> bool:
        return is_git(self.source)


@dataclasses.dataclass(frozen=True)
class Roster:
    """The learners in the order of the file."""

    learners: Sequence[Learner]
    path: pathlib.Path

    @classmethod
    def read(cls, path: pathlib.Path) -> "Roster":
        """Reads a roster. Raises `UsageError` that names every bad row by its line."""
        try:
            text = path.read_bytes().decode("utf-8-sig")
        except FileNotFoundError:
            raise UsageError(
                f"{path} is not there; write it, with {','.join(_COLUMNS)} in the first line and "
                "a learner in each further one (kata cohort init --help says more)"
            ) from None
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            raise UsageError(f"{path}: line {line}: not UTF-8; save it as UTF-8") from None
        learners, problems = [], []
        seen: dict[tuple[str, str], int] = {}
        for line, row in _rows(path, text):
            if isinstance(row, str):
                problems.append(f"{path}: line {line}: {row}")
                continue
            learner = _learner(row)
            wrong = list(_problems(learner))
            for what, value in (("id", learner.id), ("email", learner.email),
                                ("source", learner.source)):  # fmt: skip
                first = seen.setdefault((what, value.casefold()), line)
                if value and first != line:
                    wrong.append(f"{what} {value!r} stands in line {first} already")
            problems += [f"{path}: line {line}: {each}" for each in wrong]
            learners.append(learner)
        if problems:
            left = len(problems) - _MAX_PROBLEMS
            more = [f"and {left} more"] if left > 0 else []
            raise UsageError("\n".join([*problems[:_MAX_PROBLEMS], *more]))
        return cls(learners, path)

    @property
    def ids(self) -> list[str]:
        return [learner.id for learner in self.learners]

    @functools.cached_property
    def _by_id(self) -> dict[str, Learner]:
        return {learner.id.casefold(): learner for learner in self.learners}

    def get(self, id: str) -> Learner:
        """The learner of that id. Raises `UsageError` with the nearest id."""
        if learner := self._by_id.get(id.casefold()):
            return learner
        near = difflib.get_close_matches(id.casefold(), self._by_id, 1)
        step = f"did you mean {self._by_id[near[0]].id}?" if near else "ids are in its column id"
        raise UsageError(f"there is no learner {id!r} in {self.path}; {step}")

    def chosen(self, ids: Sequence[str]) -> list[Learner]:
        """Learners by id; all of them for no ids."""
        named = {learner.id: learner for learner in map(self.get, ids)}
        return list(named.values()) or list(self.learners)


def is_git(source: str) -> bool:
    """Whether a source is a repository's URL rather than a folder."""
    return _URL.fullmatch(source) is not None


def _rows(path: pathlib.Path, text: str) -> Iterator[tuple[int, dict[str, str] | str]]:
    """Each row, or what is wrong with it, with the line that it begins on.

    Spreadsheets write `;` in some countries.
    """
    header, _, _ = text.partition("\n")
    delimiter = ";" if ";" in header and "," not in header else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    before = 0
    columns: list[str] = []
    try:
        for cells in reader:
            line, before = before + 1, reader.line_num
            cells = [" ".join(cell.split()) for cell in cells]
            if not any(cells):
                continue
            if not columns:
                columns = [cell.casefold() for cell in cells]
                if missing := set(_REQUIRED) - set(columns):
                    raise UsageError(
                        f"{path}: line {line}: no column {' and '.join(sorted(missing))}; the "
                        f"first line is {','.join(_COLUMNS)}"
                    )
                if twice := {each for each in columns if columns.count(each) > 1}:
                    raise UsageError(f"{path}: line {line}: column {', '.join(twice)} comes twice")
                continue
            if len(cells) > len(columns):
                told = f"{len(cells)} cells for {len(columns)} columns"
                yield line, f"{told}; put quotes around a cell that holds a comma"
                continue
            yield line, dict(zip(columns, cells, strict=False))
    except csv.Error as error:
        yield reader.line_num, f"not CSV: {error}"


def _learner(row: Mapping[str, str]) -> Learner:
    extra = {key: value for key, value in row.items() if key not in _COLUMNS}
    id, name, email, source = (row.get(column, "") for column in _COLUMNS)
    return Learner(id, name, email, source, extra)


def _problems(learner: Learner) -> Iterator[str]:
    if not _ID.fullmatch(learner.id):
        yield (
            f"id {learner.id!r}: an id is 1 to 64 letters, digits, dots, hyphens or underscores; "
            "it is written where a name must not be, so no e-mail address"
        )
    if not learner.name:
        yield "name is empty; write one, or the id again"
    for what in ("name", "email", "source"):
        if not getattr(learner, what).isprintable():
            yield f"{what} has characters that do not show"
    if learner.email and not _EMAIL.fullmatch(learner.email):
        yield f"email {learner.email!r} is no address"
    if learner.source.startswith("-") or ("::" in learner.source):
        yield f"source {learner.source!r} is neither a repository's URL nor a folder"
