"""What Friday night was about. Start with `pytest tests` from the kata's folder."""

import csv
import hashlib
import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent.parent
HEADER = "specimen_date,site,postcode,travel,positives\n"


def load(folder: Path, manifest: Path, out: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "loader", "--in", folder, "--manifest", manifest]
    return subprocess.run(
        [*map(str, command), "--out", str(out)],
        cwd=HERE,
        capture_output=True,
        text=True,
        timeout=120,
    )


def published(out: Path, table: str) -> list[dict[str, str]]:
    folder = out / (out / "CURRENT").read_text().strip()
    with open(folder / table, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def deliver(tmp_path: Path, content: str, rows: int, positives: int) -> tuple[Path, Path, Path]:
    """A delivery of one file, with what the manifest says of it."""
    folder = tmp_path / "drop"
    folder.mkdir()
    (folder / "lab-04.csv").write_text(content, encoding="utf-8")
    file = {"name": "lab-04.csv", "day": "2024-10-04", "encoding": "utf-8", "dates": "DD/MM/YYYY"}
    file |= {"rows": rows, "positives": positives}
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({"delivery": "2024-10-04", "files": [file]}))
    return folder, manifest, tmp_path / "out"


def test_two_days(tmp_path: Path) -> None:
    for day in ("2024-10-02", "2024-10-03"):
        done = load(HERE / "drop" / day, HERE / "drop" / f"{day}.json", tmp_path)
        assert done.returncode == 0, done.stderr
    cases = published(tmp_path, "cases.csv")
    assert len(cases) == 124
    assert {row["day"] for row in cases} == {"2024-10-02", "2024-10-03"}
    assert published(tmp_path, "amendments.csv") == []


def test_the_ledger_has_each_file(tmp_path: Path) -> None:
    load(HERE / "drop/2024-10-02", HERE / "drop/2024-10-02.json", tmp_path)
    ledger = {row["file"]: row for row in published(tmp_path, "ledger.csv")}
    assert {name: int(row["rows"]) for name, row in ledger.items()} == {
        "lab-01.csv": 34,
        "lab-02.csv": 21,
    }
    content = (HERE / "drop/2024-10-02/lab-01.csv").read_bytes()
    assert ledger["lab-01.csv"]["sha256"] == hashlib.sha256(content).hexdigest()


def test_a_long_file(tmp_path: Path) -> None:
    rows = 70_112
    content = HEADER + "02/10/2024,School 4,20117,,1\n" * rows
    done = load(*deliver(tmp_path, content, rows, rows))
    assert done.returncode == 0, done.stderr
    assert len(published(tmp_path / "out", "cases.csv")) == rows


def test_a_short_file_is_refused(tmp_path: Path) -> None:
    content = HEADER + "02/10/2024,School 4,20117,,1\n" * 40
    done = load(*deliver(tmp_path, content, 52, 52))
    assert done.returncode == 4, done.stderr
    assert "lab-04.csv" in done.stderr
    assert not (tmp_path / "out" / "CURRENT").exists()


def test_the_postcode_keeps_its_zero(tmp_path: Path) -> None:
    content = HEADER + "02/10/2024,School 4,01234,NA,1\n"
    load(*deliver(tmp_path, content, 1, 1))
    (row,) = published(tmp_path / "out", "cases.csv")
    assert (row["postcode"], row["travel"]) == ("01234", "NA")
