from refill.ranking import top

SCORES = {"rice": 0.2, "milk": 0.9, "bread": 0.5}
NAMES = ["apples", "bread", "coffee", "dates", "eggs", "flour", "grapes", "honey"]


def test_best_first():
    assert top(SCORES, len(SCORES)) == ["milk", "bread", "rice"]


def test_no_more_than_asked_for():
    assert top(SCORES, 2) == ["milk", "bread"]
    assert len(top(SCORES, 9)) == len(SCORES)


def test_excluded_articles_stay_out():
    assert top(SCORES, 2, exclude=["milk"]) == ["bread", "rice"]


def test_equal_scores_go_by_name():
    # Eight names: a set gives them in this order once in 40,320 times.
    put_in = ["flour", "bread", "honey", "apples", "grapes", "eggs", "dates", "coffee"]
    assert top(dict.fromkeys(put_in, 0.5), len(NAMES)) == NAMES
    assert top({**dict.fromkeys(put_in, 0.5), "milk": 0.9}, 4) == ["milk", *NAMES[:3]]
