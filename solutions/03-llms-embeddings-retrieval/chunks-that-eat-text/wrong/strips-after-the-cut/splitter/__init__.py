"""Cuts manuals into passages: packs paragraphs, and splits what does not fit, coarse to fine."""

from splitter.markdown import sections
from splitter.packing import pack

__all__ = ["chunk"]


def chunk(text, max_tokens=256, overlap=32):
    if max_tokens < 64 or overlap < 0 or overlap > max_tokens // 4:
        raise ValueError(f"no passages of {max_tokens} tokens with an overlap of {overlap}")
    return [
        {"text": text[start:end].strip("#|`- \n"), "start": start, "end": end, "heading": path}
        for path, pieces in sections(text)
        for start, end in pack(text, pieces, max_tokens, overlap)
    ]
