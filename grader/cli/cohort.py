"""`kata cohort`: an instructor's commands. The libraries that they need are an extra."""

import collections
import contextlib
import datetime
import gc
import os
import pathlib
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from grader.cli import screen
from grader.cli.arguments import Commands, complete_engine, examples, find_catalog
from grader.errors import Stopped, UsageError

if TYPE_CHECKING:
    from grader.catalog import Kata
    from grader.cohort.collect import Collected, State
    from grader.cohort.config import Cohort
    from grader.cohort.grade import Done, Place
    from grader.cohort.records import HandIn
    from grader.cohort.store import Store

_DONE, _REFUSED, _TROUBLE = 0, 1, 4
#: Lines about single learners, beyond which the rest is only counted.
_MOST_LINES = 20
_NAMED = 3


class _CohortCommands(Commands):
    """Says how to install the extra, where it is missing."""

    def invoke(self, ctx: click.Context) -> Any:
        # A million small objects without cycles: looking for some would take a third of the time.
        gc.set_threshold(100_000)
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] == "grader":
                raise
            raise UsageError(
                f"kata cohort needs {error.name}, which is not installed here; run: "
                f"{sys.executable} -m pip install 'ai-engineer-katas[cohort]' (in a clone: "
                "nox -s cohort)"
            ) from None


@click.group(
    cls=_CohortCommands,
    epilog=examples(
        "kata cohort init spring         a folder: cohort.toml, roster.csv",
        "kata cohort collect             what the roster's sources hold",
        "kata cohort grade -j 4          all that is due, four at once",
        "kata cohort status              who has handed in what; trouble",
    ),
)
def cohort() -> None:
    """Hand out, collect, grade and mark the work of many learners.

    \b
    1. init DIR makes a folder. Write your katas, due times and late
       policy into its cohort.toml, and your learners into roster.csv.
    2. collect takes their work from git, folders, or exports.
    3. grade grades what is new. It may be interrupted or killed: the
       same command goes on where it was.
    4. status tells how far it is.
    5. marks shows what became of it, rule adjusts a mark or excuses,
       export and feedback hand back.
    6. regrade compares, after a kata was corrected, and applies.
    7. report writes a page of where the cohort stands, board serves it
       live; integrity gives leads; forget deletes a learner.

    handout writes the edition for learners, without hidden tests. All but
    it and init work on the cohort around the working directory; --cohort
    DIR names another.
    """


in_cohort = click.option(
    "--cohort", "folder", type=click.Path(path_type=pathlib.Path), metavar="DIR", default=".",
    help="The cohort's folder. [default: here or above]",
)  # fmt: skip


def _split(_: click.Context, __: click.Parameter, value: tuple[str, ...]) -> list[str]:
    return [name for each in value for name in each.split(",") if name]


of_katas = click.option(
    "--katas", "--kata", "katas", multiple=True, callback=_split, metavar="KATA,…",
    help="Only these katas.",
)  # fmt: skip
of_learners = click.option(
    "--learners", "--learner", "learners", multiple=True, callback=_split, metavar="ID,…",
    help="Only these learners, by id.",
)  # fmt: skip


walls = click.option("--without-isolation", is_flag=True, help="Let the engine process be used.")
_PLACE_OPTIONS = (
    click.option(
        "-j", "--jobs", type=click.IntRange(1, 512), default=os.cpu_count() or 1,
        help="Gradings at once. [default: the number of processors]",
    ),
    click.option(
        "--engine", "engine_name", metavar="NAME",
        shell_complete=complete_engine,
        help="auto, docker or bubblewrap. [default: as cohort.toml says]",
    ),
    walls,
    click.option("--scheduler", metavar="URL", help="Grade on the Dask cluster of this scheduler."),
)  # fmt: skip


def place_options(command: Callable[..., None]) -> Callable[..., None]:
    """Where to grade, and how many at once: the arguments of `place_for`."""
    for option in reversed(_PLACE_OPTIONS):
        command = option(command)
    return command


anonymously = click.option("--anonymous", is_flag=True, help="Pseudonyms instead of ids.")


def open_cohort(folder: pathlib.Path) -> "Cohort":
    from grader.cohort.config import Cohort

    return Cohort.find(folder, find_catalog())


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


@cohort.command(epilog=examples("kata cohort init spring"))
@click.argument("folder", type=click.Path(path_type=pathlib.Path), metavar="DIR")
def init(folder: pathlib.Path) -> None:
    """Make a cohort's folder DIR, to be filled in.

    cohort.toml says which katas are due when, the late policy and the time zone. roster.csv has
    one line for each learner:

    \b
      id      up to 64 letters, digits, dots, hyphens; stands in every
              log and export, so no name
      name    stays in this file, as the address does
      email   may be left empty
      source  a repository's URL, or a folder (from here) with a folder
              for each kata; empty where work arrives by Moodle, Canvas
              or a drop folder

    Columns moodle and canvas may hold the numbers by which those know a learner, where names do
    not match.
    """
    from grader.cohort import config

    made = config.init(folder, find_catalog(), datetime.date.today())
    screen.print_paths(made)
    screen.say(f"edit both; then: {screen.program()} cohort collect --cohort {folder}")


@cohort.command(
    epilog=examples(
        "kata cohort collect                          the roster's sources",
        "kata cohort collect --moodle week3.zip --kata leaky-cv",
        "kata cohort collect --canvas submissions.zip --kata leaky-cv",
        "kata cohort collect --drop incoming --watch   until Ctrl-C",
    )
)
@in_cohort
@of_katas
@of_learners
@click.option(
    "--moodle", type=click.Path(path_type=pathlib.Path), metavar="ZIP",
    help='Moodle\'s "Download all submissions".',
)  # fmt: skip
@click.option(
    "--canvas", type=click.Path(path_type=pathlib.Path), metavar="ZIP",
    help='Canvas\' "Download Submissions".',
)  # fmt: skip
@click.option(
    "--drop", type=click.Path(path_type=pathlib.Path), metavar="DIR",
    help="A folder with work by id: a1/KATA/…, a1.zip with such folders, a1_KATA.zip.",
)  # fmt: skip
@click.option("--watch", is_flag=True, help="With --drop: again whenever something arrives.")
@click.option(
    "--at", metavar="TIME",
    help="Of an export or --drop: when it was handed in, as 2026-10-24T23:59, in the cohort's "
    "time zone. What is known already keeps its time.",
)  # fmt: skip
def collect(
    folder: pathlib.Path,
    katas: list[str],
    learners: list[str],
    moodle: pathlib.Path | None,
    canvas: pathlib.Path | None,
    drop: pathlib.Path | None,
    watch: bool,
    at: str | None,
) -> None:
    """Take in what learners have handed in.

    From git: for each kata the last commit that is dated no later than it was due, and the last
    one no later than the cut-off. Commit dates can be forged, as can the times of files. So
    collect when something is due: what was not there then counts as handed in after that, whatever
    its date says.

    Exports of Moodle and Canvas do not tell when something was handed in. It counts as on time,
    or, where Canvas says LATE, as just late; --at says otherwise.

    Collecting the same again changes nothing. A work that cannot be graded (no archive, a link, too
    large) is kept as a refusal, and the rest goes on. Upload to a drop folder under a name that
    begins with a dot and rename it, so that nothing is taken half.

    Exit code: 0 all taken, 1 some refused, 2 usage, 4 some sources could not be read.
    """
    from grader.cohort import collect as collecting
    from grader.cohort import sources, uploads

    ours = open_cohort(folder)
    if sum(each is not None for each in (moodle, canvas, drop)) > 1:
        raise UsageError("--moodle, --canvas and --drop are different sources; give one of them")
    if watch and drop is None:
        raise UsageError("--watch needs --drop DIR, the folder to watch")
    if at is not None and not (moodle or canvas or drop):
        raise UsageError(
            "--at goes with --moodle, --canvas or --drop; the roster's sources have their own times"
        )
    chosen, time_of = ours.chosen(katas), _moment(ours, at)
    people = ours.roster.chosen(learners)
    only = {each.id for each in people}

    def once() -> Iterator["Collected"]:
        now = datetime.datetime.now(datetime.UTC)
        if moodle:
            return uploads.from_moodle(ours, store, moodle, chosen, now, time_of, only)
        if canvas:
            return uploads.from_canvas(ours, store, canvas, chosen, now, time_of, only)
        if drop:
            return collecting.from_drop(ours, store, drop, chosen, now, time_of, only)
        return sources.from_sources(ours, store, people, chosen, now)

    with ours.store() as store:
        if watch and drop:
            screen.say(f"watching {drop}; Ctrl-C ends it")
            for each in collecting.watch(once, drop, 2.0):
                screen.say(_line_of(each))
            return
        with screen.waiting("collecting"):
            found = list(once())
    _print_collected(found)
    states = {each.state for each in found}
    sys.exit(_TROUBLE if "trouble" in states else _REFUSED if "refused" in states else _DONE)


def _moment(ours: "Cohort", text: str | None) -> datetime.datetime | None:
    if text is None:
        return None
    try:
        local = datetime.datetime.fromisoformat(text)
        if "T" not in text.upper() and " " not in text:
            raise ValueError  # a date alone would be its first moment
    except ValueError:
        raise UsageError(
            f"--at {text!r} is no date with a time; write one like 2026-10-24T23:59"
        ) from None
    return local.astimezone(datetime.UTC) if local.tzinfo else ours.config.utc(local)


def _line_of(each: "Collected") -> str:
    words = [each.learner, each.kata.partition("/")[2], each.state]
    return " ".join(filter(None, words)) + (f": {each.told}" if each.told else "")


def _print_collected(found: Iterable["Collected"]) -> None:
    found = list(found)
    states = collections.Counter(each.state for each in found)
    lines = [_line_of(each) for each in found if each.state in ("refused", "trouble")]
    absent: dict[str, list[str]] = {}
    for each in found:
        if each.state == "absent":
            absent.setdefault(each.told, []).append(each.learner)
    lines += [f"{', '.join(ids)}: {told}" if len(ids) <= _NAMED else f"{len(ids)} learners: {told}"
              for told, ids in absent.items()]  # fmt: skip
    for line in lines[:_MOST_LINES]:
        screen.say(line)
    if len(lines) > _MOST_LINES:
        screen.say(f"and {len(lines) - _MOST_LINES} more of these")
    words: dict[State, str] = {
        "new": "new",
        "known": "known already",
        "refused": "refused",
        "untouched": "untouched starters",
        "absent": "without work",
        "trouble": "in trouble",
    }
    if states["untouched"] == 1:
        words["untouched"] = "untouched starter"
    told = [f"{states[state]} {word}" for state, word in words.items() if states[state]]
    nothing = "nothing: none of these learners' work on these katas was there"
    screen.print_lines([f"collected: {', '.join(told) or nothing}"])


@cohort.command(
    epilog=examples(
        "kata cohort grade                        all that is due",
        "kata cohort grade --katas leaky-cv -v    one kata, each learner",
        "kata cohort grade --learners a1,b2       some learners",
        "kata cohort grade --retry-parked         what was parked, too",
        "kata cohort grade --scheduler tcp://10.0.0.5:8786",
    )
)
@in_cohort
@of_katas
@of_learners
@place_options
@click.option("--retry-parked", is_flag=True, help="Try again what was parked for trouble.")
@click.option("-v", "--verbose", is_flag=True, help="A line for each grading.")
def grade(
    folder: pathlib.Path,
    katas: list[str],
    learners: list[str],
    jobs: int,
    engine_name: str | None,
    without_isolation: bool,
    scheduler: str | None,
    retry_parked: bool,
    verbose: bool,
) -> None:
    """Grade all that is due: handed in and not yet graded.

    Each grading is kept as soon as it is done, so this may be stopped or killed at any moment; the
    same command goes on where it was. What the engine has trouble with is tried again, later and
    later, and parked after four tries: never a zero. A kata, an image or a grader that has changed
    makes its gradings due again, beside the old ones.

    Exit code: 0 all graded, 2 usage, 4 trouble: some parked, or the run had to end.
    """
    from grader.cohort import grade as grading

    ours = open_cohort(folder)
    chosen = ours.chosen(katas)
    people = [learner.id for learner in ours.roster.chosen(learners)]
    for kata in chosen:
        _ = kata.hidden_tests
    with ours.store() as store, contextlib.ExitStack() as stack:
        place = place_for(
            ours, store, chosen, jobs=jobs, engine_name=engine_name,
            without_isolation=without_isolation, scheduler=scheduler,
        )  # fmt: skip
        stack.callback(place.close)
        if retry_parked:
            store.unpark([kata.name for kata in chosen])
        work = grading.plan(store, place, chosen, people, asked_for=engine_name is not None)
        counts = carry_out(store, place, work, verbose)
        parked = [each for each in store.troubles() if each.parked]
        new = grading.renewed(store, place.image, chosen)
        why = "" if work else f": {grading.why_nothing(store, chosen, people)}"
    told = [f"graded {counts['graded']} of {len(work)} due{why}"]
    if counts["elsewhere"]:
        told.append(f"{counts['elsewhere']} by another grader, or forgotten meanwhile")
    if counts["parked"]:
        told.append(f"{counts['parked']} parked")
    screen.print_lines([", ".join(told)])
    if new:
        screen.say(f"{len(new)} of the katas, or the grader, changed since marks were made; what "
                   "that changes, and how to let it count: "
                   f"{screen.program()} cohort regrade")  # fmt: skip
    if parked:
        screen.say(
            f"{screen.counted(len(parked), 'grading')} parked for trouble; why: "
            f"{screen.program()} cohort status"
        )
    sys.exit(_TROUBLE if counts["parked"] else _DONE)


def place_for(
    ours: "Cohort", store: "Store", katas: "list[Kata]", *, jobs: int, engine_name: str | None,
    without_isolation: bool, scheduler: str | None,
) -> "Place":  # fmt: skip
    """This machine with the engine asked for, or else the cluster; whoever asks closes it."""
    from grader.cohort import grade as grading

    name = grading.engine_name(ours, store, engine_name)
    if scheduler:
        from grader.cohort.cluster import Cluster

        return Cluster(scheduler, name, katas, without_isolation=without_isolation)
    with screen.waiting("looking for an engine") as step:
        engine, passed_over = grading.choose_engine(name, step, without_isolation=without_isolation)
    for reason in passed_over:
        screen.say(f"passed over {reason}")
    return grading.Here(engine, jobs)


def carry_out(
    store: "Store", place: "Place", work: list[Any], verbose: bool
) -> collections.Counter[str]:
    """Grades, and counts what became of it. Raises `Stopped` with what is kept on Ctrl-C."""
    from grader.cohort import grade as grading

    counts: collections.Counter[str] = collections.Counter()
    try:
        with screen.long_progress("grading", len(work)) as advance:
            for done in grading.carry_out(store, place, work):
                if done.settled:
                    what = "parked" if done.parked else "graded" if done.verdict else "elsewhere"
                    counts[what] += 1
                    advance(1)
                if verbose or done.trouble:
                    for learner in done.due.learners:
                        screen.say(f"{learner} {done.due.kata.short_name}: {_told(done)}")
    except KeyboardInterrupt:
        raise Stopped(
            f"interrupted: {counts['graded']} of {len(work)} graded and kept; the same command "
            "goes on"
        ) from None
    return counts


def _told(done: "Done") -> str:
    if done.trouble:
        return f"trouble, {'parked' if done.parked else 'to be tried again'}: {done.trouble}"
    if done.verdict is None:
        return "graded by another grader, or forgotten, meanwhile"
    points, verdict = done.verdict["points"], done.verdict
    return (f"{verdict['outcome']}, {points['earned']} of {points['possible']} points, "
            f"{verdict['seconds']:.1f} s")  # fmt: skip


@cohort.command(epilog=examples("kata cohort status", "kata cohort status --cohort spring"))
@in_cohort
def status(folder: pathlib.Path) -> None:
    """Show what came in, what was graded, and what is in trouble.

    late: learners whose latest hand-in came after due time and grace; many of them may mean that
    a due time in cohort.toml is wrong. due: handed in, but not graded with the katas as they are
    now.
    """
    from grader.cohort import grade as grading

    ours = open_cohort(folder)
    with ours.store() as store:
        hand_ins = store.hand_ins(katas=list(ours.assigned))
        listed = set(ours.roster.ids)
        others = sorted({each.learner for each in hand_ins} - listed)
        hand_ins = [each for each in hand_ins if each.learner in listed]
        due_now = grading.due_now(store, ours.katas, hand_ins)
        troubles = [each for each in store.troubles() if each.parked]
        runs = store.runs()
    due = collections.Counter(kata for kata, _ in due_now)
    parked = collections.Counter(each.kata for each in troubles)
    by_kata: dict[str, list[HandIn]] = {}
    for each in hand_ins:
        by_kata.setdefault(each.kata, []).append(each)
    rows, too_late = [], []
    for kata in ours.katas:
        ours_of = by_kata.get(kata.name, [])
        refused = sum(each.submission is None for each in ours_of)
        learners = len({each.learner for each in ours_of})
        latest = {each.learner: each.at for each in ours_of if each.submission is not None}
        in_time = ours.due(kata.name) + datetime.timedelta(minutes=ours.config.late.grace_minutes)
        late = sum(at > in_time for at in latest.values())
        cut_off = ours.cut_off(kata.name)
        if beyond := sum(at > cut_off for at in latest.values()):
            too_late.append(f"{beyond} of {kata.short_name}")
        rows.append([kata.short_name, learners, len(ours_of), late, due[kata.name],
                     refused, parked[kata.name]])  # fmt: skip
    heads = ["kata", "learners", "hand-ins", "late", "due", "refused", "parked"]
    screen.print_table(heads, [list(map(str, row)) for row in rows])
    lines = [f"{screen.counted(len(ours.roster.learners), 'learner')} in the roster"]
    if too_late:
        lines.append(f"late beyond the cut-off, so that they do not count: {', '.join(too_late)}")
    if runs:
        last = runs[-1]
        begun = last.begun.astimezone(ours.config.zone)
        seconds = max((last.seen - last.begun).total_seconds(), 1)
        lines.append(
            f"last run: {begun:%Y-%m-%d %H:%M}, {last.graded} of {last.due} graded with "
            f"{last.engine}, {last.graded / seconds * 60:.0f} a minute"
            + ("" if last.ended else "; it is at work, or was killed")
        )
    screen.print_lines(lines)
    if others:
        named = ", ".join(others[:_NAMED]) + (" …" if len(others) > _NAMED else "")
        screen.say(f"not in the roster, so left out: the work of {len(others)} ({named}); put them "
                   f"back, or delete it: {screen.program()} cohort forget ID")  # fmt: skip
    for trouble in troubles[:_MOST_LINES]:
        owners = [each.learner for each in by_kata.get(trouble.kata, ())
                  if each.submission == trouble.submission]  # fmt: skip
        who = ", ".join(dict.fromkeys(owners or ["nobody"]))
        screen.print_lines([f"parked after {trouble.tries} tries: {who} "
                            f"{trouble.kata.partition('/')[2]}: {trouble.message}"])  # fmt: skip
    if troubles:
        screen.say(f"once that is mended: {screen.program()} cohort grade --retry-parked")
