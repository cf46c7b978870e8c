from adder import add


def test_one_and_one():
    assert add(1, 1) == 2
