"""The map: pillars and katas as a journey, as one page that needs no other file, or a picture."""

import dataclasses
import datetime
import functools
import math
import pathlib
import re
from collections.abc import Sequence

import jinja2
import markdown_it
import markupsafe

from grader.catalog import Behaviour, Catalog, Kata
from grader.progress import Progress, Record, State, suggested

#: In a chapter's list of katas: the folder, and the line that tells the story.
_STORY = re.compile(r"(?m)^\d+\. \[[^\]]*\]\(([^/)]+)/README\.md\): (.+)$")
_SUMMARY = re.compile(r"(?s)\n## What it is\s+(.+?)(?:\n\s*\n|\Z)")
#: The picture, in pixels: where its first pillar stands, what a pillar and a row of katas take.
_FIRST, _PILLAR, _ROW, _COLUMNS = 124, 46, 25, 2


@dataclasses.dataclass(frozen=True)
class Stop:
    """One kata on the map."""

    kata: Kata
    record: Record
    #: Its line in the pillar's chapter, "" where there is none.
    story: str

    @property
    def failing(self) -> list[Behaviour]:
        """What did not hold at the latest attempt, in the kata's own order."""
        return [each for each in self.kata.behaviours if each.id in self.record.failing]


@dataclasses.dataclass(frozen=True)
class Pillar:
    """One stretch of the journey; title and summary (Markdown) come from its chapter."""

    number: int
    title: str
    summary: str
    stops: Sequence[Stop]


@dataclasses.dataclass(frozen=True)
class Map:
    """What a learner has done so far, pillar by pillar, and the kata to go on with."""

    pillars: Sequence[Pillar]
    next: Kata | None

    @classmethod
    def draw(cls, catalog: Catalog, progress: Progress) -> "Map":
        """The map of a catalogue. Katas stand in the order of the path within their pillar."""
        folders = (catalog.root / "katas").glob("[0-9][0-9]-*/")
        records = [(kata, progress.of(kata)) for kata in catalog.katas]
        pillars = [_pillar(folder, records) for folder in sorted(folders)]
        return cls(pillars, suggested(records))

    @property
    def stops(self) -> list[Stop]:
        return [stop for pillar in self.pillars for stop in pillar.stops]

    def page(self, today: datetime.date) -> str:
        """The map as an HTML document that loads nothing from elsewhere."""
        return _templates().get_template("map.html").render(map=self, today=today)

    def picture(self) -> str:
        """The map as an SVG image, the same for the same progress."""
        rows, y = [], _FIRST
        for pillar in self.pillars:
            rows.append((pillar, y))
            y += _PILLAR + _ROW * math.ceil(len(pillar.stops) / _COLUMNS)
        places = {"rows": rows, "end": y, "step": _ROW, "columns": _COLUMNS}
        return _templates().get_template("map.svg").render(map=self, **places)


def _pillar(folder: pathlib.Path, records: Sequence[tuple[Kata, Record]]) -> Pillar:
    number, _, name = folder.name.partition("-")
    chapter = folder / "README.md"
    text = chapter.read_text("utf-8") if chapter.is_file() else ""
    title = re.search(r"(?m)^# (.+)$", text)
    summary = _SUMMARY.search(text)
    stories = dict(_STORY.findall(text))
    return Pillar(
        int(number),
        title[1].strip() if title else name.replace("-", " ").capitalize(),
        summary[1].strip() if summary else "",
        [Stop(kata, record, stories.get(kata.short_name, ""))
         for kata, record in records if kata.folder.parent == folder],
    )  # fmt: skip


@functools.cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("grader"), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    words = markdown_it.MarkdownIt("zero").enable(["backticks", "emphasis", "escape", "link"])
    for end in ("link_open", "link_close"):
        # Where a chapter's link leads is not in the page.
        words.add_render_rule(end, lambda *_: "")
    environment.filters.update(
        # "zero" leaves no tag of the text's own standing.
        markdown=lambda text: markupsafe.Markup(words.renderInline(text)),
        counted=lambda number, noun: f"{number} {noun}{'' if number == 1 else 's'}",
        day=lambda day: f"{day.day} {day:%B %Y}",
        here=lambda moment: moment.astimezone(),
        in_state=lambda stops, state: [stop for stop in stops if stop.record.state is state],
    )
    environment.globals.update(State=State)
    return environment
