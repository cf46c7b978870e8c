"""Everything that one does with this repository: `nox -s SESSION -- ARGUMENTS`, `nox -l` lists."""

import hashlib
import pathlib
import platform
import signal
import subprocess
import sys

import nox

nox.needs_version = ">=2024.4.15"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["grade"]

ROOT = pathlib.Path(__file__).parent
LOCK = ROOT / "requirements.lock"
#: What `kata cohort` needs beyond that; learners do without.
COHORT_LOCK = ROOT / "grader" / "cohort" / "requirements.lock"
RUNTIME_LOCK = ROOT / "grader" / "engines" / "runtime.lock"
OLDEST_PYTHON = (3, 11)
#: A stopped grader takes its containers down; it gets this many seconds before it is killed.
PATIENCE = 20.0
#: The folder of the environment's programs, once `env` has run.
PROGRAMS: list[str] = []


@nox.session
def env(session: nox.Session) -> None:
    """Make the one environment that the other sessions run in, from the lock file."""
    if sys.version_info < OLDEST_PYTHON:
        session.error(f"Python {platform.python_version()} is too old; install 3.11 or newer, "
                      "then: python3.11 -m venv --clear .venv")  # fmt: skip
    PROGRAMS[:] = [session.bin]
    stamp = pathlib.Path(session.virtualenv.location) / "kata.stamp"
    wanted = hashlib.sha256(LOCK.read_bytes() + (ROOT / "pyproject.toml").read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    stamp.unlink(missing_ok=True)
    session.log("fetching the libraries; this happens once")
    # pip compiles what it installs, uv only when told; each new interpreter would do it again.
    # It shows how far it is, where no result will stand.
    session.install("--require-hashes", "-r", str(LOCK), env={"UV_COMPILE_BYTECODE": "1"},
                    silent=False, stdout=sys.stderr)  # fmt: skip
    session.install("--no-deps", "-e", str(ROOT))
    stamp.write_text(wanted)


@nox.session(name="env-cohort", python=False, requires=["env"])
def env_cohort(session: nox.Session) -> None:
    """Add to that environment what cohorts need."""
    stamp = pathlib.Path(PROGRAMS[0]).parent / "cohort.stamp"
    wanted = hashlib.sha256(COHORT_LOCK.read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    stamp.unlink(missing_ok=True)
    session.log("fetching the libraries for cohorts; this happens once")
    options = ["--quiet", "--require-hashes", "--no-deps", "-r", str(COHORT_LOCK)]
    session.run(str(pathlib.Path(PROGRAMS[0]) / "python"), "-m", "pip", "install", *options)
    stamp.write_text(wanted)


@nox.session(python=False, requires=["env"])
def grade(session: nox.Session) -> None:
    """Grade your katas: all that you have changed, or `-- KATA…`, `-- --help` for more."""
    run("kata", "grade", *session.posargs)


@nox.session(name="map", python=False, requires=["env"])
def draw_map(session: nox.Session) -> None:
    """Draw how far you are as a web page: `-- --open` shows it, `-- --svg FILE` adds a picture."""
    run("kata", "map", *session.posargs)


@nox.session(python=False, requires=["env"])
def watch(session: nox.Session) -> None:
    """Grade a kata whenever you save one of its files: the next one, or `-- KATA`."""
    run("kata", "watch", *session.posargs)


@nox.session(python=False, requires=["env"])
def verify(session: nox.Session) -> None:
    """Prove that the katas accept right answers and reject wrong ones; `-- KATA…` for some."""
    run("kata", "verify", *session.posargs)


@nox.session(python=False, requires=["env"])
def doctor(session: nox.Session) -> None:
    """Check this machine, and name the step that mends each problem."""
    run("kata", "doctor", *session.posargs)


@nox.session(python=False, requires=["env"])
def new(session: nox.Session) -> None:
    """Lay out a new kata: `-- PILLAR/KATA`."""
    run("kata", "new", *session.posargs)


@nox.session(python=False, requires=["env-cohort"])
def cohort(session: nox.Session) -> None:
    """Collect and grade the work of many learners: `-- init DIR` begins, `-- --help` says how."""
    run("kata", "cohort", *session.posargs)


@nox.session(python=False, requires=["env-cohort"])
def tests(session: nox.Session) -> None:
    """Test the project itself, every kata included; arguments go to pytest."""
    run("pytest", *session.posargs)


@nox.session(python=False, requires=["env"])
def attacks(session: nox.Session) -> None:
    """Try every attack of tests/attacks on every engine that isolates; arguments go to pytest."""
    run("pytest", "tests/test_attacks.py", "-m", "", *session.posargs)


@nox.session(python=False, requires=["env"])
def peers(session: nox.Session) -> None:
    """Try the same attacks on pytest in a container; `-- --write` puts it into docs/peers.md."""
    run("python", "-m", "tests.peers", *session.posargs)


@nox.session(python=False, requires=["env"])
def bench(session: nox.Session) -> None:
    """Measure what a grading costs, beside the least and the naive way; `-- --help` for more."""
    run("python", "-m", "tests.bench", *session.posargs)


@nox.session(python=False, requires=["env-cohort"])
def lint(session: nox.Session) -> None:
    """Check style and types."""
    run("ruff", "check", ".")
    run("ruff", "format", "--check", ".")
    run("mypy")


@nox.session
def lock(session: nox.Session) -> None:
    """Renew the lock files (needs a package index; the files name none)."""
    session.install("uv")
    options = ["--quiet", "--universal", "--generate-hashes", "--no-emit-index-url", "--no-header",
               "--no-annotate", "--python-version", "3.11", *session.posargs]  # fmt: skip
    session.run("uv", "pip", "compile", "--group", "pyproject.toml:runtime",
                "--output-file", str(RUNTIME_LOCK), *options)  # fmt: skip
    pins = [line.removesuffix(" \\") for line in RUNTIME_LOCK.read_text().splitlines()
            if not line.startswith(" ")]  # fmt: skip
    constraints = pathlib.Path(session.create_tmp()) / "constraints.txt"
    constraints.write_text("\n".join(pins))
    session.run("uv", "pip", "compile", "pyproject.toml", "--group", "dev", "--constraint",
                str(constraints), "--output-file", str(LOCK), *options)  # fmt: skip
    # The same versions again, so that the one environment can hold both.
    session.run("uv", "pip", "compile", "pyproject.toml", "--extra", "cohort", "--constraint",
                str(LOCK), "--output-file", str(COHORT_LOCK), *options)  # fmt: skip


def run(program: str, *arguments: str) -> None:
    """Runs a program of the environment; if it fails, nox ends with its exit code."""
    process = subprocess.Popen([str(pathlib.Path(PROGRAMS[0]) / program), *arguments], cwd=ROOT)
    try:
        code = process.wait()
    except KeyboardInterrupt:
        # The grader takes its sandboxes down before it ends; it ignores a second interrupt.
        process.send_signal(signal.SIGINT)
        try:
            code = process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
    if code != 0:
        sys.exit(code)
