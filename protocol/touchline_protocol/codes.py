"""Every error and close code, what it means, and what a client should do about it.

This is the only place where codes are listed. `protocol/README.md` repeats the tables (a test compares them), and the
SDKs act on them.

A `Recovery` is meant for the client's program, not for its user:

- RECONNECT: connect again, with backoff, and resume from the cursors.
- RETRY: the connection stays open; the same message may succeed later.
- GIVE_UP: the result would be the same again; something has to change first.

An event has one name, whichever message reports it. Where the recovery differs between the tables, the constant names
the table: `TOKEN_EXPIRED` is an error, `NACK_TOKEN_EXPIRED` a nack, `CLOSE_TOKEN_EXPIRED` a close.
"""

from enum import StrEnum
from typing import NamedTuple


class Recovery(StrEnum):
    """What a client should do after a code."""

    RECONNECT = "reconnect"
    RETRY = "retry"
    GIVE_UP = "give_up"


class ErrorCode(NamedTuple):
    """A code carried by an `error` or a `nack` message."""

    code: str
    recovery: Recovery
    meaning: str


class CloseCode(NamedTuple):
    """A code carried by a close frame. RFC 6455 defines 1000 to 1015; 4000 to 4999 are ours, and from 4500 give up."""

    code: int
    name: str
    recovery: Recovery
    meaning: str


BAD_MESSAGE = ErrorCode(
    "bad_message", Recovery.GIVE_UP, "The message cannot be read, or one of its fields has an invalid value."
)
UNKNOWN_TYPE = ErrorCode("unknown_type", Recovery.GIVE_UP, "The server does not know this message type.")
OUT_OF_ORDER = ErrorCode(
    "out_of_order", Recovery.GIVE_UP, "The message is not allowed at this point: a second hello, for example."
)
BAD_ROOM = ErrorCode("bad_room", Recovery.GIVE_UP, "The room name does not have the form <feed>:<id>.")
UNKNOWN_FEED = ErrorCode("unknown_feed", Recovery.GIVE_UP, "This server does not carry the room's feed.")
ALREADY_SUBSCRIBED = ErrorCode("already_subscribed", Recovery.GIVE_UP, "The connection is already in the room.")
NOT_SUBSCRIBED = ErrorCode("not_subscribed", Recovery.GIVE_UP, "The connection is not in the room.")
TOO_MANY_ROOMS = ErrorCode(
    "too_many_rooms", Recovery.GIVE_UP, "The connection is already in as many rooms as the welcome's rooms_max allows."
)
UNAVAILABLE = ErrorCode(
    "unavailable",
    Recovery.RETRY,
    "The room cannot be served right now: this edge has not read its log yet, or cannot (a partition without a leader, "
    "a missing permission), or is full.",
)
TOO_MANY_SUBSCRIBES = ErrorCode(
    "too_many_subscribes",
    Recovery.RETRY,
    "The connection asks for rooms more often than this server allows; none of the message's rooms was joined.",
)
TOO_MANY_CONNECTIONS = ErrorCode(
    "too_many_connections",
    Recovery.RETRY,
    "The client's address has, or opens, more connections than this server allows.",
)
TOO_MANY_REFRESHES = ErrorCode(
    "too_many_refreshes",
    Recovery.RETRY,
    "The connection presents tokens more often than this server allows; the token before stays in force.",
)

FORBIDDEN = ErrorCode("forbidden", Recovery.GIVE_UP, "The token does not allow this for the room.")
MEMBERS_FORBIDDEN = ErrorCode(
    "members_forbidden",
    Recovery.GIVE_UP,
    "The token does not allow the client to see who is in the room: subscribe without members.",
)
TOKEN_MISSING = ErrorCode(
    "token_missing", Recovery.GIVE_UP, "A token is required, and the client presented none in hello or Authorization."
)
TOKEN_MALFORMED = ErrorCode(
    "token_malformed",
    Recovery.GIVE_UP,
    "The token is not a JWT, or one of its claims is missing or has the wrong type.",
)
TOKEN_UNSIGNED = ErrorCode("token_unsigned", Recovery.GIVE_UP, 'The token declares itself unsigned: its alg is "none".')
TOKEN_ALGORITHM = ErrorCode(
    "token_algorithm", Recovery.GIVE_UP, "The token's algorithm is not that of the key it names, or of any key."
)
TOKEN_KEY_UNKNOWN = ErrorCode(
    "token_key_unknown",
    Recovery.RECONNECT,
    "The server does not know the token's key (kid); it is checking for a new one.",
)
TOKEN_SIGNATURE = ErrorCode("token_signature", Recovery.GIVE_UP, "The token's signature does not match its key.")
TOKEN_EXPIRED = ErrorCode("token_expired", Recovery.GIVE_UP, "The token has expired (exp): get a new one.")
TOKEN_NOT_YET_VALID = ErrorCode(
    "token_not_yet_valid", Recovery.GIVE_UP, "The token is not valid yet (nbf, iat) by the server's clock."
)
TOKEN_AUDIENCE = ErrorCode("token_audience", Recovery.GIVE_UP, "The token is for another audience (aud).")
TOKEN_ISSUER = ErrorCode("token_issuer", Recovery.GIVE_UP, "The token comes from another issuer (iss).")
TOO_MANY_PLAYER_CONNECTIONS = ErrorCode(
    "too_many_player_connections",
    Recovery.RECONNECT,
    "The player has as many connections as it may have, on all edges together.",
)
TOKEN_PLAYER = ErrorCode("token_player", Recovery.GIVE_UP, "The token of a refresh belongs to another player (sub).")

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
        TOO_MANY_SUBSCRIBES,
        TOO_MANY_REFRESHES,
        TOO_MANY_CONNECTIONS,
        FORBIDDEN,
        MEMBERS_FORBIDDEN,
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
        TOO_MANY_PLAYER_CONNECTIONS,
    )
}
"""All codes of `error` messages."""

ACTION_MALFORMED = ErrorCode("action_malformed", Recovery.GIVE_UP, "A field of the action has an invalid value.")
ACTION_FORBIDDEN = ErrorCode(
    "action_forbidden", Recovery.GIVE_UP, "The token does not allow the player to act in the room."
)
ACTION_BAD_ROOM = ErrorCode(
    "action_bad_room", Recovery.GIVE_UP, "The room name is invalid, or this server does not carry its feed."
)
ACTION_TOO_LARGE = ErrorCode(
    "action_too_large", Recovery.GIVE_UP, "The data is larger than the welcome's action_bytes_max."
)
ACTION_BAD_DATA = ErrorCode(
    "action_bad_data", Recovery.GIVE_UP, "The data cannot be represented as JSON, or is nested too deeply."
)
ACTION_KIND_UNKNOWN = ErrorCode("action_kind_unknown", Recovery.GIVE_UP, "The feed has no actions of this kind.")
ACTION_INVALID = ErrorCode(
    "action_invalid", Recovery.GIVE_UP, "The data does not match the feed's JSON Schema; the message says where."
)
ACTION_REFUSED = ErrorCode(
    "action_refused",
    Recovery.GIVE_UP,
    "The log does not store this action: it is larger than the log's own limit, or the log's checks reject it.",
)
MUTED = ErrorCode("muted", Recovery.GIVE_UP, "A verdict against the player is in force: see the verdict message.")
DUPLICATE_ID = ErrorCode(
    "duplicate_id", Recovery.GIVE_UP, "The log already has this session's action with this id; it is not added again."
)
ID_GAP = ErrorCode(
    "id_gap", Recovery.RETRY, "An earlier action is missing or was not taken: resume from that one, in order."
)
RATE_LIMITED = ErrorCode("rate_limited", Recovery.RETRY, "The player acts more often than this server allows.")
TOO_MANY_UNACKED = ErrorCode(
    "too_many_unacked",
    Recovery.RETRY,
    "Too many actions are unanswered: in the session (actions_window), or on the whole edge.",
)
LOG_UNAVAILABLE = ErrorCode(
    "log_unavailable",
    Recovery.RETRY,
    "The log is unavailable, so no action can be stored right now, or not all verdicts can be read yet.",
)
NACK_TOKEN_EXPIRED = ErrorCode(
    "token_expired", Recovery.RECONNECT, "The token has expired; the connection is about to be closed."
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
        ACTION_REFUSED,
        MUTED,
        DUPLICATE_ID,
        ID_GAP,
        RATE_LIMITED,
        TOO_MANY_UNACKED,
        LOG_UNAVAILABLE,
        NACK_TOKEN_EXPIRED,
    )
}
"""All codes of `nack` messages. GIVE_UP means that the action is refused for good and its id used up. Otherwise its id
is still free: the action can be sent again, followed by all later ones, in order."""

NORMAL = CloseCode(1000, "normal", Recovery.RECONNECT, "The other side closed the connection normally.")
GOING_AWAY = CloseCode(1001, "going_away", Recovery.RECONNECT, "The edge is shutting down, or the user left the page.")
PROTOCOL_ERROR = CloseCode(
    1002, "protocol_error", Recovery.GIVE_UP, "The bytes received were not valid WebSocket frames."
)
WRONG_FRAME = CloseCode(
    1003, "wrong_frame", Recovery.GIVE_UP, "A text frame arrived on the msgpack subprotocol, or a binary frame on json."
)
ABNORMAL = CloseCode(1006, "abnormal", Recovery.RECONNECT, "The connection was lost without a close frame.")
INVALID_TEXT = CloseCode(1007, "invalid_text", Recovery.GIVE_UP, "A text frame was not valid UTF-8.")
TOO_BIG = CloseCode(1009, "too_big", Recovery.GIVE_UP, "A message was larger than the welcome's message_bytes_max.")
INTERNAL_ERROR = CloseCode(1011, "internal_error", Recovery.RECONNECT, "The server failed; its log has the details.")
TOO_SLOW = CloseCode(
    4000,
    "too_slow",
    Recovery.RECONNECT,
    "The client was behind for longer than the server allows, or further than the log reaches; it can resume.",
)
HELLO_TIMEOUT = CloseCode(4001, "hello_timeout", Recovery.RECONNECT, "No hello arrived within the handshake time.")
CLOSE_TOKEN_EXPIRED = CloseCode(
    4002, "token_expired", Recovery.RECONNECT, "The token expired and was not refreshed; reconnect with a new one."
)
CLOSE_TOKEN_KEY_UNKNOWN = CloseCode(
    4003,
    "token_key_unknown",
    Recovery.RECONNECT,
    "The server does not know the token's key yet; the preceding error names it.",
)
CLOSE_TOO_MANY_PLAYER_CONNECTIONS = CloseCode(
    4004,
    "too_many_player_connections",
    Recovery.RECONNECT,
    "The player has as many connections as it may have, on all edges together; one has to end first.",
)
HELLO_EXPECTED = CloseCode(4500, "hello_expected", Recovery.GIVE_UP, "The first message was not a hello.")
TOO_MANY_ERRORS = CloseCode(
    4501,
    "too_many_errors",
    Recovery.GIVE_UP,
    "The server had to refuse too many of the client's messages in a short time, with errors and nacks.",
)
UNAUTHORIZED = CloseCode(
    4502, "unauthorized", Recovery.GIVE_UP, "The token was rejected or is missing; the preceding error says why."
)
BANNED = CloseCode(4503, "banned", Recovery.GIVE_UP, "The player is banned; the preceding verdict says why.")
SESSION_REPLACED = CloseCode(
    4504, "session_replaced", Recovery.GIVE_UP, "Another connection of the player took over this session."
)
TOO_MANY_PINGS = CloseCode(
    4505, "too_many_pings", Recovery.GIVE_UP, "The client sent far more pings or pongs than keep a connection alive."
)
TOO_MANY_MESSAGES = CloseCode(
    4506, "too_many_messages", Recovery.GIVE_UP, "The client sent far more messages than this server allows."
)
TOO_MANY_BYTES = CloseCode(
    4507, "too_many_bytes", Recovery.GIVE_UP, "The client sent far more bytes in messages than this server allows."
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
        CLOSE_TOO_MANY_PLAYER_CONNECTIONS,
        HELLO_EXPECTED,
        TOO_MANY_ERRORS,
        UNAUTHORIZED,
        BANNED,
        SESSION_REPLACED,
        TOO_MANY_PINGS,
        TOO_MANY_MESSAGES,
        TOO_MANY_BYTES,
    )
}
"""All codes of close frames."""

GIVE_UP_CLOSES = range(4500, 5000)
"""The codes after which a client gives up, even if it does not know them."""


def recovery_of_close(code: int) -> Recovery:
    """What a client should do after a close with ``code``. An unknown one from 4500 to 4999 means to give up."""
    if code in CLOSES:
        return CLOSES[code].recovery
    return Recovery.GIVE_UP if code in GIVE_UP_CLOSES else Recovery.RECONNECT
