"""The limits of the protocol itself, which no configuration can raise, with the reason for each.

Limits that an operator may want to change are settings (`touchline_server.config.settings`).
"""

FEED_NAME_CHARS_MAX = 32
"""People type a feed's name, and it is part of every room name."""

ROOM_ID_BYTES_MAX = 128
"""A room's id is a Kafka record key and is part of every event. UUIDs take 36 bytes, composite keys somewhat more."""

EVENT_KEY_BYTES_MAX = 128
"""An event's key is a name such as ``player.7``, not a document."""

EVENT_VALUE_BYTES_MAX = 256 * 1024
"""An event's value is copied to every client of its room: 256 KiB to 10,000 clients is 2.5 GB."""

JSON_DEPTH_MAX = 256
"""How deeply an event's value and an action's data may be nested. Most parsers recurse: Python's gives up at 1,000
levels and browsers at a few thousand, so every client can read a value within this depth."""

CLIENT_MESSAGE_BYTES_MAX = 64 * 1024
"""A client's message. The largest legitimate one names 100 rooms with their cursors, about 30 KB."""

FRAGMENTS_PER_MESSAGE_MAX = 1024
"""WebSocket fragments of a client's message: 64 KiB in pieces of 64 bytes. Its bytes are bounded, but fragments may be
empty."""

ROOMS_PER_SUBSCRIBE_MAX = 100
"""Rooms in one subscribe or unsubscribe: a bound on the work that one message can cause."""

TIMESTAMP_MAX = 2**53 - 1
"""The largest timestamp in a cursor, in Unix milliseconds: within JavaScript's range of integers."""

RECENT_EVENTS_MAX = 1_000
"""The largest value of ``last``. These events travel in one message, ahead of anything live."""

RECENT_BYTES_MAX = 1 << 20
"""All events in ``recent`` together, so that a small request cannot make the server build a message of any size."""

AGENT_CHARS_MAX = 128
"""The ``agent`` of a hello only appears in logs."""

TOKEN_CHARS_MAX = 8 * 1024
"""A token that names many rooms takes a few kilobytes. HTTP servers commonly accept header lines of 8 KiB, too."""

SESSION_NAME_CHARS_MAX = 64
"""A session's name is part of each of its actions. A UUID takes 36 characters."""

ACTION_KIND_CHARS_MAX = 64
"""An action's kind is a name such as ``tap``, not a text."""

ACTION_DATA_BYTES_MAX = 64 * 1024
"""An action's data, as JSON. It cannot exceed a client's message, and servers usually allow less."""

ACTIONS_WINDOW_MAX = 1024
"""The largest ``actions_window`` of any server: how many ids, counted from the oldest unanswered action, may be in
flight. It bounds what a reader of the log has to remember about a session in order to drop duplicates."""

ACTION_RESEND_S_MAX = 300
"""An unacknowledged action is not sent again once this long has passed since it was first sent. So duplicates are never
further apart, and a reader of the log knows how far back to look for them. A train passes a tunnel in less."""

VERDICT_TEXT_CHARS_MAX = 500
"""A verdict's reason is a sentence for the player."""

CONTROL_PAYLOAD_BYTES_MAX = 125
"""The payload of a control frame (RFC 6455 section 5.5), such as a close code of two bytes with its reason."""
