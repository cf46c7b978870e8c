"""The contract of a kata: errors name file, key and fix."""

import pathlib

import pytest

from grader.catalog import Catalog, Kata
from grader.errors import CatalogError, UsageError
from grader.submission import collect
from grader.verify import check_words


def edit(path: pathlib.Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


BROKEN = {
    "level": ("level = 1", "level = 9", "level: input should be less than or equal to 3"),
    "missing": ('title = "The adder"\n', "", "title: is missing"),
    "typo": ("minutes = 5", "minuets = 5", "did you mean minutes?"),
    "limit": ("wall_seconds = 20", "wall_second = 20", "limits.wall_second: there is no such key"),
    "negative": ("cpu_seconds = 10", "cpu_seconds = -1", "limits.cpu_seconds"),
    "behaviour": ('id = "adds"', 'id = "Adds It"', "behaviours.0.id"),
    "twice": ('id = "adds-as-a-command"', 'id = "adds"', "declared twice: adds"),
    "pillar": ("pillar = 1", "pillar = 2", "the folder says otherwise"),
    "syntax": ("level = 1", "level = = 1", "is not TOML"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_errors_of_kata_toml_name_file_key_and_fix(toy: Kata, name: str) -> None:
    old, new, told = BROKEN[name]
    edit(toy.folder / "kata.toml", old, new)
    with pytest.raises(CatalogError) as error:
        _ = Catalog.find(toy.folder).katas
    assert "kata.toml" in str(error.value)
    assert told in str(error.value)


def test_declared_but_not_tested(toy: Kata) -> None:
    edit(toy.solutions / "hidden/test_adder.py", "def test_adds(", "def helper(")
    with pytest.raises(CatalogError, match=r"adds is declared in kata\.toml but not tested"):
        _ = toy.hidden_tests


def test_tested_but_not_declared(toy: Kata) -> None:
    edit(
        toy.solutions / "hidden/test_adder.py",
        "def test_adds(",
        "def test_more(s): ...\ndef test_adds(",
    )
    with pytest.raises(CatalogError, match="more is tested but not declared"):
        _ = toy.hidden_tests


def test_tested_twice(toy: Kata) -> None:
    hidden = toy.solutions / "hidden"
    (hidden / "test_again.py").write_text("def test_adds(submission): ...")
    with pytest.raises(CatalogError, match="adds is tested twice"):
        _ = toy.hidden_tests


def test_an_assert_without_message(toy: Kata) -> None:
    edit(toy.solutions / "hidden/test_adder.py", "def test_adds(submission, rng):",
         "def test_adds(submission, rng):\n    assert submission")  # fmt: skip
    with pytest.raises(CatalogError, match="teaches nothing"):
        _ = toy.hidden_tests


def test_no_hidden_tests_in_the_learners_edition(toy: Kata) -> None:
    object.__setattr__(toy, "solutions", toy.folder / "nowhere")
    with pytest.raises(CatalogError, match="full clone"):
        _ = toy.hidden_tests


def test_the_toy_kata_is_sound(toy: Kata) -> None:
    assert check_words(toy) == []
    assert toy.hints[2] == "There is a `+ 1` too many."


def test_promises_and_behaviours_must_agree(toy: Kata) -> None:
    edit(toy.folder / "README.md", "- `adds`:", "- `subtracts`:")
    problems = "\n".join(check_words(toy))
    assert "`adds` stands 0 times" in problems
    assert "promises `subtracts`, which kata.toml does not declare" in problems


def test_a_changed_starter_is_told(toy: Kata) -> None:
    edit(toy.folder / "adder.py", "a + b + 1", "a + b + 2")
    assert any('write starter = "sha256:' in problem for problem in check_words(toy))


def test_wrong_answers_name_known_behaviours(toy: Kata) -> None:
    path = toy.solutions / "solutions.toml"
    edit(path, 'mended."\nfails = ["adds"]', 'mended."\nfails = ["add"]')
    with pytest.raises(CatalogError, match="name behaviours"):
        toy.wrong()


def test_wrong_answers_and_folders_agree(toy: Kata) -> None:
    (toy.solutions / "wrong/unlisted").mkdir()
    with pytest.raises(CatalogError, match="unlisted"):
        toy.wrong()


def test_a_wrong_answer_holds_only_what_differs(toy: Kata) -> None:
    path = toy.solutions / "solutions.toml"
    wrong = toy.solutions / "wrong/off-by-one"
    (wrong / "adder.py").rename(wrong / "more.py")
    object.__setattr__(toy.contract, "editable", ["adder.py", "mor?.py"])
    right = (toy.solutions / "reference/adder.py").read_bytes()
    more = (wrong / "more.py").read_bytes()
    (toy.solutions / "reference/more.py").write_text("")
    assert collect(toy, wrong).files == {"adder.py": right, "more.py": more}
    edit(path, 'mended."', 'mended."\nover = "starter"')
    starter = (toy.folder / "adder.py").read_bytes()
    assert collect(toy, wrong).files == {"adder.py": starter, "more.py": more}
    edit(path, '"starter"', '"wrong/off-by-one"')
    with pytest.raises(CatalogError, match="name one of also_right/by-sum, reference, starter"):
        collect(toy, wrong)


@pytest.mark.parametrize("name", ["adder", "01-toy/adder", "katas/01-toy/adder/"])
def test_names(toy: Kata, name: str) -> None:
    assert Catalog.find(toy.folder).get(name).name == "01-toy/adder"


def test_a_wrong_name_gets_the_nearest(toy: Kata) -> None:
    with pytest.raises(UsageError, match=r"no kata 'addder'; did you mean adder\?"):
        Catalog.find(toy.folder).get("addder")


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [("a.py", "a.py", True), ("a.py", "b/a.py", False), ("*.py", "a.py", True),
     ("*.py", "b/a.py", False), ("b/**/*.py", "b/a.py", True), ("b/**/*.py", "b/c/d/a.py", True),
     ("b/**/*.py", "a.py", False), ("b/*.py", "b/c/a.py", False), ("a?.py", "ab.py", True)],
)  # fmt: skip
def test_editable_patterns(toy: Kata, pattern: str, path: str, matches: bool) -> None:
    object.__setattr__(toy, "contract", toy.contract.model_copy(update={"editable": [pattern]}))
    assert toy.is_editable(path) is matches
