"""Every error and close code, what it means, and what a client should do about it.

This table is the only place where codes are listed. `protocol/README.md` shows it (a test compares the two) and the
SDKs act on it.

`Recovery` is for the client's code, not for its user:

- RECONNECT: connect again, with backoff, and go on from the cursors.
- RETRY: the connection stays; the same message can succeed later.
- GIVE_UP: the same would happen again; something has to be changed first.

One event has one name, in whatever message it is reported. Where what to do about it differs, the constant says which
table it belongs to: `TOKEN_EXPIRED` (of an error), `NACK_TOKEN_EXPIRED`, `CLOSE_TOKEN_EXPIRED`.
"""

from enum import StrEnum
from typing import NamedTuple


class Recovery(StrEnum):
    """What a client should do after a code."""

    RECONNECT = "reconnect"
    RETRY = "retry"
    GIVE_UP = "give_up"


class ErrorCode(NamedTuple):
    """A code in an `error` or a `nack` message."""

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

FORBIDDEN = ErrorCode("forbidden", Recovery.GIVE_UP, "The token does not allow this with the room.")
TOKEN_MISSING = ErrorCode(
    "token_missing", Recovery.GIVE_UP, "This needs a token, and none was presented in hello or in Authorization."
)
TOKEN_MALFORMED = ErrorCode(
    "token_malformed", Recovery.GIVE_UP, "The token is no JWT, or one of its claims is missing or has a wrong type."
)
TOKEN_UNSIGNED = ErrorCode("token_unsigned", Recovery.GIVE_UP, "The token says that it is not signed: alg none.")
TOKEN_ALGORITHM = ErrorCode(
    "token_algorithm", Recovery.GIVE_UP, "The token names an algorithm that its key is not for, or that no key is for."
)
TOKEN_KEY_UNKNOWN = ErrorCode(
    "token_key_unknown",
    Recovery.RECONNECT,
    "The token names a key (kid) that this server does not know; it looks whether there is a new one.",
)
TOKEN_SIGNATURE = ErrorCode("token_signature", Recovery.GIVE_UP, "The token's signature is not that of its key.")
TOKEN_EXPIRED = ErrorCode("token_expired", Recovery.GIVE_UP, "The token's time (exp) is over: get a new one.")
TOKEN_NOT_YET_VALID = ErrorCode(
    "token_not_yet_valid", Recovery.GIVE_UP, "The token's time (nbf, iat) has not come, by the server's clock."
)
TOKEN_AUDIENCE = ErrorCode("token_audience", Recovery.GIVE_UP, "The token is for another audience (aud).")
TOKEN_ISSUER = ErrorCode("token_issuer", Recovery.GIVE_UP, "The token is from another issuer (iss).")
TOKEN_PLAYER = ErrorCode("token_player", Recovery.GIVE_UP, "A refresh came with the token of another player (sub).")

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
        FORBIDDEN,
        TOKEN_MISSING,
        TOKEN_MALFORMED,
        TOKEN_UNSIGNED,
        TOKEN_ALGORITHM,
        TOKEN_KEY_UNKNOWN,
        TOKEN_SIGNATURE,
        TOKEN_EXPIRED,
        TOKEN_NOT_YET_VALID,
        TOKEN_AUDIENCE,
        TOKEN_ISSUER,
        TOKEN_PLAYER,
    )
}
"""The codes of `error` messages."""

ACTION_MALFORMED = ErrorCode("action_malformed", Recovery.GIVE_UP, "A field of the action has a wrong value.")
ACTION_FORBIDDEN = ErrorCode("action_forbidden", Recovery.GIVE_UP, "The token does not let the player act in the room.")
ACTION_BAD_ROOM = ErrorCode("action_bad_room", Recovery.GIVE_UP, "The room's name is none, or its feed is not carried.")
ACTION_TOO_LARGE = ErrorCode(
    "action_too_large", Recovery.GIVE_UP, "The data is larger than the welcome's action_bytes_max."
)
ACTION_BAD_DATA = ErrorCode(
    "action_bad_data", Recovery.GIVE_UP, "The data cannot be written as JSON, or is nested too deep."
)
ACTION_KIND_UNKNOWN = ErrorCode("action_kind_unknown", Recovery.GIVE_UP, "The feed has no actions of this kind.")
ACTION_INVALID = ErrorCode(
    "action_invalid", Recovery.GIVE_UP, "The data is not what the feed's JSON Schema asks for; the message says where."
)
MUTED = ErrorCode("muted", Recovery.GIVE_UP, "A verdict stands against the player: see the verdict message.")
DUPLICATE_ID = ErrorCode(
    "duplicate_id", Recovery.GIVE_UP, "The session's action of this id is in the log already, and is not added again."
)
ID_GAP = ErrorCode(
    "id_gap", Recovery.RETRY, "An action before this one is missing or was not taken: go on from that one, in order."
)
RATE_LIMITED = ErrorCode("rate_limited", Recovery.RETRY, "The player acts more often than this server takes.")
TOO_MANY_UNACKED = ErrorCode(
    "too_many_unacked", Recovery.RETRY, "More actions wait for their answer than actions_window, or all in all."
)
LOG_UNAVAILABLE = ErrorCode("log_unavailable", Recovery.RETRY, "The log is away, so no action can be kept now.")
NACK_TOKEN_EXPIRED = ErrorCode(
    "token_expired", Recovery.RECONNECT, "The token's time is over; the connection is about to be closed."
)

NACKS: dict[str, ErrorCode] = {
    nack.code: nack
    for nack in (
        TOKEN_MISSING,
        ACTION_MALFORMED,
        ACTION_FORBIDDEN,
        ACTION_BAD_ROOM,
        ACTION_TOO_LARGE,
        ACTION_BAD_DATA,
        ACTION_KIND_UNKNOWN,
        ACTION_INVALID,
        MUTED,
        DUPLICATE_ID,
        ID_GAP,
        RATE_LIMITED,
        TOO_MANY_UNACKED,
        LOG_UNAVAILABLE,
        NACK_TOKEN_EXPIRED,
    )
}
"""The codes of `nack` messages. GIVE_UP: the action is done with, and its id used. Else its id is still free: it, and
all after it, can be sent again, in order."""

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
CLOSE_TOKEN_EXPIRED = CloseCode(
    4002, "token_expired", Recovery.RECONNECT, "The token's time is over and no newer one came; come back with one."
)
CLOSE_TOKEN_KEY_UNKNOWN = CloseCode(
    4003,
    "token_key_unknown",
    Recovery.RECONNECT,
    "The token's key is not known here yet; the error before this says which.",
)
HELLO_EXPECTED = CloseCode(4500, "hello_expected", Recovery.GIVE_UP, "The first message was not a hello.")
TOO_MANY_ERRORS = CloseCode(
    4501, "too_many_errors", Recovery.GIVE_UP, "The connection was answered with too many errors to be meant."
)
UNAUTHORIZED = CloseCode(
    4502, "unauthorized", Recovery.GIVE_UP, "The token was refused, or is missing; the error before this says why."
)
BANNED = CloseCode(4503, "banned", Recovery.GIVE_UP, "A verdict bans the player; the verdict before this says why.")
SESSION_REPLACED = CloseCode(
    4504, "session_replaced", Recovery.GIVE_UP, "Another connection of the player goes on with this session."
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
        CLOSE_TOKEN_EXPIRED,
        CLOSE_TOKEN_KEY_UNKNOWN,
        HELLO_EXPECTED,
        TOO_MANY_ERRORS,
        UNAUTHORIZED,
        BANNED,
        SESSION_REPLACED,
    )
}

_GIVE_UP_CLOSES = range(4500, 5000)


def recovery_of_close(code: int) -> Recovery:
    """What a client should do after a close with ``code``, for codes not in the table too: 45xx is give up."""
    if code in CLOSES:
        return CLOSES[code].recovery
    return Recovery.GIVE_UP if code in _GIVE_UP_CLOSES else Recovery.RECONNECT
