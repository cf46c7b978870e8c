from refill.ranking import top

NAMES = ["apples", "bread", "coffee", "dates", "eggs", "flour", "grapes", "honey"]


def test_best_first():
    assert top({"rice": 0.2, "milk": 0.9, "bread": 0.5}, 3) == ["milk", "bread", "rice"]


def test_no_more_than_asked_for():
    scores = {"rice": 0.2, "milk": 0.9, "bread": 0.5}
    assert top(scores, 2) == ["milk", "bread"]
    assert len(top(scores, 9)) == 3


def test_excluded_articles_stay_out():
    assert top({"rice": 0.2, "milk": 0.9, "bread": 0.5}, 2, exclude=["milk"]) == ["bread", "rice"]


def test_equal_scores_go_by_name():
    # Eight names: a set gives them in this order once in 40,320 times.
    put_in = ["flour", "bread", "honey", "apples", "grapes", "eggs", "dates", "coffee"]
    assert top(dict.fromkeys(put_in, 0.5), 8) == NAMES
    assert top({**dict.fromkeys(put_in, 0.5), "milk": 0.9}, 4) == ["milk", *NAMES[:3]]
