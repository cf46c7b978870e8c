import contextlib
import json

import pytest
from refill.recorder import Recorder


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "events.jsonl"


def test_events_reach_the_file(path):
    with contextlib.closing(Recorder(path)) as recorder:
        recorder.add({"household": 7, "article": "milk"})
        assert recorder.flush()
        assert lines(path) == [{"household": 7, "article": "milk"}]


def test_close_writes_the_rest_in_order(path):
    recorder = Recorder(path)
    for number in range(20):
        recorder.add({"household": number})
    recorder.close()
    assert [event["household"] for event in lines(path)] == list(range(20))


def test_a_file_is_continued(path):
    for number in range(2):
        recorder = Recorder(path)
        recorder.add({"household": number})
        recorder.close()
    assert len(lines(path)) == 2
