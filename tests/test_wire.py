"""The codec carries data and cannot carry code."""

import datetime as dt
import decimal
import functools
import pickle
import struct

import msgpack
import numpy
import pandas
import pytest

from grader import wire
from grader.errors import WireError

PLAIN = [
    None, True, 0, -1, 2**63, -(2**200), 1.5, float("inf"), "naïve ☃", b"\x00\xff",
    [1, [2, [3]]], {"a": {1: [None]}}, {1, 2}, dt.datetime(2024, 2, 29, 12, 30, tzinfo=dt.UTC),
    dt.date(2024, 1, 1), dt.time(1, 2, 3), dt.timedelta(days=-1, microseconds=5),
    decimal.Decimal("1.10"), 1 + 2j,
]  # fmt: skip


@pytest.mark.parametrize("value", PLAIN, ids=repr)
def test_plain_data_comes_back_equal(value: object) -> None:
    back = wire.decode(wire.encode(value))
    assert back == value
    assert type(back) is type(value)


def test_nan_stays_nan() -> None:
    assert numpy.isnan(wire.decode(wire.encode(float("nan"))))


@pytest.mark.parametrize("dtype", ["?", "i1", "u8", ">i4", "f2", "f8", "c16", "M8[ns]", "U5", "S3"])
def test_arrays_come_back(dtype: str) -> None:
    array = numpy.arange(6).astype("i8").astype(dtype).reshape(2, 3)
    back = wire.decode(wire.encode(array))
    assert back.dtype == array.dtype
    assert (back == array).all()
    back[0, 0] = back[1, 1]  # it is the receiver's own


def test_frames_come_back() -> None:
    frame = pandas.DataFrame({
        "n": [1, 2], "text": ["a", None], "when": pandas.to_datetime(["2024-01-01", None]),
        "kind": pandas.Categorical(["u", "v"]), "nullable": pandas.array([1, None], "Int64"),
    }, index=["x", "y"])  # fmt: skip
    back = wire.decode(wire.encode({"frame": frame, "column": frame["n"]}))
    assert list(back["frame"].columns) == list(frame.columns)
    assert list(back["frame"].index) == ["x", "y"]
    assert back["frame"]["n"].tolist() == [1, 2]
    assert back["frame"]["kind"].tolist() == ["u", "v"]
    assert back["frame"].isna().sum().tolist() == [0, 1, 1, 0, 1]
    assert back["column"].tolist() == [1, 2]


def test_an_index_of_several_levels_does_not_cross() -> None:
    frame = pandas.DataFrame({"a": [1, 1], "b": [2, 3], "c": [4, 5]}).groupby(["a", "b"]).sum()
    with pytest.raises(WireError, match="reset_index"):
        wire.encode(frame)


class Liar(str):
    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


class AlwaysEqual:
    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


def test_a_lying_subclass_arrives_as_what_it_holds() -> None:
    back = wire.decode(wire.encode([Liar("x"), numpy.float64(2.0), numpy.int8(3)]))
    assert back == ["x", 2.0, 3]
    assert [type(each) for each in back] == [str, float, int]


@pytest.mark.parametrize(
    "value", [AlwaysEqual(), print, object, lambda: 1, ValueError("x")], ids=repr
)
def test_code_does_not_cross(value: object) -> None:
    with pytest.raises(WireError, match="not plain data"):
        wire.encode({"deep": [value]})


def test_cycles_do_not_cross() -> None:
    cycle: list[object] = []
    cycle.append(cycle)
    with pytest.raises(WireError):
        wire.encode(cycle)


def array(dtype: str, shape: list[object], data: bytes) -> bytes:
    packed: bytes = msgpack.packb(msgpack.ExtType(3 + 1, msgpack.packb([dtype, shape, data])))
    return packed


HOSTILE = {
    "pickle": pickle.dumps(AlwaysEqual()),
    "empty": b"",
    "cut": wire.encode("hello")[:-1],
    "two at once": wire.encode(1) + wire.encode(2),
    "objects": array("|O", [1], b"\0" * 8),
    "void": array("|V8", [1], b"\0" * 8),
    "shape too large": array("<i8", [2**40], b"\0" * 8),
    "negative shape": array("<i8", [-1, -1], b"\0" * 8),
    "shape of text": array("<i8", ["8"], b"\0" * 8),
    "record": array("i4,i4", [1], b"\0" * 8),
    "unknown extension": msgpack.packb(msgpack.ExtType(99, b"")),
    "array header that promises 2**32 items": b"\xdd\xff\xff\xff\xff",
    "deeply nested": b"\x91" * 100_000 + b"\xc0",
    "a hundred deep": msgpack.packb(functools.reduce(lambda inner, _: [inner], range(100), [])),
    "a decimal that signals": msgpack.packb(msgpack.ExtType(2, msgpack.packb(["decimal", "sNaN"]))),
    "not UTF-8": b"\xa2\xff\xfe",
    "unhashable key": b"\x81\x90\x01",
    "endless digits": msgpack.packb(msgpack.ExtType(1, b"9" * 100_000)),
    "text of no kind": msgpack.packb(msgpack.ExtType(2, msgpack.packb(["eval", "1+1"]))),
    "frame of ragged columns": msgpack.packb(
        msgpack.ExtType(6, msgpack.packb([["a", "b"], [[1], [1, 2]], None]))
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_bytes_are_no_message(name: str) -> None:
    with pytest.raises(WireError):
        wire.decode(HOSTILE[name])


def test_a_header_that_claims_too_much_is_refused_before_reading() -> None:
    head = struct.pack(">I", wire.MAX_MESSAGE + 1)
    with pytest.raises(WireError, match="claims"):
        wire.receive_from(_reader(head))


def _reader(data: bytes):  # type: ignore[no-untyped-def]
    stream = iter([data])
    return lambda size: next(stream, b"")


def test_split_waits_for_the_whole_message() -> None:
    message = wire.message({"n": 1})
    for cut in range(len(message)):
        assert wire.split(message[:cut]) is None
    assert wire.split(message + b"rest") == ({"n": 1}, b"rest")
