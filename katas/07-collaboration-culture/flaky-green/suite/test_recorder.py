import json
import time

from refill.recorder import Recorder


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_events_reach_the_file(tmp_path):
    recorder = Recorder(tmp_path / "events.jsonl")
    recorder.add({"household": 7, "article": "milk"})
    time.sleep(0.03)
    assert lines(tmp_path / "events.jsonl") == [{"household": 7, "article": "milk"}]
    recorder.close()


def test_close_writes_the_rest_in_order(tmp_path):
    recorder = Recorder(tmp_path / "events.jsonl")
    for number in range(20):
        recorder.add({"household": number})
    recorder.close()
    assert [event["household"] for event in lines(tmp_path / "events.jsonl")] == list(range(20))


def test_a_file_is_continued(tmp_path):
    for number in range(2):
        recorder = Recorder(tmp_path / "events.jsonl")
        recorder.add({"household": number})
        recorder.close()
    assert len(lines(tmp_path / "events.jsonl")) == 2
