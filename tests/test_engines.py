"""The conformance suite: every engine, the same behaviour; the isolating ones hold every limit."""

import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time

import pytest

from grader import grading, judge, wire
from grader.box import zygote
from grader.catalog import Kata, Limits
from grader.engines import choose, docker, process
from grader.engines.base import LOCK, Engine
from grader.errors import EngineTrouble, Stopped, UsageError
from grader.grading import KeptSlot, Task, grade, grade_all
from grader.judge.box import Box
from grader.submission import Submission
from grader.verdict import Cause, Outcome, Verdict
from tests.gradings import RIGHT, grade_anew, grade_code, grade_files, result, shape, with_limits
from tests.machine import docker_holds, eventually, offspring

#: How long after its limits a grading may still take, in seconds.
TOLERANCE = 5


def test_right_answer_passes(engine: Engine, toy: Kata) -> None:
    verdict = grade_code(engine, toy, RIGHT)
    assert verdict.outcome is Outcome.PASSED, verdict.behaviours
    assert verdict.points == verdict.points_possible == 4
    assert (verdict.engine, verdict.isolated) == (engine.name, engine.name != "process")


def test_starter_fails_with_findings(engine: Engine, toy: Kata) -> None:
    verdict = grade_code(engine, toy, (toy.folder / "adder.py").read_text())
    failed = ("failed", "failed")
    assert shape(verdict) == {
        "adds": failed, "adds-as-a-command": failed, "keeps-a-total": failed
    }  # fmt: skip
    finding = result(verdict, "adds").finding
    assert finding is not None
    assert int(finding.observed) == int(finding.expected) + 1


def test_a_seed_replays_the_data(engine: Engine, toy: Kata) -> None:
    starter = (toy.folder / "adder.py").read_text()
    first, second, other = (grade_code(engine, toy, starter, seed) for seed in (5, 5, 6))
    assert result(first, "adds").finding == result(second, "adds").finding
    assert result(first, "adds").finding != result(other, "adds").finding


def test_a_set_comes_out_in_the_same_order_in_every_slot(engine: Engine, toy: Kata) -> None:
    code = f"{RIGHT}\n\ndef add(a, b):\n    return ' '.join({{str(n) for n in range(9)}})\n"
    one, other = (
        grade(engine, toy, code, only=frozenset({"adds"})) for grade in (grade_code, grade_anew)
    )
    assert result(one, "adds").finding == result(other, "adds").finding


def test_one_slot_grades_many_submissions_apart(engine: Engine, toy: Kata) -> None:
    wrong = RIGHT.replace("return a + b", "return a - b")
    tasks = [Task(toy, Submission({"adder.py": (wrong if n % 2 else RIGHT).encode()}), 3, str(n))
             for n in range(4)]  # fmt: skip
    outcomes = {task.label: v.outcome for task, v in grade_all(engine, tasks, jobs=1)}  # type: ignore[union-attr]
    assert outcomes == {"0": "passed", "1": "failed", "2": "passed", "3": "failed"}


def test_a_stopped_grading_leaves_its_slot_ready(engine: Engine, toy: Kata) -> None:
    patient = with_limits(toy, behaviour_seconds=60, wall_seconds=120, cpu_seconds=60)
    hangs = Task(patient, Submission({"adder.py": b"import time; time.sleep(1000)"}), 3)
    slot = KeptSlot(engine)
    try:
        for seconds in (1.0, 0.1, 0.0):
            stop = threading.Event()
            threading.Timer(seconds, stop.set).start()
            with pytest.raises(Stopped):
                slot.grade(hangs, stop=stop)
            verdict = slot.grade(Task(patient, Submission({"adder.py": RIGHT.encode()}), 3))
            assert verdict.outcome is Outcome.PASSED, verdict.behaviours
    finally:
        slot.end()


CRASHES = {
    "exit 0 at import": ("import os; os._exit(0)", Cause.CRASHED),
    "sys.exit at import": ("import sys; sys.exit(0)", Cause.FAILED),
    "signal": ("import os; os.kill(os.getpid(), 11)", Cause.CRASHED),
    "sleeps at import": ("import time; time.sleep(1000)", Cause.TIMED_OUT),
    "busy loop": ("while True: pass", Cause.TIMED_OUT),
    "allocates": ("hoard = []\nwhile True: hoard.append(b'x' * 10**7)", Cause.OUT_OF_MEMORY),
    "one huge list": ("hoard = [0] * 10**12", Cause.OUT_OF_MEMORY),
    "floods stdout": (
        "for _ in range(200): print('x' * 2**20)", Cause.TOO_MUCH_OUTPUT),
    "floods stderr": (
        "import sys\nfor _ in range(200): print('x' * 2**20, file=sys.stderr)",
        Cause.TOO_MUCH_OUTPUT),
    "syntax error": ("def add(a, b:\n    return a + b", Cause.FAILED),
    "import error": ("import no_such_library", Cause.FAILED),
}  # fmt: skip


@pytest.mark.parametrize("name", CRASHES)
def test_causes_are_truthful(engine: Engine, toy: Kata, name: str) -> None:
    code, cause = CRASHES[name]
    started = time.monotonic()
    verdict = grade_code(engine, toy, f"{code}\n{RIGHT}", only=frozenset({"adds"}))
    assert time.monotonic() - started < toy.limits.wall_seconds + TOLERANCE
    assert verdict.outcome is Outcome.FAILED
    assert not any(each.passed for each in verdict.behaviours)
    assert result(verdict, "adds").cause is cause, verdict.behaviours


def test_errors_name_the_learners_file_and_line_only(engine: Engine, toy: Kata) -> None:
    verdict = grade_code(engine, toy, RIGHT + "\n\ndef broken(:\n")
    finding = result(verdict, "adds").finding
    assert finding is not None
    line = RIGHT.count("\n") + 3
    assert f"adder.py, line {line}" in finding.observed
    assert "SyntaxError" in finding.observed
    for each in verdict.behaviours:
        assert each.finding is not None
        assert not re.search(r"grader|judge|supervisor|tasks\.py|test_adder", each.finding.observed)


def test_of_a_traceback_the_end_is_told(engine: Engine, toy: Kata) -> None:
    """And where in the submission it began; nothing of the library that raised, or of its place."""
    broken = "import json, sys\nif sys.argv[1:]:\n    json.loads('[')\n"
    finding = result(grade_code(engine, toy, broken + RIGHT), "adds-as-a-command").finding
    assert finding is not None
    assert re.fullmatch(
        r"exit code 1: a traceback: json\.decoder\.JSONDecodeError: .+ \(adder\.py, line 3\)",
        finding.observed,
    )


LISTING = """
from importlib import metadata
names = {each.name.lower().replace("_", "-") for each in metadata.distributions()}
raise RuntimeError(" ".join(sorted(names)))
"""


def test_a_box_has_the_libraries_of_the_lock_alone(isolating: Engine, toy: Kata) -> None:
    """What else the grader's environment has changes no verdict."""
    finding = result(grade_code(isolating, toy, LISTING), "adds").finding
    assert finding is not None
    seen = set(re.findall(r"[\w.-]+", finding.observed.partition("RuntimeError: ")[2]))
    locked = set(re.findall(r"^[\w.-]+(?===)", LOCK.read_text("utf-8"), re.MULTILINE))
    assert "pytest" in seen
    # Whoever makes an environment brings the first three.
    assert seen - {"pip", "setuptools", "wheel"} <= locked | {"adder.py", "line", "4"}


@pytest.mark.parametrize("mark", ["skip", "xfail(run=False)", "parametrize('again', [1, 2])"])
def test_a_behaviour_passes_by_one_whole_run_only(toy: Kata, mark: str) -> None:
    [path] = toy.solutions.glob("hidden/test_*.py")
    again = ", again" if "again" in mark else ""
    head = "def test_adds(submission, rng"
    assert head in path.read_text()
    marked = f"@pytest.mark.{mark}\n{head}{again}"
    path.write_text("import pytest\n" + path.read_text().replace(head, marked))
    verdict = grade_code(process.ProcessEngine(), toy, RIGHT)
    assert result(verdict, "adds").outcome is Outcome.TROUBLE
    assert verdict.outcome is Outcome.TROUBLE


def test_the_wall_limit_ends_a_grading(engine: Engine, toy: Kata) -> None:
    """What was not reached by then is told as such."""
    hurried = with_limits(toy, wall_seconds=2)
    started = time.monotonic()
    verdict = grade_code(engine, hurried, f"import time; time.sleep(1000)\n{RIGHT}")
    assert time.monotonic() - started < 2 + TOLERANCE
    assert verdict.outcome is Outcome.FAILED
    assert {each.cause for each in verdict.behaviours} == {Cause.TIMED_OUT}
    last = verdict.behaviours[-1].finding
    assert last is not None
    assert last.observed.startswith("not reached")


TIMED = """
from grader.judge import expect
from grader.upstreams import Status


def test_adds(submission, vendor, timeline):
    vendor.script(Status(429, retry_after=0.2), Status(500))
    timeline.watch(vendor=vendor)
    service = submission.serve("adder:app", env={"VENDOR": vendor.url})
    service.get("/warm-up")
    timeline.begin()
    reply = service.get("/sum")
    expect(reply.status == 404, observed=f"{reply}", expected="status 404")


def test_adds_as_a_command(submission):
    pass


def test_keeps_a_total(submission):
    pass
"""
ASKS_TWICE = """
import os
import urllib.request


async def app(scope, receive, send):
    for _ in range(2 if scope["path"] == "/sum" else 0):
        try:
            urllib.request.urlopen(os.environ["VENDOR"])
        except OSError:
            pass
    await send({"type": "http.response.start", "status": 204})
    await send({"type": "http.response.body"})
"""


def test_a_timeline_tells_what_happened_when(engine: Engine, toy: Kata) -> None:
    (toy.solutions / "hidden" / "test_adder.py").write_text(TIMED, "utf-8")
    finding = result(grade_code(engine, toy, ASKS_TWICE), "adds").finding
    assert finding is not None
    assert finding.timeline[0].lstrip() == "0 ms  GET /sum"
    assert [line.split(" ms  ")[1] for line in finding.timeline[1:]] == [
        "vendor, call 1: 429, try again after 0.2 s",
        "vendor, call 2: 500",
        "GET /sum: status 204",
    ]


def test_a_behaviour_starts_in_a_clean_box(engine: Engine, toy: Kata) -> None:
    """What one behaviour leaves behind (files, processes, changed sources) the next never sees."""
    code = f"""
import os, pathlib, subprocess, sys
traces = [pathlib.Path(os.environ["TMPDIR"], "trace"), pathlib.Path.cwd() / "trace"]
if any(trace.exists() for trace in traces):
    raise RuntimeError("somebody was here before")
for trace in traces:
    trace.write_text("here")
os.chmod(pathlib.Path(__file__).parent, 0o777)
os.chmod(__file__, 0o666)
pathlib.Path(__file__).write_text("raise RuntimeError('changed')")
{RIGHT}"""
    assert grade_code(engine, toy, code).outcome is Outcome.PASSED


@pytest.mark.parametrize(
    "tell",
    [
        "import atexit; atexit.register(print, text)",
        "import threading; threading.Timer(0.1, print, [text]).start()",
        "import helper; helper.stream.write(text)",
        "class Last:\n  __del__ = lambda self: print(text, flush=True)\n"
        "import helper; helper.last = Last()",
    ],
    ids=["atexit", "thread", "buffer", "finaliser"],
)
def test_a_command_ends_as_python_ends_it(engine: Engine, toy: Kata, tell: str) -> None:
    """What a program leaves to its end still happens, though the interpreter stays in one piece."""
    code = f"""{RIGHT.partition("if __name__")[0]}
if __name__ == "__main__":
    import sys
    sys.path.append(sys.path[0] + "/more")
    text = str(add(int(sys.argv[1]), int(sys.argv[2])))
    {tell.replace(chr(10), chr(10) + "    ")}
"""
    helper = "import os\nstream = open(os.dup(1), 'w')\n"
    assert grade_files(engine, toy, {"adder.py": code, "more/helper.py": helper}).outcome is (
        Outcome.PASSED
    )


def test_what_a_service_prints_can_be_read_while_it_runs(engine: Engine, toy: Kata) -> None:
    path = toy.solutions / "hidden/test_adder.py"
    path.write_text(f"""{path.read_text().partition("def test_keeps_a_total")[0]}
def test_keeps_a_total(submission):
    service = submission.serve("adder:app")
    expect(service.get("/").status == 200, observed="no answer", expected="one")
    log = service.log()
    expect("asked for /" in log, observed=repr(log), expected="'asked for /'")
""")
    code = f"""{RIGHT}
async def app(scope, receive, send):
    if scope["type"] == "http":
        print("asked for", scope["path"])
        await send({{"type": "http.response.start", "status": 200, "headers": []}})
        await send({{"type": "http.response.body", "body": b""}})
"""
    verdict = grade_code(engine, toy, code)
    assert verdict.outcome is Outcome.PASSED, result(verdict, "keeps-a-total").finding


def test_files_beside_the_code_are_there_and_tests_are_not(engine: Engine, toy: Kata) -> None:
    (toy.folder / "prices.csv").write_text("a,b\n1,2\n")
    code = f"""
import pathlib
here = pathlib.Path(__file__).parent
names = sorted(path.relative_to(here).as_posix() for path in here.rglob("*")
               if "__pycache__" not in path.parts)
if names != ["adder.py", "more", "more/deep", "more/deep/x.py", "prices.csv"]:
    raise RuntimeError(str(names))
{RIGHT}"""
    files = {"adder.py": code, "more/deep/x.py": ""}
    assert grade_files(engine, toy, files).outcome is Outcome.PASSED


def test_usage_is_measured_from_outside(isolating: Engine, toy: Kata) -> None:
    verdict = grade_code(isolating, toy, f"sum(range(100_000_000))\n{RIGHT}")
    assert verdict.usage.cpu_seconds is not None
    assert verdict.usage.cpu_seconds > 0.3  # of more than a second
    assert verdict.usage.memory_mb
    assert verdict.usage.processes


# --- the walls of the isolating engines -------------------------------------------------------


def seen_from_inside(engine: Engine, toy: Kata, body: str) -> str:
    """Runs code in a box and returns the text that it raises."""
    verdict = grade_code(engine, toy, f"def look():\n{_indent(body)}\nraise Exception(look())")
    finding = result(verdict, "adds").finding
    assert finding is not None
    return finding.observed.partition("raised Exception: ")[2].rpartition(" (adder.py")[0]


def _indent(body: str) -> str:
    return "\n".join("    " + line for line in body.strip().splitlines())


def test_no_network(isolating: Engine, toy: Kata) -> None:
    """A listener of the test's own, on the host's loopback, cannot be reached."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        socket.create_connection(("127.0.0.1", port)).close()
        told = seen_from_inside(isolating, toy, f"""
import socket
try:
    socket.create_connection(("127.0.0.1", {port}), timeout=2)
    return "reached"
except OSError as error:
    return "refused" if "refused" in str(error) else repr(error)
""")  # fmt: skip
        assert told == "refused"
    names = seen_from_inside(isolating, toy, """
lines = open("/proc/net/dev").read().splitlines()[2:]
return ",".join(sorted(line.partition(":")[0].strip() for line in lines))
""")  # fmt: skip
    assert names == "lo"


def test_no_capabilities_and_no_way_to_more(isolating: Engine, toy: Kata) -> None:
    told = seen_from_inside(isolating, toy, """
lines = open("/proc/self/status").read().splitlines()
fields = dict(line.split(":", 1) for line in lines)
return " ".join(fields[name].strip() for name in
                ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs"))
""")  # fmt: skip
    assert told == " ".join(["0" * 16] * 5 + ["1"])


def test_sees_only_its_own_processes(isolating: Engine, toy: Kata) -> None:
    told = seen_from_inside(isolating, toy, """
import os
seen = sorted(name for name in os.listdir("/proc") if name.isdigit())
return " ".join([*seen, str(os.getpid())])
""")  # fmt: skip
    *seen, own = told.split()
    assert seen == ["1", own]


def test_the_supervisor_keeps_its_memory_to_itself(isolating: Engine, toy: Kata) -> None:
    told = seen_from_inside(isolating, toy, """
import os
def attempt(work):
    try:
        work()
        return "open"
    except OSError as error:
        return type(error).__name__
return " ".join(map(attempt, [lambda: open("/proc/1/mem"), lambda: open("/proc/1/environ").read(),
                              lambda: os.listdir("/proc/1/fd")]))
""")  # fmt: skip
    assert told == "PermissionError PermissionError PermissionError"
    verdict = grade_code(isolating, toy, f"import os\nos.kill(1, 19); os.kill(1, 9)\n{RIGHT}")
    assert verdict.outcome is Outcome.PASSED  # signals from inside do not reach it


def test_only_tmp_can_be_written(isolating: Engine, toy: Kata) -> None:
    told = seen_from_inside(isolating, toy, """
import os
mounts = [line.split()[1] for line in open("/proc/self/mounts")]
tops = [f"{top}/{name}" for top in ("", "/dev", "/opt", "/opt/kata")
        for name in os.listdir(top or "/") if name != "fd"]
folders = {path for path in mounts + tops if os.path.isdir(path) and path[:5] != "/proc"}
return " ".join(sorted(path for path in folders if os.access(path, os.W_OK)))
""")  # fmt: skip
    # Docker's message queues have a folder of their own; the box may not make any.
    assert set(told.split()) - {"/dev/mqueue"} == {"/dev/shm", "/tmp"}


def test_disk_is_limited(isolating: Engine, toy: Kata) -> None:
    told = seen_from_inside(isolating, toy, """
written = 0
try:
    for number in range(40):
        with open(f"/tmp/{number}", "wb") as file:
            for _ in range(20):
                written += file.write(b"x" * 2**20)
except OSError as error:
    return f"{written // 2**20} {error.errno}"
return "no end"
""")  # fmt: skip
    megabytes, number = map(int, told.split())
    assert megabytes <= toy.limits.disk_mb
    assert number == 28  # ENOSPC


def test_fork_bomb_ends(isolating: Engine, toy: Kata) -> None:
    code = f"""
import os
while True:
    try:
        if os.fork() == 0:
            os.setsid()
    except OSError:
        pass
{RIGHT}"""
    started = time.monotonic()
    verdict = grade_code(isolating, toy, code, only=frozenset({"adds"}))
    assert time.monotonic() - started < toy.limits.wall_seconds + TOLERANCE
    assert verdict.outcome is Outcome.FAILED
    assert result(verdict, "adds").cause in (Cause.TIMED_OUT, Cause.CRASHED, Cause.FAILED)


def test_processes_are_limited(isolating: Engine, toy: Kata) -> None:
    told = seen_from_inside(isolating, toy, """
import os, time
count = 0
try:
    while count < 500:
        if os.fork() == 0:
            time.sleep(100)
        count += 1
except OSError as error:
    return f"{count} {type(error).__name__}"
return "no end"
""")  # fmt: skip
    count, name = told.split()
    assert int(count) <= toy.limits.processes
    assert name == "BlockingIOError"


def test_memory_of_many_processes_is_limited(isolating: Engine, toy: Kata) -> None:
    """Each process stays below its own limit; together they do not."""
    code = f"""
import os, time
for _ in range(10):
    if os.fork() == 0:
        hoard = bytearray(200 * 2**20)
        for place in range(0, len(hoard), 4096):
            hoard[place] = 1
        time.sleep(100)
time.sleep(100)
{RIGHT}"""
    verdict = grade_code(isolating, toy, code, only=frozenset({"adds"}))
    assert verdict.outcome is Outcome.FAILED
    assert Cause.OUT_OF_MEMORY in {each.cause for each in verdict.behaviours}
    assert verdict.usage.memory_mb is None or verdict.usage.memory_mb < 10 * 200


def test_cpu_of_many_processes_is_limited(isolating: Engine, toy: Kata) -> None:
    toy = with_limits(toy, cpu_seconds=2, behaviour_seconds=15)
    code = f"""
import os
for _ in range(3):
    os.fork()
while True:
    pass
{RIGHT}"""
    verdict = grade_code(isolating, toy, code)
    assert result(verdict, "adds").cause is Cause.TIMED_OUT
    finding = result(verdict, "adds").finding
    assert finding is not None
    assert "CPU" in finding.observed


@pytest.mark.long
def test_no_flake_under_load(isolating: Engine, toy: Kata) -> None:
    """Two hundred gradings of the same answer, while something else keeps all processors busy."""
    tasks = [Task(toy, Submission({"adder.py": RIGHT.encode()}), seed) for seed in range(200)]
    processors = os.cpu_count() or 1
    load = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processors)]
    try:
        graded = list(grade_all(isolating, tasks, processors))
    finally:
        for process in load:
            process.kill()
            process.wait()
    assert len(graded) == 200
    for _, verdict in graded:
        assert isinstance(verdict, Verdict)
        assert verdict.outcome is Outcome.PASSED, verdict.behaviours


# --- what is left behind ----------------------------------------------------------------------


DAEMON = f"""
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(1000)
    os._exit(0)
{RIGHT}"""


def test_nothing_is_left_behind(isolating: Engine, toy: Kata) -> None:
    uses_docker = isolating.name == "docker"
    before = docker_holds(os.getpid()) if uses_docker else set()
    family = offspring(os.getpid())  # other tests' browser, say
    assert grade_anew(isolating, toy, DAEMON).outcome is Outcome.PASSED
    hangs = f"import time; time.sleep(100)\n{RIGHT}"
    grade_anew(isolating, toy, hangs, only=frozenset({"adds"}))
    assert eventually(lambda: offspring(os.getpid()) <= family)
    assert not uses_docker or eventually(lambda: docker_holds(os.getpid()) <= before)


@pytest.mark.parametrize("name", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_behind_by_a_stopped_grader(
    isolating: Engine, toy: Kata, name: signal.Signals
) -> None:
    if not isolating.warm:  # type: ignore[attr-defined]
        pytest.skip("a command always tries to be warm")
    uses_docker = isolating.name == "docker"
    (toy.folder / "adder.py").write_text(f"import time; time.sleep(100)\n{RIGHT}")
    before = docker_holds(0) if uses_docker else set()
    grader = subprocess.Popen(
        [sys.executable, "-c", "import grader.cli; grader.cli.main()", "grade", "adder",
         "--engine", isolating.name],
        cwd=toy.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    if uses_docker:
        owner = docker.owner_of(grader.pid)
        assert eventually(lambda: len(docker_holds(grader.pid) - before) == 2)
    else:
        assert eventually(lambda: len(offspring(grader.pid)) >= 4)
    time.sleep(0.5)
    family = offspring(grader.pid)
    grader.send_signal(name)
    code = grader.wait(30)
    assert code == (-signal.SIGKILL if name is signal.SIGKILL else 130)
    if name is signal.SIGKILL:
        # Its processes end by themselves; what else it had is taken away by the next grading.
        grade_anew(choose(isolating.name, lambda step: None)[0], toy, RIGHT)
    assert eventually(lambda: not any(pathlib.Path(f"/proc/{pid}").exists() for pid in family))
    if uses_docker:
        listed = subprocess.run(
            ["docker", "ps", "-aq", "--filter", f"label=ai-engineer-katas.owner={owner}"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert listed.stdout == ""
        assert docker_holds(0) <= before


def test_a_judge_that_dies_is_trouble_not_failure(isolating: Engine, toy: Kata) -> None:
    task = Task(toy, Submission({"adder.py": RIGHT.encode()}), 1)
    with isolating.slot() as slot:
        assert grade(task, isolating, slot).outcome is Outcome.PASSED
        slot.tell({"warm": ["no_such_module"]})  # an error that no judge survives
        with pytest.raises(EngineTrouble):
            grade(task, isolating, slot)


def test_a_box_killed_from_outside_is_trouble(
    isolating: Engine, toy: Kata, monkeypatch: pytest.MonkeyPatch
) -> None:
    ordinary = grading._Watch.sample

    def sample_and_kill(watch: grading._Watch) -> None:
        ordinary(watch)
        if any((used.processes or 0) > 1 for used in watch.box.usage().values()):
            watch.box.kill(0)

    monkeypatch.setattr(grading._Watch, "sample", sample_and_kill)
    submission = Submission({"adder.py": f"import time; time.sleep(4)\n{RIGHT}".encode()})
    with isolating.slot() as slot:
        try:
            verdict = grading.grade(grading.Task(toy, submission, 1), isolating, slot)
        except EngineTrouble:
            return  # killed before it had begun
    assert verdict.outcome is Outcome.TROUBLE
    assert result(verdict, "adds").cause is Cause.TROUBLE


def test_a_command_runs_from_the_moment_of_its_start(tmp_path: pathlib.Path) -> None:
    with process.box(tmp_path) as cold_box:
        box = Box(cold_box.port)
        box.hello(Limits().model_dump(), [])
        view = judge.Submission(box, {}, [])
        for _ in range(20):
            started = view.start(["sleep", "60"])
            assert started.running
            started.kill()
            assert not started.running
        box.close()


def test_messages_beyond_the_cap_are_refused() -> None:
    with pytest.raises(wire.WireError, match="the most is"):
        wire.encode(b"x" * (wire.MAX_MESSAGE + 1))


def test_unknown_engine_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="docker, bubblewrap, process"):
        choose("podman", lambda step: None)


def test_auto_says_why_it_passes_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker.DockerEngine, "problem", lambda self: "no daemon")
    engine, passed_over = choose("auto", lambda step: None)
    assert engine.name in ("bubblewrap", "process")
    assert passed_over[0] == "docker: no daemon"


def test_the_end_of_a_warm_box_is_told_alike_each_time() -> None:
    says, ready = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(ready, b"+")
        os._exit(0)
    os.close(ready)
    lane = zygote._Lane(pid, says)
    lane.look(wait=True)
    assert [lane.fate(), lane.fate()] == ["ended", "ended"]
    lane.end()


def test_only_what_a_dead_grader_left_is_taken_away() -> None:
    mine = docker.owner_of(os.getpid())
    host, pid, _ = mine.split()
    child = subprocess.Popen(["sleep", "60"])
    gone = docker.owner_of(child.pid)
    child.kill()
    child.wait()
    owners = mine, gone, f"{host} {pid} 1", f"elsewhere {pid} 1"
    assert [docker._owner_lives(owner) for owner in owners] == [True, False, False, True]
