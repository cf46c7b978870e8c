"""The map: what it says, and how its page does in a real browser."""

import html
import pathlib
import re
import shutil
import stat
import sys
import xml.etree.ElementTree as ET
from datetime import date
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium_axe_python import Axe

from grader.catalog import Catalog, Kata
from grader.map import Map
from grader.progress import Progress
from grader.verdict import BehaviourResult, Cause, Finding, Outcome, Verdict
from tests.browsing import load
from tests.conftest import ROOT
from tests.test_catalog import edit
from tests.test_cli import kata as run

TODAY = date(2026, 3, 9)
CHAPTER = """# Toys and *play*

## What it is

Toys are *small*, and `add` is one; see [the manual](https://example.org/manual).

More of it.

## Katas

1. [The counter](counter/README.md): a till that `counts` twice.
"""
HOSTILE = '<script>alert("1")</script> & <b onclick=x>bold</b>'


def verdict(kata: Kata, *failing: str) -> Verdict:
    """A verdict at which everything held but for `failing`."""
    ends = {
        True: (Outcome.FAILED, Cause.FAILED, Finding("nothing came")),
        False: (Outcome.PASSED, None, None),
    }
    results = tuple(
        BehaviourResult(each.id, each.sentence, each.group, each.points, *ends[each.id in failing])
        for each in kata.behaviours
    )
    return Verdict(kata.name, kata.contract.title, "sha256:0", None, "process", False, None, "0",
                   1, results)  # fmt: skip


@pytest.fixture
def catalog(toy: Kata) -> Catalog:
    """The toy repository with a chapter, two katas more and a pillar without any."""
    for name, minutes in (("counter", 6), ("divider", 7)):
        folder = toy.folder.parent / name
        shutil.copytree(toy.folder, folder)
        edit(folder / "kata.toml", 'title = "The adder"', f'title = "The {name}"')
        edit(folder / "kata.toml", "minutes = 5", f"minutes = {minutes}")
    (toy.folder.parent / "README.md").write_text(CHAPTER, "utf-8")
    (toy.folder.parents[1] / "02-late-rows").mkdir()
    return Catalog(toy.folder.parents[2])


@pytest.fixture
def progress(catalog: Catalog) -> Progress:
    """The counter is in work, the divider has passed."""
    progress = Progress(catalog.root)
    counter, divider = catalog.get("counter"), catalog.get("divider")
    progress.add(verdict(counter, "adds"))
    progress.add(verdict(counter, "adds", "keeps-a-total"))
    progress.add(verdict(divider, "adds"))
    progress.add(verdict(divider))
    return progress


def words(page: str) -> str:
    """What stands on a page, without its tags."""
    body = page.partition("<body>")[2]
    inline = re.sub(r"</?(?:a|b|code|em|span|strong)\b[^>]*>", "", body)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", inline)).split())


def cards(page: str) -> dict[str, str]:
    """What the page says of each kata, by name."""
    found = re.findall(r'(?s)<li class="kata" id="([^"]+)">(.+?)\n</li>', page)
    return {name: words(f"<body>{card}") for name, card in found}


def texts(picture: str) -> list[str]:
    return [node.text or "" for node in ET.fromstring(picture).iter() if node.tag.endswith("}text")]


def test_what_is_said_of_each_kata(catalog: Catalog, progress: Progress) -> None:
    page = Map.draw(catalog, progress).page(TODAY)
    by_name = cards(page)
    assert list(by_name) == ["01-toy/adder", "01-toy/counter", "01-toy/divider"]
    adder, counter, divider = by_name.values()
    assert adder.startswith("The adder Not attempted Practises addition")
    assert "Level warm-up, about 5 minutes Begin with kata show adder" in adder
    assert "attempt:" not in adder
    assert counter.startswith("The counter In work Next A till that counts twice.")
    assert "Best attempt: 2 of 4 points, 2 attempts so far" in counter
    assert "At the latest attempt, 2 behaviours did not hold Two numbers are added." in counter
    assert "A total keeps what was added to it." in counter
    assert "The command prints the sum" not in counter
    record = progress.of(catalog.get("divider"))
    assert record.passed is not None
    passed = record.passed.astimezone()
    assert divider.startswith(f"The divider Passed on {passed.day} {passed:%B %Y} Best")
    assert "4 of 4 points, 2 attempts so far" in divider
    assert "did not hold" not in divider


def test_what_is_said_of_the_whole(catalog: Catalog, progress: Progress) -> None:
    page = Map.draw(catalog, progress).page(TODAY)
    said = words(page)
    assert "<title>AI Engineer Katas: 1 of 3 passed</title>" in page
    assert "1 passed 1 in work 1 not attempted Next: The counter" in said
    assert "1 of 3 passed" in said
    assert "There is no kata here yet." in said
    assert "2 Late rows" in said
    assert "Drawn on 9 March 2026" in said
    assert str(catalog.root) not in page


def test_chapters(catalog: Catalog) -> None:
    page = Map.draw(catalog, Progress(catalog.root)).page(TODAY)
    assert "Toys are <em>small</em>, and <code>add</code> is one; see the manual." in page
    assert "More of it" not in page


def test_work_that_was_not_graded(catalog: Catalog) -> None:
    edit(catalog.get("adder").folder / "adder.py", "+ 1", "+ 2")
    page = Map.draw(catalog, Progress(catalog.root)).page(TODAY)
    assert cards(page)["01-toy/adder"].startswith("The adder In work, not graded yet Next")


def test_when_all_has_passed(catalog: Catalog, progress: Progress) -> None:
    for name in ("adder", "counter"):
        progress.add(verdict(catalog.get(name)))
    drawn = Map.draw(catalog, progress)
    assert "Every kata has passed." in words(drawn.page(TODAY))
    assert 'class="whole"' in drawn.picture()
    progress.add(verdict(catalog.get("adder"), "adds"))
    assert "At the latest attempt, 1 behaviour did not hold" in words(
        Map.draw(catalog, progress).page(TODAY)
    )


def test_all_real_katas_are_on_both() -> None:
    catalog = Catalog(ROOT)
    drawn = Map.draw(catalog, Progress(ROOT / "nowhere"))
    assert [pillar.number for pillar in drawn.pillars] == [1, 2, 3, 4, 5, 6, 7]
    assert all(pillar.summary for pillar in drawn.pillars)
    assert all(stop.story for stop in drawn.stops)
    assert set(cards(drawn.page(TODAY))) == {kata.name for kata in catalog.katas}
    assert {kata.contract.title for kata in catalog.katas} <= set(texts(drawn.picture()))


def test_the_picture(catalog: Catalog, progress: Progress) -> None:
    picture = Map.draw(catalog, progress).picture()
    assert picture == Map.draw(catalog, Progress(catalog.root)).picture()
    root = ET.fromstring(picture)
    title, description = root[0], root[1]
    assert title.text == "AI Engineer Katas: 1 of 3 passed"
    assert "The adder, not attempted; The counter, in work; The divider, passed." in (
        description.text or ""
    )
    assert "1 of 3 katas passed, 1 in work" in texts(picture)
    uses = [node.get("class") for node in root.iter() if node.tag.endswith("}use")]
    assert uses[:3] == ["not-attempted", "in-work", "passed"]


def test_nothing_in_a_kata_becomes_markup(catalog: Catalog, progress: Progress) -> None:
    toml = catalog.get("counter").folder / "kata.toml"
    edit(toml, '"The counter"', f"'{HOSTILE}'")
    edit(toml, '["addition"]', f"['{HOSTILE}']")
    edit(toml, '"Two numbers are added."', f"'{HOSTILE}'")
    chapter = f"# {HOSTILE}\n\n## What it is\n\n{HOSTILE} [x](javascript:alert)\n\n"
    chapter += f"## Katas\n\n1. [x](counter/README.md): {HOSTILE}\n"
    (toml.parents[1] / "README.md").write_text(chapter, "utf-8")
    drawn = Map.draw(Catalog(catalog.root), progress)
    page = drawn.page(TODAY)
    assert "<script" not in page
    assert "<b onclick" not in page
    assert words(page).count(HOSTILE) >= 6
    assert 'href="javascript' not in page
    assert HOSTILE[:31] in "".join(texts(drawn.picture()))


def test_both_refer_to_nothing_outside() -> None:
    drawn = Map.draw(Catalog(ROOT), Progress(ROOT / "nowhere"))
    for text in (drawn.page(TODAY), drawn.picture()):
        targets = re.findall(r"""(?:src=|href=|@import |url\()["']?([^"')\s>]+)""", text)
        assert targets
        assert {target[0] for target in targets} == {"#"}
    assert "default-src 'none'" in drawn.page(TODAY)


def test_the_command_writes_the_page_and_the_picture(catalog: Catalog) -> None:
    done = run(catalog.root, "map")
    page = catalog.root / ".kata" / "map.html"
    assert (done.returncode, done.stdout) == (0, f"{page}\n")
    assert "The counter" in page.read_text("utf-8")
    done = run(catalog.root, "map", "--output", "out/a.html", "--svg", "b.svg")
    assert (done.returncode, done.stdout.split()) == (0, [str(pathlib.Path("out/a.html")), "b.svg"])
    assert (catalog.root / "out/a.html").read_bytes() == page.read_bytes()
    ET.parse(catalog.root / "b.svg")


def test_a_place_that_cannot_be_written(catalog: Catalog) -> None:
    done = run(catalog.root, "map", "--output", "katas")
    assert (done.returncode, done.stdout) == (2, "")
    assert "katas cannot be written: " in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="the browser of this test is a shell script")
def test_the_command_opens_the_page(catalog: Catalog) -> None:
    browser = catalog.root / "browser"
    browser.write_text('#!/bin/sh\necho "$1" > opened\n')
    browser.chmod(browser.stat().st_mode | stat.S_IXUSR)
    assert run(catalog.root, "map", "--open", BROWSER=f"{browser} %s").returncode == 0
    page = catalog.root / ".kata" / "map.html"
    assert (catalog.root / "opened").read_text().strip() == page.as_uri()
    done = run(catalog.root, "map", "--open", BROWSER="false %s", PATH="")
    assert done.returncode == 0
    assert "open the page by hand" in done.stderr


@pytest.fixture(scope="module", params=["empty", "progress"])
def drawn(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A folder with page and picture of the real katas, before and after some work."""
    folder = tmp_path_factory.mktemp(request.param)
    catalog, progress = Catalog(ROOT), Progress(folder)
    if request.param == "progress":
        for name in ("notebook-graveyard", "leaky-cv", "fan-out-join", "unmonitored-endpoint"):
            kata = catalog.get(name)
            progress.add(verdict(kata, kata.behaviours[0].id))
            progress.add(verdict(kata))
        for name, step in (("rows-off-the-bottom", 1), ("flaky-provider", 6), ("egress-guard", 3)):
            kata = catalog.get(name)
            progress.add(verdict(kata, *[each.id for each in kata.behaviours[::step]]))
    made = Map.draw(catalog, progress)
    (folder / "map.html").write_text(made.page(TODAY), "utf-8")
    (folder / "map.svg").write_text(made.picture(), "utf-8")
    return folder


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1400])
def test_axe_finds_nothing(
    browser: webdriver.Chrome, drawn: pathlib.Path, width: int, scheme: str
) -> None:
    load(browser, drawn / "map.html", width, scheme)
    axe = Axe(browser)
    axe.inject()
    found = axe.run()
    assert not found["violations"], axe.report(found["violations"])
    assert "color-contrast" in {rule["id"] for rule in found["passes"]}
    assert "color-contrast" not in {rule["id"] for rule in found["incomplete"]}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 360, 800, 1400])
def test_nothing_leaves_the_window(
    browser: webdriver.Chrome, drawn: pathlib.Path, width: int, scheme: str
) -> None:
    load(browser, drawn / "map.html", width, scheme)
    outside: list[str] = browser.execute_script(
        """return [...document.querySelectorAll("body *:not(.skip)")].filter(each => {
             const box = each.getBoundingClientRect();
             return box.left < 0 || box.right > innerWidth || each.scrollWidth > each.clientWidth
               && getComputedStyle(each).display != "inline" && each.clientWidth > 0;
           }).map(each => each.outerHTML)"""
    )
    assert outside == []


def test_the_page_loads_nothing(browser: webdriver.Chrome, drawn: pathlib.Path) -> None:
    load(browser, drawn / "map.html", 800)
    asked = browser.execute_script(
        "return performance.getEntriesByType('resource').map(each => each.name)"
    )
    assert asked == []


def test_the_keyboard_reaches_everything(browser: webdriver.Chrome, drawn: pathlib.Path) -> None:
    load(browser, drawn / "map.html", 800)
    everything = browser.find_elements(By.CSS_SELECTOR, "a, summary")
    reached = []
    for _ in everything:
        browser.switch_to.active_element.send_keys(Keys.TAB)
        reached.append(browser.switch_to.active_element)
        style: dict[str, Any] = browser.execute_script(
            """const each = document.activeElement, box = each.getBoundingClientRect();
               return {outline: getComputedStyle(each).outlineStyle,
                       seen: box.left >= 0 && box.top >= 0 && box.bottom <= innerHeight}"""
        )
        assert style == {"outline": "solid", "seen": True}, reached[-1].text
    assert reached == everything
    everything[0].send_keys(Keys.ENTER)
    assert browser.switch_to.active_element.tag_name == "main"
    for details in browser.find_elements(By.TAG_NAME, "details"):
        details.find_element(By.TAG_NAME, "summary").send_keys(Keys.SPACE)
        assert details.get_attribute("open") is None


def test_paper_is_white(browser: webdriver.Chrome, drawn: pathlib.Path) -> None:
    load(browser, drawn / "map.html", 680, "dark", "print")
    body = browser.find_element(By.TAG_NAME, "body")
    assert body.value_of_css_property("background-color") == "rgba(255, 255, 255, 1)"
    axe = Axe(browser)
    axe.inject()
    found = axe.run()["violations"]
    assert not found, axe.report(found)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_picture_can_be_read(
    browser: webdriver.Chrome, drawn: pathlib.Path, scheme: str
) -> None:
    load(browser, drawn / "map.svg", 640, scheme)
    found: list[dict[str, Any]] = browser.execute_script(
        """const card = getComputedStyle(document.querySelector("rect")).fill;
           return [...document.querySelectorAll("text")].map(each => {
             const box = each.getBBox(), own = each.matches(".number") && each.parentNode;
             return {text: each.textContent, left: box.x, right: box.x + box.width, top: box.y,
                     bottom: box.y + box.height, ink: getComputedStyle(each).fill,
                     paper: own ? getComputedStyle(own.querySelector("circle")).fill : card};
           })"""
    )
    for number, one in enumerate(found):
        assert contrast(one["ink"], one["paper"]) >= 4.5, one
        assert one["left"] >= 0, one
        assert one["right"] <= 640, one
        for other in found[:number]:
            apart = one["left"] >= other["right"] or other["left"] >= one["right"]
            assert apart or one["top"] >= other["bottom"] or other["top"] >= one["bottom"], (
                one, other)  # fmt: skip


def contrast(one: str, other: str) -> float:
    """WCAG's contrast of two colours, "rgb(…)" both."""
    lights = []
    for colour in (one, other):
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        lights.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])
    return (max(lights) + 0.05) / (min(lights) + 0.05)
