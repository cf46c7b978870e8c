"""`kata watch`: what is graded when, both views, and how it ends."""

import asyncio
import contextlib
import fcntl
import html
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Awaitable, Callable, Iterator

import pytest
import watchfiles
from textual.pilot import Pilot

import grader.watching
from grader.catalog import Catalog, Kata
from grader.cli.fullscreen import FullScreen
from grader.cli.watch import KEYS
from grader.engines.base import Engine
from grader.engines.process import ProcessEngine
from grader.errors import Stopped
from grader.grading import KeptSlot, Task
from grader.progress import Progress, State
from grader.submission import Submission, collect
from grader.verdict import Outcome, Verdict
from grader.watching import Change, Phase, Sight, Watching, next_kata
from tests.commands import KATA, needs_git, under_git
from tests.conftest import engine_or_skip
from tests.gradings import RIGHT
from tests.machine import eventually, offspring

WRONG = RIGHT.replace("return a + b", "return a - b")
BROKEN = "def add(a, b:\n"
HANGS = "import time; time.sleep(1000)"
PATIENCE = 60


@pytest.fixture
def bubblewrap() -> Engine:
    return engine_or_skip("bubblewrap")


@contextlib.contextmanager
def watching(engine: Engine, kata: Kata, *, manual: bool = False) -> Iterator[Watching]:
    """Watches the kata; afterwards no process and no thread of it is left."""
    threads, processes = threading.active_count(), offspring(os.getpid())
    progress = Progress(kata.folder.parents[2])
    watched = Watching(engine, kata, progress, manual=manual)
    try:
        watched.start()
        yield watched
    finally:
        watched.close()
    assert eventually(lambda: threading.active_count() <= threads)
    assert eventually(lambda: offspring(os.getpid()) <= processes)
    assert watched.defect is None


def save(kata: Kata, text: str) -> None:
    (kata.folder / "adder.py").write_text(text)


def sees(watched: Watching, condition: Callable[[Sight], bool]) -> Sight:
    """Waits until what there is to see meets the condition."""
    assert eventually(lambda: condition(watched.sight), PATIENCE), watched.sight
    return watched.sight


def ended(sight: Sight, outcome: Outcome) -> bool:
    verdict = sight.verdict
    return sight.phase is Phase.WAITING and verdict is not None and verdict.outcome is outcome


def passed(sight: Sight) -> bool:
    return ended(sight, Outcome.PASSED)


def failed(sight: Sight) -> bool:
    return ended(sight, Outcome.FAILED)


# --- what is graded when ----------------------------------------------------------------------


def test_each_save_is_graded_and_compared(bubblewrap: Engine, toy: Kata) -> None:
    with watching(bubblewrap, toy) as watched:
        first = sees(watched, failed)
        assert [row.change for row in first.rows] == [Change.NONE] * 3
        assert first.newest is not None
        assert first.newest.id == "adds"
        save(toy, RIGHT)
        second = sees(watched, passed)
        assert [row.change for row in second.rows] == [Change.MENDED] * 3
        assert second.newest is None
        save(toy, RIGHT.replace("print(add", "print(1 + add"))
        third = sees(watched, failed)
        changes = [row.change for row in third.rows]
        assert changes == [Change.NONE, Change.BROKEN, Change.NONE]
        assert third.newest is not None
        assert third.newest.id == "adds-as-a-command"
        record = watched.progress.of(toy)
    # The starter that nobody had touched does not count.
    assert (record.state, record.attempts) == (State.PASSED, 2)


def test_a_save_ends_the_grading_of_what_was_there_before(bubblewrap: Engine, toy: Kata) -> None:
    path = toy.folder / "kata.toml"
    path.write_text(path.read_text().replace("_seconds = ", "_seconds = 10"))
    kata = Catalog(toy.folder.parents[2]).get("adder")
    save(kata, HANGS)
    with watching(bubblewrap, kata) as watched:
        sees(watched, lambda sight: sight.phase is Phase.WARMING)
        time.sleep(2)
        save(kata, RIGHT)
        assert sees(watched, passed).ended == 1


@pytest.mark.parametrize("pause", [0.0, 0.01])
def test_of_many_saves_the_last_is_never_lost(bubblewrap: Engine, toy: Kata, pause: float) -> None:
    with watching(bubblewrap, toy) as watched:
        sees(watched, failed)
        before = offspring(os.getpid())
        for last, judged in ((RIGHT, passed), (BROKEN, failed)):
            for number in range(99):
                save(toy, BROKEN if number % 2 else f"{RIGHT}# {number}\n")
                time.sleep(pause)
            save(toy, last)
            graded = sees(watched, judged).verdict
            assert graded is not None
            assert eventually(lambda: offspring(os.getpid()) <= before)


def test_a_slow_save_is_not_taken_for_a_missing_file(bubblewrap: Engine, toy: Kata) -> None:
    with watching(bubblewrap, toy) as watched:
        sees(watched, failed)
        (toy.folder / "adder.py").unlink()
        refused = sees(watched, lambda sight: sight.refusal is not None)
        assert "adder.py is missing" in (refused.refusal or "")
        assert refused.newest is None
        save(toy, RIGHT)
        assert sees(watched, passed).refusal is None


def test_the_same_again_is_a_save_too(bubblewrap: Engine, toy: Kata) -> None:
    save(toy, RIGHT)
    with watching(bubblewrap, toy) as watched:
        sees(watched, passed)
        save(toy, RIGHT)
        sees(watched, lambda sight: sight.ended == 2)


def test_what_editors_leave_behind_is_no_save(bubblewrap: Engine, toy: Kata) -> None:
    with watching(bubblewrap, toy) as watched:
        sees(watched, failed)
        (toy.folder / ".#adder.py").symlink_to("somebody@somewhere.123:456")
        for name in (".adder.py.swp", "adder.py~", "4913", "#adder.py#", "app.log"):
            (toy.folder / name).write_text("x")
        time.sleep(1)
        save(toy, RIGHT)
        assert sees(watched, passed).ended == 2


def test_manual(bubblewrap: Engine, toy: Kata) -> None:
    with watching(bubblewrap, toy, manual=True) as watched:
        assert not sees(watched, failed).stale
        save(toy, RIGHT)
        assert sees(watched, lambda sight: sight.stale).ended == 1
        watched.grade()
        assert not sees(watched, passed).stale


def test_a_sick_slot_is_replaced(bubblewrap: Engine, toy: Kata) -> None:
    before = offspring(os.getpid())
    with watching(bubblewrap, toy) as watched:
        sees(watched, failed)
        for pid in offspring(os.getpid()) - before:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        save(toy, RIGHT)
        sees(watched, passed)


def test_trouble_is_said_and_the_next_save_is_graded(bubblewrap: Engine, toy: Kata) -> None:
    hidden = toy.solutions / "hidden"
    hidden.rename(hidden.with_name("gone"))
    with watching(bubblewrap, toy) as watched:
        told = sees(watched, lambda sight: sight.trouble is not None)
        assert "no hidden tests" in (told.trouble or "")
        hidden.with_name("gone").rename(hidden)
        save(toy, RIGHT)
        assert sees(watched, passed).trouble is None


@pytest.mark.parametrize("tells", ["nothing", "no more watches"])
def test_file_systems_without_events(
    bubblewrap: Engine, toy: Kata, monkeypatch: pytest.MonkeyPatch, tells: str
) -> None:
    def silent(*_: object, stop_event: threading.Event, **__: object) -> Iterator[set[object]]:
        if tells == "no more watches":
            raise OSError("too many")
        while not stop_event.wait(0.1):
            yield set()

    monkeypatch.setattr(watchfiles, "watch", silent)
    with watching(bubblewrap, toy) as watched:
        sees(watched, failed)
        save(toy, RIGHT)
        sees(watched, passed)


def test_turning_to_another_kata(bubblewrap: Engine, toy: Kata) -> None:
    other = toy.folder.with_name("other")
    for folder in (toy.folder, toy.solutions):
        subprocess.run(["cp", "-r", folder, folder.with_name("other")], check=True)
    (other / "adder.py").write_text(RIGHT)
    catalog = Catalog(toy.folder.parents[2])
    first, second = catalog.katas
    with watching(bubblewrap, first) as watched:
        watched.turn_to(next_kata(first, catalog.katas, watched.progress))
        assert sees(watched, passed).kata is second
        save(first, RIGHT)
        watched.turn_to(next_kata(second, catalog.katas, watched.progress))
        assert sees(watched, passed).kata is first
        assert next_kata(first, catalog.katas, watched.progress) is second


def test_the_next_kata_is_graded_with_its_own_files(
    toy: Kata, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if something of the one before was still to be graded."""
    for folder in (toy.folder, toy.solutions):
        shutil.copytree(folder, folder.with_name("other"))
    first, second = Catalog(toy.folder.parents[2]).katas
    save(first, RIGHT)
    save(second, WRONG)
    graded, may_end = [], threading.Event()

    def grade(_: object, task: Task, on_result: object, *, stop: threading.Event) -> Verdict:
        graded.append((task.kata.name, task.submission.files["adder.py"]))
        stop.wait()
        may_end.wait()
        raise Stopped("stopped")

    def read_slowly(kata: Kata, folder: pathlib.Path) -> Submission:
        if kata is second:
            may_end.set()
            eventually(lambda: len(graded) > 1, 1)
        return collect(kata, folder)

    monkeypatch.setattr(KeptSlot, "grade", grade)
    monkeypatch.setattr(grader.watching, "collect", read_slowly)
    watched = Watching(ProcessEngine(), first, Progress(toy.folder.parents[2]))
    try:
        watched.start()
        assert eventually(lambda: len(graded) == 1)
        watched.grade()
        watched.turn_to(second)
        assert eventually(lambda: len(graded) > 1)
    finally:
        may_end.set()
        watched.close()
    assert graded == [(first.name, RIGHT.encode()), (second.name, WRONG.encode())]


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_memory_stays(bubblewrap: Engine, toy: Kata) -> None:
    """Of the grader, and of its judge and zygote: after 500 gradings at most a tenth more."""

    def memory() -> int:
        pids = {os.getpid(), *(offspring(os.getpid()) - before)}
        texts = [pathlib.Path(f"/proc/{pid}/status").read_text() for pid in pids]
        return sum(int(re.findall(r"VmRSS:\s+(\d+)", text)[0]) for text in texts)

    before = offspring(os.getpid())
    with watching(bubblewrap, toy) as watched:
        after_50 = 0
        for number in range(1, 501):
            save(toy, f"{RIGHT if number % 2 else BROKEN}# {number}\n")
            sees(watched, lambda sight, number=number: sight.ended > number)  # type: ignore[misc]
            if number == 50:
                after_50 = memory()
        assert memory() <= after_50 * 1.1


# --- the full screen --------------------------------------------------------------------------


def text_of(app: FullScreen) -> str:
    """What stands on the screen."""
    svg = app.export_screenshot()
    lines: dict[float, str] = {}
    for y, words in re.findall(r'<text[^>]* y="([\d.]+)"[^>]*>([^<]*)</text>', svg):
        lines[float(y)] = lines.get(float(y), "") + html.unescape(words).replace("\xa0", " ")
    return "\n".join(lines[y] for y in sorted(lines))


async def sees_words(app: FullScreen, *words: str) -> str:
    """Waits until all of these stand on the screen; line breaks count as spaces."""
    give_up = time.monotonic() + PATIENCE
    while not all(word in " ".join(text_of(app).split()) for word in words):
        assert time.monotonic() < give_up, f"no {words} in\n{text_of(app)}"
        await asyncio.sleep(0.05)
    return text_of(app)


def in_full_screen(
    engine: Engine,
    kata: Kata,
    size: tuple[int, int],
    session: Callable[[FullScreen, Pilot[None]], Awaitable[None]],
) -> None:
    async def run(watched: Watching) -> None:
        app = FullScreen(watched, Catalog(kata.folder.parents[2]))
        async with app.run_test(size=size) as pilot:
            await session(app, pilot)

    with watching(engine, kata) as watched:
        asyncio.run(run(watched))


@pytest.mark.parametrize("size", [(80, 24), (200, 60)], ids=str)
def test_the_full_screen_shows_it_all(bubblewrap: Engine, toy: Kata, size: tuple[int, int]) -> None:
    async def session(app: FullScreen, pilot: Pilot[None]) -> None:
        text = await sees_words(
            app, "The adder (adder)", "0 of 3 behaviours hold", "Two numbers are added.",
            "A total keeps what was added to it.", "adds: Two numbers are added.", "observed",
        )  # fmt: skip
        assert "now holds" not in text
        for key, word in KEYS.items():
            assert f"{key} {word}" in text
        await pilot.press("down")
        await sees_words(app, "adds-as-a-command: The command prints")
        save(toy, RIGHT)
        await sees_words(app, "3 of 3 behaviours hold, 4 of 4 points", "now holds", "Solved.")
        save(toy, BROKEN)
        await sees_words(app, "0 of 3 behaviours hold", "no longer holds", "SyntaxError")
        (toy.folder / "adder.py").unlink()
        await sees_words(app, "refused: adder.py is missing")

    in_full_screen(bubblewrap, toy, size, session)


def test_the_keys_lead_to_pages_and_back(bubblewrap: Engine, toy: Kata) -> None:
    async def session(app: FullScreen, pilot: Pilot[None]) -> None:
        await sees_words(app, "0 of 3 behaviours hold")
        for key, words in {
            "h": ("hint 1 of 3", "Count."),
            "l": ("The katas", "adder", "warm-up"),
            "t": ("Visible tests", "1 failed"),
            "o": ("katas/01-toy/adder/README.md", "A till was off by one."),
        }.items():
            await pilot.press(key)
            await sees_words(app, *words)
            await pilot.press("escape")
            await sees_words(app, "0 of 3 behaviours hold")
        await pilot.press("h")
        text = await sees_words(app, "hint 2 of 3", "Count again.")
        assert "hint 1" not in text
        await pilot.press("escape", "l", "enter")
        await sees_words(app, "0 of 3 behaviours hold")
        await pilot.press("n", "g")
        await sees_words(app, "0 of 3 behaviours hold")

    in_full_screen(bubblewrap, toy, (80, 24), session)


@needs_git
def test_reset_asks_first_and_keeps_a_patch(bubblewrap: Engine, toy: Kata) -> None:
    starter = (toy.folder / "adder.py").read_text()
    under_git(toy)
    save(toy, RIGHT)

    async def session(app: FullScreen, pilot: Pilot[None]) -> None:
        await sees_words(app, "3 of 3 behaviours hold")
        await pilot.press("r")
        await sees_words(app, "Put the starter back?")
        await pilot.press("n")
        await sees_words(app, "3 of 3 behaviours hold")
        assert (toy.folder / "adder.py").read_text() == RIGHT
        await pilot.press("r", "y")
        await sees_words(app, "git apply .kata/adder-")
        await pilot.press("escape")
        await sees_words(app, "0 of 3 behaviours hold")
        assert (toy.folder / "adder.py").read_text() == starter

    in_full_screen(bubblewrap, toy, (80, 24), session)


def test_a_missing_readme_is_told(bubblewrap: Engine, toy: Kata) -> None:
    (toy.folder / "README.md").unlink()

    async def session(app: FullScreen, pilot: Pilot[None]) -> None:
        await sees_words(app, "0 of 3 behaviours hold")
        for key in ("h", "o"):
            await pilot.press(key)
            await sees_words(app, "to have it back: git checkout --")
            await pilot.press("escape")
            await sees_words(app, "0 of 3 behaviours hold")

    in_full_screen(bubblewrap, toy, (80, 24), session)


def test_without_a_history_there_is_no_reset(bubblewrap: Engine, toy: Kata) -> None:
    save(toy, RIGHT)

    async def session(app: FullScreen, pilot: Pilot[None]) -> None:
        await sees_words(app, "3 of 3 behaviours hold")
        await pilot.press("r", "y")
        await sees_words(app, "is in no git history here")

    in_full_screen(bubblewrap, toy, (80, 24), session)
    assert (toy.folder / "adder.py").read_text() == RIGHT


# --- the command on a terminal ----------------------------------------------------------------


class Terminal:
    """`kata watch` on a terminal of its own."""

    def __init__(
        self, kata: Kata, columns: int, lines: int, *arguments: str, owned: bool = True, **env: str
    ) -> None:
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.settings = termios.tcgetattr(self.slave)
        self.raw = b""
        environment = {name: value for name, value in os.environ.items()
                       if name not in ("COLUMNS", "LINES", "NO_COLOR", "KATA_PLAIN")}  # fmt: skip
        self.process = subprocess.Popen(
            [*(ON_TERMINAL if owned else KATA), "watch", "--engine", "bubblewrap", *arguments],
            cwd=kata.folder, stdin=self.slave, stdout=self.slave, stderr=self.slave,
            start_new_session=True, env={**environment, "TERM": "xterm-256color", **env},
        )  # fmt: skip
        self.started: set[int] = set()

    @property
    def text(self) -> str:
        return ESCAPE.sub(" ", self.raw.decode("utf-8", "replace"))

    def sees(self, *words: str) -> None:
        """Reads until the terminal was sent all of these words since the last time."""
        give_up = time.monotonic() + PATIENCE
        self.raw = b""
        while not all(word in " ".join(self.text.split()) for word in words):
            assert time.monotonic() < give_up, self.text
            self.read()
        self.started |= offspring(self.process.pid)

    def read(self) -> None:
        if select.select([self.master], [], [], 0.1)[0]:
            self.raw += os.read(self.master, 1 << 16)

    def press(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def code(self) -> int:
        """Its exit code, once it and all that it has started are gone."""
        give_up = time.monotonic() + 20
        while self.process.poll() is None:
            assert time.monotonic() < give_up, self.text
            with contextlib.suppress(OSError):
                self.read()
        assert eventually(lambda: not any(map(lives, self.started)))
        return self.process.returncode


#: A command whose terminal is its controlling one, as in a shell.
ON_TERMINAL = [*KATA[:2], f"import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); {KATA[2]}"]
ESCAPE = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|[()][A-Z0-9]|[=>])")
FULL_SCREEN, NO_FULL_SCREEN = b"\x1b[?1049h", b"\x1b[?1049l"


def lives(pid: int) -> bool:
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


@pytest.fixture
def terminal(
    bubblewrap: Engine, toy: Kata, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def start(*arguments: object, **options: object) -> Terminal:
        opened.append(Terminal(toy, *arguments, **options))  # type: ignore[arg-type]
        return opened[-1]

    yield start
    for each in opened:
        each.process.kill()
        each.process.wait()
        for descriptor in (each.master, each.slave):
            with contextlib.suppress(OSError):
                os.close(descriptor)


@pytest.mark.parametrize(
    ("view", "when", "end", "code"),
    [("full screen", "waiting", b"q", 0), ("full screen", "waiting", b"\x03", 130),
     ("full screen", "grading", signal.SIGTERM, 130), ("lines", "waiting", b"q\n", 0),
     ("lines", "grading", b"\x03", 130), ("lines", "starting", signal.SIGINT, 130)],
    ids=["q", "Ctrl-C", "SIGTERM while grading",
         "lines: q", "lines: Ctrl-C while grading", "lines: SIGINT at once"],
)  # fmt: skip
def test_it_ends_cleanly(
    terminal: Callable[..., Terminal], toy: Kata, view: str, when: str,
    end: bytes | signal.Signals, code: int,
) -> None:  # fmt: skip
    options = ["--plain"] if view == "lines" else []
    if when == "grading":
        save(toy, HANGS)
    kata = terminal(80, 24, *options)
    if when == "waiting":
        kata.sees("0 of 3 behaviours hold")
    else:
        kata.sees("The adder")
        if when == "grading":
            time.sleep(2)
            kata.started |= offspring(kata.process.pid)
    if isinstance(end, bytes):
        kata.press(end)
    else:
        kata.process.send_signal(end)
    assert kata.code() == code
    assert kata.started or when == "starting"  # else there was nothing that could have been left
    assert termios.tcgetattr(kata.slave) == kata.settings
    assert (NO_FULL_SCREEN in kata.raw) == (view == "full screen")
    assert b"Traceback" not in kata.raw


@pytest.mark.parametrize(("view", "owned"), [("full screen", True), ("lines", False)])
def test_a_closed_terminal_ends_it(
    terminal: Callable[..., Terminal], view: str, owned: bool
) -> None:
    kata = terminal(80, 24, *(["--plain"] if view == "lines" else []), owned=owned)
    kata.sees("0 of 3 behaviours hold")
    os.close(kata.master)
    assert kata.process.wait(20) != 0
    assert eventually(lambda: not any(map(lives, kata.started)))


def test_saves_reach_a_real_terminal(terminal: Callable[..., Terminal], toy: Kata) -> None:
    kata = terminal(80, 24)
    kata.sees("0 of 3 behaviours hold", "Two numbers are added.")
    save(toy, RIGHT)
    kata.sees("3 of 3 behaviours hold", "now holds")
    kata.press(b"h")
    kata.sees("hint 1 of 3")
    kata.press(b"q")
    kata.press(b"q")
    assert kata.code() == 0


@pytest.mark.parametrize(
    ("columns", "lines", "env"),
    [(40, 24, {}), (80, 12, {}), (80, 24, {"TERM": "dumb"}), (80, 24, {"KATA_PLAIN": "1"})],
    ids=["narrow", "low", "dumb", "plain"],
)
def test_where_a_full_screen_would_not_do(
    terminal: Callable[..., Terminal], columns: int, lines: int, env: dict[str, str]
) -> None:
    kata = terminal(columns, lines, **env)
    kata.sees("q quit")
    assert FULL_SCREEN not in kata.raw
    # Ctrl-D
    kata.press(b"\x04")
    assert kata.code() == 0


def test_keys_in_lines(terminal: Callable[..., Terminal], toy: Kata) -> None:
    kata = terminal(80, 24, "--plain")
    kata.sees("q quit", "0 of 3 behaviours hold")
    save(toy, RIGHT)
    kata.sees("Two numbers are added. (now holds)", "3 of 3 behaviours hold")
    for key, words in {
        "h": "Count.", "l": "adder", "t": "1 passed", "o": "A till was off by one.",
        "r": "r again puts the starter back", "x": "q quit", "n": "The adder",
    }.items():  # fmt: skip
        kata.press(f"{key}\n".encode())
        kata.sees(words)
    (toy.folder / "README.md").unlink()
    kata.press(b"h\n")
    kata.sees("to have it back: git checkout --")
    kata.press(b"q\n")
    assert kata.code() == 0
    assert (toy.folder / "adder.py").read_text() == RIGHT


def test_piped(bubblewrap: Engine, toy: Kata) -> None:
    """No terminal anywhere: verdicts in lines on standard output, and nothing is asked."""
    process = subprocess.Popen(
        [*KATA, "watch", "--engine", "bubblewrap"], cwd=toy.folder, encoding="utf-8",
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "COLUMNS": "80"},
    )  # fmt: skip
    assert process.stdout is not None
    read = []
    for line in process.stdout:
        read.append(line.rstrip("\n"))
        if "0 of 3 behaviours hold" in line:
            save(toy, RIGHT)
        if "3 of 3 behaviours hold" in line:
            break
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=20)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert "interrupted" in errors
    text = "\n".join(read) + rest
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 80
    assert "✗ Two numbers are added." in text
    assert "✓ Two numbers are added. (now holds)" in text


def test_a_reader_that_goes_away(bubblewrap: Engine, toy: Kata) -> None:
    process = subprocess.Popen(
        [*KATA, "watch", "--engine", "bubblewrap"], cwd=toy.folder, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(PATIENCE) == 130
