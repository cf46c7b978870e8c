"""Cuts manuals into passages for the search index."""

from splitter.chunker import chunk

__all__ = ["chunk"]
