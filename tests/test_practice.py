"""Practice by hand, as a learner meets it: upstreams to switch, the service beside them, a model of
their own, the visible tests; and what an editor makes of it."""

import contextlib
import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import click
import httpx
import pytest

import grader.cli
from grader.catalog import Catalog, Kata
from grader.engines import bubblewrap
from grader.errors import CatalogError
from grader.upstreams import Answer, FakeLLM, FakeVendor
from grader.verify import check_words
from tests.commands import KATA, PATH, PLAIN, kata, solve
from tests.conftest import ROOT
from tests.test_catalog import edit

BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
SECONDS = 120.0
pty = pytest.importorskip("pty")


class Running:
    """A command that goes on, and what it has said so far."""

    def __init__(self, folder: pathlib.Path, *arguments: str, **env: str) -> None:
        clean = {name: value for name, value in os.environ.items() if "OPENAI" not in name}
        self.process = subprocess.Popen(
            [*KATA, *arguments], cwd=folder, env={**clean, "PATH": PATH, **env},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.said = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        while part := os.read(self.process.stdout.fileno(), 4096):
            self.said += part.decode()

    def hears(self, pattern: str) -> str:
        """What it says that fits, at the latest after some seconds: the first group, or all."""
        give_up = time.monotonic() + SECONDS
        while not (found := re.search(pattern, self.said)):
            assert time.monotonic() < give_up, f"{pattern} is not in:\n{self.said}"
            time.sleep(0.02)
        return found[1] if found.groups() else found[0]

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def ends(self, by: signal.Signals | None = None) -> int:
        if by is not None:
            self.process.send_signal(by)
        code = self.process.wait(SECONDS)
        self._reader.join(SECONDS)
        return code


@contextlib.contextmanager
def running(folder: pathlib.Path, *arguments: str, **env: str) -> Iterator[Running]:
    it = Running(folder, *arguments, **env)
    try:
        yield it
    finally:
        if it.process.poll() is None:
            it.process.send_signal(signal.SIGTERM)
            it.process.wait(SECONDS)
        for stream in (it.process.stdin, it.process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


def two_ports() -> int:
    """A port that is free, with the one behind it."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as one:
            port = int(one.getsockname()[1])
            with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port + 1)):
                return port


def until(holds: Callable[[], bool]) -> None:
    give_up = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.1)


def asked(url: str) -> str | int:
    """What an LLM answers, or its status."""
    reply = httpx.post(f"{url}/chat/completions", json=BODY)
    if reply.status_code != 200:
        return reply.status_code
    return str(reply.json()["choices"][0]["message"]["content"])


# --- upstreams ----------------------------------------------------------------------------------


def test_upstreams_of_a_kata_are_switched_by_lines() -> None:
    script = ("--script", "backup: 503,usual")
    with running(ROOT, "upstream", "flaky-provider", "--port", "0", *script) as it:
        primary, backup = (it.hears(rf"{name}_URL=(\S+)") for name in ("PRIMARY", "BACKUP"))
        it.hears("backup: from now on 503 Service Unavailable, then")
        assert [asked(backup), asked(backup)] == [
            503,
            "Your parcel is on its way, says the backup.",
        ]
        assert asked(primary) == "Your parcel is on its way, says the primary."
        it.hears(r'primary 1: after \d+ ms it got the answer "Your parcel')
        for line, told, got in (
            ("primary: 1", "primary: from now on answers 500", 500),
            ("429:3", "primary: from now on 429 Too Many Requests with Retry-After: 3", 429),
            ("answer:hello", 'primary: from now on the answer "hello"', "hello"),
            ("0", "primary: from now on as usual", "Your parcel is on its way, says the primary."),
        ):
            it.tell(line)
            it.hears(re.escape(told))
            assert asked(primary) == got
        it.tell("explode")
        it.hears('unknown step "explode"; known are')
        it.tell("help")
        it.hears(r"\* 0  as usual\n")
        it.hears(r"  b  answers 400, whatever is asked\n")
        assert max(map(len, it.said.split("unknown step")[0].splitlines())) < 80
        it.tell("quit")
        assert it.ends() == 0


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_an_upstream_of_no_kata_goes_on_when_its_input_has_ended(
    toy: Kata, by: signal.Signals
) -> None:
    with running(toy.folder, "upstream", "llm", "--port", "0", "--script", "429,answer:hi") as it:
        url = it.hears(r"http://\S+")
        assert it.process.stdin is not None
        it.process.stdin.close()
        assert [asked(url) for _ in range(3)] == [429, "hi", "hi"]
        assert it.ends(by) == 0
        assert "Traceback" not in it.said


def test_upstreams_are_switched_by_keys_on_a_terminal() -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*KATA, "upstream", "flaky-provider", "--port", "0"], cwd=ROOT, stdin=theirs,
        stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "dumb"},
    )  # fmt: skip
    os.close(theirs)
    said = ""

    def hears(pattern: str) -> str:
        nonlocal said
        while not (found := re.search(pattern, said)):
            assert select.select([ours], [], [], SECONDS)[0], f"{pattern} is not in:\n{said}"
            said += os.read(ours, 4096).decode()
        said = said[found.end() :]
        return found[1] if found.groups() else found[0]

    try:
        url = hears(r"PRIMARY_URL=(\S+)")
        hears(r"What primary does, from its next request on \(\*: now\):")
        hears("  4  never answers")
        hears("q: quit")
        for keys, told in (
            ("1", "primary: from now on answers 500"),
            ("\x1b[A2", "primary: from now on answers 429 with Retry-After: 60"),
            ("z", '"z" is not on the menu; [?] shows it'),
            ("n", "The keys now switch backup."),
            ("3n", "The keys now switch primary."),
            ("s", "A script for primary"),
            ("418\n", "primary: from now on 418"),
            ("?", "q: quit"),
        ):
            os.write(ours, keys.encode())
            hears(told)
        assert asked(url) == 418
        hears(r"primary 1: POST /v1/chat/completions")
        os.write(ours, b"q")
        assert process.wait(SECONDS) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(["upstream", "llm", "--port", "0", "--script", "explode"], 'unknown step "explode"'),
     (["upstream", "flaky-provider", "--port", "TAKEN"], "its port cannot be used"),
     (["upstream", "fan-out-join"], "fan-out-join calls nobody"),
     (["upstream"], "start from its folder"),
     (["serve", "fan-out-join"], "fan-out-join has no service"),
     (["serve", "flaky-provider", "--port", "TAKEN"], "port TAKEN cannot be used"),
     (["serve", "judge-with-a-favourite", "--upstream-port", "FREE"], "start it in another")],
    ids=" ".join,
)  # fmt: skip
def test_what_cannot_be_started_says_why(arguments: list[str], told: str) -> None:
    free = str(two_ports())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        words = [word.replace("TAKEN", port).replace("FREE", free) for word in arguments]
        done = kata(ROOT, *words, OPENAI_BASE_URL="")
    assert (done.returncode, done.stdout) == (2, "")
    assert told.replace("TAKEN", port) in done.stderr
    assert "Traceback" not in done.stderr


# --- the service --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "told", "got"),
    [("flaky-provider", "primary 1: after", "says the primary"),
     ("egress-guard", "model 1: after", "bookings"),
     ("unmonitored-endpoint", "explainer 1: after", "many calls to support")],
)  # fmt: skip
def test_the_service_runs_beside_its_upstreams(name: str, told: str, got: str) -> None:
    """The line to try is one that works: it is run as it stands."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not here")
    port = str(two_ports())
    with (
        running(ROOT, "upstream", name, "--port", port) as upstream,
        running(ROOT, "serve", name, "--port", "0", "--upstream-port", port) as it,
    ):
        upstream.hears(f"kata serve {name} --upstream-port {port}")
        it.hears("Application startup complete")
        line = re.search(r"Try it.*?:\n(.+?)\nINFO", it.said, re.DOTALL)
        assert line
        script = line[1].replace("curl ", "curl --noproxy '*' ")
        # More than once, for one service is still loading its model.
        until(lambda: got in subprocess.run(["bash", "-c", script], capture_output=True,
                                            encoding="utf-8").stdout)  # fmt: skip
        upstream.hears(told)
        assert it.ends(signal.SIGINT) == 0


def test_a_service_whose_upstream_is_not_there_says_so() -> None:
    port = str(two_ports())
    with running(ROOT, "serve", "flaky-provider", "--port", "0", "--upstream-port", port) as it:
        it.hears("It does not listen yet. In another terminal:")
        it.hears("kata upstream flaky-provider")
        it.hears("Application startup complete")


APP = """
import os, time
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    if scope["path"] == "/block":
        time.sleep(600)
    body = f"{os.getpid()} WORD {os.environ['PLACE']}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})
"""


@pytest.fixture
def served(toy: Kata) -> Iterator[tuple[Running, Kata, str]]:
    """The toy kata with a service of its own, running."""
    (toy.folder / "adder.py").write_text(APP.replace("WORD", "first"))
    (toy.folder / "kata.toml").write_text(
        (toy.folder / "kata.toml").read_text()
        + '\n[serve]\napp = "adder:app"\nenv = { PLACE = "$scratch/x" }\n'
    )
    with running(toy.folder, "serve", "--port", "0") as it:
        url = it.hears(r"http://\S+")
        it.hears("Application startup complete|Uvicorn running")
        yield it, toy, url


def test_a_service_that_blocks_starts_anew_on_change(served: tuple[Running, Kata, str]) -> None:
    _, toy, url = served
    until(lambda: "first" in word(url))
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(f"{url}/block", timeout=0.3)
    (toy.folder / "adder.py").write_text(APP.replace("WORD", "second"))
    until(lambda: "second" in word(url))


def word(url: str) -> str:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(url, timeout=2).text
    return ""


def test_the_service_starts_anew_on_change(served: tuple[Running, Kata, str]) -> None:
    it, toy, url = served
    until(lambda: "first" in word(url))
    assert "kata-" in word(url)
    (toy.folder / "adder.py").write_text("no (python")
    it.hears("It has ended; it starts anew when you save")
    (toy.folder / "adder.py").write_text(APP.replace("WORD", "second"))
    until(lambda: "second" in word(url))


def test_nothing_is_left_of_a_service_that_blocks(served: tuple[Running, Kata, str]) -> None:
    it, _, url = served
    until(lambda: "first" in word(url))
    process = int(word(url).split()[0])
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(f"{url}/block", timeout=0.3)
    assert it.ends(signal.SIGTERM) == 0

    def is_gone() -> bool:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, 0)
            stat = pathlib.Path(f"/proc/{process}/stat")
            return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] in "ZX"
        return True

    until(is_gone)


# --- a model of one's own -----------------------------------------------------------------------


def own(llm: FakeLLM) -> dict[str, str]:
    return {"OPENAI_BASE_URL": llm.url, "OPENAI_API_KEY": "sk-mine", "OPENAI_MODEL": "mine"}


def test_flaky_provider_with_a_model_of_ones_own(llm: FakeLLM) -> None:
    llm.script(Answer("from my model"))
    with running(ROOT, "serve", "flaky-provider", "--port", "0", **own(llm)) as it:
        url = it.hears(r"app:app at (\S+)")
        it.hears("a verdict never comes from it")
        it.hears("Application startup complete")
        reply = httpx.post(f"{url}/ask", json={"prompt": "hi", "deadline_ms": 9000}, timeout=20)
    assert (reply.json()["answer"], reply.json()["source"]) == ("from my model", "primary")
    assert llm.calls[0].headers["authorization"] == "Bearer sk-mine"
    assert llm.calls[0].fields["model"] == "mine"
    assert "sk-mine" not in it.said


def test_egress_guard_with_a_model_of_ones_own(llm: FakeLLM) -> None:
    llm.script(Answer("from my model"))
    with running(ROOT, "serve", "egress-guard", "--port", "0", **own(llm)) as it:
        url = it.hears(r"app:app at (\S+)")
        it.hears('"model": "mine"')  # in the line to try
        it.hears("Application startup complete")
        assert asked(f"{url}/v1") == "from my model"
    assert llm.calls[0].headers["authorization"] == "Bearer sk-mine"


def test_judge_with_a_model_of_ones_own(llm: FakeLLM) -> None:
    llm.script(Answer('{"reason": "So.", "verdict": "A"}'))
    done = kata(ROOT, "serve", "judge-with-a-favourite", **own(llm), JUDGE_MODEL="judge-mine")
    assert done.returncode == 0, done
    assert json.loads(done.stdout[done.stdout.index("{") :])["items"] >= 5
    assert {call.fields["model"] for call in llm.calls} == {"judge-mine"}
    assert {call.headers["authorization"] for call in llm.calls} == {"Bearer sk-mine"}


def test_a_katas_own_variables_win(llm: FakeLLM) -> None:
    with FakeLLM(script=[Answer("from the other")]) as other:
        elsewhere = {"PRIMARY_URL": other.url, "PRIMARY_MODEL": "its"}
        with running(ROOT, "serve", "flaky-provider", "--port", "0", **own(llm), **elsewhere) as it:
            url = it.hears(r"app:app at (\S+)")
            it.hears("Application startup complete")
            body = {"prompt": "hi", "deadline_ms": 9000}
            reply = httpx.post(f"{url}/ask", json=body, timeout=20)
        assert reply.json()["answer"] == "from the other"
        assert other.calls[0].fields["model"] == "its"
        # The key of one's own endpoint goes nowhere else.
        assert "sk-mine" not in other.calls[0].headers["authorization"]
    assert llm.calls == []


@pytest.mark.parametrize(
    ("env", "told"),
    [({"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}, "set OPENAI_MODEL to the model"),
     ({"OPENAI_BASE_URL": "127.0.0.1", "OPENAI_MODEL": "m"}, "begins with http://")],
)  # fmt: skip
def test_half_an_endpoint_of_ones_own_is_told(env: dict[str, str], told: str) -> None:
    clean = {"OPENAI_MODEL": "", "JUDGE_MODEL": ""}
    done = kata(ROOT, "serve", "judge-with-a-favourite", **{**clean, **env})
    assert done.returncode == 2
    assert told in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("names", "told", "asked_for"),
    [(["mine", "text-embedding"], "yours, mine at", {"mine"}),
     (["a", "b"], "it serves a, b; set", set()), ([], "it serves no model; set", set())],
    ids=str,
)  # fmt: skip
def test_the_only_model_need_not_be_named(
    names: list[str], told: str, asked_for: set[str], vendor: FakeVendor
) -> None:
    answer = {"choices": [{"message": {"content": '{"reason": "So.", "verdict": "A"}'}}]}
    vendor.route("GET /v1/models", {"data": [{"id": name} for name in names]})
    vendor.route("POST /v1/chat/completions", answer)
    env = {"OPENAI_BASE_URL": f"{vendor.url}/v1", "OPENAI_MODEL": "", "JUDGE_MODEL": ""}
    done = kata(ROOT, "serve", "judge-with-a-favourite", **env)
    assert told in " ".join(done.stderr.split())
    assert {call.fields["model"] for call in vendor.calls if call.method == "POST"} == asked_for


def test_a_model_of_ones_own_has_no_part_in_a_verdict(toy: Kata, llm: FakeLLM) -> None:
    """Even without walls around it, graded code sees nothing of these variables."""
    solve(toy)
    file = toy.folder / "adder.py"
    check = "import os\nassert not [name for name in os.environ if 'OPENAI' in name]\n"
    file.write_text(check + file.read_text())
    done = kata(toy.folder, "grade", *PLAIN, **own(llm))
    assert done.returncode == 0, done
    assert llm.calls == []


# --- visible tests ------------------------------------------------------------------------------


def test_visible_tests_run_in_the_katas_folder(toy: Kata) -> None:
    assert kata(toy.folder, "test").returncode == 1
    solve(toy)
    done = kata(toy.folder, "test")
    assert done.returncode == 0, done
    assert "1 passed" in done.stdout
    assert kata(toy.folder.parents[2], "test", "adder", "-k", "one_and").returncode == 0
    assert kata(toy.folder, "test", "-k", "nothing").returncode == 2
    assert kata(toy.folder.parents[2], "test").returncode == 2
    (toy.folder / "adder.py").write_text("def add(")
    assert kata(toy.folder, "test").returncode == 1


@pytest.mark.skipif(os.name != "posix", reason="there are no signals here")
def test_visible_tests_that_are_killed_have_not_passed(toy: Kata) -> None:
    path = toy.folder / "tests/test_adder.py"
    path.write_text("import os\n\ndef test_dies():\n    os.kill(os.getpid(), 9)\n")
    assert kata(toy.folder, "test", "adder").returncode == 1


def test_visible_tests_under_a_debugger(toy: Kata) -> None:
    with running(toy.folder, "test", "--pdb") as it:
        it.hears(r"\(Pdb\) ")
        it.tell("p 6 * 7")
        it.hears("42")
        it.tell("q")
        it.ends()


def test_a_file_names_its_kata(toy: Kata) -> None:
    catalog = Catalog(toy.folder.parents[2])
    for path in (toy.folder, toy.folder / "tests/test_adder.py"):
        assert catalog.get(str(path)).name == toy.name
    done = kata(toy.folder.parents[2], "test", str(toy.folder / "adder.py"))
    assert done.returncode == 1


# --- kata.toml ----------------------------------------------------------------------------------

UPSTREAM = '[[upstreams]]\nname = "llm"\nkind = "llm"\nurl = "A_URL"\n'
SERVE = '[serve]\napp = "app:app"\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [(UPSTREAM.replace('"llm"\nurl', '"mail"\nurl'), "upstreams.0.kind"),
     (UPSTREAM.replace("A_URL", "a-url"), "upstreams.0.url"),
     (UPSTREAM.replace("url", "adress"), "there is no such key"),
     (UPSTREAM + 'usual = "explode"\n', 'unknown step "explode"'),
     (UPSTREAM + 'menu = { "goes off" = "explode" }\n', 'unknown step "explode"'),
     (UPSTREAM * 2, "upstreams: declared twice: llm"),
     (SERVE + 'command = ["python"]\n', "one of the two"),
     ("[serve]\n", "one of the two"),
     (SERVE + 'try = "curl $adress"\n', "only $url, $model, $scratch"),
     (SERVE + 'env = { PLACE = "$nowhere" }\n', "only $url, $model, $scratch")],
)  # fmt: skip
def test_what_a_kata_declares_is_checked(toy: Kata, text: str, told: str) -> None:
    path = toy.folder / "kata.toml"
    path.write_text(path.read_text() + "\n" + text)
    with pytest.raises(CatalogError) as error:
        _ = Catalog.find(toy.folder).katas
    assert "kata.toml" in str(error.value)
    assert told in str(error.value)


def test_the_readme_names_the_variables(toy: Kata) -> None:
    path = toy.folder / "kata.toml"
    path.write_text(path.read_text() + "\n" + UPSTREAM)
    changed = Catalog.find(toy.folder).get("adder")
    assert any("A_URL does not stand in the README" in problem for problem in check_words(changed))
    edit(toy.folder / "README.md", "## Interface", "## Interface\n\nIt finds the LLM at `A_URL`.")
    assert check_words(changed) == []


# --- editors and containers ---------------------------------------------------------------------


def test_the_editors_tasks_call_commands_that_there_are() -> None:
    tasks = json.loads((ROOT / ".vscode/tasks.json").read_text())["tasks"]
    launches = json.loads((ROOT / ".vscode/launch.json").read_text())["configurations"]
    called = {task["args"][0] for task in tasks if task["command"].endswith("/kata")}
    called |= {launch["args"][0] for launch in launches}
    assert called - {"watch"} == {"grade", "test", "upstream", "serve"}
    for each in (*tasks, *launches):
        if each["args"][0] in grader.cli.kata.commands:
            command = grader.cli.kata.commands[each["args"][0]]
            command.make_context("kata", list(each["args"][1:]), resilient_parsing=False).close()
    assert all(launch["module"] == "grader.cli" for launch in launches)
    listed = subprocess.run([sys.executable, "-m", "grader.cli", "--help"], cwd=ROOT,
                            capture_output=True, encoding="utf-8", check=True)  # fmt: skip
    assert listed.stdout.startswith("Usage: kata")
    assert isinstance(grader.cli.kata, click.Group)


def test_the_container_asks_for_what_the_engine_would_advise() -> None:
    text = (ROOT / ".devcontainer/devcontainer.json").read_text()
    plain = json.loads(re.sub(r"(?m)^\s*//.*$", "", text))
    options = plain["runArgs"]
    assert options[::2] == ["--security-opt"] * len(options[1::2])
    assert options[1::2] == [f"{wall}=unconfined" for wall in bubblewrap._CONTAINER_WALLS]
    nested = (ROOT / ".devcontainer/docker/devcontainer.json").read_text()
    for each in (plain, json.loads(re.sub(r"(?m)^\s*//.*$", "", nested))):
        assert os.access(ROOT / each["postCreateCommand"], os.X_OK)
