"""Every error and close code, what it means, and what a client should do about it.

This table is the only place where codes are listed. `protocol/README.md` shows it (a test compares the two) and the
SDKs act on it.

`Recovery` is for the client's code, not for its user:

- RECONNECT: connect again, with backoff, and go on from the cursors.
- RETRY: the connection stays; the same message can succeed later.
- GIVE_UP: the same would happen again; something has to be changed first.
"""

from enum import StrEnum
from typing import NamedTuple


class Recovery(StrEnum):
    """What a client should do after a code."""

    RECONNECT = "reconnect"
    RETRY = "retry"
    GIVE_UP = "give_up"


class ErrorCode(NamedTuple):
    """A code in an `error` message."""

    code: str
    recovery: Recovery
    meaning: str


class CloseCode(NamedTuple):
    """A code in a WebSocket close frame. 1000 to 1015 are RFC 6455's, 4000 to 4999 are ours: from 4500, give up."""

    code: int
    name: str
    recovery: Recovery
    meaning: str


BAD_MESSAGE = ErrorCode("bad_message", Recovery.GIVE_UP, "The message cannot be read, or a field has a wrong value.")
UNKNOWN_TYPE = ErrorCode("unknown_type", Recovery.GIVE_UP, "The message's type is none that this server knows.")
OUT_OF_ORDER = ErrorCode("out_of_order", Recovery.GIVE_UP, "The message may not be sent now, as a second hello.")
BAD_ROOM = ErrorCode("bad_room", Recovery.GIVE_UP, "The room's name does not read <feed>:<id>.")
UNKNOWN_FEED = ErrorCode("unknown_feed", Recovery.GIVE_UP, "This server does not carry the room's feed.")
ALREADY_SUBSCRIBED = ErrorCode("already_subscribed", Recovery.GIVE_UP, "The connection is in the room already.")
NOT_SUBSCRIBED = ErrorCode("not_subscribed", Recovery.GIVE_UP, "The connection is not in the room.")
TOO_MANY_ROOMS = ErrorCode(
    "too_many_rooms", Recovery.GIVE_UP, "The connection is in as many rooms as the welcome's rooms_max allows."
)
UNAVAILABLE = ErrorCode(
    "unavailable", Recovery.RETRY, "The room cannot be served now: this edge has not read its log yet, or is full."
)

ERRORS: dict[str, ErrorCode] = {
    error.code: error
    for error in (
        BAD_MESSAGE,
        UNKNOWN_TYPE,
        OUT_OF_ORDER,
        BAD_ROOM,
        UNKNOWN_FEED,
        ALREADY_SUBSCRIBED,
        NOT_SUBSCRIBED,
        TOO_MANY_ROOMS,
        UNAVAILABLE,
    )
}

NORMAL = CloseCode(1000, "normal", Recovery.RECONNECT, "The other side closed without a complaint.")
GOING_AWAY = CloseCode(1001, "going_away", Recovery.RECONNECT, "The edge is stopping, or the page was left.")
PROTOCOL_ERROR = CloseCode(1002, "protocol_error", Recovery.GIVE_UP, "The bytes were no valid WebSocket frames.")
WRONG_FRAME = CloseCode(
    1003, "wrong_frame", Recovery.GIVE_UP, "A text frame on the msgpack subprotocol, or a binary one on json."
)
ABNORMAL = CloseCode(1006, "abnormal", Recovery.RECONNECT, "The connection was lost without a close frame.")
INVALID_TEXT = CloseCode(1007, "invalid_text", Recovery.GIVE_UP, "A text frame was not UTF-8.")
TOO_BIG = CloseCode(1009, "too_big", Recovery.GIVE_UP, "A message was larger than the welcome's message_bytes_max.")
INTERNAL_ERROR = CloseCode(1011, "internal_error", Recovery.RECONNECT, "The server failed; its log says how.")
TOO_SLOW = CloseCode(
    4000,
    "too_slow",
    Recovery.RECONNECT,
    "The client stayed behind for longer than the server waits, or further than the log reaches; it can resume.",
)
HELLO_TIMEOUT = CloseCode(4001, "hello_timeout", Recovery.RECONNECT, "No hello came within the handshake time.")
HELLO_EXPECTED = CloseCode(4500, "hello_expected", Recovery.GIVE_UP, "The first message was not a hello.")
TOO_MANY_ERRORS = CloseCode(
    4501, "too_many_errors", Recovery.GIVE_UP, "The connection was answered with too many errors to be meant."
)

CLOSES: dict[int, CloseCode] = {
    close.code: close
    for close in (
        NORMAL,
        GOING_AWAY,
        PROTOCOL_ERROR,
        WRONG_FRAME,
        ABNORMAL,
        INVALID_TEXT,
        TOO_BIG,
        INTERNAL_ERROR,
        TOO_SLOW,
        HELLO_TIMEOUT,
        HELLO_EXPECTED,
        TOO_MANY_ERRORS,
    )
}

_GIVE_UP_CLOSES = range(4500, 5000)


def recovery_of_close(code: int) -> Recovery:
    """What a client should do after a close with ``code``, for codes not in the table too: 45xx is give up."""
    if code in CLOSES:
        return CLOSES[code].recovery
    return Recovery.GIVE_UP if code in _GIVE_UP_CLOSES else Recovery.RECONNECT
