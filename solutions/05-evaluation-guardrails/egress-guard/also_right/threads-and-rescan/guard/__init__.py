"""What may leave: one pure function over a whole text, and how much of a text it can be asked for."""

from __future__ import annotations

import html
import json
import os
import re
from urllib.parse import urlsplit

import idna

UPSTREAM, KEY = os.environ["UPSTREAM_URL"], os.environ["UPSTREAM_API_KEY"]
CANARY = os.environ["CANARY"].lower()
with open(os.environ["POLICY_FILE"], encoding="utf-8") as stream:
    POLICY = json.load(stream)
HOSTS = POLICY["hosts"]
PUBLIC = {address.lower() for address in POLICY["public_emails"]}

URL = re.compile(
    r"""(?:(?:https?|ftp):/+|(?:(?<=^)|(?<=[\s(<="']))(?://(?!/)|(?:data|javascript):))"""
    r"""[^\s<>"'`)\]]+""",
    re.IGNORECASE,
)
SECRET = re.compile(
    r"(?P<card>(?<!\d)(?:\d{16}|\d{4}(?: \d{4}){3}|\d{4}(?:-\d{4}){3})(?!\d))"
    r"|(?<![\w-])(?P<key>sk-[A-Za-z0-9_-]{20,}|AKIA[A-Z0-9]{16}\b|ghp_[A-Za-z0-9]{36,})"
    r"|(?P<email>(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,})"
    rf"|(?P<canary>{re.escape(CANARY)})",
    re.IGNORECASE,
)


def host_of(url: str) -> str | None:
    try:
        name = urlsplit("//" + re.sub(r"^(?:https?:)?/+", "", url, flags=re.I)).hostname
        return idna.encode((name or "").removesuffix("."), uts46=True).decode()
    except (ValueError, idna.IDNAError):
        return None


def judged(url: str) -> str:
    """What becomes of a URL: itself, a part of it, or nowhere."""
    if re.match(r"(?:ftp|data|javascript):", url, re.I) or "\\" in url:
        return "about:blank"
    kind = HOSTS.get(host_of(url))
    if kind is None:
        return "about:blank"
    return url if kind == "any" else re.split(r"[?#]", url)[0]


def readings(word: str) -> set[str]:
    """What a browser may make of a word that holds references or backslashes."""
    plain = html.unescape(word)
    return {plain.replace("\\", "/"), re.sub(r"\\(?=[!-/:-@[-`{-~])", "", plain).replace("\\", "/")}


def guard_prose(line: str) -> tuple[str, int]:
    blocked = 0

    def judge(match: re.Match[str]) -> str:
        nonlocal blocked
        verdict = judged(match[0])
        blocked += verdict == "about:blank"
        return verdict

    def judge_word(match: re.Match[str]) -> str:
        nonlocal blocked
        word = match[0]
        if "\\" not in word and "&" not in word.replace("&amp;", ""):
            return word
        for reading in readings(word):
            urls = [each for each in URL.findall(reading) if judged(each) != each]
            if urls:
                blocked += 1
                return "about:blank"
        return word

    line = URL.sub(judge, line)
    return re.sub(r"\S+", judge_word, line), blocked


def passes_luhn(number: str) -> bool:
    digits = [int(digit) for digit in reversed(number) if digit.isdigit()]
    return sum(d if i % 2 == 0 else (2 * d - 9 if d > 4 else 2 * d) for i, d in enumerate(digits)) % 10 == 0


def redact(line: str) -> tuple[str, int]:
    redacted = 0

    def judge(match: re.Match[str]) -> str:
        nonlocal redacted
        kind, found = match.lastgroup, match[0]
        if kind == "email" and found.lower() in PUBLIC:
            return found
        if kind == "card" and not passes_luhn(found):
            return found
        if kind == "key" and not re.match(r"sk-|AKIA|ghp_", found):
            return found
        redacted += 1
        return "[redacted]"

    line = re.sub(re.escape(CANARY), "\x00", line, flags=re.I)
    redacted += line.count("\x00")
    line = SECRET.sub(judge, line)
    return line.replace("\x00", "[redacted]"), redacted


def guarded(text: str) -> tuple[str, int, int]:
    """The whole text, as far as it is known, with everything replaced; and both counts."""
    parts, fence, blocked, redacted = [], "", 0, 0
    for line in re.findall(r"[^\n]*\n|[^\n]+$", text):
        bare = line.rstrip(" \t\r\n")
        marks = re.match(r" {0,3}(`{3,}|~{3,})(.*)", bare, re.DOTALL)
        if fence:
            code = True
            if marks and not marks[2] and marks[1].startswith(fence):
                fence = ""
        elif marks and not (marks[1][0] == "`" and "`" in marks[2]):
            code, fence = True, marks[1]
        else:
            code = False
        if not code:
            line, found = guard_prose(line)
            blocked += found
        line, found = redact(line)
        redacted += found
        parts.append(line)
    return "".join(parts), blocked, redacted


def decided(text: str) -> int:
    """How much of the text no further piece can change."""
    start = text.rfind("\n") + 1
    line = text[start:]
    if re.match(r" {0,3}(?:[`~]|$)", line):
        return start
    cut = 0
    for blank in re.finditer(r"\s", line):
        if not (blank[0] == " " and line[: blank.start()][-1:].isdigit()):
            cut = blank.end()
    return start + cut
