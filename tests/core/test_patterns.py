"""Which rooms the patterns of a token allow."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchline_server.core.players.grants import PATTERNS_MAX, Patterns


@pytest.mark.parametrize(
    ("patterns", "room", "allowed"),
    [
        (["match:7"], "match:7", True),
        (["match:7"], "match:71", False),
        (["match:*"], "match:7", True),
        (["match:*"], "match:", True),
        (["match:*"], "score:7", False),
        (["*"], "score:7", True),
        (["*:7"], "score:7", True),
        (["*:7"], "score:71", False),
        (["m*:*7"], "match:17", True),
        (["a*a"], "a", False),
        (["**"], "anything", True),
        (["match:.*"], "match:7", False),
        (["match:[0-9]"], "match:7", False),
        (["match:?"], "match:7", False),
        (["score:1", "match:*", "*:9"], "other:9", True),
        ([], "match:7", False),
        ([""], "", True),
        ([""], "match:7", False),
    ],
)
def test_a_room_is_allowed_by_a_pattern_of_it(patterns: list[str], room: str, allowed: bool) -> None:
    assert Patterns(patterns).allow(room) is allowed


TEXTS = st.text("ab*:\n", max_size=6)


@given(st.lists(TEXTS, max_size=4), st.text("ab:\n", max_size=8))
def test_they_allow_what_plain_regular_expressions_do(patterns: list[str], room: str) -> None:
    plain = [".*".join(map(re.escape, pattern.split("*"))) for pattern in patterns]
    assert Patterns(patterns).allow(room) == any(re.fullmatch(one, room, re.DOTALL) for one in plain)


def test_patterns_made_to_be_slow_are_not() -> None:
    assert not Patterns(["*a" * 30 + "b"] * PATTERNS_MAX).allow("match:" + "a" * 122)
