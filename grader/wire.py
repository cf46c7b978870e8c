"""The codec between host, judge and box: length-prefixed msgpack that can carry data but no code.

What crosses: None, bool, int, float, str, bytes, list (tuples arrive as lists), dict, set,
datetime, date, time, timedelta, Decimal, complex, numpy arrays of plain dtypes, pandas Series and
data frames.
A subclass arrives as its base type. Anything else raises `WireError` where it is sent.
"""

import datetime as dt
import decimal
import math
import os
import re
import socket
import struct
import sys
import time
from collections.abc import Callable
from typing import Any

import msgpack

from grader.errors import WireError

#: The largest message in either direction, in bytes.
MAX_MESSAGE = 64 * 1024 * 1024
#: The largest that learner code may answer: small values take many times their size in memory.
MAX_ANSWER = 8 * 1024 * 1024
_MAX_DEPTH = 64
_HEADER = struct.Struct(">I")
_BIG_INT, _TEXTUAL, _SET, _ARRAY, _SERIES, _FRAME = range(1, 7)
_MAX_NESTED_EXTENSIONS = 4
_MAX_BIG_INT_DIGITS = 4000
_PLAIN_DTYPE = re.compile(
    r"[<>|=]?(b1|[iu][1248]|f[248]|c(8|16)|[mM]8(\[\d*[a-zA-Zμ]+\])?|[US]\d+)"
)
_TEXTUAL_TYPES = (dt.datetime, dt.date, dt.time, dt.timedelta, decimal.Decimal, complex)
_FROM_TEXT: dict[str, Callable[[str], Any]] = {
    "datetime": dt.datetime.fromisoformat,
    "date": dt.date.fromisoformat,
    "time": dt.time.fromisoformat,
    "timedelta": lambda text: dt.timedelta(microseconds=int(text)),
    "decimal": decimal.Decimal,
    "complex": complex,
}


def encode(value: object, limit: int = MAX_MESSAGE) -> bytes:
    """`value` as bytes. Raises `WireError`, naming the type that cannot cross."""
    try:
        packed: bytes = msgpack.packb(value, default=_extend)
    except WireError:
        raise
    except (TypeError, ValueError, OverflowError) as error:
        raise WireError(f"this value cannot leave the process: {error}") from None
    if len(packed) > limit:
        raise WireError(f"{len(packed):,} bytes in one message; the most is {limit:,}")
    return packed


def decode(data: bytes) -> Any:
    """The value in `data`. Raises `WireError` for anything that `encode` would not write."""
    value = _decode(data, 0)
    _check_depth(value)
    return value


def send(connection: socket.socket, value: object, limit: int = MAX_MESSAGE) -> None:
    """Writes one message to a socket."""
    connection.sendall(message(value, limit))


def receive(
    connection: socket.socket, deadline: float | None = None, limit: int = MAX_MESSAGE
) -> Any:
    """Reads one message from a socket, until `deadline` (`time.monotonic` seconds).

    Raises `TimeoutError`, `EOFError` when the other side has hung up, `WireError` for junk.
    """

    def read(size: int) -> bytes:
        connection.settimeout(None if deadline is None else max(deadline - time.monotonic(), 0.001))
        return connection.recv(size)

    return receive_from(read, limit)


def receive_from(read: Callable[[int], bytes], limit: int = MAX_MESSAGE) -> Any:
    """Reads one message by `read(at most n bytes)`, which returns b"" at the end."""
    (size,) = _HEADER.unpack(_exactly(read, _HEADER.size))
    if size > limit:
        raise WireError(f"a message that claims {size:,} bytes; the most is {limit:,}")
    return decode(_exactly(read, size))


def split(data: bytes) -> tuple[Any, bytes] | None:
    """The first message in `data` and what follows it; None while it is not whole."""
    if len(data) < _HEADER.size:
        return None
    (size,) = _HEADER.unpack_from(data)
    end = _HEADER.size + size
    return (decode(data[_HEADER.size : end]), data[end:]) if len(data) >= end else None


def write_to(descriptor: int, value: object) -> None:
    """Writes one message to a file descriptor."""
    left = memoryview(message(value))
    while left:
        left = left[os.write(descriptor, left) :]


def message(value: object, limit: int = MAX_MESSAGE) -> bytes:
    """One whole message, header and all."""
    data = encode(value, limit)
    return _HEADER.pack(len(data)) + data


def _exactly(read: Callable[[int], bytes], size: int) -> bytes:
    parts = []
    while size:
        part = read(min(size, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _extend(value: object) -> object:
    """msgpack calls this for what it does not know itself."""
    if isinstance(value, int):
        return msgpack.ExtType(_BIG_INT, str(int(value)).encode())
    if isinstance(value, set | frozenset):
        return msgpack.ExtType(_SET, encode(list(value)))
    if isinstance(
        value, dt.datetime | dt.date | dt.time | dt.timedelta | decimal.Decimal | complex
    ):
        return _extend_textual(value)
    # Only looked at when somebody else has imported them: the box's supervisor may do without.
    numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
    if numpy is not None and isinstance(value, numpy.generic):
        return value.item()
    if numpy is not None and isinstance(value, numpy.ndarray):
        return _extend_array(value)
    if pandas is not None:
        if value is pandas.NA:
            return None
        if isinstance(value, pandas.Series):
            content = [_plain_name(value.name), _column(value), _index(value.index)]
            return msgpack.ExtType(_SERIES, encode(content))
        if isinstance(value, pandas.DataFrame):
            names = [_plain_name(name) for name in value.columns]
            columns = [_column(value.iloc[:, position]) for position in range(len(names))]
            return msgpack.ExtType(_FRAME, encode([names, columns, _index(value.index)]))
    kind = type(value)
    raise WireError(f"a {kind.__module__}.{kind.__qualname__} is not plain data")


def _extend_textual(value: Any) -> object:
    if isinstance(value, dt.datetime):
        # pandas' NaT is an instance of datetime.
        return _textual("datetime", text) if (text := value.isoformat()) != "NaT" else None
    if isinstance(value, dt.date):
        return _textual("date", value.isoformat())
    if isinstance(value, dt.time):
        return _textual("time", value.isoformat())
    if isinstance(value, dt.timedelta):
        return _textual("timedelta", str(value // dt.timedelta(microseconds=1)))
    return _textual("decimal" if isinstance(value, decimal.Decimal) else "complex", str(value))


def _textual(kind: str, text: str) -> msgpack.ExtType:
    return msgpack.ExtType(_TEXTUAL, msgpack.packb([kind, text]))


def _extend_array(array: Any) -> object:
    if not _PLAIN_DTYPE.fullmatch(array.dtype.str):
        return array.tolist()  # objects and records: as lists, if what they hold can cross
    return msgpack.ExtType(
        _ARRAY, msgpack.packb([array.dtype.str, list(array.shape), array.tobytes()])
    )


def _column(series: Any) -> Any:
    import numpy

    if isinstance(series.dtype, numpy.dtype) and series.dtype.kind in "biufcmM":
        return series.to_numpy()
    missing = series.isna().to_numpy()
    return [None if gone else item for item, gone in zip(series.tolist(), missing, strict=True)]


def _index(index: Any) -> Any:
    import pandas

    if isinstance(index, pandas.RangeIndex) and index.start == 0 and index.step == 1:
        return None
    if isinstance(index, pandas.MultiIndex):
        raise WireError("an index of several levels cannot cross; reset_index() first")
    return _column(index.to_series())


def _plain_name(name: Any) -> Any:
    return name if name is None or isinstance(name, int) else str(name)


def _decode(data: bytes, depth: int) -> Any:
    if depth > _MAX_NESTED_EXTENSIONS:
        raise WireError("arrays and frames nested too deeply")
    try:
        return msgpack.unpackb(
            data,
            strict_map_key=False,
            ext_hook=lambda code, content: _restore(code, content, depth + 1),
        )
    except WireError:
        raise
    except Exception as error:  # whatever hostile bytes may provoke, it is not a message
        raise WireError(f"not a message ({type(error).__name__})") from None


def _check_depth(value: object) -> None:
    """Deeper values would end whoever prints or compares them with a RecursionError."""
    level = [value]
    for _ in range(_MAX_DEPTH):
        level = [
            item
            for container in level
            if isinstance(container, list | dict)
            for item in (container.values() if isinstance(container, dict) else container)
            if isinstance(item, list | dict)
        ]
        if not level:
            return
    raise WireError("lists or objects nested too deeply")


def _restore(code: int, content: bytes, depth: int) -> Any:
    if code == _BIG_INT:
        text = content.decode("ascii")
        if len(text) > _MAX_BIG_INT_DIGITS:
            raise WireError("an integer of too many digits")
        return int(text)
    value = _decode(content, depth)
    if code == _TEXTUAL:
        kind, text = value
        restored = _FROM_TEXT[kind](str(text))
        if isinstance(restored, decimal.Decimal) and restored.is_nan():
            raise WireError("a decimal that is no number")  # to compare with it raises
        return restored
    if code == _SET:
        return set(value)
    if code == _ARRAY:
        return _restore_array(*value)
    if code == _SERIES:
        import pandas

        name, column, index = value
        return pandas.Series(column, name=name, index=index)
    if code == _FRAME:
        import pandas

        names, columns, index = value
        if len({len(column) for column in columns}) > 1 or len(names) != len(columns):
            raise WireError("a data frame with columns of different lengths")
        frame = pandas.DataFrame(dict(enumerate(columns)), index=index)
        frame.columns = pandas.Index(names)
        return frame
    raise WireError(f"unknown extension {code}")


def _restore_array(dtype: str, shape: list[int], data: bytes) -> Any:
    import numpy

    if not _PLAIN_DTYPE.fullmatch(dtype):
        raise WireError("an array of something else than plain numbers, times or text")
    kind = numpy.dtype(dtype)
    if any(type(n) is not int or n < 0 for n in shape) or len(shape) > 32:
        raise WireError("an array of impossible shape")
    if math.prod(shape) * kind.itemsize != len(data):
        raise WireError("an array whose bytes do not fill its shape")
    return numpy.frombuffer(data, kind).reshape(shape).copy()
