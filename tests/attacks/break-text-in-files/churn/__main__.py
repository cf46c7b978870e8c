"""Trains nothing, and writes texts that no report should show as they come."""

import contextlib
import json
import os
import pathlib
import sys

TEXT = ("\x1b[2J\x1b]0;passed\x07\x9b31m \u202eliaf\u202c =1+1 "
        "\n::set-output name=outcome::passed\n##[group]x\n<script>alert(1)</script> [bold]x[/]")
NAMES = (TEXT.replace("/", "_").encode()[:200], b"\xff\xfe\x80.csv", b"=cmd|calc.csv", b"a\r\nb.json", b"[red]")
FILES = {
    "metrics.json": json.dumps({TEXT: TEXT, "accuracy": TEXT, "auc": TEXT}),
    "split.csv": f'"{TEXT}","{TEXT}"\n"{TEXT}"\n',
    "scores.csv": f'"{TEXT}"\n1,2,3\n',
    "one.csv": TEXT + "\xff",
}


def main(argv=None):
    arguments = list(sys.argv[1:] if argv is None else argv)
    print(TEXT)
    print(TEXT, file=sys.stderr)
    for place in {".", *(each for each in arguments if each[0] not in "-/" and "." not in each)}:
        with contextlib.suppress(OSError):
            os.makedirs(place, exist_ok=True)
            for name in NAMES:
                pathlib.Path(os.fsdecode(os.path.join(place.encode(), name))).write_text(TEXT)
            for name, text in FILES.items():
                pathlib.Path(place, name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
