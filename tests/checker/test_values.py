"""An event is known by one number to the log and to every client, whatever codec and language they read it with."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchline_loadtest.checks.values import EXACT, value_of

NUMBERS = st.integers(-(1 << 63), (1 << 64) - 1) | st.floats(allow_nan=False, allow_infinity=False)
DATA = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def in_a_browser(data: Any) -> Any:
    """The data as JavaScript has it, and gives it out again as JSON."""
    match data:
        case bool():
            return data
        case int() | float():
            number = float(data)
            return int(number) if number.is_integer() and abs(number) < 1e21 else number
        case list():
            return [in_a_browser(each) for each in data]
        case dict():
            return {key: in_a_browser(each) for key, each in reversed(data.items())}
        case _:
            return data


@given(DATA)
def test_all_readers_of_an_event_get_one_value(data: Any) -> None:
    value = value_of("score", data, 5)
    assert value < 1 << 56
    assert value == value_of("score", msgspec.json.decode(msgspec.json.encode(data)), 5)
    assert value == value_of("score", msgspec.msgpack.decode(msgspec.msgpack.encode(data)), 5)
    assert value == value_of("score", in_a_browser(data), 5)


@given(DATA, DATA)
def test_other_data_has_another_value(data: Any, other: Any) -> None:
    same = msgspec.json.encode(in_a_browser(data), order="sorted") == msgspec.json.encode(
        in_a_browser(other), order="sorted"
    )
    assert (value_of(None, data) == value_of(None, other)) == same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((None, 1), ("", 1)),
        (("a", None), ("b", None)),
        ((None, {"a": 1}), (None, {"a": "1"})),
        ((None, [1, 2]), (None, [2, 1])),
        ((None, True), (None, 1)),
        ((None, None), (None, False)),
        ((None, 1, 5), (None, 1, 6)),
        ((None, EXACT - 1), (None, EXACT)),
    ],
    ids=str,
)
def test_what_is_not_the_same_differs(one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    assert value_of(*one) != value_of(*other)


def test_numbers_and_texts_that_a_codec_cannot_represent_are_what_it_makes_of_them() -> None:
    assert value_of(None, 1e16) == value_of(None, 10**16)
    assert value_of(None, -0.0) == value_of(None, 0)
    assert value_of(None, 1 << 70) == value_of(None, float(1 << 70))
    assert value_of(None, 10**400) == value_of(None, float("inf"))
    assert value_of(None, {"a": "\ud83d"}) == value_of(None, {"a": "?"})
