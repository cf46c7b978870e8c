"""Reading one CSV file of the export, every cell as the text that stands there."""

from pathlib import Path

import pandas as pd


class Unusable(Exception):
    """The export cannot be worked with; the text says which file and what about it."""


def read(path: Path, columns: list[str]) -> pd.DataFrame:
    """The file with all its columns, among which `columns` have to be."""
    try:
        # pandas would make 12 of 0012, a gap of NA, and a rounded float of a long number.
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except FileNotFoundError:
        raise Unusable(f"{path.name} is missing") from None
    except pd.errors.EmptyDataError:
        table = pd.DataFrame()
    if missing := [column for column in columns if column not in table]:
        raise Unusable(f"{path.name} has no column {', '.join(missing)}")
    return table
