"""What an instructor may want to look at: similar work, the same bytes, chance, attacks.

Every finding is a lead and no verdict: people help each other, tasks have few good answers, and
honest code crashes. Nothing here changes a mark.

Similarity is winnowing (Schleimer, Wilkerson, Aiken: Winnowing, SIGMOD 2003), as MOSS does it:
names, numbers and texts do not count, and what the starter or the reference has, or many learners,
is passed over.
"""

import ast
import collections
import dataclasses
import datetime as dt
import itertools
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from grader import __version__, grading
from grader.catalog import REFERENCE, STARTER, Kata
from grader.cohort.config import Cohort
from grader.cohort.feedback import visible
from grader.cohort.records import Edition, Grading, HandIn
from grader.cohort.report import Secrets, templates
from grader.cohort.store import Store
from grader.cohort.winnowing import MOST_BYTES, fingerprints, side_by_side, text_of, tokens
from grader.engines.base import Engine
from grader.errors import GraderError
from grader.submission import Submission, collect
from grader.verdict import Cause, Outcome

#: Its page's name in the cohort's folder.
LEADS = "leads.html"
#: A pair needs so many fingerprints in common, and each of the two so many at all.
_LEAST = 8
#: What so many learners have, or this share of them, is how it is done, not where it is from.
_COMMON, _COMMON_SHARE = 10, 0.02


@dataclasses.dataclass(frozen=True)
class Owner:
    """Who handed in something, and when for the first time."""

    learner: str
    at: dt.datetime


@dataclasses.dataclass(frozen=True)
class Same:
    """The same bytes from several learners, or those of a published answer."""

    kata: str
    submission: str
    owners: Sequence[Owner]
    #: "reference" and so on, where that is what they are.
    answer: str = ""


@dataclasses.dataclass(frozen=True)
class Similar:
    """Two learners' latest works that share passages which few others have."""

    kata: str
    #: The earlier one first.
    owners: tuple[Owner, Owner]
    submissions: tuple[str, str]
    shared: int
    #: Of the smaller work's own fingerprints.
    percent: int


@dataclasses.dataclass(frozen=True)
class Chance:
    """Gradings of one work that came out differently with other seeds."""

    kata: str
    owners: Sequence[Owner]
    #: Behaviours that did not always come out alike, with "passed of tried".
    behaviours: Mapping[str, str]
    seeds: Sequence[int]


@dataclasses.dataclass(frozen=True)
class Tried:
    """Traces of what the attack suite knows."""

    kata: str
    owners: Sequence[Owner]
    traces: Sequence[str]


@dataclasses.dataclass(frozen=True)
class Leads:
    """All leads of a cohort. `chance` is None where nothing was graded again."""

    same: Sequence[Same]
    similar: Sequence[Similar]
    tried: Sequence[Tried]
    chance: Sequence[Chance] | None = None
    #: Works that were graded again.
    tried_again: int = 0


def find(cohort: Cohort, store: Store, katas: Sequence[Kata], percent: int = 50) -> Leads:
    """Leads in what was handed in for these katas; similar from `percent` of the smaller work."""
    listed = set(cohort.roster.ids)
    same: list[Same] = []
    similar: list[Similar] = []
    tried: list[Tried] = []
    for kata in katas:
        hand_ins = [each for each in store.hand_ins(katas=[kata.name]) if each.learner in listed]
        owners = _owners(hand_ins)
        works = {hash: store.submission(kata.name, hash) for hash in owners}
        same += _same(kata, owners)
        similar += _similar(kata, hand_ins, works, percent)
        tried += _tried(kata, store, hand_ins, owners, works)
    return Leads(
        sorted(same, key=lambda each: (not each.answer, -len(each.owners))),
        sorted(similar, key=lambda each: (-each.percent, -each.shared)),
        sorted(tried, key=lambda each: (-len(each.traces), each.kata)),
    )


def _owners(hand_ins: Iterable[HandIn]) -> dict[str, list[Owner]]:
    """Who handed in each submission (hash), the first one first."""
    owners: dict[str, dict[str, Owner]] = {}
    for each in hand_ins:
        if each.submission is not None:
            mine = owners.setdefault(each.submission, {})
            mine.setdefault(each.learner, Owner(each.learner, each.at))
    return {
        hash: sorted(mine.values(), key=lambda each: (each.at, each.learner))
        for hash, mine in owners.items()
    }


def published(kata: Kata) -> dict[str, Submission]:
    """The answers that stand in the repository, but for those that are meant to be wrong."""
    names = [STARTER, REFERENCE, *(f"also_right/{name}" for name in kata.also_right())]
    return {name: collect(kata, kata.answer(name)) for name in names}


def _same(kata: Kata, owners: Mapping[str, Sequence[Owner]]) -> Iterator[Same]:
    known = {work.hash: name for name, work in published(kata).items()}
    for hash, mine in owners.items():
        answer = known.get(hash, "")
        if answer != STARTER and (answer or len(mine) > 1):
            yield Same(kata.name, hash, mine, answer)


# Similarity


def _similar(
    kata: Kata, hand_ins: Iterable[HandIn], works: Mapping[str, Submission], percent: int
) -> Iterator[Similar]:
    """Pairs of different learners' latest works, never those with the same bytes."""
    latest = {each.learner: each for each in hand_ins if each.submission}
    known = set[int]()
    for name, work in published(kata).items():
        if name in (STARTER, REFERENCE):
            known |= fingerprints(tokens(text_of(work))).keys()
    prints = {
        hash: fingerprints(tokens(text_of(works[hash]))).keys() - known
        for hash in {str(each.submission) for each in latest.values()}
    }
    most = max(_COMMON, int(_COMMON_SHARE * len(latest)))
    having: dict[int, list[str]] = {}
    for hash, mine in prints.items():
        for fingerprint in mine:
            having.setdefault(fingerprint, []).append(hash)
    by_work: dict[str, list[HandIn]] = {}
    for each in latest.values():
        by_work.setdefault(str(each.submission), []).append(each)
    common = {
        fingerprint
        for fingerprint, hashes in having.items()
        if sum(len(by_work[hash]) for hash in hashes) > most
    }
    own = {hash: len(mine - common) for hash, mine in prints.items()}
    shared: collections.Counter[tuple[str, str]] = collections.Counter()
    for fingerprint, hashes in having.items():
        if fingerprint not in common:
            shared.update(itertools.combinations(sorted(hashes), 2))
    for (one, other), count in shared.items():
        least = min(own[one], own[other])
        if count < _LEAST or 100 * count < percent * least:
            continue
        first, second = sorted(
            (min(by_work[hash], key=lambda each: each.at) for hash in (one, other)),
            key=lambda each: (each.at, each.learner),
        )
        if first.learner != second.learner:
            yield Similar(
                kata.name,
                (Owner(first.learner, first.at), Owner(second.learner, second.at)),
                (str(first.submission), str(second.submission)),
                count,
                round(100 * count / least),
            )


@dataclasses.dataclass(frozen=True)
class Pair:
    """A pair for the page, with the lines of both."""

    similar: Similar
    sides: tuple[list[tuple[str, bool]], ...]


def page(
    cohort: Cohort, store: Store, leads: Leads, now: dt.datetime, rename: Callable[[str], str],
    most: int = 50,
) -> str:  # fmt: skip
    """An HTML document with all leads, and side by side the works of the first `most` pairs."""
    secrets = Secrets(cohort.roster.learners)

    def struck(text: str, owners: Sequence[Owner]) -> str:
        return secrets.struck(text, [owner.learner for owner in owners])

    pairs = []
    for each in leads.similar[:most]:
        works = [store.submission(each.kata, hash) for hash in each.submissions]
        sides = tuple([(struck(line, each.owners), marked) for line, marked in side]
                      for side in side_by_side(works[0], works[1]))  # fmt: skip
        pairs.append(Pair(each, sides))
    return templates().get_template("integrity.html").render(
        cohort=cohort, leads=leads, pairs=pairs, now=now.astimezone(cohort.config.zone),
        who=lambda owner: rename(owner.learner), struck=struck,
        at=lambda owner: owner.at.astimezone(cohort.config.zone),
        title=lambda kata: cohort.catalog.get(kata).contract.title,
    )  # fmt: skip


# Attacks

#: What attacks of the suite do, by the modules that they import for it.
_MODULES = {
    "reaches for the test framework": ["_pytest", "pytest", "pluggy", "unittest"],
    "reaches for the grader's own modules": ["grader"],
    "reaches for built-in functions": ["builtins"],
    "searches the interpreter's objects": ["gc", "tracemalloc"],
    "looks at its callers": ["inspect", "bdb"],
    "calls the system's library by hand": ["ctypes"],
    "opens sockets of its own": ["socket", "ssl"],
    "works on memory, descriptors or terminals": ["mmap", "fcntl", "termios", "pty"],
    "changes its limits": ["resource"],
    "handles or sends signals": ["signal", "faulthandler"],
    "acts at the process's end": ["atexit"],
    "makes objects or code that run when read": ["pickle", "marshal"],
    "starts processes": ["multiprocessing", "webbrowser"],
    "changes how Python starts": ["site"],
}
#: By what they call, define or touch.
_NAMES = {
    "reaches for the test framework": ["AssertionError", "PYTEST_CURRENT_TEST"],
    "searches the interpreter's objects": ["__subclasses__", "get_objects"],
    "looks at its callers": ["_getframe", "f_back", "f_locals", "settrace", "setprofile"],
    "rewrites functions": ["__code__"],
    "changes how modules are found": ["meta_path", "path_hooks"],
    "changes its limits": ["setrlimit", "setrecursionlimit"],
    "handles or sends signals": ["kill", "killpg", "pthread_kill"],
    "ends the process on the spot": ["_exit"],
    "starts processes": ["fork", "setsid"],
    "works on memory, descriptors or terminals": ["dup2", "memfd_create"],
    "makes links, pipes or devices": ["mkfifo", "mknod", "symlink", "link", "chroot"],
    "makes objects or code that run when read": ["__reduce__", "__reduce_ex__"],
    "decides by itself what it is equal to": ["__eq__", "__array_ufunc__"],
    "replaces error reports": ["excepthook", "addaudithook"],
}
#: By what stands in their texts.
_TEXTS = {
    "reaches for the test framework": ["pytest", "conftest"],
    "reads what the system tells of processes": ["/proc", "/sys/", "/etc/"],
    "opens devices": ["/dev/"],
    "changes how Python starts": ["PYTHON", "sitecustomize"],
    "looks for tests, solutions or the grader": ["hidden", "solutions", "reference", "kata-"],
    "leaves its folder": [".."],
    "asks a cloud's metadata service": ["169.254."],
    "prints or writes what looks like a result": [
        " passed",
        '"passed"',
        "junit",
        "##vso",
        "::set-",
    ],
    "prints what a terminal obeys": ["\x1b", "\u202e"],
}
_FILES = re.compile(
    r"(?:^|/)(conftest\.py|sitecustomize\.py|usercustomize\.py|[^/]+\.pth|pytest\.ini|tox\.ini|"
    r"setup\.cfg|pyproject\.toml|_?pytest(?:/.*|\.py)|numpy(?:/.*|\.py)|pandas(?:/.*|\.py))$"
)
#: Of a refusal's words: what a kata's own files are never refused for.
_REFUSED = ("is a link", "symbolic links", "is not a regular file", "is not UTF-8", "do not show",
            "is reserved on", "is no file name", "leads out of", "holds a path of",
            "unpacks to more than")  # fmt: skip
#: Causes that honest code comes by, too, though seldom.
_CAUSES = {
    Cause.OUT_OF_MEMORY: "took more memory than the kata allows",
    Cause.TOO_MUCH_OUTPUT: "sent more than the kata allows",
}


def traces(work: Submission) -> set[str]:
    """In plain words, what a work has in common with attacks of the suite."""
    found = set()
    for name, content in work.files.items():
        if match := _FILES.search(name):
            found.add(f"brings {match[1]}")
        if name.endswith(".py"):
            found |= _traces_of_code(content[:MOST_BYTES])
    return found


def usual_traces(kata: Kata) -> set[str]:
    """What the starter and right answers of a kata have, too, so that it says nothing."""
    return set().union(*map(traces, published(kata).values()))


def _traces_of_code(content: bytes) -> set[str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    found = set()
    imported: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            imported |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    for node in ast.walk(tree):
        names: list[str] = []
        modules: list[str] = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module or ""]
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.Attribute):
            names = [node.attr]
            if isinstance(node.ctx, ast.Store) and _root(node.value) in imported:
                found.add("puts its own into modules of others")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names = [node.name]
        elif isinstance(node, ast.Name):
            names = [node.id]
        elif isinstance(node, ast.keyword) and node.arg:
            found |= _in_text(node.arg)
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "setattr"
            and node.args
            and _root(node.args[0]) in imported
        ):
            found.add("puts its own into modules of others")
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found |= _in_text(node.value)
        if modules:
            tops = {module.partition(".")[0] for module in modules}
            found |= {why for why, known in _MODULES.items() if not tops.isdisjoint(known)}
        if names:
            found |= {why for why, known in _NAMES.items() if not set(names).isdisjoint(known)}
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            target = node.value
            if isinstance(target, ast.Attribute) and target.attr == "modules":
                found.add("puts its own into modules of others")
    return found


def _in_text(text: str) -> set[str]:
    return {why for why, parts in _TEXTS.items() if any(part in text for part in parts)}


def _root(node: ast.expr) -> str:
    """The name that an expression like a.b.c begins with."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _tried(
    kata: Kata, store: Store, hand_ins: Iterable[HandIn],
    owners: Mapping[str, Sequence[Owner]], works: Mapping[str, Submission],
) -> Iterator[Tried]:  # fmt: skip
    """Works with traces that no right answer of the kata has, and refusals of the odd kind."""
    usual = usual_traces(kata)
    caused: dict[str, set[str]] = {}
    for cause, why in _CAUSES.items():
        for hash in store.with_cause(kata.name, cause.value):
            caused.setdefault(hash, set()).add(why)
    for hash, mine in owners.items():
        if found := (traces(works[hash]) - usual) | caused.get(hash, set()):
            yield Tried(kata.name, mine, sorted(found))
    refused: dict[str, dict[str, Owner]] = {}
    for each in hand_ins:
        if each.refusal is not None and any(sign in each.refusal for sign in _REFUSED):
            mine_too = refused.setdefault(each.refusal, {})
            mine_too.setdefault(each.learner, Owner(each.learner, each.at))
    for refusal, whose in refused.items():
        yield Tried(kata.name, list(whose.values()), [f"was refused: {visible(refusal)}"])


# Chance


def with_chance(
    leads: Leads, cohort: Cohort, store: Store, engine: Engine, katas: Sequence[Kata],
    sample: int, seeds: Sequence[int], jobs: int,
) -> tuple[Leads, list[str]]:  # fmt: skip
    """Grades up to `sample` works of each kata with these seeds, and compares with what is kept.

    That is, with what this grader keeps of the kata as it is now, on this engine: under another
    kata, image or grader it need not be chance that a verdict differs. Returns the leads with those
    that differ, and what could not be tried. Works are taken evenly over their hashes, so the same
    ones each time. None of these verdicts is kept.
    """
    tasks: list[grading.Task] = []
    kept: dict[str, Grading] = {}
    owners: dict[str, list[Owner]] = {}
    problems = []
    listed = set(cohort.roster.ids)
    for kata in katas:
        edition = Edition(grading.kata_hash(kata), engine.image or engine.name, __version__)
        hand_ins = store.hand_ins(katas=[kata.name])
        mine = _owners(each for each in hand_ins if each.learner in listed)
        gradings = store.gradings([kata.name], [edition.id])
        found = sorted((each for each in gradings if each.submission in mine),
                       key=lambda each: each.submission)  # fmt: skip
        if mine and not found:
            problems.append(
                f"{kata.name}: nothing to compare with: no work is graded with this kata as it is "
                f"now, by this grader on {engine.name}; kata cohort grade does that"
            )
        for each in found[:: max(1, -(-len(found) // sample))]:
            kept[each.key], owners[each.key] = each, mine[each.submission]
            work = store.submission(kata.name, each.submission)
            tasks += [grading.Task(kata, work, seed, each.key) for seed in seeds]
    failing: dict[str, list[frozenset[str]]] = {}
    for task, verdict in grading.grade_all(engine, tasks, jobs):
        if isinstance(verdict, GraderError):
            problems.append(f"{task.kata.name}, seed {task.seed}: {verdict}")
        elif verdict.outcome is Outcome.TROUBLE:
            problems.append(f"{task.kata.name}, seed {task.seed}: trouble of the engine's")
        else:
            fails = frozenset(each.id for each in verdict.behaviours if not each.passed)
            failing.setdefault(task.label, []).append(fails)
    chance = []
    for key, tries in failing.items():
        every = [frozenset(kept[key].failing), *tries]
        held = {id: sum(id not in fails for fails in every)
                for id in sorted(frozenset[str]().union(*every))}  # fmt: skip
        varying = {id: f"{count} of {len(every)}" for id, count in held.items() if count}
        if varying:
            drawn = [kept[key].seed, *seeds]
            chance.append(Chance(kept[key].kata, owners[key], varying, drawn))
    return dataclasses.replace(leads, chance=chance, tried_again=len(failing)), problems
