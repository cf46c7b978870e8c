"""What must hold in `chunks-that-eat-text`: made-up manuals go in, chunks come out."""

import base64
import re
import unicodedata
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import pytest

from grader.judge import Raised, Unmet, expect

# What the README says.
LEAST_TOKENS = 64
LONG_WORD = 12
LONG_SEQUENCE = 20
SECONDS_FOR_A_LARGE_MANUAL = 8.0
SECONDS_TO_REFUSE = 2.0


# ---------------------------------------------------------------------------- counting


class Tokenizer:
    """The kata's tokenizer once more, so that nothing is counted by what learners can reach."""

    PIECE = re.compile(r" ?[^\W\d_]{1,20}| ?\d{1,3}| ?[^\w\s]{1,8}|_{1,8}|\s{1,16}")

    def __init__(self, vocabulary):
        tokens = [bytes([byte]) for byte in range(256)]
        tokens += [bytes.fromhex(line) for line in vocabulary.split()]
        self.ranks = {token: rank for rank, token in enumerate(tokens)}
        self.length = lru_cache(maxsize=100_000)(self._length)

    def __call__(self, text):
        return sum(map(self.length, self.PIECE.findall(text)))

    def _length(self, piece):
        parts = [bytes([byte]) for byte in piece.encode()]
        while len(parts) > 1:
            pairs = [self.ranks.get(a + b) for a, b in pairwise(parts)]
            best = min((rank for rank in pairs if rank is not None), default=None)
            if best is None:
                break
            at = pairs.index(best)
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        return len(parts)


@pytest.fixture
def count(submission):
    return Tokenizer(submission.read("tokenizer.vocab"))


# ---------------------------------------------------------------------------- made-up manuals

VOCABULARY = """
valve burner pressure conveyor tray oven filter gasket sensor operator shift cooling before after
the with every never open close check replace clean restart motor belt steam dough fan switch main
panel wait until lamp green turns off and then remove cover four screws oil level bearing noise
temperature sets limit hopper guard door lock key lower upper left right during production service
"""
WORDS = VOCABULARY.split()
SYLLABLES = ["ba", "co", "di", "fe", "lu", "ma", "ne", "or", "pi", "ra", "so", "te", "ul", "tro"]
EMOJI = [
    "\U0001f469\u200d\U0001f373",
    "\U0001f525",
    "\u26a0\ufe0f",
    "\U0001f44d\U0001f3fd",
    "\U0001f1e8\U0001f1ed",
]
CJK = range(0x4E00, 0x9000)


class Writer:
    """Makes up text."""

    def __init__(self, rng):
        self.rng = rng
        self._serial = int(rng.integers(1000, 5000))

    def number(self, low, high):
        return int(self.rng.integers(low, high))

    def pick(self, items):
        return items[self.number(0, len(items))]

    def serial(self, prefix="E"):
        """A code that stands nowhere else."""
        self._serial += self.number(1, 9)
        return f"{prefix}-{self._serial}"

    def word(self):
        kind = self.rng.random()
        if kind < 0.75:
            return self.pick(WORDS)
        if kind < 0.95:
            return "".join(self.pick(SYLLABLES) for _ in range(self.number(2, 5)))
        return f"{self.pick('ABKLRT')}{self.pick('DXZ')}{self.number(10, 9999)}"

    def words(self, number):
        return [self.word() for _ in range(number)]

    def sentence(self, number):
        return " ".join(self.words(number)).capitalize() + "."

    def prose(self, number):
        """About `number` words in sentences, and a code in each of them."""
        sentences, left = [], number
        while left > 0:
            size = min(left, self.number(5, 18))
            sentences.append(f"{self.sentence(size)[:-1]} {self.serial()}.")
            left -= size + 1
        return " ".join(sentences)

    def cjk(self, number):
        return "".join(map(chr, self.rng.choice(CJK, number)))

    def blob(self, number):
        """Base64 without white space."""
        return base64.b64encode(self.rng.bytes(number * 3 // 4 + 3)).decode()[:number]

    def row(self):
        return f"| {self.serial('P')} | {self.pick(WORDS)} | {self.number(1, 400)} bar |"

    def line_of_code(self):
        indent = "    " * self.number(0, 4)
        return f'{indent}{self.pick(WORDS)}_{self.number(0, 99)} = read("{self.serial("S")}")'


class Manual:
    """A text, and where its sections are."""

    def __init__(self, newline="\n"):
        self.text = ""
        self.newline = newline
        self._open = []
        #: (path, start), in order.
        self.sections = [([], 0)]

    def add(self, *paragraphs):
        for paragraph in paragraphs:
            self.text += (paragraph + "\n\n").replace("\n", self.newline)

    def heading(self, level, title, after="\n\n"):
        self._open = [one for one in self._open if one[0] < level] + [(level, title.strip())]
        self.sections.append(([title for _, title in self._open], len(self.text)))
        self.text += ("#" * level + " " + title + after).replace("\n", self.newline)

    def section_of(self, at):
        """Number of the section that the character at `at` belongs to."""
        return max(n for n, (_, start) in enumerate(self.sections) if start <= at)

    def path_of(self, number):
        return self.sections[number][0]

    def end_of(self, number):
        later = self.sections[number + 1 :]
        return later[0][1] if later else len(self.text)

    def text_of(self, number):
        return self.text[self.sections[number][1] : self.end_of(number)]


# ---------------------------------------------------------------------------- asking and looking


class Chunk(NamedTuple):
    text: str
    start: int
    end: int
    heading: list


def split(submission, text, max_tokens, overlap, given, timeout=None):
    """The learner's chunks, once they have the form that the README asks for."""
    try:
        answer = submission.call(
            "splitter:chunk", text, max_tokens=max_tokens, overlap=overlap, timeout=timeout
        )
    except (Raised, Unmet) as error:
        # No chunks at all: the finding becomes more useful with what was given.
        unmet = error.unmet() if isinstance(error, Raised) else error
        raise Unmet(replace(unmet.finding, given=given), unmet.cause) from None
    expect(
        isinstance(answer, list),
        observed=f"chunk returned a value of type {type(answer).__name__}",
        expected="a list of dicts",
        given=given,
    )
    chunks = []
    for number, one in enumerate(answer, 1):
        fits = (
            isinstance(one, dict)
            and type(one.get("text")) is str
            and type(one.get("start")) is int
            and type(one.get("end")) is int
            and isinstance(one.get("heading"), list)
            and all(type(title) is str for title in one["heading"])
        )
        expect(
            fits,
            observed=f"chunk {number} is {str(one)[:200]}",
            expected="a dict with text (str), start and end (int) and heading (list of str)",
            given=given,
        )
        chunks.append(Chunk(one["text"], one["start"], one["end"], one["heading"]))
    return chunks


def asked(what, max_tokens, overlap):
    return f"{what}; max_tokens {max_tokens}, overlap {overlap}"


def shown(text, length=60):
    """The beginning of a text, as a message shows it."""
    return repr(text if len(text) <= length else text[:length] + "…")


def places(chunks, text, given):
    """Where the chunks stand, found by their text alone: for manuals in which nothing repeats."""
    spans, at = [], -1
    for number, chunk in enumerate(chunks, 1):
        at = text.find(chunk.text, at + 1)
        where = f"chunk {number} of {len(chunks)}"
        expect(
            at >= 0 and bool(chunk.text),
            observed=f"{where}, {shown(chunk.text)}, does not stand in "
            f"the text (behind the start of the chunk before)"
            if chunk.text
            else f"{where} is empty",
            expected="each chunk is a passage of the text as it came in, and they are in order",
            given=given,
        )
        spans.append((at, at + len(chunk.text)))
    return spans


def exact(chunks, text, given):
    """The chunks' own offsets, once they are right and go forward."""
    before = (-1, -1)
    for number, chunk in enumerate(chunks, 1):
        there = text[chunk.start : chunk.end] if 0 <= chunk.start < chunk.end else ""
        # Two texts side by side hide where they part: at a line end, or in how an accent is coded.
        apart = next(
            (
                at
                for at, (one, two) in enumerate(zip(chunk.text, there, strict=False))
                if one != two
            ),
            min(len(chunk.text), len(there)),
        )
        expect(
            there == chunk.text and chunk.end <= len(text) and bool(chunk.text),
            observed=f"chunk {number} of {len(chunks)} says it is text[{chunk.start}:{chunk.end}], "
            f"but from text[{chunk.start + apart}] on it has {chunk.text[apart:][:20]!a} "
            f"instead of {there[apart:][:20]!a}"
            if there != chunk.text
            else f"chunk {number} of {len(chunks)} is text[{chunk.start}:{chunk.end}], of a text "
            f"of {len(text)} characters",
            expected="text[start:end] is the chunk, neither empty nor beyond the end of the text",
            given=given,
        )
        expect(
            chunk.start > before[0] and chunk.end > before[1],
            observed=f"chunk {number} is at {chunk.start} to {chunk.end}, the one before it at "
            f"{before[0]} to {before[1]}: {shown(chunk.text)}",
            expected="starts and ends that grow from chunk to chunk",
            given=given,
        )
        before = (chunk.start, chunk.end)
    return [(chunk.start, chunk.end) for chunk in chunks]


def expect_covered(spans, text, given):
    reached = 0
    for start, end in [*sorted(spans), (len(text), len(text))]:
        lost = text[reached:start].strip()
        expect(
            not lost,
            observed=f"{len(lost)} characters at {reached} are in no chunk: {shown(lost)}",
            expected="everything but white space is in a chunk",
            given=given,
        )
        reached = max(reached, end)


def expect_within_limit(chunks, max_tokens, count, given):
    for number, chunk in enumerate(chunks, 1):
        tokens = count(chunk.text)
        expect(
            tokens <= max_tokens,
            observed=f"chunk {number} of {len(chunks)} has {tokens} tokens: {shown(chunk.text)}",
            expected=f"at most {max_tokens} tokens, as tokenizer.count counts them",
            given=given,
        )


def expect_sections(chunks, manual, given):
    """Each chunk within one section, with its path."""
    exact(chunks, manual.text, given)
    for number, chunk in enumerate(chunks, 1):
        first = len(chunk.text) - len(chunk.text.lstrip())
        last = len(chunk.text.rstrip()) - 1
        inside = manual.section_of(chunk.start + first)
        expect(
            inside == manual.section_of(chunk.start + last),
            observed=f"chunk {number} of {len(chunks)} begins under {manual.path_of(inside)} and "
            f"ends under {manual.path_of(manual.section_of(chunk.start + last))}",
            expected="each chunk lies in one section",
            given=given,
        )
        expect(
            chunk.heading == manual.path_of(inside),
            observed=f"the heading of chunk {number} is {chunk.heading}: {shown(chunk.text)}",
            expected=f"{manual.path_of(inside)}",
            given=given,
        )


def neighbours(spans, manual):
    """Pairs of chunks that follow each other in one section."""
    for one, two in pairwise(spans):
        if manual.section_of(one[0]) == manual.section_of(two[0]):
            yield one, two


def expect_overlap(spans, manual, overlap, count, given):
    for one, two in neighbours(spans, manual):
        shared = manual.text[two[0] : one[1]]
        expect(
            count(shared) >= overlap,
            observed=f"the chunks at {one[0]} to {one[1]} and {two[0]} to {two[1]} share "
            f"{count(shared)} tokens: {shown(shared)}",
            expected=f"at least {overlap} tokens",
            given=given,
        )


def plain_settings(rng):
    """Settings from tight to roomy."""
    middle = int(rng.integers(90, 200))
    return [(64, 16), (middle, int(rng.integers(0, middle // 4 + 1))), (256, 32)]


# ---------------------------------------------------------------------------- the incident


def test_nothing_lost(submission, rng):
    writer = Writer(rng)
    manual = Manual()
    manual.add("Read me first.", f"Order {writer.serial('M')}")
    manual.heading(1, f"Oven {writer.serial('T')}")
    for number in range(4):
        manual.heading(2, f"Start {number}", after="\n" if number % 2 else "\n\n")
        manual.add(" ".join(f"{writer.pick(WORDS)}{n}" for n in range(writer.number(150, 300))))
        manual.add("Never run it dry.", f"See {writer.serial()}.")
        manual.heading(3, f"Short {number}")
        manual.add(f"Purge {writer.number(2, 9)} times.")
        manual.heading(3, f"List {number}", after="\n")
        manual.add("\n".join(f"- {writer.pick(WORDS)} {writer.serial()}" for _ in range(25)))
        manual.add(f"p. {writer.number(10, 99)}", writer.prose(writer.number(90, 160)), "Done.")
    manual.heading(2, "The end")
    for max_tokens, overlap in plain_settings(rng):
        given = asked("sections, lists and paragraphs, long and short", max_tokens, overlap)
        chunks = split(submission, manual.text, max_tokens, overlap, given)
        expect_covered(places(chunks, manual.text, given), manual.text, given)


def test_fits_the_model(submission, count, rng):
    writer = Writer(rng)
    manual = Manual()
    manual.heading(1, "Everything")
    kinds = {
        "prose": [writer.prose(150)],
        "Chinese": [writer.cjk(writer.number(60, 120)) + "。" for _ in range(3)],
        "code": [
            "```\n" + "\n".join(writer.line_of_code() for _ in range(40)) + "\n```",
        ],
        "base64": ["\n".join(writer.blob(76) for _ in range(12))],
        "a table": ["\n".join(writer.row() for _ in range(30))],
        "numbers and signs": [
            " ".join(f"{writer.number(0, 10**9)};{writer.blob(3)}/" for _ in range(40)),
            " ".join(writer.pick("!?=<>*~^") * writer.number(3, 12) for _ in range(40)),
        ],
        "emoji": [" ".join(writer.pick(EMOJI) + writer.word() for _ in range(60))],
        "short lines": ["\n".join("  " * writer.number(0, 9) + writer.word() for _ in range(80))],
    }
    for kind, paragraphs in kinds.items():
        manual.heading(2, kind)
        manual.add(*paragraphs)
    for max_tokens, overlap in plain_settings(rng):
        given = asked(", ".join(kinds), max_tokens, overlap)
        chunks = split(submission, manual.text, max_tokens, overlap, given)
        expect(
            len(chunks) >= len(kinds),
            observed=f"{len(chunks)} chunks",
            expected=f"at least one for each of the {len(kinds)} sections",
            given=given,
        )
        expect_within_limit(chunks, max_tokens, count, given)


def test_offsets_exact(submission, rng):
    writer = Writer(rng)
    notice = writer.prose(writer.number(20, 40))
    step = writer.prose(writer.number(60, 90))
    manual = Manual()
    manual.add("\U0001f525 Ünïversal manual 机器")
    for number in range(4):
        manual.heading(2, f"Machine {number % 2}")
        manual.add(notice, writer.prose(30), notice, step)
        manual.heading(3, "Care")
        manual.add(notice)
    manual.heading(2, "Checks")
    manual.add("\n".join(["[ ] checked"] * writer.number(90, 160)), step, step)
    for max_tokens, overlap in plain_settings(rng):
        given = asked(
            "the same notice, steps and check-list lines again and again", max_tokens, overlap
        )
        chunks = split(submission, manual.text, max_tokens, overlap, given)
        expect_covered(exact(chunks, manual.text, given), manual.text, given)


def test_bad_settings_refused(submission, rng):
    writer = Writer(rng)
    text = "\n\n".join([writer.prose(200), writer.blob(3000), writer.prose(50)])
    many = writer.number(100, 300)
    wrong = [
        (many, many),
        (many, many + writer.number(1, 50)),
        (many, writer.number(many // 4 + 1, many)),
        (many, many // 4 + 1),
        (many, -writer.number(1, 9)),
        (LEAST_TOKENS - 1, 0),
        (0, 0),
        (-many, 8),
    ]
    for max_tokens, overlap in wrong:
        given = asked("a text with a long word in it", max_tokens, overlap)
        try:
            chunks = submission.call(
                "splitter:chunk",
                text,
                max_tokens=max_tokens,
                overlap=overlap,
                timeout=SECONDS_TO_REFUSE,
            )
            observed = f"{len(chunks)} chunks" if isinstance(chunks, list) else repr(chunks)
        except Raised as error:
            observed = error.type
        expect(observed == "ValueError", observed=observed, expected="a ValueError", given=given)
    for max_tokens, overlap in [
        (LEAST_TOKENS, 16),
        (LEAST_TOKENS, 0),
        (101, 25),
        (many, many // 4),
    ]:
        given = asked("the same text, settings at the edge of what is allowed", max_tokens, overlap)
        chunks = split(submission, text, max_tokens, overlap, given)
        expect(len(chunks) > 3, observed=f"{len(chunks)} chunks", expected="the text", given=given)
        expect_covered(exact(chunks, text, given), text, given)


# ---------------------------------------------------------------------------- its neighbours


def test_overlap_kept(submission, count, rng):
    writer = Writer(rng)
    manual = Manual()
    manual.heading(1, "Paragraphs")
    manual.add(*(writer.prose(writer.number(4, 90)) for _ in range(9)))
    manual.heading(1, "Long sentences")
    manual.add(*(writer.sentence(writer.number(60, 120)) for _ in range(5)))
    manual.heading(1, "Lines")
    manual.add("\n".join(writer.sentence(writer.number(2, 12)) for _ in range(40)))
    manual.heading(1, "One word")
    manual.add(writer.blob(1500), writer.cjk(200))
    for max_tokens, overlap in [*plain_settings(rng), (128, 32)]:
        given = asked("paragraphs, sentences and words, long and short", max_tokens, overlap)
        chunks = split(submission, manual.text, max_tokens, overlap, given)
        spans = places(chunks, manual.text, given)
        pairs = list(neighbours(spans, manual))
        expect(
            len(pairs) >= 3,
            observed=f"{len(chunks)} chunks, {len(pairs)} of them with one before in their section",
            expected="several chunks in the long sections",
            given=given,
        )
        expect_overlap(spans, manual, overlap, count, given)


def test_line_endings_kept(submission, count, rng):
    writer = Writer(rng)
    blanks = [" ", " ", " ", "  ", "\t", "\u00a0", "\u2009", "\u2028", "\x0c"]
    manual = Manual(newline="\r\n")
    for number in range(4):
        manual.heading(1 + number % 2, f"Re\u0301glage {writer.serial('R')} des pie\u0300ces")
        for _ in range(3):
            words = [
                word.replace("e", "e\u0301") if rng.random() < 0.2 else word
                for word in writer.words(writer.number(40, 80))
            ]
            manual.add("".join(word + writer.pick(blanks) for word in words) + "  ")
        manual.add("", "", "\n".join(writer.sentence(6) for _ in range(12)))
    for max_tokens, overlap in plain_settings(rng):
        given = asked(
            "line ends \\r\\n, several kinds of blanks, accents as signs of their own",
            max_tokens,
            overlap,
        )
        chunks = split(submission, manual.text, max_tokens, overlap, given)
        expect_covered(exact(chunks, manual.text, given), manual.text, given)
        expect_sections(chunks, manual, given)
        expect_within_limit(chunks, max_tokens, count, given)


def test_one_section_each(submission, rng):
    writer = Writer(rng)
    manual = Manual()
    manual.add(writer.prose(30), f"#{writer.word()} is no heading")
    levels = [1, 3, 3, *(writer.number(1, 7) for _ in range(11))]
    for number, level in enumerate(levels):
        manual.heading(level, f"{writer.pick(WORDS)} {number}" + writer.pick(["", "  "]))
        if number % 5 == 3:
            continue  # a heading with nothing under it
        if rng.random() < 0.8:
            manual.add(writer.prose(writer.number(3, 120)))
        no_headings = [
            f"{'#' * 7} {writer.prose(4)}",
            f"  ## {writer.prose(5)}",
            f"Filter #{number} {writer.prose(5)}",
            f"#{number} {writer.prose(6)}",
        ]
        manual.add(no_headings[number % 4], writer.pick(no_headings))
    manual.heading(2, writer.serial("end"), after="")
    for max_tokens, overlap in plain_settings(rng):
        given = asked("headings of six levels, some of them skipped", max_tokens, overlap)
        chunks = split(submission, manual.text, max_tokens, overlap, given)
        expect_sections(chunks, manual, given)
        expect_covered(exact(chunks, manual.text, given), manual.text, given)


def test_code_is_no_heading(submission, rng):
    writer = Writer(rng)

    def code(lines):
        comments = [f"# {writer.prose(3)}", f"## {writer.word()}", "", "| a | b |"]
        rows = [*comments, *(writer.line_of_code() for _ in range(lines))]
        return "\n".join([f"# {writer.serial()}", *(rows[n] for n in rng.permutation(len(rows)))])

    manual = Manual()
    for number in range(3):
        manual.heading(1, f"Scripts {writer.serial('S')}")
        manual.add(writer.prose(15), f"```{writer.pick(['', 'bash', 'python'])}\n{code(4)}\n```")
        manual.heading(2, f"More {number}", after="\n")
        manual.add(f"Use ```{writer.word()}``` here.", f"```\n{code(writer.number(2, 60))}\n```")
    manual.heading(2, "Last")
    manual.add(f"```\n{code(6)}")
    for max_tokens, overlap in plain_settings(rng):
        given = asked(
            "fenced code with comments; the last fence is not closed", max_tokens, overlap
        )
        chunks = split(submission, manual.text, max_tokens, overlap, given)
        expect_sections(chunks, manual, given)


def test_blocks_whole(submission, count, rng):
    writer = Writer(rng)
    for max_tokens in (120, writer.number(150, 256), 256):
        overlap = writer.number(0, max_tokens // 6)
        blocks = []

        def block(share, fenced, overlap=overlap, max_tokens=max_tokens):
            """A table or code that takes `share` of the most that fits."""
            rows, most = [], share * (max_tokens * 2 / 3 - overlap)
            head = [f"```{writer.pick(['', 'sql'])}"] if fenced else [writer.row()]
            tail = ["```"] if fenced else [writer.row()]
            while True:
                row = writer.line_of_code() if fenced else writer.row()
                if fenced and rows and rng.random() < 0.2:
                    row = "" if rng.random() < 0.5 else f"| {writer.serial()} | {writer.word()}"
                text = "\n".join([*head, *rows, row, *tail])
                if count(text) + overlap > max_tokens * 2 / 3 or (rows and count(text) > most):
                    return "\n".join([*head, *rows, *tail])
                rows.append(row)

        manual = Manual()
        blocks.append(block(0.5, fenced=False))
        manual.add(blocks[-1])
        manual.heading(1, "Parts")
        for number in range(12):
            if rng.random() < 0.75:
                manual.add(writer.prose(writer.number(2, 100)))
            blocks.append(block(rng.uniform(0.3, 1.0) if number % 3 else 1.0, rng.random() < 0.5))
            manual.add(blocks[-1])
            if number % 4 == 1:
                # No line between them, and no room for both in one block.
                blocks += [block(0.9, fenced=True), block(0.9, fenced=False)]
                manual.add("\n".join(blocks[-2:]))
            if number == 6:
                manual.add(writer.prose(20), "\n".join(writer.row() for _ in range(40)))
                manual.add("```\n" + "\n".join(writer.line_of_code() for _ in range(50)) + "\n```")
        given = asked("prose, tables and fenced code", max_tokens, overlap)
        chunks = split(submission, manual.text, max_tokens, overlap, given)
        for text in blocks:
            expect(
                any(text in chunk.text for chunk in chunks),
                observed=f"no chunk has all of this block of {count(text)} tokens: {shown(text)}",
                expected=f"it is whole in a chunk: {count(text)} and {overlap} are not more than "
                f"two thirds of {max_tokens}",
                given=given,
            )
        expect_within_limit(chunks, max_tokens, count, given)
        spans = places(chunks, manual.text, given)
        expect_covered(spans, manual.text, given)
        expect_overlap(spans, manual, overlap, count, given)
    blocks_at_the_edge(submission, count, writer)


def grown(count, tokens, head, line, tail=()):
    """Lines between `head` and `tail`, one more and one more until they have `tokens` tokens."""
    lines = [*head]
    while count("\n".join([*lines, *tail])) < tokens:
        lines.append(line())
    return "\n".join([*lines, *tail])


def blocks_at_the_edge(submission, count, writer):
    max_tokens = 120
    for least in (50, 56):
        block = grown(count, least, ["```"], writer.line_of_code, ["```"])
        size = count(block)
        overlap = max_tokens * 2 // 3 - size
        manual = Manual()
        manual.heading(1, "Settings")
        # With a little less before it, the block would fit into the first chunk.
        prose = grown(count, max_tokens - size + 4, [], lambda: writer.pick(WORDS))
        manual.add(prose, block, writer.prose(40))
        given = asked(f"code of {size} tokens, which just fits, behind prose", max_tokens, overlap)
        chunks = split(submission, manual.text, max_tokens, overlap, given)
        expect(
            any(block in chunk.text for chunk in chunks),
            observed=f"no chunk has all of the code: {shown(block)}",
            expected=f"it is whole in a chunk: {size} and {overlap} are not more than two thirds "
            f"of {max_tokens}",
            given=given,
        )
    for max_tokens, overlap in [(240, 16), (240, 60)]:
        manual = Manual()
        manual.heading(1, "Listing")
        manual.add(grown(count, 42, [], lambda: writer.pick(WORDS)))
        manual.add(grown(count, 198, ["```"], writer.line_of_code, ["```"]))
        given = asked("code that does not fit, behind a little prose", max_tokens, overlap)
        chunks = split(submission, manual.text, max_tokens, overlap, given)
        for number, chunk in enumerate(chunks[:-1], 1):
            expect_filled(chunk, number, chunks, max_tokens, count, given)


def belong_together(text, at):
    """Whether the README forbids to cut text[at - 1] from text[at]."""
    left, right = text[at - 1], text[at]
    halves = 0
    while halves < at and is_flag_half(text[at - halves - 1]):
        halves += 1
    return (
        unicodedata.category(right) in ("Mn", "Mc", "Me")
        or "\u200d" in (left, right)
        or 0x1F3FB <= ord(right) <= 0x1F3FF
        or (is_flag_half(right) and halves % 2 == 1)
    )


def is_flag_half(character):
    return 0x1F1E6 <= ord(character) <= 0x1F1FF


def test_characters_whole(submission, count, rng):
    writer = Writer(rng)
    sequences = [
        "\U0001f469\u200d\U0001f469\u200d\U0001f466",
        "\U0001f9d1\U0001f3fe\u200d\U0001f527",
        "\u2764\ufe0f\u200d\U0001f525",
        "\U0001f44b\U0001f3fb",
        "\U0001f44b\U0001f3ff",
        "3\ufe0f\u20e3",
        "e\u0301",
        "o\u0302\u0323",
        "\u0915\u093f",
        "\u0e01\u0e34\u0e49",
        "\u2699\ufe0f",
    ]

    def flag():
        # From A to Z, and often one of these two.
        letters = [0, 25, writer.number(0, 26)]
        return "".join(chr(0x1F1E6 + writer.pick(letters)) for _ in range(2))

    def longest():
        """A letter with accents, of the most tokens with which it must stay whole."""
        letter = writer.pick("éü")
        while count(letter) < LONG_SEQUENCE:
            letter += chr(0x300 + writer.number(0, 0x6F))
        return letter

    def run(number):
        return "".join(
            flag() if rng.random() < 0.35 else writer.pick(sequences) for _ in range(number)
        )

    manual = Manual()
    manual.heading(1, "Signs")
    manual.add(run(180), "".join(flag() for _ in range(120)), writer.prose(20))
    manual.add("".join(writer.pick(sequences[:3]) for _ in range(60)))
    manual.add("".join(writer.pick(sequences[6:10]) for _ in range(200)))
    manual.add("".join(longest() for _ in range(40)))
    for max_tokens in (100, writer.number(110, 200), 256):
        overlap = writer.number(8, 25)
        given = asked("long rows of emoji, flags and accented letters", max_tokens, overlap)
        chunks = split(submission, manual.text, max_tokens, overlap, given)
        for start, end in places(chunks, manual.text, given):
            for at in (start, end):
                if 0 < at < len(manual.text):
                    left, right = manual.text[at - 1], manual.text[at]
                    expect(
                        not belong_together(manual.text, at),
                        observed=f"a chunk begins or ends between {named(left)} and {named(right)}",
                        expected="signs that are drawn as one stay together",
                        given=given,
                    )
        expect_within_limit(chunks, max_tokens, count, given)


def named(character):
    return f"U+{ord(character):04X} ({unicodedata.name(character, 'no name').lower()})"


def test_words_whole(submission, count, rng):
    writer = Writer(rng)
    manual = Manual()
    manual.add(writer.prose(200))
    for _ in range(3):
        manual.heading(2, f"Care {writer.serial()}")
        manual.add(*(writer.prose(writer.number(10, 120)) for _ in range(3)))
        manual.add(" ".join(f"{writer.word()}-{writer.word()}," for _ in range(60)))
        manual.add("\n".join(f"* {writer.serial()}: {writer.word()}" for _ in range(20)))
    for max_tokens, overlap in plain_settings(rng):
        given = asked("ordinary prose and lists", max_tokens, overlap)
        chunks = split(submission, manual.text, max_tokens, overlap, given)
        for start, end in places(chunks, manual.text, given):
            for at in (start, end):
                if 0 < at < len(manual.text):
                    before = re.search(r"\S*\Z", manual.text[max(at - 60, 0) : at])[0]
                    after = re.match(r"\S*", manual.text[at : at + 60])[0]
                    expect(
                        not (before and after) or count(before + after) > LONG_WORD,
                        observed=f"a chunk begins or ends within the word {before + after!r}, "
                        f"between {before!r} and {after!r}",
                        expected=f"words of at most {LONG_WORD} tokens are not cut",
                        given=given,
                    )


# ---------------------------------------------------------------------------- odd texts, load


def test_no_place_to_cut(submission, count, rng):
    writer = Writer(rng)
    stacked = "A" + "".join(chr(0x300 + writer.number(0, 0x6F)) for _ in range(500))
    cases = {
        "10,000 characters of base64 in one line": writer.blob(10_000),
        "3,000 Chinese characters without a blank": writer.cjk(3000),
        "4,000 times the letter x": "x" * 4000,
        "a letter with 500 accents in prose": f"{writer.prose(40)} {stacked} {writer.prose(40)}",
    }
    for what, text in cases.items():
        max_tokens = writer.number(LEAST_TOKENS, 257)
        for overlap in (writer.number(1, max_tokens // 4), 0):
            given = asked(what, max_tokens, overlap)
            chunks = split(submission, text, max_tokens, overlap, given)
            expect_covered(exact(chunks, text, given), text, given)
            expect_within_limit(chunks, max_tokens, count, given)
            for number, chunk in enumerate(chunks[:-1], 1):
                if "accents" not in what:
                    expect_filled(chunk, number, chunks, max_tokens, count, given)


def expect_filled(chunk, number, chunks, max_tokens, count, given):
    expect(
        4 * count(chunk.text) >= max_tokens,
        observed=f"chunk {number} of {len(chunks)} has {count(chunk.text)} tokens: "
        f"{shown(chunk.text)}",
        expected=f"at least {max_tokens / 4:.0f}, for it is not the last one of its section",
        given=given,
    )


def test_nothing_in_it(submission, count, rng):
    writer = Writer(rng)
    blank = "".join(writer.pick([" ", "\n", "\t", "\u00a0", "\r\n"]) for _ in range(40))
    for text in ("", " ", "\n" * writer.number(300, 900), blank):
        given = f"{len(text)} characters of white space"
        chunks = split(submission, text, 128, 16, given)
        expect(not chunks, observed=f"{len(chunks)} chunks", expected="an empty list", given=given)
    manual = Manual()
    manual.add(blank)
    manual.heading(1, "Blank pages")
    manual.add("\n" * 2500)
    for gap in ("\n" * writer.number(3000, 5000), " " * 2500, blank * 20):
        manual.add(writer.prose(writer.number(20, 90)), gap, f"See {writer.serial()}.", gap)
    manual.add(writer.prose(30), "\n" * 2000)
    for max_tokens, overlap in plain_settings(rng):
        given = asked("prose with thousands of blanks and line ends between", max_tokens, overlap)
        chunks = split(submission, manual.text, max_tokens, overlap, given)
        for number, chunk in enumerate(chunks, 1):
            expect(
                bool(chunk.text.strip()),
                observed=f"chunk {number} of {len(chunks)} has {len(chunk.text)} characters, "
                "all of them white space",
                expected="no chunk without anything to read",
                given=given,
            )
        expect_within_limit(chunks, max_tokens, count, given)
        expect_covered(exact(chunks, manual.text, given), manual.text, given)


def test_large_manual(submission, rng):
    writer = Writer(rng)
    words = [WORDS[n] for n in rng.integers(0, len(WORDS), 66_000)]
    for at in range(11, len(words), 12):
        words[at] += f" {at}." if at % 5 else f" {at}.\n\n"
    text = f"# Collected\n\n{' '.join(words)}"[:400_000] + f" {writer.serial('last')}"
    given = asked(f"{len(text):,} characters under one heading", LEAST_TOKENS, 8)
    chunks = split(submission, text, LEAST_TOKENS, 8, given, timeout=SECONDS_FOR_A_LARGE_MANUAL)
    expect_covered(places(chunks, text, given), text, given)


# ---------------------------------------------------------------------------- of use


def test_well_filled(submission, count, rng):
    writer = Writer(rng)
    manual = Manual()
    manual.heading(1, "Short")
    manual.add(*(writer.prose(writer.number(7, 11)) for _ in range(3)))
    manual.heading(1, "Uneven")
    manual.add(*(writer.prose(writer.number(*span)) for span in [(2, 6), (150, 300)] * 3))
    manual.heading(1, "Even")
    manual.add(*(writer.prose(writer.number(30, 90)) for _ in range(12)))
    manual.heading(1, "Points")
    manual.add(*(writer.sentence(writer.number(2, 9)) for _ in range(60)))
    for max_tokens in (128, writer.number(150, 250), 256):
        overlap = writer.number(0, max_tokens // 6)
        given = asked("sections of short and of long paragraphs", max_tokens, overlap)
        chunks = split(submission, manual.text, max_tokens, overlap, given)
        spans = places(chunks, manual.text, given)
        for section in range(1, len(manual.sections)):
            path = manual.path_of(section)
            mine = [
                chunk
                for chunk, (start, _) in zip(chunks, spans, strict=True)
                if manual.section_of(start) == section
            ]
            tokens = count(manual.text_of(section).strip())
            together = sum(count(chunk.text) for chunk in mine)
            if tokens <= 0.95 * max_tokens:
                expect(
                    len(mine) == 1,
                    observed=f"the section {path} of {tokens} tokens makes {len(mine)} chunks",
                    expected=f"one chunk: it fits into {max_tokens} tokens",
                    given=given,
                )
            for number, chunk in enumerate(mine[:-1], 1):
                expect_filled(chunk, number, mine, max_tokens, count, given)
            expect(
                together <= 2 * tokens + max_tokens,
                observed=f"the {len(mine)} chunks of {path} have {together} tokens together",
                expected=f"at most twice the section's {tokens} tokens, plus {max_tokens}",
                given=given,
            )


def test_calls_do_not_meet(submission, rng):
    writer = Writer(rng)
    notice = writer.prose(60)
    one, two = Manual(), Manual()
    for manual in (one, two):
        manual.heading(1, "Safety")
        manual.add(notice, "Wear gloves.")
        manual.heading(2, writer.serial("Model"))
        manual.add(writer.prose(200))
    max_tokens, overlap = writer.number(70, 130), 12
    answers = []
    for manual, given in (
        (one, "a manual"),
        (two, "a second manual, with the same chapter on safety as the first"),
        (one, "the first of two manuals once more"),
    ):
        given = asked(given, max_tokens, overlap)
        chunks = split(submission, manual.text, max_tokens, overlap, given)
        expect_covered(exact(chunks, manual.text, given), manual.text, given)
        answers.append(chunks)
    expect(
        answers[0] == answers[2],
        observed=f"{len(answers[0])} chunks the first time, {len(answers[2])} the second, and "
        "they differ",
        expected="the same chunks, whatever was cut between",
        given=asked("one manual, then another, then the first one again", max_tokens, overlap),
    )
    text = writer.prose(1500)
    told, untold = (submission.call("splitter:chunk", text, **how)
                    for how in ({"max_tokens": 256, "overlap": 32}, {}))  # fmt: skip
    expect(
        told == untold,
        observed="other chunks",
        expected="the chunks of max_tokens 256 and overlap 32",
        given="1,500 words of prose, max_tokens and overlap left out",
    )
