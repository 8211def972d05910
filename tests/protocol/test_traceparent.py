"""`traceparent` as W3C Trace Context has it. The vectors have the cases; here is what holds for all texts."""

import re

from hypothesis import given
from hypothesis import strategies as st

from touchline_protocol.tracing.traceparent import (
    header_traceparent,
    is_sampled,
    traceparent_headers,
    traceparent_of,
)

FORM = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
digits = st.sampled_from("0123456789abcdef")


def hexadecimal(length: int) -> st.SearchStrategy[str]:
    return st.lists(digits, min_size=length, max_size=length).map("".join)


versions, trace_ids, span_ids, flags = hexadecimal(2), hexadecimal(32), hexadecimal(16), hexadecimal(2)
valid = st.builds(
    lambda trace_id, span_id, bits: f"00-{trace_id}-{span_id}-{bits}",
    trace_ids.filter(lambda trace_id: trace_id.strip("0") != ""),
    span_ids.filter(lambda span_id: span_id.strip("0") != ""),
    flags,
)


@given(valid)
def test_a_valid_one_is_passed_on_as_it_is(traceparent: str) -> None:
    assert traceparent_of(traceparent) == traceparent
    assert header_traceparent(traceparent_headers(traceparent)) == traceparent
    assert is_sampled(traceparent) == bool(int(traceparent[-2:], 16) & 1)


@given(st.text() | st.from_regex(re.compile(r"[0-9a-fA-F]{2}-[0-9a-fA-F]{31,33}-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")))
def test_what_comes_out_of_any_text_is_valid_or_none(text: str) -> None:
    found = traceparent_of(text)
    assert found is None or (FORM.fullmatch(found) and traceparent_of(found) == found)


@given(valid, st.integers(0, 54), st.characters())
def test_one_wrong_character_makes_it_invalid(traceparent: str, at: int, character: str) -> None:
    changed = traceparent[:at] + character + traceparent[at + 1 :]
    found = traceparent_of(changed)
    if character not in "0123456789abcdef" and changed != traceparent:
        assert found is None
    else:
        assert found is None or found[3:53] == changed[3:53]


@given(valid, versions.filter(lambda version: version not in ("00", "ff")), st.text())
def test_a_later_version_may_say_more(traceparent: str, version: str, more: str) -> None:
    later = traceparent_of(version + traceparent[2:] + "-" + more)
    assert later is not None
    assert later[:53] == traceparent[:53]
    assert is_sampled(later) == is_sampled(traceparent)


@given(st.binary(max_size=80), st.lists(st.tuples(st.text(), st.none() | st.binary())))
def test_no_header_raises(value: bytes, others: list[tuple[str, bytes]]) -> None:
    found = header_traceparent([*others, ("traceparent", value)])
    assert found is None or FORM.fullmatch(found)


@given(valid)
def test_a_header_of_a_megabyte_is_not_read_to_its_end(traceparent: str) -> None:
    assert header_traceparent([("traceparent", traceparent.encode() + bytes(1 << 20))]) is None
    assert header_traceparent([("traceparent", b"cc" + traceparent[2:].encode() + b"-" + bytes(1 << 20))]) is not None
