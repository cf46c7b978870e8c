"""Writes no answer, but files whose list would be larger than any message."""

import os
import sys


def main(argv=None):
    deep = "/".join(["\udcff" * 250] * 14)
    os.makedirs(deep, exist_ok=True)
    folder = os.open(deep, os.O_RDONLY)
    for number in range(9000):
        os.close(os.open(f"{number}".rjust(250, "\udcff"), os.O_CREAT, dir_fd=folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
