"""The full-screen view of `kata watch`, with Textual."""

import asyncio
import contextlib
import signal
import threading
from collections.abc import Iterator, Sequence
from typing import ClassVar

from rich.console import Group, RenderableType
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text
from textual import on
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.geometry import Region
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from grader.catalog import Catalog, Kata
from grader.cli import screen
from grader.cli.watch import KEYS, end_now, put_starter_back, solved, status, watched
from grader.errors import GraderError
from grader.progress import Progress
from grader.watching import Change, Row, Sight, VisibleTests, Watching, next_kata

#: An interrupted view ends within less, unless its terminal takes no more output.
_END_SECONDS = 2.0
#: Wider screens show the behaviours and the observation side by side.
_WIDE_COLUMNS = 140


def run(watching: Watching, catalog: Catalog) -> None:
    """Shows it until the learner quits. Raises `KeyboardInterrupt` when it is interrupted."""
    app = FullScreen(watching, catalog)
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    before = {
        number: signal.signal(number, lambda *_: app.interrupt())
        for number in (getattr(signal, name) for name in names if hasattr(signal, name))
    }
    try:
        # The mouse stays the terminal's, to select text with.
        app.run(mouse=False)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if app.interrupted:
        raise KeyboardInterrupt


class FullScreen(App[None]):
    """One kata, its behaviours, an observation; pages for all else."""

    CSS = """
    Screen, ModalScreen { background: $background; }
    #kata, #status, #title, .keys { height: auto; padding: 0 1; }
    #kata, #title { text-style: bold; }
    #body { height: 1fr; }
    #behaviours { height: auto; max-height: 60%; margin: 1 0; padding: 0 1; }
    #observation { height: 1fr; min-height: 5; padding: 0 1; }
    .-wide #body { layout: horizontal; }
    .-wide #behaviours { width: 1fr; max-height: 100%; }
    .-wide #observation { width: 1fr; margin: 1 0; }
    #page { height: 1fr; margin: 1 0; padding: 0 1; }
    #text { max-width: 100; }
    #katas { border: none; max-height: 1fr; margin: 1 0; }
    """
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (_WIDE_COLUMNS, "-wide")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(key, word.lower()) for key, word in KEYS.items()),
        Binding("up,k", "move(-1)"),
        Binding("down,j", "move(1)"),
        Binding("pageup", "page(-1)"),
        Binding("pagedown,space", "page(1)"),
        Binding("ctrl+z", "suspend_process"),
        Binding("ctrl+c,ctrl+q", "interrupt", priority=True),
    ]

    class News(Message):
        """There is something new to see."""

    def __init__(self, watching: Watching, catalog: Catalog) -> None:
        super().__init__()
        self.watching = watching
        self.catalog = catalog
        self.interrupted = False
        #: The behaviour that the learner has moved to.
        self._chosen: str | None = None
        self._ended = 0
        self._runs_in: asyncio.AbstractEventLoop | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="kata")
        with Container(id="body"):
            with VerticalScroll(id="behaviours", can_focus=False):
                yield Static(id="rows")
            with VerticalScroll(id="observation", can_focus=False):
                yield Static(id="details")
        yield Static(id="status")
        yield _keys(**KEYS, **{"↑↓": "move"})

    def on_mount(self) -> None:
        # The terminal's own colours, and nothing that moves.
        self.theme = "ansi-dark"
        self.animation_level = "none"
        self._runs_in = asyncio.get_running_loop()
        self.watching.on_change = self._tell
        self._draw()
        if self.interrupted:
            self.exit()

    # --- the view ---------------------------------------------------------------------------

    def _tell(self) -> None:
        # From whatever thread, even while the view is closing.
        with contextlib.suppress(RuntimeError):
            self.post_message(self.News())

    def on_full_screen_news(self) -> None:
        if self.watching.defect is not None:
            self.exit()
            return
        sight = self.watching.sight
        if sight.ended != self._ended:
            self._ended = sight.ended
            # What holds now needs no more looking at.
            if any(row.behaviour.id == self._chosen and row.change is Change.MENDED
                   for row in sight.rows):  # fmt: skip
                self._chosen = None
        self._draw()

    def _draw(self) -> None:
        sight = self.watching.sight
        shown = self._pointed_at(sight)
        view = self.screen_stack[0]
        view.query_one("#kata", Static).update(Text(watched(self.watching)))
        rows = Table.grid(padding=(0, 1), expand=True)
        rows.add_column(width=1)
        rows.add_column(width=screen.SIGN_WIDTH)
        rows.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        rows.add_column(no_wrap=True)
        for row in sight.rows:
            rows.add_row(
                ">" if row is shown else "", screen.sign(row.result), Text(row.behaviour.sentence),
                row.change, style="" if row.current else "dim",
            )  # fmt: skip
        view.query_one("#rows", Static).update(rows)
        view.query_one("#details", Static).update(_told(sight, shown))
        view.query_one("#status", Static).update(Text(status(sight)))
        if shown is not None:
            region = Region(0, list(sight.rows).index(shown), 1, 1)
            view.query_one("#behaviours").scroll_to_region(region, animate=False)

    def _pointed_at(self, sight: Sight) -> Row | None:
        """The behaviour that the learner has moved to, else the one to look at first."""
        for wanted in (self._chosen, sight.newest and sight.newest.id):
            for row in sight.rows:
                if row.behaviour.id == wanted:
                    return row
        return None

    # --- keys -------------------------------------------------------------------------------

    def action_move(self, step: int) -> None:
        """Shows the behaviour above or below."""
        sight = self.watching.sight
        rows, shown = list(sight.rows), self._pointed_at(sight)
        place = rows.index(shown) + step if shown else min(step, 0)
        self._chosen = rows[place % len(rows)].behaviour.id
        self._draw()

    def action_page(self, step: int) -> None:
        """Scrolls the observation."""
        view = self.query_one("#observation")
        view.scroll_relative(y=step * max(view.size.height - 1, 1), animate=False)

    def action_hint(self) -> None:
        kata = self.watching.kata
        with self._telling_errors():
            if kata.hints:
                number = self.watching.progress.next_hint(kata)
                heading = f"{kata.contract.title}, hint {number} of {len(kata.hints)}"
                self.push_screen(Page(heading, Markdown(kata.hints[number - 1])))

    def action_next(self) -> None:
        watching = self.watching
        self._turn_to(next_kata(watching.kata, self.catalog.katas, watching.progress))

    def action_list(self) -> None:
        watching = self.watching
        page = Katas(self.catalog.katas, watching.kata, watching.progress)
        self.push_screen(page, self._turn_to)

    def action_tests(self) -> None:
        self.push_screen(TestRun(self.watching.run_tests(min(self.size.width - 4, 100))))

    def action_readme(self) -> None:
        kata = self.watching.kata
        with self._telling_errors():
            self.push_screen(Page(f"katas/{kata.name}/README.md", Markdown(screen.readme(kata))))

    def action_reset(self) -> None:
        question = "Put the starter back? Your version is kept as a patch."
        self.push_screen(Question(question), self._reset)

    def action_grade(self) -> None:
        self.watching.grade()

    async def action_quit(self) -> None:
        self.exit()

    def action_interrupt(self) -> None:
        self.interrupted = True
        self.exit()

    def _turn_to(self, kata: Kata | None) -> None:
        if kata is not None:
            self._chosen = None
            self.watching.turn_to(kata)

    def _reset(self, sure: bool | None) -> None:
        if not sure:
            return
        kata = self.watching.kata
        with self._telling_errors():
            told = screen.reset_words(kata, put_starter_back(kata, self.catalog))
            self.push_screen(Page(f"{kata.contract.title}, reset", Text(told)))

    @contextlib.contextmanager
    def _telling_errors(self) -> Iterator[None]:
        try:
            yield
        except GraderError as error:
            self.push_screen(Page(self.watching.kata.contract.title, Text(str(error))))

    # --- the end ----------------------------------------------------------------------------

    def interrupt(self) -> None:
        """For signals: ends in good order, or else soon."""
        watchdog = threading.Timer(_END_SECONDS, end_now, [self.watching])
        watchdog.daemon = True
        watchdog.start()
        self.interrupted = True
        if self._runs_in is not None:
            # A signal alone does not wake the loop.
            self._runs_in.call_soon_threadsafe(self.exit)


def _told(sight: Sight, row: Row | None) -> RenderableType:
    """What a behaviour's test has observed; without one, what to do now."""
    if row is not None:
        heading = Text(f"{row.behaviour.id}: {row.behaviour.sentence}")
        return Group(heading, "", screen.details(row.result)) if row.result else heading
    if sight.passed:
        return Text(solved(sight.kata))
    return Text("o opens the README: the story, the job, what must hold.")


def _keys(**words: str) -> Static:
    """The last line: which keys there are, and what they do."""
    text = Text("  ").join(Text.assemble((key, "bold"), f" {word}") for key, word in words.items())
    return Static(text, classes="keys")


class Page(ModalScreen[None]):
    """A text to read."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,enter", "dismiss")]

    def __init__(self, heading: str, text: RenderableType) -> None:
        super().__init__()
        self._heading = heading
        self._text = text

    def compose(self) -> ComposeResult:
        yield Static(Text(self._heading), id="title")
        with VerticalScroll(id="page"):
            yield Static(self._text, id="text")
        yield _keys(escape="back")


class TestRun(Page):
    """What the visible tests print, once they have ended; who leaves the page ends them."""

    class Ended(Message):
        """They have ended, and have printed this."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, tests: VisibleTests) -> None:
        super().__init__("Visible tests", Text("running; escape ends them"))
        self._tests = tests

    def on_mount(self) -> None:
        threading.Thread(target=self._wait, name="visible tests").start()

    def _wait(self) -> None:
        self.post_message(self.Ended(self._tests.wait()))

    def on_test_run_ended(self, ended: Ended) -> None:
        self.query_one("#text", Static).update(screen.output(ended.text))
        self.query_one("#page").scroll_end(animate=False)

    def on_unmount(self) -> None:
        self._tests.end()


class Question(ModalScreen[bool]):
    """A question with a yes or no."""

    def __init__(self, question: str) -> None:
        super().__init__()
        self._question = question

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "dismiss(True)"), Binding("n,escape,q", "dismiss(False)"),
    ]  # fmt: skip

    def compose(self) -> ComposeResult:
        yield Static(Text(self._question), id="title")
        yield _keys(y="yes", n="no")


class Katas(ModalScreen[Kata]):
    """All katas, one of which can be chosen."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q", "dismiss")]

    def __init__(self, katas: Sequence[Kata], chosen: Kata, progress: Progress) -> None:
        super().__init__()
        self._katas = katas
        self._chosen = chosen
        self._progress = progress

    def compose(self) -> ComposeResult:
        yield Static(Text("The katas, in the order of the path"), id="title")
        words = [screen.in_list(kata, self._progress.of(kata)) for kata in self._katas]
        yield OptionList(*(Option(Text(line)) for line in words), id="katas")
        yield _keys(enter="watch this one", escape="back")

    def on_mount(self) -> None:
        names = [kata.name for kata in self._katas]
        self.query_one(OptionList).highlighted = names.index(self._chosen.name)

    @on(OptionList.OptionSelected)
    def _choose(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._katas[event.option_index])
