"""The answer to a pull request that only carries solutions of katas: it was meant for a fork.

Standard input has the paths that the pull request changes, one a line; standard output gets the
comment, or nothing. Only names of katas that are in this copy ever stand in it.
"""

import pathlib
import sys

from grader.catalog import Catalog, Kata

ROOT = pathlib.Path(__file__).resolve().parents[1]

COMMENT = """\
Thank you for working on {katas}. This pull request changes solutions only, so it was probably \
meant for your own fork: here the katas stay broken, for the next learner.

Nothing is lost. Your commits are in your fork, new katas reach it with `git pull` and do not \
touch what you have solved (README, "Your solutions in a fork"). You can close this pull request \
whenever you like.

If you meant to improve a kata itself (its starter, tests or words), say so here, and \
CONTRIBUTING.md tells what belongs to such a change: a new starter, for instance, needs its new \
hash in kata.toml.
"""


def solved(catalog: Catalog, paths: list[str]) -> list[Kata]:
    """The katas of which `paths` are solutions; none if they are anything else as well.

    Whoever mends a starter renews the hash in its kata.toml; whoever solves a kata does not.
    """
    katas: dict[str, Kata] = {}
    for path in paths:
        for kata in catalog.katas:
            inside = path.removeprefix(f"katas/{kata.name}/")
            if inside != path and inside != "kata.toml":
                break
        else:
            return []
        if kata.is_editable(inside):
            katas[kata.name] = kata
    return list(katas.values())


def main() -> None:
    katas = solved(Catalog(ROOT), sys.stdin.read().splitlines())
    if katas:
        names = [f"`{kata.short_name}`" for kata in katas]
        last = names.pop()
        print(COMMENT.format(katas=f"{', '.join(names)} and {last}" if names else last), end="")


if __name__ == "__main__":
    main()
