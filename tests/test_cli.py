"""The commands as a person or a script meets them: words, streams and exit codes."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import jsonschema
import pytest
from click.testing import CliRunner

from grader import verdict
from grader.catalog import Kata
from grader.cli import kata as group
from grader.errors import EngineTrouble
from grader.grading import KeptSlot
from grader.verdict import Verdict
from tests.commands import KATA, PLAIN, kata, root_of, solve


def test_it_starts_where_unix_has_no_part(toy: Kata) -> None:
    """Windows has none of these modules; there the katas are graded with Docker."""
    program = (
        "import sys\n"
        "for name in ('fcntl', 'resource', 'pwd', 'grp', 'pty'): sys.modules[name] = None\n"
        "import grader.cli, grader.cli.fullscreen\n"
        "grader.cli.main()"
    )
    done = subprocess.run([sys.executable, "-c", program, "list"], cwd=toy.folder,
                          capture_output=True, encoding="utf-8")  # fmt: skip
    assert done.returncode == 0, done
    assert "adder" in done.stdout


def test_an_unchanged_clone_grades_the_first_kata(toy: Kata) -> None:
    done = kata(toy.folder, "grade", *PLAIN)
    assert done.returncode == 1
    assert done.stdout.startswith("NOT ISOLATED")
    assert "✗ Two numbers are added." in done.stdout
    assert "0 of 3 behaviours hold, 0 of 4 points" in done.stdout
    assert "nox -s grade -- adder" in done.stdout
    assert "kata hint adder" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "\x1b" not in done.stdout


def test_a_pass(toy: Kata) -> None:
    solve(toy)
    done = kata(toy.folder, "grade", *PLAIN)
    assert done.returncode == 0, done
    assert "3 of 3 behaviours hold, 4 of 4 points" in done.stdout
    assert "kata solution adder" in done.stdout
    assert "Every kata of the path has passed." in done.stdout


def test_on_a_machine_of_many_processors(toy: Kata) -> None:
    """What nobody has asked for is no wrong usage."""
    many = f"import os; os.cpu_count = lambda: 128; {KATA[2]}"
    done = subprocess.run(
        [*KATA[:2], many, "grade", *PLAIN], cwd=toy.folder, capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 1, done.stderr
    assert "0 of 3 behaviours hold" in done.stdout


def test_from_elsewhere(toy: Kata) -> None:
    reference = str(toy.solutions / "reference")
    assert kata(toy.folder, "grade", "adder", "--from", reference, *PLAIN).returncode == 0
    wrong = str(toy.solutions / "wrong/off-by-one")
    assert kata(toy.folder, "grade", "adder", "--from", wrong, *PLAIN).returncode == 1
    done = kata(toy.folder, "grade", "--all", "--from", str(toy.solutions.parents[1]), *PLAIN)
    assert done.returncode == 0, done


def test_a_word_that_is_longer_than_a_line_is_told_whole(toy: Kata) -> None:
    word = "x" * 150
    (toy.folder / "adder.py").write_text(f"def add(a, b):\n    raise ValueError('{word}')\n")
    done = kata(toy.folder, "grade", *PLAIN)
    assert word in "".join(done.stdout.split())
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_json_is_all_there_is_on_standard_output(toy: Kata) -> None:
    done = kata(toy.folder, "grade", "--json", "--seed", "11", *PLAIN)
    document = json.loads(done.stdout)
    jsonschema.validate(document, verdict.schema())
    assert done.returncode == 1
    assert (document["outcome"], document["seed"], document["schema"]) == ("failed", 11, 1)
    again = json.loads(kata(toy.folder, "grade", "--json", "--seed", "11", *PLAIN).stdout)
    findings = [[b["finding"] for b in each["behaviours"]] for each in (document, again)]
    assert findings[0] == findings[1]


def test_titles_only(toy: Kata) -> None:
    done = kata(toy.folder, "grade", "--feedback", "titles", *PLAIN)
    assert "Two numbers are added." in done.stdout
    assert "observed" not in done.stdout
    done = kata(toy.folder, "grade", "--feedback", "titles", "--json", *PLAIN)
    assert {b["finding"] for b in json.loads(done.stdout)["behaviours"]} == {None}


def test_a_refusal(toy: Kata) -> None:
    (toy.folder / "adder.py").unlink()
    done = kata(toy.folder, "grade", *PLAIN)
    assert done.returncode == 1
    assert "refused: adder.py is missing" in " ".join(done.stdout.split())
    document = json.loads(kata(toy.folder, "grade", "--json", *PLAIN).stdout)
    jsonschema.validate(document, verdict.schema())
    assert document["outcome"] == "refused"
    assert document["behaviours"][0]["cause"] == "refused submission"


def test_without_unicode(toy: Kata) -> None:
    done = kata(toy.folder, "grade", *PLAIN, PYTHONIOENCODING="ascii")
    assert "NO Two numbers are added." in done.stdout
    assert done.stdout.isascii()


@pytest.mark.parametrize("env", [{"KATA_PLAIN": "1"}, {"TERM": "dumb"}])
def test_in_words_only(toy: Kata, env: dict[str, str]) -> None:
    """For screen readers: no sign, no colour, even on what takes itself for a terminal."""
    done = kata(toy.folder, "grade", *PLAIN, FORCE_COLOR="1", **env)
    assert "NO Two numbers are added." in done.stdout
    assert "\x1b" not in done.stdout + done.stderr


def test_colour_only_on_request(toy: Kata) -> None:
    assert "\x1b[" in kata(toy.folder, "grade", *PLAIN, FORCE_COLOR="1").stdout
    done = kata(toy.folder, "grade", *PLAIN, FORCE_COLOR="1", NO_COLOR="1")
    assert "\x1b[3" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(["grade", "addr"], "did you mean adder?"), (["grade", "--engine", "vm"], "no engine 'vm'"),
     (["grade", "--from", "nowhere", "adder"], "is not a folder"), (["grade", "--sed"], "--sed"),
     (["unknown"], "unknown"), (["show", "x"], "no kata 'x'"),
     (["upstream", "llm", "--port", "0", "--script", "explode"], "explode")],
)  # fmt: skip
def test_usage_errors(toy: Kata, arguments: list[str], told: str) -> None:
    extra = PLAIN if arguments[0] == "grade" and "--engine" not in arguments else []
    done = kata(toy.folder, *arguments, *extra)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_broken_kata_is_the_graders_trouble(toy: Kata) -> None:
    (toy.folder / "kata.toml").write_text("title = 1")
    done = kata(toy.folder, "grade", *PLAIN)
    assert (done.returncode, done.stdout) == (4, "")
    assert "kata.toml: title" in " ".join(done.stderr.split())


@pytest.mark.parametrize("arguments", [["list"], ["grade", *PLAIN], ["grade", "--json", *PLAIN]])
def test_a_reader_that_is_gone_is_no_verdict(toy: Kata, arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*KATA, *arguments], cwd=toy.folder, stdout=writer,
                          stderr=subprocess.PIPE, encoding="utf-8")  # fmt: skip
    os.close(writer)
    assert done.returncode == 130, done
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not pathlib.Path("/dev/full").exists(), reason="there is no full device here")
@pytest.mark.parametrize("arguments", [["list"], ["grade", "--json", *PLAIN]])
def test_output_that_cannot_be_written_is_trouble(toy: Kata, arguments: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([*KATA, *arguments], cwd=toy.folder, stdout=full,
                              stderr=subprocess.PIPE, encoding="utf-8")  # fmt: skip
    assert done.returncode == 4
    assert "cannot write: No space left on device; make room" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_hidden_test_that_breaks_is_the_graders_trouble(toy: Kata) -> None:
    path = toy.solutions / "hidden/test_adder.py"
    path.write_text(path.read_text().replace("rng.integers(1, 9, 5)", "rng.no_such_thing()"))
    done = kata(toy.folder, "grade", *PLAIN)
    assert done.returncode == 4
    assert "engine trouble" in done.stdout


def test_trouble_of_the_engine_names_the_next_step(
    toy: Kata, monkeypatch: pytest.MonkeyPatch
) -> None:
    def grade(*_: object, **__: object) -> Verdict:
        raise EngineTrouble("the judge did not end in time")

    monkeypatch.setattr(KeptSlot, "grade", grade)
    monkeypatch.chdir(toy.folder)
    done = CliRunner().invoke(group, ["grade", *PLAIN])
    assert done.exit_code == 4
    told = "01-toy/adder: the judge did not end in time; grade again, or: "
    assert re.search(rf"{told}\S*kata doctor", " ".join(done.stderr.split()))


def test_outside_a_repository(tmp_path: pathlib.Path) -> None:
    """From anywhere, the installed package's own repository is found."""
    assert "flaky-provider" in kata(tmp_path, "list").stdout


def test_verify(toy: Kata) -> None:
    done = kata(toy.folder, "verify", "--seeds", "2", *PLAIN)
    assert done.returncode == 0, done
    assert "wrong/off-by-one" in done.stdout


def test_verify_says_which_cell_broke(toy: Kata) -> None:
    shutil.copy(toy.solutions / "reference/adder.py", toy.solutions / "wrong/off-by-one/adder.py")
    done = kata(toy.folder, "verify", "--seeds", "2", *PLAIN)
    assert done.returncode == 1
    assert "wrong/off-by-one, seed" in " ".join(done.stdout.split())
    assert "should fail at adds, but holds there" in " ".join(done.stdout.split())


def test_verify_with_mutants(toy: Kata) -> None:
    done = kata(toy.folder, "verify", "--mutants", *PLAIN)
    assert done.returncode == 0, done
    assert "100%" in done.stdout
    path = toy.solutions / "hidden/test_adder.py"
    path.write_text(path.read_text().replace("got == sum(numbers)", "True"))
    done = kata(toy.folder, "verify", "--mutants", *PLAIN)
    assert done.returncode == 1
    assert "not noticed: adder.py:10: `0` → `1`" in " ".join(done.stdout.split())


def test_verify_looks_for_flakes(toy: Kata) -> None:
    done = kata(toy.folder, "verify", "--flakes", "2", *PLAIN)
    assert done.returncode == 0, done
    assert "4 of 4 gradings passed" in done.stdout
    path = toy.solutions / "hidden/test_adder.py"
    path.write_text(path.read_text().replace("got == sum(numbers)", "sum(numbers) < 0"))
    done = kata(toy.folder, "verify", "--flakes", "1", *PLAIN)
    assert done.returncode == 1
    assert "0 of 2 gradings passed" in done.stdout
    assert "also_right/by-sum, seed" in done.stdout


def test_new(toy: Kata) -> None:
    root = toy.folder.parents[2]
    done = kata(toy.folder, "new", "02-data/late-rows")
    assert done.returncode == 0, done
    again = kata(toy.folder, "new", "02-data/late-rows")
    assert (again.returncode, "is there already" in again.stderr) == (2, True)
    assert kata(toy.folder, "new", "late-rows").returncode == 2
    proof = kata(toy.folder, "verify", "late-rows", *PLAIN)
    assert proof.returncode == 1
    assert "FILL IN: sources." in proof.stdout
    for path in (*root.rglob("katas/02-data/**/*.*"), *root.rglob("solutions/02-data/**/*.*")):
        path.write_text(path.read_text().replace("FILL IN", "Filled in"))
    proof = kata(toy.folder, "verify", "late-rows", *PLAIN)
    assert proof.returncode == 1
    assert "starter: the editable files have changed" in " ".join(proof.stdout.split())


def test_verify_wants_every_behaviour_to_have_failed_once(toy: Kata) -> None:
    path = toy.solutions / "solutions.toml"
    path.write_text(path.read_text().replace(', "keeps-a-total"]', "]"))
    done = kata(toy.folder, "verify", "--seeds", "1", *PLAIN)
    assert done.returncode == 1
    assert "names `keeps-a-total`" in " ".join(done.stdout.split())


def test_two_at_once_do_not_disturb_each_other(toy: Kata) -> None:
    solve(toy)
    running = [subprocess.Popen([*KATA, "grade", "--json"], cwd=toy.folder, encoding="utf-8",
               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) for _ in range(2)]  # fmt: skip
    outputs = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert [json.loads(output)["outcome"] for output in outputs] == ["passed", "passed"]


def test_a_helper_that_no_instructor_would_have_is_named(toy: Kata) -> None:
    contract = toy.folder / "kata.toml"
    text = contract.read_text()
    editable = next(line for line in text.splitlines() if line.startswith("editable"))
    contract.write_text(text.replace(editable, 'editable = ["adder.py"]'))
    solve(toy)
    (toy.folder / "helper.py").write_text("")
    done = kata(toy.folder, "grade", *PLAIN)
    assert done.returncode == 0, done
    assert "helper.py" in done.stderr


def by_pytest(toy: Kata, answer: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The hidden tests as their author runs them."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "grader.author", str(toy.solutions / "hidden"),
         "--submission", str(toy.answer(answer)), *arguments],
        cwd=root_of(toy), capture_output=True, encoding="utf-8", stdin=subprocess.DEVNULL,
    )  # fmt: skip


def test_hidden_tests_under_plain_pytest(toy: Kata) -> None:
    done = by_pytest(toy, "reference", "--seed", "7")
    assert done.returncode == 0, done
    assert "--seed 7 replays this run" in done.stdout
    wrong = by_pytest(toy, f"wrong/{next(iter(toy.wrong()))}")
    assert wrong.returncode == 1, wrong
    (toy.solutions / "hidden").rename(toy.solutions / "tests")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "grader.author", str(toy.solutions / "tests"),
         "--submission", str(toy.folder)], cwd=root_of(toy), capture_output=True, encoding="utf-8",
    )  # fmt: skip
    assert done.returncode == 4
    assert "name the folder hidden/" in done.stderr
