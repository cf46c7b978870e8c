"""What it finds it raises, in the first words of a message: there a verdict would show it."""

import platform
import re

CANARY = re.compile(rb"CANARY[0-9a-f]{16}[-a-z]*")
seen = []


def look(where, content):
    """Raises the canary that stands in `content`; else notes how much there was to see."""
    found = CANARY.search(content)
    if found:
        raise RuntimeError(f"{found[0].decode()} in {where}")
    seen.append(f"{where} {len(content)}")


def peek(path, most=1 << 20):
    try:
        with open(path, "rb", buffering=0) as stream:
            look(path, stream.read(most) or b"")
    except OSError as error:
        seen.append(f"{path} {error.strerror}")


def breach(what):
    """For what was got and has no canary in it: the suite looks for this word as well."""
    raise RuntimeError(f"BREACH: {what}")


def toothless(why):
    """For an attack that could not even be tried: the suite looks for this word as well."""
    raise RuntimeError(f"TOOTHLESS: {why}")


def number(x86_64, arm64):
    """The number of a system call, for this machine."""
    numbers = {"x86_64": x86_64, "aarch64": arm64}
    return numbers.get(platform.machine()) or toothless("no such machine is known here")


def nothing():
    raise RuntimeError(f"nothing: {'; '.join(seen)[-1500:]}")
