"""How keys compare. The cells themselves are written as they came."""

import unicodedata


def as_text(cell: str) -> str:
    return unicodedata.normalize("NFC", cell.strip()).lstrip("0").upper()


def as_number(cell: str) -> str:
    return as_text(cell)
