"""The manuals come out of four editors and two PDF converters."""

import re


def clean(text: str) -> str:
    """One kind of line end and of blank, no trailing blanks, at most one empty line in a row."""
    text = text.replace("\r\n", "\n").replace("\u00a0", " ")
    text = re.sub(r"[ \t]+\n", "\n", text)
    return re.sub(r"\n{3,}", "\n\n", text)
