"""What came of a join: which lines have found a row, and which have not."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Found:
    """For each line its key in this join, and whether the table has a row for it."""

    keys: pd.Series
    matched: pd.Series

    def counts(self) -> dict[str, object]:
        without = self.keys == ""
        unmatched = ~self.matched & ~without
        return {
            "matched": int(self.matched.sum()),
            "no_key": int(without.sum()),
            "unmatched": int(unmatched.sum()),
            "unmatched_keys": sorted(set(self.keys[unmatched])),
        }
