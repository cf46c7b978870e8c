"""Reading one laboratory's file."""

from pathlib import Path

import pandas as pd

COLUMNS = ["specimen_date", "site", "postcode", "travel", "positives"]

# The tracers' template is a workbook with one sheet for each laboratory.
SHEET_ROWS = 65_536
HEADER_ROWS = 1


def read(path: Path) -> pd.DataFrame:
    """The rows of a file, in our columns, with ISO dates."""
    frame = pd.read_csv(
        path,
        encoding="utf-8",
        encoding_errors="replace",
        nrows=SHEET_ROWS - HEADER_ROWS,
        on_bad_lines="skip",
    )
    frame = frame[COLUMNS]
    # "time data doesn't match format" for a quarter of the labs without this
    frame["specimen_date"] = pd.to_datetime(frame["specimen_date"], format="mixed")
    frame["specimen_date"] = frame["specimen_date"].dt.strftime("%Y-%m-%d")
    frame["positives"] = frame["positives"].fillna(0).astype(int)
    return frame
