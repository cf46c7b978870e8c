from refill.ranking import top

NAMES = ["apples", "bread", "coffee", "dates", "eggs", "flour", "grapes", "honey"]
# The later in the alphabet, the higher.
SCORES = {name: place for place, name in enumerate(NAMES)}


def test_best_first():
    assert top(SCORES, len(NAMES)) == NAMES[::-1]


def test_no_more_than_asked_for():
    assert top(SCORES, 2) == ["honey", "grapes"]


def test_no_more_than_there_are():
    assert top({"milk": 0.9}, len(NAMES)) == ["milk"]


def test_excluded_articles_stay_out():
    assert top(SCORES, 2, exclude=["honey"]) == ["grapes", "flour"]


def test_equal_scores_go_by_name():
    # Eight names: a set gives them in this order once in 40,320 times.
    put_in = ["flour", "bread", "honey", "apples", "grapes", "eggs", "dates", "coffee"]
    assert top(dict.fromkeys(put_in, len(NAMES)), len(NAMES)) == NAMES
