"""Server-sent events out of bytes."""

from __future__ import annotations

from collections.abc import AsyncIterator


async def events(pieces: AsyncIterator[bytes]) -> AsyncIterator[str]:
    """The data of each event. A line ends with a line feed, wherever the network cut it."""
    rest = b""
    async for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                yield line.removeprefix(b"data:").strip().decode("utf-8")
