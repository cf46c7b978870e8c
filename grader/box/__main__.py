"""`python -m grader.box --port N --home DIR`: the first process of a box."""

import argparse
import pathlib

from grader.box.supervisor import Supervisor


def main() -> None:
    parser = argparse.ArgumentParser(prog="grader.box")
    parser.add_argument("--port", type=int, required=True, help="port on the loopback")
    parser.add_argument("--home", type=pathlib.Path, required=True, help="the only writable folder")
    parser.add_argument("--limit-processes", action="store_true", help="by RLIMIT_NPROC")
    options = parser.parse_args()
    supervisor = Supervisor(options.port, options.home, limit_processes=options.limit_processes)
    # In a forked child `serve` returns the child's task: it runs here, with the supervisor's stack
    # gone, and ends with the interpreter's ordinary finalisation (atexit, threads, buffers).
    task = supervisor.serve()
    if task is not None:
        task()


if __name__ == "__main__":
    main()
