"""What a hidden test can find: an expectation that is unmet, or learner code that raised."""

import re

from grader.verdict import Cause, Finding

#: Longest text of one part of a finding, in characters.
MAX_TEXT = 700


class Unmet(AssertionError):
    """A behaviour does not hold. `finding` is what the learner reads, `cause` names the kind."""

    def __init__(self, finding: Finding, cause: Cause = Cause.FAILED) -> None:
        super().__init__(finding.observed)
        self.finding = finding
        self.cause = cause


class Raised(Exception):
    """Learner code raised: `type` and `message` of the exception, `where` in the submission."""

    def __init__(self, target: str, type: str, message: str, where: str) -> None:
        super().__init__(f"{target} raised {type}: {message}")
        self.target = target
        self.type = type
        self.message = message
        self.where = where

    def unmet(self) -> Unmet:
        """The same as a behaviour that does not hold, when no test asked for the exception."""
        observed = f"{self.target} raised {self.type}: {self.message}"
        if self.where:
            observed += f" ({self.where})"
        cause = Cause.OUT_OF_MEMORY if self.type.endswith("MemoryError") else Cause.FAILED
        return Unmet(Finding(clean(observed), "no exception"), cause)


class BoxLost(Exception):
    """The box does not answer any more. The host knows why (memory, time, trouble)."""


def expect(condition: object, *, observed: str, expected: str, given: str = "") -> None:
    """Fails the behaviour unless `condition` is True.

    `given` says what was sent, `observed` what came, `expected` what should have come: one short
    sentence each, on this grading's made-up data. Only the value True (or numpy's) is a yes.
    """
    if type(condition).__module__ == "numpy" and getattr(condition, "shape", None) == ():
        condition = condition.item()  # type: ignore[attr-defined]
    if condition is not True:
        raise Unmet(Finding(clean(observed), clean(expected), clean(given)))


def clean(text: str, limit: int = MAX_TEXT) -> str:
    """`text` fit for a terminal, a page or a spreadsheet: printable, of bounded length."""
    if len(text) > limit:
        half = limit // 2
        text = f"{text[:half]} […] {text[-half:]}"
    text = "".join(_printable(character) for character in text)
    # CI services take lines of this form for commands, wherever the text may be broken.
    return re.sub(r"(:|#)(?=:[a-z-]|#\[|#vso\[)", r"\1 ", text)


def _printable(character: str) -> str:
    if character == "\n" or character.isprintable():
        return character
    if character == "\t":
        return "    "
    if character == "\r":
        return ""
    return character.encode("unicode_escape").decode("ascii")
