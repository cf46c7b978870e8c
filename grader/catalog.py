"""What katas exist, and what each of them declares."""

import ast
import dataclasses
import difflib
import functools
import pathlib
import re
import string
import tomllib
from collections.abc import Sequence, Set
from typing import Annotated, Any, Self

import pydantic

from grader.errors import CatalogError, UsageError
from grader.upstreams.by_hand import FAULTS, KEYS, ByHand, Kind, parse_script

#: The two answers that every kata has.
STARTER, REFERENCE = "starter", "reference"
_LEVELS = {1: "warm-up", 2: "normal", 3: "hard"}
_Positive = Annotated[int, pydantic.Field(gt=0)]
_Id = Annotated[str, pydantic.Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
_Text = Annotated[str, pydantic.Field(min_length=1)]
_Variable = Annotated[str, pydantic.Field(pattern=r"^[A-Z][A-Z0-9_]*$")]
#: In a kata's README: one list item for each promise, beginning with the behaviour's id.
_PROMISE = re.compile(r"^[-*] `([a-z0-9-]+)`", re.MULTILINE)
_HINT = re.compile(
    r"<details>\s*<summary>\s*Hint \d[^<]*</summary>\s*(.*?)\s*</details>", re.DOTALL
)


#: What the box's own interpreter may take with the libraries that it keeps warm, in MB.
WARM_MB = 320


class _Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class Limits(_Model):
    """What one grading may use. Units are in the names."""

    wall_seconds: _Positive = 60
    behaviour_seconds: _Positive = 10
    cpu_seconds: _Positive = 30
    memory_mb: Annotated[int, pydantic.Field(ge=64)] = 768
    processes: Annotated[int, pydantic.Field(ge=4)] = 64
    disk_mb: _Positive = 64
    output_kb: _Positive = 1024

    @property
    def box_memory_mb(self) -> int:
        """The whole box: learner code, its files in memory, the warm interpreter beside it."""
        return self.memory_mb + self.disk_mb + WARM_MB


class Behaviour(_Model):
    """One hidden thing that must hold; its test is `test_` and the id with underscores."""

    id: _Id
    sentence: _Text
    #: What it costs in production where it does not hold; told to whose code fails at it.
    why: _Text
    group: _Text
    points: _Positive = 1


#: One key is for what an upstream does as usual.
_MAX_MENU = len(KEYS) - 1 - max(map(len, FAULTS.values()))
#: What `[serve]` may say for the service's address, the model to ask for, and a folder for files.
PLACEHOLDERS = {"url": "", "model": "", "scratch": ""}


def _check_script(text: str) -> str:
    parse_script(text)
    return text


def _check_template(text: str) -> str:
    try:
        string.Template(text).substitute(PLACEHOLDERS)
    except (KeyError, ValueError):
        known = ", ".join(f"${name}" for name in PLACEHOLDERS)
        raise ValueError(f"only {known} may stand in it; write $$ for a $") from None
    return text


_Script = Annotated[_Text, pydantic.AfterValidator(_check_script)]
_Template = Annotated[_Text, pydantic.AfterValidator(_check_template)]


class Upstream(_Model):
    """A scripted upstream to practise with, and the variables by which the kata's code finds it."""

    name: _Id
    kind: Kind
    url: _Variable
    key: _Variable | None = None
    model: _Variable | None = None
    #: One step: what it does without a fault. Otherwise it answers as all of its kind do.
    usual: _Text | None = None
    #: Scripts by what they do, beside the faults that all of its kind have.
    menu: Annotated[dict[_Text, _Script], pydantic.Field(max_length=_MAX_MENU)] = {}

    @pydantic.model_validator(mode="after")
    def _can_be_started(self) -> Self:
        ByHand(self.name, self.kind, 0, lambda line: None, self.usual, self.menu)
        return self


class Service(_Model):
    """What `kata serve` starts: an application under uvicorn, or a command that ends by itself."""

    app: Annotated[str, pydantic.Field(pattern=r"^[\w.]+:\w+$")] | None = None
    command: Annotated[list[_Template], pydantic.Field(min_length=1)] | None = None
    env: dict[_Variable, _Template] = {}
    #: For a shell: a request to try it with.
    try_: Annotated[_Template | None, pydantic.Field(alias="try")] = None

    @pydantic.model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.app is None) == (self.command is None):
            raise ValueError("give app or command, one of the two")
        return self


class _Contract(_Model):
    """kata.toml."""

    title: _Text
    pillar: Annotated[int, pydantic.Field(ge=1, le=7)]
    level: Annotated[int, pydantic.Field(ge=1, le=3)]
    minutes: _Positive
    concepts: Annotated[list[_Text], pydantic.Field(min_length=1)]
    editable: Annotated[list[_Text], pydantic.Field(min_length=1)]
    #: What lies beside those in the box as it is: data, say.
    fixed: list[_Text] = []
    starter: str
    preload: list[_Text] = []
    #: How many boxes may try behaviours at once; each still has a clean one to itself.
    side_by_side: Annotated[int, pydantic.Field(ge=1, le=8)] = 1
    limits: Limits = Limits()
    upstreams: list[Upstream] = []
    serve: Service | None = None
    behaviours: Annotated[list[Behaviour], pydantic.Field(min_length=1)]


@dataclasses.dataclass(frozen=True)
class Wrong:
    """A plausible wrong answer, and the behaviours at which it must fail.

    Its folder holds what differs from `over`: another answer, or the starter.
    """

    attempt: str
    fails: Sequence[str]
    over: str = REFERENCE


@dataclasses.dataclass(frozen=True)
class Kata:
    """One kata: the learner's folder and, where it is present, the solutions' folder."""

    name: str  # "03-llms-embeddings-retrieval/flaky-provider"
    folder: pathlib.Path
    solutions: pathlib.Path
    contract: _Contract

    @property
    def short_name(self) -> str:
        return self.name.partition("/")[2]

    @property
    def level_name(self) -> str:
        return _LEVELS[self.contract.level]

    @property
    def limits(self) -> Limits:
        return self.contract.limits

    @property
    def behaviours(self) -> Sequence[Behaviour]:
        return self.contract.behaviours

    @property
    def required_files(self) -> list[str]:
        """The editable paths that a submission must have."""
        return [path for path in self.contract.editable if not _is_glob(path)]

    def is_editable(self, path: str) -> bool:
        return any(_matches(pattern, path) for pattern in self.contract.editable)

    def is_fixed(self, path: str) -> bool:
        return any(_matches(pattern, path) for pattern in self.contract.fixed)

    @property
    def readme(self) -> str:
        """Its text. Raises `CatalogError` where there is none to be read."""
        path = self.folder / "README.md"
        try:
            return path.read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            raise CatalogError(
                f"{path} cannot be read; to have it back: git checkout -- {path}"
            ) from None

    @property
    def promises(self) -> list[str]:
        """Ids of the behaviours that the README's section "What must hold" promises."""
        _, _, rest = self.readme.partition("\n## What must hold")
        return _PROMISE.findall(rest.partition("\n## ")[0])

    @property
    def hints(self) -> list[str]:
        return _HINT.findall(self.readme)

    @property
    def has_hidden_tests(self) -> bool:
        """False in the learner edition, whose hidden tests are with the instructor."""
        return (self.solutions / "hidden").is_dir()

    @functools.cached_property
    def hidden_tests(self) -> dict[str, bytes]:
        """The files of hidden/. Raises `CatalogError` unless they test exactly what is declared."""
        folder = self.solutions / "hidden"
        if not self.has_hidden_tests:
            raise CatalogError(
                f"{self.name}: this copy has no hidden tests ({folder} is missing): they are with "
                "the instructor, or in a full clone"
            )
        files = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and "__pycache__" not in path.parts
        }
        _check_tests(self, folder, files)
        return files

    def starter_fails(self) -> Sequence[str]:
        """The behaviours at which the starter must fail: the symptom of the story."""
        path = self.solutions / "solutions.toml"
        fails: Sequence[str] = _read_toml(path).get("starter", {}).get("fails", [])
        if not fails or not set(fails) <= {behaviour.id for behaviour in self.behaviours}:
            raise CatalogError(f"{path}: [starter] fails = …: name behaviours of {self.name}")
        return fails

    def wrong(self) -> dict[str, Wrong]:
        """The wrong answers of solutions.toml by name."""
        entries = self._solutions("wrong", {"attempt", "fails"}, {"over"})
        wrong = {name: Wrong(**entry) for name, entry in entries.items()}
        right = {STARTER, REFERENCE, *(f"also_right/{name}" for name in self.also_right())}
        for name, entry in wrong.items():
            if entry.over not in right:
                raise CatalogError(
                    f"{self.solutions / 'solutions.toml'}: [wrong.{name}] over = {entry.over!r}: "
                    f"name one of {', '.join(sorted(right))}"
                )
        return wrong

    def answer(self, name: str) -> pathlib.Path:
        """The folder of an answer: "starter", "reference", "also_right/…" or "wrong/…"."""
        return self.folder if name == STARTER else self.solutions / name

    def laid_over(self, folder: pathlib.Path) -> pathlib.Path | None:
        """What the files in `folder` are laid over, if it is a wrong answer of this kata."""
        if folder.resolve().parent != (self.solutions / "wrong").resolve():
            return None
        wrong = self.wrong().get(folder.resolve().name)
        return self.answer(wrong.over) if wrong else None

    def also_right(self) -> dict[str, str]:
        """The alternative right answers of solutions.toml: their approach by name."""
        entries = self._solutions("also_right", {"approach"})
        return {name: entry["approach"] for name, entry in entries.items()}

    def _solutions(
        self, kind: str, keys: set[str], optional: Set[str] = frozenset()
    ) -> dict[str, dict[str, Any]]:
        path = self.solutions / "solutions.toml"
        entries: dict[str, dict[str, Any]] = _read_toml(path).get(kind, {})
        folders = self.solutions / kind
        present = {folder.name for folder in folders.iterdir()} if folders.is_dir() else set()
        if present != set(entries):
            differing = ", ".join(sorted(present ^ set(entries)))
            raise CatalogError(f"{path}: [{kind}.…] and {folders} differ in {differing}")
        for name, entry in entries.items():
            if set(entry) - optional != keys:
                raise CatalogError(f"{path}: [{kind}.{name}] needs exactly: {', '.join(keys)}")
            known = {behaviour.id for behaviour in self.behaviours}
            if unknown := set(entry.get("fails", known)) - known or not entry.get("fails", known):
                raise CatalogError(
                    f"{path}: [{kind}.{name}] fails = …: name behaviours of {self.name} ({unknown})"
                )
        return entries


class Catalog:
    """The katas below a repository's root, in the order of the path."""

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root

    @classmethod
    def find(cls, start: pathlib.Path) -> "Catalog":
        """The catalogue of the repository around `start`, or else around this package."""
        for folder in (start, *start.parents, *pathlib.Path(__file__).resolve().parents):
            if (folder / "katas").is_dir() and (folder / "pyproject.toml").is_file():
                return cls(folder)
        raise UsageError(f"no folder katas/ in {start} or above; start from a clone's folder")

    @functools.cached_property
    def katas(self) -> list[Kata]:
        """All katas. Raises `CatalogError` for the first whose kata.toml is wrong."""
        paths = sorted((self.root / "katas").glob("*/*/kata.toml"))
        return sorted(
            (self._load(path) for path in paths),
            key=lambda kata: (kata.contract.level, kata.contract.minutes, kata.name),
        )

    def get(self, name: str) -> Kata:
        """A kata by its full or short name, or by the path of a file or folder of it.

        Raises `UsageError` with the nearest names.
        """
        if (inside := pathlib.Path(name).resolve()).exists():
            for kata in self.katas:
                if inside.is_relative_to(kata.folder.resolve()):
                    return kata
        if name == ".":
            raise UsageError("name a kata (kata list shows them), or start from its folder")
        wanted = name.replace("\\", "/").strip("/").removeprefix("katas/")
        for kata in self.katas:
            if wanted in (kata.name, kata.short_name):
                return kata
        known = [kata.short_name for kata in self.katas]
        nearest = difflib.get_close_matches(wanted.rpartition("/")[2], known, 3, 0.4) or known
        raise UsageError(f"there is no kata {name!r}; did you mean {' or '.join(nearest)}?")

    def _load(self, path: pathlib.Path) -> Kata:
        document = _read_toml(path)
        try:
            contract = _Contract.model_validate(document)
        except pydantic.ValidationError as error:
            raise CatalogError(_explain(path, error)) from None
        folder = path.parent
        name = f"{folder.parent.name}/{folder.name}"
        if folder.parent.name.partition("-")[0] != f"{contract.pillar:02}":
            raise CatalogError(f"{path}: pillar = {contract.pillar}: the folder says otherwise")
        ids = [behaviour.id for behaviour in contract.behaviours]
        if twice := {id for id in ids if ids.count(id) > 1}:
            raise CatalogError(f"{path}: behaviours: declared twice: {', '.join(twice)}")
        names = [upstream.name for upstream in contract.upstreams]
        if twice := {name for name in names if names.count(name) > 1}:
            raise CatalogError(f"{path}: upstreams: declared twice: {', '.join(twice)}")
        return Kata(name, folder, self.root / "solutions" / name, contract)


def _read_toml(path: pathlib.Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise CatalogError(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CatalogError(f"{path} is not TOML: {error}") from None


def _explain(path: pathlib.Path, error: pydantic.ValidationError) -> str:
    """Every error of a kata.toml: file, key, and how to mend it."""
    lines = []
    for problem in error.errors():
        key = ".".join(str(part) for part in problem["loc"])
        fix = f"{problem['msg'][0].lower()}{problem['msg'][1:]}"
        if problem["type"] == "extra_forbidden":
            models = (_Contract, Limits, Behaviour, Upstream, Service)
            known = [key for model in models for key in model.model_fields]
            near = difflib.get_close_matches(str(problem["loc"][-1]), known, 1)
            fix = "there is no such key" + (f"; did you mean {near[0]}?" if near else "; remove it")
        elif problem["type"] == "missing":
            fix = "is missing; add it (CONTRIBUTING.md shows a whole kata.toml)"
        else:
            fix += f" (it is {problem['input']!r})"
        lines.append(f"{path}: {key}: {fix}")
    return "\n".join(lines)


def _check_tests(kata: Kata, folder: pathlib.Path, files: dict[str, bytes]) -> None:
    tests: list[str] = []
    for name, content in files.items():
        if not name.endswith(".py"):
            continue
        try:
            tree = ast.parse(content, name)
        except SyntaxError as error:
            raise CatalogError(f"{folder / name}: line {error.lineno}: {error.msg}") from None
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                tests.append(node.name.removeprefix("test_").replace("_", "-"))
            if isinstance(node, ast.Assert) and node.msg is None:
                raise CatalogError(
                    f"{folder / name}: line {node.lineno}: an assert without a message teaches "
                    "nothing; use expect(…, observed=…, expected=…)"
                )
    declared = {behaviour.id for behaviour in kata.behaviours}
    for problem, ids in (
        ("is declared in kata.toml but not tested; add its test", declared - set(tests)),
        ("is tested but not declared in kata.toml; declare it", set(tests) - declared),
        ("is tested twice; keep one test", {id for id in tests if tests.count(id) > 1}),
    ):
        if ids:
            raise CatalogError(f"{folder}: behaviour {', '.join(sorted(ids))} {problem}")


def _is_glob(pattern: str) -> bool:
    return any(sign in pattern for sign in "*?[")


def _matches(pattern: str, path: str) -> bool:
    """Glob matching on whole paths: `*` stays within a folder, `**/` spans any number of them."""
    expression = ""
    for part in re.split(r"(\*\*/|\*|\?)", pattern):
        expression += {"**/": "(?:[^/]+/)*", "*": "[^/]*", "?": "[^/]"}.get(part, re.escape(part))
    return re.fullmatch(expression, path) is not None
