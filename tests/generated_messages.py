"""Messages of every type with whatever their fields may hold, for Hypothesis."""

from typing import Any

from hypothesis import strategies as st

from touchline_protocol.messages import (
    Beat,
    Error,
    Event,
    Goaway,
    Hello,
    Limits,
    RoomRequest,
    Skipped,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Unsubscribed,
    Welcome,
)

integers_64_bits = st.integers(-(2**63), 2**64 - 1)
text = st.text(st.characters(codec="utf-8"))
offsets = st.integers(-1, 2**63 - 1)
request_ids = st.none() | st.integers(0, 2**53 - 1)


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
client_messages = st.one_of(
    st.builds(Hello, agent=st.none() | st.text(st.characters(codec="utf-8"), max_size=128)),
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
            ),
            min_size=1,
            max_size=4,
        ),
        id=request_ids,
    ),
    st.builds(Unsubscribe, rooms=st.lists(text, min_size=1, max_size=4), id=request_ids),
)
server_messages = st.one_of(
    st.builds(
        Welcome,
        session=text,
        edge=text,
        heartbeat_ms=integers_64_bits,
        limits=st.builds(Limits, message_bytes_max=integers_64_bits, rooms_max=integers_64_bits),
        time=integers_64_bits,
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
    ),
    st.builds(Unsubscribed, room=text, id=request_ids),
    events,
    st.builds(Skipped, room=text, from_=offsets, to=offsets, count=offsets),
    st.builds(Error, code=text, message=text, room=st.none() | text, id=request_ids),
    st.builds(Goaway, reconnect_ms=integers_64_bits, reason=text),
    st.just(Beat()),
)
