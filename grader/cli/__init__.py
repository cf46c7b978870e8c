"""The commands. Nothing else in the package prints."""

import errno
import os
import pathlib
import signal
import sys

import click
from click import shell_completion

from grader import __version__, grading
from grader.catalog import Kata
from grader.cli import authors, cohort, handing, health, insight, learner, marking, practice, screen
from grader.cli.arguments import (
    INTERRUPTED,
    NOT_PASSED,
    PASSED,
    TROUBLE,
    USAGE,
    Commands,
    chosen_engine,
    chosen_katas,
    complete_kata,
    engine_option,
    examples,
    find_catalog,
    jobs_option,
    kata_here,
    kata_names,
    suggested_kata,
)
from grader.errors import EngineTrouble, GraderError, RefusedSubmission, UsageError
from grader.grading import Task
from grader.progress import Progress
from grader.submission import collect
from grader.verdict import BehaviourResult, Outcome, Verdict


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
        "kata list            which katas there are, and where you are",
        "kata show            the story and the job of the kata to go on with",
        "kata grade           judge what you have changed",
        "kata watch           judge it at each save",
        "kata hint            stuck: one step further each time",
        "kata grade --help    examples for this command, as for each",
    ),
)
@click.version_option(__version__, prog_name="kata")
def kata() -> None:
    """Hands-on katas for AI engineers: repair the code, let the grader judge it.

    Results go to standard output, everything else to standard error. NO_COLOR=1 turns colour off;
    KATA_PLAIN=1 also signs and whatever moves, which suits screen readers.
    """


kata.add_command(learner.list_katas)
kata.add_command(learner.show)


@kata.command(
    epilog=examples(
        "kata grade                             what you have changed",
        "kata grade flaky-provider              one kata",
        "kata grade --all -j 4                  every kata, four at once",
        "kata grade flaky-provider --seed 7     with the data of seed 7 again",
        "kata grade leaky-cv --from ../theirs   a submission elsewhere",
        "kata grade leaky-cv --json             for a machine to read",
    )
)
@kata_names
@click.option("--all", "all_katas", is_flag=True, help="Every kata, changed or not.")
@click.option(
    "--from", "folder", type=click.Path(path_type=pathlib.Path), metavar="DIR",
    help="A submission elsewhere; for several katas, a folder with PILLAR/KATA below it.",
)  # fmt: skip
@engine_option
@jobs_option
@click.option("--seed", type=click.IntRange(0), help="Replays a grading's data.")
@click.option("--json", "as_json", is_flag=True, help="Print the verdict as JSON, nothing else.")
@click.option(
    "--feedback", type=click.Choice(["full", "titles"]), default="full",
    help="titles: which behaviours hold, without the observations. [default: full]",
)  # fmt: skip
def grade(
    names: tuple[str, ...],
    all_katas: bool,
    folder: pathlib.Path | None,
    engine_name: str,
    jobs: int,
    seed: int | None,
    as_json: bool,
    feedback: str,
) -> None:
    """Grade your work on KATA (full or short name).

    Without a name: every kata that you have changed, or else the first of the path. Verdicts on
    your own folder count as attempts in `kata list`. In a learner edition, whose hidden tests are
    with the instructor, the visible tests run instead.

    Exit code: 0 all passed, 1 not all passed, 2 usage, 4 trouble of an engine or the grader, 130
    interrupted.
    """
    catalog = find_catalog()
    progress = Progress(catalog.root)
    katas = chosen_katas(catalog, names, all_katas)
    if katas and not any(kata.has_hidden_tests for kata in katas):
        sys.exit(learner.run_visible_tests(katas, verdict_wanted=as_json or folder is not None))
    submissions = {kata.name: _folder_of(kata, folder, len(katas) == 1) for kata in katas}
    engine = chosen_engine(engine_name)
    tasks, verdicts = [], dict[str, Verdict | GraderError]()

    def keep(kata: Kata, verdict: Verdict | GraderError) -> None:
        verdicts[kata.name] = verdict
        # What lies elsewhere is not the learner's own work.
        if folder is None and isinstance(verdict, Verdict):
            progress.add(verdict)

    for kata in katas:
        try:
            submission = collect(kata, submissions[kata.name])
            tasks.append(Task(kata, submission, grading.new_seed() if seed is None else seed))
            stray = [name for name in grading.left_out(kata) if name.endswith(".py")]
            if folder is None and stray:
                screen.say(f"{kata.short_name}: left out, for kata.toml does not count it among "
                           f"the editable files: {', '.join(stray[:5])}")  # fmt: skip
        except RefusedSubmission as error:
            keep(kata, grading.refused(kata, engine, str(error)))
    total = sum(len(task.kata.behaviours) for task in tasks)
    with screen.progress("grading", total) as advance:

        def on_result(task: Task, result: BehaviourResult) -> None:
            advance(f"{task.kata.short_name}: {result.id}")

        for task, verdict in grading.grade_all(engine, tasks, jobs, on_result):
            keep(task.kata, verdict)
    done = [verdicts[kata.name] for kata in katas]
    for kata, verdict in zip(katas, done, strict=True):
        if isinstance(verdict, GraderError):
            again = f"; grade again, or: {screen.program()} doctor"
            step = again if isinstance(verdict, EngineTrouble) else ""
            screen.say(f"{kata.name}: {verdict}{step}")
    graded = [verdict for verdict in done if isinstance(verdict, Verdict)]
    titles_only = feedback == "titles"
    if as_json:
        screen.print_json(graded, single=len(katas) == 1, titles_only=titles_only)
    else:
        suggestion = progress.suggestion(catalog.katas) if folder is None else None
        for verdict in graded:
            screen.print_verdict(verdict, titles_only=titles_only)
            if folder is None:
                screen.print_next_step(verdict, catalog.get(verdict.kata), suggestion)
        if len(graded) > 1:
            screen.print_summary(graded)
    sys.exit(_exit_code(done))


@kata.command(
    "watch",
    epilog=examples(
        "kata watch                   the kata to go on with",
        "kata watch flaky-provider    another one",
        "kata watch --manual          grades only when you press g",
        "kata watch | tee log         in lines",
    ),
)
@suggested_kata
@engine_option
@click.option("--manual", is_flag=True, help="Grade again only when told to, by the key g.")
@click.option("--plain", is_flag=True, help="Lines, and keys with Enter, for any terminal.")
def watch_kata(name: str | None, engine_name: str, manual: bool, plain: bool) -> None:
    """Grade KATA now, and again whenever you save one of its files.

    Without a name: the kata to go on with. Keys at the bottom lead to hints, the next kata, the
    list, the visible tests, the README; q quits.
    """
    # Only here: its libraries take time to import.
    from grader.cli import watch

    catalog = find_catalog()
    if not catalog.katas:
        raise UsageError(f"there are no katas in {catalog.root}")
    suggestion = Progress(catalog.root).suggestion(catalog.katas) or catalog.katas[0]
    chosen = catalog.get(name) if name else suggestion
    if not chosen.has_hidden_tests:
        raise UsageError(
            f"the hidden tests of {chosen.short_name} are with your instructor, or in a full clone;"
            f" its visible tests: {screen.program()} grade {chosen.short_name}"
        )
    watch.run(chosen_engine(engine_name), catalog, chosen, manual=manual, plain=plain)


kata.add_command(learner.hint)
kata.add_command(learner.solution)
kata.add_command(learner.reset)
kata.add_command(learner.draw_map)


kata.add_command(authors.verify)
kata.add_command(authors.new)
kata.add_command(cohort.cohort)
for command in (handing.handout, *marking.COMMANDS, *handing.COMMANDS, *insight.COMMANDS):
    cohort.cohort.add_command(command)


@kata.command(epilog=examples("kata doctor"))
def doctor() -> None:
    """Check this machine, and name what mends each problem.

    Exit code: 0 if katas can be graded here, else 4.
    """
    with screen.waiting("looking at this machine"):
        checks = health.examine(pathlib.Path.cwd())
    screen.print_checks(checks)
    bad = any(check.state is health.State.BAD for check in checks)
    sys.exit(TROUBLE if bad else PASSED)


@kata.command(
    epilog=examples(
        "kata upstream flaky-provider     its two providers; keys switch faults on",
        'kata upstream egress-guard --script "500,usual"',
        'kata upstream llm --script "429:0.5,hang:2,cut,answer:hello"',
        "kata upstream vendor --port 9000",
    )
)
@kata_here
@click.option(
    "--port", type=click.IntRange(0, 65500), default=practice.UPSTREAM_PORT,
    help="Of the first one; the next are behind it. [default: 8901]",
)  # fmt: skip
@click.option(
    "--script", "scripts", multiple=True, metavar="[NAME:]SCRIPT",
    help='What it plays first, for example "429:0.5,hang:2,cut,usual".',
)  # fmt: skip
def upstream(name: str, port: int, scripts: tuple[str, ...]) -> None:
    """Run the scripted upstreams of KATA, with faults to switch.

    By keys on a terminal, else by lines on standard input. In a script each request takes the next
    step, and the last one repeats for ever. KATA may also be llm (an OpenAI-compatible provider) or
    vendor (a JSON API), for code that belongs to no kata.
    """
    if kind := practice.KINDS.get(name):
        practice.run_upstream(kind, port, scripts)
    else:
        practice.run_upstreams(find_catalog().get(name), port, scripts)


@kata.command(
    epilog=examples(
        "kata serve flaky-provider     beside: kata upstream flaky-provider",
        "kata serve --no-reload        the kata of this folder, for a debugger",
        "OPENAI_BASE_URL=http://127.0.0.1:11434/v1 kata serve egress-guard",
    )
)
@kata_here
@click.option(
    "--port", type=click.IntRange(0, 65535), default=practice.SERVICE_PORT,
    help="Of the service; 0: any that is free. [default: 8900]",
)  # fmt: skip
@click.option(
    "--upstream-port", type=click.IntRange(1, 65500), default=practice.UPSTREAM_PORT,
    help="Where `kata upstream` was told to listen. [default: 8901]",
)  # fmt: skip
@click.option("--no-reload", is_flag=True, help="Do not start anew on change, for a debugger.")
def serve(name: str, port: int, upstream_port: int, no_reload: bool) -> None:
    """Start your service of KATA beside `kata upstream KATA`.

    With OPENAI_BASE_URL set (and OPENAI_MODEL and OPENAI_API_KEY, where needed), its LLM is the
    one there: for play, never for a verdict.
    """
    done = practice.serve(find_catalog().get(name), port, upstream_port, not no_reload)
    sys.exit(PASSED if done else NOT_PASSED)


@kata.command(
    context_settings={"ignore_unknown_options": True},
    epilog=examples(
        "kata test leaky-cv           its visible tests",
        "kata test leaky-cv --pdb     a debugger where one fails",
        "kata test -k leak -x         those of this folder that are about leaks",
    ),
)
@click.argument(
    "arguments", metavar="[KATA] [PYTEST ARGUMENTS]...", nargs=-1, type=click.UNPROCESSED,
    shell_complete=complete_kata,
)  # fmt: skip
def test(arguments: tuple[str, ...]) -> None:
    """Run the visible tests of KATA; --pdb stops where one fails.

    Exit code: 0 all passed, 1 not all passed, 2 nothing could be run, 130 interrupted.
    """
    name, *rest = arguments if arguments and not arguments[0].startswith("-") else (".", *arguments)
    code = practice.run_visible_tests(find_catalog().get(name), rest)
    # By pytest's count 2 is also a file that cannot be imported; below 0 a signal has killed it.
    sys.exit(PASSED if code == 0 else NOT_PASSED if code <= 2 else USAGE)


@kata.command(
    epilog=examples(
        'eval "$(kata completion bash)"      a line for ~/.bashrc',
        'eval "$(kata completion zsh)"       a line for ~/.zshrc, after compinit',
        "kata completion fish | source       a line for ~/.config/fish/config.fish",
    )
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes SHELL complete commands and katas."""
    kind = shell_completion.get_completion_class(shell)
    assert kind is not None
    click.echo(kind(kata, {}, "kata", "_KATA_COMPLETE").source())


def main() -> None:
    """The console script: runs a command and turns errors into words and exit codes."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _interrupt)
    try:
        kata(prog_name="kata", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(USAGE)
    except (KeyboardInterrupt, click.Abort):
        screen.say("interrupted")
        sys.exit(INTERRUPTED)
    except GraderError as error:
        screen.say(str(error))
        sys.exit(error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(INTERRUPTED)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            where = f" to {error.filename}" if error.filename else ""
            screen.say(f"cannot write{where}: {error.strerror}; make room, then do it again")
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            sys.exit(TROUBLE)
        # A defect of ours must not look like a learner's failure, which has exit code 1.
        screen.say(f"the grader broke ({type(error).__name__}: {error}); please report it")
        if os.environ.get("KATA_TRACEBACK"):
            raise
        sys.exit(TROUBLE)


def _interrupt(*_: object) -> None:
    """The first one ends the grading in good order; more would only disturb the tidying up."""
    for name in ("SIGINT", "SIGTERM"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    raise KeyboardInterrupt


def _folder_of(kata: Kata, folder: pathlib.Path | None, single: bool) -> pathlib.Path:
    """Where the submission for a kata lies."""
    if folder is None:
        return kata.folder
    for inside in (folder / kata.name / "reference", folder / kata.name):
        if inside.is_dir():
            return inside
    if not single:
        raise UsageError(f"{folder} holds no {kata.name}; name the one kata that it answers")
    return folder


def _exit_code(done: list[Verdict | GraderError]) -> int:
    for verdict in done:
        if isinstance(verdict, GraderError):
            return verdict.exit_code
        if verdict.outcome is Outcome.TROUBLE:
            return TROUBLE
    passed = all(isinstance(v, Verdict) and v.outcome is Outcome.PASSED for v in done)
    return PASSED if passed else NOT_PASSED
