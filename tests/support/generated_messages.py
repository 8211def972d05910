"""Hypothesis strategies for messages of every type with any valid fields."""

from typing import Any

from hypothesis import strategies as st
from msgspec import Raw

from touchline_protocol.limits import TIMESTAMP_MAX
from touchline_protocol.messages import (
    Ack,
    Action,
    Beat,
    Error,
    Event,
    Goaway,
    Hello,
    Limits,
    Members,
    MembersChanged,
    Nack,
    Occupancy,
    Refresh,
    Refreshed,
    Replayed,
    RoomRequest,
    Skipped,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Unsubscribed,
    Verdict,
    Welcome,
)

integers_64_bits = st.integers(-(2**63), 2**64 - 1)
text = st.text(st.characters(codec="utf-8"))
offsets = st.integers(-1, 2**63 - 1)
request_ids = st.none() | st.integers(0, 2**53 - 1)
action_ids = st.integers(1, 2**53 - 1)
session_names = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
action_kinds = st.from_regex(r"[A-Za-z0-9_.-]{1,64}", fullmatch=True)
tokens = st.text(st.characters(codec="utf-8"), min_size=1, max_size=100)


def json_of(scalars: st.SearchStrategy[Any], keys: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    """JSON values built of ``scalars``."""
    return st.recursive(
        scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4), max_leaves=12
    )


plain_values = json_of(
    st.none() | st.booleans() | integers_64_bits | st.floats(allow_nan=False, allow_infinity=False) | text, text
)
any_text = st.text(st.characters())
any_values = json_of(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | any_text, any_text)

events = st.builds(
    Event,
    room=text,
    offset=offsets,
    prev=st.none() | offsets,
    ts=integers_64_bits,
    data=plain_values,
    key=st.none() | text,
)
NO_DATA = Action(id=1, room="", kind="tap").data  # only this very object is omitted when encoding
DATA_OF_ANY_CODEC = Raw(b"7")  # 7 in JSON, 55 in msgpack
client_messages = st.one_of(
    st.builds(
        Hello,
        token=st.none() | tokens,
        session=st.none() | session_names,
        agent=st.none() | st.text(st.characters(codec="utf-8"), max_size=128),
    ),
    st.builds(
        Subscribe,
        rooms=st.lists(
            st.builds(
                RoomRequest,
                room=text,
                epoch=st.none() | text,
                after=st.none() | offsets,
                last=st.integers(0, 1000),
                deliver=st.sampled_from(["all", "latest"]),
                occupancy=st.booleans(),
                members=st.booleans(),
                ts=request_ids,
            ),
            min_size=1,
            max_size=4,
        ),
        id=request_ids,
    ),
    st.builds(Unsubscribe, rooms=st.lists(text, min_size=1, max_size=4), id=request_ids),
    st.builds(
        Action,
        id=action_ids,
        room=text,
        kind=action_kinds,
        data=st.sampled_from([NO_DATA, DATA_OF_ANY_CODEC]),
        prev=request_ids,
    ).filter(lambda action: action.prev is None or action.prev < action.id),
    st.builds(Refresh, token=tokens, id=request_ids),
)
server_messages = st.one_of(
    st.builds(
        Welcome,
        session=text,
        edge=text,
        heartbeat_ms=integers_64_bits,
        limits=st.builds(
            Limits,
            message_bytes_max=integers_64_bits,
            rooms_max=integers_64_bits,
            action_bytes_max=integers_64_bits,
            actions_window=integers_64_bits,
        ),
        time=integers_64_bits,
        player=st.none() | text,
        expires=st.none() | integers_64_bits,
        last_action=integers_64_bits,
    ),
    st.builds(
        Subscribed,
        room=text,
        epoch=text,
        head=offsets,
        recovered=st.booleans(),
        state=st.lists(events, max_size=2),
        recent=st.lists(events, max_size=2),
        id=request_ids,
        after=st.none() | offsets,
        by_time=st.booleans(),
    ),
    st.builds(Unsubscribed, room=text, id=request_ids),
    events,
    st.builds(Skipped, room=text, from_=offsets, to=offsets, count=offsets),
    st.builds(Occupancy, room=text, viewers=integers_64_bits, complete=st.booleans()),
    st.builds(Members, room=text, players=st.lists(text, max_size=3), too_many=st.booleans(), complete=st.booleans()),
    st.builds(
        MembersChanged,
        room=text,
        joined=st.lists(text, max_size=3),
        left=st.lists(text, max_size=3),
        complete=st.booleans(),
    ),
    st.builds(Replayed, room=text, to=offsets, ts=st.none() | st.integers(0, TIMESTAMP_MAX)),
    st.builds(Refreshed, expires=integers_64_bits, id=request_ids),
    st.builds(Ack, id=integers_64_bits),
    st.builds(Nack, id=integers_64_bits, code=text, message=text, retry_ms=st.none() | integers_64_bits),
    st.builds(
        Verdict,
        kind=st.sampled_from(["warn", "mute", "ban", "pardon"]),
        reason=text,
        until=st.none() | integers_64_bits,
    ),
    st.builds(Error, code=text, message=text, room=st.none() | text, id=request_ids),
    st.builds(Goaway, reconnect_ms=integers_64_bits, reason=text),
    st.just(Beat()),
)
