"""AI Engineer Katas: the grader. `cli` is the way in; CONTRIBUTING.md tells how a grading flows."""

__version__ = "0.1.0"
