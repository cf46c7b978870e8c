"""How keys compare. The cells themselves are written as they came."""

import unicodedata


def as_text(cell: str) -> str:
    return unicodedata.normalize("NFC", cell.strip())


def as_number(cell: str) -> str:
    """Some tills pad store numbers with zeros. Ids with letters stay as they are."""
    text = as_text(cell)
    return str(int(text)) if text.isdecimal() else text
