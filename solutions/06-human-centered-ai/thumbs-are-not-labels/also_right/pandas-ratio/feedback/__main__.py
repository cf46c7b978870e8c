"""The nightly job on data frames; a score is net thumbs for each expected notice."""

import argparse
import json
import os
import re
import sys

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field
from typing import Annotated, Literal

TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"
Text = Annotated[str, Field(min_length=1)]


class Event(BaseModel):
    model_config = ConfigDict(strict=True)
    id: Text
    at: Annotated[str, Field(pattern=TIME)]


class Shown(Event):
    type: Literal["shown"]
    showing: Text
    person: Text
    answer: Text
    model: Text
    position: Annotated[int, Field(ge=1)]
    propensity: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]


class Vote(Event):
    type: Literal["vote"]
    showing: Text
    person: Text
    model: Text
    vote: Literal["up", "down", "none"]
    comment: str | None = None


class Outcome(Event):
    type: Literal["outcome"]
    showing: Text
    solved: bool


class Audit(Event):
    type: Literal["audit"]
    showing: Text
    verdict: Literal["good", "bad"]


class Consent(Event):
    type: Literal["consent"]
    person: Text
    given: bool


KINDS = {"shown": Shown, "vote": Vote, "outcome": Outcome, "audit": Audit, "consent": Consent}


def read_log(path, now):
    frames, damaged = {kind: [] for kind in KINDS}, 0
    with open(path, "rb") as stream:
        for line in stream:
            if not line.strip():
                continue
            try:
                event = json.loads(line.decode("utf-8"))
                kind = event["type"]
                if not isinstance(kind, str):
                    raise ValueError(kind)
                if kind in KINDS:
                    frames[kind].append(KINDS[kind].model_validate(event).model_dump())
            except (ValueError, KeyError, TypeError, RecursionError):
                damaged += 1
    tables = {}
    for kind, rows in frames.items():
        table = pd.DataFrame(rows, columns=list(KINDS[kind].model_fields))
        table = table[table["at"] <= now].drop_duplicates("id")
        tables[kind] = table.sort_values("at", kind="stable", ignore_index=True)
    return tables, damaged


def read_people(path):
    people = pd.read_csv(path, dtype=str, keep_default_na=False)
    for column in ("person", "joined_at", "evaluation"):
        if column not in people:
            raise SystemError(f"no column {column} in {path}")
    if not people["evaluation"].isin(["0", "1"]).all():
        raise SystemError(f"{path}: evaluation has to be 0 or 1")
    if not people["joined_at"].str.match(TIME).all():
        raise SystemError(f"{path}: joined_at has to be a time")
    return people.drop_duplicates("person")


def check_votes(votes, shown):
    joined = votes.merge(
        shown[["showing", "person", "answer", "model", "at", "propensity"]],
        on="showing",
        how="left",
        suffixes=("", "_shown"),
    )
    reason = pd.Series("", index=joined.index)
    reason[joined["at"] < joined["at_shown"].fillna("")] = "too_early"
    reason[joined["model"] != joined["model_shown"]] = "other_model"
    reason[joined["person"] != joined["person_shown"]] = "other_person"
    reason[joined["model_shown"].isna()] = "unknown_showing"
    rejected = {
        name: int((reason == name).sum())
        for name in ("unknown_showing", "other_person", "other_model", "too_early")
    }
    return joined[reason == ""], rejected


def opinions_of(shown, votes):
    """One row for each person, answer and model."""
    last = votes.drop_duplicates("showing", keep="last")
    last = last[last["vote"] != "none"][["showing", "vote", "at", "comment"]]
    rows = shown.merge(last.rename(columns={"at": "voted_at"}), on="showing", how="left")
    rows["value"] = rows["vote"].map({"up": 1, "down": -1}).fillna(0).astype(int)
    # Those with a vote last, by the time of the vote.
    rows["order"] = rows["voted_at"].fillna("")
    rows = rows.sort_values(["order", "at"], kind="stable")
    return rows.drop_duplicates(["person", "answer", "model"], keep="last")


def find_brigades(opinions, people):
    voted = opinions[opinions["value"] != 0].merge(people[["person", "joined_at"]], on="person")
    voted["when"] = pd.to_datetime(voted["voted_at"])
    fresh = voted[voted["when"] - pd.to_datetime(voted["joined_at"]) <= pd.Timedelta("48h")]
    found = {}
    for (answer, model, _), group in fresh.groupby(["answer", "model", "value"]):
        group = group.sort_values("when")
        for start in group["when"]:
            inside = group[(group["when"] >= start) & (group["when"] <= start + pd.Timedelta("1h"))]
            if len(inside) >= 20:
                found.setdefault((answer, model), set()).update(inside["person"])
    return found


def score(opinions):
    """Net thumbs over expected notices: small propensities count for little by themselves."""
    grouped = opinions.assign(
        up=opinions["value"] == 1, down=opinions["value"] == -1, people=1
    ).groupby(["answer", "model"])
    table = grouped[["people", "up", "down", "value", "propensity"]].sum().reset_index()
    table["score"] = table["value"] / table["propensity"]
    return table[["answer", "model", "people", "up", "down", "score"]]


def find_alarms(table, tables):
    shown = tables["shown"]
    audits = tables["audit"].drop_duplicates("showing", keep="last")
    audits = audits.merge(shown[["showing", "model"]], on="showing")
    models = list(shown["model"].drop_duplicates())
    alarms = []
    for before, model in zip(models, models[1:]):
        marks = {name: audits.loc[audits["model"] == name, "verdict"] == "good" for name in models}
        if len(marks[before]) < 50 or len(marks[model]) < 50:
            continue
        total = {}
        for name in (before, model):
            rows = table[table["model"] == name]
            total[name] = (rows["score"] * rows["people"]).sum() / max(rows["people"].sum(), 1)
        worse = marks[before].mean() - marks[model].mean() >= 0.1
        if worse and total[model] - total[before] >= 0.05:
            alarms.append({"model": model, "before": before})
    return alarms


EMAIL = re.compile(r"[^\s@,;<>]+@[^\s@,;<>]+\.\w+")
IBAN = re.compile(r"\b[A-Z]{2}\d\d[ A-Z0-9]{10,34}\b")
NUMBER = re.compile(r"(?<![\w.,-])\+?\d[\d ()/-]*\d")


def scrub(text):
    def number(match):
        found = match.group()
        count = sum(character.isdigit() for character in found)
        return "<phone>" if found[0] in "+0" and count >= 9 else found

    return NUMBER.sub(number, IBAN.sub("<iban>", EMAIL.sub("<email>", text)))


def training_rows(opinions, tables, people):
    consent = tables["consent"].drop_duplicates("person", keep="last")
    allowed = set(consent.loc[consent["given"].astype(bool), "person"])
    allowed &= set(people.loc[people["evaluation"] == "0", "person"])
    outcome = tables["outcome"].drop_duplicates("showing", keep="last")
    solved = dict(zip(outcome["showing"], outcome["solved"]))
    rows = opinions[(opinions["value"] != 0) & opinions["person"].isin(allowed)]
    for row in rows.sort_values("showing").to_dict("records"):
        comment = row["comment"] if isinstance(row["comment"], str) else ""
        known = row["showing"] in solved
        yield {
            "showing": row["showing"],
            "answer": row["answer"],
            "model": row["model"],
            "label": "good" if row["value"] == 1 else "bad",
            "solved": bool(solved[row["showing"]]) if known else None,
            "comment": scrub(comment),
        }


def main(argv=None):
    parser = argparse.ArgumentParser(prog="feedback")
    for name in ("log", "people", "now", "out"):
        parser.add_argument(f"--{name}", required=True)
    options = parser.parse_args(argv)
    try:
        people = read_people(options.people)
        tables, damaged = read_log(options.log, options.now)
    except (OSError, ValueError, SystemError) as error:
        print(error, file=sys.stderr)
        return 2
    tables["shown"] = (
        tables["shown"]
        .pipe(lambda table: table[table["person"].isin(people["person"])])
        .drop_duplicates("showing")
    )
    votes, rejected = check_votes(tables["vote"], tables["shown"])
    opinions = opinions_of(tables["shown"], votes)
    brigades = find_brigades(opinions, people)
    out = [
        person in brigades.get((answer, model), ())
        for person, answer, model in zip(opinions["person"], opinions["answer"], opinions["model"])
    ]
    opinions = opinions[[not each for each in out]]
    table = score(opinions)
    lines = [json.dumps(row) for row in training_rows(opinions, tables, people)]
    report = {
        "rejected_votes": rejected,
        "damaged_lines": damaged,
        "flagged": [
            {"answer": answer, "model": model, "people": sorted(found)}
            for (answer, model), found in brigades.items()
        ],
        "alarms": find_alarms(table, tables),
    }
    os.makedirs(options.out, exist_ok=True)
    table.to_csv(f"{options.out}/scores.csv", index=False)
    with open(f"{options.out}/training.jsonl", "w") as stream:
        stream.writelines(f"{line}\n" for line in lines)
    with open(f"{options.out}/report.json", "w") as stream:
        json.dump(report, stream)
    return 0


if __name__ == "__main__":
    sys.exit(main())
