"""One day's letters: booked, or read by a nurse."""

from typing import Any

import pandas as pd


def route(letters: pd.DataFrame, policy: dict[str, Any]) -> pd.DataFrame:
    routed = letters[["letter", "confidence"]].copy()
    sure = routed["confidence"] >= policy["threshold"]
    routed["action"] = sure.map({True: "auto", False: "ask"})

    # The nurses can read so many letters a day and no more. The surest of the rest are booked.
    asked = routed[~sure]
    too_many = len(asked) - policy["capacity"]
    if too_many > 0:
        booked = asked.nlargest(too_many, "confidence", keep="first").index
        routed.loc[booked, "action"] = "auto"

    # The letters that the model is least sure of come first.
    asked = routed[routed["action"] == "ask"].sort_values("confidence", kind="stable")
    routed["place"] = pd.Series(range(1, len(asked) + 1), index=asked.index, dtype="Int64")
    routed["reason"] = routed["action"].map({"auto": "sure", "ask": "doubtful"})
    routed["detail"] = "confidence " + routed["confidence"].astype(str)
    return routed[["letter", "action", "place", "reason", "detail"]]
