"""Finds every URL that the page would make something of, and replaces those that may not leave.

No notation is looked for. Whatever the page makes of a text, a URL must stand in it.
"""

from __future__ import annotations

import html
import re
from urllib.parse import urlsplit

from guard.policy import Policy, looked_up

BLANK = "about:blank"
# An encoded blank: it ends a word, but within a link it need not end the URL.
BLANK_SPACE = "\ufffd"

# A backslash before `:` or `/` is an escape to the Markdown part, and a slash to a browser.
START = re.compile(
    r"(?:https?|ftp)\\?:[/\\]+"
    r"|(?<![^\s\ufffd(<=\"'])(?:[/\\]{2,}(?=[^\s/\\])|(?:data|javascript)\\?:(?=\S))",
    re.IGNORECASE,
)
END = re.compile(r"[\s\ufffd<>\"'`)\]]|$")
HIDDEN_USER = re.compile(r"[^\s/\\?#]*@\S*")
REFERENCE = re.compile(r"&(?:#[0-9]+|#[xX][0-9a-fA-F]+|[A-Za-z][A-Za-z0-9]*);?")
AUTHORITY = re.compile(r"(?:https?:)?/+([^/?#]*)", re.IGNORECASE)


def block(text: str, policy: Policy) -> tuple[str, int]:
    """The text without the URLs that may not leave, and how many were replaced."""
    seen, places = decoded(text)
    parts, done, position, blocked = [], 0, 0, 0
    while start := START.search(seen, position):
        end = END.search(seen, start.end()).start()
        url = seen[start.start() : end]
        kept = judge(url, policy)
        # `https://good"@evil.io`: the host may stand behind what looks like the end.
        if kept == len(url) and (more := HIDDEN_USER.match(seen, end)):
            authority = AUTHORITY.match(seen, start.start())
            if authority and authority.end() >= end:
                end, kept = more.end(), 0
        position = max(end, start.end())
        if kept < len(url):
            keep_to = places[start.start() + kept]
            parts += [text[done:keep_to], "" if kept else BLANK]
            blocked += not kept
            done = places[end]
    return "".join([*parts, text[done:]]), blocked


def judge(url: str, policy: Policy) -> int:
    """How many characters of the URL may stay."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return 0
    if parts.scheme not in ("", "http", "https"):
        return 0
    kind = policy.hosts.get(looked_up(host) or "")
    if kind is None:
        return 0
    if kind == "no-query":
        return re.search(r"[?#]|$", url).start()
    return len(url)


def decoded(text: str) -> tuple[str, list[int]]:
    """The text with its character references read, and for each character where it came from."""
    seen: list[str] = []
    places: list[int] = []
    position = 0
    for reference in REFERENCE.finditer(text):
        seen += text[position : reference.start()]
        places += range(position, reference.start())
        for character in html.unescape(reference[0]):
            if character not in "\t\r\n":  # browsers drop these from a URL
                seen.append(BLANK_SPACE if character.isspace() else character)
                places.append(reference.start())
        position = reference.end()
    seen += text[position:]
    places += range(position, len(text) + 1)
    return "".join(seen), places
