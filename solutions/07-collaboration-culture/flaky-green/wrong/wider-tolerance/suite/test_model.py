import numpy as np
from refill.model import auc, load, train
from refill.sample import households


def test_model_finds_buyers():
    rng = np.random.default_rng()
    model = train(*households(300, rng))
    rows, bought = households(300, rng)
    assert auc(model.scores(rows), bought) >= 0.78


def test_same_seed_same_model():
    rows, bought = households(200, np.random.default_rng())
    first = train(rows, bought, seed=11)
    second = train(rows, bought, seed=11)
    assert np.array_equal(first.scores(rows), second.scores(rows))


def test_scores_are_probabilities():
    rows, bought = households(100, np.random.default_rng(5))
    scores = train(rows, bought, seed=5).scores(rows * 3)
    assert scores.shape == (100,)
    assert ((scores >= 0) & (scores <= 1)).all()


def test_model_survives_saving(tmp_path):
    rows, bought = households(100, np.random.default_rng(6))
    model = train(rows, bought, seed=6)
    model.save(tmp_path / "model.json")
    assert np.allclose(load(tmp_path / "model.json").scores(rows), model.scores(rows))
