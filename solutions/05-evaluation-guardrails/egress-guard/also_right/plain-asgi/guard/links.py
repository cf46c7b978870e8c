"""One pattern in which every character of a URL's beginning may be written in all its spellings."""

from __future__ import annotations

import re

import idna

NAMES = {":": "colon", "/": "sol", "\\": "bsol"}


def spelt(character: str) -> str:
    """All ways in which a page reads this character."""
    codes = {ord(character.lower()), ord(character.upper())}
    ways = [re.escape(character)]
    ways += [rf"&#0*{code};?|&#x0*{code:x};?" for code in codes]
    if character in NAMES:
        ways += [rf"&{NAMES[character]};", rf"\\{re.escape(character)}"]
    return f"(?:{'|'.join(ways)})"


def word(text: str) -> str:
    return "".join(map(spelt, text))


COLON, SLASH = spelt(":"), f"(?:{spelt('/')}|{spelt(chr(92))})"
BEGINS = (
    rf"(?:{word('http')}{spelt('s')}?|{word('ftp')}){COLON}{SLASH}+"
    rf"|(?:^|(?<=[\s(<=\"'])){SLASH}{{2,}}(?=\S)"
    rf"|(?:^|(?<=[\s(<=\"']))(?:{word('data')}|{word('javascript')}){COLON}(?=\S)"
)
URL = re.compile(rf"(?:{BEGINS})[^\s<>\"'`)\]]*", re.IGNORECASE)
PLAIN = re.compile(r"(?:https?:)?/+(?:[^/?#]*@)?([^/?#:@]*)(?::[0-9]*)?([/?#].*)?", re.I | re.S)
ENCODED = re.compile(r"\\|&#|&(?!amp;)[A-Za-z]\w*;")


class Links:
    def __init__(self, hosts: dict[str, str]) -> None:
        self.hosts = hosts
        self.blocked = 0

    def guard(self, text: str) -> str:
        return URL.sub(lambda match: self.judge(match[0]), text)

    def judge(self, url: str) -> str:
        plain = PLAIN.fullmatch(url)
        if plain and not ENCODED.search(url):
            try:
                host = idna.encode(plain[1].removesuffix("."), uts46=True).decode()
            except idna.IDNAError:
                host = ""
            if host in self.hosts:
                keep = self.hosts[host] == "any"
                return url if keep else re.sub(r"[?#].*", "", url, flags=re.S)
        self.blocked += 1
        return "about:blank"
