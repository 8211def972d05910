"""The limits of the protocol itself: what no configuration can raise, with the reason for each.

Limits that an operator may want to set differently are settings (`touchline_server.config.settings`).
"""

FEED_NAME_CHARS_MAX = 32
"""A feed's name is typed by people and stands in every room name."""

ROOM_ID_BYTES_MAX = 128
"""A room's id is a Kafka record key. UUIDs take 36, composed keys some more; it stands in every event."""

EVENT_KEY_BYTES_MAX = 128
"""An event's key, as ``player.7``: a name, not a document."""

EVENT_VALUE_BYTES_MAX = 256 * 1024
"""An event's value. It is copied once to every client of its room: 256 KiB to 10,000 clients is 2.5 GB."""

JSON_DEPTH_MAX = 256
"""How deep an event's value and an action's data may be nested. Parsers recurse, ours and those of clients; browsers
and Python give up at some thousands and 1,000, so a value within this depth is readable everywhere."""

CLIENT_MESSAGE_BYTES_MAX = 64 * 1024
"""A message from a client. The largest honest one names 100 rooms with their cursors, about 30 KB."""

ROOMS_PER_SUBSCRIBE_MAX = 100
"""Rooms named by one subscribe or unsubscribe: bounds what one message can make the server do."""

RECENT_EVENTS_MAX = 1_000
"""The largest ``last``: they travel in one message, before anything live."""

RECENT_BYTES_MAX = 1 << 20
"""Of the events in ``recent``: so a server need not build a message without a bound for one small request."""

AGENT_CHARS_MAX = 128
"""The ``agent`` of a hello: for logs."""

TOKEN_CHARS_MAX = 8 * 1024
"""A token. With many rooms in its claims it has some kilobytes; HTTP servers take 8 KiB of a header line too."""

SESSION_NAME_CHARS_MAX = 64
"""A session's name stands in each of its actions. A UUID takes 36."""

ACTION_KIND_CHARS_MAX = 64
"""An action's kind, as ``tap``: a name, not a text."""

ACTION_DATA_BYTES_MAX = 64 * 1024
"""An action's data, as JSON; servers set less. A message of a client has no more."""

ACTIONS_WINDOW_MAX = 1024
"""The largest ``actions_window`` of any server: the ids from the oldest unanswered action to the newest. It bounds what
a reader of the log has to remember of a session to drop duplicates."""

ACTION_RESEND_S_MAX = 300
"""An action that nobody acknowledged is not sent again later than this after it was sent first. So two copies of one
are never further apart, and who reads the log knows how far back to look for them. A train's tunnel is shorter."""

VERDICT_TEXT_CHARS_MAX = 500
"""A verdict's reason: a sentence for the player."""

CONTROL_PAYLOAD_BYTES_MAX = 125
"""RFC 6455 section 5.5: the payload of a control frame, so also a close reason with its two bytes of code."""
