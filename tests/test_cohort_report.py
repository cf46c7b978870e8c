"""What the report and the board say, and how their page does in a real browser."""

import dataclasses
import datetime as dt
import html
import json
import pathlib
import re
import shutil
import socket
import threading
from collections.abc import Iterator

import fastapi.testclient
import polars as pl
import pytest
import uvicorn
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait
from selenium_axe_python import Axe

from grader.catalog import Catalog, Kata
from grader.cohort import board as serving
from grader.cohort import exports, sources
from grader.cohort.board import Board
from grader.cohort.config import Cohort
from grader.cohort.marks import Gradebook
from grader.cohort.report import Report, Row
from grader.cohort.store import Store
from grader.errors import UsageError
from grader.progress import Progress
from tests import marked, synthetic
from tests.browsing import load
from tests.commands import kata as run
from tests.commands import root_of
from tests.conftest import ROOT

HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
BEFORE_DUE = marked.NOON - 2 * DAY
HOSTILE = '<script>alert("1")</script> & <b onclick=x>bold</b>'


@pytest.fixture
def ours(toy: Kata) -> Cohort:
    return marked.find(marked.make(toy), toy)


@pytest.fixture
def store(ours: Cohort) -> Iterator[Store]:
    with ours.store() as store:
        yield store


def words(page: str) -> str:
    body = page.partition("<body")[2].partition("<script>")[0]
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def make(ours: Cohort, store: Store, now: dt.datetime = marked.NOON, **options: int) -> Report:
    return Report.make(ours, store, now, **options)


def test_marks_in_the_table(toy: Kata, ours: Cohort, store: Store) -> None:
    marked.graded(store, toy, "ada17", "right")
    marked.graded(store, toy, "bob18", "half", {"adds": "6"})
    marked.hand_in(store, toy, "cyd19", None)
    report = make(ours, store, marked.NOON + 10 * DAY)
    assert [row.cells for row in report.rows] == [[("100", "full")], [("50", "p2")],
                                                  [("refused", "none")]]  # fmt: skip
    assert [row.percent for row in report.rows] == ["100", "50", "0"]
    page = report.page()
    assert '<tr id="l-bob18"><th scope="row">bob18<td class="p2">50<td>50<td>2026-03-09' in page
    assert report.counts["hand-ins"] == 3
    assert report.counts["refused hand-ins"] == 1


def test_what_it_took_to_pass(toy: Kata, ours: Cohort, store: Store) -> None:
    for number, (text, failing) in enumerate((("1", "6"), ("2", "6"), ("3", ""))):
        at = BEFORE_DUE + number * 6 * HOUR
        marked.graded(store, toy, "ada17", text, {"adds": "6"} if failing else {}, at)
    marked.graded(store, toy, "bob18", "right", at=BEFORE_DUE)
    store.note_hints("ada17", toy.name, 2)
    [line] = make(ours, store).lines
    assert (line.passed, line.in_work, line.untouched) == (2, 0, 1)
    assert (line.attempts, line.days, line.hints) == (2, 0.25, 2)
    assert line.passed_at == [1, 0, 1, 0, 0]


def test_the_bar_of_a_kata_shows_who_has_passed(toy: Kata, ours: Cohort, store: Store) -> None:
    for learner in ("ada17", "bob18"):
        marked.graded(store, toy, learner, "half", {"adds": "6"}, BEFORE_DUE)
    nobody = make(ours, store).page()
    assert 'aria-label="0 of 3 learners passed"><rect class="done" width="0.0"' in nobody
    assert "nobody yet" in words(nobody)
    marked.graded(store, toy, "ada17", "right", at=BEFORE_DUE + HOUR)
    one = make(ours, store).page()
    assert 'aria-label="1 of 3 learners passed"><rect class="done" width="33.3' in one
    assert "0, 1, 0, 0, 0" in words(one)
    assert "nobody yet" not in words(one)


def test_hints_of_who_shares_them(toy: Kata, ours: Cohort, store: Store) -> None:
    work = ours.folder / "work"
    shutil.copytree(toy.folder, work / "adder")
    (work / "adder/adder.py").write_text("def add(a, b): return 0\n")
    progress = Progress(work)
    progress.next_hint(toy)
    progress.next_hint(toy)
    ada = dataclasses.replace(ours.roster.get("ada17"), source="work")
    list(sources.from_sources(ours, store, [ada], [toy], marked.NOON))
    assert store.hints() == {("ada17", toy.name): min(2, len(toy.hints))}
    [line] = make(ours, store).lines
    assert line.hints == min(2, len(toy.hints))


def test_what_most_fail_at(toy: Kata, ours: Cohort, store: Store) -> None:
    told = f"{HOSTILE} by Ada Lovelace of ada17, ada@example.org, not bob18"
    marked.graded(store, toy, "ada17", "one", {"adds": told, "keeps-a-total": "0"})
    marked.graded(store, toy, "bob18", "two", {"adds": "\x1b[1m"})
    marked.graded(store, toy, "cyd19", "three")
    report = make(ours, store)
    assert [(each.id, each.failing, each.graded) for each in report.hard] == [
        ("adds", 2, 3), ("keeps-a-total", 1, 3)]  # fmt: skip
    said = words(report.page())
    assert f"{HOSTILE} by [name] of [name], [name], not [name]" in said
    assert r"\x1b[1m" in said
    for secret in ("Lovelace", "ada@", "HYPERLINK"):
        assert secret not in report.page()
    assert "<script>alert" not in report.page()
    assert "<b onclick" not in report.page()


def test_who_is_stuck_since_when(toy: Kata, ours: Cohort, store: Store) -> None:
    for number in range(4):
        failing = {"adds": "6"} if number else {"adds": "6", "keeps-a-total": "0"}
        marked.graded(store, toy, "ada17", str(number), failing, BEFORE_DUE + number * HOUR)
        marked.graded(store, toy, "bob18", f"b{number}", failing, BEFORE_DUE + number * HOUR)
    marked.graded(store, toy, "bob18", "right", at=BEFORE_DUE + 5 * HOUR)
    [stuck] = make(ours, store).stuck
    assert (stuck.learner, stuck.attempts, stuck.best) == ("ada17", 4, "2 of 4")
    assert stuck.since == BEFORE_DUE + HOUR


def test_who_is_silent_since_when(toy: Kata, ours: Cohort, store: Store) -> None:
    marked.graded(store, toy, "ada17", "right", at=BEFORE_DUE - 20 * DAY)
    marked.graded(store, toy, "bob18", "half", {"adds": "6"}, BEFORE_DUE - 20 * DAY)
    silent = make(ours, store).silent
    assert [(each.learner, each.since) for each in silent] == [
        ("cyd19", None), ("bob18", BEFORE_DUE - 20 * DAY)]  # fmt: skip
    assert [each.learner for each in make(ours, store, silent_days=60).silent] == ["cyd19"]
    assert make(ours, store, marked.NOON + 30 * DAY).silent == []


def test_work_that_only_a_later_edition_has_graded(toy: Kata, ours: Cohort, store: Store) -> None:
    """It has a mark, so it has passed, it is not silent, and its verdict is the one that counts."""
    marked.graded(store, toy, "ada17", "right", at=BEFORE_DUE - 20 * DAY)
    new = marked.hand_in(store, toy, "bob18", "as right", BEFORE_DUE - 20 * DAY)
    assert new is not None
    store.add_grading(marked.verdict(toy, new, kata_hash="2" * 64).as_json(), BEFORE_DUE)
    report = make(ours, store)
    assert report.rows[1].cells == [("100", "full")]
    assert report.lines[0].passed == 2
    assert [each.learner for each in report.silent] == ["cyd19"]
    book = Gradebook.make(ours, store, marked.NOON)
    for line in exports.verdict_lines(store, book, str):
        assert json.loads(line)["applied"]
    _, gradings = exports.parquet(ours.folder / "tables", book, str)
    assert pl.read_parquet(gradings)["applied"].to_list() == [True, True]


def test_runs_and_trouble(toy: Kata, ours: Cohort, store: Store) -> None:
    now = marked.NOON
    for begun, seen, ended in ((5 * HOUR, 4 * HOUR, True), (3 * HOUR, 2 * HOUR, False),
                               (HOUR / 6, HOUR * 0, False)):  # fmt: skip
        number = store.begin_run("docker", 2, 100, now - begun)
        store.note_run(number, 60, 1, now - seen, ended=ended)
    store.note_trouble("k", "s", toy.name, "the judge of ada17 is gone <b>", now, most=1)
    report = make(ours, store)
    assert [each.state for each in report.runs] == ["running", "killed", "done"]
    assert [each.per_minute for each in report.runs] == [6, 1, 1]
    assert report.runs[0].left == dt.timedelta(minutes=6.5)
    said = words(report.page())
    assert "61 of 100 · 6 a minute · about 6 min left · 1 case of engine trouble" in said
    assert "parked the judge of [name] is gone <b>" in said


def test_an_empty_cohort(ours: Cohort, store: Store) -> None:
    said = words(make(ours, store).page())
    assert "Nothing has been graded yet." in said
    assert "No behaviour has failed yet." in said
    assert "Nobody is stuck" in said


def test_the_command(toy: Kata, ours: Cohort, store: Store) -> None:
    marked.graded(store, toy, "ada17", "right")
    root, place = root_of(toy), ["--cohort", str(ours.folder)]
    done = run(root, "cohort", "report", *place)
    assert (done.returncode, done.stdout.split()) == (0, [str(ours.folder / "report.html")])
    done = run(root, "cohort", "report", *place, "--anonymous", "--output", "out/a.html")
    assert done.returncode == 0
    page = (root / "out/a.html").read_text()
    assert "ada17" not in page
    assert store.pseudonym("ada17") in page
    assert run(root, "cohort", "report", *place, "--output", "katas").returncode == 2


# The board


@pytest.fixture
def live(ours: Cohort, store: Store) -> Board:
    return Board(lambda: make(ours, store), store.pulse)


def test_changes_are_told_once(
    toy: Kata, store: Store, live: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "_SECONDS", 0)
    monkeypatch.setattr(serving, "_SHARE", 0)
    live._due = 0
    first = live.changes("")
    assert set(first["parts"]) == {"progress", "totals", "hard", "katas", "stuck", "silent", "runs"}
    assert not first["reload"]
    nothing = live.changes(first["revision"])
    assert (nothing["parts"], nothing["cells"]) == ({}, [])
    marked.graded(store, toy, "bob18", "half", {"adds": "6"})
    told = live.changes(first["revision"])
    assert ["bob18", 0, "50", "p2"] in told["cells"]
    assert {cell[0] for cell in told["cells"]} == {"bob18"}
    assert "hard" in told["parts"]
    assert "runs" not in told["parts"]
    again = live.changes(told["revision"])
    assert (again["parts"], again["cells"]) == ({}, [])
    assert live.changes("another-3")["reload"]


def test_a_page_is_told_only_what_it_does_not_show(
    toy: Kata, store: Store, live: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "_SECONDS", 0)
    monkeypatch.setattr(serving, "_SHARE", 0)
    live._due = 0
    shown = re.search(r'data-live="([^"]+)"', live.page())
    assert shown is not None
    nothing = live.changes(shown[1])
    assert (nothing["parts"], nothing["cells"], nothing["reload"]) == ({}, [], False)
    marked.graded(store, toy, "bob18", "half", {"adds": "6"})
    assert {cell[0] for cell in live.changes(shown[1])["cells"]} == {"bob18"}


def test_only_who_may_reads_the_board(live: Board) -> None:
    with fastapi.testclient.TestClient(serving.app(live), "http://127.0.0.1:8765") as here:
        reply = here.get("/")
        assert reply.status_code == 200
        assert "data-live" in reply.text
        assert reply.headers["cache-control"] == "no-store"
        assert here.get("/changes").json()["revision"]
        # As a page elsewhere would come, through a name of its own that points here.
        assert here.get("/", headers={"host": "evil.example"}).status_code == 403
    with fastapi.testclient.TestClient(serving.app(live, "s3cret"), "http://10.0.0.7") as afar:
        assert afar.get("/").status_code == 401
        assert afar.get("/changes").status_code == 401
        assert afar.get("/?token=guess").status_code == 401
        came = afar.get("/?token=s3cret", follow_redirects=False)
        assert (came.status_code, came.headers["location"]) == (303, "/")
        assert "HttpOnly" in came.headers["set-cookie"]
        assert afar.get("/").status_code == 200
        assert afar.get("/changes").status_code == 200


def test_no_address_but_the_loopback_without_a_token(live: Board) -> None:
    with pytest.raises(UsageError, match="needs a token"):
        serving.serve(live, "0.0.0.0", 0, None, lambda url: None)


@pytest.mark.parametrize("host", ["300.1.1.1", "192.0.2.1"])
def test_a_host_that_is_not_this_machine(live: Board, host: str) -> None:
    with pytest.raises(UsageError, match=f"^{host} is no address of this machine"):
        serving.serve(live, host, 0, "s3cret", lambda url: None)


def test_a_port_that_is_taken_is_told_once(ours: Cohort) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        done = run(ours.catalog.root, "cohort", "board", "--cohort", str(ours.folder),
                   "--port", port)  # fmt: skip
    assert done.returncode == 2
    _, told = done.stderr.split("\n", 1)
    assert told.startswith(f"port {port} of 127.0.0.1 is taken")
    assert "Errno" not in told


# In a browser


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """500 learners, 14 katas; marks of 40 of them, again and again."""
    folder = tmp_path_factory.mktemp("large")
    cohort = synthetic.lay_out(folder, Catalog(ROOT).katas, 40)
    chosen = ("starter", "reference")
    ready = {}
    for kata in cohort.katas:
        fails = synthetic.declared(kata)
        wrong = [name for name in fails if name.startswith("wrong/")][:2]
        ready[kata.name] = {name: fails[name] for name in (*chosen, *wrong)}
    now = dt.datetime(2026, 11, 2, 12, tzinfo=dt.UTC)
    with cohort.store() as store:
        synthetic.hand_in(cohort, store, ready, distinct=0)
        synthetic.replay_into(cohort, store, ready)
        run = store.begin_run("docker", 2, 900, now - HOUR)
        store.note_run(run, 400, 3, now)
        store.note_trouble("k", "s", cohort.katas[0].name, "the judge is gone", now, most=4)
        report = Report.make(cohort, store, now)
    assert len(report.katas) == 14
    rows = [
        Row(f"l{number:05}", row.cells, row.percent, row.last)
        for number in range(500)
        for row in [report.rows[number % 40]]
    ]
    return dataclasses.replace(report, rows=rows)


@pytest.fixture(scope="module")
def page(large: Report, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(large.page(), "utf-8")
    return path


@pytest.mark.parametrize(("width", "scheme"), [(600, "light"), (1400, "dark")])
def test_axe_finds_nothing(
    browser: webdriver.Chrome, large: Report, tmp_path: pathlib.Path, width: int, scheme: str
) -> None:
    # Cells are of a few kinds, and axe looks at each for long.
    page = tmp_path / "report.html"
    page.write_text(dataclasses.replace(large, rows=large.rows[:12]).page(), "utf-8")
    load(browser, page, width, scheme)
    axe = Axe(browser)
    axe.inject()
    found = axe.run()
    assert not found["violations"], axe.report(found["violations"])
    assert "color-contrast" in {rule["id"] for rule in found["passes"]}


def test_the_first_paint_of_500_learners(
    browser: webdriver.Chrome, page: pathlib.Path, record_property: pytest.Function
) -> None:
    load(browser, page, 1400)
    assert len(browser.find_elements(By.CSS_SELECTOR, "#heat-table tbody tr")) == 500
    asked = "return performance.getEntriesByName('first-contentful-paint').length"
    WebDriverWait(browser, 60).until(lambda _: browser.execute_script(asked))
    paints = dict(
        browser.execute_script(
            "return performance.getEntriesByType('paint').map(each => [each.name, each.startTime])"
        )
    )
    record_property("first-contentful-paint", paints["first-contentful-paint"])
    print(f"first contentful paint: {paints['first-contentful-paint']:.0f} ms")
    # The goal is 1 s; how busy this machine is must not decide.
    assert paints["first-contentful-paint"] < 15_000
    asked = "return performance.getEntriesByType('resource').map(each => each.name)"
    assert browser.execute_script(asked) == []


def test_nothing_but_tables_is_wider_than_the_window(
    browser: webdriver.Chrome, page: pathlib.Path
) -> None:
    for width in (320, 600, 1400):
        load(browser, page, width)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width


def test_tables_are_sorted_by_keyboard(browser: webdriver.Chrome, page: pathlib.Path) -> None:
    load(browser, page, 1400)
    table = browser.find_element(By.ID, "heat-table")
    heads = table.find_elements(By.CSS_SELECTOR, "thead th")
    button = heads[-2].find_element(By.TAG_NAME, "button")
    column = "return [...arguments[0].tBodies[0].rows].map(row => row.cells[15].textContent)"
    button.send_keys(Keys.ENTER)
    shares = [float(each or -1) for each in browser.execute_script(column, table)]
    assert shares == sorted(shares)
    assert heads[-2].get_attribute("aria-sort") == "ascending"
    button.send_keys(Keys.SPACE)
    shares = [float(each or -1) for each in browser.execute_script(column, table)]
    assert shares == sorted(shares, reverse=True)
    assert heads[-2].get_attribute("aria-sort") == "descending"
    region = browser.find_element(By.ID, "heat")
    region.send_keys(Keys.END)
    WebDriverWait(browser, 20).until(lambda _: region.get_property("scrollTop") > 0)


def test_without_javascript_all_of_it_is_there(large: Report) -> None:
    said = words(large.page())
    for part in ("l00499", "The flaky provider", "What was observed", "the judge is gone"):
        assert part in said
    assert "<button" not in large.page().partition("<script>")[0]


def test_the_live_page_follows(
    browser: webdriver.Chrome, toy: Kata, ours: Cohort, store: Store
) -> None:
    marked.graded(store, toy, "ada17", "half", {"adds": "6"})
    live = Board(lambda: make(ours, store), store.pulse)
    config = uvicorn.Config(serving.app(live), port=0, log_level="warning")
    listener = config.bind_socket()
    listener.listen()
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        browser.get(f"http://127.0.0.1:{listener.getsockname()[1]}/")
        # Asked of the page each time: what has changed is another element.
        cell = "return document.querySelector('#l-{} td').textContent"
        assert browser.execute_script(cell.format("ada17")) == "50"
        browser.execute_script("document.querySelector('#hard details').open = true")
        marked.graded(store, toy, "ada17", "right")
        marked.graded(store, toy, "bob18", "half too", {"adds": "7"})
        for learner, marks in (("ada17", "100"), ("bob18", "50")):
            shown = f"{cell.format(learner)} === '{marks}'"
            WebDriverWait(browser, 60).until(lambda _, asked=shown: browser.execute_script(asked))
        told = "return document.querySelector('#hard').textContent.includes('7')"
        WebDriverWait(browser, 60).until(lambda _: browser.execute_script(told))
        assert browser.execute_script("return document.querySelector('#hard details').open")
        assert not [each for each in browser.get_log("browser") if each["level"] == "SEVERE"
                    and "favicon" not in each["message"]]  # fmt: skip
    finally:
        server.should_exit = True
        thread.join()
