"""What is due gets graded once, whatever happens meanwhile: on this machine and on a Dask cluster.

The process engine does where isolation does not matter; a made-up place where grading does not.
"""

import concurrent.futures
import contextlib
import dataclasses
import datetime as dt
import itertools
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa

from grader import grading
from grader.catalog import Catalog, Kata
from grader.cli.cohort import carry_out
from grader.cohort import grade
from grader.cohort.cluster import Cluster
from grader.cohort.config import Cohort
from grader.cohort.grade import Done, Here, Place
from grader.cohort.records import HandIn
from grader.cohort.store import Store, StoreTrouble
from grader.engines.process import ProcessEngine
from grader.errors import EngineTrouble, Stopped, UsageError
from grader.submission import Submission
from grader.verdict import BehaviourResult, Outcome, Verdict
from tests import cohorts
from tests.cohorts import BEFORE
from tests.commands import KATA, PATH, kata
from tests.gradings import RIGHT
from tests.machine import eventually

PROCESS = ["--engine", "process", "--without-isolation"]
NOBODY_WAITS = (0.0, 0.0)


def hand_in(store: Store, kata: Kata, learner: str, text: str, at: dt.datetime = BEFORE) -> None:
    work = Submission({"adder.py": text.encode()})
    store.add_hand_in(HandIn(learner, kata.name, work.hash, None, at, "test", at), work)


@pytest.fixture
def cohort(toy: Kata) -> Cohort:
    cohorts.second_kata(toy)
    roster = "".join(f"s{n},Learner {n},,,,\n" for n in range(8))
    return cohorts.make(toy, roster, katas=("adder", "adder-two"))


@pytest.fixture
def store(cohort: Cohort) -> Iterator[Store]:
    with cohort.store() as opened:
        yield opened


class MadeUp:
    """A place whose verdicts are made up: all pass, unless `answer` says something else."""

    engine = image = "process"

    def __init__(
        self, answer: Callable[[Kata, Submission, int], str] | None = None, most: int = 3
    ) -> None:
        self.seeds: list[int] = []
        self._answer = answer or passed
        self._most = most

    def at_once(self) -> int:
        return self._most

    def submit(
        self, kata: Kata, submission: Submission, seed: int
    ) -> concurrent.futures.Future[str]:
        self.seeds.append(seed)
        future: concurrent.futures.Future[str] = concurrent.futures.Future()
        try:
            future.set_result(self._answer(kata, submission, seed))
        except Exception as error:
            future.set_exception(error)
        return future

    def close(self) -> None:
        """Nothing to give up."""


def verdict(kata: Kata, submission: Submission, seed: int) -> Verdict:
    results = tuple(
        BehaviourResult(each.id, each.sentence, each.group, each.points, Outcome.PASSED)
        for each in kata.behaviours
    )
    return Verdict(kata.name, kata.contract.title, grading.kata_hash(kata), submission.hash,
                   "process", False, None, grade.__version__, seed, results)  # fmt: skip


def passed(kata: Kata, submission: Submission, seed: int) -> str:
    return json.dumps({"verdict": verdict(kata, submission, seed).as_json()})


def run(cohort: Cohort, store: Store, place: Place) -> list[Done]:
    return list(grade.carry_out(store, place, grade.plan(store, place, cohort.katas), NOBODY_WAITS))


# What is due


def test_only_what_is_new_is_graded(cohort: Cohort, store: Store) -> None:
    one, two = cohort.katas
    hand_in(store, one, "s1", "a")
    hand_in(store, two, "s1", "a")
    assert len(run(cohort, store, MadeUp())) == 2
    assert run(cohort, store, MadeUp()) == []
    hand_in(store, one, "s2", "b")
    [done] = run(cohort, store, MadeUp())
    assert (done.due.learners, done.due.kata.name) == (("s2",), one.name)


def test_a_changed_kata_is_due_again_beside_the_old_gradings(cohort: Cohort, store: Store) -> None:
    hand_in(store, cohort.katas[0], "s1", "a")
    run(cohort, store, MadeUp())
    path = cohort.katas[0].solutions / "hidden/test_adder.py"
    path.write_text(path.read_text() + "\n# mended\n")
    fresh = Cohort.find(cohort.folder, Catalog(cohort.catalog.root))
    assert len(grade.due_now(store, fresh.katas, store.hand_ins())) == 1
    assert len(run(fresh, store, MadeUp())) == 1
    first, second = store.gradings()
    assert store.applied(first.kata) == first.edition != second.edition


def test_the_same_bytes_are_graded_once(cohort: Cohort, store: Store) -> None:
    for learner in ("s1", "s2", "s3"):
        hand_in(store, cohort.katas[0], learner, "the same")
    [done] = run(cohort, store, MadeUp())
    assert done.due.learners == ("s1", "s2", "s3")


def test_refusals_are_not_due(cohort: Cohort, store: Store) -> None:
    name = cohort.katas[0].name
    store.add_hand_in(HandIn("s1", name, None, "it is a link", BEFORE, "test", BEFORE))
    assert run(cohort, store, MadeUp()) == []


def test_a_learner_with_much_work_does_not_come_before_the_others(
    cohort: Cohort, store: Store
) -> None:
    for number in range(20):
        moment = BEFORE + dt.timedelta(minutes=number)
        hand_in(store, cohort.katas[0], "s0", f"try {number}", moment)
    for learner in ("s1", "s2"):
        for each in cohort.katas:
            hand_in(store, each, learner, f"work of {learner}")
    order = [due.learners[0] for due in grade.plan(store, MadeUp(), cohort.katas)]
    assert sorted(order[:3]) == sorted(order[3:6]) == ["s0", "s1", "s2"]
    assert order[6:] == ["s0"] * 18


def test_some_katas_and_some_learners(cohort: Cohort, store: Store) -> None:
    for learner in ("s1", "s2"):
        for each in cohort.katas:
            hand_in(store, each, learner, learner)
    work = grade.plan(store, MadeUp(), cohort.chosen(["adder-two"]), ["s2"])
    assert [(due.kata.short_name, due.learners) for due in work] == [("adder-two", ("s2",))]


# Trouble


def test_trouble_is_tried_again_then_parked_and_never_a_zero(cohort: Cohort, store: Store) -> None:
    for learner in ("s1", "s2"):
        hand_in(store, cohort.katas[0], learner, learner)

    def answer(kata: Kata, submission: Submission, seed: int) -> str:
        if submission.files["adder.py"] == b"s1":
            return json.dumps({"trouble": "the box was lost"})
        return passed(kata, submission, seed)

    place = MadeUp(answer)
    done = run(cohort, store, place)
    assert [(each.trouble, each.parked) for each in done if each.due.learners == ("s1",)] == [
        ("the box was lost", False), ("the box was lost", False), ("the box was lost", True),
    ]  # fmt: skip
    assert len(store.gradings()) == 1
    assert run(cohort, store, place) == []
    assert [(each.due, each.graded, each.troubles) for each in store.runs()] == [(2, 1, 1)]
    store.unpark([cohort.katas[0].name])
    [mended] = run(cohort, store, MadeUp())
    assert mended.verdict is not None
    assert len(set(place.seeds)) == 2  # each try has the same seed


@pytest.mark.parametrize("kind", ["lost", "no verdict", "other katas", "other submission"])
def test_an_answer_that_does_not_fit_is_trouble(cohort: Cohort, store: Store, kind: str) -> None:
    hand_in(store, cohort.katas[0], "s1", "a")

    def answer(kata: Kata, submission: Submission, seed: int) -> str:
        if kind == "lost":
            raise RuntimeError("KilledWorker")
        if kind == "no verdict":
            return json.dumps({"verdict": {"outcome": "passed"}})
        found = verdict(kata, submission, seed)
        changed = {"kata_hash": "sha256:0"} if kind == "other katas" else {
            "submission_hash": "sha256:0"}  # fmt: skip
        return json.dumps({"verdict": dataclasses.replace(found, **changed).as_json()})

    assert run(cohort, store, MadeUp(answer))[-1].parked
    assert store.gradings() == []


class Daemon(ProcessEngine):
    """An engine that can be gone."""

    def __init__(self) -> None:
        self.gone = True
        self.asked = 0

    def problem(self) -> str | None:
        self.asked += 1
        if self.asked > 2:
            self.gone = False
        return "the daemon does not answer" if self.gone else None

    def slot(self):  # type: ignore[no-untyped-def]
        if self.gone:
            raise EngineTrouble("no daemon")
        return super().slot()


def test_an_engine_that_is_gone_is_waited_for(cohort: Cohort, store: Store) -> None:
    hand_in(store, cohort.katas[0], "s1", RIGHT)
    with contextlib.closing(Here(Daemon(), 1)) as place:
        [done] = run(cohort, store, place)
    assert done.verdict is not None
    assert done.verdict["outcome"] == "passed"
    assert store.troubles() == []


def test_an_engine_that_stays_away_ends_the_run(cohort: Cohort, store: Store) -> None:
    hand_in(store, cohort.katas[0], "s1", RIGHT)
    with (
        contextlib.closing(Here(Daemon(), 1, patience=0)) as place,
        pytest.raises(EngineTrouble, match=r"does not answer.*same command again"),
    ):
        run(cohort, store, place)
    assert len(grade.due_now(store, cohort.katas, store.hand_ins())) == 1
    assert store.troubles() == []
    assert store.runs()[-1].ended is not None


def test_who_is_forgotten_meanwhile_leaves_no_verdict(cohort: Cohort, store: Store) -> None:
    for number in range(8):
        hand_in(store, cohort.katas[0], f"s{number}", str(number))
    running = grade.carry_out(store, MadeUp(), grade.plan(store, MadeUp(), cohort.katas))
    first = next(running).due.learners
    for learner in {"s0", "s1", "s2", "s3", "s4", "s5", "s6"} - set(first):
        store.forget(learner)
    done = list(running)
    assert len(done) == 7
    assert sum(each.verdict is not None for each in done) == 1
    assert len(store.gradings()) == 2


def test_a_disk_that_fills_up_ends_the_run_and_loses_nothing(cohort: Cohort, store: Store) -> None:
    for number in range(8):
        hand_in(store, cohort.katas[0], f"s{number}", str(number))
    work = grade.plan(store, MadeUp(), cohort.katas)
    running = grade.carry_out(store, MadeUp(), work)
    kept = {next(running).due.key for _ in range(3)}

    @sa.event.listens_for(store._engine, "begin")
    def full(connection: sa.Connection) -> None:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")

    with pytest.raises(StoreTrouble, match="make room"):
        kept.update(done.due.key for done in running)
    sa.event.remove(store._engine, "begin", full)
    store._engine.dispose()
    assert {each.key for each in store.gradings()} == kept
    assert len(run(cohort, store, MadeUp())) == 8 - len(kept)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may mount a small disk"
)
def test_a_real_disk_that_fills_up(toy: Kata, tmp_path: pathlib.Path) -> None:
    cohort = cohorts.make(toy, "s1,A,,,,\n")
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(tmp_path / "small")]
    (tmp_path / "small").mkdir()
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("mounting is refused here")
    try:
        with Store.open(f"sqlite:///{tmp_path / 'small/cohort.sqlite'}") as store:
            for number in range(30):
                hand_in(store, cohort.katas[0], f"s{number}", str(number))
            work = grade.plan(store, MadeUp(), cohort.katas)
            running = grade.carry_out(store, MadeUp(), work)
            kept = {next(running).due.key for _ in range(3)}
            with contextlib.suppress(OSError):
                (tmp_path / "small/ballast").write_bytes(b"x" * (16 << 20))
            with pytest.raises(StoreTrouble, match="make room"):
                kept.update(done.due.key for done in running)
            assert {each.key for each in store.gradings()} == kept
            (tmp_path / "small/ballast").unlink()
            assert len(run(cohort, store, MadeUp())) == 30 - len(kept)
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path / "small")], check=True)


def test_two_graders_at_once_share_the_work(cohort: Cohort, store: Store) -> None:
    for number in range(60):
        hand_in(store, cohort.katas[0], f"s{number % 8}", str(number))
    one, other = MadeUp(), MadeUp()
    runs = [grade.carry_out(store, each, grade.plan(store, each, cohort.katas))
            for each in (one, other)]  # fmt: skip
    done = [each for pair in itertools.zip_longest(*runs) for each in pair if each]
    assert len(store.gradings()) == 60
    assert len(done) == 120
    # Only what both had in hand when they met is done twice.
    assert len(one.seeds) + len(other.seeds) < 75
    assert [(run.due, run.graded, run.troubles) for run in store.runs()] == [(60, 60, 0)] * 2


def test_an_engine_that_is_asked_for_once_is_not_the_cohorts(cohort: Cohort, store: Store) -> None:
    hand_in(store, cohort.katas[0], "s1", "a")
    run(cohort, store, MadeUp())
    other = MadeUp()
    other.engine = other.image = "bubblewrap"
    assert len(grade.plan(store, other, cohort.katas, ["s1"], asked_for=True)) == 1
    assert grade.engine_name(cohort, store, None) == "process"
    assert not grade.due_now(store, cohort.katas, store.hand_ins())
    grade.plan(store, other, cohort.katas)
    assert grade.engine_name(cohort, store, None) == "bubblewrap"


def test_two_graders_at_once_do_no_harm(cohort: Cohort, store: Store) -> None:
    for number in range(8):
        for each in cohort.katas:
            hand_in(store, each, f"s{number}", str(number))
    found: list[Done] = []

    def one_more() -> None:
        with cohort.store() as own:
            found.extend(run(cohort, own, MadeUp()))

    threads = [threading.Thread(target=one_more) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.gradings()) == 16 == sum(each.verdict is not None for each in found)
    assert store.troubles() == []


# The command


def grades(cohort: Cohort, *arguments: str) -> subprocess.CompletedProcess[str]:
    return kata(cohort.catalog.root, "cohort", "grade", "--cohort", str(cohort.folder), *arguments)


def test_the_command_grades_and_tells(cohort: Cohort, store: Store) -> None:
    hanging = "import time\ndef add(a, b):\n    while True: time.sleep(1)\n"
    hand_in(store, cohort.katas[0], "s1", hanging)
    for learner in ("s2", "s3"):
        hand_in(store, cohort.katas[0], learner, RIGHT + f"# {learner}\n")
    done = grades(cohort, *PROCESS, "-j", "2", "-v")
    assert (done.returncode, done.stdout) == (0, "graded 3 of 3 due\n"), done
    assert "s2 adder: passed, 4 of 4 points" in done.stderr
    assert "s1 adder: failed, 0 of 4 points" in done.stderr
    assert "Learner" not in done.stderr
    again = grades(cohort, *PROCESS)
    assert again.stdout == "graded 0 of 0 due: all that is handed in is graded already\n"
    status = kata(cohort.catalog.root, "cohort", "status", "--cohort", str(cohort.folder))
    assert status.returncode == 0
    assert "8 learners in the roster" in status.stdout
    assert max(map(len, status.stdout.splitlines())) < 80


def test_with_nothing_to_grade_it_says_why(cohort: Cohort, store: Store) -> None:
    one, two = cohort.katas

    def why(*learners: str) -> str:
        return grade.why_nothing(store, [one], learners or None)

    assert "collect first" in grades(cohort, *PROCESS).stdout
    hand_in(store, two, "s1", "a")
    assert "collect first" in why()
    store.add_hand_in(HandIn("s1", one.name, None, "a link", BEFORE, "test", BEFORE), None)
    assert why() == "all that is handed in was refused"
    hand_in(store, one, "s2", "b")
    run(cohort, store, MadeUp(lambda *_: json.dumps({"trouble": "lost"})))
    assert why() == "all that is handed in is graded already, or parked"
    assert why("s1") == "all that is handed in was refused"


def test_ctrl_c_tells_what_is_kept(cohort: Cohort, store: Store) -> None:
    for learner in ("s0", "s1"):
        hand_in(store, cohort.katas[0], learner, learner)

    def answer(kata: Kata, submission: Submission, seed: int) -> str:
        if store.gradings():
            raise KeyboardInterrupt
        return passed(kata, submission, seed)

    place = MadeUp(answer, most=1)
    with pytest.raises(Stopped, match="interrupted: 1 of 2 graded and kept") as caught:
        carry_out(store, place, grade.plan(store, place, cohort.katas), verbose=False)
    assert caught.value.exit_code == 130
    assert len(store.gradings()) == 1


def test_without_the_extra_the_command_says_how_to_install_it(cohort: Cohort) -> None:
    (cohort.folder / "sqlalchemy.py").write_text("raise ModuleNotFoundError(name='sqlalchemy')")
    done = kata(cohort.folder, "cohort", "status", PYTHONPATH=os.pathsep.join(
        [str(cohort.folder), str(pathlib.Path(grade.__file__).parents[2])]))  # fmt: skip
    assert done.returncode == 2
    assert "[cohort]" in done.stderr
    assert kata(cohort.folder, "cohort", "grade", "--help").returncode == 0


def test_an_engine_without_walls_is_refused_unless_told_twice(cohort: Cohort) -> None:
    done = grades(cohort, "--engine", "process")
    assert (done.returncode, "--without-isolation" in done.stderr) == (2, True)
    with pytest.raises(UsageError):
        grade.choose_engine("process", lambda step: None, without_isolation=False)


def test_the_engine_that_auto_took_stays(cohort: Cohort, store: Store) -> None:
    assert grade.engine_name(cohort, store, None) == "auto"
    grade.plan(store, MadeUp(), cohort.katas)
    assert grade.engine_name(cohort, store, None) == "process"
    assert grade.engine_name(cohort, store, "docker") == "docker"


def shapes(store: Store) -> dict[tuple[str, str], object]:
    """All that must not depend on how a run went."""
    return {
        (each.kata, each.submission): (each.seed, each.outcome, each.points, each.failing)
        for each in store.gradings()
    }


@pytest.mark.timeout(900)
def test_killed_again_and_again_it_ends_as_if_undisturbed(
    cohort: Cohort, store: Store, tmp_path: pathlib.Path
) -> None:
    wrong = (cohort.katas[0].solutions / "wrong/off-by-one/adder.py").read_text()
    for number in range(6):
        hand_in(store, cohort.katas[0], f"s{number}", f"{(RIGHT, wrong)[number % 2]}\n# {number}\n")
    store.seed("")  # the secret is drawn
    undisturbed = tmp_path / "undisturbed.sqlite"
    store._engine.dispose()
    undisturbed.write_bytes((cohort.folder / "cohort.sqlite").read_bytes())

    command = [*KATA, "cohort", "grade", "--cohort", str(cohort.folder), *PROCESS, "-j", "2"]
    for want in (1, 3):
        process = subprocess.Popen(
            command, cwd=cohort.catalog.root,
            env={**os.environ, "PATH": PATH, "TMPDIR": str(tmp_path)},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert eventually(lambda n=want: len(store.gradings()) >= n, 120)
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = grades(cohort, *PROCESS, "-j", "2")
    assert done.returncode == 0, done
    found = shapes(store)
    assert len(found) == 6
    with Store.open(f"sqlite:///{undisturbed}") as other:
        with contextlib.closing(Here(ProcessEngine(), 2)) as place:
            run(cohort, other, place)
        assert shapes(other) == found
    assert [each.ended is None for each in store.runs()] == [True, True, False]


# A cluster


@pytest.fixture
def scheduler(tmp_path: pathlib.Path) -> Iterator[str]:
    """The address of a real Dask scheduler."""
    told = tmp_path / "scheduler.json"
    with dask("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
              "--scheduler-file", str(told), cwd=tmp_path):  # fmt: skip
        assert eventually(lambda: told.is_file() and told.read_text().endswith("}"), 60)
        yield json.loads(told.read_text())["address"]


@contextlib.contextmanager
def dask(*arguments: str, cwd: pathlib.Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "dask", *arguments], cwd=cwd, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(pathlib.Path(grade.__file__).parents[2]),
             "TMPDIR": str(cwd.parent)},
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def worker(address: str, folder: pathlib.Path) -> contextlib.AbstractContextManager[
        subprocess.Popen[bytes]]:  # fmt: skip
    return dask("worker", address, "--no-nanny", "--nthreads", "1", "--no-dashboard",
                "--host", "127.0.0.1", cwd=folder)  # fmt: skip


def workers_of(address: str) -> int:
    import distributed

    with distributed.Client(address, timeout=30, set_as_default=False) as client:
        return len(client.nthreads())


@pytest.mark.timeout(900)
def test_a_cluster_that_loses_a_worker_loses_nothing(
    cohort: Cohort, store: Store, scheduler: str
) -> None:
    for number in range(8):
        hand_in(store, cohort.katas[0], f"s{number}", f"{RIGHT}\n# {number}\n")
    root = cohort.catalog.root
    with worker(scheduler, root) as first, worker(scheduler, root):
        assert eventually(lambda: workers_of(scheduler) == 2, 120)
        place = Cluster(scheduler, "process", cohort.katas, without_isolation=True)
        with contextlib.closing(place):
            assert (place.engine, place.at_once()) == ("process", 4)
            running = grade.carry_out(
                store, place, grade.plan(store, place, cohort.katas), NOBODY_WAITS
            )
            done = [next(running)]
            first.kill()
            done += running
    assert all(each.verdict and each.verdict["outcome"] == "passed" for each in done), done
    assert len(done) == 8 == len(store.gradings())
    assert {each.seed for each in store.gradings()} == {
        store.seed(each.key) for each in store.gradings()
    }


@pytest.mark.timeout(900)
def test_a_corrected_kata_is_graded_again_on_a_cluster(
    cohort: Cohort, store: Store, scheduler: str
) -> None:
    toy = cohort.katas[0]
    hand_in(store, toy, "s1", RIGHT)
    hidden = toy.solutions / "hidden/test_adder.py"
    right = hidden.read_text()
    hidden.write_text(right.replace("got == a + b + 1000", "got == a + b"))
    assert grades(cohort, *PROCESS).returncode == 0
    hidden.write_text(right)
    with worker(scheduler, cohort.catalog.root):
        assert eventually(lambda: workers_of(scheduler) == 1, 120)
        done = kata(cohort.catalog.root, "cohort", "regrade", "--cohort", str(cohort.folder),
                    *PROCESS, "-j", "9", "--scheduler", scheduler)  # fmt: skip
    assert done.returncode == 0, done
    assert "s1: 2 of 4 points -> 4 of 4 points" in done.stdout
    # Two for each of the worker's threads; here there would have been ten.
    assert store.runs()[-1].slots == 2


@pytest.mark.timeout(900)
def test_a_cluster_that_cannot_work_says_why(
    cohort: Cohort, scheduler: str, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(EngineTrouble, match="has no workers"):
        Cluster(scheduler, "process", cohort.katas)
    other = cohorts.write(tmp_path / "other", {"pyproject.toml": ""})
    subprocess.run(["cp", "-r", str(cohort.catalog.root / "katas"),
                    str(cohort.catalog.root / "solutions"), str(other)], check=True)  # fmt: skip
    path = next(other.glob("solutions/*/adder/hidden/test_adder.py"))
    path.write_text(path.read_text() + "# other\n")
    with worker(scheduler, other):
        assert eventually(lambda: workers_of(scheduler) == 1, 120)
        with pytest.raises(EngineTrouble, match="without-isolation"):
            Cluster(scheduler, "process", cohort.katas)
        with pytest.raises(EngineTrouble, match="other katas"):
            Cluster(scheduler, "process", cohort.katas, without_isolation=True)


def test_no_scheduler(cohort: Cohort) -> None:
    with pytest.raises(EngineTrouble, match="no Dask scheduler answers"):
        Cluster("tcp://127.0.0.1:9", "process", cohort.katas)
