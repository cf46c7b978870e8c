import time


def until(condition, seconds=10.0):
    """Asks again and again until it holds; there is no other right moment to look."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.01)
