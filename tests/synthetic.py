"""A made-up cohort whose marks are known: `python -m tests.synthetic --help`.

Learners hand in what the repository holds for each kata: the reference, other right answers, wrong
ones, the starter, attacks laid before the starter, and what is refused; on time, late, too late,
and again. What an answer earns stands in synthetic.json: `know` grades each answer alone, without
anything of a cohort, and keeps those that come out the same for every seed.
"""

import collections
import dataclasses
import datetime as dt
import hashlib
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import click

from grader import __version__, grading, verify, wire
from grader.catalog import REFERENCE, STARTER, Catalog, Kata
from grader.cohort import records
from grader.cohort.config import CONFIG, Cohort
from grader.cohort.marks import Gradebook, State, shown
from grader.cohort.records import HandIn, Ruling
from grader.cohort.roster import ROSTER
from grader.cohort.store import Store
from grader.engines import choose
from grader.errors import RefusedSubmission
from grader.submission import Submission, collect
from grader.verdict import BehaviourResult, Cause, Finding, Outcome, Verdict
from tests.conftest import ROOT

KNOWN = ROOT / "tests" / "synthetic.json"
TRUTH = "truth.json"
#: Attacks that need nothing but a few lines in front of any code.
ATTACKS = ("forge-os-exit", "forge-exit-before-any-answer", "forge-atexit", "forge-pass-lines",
           "forge-session-exitstatus", "forge-skip-at-import", "subvert-assert", "subvert-gc",
           "subvert-pytest", "environment-pytest-addopts")  # fmt: skip
GRACE, PER_DAY, CUT_OFF = 15, 10, 7
_FIRST_DUE = dt.datetime(2026, 9, 14, 23, 59)  # local; the clocks change on the way
_SETTINGS = f"""\
name = "Synthetic"
time_zone = "Europe/Berlin"
feedback = "full"
attempts = "best"
[late]
grace_minutes = {GRACE}
percent_per_day = {PER_DAY}
cut_off_days = {CUT_OFF}
"""
_NAMES = ("Ada", "Bo", "Cleo", "Dan", "Eve", "Finn", "Gül", "Hana", "Ivo", "Jun")


@dataclasses.dataclass(frozen=True)
class Attempt:
    """One hand-in; `answer` is "refused" for what cannot be collected."""

    answer: str
    at: dt.datetime
    days_late: int
    accepted: bool


def answers(kata: Kata) -> list[str]:
    """Every answer that a made-up learner may hand in."""
    return [*verify.answers(kata), *(f"attack/{name}" for name in ATTACKS)]


def submission(kata: Kata, answer: str) -> Submission:
    """An answer's files."""
    kind, _, name = answer.partition("/")
    files = dict(collect(kata, kata.folder if kind == "attack" else kata.answer(answer)).files)
    if kind == "attack":
        code = (ROOT / "tests" / "attacks" / name / "adder.py.before").read_bytes()
        main = _main_file(kata, files)
        files[main] = code + b"\n" + files[main]
    return Submission(files)


def signed(kata: Kata, work: Submission, remark: str) -> Submission:
    """The same with a remark at the end, so that the bytes are nobody else's."""
    main = _main_file(kata, work.files)
    return Submission({**work.files, main: work.files[main] + f"\n# {remark}\n".encode()})


def _main_file(kata: Kata, files: Mapping[str, bytes]) -> str:
    return next(name for name in [*kata.required_files, *sorted(files)] if name.endswith(".py"))


def refusal(kata: Kata) -> str:
    """What is said of a folder with a link that leads out of it."""
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place) / kata.short_name
        for name in kata.required_files:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).symlink_to("/etc/hostname")
        try:
            collect(kata, folder)
        except RefusedSubmission as error:
            return str(error).replace(f"{place}/", "")
    raise AssertionError(f"{kata.name}: a link was taken")


#: At which behaviours each answer fails, by kata and answer.
Known = Mapping[str, Mapping[str, frozenset[str]]]


def declared(kata: Kata) -> dict[str, frozenset[str]]:
    """The same as the solutions declare it, for replays: a wrong answer may fail at more."""
    everything = frozenset(each.id for each in kata.behaviours)
    fails = {answer: frozenset(found or ()) for answer, found in verify.answers(kata).items()}
    return {**fails, **{f"attack/{name}": everything for name in ATTACKS}}


def known(kata: Kata) -> dict[str, frozenset[str]]:
    """At which behaviours each answer fails, as far as that is known for this very kata."""
    document = json.loads(KNOWN.read_text()) if KNOWN.is_file() else {}
    entry = document.get(kata.name, {})
    if entry.get("hash") != grading.kata_hash(kata):
        right = [name for name, fails in verify.answers(kata).items() if fails is None]
        return dict.fromkeys(right, frozenset())
    return {answer: frozenset(fails) for answer, fails in entry["answers"].items()}


# What each answer earns


@click.group()
def main() -> None:
    """A made-up cohort: know what answers earn, make, replay, check, time."""


@main.command()
@click.option("--kata", "names", multiple=True, help="Only this one; may be repeated.")
@click.option("--seeds", default=6, show_default=True)
@click.option("--most", default=12, show_default=True, help="Wrong answers of each kata.")
@click.option("--engine", "engine_name", default="auto", show_default=True)
@click.option("-j", "--jobs", default=os.cpu_count() or 1)
def know(names: Sequence[str], seeds: int, most: int, engine_name: str, jobs: int) -> None:
    """Grades each answer alone; writes tests/synthetic.json, one kata after the other."""
    catalog = Catalog(ROOT)
    engine, _ = choose(engine_name, lambda step: None)
    for kata in map(catalog.get, names) if names else catalog.katas:
        document = json.loads(KNOWN.read_text()) if KNOWN.is_file() else {}
        hash = grading.kata_hash(kata)
        if document.get(kata.name, {}).get("hash") == hash:
            continue
        expected = verify.answers(kata)
        wrong = [name for name in expected if name.startswith("wrong/")]
        chosen = [name for name in answers(kata) if name not in wrong[most:]]
        tasks = [
            grading.Task(kata, submission(kata, answer), 1000 + seed, answer)
            for answer in chosen
            for seed in range(seeds)
        ]
        seen: dict[str, set[frozenset[str]]] = collections.defaultdict(set)
        for task, verdict in grading.grade_all(engine, tasks, jobs):
            if not isinstance(verdict, Verdict) or verdict.outcome is Outcome.TROUBLE:
                raise click.ClickException(f"{kata.name} {task.label}: {verdict}")
            seen[task.label].add(frozenset(each.id for each in verdict.behaviours
                                           if not each.passed))  # fmt: skip
        stable = {answer: next(iter(fails)) for answer, fails in seen.items() if len(fails) == 1}
        for answer, fails in stable.items():
            if answer in expected and not set(expected[answer] or ()) <= fails:
                raise click.ClickException(f"{kata.name} {answer}: fails only at {sorted(fails)}")
            if expected.get(answer, ()) is None and fails:
                raise click.ClickException(f"{kata.name} {answer}: fails at {sorted(fails)}")
        order = [each.id for each in kata.behaviours]
        document[kata.name] = {
            "hash": hash,
            "answers": {answer: sorted(stable[answer], key=order.index)
                        for answer in chosen if answer in stable},
        }  # fmt: skip
        KNOWN.write_text(_lines(document))
        varying = sorted(set(chosen) - set(stable))
        click.echo(f"{kata.short_name}: {len(stable)} known; by chance: {', '.join(varying)}")


def _lines(document: Mapping[str, Any]) -> str:
    """As JSON with a line for each answer."""
    katas = []
    for name in sorted(document):
        rows = [f"  {json.dumps(answer)}: {json.dumps(fails)}"
                for answer, fails in sorted(document[name]["answers"].items())]  # fmt: skip
        head = f'{json.dumps(name)}: {{"hash": {json.dumps(document[name]["hash"])}, "answers": {{'
        katas.append("\n".join([f" {head}", ",\n".join(rows), " }}"]))
    return "{\n" + ",\n".join(katas) + "\n}\n"


# The cohort


@main.command()
@click.argument("folder", type=click.Path(path_type=pathlib.Path))
@click.option("--learners", default=500, show_default=True)
@click.option("--katas", "count", default=14, show_default=True)
@click.option("--attempts", default=5, show_default=True, help="The most of one learner.")
@click.option("--distinct", default=0.1, show_default=True, help="Share of bytes of one's own.")
@click.option("--seed", default=1, show_default=True)
@click.option("--database", help="SQLAlchemy's URL, in the place of a SQLite file.")
@click.option("--replayed", is_flag=True, help="To be replayed: no answer need be known.")
def make(
    folder: pathlib.Path, learners: int, count: int, attempts: int, distinct: float, seed: int,
    database: str | None, replayed: bool,
) -> None:  # fmt: skip
    """Makes a cohort in FOLDER with all that was handed in, and truth.json with every mark."""
    catalog = Catalog(ROOT)
    cohort = lay_out(folder, catalog.katas[:count], learners, database)
    ready = {kata.name: declared(kata) if replayed else known(kata) for kata in cohort.katas}
    with cohort.store() as store:
        truth = hand_in(cohort, store, ready, attempts, distinct, seed)
    fails = {kata: {answer: sorted(ids) for answer, ids in each.items()}
             for kata, each in ready.items()}  # fmt: skip
    (folder / TRUTH).write_text(json.dumps({"fails": fails, "marks": truth}, indent=1) + "\n")
    click.echo(f"{folder}: {learners} learners, {len(cohort.katas)} katas")


def lay_out(
    folder: pathlib.Path, katas: Sequence[Kata], learners: int, database: str | None = None
) -> Cohort:
    """The folder with its settings and its roster."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = _SETTINGS.replace("[late]", f'database = "{database}"\n[late]', bool(database))
    for number, kata in enumerate(katas):
        due = (_FIRST_DUE + dt.timedelta(days=5 * number)).isoformat()
        settings += f'[[katas]]\nname = "{kata.name}"\ndue = {due}\nweight = {1 + number % 3}\n'
    (folder / CONFIG).write_text(settings)
    rows = [f"l{n:05},{_NAMES[n % 10]} Learner {n},l{n:05}@example.org," for n in range(learners)]
    (folder / ROSTER).write_text("\n".join(["id,name,email,source", *rows, ""]))
    root = katas[0].folder.parents[2]
    return Cohort.find(folder, Catalog(root))


def hand_in(
    cohort: Cohort, store: Store, ready: Known, most: int = 5, distinct: float = 0.1, seed: int = 1
) -> dict[str, dict[str, str]]:
    """Hands in for every learner; returns what each mark must be: points, or a state."""
    truth: dict[str, dict[str, str]] = {}
    refusals = {kata.name: refusal(kata) for kata in cohort.katas}
    contents: dict[tuple[str, str], Submission] = {}
    for learner in cohort.roster.ids:
        skill = random.Random(f"{seed} {learner}").random()
        truth[learner] = {}
        with store.together():
            for kata in cohort.katas:
                dice = random.Random(f"{seed} {learner} {kata.name}")
                tried = list(_attempts(cohort, kata, ready[kata.name], skill, most, dice))
                remark = f"{dice.random()}" if dice.random() < distinct else ""
                for attempt in tried:
                    place = (kata.name, attempt.answer)
                    content, why = None, None
                    if attempt.answer == "refused":
                        why = refusals[kata.name]
                    else:
                        if place not in contents:
                            contents[place] = submission(kata, attempt.answer)
                        content = contents[place]
                        if remark:
                            content = signed(kata, content, remark)
                    record = HandIn(learner, kata.name, content and content.hash, why,
                                    attempt.at, "synthetic", attempt.at)  # fmt: skip
                    store.add_hand_in(record, content)
                truth[learner][kata.name] = _mark(kata, tried, ready[kata.name], dice, store,
                                                  learner)  # fmt: skip
    return truth


def _attempts(
    cohort: Cohort, kata: Kata, ready: Mapping[str, frozenset[str]], skill: float, most: int,
    dice: random.Random,
) -> Iterator[Attempt]:  # fmt: skip
    """What one learner hands in for one kata, oldest first."""
    if dice.random() < 0.04:
        return
    right = [answer for answer, fails in ready.items() if not fails and answer != STARTER]
    others = [answer for answer in ready if answer not in right] or [REFERENCE]
    due = cohort.assigned[kata.name].due
    for number in range(dice.randint(1, most)):
        answer = dice.choice(right if dice.random() < 0.2 + 0.7 * skill else others)
        if dice.random() < 0.03:
            answer = "refused"
        late = dice.choices(["early", "grace", "late", "too late"], [80, 5, 12, 3])[0]
        days = dice.randint(1, CUT_OFF) if late == "late" else 0
        local = due - dt.timedelta(hours=100 - 12 * number + dice.random())
        if late == "grace":
            local = due + dt.timedelta(minutes=1 + number)
        elif late == "late":
            local = due + dt.timedelta(days=days - 1, hours=5 + number)
        elif late == "too late":
            local = due + dt.timedelta(days=CUT_OFF, hours=1 + number)
        at = local.replace(tzinfo=cohort.config.zone).astimezone(dt.UTC)
        yield Attempt(answer, at, days, late != "too late")
        if late not in ("early",) or (answer in right and dice.random() < 0.8):
            return


def _mark(
    kata: Kata, tried: Sequence[Attempt], ready: Mapping[str, frozenset[str]],
    dice: random.Random, store: Store, learner: str,
) -> str:  # fmt: skip
    """What the mark must be, by other means than the grader's."""
    points = {each.id: Decimal(each.points) for each in kata.behaviours}
    possible = sum(points.values(), Decimal(0))
    taken = [each for each in tried if each.accepted and each.answer != "refused"]
    earned = [
        (possible - sum(points[id] for id in ready[each.answer]))
        * (Decimal(100) - PER_DAY * each.days_late) / 100
        for each in taken
    ]  # fmt: skip
    mark = max(earned, default=Decimal(0))
    at = dt.datetime(2026, 12, 20, tzinfo=dt.UTC)
    fate = dice.random()
    if fate < 0.01:
        store.add_ruling(Ruling(learner, kata.name, "excused", None, "Staff", "ill", at))
        return State.EXCUSED
    if fate < 0.02:
        store.add_ruling(Ruling(learner, kata.name, "adjustment", 0.5, "Staff", "a remark", at))
        mark += Decimal("0.5")
    return str(mark.quantize(Decimal("0.01"), ROUND_HALF_UP))


@main.command()
@click.argument("folder", type=click.Path(path_type=pathlib.Path, exists=True))
def replay(folder: pathlib.Path) -> None:
    """Gives every submission its verdict without grading, from what is known."""
    cohort = Cohort.find(folder, Catalog(ROOT))
    told = json.loads((folder / TRUTH).read_text())["fails"]
    ready = {kata: {answer: frozenset(ids) for answer, ids in each.items()}
             for kata, each in told.items()}  # fmt: skip
    with cohort.store() as store:
        click.echo(f"{replay_into(cohort, store, ready)} verdicts")


def replay_into(cohort: Cohort, store: Store, ready: Known) -> int:
    """Keeps a verdict for each submission that has none; returns how many."""
    count = 0
    for kata in cohort.katas:
        fails, hash = ready[kata.name], grading.kata_hash(kata)
        bare = {submission(kata, answer).hash: answer for answer in fails}
        whole = {_bytes(submission(kata, answer)): answer for answer in fails}
        first: dict[str, dt.datetime] = {}
        for each in store.hand_ins(katas=[kata.name]):
            if each.submission:
                first.setdefault(each.submission, each.at)
        with store.together():
            for submitted, at in first.items():
                answer = bare.get(submitted)
                if answer is None:
                    answer = whole[_bytes(store.submission(kata.name, submitted))]
                made = _verdict(kata, hash, submitted, fails[answer], answer)
                count += store.add_grading(made.as_json(), at + dt.timedelta(hours=1))
    return count


def _bytes(submitted: Submission) -> bytes:
    """What a submission is without the remark at its end."""
    digest = hashlib.sha256()
    for name, content in sorted(submitted.files.items()):
        before, _, after = content.rpartition(b"\n# 0.")
        body = before if after.strip().isdigit() else content
        digest.update(name.encode() + b"\0" + body + b"\0")
    return digest.digest()


def _verdict(kata: Kata, hash: str, submitted: str, fails: frozenset[str], answer: str) -> Verdict:
    cause = Cause.CRASHED if answer.startswith("attack/") else Cause.FAILED
    results = tuple(
        BehaviourResult(
            each.id, each.sentence, each.group, each.points,
            Outcome.FAILED if each.id in fails else Outcome.PASSED,
            cause if each.id in fails else None,
            Finding(f"what {answer} answers", "what the README promises", "made-up rows")
            if each.id in fails else None,
            0.1, each.why,
        )
        for each in kata.behaviours
    )  # fmt: skip
    seed = int(submitted[-6:], 16)
    return Verdict(kata.name, kata.contract.title, hash, submitted, "bubblewrap", True, None,
                   __version__, seed, results, seconds=0.1 * len(results))  # fmt: skip


@main.command()
@click.argument("folder", type=click.Path(path_type=pathlib.Path))
@click.option("--learners", default=10_000, show_default=True)
def flood(folder: pathlib.Path, learners: int) -> None:
    """Makes a large cohort in FOLDER at once: each its own bytes, all with replayed verdicts."""
    cohort = lay_out(folder, Catalog(ROOT).katas, learners)
    tables = records.metadata.tables
    with cohort.store() as store:
        for kata in cohort.katas:
            if store.applied(kata.name):
                continue  # from a call that was ended
            rows = list(_rows(cohort, kata))
            with store._write() as connection:
                for name, number in (("submission", 0), ("hand_in", 1), ("grading", 2)):
                    connection.execute(tables[name].insert(), [row[number] for row in rows])
            store.apply(kata.name, rows[0][2]["edition"])
    click.echo(f"{folder}: {learners} learners, {len(cohort.katas)} katas, all graded")


def _rows(cohort: Cohort, kata: Kata) -> Iterator[tuple[dict[str, Any], ...]]:
    """For each learner a submission, its hand-in and its grading, as rows."""
    hash, ready = grading.kata_hash(kata), declared(kata)
    works = {answer: submission(kata, answer) for answer in ready}
    due = cohort.due(kata.name)
    for learner in cohort.roster.ids:
        dice = random.Random(f"{learner} {kata.name}")
        answer = dice.choice([*ready, *[REFERENCE] * len(ready)])
        work = signed(kata, works[answer], learner)
        at = due - dt.timedelta(hours=100 * dice.random())
        made = HandIn(learner, kata.name, work.hash, None, at, "synthetic", at)
        content = wire.encode(dict(work.files))
        verdict = _verdict(kata, hash, work.hash, ready[answer], answer).as_json()
        yield (
            {"kata": kata.name, "hash": work.hash, "size": len(content),
             "content": zlib.compress(content, 1)},
            {**dataclasses.asdict(made), "id": made.id},
            records.grading_row(verdict, at),
        )  # fmt: skip


@main.command()
@click.argument("folder", type=click.Path(path_type=pathlib.Path, exists=True))
@click.option("--engine", "engine_name", help="Grades alone what came out otherwise than known.")
def check(folder: pathlib.Path, engine_name: str | None) -> None:
    """Compares every mark with truth.json; exit code 1 if one differs.

    Some wrong answers fail at more with some seeds than with those that `know` took. With --engine
    each verdict that is not as known is asked for again, alone, with its own seed; a mark that
    rests on one that comes out the same again is right.
    """
    cohort = Cohort.find(folder, Catalog(ROOT))
    told = json.loads((folder / TRUTH).read_text())
    with cohort.store() as store:
        found = dict(differences(cohort, store, told["marks"]))
        odd = list(unexpected(cohort, store, told["fails"])) if engine_name else []
        tasks = [grading.Task(cohort.catalog.get(each.kata),
                              store.submission(each.kata, each.submission), each.seed, each.key)
                 for each in odd]  # fmt: skip
        before = {each.key: each for each in odd}
        engine, _ = choose(engine_name or "process", lambda step: None)
        for task, verdict in grading.grade_all(engine, tasks, 1):
            assert isinstance(verdict, Verdict), verdict
            then = before[task.label]
            failing = {each.id for each in verdict.behaviours if not each.passed}
            same = failing == set(then.failing)
            what = "the same" if same else "another verdict"
            click.echo(f"{task.kata.short_name}, seed {task.seed}: {what}, graded alone")
            for each in store.hand_ins(katas=[then.kata]):
                if same and each.submission == then.submission:
                    found.pop((each.learner, each.kata), None)
    for line in list(found.values())[:20]:
        click.echo(line)
    count = len(cohort.roster.ids) * len(cohort.katas)
    click.echo(f"{count - len(found)} of {count} marks are right")
    sys.exit(bool(found))


def unexpected(
    cohort: Cohort, store: Store, fails: Mapping[str, Mapping[str, Sequence[str]]]
) -> Iterator[records.Grading]:
    """Every grading that fails at other behaviours than known."""
    for kata in cohort.katas:
        known = fails[kata.name]
        whole = {_bytes(submission(kata, answer)): set(known[answer]) for answer in known}
        for each in store.gradings(katas=[kata.name]):
            if set(each.failing) != whole[_bytes(store.submission(kata.name, each.submission))]:
                yield each


def differences(
    cohort: Cohort, store: Store, truth: Mapping[str, Mapping[str, str]]
) -> Iterator[tuple[tuple[str, str], str]]:
    """Each mark that is not what it must be: learner and kata, and what to tell."""
    book = Gradebook.make(cohort, store, dt.datetime(2027, 1, 31, tzinfo=dt.UTC))
    for (learner, kata), made in book.marks.items():
        found = made.state if made.points is None else str(shown(made.points))
        if found != truth[learner][kata]:
            yield (learner, kata), f"{learner} {kata}: {found}, known: {truth[learner][kata]}"


@main.command("time")
@click.argument("folder", type=click.Path(path_type=pathlib.Path, exists=True))
@click.option("--command", "commands", multiple=True, help='"status" and so on; may be repeated.')
def measure(folder: pathlib.Path, commands: Sequence[str]) -> None:
    """Times status, report and export, each in a new process: seconds, and MB at the most."""
    program = "import grader.cli; grader.cli.main()"
    with tempfile.TemporaryDirectory() as to:
        for command in commands or ("status", f"report --output {to}/report.html",
                                    f"export parquet --to {to}/parquet"):  # fmt: skip
            words = ["cohort", *command.split(), "--cohort", str(folder.resolve())]
            started = time.monotonic()
            child = subprocess.Popen([sys.executable, "-c", program, *words], cwd=ROOT,
                                     stdout=subprocess.DEVNULL)  # fmt: skip
            _, status, usage = os.wait4(child.pid, 0)
            seconds, megabytes = time.monotonic() - started, usage.ru_maxrss / 1024
            click.echo(f"{command.split()[0]}: {seconds:.1f} s, {megabytes:.0f} MB, "
                       f"exit code {os.waitstatus_to_exitcode(status)}")  # fmt: skip


if __name__ == "__main__":
    main()
