"""Runs the code cells of churn.ipynb in the order in which they were last executed."""

import json
from pathlib import Path

NOTEBOOK = Path(__file__).parent.parent / "churn.ipynb"
SHARE = "/mnt/share/retention/churn"
DELETED_CELL = """
p_fit = np.sort(clf.predict_proba(X_train)[:, 1])
THRESH = p_fit[-int(np.ceil(0.125 * len(p_fit)))]
"""
#: Cells that only look: plots, the forest, the grid search.
SKIPPED = {7, 8, 9, 10, 11, 12, 13, 27, 28}


def run(paths, seed, last):
    variables = {}
    for count, source in cells():
        if count > last:
            break
        for old, new in paths.items():
            source = source.replace(f"{SHARE}/{old}", new)
        source = source.replace("random_state=0", f"random_state={seed}")
        source = source.replace("pd.read_csv(", "pd.read_csv(dtype={'customer_id': str}, filepath_or_buffer=")
        exec(compile(source, f"cell [{count}]", "exec"), variables)
    return variables


def cells():
    found = [(31, DELETED_CELL)]
    for cell in json.loads(NOTEBOOK.read_text())["cells"]:
        if cell["cell_type"] != "code" or cell["execution_count"] in (None, *SKIPPED):
            continue
        lines = [line for line in cell["source"] if not line.startswith(("%", "!"))]
        found.append((cell["execution_count"], "".join(lines)))
    return sorted(found)
