from refill.ranking import top


def test_best_first():
    assert top({"rice": 0.2, "milk": 0.9, "bread": 0.5}, 3) == ["milk", "bread", "rice"]


def test_no_more_than_asked_for():
    scores = {"rice": 0.2, "milk": 0.9, "bread": 0.5}
    assert top(scores, 2) == ["milk", "bread"]
    assert len(top(scores, 9)) == 3


def test_excluded_articles_stay_out():
    assert top({"rice": 0.2, "milk": 0.9, "bread": 0.5}, 2, exclude=["milk"]) == ["bread", "rice"]


def test_equal_scores():
    assert top({"milk": 0.9, "bread": 0.5, "eggs": 0.5}, 3) == ["milk", "bread", "eggs"]
