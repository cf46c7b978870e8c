"""Cuts the text of one section into pieces that overlap."""

# From the best place to cut to the worst.
SEPARATORS = ["\n\n", "\n", ". ", " "]


def cut(text: str, size: int, overlap: int) -> list[str]:
    """Pieces of at most `size` characters; each begins `overlap` characters before the last end."""
    pieces: list[str] = []
    start = 0
    while start < len(text):
        end = last_break(text, start, start + size)
        if end is None:
            pieces += hard_cut(text[start:], size, overlap)
            break
        pieces.append(text[start:end].strip())
        if end == len(text):
            break
        # A short paragraph must not send us back to where we came from.
        start = end - overlap if end - overlap > start else start + max(overlap, 1)
    return pieces


def last_break(text: str, start: int, end: int) -> int | None:
    """Where the last paragraph, line, sentence or word of text[start:end] ends."""
    if end >= len(text):
        return len(text)
    for separator in SEPARATORS:
        at = text.rfind(separator, start, end)
        if at > start:
            return at + len(separator)
    return None


def hard_cut(text: str, size: int, overlap: int) -> list[str]:
    """For text without any separator: slices of one size."""
    pieces = []
    start = 0
    while start < len(text):
        pieces.append(text[start : start + size])
        start += size - overlap
    return pieces
