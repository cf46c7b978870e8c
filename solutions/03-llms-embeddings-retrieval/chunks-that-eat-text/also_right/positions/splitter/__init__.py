"""Cuts manuals into passages for the search index."""

from splitter.passages import chunk

__all__ = ["chunk"]
