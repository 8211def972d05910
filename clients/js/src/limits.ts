/**
 * The limits of the protocol itself, which no operator can raise, with the reason for each.
 *
 * Written by scripts/write_js_codes.py from `touchline_protocol.limits` (`make js-codes`): do not edit it.
 */

/** People type a feed's name, and it is part of every room name. */
export const FEED_NAME_CHARS_MAX = 32;

/** A room's id is a Kafka record key and is part of every event. UUIDs take 36 bytes, composite keys somewhat more. */
export const ROOM_ID_BYTES_MAX = 128;

/** An event's key is a name such as `player.7`, not a document. */
export const EVENT_KEY_BYTES_MAX = 128;

/** An event's value is copied to every client of its room: 256 KiB to 10,000 clients is 2.5 GB. */
export const EVENT_VALUE_BYTES_MAX = 262_144;

/**
 * How deeply an event's value and an action's data may be nested. Most parsers recurse: Python's gives up at 1,000
 * levels and browsers at a few thousand, so every client can read a value within this depth.
 */
export const JSON_DEPTH_MAX = 256;

/** A client's message. The largest legitimate one names 100 rooms with their cursors, about 30 KB. */
export const CLIENT_MESSAGE_BYTES_MAX = 65_536;

/**
 * WebSocket fragments of a client's message: 64 KiB in pieces of 64 bytes. Its bytes are bounded, but fragments may be
 * empty.
 */
export const FRAGMENTS_PER_MESSAGE_MAX = 1_024;

/** Rooms in one subscribe or unsubscribe: a bound on the work that one message can cause. */
export const ROOMS_PER_SUBSCRIBE_MAX = 100;

/** The largest timestamp in a cursor, in Unix milliseconds: within JavaScript's range of integers. */
export const TIMESTAMP_MAX = 9_007_199_254_740_991;

/** The largest value of `last`. These events travel in one message, ahead of anything live. */
export const RECENT_EVENTS_MAX = 1_000;

/** All events in `recent` together, so that a small request cannot make the server build a message of any size. */
export const RECENT_BYTES_MAX = 1_048_576;

/** The `agent` of a hello only appears in logs. */
export const AGENT_CHARS_MAX = 128;

/** A token that names many rooms takes a few kilobytes. HTTP servers commonly accept header lines of 8 KiB, too. */
export const TOKEN_CHARS_MAX = 8_192;

/** A session's name is part of each of its actions. A UUID takes 36 characters. */
export const SESSION_NAME_CHARS_MAX = 64;

/** An action's kind is a name such as `tap`, not a text. */
export const ACTION_KIND_CHARS_MAX = 64;

/** An action's data, as JSON. It cannot exceed a client's message, and servers usually allow less. */
export const ACTION_DATA_BYTES_MAX = 65_536;

/**
 * The largest `actions_window` of any server: how many ids, counted from the oldest unanswered action, may be in
 * flight. It bounds what a reader of the log has to remember about a session in order to drop duplicates.
 */
export const ACTIONS_WINDOW_MAX = 1_024;

/**
 * An unacknowledged action is not sent again once this long has passed since it was first sent. So duplicates are never
 * further apart, and a reader of the log knows how far back to look for them. A train passes a tunnel in less.
 */
export const ACTION_RESEND_S_MAX = 300;

/** A verdict's reason is a sentence for the player. */
export const VERDICT_TEXT_CHARS_MAX = 500;

/** The payload of a control frame (RFC 6455 section 5.5), such as a close code of two bytes with its reason. */
export const CONTROL_PAYLOAD_BYTES_MAX = 125;
