"""The commands of `kata cohort` that mark: marks, rulings, regrade."""

import collections
import contextlib
import getpass
import itertools
import math
import pathlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import click

from grader.catalog import Kata
from grader.cli import screen
from grader.cli.arguments import examples, kata_name
from grader.cli.cohort import (
    anonymously,
    carry_out,
    in_cohort,
    now,
    of_katas,
    of_learners,
    open_cohort,
    place_for,
    place_options,
)
from grader.errors import UsageError

if TYPE_CHECKING:
    # Imported where they are needed: `kata` works without the libraries of cohorts.
    from grader.cohort.changes import Change
    from grader.cohort.config import Cohort
    from grader.cohort.marks import Gradebook, Mark
    from grader.cohort.records import Kind


class _Points(click.FloatRange):
    """Points on the command line, with plain words for what is none."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        try:
            points = float(value)
        except ValueError:
            points = math.nan
        if not math.isfinite(points):
            self.fail(f"{value!r} is not a number; write one like 3.5, with a point", param, ctx)
        if self.min is not None and points < self.min:
            self.fail(f"{value} is less than {self.min:g}; --add takes points away", param, ctx)
        return points


@click.command(
    "marks",
    epilog=examples(
        "kata cohort marks                        everybody, one line each",
        "kata cohort marks --katas leaky-cv       the marks of one kata",
        "kata cohort marks ada17 bob18            how their marks came about",
        "kata cohort export csv --to marks.csv    all of it in a file",
    ),
)
@click.argument("ids", nargs=-1, metavar="[LEARNER]...")
@in_cohort
@of_learners
@of_katas
@anonymously
def show_marks(
    ids: tuple[str, ...], folder: pathlib.Path, learners: list[str], katas: list[str],
    anonymous: bool,
) -> None:  # fmt: skip
    """Show marks, and of each LEARNER (an id) how they came about.

    A line holds a learner's points for each kata and the percent of all that counts. On a terminal
    that is too narrow for the katas they are counted instead: choose some by --katas, or write all
    of it to a file with `kata cohort export csv`. What is piped elsewhere is always whole.

    A mark is the points of the attempt that counts, less what lateness costs, plus adjustments. A
    day of lateness is a calendar day from the due time, in the cohort's time zone; each one begun
    takes its percentage off the points earned. Only what is shown is rounded: to two decimals, half
    up.
    """
    from grader.cohort.marks import Gradebook

    ours = open_cohort(folder)
    learners = [*ids, *learners]
    with ours.store() as store:
        chosen = [each.id for each in ours.roster.chosen(learners)]
        book = Gradebook.make(ours, store, now(), learners=chosen if learners else None)
        rename = store.pseudonym if anonymous else str
        names = {kata.name for kata in ours.chosen(katas)}
        if learners:
            for learner in chosen:
                _print_learner(learner, rename(learner), book, ours, names)
        else:
            _print_marks([(learner, rename(learner)) for learner in chosen], book, names)


@click.command(
    epilog=examples(
        'kata cohort rule ada17 leaky-cv --add 2 --note "asked in class"',
        'kata cohort rule ada17 leaky-cv --set 12.5 --note "done on paper"',
        'kata cohort rule ada17 leaky-cv --graded --note "set by mistake"',
        'kata cohort rule ada17 leaky-cv --excuse --note "was ill"',
        'kata cohort rule ada17 leaky-cv --appeal --note "hint 2 misleads"',
        'kata cohort rule ada17 leaky-cv --answer --note "mended"',
    )
)
@click.argument("learner", metavar="LEARNER")
@kata_name
@in_cohort
@click.option("--add", type=_Points(), metavar="POINTS", help="Adjust the mark; -1.5 takes away.")
@click.option(
    "--set", "fixed", type=_Points(0), metavar="POINTS",
    help="Mark by hand, whatever was graded.",
)  # fmt: skip
@click.option(
    "--graded", is_flag=True, help="Let what was graded count again, without --set and --add."
)
@click.option("--excuse", is_flag=True, help="Count this kata nowhere for this learner.")
@click.option("--count", is_flag=True, help="Take an excuse back.")
@click.option("--appeal", is_flag=True, help="Note that the learner objects.")
@click.option("--answer", is_flag=True, help="Answer an appeal; this changes no points.")
@click.option("--note", required=True, help="The reason; the learner reads it.")
@click.option(
    "--author", metavar="NAME",
    help="Who says so; the learner reads it. [default: this system's name for you]",
)  # fmt: skip
def rule(
    learner: str,
    name: str,
    folder: pathlib.Path,
    add: float | None,
    fixed: float | None,
    graded: bool,
    excuse: bool,
    count: bool,
    appeal: bool,
    answer: bool,
    note: str,
    author: str | None,
) -> None:
    """Adjust a mark, mark by hand, excuse, note an appeal.

    A ruling is never changed and survives every regrade; another one may follow it. Adjustments add
    up; those from before a --set count no more. --graded takes back a --set and every --add before
    it, --count an excuse, --add -2 an --add 2.
    """
    from grader.cohort.marks import Gradebook, State, plainly
    from grader.cohort.records import Ruling

    asked: Mapping[Kind, object] = {
        "adjustment": add is not None, "set": fixed is not None, "graded": graded,
        "excused": excuse, "counted": count, "appeal": appeal, "answer": answer,
    }  # fmt: skip
    kinds = [kind for kind, wanted in asked.items() if wanted]
    if len(kinds) != 1:
        raise UsageError(
            "give one of --add, --set, --graded, --excuse, --count, --appeal and --answer"
        )
    if not note.strip():
        raise UsageError("a ruling needs a reason; write it behind --note")
    points = add if add is not None else fixed
    ours = open_cohort(folder)
    kata, known = ours.chosen([name])[0], ours.roster.get(learner).id

    def mark() -> "Mark":
        return Gradebook.make(ours, store, now(), learners=[known]).marks[known, kata.name]

    with ours.store() as store:
        before = mark()
        if answer and not before.open_appeal:
            raise UsageError(f"{known} has no open appeal for {kata.short_name}")
        if count and before.state is not State.EXCUSED:
            raise UsageError(f"{known} is not excused from {kata.short_name}, so it counts already")
        if graded and not before.by_hand:
            raise UsageError(
                f"nothing was set or added by hand for {known} in {kata.short_name}, so there is "
                "nothing to take back"
                + ("; --count takes the excuse back" if before.state is State.EXCUSED else "")
            )
        who = author or getpass.getuser()
        store.add_ruling(Ruling(known, kata.name, kinds[0], points, who, note.strip(), now()))
        after = mark()
    what = f"{known} {kata.short_name}"
    said = f"{_points(before)} -> {_points(after)}"
    if _points(before) == _points(after):
        noted = f"{kinds[0]} noted" if appeal or answer else "noted"
        said = f"{noted}; the mark stays: {_points(after)}"
    screen.print_lines([f"{what}: {said}"])
    again = f"{screen.program()} cohort rule {what}"
    if after.state is State.EXCUSED and not excuse and not (appeal or answer):
        screen.say(f"this is kept, but {known} is excused from {kata.short_name}, so no points "
                   f'count; to take the excuse back: {again} --count --note "…"')  # fmt: skip
    elif add is not None and after.points is None:
        screen.say("this is kept and will be added to the points once there are some")
    reached = plainly(after.points or Fraction(str(fixed or 0)))
    if points is not None and Fraction(reached) > after.possible:
        back = "--graded" if add is None else f"--add {-add:.12g}"
        if add is None and before.state is State.BY_HAND:
            back = f"--set {plainly(before.points or Fraction(0))}"
        screen.say(f"{reached} points are more than the {after.possible} possible; if no bonus is "
                   f'meant, take it back: {again} {back} --note "…"')  # fmt: skip
    if author is None and who == "root":
        screen.say("learners read that root says so; --author NAME gives a name the next time")


@click.command(
    epilog=examples(
        "kata cohort rulings          all that was ever said",
        "kata cohort rulings --open   appeals that wait for an answer",
    )
)
@in_cohort
@of_learners
@click.option("--open", "only_open", is_flag=True, help="Only appeals without an answer.")
def rulings(folder: pathlib.Path, learners: list[str], only_open: bool) -> None:
    """List adjustments, excuses and appeals.

    Two lines for each: when (in the cohort's time zone), whose, what and by whom; then the reason.
    """
    from grader.cohort.marks import in_words

    ours = open_cohort(folder)
    chosen = [each.id for each in ours.roster.chosen(learners)] if learners else None
    with ours.store() as store:
        found = store.rulings(chosen)
    if only_open:
        latest = {(each.learner, each.kata): each for each in found
                  if each.kind in ("appeal", "answer")}  # fmt: skip
        found = [each for each in latest.values() if each.kind == "appeal"]
    for each in found:
        when = each.at.astimezone(ours.config.zone)
        what = f"{each.learner} {each.kata.partition('/')[2]}: {in_words(each)} ({each.author})"
        screen.print_lines([f"{when:%Y-%m-%d %H:%M}  {what}", f"  {each.note}"])
    if not found:
        screen.say("no appeal waits for an answer" if only_open else "there are no rulings")


@click.command(
    epilog=examples(
        "kata cohort regrade                    what would change, and why",
        "kata cohort regrade --kata leaky-cv    for one kata",
        "kata cohort regrade --apply            and let the new marks count",
    )
)
@in_cohort
@of_katas
@place_options
@click.option("--apply", "apply_it", is_flag=True, help="Let the new verdicts count.")
def regrade(
    folder: pathlib.Path,
    katas: list[str],
    jobs: int,
    engine_name: str | None,
    without_isolation: bool,
    scheduler: str | None,
    apply_it: bool,
) -> None:
    """Compare marks after a kata or the grader has changed.

    What is handed in is graded with the katas as they are now, beside the old verdicts; then each
    mark that changes is shown with the behaviours that are why, old and new side by side. Nothing
    counts before --apply. Rulings stay as they are. What the engine has trouble with keeps its old
    verdict.
    """
    from grader.cohort import grade as grading
    from grader.cohort.changes import compare
    from grader.cohort.marks import Gradebook

    ours = open_cohort(folder)
    chosen = ours.chosen(katas)
    with ours.store() as store, contextlib.ExitStack() as stack:
        place = place_for(
            ours, store, chosen, jobs=jobs, engine_name=engine_name,
            without_isolation=without_isolation, scheduler=scheduler,
        )  # fmt: skip
        stack.callback(place.close)
        work = grading.plan(
            store, place, chosen, ours.roster.ids, asked_for=engine_name is not None
        )
        carry_out(store, place, work, verbose=False)
        new = grading.renewed(store, place.image, chosen)
        moment = now()
        before = Gradebook.make(ours, store, moment)
        changes = compare(before, Gradebook.make(ours, store, moment, new), store)
        stuck = [each for each in store.troubles() if each.parked and each.kata in new]
        for kata in chosen:
            if kata.name in new:
                _print_changes(kata, [each for each in changes if each.kata == kata.name])
        if stuck:
            screen.say(f"{screen.counted(len(stuck), 'grading')} parked for trouble, with the old "
                       f"verdict kept ({screen.program()} cohort status tells why)")  # fmt: skip
        if not new:
            screen.print_lines(["Neither a kata nor the grader has changed since marks were made."])
        elif apply_it:
            for kata_name, edition in new.items():
                store.apply(kata_name, edition)
            screen.print_lines(["Applied: the new verdicts count."])
        else:
            screen.print_lines(["Nothing is applied yet. To let the new verdicts count:",
                                f"  {screen.program()} cohort regrade --apply"])  # fmt: skip


COMMANDS = (show_marks, rule, rulings, regrade)


def _print_marks(
    learners: Sequence[tuple[str, str]], book: "Gradebook", names: Collection[str]
) -> None:
    """The points of each of these (id, and name to show), or how many there are of which state."""
    from grader.cohort.marks import shown

    katas = [each for each in book.assignments if each.kata in names]
    percents = [book.total(learner).percent for learner, _ in learners]
    of_all = ["" if each is None else str(shown(each)) for each in percents]
    rows = [
        [name, *(_cell(book.marks[learner, each.kata]) for each in katas), percent]
        for (learner, name), percent in zip(learners, of_all, strict=True)
    ]
    heads = ["learner", *(each.kata.partition("/")[2] for each in katas), "percent"]
    possible = ["possible", *(str(each.possible) for each in katas), ""]
    if screen.print_wide_table(heads, [possible, *rows]):
        signs = {"-": "not due yet", "waits": "not graded yet"}
        there = {cell for row in rows for cell in row[1:-1]}
        if told := [f"{sign}: {words}" for sign, words in signs.items() if sign in there]:
            screen.say("; ".join(told))
        return
    rows = [
        [name, percent, _counted([made for made in book.of(learner) if made.kata in names])]
        for (learner, name), percent in zip(learners, of_all, strict=True)
    ]
    screen.print_table(["learner", "percent", "katas"], rows, words=["katas"])
    screen.say("the terminal is too narrow for the points of these katas; choose some by --katas, "
               f"or take all: {screen.program()} cohort export csv --to marks.csv")  # fmt: skip


def _cell(made: "Mark") -> str:
    from grader.cohort.marks import State, plainly

    if made.points is None:
        return {State.OPEN: "-", State.WAITING: "waits"}.get(made.state, made.state.value)
    return plainly(made.points)


def _counted(marks: Iterable["Mark"]) -> str:
    states = collections.Counter(made.state for made in marks)
    return ", ".join(f"{count} {state}" for state, count in states.items())


def _print_learner(
    learner: str, name: str, book: "Gradebook", ours: "Cohort", names: Collection[str]
) -> None:
    from grader.cohort.marks import explain, moment, plainly

    lines = [name]
    for made in book.of(learner):
        if made.kata not in names:
            continue
        lines.append(f"  {made.kata.partition('/')[2]}: {_points(made)}")
        lines.append(f"    Due on {moment(ours.due(made.kata), ours.config.zone)}.")
        lines += [f"    {line}" for line in explain(made, ours.config.zone)]
    percent = book.total(learner).percent
    if percent is not None:
        lines.append(f"  So far {plainly(percent)} percent of what counts.")
    screen.print_lines(lines)


def _points(made: "Mark") -> str:
    """As "15.5 of 20 points (set by hand)"."""
    from grader.cohort.marks import State, plainly

    if made.points is None:
        return made.state.value
    why = "" if made.state is State.GRADED else f" ({made.state})"
    return f"{plainly(made.points)} of {made.possible} points{why}"


def _print_changes(kata: Kata, changes: Sequence["Change"]) -> None:
    """How many marks of a kata change, by which behaviours, and then each of them."""
    up = sum((each.after.points or 0) > (each.before.points or 0) for each in changes)
    down = sum((each.after.points or 0) < (each.before.points or 0) for each in changes)
    count = f"{len(changes)} {'mark changes' if len(changes) == 1 else 'marks change'}"
    screen.print_lines([f"{kata.short_name}: {count}, {up} up and {down} down"])
    moves = collections.Counter(
        (one.id, one.before, one.after)
        for each in changes
        for one in each.behaviours
        if one.differs
    )
    if moves:
        rows = [[id, old or "not there", new or "not there", str(number)]
                for (id, old, new), number in sorted(moves.items())]  # fmt: skip
        screen.print_table(["behaviour", "old", "new", "learners"], rows, words=["old", "new"])
    for each in changes:
        differ = sum(one.differs for one in each.behaviours)
        same = len(each.behaviours) - differ
        verb = "is" if same == 1 else "are"
        others = f"    the other {screen.counted(same, 'behaviour')} {verb} as before"
        rest = [others] if differ and same else []
        screen.print_lines(
            itertools.chain(
                [f"  {each.learner}: {_points(each.before)} -> {_points(each.after)}"],
                (f"    {reason}" for reason in each.reasons),
                rest,
            )
        )
