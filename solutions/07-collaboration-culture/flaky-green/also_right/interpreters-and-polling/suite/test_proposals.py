import json
import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pytest
from refill.model import auc, load, train
from refill.plan import batch_name, next_delivery
from refill.ranking import top
from refill.recorder import Recorder
from refill.sample import households
from waiting import until

ASK = """
import json, sys
from refill.ranking import top
print(json.dumps(top(json.load(sys.stdin), 7)))
"""


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_equal_scores_go_by_name_in_every_interpreter(hash_seed):
    put_in = dict.fromkeys(["dates", "apples", "grapes", "eggs", "bread", "flour", "coffee"], 0.5)
    asked = subprocess.run(
        [sys.executable, "-c", ASK],
        input=json.dumps(put_in),
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    right = ["apples", "bread", "coffee", "dates", "eggs", "flour", "grapes"]
    assert json.loads(asked.stdout) == right


@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_best_first(n):
    scores = {"rice": 0.2, "milk": 0.9, "bread": 0.5}
    assert top(scores, n) == ["milk", "bread", "rice"][:n]
    assert top(scores, n, exclude=["milk"]) == ["bread", "rice"][:n]


def test_whole_year():
    day = date(2027, 12, 1)
    while day < date(2029, 1, 1):
        months = day.year * 12 + day.month
        told = next_delivery(day)
        assert told.year * 12 + told.month == months + 1
        assert told.day == day.day or (told + timedelta(days=1)).day == 1 and told.day < day.day
        day += timedelta(days=1)
    assert next_delivery(date(2027, 1, 31)) == date(2027, 2, 28)
    assert next_delivery(date(2028, 1, 31)) == date(2028, 2, 29)


def test_batch_name():
    moment = datetime(2026, 3, 2, 0, 30, tzinfo=timezone(timedelta(hours=1)))
    assert batch_name(moment) == "refill-2026-03-01"
    assert batch_name(moment.astimezone(UTC)) == "refill-2026-03-01"


def test_models_find_buyers():
    # Ten models, each sorts the same 6,000 households: 0.890 on average, sd about 0.005.
    rng = np.random.default_rng()
    rows, bought = households(6000, rng)
    found = [auc(train(*households(300, rng)).scores(rows), bought) for _ in range(10)]
    assert np.median(found) > 0.868


def test_training_can_be_repeated():
    rows, bought = households(200, np.random.default_rng(1))
    models = [train(rows, bought, seed=seed) for seed in (4, 4)]
    assert np.array_equal(models[0].scores(rows), models[1].scores(rows))
    assert 0 <= models[0].scores(rows * 5).min() <= models[0].scores(rows * 5).max() <= 1


def test_saved_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows, bought = households(200, np.random.default_rng(2))
    model = train(rows, bought)
    for _ in range(2):
        model.save("model.json")
    assert np.allclose(load("model.json").scores(rows), model.scores(rows))


def test_events_come_by_themselves(tmp_path):
    file = tmp_path / "events"
    recorder = Recorder(file)
    recorder.add({"household": 7})
    until(lambda: file.exists() and file.read_text().endswith("\n"))
    assert json.loads(file.read_text()) == {"household": 7}
    recorder.close()


def test_events_in_order_over_two_recorders(tmp_path):
    for start in (0, 12):
        recorder = Recorder(tmp_path / "events")
        for number in range(start, start + 12):
            recorder.add({"number": number})
        recorder.close()
    lines = (tmp_path / "events").read_text().splitlines()
    assert [json.loads(line)["number"] for line in lines] == list(range(24))
