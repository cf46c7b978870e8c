"""What a learner reads: a page (HTML or Markdown), or a comment for a commit.

Observations come from what learner code did, so they are text and never markup, whatever they say.
"""

import dataclasses
import functools
import itertools
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any

import jinja2

from grader.cohort.config import Cohort
from grader.cohort.marks import Gradebook, Mark, State, Total, explain, moment, plainly
from grader.cohort.store import Store

#: GitHub takes comments of 65,536 characters.
_MOST = 60_000
_GIT = re.compile(r"git ([0-9a-f]{7,64})\b.*")
_MARKUP = re.compile(r"([!#$&()*+\-/<>\[\\\]_`{|}~])")


@dataclasses.dataclass(frozen=True)
class Behaviour:
    """One line of a verdict, as far as the cohort's feedback level lets a learner see it."""

    sentence: str
    group: str
    passed: bool
    #: "timed out" and the like; "" for a plain failure.
    cause: str
    #: Pairs of "given", "observed", "expected" and their text.
    finding: Sequence[tuple[str, str]]


@dataclasses.dataclass(frozen=True)
class Part:
    """What there is to say of one kata."""

    title: str
    mark: Mark
    due: datetime
    lines: Sequence[str]
    behaviours: Sequence[Behaviour]
    #: The reasons of refused hand-ins.
    refusals: Sequence[str]
    #: Where the attempt that counts came from, in the words of its collection.
    source: str

    @property
    def state(self) -> str:
        return self.mark.state.value

    @property
    def points(self) -> str:
        """As "15.5 of 20 points", or why there are none."""
        if self.mark.points is None:
            return self.mark.state.value
        return f"{plainly(self.mark.points)} of {self.mark.possible} points"

    @property
    def groups(self) -> list[tuple[str, list[Behaviour]]]:
        """The behaviours by group, in the kata's own order."""
        runs = itertools.groupby(self.behaviours, key=lambda each: each.group)
        return [(group, list(run)) for group, run in runs]

    @property
    def commit(self) -> str | None:
        """The commit that was graded, where it came from git."""
        found = _GIT.fullmatch(self.source)
        return found[1] if found else None


@dataclasses.dataclass(frozen=True)
class Page:
    """All that there is to say to one learner."""

    cohort: str
    learner: str
    parts: Sequence[Part]
    total: Total
    zone: tzinfo

    @classmethod
    def of(cls, learner: str, book: Gradebook, cohort: Cohort, store: Store) -> "Page":
        """What a learner (id) may read at the cohort's feedback level."""
        titles_only = cohort.config.feedback == "titles"
        refused: dict[str, list[str]] = {}
        for made in book.of(learner):
            for each in book.hand_ins.get((learner, made.kata), ()):
                if each.refusal is not None:
                    refused.setdefault(each.kata, []).append(visible(each.refusal))
        parts = []
        for made in book.of(learner):
            kata = cohort.catalog.get(made.kata)
            verdict = store.verdict(made.grading) if made.grading else None
            parts.append(
                Part(
                    kata.contract.title,
                    made,
                    cohort.due(made.kata),
                    [visible(line) for line in explain(made, cohort.config.zone)],
                    _behaviours(verdict, titles_only),
                    refused.get(made.kata, []),
                    made.hand_in.source if made.hand_in else "",
                )
            )
        return cls(cohort.config.name, learner, parts, book.total(learner), cohort.config.zone)

    @property
    def percent(self) -> str | None:
        return None if self.total.percent is None else plainly(self.total.percent)

    def files(self, kind: str) -> dict[str, str]:
        """The texts of an "html", "markdown" or "comment", by how the names of their files end."""
        if kind == "html":
            return {".html": self.html()}
        if kind == "markdown":
            return {".md": self.markdown()}
        return {f".{commit}.md" if commit else ".md": text
                for commit, text in self.comments().items()}  # fmt: skip

    def html(self) -> str:
        """A document that loads nothing from elsewhere and runs nothing."""
        return _templates().get_template("feedback.html").render(page=self, State=State)

    def markdown(self) -> str:
        """The same as Markdown."""
        head = [f"# {_words(self.cohort)}: feedback for {_words(self.learner)}", ""]
        if self.percent is not None:
            head += [f"So far: {self.percent} percent of what counts.", ""]
        parts = "".join(self._part(part, "## ") for part in self.parts)
        return "\n".join([*head, parts])

    def comments(self) -> dict[str | None, str]:
        """Markdown for each commit that was graded, short enough for a comment.

        Under None: the katas that have points, but came from no commit.
        """
        texts: dict[str | None, str] = {}
        for part in self.parts:
            if part.mark.points is not None:
                before = texts.get(part.commit, "")
                texts[part.commit] = before + self._part(part, "### ")
        return {commit: _shortened(text) for commit, text in texts.items()}

    def _part(self, part: Part, heading: str) -> str:
        lines = [f"{heading}{_words(part.title)}: {_words(part.points)}", ""]
        lines += [f"- {_words(each)}" for each in part.lines]
        lines += [""] if part.lines else []
        for reason in part.refusals:
            lines += ["A hand-in was refused:", "", _fenced(reason), ""]
        for group, behaviours in part.groups:
            lines += [f"{heading[:-1]}# {_words(group.capitalize())}", ""]
            for each in behaviours:
                holds = "holds" if each.passed else "**does not hold**"
                cause = f" ({each.cause})" if each.cause else ""
                lines.append(f"- {holds}: {_words(each.sentence + cause)}")
                if each.finding:
                    lines.append(_fenced(_listed(each.finding), "  "))
            lines.append("")
        return "\n".join(lines) + "\n"


def _behaviours(verdict: Mapping[str, Any] | None, titles_only: bool) -> list[Behaviour]:
    behaviours = []
    for each in (verdict or {}).get("behaviours", ()):
        said = [] if titles_only else findings(each["finding"])
        cause = "" if titles_only or each["cause"] in (None, "failed") else each["cause"]
        passed = each["outcome"] == "passed"
        behaviours.append(Behaviour(each["sentence"], each["group"], passed, cause, said))
    return behaviours


def findings(finding: Mapping[str, str] | None) -> list[tuple[str, str]]:
    """What a verdict tells of one behaviour, in the order in which it is read."""
    parts = ((key, (finding or {}).get(key)) for key in ("given", "observed", "expected"))
    return [(key, visible(text)) for key, text in parts if text]


def visible(text: str) -> str:
    """Control characters and those that turn the reading direction, as what they are."""
    return "".join(c if c == "\n" or c.isprintable() else ascii(c)[1:-1] for c in text)


def _words(text: str) -> str:
    """A text as Markdown that says just that, on one line, and notifies nobody."""
    plain = _MARKUP.sub(r"\\\1", visible(" ".join(text.split())))
    return plain.replace("@", "@<!-- -->")


def _fenced(text: str, indent: str = "") -> str:
    """A text as a code block: nothing in it is markup, names nobody, links nowhere."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join(indent + line for line in (f"{fence}text", *visible(text).split("\n"), fence))


def _listed(finding: Sequence[tuple[str, str]]) -> str:
    """One text of all parts; what a learner made begins behind the labels, so it fakes none."""
    return "\n".join(
        f"{label:9} {line}"
        for key, text in finding
        for label, line in itertools.zip_longest([key], text.split("\n"), fillvalue="")
    )


def _shortened(text: str) -> str:
    if len(text) <= _MOST:
        return text
    kept = text[:_MOST].rpartition("\n- ")[0]
    return f"{kept}\n\nThis is shortened; your instructor has the rest.\n"


def environment() -> jinja2.Environment:
    """What all pages of a cohort are made with."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("grader"), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip


@functools.cache
def _templates() -> jinja2.Environment:
    pages = environment()
    pages.globals.update(moment=moment)
    return pages
