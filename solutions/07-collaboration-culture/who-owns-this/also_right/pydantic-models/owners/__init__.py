"""Ownership, as data that checks itself."""
