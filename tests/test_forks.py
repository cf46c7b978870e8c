"""A fork in which katas are solved: new ones come by git pull, and its solutions stay in it."""

import pathlib
import shutil
import subprocess
import sys

import pytest

from grader import scaffold
from grader.catalog import Catalog, Kata
from grader.submission import hash_files
from tests.commands import PLAIN, git, kata, needs_git, root_of, solve, solve_by_half, under_git
from tests.conftest import ROOT

GREETER = ROOT / ".github/meant_for_a_fork.py"


@pytest.fixture
def fork(toy: Kata, tmp_path: pathlib.Path) -> Kata:
    """The toy kata in a fork of its repository: attempted twice, solved, a hint taken."""
    under_git(toy)
    git(tmp_path, "clone", "--quiet", "--origin", "upstream", str(root_of(toy)), "fork")
    ours = Catalog(tmp_path / "fork").get("adder")
    solve_by_half(ours)
    kata(ours.folder, "grade", *PLAIN)
    kata(ours.folder, "hint")
    solve(ours)
    assert kata(ours.folder, "grade", *PLAIN).returncode == 0
    return ours


def go_on_upstream(toy: Kata) -> None:
    """What the project does meanwhile: a new kata; new words and hidden tests for the old one."""
    scaffold.lay_out(Catalog(root_of(toy)), "02-data/late-rows")
    for path, old, new in (
        (toy.folder / "README.md", "A till was off by one.", "A till was off by one, at night."),
        (toy.folder / "kata.toml", 'group = "usefulness"', 'group = "usefulness"\npoints = 3'),
        (toy.folder / "tests/test_adder.py", "\n", "\n\n# One more thing to try.\n"),
        (toy.solutions / "hidden/test_adder.py", "\n", "\n\n# A stricter test.\n"),
        (toy.solutions / "reference/adder.py", "import sys", "# A better way.\nimport sys"),
    ):
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))
    git(root_of(toy), "add", ".")
    git(root_of(toy), "commit", "--quiet", "--message", "New katas")


@needs_git
@pytest.mark.parametrize("how", ["--no-rebase", "--rebase", "--ff-only"])
def test_a_pull_does_not_conflict_with_solved_katas(toy: Kata, fork: Kata, how: str) -> None:
    """Merged, rebased, or before anything was committed, as each learner likes."""
    root, solved = root_of(fork), (fork.folder / "adder.py").read_bytes()
    if how != "--ff-only":
        git(root, "commit", "--quiet", "--all", "--message", "The adder adds")
    go_on_upstream(toy)
    git(root, "pull", "--quiet", how, "upstream", "main")
    dirty = " M katas/01-toy/adder/adder.py\n" if how == "--ff-only" else ""
    assert git(root, "status", "--short") == dirty
    assert (fork.folder / "adder.py").read_bytes() == solved
    assert "at night" in (fork.folder / "README.md").read_text()
    listed = kata(root, "list").stdout
    assert "1 of 2 passed" in listed
    assert "kata show late-rows" in listed
    # The new hidden tests judge the old solution, and the record of the learner goes on.
    done = kata(root, "grade", "adder", *PLAIN)
    assert "3 of 3 behaviours hold, 6 of 6 points" in done.stdout
    shown = kata(root, "show", "adder").stdout
    assert shown.endswith("Passed; 3 attempts, at best 6 of 6 points; 1 of 3 hints seen\n")


@needs_git
def test_a_pull_after_a_pull(toy: Kata, fork: Kata) -> None:
    root = root_of(fork)
    git(root, "commit", "--quiet", "--all", "--message", "The adder adds")
    go_on_upstream(toy)
    git(root, "pull", "--quiet", "--no-rebase", "upstream", "main")
    scaffold.lay_out(Catalog(root_of(toy)), "02-data/early-rows")
    git(root_of(toy), "add", ".")
    git(root_of(toy), "commit", "--quiet", "--message", "One more kata")
    git(root, "pull", "--quiet", "--no-rebase", "upstream", "main")
    assert "1 of 3 passed" in kata(root, "list").stdout


@needs_git
def test_the_starter_comes_back_after_merges(toy: Kata, fork: Kata) -> None:
    starter = (toy.folder / "adder.py").read_bytes()
    git(root_of(fork), "commit", "--quiet", "--all", "--message", "The adder adds")
    go_on_upstream(toy)
    git(root_of(fork), "pull", "--quiet", "--no-rebase", "upstream", "main")
    done = kata(fork.folder, "reset", "adder")
    assert done.returncode == 0, done
    assert (fork.folder / "adder.py").read_bytes() == starter


@needs_git
def test_a_starter_that_was_mended_conflicts_in_itself_only(toy: Kata, fork: Kata) -> None:
    """Then git asks; the learner's version stays, and the new starter is there for a reset."""
    root = root_of(fork)
    git(root, "commit", "--quiet", "--all", "--message", "The adder adds")
    path = toy.folder / "adder.py"
    path.write_text(path.read_text().replace("a + b + 1", "a + b + 2"))
    contract = toy.folder / "kata.toml"
    old, new = toy.contract.starter, hash_files({"adder.py": path.read_bytes()})
    contract.write_text(contract.read_text().replace(old, new))
    git(root_of(toy), "commit", "--quiet", "--all", "--message", "Another starter")
    with pytest.raises(AssertionError, match=r"CONFLICT.*adder\.py"):
        git(root, "pull", "--quiet", "--no-rebase", "upstream", "main")
    assert git(root, "diff", "--name-only", "--diff-filter=U").split() == [
        "katas/01-toy/adder/adder.py"
    ]
    git(root, "checkout", "--quiet", "--ours", "katas/01-toy/adder/adder.py")
    git(root, "commit", "--quiet", "--all", "--no-edit")
    assert kata(root, "grade", "adder", *PLAIN).returncode == 0
    assert kata(root, "reset", "adder").returncode == 0
    assert "a + b + 2" in (fork.folder / "adder.py").read_text()


@needs_git
def test_git_does_not_see_progress(fork: Kata) -> None:
    kata(fork.folder, "reset", "adder")
    assert list((root_of(fork) / ".kata").glob("adder-*.patch"))
    assert git(root_of(fork), "status", "--short", "--untracked-files=all") == ""


def greet(toy: Kata, *paths: str) -> str:
    """What a pull request that changes these paths is told."""
    place = root_of(toy) / ".github"
    place.mkdir(exist_ok=True)
    shutil.copy(GREETER, place)
    done = subprocess.run(
        [sys.executable, str(place / GREETER.name)], input="".join(f"{p}\n" for p in paths),
        cwd=ROOT, capture_output=True, encoding="utf-8", check=True,
    )  # fmt: skip
    return done.stdout


SOLVED = "katas/01-toy/adder/adder.py"


@pytest.mark.parametrize(
    "paths",
    [[SOLVED], [SOLVED, "katas/01-toy/adder/more/new.py"],
     [SOLVED, "katas/01-toy/adder/tests/test_mine.py", "katas/01-toy/adder/notes.md"]],
    ids=["the file", "files of one's own", "tests and notes"],
)  # fmt: skip
def test_a_pull_request_with_solutions_only_is_told(toy: Kata, paths: list[str]) -> None:
    comment = greet(toy, *paths)
    assert comment.startswith("Thank you for working on `adder`.")
    assert '"Your solutions in a fork"' in comment
    assert "\n## Your solutions in a fork\n" in (ROOT / "README.md").read_text("utf-8")


def test_several_katas_are_named(toy: Kata) -> None:
    scaffold.lay_out(Catalog(root_of(toy)), "02-data/late-rows")
    assert "`adder` and `late-rows`" in greet(toy, SOLVED, "katas/02-data/late-rows/main.py")


@pytest.mark.parametrize(
    "paths",
    [[], ["README.md"], [SOLVED, "README.md"], [SOLVED, "katas/01-toy/adder/kata.toml"],
     [SOLVED, "solutions/01-toy/adder/hidden/test_adder.py"], ["katas/01-toy/adder/README.md"],
     ["katas/01-toy/adder/tests/test_adder.py"], ["katas/01-toy/README.md"],
     [SOLVED, "katas/02-data/new/main.py"], [SOLVED, "grader/verdict.py"]],
    ids=["nothing", "the README", "and the README", "a new starter", "and a hidden test",
         "a kata's README", "a visible test", "a chapter", "and a new kata", "and the grader"],
)  # fmt: skip
def test_any_other_pull_request_is_left_alone(toy: Kata, paths: list[str]) -> None:
    assert greet(toy, *paths) == ""


@pytest.mark.parametrize("name", ["solutions.yml", "tests.yml"])
def test_workflows_keep_to_the_project(name: str) -> None:
    """Forks have solved katas; and nothing of a stranger's pull request runs with a write token."""
    text = (ROOT / ".github/workflows" / name).read_text("utf-8")
    assert "if: ${{ !github.event.repository.fork }}" in text
    assert "secrets." not in text
    if "pull_request_target" in text:
        assert "ref:" not in text
        assert text.count(": write") == 1
        assert "uses:" not in text[text.index(": write") :]
