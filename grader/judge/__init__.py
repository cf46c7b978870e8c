"""The trusted side: runs the hidden tests and asks the box. What hidden tests import is here."""

from grader.judge.findings import Raised, Unmet, expect
from grader.judge.service import Reply, Service
from grader.judge.submission import Finished, Handle, Process, Submission
from grader.judge.timeline import Timeline

__all__ = [
    "Finished",
    "Handle",
    "Process",
    "Raised",
    "Reply",
    "Service",
    "Submission",
    "Timeline",
    "Unmet",
    "expect",
]
