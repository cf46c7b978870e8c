"""What the box's forked processes do: answer calls, serve an application, run a command.

From here on learner code shares the process, so nothing here is trusted by the judge.
"""

import atexit
import contextlib
import functools
import gc
import importlib
import io
import itertools
import os
import pathlib
import py_compile
import runpy
import socket
import sys
import tempfile
import threading
import traceback
import warnings
from collections.abc import Callable, Iterable
from py_compile import PycInvalidationMode
from typing import Any, NoReturn

from grader import wire
from grader.errors import WireError

#: Of warm Python processes: what goes through a set comes out in the same order in each of them, or
#: the same seed could come to another verdict in another slot. New interpreters have their own.
SAME_ORDER = {"PYTHONHASHSEED": "0"}
#: How a warm Python process says that it ran out of memory; sysexits.h and shells leave it free.
EXIT_OUT_OF_MEMORY = 117
#: One thread each: a box has few processors, and forks do not carry thread pools along.
THREAD_LIMITS = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
)
#: Of the standard library, what ordinary programs import: each new process would do it again.
COMMON_PARTS = (
    "argparse", "asyncio", "bisect", "copy", "csv", "dataclasses", "datetime", "decimal", "enum",
    "fnmatch", "fractions", "gettext", "glob", "hashlib", "heapq", "inspect", "json", "locale",
    "logging", "pickle", "queue", "random", "secrets", "shutil", "statistics", "subprocess",
    "tempfile", "textwrap", "threading", "typing", "uuid", "zoneinfo",
)  # fmt: skip
#: What uvicorn would import only when it serves.
SERVER_PARTS = ("uvicorn.lifespan.on", "uvicorn.loops.auto", "uvicorn.protocols.http.auto",
                "uvicorn.protocols.websockets.auto")  # fmt: skip
#: What a forked process has to do; the result may be more of it.
Work = Callable[[], Any]
_MAX_TEXT = 2000
#: What Python ends with when it cannot write its last output.
_EXIT_UNWRITTEN = 120
_HERE = str(pathlib.Path(__file__).parent)


def warm(preload: Iterable[str]) -> None:
    """Imports what forks will need, and shares these pages with them."""
    preload = tuple(preload)
    for module in (*COMMON_PARTS, *preload, *(SERVER_PARTS if "uvicorn" in preload else ())):
        importlib.import_module(module)
    # Until someone writes to them, pages are shared; the collector would, on every pass.
    gc.collect()
    gc.freeze()


def bytecode(root: pathlib.Path) -> dict[str, bytes]:
    """The bytecode of each Python file below `root` that compiles, by the file's path.

    It is taken without a look at its source; `importlib.util.cache_from_source` says where.
    """
    compiled = {}
    with warnings.catch_warnings(), tempfile.NamedTemporaryFile(suffix=".pyc") as made:
        warnings.simplefilter("ignore")
        for path in root.rglob("*.py"):
            with contextlib.suppress(Exception):
                py_compile.compile(
                    str(path),
                    made.name,
                    doraise=True,
                    invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
                )
                compiled[path.relative_to(root).as_posix()] = pathlib.Path(made.name).read_bytes()
    return compiled


def do(work: Work) -> NoReturn:
    """Does a forked process's work and ends it as Python would: threads, atexit, objects, buffers.

    Only what the parent had imported stays whole: to take it apart would copy all its pages.
    """
    code, last = 0, next(reversed(sys.modules))
    try:
        while callable(work):
            work = work()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if code and not isinstance(end.code, int):
            print(end.code, file=sys.stderr)
    except BaseException:
        code = 1
        traceback.print_exc()
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    _flush_streams()
    # Backwards from the newest: to look at the parent's own would copy their pages, too.
    for name in list(itertools.takewhile(lambda name: name != last, reversed(sys.modules))):
        del sys.modules[name]
    gc.collect()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        code = code or _EXIT_UNWRITTEN
    os._exit(code & 0xFF)


def _flush_streams() -> None:
    """Writes out what open files of this process hold back; its parent has frozen its own."""
    for stream in gc.get_objects():
        if isinstance(stream, io.IOBase) and stream not in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()


def answer_calls(connection: socket.socket, root: pathlib.Path) -> None:
    """Answers `call` and `method` requests of one behaviour until the judge hangs up."""
    sys.path.insert(0, str(root))
    kept: list[Any] = []
    while True:
        try:
            request = wire.receive(connection)
        except (EOFError, OSError):
            return
        answer: dict[str, Any] = {"id": request["id"]}
        try:
            value = _perform(request, kept)
            if request["keep"]:
                kept.append(value)
                value = len(kept) - 1
            wire.send(connection, {**answer, "value": value}, wire.MAX_ANSWER)
        except WireError as error:
            wire.send(connection, {**answer, "unfit": str(error)})
        except BaseException as error:  # sys.exit in learner code ends the call, not the box
            try:
                wire.send(connection, {**answer, "raised": describe(error, root)})
            except MemoryError:
                sys.exit(EXIT_OUT_OF_MEMORY)


def _perform(request: dict[str, Any], kept: list[Any]) -> Any:
    if request["handle"] is None:
        function = _resolve(request["target"])
    else:
        function = getattr(kept[request["handle"]], request["target"])
        if request["get"]:
            return function
    return function(*request["args"], **request["kwargs"])


def _resolve(target: str) -> Any:
    """What "module:name" or "module:name.attribute" names."""
    module, _, names = target.partition(":")
    found: Any = importlib.import_module(module)
    for name in names.split("."):
        found = getattr(found, name)
    return found


def describe(error: BaseException, root: pathlib.Path) -> dict[str, Any]:
    """An exception as plain data: type, message, and where in the submission it happened."""
    try:
        message = str(error)
    except Exception:
        message = "(its message could not be made)"
    where = ""
    for step in traceback.extract_tb(error.__traceback__):
        if step.filename.startswith(str(root)):
            where = f"{os.path.relpath(step.filename, root)}, line {step.lineno}"
    if isinstance(error, SyntaxError) and str(error.filename).startswith(str(root)):
        message = str(error.msg)
        where = f"{os.path.relpath(str(error.filename), root)}, line {error.lineno}"
    told = {"type": type(error).__name__[:200], "message": message[:_MAX_TEXT], "where": where}
    # Half a surrogate pair could not cross.
    return {name: text.encode("utf-8", "backslashreplace").decode() for name, text in told.items()}


def serve(connection: socket.socket, root: pathlib.Path, target: Any, workers: int) -> None:
    """Serves `target` ("module:app" or a command for $PORT) and tells the judge its port."""
    # With the protocol named, asyncio sets TCP_NODELAY; else each reply waits some 40 ms.
    listener = socket.socket(proto=socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    if isinstance(target, str) and workers == 1:
        wire.send(connection, {"port": port})
        connection.close()
        _guard(root, functools.partial(_uvicorn, root, target, listener))
        return
    listener.close()
    wire.send(connection, {"port": port})
    connection.close()
    os.environ["PORT"] = str(port)
    if isinstance(target, str):
        target = ["python", "-m", "uvicorn", target, "--host", "127.0.0.1", "--port", str(port),
                  "--workers", str(workers), "--log-level", "warning"]  # fmt: skip
    run(root, target, fresh=True)


def _uvicorn(root: pathlib.Path, target: str, listener: socket.socket) -> None:
    import uvicorn

    sys.path.insert(0, str(root))
    # A service's log is read while it runs: what PYTHONUNBUFFERED asks for, which no fork reads.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    config = uvicorn.Config(_resolve(target), log_level="warning", timeout_graceful_shutdown=1)
    uvicorn.Server(config).run(sockets=[listener])


def run(root: pathlib.Path, argv: list[str], *, fresh: bool) -> None:
    """Runs a command. `python -m module` and `python script` go on in this warm interpreter."""
    if argv[0] == "python" and not fresh:
        match argv[1:]:
            case ["-m", module, *_]:
                sys.argv = argv[2:]
                sys.path[:0] = [os.getcwd(), str(root)]
                _guard(root, lambda: runpy.run_module(module, run_name="__main__", alter_sys=True))
                return
            case [script, *_] if not script.startswith("-"):
                sys.argv = argv[1:]
                sys.path[:0] = [str(pathlib.Path(script).resolve().parent), str(root)]
                _guard(root, lambda: runpy.run_path(script, run_name="__main__"))
                return
    program = sys.executable if argv[0] == "python" else argv[0]
    try:
        os.execvp(program, [program, *argv[1:]])
    except OSError as error:
        print(f"{argv[0]}: {error.strerror}", file=sys.stderr)
        sys.exit(127)


def _guard(root: pathlib.Path, work: Any) -> None:
    """Does `work`; what it raises is told as Python would, without the box's own frames."""
    try:
        work()
    except SystemExit:
        raise
    except MemoryError:
        print("MemoryError", file=sys.stderr)
        sys.exit(EXIT_OUT_OF_MEMORY)
    except BaseException as error:
        print("".join(_without_box(traceback.TracebackException.from_exception(error))),
              file=sys.stderr)  # fmt: skip
        sys.exit(1)


def _without_box(report: traceback.TracebackException) -> Iterable[str]:
    foreign = [
        step
        for step in report.stack
        if not step.filename.startswith((_HERE, "<frozen runpy", "<frozen importlib"))
    ]
    report.stack = traceback.StackSummary.from_list(foreign)
    return report.format()
