"""Delivers made-up files, drawn anew for every behaviour, and reads what readers would read."""

import csv
import datetime as dt
import functools
import hashlib
import io
import json
import re
from collections import Counter
from dataclasses import dataclass, field, replace

from grader.judge import expect

COLUMNS = ["specimen_date", "site", "postcode", "travel", "positives"]
FORMS = {"DD/MM/YYYY": "%d/%m/%Y", "MM/DD/YYYY": "%m/%d/%Y", "YYYY-MM-DD": "%Y-%m-%d"}
SITES = ["Harbour hall", "North clinic", "School 4", "Ward 3", "Drive-in east", "Market square"]
COUNTRIES = ["", "", "", "FR", "PL", "MA", "TR", "US"]


# ---------------------------------------------------------------------------- made-up deliveries


@functools.cache
def shown(date: str, form: str) -> str:
    return dt.date.fromisoformat(date).strftime(FORMS[form])


@dataclass(frozen=True)
class File:
    """One laboratory's file. `rows` are in the order of COLUMNS, with ISO dates."""

    name: str
    day: str
    rows: list[tuple[str, ...]]
    encoding: str = "utf-8"
    dates: str = "YYYY-MM-DD"  # so that one rule for dates is one behaviour's matter
    bom: bool = False
    line_end: str = "\n"
    content: bytes = field(init=False)

    def __post_init__(self):
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator=self.line_end)
        writer.writerow(COLUMNS)
        for date, *others in self.rows:
            writer.writerow([shown(date, self.dates), *others])
        content = text.getvalue().encode(self.encoding)
        object.__setattr__(self, "content", (b"\xef\xbb\xbf" if self.bom else b"") + content)

    @property
    def positives(self) -> int:
        return sum(int(row[-1]) for row in self.rows)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    def listed(self) -> dict[str, object]:
        """Its entry in the manifest."""
        return {
            "name": self.name,
            "day": self.day,
            "encoding": self.encoding,
            "dates": self.dates,
            "rows": len(self.rows),
            "positives": self.positives,
        }

    def holding(self, content: bytes) -> "File":
        """The same file with other bytes; what the manifest says of it stays."""
        other = replace(self)
        object.__setattr__(other, "content", content)
        return other


def any_day(rng) -> dt.date:
    return dt.date(2023, 1, 1) + dt.timedelta(int(rng.integers(700)))


def after(day: dt.date, days: int = 1) -> dt.date:
    return day + dt.timedelta(days)


def rows(rng, n: int, day: dt.date, *, sites=SITES, countries=COUNTRIES, least=0) -> list:
    """Households as they come: specimens of the fortnight before, repeats among them."""
    back = rng.integers(1, 15, n).tolist()
    dates = [(day - dt.timedelta(d)).isoformat() for d in range(15)]
    where = rng.integers(len(sites), size=n).tolist()
    from_ = rng.integers(len(countries), size=n).tolist()
    postcodes = rng.integers(10_000, 10_400, n).tolist()
    positives = rng.integers(least, 5, n).tolist()
    return [
        (dates[b], sites[s], str(p), countries[c], str(k))
        for b, s, p, c, k in zip(back, where, postcodes, from_, positives, strict=True)
    ]


def lab(rng, number: int, day: dt.date, n: int | None = None, **how) -> File:
    """A laboratory's file of a day; the names are the same every day."""
    n = int(rng.integers(8, 30)) if n is None else n
    return File(f"lab-{number:02d}.csv", day.isoformat(), rows(rng, n, day), **how)


# ---------------------------------------------------------------------------- what readers see


@dataclass(frozen=True)
class View:
    """What a reader of the current version sees, in any order; all empty before the first one."""

    folder: str | None = None
    cases: Counter = field(default_factory=Counter)
    amendments: Counter = field(default_factory=Counter)
    ledger: Counter = field(default_factory=Counter)

    @property
    def seen(self):
        return self.cases, self.amendments, self.ledger


TABLES = {
    "cases.csv": ["day", *COLUMNS],
    "amendments.csv": ["day", "delivery", *COLUMNS],
    "ledger.csv": ["delivery", "file", "sha256", "rows", "positives", "status"],
}


def view(submission, out: str, given: str = "") -> View:
    there = {path.removeprefix(f"{out}/") for path in submission.listing(out)}
    if "CURRENT" not in there:
        return View()
    name = submission.text(f"{out}/CURRENT").strip()
    expect(
        re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", name) is not None,
        observed=f"CURRENT holds {name!r}",
        expected="the name of a folder beside it",
        given=given,
    )
    missing = [file for file in TABLES if f"{name}/{file}" not in there]
    expect(
        not missing,
        observed=f"CURRENT names {name}, and there is no {' and no '.join(missing)} in it",
        expected=", ".join(TABLES),
        given=given,
    )

    def table(file: str) -> Counter:
        found = submission.csv(f"{out}/{name}/{file}", columns=TABLES[file])
        return Counter(tuple(row[column] for column in TABLES[file]) for row in found)

    return View(name, *map(table, TABLES))


def differences(found: Counter, wanted: Counter) -> str:
    told = []
    for what, more in (("missing", wanted - found), ("too many", found - wanted)):
        if more:
            # A checksum in full would leave no room for what became of the file.
            row = [c if len(c) < 64 else f"{c[:8]}…" for c in next(iter(more))]
            told.append(f"{more.total():,} {what}, such as {','.join(row)!r}")
    return "; ".join(told)


class Desk:
    """Hands deliveries to the loader, and keeps books of what should have come of them."""

    def __init__(self, submission, out: str = "out"):
        self.submission, self.out = submission, out
        self.sent = 0
        self.cases, self.amendments, self.ledger = Counter(), Counter(), []
        self.closed = ""
        self.digests = set()

    def put(self, day: dt.date, files: list[File], listed=None, others=()) -> list[str]:
        """Writes a drop folder and its manifest; returns the loader's arguments for them."""
        self.sent += 1
        folder, manifest = f"drop-{self.sent}", f"drop-{self.sent}.json"
        entries = [file.listed() for file in files] if listed is None else listed
        told = {"delivery": day.isoformat(), "files": entries}
        written = {f"{folder}/{file.name}": file.content for file in files}
        self.submission.write({**written, **dict(others), manifest: json.dumps(told, indent=1)})
        return ["--in", folder, "--manifest", manifest, "--out", self.out]

    def load(self, argv: list[str]):
        return self.submission.run(["python", "-m", "loader", *argv])

    def record(self, day: dt.date, files: list[File]) -> None:
        delivery = day.isoformat()
        closed = self.closed
        for file in files:
            if file.sha256 in self.digests:
                status = "duplicate"
            elif file.day <= closed:
                status = "amendment"
                self.amendments.update((file.day, delivery, *row) for row in file.rows)
            else:
                status = "loaded"
                self.cases.update((file.day, *row) for row in file.rows)
            self.digests.add(file.sha256)
            self.ledger.append((delivery, file, status))
            self.closed = max(self.closed, delivery)

    def accepts(self, day: dt.date, files: list[File], given: str, **how) -> list[str]:
        """The delivery is loaded, and readers see its rows beside those of before."""
        argv = self.put(day, files, **how)
        finished = self.load(argv)
        expect(
            finished.exit_code == 0,
            observed=f"exit code {finished.exit_code}{complaint(finished)}",
            expected="exit code 0",
            given=given,
        )
        self.record(day, files)
        self.shows(given)
        return argv

    def shows(self, given: str) -> None:
        seen = view(self.submission, self.out, given)
        for name, found, wanted in (
            ("cases.csv", seen.cases, self.cases),
            ("amendments.csv", seen.amendments, self.amendments),
        ):
            expect(
                found == wanted,
                observed=f"{name} has {found.total():,} rows: {differences(found, wanted)}",
                expected=f"the {wanted.total():,} rows that belong there, as often as delivered",
                given=given,
            )

    def refuses(self, argv: list[str], naming: list[str], given: str, code: int = 4) -> None:
        """The loader ends with `code`, names the trouble, and readers see what they saw."""
        before = view(self.submission, self.out)
        finished = self.load(argv)
        expect(
            finished.exit_code == code,
            observed=f"exit code {finished.exit_code}{complaint(finished)}",
            expected=f"exit code {code}",
            given=given,
        )
        for name in naming:
            expect(
                name in finished.stderr,
                observed=f"{name!r} is not on standard error{complaint(finished)}",
                expected=f"{' and '.join(naming)} on standard error",
                given=given,
            )
        seen = view(self.submission, self.out, given)
        expect(
            seen.seen == before.seen,
            observed="readers see another cases.csv than before: "
            + differences(seen.cases, before.cases)
            if seen.cases != before.cases
            else "readers see other amendments or another ledger than before",
            expected="what they saw before, with nothing of the refused delivery",
            given=given,
        )


def complaint(finished) -> str:
    # Without the lines that a traceback quotes and underlines.
    lines = [line for line in finished.stderr.strip().splitlines() if not line.startswith(" ")]
    return (
        f"; standard error ends with: {' / '.join(lines[-2:])}"
        if lines
        else "; nothing on standard error"
    )


def cells(row) -> str:
    return ",".join(row)


# ---------------------------------------------------------------------------- the incident


def test_every_row_arrives(submission, rng):
    desk, day = Desk(submission), any_day(rng)
    n = int(rng.integers(65_800, 72_000))
    files = [lab(rng, 1, day), lab(rng, 2, day, n), lab(rng, 3, day)]
    desk.accepts(day, files, f"three files, the second with {n:,} rows")


def test_count_is_checked(submission, rng):
    desk, day = Desk(submission), any_day(rng)
    desk.accepts(day, [lab(rng, 1, day), lab(rng, 2, day)], "two files as promised")
    day = after(day)
    names = rng.permutation([1, 2, 3]).tolist()
    good, short, long = (lab(rng, number, day, int(rng.integers(30, 60))) for number in names)
    lost, more = int(rng.integers(1, 9)), int(rng.integers(1, 9))
    nobody = [(*row[:-1], "0") for row in rows(rng, max(lost, more), day)]
    # The totals agree, so that only the counts can tell.
    promised = File(short.name, short.day, short.rows + nobody[:lost])
    surplus = File(long.name, long.day, long.rows + nobody[:more])
    listed = [file.listed() for file in (good, promised, long)]
    naming = [short.name, str(len(promised.rows)), str(len(short.rows))]
    naming += [long.name, str(len(long.rows)), str(len(surplus.rows))]
    desk.refuses(
        desk.put(day, [good, short, surplus], listed),
        naming,
        f"{short.name} has {len(short.rows)} rows and {len(promised.rows)} are promised, "
        f"{long.name} has {len(surplus.rows)} and {len(long.rows)} are promised",
    )


def test_total_is_checked(submission, rng):
    desk, day = Desk(submission), any_day(rng)
    desk.accepts(day, [lab(rng, 1, day), lab(rng, 2, day)], "two files as promised")
    day = after(day)
    good, other = lab(rng, 1, day), lab(rng, 2, day, int(rng.integers(40, 60)))
    off = int(rng.integers(1, 6))
    off = off if rng.random() < 0.5 else -off
    listed = [good.listed(), {**other.listed(), "positives": other.positives + off}]
    desk.refuses(
        desk.put(day, [good, other], listed),
        [other.name, str(other.positives + off), str(other.positives)],
        f"{other.name} has as many rows as promised and {other.positives} positives, "
        f"where {other.positives + off} are promised",
    )


def test_folder_and_manifest_agree(submission, rng):
    desk, day = Desk(submission), any_day(rng)
    desk.accepts(day, [lab(rng, 1, day), lab(rng, 2, day)], "two files as promised")
    day = after(day)
    here, away, stray = lab(rng, 1, day), lab(rng, 2, day), lab(rng, 7, day)
    desk.refuses(
        desk.put(day, [here], [here.listed(), away.listed()]),
        [away.name],
        f"{away.name} is in the manifest and not in the folder",
    )
    desk.refuses(
        desk.put(day, [here, stray], [here.listed()]),
        [stray.name],
        f"{stray.name} is in the folder and not in the manifest",
    )


def test_ledger_explains_every_row(submission, rng):
    desk, day = Desk(submission), any_day(rng)
    first = [lab(rng, 1, day), lab(rng, 2, day)]
    desk.accepts(day, first, "two files")
    late = lab(rng, 3, day)
    day = after(day)
    again = replace(first[1], name="lab-02-copy.csv")
    desk.accepts(day, [lab(rng, 1, day), late, again], "a new file, a late one and a known one")
    given = "five files in two deliveries: three in time, one late, one known already"
    seen = view(submission, desk.out)
    wanted = Counter(
        (delivery, file.name, file.sha256, str(len(file.rows)), str(file.positives), status)
        for delivery, file, status in desk.ledger
    )
    expect(
        seen.ledger == wanted,
        observed=f"ledger.csv has {seen.ledger.total()} rows: {differences(seen.ledger, wanted)}",
        expected=f"{wanted.total()} rows, one for each file, as the Interface says",
        given=given,
    )


# ---------------------------------------------------------------------------- its neighbours


def test_cells_stay_as_they_are(submission, rng):
    desk, day = Desk(submission), any_day(rng)
    odd_sites = ["NA", "null", "None", "nan", "TRUE", "1E5", "007", "1.50", " Ward 3 ", "-", "N/A"]
    odd_countries = ["NA", "NA", "", "FR"]
    made = rows(rng, 40, day, sites=odd_sites, countries=odd_countries)
    zeros = [f"{int(code):05d}" for code in rng.integers(1, 9_999, len(made))]
    made = [(d, s, z, c, k) for (d, s, _, c, k), z in zip(made, zeros, strict=True)]
    plain = lab(rng, 2, day)
    # A column of nothing but numbers invites a guess, and one of nothing but blanks as well.
    numbers = [(d, str(rng.integers(100)), z, "", k) for d, _, z, _, k in made]
    files = [File("lab-01.csv", day.isoformat(), made), plain]
    files.append(File("lab-03.csv", day.isoformat(), numbers))
    example = cells(made[int(rng.integers(len(made)))])
    desk.accepts(day, files, f"rows such as {example!r}")
    desk.accepts(after(day), [lab(rng, 1, after(day))], "another delivery on the next day")


def test_one_rule_for_dates(submission, rng):
    year = int(rng.integers(2021, 2025))
    day = dt.date(year, 12, 30)
    desk, files = Desk(submission), []
    for number, form in enumerate(rng.permutation(list(FORMS)).tolist()):
        made = []
        for late_in_month in (False, True, False, True):  # day and month can be told apart, or not
            for row in rows(rng, 6, day):
                d = int(rng.integers(13, 28)) if late_in_month else int(rng.integers(1, 13))
                date = dt.date(year, int(rng.integers(1, 12)), d).isoformat()
                made.append((date, *row[1:]))
        files.append(File(f"lab-{number:02d}.csv", day.isoformat(), made, dates=form))
    given = "; ".join(
        f"{file.name}: {file.dates}, such as {file.content.splitlines()[1].decode()[:10]}"
        for file in files
    )
    desk.accepts(day, files, given)


def test_quoted_cells(submission, rng):
    desk, day = Desk(submission), any_day(rng)
    sites = [
        "Ward 3,\nannex",
        "Hall 2, east",
        'The "Old Mill"',
        "Station\n\nplatform 1",
        "School 4",
    ]
    sites += [f'Gate {rng.integers(9)}, "B"\nupper floor', "\n", ","]
    made = File(
        "lab-01.csv", day.isoformat(), rows(rng, int(rng.integers(30, 60)), day, sites=sites)
    )
    lines = made.content.decode().count("\n") - 1
    given = f"sites with commas, quotes and line breaks: {len(made.rows)} rows on {lines} lines"
    desk.accepts(day, [made, lab(rng, 2, day)], given)
    desk.accepts(after(day), [lab(rng, 1, after(day))], "another delivery on the next day")


def test_encodings_and_line_ends(submission, rng):
    desk, day = Desk(submission), any_day(rng)
    sites = ["Hôpital Sud", "Kreuzstraße 9", "Ångström hall", "Clínica Peña", "Élysée"]
    forms = [
        {"encoding": "utf-8", "bom": True, "line_end": "\r\n"},
        {"encoding": "utf-8", "bom": False, "line_end": "\n"},
        {"encoding": "latin-1", "bom": False, "line_end": "\r\n"},
        {"encoding": "latin-1", "bom": False, "line_end": "\n"},
    ]
    files = []
    for number, at in enumerate(rng.permutation(len(forms)).tolist()):
        made = rows(rng, int(rng.integers(10, 20)), day, sites=sites)
        files.append(File(f"lab-{number:02d}.csv", day.isoformat(), made, **forms[at]))
    desk.accepts(day, files, "UTF-8 with and without BOM and latin-1, with line ends of both kinds")


def test_same_file_loads_once(submission, rng):
    desk, day = Desk(submission), any_day(rng)
    first, second = lab(rng, 1, day), lab(rng, 2, day)
    twice = replace(first, name=f"lab-01 ({rng.integers(1, 9)}).csv")
    desk.accepts(day, [first, twice, second], f"{twice.name} holds the same bytes as {first.name}")
    day = after(day)
    # Whatever day the second manifest gives it, it is the same file.
    again = replace(second, name="resend.csv", day=str(rng.choice([second.day, day.isoformat()])))
    desk.accepts(
        day,
        [lab(rng, 1, day), again],
        f"on the next day {again.name} holds the same bytes as {second.name} of the day before",
    )


def test_repeats_are_kept(submission, rng):
    desk, day = Desk(submission), any_day(rng)
    household = rows(rng, 1, day, least=1)
    first = File("lab-01.csv", day.isoformat(), rows(rng, 10, day) + household * 3)
    second = File("lab-02.csv", day.isoformat(), rows(rng, 12, day) + household * 2)
    example = cells(household[0])
    desk.accepts(day, [first, second], f"{example!r} three times in a file and twice in another")
    day = after(day)
    files = [File(name, day.isoformat(), rows(rng, 9, day) + household) for name in
             (first.name, second.name)]  # fmt: skip
    desk.accepts(day, files, f"the next day, files of the same names, {example!r} in each")


def test_late_file_becomes_an_amendment(submission, rng):
    desk, friday = Desk(submission), any_day(rng)
    desk.accepts(friday, [lab(rng, 1, friday), lab(rng, 2, friday)], "a day's delivery")
    monday = after(friday, 3)
    late = lab(rng, 3, friday)
    weekend = [lab(rng, 4, after(friday, 1)), lab(rng, 5, after(friday, 2))]
    desk.accepts(
        monday,
        [late, lab(rng, 1, monday), *weekend],
        f"with the delivery of {monday} comes {late.name} of {friday}, which is closed, and "
        f"{weekend[0].name} and {weekend[1].name} of the two days since, which are not",
    )
    tuesday = after(monday)
    later = lab(rng, 6, after(friday, int(rng.integers(1, 4))))
    desk.accepts(
        tuesday,
        [lab(rng, 1, tuesday), later],
        f"with the delivery of {tuesday} comes {later.name} of {later.day}; "
        f"the delivery of {monday} has closed the days up to {monday}",
    )


# ---------------------------------------------------------------------------- faults


def test_cut_file(submission, rng):
    desk, day = Desk(submission), any_day(rng)
    desk.accepts(day, [lab(rng, 1, day)], "one file as promised")
    day = after(day)
    whole = File("lab-01.csv", day.isoformat(), rows(rng, 25, day, least=1))
    lines = whole.content.splitlines(keepends=True)
    last = len(lines[-1]) - 1  # without its line end
    digits = len(whole.rows[-1][-1])
    cuts = {
        "at the end of a row": sum(map(len, lines[: int(rng.integers(5, 25))])),
        "within a row": sum(map(len, lines[:-1])) + int(rng.integers(3, last - 4)),
        "just before the last number": len(whole.content) - 1 - digits,
    }
    other = lab(rng, 2, day)
    for where, at in cuts.items():
        cut = whole.holding(whole.content[:at])
        given = f"{whole.name} is cut {where}, after {at} of {len(whole.content)} bytes"
        desk.refuses(desk.put(day, [other, cut]), [whole.name], given)
    # A last household with nobody positive: the number of rows and the total agree all the same.
    whole = File(whole.name, whole.day, [*whole.rows, (*whole.rows[0][:-1], "0")])
    cut = whole.holding(whole.content[:-2])
    given = f"{whole.name} is cut just before its last number, which was 0"
    desk.refuses(desk.put(day, [other, cut]), [whole.name], given)
    # What is left of it has every row and the right total, for a parser that forgives the quote.
    quoted = whole.holding(whole.content[:-2] + b'"0"\n')
    cut = quoted.holding(quoted.content[:-2])
    given = f"{whole.name} is cut within its last cell, '\"0\"', just before the closing quote"
    desk.refuses(desk.put(day, [other, cut]), [whole.name], given)
    desk.accepts(day, [other, quoted], "the same file, whole")


def test_unreadable_cells(submission, rng):
    desk, day = Desk(submission), any_day(rng)
    desk.accepts(day, [lab(rng, 1, day)], "one file as promised")
    day = after(day)
    good, other = lab(rng, 1, day, 30, dates="DD/MM/YYYY"), lab(rng, 2, day)
    site = 1 + int(rng.integers(10))
    # Nobody positive there, so that whoever takes a spoilt cell for 0 has the right total.
    good.rows[site - 1] = (*good.rows[site - 1][:-1], "0")
    good = replace(good)
    lines = good.content.decode().splitlines()
    parts = lines[site].split(",")

    def with_line(*cells: str) -> bytes:
        return ("\n".join([*lines[:site], ",".join(cells), *lines[site + 1 :]]) + "\n").encode()

    impossible = str(rng.choice(["31/02/2024", "04/13/2024", "00/05/2024"]))
    word = str(rng.choice(["two", "none", "n.n.", "?", ""]))
    spoilt = {
        f"the date {impossible} in a file with DD/MM/YYYY": with_line(impossible, *parts[1:]),
        f"the number of positives {word!r}": with_line(*parts[:-1], word),
        "a row with four cells": with_line(parts[0], parts[1], parts[2], parts[4]),
        "a row with six cells": with_line(*parts[:3], "", *parts[3:]),
        "a byte that is no UTF-8": with_line(*parts).replace(parts[1].encode(), b"Caf\xe9", 1),
        "another header": good.content.replace(b"postcode", b"post_code", 1),
    }
    for what, content in spoilt.items():
        given = f"{good.name}, in the manifest as UTF-8 with DD/MM/YYYY, has {what}"
        desk.refuses(desk.put(day, [other, good.holding(content)]), [good.name], given)
    both = [good.holding(spoilt["another header"]), other.holding(other.content + b"2024\n")]
    given = f"{good.name} has another header, and {other.name} a last row of one cell"
    desk.refuses(desk.put(day, both), [good.name, other.name], given)


#: Runs the loader over and over, each time on a fresh copy of the published folder, and stops it
#: before (b) or just after (a) one of its steps on files, or in the middle of a write (m). Leaves
#: what each left behind in cut/, and in again/ what a second run made of that.
KILLER = """
import os, resource, runpy, shutil, signal, sys

OUT, SIZES, ARGV = sys.argv[1], [int(size) for size in sys.argv[2].split(",")], sys.argv[3:]
STEPS = {"os.rename", "os.link", "os.symlink", "os.mkdir", "os.remove", "os.rmdir", "os.truncate",
         "subprocess.Popen", "os.posix_spawn", "os.system"}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


def run(out, count=None, stop=None, after=False, size=None):
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    if size is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    steps, busy = 0, False

    def hook(event, args):
        nonlocal steps, busy
        opens = event == "open" and len(args) == 3 and isinstance(args[2], int) and args[2] & WRITES
        if busy or not (opens or event in STEPS):
            return
        busy = True
        steps += 1
        if count is not None:
            os.write(count, event.encode() + b"\\n")
        if steps == stop:
            if after and isinstance(args[0], (str, bytes)):
                try:
                    os.open(args[0], args[2], 0o644)
                except OSError:
                    pass
            os._exit(1)
        busy = False

    sys.dont_write_bytecode = True
    sys.addaudithook(hook)
    sys.argv = ["loader", *ARGV, "--out", out]
    code = 1
    try:
        runpy.run_module("loader", run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        os._exit(code)


def cut(name, **how):
    shutil.copytree(OUT, "cut/" + name, symlinks=True)
    run("cut/" + name, **how)
    shutil.copytree("cut/" + name, "again/" + name, symlinks=True)
    run("again/" + name)


os.makedirs("cut")
os.makedirs("again")
reader, writer = os.pipe()
shutil.copytree(OUT, "cut/whole", symlinks=True)
run("cut/whole", count=writer)
os.close(writer)
told = b""
while part := os.read(reader, 4096):
    told += part
with open("steps.txt", "wb") as list_of_steps:
    list_of_steps.write(told)
steps = told.split()
numbers = list(range(1, len(steps) + 1))
if len(numbers) > 24:
    numbers = numbers[:12] + numbers[-12:]
for number in numbers:
    cut(f"{number}b", stop=number)
    if steps[number - 1] == b"open":
        cut(f"{number}a", stop=number, after=True)
for number, size in enumerate(SIZES):
    cut(f"{number}m", size=size)
"""

#: Runs the loader with a file system on which no file can grow beyond so many bytes.
FULL_DISK = """
import resource, runpy, signal, sys

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), hard))
sys.argv = ["loader", *sys.argv[2:]]
runpy.run_module("loader", run_name="__main__", alter_sys=True)
"""


def two_days(submission, rng):
    """A desk with a day published, and the arguments for a second delivery, not yet loaded."""
    desk, day = Desk(submission), any_day(rng)
    first = [lab(rng, 1, day), lab(rng, 2, day, int(rng.integers(150, 250)))]
    desk.accepts(day, first, "a first delivery, undisturbed")
    late, day = lab(rng, 3, day), after(day)
    files = [lab(rng, 1, day), late, lab(rng, 2, day), replace(first[0], name="copy.csv")]
    return desk, day, files, desk.put(day, files)


def test_killed_at_any_moment(submission, rng):
    desk, day, files, argv = two_days(submission, rng)
    old = view(submission, desk.out)
    size = len(submission.file(f"{desk.out}/{old.folder}/cases.csv"))
    sizes = ",".join(str(size) for size in sorted(rng.integers(1, size, 2).tolist()))
    finished = submission.run(
        ["python", "killer.py", desk.out, sizes, *argv[:-2]], files={"killer.py": KILLER}
    )
    expect(
        finished.exit_code == 0,
        observed=f"the run of kills ended with {finished.exit_code}{complaint(finished)}",
        expected="that the loader, started many times, leaves the others alone",
    )
    new = view(submission, "cut/whole")
    desk.record(day, files)
    undisturbed = Desk(submission, "cut/whole")
    undisturbed.cases, undisturbed.amendments = desk.cases, desk.amendments
    undisturbed.shows("a second delivery, undisturbed")
    moments = sorted({path.split("/")[1] for path in submission.listing("again")})
    steps = dict(enumerate(submission.text("steps.txt").split(), 1))
    for moment in moments:
        step = f"step {moment[:-1]} on files ({steps.get(int(moment[:-1]))})"
        when = {"b": f"before {step}", "a": f"just after {step}",
                "m": "in the middle of a write"}[moment[-1]]  # fmt: skip
        given = f"a second delivery, and the loader is killed {when}"
        seen = view(submission, f"cut/{moment}", given)
        expect(
            seen.seen in (old.seen, new.seen),
            observed=f"readers see {told(seen)}",
            expected=f"what was there before ({told(old)}) or what comes next ({told(new)}), whole",
            given=given,
        )
        seen = view(submission, f"again/{moment}", f"{given}; then it runs once more")
        expect(
            seen.seen == new.seen,
            observed=f"after a second run readers see {told(seen)}",
            expected=f"what one undisturbed run publishes ({told(new)})",
            given=given,
        )


def told(seen: View) -> str:
    if seen.folder is None:
        return "nothing"
    sizes = [part.total() for part in seen.seen]
    return f"{sizes[0]} cases, {sizes[1]} amendments and {sizes[2]} files in the ledger"


def test_full_disk(submission, rng):
    desk, day, files, argv = two_days(submission, rng)
    old = view(submission, desk.out)
    size = len(submission.file(f"{desk.out}/{old.folder}/cases.csv"))
    room = int(rng.integers(size // 4, size))
    finished = submission.run(
        ["python", "full_disk.py", str(room), *argv], files={"full_disk.py": FULL_DISK}
    )
    given = f"a second delivery, and writing fails after {room} bytes of a file"
    expect(
        finished.exit_code != 0,
        observed="exit code 0",
        expected="any other exit code, so that the scheduler tries again",
        given=given,
    )
    seen = view(submission, desk.out)
    expect(
        seen.seen == old.seen,
        observed=f"readers see {told(seen)}",
        expected=f"what was there before: {told(old)}",
        given=given,
    )
    finished = desk.load(argv)
    expect(
        finished.exit_code == 0,
        observed=f"exit code {finished.exit_code}{complaint(finished)}",
        expected="exit code 0",
        given="the same delivery again, once there is room",
    )
    desk.record(day, files)
    desk.shows("the same delivery again, once there is room")


def test_manifest_that_cannot_be_used(submission, rng):
    desk, day = Desk(submission), any_day(rng)
    desk.accepts(day, [lab(rng, 1, day)], "one file as promised")
    day = after(day)
    file = lab(rng, 1, day)
    argv = desk.put(day, [file])
    manifest = argv[3]
    whole = submission.text(manifest)
    told = json.loads(whole)
    missing = str(rng.choice(list(file.listed())))
    without = {key: value for key, value in file.listed().items() if key != missing}
    unknown = {**file.listed(), "dates": "DD.MM.YY"}
    broken = {
        "a manifest that is cut in the middle": whole[: len(whole) // 2],
        f"a manifest without {missing!r} for a file": json.dumps({**told, "files": [without]}),
        "a manifest with dates 'DD.MM.YY'": json.dumps({**told, "files": [unknown]}),
    }
    for given, text in broken.items():
        submission.write({manifest: text})
        desk.refuses(argv, [manifest], given, code=2)
    argv[3] = "no-such-manifest.json"
    desk.refuses(argv, [argv[3]], "a manifest that is not there", code=2)


def test_refused_then_mended(submission, rng):
    desk, day = Desk(submission), any_day(rng)
    first, second, third = lab(rng, 1, day), lab(rng, 2, day), lab(rng, 3, day)
    listed = [file.listed() for file in (first, second, third)]
    short = second.holding(b"".join(second.content.splitlines(keepends=True)[:-2]))
    given = f"the very first delivery, in which {second.name} lacks two rows"
    desk.refuses(desk.put(day, [first, short, third], listed), [second.name], given)
    desk.accepts(
        day, [first, second, third], "the same delivery, mended: its day has not been closed"
    )


# ---------------------------------------------------------------------------- of use


def test_good_deliveries_go_out(submission, rng):
    desk, day = Desk(submission), any_day(rng)
    nobody = File("lab-09.csv", day.isoformat(), [])
    others = {"drop-1/README.txt": "Uploads end at 07:00.\n", "drop-1/lab-01.csv.md5": "0a1b\n"}
    desk.accepts(
        day,
        [lab(rng, 1, day), nobody, lab(rng, 2, day, 1)],
        "three files, one of them with a header and no rows, and two that are no CSV",
        others=others,
    )
    for _ in range(2):
        day = after(day, int(rng.integers(1, 4)))
        files = [lab(rng, number, day) for number in rng.permutation(4).tolist()]
        desk.accepts(day, files, f"the delivery of {day}")


def test_no_newline_at_the_end(submission, rng):
    desk, day = Desk(submission), any_day(rng)
    files = [lab(rng, 1, day), lab(rng, 2, day, line_end="\r\n")]
    bare = [file.holding(file.content.rstrip()) for file in files]
    desk.accepts(day, bare, "two files whose last row is whole and has no line end")


def test_retry_adds_nothing(submission, rng):
    desk, day = Desk(submission), any_day(rng)
    first = desk.accepts(day, [lab(rng, 1, day), lab(rng, 2, day)], "a delivery")
    late, day = lab(rng, 3, day), after(day)
    files = [lab(rng, 1, day), late]
    second = desk.accepts(day, files, "the next one, with a late file")
    before = view(submission, desk.out)
    for argv, given in (
        (second, "a delivery that is out already is run again, with the same manifest"),
        (first, "then the delivery before it is run again, with its own manifest"),
    ):
        finished = desk.load(argv)
        expect(
            finished.exit_code == 0,
            observed=f"exit code {finished.exit_code}{complaint(finished)}",
            expected="exit code 0",
            given=given,
        )
        desk.shows(given)
        seen = view(submission, desk.out)
        expect(
            seen.ledger == before.ledger,
            observed=f"ledger.csv: {differences(seen.ledger, before.ledger)}",
            expected="the same rows as before",
            given=given,
        )
    grown = lab(rng, 4, day)
    given = f"the second delivery again, with {grown.name} more in folder and manifest"
    finished = desk.load(desk.put(day, [*files, grown]))
    expect(
        finished.exit_code == 0,
        observed=f"exit code {finished.exit_code}{complaint(finished)}",
        expected="exit code 0",
        given=given,
    )
    desk.record(day, [grown])
    desk.shows(given)


def test_readers_keep_their_version(submission, rng):
    desk, day = Desk(submission), any_day(rng)
    desk.accepts(day, [lab(rng, 1, day), lab(rng, 2, day)], "a delivery")
    for _ in range(2):
        folder = f"{desk.out}/{view(submission, desk.out).folder}"
        before = {path: submission.file(path) for path in submission.listing(folder)}
        late, day = lab(rng, 3, day), after(day)
        given = f"a reader has looked into CURRENT and is in {folder}; the next delivery is loaded"
        desk.accepts(day, [lab(rng, 1, day), late], given)
        there = set(submission.listing(folder))
        touched = [p for p in before if p not in there or submission.file(p) != before[p]]
        expect(
            not touched,
            observed=f"{', '.join(touched)} changed or went away",
            expected="the folder as it was, at least until the publication after this one",
            given=given,
        )
