"""Leads: what is found, what is passed over, and how carefully it is said."""

import dataclasses
import datetime as dt
import html
import re
from collections.abc import Iterator

import pytest
from selenium import webdriver
from selenium_axe_python import Axe

from grader import __version__, verify
from grader.catalog import Catalog, Kata
from grader.cohort import integrity
from grader.cohort.config import Cohort
from grader.cohort.records import HandIn
from grader.cohort.store import Store
from grader.grading import kata_hash
from grader.submission import Submission, collect
from tests import marked
from tests.attacking import Attack, attacks
from tests.browsing import load
from tests.commands import kata as run
from tests.commands import root_of
from tests.conftest import ROOT, engine_or_skip

#: Long enough to have passages of its own.
WORK = '''
def add(first, second):
    """Adds."""
    steps = []
    for number in range(3):
        steps.append((number, first * number, second - number))
    while steps and steps[-1][0] > 1:
        last = steps.pop()
        if last[1] == last[2] or not last[0]:
            raise ValueError(f"odd: {last}")
        steps.insert(0, (last[0] - 1, last[2], last[1]))
    try:
        return first + second
    except TypeError as error:
        return {"error": str(error), "given": [first, second]}


class Total:
    def __init__(self, start=0):
        self.value, self.seen = start, {}

    def add(self, number):
        self.seen[number] = self.seen.get(number, 0) + 1
        if self.seen[number] > 10 and all(each > 2 for each in self.seen.values()):
            self.seen.clear()
        self.value = add(self.value, number)
        return self.value
'''
OTHER = """
import operator, functools


def add(a, b):
    return functools.reduce(operator.add, sorted([a, b], key=lambda each: -each), 0)


class Total:
    numbers: list

    def __init__(self):
        self.numbers = [0]

    def add(self, n):
        with_it = [*self.numbers, n]
        self.numbers = [each for each in with_it if each is not None]
        return sum(self.numbers) if len(self.numbers) % 2 == 0 else sum(self.numbers[::-1])

    def __repr__(self):
        return "Total(" + ", ".join(str(each) for each in self.numbers) + ")"
"""


@pytest.fixture
def ours(toy: Kata) -> Cohort:
    return marked.find(marked.make(toy), toy)


@pytest.fixture
def store(ours: Cohort) -> Iterator[Store]:
    with ours.store() as store:
        yield store


def disguised(text: str) -> str:
    """Other names, other comments, other layout, the class before the function."""
    function, _, total = text.partition("\n\n\nclass ")
    text = f"class {total}\n# mine\n\n\n{function}\n"
    renamed = {"steps": "queue", "number": "k", "last": "top", "seen": "counts", "first": "x",
               "second": "y", "odd": "strange", "value": "sum_"}  # fmt: skip
    for old, new in renamed.items():
        text = re.sub(rf"\b{old}\b", new, text)
    return text.replace("    ", "  ")


def words(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.partition("<body")[2])).split())


def test_a_disguised_copy_is_similar(ours: Cohort, store: Store, toy: Kata) -> None:
    later = marked.NOON + dt.timedelta(hours=1)
    marked.hand_in(store, toy, "bob18", disguised(WORK), later)
    marked.hand_in(store, toy, "ada17", WORK)
    marked.hand_in(store, toy, "cyd19", OTHER)
    [found] = integrity.find(ours, store, [toy]).similar
    assert [each.learner for each in found.owners] == ["ada17", "bob18"]
    assert found.percent > 70
    page = integrity.page(ours, store, integrity.find(ours, store, [toy]), later, str)
    assert page.count("<mark>") > 20
    assert "<mark>        steps.append(" in page
    assert "none is a finding" in words(page)


def test_what_everybody_was_given_does_not_count(ours: Cohort, store: Store, toy: Kata) -> None:
    for answer in ("starter", "reference"):
        place = toy.answer(answer) / "adder.py"
        place.write_text(place.read_text() + WORK)
    marked.hand_in(store, toy, "ada17", WORK + "a = 1\n")
    marked.hand_in(store, toy, "bob18", WORK + "b = [2]\n")
    assert integrity.find(ours, store, [toy]).similar == []


def test_answers_that_were_written_apart_are_not_similar() -> None:
    """What the threshold stands on: the other right answers beside their references."""
    alike = set()
    for kata in Catalog(ROOT).katas:
        prints = {
            name: integrity.fingerprints(integrity.tokens(integrity.text_of(work))).keys()
            for name, work in integrity.published(kata).items()
        }
        given = prints.pop("starter")
        reference = prints.pop("reference") - given
        for name, found in prints.items():
            mine = found - given
            if len(mine & reference) >= 0.2 * min(len(mine), len(reference)):
                alike.add(f"{kata.short_name} {name}")
    # These keep most of the reference.
    assert alike == {
        "flaky-provider also_right/breaker",
        "rows-off-the-bottom also_right/parts-by-checksum",
        "rows-off-the-bottom also_right/sqlite-behind",
    }


def test_the_same_bytes(ours: Cohort, store: Store, toy: Kata) -> None:
    reference = (toy.solutions / "reference/adder.py").read_text()
    starter = (toy.folder / "adder.py").read_text()
    for learner in ("ada17", "bob18"):
        marked.hand_in(store, toy, learner, starter)
        marked.hand_in(store, toy, learner, WORK, marked.NOON + dt.timedelta(hours=1))
    marked.hand_in(store, toy, "cyd19", reference)
    found = integrity.find(ours, store, [toy])
    assert [(each.answer, [owner.learner for owner in each.owners]) for each in found.same] == [
        ("reference", ["cyd19"]), ("", ["ada17", "bob18"])]  # fmt: skip
    assert found.similar == []


def test_chance_is_found(ours: Cohort, store: Store, toy: Kata) -> None:
    engine = engine_or_skip("bubblewrap")
    right = (toy.solutions / "reference/adder.py").read_text()
    odd = right + "\n# kept with a verdict that no seed gives\n"
    works = [
        ("ada17", right, {}),
        ("bob18", odd, {"adds": "6"}),
        ("gone", f"{odd}#", {"adds": "6"}),
    ]
    for learner, text, _ in works:
        # Under another edition, which counts still: nothing to compare with.
        marked.graded(store, toy, learner, text, {"adds": "other edition"})
    leads = integrity.find(ours, store, [toy])
    assert leads.chance is None
    leads, problems = integrity.with_chance(leads, ours, store, engine, [toy], 5, [3, 4], 2)
    assert (leads.chance, leads.tried_again) == ([], 0)
    assert [problem.partition(";")[0] for problem in problems] == [
        "01-toy/adder: nothing to compare with: no work is graded with this kata as it is now, by "
        "this grader on bubblewrap"
    ]
    for _, text, failing in works:
        work = Submission({"adder.py": text.encode()})
        verdict = marked.verdict(toy, work, failing, kata_hash(toy).removeprefix("sha256:"))
        verdict = dataclasses.replace(verdict, engine=engine.name, image=engine.image,
                                      grader=__version__)  # fmt: skip
        store.add_grading(verdict.as_json(), marked.NOON)
    leads, problems = integrity.with_chance(leads, ours, store, engine, [toy], 5, [3, 4], 2)
    assert (problems, leads.tried_again) == ([], 2)
    [chance] = leads.chance or ()
    assert [each.learner for each in chance.owners] == ["bob18"]
    assert chance.behaviours == {"adds": "2 of 3"}
    assert len(store.gradings()) == 6


def laid(attack: Attack) -> Submission:
    files: dict[str, bytes] = {}
    own = [path for path in sorted(attack.folder.rglob("*")) if path.is_file()]
    own += [attack.folder.parent / "tools" / f"{tool}.py" for tool in attack.tools]
    for path in own:
        inside = attack.folder in path.parents
        name = path.relative_to(attack.folder).as_posix() if inside else f"more/{path.name}"
        if name not in ("attack.toml", "setup.sh"):
            name = name.removesuffix(".before").removesuffix(".after")
            content = re.sub(rb"@\w+@", b"1", path.read_bytes())
            files[name] = files.get(name, b"") + b"\n" + content
    return Submission(files)


def test_most_attacks_that_want_something_leave_traces() -> None:
    """Those that only break things show in the verdict's cause instead."""
    wanting = [each for each in attacks() if each.kind != "break"]
    traced = [each.name for each in wanting if integrity.traces(laid(each))]
    assert len(traced) > 0.85 * len(wanting)


def test_honest_wrong_answers_leave_none() -> None:
    odd = []
    for kata in Catalog(ROOT).katas:
        usual = integrity.usual_traces(kata)
        for answer in (name for name in verify.answers(kata) if name.startswith("wrong/")):
            if found := integrity.traces(collect(kata, kata.answer(answer))) - usual:
                odd.append((answer, found))
    assert odd == []


def test_traces_in_a_cohort(ours: Cohort, store: Store, toy: Kata) -> None:
    marked.hand_in(store, toy, "ada17", "import os\nos._exit(0)  # <b>\n")
    marked.hand_in(store, toy, "bob18", "def add(a, b):\n    return a - b\n")
    marked.hand_in(store, toy, "cyd19", None)
    leads = integrity.find(ours, store, [toy])
    found = {each.owners[0].learner: each.traces for each in leads.tried}
    assert found == {
        "ada17": ["ends the process on the spot"],
        "cyd19": ["was refused: <b>a.py</b> is a link that leaves the folder"],
    }
    page = integrity.page(ours, store, leads, marked.NOON, store.pseudonym)
    assert "<b>a.py" not in page
    assert "ada17" not in page
    assert "Ada" not in page


def test_a_refusal_is_quoted_without_the_learners_name(
    ours: Cohort, store: Store, toy: Kata
) -> None:
    refusal = "more/Ada Lovelace.py is a link that leaves the folder; ask Lovelace"
    store.add_hand_in(HandIn("ada17", toy.name, None, refusal, marked.NOON, "x", marked.NOON))
    page = integrity.page(
        ours, store, integrity.find(ours, store, [toy]), marked.NOON, store.pseudonym
    )
    assert "more/[name].py is a link" in words(page)
    assert "Lovelace" not in page


def test_more_memory_than_allowed_is_a_trace(ours: Cohort, store: Store, toy: Kata) -> None:
    work = marked.graded(store, toy, "ada17", "x = 1", {"adds": '"cause":"out of memory"'})
    assert integrity.find(ours, store, [toy]).tried == []
    document = marked.verdict(toy, work, {"adds": ""}, kata_hash="2" * 64).as_json()
    document["behaviours"][0]["cause"] = "out of memory"
    store.add_grading(document, marked.NOON)
    [found] = integrity.find(ours, store, [toy]).tried
    assert found.traces == ["took more memory than the kata allows"]


def test_code_that_cannot_be_read_is_no_trouble(ours: Cohort, store: Store, toy: Kata) -> None:
    for number, text in enumerate(("def (", "(" * 5000, "\\", "'''", "x = '" + "a" * 300_000)):
        marked.hand_in(store, toy, "ada17", text, marked.NOON + dt.timedelta(hours=number))
        marked.hand_in(store, toy, "bob18", text + "\n", marked.NOON + dt.timedelta(hours=number))
    assert integrity.find(ours, store, [toy]).tried == []


@pytest.mark.timeout(60)
@pytest.mark.parametrize("quote", ['"', "'", '"""', "'''"])
def test_a_text_that_nothing_closes_holds_nobody_up(quote: str) -> None:
    """Each escaped quote in it was once tried as another beginning: for minutes."""
    text = f"x = {quote}" + f"\\{quote}" * (200_000 // (1 + len(quote)))
    if len(quote) == 1:
        assert [each.kind for each in integrity.tokens(text)] == ["name", "=", "text"]
    assert integrity.tokens(text + "\\")


def test_the_command_and_its_page(
    browser: webdriver.Chrome, ours: Cohort, store: Store, toy: Kata
) -> None:
    marked.hand_in(store, toy, "ada17", WORK)
    marked.hand_in(store, toy, "bob18", disguised(WORK) + "import os\nos._exit(0)\n")
    done = run(root_of(toy), "cohort", "integrity", "--cohort", str(ours.folder))
    assert (done.returncode, done.stdout) == (0, f"{ours.folder / 'leads.html'}\n")
    assert "none of them a verdict" in done.stderr
    page = ours.folder / "leads.html"
    page.write_text(page.read_text().replace("<details>", "<details open>"))
    for width, scheme in ((600, "dark"), (1400, "light")):
        load(browser, page, width, scheme)
        axe = Axe(browser)
        axe.inject()
        found = axe.run()["violations"]
        assert not found, axe.report(found)
        wide = browser.execute_script("return document.documentElement.scrollWidth")
        assert wide <= width
