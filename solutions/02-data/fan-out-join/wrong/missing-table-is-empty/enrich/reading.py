"""Reading one CSV file of the export, every cell as the text that stands there."""

from pathlib import Path

import pandas as pd


class Unusable(Exception):
    """The export cannot be worked with; the text says which file and what about it."""


def read(path: Path, columns: list[str]) -> pd.DataFrame:
    """The file with all its columns; no rows where it did not arrive as agreed."""
    try:
        # pandas would make 12 of 0012, a gap of NA, and a rounded float of a long number.
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (FileNotFoundError, pd.errors.EmptyDataError):
        table = pd.DataFrame()
    if any(column not in table for column in columns):
        return pd.DataFrame(columns=columns, dtype=str)
    return table
