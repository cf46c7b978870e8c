"""The learner's commands: list, show, hint, solution, reset, completion, and every help page."""

import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from grader import progress
from grader.catalog import Catalog, Kata
from grader.cli import cohort
from grader.cli import kata as group
from grader.submission import is_changed
from tests.commands import (
    PATH,
    PLAIN,
    git,
    kata,
    needs_git,
    root_of,
    solve,
    solve_by_half,
    under_git,
)


def test_list(toy: Kata) -> None:
    done = kata(toy.folder, "list")
    assert re.search(r"adder +1 toy +warm-up +5 +not attempted", done.stdout)
    assert done.stdout.endswith("0 of 1 passed\nGo on with: kata show adder\n")
    solve_by_half(toy)
    kata(toy.folder, "grade", *PLAIN)
    assert re.search(r"adder .* in work, 3 of 4", kata(toy.folder, "list").stdout)
    solve(toy)
    kata(toy.folder, "grade", *PLAIN)
    done = kata(toy.folder, "list")
    assert re.search(r"adder .* passed", done.stdout)
    assert done.stdout.endswith("1 of 1 passed\nEvery kata of the path has passed.\n")


def test_the_list_of_all_katas_fits(tmp_path: pathlib.Path) -> None:
    """Outside a repository the installed package's own is found; none of its names is broken."""
    done = kata(tmp_path, "list")
    assert max(map(len, done.stdout.splitlines())) <= 80
    for each in Catalog.find(tmp_path).katas:
        assert f" {each.short_name} " in done.stdout


@pytest.mark.parametrize(
    ("arguments", "looks"), [(["list"], 2), (["map"], 2), (["grade", "--all", *PLAIN], 2)]
)
def test_each_kata_is_looked_at_once(
    toy: Kata, monkeypatch: pytest.MonkeyPatch, arguments: list[str], looks: int
) -> None:
    for folder in (toy.folder, toy.solutions):
        shutil.copytree(folder, folder.with_name("other"))
    looked_at = []

    def changed(kata: Kata) -> bool:
        looked_at.append(kata.name)
        return is_changed(kata)

    monkeypatch.setattr(progress, "is_changed", changed)
    monkeypatch.chdir(toy.folder)
    CliRunner().invoke(group, arguments)
    assert len(looked_at) == looks


def test_an_untouched_starter_is_no_attempt(toy: Kata) -> None:
    """Whoever looks what grading is like has not failed at anything."""
    assert kata(toy.folder, "grade", *PLAIN).returncode == 1
    assert "not attempted" in kata(toy.folder, "list").stdout


def test_what_lies_elsewhere_is_no_attempt(toy: Kata) -> None:
    kata(toy.folder, "grade", "adder", "--from", str(toy.solutions / "reference"), *PLAIN)
    assert "not attempted" in kata(toy.folder, "list").stdout


def test_a_refusal_is_an_attempt(toy: Kata) -> None:
    (toy.folder / "adder.py").unlink()
    kata(toy.folder, "grade", *PLAIN)
    assert "in work, 0 of 4" in kata(toy.folder, "list").stdout


def test_show(toy: Kata) -> None:
    shown = kata(toy.folder, "show", "adder").stdout
    assert "A till was off by one." in shown
    assert "Count again" not in shown
    assert "kata hint adder" in shown
    assert shown.endswith("Warm-up, 5 minutes\nNot attempted\n")
    assert kata(toy.folder, "show").stdout == shown
    solve_by_half(toy)
    kata(toy.folder, "grade", *PLAIN)
    kata(toy.folder, "hint")
    shown = kata(toy.folder, "show").stdout
    assert shown.endswith("In work; 1 attempt, at best 3 of 4 points; 1 of 3 hints seen\n")


def test_show_renders_on_a_terminal(toy: Kata) -> None:
    readme = toy.folder / "README.md"
    readme.write_text(readme.read_text().replace("None.", "- See [a page](https://example.com)."))
    shown = kata(toy.folder, "show", FORCE_COLOR="1", NO_COLOR="1").stdout
    assert "## The job" not in shown
    assert "The job" in shown
    assert "https://example.com" in shown  # not only behind the words, where a terminal may drop it


def test_hints_go_one_step_further(toy: Kata) -> None:
    told = [kata(toy.folder, "hint", *names).stdout for names in (["adder"], [], ["adder"], [])]
    for number, hint in enumerate(("Count.", "Count again.", "There is a `+ 1` too many.")):
        assert told[number].startswith(f"The adder, hint {number + 1} of 3\n\n{hint}\n")
    assert "One step further: kata hint adder" in told[0]
    assert "kata solution adder" in told[2]
    assert told[3] == told[2]


def test_without_a_name_when_all_have_passed(toy: Kata) -> None:
    solve(toy)
    kata(toy.folder, "grade", *PLAIN)
    done = kata(toy.folder, "hint")
    assert (done.returncode, done.stdout) == (2, "")
    assert "every kata has passed; name one" in done.stderr


def test_a_missing_readme_is_in_nobody_elses_way(toy: Kata) -> None:
    other = toy.folder.with_name("other")
    for folder in (toy.folder, toy.solutions):
        shutil.copytree(folder, folder.with_name("other"))
    kata(toy.folder, "hint", "other")
    (other / "README.md").unlink()
    solve(toy)
    done = kata(toy.folder, "grade", "adder", *PLAIN)
    assert done.returncode == 0, done.stderr
    assert "Go on with: kata show other" in done.stdout
    assert kata(toy.folder, "list").returncode == 0
    for command in ("show", "hint"):
        done = kata(toy.folder, command, "other")
        assert (done.returncode, done.stdout) == (4, "")
        assert f"git checkout -- {other / 'README.md'}" in " ".join(done.stderr.split())
        assert "broke" not in done.stderr


def test_hints_that_are_there_no_more_were_not_seen(toy: Kata) -> None:
    for _ in range(3):
        kata(toy.folder, "hint", "adder")
    readme = toy.folder / "README.md"
    text = readme.read_text()
    readme.write_text(text[: text.rindex("<details>")])
    assert "2 of 2 hints seen" in kata(toy.folder, "show", "adder").stdout


def test_the_solution_before_a_pass_when_asked_twice(toy: Kata) -> None:
    done = kata(toy.folder, "solution", "adder")
    assert done.returncode == 0
    assert "adder has not passed yet." in done.stdout
    assert "walkthrough" not in done.stdout
    done = kata(toy.folder, "solution", "adder")
    assert done.stdout.startswith("# The adder: walkthrough")
    assert "-    return a + b + 1\n" in done.stdout
    assert "+    return a + b\n" in done.stdout
    assert "--- yours/adder.py\n+++ reference/adder.py\n" in done.stdout


def test_the_solution_after_a_pass(toy: Kata) -> None:
    shutil.copy(toy.solutions / "also_right/by-sum/adder.py", toy.folder / "adder.py")
    kata(toy.folder, "grade", *PLAIN)
    assert "walkthrough" in kata(toy.folder, "solution", "adder").stdout
    solve(toy)
    done = kata(toy.folder, "solution", "adder")
    assert "Your code is the reference, word for word." in done.stdout


def test_a_solution_that_is_not_here(toy: Kata) -> None:
    shutil.rmtree(root_of(toy) / "solutions")
    done = kata(toy.folder, "solution", "adder")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no solution of adder" in done.stderr


def test_a_solution_beside_files_that_are_not_fit_to_run(toy: Kata) -> None:
    (toy.folder / "adder.py").write_bytes(b"\x1b[31m\xff\n")
    kata(toy.folder, "solution", "adder")
    done = kata(toy.folder, "solution", "adder")
    assert done.returncode == 0
    assert r"-\x1b[31m\udcff" in done.stdout


@needs_git
def test_reset_from_gits_history(toy: Kata) -> None:
    under_git(toy)
    before = (toy.folder / "adder.py").read_bytes()
    mine = b"# mine\r\n\xff\n\nno newline at the end"
    (toy.folder / "adder.py").write_bytes(mine)
    git(root_of(toy), "commit", "--quiet", "--all", "--message", "Mine")
    done = kata(toy.folder, "reset", "adder")
    assert done.returncode == 0, done
    assert (toy.folder / "adder.py").read_bytes() == before
    assert not is_changed(toy)
    command = done.stdout.splitlines()[-1]
    subprocess.run(shlex.split(command), cwd=root_of(toy), check=True)
    assert (toy.folder / "adder.py").read_bytes() == mine
    assert git(root_of(toy), "status", "--short") == ""


@needs_git
def test_reset_with_files_that_came_and_went(toy: Kata) -> None:
    under_git(toy)
    (toy.folder / "adder.py").unlink()
    (toy.folder / "more").mkdir()
    (toy.folder / "more/two words.py").write_text("X = 1\n")
    (toy.folder / "more/empty.py").write_text("")
    (toy.folder / "notes.txt").write_text("not part of the kata")
    done = kata(toy.folder, "reset", "adder")
    assert done.returncode == 0, done
    assert not is_changed(toy)
    assert not list((toy.folder / "more").iterdir())
    assert (toy.folder / "notes.txt").exists()
    subprocess.run(shlex.split(done.stdout.splitlines()[-1]), cwd=root_of(toy), check=True)
    assert not (toy.folder / "adder.py").exists()
    assert (toy.folder / "more/two words.py").read_text() == "X = 1\n"
    assert (toy.folder / "more/empty.py").read_text() == ""


def test_reset_of_a_starter(toy: Kata) -> None:
    done = kata(toy.folder, "reset", "adder", "--from", str(root_of(toy)))
    assert done.stdout == "adder is the starter already; nothing was changed.\n"
    assert not (root_of(toy) / ".kata").exists()


def test_reset_without_git(toy: Kata, tmp_path: pathlib.Path) -> None:
    """As from a ZIP: a fresh copy has the starter, and is believed only if it is this one."""
    shutil.copytree(root_of(toy), tmp_path / "copy")
    solve(toy)
    done = kata(toy.folder, "reset", "adder", GIT_CEILING_DIRECTORIES=str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert "kata reset adder --from COPY" in " ".join(done.stderr.split())
    other = kata(toy.folder, "reset", "adder", "--from", str(root_of(toy)))
    assert other.returncode == 2
    assert "does not hold the starter of adder" in " ".join(other.stderr.split())
    assert is_changed(toy)
    assert kata(toy.folder, "reset", "adder", "--from", str(tmp_path / "copy")).returncode == 0
    assert not is_changed(toy)


def test_reset_changes_nothing_without_a_patch(toy: Kata, tmp_path: pathlib.Path) -> None:
    shutil.copytree(root_of(toy), tmp_path / "copy")
    solve(toy)
    (root_of(toy) / ".kata").write_text("a file in the folder's place")
    done = kata(toy.folder, "reset", "adder", "--from", str(tmp_path / "copy"))
    assert done.returncode == 4
    assert "adder is as it was" in " ".join(done.stderr.split())
    assert is_changed(toy)


@pytest.mark.parametrize("dangling", [False, True])
def test_reset_does_not_follow_links(toy: Kata, tmp_path: pathlib.Path, dangling: bool) -> None:
    shutil.copytree(root_of(toy), tmp_path / "copy")
    elsewhere = tmp_path / "elsewhere.py"
    if not dangling:
        elsewhere.write_text("not the kata's\n")
    (toy.folder / "adder.py").unlink()
    try:
        (toy.folder / "adder.py").symlink_to(elsewhere)
    except OSError:
        pytest.skip("no links here")
    assert kata(toy.folder, "reset", "adder", "--from", str(tmp_path / "copy")).returncode == 0
    if dangling:
        assert not elsewhere.exists()
    else:
        assert elsewhere.read_text() == "not the kata's\n"
    assert not (toy.folder / "adder.py").is_symlink()
    assert not is_changed(toy)


def commands() -> dict[str, click.Command]:
    below = {f"cohort {name}": command for name, command in cohort.cohort.commands.items()}
    return {"": group, **group.commands, **below}


@pytest.mark.parametrize("name", commands())
def test_help(name: str) -> None:
    """Under 80 columns, with examples that the command line understands."""
    arguments = [*name.split(), "--help"]
    # Click leaves two columns of a terminal free.
    done = CliRunner().invoke(group, arguments, prog_name="kata", terminal_width=78)
    assert done.exit_code == 0
    assert max(map(len, done.output.splitlines())) < 80
    assert not re.search(r"[a-z]\.\.\.$", done.output, re.MULTILINE)  # a summary cut short
    _, _, epilog = done.output.partition("\n  Examples:\n")
    examples = re.findall(r"(?:^ +|\()(kata [^|)\n]+?)(?=   |$| \||\))", epilog, re.MULTILINE)
    assert examples
    for example in examples:
        words = shlex.split(example)[1:]
        if "--help" not in words:
            command = group.commands[words.pop(0)]
            while isinstance(command, click.Group):
                command = command.commands[words.pop(0)]
            command.make_context(command.name, words)


def test_the_commands_come_in_the_learners_order() -> None:
    help_page = CliRunner().invoke(group, ["--help"]).output
    at = [help_page.index(f"\n  {name} ") for name in ("list", "show", "grade", "hint", "verify")]
    assert at == sorted(at)


def complete(folder: pathlib.Path, shell: str, line: str) -> str:
    words = shlex.split(line) + ([""] if line.endswith(" ") else [])
    position = {"COMP_CWORD": words[-1] if shell == "fish" else str(len(words) - 1)}
    typed = " ".join(words)
    return kata(folder, _KATA_COMPLETE=f"{shell}_complete", COMP_WORDS=typed, **position).stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_names_complete(toy: Kata, shell: str) -> None:
    assert "adder" in complete(toy.folder, shell, "kata grade ad")
    assert "01-toy/adder" in complete(toy.folder, shell, "kata hint 01-toy/")
    assert "adder" not in complete(toy.folder, shell, "kata reset x")
    assert "bubblewrap" in complete(toy.folder, shell, "kata grade --engine bub")
    (toy.folder / "kata.toml").write_text("broken")
    assert complete(toy.folder, shell, "kata grade ad").strip() == ""


def test_what_one_command_needs_no_other_waits_for() -> None:
    """These take a third of a second to import; completion does it at each press of the key."""
    program = "import sys, grader.cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done
    assert not {"docker", "jinja2", "markdown_it", "sqlalchemy", "textual"} & {*done.stdout.split()}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(toy: Kata, shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    script = kata(toy.folder, "completion", shell)
    assert script.returncode == 0
    assert f"_KATA_COMPLETE={shell}_complete" in script.stdout
    checked = subprocess.run([shell, "-n"], input=script.stdout, encoding="utf-8", check=False)
    assert checked.returncode == 0


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_completion_in_bash(toy: Kata, tmp_path: pathlib.Path) -> None:
    """With the line that the README gives, bash offers the kata."""
    script = """
    eval "$(kata completion bash)"
    COMP_WORDS=(kata hint ad) COMP_CWORD=2
    _kata_completion kata ad hint
    echo "${COMPREPLY[@]}"
    """
    done = subprocess.run(
        ["bash", "-c", script], cwd=toy.folder, env={**os.environ, "PATH": PATH},
        capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert done.stdout == "adder\n", done
