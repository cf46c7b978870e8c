"""The learner edition: what is in it, what is not, and what `kata grade` says there."""

import ast
import pathlib
import re
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator

import docker
import pytest

from grader.catalog import Catalog, Kata
from grader.cohort import handout
from grader.engines.docker import DockerEngine
from grader.errors import CatalogError, UsageError
from tests.commands import git, kata, needs_git, root_of, solve, under_git
from tests.conftest import ROOT, engine_or_skip

pytestmark = needs_git
CANARY = "canary-5f1d0c9e7b"


def everything(folder: pathlib.Path) -> Iterator[tuple[str, bytes]]:
    """Every object of the repository, packed or loose, and every file of the folder and of git's.

    With git's own commands, so that it does not depend on how a handout checks itself.
    """
    listed = git(folder, "cat-file", "--batch-all-objects", "--batch-check").splitlines()
    assert len(listed) > 5
    for line in listed:
        name, kind, _ = line.split()
        content = subprocess.run(
            ["git", "-C", str(folder), "cat-file", kind, name], capture_output=True, check=True
        )
        yield f"{kind} {name}", content.stdout
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield str(path), path.read_bytes()


def put_canaries(toy: Kata) -> None:
    """Into every file below solutions/, and into what git has of an earlier version."""
    for path in sorted((root_of(toy) / "solutions").rglob("*")):
        if path.is_file():
            path.write_text(f"{path.read_text()}\n# {CANARY} in {path.name}\n")
    under_git(toy)
    leaked = toy.folder / "notes.md"
    leaked.write_text(f"{CANARY} was here, in an earlier commit\n")
    git(root_of(toy), "add", ".")
    git(root_of(toy), "commit", "--quiet", "--message", f"Notes {CANARY}")
    git(root_of(toy), "rm", "--quiet", str(leaked))
    git(root_of(toy), "commit", "--quiet", "--message", "No notes")


def test_no_canary_is_in_any_object_or_file(toy: Kata, tmp_path: pathlib.Path) -> None:
    put_canaries(toy)
    made = handout.hand_out(Catalog(root_of(toy)), tmp_path / "edition")
    for name, content in everything(made.folder):
        assert CANARY.encode() not in content, name
    assert git(made.folder, "rev-list", "--all", "--count").strip() == "1"
    assert git(made.folder, "for-each-ref", "--format=%(refname)").split() == ["refs/heads/main"]
    assert git(made.folder, "status", "--porcelain") == ""
    assert not git(made.folder, "remote")
    names = set(git(made.folder, "ls-files").split())
    assert {"katas/01-toy/adder/adder.py", "katas/01-toy/adder/kata.toml"} <= names
    assert not [name for name in names if name.startswith("solutions/") or "hidden" in name]


def test_the_project_hands_out_no_hidden_test_and_no_answer(tmp_path: pathlib.Path) -> None:
    """No whole file and no test function of solutions/ is in any object, by git's own commands."""
    edition = tmp_path / "edition"
    handout.hand_out(Catalog(committed(tmp_path)), edition)
    public = {content for name, content in everything(edition) if name.startswith("blob")}
    starters = {path.read_bytes() for path in (ROOT / "katas").rglob("*") if path.is_file()}
    spoilers = [path for path in (ROOT / "solutions").rglob("*") if is_source(path)]
    assert len(spoilers) > 200
    for path in spoilers:
        content = path.read_bytes()
        assert content in starters or content not in public, path
    text = b"\n".join(public)
    bodies = list(bodies_of_hidden_tests())
    assert len(bodies) > 100
    for name, body in bodies:
        assert body.encode() not in text, name


def committed(tmp_path: pathlib.Path) -> pathlib.Path:
    """The project with whatever is not committed yet, so that this tests what is here."""
    clone = tmp_path / "clone"
    git(ROOT, "clone", "--quiet", "--no-hardlinks", str(ROOT), str(clone))
    listed = git(ROOT, "ls-files", "-z").split("\0")
    for name in filter(None, listed):
        if (ROOT / name).is_file():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            (clone / name).write_bytes((ROOT / name).read_bytes())
    git(clone, "add", "--all")
    git(clone, "commit", "--quiet", "--allow-empty", "--message", "What is here")
    return clone


def is_source(path: pathlib.Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts and path.stat().st_size > 40


def bodies_of_hidden_tests() -> Iterator[tuple[str, str]]:
    """The source of what each hidden test does."""
    for path in sorted((ROOT / "solutions").glob("*/*/hidden/test_*.py")):
        text = path.read_text("utf-8")
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                body = "".join(ast.get_source_segment(text, each) or "" for each in node.body[-1:])
                if len(body) > 40:
                    yield f"{path.name}: {node.name}", body


@pytest.mark.timeout(600)
def test_no_layer_of_the_image_holds_a_hidden_test(tmp_path: pathlib.Path) -> None:
    """The image that a learner edition would build: all its layers, deleted files too."""
    engine = engine_or_skip("docker")
    assert isinstance(engine, DockerEngine)
    assert engine.image is not None
    tests = {line.encode() for line in heads_of_hidden_tests()}
    assert len(tests) > 100
    pattern = re.compile(b"|".join(map(re.escape, sorted(tests))))
    layers = 0
    with tempfile.TemporaryFile() as whole:
        for chunk in docker.from_env().images.get(engine.image).save():
            whole.write(chunk)
        whole.seek(0)
        with tarfile.open(fileobj=whole) as image:
            for member in image:
                stream = image.extractfile(member)
                if stream is None or not is_layer(stream.read(512)):
                    continue
                stream.seek(0)
                layers += 1
                with tarfile.open(fileobj=stream) as layer:
                    for file in layer:
                        content = layer.extractfile(file) if file.isfile() else None
                        assert "/solutions/" not in f"/{file.name}", file.name
                        if content and file.name.endswith((".py", ".toml", ".md", ".txt")):
                            assert not pattern.search(content.read()), file.name
    assert layers >= 2


def is_layer(head: bytes) -> bool:
    return head[257:262] == b"ustar"


def heads_of_hidden_tests() -> set[str]:
    """Their first lines, where no library could have the same: they take our fixtures."""
    heads = set()
    for path in (ROOT / "solutions").glob("*/*/hidden/test_*.py"):
        text = path.read_text("utf-8")
        heads |= set(re.findall(r"(?m)^def test_\w+\((?:submission|stage|desk)\b.*$", text))
    return heads


def test_what_is_not_committed_is_not_handed_out(toy: Kata, tmp_path: pathlib.Path) -> None:
    under_git(toy)
    (root_of(toy) / "secret.txt").write_text("not for learners")
    (toy.folder / "README.md").write_text("half a sentence")
    made = handout.hand_out(Catalog(root_of(toy)), tmp_path / "edition")
    assert handout.is_dirty(root_of(toy))
    assert not (made.folder / "secret.txt").exists()
    assert "half a sentence" not in (made.folder / "katas/01-toy/adder/README.md").read_text()


def test_a_committed_cohort_stays_at_home(toy: Kata, tmp_path: pathlib.Path) -> None:
    spring = root_of(toy) / "courses" / "spring"
    spring.mkdir(parents=True)
    (spring / "cohort.toml").write_text("")
    (spring / "roster.csv").write_text("id,name\nada17,Ada\n")
    under_git(toy)
    made = handout.hand_out(Catalog(root_of(toy)), tmp_path / "edition")
    assert not [name for name, content in everything(made.folder) if b"ada17" in content]


def test_a_solved_kata_is_not_handed_out(toy: Kata, tmp_path: pathlib.Path) -> None:
    solve(toy)
    under_git(toy)
    with pytest.raises(CatalogError, match="01-toy/adder; put it back"):
        handout.hand_out(Catalog(root_of(toy)), tmp_path / "edition")
    assert not (tmp_path / "edition").exists()


def test_a_spoiler_elsewhere_is_found(toy: Kata, tmp_path: pathlib.Path) -> None:
    hidden = (toy.solutions / "hidden/test_adder.py").read_text()
    (root_of(toy) / "TEACHING.md").write_text(f"# For tutors\n\n```python\n{hidden}```\n")
    under_git(toy)
    with pytest.raises(CatalogError, match=r"a passage of solutions/01-toy/adder/hidden"):
        handout.hand_out(Catalog(root_of(toy)), tmp_path / "edition")
    assert list(tmp_path.iterdir()) == [root_of(toy)]


def test_nothing_is_overwritten(toy: Kata, tmp_path: pathlib.Path) -> None:
    under_git(toy)
    with pytest.raises(UsageError, match="is not empty"):
        handout.hand_out(Catalog(root_of(toy)), root_of(toy))


def test_without_a_commit(toy: Kata, tmp_path: pathlib.Path) -> None:
    with pytest.raises(UsageError, match="git"):
        handout.hand_out(Catalog(root_of(toy)), tmp_path / "edition")


@pytest.fixture
def edition(toy: Kata, tmp_path: pathlib.Path) -> pathlib.Path:
    under_git(toy)
    return handout.hand_out(Catalog(root_of(toy)), tmp_path / "edition").folder


def test_grade_runs_the_visible_tests(edition: pathlib.Path, toy: Kata) -> None:
    broken = kata(edition, "grade", "adder")
    assert broken.returncode == 1
    assert "the hidden tests are with your instructor" in broken.stdout
    assert "the visible tests do not pass" in broken.stdout
    solution = (toy.solutions / "reference/adder.py").read_text()
    (edition / "katas/01-toy/adder/adder.py").write_text(solution)
    mended = kata(edition, "grade")
    assert mended.returncode == 0, mended.stderr
    assert "1 passed" in mended.stdout
    assert "the visible tests pass" in mended.stdout


@pytest.mark.parametrize("arguments", [["--json"], ["--from", "."]])
def test_there_is_no_verdict_without_hidden_tests(
    edition: pathlib.Path, arguments: list[str]
) -> None:
    done = kata(edition, "grade", "adder", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "with the instructor" in done.stderr


def test_watch_says_where_the_visible_tests_are(edition: pathlib.Path) -> None:
    done = kata(edition, "watch", "adder", "--engine", "process")
    assert (done.returncode, done.stdout) == (2, "")
    assert "kata grade adder" in " ".join(done.stderr.split())


def test_the_doctor_finds_nothing_amiss(edition: pathlib.Path) -> None:
    done = kata(edition, "doctor")
    assert re.search(r"(?m)^! +katas: ", done.stdout)
    assert "they are with your instructor" in " ".join(done.stdout.split())


def test_other_commands_say_the_same(edition: pathlib.Path) -> None:
    for command in ("verify", "solution"):
        done = kata(edition, command, "adder")
        assert done.returncode in (1, 2)
        assert "with\nthe instructor" in done.stdout + done.stderr or "with the instructor" in (
            done.stdout + done.stderr
        )
