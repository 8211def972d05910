/**
 * Every error, nack and close code, what it means, and what a client does about it.
 *
 * Written by scripts/write_js_codes.py from the protocol's table (`make js-codes`): do not edit it. An event has
 * one name wherever it is reported, and its recovery depends on where that is: `token_expired` can be an error, a nack
 * and a close.
 */

/**
 * What a client does after a code: `reconnect` with backoff and resume from the cursors; `retry`, since the connection
 * stays open and the same message may succeed later; `give_up`, since the result would be the same again.
 */
export type Recovery = "reconnect" | "retry" | "give_up";

/** The codes of `error` messages. */
export const ErrorCode = {
  /** The message cannot be read, or one of its fields has an invalid value. (`give_up`) */
  BAD_MESSAGE: "bad_message",
  /** The server does not know this message type. (`give_up`) */
  UNKNOWN_TYPE: "unknown_type",
  /** The message is not allowed at this point: a second hello, for example. (`give_up`) */
  OUT_OF_ORDER: "out_of_order",
  /** The room name does not have the form <feed>:<id>. (`give_up`) */
  BAD_ROOM: "bad_room",
  /** This server does not carry the room's feed. (`give_up`) */
  UNKNOWN_FEED: "unknown_feed",
  /** The connection is already in the room. (`give_up`) */
  ALREADY_SUBSCRIBED: "already_subscribed",
  /** The connection is not in the room. (`give_up`) */
  NOT_SUBSCRIBED: "not_subscribed",
  /** The connection is already in as many rooms as the welcome's rooms_max allows. (`give_up`) */
  TOO_MANY_ROOMS: "too_many_rooms",
  /**
   * The room cannot be served right now: this edge has not read its log yet, or cannot (a partition without a leader, a
   * missing permission), or is full. (`retry`)
   */
  UNAVAILABLE: "unavailable",
  /**
   * The connection asks for rooms more often than this server allows; none of the message's rooms was joined. (`retry`)
   */
  TOO_MANY_SUBSCRIBES: "too_many_subscribes",
  /** The connection presents tokens more often than this server allows; the token before stays in force. (`retry`) */
  TOO_MANY_REFRESHES: "too_many_refreshes",
  /** The client's address has, or opens, more connections than this server allows. (`retry`) */
  TOO_MANY_CONNECTIONS: "too_many_connections",
  /** The token does not allow this for the room. (`give_up`) */
  FORBIDDEN: "forbidden",
  /** The token does not allow the client to see who is in the room: subscribe without members. (`give_up`) */
  MEMBERS_FORBIDDEN: "members_forbidden",
  /** A token is required, and the client presented none in hello or Authorization. (`give_up`) */
  TOKEN_MISSING: "token_missing",
  /** The token is not a JWT, or one of its claims is missing or has the wrong type. (`give_up`) */
  TOKEN_MALFORMED: "token_malformed",
  /** The token declares itself unsigned: its alg is "none". (`give_up`) */
  TOKEN_UNSIGNED: "token_unsigned",
  /** The token's algorithm is not that of the key it names, or of any key. (`give_up`) */
  TOKEN_ALGORITHM: "token_algorithm",
  /** The server does not know the token's key (kid); it is checking for a new one. (`reconnect`) */
  TOKEN_KEY_UNKNOWN: "token_key_unknown",
  /** The token's signature does not match its key. (`give_up`) */
  TOKEN_SIGNATURE: "token_signature",
  /** The token has expired (exp): get a new one. (`give_up`) */
  TOKEN_EXPIRED: "token_expired",
  /** The token is not valid yet (nbf, iat) by the server's clock. (`give_up`) */
  TOKEN_NOT_YET_VALID: "token_not_yet_valid",
  /** The token is for another audience (aud). (`give_up`) */
  TOKEN_AUDIENCE: "token_audience",
  /** The token comes from another issuer (iss). (`give_up`) */
  TOKEN_ISSUER: "token_issuer",
  /** The token of a refresh belongs to another player (sub). (`give_up`) */
  TOKEN_PLAYER: "token_player",
  /** The player has as many connections as it may have, on all edges together. (`reconnect`) */
  TOO_MANY_PLAYER_CONNECTIONS: "too_many_player_connections",
} as const;
export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode];

/** The codes of `nack` messages. */
export const NackCode = {
  /** A token is required, and the client presented none in hello or Authorization. (`give_up`) */
  TOKEN_MISSING: "token_missing",
  /** A field of the action has an invalid value. (`give_up`) */
  ACTION_MALFORMED: "action_malformed",
  /** The token does not allow the player to act in the room. (`give_up`) */
  ACTION_FORBIDDEN: "action_forbidden",
  /** The room name is invalid, or this server does not carry its feed. (`give_up`) */
  ACTION_BAD_ROOM: "action_bad_room",
  /** The data is larger than the welcome's action_bytes_max. (`give_up`) */
  ACTION_TOO_LARGE: "action_too_large",
  /** The data cannot be represented as JSON, or is nested too deeply. (`give_up`) */
  ACTION_BAD_DATA: "action_bad_data",
  /** The feed has no actions of this kind. (`give_up`) */
  ACTION_KIND_UNKNOWN: "action_kind_unknown",
  /** The data does not match the feed's JSON Schema; the message says where. (`give_up`) */
  ACTION_INVALID: "action_invalid",
  /**
   * The log does not store this action: it is larger than the log's own limit, or the log's checks reject it.
   * (`give_up`)
   */
  ACTION_REFUSED: "action_refused",
  /** A verdict against the player is in force: see the verdict message. (`give_up`) */
  MUTED: "muted",
  /** The log already has this session's action with this id; it is not added again. (`give_up`) */
  DUPLICATE_ID: "duplicate_id",
  /** An earlier action is missing or was not taken: resume from that one, in order. (`retry`) */
  ID_GAP: "id_gap",
  /** The player acts more often than this server allows. (`retry`) */
  RATE_LIMITED: "rate_limited",
  /** Too many actions are unanswered: in the session (actions_window), or on the whole edge. (`retry`) */
  TOO_MANY_UNACKED: "too_many_unacked",
  /** The log is unavailable, so no action can be stored right now, or not all verdicts can be read yet. (`retry`) */
  LOG_UNAVAILABLE: "log_unavailable",
  /** The token has expired; the connection is about to be closed. (`reconnect`) */
  TOKEN_EXPIRED: "token_expired",
} as const;
export type NackCode = (typeof NackCode)[keyof typeof NackCode];

/** The codes of close frames. */
export const CloseCode = {
  /** The other side closed the connection normally. (`reconnect`) */
  NORMAL: 1000,
  /** The edge is shutting down, or the user left the page. (`reconnect`) */
  GOING_AWAY: 1001,
  /** The bytes received were not valid WebSocket frames. (`give_up`) */
  PROTOCOL_ERROR: 1002,
  /** A text frame arrived on the msgpack subprotocol, or a binary frame on json. (`give_up`) */
  WRONG_FRAME: 1003,
  /** The connection was lost without a close frame. (`reconnect`) */
  ABNORMAL: 1006,
  /** A text frame was not valid UTF-8. (`give_up`) */
  INVALID_TEXT: 1007,
  /** A message was larger than the welcome's message_bytes_max. (`give_up`) */
  TOO_BIG: 1009,
  /** The server failed; its log has the details. (`reconnect`) */
  INTERNAL_ERROR: 1011,
  /**
   * The client was behind for longer than the server allows, or further than the log reaches; it can resume.
   * (`reconnect`)
   */
  TOO_SLOW: 4000,
  /** No hello arrived within the handshake time. (`reconnect`) */
  HELLO_TIMEOUT: 4001,
  /** The token expired and was not refreshed; reconnect with a new one. (`reconnect`) */
  TOKEN_EXPIRED: 4002,
  /** The server does not know the token's key yet; the preceding error names it. (`reconnect`) */
  TOKEN_KEY_UNKNOWN: 4003,
  /** The player has as many connections as it may have, on all edges together; one has to end first. (`reconnect`) */
  TOO_MANY_PLAYER_CONNECTIONS: 4004,
  /** The first message was not a hello. (`give_up`) */
  HELLO_EXPECTED: 4500,
  /** The server had to refuse too many of the client's messages in a short time, with errors and nacks. (`give_up`) */
  TOO_MANY_ERRORS: 4501,
  /** The token was rejected or is missing; the preceding error says why. (`give_up`) */
  UNAUTHORIZED: 4502,
  /** The player is banned; the preceding verdict says why. (`give_up`) */
  BANNED: 4503,
  /** Another connection of the player took over this session. (`give_up`) */
  SESSION_REPLACED: 4504,
  /** The client sent far more pings or pongs than keep a connection alive. (`give_up`) */
  TOO_MANY_PINGS: 4505,
  /** The client sent far more messages than this server allows. (`give_up`) */
  TOO_MANY_MESSAGES: 4506,
  /** The client sent far more bytes in messages than this server allows. (`give_up`) */
  TOO_MANY_BYTES: 4507,
} as const;
export type CloseCode = (typeof CloseCode)[keyof typeof CloseCode];
