"""`python -m grader.box --port N`: a box's first process, or the zygote that forks such ones."""

import argparse
import pathlib
from collections.abc import Callable

from grader.box import tasks
from grader.box.supervisor import Supervisor
from grader.box.zygote import Zygote


def main() -> None:
    parser = argparse.ArgumentParser(prog="grader.box")
    parser.add_argument("--port", type=int, required=True, help="port on the loopback")
    parser.add_argument("--zygote", metavar="NAME", help="abstract Unix address of the zygote")
    parser.add_argument("--home", type=pathlib.Path, help="the only writable folder, of one box")
    parser.add_argument("--limit-processes", action="store_true", help="by RLIMIT_NPROC")
    options = parser.parse_args()
    serve: Callable[[], tasks.Work | None]
    if options.zygote:
        serve = Zygote(options.zygote, options.port).serve
    else:
        serve = Supervisor(
            options.port, options.home, limit_processes=options.limit_processes
        ).serve
    # In a forked child `serve` returns what the child must do: here its parent's stack is gone.
    if work := serve():
        tasks.do(work)


if __name__ == "__main__":
    main()
