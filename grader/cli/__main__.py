"""`python -m grader.cli`, for debuggers, which want a module."""

from grader.cli import main

main()
