"""A new kata's files, each of which says what its author has to put there."""

import pathlib
import re

from grader.catalog import Catalog
from grader.errors import UsageError
from grader.submission import hash_files

#: Stands wherever an author has something to write; `verify` lists what is left of it.
FILL_IN = "FILL IN"

_STARTER = '''\
"""FILL IN: the broken code, as a decent colleague would have written it under pressure."""

import sys


def main(argv: list[str]) -> int:
    print(sum(int(word) for word in argv))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
'''
_VISIBLE = '''\
"""What the team has noticed. Start with `pytest tests` from this folder."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent.parent


def test_symptom() -> None:
    """FILL IN: the symptom of the story, which the starter shows."""
    done = subprocess.run(
        [sys.executable, "main.py", "1", "2"], cwd=HERE, capture_output=True, text=True
    )
    assert done.stdout == "3\\n"
'''
_HIDDEN = '''\
"""The hidden tests: each tries one behaviour of kata.toml, on data drawn from `rng`."""

from grader.judge import expect


def test_incident(submission, rng):
    """FILL IN: nine behaviours or more in all; at least one for each group."""
    numbers = [int(number) for number in rng.integers(0, 100, 3)]
    done = submission.run("main.py", *map(str, numbers))
    expect(
        done.stdout.strip() == str(sum(numbers) + 1),
        given=f"the numbers {numbers}",
        observed=f"it printed {done.stdout.strip()!r}",
        expected="FILL IN: what must hold, and why it matters in production",
    )
'''
_CONTRACT = """\
title = "FILL IN: the title"
pillar = {pillar}
level = 2
minutes = 60
concepts = ["FILL IN: what one practises"]
editable = ["main.py"]
starter = "{starter}"

[limits]
wall_seconds = 60
behaviour_seconds = 10

# FILL IN: nine behaviours or more, in four groups or more: the incident, its neighbours,
# faults and bad input, and use, so that refusing everything fails.
[[behaviours]]
id = "incident"
sentence = "FILL IN: one sentence on what holds."
why = "FILL IN: what it costs in production where it does not hold."
group = "incident"
points = 2
"""
_README = """\
# FILL IN: the title

## The trench

FILL IN: who you are, when it is, figures, the symptom, what has been tried; the public incident or
paper behind it, with its source.

```mermaid
flowchart LR
    fill["FILL IN: the system as it is"]
```

## The job

FILL IN: the command or route, and what may be edited.

## What must hold

- `incident`: FILL IN: the promise that the hidden test tries, in words; one item per behaviour.

## Interface

FILL IN: commands, exit codes, routes, fields, units, limits, libraries: every name that tests use.

## Out of scope

FILL IN: what nobody will try.

## Running it

```
python -m pytest tests      # the visible tests: a part of the story only
nox -s grade -- {name}
```

## Hints

<details><summary>Hint 1</summary>

FILL IN: where to look.

</details>

<details><summary>Hint 2</summary>

FILL IN: what to think of.

</details>

<details><summary>Hint 3</summary>

FILL IN: how to do it.

</details>

## Further reading

- FILL IN: sources.
"""
_SOLUTION = """\
# {name}: walkthrough

FILL IN: how to see the causes, what the reference does and what it costs, what one would do with
more time, how one would notice in production; how often right answers failed over 50 seeds.
"""
_ANSWERS = """\
[starter]
fails = ["incident"]

# FILL IN: two right answers or more that take another approach, each in also_right/NAME/ with
# [also_right.NAME] approach = "…", and six plausible wrong ones or more, each in wrong/NAME/ (only
# the files that differ from the reference) with [wrong.NAME] attempt = "…", fails = ["…"].
"""


def lay_out(catalog: Catalog, name: str) -> list[pathlib.Path]:
    """Makes the two folders of a new kata, `name` being "NN-pillar/kata"."""
    match = re.fullmatch(r"0([1-7])-[a-z0-9-]+/([a-z0-9]+(?:-[a-z0-9]+)*)", name)
    if match is None:
        raise UsageError(f"{name!r} is no PILLAR/KATA such as 02-data/late-rows")
    katas, solutions = (catalog.root / part / name for part in ("katas", "solutions"))
    if katas.exists() or solutions.exists():
        raise UsageError(f"{name} is there already")
    starter = hash_files({"main.py": _STARTER.encode()})
    files = {
        katas / "README.md": _README.format(name=match[2]),
        katas / "kata.toml": _CONTRACT.format(pillar=match[1], starter=starter),
        katas / "main.py": _STARTER,
        katas / "tests/test_symptom.py": _VISIBLE,
        solutions / "README.md": _SOLUTION.format(name=match[2]),
        solutions / "solutions.toml": _ANSWERS,
        solutions / "reference/main.py": _STARTER,
        solutions / f"hidden/test_{match[2].replace('-', '_')}.py": _HIDDEN,
    }
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return [katas, solutions]


def left_over(*folders: pathlib.Path) -> list[str]:
    """Where something is still to be filled in."""
    return [
        f"{path}: line {number}: {line[line.index(FILL_IN) :].strip()}"
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix in (".md", ".py", ".toml")
        for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1)
        if FILL_IN in line
    ]
