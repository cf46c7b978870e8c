"""Reading what the model team and the post room export."""

from pathlib import Path

import pandas as pd

FEATURES = ["letter", "site", "channel", "age", "pages", "proposal", "confidence"]
CALIBRATION = [*FEATURES, "fold", "truth"]
LETTERS = [*FEATURES, "harm", "waiting_days"]


class Refused(Exception):
    """An input that cannot be worked with."""


def read(path: Path, columns: list[str]) -> pd.DataFrame:
    try:
        table = pd.read_csv(path)
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}") from error
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise Refused(f"{path} has no column {', '.join(missing)}")
    return table
