"""Verdicts, into the log and out of it again."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.generated_messages import integers_64_bits, plain_values, text
from touchline_protocol.actions import is_player
from touchline_protocol.errors import BadRecord
from touchline_protocol.limits import VERDICT_TEXT_CHARS_MAX
from touchline_protocol.messages import Verdict
from touchline_protocol.server_codecs import ALL_CODECS
from touchline_protocol.verdicts import VERDICT_HEADERS, VerdictRecord, decode_verdict, encode_verdict

players = st.text(min_size=1, max_size=60).filter(is_player)
times = st.integers(0, 2**53 - 1)
verdicts = st.builds(
    VerdictRecord,
    kind=st.sampled_from(["warn", "mute", "ban", "pardon"]),
    reason=st.text(st.characters(codec="utf-8"), max_size=VERDICT_TEXT_CHARS_MAX),
    until=st.none() | times,
    rule=st.none() | text,
    evidence=plain_values,
    decided_ms=st.none() | times,
)


@given(until=st.none() | integers_64_bits | st.just(2**64))
def test_every_codec_can_represent_a_verdict_that_can_be_read(until: int | None) -> None:
    value = json.dumps({"kind": "mute", "reason": "r", "until": until}).encode()
    with contextlib.suppress(BadRecord):
        _, verdict = decode_verdict(b"ada", value)
        for codec in ALL_CODECS:
            assert codec.frame(Verdict(kind=verdict.kind, reason=verdict.reason, until=verdict.until))


@given(player=players, verdict=verdicts)
def test_a_verdict_is_read_as_it_was_written(player: str, verdict: VerdictRecord) -> None:
    assert decode_verdict(player.encode(), encode_verdict(verdict)) == (player, verdict)


def test_the_shortest_record_is_kind_and_reason() -> None:
    assert encode_verdict(VerdictRecord(kind="warn", reason="too fast")) == b'{"kind":"warn","reason":"too fast"}'
    assert VERDICT_HEADERS == [("key", b"verdict")]


@pytest.mark.parametrize("value", [None, b"null", b" null\n"])
def test_null_is_a_pardon(value: bytes | None) -> None:
    assert decode_verdict(b"ada", value) == ("ada", VerdictRecord(kind="pardon", reason=""))


json_like = st.text(st.sampled_from('[]{}",:0129.-+eE \ntrufalsn\\udD8é\x00'), max_size=24).map(str.encode)


@given(key=st.none() | st.binary(max_size=20), value=st.none() | st.binary(max_size=40) | json_like)
def test_any_record_is_a_verdict_or_a_bad_record(key: bytes | None, value: bytes | None) -> None:
    try:
        player, _ = decode_verdict(key, value)
        outcome = "a verdict" if is_player(player) else "nobody's"
    except BadRecord as error:
        outcome = error.reason
    assert outcome in ("a verdict", "bad_player", "bad_verdict")


@pytest.mark.parametrize("key", [None, b"", b"\xff", b"a b", b"a" * 129])
def test_a_key_that_is_not_a_player_is_a_bad_record(key: bytes | None) -> None:
    with pytest.raises(BadRecord) as caught:
        decode_verdict(key, b'{"kind":"ban","reason":"r"}')
    assert caught.value.reason == "bad_player"


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "scold"},
        {"kind": None},
        {"reason": None},
        {"reason": "r" * (VERDICT_TEXT_CHARS_MAX + 1)},
        {"reason": "\ud800"},
        {"until": "soon"},
        {"until": 1.5},
        {"until": -1},
        {"until": 2**53},
        {"until": 2**64},
    ],
)
def test_a_value_with_an_invalid_field_is_a_bad_record(wrong: dict[str, Any]) -> None:
    value = {"kind": "mute", "reason": "r", "until": 1} | wrong
    with pytest.raises(BadRecord) as caught:
        decode_verdict(b"ada", json.dumps(value).encode())
    assert caught.value.reason == "bad_verdict"


def test_endlessly_nested_evidence_is_a_bad_record() -> None:
    with pytest.raises(BadRecord):
        decode_verdict(b"ada", b'{"kind":"ban","reason":"r","evidence":' + b"[" * 50_000 + b"]" * 50_000 + b"}")
