"""The commands. Nothing else in the package prints."""

import os
import pathlib
import signal
import sys

import click
from click import shell_completion

from grader import __version__, grading, scaffold
from grader import mutants as mutating
from grader import verify as verifying
from grader.catalog import Catalog, Kata
from grader.cli import cohort, health, insight, learner, marking, practice, screen
from grader.cli.arguments import (
    Commands,
    complete_kata,
    examples,
    find_catalog,
    kata_here,
    kata_names,
    suggested_kata,
)
from grader.engines import ENGINES, choose
from grader.engines.base import Engine
from grader.errors import GraderError, RefusedSubmission, UsageError
from grader.grading import Task
from grader.progress import Progress
from grader.submission import collect, is_changed
from grader.verdict import BehaviourResult, Outcome, Verdict

PASSED, NOT_PASSED, USAGE, TROUBLE, INTERRUPTED = 0, 1, 2, 4, 130

_engine = click.option(
    "--engine", "engine_name", default="auto", metavar="NAME",
    shell_complete=lambda _, __, typed: [e for e in ("auto", *ENGINES) if e.startswith(typed)],
    help="auto, docker, bubblewrap or process (no isolation). [default: auto]",
)  # fmt: skip
_jobs = click.option(
    "-j", "--jobs", type=click.IntRange(1, 64), default=os.cpu_count() or 1,
    help="Gradings at once. [default: the number of processors]",
)  # fmt: skip


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
@_engine
@_jobs
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
    katas = _chosen(catalog, names, all_katas)
    if katas and not any(kata.has_hidden_tests for kata in katas):
        sys.exit(learner.run_visible_tests(katas, verdict_wanted=as_json or folder is not None))
    submissions = {kata.name: _folder_of(kata, folder, len(katas) == 1) for kata in katas}
    engine = _choose_engine(engine_name)
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
            screen.say(f"{kata.name}: {verdict}")
    graded = [verdict for verdict in done if isinstance(verdict, Verdict)]
    titles_only = feedback == "titles"
    if as_json:
        screen.print_json(graded, single=len(katas) == 1, titles_only=titles_only)
    else:
        for verdict in graded:
            screen.print_verdict(verdict, titles_only=titles_only)
            if folder is None:
                suggestion = progress.suggestion(catalog.katas)
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
@_engine
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
    watch.run(_choose_engine(engine_name), catalog, chosen, manual=manual, plain=plain)


kata.add_command(learner.hint)
kata.add_command(learner.solution)
kata.add_command(learner.reset)
kata.add_command(learner.draw_map)


@kata.command(
    epilog=examples(
        "kata verify flaky-provider               the whole matrix, for five seeds",
        "kata verify flaky-provider --seeds 50    to find what holds nearly always",
        "kata verify flaky-provider --mutants     does it notice small mistakes?",
        "kata verify --flakes 20                  does it hold on a busy machine?",
    )
)
@kata_names
@_engine
@_jobs
@click.option("--seeds", type=click.IntRange(1), default=5, help="Seeds per answer. [default: 5]")
@click.option("--mutants", is_flag=True, help="Try the reference with small mistakes instead.")
@click.option(
    "--flakes", type=click.IntRange(1), metavar="N",
    help="Grade each right answer N times on a busy machine instead.",
)  # fmt: skip
def verify(
    names: tuple[str, ...],
    engine_name: str,
    jobs: int,
    seeds: int,
    mutants: bool,
    flakes: int | None,
) -> None:
    """Prove that KATA accepts right answers, rejects wrong ones.

    Without a name: every kata. Each answer below solutions/ is graded once for each seed.

    Exit code: 0 all as declared, 1 not, 2 usage, 4 trouble of an engine or the grader.
    """
    catalog = find_catalog()
    katas = _chosen(catalog, names, all_katas=not names)
    problems = [problem for kata in katas for problem in verifying.check_words(kata)]
    if problems:
        screen.print_problems(problems)
        sys.exit(NOT_PASSED)
    engine = _choose_engine(engine_name)
    if mutants:
        sys.exit(_verify_mutants(katas, engine, jobs))
    if flakes:
        sys.exit(_verify_flakes(katas, engine, jobs, flakes))
    drawn = [grading.new_seed() for _ in range(seeds)]
    total = sum(len(verifying.answers(kata)) for kata in katas) * seeds
    cells = []
    with screen.progress("verifying", total) as advance:
        for cell in verifying.verify(katas, engine, drawn, jobs):
            cells.append(cell)
            advance(f"{cell.kata.short_name}: {cell.answer}")
    for kata in katas:
        screen.print_matrix(kata, drawn, [cell for cell in cells if cell.kata is kata])
    sys.exit(NOT_PASSED if any(cell.broke for cell in cells) else PASSED)


def _verify_mutants(katas: list[Kata], engine: Engine, jobs: int) -> int:
    tried = []
    with screen.progress("trying mutants", mutating.COUNT * len(katas)) as advance:
        for one in mutating.attempt(katas, engine, jobs):
            tried.append(one)
            advance(f"{one.kata.short_name}: {one.mutant.file}")
    by_kata = {kata.short_name: [one for one in tried if one.kata is kata] for kata in katas}
    screen.print_mutants(by_kata)
    rates = [mutating.killed(ours) / len(ours) for ours in by_kata.values()]
    return PASSED if min(rates) >= mutating.ENOUGH else NOT_PASSED


def _verify_flakes(katas: list[Kata], engine: Engine, jobs: int, count: int) -> int:
    cells = []
    right = sum(fails is None for kata in katas for fails in verifying.answers(kata).values())
    with screen.progress("looking for flakes", right * count) as advance:
        for cell in verifying.flakes(katas, engine, count, jobs):
            cells.append(cell)
            advance(f"{cell.kata.short_name}: {cell.answer}")
    for kata in katas:
        screen.print_flakes(kata, [cell for cell in cells if cell.kata is kata])
    return NOT_PASSED if any(cell.broke for cell in cells) else PASSED


@kata.command(epilog=examples("kata new 02-data/late-rows"))
@click.argument("name", metavar="PILLAR/KATA")
def new(name: str) -> None:
    """Lay out a new kata, whose proof says what is missing."""
    made = scaffold.lay_out(find_catalog(), name)
    screen.say(f"made {', '.join(map(str, made))}; kata verify {name} says what is missing")


kata.add_command(cohort.cohort)
for command in (*marking.COMMANDS, *insight.COMMANDS):
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
    # By pytest's count 2 is also a file that cannot be imported.
    sys.exit({0: PASSED, 1: NOT_PASSED, 2: NOT_PASSED}.get(code, USAGE))


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


def _chosen(catalog: Catalog, names: tuple[str, ...], all_katas: bool) -> list[Kata]:
    if names:
        return list({kata.name: kata for kata in map(catalog.get, names)}.values())
    if not catalog.katas:
        raise UsageError(f"there are no katas in {catalog.root}")
    changed = [kata for kata in catalog.katas if is_changed(kata)]
    return catalog.katas if all_katas else changed or catalog.katas[:1]


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


def _choose_engine(name: str) -> Engine:
    with screen.waiting("looking for an engine") as step:
        engine, passed_over = choose(name, step)
    if passed_over:
        screen.say(f"grading with {engine.name}, because:")
        for reason in passed_over:
            screen.say(f"  {reason}")
    return engine


def _exit_code(done: list[Verdict | GraderError]) -> int:
    for verdict in done:
        if isinstance(verdict, GraderError):
            return verdict.exit_code
        if verdict.outcome is Outcome.TROUBLE:
            return TROUBLE
    passed = all(isinstance(v, Verdict) and v.outcome is Outcome.PASSED for v in done)
    return PASSED if passed else NOT_PASSED
