"""What identifies an event or an action when it is compared: one number, whatever codec and program have read it. Pure.

A digest of the key, the timestamp and a canonical form of the data. Two readers of one record get the same number
although they represent it differently:

- A browser has a single type of number, so `1.0` is `1` there, and integers from 2^53 on lose their last digits. The
  canonical form has every number as the float64 nearest to it. It cannot tell two numbers apart that a browser cannot.
- An unpaired surrogate, which MessagePack cannot represent, is `?`.
- The order of an object's fields does not count.

A run may use numbers of its own instead, if it writes one into each event: the checker only compares them.
"""

import math
from hashlib import blake2b
from typing import Any

import msgspec

DIGEST_BYTES = 7
"""A digest is below 2^56, so it is an integer everywhere. Two of a million events are the same once in 140,000 runs."""

EXACT = 1 << 53
"""Integers below this are the same as float64."""

_PLAIN = frozenset({str, bool, type(None)})

_encode = msgspec.json.Encoder(order="sorted").encode


def value_of(key: str | None, data: Any, ts: int = 0) -> int:
    """The number of an event with this key, this data, as decoded from JSON or MessagePack, and this timestamp.

    The timestamp, that of the record in Unix milliseconds, tells events apart whose data is the same, such as those of
    a feed that is published twice. For an action, the key is its kind, and there is no timestamp.
    """
    try:
        canonical = _encode((key, ts, _canonical(data)))
    except UnicodeEncodeError:
        canonical = _encode((key, ts, _canonical(_without_surrogates(data))))
    return int.from_bytes(blake2b(canonical, digest_size=DIGEST_BYTES).digest())


def _canonical(data: Any) -> Any:
    kind = type(data)
    if kind is dict:
        return {key: each if type(each) in _PLAIN else _canonical(each) for key, each in data.items()}
    if kind is int:
        return data if -EXACT < data < EXACT else _number(data)
    if kind is float:
        return _number(data) if data.is_integer() or not math.isfinite(data) else data
    if kind in _PLAIN:
        return data
    return [each if type(each) in _PLAIN else _canonical(each) for each in data]


def _number(number: float) -> int | float | str:
    """The float64 nearest to a number, as an integer if it is one. JSON has no infinity, so that is a text here."""
    try:
        number = float(number)
    except OverflowError:
        return "-inf" if number < 0 else "inf"
    if not math.isfinite(number):
        return str(number)
    return int(number) if number.is_integer() and abs(number) < EXACT else number


def _without_surrogates(data: Any) -> Any:
    if isinstance(data, str):
        return data.encode(errors="replace").decode()
    if isinstance(data, dict):
        return {_without_surrogates(key): _without_surrogates(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_without_surrogates(value) for value in data]
    return data
