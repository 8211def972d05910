"""A record becomes an action, or says why it cannot."""

import pytest

from actions.records import Written, action_record, written
from touchline.actions import Action, action_of
from touchline_protocol.errors import BadRecord


def test_an_action_has_what_the_edge_wrote() -> None:
    record = written(
        7, action_record("ann", 3, session="s1", data={"x": [1, None]}, received_ms=1234, edge="e2", clock="c1")
    )
    assert action_of(record, 5) == Action(
        "ann", "match:1", "tap", {"x": [1, None]}, "s1", 3, 1234, "e2", partition=5, offset=7, clock="c1"
    )


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (Written(0, 0, b"ann", None), "bad_action"),
        (Written(0, 0, b"ann", b"{}"), "bad_action"),
        (Written(0, 0, b"ann", b"\xff"), "bad_action"),
        (written(0, action_record("ann", 1))._replace(key=b"bob"), "wrong_key"),
        (written(0, action_record("ann", 1))._replace(key=None), "wrong_key"),
        (written(0, action_record("ann", 0)), "bad_action"),
        (written(0, action_record("ann", -1)), "bad_action"),
        (
            Written(
                0,
                0,
                b"ann",
                b'{"player":"ann","room":"r","kind":"k","session":"s","id":1,"received_ms":1,"edge":"e","data":'
                + b"[" * 100_000
                + b"]" * 100_000
                + b"}",
            ),
            "bad_action",
        ),
        (
            Written(
                0,
                0,
                b"\xed\xa0\x80",
                b'{"player":"\\ud800","room":"r","kind":"k","session":"s","id":1,"received_ms":1,"edge":"e","data":1}',
            ),
            "bad_action",
        ),
    ],
)
def test_a_record_without_an_action_is_refused_with_a_reason(record: Written, reason: str) -> None:
    with pytest.raises(BadRecord) as caught:
        action_of(record, 0)
    assert caught.value.reason == reason
