"""The tree of errors. Their text is for the user: what happened, to what, and the next step."""


class GraderError(Exception):
    """Anything the grader says no to. `exit_code` is the command's exit code (see README)."""

    exit_code = 4


class UsageError(GraderError):
    """The command line asks for something that is not there."""

    exit_code = 2


class CatalogError(GraderError):
    """A kata's own files are wrong: the text names file, key and fix."""


class RefusedSubmission(GraderError):
    """A submission that is not fit to run. Nothing was started."""

    exit_code = 1


class EngineTrouble(GraderError):
    """An engine cannot do its work, or broke while doing it. Never the learner's failure."""


class Stopped(GraderError):
    """Somebody has ended a grading before its verdict, or a command before it was done."""

    exit_code = 130


class WireError(GraderError):
    """Bytes that are not a message, or a value that is not plain data."""
