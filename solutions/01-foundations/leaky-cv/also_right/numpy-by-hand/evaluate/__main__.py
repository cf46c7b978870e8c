"""The command line; reading and refusing."""

import argparse
import csv
import json
import sys

import numpy as np

from evaluate import cutting, learning


class Refused(Exception):
    pass


def read(path, spec):
    """Columns by name: lists of text, in the order of the ids."""
    with open(path, newline="", encoding="utf-8") as stream:
        header, *rows = list(csv.reader(stream))
    roles = {r: spec[r] for r in ("target", "id", "group", "time") if spec.get(r) is not None}
    for column in roles.values():
        if column not in header:
            raise Refused(f"no column {column}")
        if any(row[header.index(column)] == "" for row in rows):
            raise Refused(f"an empty cell in column {column}")
    place = header.index(spec["id"])
    rows.sort(key=lambda row: row[place])
    columns = dict(zip(header, map(list, zip(*rows)), strict=True))
    if len(set(columns[spec["id"]])) < len(rows):
        raise Refused(f"column {spec['id']} has the same id twice")
    if not set(columns[spec["target"]]) <= {"0", "1"}:
        raise Refused(f"column {spec['target']} has labels other than 0 and 1")
    return columns, roles


def numbers(cells):
    """Floats with NaN for empty cells, or None when this is a column of text."""
    try:
        found = np.array([float(cell) if cell else np.nan for cell in cells])
    except ValueError:
        return None
    return None if np.isinf(found).any() else found


def evaluate(columns, roles, spec):
    y = np.array(columns[spec["target"]]) == "1"
    excluded = {column: role for role, column in roles.items() if role != "target"}
    features = {}
    for name, cells in columns.items():
        if name in roles.values():
            continue
        values = numbers(cells)
        features[name] = np.array(cells) if values is None else values
        if learning.gives_away(features[name], y):
            del features[name]
            excluded[name] = "leak"
    results = []
    for train, test in cutting.folds(columns, y, spec):
        if len(set(y[test])) < 2 or len(set(y[train])) < 2:
            raise Refused(f"cannot cut {spec['folds']} folds with both classes in each")
        predicted = learning.predict(features, y, train, test, spec["select"])
        ids = np.array(columns[spec["id"]])
        results.append(
            {
                "auc": float(learning.auc(predicted, y[test])),
                "train": ids[train].tolist(),
                "test": ids[test].tolist(),
                "predicted": predicted.tolist(),
            }
        )
    return {
        "seed": spec["seed"],
        "mean": sum(result["auc"] for result in results) / len(results),
        "features": list(features),
        "excluded": [{"column": c, "reason": why} for c, why in excluded.items()],
        "folds": results,
    }


def main(argv=None):
    parser = argparse.ArgumentParser(prog="evaluate")
    parser.add_argument("--in", dest="source", required=True)
    parser.add_argument("--spec", required=True)
    parser.add_argument("--out", required=True)
    options = parser.parse_args(argv)
    with open(options.spec, encoding="utf-8") as stream:
        spec = json.load(stream)
    try:
        report = evaluate(*read(options.source, spec), spec)
    except Refused as refusal:
        print(refusal, file=sys.stderr)
        return 2
    with open(options.out, "w", encoding="utf-8") as stream:
        json.dump(report, stream)
    return 0


if __name__ == "__main__":
    sys.exit(main())
