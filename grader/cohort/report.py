"""Insight into a cohort: who stands where, what most fail at, who is stuck, how grading goes.

Learners stand here by id, or by pseudonym. Observations come from what learner code did: they are
text and never markup, and names that they give away are struck out.
"""

import base64
import collections
import dataclasses
import datetime as dt
import functools
import hashlib
import re
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jinja2
import markupsafe

from grader.catalog import Kata
from grader.cohort import feedback
from grader.cohort.config import Cohort
from grader.cohort.feedback import visible
from grader.cohort.marks import Gradebook, Mark, State, plainly
from grader.cohort.records import Grading, HandIn, Run, Trouble
from grader.cohort.roster import Learner
from grader.cohort.store import Store

#: Its name in the cohort's folder.
REPORT = "report.html"
#: Without a pass after so many graded attempts, the last two of which gained nothing: stuck.
STUCK_ATTEMPTS = 3
#: A run that has given no sign of life for so long was ended from outside.
_LOST = dt.timedelta(minutes=5)
_HARDEST, _SAMPLES, _LOOK_AT = 20, 3, 6
_LISTED = 50
_SAMPLE_LENGTH = 400
_DAYS = 60
_WORD = re.compile(r"[\w.+-]+(?:@[\w.-]+)?")
_SHORT = {
    State.OPEN: ("", "open"), State.WAITING: ("waits", "waits"), State.MISSING: ("none", "none"),
    State.TOO_LATE: ("late", "none"), State.REFUSED: ("refused", "none"),
    State.EXCUSED: ("excused", "excused"),
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Row:
    """One learner. Cells are texts and their kinds, in the order of the katas."""

    learner: str
    cells: Sequence[tuple[str, str]]
    percent: str
    last: dt.datetime | None


@dataclasses.dataclass(frozen=True)
class Line:
    """One kata. Medians of attempts and days are of those who have passed; None: of nobody."""

    kata: Kata
    due: dt.datetime
    learners: int
    passed: int
    in_work: int
    attempts: float | None
    days: float | None
    #: Median of those who share how many hints they have asked for.
    hints: float | None
    #: How many passed at the first, second, … attempt; the last one is "that or more".
    passed_at: Sequence[int]
    #: Median of the latest gradings.
    seconds: float | None

    @property
    def untouched(self) -> int:
        return self.learners - self.passed - self.in_work


@dataclasses.dataclass(frozen=True)
class Hard:
    """A behaviour that latest attempts fail at, with observations that name nobody."""

    kata: Kata
    id: str
    sentence: str
    failing: int
    graded: int
    samples: Sequence[str]

    @property
    def percent(self) -> int:
        return round(100 * self.failing / self.graded)


@dataclasses.dataclass(frozen=True)
class Stuck:
    """No pass, several attempts, and no gain since `since`."""

    learner: str
    kata: Kata
    since: dt.datetime
    attempts: int
    best: str


@dataclasses.dataclass(frozen=True)
class Silent:
    """Something is left to do, and nothing has come since `since` (None: ever)."""

    learner: str
    since: dt.datetime | None
    left: int


@dataclasses.dataclass(frozen=True)
class Throughput:
    """One call of the grader."""

    run: Run
    state: str
    per_minute: float
    left: dt.timedelta | None


@dataclasses.dataclass(frozen=True)
class Report:
    """A cohort at one moment. Times are in its zone."""

    name: str
    now: dt.datetime
    katas: Sequence[Kata]
    rows: Sequence[Row]
    lines: Sequence[Line]
    hard: Sequence[Hard]
    stuck: Sequence[Stuck]
    silent: Sequence[Silent]
    silent_days: int
    runs: Sequence[Throughput]
    troubles: Sequence[Trouble]
    counts: Mapping[str, int]
    #: Hand-ins by day.
    days: Sequence[tuple[dt.date, int]]

    @classmethod
    def make(
        cls,
        cohort: Cohort,
        store: Store,
        now: dt.datetime,
        rename: Callable[[str], str] = str,
        silent_days: int = 7,
    ) -> "Report":
        """What there is to know at `now`. `rename` gives the name that a learner (id) has here."""
        zone = cohort.config.zone
        book = Gradebook.make(cohort, store, now)
        listed = set(book.learners)
        hand_ins = [each for (learner, _), theirs in book.hand_ins.items() if learner in listed
                    for each in theirs]  # fmt: skip
        tracks = _tracks(book)
        last: dict[str, dt.datetime] = {}
        by_day: collections.Counter[dt.date] = collections.Counter()
        for each in hand_ins:
            local = each.at.astimezone(zone)
            last[each.learner] = max(local, last.get(each.learner, local))
            by_day[local.date()] += 1
        names = {learner: rename(learner) for learner in book.learners}
        stuck = [
            Stuck(names[learner], cohort.catalog.get(kata), track.since.astimezone(zone),
                  len(track.graded), f"{track.best.points} of {track.best.possible}")
            for (learner, kata), track in tracks.items() if track.stuck
        ]  # fmt: skip
        waiting = sum(made.waiting for made in book.marks.values())
        troubles = store.troubles()
        secret = Secrets(cohort.roster.learners)
        return cls(
            cohort.config.name,
            now.astimezone(zone),
            cohort.katas,
            [_row(learner, names, book, last) for learner in book.learners],
            list(_lines(cohort, store, tracks, len(listed))),
            _hardest(cohort, store, tracks, secret),
            sorted(stuck, key=lambda each: each.since),
            list(_silent(cohort, book, tracks, last, names, now, silent_days)),
            silent_days,
            [_throughput(run, now, zone) for run in reversed(store.runs())],
            [dataclasses.replace(each, message=secret.struck(each.message),
                                 at=each.at.astimezone(zone)) for each in reversed(troubles)],
            {
                "learners": len(listed),
                "hand-ins": len(hand_ins),
                "waiting for a verdict": waiting,
                "refused hand-ins": sum(each.submission is None for each in hand_ins),
                "parked gradings": sum(each.parked for each in troubles),
                "open appeals": sum(made.open_appeal for made in book.marks.values()),
            },
            sorted(by_day.items())[-_DAYS:],
        )  # fmt: skip

    def page(self, live: str = "") -> str:
        """An HTML document that loads nothing from elsewhere.

        With `live`, the revision that it shows, it asks its server for later ones.
        """
        script = _script("report.js")
        return templates().get_template("report.html").render(
            report=self, live=live, script=markupsafe.Markup(script),
            script_hash=_integrity(script), rows=self._rows(),
        )  # fmt: skip

    def parts(self) -> dict[str, str]:
        """The parts of the page that change as a whole, by the id of their element."""
        module: Any = templates().get_template("report_parts.html").module
        return {name: str(getattr(module, name)(self)).strip() for name in PARTS}

    def _rows(self) -> markupsafe.Markup:
        """The table's rows: at 10,000 learners too many for a template."""
        texts = []
        for row in self.rows:
            learner = markupsafe.escape(row.learner)
            cells = "".join(f'<td class="{kind}">{text}' for text, kind in row.cells)
            texts.append(
                f'<tr id="l-{learner}"><th scope="row">{learner}{cells}'
                f"<td>{row.percent}<td>{minute(row.last)}"
            )
        return markupsafe.Markup("\n".join(texts))

    @functools.cached_property
    def cells(self) -> dict[str, list[list[str]]]:
        """Each learner's cells as on the page: text and kind."""
        return {
            row.learner: [*map(list, row.cells), [row.percent, ""], [minute(row.last), ""]]
            for row in self.rows
        }


#: Ids of the elements, which are macros of the template, too.
PARTS = ("progress", "totals", "hard", "katas", "stuck", "silent", "runs")


class Secrets:
    """Strikes out of texts what the roster knows of people."""

    def __init__(self, learners: Sequence[Learner]) -> None:
        self._by_id = {learner.id: learner for learner in learners}
        self._known = {
            word.casefold()
            for learner in learners
            for word in (learner.id, learner.email, learner.email.partition("@")[0])
            if len(word) > 2
        }

    def struck(self, text: str, learners: Sequence[str] = ()) -> str:
        """A text without ids and addresses, nor the names of these learners (ids)."""
        own = [self._by_id[id] for id in learners if id in self._by_id]
        phrases = [value for each in own for value in (each.source, each.name, each.email)]
        phrases = sorted((each for each in phrases if len(each) > 2), key=len, reverse=True)
        if phrases:
            either = "|".join(map(re.escape, phrases))
            text = re.sub(either, "[name]", text, flags=re.IGNORECASE)
        words = {word.casefold() for each in own for word in _WORD.findall(each.name)}
        mine = {word for word in words if len(word) > 2}

        def strike(match: re.Match[str]) -> str:
            word = match[0].strip(".-+").casefold()
            known = word in mine or word in self._known or "@" in word
            return "[name]" if known else match[0]

        return visible(_WORD.sub(strike, text))


@dataclasses.dataclass
class _Track:
    """One learner's way with one kata: the graded attempts in time, each new content once."""

    graded: Sequence[tuple[HandIn, Grading]]

    @property
    def best(self) -> Grading:
        """The first of the best ones."""
        return max((grading for _, grading in self.graded), key=_share)

    @property
    def since(self) -> dt.datetime:
        """When the best was reached first."""
        return next(each.at for each, grading in self.graded if grading is self.best)

    @property
    def passed_at(self) -> int | None:
        """Which attempt was the first to pass, from 0."""
        found = (n for n, (_, grading) in enumerate(self.graded) if grading.outcome == "passed")
        return next(found, None)

    @property
    def stuck(self) -> bool:
        if len(self.graded) < STUCK_ATTEMPTS or self.passed_at is not None:
            return False
        shares = [_share(grading) for _, grading in self.graded]
        return max(shares[-2:]) <= max(shares[:-2])


def _share(grading: Grading) -> float:
    """Of the points; editions of a kata may differ in how many there are."""
    return grading.points / (grading.possible or 1)


def _tracks(book: Gradebook) -> dict[tuple[str, str], _Track]:
    """By learner and kata, where something is graded."""
    tracks: dict[tuple[str, str], _Track] = {}
    for place in book.marks:
        gradings = book.counting[place[1]]
        graded: list[tuple[HandIn, Grading]] = []
        for each in book.hand_ins.get(place, ()):
            grading = gradings.get(each.submission or "")
            if grading and not (graded and graded[-1][1] is grading):
                graded.append((each, grading))
        if graded:
            tracks[place] = _Track(graded)
    return tracks


def _row(
    learner: str, names: Mapping[str, str], book: Gradebook, last: Mapping[str, dt.datetime]
) -> Row:
    percent = book.total(learner).percent
    return Row(
        names[learner],
        [_cell(made) for made in book.of(learner)],
        "" if percent is None else plainly(percent),
        last.get(learner),
    )


def _cell(made: Mark) -> tuple[str, str]:
    """A mark in a word, or as percent; and its kind, which is its colour."""
    if made.state in _SHORT or made.points is None or not made.possible:
        return _SHORT.get(made.state, ("", "open"))
    # Whole numbers: a cohort of 10,000 has 140,000 cells.
    percent = 100 * made.points.numerator // (made.points.denominator * made.possible)
    return str(percent), "full" if percent >= 100 else f"p{percent // 25}"


def _lines(
    cohort: Cohort, store: Store, tracks: Mapping[tuple[str, str], _Track], learners: int
) -> Iterator[Line]:
    by_kata: dict[str, list[_Track]] = {}
    for (_, name), track in tracks.items():
        by_kata.setdefault(name, []).append(track)
    hints: dict[str, list[int]] = {}
    for (_, name), count in store.hints().items():
        hints.setdefault(name, []).append(count)
    for kata in cohort.katas:
        mine = by_kata.get(kata.name, [])
        attempts, days, passed_at = [], [], [0] * 5
        for track in mine:
            if (position := track.passed_at) is not None:
                attempts.append(position + 1)
                passed_at[min(position, 4)] += 1
                took = track.graded[position][0].at - track.graded[0][0].at
                days.append(took / dt.timedelta(days=1))
        seconds = [grading.seconds for track in mine for _, grading in track.graded[-1:]]
        yield Line(
            kata,
            cohort.due(kata.name).astimezone(cohort.config.zone),
            learners,
            len(attempts),
            len(mine) - len(attempts),
            statistics.median(attempts) if attempts else None,
            statistics.median(days) if days else None,
            statistics.median(hints[kata.name]) if kata.name in hints else None,
            passed_at,
            statistics.median(seconds) if seconds else None,
        )


def _hardest(
    cohort: Cohort, store: Store, tracks: Mapping[tuple[str, str], _Track], secret: Secrets
) -> list[Hard]:
    """What the latest attempts of most learners fail at, the most frequent first."""
    learners: dict[str, dict[str, list[str]]] = {}
    latest: dict[str, Grading] = {}
    for (learner, name), track in tracks.items():
        grading = track.graded[-1][1]
        latest[grading.key] = grading
        learners.setdefault(name, {}).setdefault(grading.key, []).append(learner)
    graded = {name: sum(map(len, mine.values())) for name, mine in learners.items()}
    failing: collections.Counter[tuple[str, str]] = collections.Counter()
    for name, mine in learners.items():
        for key, who in mine.items():
            for id in latest[key].failing:
                failing[name, id] += len(who)
    ranked = sorted(failing.items(), key=lambda item: (-item[1] / graded[item[0][0]], item[0]))
    hard = []
    for (name, id), count in ranked[:_HARDEST]:
        kata = cohort.catalog.get(name)
        sentence = next((each.sentence for each in kata.behaviours if each.id == id), id)
        owners = {key: who for key, who in learners[name].items() if id in latest[key].failing}
        samples: list[str] = []
        for key in sorted(owners)[:_LOOK_AT]:
            for each in store.verdict(key)["behaviours"]:
                told = each["id"] == id and each["finding"] and each["finding"]["observed"]
                text = secret.struck(told, owners[key])[:_SAMPLE_LENGTH] if told else ""
                if text and text not in samples:
                    samples.append(text)
        hard.append(Hard(kata, id, sentence, count, graded[name], samples[:_SAMPLES]))
    return hard


def _silent(
    cohort: Cohort, book: Gradebook, tracks: Mapping[tuple[str, str], _Track],
    last: Mapping[str, dt.datetime], names: Mapping[str, str], now: dt.datetime, days: int,
) -> Iterator[Silent]:  # fmt: skip
    """Who has something left that still counts, and has not handed in for so many days."""
    config = cohort.config
    open_now = [
        kata
        for kata, assigned in cohort.assigned.items()
        if now <= cohort.cut_off(kata)
        and (assigned.opens is None or config.utc(assigned.opens) <= now)
    ]
    found = []
    for learner in book.learners:
        left = [
            kata
            for kata in open_now
            if book.marks[learner, kata].state is not State.EXCUSED
            and ((learner, kata) not in tracks or tracks[learner, kata].passed_at is None)
        ]
        since = last.get(learner)
        if left and (since is None or now - since > dt.timedelta(days=days)):
            found.append(Silent(names[learner], since, len(left)))
    start = dt.datetime.min.replace(tzinfo=dt.UTC)
    yield from sorted(found, key=lambda each: each.since or start)


def _throughput(run: Run, now: dt.datetime, zone: dt.tzinfo) -> Throughput:
    end = run.ended or run.seen
    minutes = (end - run.begun) / dt.timedelta(minutes=1)
    rate = run.graded / minutes if minutes > 0 else 0.0
    state = "done" if run.ended else "killed" if now - run.seen > _LOST else "running"
    left = None
    if state == "running" and rate:
        left = dt.timedelta(minutes=max(0, run.due - run.graded - run.troubles) / rate)
    local = dataclasses.replace(run, begun=run.begun.astimezone(zone), seen=end.astimezone(zone))
    return Throughput(local, state, rate, left)


def minute(at: dt.datetime | None) -> str:
    """A time that sorts as text."""
    return f"{at:%Y-%m-%d %H:%M}" if at else "never"


def _span(left: dt.timedelta) -> str:
    minutes = round(left / dt.timedelta(minutes=1))
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def _bars(days: Sequence[tuple[dt.date, int]]) -> Mapping[str, Any] | None:
    """A bar for each day, those without a hand-in too, in a picture 720 wide and 120 high."""
    if not days:
        return None
    counts = dict(days)
    first, end = days[0][0], days[-1][0]
    first = max(first, end - dt.timedelta(days=_DAYS - 1))
    span = [first + dt.timedelta(days=n) for n in range((end - first).days + 1)]
    most = max(counts.values())
    step = 720 / len(span)
    bars = [
        (day, counts.get(day, 0), round(n * step, 1), round(100 * counts.get(day, 0) / most, 1))
        for n, day in enumerate(span)
    ]
    top = max(days, key=lambda item: item[1])
    return {"bars": bars, "width": round(min(step * 0.8, 40), 1), "top": top,
            "first": first, "end": end}  # fmt: skip


def _number(value: float | None, digits: int = 1) -> str:
    return "" if value is None else f"{value:.{digits}f}".removesuffix(".0")


@functools.cache
def _script(name: str) -> str:
    source, _, _ = templates().loader.get_source(templates(), name)  # type: ignore[union-attr]
    return source


def _integrity(script: str) -> str:
    """What a content security policy knows a script by."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"sha256-{digest}"


@functools.cache
def templates() -> jinja2.Environment:
    """What the pages of a cohort's staff are made with."""
    environment = feedback.environment()
    environment.filters.update(
        minute=minute, span=_span, bars=_bars, number=_number,
        counted=lambda count, noun: f"{count} {noun}{'' if count == 1 else 's'}",
    )  # fmt: skip
    environment.globals.update(LISTED=_LISTED)
    return environment
